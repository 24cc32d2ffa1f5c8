/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What clients show and what records say: headers, tokens, certificates' names, grants, users,
 * hashes of passwords. What is accepted must have the form that it promises, and records must come
 * back from their encoding as they were.
 */
#include "base/assert.h"
#include "base/mem.h"
#include "crypto/password.h"
#include "server/auth_credentials.h"
#include "server/token.h"
#include "server/user.h"

#define TEXT_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_header(struct slice input)
{
    struct auth_header header;
    const char *fault = NULL;

    if (auth_header_parse(input, &header, &fault) < 0) {
        ASSERT(fault != NULL);
        return;
    }
    if (header.scheme == AUTH_BASIC) {
        ASSERT(header.name.len + 1 + header.secret.len <= AUTH_BASIC_BYTES_MAX);
    }
    auth_header_wipe(&header);
}

static void try_token(struct slice input)
{
    char id[TOKEN_ID_LEN + 1];
    struct hash hash;

    if (token_parse(input, id, &hash) == BLOCKDB_OK) {
        ASSERT(input.len == TOKEN_TEXT_LEN);
        ASSERT(token_id_ok(slice_of_text(id)));
    }
}

static void try_grant(struct slice input)
{
    struct principal_grant grant;
    struct error err;

    if (role_parse_grant(input, &grant, &err) == BLOCKDB_OK) {
        ASSERT(grant.rights != 0);
        ASSERT(!key_is_reserved(grant.prefix));
    }
}

static void try_text(struct slice input)
{
    char text[TEXT_MAX];
    struct auth_client client = {.address = "", .cert_name = text, .cert_san = text};

    if (input.len >= sizeof text) {
        return;
    }
    if (input.len > 0) {
        memcpy(text, input.data, input.len);
    }
    text[input.len] = '\0';
    ASSERT(auth_certified_name(AUTH_TLS_DNS, &client).len <= input.len);
    ASSERT(auth_certified_name(AUTH_TLS_EMAIL, &client).len <= input.len);
    if (password_hash_check(text) == BLOCKDB_OK) {
        ASSERT(strlen(text) < PASSWORD_HASH_BYTES);
    }
}

static void try_user(struct json *json, struct slice input)
{
    AUTO(user_record_deinit) struct user_record user = {0};
    AUTO(user_record_deinit) struct user_record again = {0};
    AUTO(buf_deinit) struct buf bytes = {0};
    struct slice key = slice_of_text(AUTH_USER_PREFIX "ann");
    struct error err;

    if (user_decode(json, key, input, &user, &err) < 0) {
        return;
    }
    ASSERT(user_encode(&bytes, &user) == BLOCKDB_OK);
    ASSERT(user_decode(json, key, buf_slice(&bytes), &again, &err) == BLOCKDB_OK);
    ASSERT(slice_equal(buf_slice(&user.roles.texts), buf_slice(&again.roles.texts)));
    ASSERT(strcmp(user.password, again.password) == 0);
}

static void try_token_record(struct json *json, struct slice input)
{
    AUTO(token_record_deinit) struct token_record token = {0};
    AUTO(token_record_deinit) struct token_record again = {0};
    AUTO(buf_deinit) struct buf bytes = {0};
    struct slice key = slice_of_text(AUTH_TOKEN_PREFIX "0123456789abcdef");
    struct error err;

    if (token_decode(json, key, input, &token, &err) < 0) {
        return;
    }
    ASSERT(token_encode(&bytes, &token) == BLOCKDB_OK);
    ASSERT(token_decode(json, key, buf_slice(&bytes), &again, &err) == BLOCKDB_OK);
    ASSERT(token.expires_ms == again.expires_ms);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = slice_of(data, size);
    struct json *json = auth_record_parser();

    try_header(input);
    try_token(input);
    try_grant(input);
    try_text(input);
    if (json != NULL) {
        try_user(json, input);
        try_token_record(json, input);
    }
    json_free(json);
    return 0;
}
