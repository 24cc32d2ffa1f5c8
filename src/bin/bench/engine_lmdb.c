/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LMDB under test: one transaction a call. It maps its file, so the cache is the page cache, and it
 * has neither compression nor filters.
 */
#include "base/lock.h"
#include "base/mem.h"
#include "bin/bench/bench_engine.h"

#include <lmdb.h>
#include <stdatomic.h>

#define MAP_BYTES_MIN (1ULL << 30)
#define MAP_FACTOR 6 /* of keys and values: half filled pages, several generations */
#define READERS_MAX 2048
#define FILE_MODE 0600

struct database {
    MDB_env *env;
    MDB_dbi dbi;
    struct mutex mu;
    atomic_bool synced; /* changed under mu; whether the environment syncs each commit */
};

struct session {
    struct database *d;
    MDB_txn *read; /* between calls it stays open, so that values that were handed out live */
};

static int outcome(int code, const char *what, struct error *err)
{
    if (code == 0) {
        return BLOCKDB_OK;
    }
    return error_set(err, BLOCKDB_EIO, "LMDB cannot %s: %s", what, mdb_strerror(code));
}

static int engine_close(void *db, struct error *err)
{
    struct database *d = db;

    (void)err; /* closing tells nothing */
    mdb_env_close(d->env);
    mutex_deinit(&d->mu);
    mem_free(d);
    return BLOCKDB_OK;
}

static int open_environment(struct database *d, const struct bench_setup *setup)
{
    size_t map_bytes = MAP_BYTES_MIN +
                       MAP_FACTOR * setup->num * (setup->key_len + setup->value_len + 32);
    MDB_txn *txn = NULL;
    int code = mdb_env_set_mapsize(d->env, map_bytes);

    if (code == 0) {
        code = mdb_env_set_maxreaders(d->env, READERS_MAX);
    }
    if (code == 0) {
        code = mdb_env_open(d->env, setup->dir, MDB_NOSYNC | MDB_NOTLS, FILE_MODE);
    }
    if (code == 0) {
        code = mdb_txn_begin(d->env, NULL, 0, &txn);
    }
    if (code == 0) {
        code = mdb_dbi_open(txn, NULL, MDB_CREATE, &d->dbi);
    }
    if (code != 0) {
        mdb_txn_abort(txn); /* NULL does nothing */
        return code;
    }
    return mdb_txn_commit(txn);
}

static int engine_open(const struct bench_setup *setup, void **out_db, struct error *err)
{
    struct database *d = mem_calloc(1, sizeof(*d));
    int rc;

    if (d == NULL) {
        return error_set_no_memory(err);
    }
    rc = outcome(mdb_env_create(&d->env), "make an environment", err);
    if (rc < 0) {
        mem_free(d);
        return rc;
    }
    mutex_init(&d->mu, LOCK_RANK_PROGRAM);
    rc = outcome(open_environment(d, setup), "open a database", err);
    if (rc < 0) {
        IGNORE_RESULT(engine_close(d, NULL)); /* it cannot fail */
        return rc;
    }
    *out_db = d;
    return BLOCKDB_OK;
}

static int session_new(void *db, void **out_session, struct error *err)
{
    struct session *s = mem_calloc(1, sizeof(*s));

    if (s == NULL) {
        return error_set_no_memory(err);
    }
    s->d = db;
    *out_session = s;
    return BLOCKDB_OK;
}

static void session_free(void *session)
{
    struct session *s = session;

    mdb_txn_abort(s->read); /* NULL does nothing */
    mem_free(s);
}

/* Whether commits are synced is a state of the environment; all writers of a workload want the
 * same, so it changes between workloads only. */
static int choose_sync(struct database *d, enum blockdb_durability durability)
{
    bool synced = bench_is_synced(durability);
    int code = 0;

    if (atomic_load(&d->synced) == synced) {
        return 0;
    }
    mutex_lock(&d->mu);
    if (atomic_load(&d->synced) != synced) {
        code = mdb_env_set_flags(d->env, MDB_NOSYNC, !synced);
        if (code == 0) {
            atomic_store(&d->synced, synced);
        }
    }
    mutex_unlock(&d->mu);
    return code;
}

static int put_many(void *session, const struct bench_pair *pairs, size_t count,
                    enum blockdb_durability durability, struct error *err)
{
    struct database *d = ((struct session *)session)->d;
    MDB_txn *txn = NULL;
    size_t i;
    int code = choose_sync(d, durability);

    if (code == 0) {
        code = mdb_txn_begin(d->env, NULL, 0, &txn);
    }
    for (i = 0; code == 0 && i < count; i++) {
        MDB_val key = {.mv_size = pairs[i].key.len};
        MDB_val value = {.mv_size = pairs[i].value.len};

        /* mdb_put() only reads what these point to. */
        memcpy(&key.mv_data, &pairs[i].key.data, sizeof(key.mv_data));
        memcpy(&value.mv_data, &pairs[i].value.data, sizeof(value.mv_data));
        code = mdb_put(txn, d->dbi, &key, &value, 0);
    }
    if (code != 0) {
        mdb_txn_abort(txn);
        return outcome(code, "put", err);
    }
    return outcome(mdb_txn_commit(txn), "commit", err);
}

static int put(void *session, const struct bench_pair *pair, enum blockdb_durability durability,
               struct error *err)
{
    return put_many(session, pair, 1, durability, err);
}

/* Lets the session read what is newest now. */
static int renew(struct session *s)
{
    if (s->read == NULL) {
        return mdb_txn_begin(s->d->env, NULL, MDB_RDONLY, &s->read);
    }
    mdb_txn_reset(s->read);
    return mdb_txn_renew(s->read);
}

static int get(void *session, struct slice key, struct slice *out_value, struct error *err)
{
    struct session *s = session;
    MDB_val name = {.mv_size = key.len};
    MDB_val value;
    int code = renew(s);

    if (code == 0) {
        memcpy(&name.mv_data, &key.data, sizeof(name.mv_data));
        code = mdb_get(s->read, s->d->dbi, &name, &value);
    }
    if (code == MDB_NOTFOUND) {
        return BLOCKDB_ENOTFOUND;
    }
    if (code == 0) {
        *out_value = slice_of(value.mv_data, value.mv_size);
    }
    return outcome(code, "get", err);
}

static int scan(void *session, struct slice start, size_t count, bench_visit_fn visit, void *arg,
                struct error *err)
{
    struct session *s = session;
    MDB_cursor *cursor = NULL;
    MDB_val key = {.mv_size = start.len};
    MDB_val value;
    int rc = BLOCKDB_OK;
    int code = renew(s);

    if (code == 0) {
        code = mdb_cursor_open(s->read, s->d->dbi, &cursor);
    }
    if (code == 0) {
        memcpy(&key.mv_data, &start.data, sizeof(key.mv_data));
        code = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    }
    while (code == 0 && rc == 0 && count-- > 0) {
        rc = visit(arg, slice_of(key.mv_data, key.mv_size), slice_of(value.mv_data, value.mv_size));
        code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    if (cursor != NULL) {
        mdb_cursor_close(cursor);
    }
    if (rc < 0 || code == MDB_NOTFOUND) {
        return rc;
    }
    return outcome(code, "scan", err);
}

const struct bench_engine bench_engine_lmdb = {
    .name = "lmdb",
    .title = "LMDB",
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
