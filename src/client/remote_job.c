/* SPDX-License-Identifier: Apache-2.0 */
#include "client/remote_job.h"

#include "base/mem.h"
#include "base/text.h"
#include "client/shape.h"

#include <string.h>

#define NS_PER_MS 1000000ULL
#define JOB_PAUSE_MIN_NS (5 * NS_PER_MS)
#define JOB_PAUSE_MAX_NS (250 * NS_PER_MS)
#define HTTP_CONFLICT 409
#define JSON_TYPE "application/json"

void remote_job_deinit(struct remote_job *job)
{
    buf_deinit(&job->id);
    buf_deinit(&job->unit);
}

/* ---- What a job's answer says -------------------------------------------------------------- */

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

static void read_outcome(struct json_reader *r, struct blockdb_write_result *out)
{
    struct slice key;

    json_reader_begin_object(r);
    while (json_reader_key(r, &key)) {
        if (json_key_is(key, "seq")) {
            (void)json_reader_u64(r, &out->first_seq); /* failures are sticky */
        } else if (json_key_is(key, "count")) {
            (void)json_reader_u64(r, &out->count);
        } else if (json_key_is(key, "time")) {
            (void)shape_time(r, &out->time_ms);
        } else if (json_key_is(key, "repeated")) {
            (void)json_reader_bool(r, &out->repeated);
        } else {
            json_reader_skip(r);
        }
    }
}

static void read_state(struct json_reader *r, struct remote_job *job)
{
    static const char *const names[] = {"running", "done", "failed", "canceled"};
    AUTO(buf_deinit) struct buf word = {0};
    size_t i;

    if (!json_reader_text(r, &word)) {
        return;
    }
    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (slice_equal(buf_slice(&word), slice_of_text(names[i]))) {
            job->state = (enum remote_job_state)i;
        }
    }
}

/* Servers number their jobs; a name is as good. */
static void read_id(struct json_reader *r, struct remote_job *job)
{
    struct slice id;

    buf_reset(&job->id);
    if (json_reader_type(r) == JSON_READER_STRING) {
        (void)json_reader_text(r, &job->id); /* failures are sticky */
    } else if (json_reader_skip_value(r, &id)) {
        r->short_memory = buf_append_slice(&job->id, id) < 0;
        r->failed = r->failed || r->short_memory;
    }
}

static void read_member(struct json_reader *r, struct slice key, struct remote_job *job)
{
    if (json_key_is(key, "job")) {
        read_id(r, job);
    } else if (json_key_is(key, "state")) {
        read_state(r, job);
    } else if (json_key_is(key, "started")) {
        (void)shape_time(r, &job->started_ms); /* failures are sticky */
    } else if (json_key_is(key, "done")) {
        (void)json_reader_u64(r, &job->done);
    } else if (json_key_is(key, "total")) {
        (void)json_reader_u64(r, &job->total);
    } else if (json_key_is(key, "unit")) {
        buf_reset(&job->unit);
        (void)json_reader_text(r, &job->unit);
    } else if (json_key_is(key, "report") && json_reader_type(r) == JSON_READER_OBJECT) {
        read_report(r, &job->report);
    } else if (json_key_is(key, "outcome") && json_reader_type(r) == JSON_READER_OBJECT) {
        read_outcome(r, &job->written);
    } else {
        json_reader_skip(r);
    }
}

/* Reads what a job's answer says into job. */
static int parse(struct slice json, struct remote_job *job, struct error *err)
{
    struct json_reader r = json_reader_of(json);
    struct slice key;

    json_reader_begin_object(&r);
    while (json_reader_key(&r, &key)) {
        read_member(&r, key, job);
    }
    if (!json_reader_done(&r) || job->id.len == 0) {
        return shape_failure(&r, "a job", err);
    }
    return buf_append_u8(&job->unit, '\0') < 0 ? error_set_no_memory(err) : BLOCKDB_OK;
}

/* ---- Starting ------------------------------------------------------------------------------ */

int remote_job_start(struct ask *ask, bool adopts, struct remote_job *job, struct error *err)
{
    const struct answer *answer = &ask->slot->answer;
    struct error ignored;
    int rc;

    ask->content_type = ask->slot->body.len > 0 ? JSON_TYPE : NULL;
    rc = ask_run(ask, err);
    if (rc == BLOCKDB_OK) {
        rc = parse(answer_body(answer), job, err);
    } else if (rc == BLOCKDB_EBUSY && answer->status == HTTP_CONFLICT) {
        bool is_known = parse(answer_body(answer), job, &ignored) == BLOCKDB_OK;

        rc = is_known && adopts && ask->attempts > 1 ? BLOCKDB_OK : rc;
    }
    ask_end(ask);
    return rc;
}

/* ---- Asking -------------------------------------------------------------------------------- */

static int forgotten(const struct remote_job *job, struct error *err)
{
    return error_set(err, BLOCKDB_ECLOSED,
                     "the server does not know job %.*s any more: it was started anew, or has had "
                     "many jobs since; what the job did is not known, run it again",
                     (int)job->id.len, (const char *)job->id.data);
}

/* Takes over what the server says of the job now, if it is ours. RJOB-2 */
static int take(struct ask *ask, struct remote_job *job, struct error *err)
{
    uint64_t started_ms = job->started_ms;
    int rc = parse(answer_body(&ask->slot->answer), job, err);

    if (rc < 0) {
        return rc;
    }
    if (started_ms != 0 && job->started_ms != started_ms) {
        return forgotten(job, err);
    }
    if (job->state == REMOTE_JOB_FAILED) {
        IGNORE_RESULT(ask_refusal(ask, &job->failure)); /* told when the asking ends */
    }
    return BLOCKDB_OK;
}

static int ask_about(struct blockdb_client *client, const char *method,
                     const struct remote_job *job, const char *path, struct ask *ask,
                     struct error *err)
{
    int rc = ask_begin(ask, client, method, err);

    if (rc < 0) {
        return rc;
    }
    ask->repeatable = true;
    ask_path(ask, path);
    ask_path(ask, "/");
    ask_path_encoded(ask, buf_slice(&job->id));
    return ask_run(ask, err);
}

static int poll_once(struct blockdb_client *client, struct remote_job *job, const char *path,
                     struct error *err)
{
    AUTO(ask_end) struct ask ask = {0};
    int rc = ask_about(client, "GET", job, path, &ask, err);

    if (rc == BLOCKDB_ENOTFOUND) {
        return forgotten(job, err);
    }
    return rc < 0 ? rc : take(&ask, job, err);
}

int remote_job_cancel(struct blockdb_client *client, const struct remote_job *job, const char *path,
                      struct error *err)
{
    AUTO(ask_end) struct ask ask = {0};

    return ask_about(client, "DELETE", job, path, &ask, err);
}

static bool may_pass(int rc)
{
    return rc == BLOCKDB_EIO || rc == BLOCKDB_ETIMEDOUT || rc == BLOCKDB_EBUSY;
}

static bool tell(const struct remote_job *job, blockdb_progress_cb progress, void *arg)
{
    const char *unit = job->unit.len > 1 ? (const char *)job->unit.data : "entries";

    return progress == NULL || progress(arg, unit, job->done, job->total);
}

int remote_job_await(struct blockdb_client *client, struct remote_job *job, const char *path,
                     blockdb_progress_cb progress, void *progress_arg, struct error *err)
{
    uint64_t pause = JOB_PAUSE_MIN_NS;
    uint64_t heard_ns = os_monotonic_ns(client->os);

    while (job->state == REMOTE_JOB_RUNNING) {
        int rc;

        if (!tell(job, progress, progress_arg)) {
            return error_set(err, BLOCKDB_ECANCELED, "interrupted");
        }
        os_sleep_ns(client->os, pause);
        pause = pause * 2 < JOB_PAUSE_MAX_NS ? pause * 2 : JOB_PAUSE_MAX_NS;
        rc = poll_once(client, job, path, err);
        if (rc == BLOCKDB_OK) {
            heard_ns = os_monotonic_ns(client->os);
        } else if (!may_pass(rc) ||
                   os_monotonic_ns(client->os) - heard_ns > REMOTE_JOB_PATIENCE_NS) {
            return rc; /* RJOB-1 */
        }
    }
    if (job->state == REMOTE_JOB_FAILED) {
        return error_set(err, job->failure.code, "%s", job->failure.message);
    }
    return job->state == REMOTE_JOB_DONE
               ? BLOCKDB_OK
               : error_set(err, BLOCKDB_ECANCELED, "the server stopped the job");
}
