/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An open database: what the parts of the engine share.
 *
 * Life of a write: a batch is encoded by its submitter (batch.c), committed in a group (commit.c),
 * sealed into blocks (sealer.c), flushed and merged (workers.c). Life of a read: read.c, scan.c,
 * history.c. Opening recovers all of it (open.c, recover.c).
 *
 * Positions are numbers of entries, each at most the one before it:
 *   acked   entries that are committed and visible to readers
 *   sealed  entries in blocks of the ledger that are synced
 *   flushed entries that tables index; the memtables hold the rest
 * durable lies between acked and sealed: entries in a synced WAL or ledger.
 *
 * DB-1  acked is stored with release after memtable and seal queue have the entries.
 * DB-2  A memtable leaves the read state only when its entries are sealed and a table has them.
 * DB-3  After a failed write or sync nothing is appended any more; see failure.h.
 *
 * Threads:   fields are grouped by who may touch them.
 * Ownership: the database owns all its parts; see open.c for the order of their ends.
 */
#pragma once

#include "base/arena.h"
#include "base/epoch.h"
#include "base/lock.h"
#include "engine/account.h"
#include "engine/commit.h"
#include "engine/counters.h"
#include "engine/event.h"
#include "engine/failure.h"
#include "engine/heads.h"
#include "engine/notify.h"
#include "engine/options.h"
#include "engine/read_state.h"
#include "engine/redact.h"
#include "engine/seal_queue.h"
#include "engine/sealer.h"
#include "engine/shortage.h"
#include "engine/submission.h"
#include "engine/ticker.h"
#include "engine/workers.h"
#include "os/os.h"
#include "store/cache.h"
#include "store/io_budget.h"
#include "store/manifest.h"
#include "store/segment.h"
#include "store/table.h"
#include "store/tile_file.h"
#include "store/wal.h"

#include <stdatomic.h>
#include <stdbool.h>

struct blockdb {
    /* Constant after open. */
    struct os *os;
    struct blockdb_options *options;
    const struct settings *settings; /* borrowed from options */
    char *dir;
    char *wal_dir;
    char *ledger_dir;
    char *tile_dir;
    bool read_only;
    uint8_t ledger_id[LEDGER_ID_LEN];
    char ledger_id_text[2 * LEDGER_ID_LEN + 1];
    uint64_t epoch_number;
    struct os_file *lock_file;
    struct epoch *epoch;
    struct cache *block_cache;
    struct cache *index_cache;
    struct table_counters *table_counters;
    struct io_budget *io_budget;
    struct arena_pool *arena_pool; /* chunks of freed memtables; NULL where they are small */
    struct manifest *manifest;
    struct wal *wal;
    struct segments *segments;
    struct tile_files *tiles;

    /* Atomic: release when advanced, acquire when read (DB-1). */
    _Atomic uint64_t acked_seq;
    _Atomic uint64_t durable_seq;
    _Atomic uint64_t flushed_seq;
    /* Relaxed: monotonic time since when something visible is not durable, about; 0: all is. */
    _Atomic uint64_t unsynced_since_ns;

    /* The current read state: replaced under state_mu, read inside the epoch. */
    _Atomic(struct read_state *) read_state;
    struct mutex state_mu;

    /* Parts with threads and locks of their own. */
    struct failure failure;
    struct shortage shortage;
    struct account account;
    struct counters counters;
    struct work_latencies latencies;
    struct commit commit;
    struct submission_pool submissions;
    struct notify notify;
    struct seal_queue seal_queue;
    bool has_seal_queue;
    struct sealer sealer;
    struct workers workers;
    struct ticker ticker;
    struct heads *heads;
    struct map *map; /* or NULL: without proofs of newest versions */
    struct redactions redactions;
};

/* The current read state; inside the epoch. */
static inline struct read_state *db_read_state(struct blockdb *db)
{
    return atomic_load_explicit(&db->read_state, memory_order_acquire);
}

/* For the index of each memtable: entries of small values take some 180 bytes, so a full memtable
 * has about 11 bytes for each key, and seven slots in ten are taken. */
static inline size_t db_memtable_index_bytes(const struct blockdb *db)
{
    return (size_t)(db->settings->memtable_size_limit / 16);
}

/* A reference to the current read state, given back with read_state_unref(). */
struct read_state *db_read_state_ref(struct blockdb *db);

/* The active memtable, borrowed: only the leader of a commit, or whoever is alone with the
 * database, replaces it, and only they may ask. */
struct memtable *db_active_memtable(struct blockdb *db);

/* Replaces the current read state by one of these memtables and tables. ENOMEM changes nothing.
 * The caller holds state_mu. */
RESULT_MUST_BE_USED int db_publish_locked(struct blockdb *db, struct memtable *const *memtables,
                                          size_t count, struct table_set *tables)
    REQUIRES(db->state_mu);

/* EREADONLY, for a database that is. */
int db_refuse_read_only(const struct blockdb *db, struct error *err);

/* Options of a table reader or builder of this database. */
void db_table_options(const struct blockdb *db, struct table_options *out);

/* The codec of pages by option. */
enum codec db_codec(const struct settings *settings);

/* Advances an atomic position; lower values change nothing. */
void position_raise(_Atomic uint64_t *position, uint64_t value);
