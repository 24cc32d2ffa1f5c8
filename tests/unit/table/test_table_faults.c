/* SPDX-License-Identifier: Apache-2.0 */
/* Tables while memory or the disk fails at every single operation, and under many threads. */
#include "base/mem.h"
#include "os/os_fault.h"
#include "table_test.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

/* after the four that it needs */
#include <cmocka.h>

static struct samples fault_samples(void)
{
    struct sample_options options = {.count = 80, .value_len_max = 60, .long_list = 3000};
    struct rng r = {.state = 11};

    return samples_new(&r, &options);
}

static void prepare(struct env *env, size_t cache_bytes)
{
    env_init(env, cache_bytes);
    env->build.codec = CODEC_LZ4;
    env->build.page_bytes = 512;
    env->build.index_bytes = 300;
}

static int visit_nothing(void *arg, const struct item *item, struct error *err)
{
    (void)arg;
    (void)item;
    (void)err;
    return 0;
}

/* All kinds of reads; the first failure. Answers that come are right. */
static int use_table(struct env *env, struct table *table, const struct samples *s,
                     struct error *err)
{
    struct table_cursor_options bypass = {.bypass_cache = true, .readahead_bytes = 30000};
    AUTO(cursor_free_ptr) struct cursor *c = NULL;
    size_t i = 0;
    int rc = table_cursor_new(table, &bypass, &c, err);

    if (rc == 0) {
        rc = cursor_seek_first(c, err);
    }
    while (rc == 0 && cursor_valid(c)) {
        assert_int_equal(cursor_item(c)->seq, s->at[i++].item.seq);
        rc = cursor_next(c, err);
    }
    for (i = 0; i < s->count && rc == 0; i += 3) {
        AUTO(version_cursor_deinit) struct version_cursor versions = {0};
        struct slice key = s->at[i].item.key;
        struct table_hit hit = {0};
        uint64_t seq = 0;

        epoch_enter(env->epoch);
        rc = table_get(table, key, table_key_hash(key), BLOCKDB_SEQ_NONE, &hit, err);
        assert_true(rc < 0 || (hit.found && hit.seq == s->at[i].item.seq));
        epoch_leave(env->epoch);
        if (rc == 0) {
            rc = table_versions(table, key, s->at[i].item.seq, &versions, err);
        }
        while (rc == 0) {
            rc = version_cursor_next(&versions, &seq, err);
        }
        rc = rc == BLOCKDB_ENOTFOUND ? 0 : rc;
    }
    return rc == 0 ? table_verify(table, visit_nothing, NULL, err) : rc;
}

static int build_and_use(struct env *env, const struct samples *s, struct error *err)
{
    AUTO(table_unref_ptr) struct table *table = NULL;
    int rc = env_build(env, s, err);

    if (rc == 0) {
        rc = env_open(env, &table, err);
    }
    return rc == 0 ? use_table(env, table, s, err) : rc;
}

static bool fail_now(void *context)
{
    int64_t *left = context;

    return (*left)-- == 0;
}

static void every_allocation_may_fail(void **state)
{
    struct samples s = fault_samples();
    struct env env;
    int64_t n;

    (void)state;
    prepare(&env, 1 << 20);
    for (n = 0;; n++) {
        struct error err = {0};
        int64_t left = n;
        int rc;

        env_renew_caches(&env, 1 << 20);
        mem_set_fail_hook(fail_now, &left);
        rc = build_and_use(&env, &s, &err);
        mem_set_fail_hook(NULL, NULL);
        (void)unlink(env.path);
        if (left >= 0) {
            assert_int_equal(rc, 0);
            break;
        }
        if (rc != 0) { /* the epoch does without memory, and so may succeed */
            assert_int_equal(rc, BLOCKDB_ENOMEM);
        }
    }
    assert_true(n > 100);
    samples_free(&s);
    env_deinit(&env);
}

static void every_write_may_fail(void **state)
{
    struct os_fault *fault = os_fault_new(os_real());
    struct samples s = fault_samples();
    struct env env;
    uint64_t n;

    (void)state;
    prepare(&env, 0);
    env.build.os = os_fault_os(fault);
    env.build.writer.write_behind_bytes = 10000;
    for (n = 1;; n++) {
        struct os_fault_plan plan = {
            .classes = OS_FAULT_CHANGES | OS_FAULT_WRITE_BEHIND, .nth = n, .partial = n % 2 == 0};
        struct table *table = NULL;
        struct error err = {0};
        int rc;

        os_fault_arm(fault, &plan);
        rc = env_build(&env, &s, &err);
        if (!os_fault_fired(fault)) {
            assert_int_equal(rc, 0);
            break;
        }
        assert_int_equal(rc, BLOCKDB_EIO);
        assert_non_null(strstr(err.message, env.path));
        rc = env_open(&env, &table, &err);
        if (rc == 0) { /* all bytes were written, the sync failed */
            table_unref(table);
        } else {
            assert_true(rc == BLOCKDB_ENOTFOUND || rc == BLOCKDB_ECORRUPT);
        }
        (void)unlink(env.path);
    }
    assert_true(n > 5);
    samples_free(&s);
    env_deinit(&env);
    os_fault_free(fault);
}

static void every_read_may_fail(void **state)
{
    struct os_fault *fault = os_fault_new(os_real());
    struct samples s = fault_samples();
    struct error err = {0};
    struct env env;
    unsigned direct;

    (void)state;
    prepare(&env, 0);
    assert_int_equal(env_build(&env, &s, &err), 0);
    env.open.os = os_fault_os(fault);
    for (direct = 0; direct < 2; direct++) {
        uint64_t n;

        env.open.direct_io = direct == 1;
        for (n = 1;; n++) {
            struct os_fault_plan plan = {.classes = OS_FAULT_ALL, .nth = n, .partial = n % 2 == 0};
            struct table *table = NULL;
            int rc;

            os_fault_arm(fault, &plan);
            rc = env_open(&env, &table, &err);
            if (rc == 0) {
                rc = use_table(&env, table, &s, &err);
            }
            table_unref(table);
            if (!os_fault_fired(fault)) {
                assert_int_equal(rc, 0);
                break;
            }
            /* A window may read beyond what is needed: a short read of that does no harm. */
            assert_true(rc == BLOCKDB_EIO || (plan.partial && (rc == 0 || rc == BLOCKDB_ECORRUPT)));
        }
        assert_true(n > 50);
    }
    samples_free(&s);
    env_deinit(&env);
    os_fault_free(fault);
}

struct worker {
    struct env *env;
    struct table *table;
    const struct samples *s;
    struct rng rng;
    unsigned wrong;
};

static void work(void *arg)
{
    struct worker *w = arg;
    unsigned i;

    for (i = 0; i < 4000; i++) {
        const struct item *want = &w->s->at[rng_below(&w->rng, w->s->count)].item;
        struct table_hit hit = {0};
        int rc;

        epoch_enter(w->env->epoch);
        rc = table_get(w->table, want->key, table_key_hash(want->key), BLOCKDB_SEQ_NONE, &hit,
                       NULL);
        w->wrong += rc != 0 || !hit.found || hit.seq != want->seq ||
                    (want->value_inline && !slice_equal(hit.value, want->value));
        epoch_leave(w->env->epoch);
        if (i % 200 == 0) {
            AUTO(version_cursor_deinit) struct version_cursor c = {0};
            uint64_t seq = 0;

            w->wrong += table_versions(w->table, want->key, VERSIONS_ALL, &c, NULL) != 0;
            while (version_cursor_next(&c, &seq, NULL) == 0) {
            }
        }
        if (i % 500 == 0) {
            cache_erase_file(w->env->block_cache, ENV_FILE_NUMBER);
        }
    }
    table_unref(w->table);
}

static void threads_read_while_pages_leave(void **state)
{
    struct sample_options options = {.count = 2000, .value_len_max = 100, .long_list = 200};
    struct rng r = rng_start();
    struct samples s = samples_new(&r, &options);
    struct os_thread *threads[4];
    struct worker workers[4];
    struct table *table = NULL;
    struct error err = {0};
    struct env env;
    unsigned i;

    (void)state;
    env_init(&env, 60000); /* a part of the table only */
    env.build.codec = CODEC_SNAPPY;
    assert_int_equal(env_build(&env, &s, &err), 0);
    assert_int_equal(env_open(&env, &table, &err), 0);
    for (i = 0; i < 4; i++) {
        workers[i] = (struct worker){
            .env = &env, .table = table_ref(table), .s = &s, .rng = {rng_next(&r)}};
        assert_int_equal(os_thread_start(os_real(), "get", work, &workers[i], &threads[i], &err),
                         0);
    }
    table_unref(table);
    for (i = 0; i < 4; i++) {
        os_thread_join(os_real(), threads[i]);
        assert_int_equal(workers[i].wrong, 0);
    }
    cache_check(env.block_cache);
    cache_check(env.index_cache);
    env_deinit(&env);
    samples_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(every_write_may_fail),
        cmocka_unit_test(every_read_may_fail),
        cmocka_unit_test(threads_read_while_pages_leave),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
