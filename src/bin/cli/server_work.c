/* SPDX-License-Identifier: Apache-2.0 */
#include "bin/cli/server_work.h"

#include "bin/cli/signals.h"

#include <string.h>

#define URL_SHOWN_MAX 256

/* Whether an EBUSY has named a job that runs. */
static bool is_there(const struct blockdb_client_job *job)
{
    return job->id[0] != '\0';
}

static bool go_on(void *arg, const char *unit, uint64_t done, uint64_t total)
{
    struct server_work *work = arg;

    if (work->progress != NULL && !work->progress(work->progress_arg, unit, done, total)) {
        return false;
    }
    return !signals_stop_asked(); /* whatever progress thinks: the job goes on without us */
}

/* How much of the URL stands before the path of a job; of several nodes it is not known which. */
static int shown_len(const char *url)
{
    size_t len = strchr(url, ',') == NULL ? strlen(url) : 0;

    while (len > 0 && url[len - 1] == '/') {
        len--;
    }
    return len < URL_SHOWN_MAX ? (int)len : 0;
}

/* WORK-1 */
static int left_behind(const struct server_work *work, const struct blockdb_client_job *job,
                       struct error *err)
{
    bool can_stop = job->kind != BLOCKDB_CLIENT_JOB_REDACT;

    return error_set(err, BLOCKDB_ECANCELED,
                     "interrupted; the server goes on with job %s: GET %.*s%s tells how far it "
                     "is%s",
                     job->id, shown_len(work->url), work->url, job->path,
                     can_stop ? ", DELETE stops it" : "");
}

static int follow(struct server_work *work, const struct blockdb_client_job *job,
                  struct blockdb_client_job_outcome *out, struct error *err)
{
    int rc = blockdb_client_job_await(work->client, job, go_on, work, out, err);

    return rc == BLOCKDB_ECANCELED && signals_stop_asked() ? left_behind(work, job, err) : rc;
}

int server_work_verify(struct server_work *work, const struct blockdb_verify_options *options,
                       struct blockdb_verify_report *out, struct error *err)
{
    struct blockdb_client_job job = BLOCKDB_CLIENT_JOB_INIT;
    struct blockdb_client_job_outcome outcome = {.size = sizeof(outcome)};
    int rc = blockdb_client_verify_start(work->client, options, &job, err);

    if (rc == BLOCKDB_OK) {
        rc = follow(work, &job, &outcome, err);
    }
    if (rc == BLOCKDB_OK) {
        *out = outcome.report;
    }
    return rc;
}

int server_work_backup(struct server_work *work, const char *dir, struct error *err)
{
    struct blockdb_client_job job = BLOCKDB_CLIENT_JOB_INIT;
    int rc = blockdb_client_backup_start(work->client, dir, &job, err);

    return rc < 0 ? rc : follow(work, &job, NULL, err);
}

int server_work_compact(struct server_work *work, struct error *err)
{
    struct blockdb_client_job job = BLOCKDB_CLIENT_JOB_INIT;
    int rc = blockdb_client_compact_start(work->client, &job, err);

    if (rc == BLOCKDB_EBUSY && is_there(&job)) {
        rc = BLOCKDB_OK;
    }
    return rc < 0 ? rc : follow(work, &job, NULL, err);
}

/* Begins a redaction, after those of others that run (WORK-2). */
static int redact_begin(struct server_work *work, const struct blockdb_redact_target *targets,
                        size_t count, const struct blockdb_redact_options *options,
                        struct blockdb_client_job *out, struct error *err)
{
    while (true) {
        int rc;

        *out = (struct blockdb_client_job)BLOCKDB_CLIENT_JOB_INIT;
        rc = blockdb_client_redact_start(work->client, targets, count, options, out, err);
        if (rc != BLOCKDB_EBUSY || !is_there(out)) {
            return rc;
        }
        rc = blockdb_client_job_await(work->client, out, go_on, work, NULL, err);
        if (signals_stop_asked()) {
            return error_set(err, BLOCKDB_ECANCELED,
                             "interrupted while another redaction ran; nothing was redacted");
        }
        if (rc == BLOCKDB_EIO || rc == BLOCKDB_ETIMEDOUT || rc == BLOCKDB_EDENIED) {
            return rc; /* nobody answers; how the other one ended is not our affair */
        }
    }
}

int server_work_redact(struct server_work *work, const struct blockdb_redact_target *targets,
                       size_t count, const struct blockdb_redact_options *options,
                       struct blockdb_write_result *out, struct error *err)
{
    struct blockdb_client_job job;
    struct blockdb_client_job_outcome outcome = {.size = sizeof(outcome)};
    int rc = redact_begin(work, targets, count, options, &job, err);

    if (rc == BLOCKDB_OK) {
        rc = follow(work, &job, &outcome, err);
    }
    if (rc == BLOCKDB_OK) {
        *out = outcome.written;
    }
    return rc;
}
