/* SPDX-License-Identifier: Apache-2.0 */
/* Ledger segments when memory, disk or room fail: nothing is lost, nothing leaks, and what may be
 * repeated can be. */
#include "common/test_env.h"
#include "segment_fixture.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* Fails each allocation of a history once; the failed step is repeated and must then succeed. */
static void test_allocations(void **state)
{
    uint64_t nth;
    bool failed = true;

    (void)state;
    for (nth = 1; failed; nth++) {
        struct fixture f;
        struct error err = {0};
        unsigned i;
        int rc;

        fixture_init(&f, 31);
        f.options.direct_io = nth % 2 == 0;
        fixture_fail_alloc(nth / 2 + 1);
        rc = fixture_open(&f, &err);
        if (rc < 0) {
            assert_int_equal(rc, BLOCKDB_ENOMEM);
            assert_int_equal(fixture_open(&f, &err), BLOCKDB_OK);
        }
        for (i = 0; i < 6; i++) {
            struct segment_record record = {0};

            rc = fixture_append(&f, 120, &err);
            if (rc < 0) {
                assert_int_equal(rc, BLOCKDB_ENOMEM);
                rc = fixture_append(&f, 120, &err);
                if (rc < 0) {
                    /* Only a sync, which the disk in memory needs memory for, is final. */
                    assert_int_equal(rc, BLOCKDB_EREADONLY);
                    assert_non_null(strstr(err.message, "out of memory"));
                    fixture_reopen(&f, 0);
                    fixture_append_ok(&f, 120);
                }
            }
            rc = segments_read(f.segments, f.next_seq - 50, &record, &err);
            assert_true(rc == BLOCKDB_OK || rc == BLOCKDB_ENOMEM);
            segment_record_release(&record);
        }
        failed = fixture_alloc_failed();
        fixture_fail_alloc(0);
        fixture_expect_all(&f);
        fixture_deinit(&f);
    }
    assert_true(nth > 20);
}

/* Fails each allocation of opening, scanning, looking up and checking. */
static void test_read_allocations(void **state)
{
    struct segment_info info;
    struct fixture f;
    struct error err = {0};
    uint64_t nth;
    bool failed = true;

    (void)state;
    fixture_init(&f, 32);
    assert_int_equal(fixture_open(&f, &err), BLOCKDB_OK);
    while (f.known_count < 3) {
        fixture_append_ok(&f, 100);
    }
    fixture_append_ok(&f, 100);
    for (nth = 1; failed; nth++) {
        struct segment_scan *scan = NULL;
        struct segment_scan_entry entry;
        struct segment_block_info block;
        unsigned i;
        int rc;

        fixture_close(&f);
        f.options.direct_io = nth % 2 == 0;
        fixture_fail_alloc(nth / 2 + 1);
        rc = fixture_open(&f, &err);
        if (rc == BLOCKDB_OK) {
            rc = segments_find_height(f.segments, 1, &block, &err);
        }
        if (rc == BLOCKDB_OK) {
            rc = segments_scan(f.segments, 0, UINT64_MAX, &scan, &err);
        }
        while (rc == BLOCKDB_OK) {
            rc = segment_scan_next(scan, &entry, &err);
        }
        segment_scan_free(scan);
        for (i = 0; rc == BLOCKDB_ENOTFOUND && segments_info(f.segments, i, &info); i++) {
            int check = fixture_check(&f, info.number, &err);

            rc = check < 0 ? check : rc;
        }
        failed = fixture_alloc_failed();
        fixture_fail_alloc(0);
        assert_int_equal(rc, failed ? BLOCKDB_ENOMEM : BLOCKDB_ENOTFOUND);
    }
    fixture_expect_all(&f);
    fixture_deinit(&f);
}

/* One history with the plan armed: all that the segments said is there afterwards. */
static void run_faults(const struct os_fault_plan *plan, bool direct, bool *out_fired)
{
    struct fixture f;
    struct error err = {0};
    bool failed_sync = false;
    unsigned i;
    int rc = BLOCKDB_OK;

    fixture_init(&f, 33);
    f.options.direct_io = direct;
    assert_int_equal(fixture_open(&f, &err), BLOCKDB_OK);
    os_fault_arm(f.fault, plan);
    for (i = 0; rc == BLOCKDB_OK && i < 8; i++) {
        rc = fixture_append(&f, 100, &err);
        if (rc == BLOCKDB_OK && i % 3 == 0) {
            rc = segments_sync(f.segments, &err);
            failed_sync = rc < 0;
        }
    }
    *out_fired = os_fault_fired(f.fault);
    os_fault_arm(f.fault, NULL);
    assert_int_equal(*out_fired, rc < 0);
    if (rc < 0) {
        assert_non_null(strstr(err.message, "injected"));
        rc = fixture_append(&f, 100, &err);
        if (plan->code == BLOCKDB_ENOSPC && !failed_sync) {
            /* Room came back: the block may be repeated, unless what failed was a sync. */
            assert_true(rc == BLOCKDB_OK || rc == BLOCKDB_EREADONLY);
        } else {
            assert_int_equal(rc, BLOCKDB_EREADONLY);
            assert_int_equal(segments_sync(f.segments, &err), BLOCKDB_EREADONLY);
        }
    }
    /* Everything appended stays readable, now and by the next process. */
    for (i = 0; i < f.next_seq; i += test_rounds(37, 1)) {
        fixture_expect(&f, i);
    }
    fixture_close(&f);
    if (fixture_open(&f, &err) < 0) {
        fail_msg("cannot reopen after fault %" PRIu64 ": %s", plan->nth, err.message);
    }
    assert_true(segments_end_seq(f.segments) >= f.next_seq);
    f.next_height = segments_end_height(f.segments);
    f.next_seq = segments_end_seq(f.segments);
    fixture_append_ok(&f, 100);
    fixture_expect_all(&f);
    fixture_deinit(&f);
}

static void test_io_failures(void **state)
{
    const int codes[] = {BLOCKDB_EIO, BLOCKDB_ENOSPC};
    unsigned how;

    (void)state;
    for (how = 0; how < 16; how++) {
        struct os_fault_plan plan = {
            .classes = OS_FAULT_CHANGES,
            .partial = (how & 1) != 0,
            .forever = (how & 2) != 0,
            .code = codes[how >> 3],
        };
        bool fired = true;

        for (plan.nth = 1; fired; plan.nth++) {
            run_faults(&plan, (how & 4) != 0, &fired);
        }
        assert_true(plan.nth > 10);
    }
}

/* Every operation of opening and reading fails once: an error, or nothing needed it. */
static void test_read_failures(void **state)
{
    struct segment_info info;
    struct fixture f;
    struct error err = {0};
    struct os_fault_plan plan = {.classes = OS_FAULT_ALL};
    bool fired = true;

    (void)state;
    fixture_init(&f, 34);
    assert_int_equal(fixture_open(&f, &err), BLOCKDB_OK);
    while (f.known_count < 3) {
        fixture_append_ok(&f, 100);
    }
    fixture_append_ok(&f, 100);
    f.options.cache = NULL;
    for (plan.nth = 1; fired; plan.nth++) {
        struct segment_record record = {0};
        uint64_t seq;
        unsigned i;
        int rc;

        plan.partial = plan.nth % 2 == 0;
        fixture_close(&f);
        os_fault_arm(f.fault, &plan);
        rc = fixture_open(&f, &err);
        for (seq = 0; rc == BLOCKDB_OK && seq < f.next_seq; seq += test_rounds(61, 1)) {
            rc = segments_read(f.segments, seq, &record, &err);
            segment_record_release(&record);
        }
        for (i = 0; rc == BLOCKDB_OK && segments_info(f.segments, i, &info); i++) {
            rc = fixture_check(&f, info.number, &err);
        }
        fired = os_fault_fired(f.fault);
        os_fault_arm(f.fault, NULL);
        assert_int_equal(fired, rc < 0);
        assert_true(!fired || strstr(err.message, FIXTURE_DIR) != NULL);
    }
    assert_true(plan.nth > 20);
    fixture_expect_all(&f);
    fixture_deinit(&f);
}

/* A disk that is really full: the ledger waits for room and goes on. */
static void test_disk_full(void **state)
{
    struct fixture f;
    struct error err = {0};
    unsigned refused = 0;
    unsigned i;

    (void)state;
    fixture_init(&f, 35);
    assert_int_equal(fixture_open(&f, &err), BLOCKDB_OK);
    for (i = 0; i < 60; i++) {
        uint64_t used = os_crash_used_bytes(f.crash);
        int rc;

        os_crash_set_capacity(f.crash, used + (uint64_t)i * 500);
        rc = fixture_append(&f, 60, &err);
        os_crash_set_capacity(f.crash, UINT64_MAX);
        if (rc < 0) {
            refused++;
            assert_int_equal(rc, BLOCKDB_ENOSPC);
            fixture_append_ok(&f, 60);
        }
    }
    assert_true(refused > 5);
    assert_true(f.known_count > 3);
    fixture_expect_all(&f);
    fixture_reopen(&f, f.next_seq);
    assert_false(f.recovery.cut);
    fixture_expect_all(&f);
    fixture_deinit(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_allocations), cmocka_unit_test(test_read_allocations),
        cmocka_unit_test(test_io_failures), cmocka_unit_test(test_read_failures),
        cmocka_unit_test(test_disk_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
