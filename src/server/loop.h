/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Event loop: one thread that serves many connections and never waits for anything else.
 *
 * A turn of the loop is: wait for sockets, the clock or a post; let every ready connection read
 * and act; run the posted tasks; run the deferred tasks; send. Work that may wait for a disk
 * belongs on a pool (pool.h), whose answer comes back by loop_post().
 *
 *   any thread   loop_post() --> list without locks --(wakes a loop that waits)--> the loop runs it
 *   this thread  loop_defer() --> the end of this turn, once all sockets were read
 *
 * LOOP-1  A posted or deferred task runs exactly once, on the loop's thread, unless the loop was
 *         freed first; tasks of one thread run in the order in which they were posted.
 * LOOP-2  Any number of posts between two turns costs at most one wake-up, and none while the loop
 *         is at work: before it waits, it looks for what was posted.
 * LOOP-3  Tasks deferred by deferred tasks run in the same turn, after those that were there.
 * LOOP-4  A timer never fires early, and at most two ticks late when the loop is not busy.
 *
 * Threads:   loop_post() any thread; the rest the loop's thread, or before it is started.
 * Ownership: tasks and timers are their owner's memory; they stay in place while they are linked.
 */
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

#define LOOP_TICK_MS 100
#define LOOP_DELAY_MS_MAX ((uint64_t)30 * 24 * 3600 * 1000)

struct loop;
struct os;

/* Work for the loop. Owned by who posts it; free again when run() starts. */
struct loop_task {
    struct loop_task *next;
    void (*run)(struct loop_task *task);
};

/* A timer; zeroed memory with `fire` set is a timer that is not running. */
struct loop_timer {
    struct loop_timer *next;
    struct loop_timer **link; /* what points at this one; NULL: not running */
    uint64_t due_tick;
    void (*fire)(struct loop_timer *timer);
};

/* What a protocol keeps for each loop, made when its first connection begins; embedded in it. */
struct loop_local {
    void (*free)(struct loop_local *local); /* by loop_free(), before anything else */
};

/* Creates a loop; its number names its thread, "worker-<index>". EIO when the system gives no more
 * descriptors, ENOMEM. */
RESULT_MUST_BE_USED int loop_new(struct os *os, unsigned index, struct loop **out,
                                 struct error *err);
/* Starts the loop's thread. */
RESULT_MUST_BE_USED int loop_start(struct loop *loop, struct error *err);
/* Makes the loop end once all that watches a descriptor is closed and no task is left, and waits
 * for its thread. What is posted later is run by nobody. NULL, and a loop that was not started, are
 * fine. */
void loop_stop(struct loop *loop);
/* Frees a stopped loop. NULL is fine. */
void loop_free(struct loop *loop);
/* Runs the loop on the calling thread until loop_stop_soon(): for tests and the main thread. */
void loop_run(struct loop *loop);
/* Asks a loop to end as loop_stop() says, without waiting. Any thread. */
void loop_stop_soon(struct loop *loop);

/* Any thread; LOOP-1, LOOP-2. All that was written before is seen by task->run(). */
void loop_post(struct loop *loop, struct loop_task *task);
/* Runs task at the end of this turn. It must not be linked already. */
void loop_defer(struct loop *loop, struct loop_task *task);

/* Starts a timer, or moves one that runs. delay_ms up to LOOP_DELAY_MS_MAX; 0: the next tick.
 * Cheap: moving a timer to a later time only writes it down. */
void loop_timer_set(struct loop *loop, struct loop_timer *timer, uint64_t delay_ms);
/* Does nothing when it is not running. */
void loop_timer_cancel(struct loop *loop, struct loop_timer *timer);
static inline bool loop_timer_is_set(const struct loop_timer *timer)
{
    return timer->link != NULL;
}

/* Monotonic milliseconds, as of the start of this turn. */
uint64_t loop_now_ms(const struct loop *loop);
unsigned loop_index(const struct loop *loop);
/* Whether the caller runs on the loop's thread. */
bool loop_is_current(const struct loop *loop);

/* The one loop_local of a loop; NULL until it is set. The loop's thread, or before it is started.
 */
struct loop_local *loop_local(const struct loop *loop);
/* Once for a loop. Takes local. */
void loop_set_local(struct loop *loop, struct loop_local *local);
