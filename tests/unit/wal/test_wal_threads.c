/* SPDX-License-Identifier: Apache-2.0 */
/* One thread appends, others sync, retire and ask, and the helper prepares segments. */
#include "wal_test.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#define FRAMES 1500

struct shared {
    struct wal_fixture f;
    _Atomic uint64_t seq; /* behind the last frame appended */
    _Atomic uint64_t synced_seq;
    _Atomic uint64_t retired_seq;
    _Atomic bool done;
};

static void *sync_loop(void *arg)
{
    struct shared *s = arg;
    bool done = false;

    while (!done) {
        uint64_t seq;
        uint64_t position;

        done = atomic_load(&s->done);
        seq = atomic_load(&s->seq); /* before the position, so that it covers the seq */
        position = wal_end_position(s->f.wal);
        assert_int_equal(wal_sync(s->f.wal, position, NULL), 0);
        assert_true(wal_synced_position(s->f.wal) >= position);
        if (atomic_load(&s->synced_seq) < seq) {
            atomic_store(&s->synced_seq, seq);
        }
    }
    return NULL;
}

static void *retire_loop(void *arg)
{
    struct shared *s = arg;
    struct wal_stats stats;

    while (!atomic_load(&s->done)) {
        uint64_t seq = atomic_load(&s->synced_seq);

        seq = seq > 200 ? seq - 200 : 0;
        if (seq > atomic_load(&s->retired_seq)) {
            atomic_store(&s->retired_seq, seq);
            assert_int_equal(wal_retire(s->f.wal, seq, NULL), 0);
            wal_get_stats(s->f.wal, &stats);
            assert_true(stats.live_bytes > 0);
        }
        sched_yield();
    }
    return NULL;
}

static void run(bool prewrite, bool helper)
{
    struct shared *s = calloc(1, sizeof(*s));
    pthread_t threads[3];
    struct wal_seen seen;
    struct wal_stats stats;
    size_t i;

    assert_non_null(s);
    wal_fixture_init_real(&s->f);
    s->f.options.prewrite = prewrite;
    s->f.options.helper_thread = helper;
    s->f.options.keep_bytes = 2 * WAL_SEGMENT_BYTES_MIN;
    assert_int_equal(wal_fixture_open(&s->f, NULL), 0);
    assert_int_equal(pthread_create(&threads[0], NULL, sync_loop, s), 0);
    assert_int_equal(pthread_create(&threads[1], NULL, sync_loop, s), 0);
    assert_int_equal(pthread_create(&threads[2], NULL, retire_loop, s), 0);
    for (i = 0; i < FRAMES; i++) {
        assert_int_equal(wal_fixture_append(&s->f, 1, i % 97 == 0 ? 90000 : 100 + i % 900), 0);
        atomic_store(&s->seq, s->f.seq);
    }
    atomic_store(&s->done, true);
    for (i = 0; i < 3; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_int_equal(wal_synced_position(s->f.wal), s->f.position);
    wal_get_stats(s->f.wal, &stats);
    assert_int_equal(stats.frames, FRAMES);
    assert_true(stats.segments_retired > 0);
    assert_int_equal(wal_fixture_close(&s->f), 0);
    assert_true(test_count_files(&s->f, ".wal.old") <= 3);
    s->f.options.from_seq = atomic_load(&s->retired_seq);
    assert_int_equal(wal_fixture_open(&s->f, &seen), 0);
    assert_int_equal(seen.end_seq, FRAMES);
    assert_true(seen.first_seq <= s->f.options.from_seq);
    wal_fixture_deinit(&s->f);
    free(s);
}

static void test_all_at_once(void **state)
{
    (void)state;
    run(true, true);
    run(false, true);
    run(true, false);
}

/* Opening and closing at once: the helper stops whatever it is doing. */
static void test_quick_close(void **state)
{
    struct wal_fixture f;
    size_t i;

    (void)state;
    wal_fixture_init_real(&f);
    f.options.prewrite = true;
    f.options.helper_thread = true;
    f.options.segment_bytes = 8 << 20;
    for (i = 0; i < 20; i++) {
        assert_int_equal(wal_fixture_open(&f, NULL), 0);
        if (i % 2 == 0) {
            wal_fixture_fill(&f, 1 + i, 20000);
        }
        assert_int_equal(wal_fixture_close(&f), 0);
        assert_int_equal(test_count_files(&f, ".tmp"), 0);
    }
    wal_fixture_deinit(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_at_once),
        cmocka_unit_test(test_quick_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
