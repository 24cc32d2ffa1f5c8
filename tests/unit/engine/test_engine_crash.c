/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Power cuts at any operation of a mixed workload, and again during recovery: what was acknowledged
 * is there, what was not is there whole or not at all, and everything can be verified.
 */
#include "common/test_env.h"
#include "engine/open.h"
#include "engine_model.h"
#include "os/os_crash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define WORKLOAD_BATCHES 60

static struct model model;
static uint64_t seed;

static int open_db(struct os_crash *disk, struct blockdb **out, struct error *err)
{
    struct blockdb_options *options = model_options("size_tiered", "group");
    int rc;

    (void)blockdb_options_set(options, "blockchain_batch_size", "10", err);
    rc = db_open(os_crash_os(disk), "/db", options, BLOCKDB_OPEN_CREATE, out, err);
    blockdb_options_free(options);
    return rc;
}

/* Opens, writes, flushes, compacts, closes, opens again ... until something fails. */
static void work(struct os_crash *disk)
{
    struct blockdb *db = NULL;
    struct error err;
    int round;
    int i;
    int rc;

    for (round = 0; round < 3; round++) {
        rc = open_db(disk, &db, &err);
        if (rc < 0) {
            return;
        }
        for (i = 0; rc == BLOCKDB_OK && i < WORKLOAD_BATCHES; i++) {
            rc = model_write(&model, db, &err);
            if (rc == BLOCKDB_OK && i % 20 == 19) {
                rc = blockdb_flush(db, &err);
            }
        }
        if (rc == BLOCKDB_OK && round == 1) {
            rc = blockdb_compact(db, true, NULL, NULL, &err);
        }
        if (blockdb_close(db, &err) < 0 || rc < 0) {
            return;
        }
    }
}

/* Lives of a write or two, as those of a command line: they share a WAL segment. */
static void work_shortly(struct os_crash *disk)
{
    struct blockdb *db = NULL;
    struct error err;
    int rc = BLOCKDB_OK;
    int round;

    for (round = 0; rc == BLOCKDB_OK && round < 12; round++) {
        rc = open_db(disk, &db, &err);
        if (rc < 0) {
            return;
        }
        if (round % 4 != 3) { /* else it only reads */
            rc = model_write(&model, db, &err);
        }
        if (rc == BLOCKDB_OK && round % 5 == 4) {
            rc = model_write(&model, db, &err);
        }
        if (blockdb_close(db, &err) < 0) {
            return;
        }
    }
}

/* Opens after a cut; recovery itself is cut a few times before it may finish. */
static struct blockdb *reopen(struct os_crash *disk)
{
    struct blockdb *db = NULL;
    struct error err;
    uint32_t cuts = model_random(&model, 3);

    while (cuts-- > 0) {
        os_crash_arm(disk, 1 + model_random(&model, 30));
        if (open_db(disk, &db, &err) == BLOCKDB_OK) {
            (void)blockdb_close(db, &err);
            db = NULL;
        }
        assert_int_equal(os_crash_restart(disk, seed + model_random(&model, 1 << 30)), BLOCKDB_OK);
    }
    if (open_db(disk, &db, &err) < 0) {
        fail_msg("reopen: %s", err.message);
    }
    return db;
}

static void check_all(struct blockdb *db)
{
    struct error err;

    (void)model_reconcile(&model, db);
    model_check(&model, db);
    if (blockdb_verify(db, NULL, NULL, &err) < 0) {
        fail_msg("verify: %s", err.message);
    }
}

/* One life: a cut at operation nth, recovery, more work, a clean close, one more look. False when
 * the workload ended before the cut. */
static bool cut_at(void (*live)(struct os_crash *disk), uint64_t nth, uint64_t life_seed)
{
    struct os_crash *disk = os_crash_new(life_seed);
    struct blockdb *db;
    struct error err;
    bool was_cut;
    int i;

    model_init(&model, life_seed);
    os_crash_arm(disk, nth);
    live(disk);
    was_cut = os_crash_is_off(disk);
    assert_int_equal(os_crash_restart(disk, life_seed * 31 + nth), BLOCKDB_OK);
    db = reopen(disk);
    check_all(db);
    for (i = 0; i < 10; i++) {
        if (model_write(&model, db, &err) < 0) {
            fail_msg("write after recovery: %s", err.message);
        }
    }
    if (blockdb_close(db, &err) < 0) {
        fail_msg("close: %s", err.message);
    }
    if (open_db(disk, &db, &err) < 0) {
        fail_msg("open: %s", err.message);
    }
    check_all(db);
    if (blockdb_close(db, &err) < 0) {
        fail_msg("close: %s", err.message);
    }
    os_crash_free(disk);
    return was_cut;
}

static void test_cut_at_operation(void **state)
{
    unsigned step = test_is_long() ? 1 : 17;
    uint64_t nth;

    (void)state;
    for (nth = 1 + seed % step; cut_at(work, nth, seed + nth); nth += step) {
    }
    printf("the workload has about %llu operations\n", (unsigned long long)nth);
}

static void test_cut_in_short_lives(void **state)
{
    unsigned step = test_is_long() ? 1 : 3;
    uint64_t nth;

    (void)state;
    for (nth = 1 + seed % step; cut_at(work_shortly, nth, seed + nth); nth += step) {
    }
    printf("short lives have about %llu operations\n", (unsigned long long)nth);
    assert_true(nth > 100);
}

/* A process that dies loses nothing in any mode: the system has what was acknowledged. */
static void test_kill(void **state)
{
    unsigned round;

    (void)state;
    for (round = 0; round < test_rounds(10, 500); round++) {
        struct os_crash *disk = os_crash_new(seed + round);
        struct os_crash *copy = NULL;
        struct blockdb *db = NULL;
        struct error err;
        int i;

        model_init(&model, seed + round);
        assert_int_equal(open_db(disk, &db, &err), BLOCKDB_OK);
        for (i = 0; i < 80; i++) {
            assert_int_equal(model_write(&model, db, &err), BLOCKDB_OK);
            if (i == (int)model_random(&model, 80)) {
                assert_int_equal(blockdb_flush(db, &err), BLOCKDB_OK);
            }
        }
        assert_int_equal(os_crash_copy(disk, &copy), BLOCKDB_OK);
        assert_int_equal(blockdb_close(db, &err), BLOCKDB_OK);
        os_crash_free(disk);
        db = reopen(copy);
        check_all(db);
        assert_int_equal(blockdb_close(db, &err), BLOCKDB_OK);
        os_crash_free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut_at_operation),
        cmocka_unit_test(test_cut_in_short_lives),
        cmocka_unit_test(test_kill),
    };

    seed = test_seed();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
