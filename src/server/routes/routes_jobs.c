/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs: verification and backup, which always are, and what compact and redact share with them. */
#include "base/mem.h"
#include "base/text.h"
#include "server/conn.h"
#include "server/routes/json_reply.h"
#include "server/routes/json_request.h"
#include "server/routes/routes_priv.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define VERIFY_THREADS_MAX 64
#define DIRECTORY_MAX 1024 /* bytes of a backup's name */

/* ---- Starting ------------------------------------------------------------------------------ */

/* The number of a job, and when it began: together they name no other, of this process or the next.
 */
static void write_ticket(struct exchange *x, struct json_writer *w, enum job_kind kind, uint64_t id)
{
    struct job_info job;

    json_writer_member_u64(w, "job", id);
    if (job_find(routes_of(x)->jobs, kind, id, &job) == BLOCKDB_OK) {
        json_writer_key(w, "started");
        json_writer_time(w, job.started_ms);
    }
}

void routes_start_job(struct exchange *x, struct job_order *order)
{
    struct json_writer w;
    struct error err;
    uint64_t id = 0;
    int rc;

    order->dispatch = exchange_call(x)->dispatch;
    order->loop = conn_loop(exchange_conn(x));
    rc = job_start(routes_of(x)->jobs, order, &id, &err);
    if (rc == BLOCKDB_EBUSY) {
        json_writer_init(&w, exchange_out(x));
        json_writer_begin_object(&w);
        json_writer_member_bool(&w, "success", false);
        json_writer_member_text(&w, "error", "JobRunning");
        json_writer_member_text(&w, "message", err.message);
        write_ticket(x, &w, order->kind, id);
        reply_end(x, &w, 409);
        return;
    }
    if (rc < 0) {
        exchange_error(x, rc, &err);
        return;
    }
    reply_begin(x, &w);
    write_ticket(x, &w, order->kind, id);
    reply_end(x, &w, 202);
}

struct verify_request {
    uint64_t from;
    uint64_t to;
    uint64_t threads;
    double sample_percent;
};

static const struct json_field verify_fields[] = {
    {.name = "from",
     .type = JSON_FIELD_U64,
     .offset = offsetof(struct verify_request, from),
     .max = BLOCKDB_SEQ_NONE},
    {.name = "to",
     .type = JSON_FIELD_U64,
     .offset = offsetof(struct verify_request, to),
     .max = BLOCKDB_SEQ_NONE},
    {.name = "sample_percent",
     .type = JSON_FIELD_DOUBLE,
     .offset = offsetof(struct verify_request, sample_percent),
     .max = 100},
    {.name = "threads",
     .type = JSON_FIELD_U64,
     .offset = offsetof(struct verify_request, threads),
     .max = VERIFY_THREADS_MAX},
};

void route_verify(struct exchange *x)
{
    struct job_order order = {.kind = JOB_VERIFY, .verify = BLOCKDB_VERIFY_OPTIONS_INIT};
    struct verify_request request = {.to = BLOCKDB_SEQ_NONE};
    struct json_request q;
    struct error err;
    int rc = BLOCKDB_OK;

    json_request_init(&q, exchange_body(x), exchange_arena(x), &err);
    if (exchange_body(x).len > 0) {
        rc = json_request_read(&q, verify_fields, sizeof(verify_fields) / sizeof(verify_fields[0]),
                               &request, NULL);
    }
    if (rc == BLOCKDB_OK && request.from > request.to) {
        rc = json_request_refuse(&q, "member 'from' must not be above 'to'");
    }
    if (rc < 0) {
        exchange_error(x, rc, &err);
        return;
    }
    order.verify.from_seq = request.from;
    order.verify.to_seq = request.to;
    order.verify.sample_percent = request.sample_percent;
    order.verify.threads = (unsigned)request.threads;
    routes_start_job(x, &order);
}

/* A name that stays below the directory of backups: relative, and without "..". */
static bool is_safe_name(struct slice name)
{
    size_t start = 0;
    size_t i;

    if (name.len == 0 || name.len > DIRECTORY_MAX || name.data[0] == '/' ||
        memchr(name.data, '\0', name.len) != NULL) {
        return false;
    }
    for (i = 0; i <= name.len; i++) {
        if (i == name.len || name.data[i] == '/') {
            struct slice part = slice_of(name.data + start, i - start);

            if (part.len == 0 || slice_equal(part, slice_of_text(".")) ||
                slice_equal(part, slice_of_text(".."))) {
                return false;
            }
            start = i + 1;
        }
    }
    return true;
}

struct backup_request {
    struct slice directory;
};

static const struct json_field backup_fields[] = {
    {.name = "directory",
     .type = JSON_FIELD_TEXT,
     .offset = offsetof(struct backup_request, directory),
     .is_required = true},
};

static int backup_read(struct exchange *x, const char **out_path, struct error *err)
{
    const char *base = routes_of(x)->backup_dir;
    struct backup_request request = {{0}};
    struct json_request q;
    size_t size;
    char *path;
    int rc;

    json_request_init(&q, exchange_body(x), exchange_arena(x), err);
    rc = json_request_read(&q, backup_fields, 1, &request, NULL);
    if (rc < 0) {
        return rc;
    }
    if (base[0] == '\0') {
        return error_set(err, BLOCKDB_EUNSUPPORTED,
                         "this server makes no backups: [server] backup_dir is not set");
    }
    if (!is_safe_name(request.directory)) {
        return json_request_refuse(&q, "member 'directory' must be a path below backup_dir: "
                                       "relative, without '.' and '..'");
    }
    size = strlen(base) + 1 + request.directory.len + 1;
    path = arena_alloc(exchange_arena(x), size);
    if (path == NULL) {
        return error_set_no_memory(err);
    }
    (void)snprintf(path, size, "%s/%.*s", base, (int)request.directory.len,
                   (const char *)request.directory.data);
    *out_path = path;
    return BLOCKDB_OK;
}

void route_backup(struct exchange *x)
{
    struct job_order order = {.kind = JOB_BACKUP};
    struct error err;
    int rc = backup_read(x, &order.directory, &err);

    if (rc < 0) {
        exchange_error(x, rc, &err);
        return;
    }
    routes_start_job(x, &order);
}

/* ---- Asking -------------------------------------------------------------------------------- */

static void write_report(struct json_writer *w, const struct job_info *job)
{
    const struct blockdb_verify_report *report = &job->report;

    json_writer_key(w, "report");
    json_writer_begin_object(w);
    json_writer_member_u64(w, "entries", report->entries);
    json_writer_member_u64(w, "blocks", report->blocks);
    json_writer_member_u64(w, "bytes_hashed", report->bytes_hashed);
    json_writer_member_u64(w, "bytes_read", report->bytes_read);
    json_writer_member_u64(w, "files", report->files);
    json_writer_member_u64(w, "redactions", report->redactions);
    json_writer_member_u64(w, "size", report->size);
    if (job->is_whole) {
        reply_hash_member(w, "root", report->root);
    }
    json_writer_end_object(w);
}

static void write_outcome(struct json_writer *w, const struct blockdb_write_result *written)
{
    json_writer_key(w, "outcome");
    json_writer_begin_object(w);
    json_writer_member_u64(w, "seq", written->first_seq);
    json_writer_member_u64(w, "count", written->count);
    json_writer_key(w, "time");
    json_writer_time(w, written->time_ms);
    json_writer_member_bool(w, "repeated", written->repeated);
    json_writer_end_object(w);
}

static void reply_job(struct exchange *x, const struct job_info *job)
{
    struct json_writer w;

    reply_begin(x, &w);
    json_writer_member_u64(&w, "job", job->id);
    json_writer_member_text(&w, "kind", job_kind_name(job->kind));
    json_writer_member_text(&w, "state", job_state_name(job->state));
    json_writer_member_u64(&w, "done", job->done);
    json_writer_member_u64(&w, "total", job->total);
    json_writer_member_text(&w, "unit", job->unit);
    json_writer_key(&w, "started");
    json_writer_time(&w, job->started_ms);
    if (job->ended_ms != 0) {
        json_writer_key(&w, "ended");
        json_writer_time(&w, job->ended_ms);
    }
    if (job->state == JOB_FAILED) {
        json_writer_member_text(&w, "error", http_code_of(job->error.code));
        json_writer_key(&w, "message");
        json_writer_string(&w, slice_of_text(job->error.message));
    } else if (job->state == JOB_DONE && job->kind == JOB_VERIFY) {
        write_report(&w, job);
    } else if (job->state == JOB_DONE && job->kind == JOB_REDACT) {
        write_outcome(&w, &job->written);
    }
    reply_end(x, &w, 200);
}

/* The kind of jobs that a route is about: its pattern is "/api/v1/KIND/{job}". */
static enum job_kind kind_of_route(const struct exchange *x)
{
    const char *word = exchange_route(x)->pattern + sizeof("/api/v1/") - 1;
    unsigned kind = 0;

    while (kind + 1 < JOB_KIND_COUNT && strncmp(word, job_kind_name((enum job_kind)kind),
                                                strlen(job_kind_name((enum job_kind)kind))) != 0) {
        kind++;
    }
    return (enum job_kind)kind;
}

/* The job that the path names; answers when there is none. */
static bool find_job(struct exchange *x, struct job_info *out)
{
    enum job_kind kind = kind_of_route(x);
    struct error err;
    uint64_t id;
    int rc = param_u64(x, "job", &id, &err);

    if (rc == BLOCKDB_OK) {
        rc = job_find(routes_of(x)->jobs, kind, id, out);
        rc = rc < 0 ? error_set(&err, rc,
                                "there is no %s job %" PRIu64 "; the last %d jobs are remembered",
                                job_kind_name(kind), id, JOBS_MAX)
                    : rc;
    }
    if (rc < 0) {
        exchange_error(x, rc, &err);
    }
    return rc == BLOCKDB_OK;
}

void route_job(struct exchange *x)
{
    struct job_info job;

    if (find_job(x, &job)) {
        reply_job(x, &job);
    }
}

void route_job_cancel(struct exchange *x)
{
    struct job_info job;

    if (find_job(x, &job)) {
        job_cancel(routes_of(x)->jobs, job.id);
        reply_job(x, &job);
    }
}
