/* SPDX-License-Identifier: Apache-2.0 */
#include "server/auth_record.h"

#include "base/text.h"

static bool is_name_start(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_name_character(uint8_t c)
{
    return is_name_start(c) || c == '.' || c == '_' || c == '@' || c == '-';
}

static bool is_taken(struct slice name)
{
    static const char *const taken[] = {"anonymous", "bootstrap", "everyone"};

    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) {
        if (slice_equal(name, slice_of_text(taken[i]))) {
            return true;
        }
    }
    return false;
}

int auth_name_check(struct slice name, size_t len_max, struct error *err)
{
    char shown[TEXT_SHOWN_BYTES];
    bool ok = name.len >= 1 && name.len <= len_max && is_name_start(name.data[0]);

    for (size_t i = 0; ok && i < name.len; i++) {
        ok = is_name_character(name.data[i]);
    }
    if (!ok) {
        text_show(shown, name);
        return error_set(err, BLOCKDB_EINVAL,
                         "'%s' is no name of a user or token: 1 to %zu letters, digits and . _ @ "
                         "-, the first a letter or digit",
                         shown, len_max);
    }
    if (is_taken(name)) {
        return error_set(err, BLOCKDB_EINVAL,
                         "the name '%.*s' stands for those who have no name of their own: choose "
                         "another",
                         (int)name.len, (const char *)name.data);
    }
    return BLOCKDB_OK;
}

struct json *auth_record_parser(void)
{
    return json_new(AUTH_RECORD_DEPTH, AUTH_RECORD_LEN_MAX);
}

static bool is_known(struct slice key, const char *const *members)
{
    if (slice_equal(key, slice_of_text("version")) || slice_equal(key, slice_of_text("type"))) {
        return true;
    }
    for (size_t i = 0; members[i] != NULL; i++) {
        if (slice_equal(key, slice_of_text(members[i]))) {
            return true;
        }
    }
    return false;
}

static int check_members(struct json_value root, const char *const *members, struct error *err)
{
    struct json_cursor cursor = json_walk(root);
    struct json_value value;
    struct slice key;

    while (json_next(&cursor, &key, &value)) {
        if (!is_known(key, members)) {
            char shown[TEXT_SHOWN_BYTES];

            text_show(shown, key);
            return error_set(err, BLOCKDB_ECORRUPT, "unknown member '%s'", shown);
        }
    }
    for (size_t i = 0; members[i] != NULL; i++) {
        if (!json_member(root, members[i], &value)) {
            return error_set(err, BLOCKDB_ECORRUPT, "member '%s' is missing", members[i]);
        }
    }
    return BLOCKDB_OK;
}

static int check_kind(struct json_value root, const char *type, struct error *err)
{
    struct json_value value;
    struct slice text;
    uint64_t version;

    if (!json_member(root, "version", &value) || !json_u64(value, &version)) {
        return error_set(err, BLOCKDB_ECORRUPT, "the member 'version' is missing or no number");
    }
    if (version != AUTH_RECORD_VERSION) {
        return error_set(err, BLOCKDB_EVERSION,
                         "version %llu was written by another version of BlockDB",
                         (unsigned long long)version);
    }
    if (!json_member(root, "type", &value) || !json_text(value, &text) ||
        !slice_equal(text, slice_of_text(type))) {
        return error_set(err, BLOCKDB_ECORRUPT, "the member 'type' is not \"%s\"", type);
    }
    return BLOCKDB_OK;
}

int auth_record_open(struct json *json, struct slice value, const char *type,
                     const char *const *members, struct json_value *out_root, struct error *err)
{
    struct json_value root;
    int rc = json_parse(json, value, &root, err);

    if (rc == BLOCKDB_ENOMEM) {
        return rc;
    }
    if (rc < 0) {
        /* EINVAL is for callers who could do better; bytes of the ledger are damaged. */
        return error_set(err, BLOCKDB_ECORRUPT, "is no JSON object of at most %d bytes",
                         AUTH_RECORD_LEN_MAX);
    }
    if (json_type_of(root) != JSON_OBJECT) {
        return error_set(err, BLOCKDB_ECORRUPT, "is %s, not an object",
                         json_type_name(json_type_of(root)));
    }
    rc = check_kind(root, type, err);
    if (rc == BLOCKDB_OK) {
        rc = check_members(root, members, err);
    }
    if (rc == BLOCKDB_OK) {
        *out_root = root;
    }
    return rc;
}

int auth_record_text(struct json_value root, const char *member, char *out, size_t out_bytes,
                     struct error *err)
{
    struct json_value value;
    struct slice text;

    if (!json_member(root, member, &value) || !json_text(value, &text) || text.len >= out_bytes ||
        (text.len > 0 && memchr(text.data, 0, text.len) != NULL)) {
        return error_set(err, BLOCKDB_ECORRUPT,
                         "the member '%s' is not text of at most %zu bytes without zero bytes",
                         member, out_bytes - 1);
    }
    if (text.len > 0) {
        memcpy(out, text.data, text.len);
    }
    out[text.len] = '\0';
    return BLOCKDB_OK;
}

int auth_record_flag(struct json_value root, const char *member, bool *out, struct error *err)
{
    struct json_value value;

    if (!json_member(root, member, &value) || !json_boolean(value, out)) {
        return error_set(err, BLOCKDB_ECORRUPT, "the member '%s' is neither true nor false",
                         member);
    }
    return BLOCKDB_OK;
}

int auth_record_number(struct json_value root, const char *member, uint64_t *out, struct error *err)
{
    struct json_value value;

    if (!json_member(root, member, &value) || !json_u64(value, out)) {
        return error_set(err, BLOCKDB_ECORRUPT, "the member '%s' is no whole number", member);
    }
    return BLOCKDB_OK;
}

int auth_record_roles(struct json_value root, struct role_list *list, struct error *err)
{
    struct json_value value;
    struct json_value item;
    struct json_cursor cursor;
    struct slice text;

    if (!json_member(root, "roles", &value) || json_type_of(value) != JSON_ARRAY) {
        return error_set(err, BLOCKDB_ECORRUPT, "the member 'roles' is not an array");
    }
    cursor = json_walk(value);
    while (json_next(&cursor, NULL, &item)) {
        int rc;

        if (!json_text(item, &text)) {
            return error_set(err, BLOCKDB_ECORRUPT,
                             "the member 'roles' has an item that is no "
                             "text");
        }
        rc = role_list_add(list, text, err);
        if (rc < 0) {
            return rc == BLOCKDB_ENOMEM ? rc : error_wrap(err, BLOCKDB_ECORRUPT, "roles");
        }
    }
    return BLOCKDB_OK;
}

void auth_record_write_roles(struct json_writer *w, const struct role_list *list)
{
    const char *text = NULL;

    json_writer_key(w, "roles");
    json_writer_begin_array(w);
    while ((text = role_list_next(list, text)) != NULL) {
        json_writer_text(w, text);
    }
    json_writer_end_array(w);
}
