/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"
#include "base/checksum.h"
#include "base/mem.h"
#include "os/os_crash.h"
#include "os/os_fault.h"
#include "store/identity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

/* after those that it needs */
#include <cmocka.h>

#define DIR "/db"
#define PATH DIR "/" IDENTITY_NAME
#define LEN 128

static struct os_crash *new_disk(uint64_t seed)
{
    struct os_crash *disk = os_crash_new(seed);

    assert_non_null(disk);
    assert_int_equal(os_make_dirs(os_crash_os(disk), DIR, NULL), BLOCKDB_OK);
    return disk;
}

static void put_file(struct os *os, const uint8_t *bytes, size_t len)
{
    assert_int_equal(os_replace_file(os, PATH, slice_of(bytes, len), NULL), BLOCKDB_OK);
}

static int load(struct os *os, struct error *err)
{
    struct identity identity;

    return identity_load(os, DIR, &identity, err);
}

static void test_create_load_replace(void **state)
{
    struct os_crash *disk = new_disk(1);
    struct os *os = os_crash_os(disk);
    struct identity made;
    struct identity found;

    (void)state;
    assert_int_equal(load(os, NULL), BLOCKDB_ENOTFOUND);
    assert_int_equal(identity_create(os, DIR, &made, NULL), BLOCKDB_OK);
    assert_int_equal(made.created_ms, OS_CRASH_START_MS);
    assert_int_equal(identity_create(os, DIR, &made, NULL), BLOCKDB_EEXIST);
    os_crash_power_off(disk);
    assert_int_equal(os_crash_restart(disk, 2), BLOCKDB_OK);
    assert_int_equal(identity_load(os, DIR, &found, NULL), BLOCKDB_OK);
    assert_memory_equal(&made, &found, sizeof(made));
    found.epoch = 7;
    found.features_ignorable = 5;
    assert_int_equal(identity_replace(os, DIR, &found, NULL), BLOCKDB_OK);
    assert_int_equal(identity_load(os, DIR, &made, NULL), BLOCKDB_OK);
    assert_memory_equal(&made, &found, sizeof(made));
    os_crash_free(disk);
}

static void test_damage(void **state)
{
    struct os_crash *disk = new_disk(1);
    struct os *os = os_crash_os(disk);
    struct identity made;
    AUTO(buf_deinit) struct buf bytes = {0};
    size_t i;

    (void)state;
    assert_int_equal(identity_create(os, DIR, &made, NULL), BLOCKDB_OK);
    assert_int_equal(os_read_file(os, PATH, 1000, &bytes, NULL), BLOCKDB_OK);
    assert_int_equal(bytes.len, LEN);
    for (i = 0; i < LEN; i++) {
        struct error err = {0};
        int want = i < 8 ? BLOCKDB_EFOREIGN : BLOCKDB_ECORRUPT;
        int rc;

        bytes.data[i] ^= 0x10;
        put_file(os, bytes.data, LEN);
        rc = load(os, &err);
        assert_true(rc == want || (i >= 8 && i < 12 && rc == BLOCKDB_EVERSION));
        assert_non_null(strstr(err.message, PATH));
        bytes.data[i] ^= 0x10;
        put_file(os, bytes.data, i);
        assert_int_equal(load(os, &err), BLOCKDB_ECORRUPT);
    }
    assert_int_equal(buf_append_zeros(&bytes, 1 << 20), BLOCKDB_OK);
    put_file(os, bytes.data, LEN + 1);
    assert_int_equal(load(os, NULL), BLOCKDB_ECORRUPT);
    put_file(os, bytes.data, bytes.len);
    assert_int_equal(load(os, NULL), BLOCKDB_EFOREIGN);
    os_crash_free(disk);
}

static void test_newer_formats(void **state)
{
    struct os_crash *disk = new_disk(1);
    struct os *os = os_crash_os(disk);
    struct identity made;
    AUTO(buf_deinit) struct buf bytes = {0};

    (void)state;
    assert_int_equal(identity_create(os, DIR, &made, NULL), BLOCKDB_OK);
    assert_int_equal(os_read_file(os, PATH, 1000, &bytes, NULL), BLOCKDB_OK);
    put_le64(bytes.data + 24, 4); /* a feature that must be known */
    put_le64(bytes.data + 120, checksum(bytes.data, 120, 0));
    put_file(os, bytes.data, LEN);
    assert_int_equal(load(os, NULL), BLOCKDB_EVERSION);
    put_le32(bytes.data + 8, 2);
    put_file(os, bytes.data, LEN);
    assert_int_equal(load(os, NULL), BLOCKDB_EVERSION);
    put_file(os, (const uint8_t *)"#!/bin/sh\n", 10);
    assert_int_equal(load(os, NULL), BLOCKDB_EFOREIGN);
    os_crash_free(disk);
}

static void test_every_operation_fails_once(void **state)
{
    uint64_t nth;
    bool fired = true;

    (void)state;
    for (nth = 1; fired; nth++) {
        struct os_crash *disk = new_disk(nth);
        struct os_fault *fault = os_fault_new(os_crash_os(disk));
        struct os_fault_plan plan = {.classes = OS_FAULT_ALL, .nth = nth};
        struct identity made = {0};
        int rc;

        os_fault_arm(fault, &plan);
        rc = identity_create(os_fault_os(fault), DIR, &made, NULL);
        fired = os_fault_fired(fault);
        os_fault_free(fault);
        os_crash_power_off(disk);
        assert_int_equal(os_crash_restart(disk, nth), BLOCKDB_OK);
        if (rc == BLOCKDB_OK) {
            assert_int_equal(load(os_crash_os(disk), NULL), BLOCKDB_OK);
        } else { /* there or not, never damaged */
            rc = load(os_crash_os(disk), NULL);
            assert_true(rc == BLOCKDB_OK || rc == BLOCKDB_ENOTFOUND);
        }
        os_crash_free(disk);
    }
}

static bool fail_at(void *context)
{
    long *left = context;

    return *left >= 0 && (*left)-- == 0;
}

static void test_failing_allocations(void **state)
{
    long n;
    bool done = false;

    (void)state;
    for (n = 0; !done; n++) {
        struct os_crash *disk = new_disk(1);
        struct identity made;
        long left = n;
        int rc;

        mem_set_fail_hook(fail_at, &left);
        rc = identity_create(os_crash_os(disk), DIR, &made, NULL);
        rc = rc == BLOCKDB_OK ? identity_load(os_crash_os(disk), DIR, &made, NULL) : rc;
        mem_set_fail_hook(NULL, NULL);
        done = left >= 0;
        assert_int_equal(rc, done ? BLOCKDB_OK : BLOCKDB_ENOMEM);
        os_crash_free(disk);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_create_load_replace),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_newer_formats),
        cmocka_unit_test(test_every_operation_fails_once),
        cmocka_unit_test(test_failing_allocations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
