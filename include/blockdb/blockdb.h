/* SPDX-License-Identifier: Apache-2.0 */
/*
 * BlockDB embedded: an append-only, tamper-evident key-value database in a directory.
 *
 * Every put and delete becomes a numbered entry (`seq`, from 0, without gaps) of a log that is
 * never rewritten; the log is an RFC 6962 Merkle tree cut into hash-chained blocks. Every key keeps
 * all its versions. A batch of entries becomes visible together or not at all.
 *
 * Sizes are bytes, times are milliseconds since 1970 unless a name says otherwise. Keys are 1 to
 * BLOCKDB_KEY_MAX bytes and values 0 to BLOCKDB_VALUE_MAX bytes, any bytes, compared bytewise.
 *
 * Errors:    each function returns 0 or a negative enum blockdb_status; the last parameter, where
 *            there is one, receives a message and may be NULL. On failure outputs are untouched.
 * Threads:   a `struct blockdb` and a `struct blockdb_view` may be used by any number of threads.
 *            Batches, iterators, histories and options belong to one thread at a time.
 * Ownership: stated at each function. "Borrows" ends with the call unless said otherwise.
 * Structs that carry a `size` field: set it to sizeof the struct; the INIT macros do. Later
 * versions only append fields, so that programs built against an older header keep working.
 */
#ifndef BLOCKDB_BLOCKDB_H
#define BLOCKDB_BLOCKDB_H

#include <blockdb/status.h>
#include <blockdb/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default) /* all that follows is public */

#define BLOCKDB_BATCH_ENTRIES_MAX 100000
#define BLOCKDB_BATCH_BYTES_MAX (16u * 1024 * 1024 + 65536)

struct blockdb;
struct blockdb_options;
struct blockdb_batch;
struct blockdb_view;
struct blockdb_iter;
struct blockdb_history;

/* The version of the library, for example "0.1.0". Static. */
const char *blockdb_version(void);

/* ---- Options ------------------------------------------------------------------------------- */

/* One key of the configuration; no two sections have a key of one name. See
 * docs/operate/configuration.md. */
struct blockdb_option_info {
    const char *name;          /* "memtable_size_limit" */
    const char *type;          /* "string" "size" "duration_ms" "integer" "boolean" "enum" */
    const char *default_value; /* as text, "" when computed */
    const char *choices;       /* for "enum": words separated by spaces, else "" */
    const char *help;          /* one or two sentences */
    const char *section;       /* the table it belongs to: "database" "ledger" */
};

/* The table of all options, *out_count rows, static. */
const struct blockdb_option_info *blockdb_option_table(size_t *out_count);

/* Returns options with all defaults, or NULL when out of memory. */
struct blockdb_options *blockdb_options_new(void);
void blockdb_options_free(struct blockdb_options *options);
/* Sets one option from text, in the form of the configuration file: "64MiB", "150ms", "true",
 * "group". EINVAL names the option, the nearest known name, the range or the choices. Copies. */
int blockdb_options_set(struct blockdb_options *options, const char *name, const char *value,
                        struct blockdb_error *err);
/* The value in force as text (sizes and durations as plain numbers); NULL for an unknown name.
 * Borrowed until the next call with these options. */
const char *blockdb_options_get(const struct blockdb_options *options, const char *name);

enum blockdb_event_level {
    BLOCKDB_EVENT_INFO,    /* what an operator may want to read later */
    BLOCKDB_EVENT_WARNING, /* what an operator should look at */
};

/* Hears of what no call can return: what recovery cut or made anew, work in the background that
 * failed and is tried again. area is a word such as "recovery". Called from any thread, also while
 * the database is being opened; must not block or call functions of this header. Borrows area and
 * message, one line without its end, for the call. */
typedef void (*blockdb_event_cb)(void *arg, enum blockdb_event_level level, const char *area,
                                 const char *message);
/* Databases opened with these options from now on tell cb (NULL: nobody). arg must live as long as
 * they are open. */
void blockdb_options_set_event_cb(struct blockdb_options *options, blockdb_event_cb cb, void *arg);

/* ---- Opening and closing ------------------------------------------------------------------- */

enum blockdb_open_flag {
    BLOCKDB_OPEN_CREATE = 1 << 0,    /* create the database when the directory has none */
    BLOCKDB_OPEN_EXCLUSIVE = 1 << 1, /* with CREATE: EEXIST when there is one */
    BLOCKDB_OPEN_READ_ONLY = 1 << 2, /* writes give EREADONLY; nothing in the directory changes but
                                        what recovery must finish */
};

/* Opens the database in dir (overrides option data_dir when not NULL), recovering what a crash
 * left. Borrows options (NULL: defaults). *out_db is closed with blockdb_close().
 * EBUSY: another process has it open, its pid is in the message. EFOREIGN: not a BlockDB
 * directory, or the WAL directory belongs to another database or is missing. EVERSION: written by
 * a newer version. ECORRUPT, ETAMPERED: damage, with file and offset. ENOTFOUND: no database there
 * and no CREATE. */
int blockdb_open(const char *dir, const struct blockdb_options *options, unsigned flags,
                 struct blockdb **out_db, struct blockdb_error *err);
/* Waits for calls in progress of this thread's making, makes everything durable, seals the last
 * block, and frees db in any case. The error tells that something acknowledged less durably than
 * `group` may be lost. All iterators, views and batches on db must have been freed. */
int blockdb_close(struct blockdb *db, struct blockdb_error *err);

/* ---- Writing ------------------------------------------------------------------------------- */

enum blockdb_durability {
    BLOCKDB_DURABILITY_DEFAULT = 0, /* the option wal_sync_mode */
    BLOCKDB_DURABILITY_NONE,        /* the operating system has it */
    BLOCKDB_DURABILITY_INTERVAL,    /* ... and it is synced within wal_sync_interval */
    BLOCKDB_DURABILITY_GROUP,       /* synced, sharing the sync with others that wait */
    BLOCKDB_DURABILITY_ALWAYS,      /* synced on its own */
};

struct blockdb_write_options {
    size_t size;
    enum blockdb_durability durability;
    /* Idempotency: when client_id is not NULL (BLOCKDB_CLIENT_ID_LEN bytes, borrowed), a batch with
     * the client's last request number returns the first answer and appends nothing; a lower
     * number gives ESTALE. Numbers of one client must grow. */
    const uint8_t *client_id;
    uint64_t request;
    /* blockdb_submit() only: EWOULDBLOCK instead of waiting when too much is queued, or memory is
     * short while something is. */
    bool no_wait;
    /* blockdb_submit() only: a small batch that asks for no sync is committed by the calling thread
     * where that means no waiting, for a disk, a flush or another writer; the callback is called
     * before the function returns then. That spares two hand-overs between threads, each of which
     * takes longer than the commit. Any other batch goes the usual way. */
    bool in_place;
};
#define BLOCKDB_WRITE_OPTIONS_INIT                                                                 \
    {                                                                                              \
        .size = sizeof(struct blockdb_write_options)                                               \
    }

/* Where a batch landed. */
struct blockdb_write_result {
    uint64_t first_seq;
    uint64_t count;   /* entries; seqs are first_seq .. first_seq + count - 1 */
    uint64_t time_ms; /* of all its entries; never goes back */
    bool repeated;    /* an idempotent repeat: nothing was appended now */
};

/* Appends one version of key. options and out_result may be NULL. Blocks until acknowledged by the
 * durability asked for. ECONFLICT when the option write_once is set and key exists. */
int blockdb_put(struct blockdb *db, const void *key, size_t key_len, const void *value,
                size_t value_len, const struct blockdb_write_options *options,
                struct blockdb_write_result *out_result, struct blockdb_error *err);
/* Appends a deletion of key, whether or not it exists; its history stays. */
int blockdb_delete(struct blockdb *db, const void *key, size_t key_len,
                   const struct blockdb_write_options *options,
                   struct blockdb_write_result *out_result, struct blockdb_error *err);

/* A batch collects puts, deletes and conditions; all copy their bytes. */
struct blockdb_batch *blockdb_batch_new(struct blockdb *db);
void blockdb_batch_free(struct blockdb_batch *batch);
/* Empties the batch for reuse and keeps its memory. */
void blockdb_batch_reset(struct blockdb_batch *batch);
int blockdb_batch_put(struct blockdb_batch *batch, const void *key, size_t key_len,
                      const void *value, size_t value_len, struct blockdb_error *err);
int blockdb_batch_delete(struct blockdb_batch *batch, const void *key, size_t key_len,
                         struct blockdb_error *err);
/* The batch commits only if key has no live value at that moment. */
int blockdb_batch_require_absent(struct blockdb_batch *batch, const void *key, size_t key_len,
                                 struct blockdb_error *err);
/* The batch commits only if key's newest version (a deletion included) is entry seq. */
int blockdb_batch_require_seq(struct blockdb_batch *batch, const void *key, size_t key_len,
                              uint64_t seq, struct blockdb_error *err);
size_t blockdb_batch_count(const struct blockdb_batch *batch); /* puts and deletes */
size_t blockdb_batch_bytes(const struct blockdb_batch *batch); /* as counted against the limit */
/* Commits the batch atomically and blocks until acknowledged. The batch keeps its content.
 * ECONFLICT names the key whose condition failed; nothing was appended then. An empty batch with
 * conditions only checks them. */
int blockdb_write(struct blockdb *db, struct blockdb_batch *batch,
                  const struct blockdb_write_options *options,
                  struct blockdb_write_result *out_result, struct blockdb_error *err);

/* Called exactly once per accepted submit, from an engine thread or from a thread that is itself
 * writing (with options->in_place also the submitter's, inside its submit); must not block or call
 * blocking functions of this header. Borrows result and err for the call; err holds a message only
 * when status is not 0. */
typedef void (*blockdb_write_cb)(void *arg, int status, const struct blockdb_write_result *result,
                                 const struct blockdb_error *err);
/* Like blockdb_write() without waiting. Takes batch: the engine frees it, after cb or when it
 * refuses. A return other than 0 means refused, cb is not called. Blocks only while too much is
 * queued; with options->no_wait it returns EWOULDBLOCK then, and the batch is still the caller's
 * with all its content, to be submitted again or freed: the one case in which it is not taken.
 * Batches come from a store of the database and go back to it, so a new one costs little. */
int blockdb_submit(struct blockdb *db, struct blockdb_batch *batch,
                   const struct blockdb_write_options *options, blockdb_write_cb cb, void *arg,
                   struct blockdb_error *err);
/* Called when entries became visible, and when entries became durable: seq_count is the number of
 * entries that can be read, durable_count of those that a power cut leaves. Neither goes back from
 * one call to the next. Called once for a whole group of commits or for several, by one thread at a
 * time, about when those who wait for the group are answered; must be short, and must not block or
 * call functions of this header but blockdb_seq_count() and blockdb_durable_count(). */
typedef void (*blockdb_commit_cb)(void *arg, uint64_t seq_count, uint64_t durable_count);
/* Has cb (NULL: nobody) called from now on in place of the one before, which is not running any
 * more when this returns, and never runs again. Not to be called from cb. */
void blockdb_set_commit_cb(struct blockdb *db, blockdb_commit_cb cb, void *arg);
/* The number of entries that can be read; never waits. */
uint64_t blockdb_seq_count(const struct blockdb *db);
/* The number of entries that a power cut leaves, as far as is known; never waits. */
uint64_t blockdb_durable_count(const struct blockdb *db);
/* Whether the database takes writes. EREADONLY with the first cause, for good: it was opened
 * read-only, or a write or sync failed. ENOSPC with the cause, as long as it lacks room: the last
 * try to write its log, tables or ledger found none. It tries again by itself, so the answer heals
 * without a write once there is room. Never waits for a disk. */
int blockdb_write_check(struct blockdb *db, struct blockdb_error *err);
/* Makes everything acknowledged so far durable. */
int blockdb_sync(struct blockdb *db, struct blockdb_error *err);

/* ---- Reading ------------------------------------------------------------------------------- */

/* One version of a key. */
struct blockdb_version_info {
    uint64_t seq;
    uint64_t time_ms;
    enum blockdb_kind kind;
    /* A put whose value was redacted (blockdb/evidence.h): the value shown is empty. Scans with
     * keys_only do not tell. */
    bool redacted;
};

struct blockdb_read_options {
    size_t size;
    const struct blockdb_view *view; /* read from this view; NULL: the newest visible state */
    uint64_t at_seq; /* as of the entry at_seq inclusive; BLOCKDB_SEQ_NONE: newest */
    /* blockdb_get() only: answer from memory, that is from memtables, caches and the operating
     * system's page cache, or not at all: EWOULDBLOCK when a disk would have to be read.
     * Nothing changed then but what the caches hold. Pages of files opened with enable_direct_io,
     * and of file systems that cannot tell whether a read would wait, count as being on the disk
     * unless a cache of BlockDB has them. */
    bool cached_only;
};
#define BLOCKDB_READ_OPTIONS_INIT                                                                  \
    {                                                                                              \
        .size = sizeof(struct blockdb_read_options), .at_seq = BLOCKDB_SEQ_NONE                    \
    }

/* A value that the caller owns; a zeroed one is empty. data stays for reuse by the next get. */
struct blockdb_value {
    uint8_t *data;
    size_t len;
    size_t cap;
    struct blockdb_version_info version;
};
void blockdb_value_deinit(struct blockdb_value *value);

/* Reads the newest version of key (or as of options->at_seq) into value, reusing its memory.
 * ENOTFOUND when key has no live version there; value->version then tells the deletion, if any
 * (kind 0 when key never existed). EREDACTED when that version's value was redacted, also in a view
 * from before; value is empty then, and value->version tells the version. options may be NULL. */
int blockdb_get(struct blockdb *db, const void *key, size_t key_len,
                const struct blockdb_read_options *options, struct blockdb_value *value,
                struct blockdb_error *err);
/* Reads entry seq whatever its key. key (may be NULL) and value are filled as by get; a deletion
 * has an empty value. ENOTFOUND beyond the newest entry. EREDACTED as get, with key filled. */
int blockdb_get_entry(struct blockdb *db, uint64_t seq, struct blockdb_value *key,
                      struct blockdb_value *value, struct blockdb_error *err);
/* The last seq whose time is not after time_ms; ENOTFOUND when the first entry is later. */
int blockdb_seq_at_time(struct blockdb *db, uint64_t time_ms, uint64_t *out_seq,
                        struct blockdb_error *err);

/* A view fixes what is visible: everything up to its seq, nothing later. */
int blockdb_view_new(struct blockdb *db, struct blockdb_view **out_view, struct blockdb_error *err);
void blockdb_view_free(struct blockdb_view *view);
/* The number of entries the view sees; its last seq is one less. */
uint64_t blockdb_view_seq_count(const struct blockdb_view *view);

struct blockdb_scan_options {
    size_t size;
    const struct blockdb_view *view;
    uint64_t at_seq;
    const void *prefix; /* only keys with this prefix; borrowed until iter_free, as start, end */
    size_t prefix_len;
    const void *start; /* first key, inclusive; NULL: from the first */
    size_t start_len;
    const void *end; /* end, exclusive; NULL: to the last */
    size_t end_len;
    bool reverse;   /* from the last key down */
    bool keys_only; /* iter_value() gives an empty value and nothing is loaded for it */
};
#define BLOCKDB_SCAN_OPTIONS_INIT                                                                  \
    {                                                                                              \
        .size = sizeof(struct blockdb_scan_options), .at_seq = BLOCKDB_SEQ_NONE                    \
    }

/* Walks the live keys of a range in order, each with its newest version as of the scan's start. A
 * key whose value was redacted is among them, with an empty value and version.redacted set.
 * Starts before the first: call next first. Keeps its view until freed. */
int blockdb_iter_new(struct blockdb *db, const struct blockdb_scan_options *options,
                     struct blockdb_iter **out_iter, struct blockdb_error *err);
/* Moves on: 0 on an entry, ENOTFOUND at the end (no message is set), else the error. */
int blockdb_iter_next(struct blockdb_iter *iter, struct blockdb_error *err);
/* Moves to the first key >= key (reverse: the last key <= key) within the range, then as next. */
int blockdb_iter_seek(struct blockdb_iter *iter, const void *key, size_t key_len,
                      struct blockdb_error *err);
/* Borrowed until the next call on iter. Only on an entry. */
const void *blockdb_iter_key(const struct blockdb_iter *iter, size_t *out_len);
const void *blockdb_iter_value(const struct blockdb_iter *iter, size_t *out_len);
struct blockdb_version_info blockdb_iter_version(const struct blockdb_iter *iter);
void blockdb_iter_free(struct blockdb_iter *iter);

struct blockdb_history_options {
    size_t size;
    const struct blockdb_view *view;
    uint64_t before_seq; /* only versions below this seq; BLOCKDB_SEQ_NONE: all */
    bool versions_only;  /* load no values */
};
#define BLOCKDB_HISTORY_OPTIONS_INIT                                                               \
    {                                                                                              \
        .size = sizeof(struct blockdb_history_options), .before_seq = BLOCKDB_SEQ_NONE             \
    }

/* Walks the versions of one key, newest first, deletions included, and redacted versions as in a
 * scan. */
int blockdb_history_new(struct blockdb *db, const void *key, size_t key_len,
                        const struct blockdb_history_options *options,
                        struct blockdb_history **out_history, struct blockdb_error *err);
/* As blockdb_iter_next(). */
int blockdb_history_next(struct blockdb_history *history, struct blockdb_error *err);
struct blockdb_version_info blockdb_history_version(const struct blockdb_history *history);
const void *blockdb_history_value(const struct blockdb_history *history, size_t *out_len);
void blockdb_history_free(struct blockdb_history *history);

/* ---- Evidence ------------------------------------------------------------------------------ */

/* A sealed block. Its header is itself the entry `header_seq`. */
struct blockdb_block {
    uint64_t height;
    uint64_t first_seq;
    uint64_t count;      /* entries before the header */
    uint64_t header_seq; /* first_seq + count */
    uint64_t time_ms;
    uint64_t term;
    uint8_t hash[BLOCKDB_HASH_LEN];          /* of this header */
    uint8_t previous_hash[BLOCKDB_HASH_LEN]; /* of the header before, zeros for height 0 */
    uint8_t block_root[BLOCKDB_HASH_LEN];    /* RFC 6962 root over the block's leaves */
    uint8_t tree_root[BLOCKDB_HASH_LEN];     /* of the tree of size header_seq, before the header */
};
/* ENOTFOUND beyond the newest sealed block. */
int blockdb_block_get(struct blockdb *db, uint64_t height, struct blockdb_block *out_block,
                      struct blockdb_error *err);

/* Size and root of the Merkle tree over all sealed and durable entries. */
struct blockdb_head {
    uint64_t size;
    uint64_t block_count;
    uint8_t root[BLOCKDB_HASH_LEN];
};
int blockdb_head_get(struct blockdb *db, struct blockdb_head *out_head, struct blockdb_error *err);

/* Progress of long work: done of total (0: unknown) units of `unit` ("entries", "bytes", "files").
 * Called from one thread at a time, at most a few times a second; returning false cancels. */
typedef bool (*blockdb_progress_cb)(void *arg, const char *unit, uint64_t done, uint64_t total);

struct blockdb_verify_options {
    size_t size;
    uint64_t from_seq;     /* whole blocks that touch from_seq .. to_seq */
    uint64_t to_seq;       /* inclusive; BLOCKDB_SEQ_NONE: to the end */
    double sample_percent; /* of the blocks; 0 or 100: all */
    unsigned threads;      /* 0: one a core */
    blockdb_progress_cb progress;
    void *progress_arg;
};
#define BLOCKDB_VERIFY_OPTIONS_INIT                                                                \
    {                                                                                              \
        .size = sizeof(struct blockdb_verify_options), .to_seq = BLOCKDB_SEQ_NONE                  \
    }

/* What verify looked at; on failure also how far it came. */
struct blockdb_verify_report {
    uint64_t entries;
    uint64_t blocks;
    uint64_t bytes_hashed;
    uint64_t bytes_read;
    uint64_t files;
    uint64_t redactions;
    uint8_t root[BLOCKDB_HASH_LEN]; /* recomputed, when the whole log was verified */
    uint64_t size;                  /* entries under root */
};
/* Recomputes evidence from the stored bytes: every value against its commitment and leaf, leaves
 * against tiles, block roots, header chain, batches whole, tree root; and every page of every
 * table and the index it forms against the ledger. ETAMPERED or ECORRUPT names the first wrong
 * file and offset, and entry or block. out_report may be NULL. */
int blockdb_verify(struct blockdb *db, const struct blockdb_verify_options *options,
                   struct blockdb_verify_report *out_report, struct blockdb_error *err);

/* ---- Administration ------------------------------------------------------------------------ */

/* Writes the memtable to a table and waits. Cheap when there is nothing to flush. */
int blockdb_flush(struct blockdb *db, struct blockdb_error *err);
/* Merges tables as far as something is gained; waits unless wait is false. */
int blockdb_compact(struct blockdb *db, bool wait, blockdb_progress_cb progress, void *progress_arg,
                    struct blockdb_error *err);
/* Copies the database as of now into dir, which must not exist or be empty: hard links where the
 * file system allows it, writers go on. The copy opens by itself. */
int blockdb_backup(struct blockdb *db, const char *dir, blockdb_progress_cb progress,
                   void *progress_arg, struct blockdb_error *err);
/* Makes a new database in new_dir (must not exist or be empty) from a backup in dir, checks it, and
 * declares a new epoch as an entry. No database needs to be open. */
int blockdb_restore(const char *dir, const char *new_dir, blockdb_progress_cb progress,
                    void *progress_arg, struct blockdb_error *err);

#define BLOCKDB_LEVELS_MAX 8
struct blockdb_stats {
    size_t size;
    /* Positions: numbers of entries. */
    uint64_t acked_seq, durable_seq, sealed_seq, flushed_seq;
    uint64_t block_count;
    uint64_t oldest_unsealed_age_ms;
    /* Bytes on disk. */
    uint64_t table_count, table_bytes, ledger_bytes, tile_bytes, wal_bytes, wal_old_bytes;
    /* Memory. */
    uint64_t memtable_bytes, memtable_count, block_cache_bytes, index_cache_bytes, memory_bytes;
    /* Counters since open. */
    uint64_t puts, deletes, batches, gets, gets_found, scans;
    uint64_t commit_groups, wal_syncs, wal_bytes_written, ledger_bytes_written, table_bytes_written,
        user_bytes_written;
    uint64_t flushes, merges, merge_bytes_read, merge_bytes_written;
    uint64_t stall_ns, slow_down_ns;
    uint64_t block_cache_hits, block_cache_misses, index_cache_hits, index_cache_misses;
    uint64_t filter_checks, filter_negatives, filter_false_positives;
    uint64_t memtable_hits, table_hits, ledger_reads;
    uint64_t heads_signed, head_failures; /* a head or its signer failed */
    /* The map of newest versions (proof_map): entries it reflects, sealed ones it does not yet,
     * keys, bytes of its file. */
    uint64_t map_size, map_lag, map_keys, map_bytes;
    /* Where gets that found a version had it from; memtable_hits and table_hits above count
     * lookups of all kinds. pagecache: at least one page was read from a file without waiting.
     * disk: at least one was read in a way that may wait. would_block: answered EWOULDBLOCK. */
    uint64_t gets_memtable, gets_cache, gets_page_cache, gets_disk, gets_would_block;
    /* Memory and how it is held. */
    uint64_t memtable_active_bytes, memtable_frozen_bytes, seal_queue_bytes, commit_queue_bytes,
        map_bytes_in_memory, work_bytes; /* work: buffers of flush, merge, verify, scans */
    uint64_t memory_limit, memory_peak_bytes;
    /* Stalls by cause, nanoseconds; together they are stall_ns and slow_down_ns. */
    uint64_t stall_memtables_ns, stall_tables_ns, stall_seal_queue_ns, stall_memory_ns;
    uint64_t flush_bytes_written;
    uint64_t block_cache_evictions, index_cache_evictions;
    uint64_t blocks_sealed, entries_sealed;
    uint64_t oldest_unsynced_age_ms; /* of the oldest entry that is visible and not durable */
    /* How far the clock is behind the time of the newest entry, which new ones get meanwhile. */
    uint64_t clock_behind_ms;
    /* Keys with a value, from counts of tables and memtables; too high by keys that were
     * overwritten and not merged since. */
    uint64_t live_keys_estimate;
    uint64_t level_count; /* of the arrays below */
    uint64_t level_tables[BLOCKDB_LEVELS_MAX], level_bytes[BLOCKDB_LEVELS_MAX];
};
#define BLOCKDB_STATS_INIT                                                                         \
    {                                                                                              \
        .size = sizeof(struct blockdb_stats)                                                       \
    }
int blockdb_stats_get(struct blockdb *db, struct blockdb_stats *out_stats,
                      struct blockdb_error *err);
/* Durations since the open, as counts in buckets: cumulative[i] of them were not longer than
 * blockdb_latency_bound_ns(i). */
#define BLOCKDB_LATENCY_BUCKETS 18
struct blockdb_latency {
    uint64_t cumulative[BLOCKDB_LATENCY_BUCKETS];
    uint64_t count; /* those above the last bound included */
    uint64_t sum_ns;
};
uint64_t blockdb_latency_bound_ns(size_t index);
struct blockdb_latencies {
    size_t size;
    struct blockdb_latency wal_sync;
    struct blockdb_latency commit_group; /* from taking a group to its being visible */
    struct blockdb_latency flush;
    struct blockdb_latency merge;
    struct blockdb_latency block_seal; /* hashing a block and writing it, without syncs */
};
#define BLOCKDB_LATENCIES_INIT                                                                     \
    {                                                                                              \
        .size = sizeof(struct blockdb_latencies)                                                   \
    }
int blockdb_latencies_get(struct blockdb *db, struct blockdb_latencies *out_latencies,
                          struct blockdb_error *err);
/* The value of one option in force in an open database; borrowed until close, NULL if unknown. */
const char *blockdb_option_in_force(const struct blockdb *db, const char *name);
/* The ledger's id, 32 lower-case hex digits and a zero; borrowed until close. */
const char *blockdb_ledger_id(const struct blockdb *db);
/* The epoch: 0, or how many restores lie behind this directory. */
uint64_t blockdb_epoch(const struct blockdb *db);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif
#endif
