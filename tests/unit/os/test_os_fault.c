/* SPDX-License-Identifier: Apache-2.0 */
/* Faults strike where the plan says, and only there; the helpers of os.h survive all of them. */
#include "base/mem.h"
#include "os/os_crash.h"
#include "os/os_fault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define OK(call) assert_int_equal((call), BLOCKDB_OK)

struct rig {
    struct os_crash *crash;
    struct os_fault *fault;
    struct os *os;
};

static int set_up(void **state)
{
    struct rig *rig = mem_calloc(1, sizeof(*rig));

    rig->crash = os_crash_new(1);
    rig->fault = os_fault_new(os_crash_os(rig->crash));
    rig->os = os_fault_os(rig->fault);
    *state = rig;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;

    os_fault_free(rig->fault);
    os_crash_free(rig->crash);
    mem_free(rig);
    return 0;
}

static int see_nothing(void *context, const char *name, bool is_dir)
{
    (void)context;
    (void)name;
    (void)is_dir;
    return 0;
}

static void do_nothing(void *arg)
{
    (void)arg;
}

/* One operation of each class; returns the class bits of those that failed, with their codes
 * checked. */
static unsigned try_each(struct os *os, struct os_file *f, int code)
{
    struct os_thread *thread = NULL;
    struct os_file *other = NULL;
    struct os_stat stat;
    struct error err;
    unsigned failed = 0;
    uint64_t space;
    char bytes[8];
    size_t len;

#define TRY(class, call)                                                                           \
    do {                                                                                           \
        int rc_ = (call);                                                                          \
        failed |= rc_ < 0 ? (unsigned)(class) : 0;                                                 \
        assert_true(rc_ == BLOCKDB_OK ||                                                           \
                    (rc_ == code && strstr(err.message, "injected") != NULL));                     \
    } while (0)

    TRY(OS_FAULT_OPEN, os_open(os, "/d/x", OS_WRITE | OS_CREATE, &other, &err));
    file_close(other);
    other = NULL;
    TRY(OS_FAULT_READ, file_pread(f, bytes, 8, 0, &len, &err));
    TRY(OS_FAULT_WRITE, file_pwrite(f, "12345678", 8, 0, &err));
    TRY(OS_FAULT_SYNC, file_sync(f, &err));
    TRY(OS_FAULT_SYNC_DIR, os_sync_dir(os, "/d", &err));
    TRY(OS_FAULT_LINK, os_link(os, "/d/f", "/d/l", &err));
    if ((failed & OS_FAULT_LINK) == 0) {
        TRY(OS_FAULT_RENAME, os_rename(os, "/d/l", "/d/r", &err));
        TRY(OS_FAULT_UNLINK,
            os_unlink(os, (failed & OS_FAULT_RENAME) != 0 ? "/d/l" : "/d/r", &err));
    } else {
        TRY(OS_FAULT_RENAME, os_rename(os, "/d/f", "/d/f", &err));
    }
    if ((failed & OS_FAULT_UNLINK) != 0) {
        OK(os_unlink(os, "/d/r", NULL));
    }
    TRY(OS_FAULT_DIR, os_mkdir(os, "/d/e", &err));
    if ((failed & OS_FAULT_DIR) == 0) {
        TRY(OS_FAULT_DIR, os_rmdir(os, "/d/e", &err));
    }
    TRY(OS_FAULT_LIST, os_list(os, "/d", see_nothing, NULL, &err));
    TRY(OS_FAULT_STAT, os_stat_path(os, "/d", &stat, &err));
    TRY(OS_FAULT_STAT, file_stat(f, &stat, &err));
    TRY(OS_FAULT_STAT, os_free_space(os, "/d", &space, &err));
    TRY(OS_FAULT_PREALLOCATE, file_preallocate(f, 0, 8, &err));
    TRY(OS_FAULT_TRUNCATE, file_truncate(f, 8, &err));
    TRY(OS_FAULT_WRITE_BEHIND, file_write_behind(f, 0, 8, &err));
    TRY(OS_FAULT_LOCK, os_lock(os, "/d/L", &other, &err));
    file_close(other);
    TRY(OS_FAULT_RANDOM, os_random(os, bytes, 8, &err));
    TRY(OS_FAULT_THREAD, os_thread_start(os, "t", do_nothing, NULL, &thread, &err));
    if (thread != NULL) {
        os_thread_join(os, thread);
    }
    file_advise(f, 0, 0, OS_ADVICE_RANDOM);
    return failed;
}

static struct os_file *open_file(struct os *os)
{
    struct os_file *f = NULL;

    OK(os_make_dirs(os, "/d", NULL));
    OK(os_open(os, "/d/f", OS_READ | OS_WRITE | OS_CREATE, &f, NULL));
    return f;
}

static void test_each_class_fails_alone(void **state)
{
    struct rig *rig = *state;
    struct os_file *f = open_file(rig->os);
    unsigned class;

    os_fault_arm(rig->fault, NULL);
    assert_int_equal(try_each(rig->os, f, 0), 0);
    assert_false(os_fault_fired(rig->fault));
    assert_true(os_fault_seen(rig->fault) >= 20);
    for (class = 1; class < OS_FAULT_ALL; class <<= 1) {
        os_fault_arm(rig->fault,
                     &(struct os_fault_plan){.classes = class, .nth = 1, .code = BLOCKDB_ENOSPC});
        assert_int_equal(try_each(rig->os, f, BLOCKDB_ENOSPC), class);
        assert_true(os_fault_fired(rig->fault));
        assert_true(os_fault_seen(rig->fault) >= 1);
    }
    file_close(f);
}

static void test_the_nth_once_or_from_then_on(void **state)
{
    struct rig *rig = *state;
    struct os_file *f = open_file(rig->os);
    struct os_fault_plan plan = {.classes = OS_FAULT_WRITE | OS_FAULT_SYNC, .nth = 3};
    int i;

    os_fault_arm(rig->fault, &plan);
    for (i = 1; i <= 6; i++) {
        int rc = i % 2 == 1 ? file_pwrite(f, "x", 1, 0, NULL) : file_sync(f, NULL);

        assert_int_equal(rc, i == 3 ? BLOCKDB_EIO : BLOCKDB_OK);
    }
    assert_int_equal(os_fault_seen(rig->fault), 6);
    plan.forever = true;
    os_fault_arm(rig->fault, &plan);
    for (i = 1; i <= 6; i++) {
        assert_int_equal(file_sync(f, NULL), i >= 3 ? BLOCKDB_EIO : BLOCKDB_OK);
    }
    plan = (struct os_fault_plan){.classes = OS_FAULT_ALL, .nth = 1, .path_part = "/other"};
    os_fault_arm(rig->fault, &plan);
    OK(file_sync(f, NULL));
    assert_int_equal(os_fault_seen(rig->fault), 0);
    assert_int_equal(os_mkdir(rig->os, "/d/other", NULL), BLOCKDB_EIO);
    file_close(f);
}

static void test_messages_name_the_new_name(void **state)
{
    struct rig *rig = *state;
    struct os_file *f = open_file(rig->os);
    char *old = mem_strdup(f->path);
    struct os_fault_plan plan = {.classes = OS_FAULT_WRITE, .nth = 1};
    struct error err;

    OK(os_rename(rig->os, old, "/d/renamed", NULL));
    file_renamed(f, "/d/renamed");
    os_fault_arm(rig->fault, &plan);
    assert_int_equal(file_pwrite(f, "x", 1, 0, &err), BLOCKDB_EIO);
    assert_non_null(strstr(err.message, "'/d/renamed'"));
    os_fault_arm(rig->fault, NULL);
    file_close(f);
    mem_free(old);
}

static void test_partial_reads_and_writes(void **state)
{
    struct rig *rig = *state;
    struct os_file *f = open_file(rig->os);
    struct os_fault_plan plan = {.classes = OS_FAULT_ALL, .nth = 1, .partial = true};
    char bytes[8] = "";
    size_t len;

    OK(file_pwrite(f, "........", 8, 0, NULL));
    os_fault_arm(rig->fault, &plan);
    assert_int_equal(file_pwrite(f, "abcdefgh", 8, 0, NULL), BLOCKDB_EIO);
    OK(file_pread(f, bytes, 8, 0, &len, NULL));
    assert_memory_equal(bytes, "abcd....", 8);
    os_fault_arm(rig->fault, &plan);
    OK(file_pread(f, bytes, 8, 0, &len, NULL));
    assert_int_equal(len, 4);
    os_fault_arm(rig->fault, &plan);
    assert_int_equal(file_pread_full(f, bytes, 8, 0, NULL), BLOCKDB_ECORRUPT);
    file_close(f);
}

/* The pattern of every fault test: each operation of a body fails once, or from then on. */
static int body(struct os *os)
{
    AUTO(buf_deinit) struct buf bytes = {0};
    struct error err;
    int rc = os_make_dirs(os, "/a/b", &err);

    rc = rc < 0 ? rc : os_replace_file(os, "/a/b/f", slice_of_text("new"), &err);
    rc = rc < 0 ? rc : os_copy_file(os, "/a/b/f", "/a/b/g", &err);
    return rc < 0 ? rc : os_read_file(os, "/a/b/g", 100, &bytes, &err);
}

static void test_helpers_survive_every_fault(void **state)
{
    int mode;

    (void)state;
    for (mode = 0; mode < 4; mode++) {
        uint64_t n;
        bool fired = true;

        for (n = 1; fired; n++) {
            void *rig_state = NULL;
            struct rig *rig;
            struct os_stat stat;
            int rc;

            assert_int_equal(set_up(&rig_state), 0);
            rig = rig_state;
            os_fault_arm(rig->fault, &(struct os_fault_plan){.classes = OS_FAULT_ALL,
                                                             .nth = n,
                                                             .forever = (mode & 1) != 0,
                                                             .partial = (mode & 2) != 0});
            rc = body(rig->os);
            fired = os_fault_fired(rig->fault);
            os_fault_arm(rig->fault, NULL);
            assert_true(fired || rc == BLOCKDB_OK);
            if (rc < 0 && (mode & 1) == 0) { /* a clean-up that works leaves nothing behind */
                assert_int_equal(os_stat_path(rig->os, "/a/b/f.tmp", &stat, NULL),
                                 BLOCKDB_ENOTFOUND);
            }
            assert_int_equal(tear_down(&rig_state), 0);
        }
        assert_true(n > 17);
    }
}

static bool always(void *context)
{
    (void)context;
    return true;
}

static bool fail_at_zero(void *context)
{
    return (*(int *)context)-- == 0;
}

static void test_allocation_failures(void **state)
{
    struct rig *rig = *state;
    struct os_file *f = open_file(rig->os);
    int n;
    int rc = BLOCKDB_ENOMEM;

    file_close(f);
    mem_set_fail_hook(always, NULL);
    assert_null(os_fault_new(os_real()));
    mem_set_fail_hook(NULL, NULL);
    for (n = 0; rc < 0; n++) {
        int left = n;

        mem_set_fail_hook(fail_at_zero, &left);
        rc = os_open(rig->os, "/d/f", OS_READ, &f, NULL);
        mem_set_fail_hook(NULL, NULL);
    }
    assert_int_equal(n, 5);
    file_close(f);
    rc = BLOCKDB_ENOMEM;
    for (n = 0; rc < 0; n++) {
        int left = n;

        mem_set_fail_hook(fail_at_zero, &left);
        rc = os_lock(rig->os, "/d/f", &f, NULL);
        mem_set_fail_hook(NULL, NULL);
    }
    file_close(f);
}

static void test_clocks_pass_through(void **state)
{
    struct rig *rig = *state;
    uint64_t before = os_monotonic_ns(rig->os);

    assert_int_equal(os_now_ms(rig->os), OS_CRASH_START_MS);
    os_sleep_ns(rig->os, 1000000000);
    assert_true(os_monotonic_ns(rig->os) - before >= 1000000000);
}

static void test_reads_that_would_wait(void **state)
{
    struct rig *rig = *state;
    struct os_read_scope scope = {.no_wait = true};
    AUTO(file_close_ptr) struct os_file *f = NULL;
    AUTO(file_close_ptr) struct os_file *direct = NULL;
    struct error err;
    char got[4];
    size_t len = 0;

    OK(os_open(rig->os, "/f", OS_READ | OS_WRITE | OS_CREATE, &f, NULL));
    OK(file_pwrite(f, "abcd", 4, 0, NULL));
    OK(os_open(rig->os, "/f", OS_READ | OS_DIRECT, &direct, NULL));
    os_fault_arm(rig->fault, &(struct os_fault_plan){.classes = OS_FAULT_READ_CACHED, .nth = 2});
    os_read_scope_enter(&scope);
    OK(file_pread(f, got, 4, 0, &len, &err));
    assert_int_equal(file_pread(f, got, 4, 0, &len, &err), BLOCKDB_EWOULDBLOCK);
    assert_int_equal(err.code, BLOCKDB_EWOULDBLOCK);
    assert_int_equal(file_pread(f, got, 4, 0, &len, NULL), BLOCKDB_OK);
    assert_int_equal(file_pread(direct, got, 4, 0, &len, NULL), BLOCKDB_EWOULDBLOCK);
    os_fault_arm(rig->fault, &(struct os_fault_plan){.classes = OS_FAULT_READ, .nth = 1});
    assert_int_equal(file_pread(f, got, 4, 0, &len, &err), BLOCKDB_EIO);
    os_fault_arm(rig->fault,
                 &(struct os_fault_plan){.classes = OS_FAULT_READ, .nth = 1, .partial = true});
    OK(file_pread(f, got, 4, 0, &len, &err));
    assert_int_equal(len, 2);
    os_read_scope_leave();
    assert_int_equal(scope.cached_reads, 4);
    assert_int_equal(scope.device_reads, 2);
}

#define RIG_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(test_each_class_fails_alone),
        RIG_TEST(test_the_nth_once_or_from_then_on),
        RIG_TEST(test_messages_name_the_new_name),
        RIG_TEST(test_partial_reads_and_writes),
        RIG_TEST(test_reads_that_would_wait),
        cmocka_unit_test(test_helpers_survive_every_fault),
        RIG_TEST(test_allocation_failures),
        RIG_TEST(test_clocks_pass_through),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
