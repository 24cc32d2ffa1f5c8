/* SPDX-License-Identifier: Apache-2.0 */
/* When the operations of an open loop are due. */
#include "bin/bench/schedule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define S 1000000000ULL

static void test_due_times(void **state)
{
    struct schedule s = {.start_ns = 5 * S, .rate = 1000};

    (void)state;
    assert_int_equal(schedule_due_ns(&s, 0), 5 * S);
    assert_int_equal(schedule_due_ns(&s, 1), 5 * S + 1000000);
    assert_int_equal(schedule_due_ns(&s, 1000), 6 * S);
    s.rate = 0.5;
    assert_int_equal(schedule_due_ns(&s, 3), 11 * S);
}

static void test_days_at_a_high_rate(void **state)
{
    struct schedule s = {.start_ns = 0, .rate = 3000000};
    uint64_t n = 3000000ULL * 86400 * 30;

    (void)state;
    assert_int_equal(schedule_due_ns(&s, n), 86400ULL * 30 * S);
    assert_int_equal(schedule_due_ns(&s, n + 3), 86400ULL * 30 * S + 1000);
}

static void test_counts_agree_with_times(void **state)
{
    static const double rates[] = {0.3, 1, 7, 1000, 33333, 1e6};
    unsigned r;

    (void)state;
    for (r = 0; r < sizeof(rates) / sizeof(rates[0]); r++) {
        struct schedule s = {.start_ns = 17, .rate = rates[r]};
        uint64_t n;

        assert_int_equal(schedule_due_count(&s, 0), 0);
        assert_int_equal(schedule_due_count(&s, 17), 0);
        assert_int_equal(schedule_due_count(&s, 18), 1);
        for (n = 1; n < 200; n++) {
            uint64_t due = schedule_due_ns(&s, n);

            assert_int_equal(schedule_due_count(&s, due), n);
            assert_int_equal(schedule_due_count(&s, due + 1), n + 1);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_due_times),
        cmocka_unit_test(test_days_at_a_high_rate),
        cmocka_unit_test(test_counts_agree_with_times),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
