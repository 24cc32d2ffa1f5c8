/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engines under test behind one table, so that all run the same workloads.
 *
 * An engine is opened once and used through sessions, one a thread. What an engine cannot do is a
 * NULL function; a workload that needs it is left out for that engine.
 *
 * Threads:   an open engine any thread; a session one thread at a time.
 * Ownership: sessions are freed before the engine is closed; slices that get() hands out are
 *            borrowed until the next call on the session.
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"

#include <blockdb/blockdb.h>

/* What is the same for all engines of a comparison. */
struct bench_setup {
    const char *dir; /* the engine's own; exists */
    uint64_t cache_bytes;
    uint64_t write_buffer_bytes;
    const char *compression; /* "none" "snappy" "lz4" "zstd"; engines without it ignore it */
    unsigned bloom_bits;     /* a key; 0: no filters */
    size_t key_len;          /* for hints: page sizes */
    size_t value_len;
    uint64_t num;
    const char *const *set; /* "name=value" options of BlockDB, set_count */
    unsigned set_count;
    const char *signing_key_file; /* NULL: nothing is signed */
    const char *signing_key_text; /* the public half */

    /* Engines behind a network. */
    const char *url;        /* "http://host:port"; NULL: a server of our own is started in dir */
    const char *redis;      /* "host:port"; NULL: the same */
    const char *server;     /* the program to start; NULL: blockdb-server beside this one */
    const char *token_file; /* of the server, or NULL */
    enum blockdb_durability durability; /* a server of our own has this wal_sync_mode */
};

struct bench_pair {
    struct slice key;
    struct slice value;
};

/* Called for each entry of a scan; borrows. Not 0 ends the scan with that code. */
typedef int (*bench_visit_fn)(void *arg, struct slice key, struct slice value);

/* Called for each key of a pipeline, in order: status is 0, ENOTFOUND, or a failure told in err.
 * Not 0 ends the pipeline with that code. */
typedef int (*bench_answer_fn)(void *arg, int status, struct slice value, struct error *err);

/* How a put that was submitted is answered. */
struct bench_answer {
    enum blockdb_durability durability;
    blockdb_write_cb cb;
    void *arg;
};

struct bench_engine {
    const char *name;  /* "rocksdb" */
    const char *title; /* "RocksDB" */
    bool is_peer;
    bool is_remote; /* in another process, reached by a network */

    int (*open)(const struct bench_setup *setup, void **out_db, struct error *err);
    int (*close)(void *db, struct error *err);
    int (*session_new)(void *db, void **out_session, struct error *err);
    void (*session_free)(void *session);

    /* Durability: NONE and INTERVAL are acknowledged unsynced, GROUP and ALWAYS synced. */
    int (*put)(void *session, const struct bench_pair *pair, enum blockdb_durability durability,
               struct error *err);
    /* One atomic batch. */
    int (*put_many)(void *session, const struct bench_pair *pairs, size_t count,
                    enum blockdb_durability durability, struct error *err);
    /* ENOTFOUND (no message is set) when key has no value. */
    int (*get)(void *session, struct slice key, struct slice *out_value, struct error *err);
    /* Visits at most count entries from the first key >= start on. NULL: keys have no order. */
    int (*scan)(void *session, struct slice start, size_t count, bench_visit_fn visit, void *arg,
                struct error *err);

    /* Several commands sent at once, then their answers: both NULL for engines that cannot. */
    int (*put_each)(void *session, const struct bench_pair *pairs, size_t count,
                    enum blockdb_durability durability, struct error *err);
    int (*get_each)(void *session, const struct bench_pair *pairs, size_t count,
                    bench_answer_fn answer, void *arg, struct error *err);

    /* Puts without waiting; NULL for engines that cannot. */
    int (*submit)(void *session, const struct bench_pair *pair, const struct bench_answer *answer,
                  struct error *err);

    /* Reads key for a write that shall not undo another's, and puts pair when its key was not
     * written since: ECONFLICT (no message is set) when it was. Both NULL: get and put do. */
    int (*get_to_change)(void *session, struct slice key, struct slice *out_value,
                         struct error *err);
    int (*put_changed)(void *session, const struct bench_pair *pair,
                       enum blockdb_durability durability, struct error *err);

    /* The number of the process that has the data, METER_NONE when that is not known. NULL: this
     * one. */
    int64_t (*process)(void *db);

    /* Appends a server's metrics as text; NULL for others. */
    int (*metrics)(void *db, struct buf *out, struct error *err);

    /* NULL for engines without versions and evidence. */
    /* The number of entries so far: any seq below reads the past. */
    int (*seq_count)(void *session, uint64_t *out_count, struct error *err);
    int (*get_as_of)(void *session, struct slice key, uint64_t seq, struct slice *out_value,
                     struct error *err);
    /* Visits all versions of key, newest first. */
    int (*history)(void *session, struct slice key, bench_visit_fn visit, void *arg,
                   struct error *err);
    int (*verify)(void *db, unsigned threads, uint64_t *out_entries, struct error *err);
    int (*stats)(void *db, struct blockdb_stats *out_stats, struct error *err);
    /* Waits until all entries can be proven; how many those are. */
    int (*sealed_count)(void *session, uint64_t *out_count, struct error *err);
    /* Proves entry seq in the tree of size entries. is_checked: verifies the proof, too; ECORRUPT
     * when it is wrong. */
    int (*prove)(void *session, uint64_t seq, uint64_t size, bool is_checked, struct error *err);
    /* A proof file of entry seq with its value, borrowed. Needs a signing key. */
    int (*prove_file)(void *session, uint64_t seq, struct slice *out_file, struct error *err);
    /* Verifies such a file, after the first one without signatures when they are the same. */
    int (*verify_file)(void *session, struct slice file, struct error *err);
};

/* The engines that are built in, out_count of them, BlockDB first. Static. */
const struct bench_engine *const *bench_engine_table(size_t *out_count);
/* EINVAL: unknown; EUNSUPPORTED: known, but not built in. Both say what to do. */
RESULT_MUST_BE_USED int bench_engine_find(const char *name, const struct bench_engine **out,
                                          struct error *err);

static inline bool bench_is_synced(enum blockdb_durability durability)
{
    return durability == BLOCKDB_DURABILITY_GROUP || durability == BLOCKDB_DURABILITY_ALWAYS;
}

extern const struct bench_engine bench_engine_blockdb;
extern const struct bench_engine bench_engine_http;
extern const struct bench_engine bench_engine_redis;
extern const struct bench_engine bench_engine_rocksdb;
extern const struct bench_engine bench_engine_leveldb;
extern const struct bench_engine bench_engine_lmdb;
extern const struct bench_engine bench_engine_sqlite;
