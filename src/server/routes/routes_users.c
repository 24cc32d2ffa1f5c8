/* SPDX-License-Identifier: Apache-2.0 */
/* The routes of users. */
#include "base/mem.h"
#include "crypto/secret.h"
#include "server/routes/routes_auth_priv.h"

#include <stdio.h>
#include <string.h>

/* ---- Answers ------------------------------------------------------------------------------- */

static void write_user(struct json_writer *w, const struct user_record *user,
                       const struct blockdb_version_info *version)
{
    json_writer_member_text(w, "name", user->name);
    auth_record_write_roles(w, &user->roles);
    json_writer_member_bool(w, "disabled", user->disabled);
    json_writer_member_bool(w, "password", user->password[0] != '\0');
    json_writer_member_text(w, "by", user->by);
    json_writer_member_u64(w, "seq", version->seq);
    json_writer_key(w, "time");
    json_writer_time(w, version->time_ms);
}

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

    auth_answer_begin(&w, x);
    json_writer_key(&w, "users");
    json_writer_begin_array(&w);
    rc = auth_store_walk(db, list_user, &w, err);
    if (rc < 0) {
        return rc;
    }
    json_writer_end_array(&w);
    return auth_answer_end(&w, x, err);
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
    auth_answer_begin(&w, x);
    write_user(&w, &user, &version);
    return auth_answer_end(&w, x, err);
}

static int run_show_user(struct exchange *x, struct blockdb *db, struct error *err)
{
    char name[USER_NAME_MAX + 1];
    int rc = auth_param_text(x, "name", name, sizeof name, err);

    return rc < 0 ? rc : answer_user(x, db, name, err);
}

/* ---- Changes ------------------------------------------------------------------------------- */

/* What a body says of a user. roles is where its roles go. */
static int change_of_body(const struct auth_body *body, struct role_list *roles,
                          struct user_change *change, struct error *err)
{
    int rc = BLOCKDB_OK;

    if (auth_body_has(body->roles)) {
        rc = auth_body_roles(body->roles, roles, err);
        change->roles = roles;
    }
    if (rc == BLOCKDB_OK && auth_body_has(body->password)) {
        rc = json_type_of(body->password) == JSON_NULL
                 ? BLOCKDB_OK
                 : auth_body_text(body->password, "password", &change->password, err);
        change->sets_password = true;
    }
    if (rc == BLOCKDB_OK && change->password.data != NULL && change->password.len == 0) {
        rc = error_set(err, BLOCKDB_EINVAL,
                       "the member 'password' is empty: null takes the password away");
    }
    if (rc == BLOCKDB_OK && auth_body_has(body->disabled)) {
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
    AUTO(auth_body_deinit) struct auth_body body = {0};
    AUTO(role_list_deinit) struct role_list roles = {0};
    const struct auth_writer writer = auth_change_writer(x, db);
    struct user_change user = {.name = name};
    struct slice text = {0};
    int rc = auth_body_read(&body, exchange_body(x), false, err);

    if (rc == BLOCKDB_OK) {
        rc = auth_body_text(body.name, "name", &text, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = auth_name_check(text, USER_NAME_MAX, err);
    }
    if (rc < 0) {
        return rc;
    }
    memcpy(name, text.data, text.len);
    name[text.len] = '\0';
    if (!auth_body_has(body.roles)) {
        return error_set(err, BLOCKDB_EINVAL, "the member 'roles' is missing");
    }
    rc = change_of_body(&body, &roles, &user, err);
    return rc < 0 ? rc : auth_store_user_add(&writer, &user, err);
}

/* The body had a password, perhaps. Nobody needs it any more, and its memory is used again. */
static void wipe_body(struct exchange *x)
{
    struct slice body = exchange_body(x);

    secret_wipe((void *)(uintptr_t)body.data, body.len);
}

static int run_add_user(struct exchange *x, struct blockdb *db, struct error *err)
{
    char name[USER_NAME_MAX + 1] = "";
    char subject[AUTH_TARGET_BYTES];
    int rc = add_user(x, db, name, err);

    wipe_body(x);
    (void)snprintf(subject, sizeof subject, "user/%s", name);
    rc = auth_change_finish(x, "user.add", subject, rc, err);
    return rc < 0 ? rc : answer_user(x, db, name, err);
}

static int set_user(struct exchange *x, struct blockdb *db, const char *name, struct error *err)
{
    AUTO(auth_body_deinit) struct auth_body body = {0};
    AUTO(role_list_deinit) struct role_list roles = {0};
    const struct auth_writer writer = auth_change_writer(x, db);
    struct user_change change = {.name = name};
    int rc = auth_body_read(&body, exchange_body(x), false, err);

    if (rc == BLOCKDB_OK && auth_body_has(body.name)) {
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
    char subject[AUTH_TARGET_BYTES];
    int rc = auth_param_text(x, "name", name, sizeof name, err);

    if (rc < 0) {
        return rc;
    }
    (void)snprintf(subject, sizeof subject, "user/%s", name);
    rc = set_user(x, db, name, err);
    wipe_body(x);
    rc = auth_change_finish(x, "user.set", subject, rc, err);
    return rc < 0 ? rc : answer_user(x, db, name, err);
}

static int run_remove_user(struct exchange *x, struct blockdb *db, struct error *err)
{
    const struct auth_writer writer = auth_change_writer(x, db);
    char name[USER_NAME_MAX + 1];
    char subject[AUTH_TARGET_BYTES];
    int rc = auth_param_text(x, "name", name, sizeof name, err);

    if (rc < 0) {
        return rc;
    }
    (void)snprintf(subject, sizeof subject, "user/%s", name);
    rc = auth_change_finish(x, "user.remove", subject, auth_store_user_remove(&writer, name, err),
                            err);
    return rc < 0 ? rc : auth_answer_done(x, err);
}

/* ---- Handlers ------------------------------------------------------------------------------ */

void route_users_get(struct exchange *x)
{
    exchange_run(x, POOL_READ, run_list_users);
}

void route_user_get(struct exchange *x)
{
    exchange_run(x, POOL_READ, run_show_user);
}

void route_user_post(struct exchange *x)
{
    auth_change_run(x, run_add_user);
}

void route_user_put(struct exchange *x)
{
    auth_change_run(x, run_set_user);
}

void route_user_delete(struct exchange *x)
{
    auth_change_run(x, run_remove_user);
}
