/* SPDX-License-Identifier: Apache-2.0 */
/*
 * export-log when files fail, memory is short or the power goes: a checkpoint never covers what is
 * not there (LOGF-1), and the next run brings the directory to what a run without trouble makes.
 */
#include "base/mem.h"
#include "bin/cli/export_log.h"
#include "common/test_env.h"
#include "engine/open.h"
#include "ledger/signing_key.h"
#include "os/os_crash.h"
#include "os/os_fault.h"

#include <blockdb/evidence.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define ORIGIN "example.org/log"
#define KEY_FILE "/signing.key"
#define FILE_MAX 100000

static uint64_t seed;
static struct os_crash *source; /* the database's disk; never fails */
static struct blockdb *db;
static struct blockdb_value heads[2]; /* a small log, and the same when it had grown */

static void must(int rc, const struct error *err)
{
    if (rc < 0) {
        fail_msg("%s", err->message);
    }
}

static void make_key(struct os *os)
{
    static const uint8_t secret[ED25519_SEED_LEN] = "any thirty-two bytes will do her";
    struct signing_key key = {0};
    char file[SIGNING_KEY_TEXT_MAX + 1];
    struct error err;
    size_t len;

    must(signing_key_init(&key, slice_of_text(ORIGIN), KEY_TYPE_ED25519, secret, &err), &err);
    len = signing_key_format(&key, file);
    file[len++] = '\n';
    must(os_replace_file(os, KEY_FILE, slice_of(file, len), &err), &err);
    signing_key_deinit(&key);
}

static void grow(unsigned count)
{
    struct error err;
    unsigned i;

    for (i = 0; i < count; i++) {
        must(blockdb_put(db, &i, sizeof(i), "value", 5, NULL, NULL, &err), &err);
    }
}

static int set_up(void **state)
{
    struct blockdb_options *options = blockdb_options_new();
    struct error err;

    (void)state;
    source = os_crash_new(seed);
    make_key(os_crash_os(source));
    must(blockdb_options_set(options, "signing_key_file", KEY_FILE, &err), &err);
    must(blockdb_options_set(options, "origin", ORIGIN, &err), &err);
    must(blockdb_options_set(options, "wal_sync_mode", "none", &err), &err);
    must(db_open(os_crash_os(source), "/db", options, BLOCKDB_OPEN_CREATE, &db, &err), &err);
    blockdb_options_free(options);
    grow(700);
    must(blockdb_checkpoint_sign(db, &heads[0], &err), &err);
    grow(900);
    must(blockdb_checkpoint_sign(db, &heads[1], &err), &err);
    return 0;
}

static int tear_down(void **state)
{
    struct error err;

    (void)state;
    must(blockdb_close(db, &err), &err);
    blockdb_value_deinit(&heads[0]);
    blockdb_value_deinit(&heads[1]);
    os_crash_free(source);
    return 0;
}

static int export(struct os *os, unsigned which, struct error *err)
{
    struct export_log_options options = {
        .os = os,
        .db = db,
        .dir = "/log",
        .note = slice_of(heads[which].data, heads[which].len),
        .threads = 1,
    };
    struct export_log_report report;

    return export_log(&options, &report, err);
}

/* ---- What is there -------------------------------------------------------------------------- */

struct comparison {
    struct os *os;
    struct os *clean;
    unsigned files;
};

static int compare_file(void *context, const char *path, uint64_t len_bytes)
{
    struct comparison *c = context;
    AUTO(buf_deinit) struct buf is = {0};
    AUTO(buf_deinit) struct buf should = {0};
    struct error err;

    assert_true(len_bytes < FILE_MAX);
    must(os_read_file(c->clean, path, FILE_MAX, &should, &err), &err);
    if (os_read_file(c->os, path, FILE_MAX, &is, &err) < 0 ||
        !slice_equal(buf_slice(&is), buf_slice(&should))) {
        fail_msg("'%s' is not what it should be", path);
    }
    c->files++;
    return 0;
}

/* Every file that an export without trouble has is there, as it should be. */
static void check_like(struct os *os, unsigned which)
{
    struct os_crash *clean = os_crash_new(seed);
    struct comparison c = {.os = os, .clean = os_crash_os(clean)};
    struct error err;

    must(export(os_crash_os(clean), which, &err), &err);
    must(os_crash_visit(clean, "/log", compare_file, &c, &err), &err);
    assert_true(c.files > 5);
    os_crash_free(clean);
}

/* What the checkpoint that is there covers is there (LOGF-1). */
static void check_covered(struct os *os)
{
    AUTO(buf_deinit) struct buf note = {0};
    struct error err;
    int rc = os_read_file(os, "/log/checkpoint", FILE_MAX, &note, &err);

    if (rc == BLOCKDB_ENOTFOUND) {
        return;
    }
    must(rc, &err);
    check_like(os, slice_equal(buf_slice(&note), slice_of(heads[1].data, heads[1].len)));
}

/* ---- Tests ----------------------------------------------------------------------------------- */

static void test_growth(void **state)
{
    struct os_crash *disk = os_crash_new(seed);
    struct error err;

    (void)state;
    must(export(os_crash_os(disk), 0, &err), &err);
    check_like(os_crash_os(disk), 0);
    must(export(os_crash_os(disk), 1, &err), &err);
    check_like(os_crash_os(disk), 1);
    assert_int_equal(export(os_crash_os(disk), 0, &err), BLOCKDB_ETAMPERED); /* it is ahead */
    os_crash_free(disk);
}

static void test_operations_fail(void **state)
{
    struct os_fault_plan plan = {.classes = OS_FAULT_ALL, .nth = 1};
    bool fired = true;

    (void)state;
    for (; fired; plan.nth += test_is_long() ? 1 : 3) {
        struct os_crash *disk = os_crash_new(seed);
        struct os_fault *fault = os_fault_new(os_crash_os(disk));
        struct os *os = os_fault_os(fault);
        struct error err;
        int rc;

        os_fault_arm(fault, &plan);
        rc = export(os, 0, &err);
        if (rc == BLOCKDB_OK) {
            rc = export(os, 1, &err);
        }
        fired = os_fault_fired(fault);
        os_fault_arm(fault, NULL);
        assert_true(rc < 0 ? strlen(err.message) > 0 : true);
        check_covered(os);
        must(export(os, 1, &err), &err);
        check_like(os, 1);
        os_fault_free(fault);
        os_crash_free(disk);
    }
    assert_true(plan.nth > 30);
}

static void test_power_cuts(void **state)
{
    uint64_t nth;
    bool was_cut = true;

    (void)state;
    for (nth = 1 + seed % 3; was_cut; nth += test_is_long() ? 1 : 5) {
        struct os_crash *disk = os_crash_new(seed + nth);
        struct os *os = os_crash_os(disk);
        struct error err;

        os_crash_arm(disk, nth);
        if (export(os, 0, &err) == BLOCKDB_OK) {
            (void)export(os, 1, &err);
        }
        was_cut = os_crash_is_off(disk);
        assert_int_equal(os_crash_restart(disk, seed * 3 + nth), BLOCKDB_OK);
        check_covered(os);
        must(export(os, 1, &err), &err);
        check_like(os, 1);
        os_crash_free(disk);
    }
    assert_true(nth > 30);
}

static _Atomic int64_t allocations_left;

static bool fail_allocation(void *context)
{
    (void)context;
    return atomic_fetch_sub(&allocations_left, 1) == 1;
}

static void test_allocations_fail(void **state)
{
    bool fired = true;
    int64_t nth;

    (void)state;
    for (nth = 1; fired; nth += test_is_long() ? 1 : 7) {
        struct os_crash *disk = os_crash_new(seed);
        struct os *os = os_crash_os(disk);
        struct error err;
        int rc;

        atomic_store(&allocations_left, nth);
        mem_set_fail_hook(fail_allocation, NULL);
        rc = export(os, 0, &err);
        mem_set_fail_hook(NULL, NULL);
        fired = atomic_load(&allocations_left) <= 0;
        assert_true(rc == BLOCKDB_OK || rc == BLOCKDB_ENOMEM);
        check_covered(os);
        must(export(os, 1, &err), &err);
        check_like(os, 1);
        os_crash_free(disk);
    }
    assert_true(nth > 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_growth),
        cmocka_unit_test(test_operations_fail),
        cmocka_unit_test(test_power_cuts),
        cmocka_unit_test(test_allocations_fail),
    };

    seed = test_seed();
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
