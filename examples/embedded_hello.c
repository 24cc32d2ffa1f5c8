/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shortest complete program: write a key twice, read it, list its history, verify everything.
 *
 * Build:  cc embedded_hello.c $(pkg-config --cflags --libs blockdb) -o embedded_hello
 * Run:    ./embedded_hello DIRECTORY
 */
#include <blockdb/blockdb.h>
#include <stdio.h>
#include <string.h>

static int put_text(struct blockdb *db, const char *key, const char *value,
                    struct blockdb_error *err)
{
    struct blockdb_write_result where;
    int rc = blockdb_put(db, key, strlen(key), value, strlen(value), NULL, &where, err);

    if (rc == BLOCKDB_OK) {
        printf("put %s = %s: entry %llu\n", key, value, (unsigned long long)where.first_seq);
    }
    return rc;
}

static int print_newest(struct blockdb *db, const char *key, struct blockdb_error *err)
{
    struct blockdb_value value = {0};
    int rc = blockdb_get(db, key, strlen(key), NULL, &value, err);

    if (rc == BLOCKDB_OK) {
        printf("get %s = %.*s\n", key, (int)value.len, (const char *)value.data);
    }
    blockdb_value_deinit(&value);
    return rc;
}

static int print_history(struct blockdb *db, const char *key, struct blockdb_error *err)
{
    struct blockdb_history *history;
    int rc = blockdb_history_new(db, key, strlen(key), NULL, &history, err);

    if (rc != BLOCKDB_OK) {
        return rc;
    }
    while ((rc = blockdb_history_next(history, err)) == BLOCKDB_OK) {
        struct blockdb_version_info version = blockdb_history_version(history);
        size_t len;
        const void *value = blockdb_history_value(history, &len);

        printf("version at entry %llu: %s%.*s\n", (unsigned long long)version.seq,
               version.kind == BLOCKDB_KIND_DELETE ? "deleted" : "", (int)len, (const char *)value);
    }
    blockdb_history_free(history);
    return rc == BLOCKDB_ENOTFOUND ? BLOCKDB_OK : rc; /* "not found" is the end of the history */
}

/* Recomputes every hash from the stored bytes. */
static int print_verdict(struct blockdb *db, struct blockdb_error *err)
{
    struct blockdb_verify_report report;
    int rc = blockdb_verify(db, NULL, &report, err);

    if (rc == BLOCKDB_OK) {
        printf("verified: %llu entries in %llu blocks\n", (unsigned long long)report.entries,
               (unsigned long long)report.blocks);
    }
    return rc;
}

static int run(struct blockdb *db, struct blockdb_error *err)
{
    int rc = put_text(db, "invoice:1", "100 EUR", err);

    if (rc == BLOCKDB_OK) {
        rc = put_text(db, "invoice:1", "120 EUR", err);
    }
    if (rc == BLOCKDB_OK) {
        rc = print_newest(db, "invoice:1", err);
    }
    if (rc == BLOCKDB_OK) {
        rc = print_history(db, "invoice:1", err);
    }
    if (rc == BLOCKDB_OK) {
        rc = print_verdict(db, err);
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
