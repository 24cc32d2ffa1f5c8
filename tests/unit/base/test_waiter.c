/* SPDX-License-Identifier: Apache-2.0 */
/* Waiters and the numbers of threads. */
#include "base/error.h"
#include "base/thread_index.h"
#include "base/waiter.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define ROUNDS 2000

struct pair {
    struct waiter waiters[ROUNDS];
    int values[ROUNDS]; /* plain: the waiter orders them */
};

static struct pair pair;

static void *wake_each(void *arg)
{
    int i;

    (void)arg;
    for (i = 0; i < ROUNDS; i++) {
        pair.values[i] = i + 1;
        waiter_wake(&pair.waiters[i]);
    }
    return NULL;
}

static void test_what_was_written_before_waking_is_seen(void **state)
{
    pthread_t thread;
    int i;

    (void)state;
    for (i = 0; i < ROUNDS; i++) {
        waiter_init(&pair.waiters[i]);
    }
    assert_int_equal(pthread_create(&thread, NULL, wake_each, NULL), 0);
    for (i = 0; i < ROUNDS; i++) {
        waiter_wait(&pair.waiters[i]);
        assert_int_equal(pair.values[i], i + 1);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void *own_number(void *arg)
{
    (void)arg;
    return (void *)(uintptr_t)thread_index();
}

static void test_numbers_are_own_stable_and_reused(void **state)
{
    unsigned own = thread_index();
    void *first = NULL;
    int i;

    (void)state;
    assert_int_equal(own, thread_index());
    for (i = 0; i < 100; i++) {
        pthread_t thread;
        void *number = NULL;

        assert_int_equal(pthread_create(&thread, NULL, own_number, NULL), 0);
        assert_int_equal(pthread_join(thread, &number), 0);
        assert_int_not_equal((uintptr_t)number, own);
        assert_true(i == 0 || number == first);
        first = number;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_written_before_waking_is_seen),
        cmocka_unit_test(test_numbers_are_own_stable_and_reused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
