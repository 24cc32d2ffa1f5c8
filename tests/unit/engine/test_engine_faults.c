/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The n-th file operation fails, once or from then on; the n-th allocation fails; the disk fills
 * up. Each time: a clear error, reads go on, nothing acknowledged is lost, and the database opens
 * again.
 */
#include "base/mem.h"
#include "common/test_env.h"
#include "engine/open.h"
#include "engine_model.h"
#include "os/os_crash.h"
#include "os/os_fault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define NOTICE_TRIES 3000
#define NOTICE_PAUSE_NS 10000000
#define NOTICE_STEP_MS 100

static struct model model;
static uint64_t seed;
static struct blockdb_options *options; /* made before anything fails */

static int open_db(struct os *os, struct blockdb **out, struct error *err)
{
    return db_open(os, "/db", options, BLOCKDB_OPEN_CREATE, out, err);
}

/* Writes, flushes, writes, compacts, closes, until something fails; the code of that. */
static int work(struct os *os, struct error *err)
{
    struct blockdb *db = NULL;
    struct error later;
    int i;
    int rc = open_db(os, &db, err);
    int close_rc;

    if (rc < 0) {
        return rc;
    }
    for (i = 0; rc == BLOCKDB_OK && i < 60; i++) {
        rc = model_write(&model, db, err);
        if (rc == BLOCKDB_OK && i % 20 == 19) {
            rc = blockdb_flush(db, err);
        }
    }
    if (rc == BLOCKDB_OK) {
        rc = blockdb_compact(db, true, NULL, NULL, err);
    }
    close_rc = blockdb_close(db, &later);
    if (rc == BLOCKDB_OK && close_rc < 0) {
        rc = close_rc;
        *err = later;
    }
    return rc;
}

static void check_reopened(struct os *os)
{
    struct blockdb *db = NULL;
    struct error err;

    if (open_db(os, &db, &err) < 0) {
        fail_msg("reopen: %s", err.message);
    }
    (void)model_reconcile(&model, db);
    model_check(&model, db);
    if (blockdb_verify(db, NULL, NULL, &err) < 0) {
        fail_msg("verify: %s", err.message);
    }
    if (model_write(&model, db, &err) < 0) {
        fail_msg("write: %s", err.message);
    }
    if (blockdb_close(db, &err) < 0) {
        fail_msg("close: %s", err.message);
    }
}

static bool fail_nth(uint64_t nth, const struct os_fault_plan *shape)
{
    struct os_crash *disk = os_crash_new(seed + nth);
    struct os_fault *fault = os_fault_new(os_crash_os(disk));
    struct os_fault_plan plan = *shape;
    struct error err;
    bool fired;

    plan.nth = nth;
    model_init(&model, seed + nth);
    os_fault_arm(fault, &plan);
    if (work(os_fault_os(fault), &err) < 0) {
        assert_true(strlen(err.message) > 0);
    }
    fired = os_fault_fired(fault);
    os_fault_arm(fault, NULL);
    check_reopened(os_fault_os(fault));
    os_fault_free(fault);
    os_crash_free(disk);
    return fired;
}

static void fail_all(const struct os_fault_plan *shape)
{
    unsigned step = test_is_long() ? 1 : 23;
    uint64_t nth;

    for (nth = 1 + seed % step; fail_nth(nth, shape); nth += step) {
    }
    printf("the workload has about %llu such operations\n", (unsigned long long)nth);
    assert_true(nth > step); /* at least one was failed */
}

static void test_operation_fails_once(void **state)
{
    (void)state;
    fail_all(&(struct os_fault_plan){.classes = OS_FAULT_ALL});
}

static void test_operation_fails_for_good(void **state)
{
    (void)state;
    fail_all(&(struct os_fault_plan){.classes = OS_FAULT_ALL, .forever = true});
}

static void test_writes_are_torn(void **state)
{
    (void)state;
    fail_all(&(struct os_fault_plan){.classes = OS_FAULT_WRITE, .partial = true});
}

static void test_disk_is_full_for_a_while(void **state)
{
    (void)state;
    fail_all(&(struct os_fault_plan){.classes = OS_FAULT_WRITE | OS_FAULT_PREALLOCATE |
                                                OS_FAULT_OPEN | OS_FAULT_DIR,
                                     .code = BLOCKDB_ENOSPC});
}

/* Room is noticed without a write. The disk is asked at most once a second of its own time. */
static void wait_until_writable(struct os_crash *disk, struct blockdb *db)
{
    struct error err;
    int i;

    for (i = 0; i < NOTICE_TRIES && blockdb_write_check(db, &err) < 0; i++) {
        assert_int_equal(err.code, BLOCKDB_ENOSPC);
        os_crash_advance(disk, NOTICE_STEP_MS);
        os_sleep_ns(os_real(), NOTICE_PAUSE_NS);
    }
    if (i == NOTICE_TRIES) {
        fail_msg("still no room: %s", err.message);
    }
}

/* A full disk: clear errors, reads go on, and writing resumes without a restart. */
static void test_full_disk_and_room_again(void **state)
{
    struct os_crash *disk = os_crash_new(seed);
    struct blockdb *db = NULL;
    struct error err;
    int round;
    int i;

    (void)state;
    model_init(&model, seed);
    assert_int_equal(open_db(os_crash_os(disk), &db, &err), BLOCKDB_OK);
    for (round = 0; round < 3; round++) {
        uint64_t used = os_crash_used_bytes(disk);
        int rc = BLOCKDB_OK;

        os_crash_set_capacity(disk, used + 300000);
        for (i = 0; rc == BLOCKDB_OK && i < 20000 && model.count < MODEL_VERSIONS_MAX - 100; i++) {
            rc = model_write(&model, db, &err);
        }
        if (rc == BLOCKDB_OK) {
            break; /* enough was preallocated */
        }
        assert_int_equal(rc, BLOCKDB_ENOSPC);
        model.pending_count = 0;
        model_check(&model, db);
        assert_int_equal(blockdb_write_check(db, &err), BLOCKDB_ENOSPC);
        os_crash_set_capacity(disk, UINT64_MAX);
        wait_until_writable(disk, db);
        for (i = 0; i < NOTICE_TRIES && model_write(&model, db, &err) < 0; i++) {
            /* In real time: threads that wait for room look again every tenth of a second. */
            os_sleep_ns(os_real(), NOTICE_PAUSE_NS);
            assert_int_equal(err.code, BLOCKDB_ENOSPC);
        }
        if (i == NOTICE_TRIES) {
            fail_msg("still no room: %s", err.message);
        }
        model_check(&model, db);
    }
    if (blockdb_verify(db, NULL, NULL, &err) < 0) {
        fail_msg("verify: %s", err.message);
    }
    assert_int_equal(blockdb_close(db, &err), BLOCKDB_OK);
    check_reopened(os_crash_os(disk));
    os_crash_free(disk);
}

static _Atomic int64_t allocations_left;

static bool fail_allocation(void *context)
{
    (void)context;
    return atomic_fetch_sub(&allocations_left, 1) == 1;
}

/* The n-th allocation of any thread fails, once. */
static void test_allocation_fails(void **state)
{
    unsigned step = test_is_long() ? 1 : 101;
    uint64_t nth;
    bool fired = true;

    (void)state;
    for (nth = 1 + seed % step; fired; nth += step) {
        struct os_crash *disk = os_crash_new(seed + nth);
        struct error err;

        model_init(&model, seed + nth);
        atomic_store(&allocations_left, (int64_t)nth);
        mem_set_fail_hook(fail_allocation, NULL);
        if (work(os_crash_os(disk), &err) < 0) {
            assert_true(strlen(err.message) > 0);
        }
        mem_set_fail_hook(NULL, NULL);
        fired = atomic_load(&allocations_left) <= 0;
        check_reopened(os_crash_os(disk));
        os_crash_free(disk);
    }
    printf("the workload has about %llu allocations\n", (unsigned long long)nth);
    assert_true(nth > step);
}

/* How many syncs opening, doing this and closing take. */
static uint64_t syncs_of(struct os_crash *disk, int (*act)(struct blockdb *db, struct error *err))
{
    struct os_fault *fault = os_fault_new(os_crash_os(disk));
    const struct os_fault_plan count_only = {.classes = OS_FAULT_SYNC | OS_FAULT_SYNC_DIR,
                                             .nth = UINT64_MAX};
    struct blockdb *db = NULL;
    struct error err;
    uint64_t syncs;

    os_fault_arm(fault, &count_only);
    assert_int_equal(open_db(os_fault_os(fault), &db, &err), BLOCKDB_OK);
    assert_int_equal(act(db, &err), BLOCKDB_OK);
    assert_int_equal(blockdb_close(db, &err), BLOCKDB_OK);
    syncs = os_fault_seen(fault);
    os_fault_free(fault);
    return syncs;
}

static int put_one(struct blockdb *db, struct error *err)
{
    static const char value[1000];

    return blockdb_put(db, "key", 3, value, sizeof(value), NULL, NULL, err);
}

static int only_read(struct blockdb *db, struct error *err)
{
    struct blockdb_value value = {0};
    int rc = blockdb_get(db, "key", 3, NULL, &value, err);

    blockdb_value_deinit(&value);
    return rc;
}

/* A command line opens the database for each put. Six syncs: the manifest forgets that the log ends
 * where it did, the group, its block and the hashes of it, the end of the log, the manifest. */
static void test_syncs_of_short_lives(void **state)
{
    struct os_crash *disk = os_crash_new(seed);
    int i;

    (void)state;
    (void)syncs_of(disk, put_one);
    for (i = 0; i < 45; i++) { /* until the segment of 64 KiB is nearly full */
        assert_int_equal(syncs_of(disk, put_one), 6);
        assert_int_equal(syncs_of(disk, only_read), 0);
    }
    os_crash_free(disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_operation_fails_once),
        cmocka_unit_test(test_operation_fails_for_good),
        cmocka_unit_test(test_writes_are_torn),
        cmocka_unit_test(test_disk_is_full_for_a_while),
        cmocka_unit_test(test_full_disk_and_room_again),
        cmocka_unit_test(test_allocation_fails),
        cmocka_unit_test(test_syncs_of_short_lives),
    };

    int failures;

    seed = test_seed();
    options = model_options("size_tiered", "group");
    failures = cmocka_run_group_tests(tests, NULL, NULL);
    blockdb_options_free(options);
    return failures;
}
