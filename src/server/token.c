/* SPDX-License-Identifier: Apache-2.0 */
#include "server/token.h"

#include "base/mem.h"
#include "base/text.h"
#include "crypto/secret.h"
#include "os/os.h"

#include <assert.h>

#define MARK_LEN (sizeof(TOKEN_MARK) - 1)
#define ID_BYTES (TOKEN_ID_LEN / 2)
#define SECRET_BYTES 32
#define CHECK_BYTES 4
#define SECRET_AT (MARK_LEN + TOKEN_ID_LEN + 1)
#define CHECK_AT (SECRET_AT + 2 * SECRET_BYTES)

static_assert(CHECK_AT + 2 * CHECK_BYTES == TOKEN_TEXT_LEN, "the parts make up the text");

static const char *const members[] = {"id", "name", "sha256", "roles", "expires", "by", NULL};

static void format_check(const char *text, char out[2 * CHECK_BYTES + 1])
{
    struct hash hash;

    sha256_once(text, CHECK_AT, &hash);
    text_format_hex(out, hash.bytes, CHECK_BYTES);
}

int token_make(struct os *os, struct token *out, struct error *err)
{
    uint8_t random[ID_BYTES + SECRET_BYTES];
    char *at = out->text;
    int rc = os_random(os, random, sizeof random, err);

    if (rc < 0) {
        return rc;
    }
    text_format_hex(out->id, random, ID_BYTES);
    memcpy(at, TOKEN_MARK, MARK_LEN);
    memcpy(at + MARK_LEN, out->id, TOKEN_ID_LEN);
    at[SECRET_AT - 1] = '_';
    text_format_hex(at + SECRET_AT, random + ID_BYTES, SECRET_BYTES);
    format_check(at, at + CHECK_AT);
    sha256_once(out->text, TOKEN_TEXT_LEN, &out->hash);
    secret_wipe(random, sizeof random);
    return BLOCKDB_OK;
}

void token_wipe(struct token *token)
{
    secret_wipe(token, sizeof *token);
}

bool token_looks_like(struct slice text)
{
    return slice_has_prefix(text, slice_of(TOKEN_MARK, MARK_LEN));
}

static bool is_lower_hex(struct slice text)
{
    bool ok = true;

    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];

        ok = ok && ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'));
    }
    return ok;
}

bool token_id_ok(struct slice id)
{
    return id.len == TOKEN_ID_LEN && is_lower_hex(id);
}

int token_parse(struct slice text, char out_id[TOKEN_ID_LEN + 1], struct hash *out_hash)
{
    char check[2 * CHECK_BYTES + 1];

    if (text.len != TOKEN_TEXT_LEN || !token_looks_like(text) || text.data[SECRET_AT - 1] != '_' ||
        !is_lower_hex(slice_of(text.data + MARK_LEN, TOKEN_ID_LEN)) ||
        !is_lower_hex(slice_of(text.data + SECRET_AT, TOKEN_TEXT_LEN - SECRET_AT))) {
        return BLOCKDB_EINVAL;
    }
    format_check((const char *)text.data, check);
    if (!secret_equal(check, text.data + CHECK_AT, 2 * CHECK_BYTES)) {
        return BLOCKDB_EINVAL;
    }
    memcpy(out_id, text.data + MARK_LEN, TOKEN_ID_LEN);
    out_id[TOKEN_ID_LEN] = '\0';
    sha256_once(text.data, text.len, out_hash);
    return BLOCKDB_OK;
}

void token_record_deinit(struct token_record *record)
{
    role_list_deinit(&record->roles);
}

int token_key(struct buf *out, const char *id)
{
    return buf_appendf(out, AUTH_TOKEN_PREFIX "%s", id);
}

int token_encode(struct buf *out, const struct token_record *record)
{
    struct json_writer w;

    json_writer_init(&w, out);
    json_writer_begin_object(&w);
    json_writer_member_u64(&w, "version", AUTH_RECORD_VERSION);
    json_writer_member_text(&w, "type", "token");
    json_writer_member_text(&w, "id", record->id);
    json_writer_member_text(&w, "name", record->name);
    json_writer_key(&w, "sha256");
    json_writer_hex(&w, slice_of(record->hash.bytes, SHA256_LEN));
    auth_record_write_roles(&w, &record->roles);
    json_writer_member_u64(&w, "expires", record->expires_ms);
    json_writer_member_text(&w, "by", record->by);
    json_writer_end_object(&w);
    return json_writer_finish(&w);
}

static int read_id(struct json_value root, struct slice key, struct token_record *record,
                   struct error *err)
{
    struct slice prefix = slice_of_text(AUTH_TOKEN_PREFIX);
    int rc = auth_record_text(root, "id", record->id, sizeof record->id, err);

    if (rc < 0) {
        return rc;
    }
    if (!token_id_ok(slice_of_text(record->id)) || key.len != prefix.len + TOKEN_ID_LEN ||
        !slice_has_prefix(key, prefix) ||
        memcmp(key.data + prefix.len, record->id, TOKEN_ID_LEN) != 0) {
        return error_set(err, BLOCKDB_ECORRUPT, "the member 'id' is not the id in the key");
    }
    return BLOCKDB_OK;
}

static int read_name_and_hash(struct json_value root, struct token_record *record,
                              struct error *err)
{
    char digits[2 * SHA256_LEN + 1];
    int rc = auth_record_text(root, "name", record->name, sizeof record->name, err);

    if (rc == BLOCKDB_OK &&
        auth_name_check(slice_of_text(record->name), TOKEN_NAME_MAX, NULL) < 0) {
        rc = error_set(err, BLOCKDB_ECORRUPT, "the member 'name' is no name");
    }
    if (rc == BLOCKDB_OK) {
        rc = auth_record_text(root, "sha256", digits, sizeof digits, err);
    }
    if (rc == BLOCKDB_OK &&
        (!is_lower_hex(slice_of_text(digits)) ||
         text_parse_hex(slice_of_text(digits), record->hash.bytes, SHA256_LEN) < 0)) {
        rc = error_set(err, BLOCKDB_ECORRUPT, "the member 'sha256' is not 64 hexadecimal digits");
    }
    return rc;
}

static int read_members(struct json_value root, struct slice key, struct token_record *record,
                        struct error *err)
{
    int rc = read_id(root, key, record, err);

    if (rc == BLOCKDB_OK) {
        rc = read_name_and_hash(root, record, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = auth_record_roles(root, &record->roles, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = auth_record_number(root, "expires", &record->expires_ms, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = auth_record_text(root, "by", record->by, sizeof record->by, err);
    }
    return rc;
}

int token_decode(struct json *json, struct slice key, struct slice value, struct token_record *out,
                 struct error *err)
{
    AUTO(token_record_deinit) struct token_record record = {0};
    struct json_value root;
    int rc = auth_record_open(json, value, "token", members, &root, err);

    if (rc == BLOCKDB_OK) {
        rc = read_members(root, key, &record, err);
    }
    if (rc < 0) {
        char shown[TEXT_SHOWN_BYTES];

        text_show(shown, key);
        return error_wrap(err, rc, "the record of token '%s'", shown);
    }
    *out = record;
    record.roles = (struct role_list){0}; /* moved */
    return BLOCKDB_OK;
}
