/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SQLite under test: one table without rowid, write-ahead log with checkpoints of 64 MiB, the file
 * mapped, pages of 4 KiB, or 16 KiB for values of 512 bytes and more. synchronous=FULL when synced,
 * NORMAL when not. One connection a session.
 */
#include "base/mem.h"
#include "bin/bench/bench_engine.h"

#include <sqlite3.h>
#include <stdio.h>

#define PATH_BYTES_MAX 4200
#define SQL_BYTES_MAX 512
#define CHECKPOINT_BYTES (64u << 20)
#define MMAP_BYTES (1ULL << 36)
#define LARGE_VALUE_LEN 512
#define BUSY_TIMEOUT_MS 60000

enum statement {
    STATEMENT_BEGIN,
    STATEMENT_COMMIT,
    STATEMENT_PUT,
    STATEMENT_GET,
    STATEMENT_SCAN,
    STATEMENT_COUNT,
};

static const char *const statement_texts[STATEMENT_COUNT] = {
    [STATEMENT_BEGIN] = "BEGIN IMMEDIATE",
    [STATEMENT_COMMIT] = "COMMIT",
    [STATEMENT_PUT] = "INSERT OR REPLACE INTO t(k, v) VALUES(?1, ?2)",
    [STATEMENT_GET] = "SELECT v FROM t WHERE k = ?1",
    [STATEMENT_SCAN] = "SELECT k, v FROM t WHERE k >= ?1 ORDER BY k LIMIT ?2",
};

struct database {
    sqlite3 *handle; /* open until the end, so that the log is not folded in before */
    char path[PATH_BYTES_MAX];
    unsigned page_bytes;
    int cache_kib;
};

struct session {
    sqlite3 *handle;
    sqlite3_stmt *statements[STATEMENT_COUNT];
    bool synced;
};

static int outcome(sqlite3 *handle, int code, const char *what, struct error *err)
{
    if (code == SQLITE_OK || code == SQLITE_DONE || code == SQLITE_ROW) {
        return BLOCKDB_OK;
    }
    return error_set(err, BLOCKDB_EIO, "SQLite cannot %s: %s", what,
                     handle != NULL ? sqlite3_errmsg(handle) : sqlite3_errstr(code));
}

/* Opens a connection with our settings. It is closed by the caller also after a failure. */
static int connect_to(const struct database *d, sqlite3 **out, struct error *err)
{
    char sql[SQL_BYTES_MAX];
    int code = sqlite3_open_v2(
        d->path, out, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);

    if (code != SQLITE_OK) {
        return outcome(*out, code, "open a database", err);
    }
    (void)sqlite3_busy_timeout(*out, BUSY_TIMEOUT_MS);
    (void)snprintf(sql, sizeof(sql),
                   "PRAGMA page_size=%u; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
                   "PRAGMA wal_autocheckpoint=%u; PRAGMA mmap_size=%llu; PRAGMA cache_size=-%d",
                   d->page_bytes, CHECKPOINT_BYTES / d->page_bytes, MMAP_BYTES, d->cache_kib);
    return outcome(*out, sqlite3_exec(*out, sql, NULL, NULL, NULL), "configure", err);
}

static int engine_close(void *db, struct error *err)
{
    struct database *d = db;
    int code = sqlite3_close(d->handle);
    int rc = outcome(NULL, code, "close", err);

    mem_free(d);
    return rc;
}

static int engine_open(const struct bench_setup *setup, void **out_db, struct error *err)
{
    struct database *d = mem_calloc(1, sizeof(*d));
    int rc;

    if (d == NULL) {
        return error_set_no_memory(err);
    }
    (void)snprintf(d->path, sizeof(d->path), "%s/database", setup->dir);
    d->page_bytes = setup->value_len >= LARGE_VALUE_LEN ? 16384 : 4096;
    d->cache_kib = (int)(setup->cache_bytes >> 10);
    rc = connect_to(d, &d->handle, err);
    if (rc == 0) {
        rc = outcome(d->handle,
                     sqlite3_exec(d->handle,
                                  "CREATE TABLE IF NOT EXISTS t(k BLOB PRIMARY KEY, v BLOB) "
                                  "WITHOUT ROWID",
                                  NULL, NULL, NULL),
                     "make a table", err);
    }
    if (rc < 0) {
        IGNORE_RESULT(engine_close(d, NULL)); /* the first failure is told */
        return rc;
    }
    *out_db = d;
    return BLOCKDB_OK;
}

static void session_free(void *session)
{
    struct session *s = session;
    unsigned i;

    for (i = 0; i < STATEMENT_COUNT; i++) {
        (void)sqlite3_finalize(s->statements[i]); /* repeats an error that was told */
    }
    (void)sqlite3_close(s->handle);
    mem_free(s);
}

static int session_new(void *db, void **out_session, struct error *err)
{
    struct session *s = mem_calloc(1, sizeof(*s));
    unsigned i;
    int rc;

    if (s == NULL) {
        return error_set_no_memory(err);
    }
    rc = connect_to(db, &s->handle, err);
    for (i = 0; rc == 0 && i < STATEMENT_COUNT; i++) {
        rc = outcome(s->handle,
                     sqlite3_prepare_v3(s->handle, statement_texts[i], -1,
                                        SQLITE_PREPARE_PERSISTENT, &s->statements[i], NULL),
                     "prepare a statement", err);
    }
    if (rc < 0) {
        session_free(s);
        return rc;
    }
    *out_session = s;
    return BLOCKDB_OK;
}

static int choose_sync(struct session *s, enum blockdb_durability durability, struct error *err)
{
    bool synced = bench_is_synced(durability);
    const char *sql = synced ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL";

    if (s->synced == synced) {
        return BLOCKDB_OK;
    }
    s->synced = synced;
    return outcome(s->handle, sqlite3_exec(s->handle, sql, NULL, NULL, NULL), "configure", err);
}

/* Runs a statement that gives no rows. */
static int finish(struct session *s, enum statement statement, struct error *err)
{
    sqlite3_stmt *st = s->statements[statement];
    int rc = outcome(s->handle, sqlite3_step(st), statement_texts[statement], err);

    (void)sqlite3_reset(st); /* repeats the code of the step */
    return rc;
}

static int put_pair(struct session *s, const struct bench_pair *pair, struct error *err)
{
    sqlite3_stmt *st = s->statements[STATEMENT_PUT];

    (void)sqlite3_bind_blob(st, 1, pair->key.data, (int)pair->key.len, SQLITE_STATIC);
    (void)sqlite3_bind_blob(st, 2, pair->value.data, (int)pair->value.len, SQLITE_STATIC);
    return finish(s, STATEMENT_PUT, err);
}

static int put(void *session, const struct bench_pair *pair, enum blockdb_durability durability,
               struct error *err)
{
    struct session *s = session;
    int rc = choose_sync(s, durability, err);

    return rc < 0 ? rc : put_pair(s, pair, err);
}

static int put_many(void *session, const struct bench_pair *pairs, size_t count,
                    enum blockdb_durability durability, struct error *err)
{
    struct session *s = session;
    size_t i;
    int rc = choose_sync(s, durability, err);

    if (rc == 0) {
        rc = finish(s, STATEMENT_BEGIN, err);
    }
    for (i = 0; rc == 0 && i < count; i++) {
        rc = put_pair(s, &pairs[i], err);
    }
    return rc < 0 ? rc : finish(s, STATEMENT_COMMIT, err);
}

static struct slice column(sqlite3_stmt *st, int index)
{
    const void *data = sqlite3_column_blob(st, index);

    return slice_of(data, (size_t)sqlite3_column_bytes(st, index));
}

static int get(void *session, struct slice key, struct slice *out_value, struct error *err)
{
    struct session *s = session;
    sqlite3_stmt *st = s->statements[STATEMENT_GET];
    int code;

    (void)sqlite3_reset(st); /* only now: the last value was borrowed until this call */
    (void)sqlite3_bind_blob(st, 1, key.data, (int)key.len, SQLITE_STATIC);
    code = sqlite3_step(st);
    if (code == SQLITE_ROW) {
        *out_value = column(st, 0);
        return BLOCKDB_OK;
    }
    return code == SQLITE_DONE ? BLOCKDB_ENOTFOUND : outcome(s->handle, code, "get", err);
}

static int scan(void *session, struct slice start, size_t count, bench_visit_fn visit, void *arg,
                struct error *err)
{
    struct session *s = session;
    sqlite3_stmt *st = s->statements[STATEMENT_SCAN];
    int rc = BLOCKDB_OK;
    int code = SQLITE_DONE;

    (void)sqlite3_bind_blob(st, 1, start.data, (int)start.len, SQLITE_STATIC);
    (void)sqlite3_bind_int64(st, 2, (sqlite3_int64)count);
    while (rc == 0 && (code = sqlite3_step(st)) == SQLITE_ROW) {
        rc = visit(arg, column(st, 0), column(st, 1));
    }
    if (rc == 0) {
        rc = outcome(s->handle, code, "scan", err);
    }
    (void)sqlite3_reset(st); /* repeats the code of the step */
    return rc;
}

const struct bench_engine bench_engine_sqlite = {
    .name = "sqlite",
    .title = "SQLite",
    .is_peer = true,
    .open = engine_open,
    .close = engine_close,
    .session_new = session_new,
    .session_free = session_free,
    .put = put,
    .put_many = put_many,
    .get = get,
    .scan = scan,
};
