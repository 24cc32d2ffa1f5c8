/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commit: batches get their seqs and time, go to the WAL as one group, and become visible.
 *
 * Writers queue. The first of them leads: it takes what is queued, up to a bound, appends it to the
 * WAL with one write and, where one of the group asks for it, one sync; enters it into the memtable
 * and the seal queue; publishes it; hands the lead to the next in the queue, and only then wakes
 * its followers. So no thread stands between a writer and the disk, and while one group syncs the
 * next one gathers. Asynchronous submitters have no thread to lead with: the committer thread leads
 * when one of them is first.
 *
 * A small batch that asks for no sync need not wait for that thread: its submitter may lead a group
 * of this batch alone, when nobody leads and nothing would have to be waited for.
 *
 * Whoever is answered is likely to submit again at once. If the committer led as soon as the first
 * of them is back, the others would wait for a sync that does not concern them, and every other
 * sync would be for one. So it waits for as many writes as it has just answered, but not longer
 * than half a sync.
 *
 * COMMIT-1  Only the leader touches the fields below "leader only"; there is one leader at a time.
 * COMMIT-2  Nothing of a group that could not be appended remains: no seq, no time, no answer.
 * COMMIT-3  Everything that can fail for want of memory is reserved before the append.
 * COMMIT-4  Conditions are judged against all earlier groups, so a batch with conditions is the
 *           first of its group; a batch that wants a sync of its own is alone.
 *
 * Threads:   commit_run(), commit_submit() any thread.
 * Ownership: a blocking request lives on its caller's stack; an asynchronous one is part of a
 *            submission (submission.h), owned here from commit_submit() on.
 * Format:    docs/format/commit-group.md
 */
#pragma once

#include "base/latency.h"
#include "base/lock.h"
#include "base/waiter.h"
#include "engine/batch.h"
#include "engine/request_table.h"
#include "engine/seal_queue.h"
#include "os/os.h"

#include <blockdb/blockdb.h>
#include <stdatomic.h>
#include <stdbool.h>

struct commit_request {
    struct blockdb_batch *batch; /* NULL: only to sync or to seal */
    enum blockdb_durability durability;
    const uint8_t *client_id; /* or NULL */
    uint64_t request;
    bool seal;           /* end the block behind this request, if it has entries */
    bool seal_empty;     /* with seal: also where it has none */
    bool freeze;         /* then freeze the active memtable, so that it is flushed */
    bool rotate;         /* then go on in a fresh file of the WAL (wal_rotate()) */
    bool in_place;       /* its submitter may lead, see above */
    blockdb_write_cb cb; /* NULL: a thread waits */
    void *cb_arg;

    /* The answer; written before the waiter is woken. */
    int status;
    struct blockdb_write_result result;
    struct error error;

    /* Private to commit.c. */
    struct waiter waiter;
    struct commit_request *next;
    bool promoted; /* woken to lead, not with an answer */
    bool accepted; /* part of the group being appended */
};

struct commit {
    struct mutex mu;
    struct cond committer_wake;
    struct cond room; /* the queue became shorter */

    /* Guarded by mu. */
    struct commit_request *head;
    struct commit_request *tail;
    uint64_t queued_bytes;
    uint64_t queued_weight;  /* entries, and requests without any */
    uint64_t group_weight;   /* of the last group */
    uint64_t awaited_weight; /* the committer sleeps until so much is queued; 0: it does not */
    uint64_t answered_ns;    /* when the committer had answered its last group */
    bool leading;            /* somebody leads */
    bool committer_lead;     /* the committer thread was handed the lead */
    bool stopped;

    /* Constant after start. */
    struct os_thread *committer;

    /* Leader only (COMMIT-1). */
    uint64_t next_seq;
    uint64_t block_entries; /* of the open block */
    uint64_t block_bytes;
    struct seal_entry *scratch;
    size_t scratch_cap;

    /* Atomic, relaxed, written by the leader: how long syncs of groups take of late, and the time
     * of the newest entry. */
    _Atomic uint64_t sync_ns;
    _Atomic uint64_t last_time_ms;
    struct latency group_latency; /* leader only; read by anybody */

    /* Written by the leader, read under requests_mu by who saves it. */
    struct mutex requests_mu;
    struct request_table *requests;

    /* Monotonic time at which the open block got its first entry; 0: it has none. Atomic, relaxed:
     * for the ticker. */
    _Atomic uint64_t block_opened_ns;
};

/* Initialises with an empty request table. ENOMEM. */
RESULT_MUST_BE_USED int commit_init(struct commit *c);
void commit_deinit(struct commit *c);
/* How far the clock is behind the time of the newest entry. Any thread. */
uint64_t commit_clock_behind_ms(const struct blockdb *db);
/* Starts the committer thread. */
RESULT_MUST_BE_USED int commit_start(struct blockdb *db, struct error *err);
/* Refuses new requests with ECLOSED, waits for those queued, ends the committer thread. */
void commit_stop(struct blockdb *db);

/* Commits a request and waits for its answer, which is also returned. */
RESULT_MUST_BE_USED int commit_run(struct blockdb *db, struct commit_request *request);
/* Queues the request of a submission, with its batch and callback; frees the submission after the
 * call. On failure it is still the caller's. no_wait: EWOULDBLOCK where it would wait for room. */
RESULT_MUST_BE_USED int commit_submit(struct blockdb *db, struct commit_request *request,
                                      bool no_wait, struct error *err);

/* Makes everything acknowledged so far durable, from any thread and beside the leader. */
RESULT_MUST_BE_USED int commit_sync(struct blockdb *db, struct error *err);
/* Ends the open block now, if it has entries, and waits until its end is committed. */
RESULT_MUST_BE_USED int commit_seal(struct blockdb *db, struct error *err);

/* The length of what the option or the call asks for, as a mode. */
enum blockdb_durability commit_durability(const struct blockdb *db, enum blockdb_durability asked);
