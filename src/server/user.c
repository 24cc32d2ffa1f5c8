/* SPDX-License-Identifier: Apache-2.0 */
#include "server/user.h"

#include "base/mem.h"
#include "base/text.h"
#include "crypto/secret.h"
#include "server/token.h"

static const char *const members[] = {"name", "password", "roles", "disabled", "by", NULL};

void user_record_deinit(struct user_record *record)
{
    role_list_deinit(&record->roles);
    secret_wipe(record->password, sizeof record->password);
}

int user_key(struct buf *out, const char *name)
{
    return buf_appendf(out, AUTH_USER_PREFIX "%s", name);
}

int user_encode(struct buf *out, const struct user_record *record)
{
    struct json_writer w;

    json_writer_init(&w, out);
    json_writer_begin_object(&w);
    json_writer_member_u64(&w, "version", AUTH_RECORD_VERSION);
    json_writer_member_text(&w, "type", "user");
    json_writer_member_text(&w, "name", record->name);
    json_writer_member_text(&w, "password", record->password);
    auth_record_write_roles(&w, &record->roles);
    json_writer_member_bool(&w, "disabled", record->disabled);
    json_writer_member_text(&w, "by", record->by);
    json_writer_end_object(&w);
    return json_writer_finish(&w);
}

/* Whether the name in the record is allowed, and the one in the key. */
static int check_name(const char *name, struct slice key, struct error *err)
{
    struct slice prefix = slice_of_text(AUTH_USER_PREFIX);
    struct slice text = slice_of_text(name);

    if (auth_name_check(text, USER_NAME_MAX, NULL) < 0 || key.len != prefix.len + text.len ||
        !slice_has_prefix(key, prefix) || memcmp(key.data + prefix.len, text.data, text.len) != 0) {
        return error_set(err, BLOCKDB_ECORRUPT, "the member 'name' is not the name in the key");
    }
    return BLOCKDB_OK;
}

static int read_members(struct json_value root, struct slice key, struct user_record *record,
                        struct error *err)
{
    int rc = auth_record_text(root, "name", record->name, sizeof record->name, err);

    if (rc == BLOCKDB_OK) {
        rc = check_name(record->name, key, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = auth_record_text(root, "password", record->password, sizeof record->password, err);
    }
    if (rc == BLOCKDB_OK && record->password[0] != '\0' &&
        password_hash_check(record->password) < 0) {
        rc = error_set(err, BLOCKDB_ECORRUPT, "the member 'password' is no hash of a password");
    }
    if (rc == BLOCKDB_OK) {
        rc = auth_record_roles(root, &record->roles, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = auth_record_flag(root, "disabled", &record->disabled, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = auth_record_text(root, "by", record->by, sizeof record->by, err);
    }
    return rc;
}

int user_decode(struct json *json, struct slice key, struct slice value, struct user_record *out,
                struct error *err)
{
    AUTO(user_record_deinit) struct user_record record = {0};
    struct json_value root;
    int rc = auth_record_open(json, value, "user", members, &root, err);

    if (rc == BLOCKDB_OK) {
        rc = read_members(root, key, &record, err);
    }
    if (rc < 0) {
        char shown[TEXT_SHOWN_BYTES];

        text_show(shown, key);
        return error_wrap(err, rc, "the record of user '%s'", shown);
    }
    *out = record;
    record.roles = (struct role_list){0}; /* moved */
    return BLOCKDB_OK;
}

int user_password_check(struct slice password, struct error *err)
{
    if (password.len < USER_PASSWORD_MIN || password.len > USER_PASSWORD_MAX) {
        return error_set(err, BLOCKDB_EINVAL, "a password has %d to %d bytes, not %zu",
                         USER_PASSWORD_MIN, USER_PASSWORD_MAX, password.len);
    }
    if (token_looks_like(password)) {
        return error_set(err, BLOCKDB_EINVAL,
                         "a password must not begin with '" TOKEN_MARK "', as tokens do");
    }
    return BLOCKDB_OK;
}
