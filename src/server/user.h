/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The record of a user, as it is stored in the ledger.
 *
 * Threads:   caller locks.
 * Ownership: a record owns its roles; user_record_deinit() wipes the hash.
 * Format:    docs/format/users.md
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "crypto/password.h"
#include "server/auth_record.h"
#include "server/role.h"

#include <stdbool.h>

#define USER_NAME_MAX 56
#define USER_PASSWORD_MIN 8 /* bytes of a new password */
#define USER_PASSWORD_MAX 1024

/* A zeroed one is valid to deinit. */
struct user_record {
    char name[USER_NAME_MAX + 1];
    char password[PASSWORD_HASH_BYTES]; /* a hash; "": none */
    struct role_list roles;
    bool disabled;
    char by[PRINCIPAL_NAME_MAX + 1];
};

void user_record_deinit(struct user_record *record);

/* Appends the key of a user's record. ENOMEM leaves out unchanged. */
RESULT_MUST_BE_USED int user_key(struct buf *out, const char *name);
/* Appends a valid record. ENOMEM leaves out unchanged or longer. */
RESULT_MUST_BE_USED int user_encode(struct buf *out, const struct user_record *record);
/* Reads the value of `key`. ECORRUPT, EVERSION, ENOMEM; messages name the key and never show
 * values. On failure *out is untouched. */
RESULT_MUST_BE_USED int user_decode(struct json *json, struct slice key, struct slice value,
                                    struct user_record *out, struct error *err);

/* Whether a new password may be used: long enough, and not of the form of a token. EINVAL. */
RESULT_MUST_BE_USED int user_password_check(struct slice password, struct error *err);
