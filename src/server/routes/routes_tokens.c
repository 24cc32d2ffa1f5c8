/* SPDX-License-Identifier: Apache-2.0 */
/* The routes of tokens. */
#include "base/mem.h"
#include "base/text.h"
#include "os/os.h"
#include "server/auth.h"
#include "server/routes/routes_auth_priv.h"
#include "server/server.h"

#include <stdio.h>
#include <string.h>

#define TIME_MAX_MS 253402300799999 /* the end of 9999 */

/* ---- Answers ------------------------------------------------------------------------------- */

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
    auth_record_write_roles(w, &token->roles);
    write_moment(w, "expires", token->expires_ms);
    write_moment(w, "last_used", auth_token_last_used(auth, slice_of_text(token->id)));
    json_writer_member_text(w, "by", token->by);
    json_writer_member_u64(w, "seq", version->seq);
    json_writer_key(w, "time");
    json_writer_time(w, version->time_ms);
}

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

    auth_answer_begin(&listing.w, x);
    json_writer_key(&listing.w, "tokens");
    json_writer_begin_array(&listing.w);
    rc = auth_store_walk(db, list_token, &listing, err);
    if (rc < 0) {
        return rc;
    }
    json_writer_end_array(&listing.w);
    return auth_answer_end(&listing.w, x, err);
}

static int run_show_token(struct exchange *x, struct blockdb *db, struct error *err)
{
    AUTO(token_record_deinit) struct token_record token = {0};
    struct blockdb_version_info version;
    struct json_writer w;
    char id[AUTH_TARGET_BYTES];
    int rc = auth_param_text(x, "id", id, sizeof id, err);

    if (rc == BLOCKDB_OK) {
        rc = auth_store_token(db, id, &token, &version, err);
    }
    if (rc < 0) {
        return rc;
    }
    auth_answer_begin(&w, x);
    write_token(&w, &token, &version, server_auth(exchange_server(x)));
    return auth_answer_end(&w, x, err);
}

/* ---- Changes ------------------------------------------------------------------------------- */

/* RFC 3339, or milliseconds since 1970; null and absent: never. */
static int read_expires(struct json_value value, uint64_t now_ms, uint64_t *out_ms,
                        struct error *err)
{
    struct slice text;
    bool ok;

    if (!auth_body_has(value) || json_type_of(value) == JSON_NULL) {
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
    AUTO(auth_body_deinit) struct auth_body body = {0};
    AUTO(role_list_deinit) struct role_list roles = {0};
    const struct auth_writer writer = auth_change_writer(x, db);
    struct token_wish wish = {.roles = &roles};
    char name[TOKEN_NAME_MAX + 1];
    struct slice text = {0};
    int rc = auth_body_read(&body, exchange_body(x), true, err);

    if (rc == BLOCKDB_OK) {
        rc = auth_body_text(body.name, "name", &text, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = auth_name_check(text, TOKEN_NAME_MAX, err);
    }
    if (rc == BLOCKDB_OK && !auth_body_has(body.roles)) {
        rc = error_set(err, BLOCKDB_EINVAL, "the member 'roles' is missing");
    }
    if (rc == BLOCKDB_OK) {
        rc = auth_body_roles(body.roles, &roles, err);
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
    char subject[AUTH_TARGET_BYTES];
    struct json_writer w;
    int rc = create_token(x, db, &token, err);

    (void)snprintf(subject, sizeof subject, "token/%s", token.id);
    rc = auth_change_finish(x, "token.create", subject, rc, err);
    if (rc < 0) {
        return rc;
    }
    auth_answer_begin(&w, x);
    json_writer_member_text(&w, "id", token.id);
    json_writer_member_text(&w, "token", token.text);
    exchange_set_header(x, "Cache-Control", "no-store");
    return auth_answer_end(&w, x, err);
}

static int run_revoke_token(struct exchange *x, struct blockdb *db, struct error *err)
{
    const struct auth_writer writer = auth_change_writer(x, db);
    char id[AUTH_TARGET_BYTES];
    char subject[AUTH_TARGET_BYTES + sizeof "token/"];
    int rc = auth_param_text(x, "id", id, sizeof id, err);

    if (rc < 0) {
        return rc;
    }
    (void)snprintf(subject, sizeof subject, "token/%s", id);
    rc = auth_change_finish(x, "token.revoke", subject, auth_store_token_revoke(&writer, id, err),
                            err);
    return rc < 0 ? rc : auth_answer_done(x, err);
}

/* ---- Handlers ------------------------------------------------------------------------------ */

void route_tokens_get(struct exchange *x)
{
    exchange_run(x, POOL_READ, run_list_tokens);
}

void route_token_get(struct exchange *x)
{
    exchange_run(x, POOL_READ, run_show_token);
}

void route_token_post(struct exchange *x)
{
    auth_change_run(x, run_create_token);
}

void route_token_delete(struct exchange *x)
{
    auth_change_run(x, run_revoke_token);
}
