/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store of a witness: order, reopening, races, damage, failing memory and failing files.
 */
#include "base/mem.h"
#include "os/os_crash.h"
#include "os/os_fault.h"
#include "server/witness_head.h"
#include "server/witness_store.h"
#include "witness_log.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define DIR "/var/witness"
#define RACERS 4
#define ROUNDS 20

struct fixture {
    struct os_crash *disk;
    struct os_fault *faults;
    struct witness_log log;
    struct hash name;
    struct witness_store *store;
};

static int open_store(struct fixture *f, struct error *err)
{
    return witness_store_open(os_fault_os(f->faults), DIR, &f->store, err);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct error err;

    assert_non_null(f);
    f->disk = os_crash_new(1);
    f->faults = os_fault_new(os_crash_os(f->disk));
    witness_log_init(&f->log, WITNESS_LOG_ORIGIN, WITNESS_LOG_MAX);
    witness_log_of(slice_of_text(WITNESS_LOG_ORIGIN), &f->name);
    assert_int_equal(open_store(f, &err), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    witness_store_close(f->store);
    witness_log_deinit(&f->log);
    os_fault_free(f->faults);
    os_crash_free(f->disk);
    free(f);
    return 0;
}

static void reopen(struct fixture *f)
{
    struct error err;

    witness_store_close(f->store);
    f->store = NULL;
    os_fault_arm(f->faults, NULL);
    if (open_store(f, &err) < 0) {
        fail_msg("%s", err.message);
    }
}

static int advance(const struct fixture *f, uint64_t from, uint64_t to, uint64_t *out_size,
                   struct error *err)
{
    struct witness_heads heads = witness_store_heads(f->store);
    AUTO(buf_deinit) struct buf note = {0};

    witness_log_note(&f->log, to, &note);
    return heads.advance(heads.context, &f->name, from, buf_slice(&note), out_size, err);
}

static uint64_t size_of(const struct fixture *f)
{
    struct witness_heads heads = witness_store_heads(f->store);
    AUTO(buf_deinit) struct buf note = {0};
    AUTO(buf_deinit) struct buf expected = {0};
    struct witness_head head;
    struct error err;

    assert_int_equal(heads.get(heads.context, &f->name, &head, &note, &err), 0);
    assert_memory_equal(&head.root, &f->log.roots[head.size], sizeof(head.root));
    if (note.len > 0) {
        witness_log_note(&f->log, head.size, &expected);
        assert_true(slice_equal(buf_slice(&note), buf_slice(&expected)));
    } else {
        assert_int_equal(head.size, 0);
    }
    return head.size;
}

static void test_order(void **state)
{
    struct fixture *f = *state;
    struct error err = {0};
    uint64_t size = 99;

    assert_int_equal(size_of(f), 0);
    assert_int_equal(advance(f, 3, 5, &size, &err), BLOCKDB_ECONFLICT);
    assert_int_equal(size, 0);
    assert_int_equal(advance(f, 0, 5, &size, &err), 0);
    assert_int_equal(size_of(f), 5);
    assert_int_equal(advance(f, 0, 7, &size, &err), BLOCKDB_ECONFLICT);
    assert_int_equal(size, 5);
    assert_int_equal(advance(f, 5, 5, &size, &err), 0);
    assert_int_equal(advance(f, 5, 9, &size, &err), 0);
    reopen(f);
    assert_int_equal(size_of(f), 9);
    assert_int_equal(advance(f, 9, 200, &size, &err), 0);
    assert_int_equal(size_of(f), 200);
    assert_false(witness_store_failed(f->store, &err));
}

static void test_wrong_note(void **state)
{
    struct fixture *f = *state;
    struct witness_heads heads = witness_store_heads(f->store);
    AUTO(buf_deinit) struct buf note = {0};
    struct hash other = {{1}};
    struct error err;
    uint64_t size;

    witness_log_note(&f->log, 5, &note);
    assert_int_equal(heads.advance(heads.context, &other, 0, buf_slice(&note), &size, &err),
                     BLOCKDB_ECORRUPT);
    assert_int_equal(
        heads.advance(heads.context, &f->name, 0, slice_of_text("no note"), &size, &err),
        BLOCKDB_ECORRUPT);
    assert_int_equal(size_of(f), 0);
    assert_false(witness_store_failed(f->store, &err));
}

static void test_alone(void **state)
{
    struct fixture *f = *state;
    struct witness_store *second = NULL;
    struct error err;

    assert_int_equal(witness_store_open(os_fault_os(f->faults), DIR, &second, &err), BLOCKDB_EBUSY);
    assert_null(second);
    witness_store_close(NULL);
}

/* ---- Races --------------------------------------------------------------------------------- */

struct race {
    struct fixture *f;
    uint64_t from;
    atomic_uint won;
    atomic_uint lost;
    atomic_uint ready;
};

static void race_run(void *arg)
{
    struct race *r = arg;
    uint64_t size = 0;
    struct error err;
    int rc;

    atomic_fetch_add(&r->ready, 1);
    while (atomic_load(&r->ready) < RACERS) {
        (void)sched_yield();
    }
    rc = advance(r->f, r->from, r->from + 1, &size, &err);
    if (rc == BLOCKDB_OK) {
        atomic_fetch_add(&r->won, 1);
    } else {
        assert_int_equal(rc, BLOCKDB_ECONFLICT);
        assert_int_equal(size, r->from + 1);
        atomic_fetch_add(&r->lost, 1);
    }
}

/* WSTORE-2: of requests from one size exactly one wins, each time. */
static void test_race(void **state)
{
    struct fixture *f = *state;
    uint64_t round;

    for (round = 0; round < ROUNDS; round++) {
        struct race race = {.f = f, .from = round};
        struct os_thread *threads[RACERS];
        struct error err;
        size_t i;

        for (i = 0; i < RACERS; i++) {
            assert_int_equal(
                os_thread_start(os_real(), "racer", race_run, &race, &threads[i], &err), 0);
        }
        for (i = 0; i < RACERS; i++) {
            os_thread_join(os_real(), threads[i]);
        }
        assert_int_equal(race.won, 1);
        assert_int_equal(race.lost, RACERS - 1);
        assert_int_equal(size_of(f), round + 1);
    }
}

/* ---- Failing files ------------------------------------------------------------------------- */

static void test_files_fail(void **state)
{
    struct fixture *f = *state;
    struct error err = {0};
    uint64_t size = 0;
    uint64_t n;

    for (n = 1;; n++) {
        uint64_t before;
        int rc;

        reopen(f);
        before = size_of(f);
        os_fault_arm(f->faults, &(struct os_fault_plan){
                                    .classes = OS_FAULT_CHANGES, .nth = n, .partial = n % 2 == 0});
        rc = advance(f, before, before + 1, &size, &err);
        if (!os_fault_fired(f->faults)) {
            assert_int_equal(rc, 0);
            break;
        }
        assert_int_equal(rc, BLOCKDB_EIO);
        assert_int_equal(size_of(f), before); /* WSTORE-1 */
        /* WSTORE-4: with the disk well again. */
        os_fault_arm(f->faults, NULL);
        assert_int_equal(advance(f, before, before + 1, &size, &err), BLOCKDB_EREADONLY);
        assert_non_null(strstr(err.message, "injected"));
        assert_true(witness_store_failed(f->store, &err));
        assert_int_equal(err.code, BLOCKDB_EIO);
    }
    assert_true(n > 4);
}

static void test_open_fails(void **state)
{
    struct fixture *f = *state;
    struct error err = {0};
    uint64_t size;
    uint64_t n;

    assert_int_equal(advance(f, 0, 5, &size, &err), 0);
    for (n = 1;; n++) {
        int rc;

        witness_store_close(f->store);
        f->store = NULL;
        os_fault_arm(f->faults, &(struct os_fault_plan){.classes = OS_FAULT_ALL, .nth = n});
        rc = open_store(f, &err);
        if (!os_fault_fired(f->faults)) {
            assert_int_equal(rc, 0);
            break;
        }
        /* What is looked at only to make sure may fail unnoticed. */
        assert_int_equal(rc == BLOCKDB_OK, f->store != NULL);
        assert_true(rc == BLOCKDB_OK || strstr(err.message, DIR) != NULL);
    }
    assert_int_equal(size_of(f), 5);
    assert_true(n > 4);
}

/* Without space nothing is in doubt: later it goes on. */
static void test_no_space(void **state)
{
    struct fixture *f = *state;
    struct error err = {0};
    uint64_t size;

    assert_int_equal(advance(f, 0, 5, &size, &err), 0);
    os_fault_arm(f->faults,
                 &(struct os_fault_plan){
                     .classes = OS_FAULT_WRITE, .nth = 1, .partial = true, .code = BLOCKDB_ENOSPC});
    assert_int_equal(advance(f, 5, 6, &size, &err), BLOCKDB_ENOSPC);
    assert_false(witness_store_failed(f->store, &err));
    assert_int_equal(size_of(f), 5);
    assert_int_equal(advance(f, 5, 6, &size, &err), 0);
    reopen(f);
    assert_int_equal(size_of(f), 6);
}

/* ---- Failing memory ------------------------------------------------------------------------ */

static bool fail_nth(void *context)
{
    size_t *left = context;

    return *left > 0 && --*left == 0;
}

static void test_no_memory(void **state)
{
    struct fixture *f = *state;
    struct witness_heads heads;
    AUTO(buf_deinit) struct buf note = {0};
    struct witness_head head;
    struct error err;
    uint64_t size;
    size_t left = 1;
    size_t n;

    witness_log_note(&f->log, 5, &note);
    for (n = 1;; n++) {
        int rc;

        heads = witness_store_heads(f->store);
        left = n;
        mem_set_fail_hook(fail_nth, &left);
        rc = heads.advance(heads.context, &f->name, size_of(f), buf_slice(&note), &size, &err);
        mem_set_fail_hook(NULL, NULL);
        if (left > 0) {
            assert_int_equal(rc, 0);
            break;
        }
        assert_true(rc == BLOCKDB_OK || rc == BLOCKDB_ENOMEM);
        reopen(f);
    }
    assert_true(n > 4);
    left = 1;
    heads = witness_store_heads(f->store);
    buf_deinit(&note);
    mem_set_fail_hook(fail_nth, &left);
    assert_int_equal(heads.get(heads.context, &f->name, &head, &note, &err), BLOCKDB_ENOMEM);
    mem_set_fail_hook(NULL, NULL);
    assert_int_equal(size_of(f), 5);
}

static void test_open_without_memory(void **state)
{
    struct fixture *f = *state;
    struct error err;
    uint64_t size;
    size_t n;

    assert_int_equal(advance(f, 0, 5, &size, &err), 0);
    witness_store_close(f->store);
    f->store = NULL;
    for (n = 1; f->store == NULL; n++) {
        size_t left = n;
        int rc;

        mem_set_fail_hook(fail_nth, &left);
        rc = open_store(f, &err);
        mem_set_fail_hook(NULL, NULL);
        assert_true(rc == BLOCKDB_ENOMEM || rc == BLOCKDB_OK);
        assert_int_equal(rc == BLOCKDB_OK, f->store != NULL);
    }
    assert_true(n > 4);
    assert_int_equal(size_of(f), 5);
}

/* ---- What lies in the directory ------------------------------------------------------------ */

static void put_file(struct fixture *f, const char *name, struct slice content)
{
    AUTO(mem_free_ptr) char *path = path_join(DIR, name);
    struct error err;

    assert_int_equal(os_replace_file(os_crash_os(f->disk), path, content, &err), 0);
}

static bool has_file(struct fixture *f, const char *name)
{
    AUTO(mem_free_ptr) char *path = path_join(DIR, name);
    struct os_stat stat;

    return os_stat_path(os_crash_os(f->disk), path, &stat, NULL) == BLOCKDB_OK;
}

static void test_leftovers(void **state)
{
    struct fixture *f = *state;
    char leftover[WITNESS_HEAD_NAME_BYTES + 4];
    struct error err;
    uint64_t size;

    assert_int_equal(advance(f, 0, 5, &size, &err), 0);
    witness_head_name(leftover, &f->name);
    memcpy(leftover + strlen(leftover), ".tmp", 5);
    put_file(f, leftover, slice_of_text("half a he"));
    put_file(f, "notes-of-the-operator.txt", slice_of_text("hello"));
    put_file(f, "x.tmp", slice_of_text("hello"));
    assert_int_equal(os_mkdir(os_crash_os(f->disk), DIR "/folder", &err), 0);
    reopen(f);
    assert_int_equal(size_of(f), 5);
    assert_false(has_file(f, leftover));
    assert_true(has_file(f, "notes-of-the-operator.txt"));
    assert_true(has_file(f, "x.tmp"));
}

static void test_damaged(void **state)
{
    struct fixture *f = *state;
    char name[WITNESS_HEAD_NAME_BYTES];
    char path[sizeof(DIR) + 1 + WITNESS_HEAD_NAME_BYTES];
    struct error err;
    uint64_t size;

    assert_int_equal(advance(f, 0, 5, &size, &err), 0);
    witness_store_close(f->store);
    f->store = NULL;
    witness_head_name(name, &f->name);
    (void)snprintf(path, sizeof(path), "%s/%s", DIR, name);
    assert_int_equal(os_crash_flip(f->disk, path, 60, 1, &err), 0);
    assert_int_equal(open_store(f, &err), BLOCKDB_ECORRUPT);
    assert_non_null(strstr(err.message, path));
    assert_int_equal(os_crash_flip(f->disk, path, 60, 1, &err), 0);
    assert_int_equal(open_store(f, &err), 0);
    assert_int_equal(size_of(f), 5);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_order),     TEST(test_wrong_note), TEST(test_alone),
        TEST(test_race),      TEST(test_files_fail), TEST(test_open_fails),
        TEST(test_no_space),  TEST(test_no_memory),  TEST(test_open_without_memory),
        TEST(test_leftovers), TEST(test_damaged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
