/* SPDX-License-Identifier: Apache-2.0 */
#include "wal_test.h"

#include <string.h>

static void test_empty(void **state)
{
    struct wal_fixture f;
    struct wal_seen seen;

    (void)state;
    wal_fixture_init_real(&f);
    assert_int_equal(wal_fixture_open(&f, &seen), 0);
    assert_int_equal(seen.frames, 0);
    assert_int_equal(f.recovery.end_seq, 0);
    assert_int_equal(wal_fixture_close(&f), 0);
    assert_int_equal(wal_fixture_open(&f, &seen), 0);
    assert_int_equal(seen.frames, 0);
    wal_fixture_deinit(&f);
}

static void test_append_and_recover(void **state)
{
    struct wal_fixture f;
    struct wal_seen seen;
    struct wal_stats stats;
    uint64_t end;

    (void)state;
    wal_fixture_init_real(&f);
    assert_int_equal(wal_fixture_open(&f, NULL), 0);
    wal_fixture_fill(&f, 500, 1000);
    assert_true(wal_synced_position(f.wal) < f.position);
    assert_int_equal(wal_sync(f.wal, f.position, &f.err), 0);
    assert_int_equal(wal_synced_position(f.wal), f.position);
    assert_int_equal(wal_end_position(f.wal), f.position);
    wal_get_stats(f.wal, &stats);
    assert_int_equal(stats.frames, 500);
    assert_int_equal(stats.payload_bytes, 500 * 1000);
    assert_true(stats.segments_created > 7);
    end = f.seq;
    assert_int_equal(wal_fixture_close(&f), 0);

    assert_int_equal(wal_fixture_open(&f, &seen), 0);
    assert_int_equal(seen.frames, 500);
    assert_int_equal(seen.end_seq, end);
    assert_int_equal(f.recovery.end_seq, end);
    assert_true(f.recovery.closed_cleanly);
    assert_int_equal(f.recovery.tail_cut_bytes, 0);
    wal_fixture_deinit(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_append_and_recover),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
