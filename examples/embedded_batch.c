/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A transfer between two accounts as one atomic batch that commits only if nobody wrote to them in
 * between; then the accounts as they stood before it.
 *
 * Build:  cc embedded_batch.c $(pkg-config --cflags --libs blockdb) -o embedded_batch
 * Run:    ./embedded_batch DIRECTORY
 */
#include <blockdb/blockdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct account {
    char key[32];
    long amount;
    uint64_t seq; /* the entry the amount was read from */
};

/* Gives an account its first amount; one that exists keeps what it has. */
static int account_create(struct blockdb *db, const char *key, const char *amount,
                          struct blockdb_error *err)
{
    struct blockdb_batch *batch = blockdb_batch_new(db);
    int rc;

    if (batch == NULL) {
        return BLOCKDB_ENOMEM;
    }
    rc = blockdb_batch_require_absent(batch, key, strlen(key), err);
    if (rc == BLOCKDB_OK) {
        rc = blockdb_batch_put(batch, key, strlen(key), amount, strlen(amount), err);
    }
    if (rc == BLOCKDB_OK) {
        rc = blockdb_write(db, batch, NULL, NULL, err);
    }
    blockdb_batch_free(batch);
    return rc == BLOCKDB_ECONFLICT ? BLOCKDB_OK : rc;
}

/* Reads an account as of entry at_seq (BLOCKDB_SEQ_NONE: now). */
static int account_read(struct blockdb *db, const char *key, uint64_t at_seq,
                        struct account *out_account, struct blockdb_error *err)
{
    struct blockdb_read_options options = BLOCKDB_READ_OPTIONS_INIT;
    struct blockdb_value value = {0};
    char text[32] = "";
    int rc;

    options.at_seq = at_seq;
    rc = blockdb_get(db, key, strlen(key), &options, &value, err);
    if (rc == BLOCKDB_OK) {
        memcpy(text, value.data, value.len < sizeof(text) ? value.len : sizeof(text) - 1);
        snprintf(out_account->key, sizeof(out_account->key), "%s", key);
        out_account->amount = strtol(text, NULL, 10);
        out_account->seq = value.version.seq;
    }
    blockdb_value_deinit(&value);
    return rc;
}

/* Adds to the batch: the account's new amount, if it is still the version that was read. */
static int account_change(struct blockdb_batch *batch, const struct account *account, long change,
                          struct blockdb_error *err)
{
    size_t key_len = strlen(account->key);
    char text[32];
    int rc = blockdb_batch_require_seq(batch, account->key, key_len, account->seq, err);

    if (rc != BLOCKDB_OK) {
        return rc;
    }
    snprintf(text, sizeof(text), "%ld", account->amount + change);
    return blockdb_batch_put(batch, account->key, key_len, text, strlen(text), err);
}

/* Both changes become visible together or not at all. */
static int transfer(struct blockdb *db, const struct account *from, const struct account *to,
                    long amount, struct blockdb_error *err)
{
    struct blockdb_batch *batch = blockdb_batch_new(db);
    struct blockdb_write_result where;
    int rc;

    if (batch == NULL) {
        return BLOCKDB_ENOMEM;
    }
    rc = account_change(batch, from, -amount, err);
    if (rc == BLOCKDB_OK) {
        rc = account_change(batch, to, amount, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = blockdb_write(db, batch, NULL, &where, err);
    }
    if (rc == BLOCKDB_OK) {
        printf("transferred %ld in entries %llu to %llu\n", amount,
               (unsigned long long)where.first_seq,
               (unsigned long long)(where.first_seq + where.count - 1));
    }
    blockdb_batch_free(batch);
    return rc;
}

static int run(struct blockdb *db, struct blockdb_error *err)
{
    struct account alice;
    struct account bob;
    struct account before;
    int rc = account_create(db, "account:alice", "100", err);

    if (rc == BLOCKDB_OK) {
        rc = account_create(db, "account:bob", "20", err);
    }
    if (rc == BLOCKDB_OK) {
        rc = account_read(db, "account:alice", BLOCKDB_SEQ_NONE, &alice, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = account_read(db, "account:bob", BLOCKDB_SEQ_NONE, &bob, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = transfer(db, &alice, &bob, 30, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = account_read(db, "account:alice", alice.seq, &before, err);
    }
    if (rc == BLOCKDB_OK) {
        printf("alice had %ld at entry %llu\n", before.amount, (unsigned long long)before.seq);
        /* What was read is stale now, so the same transfer is refused. */
        rc = transfer(db, &alice, &bob, 30, err);
        printf("once more: %s\n", blockdb_status_name(rc));
        rc = rc == BLOCKDB_ECONFLICT ? BLOCKDB_OK : BLOCKDB_EINVAL;
    }
    return rc;
}

int main(int argc, char **argv)
{
    struct blockdb_error err = {0};
    struct blockdb *db;
    int rc;
    int closed;

    if (argc != 2) {
        fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
        return 2;
    }
    rc = blockdb_open(argv[1], NULL, BLOCKDB_OPEN_CREATE, &db, &err);
    if (rc == BLOCKDB_OK) {
        rc = run(db, &err);
        closed = blockdb_close(db, rc == BLOCKDB_OK ? &err : NULL);
        rc = rc == BLOCKDB_OK ? closed : rc;
    }
    if (rc != BLOCKDB_OK) {
        fprintf(stderr, "%s: %s\n", blockdb_status_name(rc), err.message);
        return 1;
    }
    return 0;
}
