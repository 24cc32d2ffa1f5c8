/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Long work on a server: begun as a job of the server, followed until it ends.
 *
 * WORK-1  Ctrl-C ends the following, not the job; the message says where the job is found.
 * WORK-2  What waits for another job of its kind shows how far that one is.
 *
 * Threads:   one thread.
 * Ownership: borrows all.
 */
#pragma once

#include "base/error.h"

#include <blockdb/client.h>

/* What a command follows, and how. */
struct server_work {
    struct blockdb_client *client;
    const char *url; /* of the server, for messages */
    blockdb_progress_cb progress;
    void *progress_arg;
};

/* Each returns what the job returned; ECANCELED: the user has stopped the following. */
RESULT_MUST_BE_USED int server_work_verify(struct server_work *work,
                                           const struct blockdb_verify_options *options,
                                           struct blockdb_verify_report *out, struct error *err);
RESULT_MUST_BE_USED int server_work_backup(struct server_work *work, const char *dir,
                                           struct error *err);
/* A compaction that runs already is as good as one's own. */
RESULT_MUST_BE_USED int server_work_compact(struct server_work *work, struct error *err);
/* Waits for another redaction that runs, then begins its own. */
RESULT_MUST_BE_USED int server_work_redact(struct server_work *work,
                                           const struct blockdb_redact_target *targets,
                                           size_t count,
                                           const struct blockdb_redact_options *options,
                                           struct blockdb_write_result *out, struct error *err);
