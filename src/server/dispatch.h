/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dispatch: what the server's protocols ask of the database.
 *
 * HTTP and the Redis protocol both turn requests into calls; here a call meets the rights of its
 * principal, and the engine. Nothing waits: a get is answered at once when the memory has it and by
 * a thread of the pool otherwise, a write goes into the engine's queue, all else runs on the pool.
 * A protocol never speaks to the engine itself, so that a cluster can stand here later: a write is
 * then proposed to the leader, a read waits for its index, and no protocol changes.
 *
 *   protocol   call_init .. dispatch_put, dispatch_commit ----------------.
 *                                                                          v  blockdb_submit()
 *   loop       call->done()  <--  loop_post()  <--  engine's callback  <-- group is durable
 *
 * DISPATCH-1  done() is called exactly once for each call that is pending, on its loop's thread,
 *             and never before the function that started it has returned.
 * DISPATCH-2  A call's memory stays its owner's, who keeps it (and the principal) until done().
 * DISPATCH-3  No key is read or written without the right to it, nor put under a condition without
 *             the one or the other.
 *
 * Threads:   calls are started on the thread of their loop; call_run_fn on a thread of the pool.
 * Ownership: borrows db, pool and loops, which outlive it; borrows the principal of a call.
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "server/loop.h"
#include "server/pool.h"
#include "server/principal.h"

#include <blockdb/blockdb.h>
#include <stdatomic.h>
#include <stdbool.h>

struct dispatch;
struct call;

typedef void (*call_done_cb)(struct call *call);
/* Does the work of a call on a thread of the pool; may block. Its return becomes call->status. */
typedef int (*call_run_fn)(struct call *call, struct blockdb *db, struct error *err);

/* What has become of a call that was started. */
enum call_state {
    CALL_DONE,    /* answered: status and error are there; done() is not called */
    CALL_PENDING, /* done() will be called */
};

/* One operation in flight. The fields are for its owner to read unless they say otherwise. */
struct call {
    struct dispatch *dispatch;
    struct loop *loop;
    const struct principal *principal; /* borrowed */
    call_done_cb done;

    /* The answer. error holds a message only when status is not 0. */
    int status;
    struct error error;
    struct blockdb_write_result written; /* of dispatch_commit() */
    struct blockdb_value value; /* of dispatch_get(); kept for reuse, call_deinit() frees */
    uint64_t queued_ns;         /* when it was started, monotonic; 0: answered at once */
    uint64_t worked_ns;         /* time on the pool, without the wait for a thread */

    /* Private to dispatch.c. */
    struct blockdb_batch *batch;
    struct loop_task task;
    struct pool_job job;
    call_run_fn run;
    struct slice key;
    struct blockdb_read_options read;
    bool pending;
};

struct dispatch_options {
    struct blockdb *db;
    struct pool *pool;
    struct os *os; /* for the clock */
};

RESULT_MUST_BE_USED int dispatch_new(const struct dispatch_options *options, struct dispatch **out);
/* No call may be pending. NULL is fine. */
void dispatch_free(struct dispatch *d);
/* Calls that are pending, of all loops. Any thread. */
uint64_t dispatch_pending(const struct dispatch *d);
/* The database; for what is not the work of a call: figures, health. */
struct blockdb *dispatch_db(struct dispatch *d);

/* Makes call usable, on loop and for principal; done is needed only for what may be pending. Only
 * bytes that matter are written, so it is cheap. */
void call_init(struct call *call, struct dispatch *d, struct loop *loop,
               const struct principal *principal, call_done_cb done);
/* Makes call usable again for the next operation of the same owner; keeps the value's memory. */
void call_reset(struct call *call, const struct principal *principal);
/* Frees what it holds. It must not be pending. A zeroed call is fine. */
void call_deinit(struct call *call);

/* ---- Reading ------------------------------------------------------------------------------- */

struct call_get {
    struct slice key; /* borrowed until the call is done */
    uint64_t at_seq;  /* BLOCKDB_SEQ_NONE: the newest */
};
/* Reads key into call->value. status as of blockdb_get(), and EDENIED. CALL_DONE whenever no disk
 * is needed; EWOULDBLOCK when the pool has no room. */
enum call_state dispatch_get(struct call *call, const struct call_get *get);

/* ---- Writing ------------------------------------------------------------------------------- */

/* Adds to the batch of the call; each copies its bytes. EDENIED, and as blockdb_batch_put() etc.;
 * the batch is as it was then. */
RESULT_MUST_BE_USED int dispatch_put(struct call *call, struct slice key, struct slice value,
                                     struct error *err);
RESULT_MUST_BE_USED int dispatch_delete(struct call *call, struct slice key, struct error *err);
RESULT_MUST_BE_USED int dispatch_require_absent(struct call *call, struct slice key,
                                                struct error *err);
RESULT_MUST_BE_USED int dispatch_require_seq(struct call *call, struct slice key, uint64_t seq,
                                             struct error *err);
/* Puts and deletes in the batch of the call. */
size_t dispatch_batch_count(const struct call *call);

struct call_commit {
    enum blockdb_durability durability;
    const uint8_t *client_id; /* NULL, or BLOCKDB_CLIENT_ID_LEN bytes, copied */
    uint64_t request;
};
/* Commits the batch of the call, atomically. status as of blockdb_write(); EWOULDBLOCK when too
 * much is queued: the answer is "later", or the call is committed again, for it keeps its batch in
 * this one case. options may be NULL. */
enum call_state dispatch_commit(struct call *call, const struct call_commit *options);

/* ---- Everything else ----------------------------------------------------------------------- */

/* Has run called on the pool. The rights are the caller's affair: run asks call->principal.
 * CALL_DONE with EWOULDBLOCK when the pool has no room. */
enum call_state dispatch_run(struct call *call, enum pool_class job_class, call_run_fn run);
