/* SPDX-License-Identifier: Apache-2.0 */
#include "server/auth_table.h"

#include "base/mem.h"
#include "crypto/secret.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAP 16

struct loading {
    struct auth_table *table;
    size_t user_cap;
    size_t token_cap;
    auth_damage_fn damage;
    void *context;
};

/* Makes room for one more item. */
static int grow(void **items, size_t count, size_t *cap, size_t item_bytes)
{
    size_t more = *cap > 0 ? *cap * 2 : FIRST_CAP;
    void *grown;

    if (count < *cap) {
        return BLOCKDB_OK;
    }
    grown = mem_alloc(more * item_bytes);
    if (grown == NULL) {
        return BLOCKDB_ENOMEM;
    }
    if (count > 0) {
        memcpy(grown, *items, count * item_bytes);
        secret_wipe(*items, count * item_bytes);
    }
    mem_free(*items);
    *items = grown;
    *cap = more;
    return BLOCKDB_OK;
}

/* A number that is another one for another credential; never 0. */
static uint64_t stamp_of(const void *bytes, size_t len)
{
    struct hash hash;

    sha256_once(bytes, len, &hash);
    return get_be64(hash.bytes) | 1;
}

static int add_user(struct loading *loading, const struct user_record *record)
{
    struct auth_table *table = loading->table;
    void *users = table->users;
    struct auth_user *user;
    int rc = grow(&users, table->user_count, &loading->user_cap, sizeof *user);

    table->users = users;
    if (rc < 0) {
        return rc;
    }
    user = &table->users[table->user_count];
    memset(user, 0, sizeof *user);
    memcpy(user->name, record->name, sizeof user->name);
    memcpy(user->password, record->password, sizeof user->password);
    user->disabled = record->disabled;
    user->stamp = stamp_of(record->password, strlen(record->password));
    rc = role_list_principal(&record->roles, record->name, &user->principal, NULL);
    if (rc == BLOCKDB_OK) {
        table->user_count++;
    }
    return rc;
}

static int add_token(struct loading *loading, const struct token_record *record)
{
    struct auth_table *table = loading->table;
    char name[PRINCIPAL_NAME_MAX + 1];
    void *tokens = table->tokens;
    struct auth_token *token;
    int rc = grow(&tokens, table->token_count, &loading->token_cap, sizeof *token);

    table->tokens = tokens;
    if (rc < 0) {
        return rc;
    }
    token = &table->tokens[table->token_count];
    memset(token, 0, sizeof *token);
    memcpy(token->id, record->id, sizeof token->id);
    token->hash = record->hash;
    token->expires_ms = record->expires_ms;
    token->stamp = stamp_of(record->hash.bytes, SHA256_LEN);
    (void)snprintf(name, sizeof name, TOKEN_PRINCIPAL "%s:%s", record->id, record->name);
    rc = role_list_principal(&record->roles, name, &token->principal, NULL);
    if (rc == BLOCKDB_OK) {
        table->token_count++;
    }
    return rc;
}

static int add(void *context, const struct auth_record *record)
{
    struct loading *loading = context;
    struct auth_table *table = loading->table;

    if (record->user != NULL) {
        return add_user(loading, record->user);
    }
    if (record->token != NULL) {
        return add_token(loading, record->token);
    }
    table->damaged++;
    loading->damage(loading->context, record->damage->message);
    return BLOCKDB_OK;
}

struct auth_table *auth_table_empty(void)
{
    return mem_calloc(1, sizeof(struct auth_table));
}

int auth_table_load(struct blockdb *db, auth_damage_fn damage, void *context,
                    struct auth_table **out, struct error *err)
{
    AUTO(auth_table_free_ptr) struct auth_table *table = auth_table_empty();
    struct loading loading = {.table = table, .damage = damage, .context = context};
    int rc;

    if (table == NULL) {
        return error_set_no_memory(err);
    }
    /* The mark first: what changes in between makes the next look read all again. */
    rc = auth_store_mark(db, &table->mark, err);
    if (rc == BLOCKDB_OK) {
        rc = auth_store_walk(db, add, &loading, err);
    }
    if (rc < 0) {
        return rc;
    }
    *out = TAKE(table);
    return BLOCKDB_OK;
}

void auth_table_free(void *object)
{
    struct auth_table *table = object;

    if (table == NULL) {
        return;
    }
    for (size_t i = 0; i < table->user_count; i++) {
        principal_unref(table->users[i].principal);
    }
    for (size_t i = 0; i < table->token_count; i++) {
        principal_unref(table->tokens[i].principal);
    }
    secret_wipe(table->users, table->user_count * sizeof *table->users);
    mem_free(table->users);
    mem_free(table->tokens);
    mem_free(table);
}

void auth_table_free_ptr(struct auth_table **table)
{
    auth_table_free(*table);
}

static int compare_user(const void *name, const void *user)
{
    return strcmp(name, ((const struct auth_user *)user)->name);
}

static int compare_token(const void *id, const void *token)
{
    return strcmp(id, ((const struct auth_token *)token)->id);
}

const struct auth_user *auth_table_user(const struct auth_table *table, const char *name)
{
    if (table->user_count == 0) {
        return NULL;
    }
    return bsearch(name, table->users, table->user_count, sizeof *table->users, compare_user);
}

struct auth_token *auth_table_token(const struct auth_table *table, const char *id)
{
    if (table->token_count == 0) {
        return NULL;
    }
    return bsearch(id, table->tokens, table->token_count, sizeof *table->tokens, compare_token);
}

void auth_table_take_used(struct auth_table *table, const struct auth_table *older)
{
    for (size_t i = 0; i < table->token_count; i++) {
        struct auth_token *token = &table->tokens[i];
        const struct auth_token *before = auth_table_token(older, token->id);

        if (before != NULL) {
            uint64_t used = atomic_load_explicit(&before->used_ms, memory_order_relaxed);

            atomic_store_explicit(&token->used_ms, used, memory_order_relaxed);
        }
    }
}
