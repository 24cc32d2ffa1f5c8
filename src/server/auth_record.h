/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the records of users and tokens have in common: keys, names, and strict reading of JSON.
 *
 * RECORD-1  What does not match the format to the letter is damaged; nothing is guessed.
 *
 * Threads:   caller locks the parser; else any thread.
 * Ownership: values borrow from the parser.
 * Format:    docs/format/users.md
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "base/json_writer.h"
#include "server/principal.h"
#include "server/role.h"
#include "shim/json.h"

#include <stdbool.h>

#define AUTH_RECORD_VERSION 1
#define AUTH_RECORD_LEN_MAX 65536
#define AUTH_RECORD_DEPTH 3

#define AUTH_USER_PREFIX RESERVED_PREFIX "user/"
#define AUTH_TOKEN_PREFIX RESERVED_PREFIX "token/"

/* Whether name may be that of a user or token: at most len_max of the characters allowed. EINVAL
 * says what is. */
RESULT_MUST_BE_USED int auth_name_check(struct slice name, size_t len_max, struct error *err);

/* A parser that auth_record_open() may use; NULL when out of memory. */
struct json *auth_record_parser(void);

/* Parses a record of a type with exactly these members besides version and type. ECORRUPT: damaged;
 * EVERSION; ENOMEM. */
RESULT_MUST_BE_USED int auth_record_open(struct json *json, struct slice value, const char *type,
                                         const char *const *members, struct json_value *out_root,
                                         struct error *err);
/* A member that is text without zero bytes, copied with a zero. ECORRUPT. */
RESULT_MUST_BE_USED int auth_record_text(struct json_value root, const char *member, char *out,
                                         size_t out_bytes, struct error *err);
RESULT_MUST_BE_USED int auth_record_flag(struct json_value root, const char *member, bool *out,
                                         struct error *err);
RESULT_MUST_BE_USED int auth_record_number(struct json_value root, const char *member,
                                           uint64_t *out, struct error *err);
/* Adds the grants of the member "roles" to an empty list. ECORRUPT, ENOMEM; the list may hold some
 * then. */
RESULT_MUST_BE_USED int auth_record_roles(struct json_value root, struct role_list *list,
                                          struct error *err);

/* Writes the array "roles". */
void auth_record_write_roles(struct json_writer *w, const struct role_list *list);
