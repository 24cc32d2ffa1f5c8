/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dispatch on a real loop, pool and database: answers at once, from the pool and from the engine;
 * rights; short memory; a pool that is full.
 */
#include "base/lock.h"
#include "base/mem.h"
#include "os/os.h"
#include "server/dispatch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
    char dir[64];
    struct blockdb *db;
    struct loop *loop;
    struct pool *pool;
    struct dispatch *dispatch;
    struct call call;
    unsigned done_count;

    /* A step runs on the loop's thread; the test waits until its call is done. */
    struct loop_task task;
    enum call_state (*step)(struct fixture *f);
    struct mutex mu;
    struct cond finished;
    bool is_finished; /* guarded by mu */
};

/* The call is inside its fixture, so the fixture is found from it. */
static struct fixture *fixture_of(struct call *call)
{
    return (struct fixture *)(void *)((char *)call - offsetof(struct fixture, call));
}

static void tell_finished(struct fixture *f)
{
    mutex_lock(&f->mu);
    f->is_finished = true;
    cond_signal(&f->finished);
    mutex_unlock(&f->mu);
}

static void on_done(struct call *call)
{
    struct fixture *f = fixture_of(call);

    f->done_count++;
    tell_finished(f);
}

static void on_task(struct loop_task *task)
{
    struct fixture *f = (struct fixture *)(void *)((char *)task - offsetof(struct fixture, task));

    if (f->step(f) == CALL_DONE) {
        tell_finished(f);
    }
}

/* Runs one step and returns the status of its call; out_waited tells whether it was pending. */
static int run(struct fixture *f, enum call_state (*step)(struct fixture *f), bool *out_waited)
{
    unsigned before = f->done_count;

    f->step = step;
    f->is_finished = false;
    f->task.run = on_task;
    loop_post(f->loop, &f->task);
    mutex_lock(&f->mu);
    while (!f->is_finished) {
        cond_wait(&f->finished, &f->mu);
    }
    mutex_unlock(&f->mu);
    assert_int_equal(dispatch_pending(f->dispatch), 0);
    *out_waited = f->done_count > before;
    return f->call.status;
}

static int setup(void **state)
{
    const struct pool_options pool_options = {
        .os = os_real(), .threads = {1, 1}, .queue_max = {1, 1}};
    struct fixture *f = calloc(1, sizeof(*f));
    struct error err;

    assert_non_null(f);
    (void)snprintf(f->dir, sizeof(f->dir), "/tmp/test_dispatch_XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    assert_int_equal(blockdb_open(f->dir, NULL, BLOCKDB_OPEN_CREATE, &f->db, &err), 0);
    assert_int_equal(loop_new(os_real(), 0, &f->loop, &err), 0);
    assert_int_equal(pool_new(&pool_options, &f->pool, &err), 0);
    assert_int_equal(
        dispatch_new(&(struct dispatch_options){.db = f->db, .pool = f->pool, .os = os_real()},
                     &f->dispatch),
        0);
    assert_int_equal(loop_start(f->loop, &err), 0);
    mutex_init(&f->mu, LOCK_RANK_PROGRAM);
    cond_init(&f->finished);
    call_init(&f->call, f->dispatch, f->loop, principal_everyone(), on_done);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char command[128];
    struct error err;

    call_deinit(&f->call);
    pool_free(f->pool);
    assert_int_equal(dispatch_pending(f->dispatch), 0);
    dispatch_free(f->dispatch);
    loop_stop(f->loop);
    loop_free(f->loop);
    cond_deinit(&f->finished);
    mutex_deinit(&f->mu);
    assert_int_equal(blockdb_close(f->db, &err), 0);
    (void)snprintf(command, sizeof(command), "rm -r '%s'", f->dir);
    assert_int_equal(system(command), 0);
    free(f);
    return 0;
}

static struct slice s(const char *text)
{
    return slice_of_text(text);
}

static enum call_state commit(struct fixture *f)
{
    return dispatch_commit(&f->call, NULL);
}

static enum call_state get_k(struct fixture *f)
{
    return dispatch_get(&f->call, &(struct call_get){.key = s("k"), .at_seq = BLOCKDB_SEQ_NONE});
}

static void test_write_and_read(void **state)
{
    struct fixture *f = *state;
    bool waited = false;

    assert_int_equal(dispatch_put(&f->call, s("k"), s("v1"), &f->call.error), 0);
    assert_int_equal(dispatch_batch_count(&f->call), 1);
    assert_int_equal(run(f, commit, &waited), 0);
    assert_true(waited);
    assert_int_equal(f->call.written.count, 1);

    call_reset(&f->call, principal_everyone());
    assert_int_equal(run(f, get_k, &waited), 0);
    assert_false(waited); /* a memtable has it */
    assert_int_equal(f->call.value.len, 2);
    assert_memory_equal(f->call.value.data, "v1", 2);

    call_reset(&f->call, principal_everyone());
    assert_int_equal(dispatch_delete(&f->call, s("k"), &f->call.error), 0);
    assert_int_equal(dispatch_require_seq(&f->call, s("k"), 99, &f->call.error), 0);
    assert_int_equal(run(f, commit, &waited), BLOCKDB_ECONFLICT);
    assert_string_not_equal(f->call.error.message, "");

    call_reset(&f->call, principal_everyone());
    assert_int_equal(dispatch_put(&f->call, s("k"), s("v2"), &f->call.error), 0);
    assert_int_equal(dispatch_require_absent(&f->call, s("other"), &f->call.error), 0);
    assert_int_equal(run(f, commit, &waited), 0);
}

static void test_an_empty_batch_is_refused(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(dispatch_batch_count(&f->call), 0);
    assert_int_equal(dispatch_commit(&f->call, NULL), CALL_DONE);
    assert_int_equal(f->call.status, BLOCKDB_EINVAL);
}

static void test_rights(void **state)
{
    struct fixture *f = *state;
    const struct slice prefix = s("a/");
    const struct principal *reader = NULL;
    const struct call_get inside = {.key = s("a/x"), .at_seq = BLOCKDB_SEQ_NONE};
    const struct call_get outside = {.key = s("b"), .at_seq = BLOCKDB_SEQ_NONE};

    assert_int_equal(principal_new("r", RIGHT_READ, &prefix, 1, &reader, &f->call.error), 0);
    call_reset(&f->call, reader);
    assert_int_equal(dispatch_put(&f->call, s("a/x"), s(""), &f->call.error), BLOCKDB_EDENIED);
    assert_int_equal(dispatch_delete(&f->call, s("a/x"), &f->call.error), BLOCKDB_EDENIED);
    /* Who may read a key may ask for its state. */
    assert_int_equal(dispatch_require_absent(&f->call, s("a/x"), &f->call.error), 0);
    assert_int_equal(dispatch_require_absent(&f->call, s("b"), &f->call.error), BLOCKDB_EDENIED);
    assert_int_equal(dispatch_require_seq(&f->call, s("b"), 1, &f->call.error), BLOCKDB_EDENIED);
    assert_int_equal(dispatch_get(&f->call, &inside), CALL_DONE);
    assert_int_equal(f->call.status, BLOCKDB_ENOTFOUND);
    assert_int_equal(dispatch_get(&f->call, &outside), CALL_DONE);
    assert_int_equal(f->call.status, BLOCKDB_EDENIED);
    assert_non_null(strstr(f->call.error.message, "'r' may not read key 'b'"));
    principal_unref(reader);
}

static int run_stats(struct call *call, struct blockdb *db, struct error *err)
{
    struct blockdb_stats stats = BLOCKDB_STATS_INIT;
    int rc = blockdb_stats_get(db, &stats, err);

    return rc < 0 ? rc : error_set(err, BLOCKDB_ELIMIT, "%s", "as agreed");
}

static enum call_state stats_on_pool(struct fixture *f)
{
    return dispatch_run(&f->call, POOL_LONG, run_stats);
}

static void test_work_on_the_pool(void **state)
{
    struct fixture *f = *state;
    bool waited = false;

    assert_int_equal(run(f, stats_on_pool, &waited), BLOCKDB_ELIMIT);
    assert_true(waited);
    assert_string_equal(f->call.error.message, "as agreed");
    assert_true(f->call.queued_ns > 0);
}

static void test_a_stopped_pool_refuses(void **state)
{
    struct fixture *f = *state;
    bool waited = true;

    pool_stop(f->pool);
    assert_int_equal(run(f, stats_on_pool, &waited), BLOCKDB_EWOULDBLOCK);
    assert_false(waited);
}

static bool fail_at(void *context)
{
    unsigned *left = context;

    return (*left)-- == 0;
}

/* Without a database: its threads allocate as well. */
static void test_short_memory(void **state)
{
    struct dispatch *none = NULL;
    unsigned left = 0;

    mem_set_fail_hook(fail_at, &left);
    assert_int_equal(dispatch_new(&(struct dispatch_options){0}, &none), BLOCKDB_ENOMEM);
    mem_set_fail_hook(NULL, NULL);
    assert_null(none);
}

/* A batch that was never committed is freed with its call. */
static void test_a_batch_is_left(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(dispatch_put(&f->call, s("k"), s("v"), &f->call.error), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_write_and_read, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_empty_batch_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rights, setup, teardown),
        cmocka_unit_test_setup_teardown(test_work_on_the_pool, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_stopped_pool_refuses, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_batch_is_left, setup, teardown),
        cmocka_unit_test(test_short_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
