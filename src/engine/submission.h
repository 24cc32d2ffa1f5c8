/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Submissions: batches that users own, each with the request that an asynchronous commit needs.
 *
 * A server submits many small batches a second from one thread, and another frees them. So what a
 * batch needs is one piece of memory, and pieces that were freed wait in a pool for the next batch,
 * with their buffers, unless those are large. What a group used comes back with one lock.
 *
 * SUBM-1  The pool keeps at most SUBMISSIONS_KEPT, each with buffers of at most a few KiB.
 *
 * Threads:   the pool: any thread. A submission: as a batch.
 * Ownership: the pool owns those that wait; see submission_free_all() for the others.
 */
#pragma once

#include "base/lock.h"
#include "engine/batch.h"
#include "engine/commit.h"

#define SUBMISSIONS_KEPT 2048

struct submission {
    struct blockdb_batch batch; /* first: what the user holds */
    struct commit_request request;
    uint8_t client_id[BLOCKDB_CLIENT_ID_LEN];
    struct submission *next; /* in the pool, or in a list of those to be freed */
};

struct submission_pool {
    struct mutex mu;
    /* Guarded by mu. */
    struct submission *first;
    size_t count;
};

void submission_pool_init(struct submission_pool *pool);
/* Frees what waits in it. All batches were freed. */
void submission_pool_deinit(struct submission_pool *pool);

static inline struct submission *submission_of_batch(struct blockdb_batch *batch)
{
    return (struct submission *)batch;
}

/* The submission around a request that commit_submit() took. */
struct submission *submission_of_request(struct commit_request *request);

/* Gives back a list, linked by next; NULL does nothing. */
void submission_free_all(struct submission_pool *pool, struct submission *list);
