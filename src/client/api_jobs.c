/* SPDX-License-Identifier: Apache-2.0 */
/* Work that the server does in jobs, which are asked how far they are: verification, backup,
 * compaction. */
#include "base/json_writer.h"
#include "base/mem.h"
#include "base/text.h"
#include "client/ask.h"
#include "client/shape.h"

#include <string.h>

#define NS_PER_MS 1000000ULL
#define JOB_PAUSE_MIN_NS (5 * NS_PER_MS)
#define JOB_PAUSE_MAX_NS (250 * NS_PER_MS)
#define HTTP_CONFLICT 409
#define JSON_TYPE "application/json"

/* ---- Jobs ---------------------------------------------------------------------------------- */

enum job_state { JOB_RUNNING, JOB_DONE, JOB_FAILED, JOB_CANCELED };

struct job {
    struct buf id;   /* as the server names it */
    struct buf unit; /* with a zero behind it */
    enum job_state state;
    uint64_t done, total;
    struct blockdb_verify_report report;
    bool is_joined; /* somebody else began it */
};

static void job_deinit(struct job *job)
{
    buf_deinit(&job->id);
    buf_deinit(&job->unit);
}

static void read_report(struct json_reader *r, struct blockdb_verify_report *out)
{
    const struct {
        const char *name;
        uint64_t *to;
    } numbers[] = {
        {"entries", &out->entries},
        {"blocks", &out->blocks},
        {"bytes_read", &out->bytes_read},
        {"bytes_hashed", &out->bytes_hashed},
        {"files", &out->files},
        {"redactions", &out->redactions},
        {"size", &out->size},
    };
    struct slice key;

    json_reader_begin_object(r);
    while (json_reader_key(r, &key)) {
        size_t i;

        for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
            if (json_key_is(key, numbers[i].name)) {
                break;
            }
        }
        if (i < sizeof(numbers) / sizeof(numbers[0])) {
            (void)json_reader_u64(r, numbers[i].to); /* failures are sticky */
        } else if (json_key_is(key, "root") && json_reader_type(r) == JSON_READER_STRING) {
            (void)shape_hash(r, out->root); /* the same */
        } else {
            json_reader_skip(r);
        }
    }
}

static void read_state(struct json_reader *r, struct job *job)
{
    static const char *const names[] = {"running", "done", "failed", "canceled"};
    AUTO(buf_deinit) struct buf word = {0};
    size_t i;

    if (!json_reader_text(r, &word)) {
        return;
    }
    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (slice_equal(buf_slice(&word), slice_of_text(names[i]))) {
            job->state = (enum job_state)i;
        }
    }
}

/* Reads what a job's answer says into job. */
static int job_parse(struct slice json, struct job *job, struct error *err)
{
    struct json_reader r = json_reader_of(json);
    struct slice key;
    struct slice id;

    json_reader_begin_object(&r);
    while (json_reader_key(&r, &key)) {
        if (json_key_is(key, "job") && json_reader_type(&r) == JSON_READER_STRING) {
            buf_reset(&job->id);
            (void)json_reader_text(&r, &job->id); /* failures are sticky */
        } else if (json_key_is(key, "job") && json_reader_skip_value(&r, &id)) {
            buf_reset(&job->id);
            r.short_memory = buf_append_slice(&job->id, id) < 0;
            r.failed = r.failed || r.short_memory;
        } else if (json_key_is(key, "state")) {
            read_state(&r, job);
        } else if (json_key_is(key, "done")) {
            (void)json_reader_u64(&r, &job->done);
        } else if (json_key_is(key, "total")) {
            (void)json_reader_u64(&r, &job->total);
        } else if (json_key_is(key, "unit")) {
            buf_reset(&job->unit);
            (void)json_reader_text(&r, &job->unit);
        } else if (json_key_is(key, "report") && json_reader_type(&r) == JSON_READER_OBJECT) {
            read_report(&r, &job->report);
        } else {
            json_reader_skip(&r);
        }
    }
    if (!json_reader_done(&r) || job->id.len == 0) {
        return shape_failure(&r, "a job", err);
    }
    return buf_append_u8(&job->unit, '\0') < 0 ? error_set_no_memory(err) : BLOCKDB_OK;
}

static int job_ask(struct blockdb_client *client, const char *method, struct job *job,
                   const char *path, struct error *err)
{
    AUTO(ask_end) struct ask ask = {0};
    int rc = ask_begin(&ask, client, method, err);

    if (rc < 0) {
        return rc;
    }
    ask.repeatable = true;
    ask_path(&ask, path);
    ask_path(&ask, "/");
    ask_path_encoded(&ask, buf_slice(&job->id));
    rc = ask_run(&ask, err);
    if (rc == BLOCKDB_OK && strcmp(method, "GET") == 0) {
        rc = job_parse(answer_body(&ask.slot->answer), job, err);
    }
    if (rc == BLOCKDB_OK && job->state == JOB_FAILED) {
        rc = ask_refusal(&ask, err);
    }
    return rc;
}

/* Asks how far a job is until it has ended. */
static int job_await(struct blockdb_client *client, struct job *job, const char *path,
                     blockdb_progress_cb progress, void *progress_arg, struct error *err)
{
    uint64_t pause = JOB_PAUSE_MIN_NS;

    while (job->state == JOB_RUNNING) {
        int rc;

        if (progress != NULL &&
            !progress(progress_arg, job->unit.len > 1 ? (const char *)job->unit.data : "entries",
                      job->done, job->total)) {
            struct error ignored;

            if (!job->is_joined) {
                IGNORE_RESULT(job_ask(client, "DELETE", job, path, &ignored)); /* it was asked to */
            }
            return error_set(err, BLOCKDB_ECANCELED, "interrupted");
        }
        os_sleep_ns(client->os, pause);
        pause = pause * 2 < JOB_PAUSE_MAX_NS ? pause * 2 : JOB_PAUSE_MAX_NS;
        rc = job_ask(client, "GET", job, path, err);
        if (rc < 0) {
            return rc;
        }
    }
    return job->state == JOB_DONE ? BLOCKDB_OK
                                  : error_set(err, BLOCKDB_ECANCELED, "the server stopped the job");
}

/* Starts a job with the body in the ask, which is over then. join: one that runs will do. */
static int job_start(struct ask *ask, bool join, struct job *job, struct error *err)
{
    bool is_running;
    int rc;

    ask->content_type = JSON_TYPE;
    rc = ask_run(ask, err);
    is_running = rc == BLOCKDB_EBUSY && ask->slot->answer.status == HTTP_CONFLICT;
    job->is_joined = is_running && ask->attempts == 1;
    /* Sent again, it finds the job that it started itself: an answer was lost on the way. */
    if (rc == BLOCKDB_OK || (is_running && (join || ask->attempts > 1))) {
        rc = job_parse(answer_body(&ask->slot->answer), job, err);
    }
    ask_end(ask);
    return rc;
}

/* ---- Verify, backup, compact ---------------------------------------------------------------- */

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

int blockdb_client_verify(struct blockdb_client *client,
                          const struct blockdb_verify_options *options,
                          struct blockdb_verify_report *out_report, struct error *err)
{
    static const struct blockdb_verify_options defaults = BLOCKDB_VERIFY_OPTIONS_INIT;
    const struct blockdb_verify_options *o = options != NULL ? options : &defaults;
    AUTO(job_deinit) struct job job = {0};
    AUTO(ask_end) struct ask ask = {0};
    int rc = ask_begin(&ask, client, "POST", err);

    if (rc < 0) {
        return rc;
    }
    ask_path(&ask, "/api/v1/verify");
    ask.repeatable = true; /* one that nobody asks for harms nobody */
    if (verify_body(o, &ask.slot->body) < 0) {
        return error_set_no_memory(err);
    }
    rc = job_start(&ask, false, &job, err);
    if (rc == BLOCKDB_OK) {
        rc = job_await(client, &job, "/api/v1/verify", o->progress, o->progress_arg, err);
    }
    if (rc == BLOCKDB_OK && out_report != NULL) {
        *out_report = job.report;
    }
    return rc;
}

int blockdb_client_backup(struct blockdb_client *client, const char *dir,
                          blockdb_progress_cb progress, void *progress_arg, struct error *err)
{
    AUTO(job_deinit) struct job job = {0};
    AUTO(ask_end) struct ask ask = {0};
    struct json_writer w;
    int rc = ask_begin(&ask, client, "POST", err);

    if (rc < 0) {
        return rc;
    }
    ask_path(&ask, "/api/v1/backup");
    json_writer_init(&w, &ask.slot->body);
    json_writer_begin_object(&w);
    json_writer_member_text(&w, "directory", dir);
    json_writer_end_object(&w);
    if (json_writer_finish(&w) < 0) {
        return error_set_no_memory(err);
    }
    rc = job_start(&ask, false, &job, err);
    return rc < 0 ? rc : job_await(client, &job, "/api/v1/backup", progress, progress_arg, err);
}

int blockdb_client_compact_job(struct blockdb_client *client, blockdb_progress_cb progress,
                               void *progress_arg, struct error *err)
{
    AUTO(job_deinit) struct job job = {0};
    AUTO(ask_end) struct ask ask = {0};
    int rc = ask_begin(&ask, client, "POST", err);

    if (rc < 0) {
        return rc;
    }
    ask_path(&ask, "/api/v1/compact?job=1");
    ask.repeatable = true; /* it ends where it ended before */
    rc = job_start(&ask, true, &job, err);
    return rc < 0 ? rc : job_await(client, &job, "/api/v1/compact", progress, progress_arg, err);
}
