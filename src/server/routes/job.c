/* SPDX-License-Identifier: Apache-2.0 */
#include "server/routes/job.h"

#include "base/lock.h"
#include "base/mem.h"
#include "os/os.h"

#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

/* What a redaction is about, in one piece of memory: the list, then the bytes that it points to. */
struct targets {
    size_t count;
    struct blockdb_redact_target list[];
};

struct job {
    struct call call; /* in flight while the job runs */
    struct job_table *table;
    /* constant from the start on */
    uint64_t id;
    enum job_kind kind;
    struct blockdb_verify_options verify;
    char *directory;
    struct blockdb_redact_options redact;
    uint64_t started_ms;
    bool is_whole;
    /* the pool's thread until the call is done */
    struct blockdb_verify_report report;
    struct blockdb_write_result written;
    struct targets *targets; /* of a redaction; the loop's thread frees it when the call is done */
    /* guarded by the table's mu */
    enum job_state state;
    uint64_t ended_ms;
    struct error error;
    /* atomic, relaxed: progress is told under locks of the engine, where ours may not be taken */
    atomic_bool is_canceled;
    _Atomic(const char *) unit;
    _Atomic uint64_t done, total;
};

struct job_table {
    struct os *os;
    struct mutex mu;
    /* guarded by mu */
    struct job *jobs[JOBS_MAX]; /* job id is at id % JOBS_MAX; NULL: none yet */
    uint64_t next_id;
    bool is_closed;
};

const char *job_kind_name(enum job_kind kind)
{
    static const char *const names[JOB_KIND_COUNT] = {"verify", "backup", "compact", "redact"};

    return names[kind];
}

const char *job_state_name(enum job_state state)
{
    switch (state) {
    case JOB_RUNNING:
        return "running";
    case JOB_DONE:
        return "done";
    case JOB_FAILED:
        return "failed";
    case JOB_CANCELED:
        return "canceled";
    }
    return "unknown";
}

int job_table_new(struct os *os, struct job_table **out)
{
    struct job_table *table = mem_calloc(1, sizeof(*table));

    if (table == NULL) {
        return BLOCKDB_ENOMEM;
    }
    table->os = os;
    table->next_id = 1;
    mutex_init(&table->mu, LOCK_RANK_SERVER);
    *out = table;
    return BLOCKDB_OK;
}

static void job_free(struct job *job)
{
    if (job != NULL) {
        call_deinit(&job->call);
        mem_free(job->directory);
        mem_free(job->targets);
        mem_free(job);
    }
}

void job_table_free(struct job_table *table)
{
    size_t i;

    if (table == NULL) {
        return;
    }
    for (i = 0; i < JOBS_MAX; i++) {
        job_free(table->jobs[i]);
    }
    mutex_deinit(&table->mu);
    mem_free(table);
}

/* ---- The work ------------------------------------------------------------------------------ */

static struct job *job_of_call(struct call *call)
{
    return (struct job *)(void *)((char *)call - offsetof(struct job, call));
}

/* The words of blockdb_progress_cb, which are not said to be static. */
static const char *unit_word(const char *unit)
{
    static const char *const words[] = {"entries", "bytes", "files", "blocks", "steps", "keys"};
    size_t i;

    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(unit, words[i]) == 0) {
            return words[i];
        }
    }
    return "units";
}

static bool on_progress(void *arg, const char *unit, uint64_t done, uint64_t total)
{
    struct job *job = arg;

    atomic_store_explicit(&job->unit, unit_word(unit), memory_order_relaxed);
    atomic_store_explicit(&job->done, done, memory_order_relaxed);
    atomic_store_explicit(&job->total, total, memory_order_relaxed);
    return !atomic_load_explicit(&job->is_canceled, memory_order_relaxed);
}

static int run(struct call *call, struct blockdb *db, struct error *err)
{
    struct job *job = job_of_call(call);

    switch (job->kind) {
    case JOB_BACKUP:
        return blockdb_backup(db, job->directory, on_progress, job, err);
    case JOB_COMPACT:
        return blockdb_compact(db, true, on_progress, job, err);
    case JOB_REDACT:
        job->redact.progress = on_progress;
        job->redact.progress_arg = job;
        return blockdb_redact_many(db, job->targets->list, job->targets->count, &job->redact,
                                   &job->written, err);
    case JOB_VERIFY:
    case JOB_KIND_COUNT:
        break;
    }
    job->verify.progress = on_progress;
    job->verify.progress_arg = job;
    return blockdb_verify(db, &job->verify, &job->report, err);
}

/* What a job that has succeeded did was all there was to do, whether or not it told so: short ones
 * end before their first word of progress. */
static void complete_progress(struct job *job)
{
    uint64_t total = atomic_load_explicit(&job->total, memory_order_relaxed);

    if (total == 0) {
        total = job->report.entries;
        atomic_store_explicit(&job->total, total, memory_order_relaxed);
    }
    atomic_store_explicit(&job->done, total, memory_order_relaxed);
}

static void done(struct call *call)
{
    struct job *job = job_of_call(call);
    struct job_table *table = job->table;
    struct targets *targets = job->targets; /* large, and of no more use */

    job->targets = NULL;
    mutex_lock(&table->mu);
    job->ended_ms = os_now_ms(table->os);
    if (call->status == BLOCKDB_OK) {
        job->state = JOB_DONE;
        complete_progress(job);
    } else if (call->status == BLOCKDB_ECANCELED) {
        job->state = JOB_CANCELED;
    } else {
        job->state = JOB_FAILED;
        job->error = call->error;
    }
    mutex_unlock(&table->mu);
    mem_free(targets);
}

/* ---- Starting ------------------------------------------------------------------------------ */

/* Appends len bytes at *to, which moves behind them; returns where they are now. */
static char *append(char **to, const void *bytes, size_t len)
{
    char *at = *to;

    memcpy(at, bytes, len);
    *to += len;
    return at;
}

static size_t text_size(const char *text)
{
    return text != NULL ? strlen(text) + 1 : 0;
}

/* Copies what a redaction is about, reasons included. ENOMEM. */
static int copy_targets(struct job *job, const struct job_order *order)
{
    const struct blockdb_redact_options *from = &order->redact;
    size_t list_len = order->target_count * sizeof(*order->targets);
    size_t len = sizeof(struct targets) + list_len;
    size_t i;
    char *to;

    for (i = 0; i < order->target_count; i++) {
        len += order->targets[i].key_len;
    }
    job->targets = mem_alloc(len + text_size(from->reason) + text_size(from->authority));
    if (job->targets == NULL) {
        return BLOCKDB_ENOMEM;
    }
    job->targets->count = order->target_count;
    memcpy(job->targets->list, order->targets, list_len);
    to = (char *)&job->targets->list[order->target_count];
    for (i = 0; i < order->target_count; i++) {
        job->targets->list[i].key = append(&to, order->targets[i].key, order->targets[i].key_len);
    }
    job->redact = *from;
    if (from->reason != NULL) {
        job->redact.reason = append(&to, from->reason, text_size(from->reason));
    }
    if (from->authority != NULL) {
        job->redact.authority = append(&to, from->authority, text_size(from->authority));
    }
    return BLOCKDB_OK;
}

/* The word for what a job counts, until it says so itself. */
static const char *first_unit(enum job_kind kind)
{
    static const char *const units[JOB_KIND_COUNT] = {"entries", "files", "keys", "steps"};

    return units[kind];
}

static int job_new(struct job_table *table, const struct job_order *order, struct job **out,
                   struct error *err)
{
    struct job *job = mem_calloc(1, sizeof(*job));

    if (job == NULL) {
        return error_set_no_memory(err);
    }
    job->directory = order->directory != NULL ? mem_strdup(order->directory) : NULL;
    if ((order->directory != NULL && job->directory == NULL) ||
        (order->target_count > 0 && copy_targets(job, order) < 0)) {
        mem_free(job->directory);
        mem_free(job);
        return error_set_no_memory(err);
    }
    job->table = table;
    job->kind = order->kind;
    job->verify = order->verify;
    job->is_whole = order->verify.from_seq == 0 && order->verify.to_seq == BLOCKDB_SEQ_NONE &&
                    (order->verify.sample_percent <= 0 || order->verify.sample_percent >= 100);
    job->started_ms = os_now_ms(table->os);
    atomic_store_explicit(&job->unit, first_unit(order->kind), memory_order_relaxed);
    call_init(&job->call, order->dispatch, order->loop, principal_everyone(), done);
    *out = job;
    return BLOCKDB_OK;
}

/* The job of a kind that runs; NULL: none. */
static struct job *running_locked(struct job_table *table, enum job_kind kind)
{
    size_t i;

    for (i = 0; i < JOBS_MAX; i++) {
        struct job *job = table->jobs[i];

        if (job != NULL && job->state == JOB_RUNNING && job->kind == kind) {
            return job;
        }
    }
    return NULL;
}

/* A place for the next job, whose number it gets: that of the oldest, unless that still runs. */
static struct job **place_locked(struct job_table *table)
{
    struct job **place = &table->jobs[table->next_id % JOBS_MAX];

    while (*place != NULL && (*place)->state == JOB_RUNNING) {
        table->next_id++;
        place = &table->jobs[table->next_id % JOBS_MAX];
    }
    return place;
}

static int enter(struct job_table *table, struct job *job, uint64_t *out_id, struct error *err)
{
    struct job *other;
    struct job **place;
    struct job *forgotten;

    mutex_lock(&table->mu);
    if (table->is_closed) {
        mutex_unlock(&table->mu);
        return error_set(err, BLOCKDB_ECLOSED, "the server is stopping; nothing long is begun");
    }
    other = running_locked(table, job->kind);
    if (other != NULL) {
        *out_id = other->id;
        mutex_unlock(&table->mu);
        return error_set(err, BLOCKDB_EBUSY,
                         "job %llu of this kind is running; wait for it, or cancel it",
                         (unsigned long long)*out_id);
    }
    place = place_locked(table);
    forgotten = *place;
    job->id = table->next_id++;
    *place = job;
    *out_id = job->id;
    mutex_unlock(&table->mu);
    job_free(forgotten);
    return BLOCKDB_OK;
}

int job_start(struct job_table *table, const struct job_order *order, uint64_t *out_id,
              struct error *err)
{
    struct job *job = NULL;
    int rc = job_new(table, order, &job, err);

    if (rc < 0) {
        return rc;
    }
    rc = enter(table, job, out_id, err);
    if (rc < 0) {
        job_free(job);
        return rc;
    }
    if (dispatch_run(&job->call, POOL_LONG, run) == CALL_DONE) {
        rc = error_set(err, job->call.status, "%s", job->call.error.message);
        done(&job->call); /* it stays in the table as one that failed */
    }
    return rc;
}

/* ---- Asking -------------------------------------------------------------------------------- */

static struct job *find_locked(struct job_table *table, uint64_t id)
{
    struct job *job = table->jobs[id % JOBS_MAX];

    return job != NULL && job->id == id ? job : NULL;
}

int job_find(struct job_table *table, enum job_kind kind, uint64_t id, struct job_info *out)
{
    struct job *job;

    mutex_lock(&table->mu);
    job = find_locked(table, id);
    if (job == NULL || job->kind != kind) {
        mutex_unlock(&table->mu);
        return BLOCKDB_ENOTFOUND;
    }
    *out = (struct job_info){
        .id = id,
        .kind = job->kind,
        .state = job->state,
        .unit = atomic_load_explicit(&job->unit, memory_order_relaxed),
        .done = atomic_load_explicit(&job->done, memory_order_relaxed),
        .total = atomic_load_explicit(&job->total, memory_order_relaxed),
        .started_ms = job->started_ms,
        .ended_ms = job->ended_ms,
        .is_whole = job->is_whole,
    };
    if (job->state == JOB_DONE) {
        out->report = job->report;
        out->written = job->written;
    }
    if (job->state == JOB_FAILED) {
        out->error = job->error;
    }
    mutex_unlock(&table->mu);
    return BLOCKDB_OK;
}

void job_cancel(struct job_table *table, uint64_t id)
{
    struct job *job;

    mutex_lock(&table->mu);
    job = find_locked(table, id);
    if (job != NULL) {
        atomic_store_explicit(&job->is_canceled, true, memory_order_relaxed);
    }
    mutex_unlock(&table->mu);
}

void job_table_close(struct job_table *table)
{
    size_t i;

    mutex_lock(&table->mu);
    table->is_closed = true;
    for (i = 0; i < JOBS_MAX; i++) {
        if (table->jobs[i] != NULL) {
            atomic_store_explicit(&table->jobs[i]->is_canceled, true, memory_order_relaxed);
        }
    }
    mutex_unlock(&table->mu);
}

unsigned job_running_count(struct job_table *table)
{
    unsigned count = 0;
    size_t i;

    mutex_lock(&table->mu);
    for (i = 0; i < JOBS_MAX; i++) {
        count += table->jobs[i] != NULL && table->jobs[i]->state == JOB_RUNNING;
    }
    mutex_unlock(&table->mu);
    return count;
}
