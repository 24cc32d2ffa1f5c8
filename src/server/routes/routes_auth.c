/* SPDX-License-Identifier: Apache-2.0 */
#include "server/routes/routes_auth.h"

#include "base/mem.h"
#include "base/text.h"
#include "os/os.h"
#include "server/audit_log.h"
#include "server/auth.h"
#include "server/auth_store.h"
#include "server/conn.h"
#include "server/http/exchange.h"
#include "server/server.h"
#include "shim/json.h"

#include <stdio.h>
#include <string.h>

#define BODY_MAX 65536
#define BODY_DEPTH 4
#define TARGET_BYTES 96
#define TIME_MAX_MS 253402300799999 /* the end of 9999 */

/* What a change needs on the pool of the connection, which is the loop's. */
struct admin {
    char address[CONN_ADDRESS_BYTES];
};

/* ---- Bodies -------------------------------------------------------------------------------- */

/* The members of a body; a value without document is one that is absent. */
struct body {
    struct json *json;
    struct json_value name;
    struct json_value password;
    struct json_value roles;
    struct json_value disabled;
    struct json_value expires;
};

static void body_deinit(struct body *body)
{
    json_free(body->json);
}

static bool is_there(struct json_value value)
{
    return value.document != NULL;
}

static struct json_value *member_of(struct body *body, struct slice key, bool of_token)
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

/* Parses a body with members of a user, or of a token; others are refused. */
static int body_read(struct body *body, struct slice text, bool of_token, struct error *err)
{
    struct json_cursor cursor;
    struct json_value root;
    struct json_value value;
    struct slice key;
    int rc;

    body->json = json_new(BODY_DEPTH, BODY_MAX);
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

static int read_text(struct json_value value, const char *name, struct slice *out,
                     struct error *err)
{
    if (!is_there(value) || !json_text(value, out) ||
        (out->len > 0 && memchr(out->data, 0, out->len) != NULL)) {
        return error_set(err, BLOCKDB_EINVAL, "the member '%s' must be text", name);
    }
    return BLOCKDB_OK;
}

static int read_roles(struct json_value value, struct role_list *out, struct error *err)
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
        int rc = read_text(item, "roles", &text, err);

        if (rc == BLOCKDB_OK) {
            rc = role_list_add(out, text, err);
        }
        if (rc < 0) {
            return rc;
        }
    }
    return BLOCKDB_OK;
}

/* ---- Records as JSON ----------------------------------------------------------------------- */

static void write_roles(struct json_writer *w, const struct role_list *roles)
{
    auth_record_write_roles(w, roles);
}

static void write_user(struct json_writer *w, const struct user_record *user,
                       const struct blockdb_version_info *version)
{
    json_writer_member_text(w, "name", user->name);
    write_roles(w, &user->roles);
    json_writer_member_bool(w, "disabled", user->disabled);
    json_writer_member_bool(w, "password", user->password[0] != '\0');
    json_writer_member_text(w, "by", user->by);
    json_writer_member_u64(w, "seq", version->seq);
    json_writer_key(w, "time");
    json_writer_time(w, version->time_ms);
}

static void write_moment(struct json_writer *w, const char *key, uint64_t time_ms)
{
    json_writer_key(w, key);
    if (time_ms == 0) {
        json_writer_null(w);
    } else {
        json_writer_time(w, time_ms);
    }
}

static void write_token(struct json_writer *w, const struct token_record *token,
                        const struct blockdb_version_info *version, struct auth *auth)
{
    json_writer_member_text(w, "id", token->id);
    json_writer_member_text(w, "name", token->name);
    write_roles(w, &token->roles);
    write_moment(w, "expires", token->expires_ms);
    write_moment(w, "last_used", auth_token_last_used(auth, slice_of_text(token->id)));
    json_writer_member_text(w, "by", token->by);
    json_writer_member_u64(w, "seq", version->seq);
    json_writer_key(w, "time");
    json_writer_time(w, version->time_ms);
}

static void begin_answer(struct json_writer *w, struct exchange *x)
{
    json_writer_init(w, exchange_out(x));
    json_writer_begin_object(w);
    json_writer_member_bool(w, "success", true);
}

static int end_answer(struct json_writer *w, struct exchange *x, struct error *err)
{
    json_writer_end_object(w);
    if (json_writer_finish(w) < 0 || buf_append_u8(exchange_out(x), '\n') < 0) {
        return error_set_no_memory(err);
    }
    return BLOCKDB_OK;
}

/* ---- Changes ------------------------------------------------------------------------------- */

static struct auth_writer writer_of(struct exchange *x, struct blockdb *db)
{
    return (struct auth_writer){
        .db = db,
        .os = server_os(exchange_server(x)),
        .by = principal_name(exchange_principal(x)),
        .keeps_admin = auth_enabled(server_auth(exchange_server(x))),
    };
}

/* Puts a change in force and writes it down; passes its status on. */
static int finish_change(struct exchange *x, const char *action, const char *subject, int status,
                         struct error *err)
{
    const struct admin *admin = exchange_state(x);
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

/* A parameter of the path as text. */
static int param_text(struct exchange *x, const char *name, char *out, size_t out_bytes,
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

/* Runs fn on the pool, which needs to know where the request came from. */
static void run_change(struct exchange *x, exchange_run_fn fn)
{
    struct admin *admin = exchange_state_new(x, sizeof *admin);

    if (admin == NULL) {
        exchange_error(x, BLOCKDB_ENOMEM, NULL);
        return;
    }
    memcpy(admin->address, conn_peer(exchange_conn(x))->address, sizeof admin->address);
    exchange_run(x, POOL_READ, fn);
}

/* ---- Users --------------------------------------------------------------------------------- */

static int list_user(void *context, const struct auth_record *record)
{
    struct json_writer *w = context;

    if (strcmp(record->type, "user") != 0) {
        return BLOCKDB_OK;
    }
    json_writer_begin_object(w);
    if (record->user != NULL) {
        write_user(w, record->user, &record->version);
    } else {
        json_writer_key(w, "key");
        json_writer_string(w, record->key);
        json_writer_member_text(w, "damage", record->damage->message);
    }
    json_writer_end_object(w);
    return BLOCKDB_OK;
}

static int run_list_users(struct exchange *x, struct blockdb *db, struct error *err)
{
    struct json_writer w;
    int rc;

    begin_answer(&w, x);
    json_writer_key(&w, "users");
    json_writer_begin_array(&w);
    rc = auth_store_walk(db, list_user, &w, err);
    if (rc < 0) {
        return rc;
    }
    json_writer_end_array(&w);
    return end_answer(&w, x, err);
}

static int answer_user(struct exchange *x, struct blockdb *db, const char *name, struct error *err)
{
    AUTO(user_record_deinit) struct user_record user = {0};
    struct blockdb_version_info version;
    struct json_writer w;
    int rc = auth_store_user(db, name, &user, &version, err);

    if (rc < 0) {
        return rc;
    }
    begin_answer(&w, x);
    write_user(&w, &user, &version);
    return end_answer(&w, x, err);
}

static int run_show_user(struct exchange *x, struct blockdb *db, struct error *err)
{
    char name[USER_NAME_MAX + 1];
    int rc = param_text(x, "name", name, sizeof name, err);

    return rc < 0 ? rc : answer_user(x, db, name, err);
}

/* What a body says of a user. roles is where its roles go. */
static int change_of_body(const struct body *body, struct role_list *roles,
                          struct user_change *change, struct error *err)
{
    int rc = BLOCKDB_OK;

    if (is_there(body->roles)) {
        rc = read_roles(body->roles, roles, err);
        change->roles = roles;
    }
    if (rc == BLOCKDB_OK && is_there(body->password)) {
        rc = json_type_of(body->password) == JSON_NULL
                 ? BLOCKDB_OK
                 : read_text(body->password, "password", &change->password, err);
        change->sets_password = true;
    }
    if (rc == BLOCKDB_OK && change->password.data != NULL && change->password.len == 0) {
        rc = error_set(err, BLOCKDB_EINVAL,
                       "the member 'password' is empty: null takes the password away");
    }
    if (rc == BLOCKDB_OK && is_there(body->disabled)) {
        change->sets_disabled = true;
        if (!json_boolean(body->disabled, &change->disabled)) {
            rc = error_set(err, BLOCKDB_EINVAL, "the member 'disabled' must be true or false");
        }
    }
    return rc;
}

static int add_user(struct exchange *x, struct blockdb *db, char name[USER_NAME_MAX + 1],
                    struct error *err)
{
    AUTO(body_deinit) struct body body = {0};
    AUTO(role_list_deinit) struct role_list roles = {0};
    const struct auth_writer writer = writer_of(x, db);
    struct user_change user = {.name = name};
    struct slice text = {0};
    int rc = body_read(&body, exchange_body(x), false, err);

    if (rc == BLOCKDB_OK) {
        rc = read_text(body.name, "name", &text, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = auth_name_check(text, USER_NAME_MAX, err);
    }
    if (rc < 0) {
        return rc;
    }
    memcpy(name, text.data, text.len);
    name[text.len] = '\0';
    if (!is_there(body.roles)) {
        return error_set(err, BLOCKDB_EINVAL, "the member 'roles' is missing");
    }
    rc = change_of_body(&body, &roles, &user, err);
    return rc < 0 ? rc : auth_store_user_add(&writer, &user, err);
}

static int run_add_user(struct exchange *x, struct blockdb *db, struct error *err)
{
    char name[USER_NAME_MAX + 1] = "";
    char subject[TARGET_BYTES];
    int rc = add_user(x, db, name, err);

    (void)snprintf(subject, sizeof subject, "user/%s", name);
    rc = finish_change(x, "user.add", subject, rc, err);
    return rc < 0 ? rc : answer_user(x, db, name, err);
}

static int set_user(struct exchange *x, struct blockdb *db, const char *name, struct error *err)
{
    AUTO(body_deinit) struct body body = {0};
    AUTO(role_list_deinit) struct role_list roles = {0};
    const struct auth_writer writer = writer_of(x, db);
    struct user_change change = {.name = name};
    int rc = body_read(&body, exchange_body(x), false, err);

    if (rc == BLOCKDB_OK && is_there(body.name)) {
        rc = error_set(err, BLOCKDB_EINVAL, "users cannot be renamed: leave 'name' out");
    }
    if (rc == BLOCKDB_OK) {
        rc = change_of_body(&body, &roles, &change, err);
    }
    if (rc == BLOCKDB_OK && change.roles == NULL && !change.sets_password &&
        !change.sets_disabled) {
        rc = error_set(err, BLOCKDB_EINVAL,
                       "the body says nothing to change: roles, password or disabled");
    }
    return rc < 0 ? rc : auth_store_user_set(&writer, &change, err);
}

static int run_set_user(struct exchange *x, struct blockdb *db, struct error *err)
{
    char name[USER_NAME_MAX + 1];
    char subject[TARGET_BYTES];
    int rc = param_text(x, "name", name, sizeof name, err);

    if (rc < 0) {
        return rc;
    }
    (void)snprintf(subject, sizeof subject, "user/%s", name);
    rc = finish_change(x, "user.set", subject, set_user(x, db, name, err), err);
    return rc < 0 ? rc : answer_user(x, db, name, err);
}

/* {"success":true} */
static int answer_done(struct exchange *x, struct error *err)
{
    struct json_writer w;

    begin_answer(&w, x);
    return end_answer(&w, x, err);
}

static int run_remove_user(struct exchange *x, struct blockdb *db, struct error *err)
{
    const struct auth_writer writer = writer_of(x, db);
    char name[USER_NAME_MAX + 1];
    char subject[TARGET_BYTES];
    int rc = param_text(x, "name", name, sizeof name, err);

    if (rc < 0) {
        return rc;
    }
    (void)snprintf(subject, sizeof subject, "user/%s", name);
    rc = finish_change(x, "user.remove", subject, auth_store_user_remove(&writer, name, err), err);
    return rc < 0 ? rc : answer_done(x, err);
}

/* ---- Tokens -------------------------------------------------------------------------------- */

struct token_listing {
    struct json_writer w;
    struct auth *auth;
};

static int list_token(void *context, const struct auth_record *record)
{
    struct token_listing *listing = context;

    if (strcmp(record->type, "token") != 0) {
        return BLOCKDB_OK;
    }
    json_writer_begin_object(&listing->w);
    if (record->token != NULL) {
        write_token(&listing->w, record->token, &record->version, listing->auth);
    } else {
        json_writer_key(&listing->w, "key");
        json_writer_string(&listing->w, record->key);
        json_writer_member_text(&listing->w, "damage", record->damage->message);
    }
    json_writer_end_object(&listing->w);
    return BLOCKDB_OK;
}

static int run_list_tokens(struct exchange *x, struct blockdb *db, struct error *err)
{
    struct token_listing listing = {.auth = server_auth(exchange_server(x))};
    int rc;

    begin_answer(&listing.w, x);
    json_writer_key(&listing.w, "tokens");
    json_writer_begin_array(&listing.w);
    rc = auth_store_walk(db, list_token, &listing, err);
    if (rc < 0) {
        return rc;
    }
    json_writer_end_array(&listing.w);
    return end_answer(&listing.w, x, err);
}

static int run_show_token(struct exchange *x, struct blockdb *db, struct error *err)
{
    AUTO(token_record_deinit) struct token_record token = {0};
    struct blockdb_version_info version;
    struct json_writer w;
    char id[TARGET_BYTES];
    int rc = param_text(x, "id", id, sizeof id, err);

    if (rc == BLOCKDB_OK) {
        rc = auth_store_token(db, id, &token, &version, err);
    }
    if (rc < 0) {
        return rc;
    }
    begin_answer(&w, x);
    write_token(&w, &token, &version, server_auth(exchange_server(x)));
    return end_answer(&w, x, err);
}

/* RFC 3339, or milliseconds since 1970; null and absent: never. */
static int read_expires(struct json_value value, uint64_t now_ms, uint64_t *out_ms,
                        struct error *err)
{
    struct slice text;
    bool ok;

    if (!is_there(value) || json_type_of(value) == JSON_NULL) {
        return BLOCKDB_OK;
    }
    ok = json_text(value, &text) ? text_parse_time(text, out_ms) == BLOCKDB_OK
                                 : json_u64(value, out_ms);
    if (!ok || *out_ms > TIME_MAX_MS) {
        return error_set(err, BLOCKDB_EINVAL,
                         "the member 'expires' must be a time such as 2027-01-31T12:00:00Z, or "
                         "milliseconds since 1970");
    }
    if (*out_ms <= now_ms) {
        return error_set(err, BLOCKDB_EINVAL, "the member 'expires' is a time that has passed");
    }
    return BLOCKDB_OK;
}

static int create_token(struct exchange *x, struct blockdb *db, struct token *out,
                        struct error *err)
{
    AUTO(body_deinit) struct body body = {0};
    AUTO(role_list_deinit) struct role_list roles = {0};
    const struct auth_writer writer = writer_of(x, db);
    struct token_wish wish = {.roles = &roles};
    char name[TOKEN_NAME_MAX + 1];
    struct slice text = {0};
    int rc = body_read(&body, exchange_body(x), true, err);

    if (rc == BLOCKDB_OK) {
        rc = read_text(body.name, "name", &text, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = auth_name_check(text, TOKEN_NAME_MAX, err);
    }
    if (rc == BLOCKDB_OK && !is_there(body.roles)) {
        rc = error_set(err, BLOCKDB_EINVAL, "the member 'roles' is missing");
    }
    if (rc == BLOCKDB_OK) {
        rc = read_roles(body.roles, &roles, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = read_expires(body.expires, os_now_ms(writer.os), &wish.expires_ms, err);
    }
    if (rc < 0) {
        return rc;
    }
    memcpy(name, text.data, text.len);
    name[text.len] = '\0';
    wish.name = name;
    return auth_store_token_create(&writer, &wish, out, err);
}

static int run_create_token(struct exchange *x, struct blockdb *db, struct error *err)
{
    AUTO(token_wipe) struct token token = {0};
    char subject[TARGET_BYTES];
    struct json_writer w;
    int rc = create_token(x, db, &token, err);

    (void)snprintf(subject, sizeof subject, "token/%s", token.id);
    rc = finish_change(x, "token.create", subject, rc, err);
    if (rc < 0) {
        return rc;
    }
    begin_answer(&w, x);
    json_writer_member_text(&w, "id", token.id);
    json_writer_member_text(&w, "token", token.text);
    exchange_set_header(x, "Cache-Control", "no-store");
    return end_answer(&w, x, err);
}

static int run_revoke_token(struct exchange *x, struct blockdb *db, struct error *err)
{
    const struct auth_writer writer = writer_of(x, db);
    char id[TARGET_BYTES];
    char subject[TARGET_BYTES + sizeof "token/"];
    int rc = param_text(x, "id", id, sizeof id, err);

    if (rc < 0) {
        return rc;
    }
    (void)snprintf(subject, sizeof subject, "token/%s", id);
    rc = finish_change(x, "token.revoke", subject, auth_store_token_revoke(&writer, id, err), err);
    return rc < 0 ? rc : answer_done(x, err);
}

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
    int rc = end_answer(w, x, &err);

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

    begin_answer(&w, x);
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

    begin_answer(&w, x);
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

static void list_users(struct exchange *x)
{
    exchange_run(x, POOL_READ, run_list_users);
}

static void show_user(struct exchange *x)
{
    exchange_run(x, POOL_READ, run_show_user);
}

static void post_user(struct exchange *x)
{
    run_change(x, run_add_user);
}

static void put_user(struct exchange *x)
{
    run_change(x, run_set_user);
}

static void delete_user(struct exchange *x)
{
    run_change(x, run_remove_user);
}

static void list_tokens(struct exchange *x)
{
    exchange_run(x, POOL_READ, run_list_tokens);
}

static void show_token(struct exchange *x)
{
    exchange_run(x, POOL_READ, run_show_token);
}

static void post_token(struct exchange *x)
{
    run_change(x, run_create_token);
}

static void delete_token(struct exchange *x)
{
    run_change(x, run_revoke_token);
}

const struct route routes_auth[ROUTES_AUTH_COUNT] = {
    {HTTP_GET, "/api/v1/whoami", 0, ROUTE_READ, 0, 0, whoami, "Who the client is and may do"},
    {HTTP_GET, "/api/v1/roles", 0, ROUTE_READ, 0, 0, list_roles, "The roles there are"},
    {HTTP_GET, "/api/v1/users", RIGHT_ADMIN, ROUTE_ADMIN, 0, 0, list_users, "All users"},
    {HTTP_POST, "/api/v1/users", RIGHT_ADMIN, ROUTE_ADMIN, ROUTE_AUDITS, BODY_MAX, post_user,
     "Add a user"},
    {HTTP_GET, "/api/v1/users/{name}", RIGHT_ADMIN, ROUTE_ADMIN, 0, 0, show_user, "One user"},
    {HTTP_PUT, "/api/v1/users/{name}", RIGHT_ADMIN, ROUTE_ADMIN, ROUTE_AUDITS, BODY_MAX, put_user,
     "Change roles, password or state of a user"},
    {HTTP_DELETE, "/api/v1/users/{name}", RIGHT_ADMIN, ROUTE_ADMIN, ROUTE_AUDITS, 0, delete_user,
     "Remove a user"},
    {HTTP_GET, "/api/v1/tokens", RIGHT_ADMIN, ROUTE_ADMIN, 0, 0, list_tokens, "All tokens"},
    {HTTP_POST, "/api/v1/tokens", RIGHT_ADMIN, ROUTE_ADMIN, ROUTE_AUDITS, BODY_MAX, post_token,
     "Make a token; the answer shows it once"},
    {HTTP_GET, "/api/v1/tokens/{id}", RIGHT_ADMIN, ROUTE_ADMIN, 0, 0, show_token, "One token"},
    {HTTP_DELETE, "/api/v1/tokens/{id}", RIGHT_ADMIN, ROUTE_ADMIN, ROUTE_AUDITS, 0, delete_token,
     "Revoke a token"},
};
