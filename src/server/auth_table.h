/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All users and tokens of one moment, for looking them up: immutable, two sorted arrays.
 *
 * Threads:   immutable; any thread. When a token was last used is atomic.
 * Ownership: owns all; principals are counted.
 */
#pragma once

#include "base/bytes.h"
#include "base/epoch.h"
#include "base/error.h"
#include "server/auth_store.h"

#include <blockdb/blockdb.h>
#include <stdatomic.h>
#include <stdbool.h>

struct auth_user {
    char name[USER_NAME_MAX + 1];
    char password[PASSWORD_HASH_BYTES]; /* "": none */
    bool disabled;
    uint64_t stamp; /* changes with the password */
    const struct principal *principal;
};

struct auth_token {
    char id[TOKEN_ID_LEN + 1];
    struct hash hash;
    uint64_t expires_ms;
    uint64_t stamp;
    const struct principal *principal;
    _Atomic uint64_t used_ms; /* relaxed: a figure for people */
};

struct auth_table {
    struct epoch_link link;
    uint64_t generation;
    struct auth_mark mark;
    struct auth_user *users; /* in the order of names */
    size_t user_count;
    struct auth_token *tokens; /* in the order of ids */
    size_t token_count;
    uint64_t damaged;
};

/* Hears of each damaged record. */
typedef void (*auth_damage_fn)(void *context, const char *message);

/* Reads all users and tokens; damaged ones are told to `damage` and left out. Errors of
 * auth_store_walk(). */
RESULT_MUST_BE_USED int auth_table_load(struct blockdb *db, auth_damage_fn damage, void *context,
                                        struct auth_table **out, struct error *err);
/* A table without anybody. NULL when out of memory. */
struct auth_table *auth_table_empty(void);
/* Wipes and frees; takes a void pointer to be an epoch_free_fn. NULL does nothing. */
void auth_table_free(void *table);
void auth_table_free_ptr(struct auth_table **table);

/* NULL when there is none. */
const struct auth_user *auth_table_user(const struct auth_table *table, const char *name);
struct auth_token *auth_table_token(const struct auth_table *table, const char *id);
/* Copies when tokens were last used from an older table. */
void auth_table_take_used(struct auth_table *table, const struct auth_table *older);
