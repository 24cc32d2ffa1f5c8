/* SPDX-License-Identifier: Apache-2.0 */
/* Errors, allocation, locks. */
#include "base/error.h"
#include "base/lock.h"
#include "base/mem.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define OK(call) assert_int_equal((call), BLOCKDB_OK)

static void test_errors_say_what_and_where(void **state)
{
    struct error err;

    (void)state;
    assert_int_equal(error_set(&err, BLOCKDB_ECORRUPT, "page %d", 7), BLOCKDB_ECORRUPT);
    assert_int_equal(err.code, BLOCKDB_ECORRUPT);
    assert_string_equal(err.message, "page 7");
    assert_int_equal(error_wrap(&err, err.code, "table '%s'", "x"), BLOCKDB_ECORRUPT);
    assert_string_equal(err.message, "table 'x': page 7");
    assert_int_equal(error_set(NULL, BLOCKDB_EIO, "x"), BLOCKDB_EIO);
    assert_int_equal(error_wrap(NULL, BLOCKDB_EIO, "x"), BLOCKDB_EIO);
    assert_int_equal(error_set_no_memory(&err), BLOCKDB_ENOMEM);
    assert_int_equal(err.code, BLOCKDB_ENOMEM);
}

static void test_long_messages_are_cut(void **state)
{
    struct error err;
    int i;

    (void)state;
    (void)error_set(&err, BLOCKDB_EIO, "%2000d", 1);
    assert_true(strlen(err.message) >= sizeof(err.message) - 45);
    assert_string_equal(err.message + strlen(err.message) - 3, "...");
    for (i = 0; i < 3; i++) {
        (void)error_wrap(&err, BLOCKDB_EIO, "%700d", 1);
        assert_string_equal(err.message + strlen(err.message) - 3, "...");
    }
    (void)error_wrap(&err, BLOCKDB_EIO, "%2000d", 1);
    (void)error_set_errno(&err, EIO, "%2000d", 1);
    assert_string_equal(err.message + strlen(err.message) - 3, "...");
}

static void test_errno_becomes_a_code(void **state)
{
    static const struct {
        int number;
        int code;
    } cases[] = {
        {ENOENT, BLOCKDB_ENOTFOUND},
        {EEXIST, BLOCKDB_EEXIST},
        {ENOTEMPTY, BLOCKDB_EEXIST},
        {ENOSPC, BLOCKDB_ENOSPC},
        {EDQUOT, BLOCKDB_ENOSPC},
        {EFBIG, BLOCKDB_ENOSPC},
        {EACCES, BLOCKDB_EDENIED},
        {EPERM, BLOCKDB_EDENIED},
        {EROFS, BLOCKDB_EREADONLY},
        {ENOMEM, BLOCKDB_ENOMEM},
        {EINVAL, BLOCKDB_EINVAL},
        {ENOTDIR, BLOCKDB_EINVAL},
        {EISDIR, BLOCKDB_EINVAL},
        {ENAMETOOLONG, BLOCKDB_EINVAL},
        {ETIMEDOUT, BLOCKDB_ETIMEDOUT},
        {EWOULDBLOCK, BLOCKDB_EBUSY},
        {EOPNOTSUPP, BLOCKDB_EUNSUPPORTED},
        {EIO, BLOCKDB_EIO},
        {EMFILE, BLOCKDB_EIO},
    };
    struct error err;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(error_set_errno(&err, cases[i].number, "cannot x '%s'", "p"),
                         cases[i].code);
        assert_int_equal(err.code, cases[i].code);
        assert_memory_equal(err.message, "cannot x 'p': ", 14);
        assert_int_equal(error_set_errno(NULL, cases[i].number, "x"), cases[i].code);
    }
}

static void test_every_code_has_a_name(void **state)
{
    int code;

    (void)state;
    for (code = BLOCKDB_EWOULDBLOCK; code <= BLOCKDB_OK; code++) {
        assert_string_not_equal(blockdb_status_name(code), "unknown error");
    }
    assert_string_equal(blockdb_status_name(BLOCKDB_EWOULDBLOCK - 1), "unknown error");
    assert_string_equal(blockdb_status_name(1), "unknown error");
}

static bool always(void *context)
{
    (*(int *)context)++;
    return true;
}

static void test_allocation_can_fail(void **state)
{
    int calls = 0;
    void *p;
    char *text;

    (void)state;
    mem_set_fail_hook(always, &calls);
    assert_null(mem_alloc(1));
    assert_null(mem_calloc(1, 1));
    assert_null(mem_realloc(NULL, 1));
    assert_null(mem_alloc_aligned(64, 1));
    assert_null(mem_strdup("x"));
    mem_set_fail_hook(NULL, NULL);
    assert_int_equal(calls, 5);
    p = mem_alloc(0);
    assert_non_null(p);
    p = mem_realloc(p, 0);
    assert_non_null(p);
    mem_free(p);
    p = mem_calloc(0, 0);
    assert_non_null(p);
    mem_free(p);
    p = mem_alloc_aligned(1, 0);
    assert_non_null(p);
    mem_free(p);
    p = mem_alloc_aligned(4096, 10);
    assert_int_equal((uintptr_t)p % 4096, 0);
    mem_free_ptr(&p);
    mem_free(NULL);
    assert_null(mem_alloc(SIZE_MAX / 2 + 1));
    assert_null(mem_alloc_aligned(64, SIZE_MAX / 2 + 1));
    text = mem_strdup("abc");
    assert_string_equal(text, "abc");
    p = TAKE(text);
    assert_null(text);
    mem_free(p);
}

struct gate {
    struct mutex mu;
    struct cond cond;
    int value;
};

static void *add_one(void *arg)
{
    struct gate *gate = arg;

    mutex_lock(&gate->mu);
    gate->value++;
    assert_true(mutex_held(&gate->mu));
    cond_broadcast(&gate->cond);
    cond_signal(&gate->cond);
    mutex_unlock(&gate->mu);
    return NULL;
}

static void test_locks_and_conditions(void **state)
{
    struct gate gate = {.value = 0};
    struct mutex later;
    pthread_t thread;

    (void)state;
    mutex_init(&gate.mu, LOCK_RANK_ENGINE);
    mutex_init(&later, LOCK_RANK_CACHE);
    cond_init(&gate.cond);
    mutex_lock(&gate.mu);
    mutex_lock(&later);
    mutex_unlock(&later);
    assert_false(cond_wait_for(&gate.cond, &gate.mu, 1000));
    assert_int_equal(pthread_create(&thread, NULL, add_one, &gate), 0);
    while (gate.value == 0) {
        cond_wait(&gate.cond, &gate.mu);
    }
    assert_false(cond_wait_for(&gate.cond, &gate.mu, 1999999));
    mutex_lock(&later);
    mutex_unlock(&gate.mu); /* not in the order of locking */
    mutex_unlock(&later);
    assert_int_equal(pthread_join(thread, NULL), 0);
    cond_deinit(&gate.cond);
    mutex_deinit(&later);
    mutex_deinit(&gate.mu);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors_say_what_and_where),
        cmocka_unit_test(test_long_messages_are_cut),
        cmocka_unit_test(test_errno_becomes_a_code),
        cmocka_unit_test(test_every_code_has_a_name),
        cmocka_unit_test(test_allocation_can_fail),
        cmocka_unit_test(test_locks_and_conditions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
