/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sealer: takes committed entries in seq order, hashes them into the tree, and writes them to
 * the ledger as blocks.
 *
 * Where blocks end was decided at commit; the sealer only fills in the headers. No writer waits for
 * it, unless it is SEAL_QUEUE_BYTES_MAX behind. Blocks are synced in batches: when enough bytes or
 * time have gathered, or when somebody waits for them.
 *
 * SEAL-1  The durable tip is behind segments_sync() of all its blocks; WAL segments below it are
 *         retired only then.
 * SEAL-2  A full disk or lack of memory stops the sealer for a moment, not for good: it goes on
 *         with the step that failed when there is room. Every other failure is the engine's.
 *
 * Threads:   one of its own; sealer_wait(), sealer_tip() any thread.
 * Ownership: part of the database.
 */
#pragma once

#include "base/lock.h"
#include "engine/seal_queue.h"
#include "engine/tip.h"
#include "os/os.h"
#include "store/segment.h"

#include <blockdb/blockdb.h>
#include <stdatomic.h>
#include <stdbool.h>

#define SEAL_QUEUE_BYTES_MAX (64u * 1024 * 1024)

struct seal_job;

/* Work for the sealer's thread; see sealer_run(). */
typedef int (*sealer_errand_fn)(struct blockdb *db, void *arg, struct error *err);
struct sealer_errand {
    sealer_errand_fn run;
    void *arg;
    int status;
    bool is_done;
    struct error error;
};

struct sealer {
    struct mutex mu;
    struct cond advanced; /* the durable tip moved, or the sealer cannot go on */

    /* Guarded by mu. */
    struct tip durable;
    uint64_t wanted_seq; /* somebody waits until so many entries are durable in the ledger */
    bool is_short;       /* of disk or memory; stall says of which */
    bool stopped;
    struct error stall;
    struct sealer_errand *errand; /* waits to be run */
    bool on_errand;               /* it is being run */

    /* Atomic: the size of the durable tip, for those who need nothing else. */
    _Atomic uint64_t sealed_seq;

    /* Sealer thread only. */
    struct os_thread *thread;
    struct seal_job *job;
    struct tip tip; /* behind the last appended block */
    uint64_t unsynced_bytes;
    uint64_t last_sync_ns;
};

/* Starts out at tip, all of which is durable. ENOMEM. */
RESULT_MUST_BE_USED int sealer_init(struct sealer *s, const struct tip *tip);
/* Moves the starting point, before the thread is started. */
void sealer_start_at(struct sealer *s, const struct tip *tip);
void sealer_deinit(struct sealer *s);
RESULT_MUST_BE_USED int sealer_start(struct blockdb *db, struct error *err);
/* Seals all whole blocks that are queued, syncs, and ends the thread. */
void sealer_stop(struct blockdb *db);

/* Waits until the entries below seq are in synced blocks. Their block must have ended. ENOSPC or
 * ENOMEM when the sealer is short of room; the engine's failure when it failed. */
RESULT_MUST_BE_USED int sealer_wait(struct blockdb *db, uint64_t seq, struct error *err);
/* Has the entries below seq synced soon, without waiting for it. */
void sealer_want(struct blockdb *db, uint64_t seq);
/* Ends the open block and waits until everything committed so far is in synced blocks. Does nothing
 * to a database that cannot be written. Errors as sealer_wait(). */
RESULT_MUST_BE_USED int sealer_seal_all(struct blockdb *db, struct error *err);
/* Ends the open block as well, or makes an empty one, so that there is a new header, and waits
 * until that is durable. Errors as sealer_wait(). */
RESULT_MUST_BE_USED int sealer_seal_empty(struct blockdb *db, struct error *err);
/* Waits, for the leader of a commit, until the queue is not too long. Errors as sealer_wait(). */
RESULT_MUST_BE_USED int sealer_make_room(struct blockdb *db, struct error *err);
/* Whether it would return at once. */
bool sealer_has_room(struct blockdb *db);
/* Runs fn on the sealer's thread, between two blocks, and waits: for work on the ledger that only
 * who appends to it may do. One caller at a time. Its result; or why the sealer cannot. */
RESULT_MUST_BE_USED int sealer_run(struct blockdb *db, sealer_errand_fn fn, void *arg,
                                   struct error *err);
/* Copies the durable tip. */
void sealer_tip(struct blockdb *db, struct tip *out);

static inline uint64_t sealer_sealed_seq(struct sealer *s)
{
    return atomic_load_explicit(&s->sealed_seq, memory_order_acquire);
}
