/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics are found by their whole names. */
#include "bin/bench/targets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char text[] = "# HELP a_sum what\n"
                           "# TYPE a_sum counter\n"
                           "a_sum_more 1\n"
                           "a_sum{x=\"y\"} 2\n"
                           "a_sum 3.5\n"
                           "b 1e3\n"
                           "last 7";

static void test_values(void **state)
{
    struct slice all = slice_of_text(text);

    (void)state;
    assert_true(targets_metric(all, "a_sum") == 3.5);
    assert_true(targets_metric(all, "a_sum_more") == 1);
    assert_true(targets_metric(all, "b") == 1000);
    assert_true(targets_metric(all, "last") == 7);
    assert_true(targets_metric(all, "a") == 0);
    assert_true(targets_metric(all, "missing") == 0);
    assert_true(targets_metric((struct slice){0}, "b") == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_values)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
