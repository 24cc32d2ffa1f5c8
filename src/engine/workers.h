/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workers: the threads that flush memtables and merge tables, and what they demand of writers.
 *
 * One thread flushes, so that memory never waits for a long merge; max_compaction_threads merge,
 * each on tables that no other touches. Writers are slowed down smoothly as merges fall behind, and
 * wait only when all memtables are full.
 *
 * WORK-1  A memtable is flushed after all its entries are in synced blocks of the ledger. A block
 *         ends where a memtable is frozen, so the flush waits for the sealer only, never for a
 *         writer: the writer may be waiting for the flush.
 * WORK-2  An output counts once the manifest names it; then it is published, then its inputs'
 *         files are removed when the last reader lets go of them.
 * WORK-3  Lack of space or memory delays a job, it does not end it; other failures are the
 *         engine's, but for a damaged input, which only stops merging.
 *
 * Threads:   workers_make_room(), workers_has_room(): the leader of a commit. The rest: any thread.
 * Ownership: part of the database.
 */
#pragma once

#include "base/lock.h"
#include "os/os.h"
#include "store/memtable.h"
#include "store/merge_policy.h"

#include <blockdb/blockdb.h>
#include <stdatomic.h>
#include <stdbool.h>

#define WORKERS_MERGE_THREADS_MAX 16
/* Tables that running merges may hold together. */
#define WORKERS_BUSY_MAX 65536
/* Frozen memtables that may wait for their flush before writers wait for them. */
#define FROZEN_MEMTABLES_MAX 3

struct workers {
    struct mutex mu;
    struct cond work; /* there may be something to do, or it is time to stop */
    struct cond done; /* a job ended */

    /* Guarded by mu. */
    uint64_t *busy; /* numbers of tables in running merges; room for WORKERS_BUSY_MAX */
    size_t busy_count;
    struct buf obsolete; /* numbers (u64) of tables whose files wait for files_held */
    unsigned files_held; /* backups that need all files to stay */
    unsigned running_merges;
    bool full_wanted;    /* merge everything into one run */
    bool is_short;       /* the last flush or merge lacked room; stall says of what */
    bool merges_stopped; /* an input is damaged */
    bool stopped;
    uint64_t wake_count; /* raised whenever tables or memtables changed */
    struct error stall;

    /* Atomic. */
    atomic_bool cancelled;     /* merges give up soon */
    atomic_ullong merged_keys; /* written by merges since open */
    _Atomic unsigned pressure; /* thousandths; see merge_policy_pressure() */

    /* Constant after start. */
    struct os_thread *flusher;
    struct os_thread *mergers[WORKERS_MERGE_THREADS_MAX];
    unsigned merger_count;

    /* Leader only: what writers still have to sleep. */
    uint64_t delay_ns;
};

RESULT_MUST_BE_USED int workers_init(struct workers *w);
void workers_deinit(struct workers *w);
RESULT_MUST_BE_USED int workers_start(struct blockdb *db, struct error *err);
/* Ends flushing and merging; what was not finished is taken up after the next open. */
void workers_stop(struct blockdb *db);
/* Tells the threads that memtables or tables changed. */
void workers_wake(struct blockdb *db);
/* The same, and judges anew how far merges are behind. */
void workers_tables_changed(struct blockdb *db);

/* Makes sure that the active memtable takes so many more bytes: slows the caller down, or replaces
 * a full memtable. *out_memtable is borrowed until the next call. ENOSPC, ENOMEM: it is full and
 * cannot be flushed now. */
RESULT_MUST_BE_USED int workers_make_room(struct blockdb *db, size_t bytes,
                                          struct memtable **out_memtable, struct error *err);
/* Whether it would return at once, with the memtable that is active now. */
bool workers_has_room(struct blockdb *db, size_t bytes);
/* Freezes the active memtable, if it has entries, so that it gets flushed. The caller leads a
 * commit, or is alone with the database. Errors as workers_make_room(). */
RESULT_MUST_BE_USED int workers_freeze(struct blockdb *db, struct error *err);
/* Waits until the entries below seq are in tables. */
RESULT_MUST_BE_USED int workers_wait_flushed(struct blockdb *db, uint64_t seq, struct error *err);
/* Keeps all table files in place until released, also those that merges have replaced, and all
 * values where they are: no redaction erases meanwhile. Waits for one that does. */
void workers_hold_files(struct blockdb *db);
void workers_release_files(struct blockdb *db);
/* The policy of the options in force. */
struct merge_policy workers_policy(const struct blockdb *db);
/* Asks for a merge of everything into one run; waits for it when told to. */
RESULT_MUST_BE_USED int workers_compact(struct blockdb *db, bool wait, blockdb_progress_cb progress,
                                        void *progress_arg, struct error *err);
