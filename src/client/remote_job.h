/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs: work that goes on in the server, whoever still asks about it.
 *
 *     remote_job_start(&ask, ..)     the request that begins it; its ask ends
 *     remote_job_await(..)           asks how far it is until it has ended
 *
 * RJOB-1  A connection that breaks, or a server that is busy, does not end the asking before
 *         REMOTE_JOB_PATIENCE_NS have brought no answer.
 * RJOB-2  A job is known by its number and by when it began: a server that was started anew counts
 *         from 1 again, and its job is not taken for ours.
 *
 * Threads:   one thread.
 * Ownership: a job owns its texts.
 * Format:    docs/operate/http.md
 */
#pragma once

#include "base/bytes.h"
#include "client/ask.h"

#define REMOTE_JOB_PATIENCE_NS (60 * (uint64_t)1000000000)

enum remote_job_state {
    REMOTE_JOB_RUNNING,
    REMOTE_JOB_DONE,
    REMOTE_JOB_FAILED,
    REMOTE_JOB_CANCELED
};

/* A zeroed one is empty. */
struct remote_job {
    struct buf id;   /* as the server names it */
    struct buf unit; /* of done and total, with a zero behind it */
    enum remote_job_state state;
    uint64_t started_ms; /* 0: the server did not say */
    uint64_t done, total;
    struct blockdb_verify_report report;
    struct blockdb_write_result written;
    struct error failure; /* of one that failed */
};

void remote_job_deinit(struct remote_job *job);

/* Sends the ask, which is over then, and reads which job it has begun. EBUSY with a job in *job:
 * that one of its kind runs already. With adopts it is taken for our own (0) when the ask was sent
 * twice: the answer to the first was lost on the way. */
RESULT_MUST_BE_USED int remote_job_start(struct ask *ask, bool adopts, struct remote_job *job,
                                         struct error *err);

/* Asks about the job under path ("/api/v1/verify") until it has ended. Its own failure, or
 * ECANCELED: progress returned false, or the server stopped it (job->state tells); ECLOSED: the
 * server knows it no more; and what asking gives. */
RESULT_MUST_BE_USED int remote_job_await(struct blockdb_client *client, struct remote_job *job,
                                         const char *path, blockdb_progress_cb progress,
                                         void *progress_arg, struct error *err);

/* Asks the server to end it. */
RESULT_MUST_BE_USED int remote_job_cancel(struct blockdb_client *client,
                                          const struct remote_job *job, const char *path,
                                          struct error *err);
