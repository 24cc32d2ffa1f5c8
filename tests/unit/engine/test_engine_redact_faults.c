/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Redaction meets power cuts, failing operations and lack of memory: what was ordered is hidden and
 * gets erased by the next opening, what was not is as it was, and everything can be verified. And
 * it meets others at work.
 */
#include "base/mem.h"
#include "common/test_env.h"
#include "engine/open.h"
#include "os/os_fault.h"
#include "redact_test.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define ROUNDS_MAX 5000
#define NEIGHBOURS 30

static uint64_t seed;
static struct secret secret;
static struct os_crash *image;           /* a closed database with the secret in it */
static struct blockdb_options *settings; /* made before anything fails */

static const struct fixture_option list[] = {
    {"block_interval", "1h"},        {"wal_keep_size", "1GiB"},
    {"memtable_size_limit", "1MiB"}, {"block_cache_size", "256KiB"},
    {"index_cache_size", "0"},       {"max_compaction_threads", "1"},
    {"wal_sync_mode", "group"},      {NULL, NULL}};

static void put_neighbours(struct blockdb *db, unsigned from)
{
    unsigned i;

    for (i = from; i < from + NEIGHBOURS; i++) {
        char key[32];

        (void)snprintf(key, sizeof(key), "key%06u", i);
        fixture_put(db, key, key, strlen(key));
    }
}

static void check_neighbours(struct blockdb *db)
{
    struct blockdb_value value = {0};
    struct error err;
    unsigned i;

    for (i = 0; i < 2 * NEIGHBOURS; i++) {
        char key[32];

        (void)snprintf(key, sizeof(key), "key%06u", i);
        fixture_must(blockdb_get(db, key, strlen(key), NULL, &value, &err), &err);
        assert_int_equal(value.len, strlen(key));
        assert_memory_equal(value.data, key, value.len);
    }
    blockdb_value_deinit(&value);
}

static int set_up(void **state)
{
    struct blockdb *db;
    struct error err;

    (void)state;
    settings = fixture_options(list);
    image = os_crash_new(seed);
    db = fixture_open(os_crash_os(image), "/db", list, BLOCKDB_OPEN_CREATE);
    put_neighbours(db, 0);
    secret_put(&secret, db, 60, seed);
    fixture_must(blockdb_flush(db, &err), &err);
    put_neighbours(db, NEIGHBOURS);
    fixture_close(db);
    assert_true(secret_find(&secret, image, "/db", false) > 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    blockdb_options_free(settings);
    os_crash_free(image);
    return 0;
}

/* Opens, redacts, closes; the first error. *out_ordered: the entry was acknowledged, or the target
 * was hidden already. */
static int redact_once(struct os *os, bool *out_ordered, struct error *err)
{
    struct blockdb *db = NULL;
    struct error later;
    int rc = db_open(os, "/db", settings, 0, &db, err);
    int close_rc;

    if (rc < 0) {
        return rc;
    }
    rc = secret_redact(&secret, db, err);
    *out_ordered = rc == BLOCKDB_OK || redact_is_pending(db, secret.seq, NULL);
    close_rc = blockdb_close(db, &later);
    if (rc == BLOCKDB_OK && close_rc < 0) {
        *err = later;
        rc = close_rc;
    }
    return rc;
}

/* After whatever happened: opens, and all is well. */
static void check_afterwards(struct os_crash *disk, bool ordered)
{
    struct blockdb_value value = {0};
    struct blockdb *db = fixture_open(os_crash_os(disk), "/db", list, 0);
    struct error err;
    int rc = blockdb_get(db, SECRET_KEY, strlen(SECRET_KEY), NULL, &value, &err);

    if (rc == BLOCKDB_OK) {
        assert_false(ordered);
        assert_int_equal(value.len, secret.len);
        assert_memory_equal(value.data, secret.value, value.len);
        assert_true(secret_verify(db) == 0);
        fixture_must(secret_redact(&secret, db, &err), &err);
    }
    blockdb_value_deinit(&value);
    secret_check_hidden(&secret, db);
    assert_true(secret_verify(db) == 1);
    check_neighbours(db);
    assert_int_equal(secret_find(&secret, disk, "/db", true), 0);
    fixture_close(db);
    assert_int_equal(secret_find(&secret, disk, "/db", true), 0);
}

static struct os_crash *copy_image(void)
{
    struct os_crash *disk = NULL;

    assert_int_equal(os_crash_copy(image, &disk), BLOCKDB_OK);
    return disk;
}

/* ---- Power cuts ------------------------------------------------------------------------------ */

static bool cut_at(uint64_t nth)
{
    struct os_crash *disk = copy_image();
    struct error err;
    bool ordered = false;
    bool was_cut;
    int rc;

    os_crash_arm(disk, nth);
    rc = redact_once(os_crash_os(disk), &ordered, &err);
    was_cut = os_crash_is_off(disk);
    assert_int_equal(os_crash_restart(disk, seed + nth), BLOCKDB_OK);
    if (nth % 3 == 0) {
        /* Once more while it is finished. */
        bool ignored = false;

        os_crash_arm(disk, 1 + (seed + nth) % 40);
        (void)redact_once(os_crash_os(disk), &ignored, &err);
        assert_int_equal(os_crash_restart(disk, seed * 3 + nth), BLOCKDB_OK);
    }
    check_afterwards(disk, rc == BLOCKDB_OK);
    os_crash_free(disk);
    return was_cut;
}

static void test_power_cuts(void **state)
{
    unsigned step = test_is_long() ? 1 : 5;
    uint64_t nth;

    (void)state;
    for (nth = 1 + seed % step; nth < ROUNDS_MAX && cut_at(nth); nth += step) {
    }
    printf("a redaction has about %u operations that change the disk\n", (unsigned)nth);
    assert_true(nth > 20 && nth < ROUNDS_MAX);
}

/* ---- Failing operations ---------------------------------------------------------------------- */

static bool fail_at(uint64_t nth, const struct os_fault_plan *shape)
{
    struct os_crash *disk = copy_image();
    struct os_fault *fault = os_fault_new(os_crash_os(disk));
    struct os_fault_plan plan = *shape;
    struct error err = {0};
    bool ordered = false;
    bool fired;

    assert_non_null(fault);
    plan.nth = nth;
    os_fault_arm(fault, &plan);
    if (redact_once(os_fault_os(fault), &ordered, &err) < 0) {
        assert_true(strlen(err.message) > 0);
    }
    fired = os_fault_fired(fault);
    os_fault_free(fault);
    check_afterwards(disk, false);
    os_crash_free(disk);
    return fired;
}

static void fail_all(const struct os_fault_plan *shape)
{
    unsigned step = test_is_long() ? 1 : 11;
    uint64_t nth;

    for (nth = 1 + seed % step; nth < ROUNDS_MAX && fail_at(nth, shape); nth += step) {
    }
    assert_true(nth > step && nth < ROUNDS_MAX);
}

static void test_operation_fails_once(void **state)
{
    (void)state;
    fail_all(&(struct os_fault_plan){.classes = OS_FAULT_ALL});
}

static void test_operation_fails_for_good(void **state)
{
    (void)state;
    fail_all(&(struct os_fault_plan){.classes = OS_FAULT_CHANGES, .forever = true});
}

static void test_disk_full(void **state)
{
    (void)state;
    fail_all(&(struct os_fault_plan){
        .classes = OS_FAULT_WRITE | OS_FAULT_PREALLOCATE | OS_FAULT_OPEN, .code = BLOCKDB_ENOSPC});
}

/* ---- Lack of memory -------------------------------------------------------------------------- */

static _Atomic uint64_t allocations_left;
static atomic_bool hook_on;

static bool fail_allocation(void *context)
{
    (void)context;
    if (!atomic_load(&hook_on)) {
        return false;
    }
    return atomic_fetch_sub(&allocations_left, 1) == 1;
}

static bool starve_at(uint64_t nth)
{
    struct os_crash *disk = copy_image();
    struct blockdb *db = fixture_open(os_crash_os(disk), "/db", list, 0);
    struct error err = {0};
    bool fired;
    int rc;

    atomic_store(&allocations_left, nth);
    atomic_store(&hook_on, true);
    rc = secret_redact(&secret, db, &err);
    atomic_store(&hook_on, false);
    fired = atomic_load(&allocations_left) - 1 >= nth; /* it went below zero */
    if (rc == BLOCKDB_ENOMEM) {
        rc = secret_redact(&secret, db, &err);
    }
    /* The disk in memory needs memory as well: to the engine that may be a failed sync, which only
     * opening again mends. */
    if (rc == BLOCKDB_OK) {
        secret_check_hidden(&secret, db);
        fixture_close(db);
    } else {
        assert_true(strlen(err.message) > 0);
        IGNORE_RESULT(blockdb_close(db, &err)); /* it tells of the same failure */
    }
    check_afterwards(disk, rc == BLOCKDB_OK);
    os_crash_free(disk);
    return fired;
}

static void test_allocation_fails(void **state)
{
    unsigned step = test_is_long() ? 1 : 11;
    uint64_t nth;

    (void)state;
    mem_set_fail_hook(fail_allocation, NULL);
    for (nth = 1 + seed % step; nth < ROUNDS_MAX && starve_at(nth); nth += step) {
    }
    mem_set_fail_hook(NULL, NULL);
    assert_true(nth > step && nth < ROUNDS_MAX);
}

/* ---- Others at work -------------------------------------------------------------------------- */

struct company {
    struct blockdb *db;
    atomic_bool stop;
    atomic_bool redacted;
};

static void read_all_the_time(void *arg)
{
    struct company *c = arg;
    struct blockdb_value value = {0};

    while (!atomic_load(&c->stop)) {
        struct blockdb_iter *iter = NULL;
        struct error err;
        bool is_redacted = atomic_load(&c->redacted);
        int rc = blockdb_get(c->db, SECRET_KEY, strlen(SECRET_KEY), NULL, &value, &err);

        if (rc != BLOCKDB_EREDACTED) {
            fixture_must(rc, &err);
            if (is_redacted) {
                fixture_fail("a redacted value was read");
            }
        }
        fixture_must(blockdb_iter_new(c->db, NULL, &iter, &err), &err);
        while ((rc = blockdb_iter_next(iter, &err)) == BLOCKDB_OK) {
        }
        blockdb_iter_free(iter);
        if (rc != BLOCKDB_ENOTFOUND) {
            fixture_must(rc, &err);
        }
    }
    blockdb_value_deinit(&value);
}

static void write_all_the_time(void *arg)
{
    struct company *c = arg;
    static uint8_t bytes[2000];
    unsigned i;

    for (i = 0; !atomic_load(&c->stop); i++) {
        char key[32];

        (void)snprintf(key, sizeof(key), "key%06u", i % NEIGHBOURS);
        fixture_put(c->db, key, bytes, sizeof(bytes));
    }
}

static void verify_all_the_time(void *arg)
{
    struct company *c = arg;

    while (!atomic_load(&c->stop)) {
        (void)fixture_verify(c->db);
    }
}

static void test_with_others(void **state)
{
    static const os_thread_fn others[] = {read_all_the_time, read_all_the_time, write_all_the_time,
                                          verify_all_the_time};
    static struct secret earlier[6];
    struct os_crash *disk = copy_image();
    struct company company = {0};
    struct os_thread *threads[4];
    struct error err;
    unsigned i;

    (void)state;
    company.db = fixture_open(os_crash_os(disk), "/db", list, 0);
    for (i = 0; i < 6; i++) {
        secret_put(&secret, company.db, 100 + 500 * i, seed + 1000 + i);
        earlier[i] = secret;
    }
    for (i = 0; i < 4; i++) {
        fixture_must(os_thread_start(os_real(), "other", others[i], &company, &threads[i], &err),
                     &err);
    }
    for (i = 0; i < 6; i++) {
        fixture_must(secret_redact(&earlier[5 - i], company.db, &err), &err);
        atomic_store(&company.redacted, true);
    }
    atomic_store(&company.stop, true);
    for (i = 0; i < 4; i++) {
        os_thread_join(os_real(), threads[i]);
    }
    for (i = 0; i < 6; i++) {
        secret_check_hidden(&earlier[i], company.db);
        assert_int_equal(secret_find(&earlier[i], disk, "/db", true), 0);
    }
    assert_true(secret_verify(company.db) == 6);
    fixture_close(company.db);
    os_crash_free(disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_power_cuts),
        cmocka_unit_test(test_operation_fails_once),
        cmocka_unit_test(test_operation_fails_for_good),
        cmocka_unit_test(test_disk_full),
        cmocka_unit_test(test_allocation_fails),
        cmocka_unit_test(test_with_others),
    };

    seed = test_seed();
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
