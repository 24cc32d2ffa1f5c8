/* SPDX-License-Identifier: Apache-2.0 */
#include "server/dispatch.h"

#include "base/assert.h"
#include "base/mem.h"
#include "os/os.h"

#include <stddef.h>
#include <string.h>

struct dispatch {
    /* constant */
    struct blockdb *db;
    struct pool *pool;
    struct os *os;
    /* atomic, relaxed: a figure */
    _Atomic uint64_t pending;
};

/* ---- The life of a call -------------------------------------------------------------------- */

int dispatch_new(const struct dispatch_options *options, struct dispatch **out)
{
    struct dispatch *d = mem_calloc(1, sizeof(*d));

    if (d == NULL) {
        return BLOCKDB_ENOMEM;
    }
    d->db = options->db;
    d->pool = options->pool;
    d->os = options->os;
    *out = d;
    return BLOCKDB_OK;
}

void dispatch_free(struct dispatch *d)
{
    if (d != NULL) {
        ASSERT(dispatch_pending(d) == 0);
        mem_free(d);
    }
}

uint64_t dispatch_pending(const struct dispatch *d)
{
    return atomic_load_explicit(&d->pending, memory_order_relaxed);
}

struct blockdb *dispatch_db(struct dispatch *d)
{
    return d->db;
}

void call_init(struct call *call, struct dispatch *d, struct loop *loop,
               const struct principal *principal, call_done_cb done)
{
    call->dispatch = d;
    call->loop = loop;
    call->done = done;
    call->batch = NULL;
    call->pending = false;
    call->value = (struct blockdb_value){0};
    call_reset(call, principal);
}

void call_reset(struct call *call, const struct principal *principal)
{
    ASSERT(!call->pending);
    blockdb_batch_free(call->batch);
    call->batch = NULL;
    call->principal = principal;
    call->status = BLOCKDB_OK;
    call->error.message[0] = '\0';
    call->queued_ns = 0;
    call->worked_ns = 0;
    call->written = (struct blockdb_write_result){0};
}

void call_deinit(struct call *call)
{
    ASSERT(!call->pending);
    blockdb_batch_free(call->batch);
    call->batch = NULL;
    blockdb_value_deinit(&call->value);
}

static void pending_begin(struct call *call)
{
    call->pending = true;
    call->queued_ns = os_monotonic_ns(call->dispatch->os);
    atomic_fetch_add_explicit(&call->dispatch->pending, 1, memory_order_relaxed);
}

static void pending_end(struct call *call)
{
    ASSERT(call->pending);
    call->pending = false;
    atomic_fetch_sub_explicit(&call->dispatch->pending, 1, memory_order_relaxed);
}

static enum call_state answer(struct call *call, int status)
{
    call->status = status;
    return CALL_DONE;
}

static struct call *call_of_task(struct loop_task *task)
{
    return (struct call *)(void *)((char *)task - offsetof(struct call, task));
}

static struct call *call_of_job(struct pool_job *job)
{
    return (struct call *)(void *)((char *)job - offsetof(struct call, job));
}

/* ---- On the pool --------------------------------------------------------------------------- */

static void job_run(struct pool_job *job)
{
    struct call *call = call_of_job(job);
    struct os *os = call->dispatch->os;
    uint64_t begun_ns = os_monotonic_ns(os);

    call->status = call->run(call, call->dispatch->db, &call->error);
    call->worked_ns = os_monotonic_ns(os) - begun_ns;
}

static void job_done(struct pool_job *job)
{
    struct call *call = call_of_job(job);

    pending_end(call);
    call->done(call);
}

enum call_state dispatch_run(struct call *call, enum pool_class job_class, call_run_fn run)
{
    int rc;

    call->run = run;
    call->job = (struct pool_job){.run = job_run, .done = job_done, .loop = call->loop};
    pending_begin(call);
    rc = pool_submit(call->dispatch->pool, &call->job, job_class);
    if (rc < 0) {
        pending_end(call);
        return answer(call, error_set(&call->error, rc,
                                      "too many requests wait for the disk; try again later"));
    }
    return CALL_PENDING;
}

/* ---- Reading ------------------------------------------------------------------------------- */

static int run_get(struct call *call, struct blockdb *db, struct error *err)
{
    return blockdb_get(db, call->key.data, call->key.len, &call->read, &call->value, err);
}

enum call_state dispatch_get(struct call *call, const struct call_get *get)
{
    int rc;

    if (!principal_may_key(call->principal, RIGHT_READ, get->key)) {
        return answer(call, principal_deny(call->principal, RIGHT_READ, get->key, &call->error));
    }
    call->key = get->key;
    call->read = (struct blockdb_read_options){
        .size = sizeof(call->read), .at_seq = get->at_seq, .cached_only = true};
    rc = run_get(call, call->dispatch->db, &call->error);
    if (rc != BLOCKDB_EWOULDBLOCK) {
        return answer(call, rc);
    }
    call->read.cached_only = false;
    return dispatch_run(call, POOL_READ, run_get);
}

/* ---- Writing ------------------------------------------------------------------------------- */

/* The batch of the call, made when it is first needed, once principal may do that to key. */
static int batch_for(struct call *call, unsigned rights, struct slice key, struct error *err)
{
    if (!principal_may_key(call->principal, rights, key)) {
        return principal_deny(call->principal, rights, key, err);
    }
    if (call->batch == NULL) {
        call->batch = blockdb_batch_new(call->dispatch->db);
    }
    return call->batch != NULL ? BLOCKDB_OK : error_set_no_memory(err);
}

int dispatch_put(struct call *call, struct slice key, struct slice value, struct error *err)
{
    int rc = batch_for(call, RIGHT_WRITE, key, err);

    return rc < 0 ? rc
                  : blockdb_batch_put(call->batch, key.data, key.len, value.data, value.len, err);
}

int dispatch_delete(struct call *call, struct slice key, struct error *err)
{
    int rc = batch_for(call, RIGHT_WRITE, key, err);

    return rc < 0 ? rc : blockdb_batch_delete(call->batch, key.data, key.len, err);
}

/* Who may read a key may make writes to others depend on it: a condition tells no more. */
static unsigned rights_for_condition(const struct call *call, struct slice key)
{
    return principal_may_key(call->principal, RIGHT_READ, key) ? RIGHT_READ : RIGHT_WRITE;
}

int dispatch_require_absent(struct call *call, struct slice key, struct error *err)
{
    int rc = batch_for(call, rights_for_condition(call, key), key, err);

    return rc < 0 ? rc : blockdb_batch_require_absent(call->batch, key.data, key.len, err);
}

int dispatch_require_seq(struct call *call, struct slice key, uint64_t seq, struct error *err)
{
    int rc = batch_for(call, rights_for_condition(call, key), key, err);

    return rc < 0 ? rc : blockdb_batch_require_seq(call->batch, key.data, key.len, seq, err);
}

size_t dispatch_batch_count(const struct call *call)
{
    return call->batch != NULL ? blockdb_batch_count(call->batch) : 0;
}

static void commit_done(struct loop_task *task)
{
    struct call *call = call_of_task(task);

    pending_end(call);
    call->done(call);
}

/* An engine thread tells what became of the batch. */
static void on_written(void *arg, int status, const struct blockdb_write_result *result,
                       const struct blockdb_error *err)
{
    struct call *call = arg;

    call->status = status;
    if (status == BLOCKDB_OK) {
        call->written = *result;
    } else {
        call->error = *err;
    }
    loop_post(call->loop, &call->task);
}

enum call_state dispatch_commit(struct call *call, const struct call_commit *options)
{
    struct blockdb_write_options write = BLOCKDB_WRITE_OPTIONS_INIT;
    struct blockdb_batch *batch = call->batch;
    int rc;

    if (batch == NULL) {
        return answer(call, error_set(&call->error, BLOCKDB_EINVAL, "the batch is empty"));
    }
    if (options != NULL) {
        write.durability = options->durability;
        write.client_id = options->client_id;
        write.request = options->request;
    }
    write.no_wait = true;
    write.in_place = true;
    call->batch = NULL;
    call->task.run = commit_done;
    pending_begin(call);
    rc = blockdb_submit(call->dispatch->db, batch, &write, on_written, call, &call->error);
    if (rc < 0) {
        pending_end(call);
        if (rc == BLOCKDB_EWOULDBLOCK) {
            call->batch = batch;
        }
        return answer(call, rc);
    }
    return CALL_PENDING;
}
