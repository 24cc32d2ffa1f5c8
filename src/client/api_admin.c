/* SPDX-License-Identifier: Apache-2.0 */
/* Redaction, administration, work that the server does in jobs, and any other request. */
#include "base/json_writer.h"
#include "base/mem.h"
#include "base/text.h"
#include "client/ask.h"
#include "client/refusal.h"
#include "client/shape.h"

#include <stdio.h>
#include <string.h>

#define NS_PER_MS 1000000ULL
#define JOB_PAUSE_MIN_NS (5 * NS_PER_MS)
#define JOB_PAUSE_MAX_NS (250 * NS_PER_MS)
#define JSON_TYPE "application/json"

/* ---- Redaction ----------------------------------------------------------------------------- */

static int redact_body(struct slice key, uint64_t seq, const struct blockdb_redact_options *o,
                       struct buf *out)
{
    struct json_writer w;

    json_writer_init(&w, out);
    json_writer_begin_object(&w);
    shape_write_pair(&w, key, NULL);
    json_writer_member_u64(&w, "seq", seq);
    if (o != NULL && o->reason != NULL) {
        json_writer_member_text(&w, "reason", o->reason);
    }
    if (o != NULL && o->reason_code != 0) {
        json_writer_member_u64(&w, "reason_code", o->reason_code);
    }
    if (o != NULL && o->authority != NULL) {
        json_writer_member_text(&w, "authority", o->authority);
    }
    json_writer_end_object(&w);
    return json_writer_finish(&w);
}

int blockdb_client_redact(struct blockdb_client *client, const void *key, size_t key_len,
                          uint64_t seq, const struct blockdb_redact_options *options,
                          struct blockdb_write_result *out_result, struct error *err)
{
    AUTO(ask_end) struct ask ask = {0};
    struct blockdb_write_result result;
    int rc = ask_begin(&ask, client, "POST", err);

    if (rc < 0) {
        return rc;
    }
    ask_path(&ask, "/api/v1/redact");
    ask.content_type = JSON_TYPE;
    ask.repeatable = true; /* redacting again appends nothing */
    if (redact_body(slice_of(key, key_len), seq, options, &ask.slot->body) < 0) {
        return error_set_no_memory(err);
    }
    rc = ask_run(&ask, err);
    if (rc == BLOCKDB_OK) {
        rc = shape_written_parse(answer_body(&ask.slot->answer), &result, err);
    }
    if (rc == BLOCKDB_OK && out_result != NULL) {
        *out_result = result;
    }
    return rc;
}

/* ---- Jobs ---------------------------------------------------------------------------------- */

enum job_state { JOB_RUNNING, JOB_DONE, JOB_FAILED, JOB_CANCELED };

struct job {
    struct buf id;   /* as the server names it */
    struct buf unit; /* with a zero behind it */
    enum job_state state;
    uint64_t done, total;
    struct blockdb_verify_report report;
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
    if (!json_reader_done(&r) || job->id.len == 0 || buf_append_u8(&job->unit, '\0') < 0) {
        return shape_failure(&r, "a job", err);
    }
    return BLOCKDB_OK;
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
        rc = refusal_of(&ask.slot->answer, "the server", err);
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

            IGNORE_RESULT(job_ask(client, "DELETE", job, path, &ignored)); /* it was asked to */
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

/* Starts a job with the body in the ask, which is over then. */
static int job_start(struct ask *ask, struct job *job, struct error *err)
{
    int rc;

    ask->content_type = JSON_TYPE;
    rc = ask_run(ask, err);
    if (rc == BLOCKDB_OK) {
        rc = job_parse(answer_body(&ask->slot->answer), job, err);
    }
    ask_end(ask);
    return rc;
}

/* ---- Verify and backup --------------------------------------------------------------------- */

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
    rc = job_start(&ask, &job, err);
    if (rc == BLOCKDB_OK) {
        rc = job_await(client, &job, "/api/v1/verify", o->progress, o->progress_arg, err);
    }
    if (out_report != NULL) {
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
    rc = job_start(&ask, &job, err);
    return rc < 0 ? rc : job_await(client, &job, "/api/v1/backup", progress, progress_arg, err);
}

/* ---- The rest ------------------------------------------------------------------------------ */

static int command(struct blockdb_client *client, const char *path, struct error *err)
{
    AUTO(ask_end) struct ask ask = {0};
    int rc = ask_begin(&ask, client, "POST", err);

    if (rc < 0) {
        return rc;
    }
    ask.repeatable = true; /* cheap when there is nothing to do */
    ask_path(&ask, path);
    return ask_run(&ask, err);
}

int blockdb_client_flush(struct blockdb_client *client, struct error *err)
{
    return command(client, "/api/v1/flush", err);
}

int blockdb_client_compact(struct blockdb_client *client, bool wait, struct error *err)
{
    return command(client, wait ? "/api/v1/compact?wait=1" : "/api/v1/compact", err);
}

int blockdb_client_stats_get(struct blockdb_client *client, struct blockdb_value *out_json,
                             struct error *err)
{
    AUTO(ask_end) struct ask ask = {0};
    int rc = ask_begin(&ask, client, "GET", err);

    if (rc < 0) {
        return rc;
    }
    ask_path(&ask, "/stats");
    rc = ask_run(&ask, err);
    if (rc == BLOCKDB_OK) {
        shape_give(&ask.slot->answer.body, out_json);
    }
    return rc;
}

/* A method must be static for an ask, and only these mean anything to a server of ours. */
static const char *known_method(const char *method)
{
    static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"};
    size_t i;

    for (i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        if (strcmp(methods[i], method) == 0) {
            return methods[i];
        }
    }
    return NULL;
}

/* Whether text can stand in a head: what is visible, and spaces where they may be. */
static bool is_line(const char *text, bool with_spaces)
{
    if (text == NULL || text[0] == '\0') {
        return text == NULL;
    }
    for (; *text != '\0'; text++) {
        if (*text < ' ' || *text == 0x7F || (*text == ' ' && !with_spaces)) {
            return false;
        }
    }
    return true;
}

static int request_check(const struct blockdb_client_request *request, struct error *err)
{
    if (known_method(request->method) == NULL) {
        return error_set(err, BLOCKDB_EINVAL, "the method '%.32s' is not known", request->method);
    }
    if (request->target == NULL || request->target[0] != '/' || !is_line(request->target, false)) {
        return error_set(err, BLOCKDB_EINVAL,
                         "a request's target begins with '/' and is percent-encoded");
    }
    if (!is_line(request->accept, true) || !is_line(request->content_type, true)) {
        return error_set(err, BLOCKDB_EINVAL, "a header has a character that may not be there");
    }
    return BLOCKDB_OK;
}

int blockdb_client_request(struct blockdb_client *client,
                           const struct blockdb_client_request *request,
                           struct blockdb_client_answer *answer, struct error *err)
{
    struct slice body = slice_of(request->body, request->body_len);
    AUTO(ask_end) struct ask ask = {0};
    int rc = request_check(request, err);

    if (rc == BLOCKDB_OK) {
        rc = ask_begin(&ask, client, known_method(request->method), err);
    }
    if (rc < 0) {
        return rc;
    }
    ask.repeatable = ask.repeatable || request->repeatable;
    ask.accept = request->accept;
    ask_path(&ask, request->target);
    if (request->body != NULL) {
        ask.content_type = request->content_type != NULL ? request->content_type : JSON_TYPE;
        ask.body = &body;
    }
    rc = ask_run_any(&ask, err);
    if (rc == BLOCKDB_OK) {
        answer->status = ask.slot->answer.status;
        (void)snprintf(answer->content_type, sizeof(answer->content_type), "%s",
                       ask.slot->answer.content_type);
        shape_give(&ask.slot->answer.body, &answer->body);
    }
    return rc;
}

void blockdb_client_answer_deinit(struct blockdb_client_answer *answer)
{
    blockdb_client_value_deinit(&answer->body);
    *answer = (struct blockdb_client_answer){0};
}
