/* SPDX-License-Identifier: Apache-2.0 */
#include "server/worker.h"

#include "base/assert.h"
#include "base/lock.h"
#include "base/mem.h"
#include "server/acceptor.h"
#include "server/listener.h"

struct worker {
    /* constant */
    struct worker_team *team;
    struct loop *loop;
    struct conn_group *group;
    /* loop thread only, once it runs */
    struct acceptor *acceptors; /* list */
    bool runs;                  /* of the owner */
};

/* ---- Calls into the loop ------------------------------------------------------------------- */

/* Work that the owner waits for. */
struct visit {
    struct loop_task task;
    struct worker *worker;
    void (*run)(struct worker *worker, const void *arg);
    const void *arg;
    struct mutex mu;
    struct cond done;
    bool is_done; /* guarded by mu */
};

static void visit_run(struct loop_task *task)
{
    struct visit *visit = (struct visit *)(void *)task; /* its first field */

    visit->run(visit->worker, visit->arg);
    mutex_lock(&visit->mu);
    visit->is_done = true;
    cond_signal(&visit->done);
    mutex_unlock(&visit->mu);
}

static void visit(struct worker *worker, void (*run)(struct worker *, const void *),
                  const void *arg)
{
    struct visit visit = {.worker = worker, .run = run, .arg = arg};

    if (!worker->runs) {
        run(worker, arg);
        return;
    }
    visit.task.run = visit_run;
    mutex_init(&visit.mu, LOCK_RANK_SERVER);
    cond_init(&visit.done);
    loop_post(worker->loop, &visit.task);
    mutex_lock(&visit.mu);
    while (!visit.is_done) {
        cond_wait(&visit.done, &visit.mu);
    }
    mutex_unlock(&visit.mu);
    cond_deinit(&visit.done);
    mutex_deinit(&visit.mu);
}

static void close_listeners(struct worker *worker, const void *arg)
{
    (void)arg;
    while (worker->acceptors != NULL) {
        struct acceptor *acceptor = worker->acceptors;

        worker->acceptors = acceptor_next(acceptor);
        acceptor_close(acceptor);
    }
}

static void drain(struct worker *worker, const void *arg)
{
    (void)arg;
    conn_group_drain(worker->group);
}

static void finish(struct worker *worker, const void *arg)
{
    (void)arg;
    conn_group_finish(worker->group);
}

static void abort_all(struct worker *worker, const void *arg)
{
    (void)arg;
    conn_group_abort(worker->group);
}

static void set(struct worker *worker, const void *arg)
{
    const struct worker_settings *settings = arg;
    struct acceptor *acceptor;

    conn_group_set_limits(worker->group, &settings->limits);
    for (acceptor = worker->acceptors; acceptor != NULL; acceptor = acceptor_next(acceptor)) {
        acceptor_set(acceptor, settings->config, settings->tls);
    }
}

void worker_close_listeners(struct worker *worker)
{
    visit(worker, close_listeners, NULL);
}

void worker_drain(struct worker *worker)
{
    visit(worker, drain, NULL);
}

void worker_finish(struct worker *worker)
{
    visit(worker, finish, NULL);
}

void worker_abort(struct worker *worker)
{
    visit(worker, abort_all, NULL);
}

void worker_set(struct worker *worker, const struct worker_settings *settings)
{
    visit(worker, set, settings);
}

/* ---- Life ---------------------------------------------------------------------------------- */

int worker_new(struct worker_team *team, const struct conn_limits *limits, struct error *err)
{
    struct worker *worker = mem_calloc(1, sizeof(*worker));
    int rc;

    ASSERT(team->worker_count < WORKERS_MAX);
    if (worker == NULL) {
        return error_set_no_memory(err);
    }
    worker->team = team;
    rc = loop_new(team->os, team->worker_count, &worker->loop, err);
    if (rc == BLOCKDB_OK) {
        rc = conn_group_new(worker->loop, team->server, limits, &worker->group);
        if (rc < 0) {
            rc = error_set_no_memory(err);
        }
    }
    if (rc < 0) {
        worker_free(worker);
        return rc;
    }
    team->workers[team->worker_count++] = worker;
    return BLOCKDB_OK;
}

void worker_free(struct worker *worker)
{
    if (worker == NULL) {
        return;
    }
    ASSERT(!worker->runs);
    close_listeners(worker, NULL);
    conn_group_free(worker->group);
    loop_free(worker->loop);
    mem_free(worker);
}

int worker_start(struct worker *worker, struct error *err)
{
    int rc = loop_start(worker->loop, err);

    worker->runs = rc == BLOCKDB_OK;
    return rc;
}

void worker_stop(struct worker *worker)
{
    loop_stop(worker->loop);
    worker->runs = false;
}

/* An acceptor to add, and what came of it. */
struct listen_call {
    const struct worker_listener *listener;
    int *status;
};

static void listen_run(struct worker *worker, const void *arg)
{
    const struct listen_call *call = arg;
    struct acceptor *acceptor;

    *call->status = acceptor_new(worker->team, worker, call->listener, worker->acceptors,
                                 &acceptor);
    if (*call->status == BLOCKDB_OK) {
        worker->acceptors = acceptor;
    }
}

int worker_listen(struct worker *worker, const struct worker_listener *listener, struct error *err)
{
    int status = BLOCKDB_OK;
    const struct listen_call call = {.listener = listener, .status = &status};

    visit(worker, listen_run, &call);
    if (status == BLOCKDB_ENOMEM) {
        return error_set_no_memory(err);
    }
    return status < 0 ? error_set(err, status, "cannot watch a listening socket") : status;
}

struct loop *worker_loop(const struct worker *worker)
{
    return worker->loop;
}

struct conn_group *worker_group(const struct worker *worker)
{
    return worker->group;
}
