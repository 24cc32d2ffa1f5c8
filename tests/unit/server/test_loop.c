/* SPDX-License-Identifier: Apache-2.0 */
/* server/loop.h and server/pool.h with real threads. */
#include "server/loop.h"

#include "base/mem.h"
#include "os/os.h"
#include "server/pool.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define POSTERS 4
#define POSTS 5000
#define JOBS 2000

static struct loop *started_loop(void)
{
    struct loop *loop = NULL;
    struct error err = {0};

    assert_int_equal(loop_new(os_real(), 3, &loop, &err), BLOCKDB_OK);
    assert_int_equal(loop_start(loop, &err), BLOCKDB_OK);
    assert_int_equal(loop_index(loop), 3);
    assert_false(loop_is_current(loop));
    return loop;
}

/* ---- Posting ------------------------------------------------------------------------------- */

struct post {
    struct loop_task task; /* first */
    struct loop *loop;
    unsigned poster;
    unsigned number;
};

static struct post posts[POSTERS][POSTS];
static unsigned next_number[POSTERS]; /* loop thread only */
static atomic_uint posts_run;
static atomic_uint out_of_order;

static void post_run(struct loop_task *task)
{
    const struct post *post = (const struct post *)(const void *)task;

    if (next_number[post->poster]++ != post->number || !loop_is_current(post->loop)) {
        atomic_fetch_add(&out_of_order, 1);
    }
    atomic_fetch_add(&posts_run, 1);
}

static void *poster_main(void *arg)
{
    struct post *own = arg;
    unsigned i;

    for (i = 0; i < POSTS; i++) {
        loop_post(own[i].loop, &own[i].task);
    }
    return NULL;
}

static void test_posts_run_once_in_order(void **state)
{
    struct loop *loop = started_loop();
    pthread_t threads[POSTERS];
    unsigned p;
    unsigned i;

    (void)state;
    for (p = 0; p < POSTERS; p++) {
        for (i = 0; i < POSTS; i++) {
            posts[p][i] = (struct post){
                .task = {.run = post_run}, .loop = loop, .poster = p, .number = i};
        }
        assert_int_equal(pthread_create(&threads[p], NULL, poster_main, posts[p]), 0);
    }
    for (p = 0; p < POSTERS; p++) {
        (void)pthread_join(threads[p], NULL);
    }
    loop_stop(loop); /* what was posted before is run first */
    assert_int_equal(atomic_load(&posts_run), POSTERS * POSTS);
    assert_int_equal(atomic_load(&out_of_order), 0);
    loop_free(loop);
}

/* ---- Deferring and timers ------------------------------------------------------------------ */

struct script {
    struct loop_task start; /* first */
    struct loop_task one;
    struct loop_task two;
    struct loop_timer timer;
    struct loop_timer never;
    struct loop *loop;
    char log[16];
    uint64_t set_ms;
    uint64_t fired_ms;
};

static struct script script;

static void log_char(char c)
{
    script.log[strlen(script.log)] = c;
}

static void two_run(struct loop_task *task)
{
    (void)task;
    log_char('2');
}

static void one_run(struct loop_task *task)
{
    (void)task;
    log_char('1');
    loop_defer(script.loop, &script.two); /* same turn */
}

static void timer_fire(struct loop_timer *timer)
{
    (void)timer;
    script.fired_ms = loop_now_ms(script.loop);
    log_char('t');
    loop_defer(script.loop, &script.two); /* deferred by a timer, run although nothing is ready */
    loop_stop_soon(script.loop);
}

static void never_fire(struct loop_timer *timer)
{
    (void)timer;
    log_char('!');
}

static void start_run(struct loop_task *task)
{
    (void)task;
    script.set_ms = loop_now_ms(script.loop);
    loop_timer_set(script.loop, &script.timer, 5000);
    loop_timer_set(script.loop, &script.timer, 120); /* earlier */
    loop_timer_set(script.loop, &script.never, 1);
    loop_timer_cancel(script.loop, &script.never);
    assert_false(loop_timer_is_set(&script.never));
    loop_defer(script.loop, &script.one);
    log_char('s');
}

static void test_turns(void **state)
{
    struct error err = {0};

    (void)state;
    assert_int_equal(loop_new(os_real(), 0, &script.loop, &err), BLOCKDB_OK);
    script.start.run = start_run;
    script.one.run = one_run;
    script.two.run = two_run;
    script.timer.fire = timer_fire;
    script.never.fire = never_fire;
    loop_post(script.loop, &script.start);
    loop_run(script.loop);
    loop_free(script.loop);
    assert_string_equal(script.log, "s12t2");
    assert_true(script.fired_ms >= script.set_ms + 120); /* LOOP-4: never early */
}

/* ---- Pool ---------------------------------------------------------------------------------- */

struct work {
    struct pool_job job; /* first */
    atomic_bool *gate;   /* waits until it is open; NULL: does not */
};

static atomic_uint jobs_run;
static atomic_uint jobs_done;
static atomic_uint done_elsewhere;

static void work_run(struct pool_job *job)
{
    const struct work *work = (const struct work *)(const void *)job;

    while (work->gate != NULL && !atomic_load(work->gate)) {
        os_sleep_ns(os_real(), 1000000);
    }
    atomic_fetch_add(&jobs_run, 1);
}

static void work_done(struct pool_job *job)
{
    if (!loop_is_current(job->loop)) {
        atomic_fetch_add(&done_elsewhere, 1);
    }
    atomic_fetch_add(&jobs_done, 1);
}

static struct pool *new_pool(unsigned queue_max)
{
    const struct pool_options options = {
        .os = os_real(), .threads = {2, 1}, .queue_max = {queue_max, queue_max}};
    struct pool *pool = NULL;
    struct error err = {0};

    assert_int_equal(pool_new(&options, &pool, &err), BLOCKDB_OK);
    return pool;
}

static void test_jobs_run_and_are_done(void **state)
{
    static struct work works[JOBS];
    struct loop *loop = started_loop();
    struct pool *pool = new_pool(JOBS);
    unsigned i;

    (void)state;
    for (i = 0; i < JOBS; i++) {
        works[i].job = (struct pool_job){.run = work_run, .done = work_done, .loop = loop};
        assert_int_equal(pool_submit(pool, &works[i].job, i % 3 == 0 ? POOL_LONG : POOL_READ),
                         BLOCKDB_OK);
    }
    pool_stop(pool); /* runs what is queued (POOL-1) */
    assert_int_equal(atomic_load(&jobs_run), JOBS);
    assert_int_equal(pool_submit(pool, &works[0].job, POOL_READ), BLOCKDB_EWOULDBLOCK);
    assert_int_equal(pool_stats(pool, POOL_READ).done + pool_stats(pool, POOL_LONG).done, JOBS);
    loop_stop(loop);
    assert_int_equal(atomic_load(&jobs_done), JOBS);
    assert_int_equal(atomic_load(&done_elsewhere), 0);
    pool_free(pool);
    loop_free(loop);
}

static void test_long_jobs_do_not_hold_up_short_ones(void **state)
{
    static struct work longs[8];
    static struct work shorts[8];
    atomic_bool gate = false;
    struct pool *pool = new_pool(4);
    unsigned before = atomic_load(&jobs_run);
    unsigned refused = 0;
    unsigned i;

    (void)state;
    for (i = 0; i < 8; i++) {
        longs[i] = (struct work){.job = {.run = work_run}, .gate = &gate};
        refused += pool_submit(pool, &longs[i].job, POOL_LONG) == BLOCKDB_EWOULDBLOCK;
    }
    assert_true(refused >= 3); /* one runs at most, four wait */
    assert_int_equal(pool_stats(pool, POOL_LONG).refused, refused);
    for (i = 0; i < 8; i++) {
        shorts[i] = (struct work){.job = {.run = work_run}};
        while (pool_submit(pool, &shorts[i].job, POOL_READ) < 0) {
            os_sleep_ns(os_real(), 100000);
        }
    }
    while (atomic_load(&jobs_run) < before + 8) {
        os_sleep_ns(os_real(), 100000); /* ends only when the long ones are not in the way */
    }
    atomic_store(&gate, true);
    pool_free(pool);
    assert_int_equal(atomic_load(&jobs_run), before + 16 - refused);
}

/* ---- Short memory -------------------------------------------------------------------------- */

static bool fail_at(void *context)
{
    int *left = context;

    return (*left)-- == 0;
}

static void test_survives_short_memory(void **state)
{
    const struct pool_options options = {.os = os_real(), .threads = {1, 1}, .queue_max = {1, 1}};
    struct error err = {0};
    int n;
    int rc = BLOCKDB_ENOMEM;

    (void)state;
    for (n = 0; rc == BLOCKDB_ENOMEM; n++) {
        struct loop *loop = NULL;
        struct pool *pool = NULL;
        int left = n;

        mem_set_fail_hook(fail_at, &left);
        rc = loop_new(os_real(), 0, &loop, &err);
        if (rc == BLOCKDB_OK) {
            rc = pool_new(&options, &pool, &err);
        }
        mem_set_fail_hook(NULL, NULL);
        pool_free(pool);
        loop_free(loop);
    }
    assert_int_equal(rc, BLOCKDB_OK);
    assert_true(n > 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_posts_run_once_in_order),
        cmocka_unit_test(test_turns),
        cmocka_unit_test(test_jobs_run_and_are_done),
        cmocka_unit_test(test_long_jobs_do_not_hold_up_short_ones),
        cmocka_unit_test(test_survives_short_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
