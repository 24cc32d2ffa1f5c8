/* SPDX-License-Identifier: Apache-2.0 */
#include "server/routes/routes_auth.h"

#include "server/auth.h"
#include "server/routes/routes_auth_priv.h"
#include "server/server.h"

/* ---- Who one is ---------------------------------------------------------------------------- */

static void write_rights(struct json_writer *w, unsigned rights)
{
    static const struct {
        unsigned right;
        const char *name;
    } names[] = {{RIGHT_READ, "read"},
                 {RIGHT_WRITE, "write"},
                 {RIGHT_PROVE, "prove"},
                 {RIGHT_OPERATE, "operate"},
                 {RIGHT_ADMIN, "admin"}};

    json_writer_key(w, "rights");
    json_writer_begin_array(w);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if ((rights & names[i].right) != 0) {
            json_writer_text(w, names[i].name);
        }
    }
    json_writer_end_array(w);
}

/* Sends what was written to exchange_out(). */
static void send_answer(struct exchange *x, struct json_writer *w)
{
    struct error err = {0};
    int rc = auth_answer_end(w, x, &err);

    if (rc < 0) {
        exchange_error(x, rc, &err);
    } else {
        exchange_reply_out(x, 200, HTTP_TYPE_JSON);
    }
}

static void whoami(struct exchange *x)
{
    const struct principal *p = exchange_principal(x);
    struct json_writer w;

    auth_answer_begin(&w, x);
    json_writer_member_text(&w, "name", principal_name(p));
    json_writer_member_bool(&w, "authentication", auth_enabled(server_auth(exchange_server(x))));
    write_rights(&w, principal_rights(p));
    json_writer_key(&w, "grants");
    json_writer_begin_array(&w);
    for (size_t i = 0; i < principal_grant_count(p); i++) {
        struct principal_grant grant = principal_grant_at(p, i);

        json_writer_begin_object(&w);
        write_rights(&w, grant.rights);
        json_writer_key(&w, "prefix");
        json_writer_string(&w, grant.prefix);
        json_writer_end_object(&w);
    }
    json_writer_end_array(&w);
    send_answer(x, &w);
}

static void list_roles(struct exchange *x)
{
    struct json_writer w;
    size_t count;
    const struct role *roles = role_table(&count);

    auth_answer_begin(&w, x);
    json_writer_key(&w, "roles");
    json_writer_begin_array(&w);
    for (size_t i = 0; i < count; i++) {
        json_writer_begin_object(&w);
        json_writer_member_text(&w, "name", roles[i].name);
        write_rights(&w, roles[i].rights);
        json_writer_member_text(&w, "summary", roles[i].summary);
        json_writer_end_object(&w);
    }
    json_writer_end_array(&w);
    send_answer(x, &w);
}

/* ---- The table ----------------------------------------------------------------------------- */

const struct route routes_auth[ROUTES_AUTH_COUNT] = {
    {HTTP_GET, "/api/v1/whoami", 0, ROUTE_READ, 0, 0, whoami, "Who the client is and may do"},
    {HTTP_GET, "/api/v1/roles", 0, ROUTE_READ, 0, 0, list_roles, "The roles there are"},
    {HTTP_POST, "/api/v1/password", 0, ROUTE_ADMIN, ROUTE_AUDITS | ROUTE_BODY, AUTH_BODY_MAX,
     route_password, "Change one's own password"},
    {HTTP_GET, "/api/v1/users", RIGHT_ADMIN, ROUTE_ADMIN, 0, 0, route_users_get, "All users"},
    {HTTP_POST, "/api/v1/users", RIGHT_ADMIN, ROUTE_ADMIN, ROUTE_AUDITS | ROUTE_BODY, AUTH_BODY_MAX,
     route_user_post, "Add a user"},
    {HTTP_GET, "/api/v1/users/{name}", RIGHT_ADMIN, ROUTE_ADMIN, 0, 0, route_user_get, "One user"},
    {HTTP_PUT, "/api/v1/users/{name}", RIGHT_ADMIN, ROUTE_ADMIN, ROUTE_AUDITS | ROUTE_BODY,
     AUTH_BODY_MAX, route_user_put, "Change roles, password or state of a user"},
    {HTTP_DELETE, "/api/v1/users/{name}", RIGHT_ADMIN, ROUTE_ADMIN, ROUTE_AUDITS, 0,
     route_user_delete, "Remove a user"},
    {HTTP_GET, "/api/v1/tokens", RIGHT_ADMIN, ROUTE_ADMIN, 0, 0, route_tokens_get, "All tokens"},
    {HTTP_POST, "/api/v1/tokens", RIGHT_ADMIN, ROUTE_ADMIN, ROUTE_AUDITS | ROUTE_BODY,
     AUTH_BODY_MAX, route_token_post, "Make a token; the answer shows it once"},
    {HTTP_GET, "/api/v1/tokens/{id}", RIGHT_ADMIN, ROUTE_ADMIN, 0, 0, route_token_get, "One token"},
    {HTTP_DELETE, "/api/v1/tokens/{id}", RIGHT_ADMIN, ROUTE_ADMIN, ROUTE_AUDITS, 0,
     route_token_delete, "Revoke a token"},
};
