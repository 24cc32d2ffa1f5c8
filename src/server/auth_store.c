/* SPDX-License-Identifier: Apache-2.0 */
#include "server/auth_store.h"

#include "base/mem.h"
#include "base/text.h"
#include "crypto/password.h"
#include "crypto/secret.h"
#include "os/os.h"

#include <string.h>

/* ---- Reading ------------------------------------------------------------------------------- */

struct walk {
    struct blockdb_iter *iter;
    struct json *json;
};

static void walk_deinit(struct walk *walk)
{
    blockdb_iter_free(walk->iter);
    json_free(walk->json);
}

static int begin(struct blockdb *db, bool keys_only, struct blockdb_iter **out, struct error *err)
{
    struct blockdb_scan_options options = BLOCKDB_SCAN_OPTIONS_INIT;

    options.prefix = RESERVED_PREFIX;
    options.prefix_len = strlen(RESERVED_PREFIX);
    options.keys_only = keys_only;
    return blockdb_iter_new(db, &options, out, err);
}

static int redacted(struct slice key, struct error *err)
{
    char shown[TEXT_SHOWN_BYTES];

    text_show(shown, key);
    return error_set(err, BLOCKDB_ECORRUPT, "the record '%s' was redacted", shown);
}

static int visit_user(struct walk *walk, struct auth_record *record, struct slice value,
                      auth_record_fn visit, void *context)
{
    AUTO(user_record_deinit) struct user_record user = {0};
    struct error damage = {0};
    int rc = record->version.redacted ? redacted(record->key, &damage)
                                      : user_decode(walk->json, record->key, value, &user, &damage);

    if (rc == BLOCKDB_ENOMEM) {
        return rc;
    }
    record->type = "user";
    record->user = rc == BLOCKDB_OK ? &user : NULL;
    record->damage = rc == BLOCKDB_OK ? NULL : &damage;
    return visit(context, record);
}

static int visit_token(struct walk *walk, struct auth_record *record, struct slice value,
                       auth_record_fn visit, void *context)
{
    AUTO(token_record_deinit) struct token_record token = {0};
    struct error damage = {0};
    int rc = record->version.redacted
                 ? redacted(record->key, &damage)
                 : token_decode(walk->json, record->key, value, &token, &damage);

    if (rc == BLOCKDB_ENOMEM) {
        return rc;
    }
    record->type = "token";
    record->token = rc == BLOCKDB_OK ? &token : NULL;
    record->damage = rc == BLOCKDB_OK ? NULL : &damage;
    return visit(context, record);
}

static int visit_one(struct walk *walk, auth_record_fn visit, void *context)
{
    struct auth_record record = {0};
    struct slice value;
    size_t len;
    const void *bytes = blockdb_iter_key(walk->iter, &len);

    record.key = slice_of(bytes, len);
    record.version = blockdb_iter_version(walk->iter);
    bytes = blockdb_iter_value(walk->iter, &len);
    value = slice_of(bytes, len);
    if (slice_has_prefix(record.key, slice_of_text(AUTH_USER_PREFIX))) {
        return visit_user(walk, &record, value, visit, context);
    }
    if (slice_has_prefix(record.key, slice_of_text(AUTH_TOKEN_PREFIX))) {
        return visit_token(walk, &record, value, visit, context);
    }
    return BLOCKDB_OK; /* reserved for what comes later */
}

int auth_store_walk(struct blockdb *db, auth_record_fn visit, void *context, struct error *err)
{
    AUTO(walk_deinit) struct walk walk = {.json = auth_record_parser()};
    size_t count = 0;
    int rc;

    if (walk.json == NULL) {
        return error_set_no_memory(err);
    }
    rc = begin(db, false, &walk.iter, err);
    if (rc < 0) {
        return rc;
    }
    while ((rc = blockdb_iter_next(walk.iter, err)) == BLOCKDB_OK) {
        if (++count > AUTH_RECORDS_MAX) {
            return error_set(err, BLOCKDB_ELIMIT, "there are more than %d users and tokens",
                             AUTH_RECORDS_MAX);
        }
        rc = visit_one(&walk, visit, context);
        if (rc < 0) {
            return rc == BLOCKDB_ENOMEM ? error_set_no_memory(err) : rc;
        }
    }
    return rc == BLOCKDB_ENOTFOUND ? BLOCKDB_OK : rc;
}

static void iter_free_ptr(struct blockdb_iter **iter)
{
    blockdb_iter_free(*iter);
}

int auth_store_mark(struct blockdb *db, struct auth_mark *out, struct error *err)
{
    AUTO(iter_free_ptr) struct blockdb_iter *iter = NULL;
    struct auth_mark mark = {0};
    int rc = begin(db, true, &iter, err);

    if (rc < 0) {
        return rc;
    }
    while ((rc = blockdb_iter_next(iter, err)) == BLOCKDB_OK) {
        uint64_t seq = blockdb_iter_version(iter).seq;

        mark.count++;
        mark.newest_seq = seq > mark.newest_seq ? seq : mark.newest_seq;
    }
    if (rc != BLOCKDB_ENOTFOUND) {
        return rc;
    }
    *out = mark;
    return BLOCKDB_OK;
}

/* The stored value of a key, for whoever decodes it. */
static int read_value(struct blockdb *db, const struct buf *key, const char *what, const char *name,
                      struct blockdb_value *out, struct error *err)
{
    int rc = blockdb_get(db, key->data, key->len, NULL, out, err);

    if (rc == BLOCKDB_ENOTFOUND) {
        return error_set(err, rc, "there is no %s '%s'", what, name);
    }
    return rc == BLOCKDB_EREDACTED ? redacted(buf_slice(key), err) : rc;
}

int auth_store_user(struct blockdb *db, const char *name, struct user_record *out,
                    struct blockdb_version_info *out_version, struct error *err)
{
    AUTO(blockdb_value_deinit) struct blockdb_value value = {0};
    AUTO(json_free_ptr) struct json *json = auth_record_parser();
    AUTO(buf_deinit) struct buf key = {0};
    int rc;

    if (json == NULL || user_key(&key, name) < 0) {
        return error_set_no_memory(err);
    }
    rc = auth_name_check(slice_of_text(name), USER_NAME_MAX, err);
    if (rc == BLOCKDB_OK) {
        rc = read_value(db, &key, "user", name, &value, err);
    }
    if (value.version.kind != 0 && out_version != NULL) {
        *out_version = value.version;
    }
    if (rc == BLOCKDB_OK) {
        rc = user_decode(json, buf_slice(&key), slice_of(value.data, value.len), out, err);
    }
    return rc;
}

int auth_store_token(struct blockdb *db, const char *id, struct token_record *out,
                     struct blockdb_version_info *out_version, struct error *err)
{
    AUTO(blockdb_value_deinit) struct blockdb_value value = {0};
    AUTO(json_free_ptr) struct json *json = auth_record_parser();
    AUTO(buf_deinit) struct buf key = {0};
    int rc;

    if (!token_id_ok(slice_of_text(id))) {
        return error_set(err, BLOCKDB_EINVAL,
                         "the id of a token has 16 lower-case hexadecimal digits: they stand "
                         "behind '" TOKEN_MARK "' in its text, and in the list of tokens");
    }
    if (json == NULL || token_key(&key, id) < 0) {
        return error_set_no_memory(err);
    }
    rc = read_value(db, &key, "token", id, &value, err);
    if (value.version.kind != 0 && out_version != NULL) {
        *out_version = value.version;
    }
    if (rc == BLOCKDB_OK) {
        rc = token_decode(json, buf_slice(&key), slice_of(value.data, value.len), out, err);
    }
    return rc;
}

/* ---- Writing ------------------------------------------------------------------------------- */

static void batch_free_ptr(struct blockdb_batch **batch)
{
    blockdb_batch_free(*batch);
}

/* One change of one key. expected_seq: of the version that was read, BLOCKDB_SEQ_NONE: no live one.
 * value NULL: delete. */
struct entry {
    const struct buf *key;
    const struct buf *value;
    uint64_t expected_seq;
};

static int commit(struct blockdb *db, const struct entry *entry, struct error *err)
{
    AUTO(batch_free_ptr) struct blockdb_batch *batch = blockdb_batch_new(db);
    const struct buf *key = entry->key;
    struct blockdb_write_options options = BLOCKDB_WRITE_OPTIONS_INIT;
    int rc;

    if (batch == NULL) {
        return error_set_no_memory(err);
    }
    options.durability = BLOCKDB_DURABILITY_GROUP; /* rights must not come back with a crash */
    rc = entry->expected_seq == BLOCKDB_SEQ_NONE
             ? blockdb_batch_require_absent(batch, key->data, key->len, err)
             : blockdb_batch_require_seq(batch, key->data, key->len, entry->expected_seq, err);
    if (rc == BLOCKDB_OK) {
        rc = entry->value == NULL ? blockdb_batch_delete(batch, key->data, key->len, err)
                                  : blockdb_batch_put(batch, key->data, key->len,
                                                      entry->value->data, entry->value->len, err);
    }
    return rc < 0 ? rc : blockdb_write(db, batch, &options, NULL, err);
}

static bool is_write_once(const struct blockdb *db)
{
    const char *value = blockdb_option_in_force(db, "write_once");

    return value != NULL && strcmp(value, "true") == 0;
}

static int conflict(struct error *err)
{
    return error_set(err, BLOCKDB_ECONFLICT,
                     "somebody else changed this user or token at the same time: look at it and "
                     "try again");
}

static int change_entry(struct blockdb *db, const struct entry *entry, struct error *err)
{
    int rc;

    if (entry->value != NULL && entry->expected_seq != BLOCKDB_SEQ_NONE && is_write_once(db)) {
        const struct entry removal = {.key = entry->key, .expected_seq = entry->expected_seq};
        const struct entry renewal = {
            .key = entry->key, .value = entry->value, .expected_seq = BLOCKDB_SEQ_NONE};

        rc = commit(db, &removal, err);
        if (rc == BLOCKDB_OK) {
            rc = commit(db, &renewal, err);
        }
    } else {
        rc = commit(db, entry, err);
    }
    if (rc == BLOCKDB_ECONFLICT) {
        return conflict(err);
    }
    return rc;
}

/* Counts users who may administer and can come in, but for one. */
struct admin_count {
    struct slice besides;
    uint64_t count;
};

static int count_admin(void *context, const struct auth_record *record)
{
    struct admin_count *admins = context;
    const struct user_record *user = record->user;

    if (user != NULL && !user->disabled && user->password[0] != '\0' &&
        (role_list_rights(&user->roles) & RIGHT_ADMIN) != 0 &&
        !slice_equal(slice_of_text(user->name), admins->besides)) {
        admins->count++;
    }
    return BLOCKDB_OK;
}

static int check_admin_left(const struct auth_writer *w, const char *name, struct error *err)
{
    struct admin_count admins = {.besides = slice_of_text(name)};
    int rc = w->keeps_admin ? auth_store_walk(w->db, count_admin, &admins, err) : BLOCKDB_OK;

    if (rc == BLOCKDB_OK && w->keeps_admin && admins.count == 0) {
        return error_set(err, BLOCKDB_ECONFLICT,
                         "'%s' is the last user with the role admin: give it to another one "
                         "first, or use blockdb-cli --data-dir while the server is stopped",
                         name);
    }
    return rc;
}

static void set_by(char out[PRINCIPAL_NAME_MAX + 1], const char *by)
{
    size_t len = strnlen(by, PRINCIPAL_NAME_MAX);

    memcpy(out, by, len);
    out[len] = '\0';
}

/* Puts into the record what the change says, and who says it. The password is hashed, which takes
 * long. */
static int apply(const struct auth_writer *w, const struct user_change *change,
                 struct user_record *record, struct error *err)
{
    int rc = BLOCKDB_OK;

    if (change->roles != NULL) {
        role_list_deinit(&record->roles);
        rc = role_list_copy(&record->roles, change->roles);
        if (rc < 0) {
            return error_set_no_memory(err);
        }
    }
    if (change->sets_disabled) {
        record->disabled = change->disabled;
    }
    if (change->sets_password && change->password.len == 0) {
        secret_wipe(record->password, sizeof record->password);
    } else if (change->sets_password) {
        rc = user_password_check(change->password, err);
        if (rc == BLOCKDB_OK) {
            rc = password_hash(change->password, record->password, err);
        }
    }
    set_by(record->by, w->by);
    return rc;
}

static int write_user(const struct auth_writer *w, const struct user_record *record,
                      uint64_t expected_seq, struct error *err)
{
    AUTO(buf_deinit) struct buf key = {0};
    AUTO(buf_deinit) struct buf value = {0};
    const struct entry entry = {.key = &key, .value = &value, .expected_seq = expected_seq};
    int rc;

    if (user_key(&key, record->name) < 0 || user_encode(&value, record) < 0) {
        return error_set_no_memory(err);
    }
    rc = change_entry(w->db, &entry, err);
    secret_wipe(value.data, value.len);
    return rc;
}

int auth_store_user_add(const struct auth_writer *w, const struct user_change *user,
                        struct error *err)
{
    AUTO(user_record_deinit) struct user_record record = {0};
    AUTO(user_record_deinit) struct user_record before = {0};
    int rc = auth_name_check(slice_of_text(user->name), USER_NAME_MAX, err);

    if (rc < 0) {
        return rc;
    }
    rc = auth_store_user(w->db, user->name, &before, NULL, err);
    if (rc == BLOCKDB_OK || rc == BLOCKDB_ECORRUPT || rc == BLOCKDB_EVERSION) {
        return error_set(err, BLOCKDB_EEXIST, "there is a user '%s' already%s", user->name,
                         rc < 0 ? ", whose record is damaged: remove it first" : "");
    }
    if (rc != BLOCKDB_ENOTFOUND) {
        return rc;
    }
    memcpy(record.name, user->name, strlen(user->name) + 1);
    rc = apply(w, user, &record, err);
    if (rc == BLOCKDB_OK) {
        rc = write_user(w, &record, BLOCKDB_SEQ_NONE, err);
    }
    return rc;
}

/* Whether the record is that of an admin who can come in. */
static bool is_admin(const struct user_record *record)
{
    return !record->disabled && record->password[0] != '\0' &&
           (role_list_rights(&record->roles) & RIGHT_ADMIN) != 0;
}

int auth_store_user_set(const struct auth_writer *w, const struct user_change *change,
                        struct error *err)
{
    AUTO(user_record_deinit) struct user_record record = {0};
    struct blockdb_version_info version = {0};
    bool was_admin;
    int rc = auth_store_user(w->db, change->name, &record, &version, err);

    if ((rc == BLOCKDB_ECORRUPT || rc == BLOCKDB_EVERSION) && change->roles != NULL &&
        change->sets_password && version.kind != 0) {
        memcpy(record.name, change->name, strlen(change->name) + 1);
        rc = BLOCKDB_OK;
    }
    if (rc < 0) {
        return rc;
    }
    if (change->has_if_seq && version.seq != change->if_seq) {
        return conflict(err);
    }
    was_admin = is_admin(&record);
    rc = apply(w, change, &record, err);
    if (rc == BLOCKDB_OK && was_admin && !is_admin(&record)) {
        rc = check_admin_left(w, change->name, err);
    }
    return rc < 0 ? rc : write_user(w, &record, version.seq, err);
}

int auth_store_user_remove(const struct auth_writer *w, const char *name, struct error *err)
{
    AUTO(user_record_deinit) struct user_record record = {0};
    AUTO(buf_deinit) struct buf key = {0};
    struct blockdb_version_info version = {0};
    struct entry entry = {.key = &key};
    int rc = auth_store_user(w->db, name, &record, &version, err);

    if (rc < 0 && rc != BLOCKDB_ECORRUPT && rc != BLOCKDB_EVERSION) {
        return rc;
    }
    if (rc == BLOCKDB_OK && is_admin(&record)) {
        rc = check_admin_left(w, name, err);
        if (rc < 0) {
            return rc;
        }
    }
    if (user_key(&key, name) < 0) {
        return error_set_no_memory(err);
    }
    entry.expected_seq = version.seq;
    return change_entry(w->db, &entry, err);
}

/* ---- Tokens -------------------------------------------------------------------------------- */

int auth_store_token_create(const struct auth_writer *w, const struct token_wish *wish,
                            struct token *out, struct error *err)
{
    AUTO(token_record_deinit) struct token_record record = {.expires_ms = wish->expires_ms};
    AUTO(token_wipe) struct token token = {0};
    AUTO(buf_deinit) struct buf key = {0};
    AUTO(buf_deinit) struct buf value = {0};
    const struct entry entry = {.key = &key, .value = &value, .expected_seq = BLOCKDB_SEQ_NONE};
    int rc = auth_name_check(slice_of_text(wish->name), TOKEN_NAME_MAX, err);

    if (rc == BLOCKDB_OK) {
        rc = token_make(w->os, &token, err);
    }
    if (rc < 0) {
        return rc;
    }
    memcpy(record.id, token.id, sizeof record.id);
    memcpy(record.name, wish->name, strlen(wish->name) + 1);
    record.hash = token.hash;
    set_by(record.by, w->by);
    if (role_list_copy(&record.roles, wish->roles) < 0 || token_key(&key, record.id) < 0 ||
        token_encode(&value, &record) < 0) {
        return error_set_no_memory(err);
    }
    rc = change_entry(w->db, &entry, err);
    if (rc == BLOCKDB_OK) {
        *out = token;
    }
    return rc;
}

int auth_store_token_revoke(const struct auth_writer *w, const char *id, struct error *err)
{
    AUTO(token_record_deinit) struct token_record record = {0};
    AUTO(buf_deinit) struct buf key = {0};
    struct blockdb_version_info version = {0};
    struct entry entry = {.key = &key};
    int rc = auth_store_token(w->db, id, &record, &version, err);

    if (rc < 0 && rc != BLOCKDB_ECORRUPT && rc != BLOCKDB_EVERSION) {
        return rc;
    }
    if (token_key(&key, id) < 0) {
        return error_set_no_memory(err);
    }
    entry.expected_seq = version.seq;
    return change_entry(w->db, &entry, err);
}
