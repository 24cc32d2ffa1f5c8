/* SPDX-License-Identifier: Apache-2.0 */
/*
 * API tokens: their text, which only their owner has, and their record in the ledger.
 *
 * TOKEN-1  The text holds 256 random bits; what is stored is its SHA-256 alone.
 *
 * Threads:   caller locks.
 * Ownership: a record owns its roles.
 * Format:    docs/format/users.md
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "crypto/sha256.h"
#include "server/auth_record.h"
#include "server/role.h"

#include <stdbool.h>

struct os;

#define TOKEN_MARK "bdb_"
#define TOKEN_ID_LEN 16   /* digits */
#define TOKEN_TEXT_LEN 93 /* characters */
#define TOKEN_NAME_MAX 40
#define TOKEN_PRINCIPAL "token:" /* the principal of a token is called token:ID:NAME */

/* A new token: the text is a secret. */
struct token {
    char id[TOKEN_ID_LEN + 1];
    char text[TOKEN_TEXT_LEN + 1];
    struct hash hash; /* SHA-256 of the text */
};

/* A zeroed one is valid to deinit. */
struct token_record {
    char id[TOKEN_ID_LEN + 1];
    char name[TOKEN_NAME_MAX + 1];
    struct hash hash;
    struct role_list roles;
    uint64_t expires_ms; /* 0: never */
    char by[PRINCIPAL_NAME_MAX + 1];
};

/* Draws a token. Errors of os_random(). */
RESULT_MUST_BE_USED int token_make(struct os *os, struct token *out, struct error *err);
void token_wipe(struct token *token);

/* Whether text begins as tokens do: for telling tokens from passwords. */
bool token_looks_like(struct slice text);
/* Reads id and hash of a token's text. EINVAL: not of the form, or mistyped. */
RESULT_MUST_BE_USED int token_parse(struct slice text, char out_id[TOKEN_ID_LEN + 1],
                                    struct hash *out_hash);
/* Whether text is 16 lower-case hexadecimal digits. */
bool token_id_ok(struct slice id);

void token_record_deinit(struct token_record *record);
/* Appends the key of a token's record. ENOMEM leaves out unchanged. */
RESULT_MUST_BE_USED int token_key(struct buf *out, const char *id);
/* Appends a valid record. ENOMEM leaves out unchanged or longer. */
RESULT_MUST_BE_USED int token_encode(struct buf *out, const struct token_record *record);
/* As user_decode(). */
RESULT_MUST_BE_USED int token_decode(struct json *json, struct slice key, struct slice value,
                                     struct token_record *out, struct error *err);
