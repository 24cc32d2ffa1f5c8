/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pool: threads that may block, for what a loop must not do.
 *
 * There are two classes of jobs with queues and threads of their own, so that a verification that
 * runs for minutes never delays a read that needs one page from the disk.
 *
 *   loop   pool_submit() --> queue of its class --> a thread: job->run() --loop_post()-->
 * job->done()
 *
 * POOL-1  A job that was accepted is run once and done once, also while the pool stops.
 * POOL-2  Nothing waits for room: a full queue refuses, and its client is told to come again.
 *
 * Threads:   pool_submit() any thread; new, stop, free by the owner. A job's owner may free it in
 *            run() when done is NULL.
 * Ownership: a job is its owner's memory, in place from pool_submit() until done().
 */
#pragma once

#include "base/error.h"
#include "server/loop.h"

#include <stdint.h>

struct os;
struct pool;

enum pool_class {
    POOL_READ, /* short: one read from a disk, one password */
    POOL_LONG, /* scans, exports, verification, compaction, backup */
    POOL_CLASS_COUNT,
};

struct pool_job {
    void (*run)(struct pool_job *job);  /* on a thread of the pool */
    void (*done)(struct pool_job *job); /* on the loop's thread; NULL: nobody waits */
    struct loop *loop;                  /* may be NULL when done is */

    /* Private to pool.c. */
    struct pool_job *next;
    struct loop_task task;
};

struct pool_options {
    struct os *os;
    unsigned threads[POOL_CLASS_COUNT];   /* at least 1 each */
    unsigned queue_max[POOL_CLASS_COUNT]; /* jobs that wait, at least 1 each */
};

/* Figures of one class, for metrics. */
struct pool_stats {
    uint64_t done;    /* jobs that were run */
    uint64_t refused; /* jobs that found the queue full */
    uint64_t waiting; /* jobs in the queue now */
    uint64_t running; /* jobs on a thread now */
};

/* Starts the threads "read-N" and "long-N". ENOMEM, EIO. */
RESULT_MUST_BE_USED int pool_new(const struct pool_options *options, struct pool **out,
                                 struct error *err);
/* Runs what is queued, ends the threads. Afterwards every job is refused. The loops must still run:
 * they get what is done. */
void pool_stop(struct pool *pool);
/* Stops, and frees. NULL is fine. */
void pool_free(struct pool *pool);

/* Queues a job. EWOULDBLOCK: the queue of its class is full, or the pool stops; nothing happened
 * then. */
RESULT_MUST_BE_USED int pool_submit(struct pool *pool, struct pool_job *job,
                                    enum pool_class job_class);
/* Any thread. */
struct pool_stats pool_stats(struct pool *pool, enum pool_class job_class);
