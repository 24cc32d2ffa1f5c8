/* SPDX-License-Identifier: Apache-2.0 */
#include "server/pool.h"

#include "base/assert.h"
#include "base/lock.h"
#include "base/mem.h"
#include "os/os.h"

#include <stddef.h>
#include <stdio.h>

#define THREAD_NAME_BYTES 16

static const char *const class_names[POOL_CLASS_COUNT] = {
    [POOL_READ] = "read", [POOL_LONG] = "long"};

/* The jobs and threads of one class. */
struct lane {
    /* constant after pool_new() */
    struct os_thread **threads;
    unsigned thread_count;
    unsigned queue_max;

    struct mutex mu;
    struct cond work;
    /* guarded by mu */
    struct pool_job *first;
    struct pool_job **last;
    struct pool_stats stats;
    bool is_stopping;
};

struct pool {
    struct os *os;
    struct lane lanes[POOL_CLASS_COUNT];
};

/* Waits for a job; NULL when the lane stops and none is left. */
static struct pool_job *lane_take(struct lane *lane)
{
    struct pool_job *job;

    mutex_lock(&lane->mu);
    while (lane->first == NULL && !lane->is_stopping) {
        cond_wait(&lane->work, &lane->mu);
    }
    job = lane->first;
    if (job != NULL) {
        lane->first = job->next;
        if (lane->first == NULL) {
            lane->last = &lane->first;
        }
        lane->stats.waiting--;
        lane->stats.running++;
    }
    mutex_unlock(&lane->mu);
    return job;
}

static void task_done(struct loop_task *task)
{
    struct pool_job *job = (struct pool_job *)((char *)task - offsetof(struct pool_job, task));

    job->done(job);
}

static void thread_main(void *arg)
{
    struct lane *lane = arg;
    struct pool_job *job;

    while ((job = lane_take(lane)) != NULL) {
        bool has_done = job->done != NULL;

        job->run(job); /* may free it when nobody waits */
        mutex_lock(&lane->mu);
        lane->stats.running--;
        lane->stats.done++;
        mutex_unlock(&lane->mu);
        if (has_done) {
            job->task.run = task_done;
            loop_post(job->loop, &job->task);
        }
    }
}

static void lane_stop(struct pool *pool, struct lane *lane)
{
    unsigned i;

    mutex_lock(&lane->mu);
    lane->is_stopping = true;
    cond_broadcast(&lane->work);
    mutex_unlock(&lane->mu);
    for (i = 0; i < lane->thread_count; i++) {
        os_thread_join(pool->os, lane->threads[i]);
    }
    lane->thread_count = 0;
}

void pool_stop(struct pool *pool)
{
    int i;

    for (i = 0; i < POOL_CLASS_COUNT; i++) {
        lane_stop(pool, &pool->lanes[i]);
    }
}

void pool_free(struct pool *pool)
{
    int i;

    if (pool == NULL) {
        return;
    }
    pool_stop(pool);
    for (i = 0; i < POOL_CLASS_COUNT; i++) {
        cond_deinit(&pool->lanes[i].work);
        mutex_deinit(&pool->lanes[i].mu);
        mem_free(pool->lanes[i].threads);
    }
    mem_free(pool);
}

static int lane_start(struct pool *pool, enum pool_class job_class, unsigned threads,
                      struct error *err)
{
    struct lane *lane = &pool->lanes[job_class];
    char name[THREAD_NAME_BYTES];
    int rc;

    lane->threads = mem_calloc(threads, sizeof(struct os_thread *));
    if (lane->threads == NULL) {
        return error_set_no_memory(err);
    }
    while (lane->thread_count < threads) {
        (void)snprintf(name, sizeof(name), "%s-%u", class_names[job_class], lane->thread_count);
        rc = os_thread_start(pool->os, name, thread_main, lane, &lane->threads[lane->thread_count],
                             err);
        if (rc < 0) {
            return error_wrap(err, rc, "cannot start thread '%s'", name);
        }
        lane->thread_count++;
    }
    return BLOCKDB_OK;
}

int pool_new(const struct pool_options *options, struct pool **out, struct error *err)
{
    struct pool *pool = mem_calloc(1, sizeof(*pool));
    int rc = BLOCKDB_OK;
    int i;

    if (pool == NULL) {
        return error_set_no_memory(err);
    }
    pool->os = options->os;
    for (i = 0; i < POOL_CLASS_COUNT; i++) {
        struct lane *lane = &pool->lanes[i];

        ASSERT(options->threads[i] > 0);
        ASSERT(options->queue_max[i] > 0);
        mutex_init(&lane->mu, LOCK_RANK_SERVER);
        cond_init(&lane->work);
        lane->last = &lane->first;
        lane->queue_max = options->queue_max[i];
    }
    for (i = 0; i < POOL_CLASS_COUNT && rc == BLOCKDB_OK; i++) {
        rc = lane_start(pool, (enum pool_class)i, options->threads[i], err);
    }
    if (rc < 0) {
        pool_free(pool);
        return rc;
    }
    *out = pool;
    return BLOCKDB_OK;
}

int pool_submit(struct pool *pool, struct pool_job *job, enum pool_class job_class)
{
    struct lane *lane = &pool->lanes[job_class];
    int rc = BLOCKDB_OK;

    mutex_lock(&lane->mu);
    if (lane->is_stopping || lane->stats.waiting >= lane->queue_max) {
        lane->stats.refused++;
        rc = BLOCKDB_EWOULDBLOCK;
    } else {
        job->next = NULL;
        *lane->last = job;
        lane->last = &job->next;
        lane->stats.waiting++;
        cond_signal(&lane->work);
    }
    mutex_unlock(&lane->mu);
    return rc;
}

struct pool_stats pool_stats(struct pool *pool, enum pool_class job_class)
{
    struct lane *lane = &pool->lanes[job_class];
    struct pool_stats stats;

    mutex_lock(&lane->mu);
    stats = lane->stats;
    mutex_unlock(&lane->mu);
    return stats;
}
