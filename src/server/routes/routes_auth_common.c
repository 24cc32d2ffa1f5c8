/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "base/text.h"
#include "os/os.h"
#include "server/audit_log.h"
#include "server/auth.h"
#include "server/conn.h"
#include "server/routes/routes_auth_priv.h"
#include "server/server.h"

#include <string.h>

#define BODY_DEPTH 4

/* What a change needs, on the pool, of the connection, which is the loop's. */
struct auth_change {
    char address[CONN_ADDRESS_BYTES];
};

/* ---- Bodies -------------------------------------------------------------------------------- */

void auth_body_deinit(struct auth_body *body)
{
    json_free(body->json);
}

static struct json_value *member_of(struct auth_body *body, struct slice key, bool of_token)
{
    if (slice_equal(key, slice_of_text("name"))) {
        return &body->name;
    }
    if (slice_equal(key, slice_of_text("roles"))) {
        return &body->roles;
    }
    if (of_token) {
        return slice_equal(key, slice_of_text("expires")) ? &body->expires : NULL;
    }
    if (slice_equal(key, slice_of_text("password"))) {
        return &body->password;
    }
    return slice_equal(key, slice_of_text("disabled")) ? &body->disabled : NULL;
}

int auth_body_read(struct auth_body *body, struct slice text, bool of_token, struct error *err)
{
    struct json_cursor cursor;
    struct json_value root;
    struct json_value value;
    struct slice key;
    int rc;

    body->json = json_new(BODY_DEPTH, AUTH_BODY_MAX);
    if (body->json == NULL) {
        return error_set_no_memory(err);
    }
    rc = json_parse(body->json, text, &root, err);
    if (rc < 0) {
        return rc;
    }
    if (json_type_of(root) != JSON_OBJECT) {
        return error_set(err, BLOCKDB_EINVAL, "the body is not a JSON object");
    }
    cursor = json_walk(root);
    while (json_next(&cursor, &key, &value)) {
        struct json_value *member = member_of(body, key, of_token);
        char shown[TEXT_SHOWN_BYTES];

        if (member == NULL) {
            text_show(shown, key);
            return error_set(err, BLOCKDB_EINVAL, "unknown member '%s': %s", shown,
                             of_token ? "a token has name, roles and expires"
                                      : "a user has name, password, roles and disabled");
        }
        *member = value;
    }
    return BLOCKDB_OK;
}

int auth_body_text(struct json_value value, const char *name, struct slice *out, struct error *err)
{
    if (!auth_body_has(value) || !json_text(value, out) ||
        (out->len > 0 && memchr(out->data, 0, out->len) != NULL)) {
        return error_set(err, BLOCKDB_EINVAL, "the member '%s' must be text", name);
    }
    return BLOCKDB_OK;
}

int auth_body_roles(struct json_value value, struct role_list *out, struct error *err)
{
    struct json_cursor cursor = json_walk(value);
    struct json_value item;

    if (json_type_of(value) != JSON_ARRAY) {
        return error_set(err, BLOCKDB_EINVAL,
                         "the member 'roles' must be an array of texts such as \"reader\" or "
                         "\"writer:orders/\"");
    }
    while (json_next(&cursor, NULL, &item)) {
        struct slice text;
        int rc = auth_body_text(item, "roles", &text, err);

        if (rc == BLOCKDB_OK) {
            rc = role_list_add(out, text, err);
        }
        if (rc < 0) {
            return rc;
        }
    }
    return BLOCKDB_OK;
}

/* ---- Answers ------------------------------------------------------------------------------- */

void auth_answer_begin(struct json_writer *w, struct exchange *x)
{
    json_writer_init(w, exchange_out(x));
    json_writer_begin_object(w);
    json_writer_member_bool(w, "success", true);
}

int auth_answer_end(struct json_writer *w, struct exchange *x, struct error *err)
{
    json_writer_end_object(w);
    if (json_writer_finish(w) < 0 || buf_append_u8(exchange_out(x), '\n') < 0) {
        return error_set_no_memory(err);
    }
    return BLOCKDB_OK;
}

int auth_answer_done(struct exchange *x, struct error *err)
{
    struct json_writer w;

    auth_answer_begin(&w, x);
    return auth_answer_end(&w, x, err);
}

/* ---- Changes ------------------------------------------------------------------------------- */

struct auth_writer auth_change_writer(struct exchange *x, struct blockdb *db)
{
    return (struct auth_writer){
        .db = db,
        .os = server_os(exchange_server(x)),
        .by = principal_name(exchange_principal(x)),
        .keeps_admin = auth_enabled(server_auth(exchange_server(x))),
    };
}

const char *auth_change_address(const struct exchange *x)
{
    const struct auth_change *admin = exchange_state(x);

    return admin->address;
}

int auth_change_finish(struct exchange *x, const char *action, const char *subject, int status,
                       struct error *err)
{
    const struct auth_change *admin = exchange_state(x);
    int rc = status == BLOCKDB_OK ? auth_refresh(server_auth(exchange_server(x)), err) : status;

    audit_write(server_audit(exchange_server(x)),
                &(struct audit_event){.action = action,
                                      .outcome = rc == BLOCKDB_OK ? AUDIT_OK : AUDIT_FAILED,
                                      .who = principal_name(exchange_principal(x)),
                                      .address = admin->address,
                                      .target = subject,
                                      .reason = rc < 0 ? err->message : NULL,
                                      .request = exchange_id(x)});
    return rc;
}

int auth_param_text(struct exchange *x, const char *name, char *out, size_t out_bytes,
                    struct error *err)
{
    struct slice value = exchange_param(x, name);

    if (value.len >= out_bytes || (value.len > 0 && memchr(value.data, 0, value.len) != NULL)) {
        return error_set(err, BLOCKDB_ENOTFOUND, "there is no such %s: it is too long",
                         strcmp(name, "id") == 0 ? "token" : "user");
    }
    if (value.len > 0) {
        memcpy(out, value.data, value.len);
    }
    out[value.len] = '\0';
    return BLOCKDB_OK;
}

void auth_change_run(struct exchange *x, exchange_run_fn fn)
{
    struct auth_change *admin = exchange_state_new(x, sizeof *admin);

    if (admin == NULL) {
        exchange_error(x, BLOCKDB_ENOMEM, NULL);
        return;
    }
    memcpy(admin->address, conn_peer(exchange_conn(x))->address, sizeof admin->address);
    exchange_run(x, POOL_READ, fn);
}
