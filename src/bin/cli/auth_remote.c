/* SPDX-License-Identifier: Apache-2.0 */
#include "bin/cli/auth_remote.h"

#include "base/json_writer.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/utf8.h"
#include "client/answer.h"
#include "client/refusal.h"
#include "crypto/secret.h"
#include "shim/json.h"

#include <blockdb/client.h>
#include <string.h>

#define ANSWER_DEPTH 5
#define ANSWER_BYTES_MAX ((size_t)64 << 20)
#define USERS "/api/v1/users"
#define TOKENS "/api/v1/tokens"
#define PASSWORD "/api/v1/password"
#define A_PASSWORD "*" /* stands for one that is not shown */

/* ---- Asking -------------------------------------------------------------------------------- */

/* An answer of 2xx, parsed. */
struct reply {
    struct blockdb_client_answer answer;
    struct json *json;
    struct json_value root;
};

static void reply_deinit(struct reply *reply)
{
    json_free(reply->json);
    secret_wipe(reply->answer.body.data, reply->answer.body.len);
    blockdb_client_answer_deinit(&reply->answer);
}

static void wipe(struct buf *b)
{
    secret_wipe(b->data, b->cap);
    buf_deinit(b);
}

/* The path of one thing. Names are escaped, whatever they are. */
static int path_of(struct buf *out, const char *folder, const char *name)
{
    int rc = buf_appendf(out, "%s", folder);

    for (const char *c = name; rc == BLOCKDB_OK && name != NULL && *c != '\0'; c++) {
        rc = buf_appendf(out, c == name ? "/%%%02X" : "%%%02X", (unsigned)(unsigned char)*c);
    }
    return rc == BLOCKDB_OK ? buf_append_u8(out, 0) : rc;
}

/* What is asked: path with a zero byte behind it. */
struct question {
    const char *method;
    const struct buf *path;
    struct slice body;
};

static int ask(struct blockdb_client *client, const struct question *question, struct reply *out,
               struct error *err)
{
    struct blockdb_client_request request = BLOCKDB_CLIENT_REQUEST_INIT;
    int rc;

    request.method = question->method;
    request.target = (const char *)question->path->data;
    request.accept = "application/json";
    request.content_type = "application/json";
    request.body = question->body.data;
    request.body_len = question->body.len;
    rc = blockdb_client_request(client, &request, &out->answer, err);
    if (rc < 0) {
        return rc;
    }
    if (out->answer.status < 200 || out->answer.status > 299) {
        const struct answer refusal = {
            .status = out->answer.status,
            .body = {.data = out->answer.body.data, .len = out->answer.body.len}};

        return refusal_of(&refusal, "the server", err);
    }
    out->json = json_new(ANSWER_DEPTH, ANSWER_BYTES_MAX);
    if (out->json == NULL) {
        return error_set_no_memory(err);
    }
    rc = json_parse(out->json, slice_of(out->answer.body.data, out->answer.body.len), &out->root,
                    err);
    return rc < 0 ? error_wrap(err, BLOCKDB_EIO, "the server's answer") : BLOCKDB_OK;
}

static int ask_about(struct blockdb_client *client, const char *method, const char *folder,
                     const char *name, struct error *err)
{
    AUTO(reply_deinit) struct reply reply = {0};
    AUTO(buf_deinit) struct buf path = {0};

    if (path_of(&path, folder, name) < 0) {
        return error_set_no_memory(err);
    }
    return ask(client, &(struct question){.method = method, .path = &path}, &reply, err);
}

/* ---- Answers ------------------------------------------------------------------------------- */

static int unexpected(const char *member, struct error *err)
{
    return error_set(err, BLOCKDB_EIO,
                     "the server's answer has no '%s' as expected: is it another version?", member);
}

/* A time, or null, which is 0. */
static int read_time(struct json_value root, const char *member, uint64_t *out, struct error *err)
{
    struct json_value value;
    struct slice text;

    if (!json_member(root, member, &value)) {
        return unexpected(member, err);
    }
    if (json_type_of(value) == JSON_NULL) {
        *out = 0;
        return BLOCKDB_OK;
    }
    return json_text(value, &text) && text_parse_time(text, out) == BLOCKDB_OK
               ? BLOCKDB_OK
               : unexpected(member, err);
}

static int read_version(struct json_value root, struct blockdb_version_info *out, struct error *err)
{
    *out = (struct blockdb_version_info){.seq = 0};
    if (auth_record_number(root, "seq", &out->seq, err) < 0) {
        return unexpected("seq", err);
    }
    return read_time(root, "time", &out->time_ms, err);
}

static int read_user(struct json_value root, struct user_record *user,
                     struct blockdb_version_info *version, struct error *err)
{
    bool has_password = false;

    if (auth_record_text(root, "name", user->name, sizeof(user->name), err) < 0 ||
        auth_record_text(root, "by", user->by, sizeof(user->by), err) < 0 ||
        auth_record_flag(root, "disabled", &user->disabled, err) < 0 ||
        auth_record_flag(root, "password", &has_password, err) < 0 ||
        auth_record_roles(root, &user->roles, err) < 0) {
        return error_wrap(err, BLOCKDB_EIO, "the server's answer");
    }
    memcpy(user->password, has_password ? A_PASSWORD : "", has_password ? sizeof(A_PASSWORD) : 1);
    return read_version(root, version, err);
}

static int read_token(struct json_value root, struct token_record *token,
                      struct blockdb_version_info *version, struct error *err)
{
    if (auth_record_text(root, "id", token->id, sizeof(token->id), err) < 0 ||
        auth_record_text(root, "name", token->name, sizeof(token->name), err) < 0 ||
        auth_record_text(root, "by", token->by, sizeof(token->by), err) < 0 ||
        auth_record_roles(root, &token->roles, err) < 0) {
        return error_wrap(err, BLOCKDB_EIO, "the server's answer");
    }
    if (read_time(root, "expires", &token->expires_ms, err) < 0) {
        return BLOCKDB_EIO;
    }
    return read_version(root, version, err);
}

/* One item of a list: a record, or {"key","damage"}. */
static int visit_item(struct json_value item, const char *type, auth_record_fn visit, void *context,
                      struct error *err)
{
    AUTO(user_record_deinit) struct user_record user = {0};
    AUTO(token_record_deinit) struct token_record token = {0};
    struct error damage = {.code = BLOCKDB_ECORRUPT};
    struct auth_record record = {.type = type};
    int rc = BLOCKDB_OK;

    if (auth_record_text(item, "damage", damage.message, sizeof(damage.message), NULL) ==
        BLOCKDB_OK) {
        record.damage = &damage;
    } else if (strcmp(type, "user") == 0) {
        rc = read_user(item, &user, &record.version, err);
        record.user = &user;
    } else {
        rc = read_token(item, &token, &record.version, err);
        record.token = &token;
    }
    return rc < 0 ? rc : visit(context, &record);
}

struct list {
    const char *folder;
    const char *member;
    const char *type;
};

static int walk(struct blockdb_client *client, const struct list *list, auth_record_fn visit,
                void *context, struct error *err)
{
    AUTO(reply_deinit) struct reply reply = {0};
    AUTO(buf_deinit) struct buf path = {0};
    struct json_cursor cursor;
    struct json_value items;
    struct json_value item;
    int rc;

    if (path_of(&path, list->folder, NULL) < 0) {
        return error_set_no_memory(err);
    }
    rc = ask(client, &(struct question){.method = "GET", .path = &path}, &reply, err);
    if (rc < 0) {
        return rc;
    }
    if (!json_member(reply.root, list->member, &items) || json_type_of(items) != JSON_ARRAY) {
        return unexpected(list->member, err);
    }
    cursor = json_walk(items);
    while (rc == BLOCKDB_OK && json_next(&cursor, NULL, &item)) {
        rc = visit_item(item, list->type, visit, context, err);
    }
    return rc;
}

int auth_remote_users(struct blockdb_client *client, auth_record_fn visit, void *context,
                      struct error *err)
{
    static const struct list users = {USERS, "users", "user"};

    return walk(client, &users, visit, context, err);
}

int auth_remote_tokens(struct blockdb_client *client, auth_record_fn visit, void *context,
                       struct error *err)
{
    static const struct list tokens = {TOKENS, "tokens", "token"};

    return walk(client, &tokens, visit, context, err);
}

int auth_remote_user(struct blockdb_client *client, const char *name, struct user_record *out,
                     struct blockdb_version_info *out_version, struct error *err)
{
    AUTO(reply_deinit) struct reply reply = {0};
    AUTO(user_record_deinit) struct user_record user = {0};
    AUTO(buf_deinit) struct buf path = {0};
    int rc;

    if (path_of(&path, USERS, name) < 0) {
        return error_set_no_memory(err);
    }
    rc = ask(client, &(struct question){.method = "GET", .path = &path}, &reply, err);
    if (rc == BLOCKDB_OK) {
        rc = read_user(reply.root, &user, out_version, err);
    }
    if (rc == BLOCKDB_OK) {
        *out = user;
        user.roles = (struct role_list){0}; /* moved */
    }
    return rc;
}

/* ---- Changes ------------------------------------------------------------------------------- */

/* The body that says what a change says; name NULL: it stands in the path. */
static int change_body(struct buf *out, const char *name, const struct user_change *change)
{
    struct json_writer w;

    json_writer_init(&w, out);
    json_writer_begin_object(&w);
    if (name != NULL) {
        json_writer_member_text(&w, "name", name);
    }
    if (change->roles != NULL) {
        auth_record_write_roles(&w, change->roles);
    }
    if (change->sets_password && change->password.len > 0) {
        json_writer_key(&w, "password");
        json_writer_string(&w, change->password);
    } else if (change->sets_password) {
        json_writer_key(&w, "password");
        json_writer_null(&w);
    }
    if (change->sets_disabled) {
        json_writer_member_bool(&w, "disabled", change->disabled);
    }
    json_writer_end_object(&w);
    return json_writer_finish(&w);
}

/* A password that JSON cannot carry as it is. */
static int check_password(struct slice password, struct error *err)
{
    if (password.len > 0 && (!utf8_valid(password) || memchr(password.data, 0, password.len))) {
        return error_set(err, BLOCKDB_EINVAL,
                         "a password that is sent to a server must be UTF-8 without zero bytes");
    }
    return BLOCKDB_OK;
}

static int send_change(struct blockdb_client *client, const struct user_change *change, bool is_new,
                       struct error *err)
{
    AUTO(reply_deinit) struct reply reply = {0};
    AUTO(buf_deinit) struct buf path = {0};
    AUTO(wipe) struct buf body = {0};
    int rc = check_password(change->password, err);

    if (rc < 0) {
        return rc;
    }
    if (path_of(&path, USERS, is_new ? NULL : change->name) < 0 ||
        change_body(&body, is_new ? change->name : NULL, change) < 0) {
        return error_set_no_memory(err);
    }
    return ask(client, &(struct question){is_new ? "POST" : "PUT", &path, buf_slice(&body)}, &reply,
               err);
}

int auth_remote_user_add(struct blockdb_client *client, const struct user_change *user,
                         struct error *err)
{
    return send_change(client, user, true, err);
}

int auth_remote_user_set(struct blockdb_client *client, const struct user_change *change,
                         struct error *err)
{
    return send_change(client, change, false, err);
}

int auth_remote_user_remove(struct blockdb_client *client, const char *name, struct error *err)
{
    return ask_about(client, "DELETE", USERS, name, err);
}

int auth_remote_password(struct blockdb_client *client, struct slice old_password,
                         struct slice new_password, struct error *err)
{
    AUTO(reply_deinit) struct reply reply = {0};
    AUTO(buf_deinit) struct buf path = {0};
    AUTO(wipe) struct buf body = {0};
    struct json_writer w;
    int rc = check_password(old_password, err);

    rc = rc == BLOCKDB_OK ? check_password(new_password, err) : rc;
    if (rc < 0) {
        return rc;
    }
    json_writer_init(&w, &body);
    json_writer_begin_object(&w);
    json_writer_key(&w, "old_password");
    json_writer_string(&w, old_password);
    json_writer_key(&w, "new_password");
    json_writer_string(&w, new_password);
    json_writer_end_object(&w);
    if (json_writer_finish(&w) < 0 || path_of(&path, PASSWORD, NULL) < 0) {
        return error_set_no_memory(err);
    }
    return ask(client, &(struct question){"POST", &path, buf_slice(&body)}, &reply, err);
}

static int wish_body(struct buf *out, const struct token_wish *wish)
{
    struct json_writer w;

    json_writer_init(&w, out);
    json_writer_begin_object(&w);
    json_writer_member_text(&w, "name", wish->name);
    auth_record_write_roles(&w, wish->roles);
    if (wish->expires_ms != 0) {
        json_writer_key(&w, "expires");
        json_writer_time(&w, wish->expires_ms);
    }
    json_writer_end_object(&w);
    return json_writer_finish(&w);
}

int auth_remote_token_create(struct blockdb_client *client, const struct token_wish *wish,
                             struct token *out, struct error *err)
{
    AUTO(reply_deinit) struct reply reply = {0};
    AUTO(buf_deinit) struct buf path = {0};
    AUTO(buf_deinit) struct buf body = {0};
    AUTO(token_wipe) struct token token = {0};
    int rc;

    if (path_of(&path, TOKENS, NULL) < 0 || wish_body(&body, wish) < 0) {
        return error_set_no_memory(err);
    }
    rc = ask(client, &(struct question){"POST", &path, buf_slice(&body)}, &reply, err);
    if (rc < 0) {
        return rc;
    }
    if (auth_record_text(reply.root, "id", token.id, sizeof(token.id), err) < 0 ||
        auth_record_text(reply.root, "token", token.text, sizeof(token.text), err) < 0) {
        return error_wrap(err, BLOCKDB_EIO, "the server's answer");
    }
    *out = token;
    return BLOCKDB_OK;
}

int auth_remote_token_revoke(struct blockdb_client *client, const char *id, struct error *err)
{
    return ask_about(client, "DELETE", TOKENS, id, err);
}
