/* SPDX-License-Identifier: Apache-2.0 */
/* Work that the server does in jobs, which are asked how far they are. */
#include "base/json_writer.h"
#include "base/mem.h"
#include "client/redact_body.h"
#include "client/remote_job.h"

#include <stdio.h>
#include <string.h>

/* ---- Bodies -------------------------------------------------------------------------------- */

static int verify_body(const struct blockdb_verify_options *o, struct buf *out)
{
    struct json_writer w;

    json_writer_init(&w, out);
    json_writer_begin_object(&w);
    if (o->from_seq > 0) {
        json_writer_member_u64(&w, "from", o->from_seq);
    }
    if (o->to_seq != BLOCKDB_SEQ_NONE) {
        json_writer_member_u64(&w, "to", o->to_seq);
    }
    if (o->sample_percent > 0) {
        json_writer_key(&w, "sample_percent");
        json_writer_double(&w, o->sample_percent);
    }
    if (o->threads > 0) {
        json_writer_member_u64(&w, "threads", o->threads);
    }
    json_writer_end_object(&w);
    return json_writer_finish(&w);
}

static int backup_body(const char *dir, struct buf *out)
{
    struct json_writer w;

    json_writer_init(&w, out);
    json_writer_begin_object(&w);
    json_writer_member_text(&w, "directory", dir);
    json_writer_end_object(&w);
    return json_writer_finish(&w);
}

/* ---- Jobs as callers hold them ------------------------------------------------------------- */

/* Where jobs of a kind are asked for; NULL: there is no such kind. */
static const char *path_of(enum blockdb_client_job_kind kind)
{
    static const char *const paths[] = {
        [BLOCKDB_CLIENT_JOB_VERIFY] = "/api/v1/verify",
        [BLOCKDB_CLIENT_JOB_BACKUP] = "/api/v1/backup",
        [BLOCKDB_CLIENT_JOB_COMPACT] = "/api/v1/compact",
        [BLOCKDB_CLIENT_JOB_REDACT] = "/api/v1/redact",
    };

    return (unsigned)kind < sizeof(paths) / sizeof(paths[0]) ? paths[kind] : NULL;
}

/* Gives the caller what is known of job; EIO: its name is too long to be one. */
static int give(const struct remote_job *job, enum blockdb_client_job_kind kind,
                struct blockdb_client_job *out, struct error *err)
{
    struct blockdb_client_job given = {
        .size = out->size, .kind = kind, .started_ms = job->started_ms};
    size_t size = out->size < sizeof(given) ? out->size : sizeof(given);

    if (job->id.len >= sizeof(given.id) || memchr(job->id.data, '\0', job->id.len) != NULL) {
        return error_set(err, BLOCKDB_EIO, "the server has given a job a name that is too long");
    }
    memcpy(given.id, job->id.data, job->id.len);
    (void)snprintf(given.path, sizeof(given.path), "%s/%s", path_of(kind), given.id);
    memcpy(out, &given, size);
    return BLOCKDB_OK;
}

/* The job that a caller holds. EINVAL: it is none. */
static int take(const struct blockdb_client_job *from, struct remote_job *out, struct error *err)
{
    if (path_of(from->kind) == NULL || from->id[0] == '\0') {
        return error_set(err, BLOCKDB_EINVAL, "this is no job that a server has begun");
    }
    out->started_ms = from->started_ms;
    return buf_append(&out->id, from->id, strlen(from->id)) < 0 ? error_set_no_memory(err)
                                                                : BLOCKDB_OK;
}

static void outcome_give(const struct remote_job *job, struct blockdb_client_job_outcome *out)
{
    struct blockdb_client_job_outcome all = {
        .size = out->size, .report = job->report, .written = job->written};

    memcpy(out, &all, out->size < sizeof(all) ? out->size : sizeof(all));
}

int blockdb_client_job_await(struct blockdb_client *client, const struct blockdb_client_job *job,
                             blockdb_progress_cb progress, void *progress_arg,
                             struct blockdb_client_job_outcome *out_outcome, struct error *err)
{
    AUTO(remote_job_deinit) struct remote_job known = {0};
    struct error own;
    struct error *to = err != NULL ? err : &own;
    int rc = take(job, &known, to);

    if (rc == BLOCKDB_OK) {
        rc = remote_job_await(client, &known, path_of(job->kind), progress, progress_arg, to);
    }
    if (rc == BLOCKDB_OK && out_outcome != NULL) {
        outcome_give(&known, out_outcome);
    }
    return rc;
}

int blockdb_client_job_cancel(struct blockdb_client *client, const struct blockdb_client_job *job,
                              struct error *err)
{
    AUTO(remote_job_deinit) struct remote_job known = {0};
    int rc = take(job, &known, err);

    return rc < 0 ? rc : remote_job_cancel(client, &known, path_of(job->kind), err);
}

/* ---- Starting ------------------------------------------------------------------------------ */

static int verify_start(struct blockdb_client *client, const struct blockdb_verify_options *options,
                        struct remote_job *job, struct error *err)
{
    static const struct blockdb_verify_options defaults = BLOCKDB_VERIFY_OPTIONS_INIT;
    AUTO(ask_end) struct ask ask = {0};
    int rc = ask_begin(&ask, client, "POST", err);

    if (rc < 0) {
        return rc;
    }
    ask_path(&ask, path_of(BLOCKDB_CLIENT_JOB_VERIFY));
    ask.repeatable = true; /* one that nobody asks for harms nobody */
    if (verify_body(options != NULL ? options : &defaults, &ask.slot->body) < 0) {
        return error_set_no_memory(err);
    }
    return remote_job_start(&ask, true, job, err);
}

static int backup_start(struct blockdb_client *client, const char *dir, struct remote_job *job,
                        struct error *err)
{
    AUTO(ask_end) struct ask ask = {0};
    int rc = ask_begin(&ask, client, "POST", err);

    if (rc < 0) {
        return rc;
    }
    ask_path(&ask, path_of(BLOCKDB_CLIENT_JOB_BACKUP));
    if (backup_body(dir, &ask.slot->body) < 0) {
        return error_set_no_memory(err);
    }
    return remote_job_start(&ask, false, job, err);
}

static int compact_start(struct blockdb_client *client, struct remote_job *job, struct error *err)
{
    AUTO(ask_end) struct ask ask = {0};
    int rc = ask_begin(&ask, client, "POST", err);

    if (rc < 0) {
        return rc;
    }
    ask.repeatable = true; /* cheap when there is nothing to do */
    ask_path(&ask, path_of(BLOCKDB_CLIENT_JOB_COMPACT));
    ask_parameter_u64(&ask, "job", 1);
    return remote_job_start(&ask, true, job, err);
}

/* What was started, or what runs in its place, for the caller. */
static int started(int rc, const struct remote_job *job, enum blockdb_client_job_kind kind,
                   struct blockdb_client_job *out, struct error *err)
{
    struct error ignored;

    if (rc == BLOCKDB_OK) {
        return give(job, kind, out, err);
    }
    if (rc == BLOCKDB_EBUSY && job->id.len > 0) {
        IGNORE_RESULT(give(job, kind, out, &ignored)); /* err tells of the one that runs, too */
    }
    return rc;
}

int blockdb_client_verify_start(struct blockdb_client *client,
                                const struct blockdb_verify_options *options,
                                struct blockdb_client_job *out_job, struct error *err)
{
    AUTO(remote_job_deinit) struct remote_job job = {0};

    return started(verify_start(client, options, &job, err), &job, BLOCKDB_CLIENT_JOB_VERIFY,
                   out_job, err);
}

int blockdb_client_backup_start(struct blockdb_client *client, const char *dir,
                                struct blockdb_client_job *out_job, struct error *err)
{
    AUTO(remote_job_deinit) struct remote_job job = {0};

    return started(backup_start(client, dir, &job, err), &job, BLOCKDB_CLIENT_JOB_BACKUP, out_job,
                   err);
}

int blockdb_client_compact_start(struct blockdb_client *client, struct blockdb_client_job *out_job,
                                 struct error *err)
{
    AUTO(remote_job_deinit) struct remote_job job = {0};

    return started(compact_start(client, &job, err), &job, BLOCKDB_CLIENT_JOB_COMPACT, out_job,
                   err);
}

int blockdb_client_redact_start(struct blockdb_client *client,
                                const struct blockdb_redact_target *targets, size_t count,
                                const struct blockdb_redact_options *options,
                                struct blockdb_client_job *out_job, struct error *err)
{
    AUTO(remote_job_deinit) struct remote_job job = {0};
    AUTO(ask_end) struct ask ask = {0};
    int rc = ask_begin(&ask, client, "POST", err);

    if (rc < 0) {
        return rc;
    }
    ask.repeatable = true; /* redacting again appends nothing */
    ask_path(&ask, path_of(BLOCKDB_CLIENT_JOB_REDACT));
    ask_parameter_u64(&ask, "job", 1);
    if (redact_body(targets, count, options, &ask.slot->body) < 0) {
        return error_set_no_memory(err);
    }
    return started(remote_job_start(&ask, false, &job, err), &job, BLOCKDB_CLIENT_JOB_REDACT,
                   out_job, err);
}

/* ---- From beginning to end ----------------------------------------------------------------- */

/* Waits for a job; one that progress gives up is cancelled. */
static int finish(struct blockdb_client *client, struct remote_job *job, const char *path,
                  blockdb_progress_cb progress, void *progress_arg, struct error *err)
{
    struct error own;
    struct error *to = err != NULL ? err : &own;
    int rc = remote_job_await(client, job, path, progress, progress_arg, to);

    if (rc == BLOCKDB_ECANCELED && job->state == REMOTE_JOB_RUNNING) {
        struct error ignored;

        IGNORE_RESULT(remote_job_cancel(client, job, path, &ignored)); /* it was asked to */
    }
    return rc;
}

int blockdb_client_verify(struct blockdb_client *client,
                          const struct blockdb_verify_options *options,
                          struct blockdb_verify_report *out_report, struct error *err)
{
    AUTO(remote_job_deinit) struct remote_job job = {0};
    int rc = verify_start(client, options, &job, err);

    if (rc == BLOCKDB_OK) {
        rc = finish(client, &job, path_of(BLOCKDB_CLIENT_JOB_VERIFY),
                    options != NULL ? options->progress : NULL,
                    options != NULL ? options->progress_arg : NULL, err);
    }
    if (rc == BLOCKDB_OK && out_report != NULL) {
        *out_report = job.report;
    }
    return rc;
}

int blockdb_client_backup(struct blockdb_client *client, const char *dir,
                          blockdb_progress_cb progress, void *progress_arg, struct error *err)
{
    AUTO(remote_job_deinit) struct remote_job job = {0};
    int rc = backup_start(client, dir, &job, err);

    return rc < 0 ? rc
                  : finish(client, &job, path_of(BLOCKDB_CLIENT_JOB_BACKUP), progress, progress_arg,
                           err);
}

int blockdb_client_compact_job(struct blockdb_client *client, blockdb_progress_cb progress,
                               void *progress_arg, struct error *err)
{
    const char *path = path_of(BLOCKDB_CLIENT_JOB_COMPACT);
    AUTO(remote_job_deinit) struct remote_job job = {0};
    int rc = compact_start(client, &job, err);

    if (rc == BLOCKDB_EBUSY && job.id.len > 0) {
        return remote_job_await(client, &job, path, progress, progress_arg, err); /* not ours */
    }
    return rc < 0 ? rc : finish(client, &job, path, progress, progress_arg, err);
}
