/* SPDX-License-Identifier: Apache-2.0 */
/* Percentiles against sorted values, merging, limits. */
#include "base/error.h"
#include "base/histogram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct histogram h; /* too large for small stacks */
static struct histogram other;

static void test_empty(void **state)
{
    (void)state;
    histogram_reset(&h);
    assert_int_equal(histogram_percentile(&h, 50), 0);
    assert_true(histogram_mean(&h) == 0.0);
    histogram_reset(&other);
    histogram_merge(&h, &other);
    assert_int_equal(h.count, 0);
    assert_int_equal(h.min_ns, 0);
}

static void test_small_values_are_exact(void **state)
{
    uint64_t i;

    (void)state;
    histogram_reset(&h);
    for (i = 1; i <= 100; i++) {
        histogram_record(&h, i);
    }
    assert_int_equal(histogram_percentile(&h, 0), 1);
    assert_int_equal(histogram_percentile(&h, 1), 1);
    assert_int_equal(histogram_percentile(&h, 50), 50);
    assert_int_equal(histogram_percentile(&h, 50.5), 51);
    assert_int_equal(histogram_percentile(&h, 99), 99);
    assert_int_equal(histogram_percentile(&h, 99.99), 100);
    assert_int_equal(histogram_percentile(&h, 100), 100);
    assert_true(histogram_mean(&h) == 50.5);
    assert_int_equal(h.min_ns, 1);
    assert_int_equal(h.max_ns, 100);
    assert_int_equal(histogram_count_below(&h, 10), 10);
}

static int compare(const void *a, const void *b)
{
    const uint64_t *x = a;
    const uint64_t *y = b;

    return (*x > *y) - (*x < *y);
}

/* Against the true percentiles of random values of all magnitudes. */
static void test_percentiles_are_near(void **state)
{
    static const double percents[] = {1, 10, 50, 90, 95, 99, 99.9, 99.99, 100};
    static uint64_t values[20000];
    uint64_t x = 1;
    size_t count = sizeof(values) / sizeof(values[0]);
    size_t i;

    (void)state;
    histogram_reset(&h);
    for (i = 0; i < count; i++) {
        x = x * 6364136223846793005ULL + 1442695040888963407ULL;
        values[i] = (x >> 22) >> (x >> 5) % 40;
        histogram_record(&h, values[i]);
    }
    qsort(values, count, sizeof(values[0]), compare);
    for (i = 0; i < sizeof(percents) / sizeof(percents[0]); i++) {
        size_t rank = (size_t)(percents[i] / 100 * (double)count + 0.9999);
        uint64_t truth = values[rank - 1];
        uint64_t found = histogram_percentile(&h, percents[i]);

        assert_true(found >= truth);
        assert_true(found <= truth + truth / 64 + 1);
    }
}

static void test_merge_adds(void **state)
{
    (void)state;
    histogram_reset(&h);
    histogram_reset(&other);
    histogram_record(&other, 1000);
    histogram_merge(&h, &other);
    assert_int_equal(h.min_ns, 1000);
    histogram_record(&h, 5);
    histogram_record(&other, 100000);
    histogram_merge(&h, &other);
    assert_int_equal(h.count, 4);
    assert_int_equal(h.min_ns, 5);
    assert_int_equal(h.max_ns, 100000);
    assert_int_equal(h.sum_ns, 1000 + 5 + 1000 + 100000);
    assert_int_equal(histogram_percentile(&h, 25), 5);
    assert_int_equal(histogram_percentile(&h, 100), 100000);
}

static void test_edges(void **state)
{
    unsigned bit;

    (void)state;
    for (bit = 0; bit < 64; bit++) {
        int delta;

        for (delta = -1; delta <= 1; delta++) {
            uint64_t value = ((uint64_t)1 << bit) + (uint64_t)(int64_t)delta;

            histogram_reset(&h);
            histogram_record(&h, value);
            assert_true(histogram_percentile(&h, 50) == value); /* never above the maximum */
            assert_int_equal(histogram_count_below(&h, value), 1);
        }
    }
    histogram_record(&h, 0);
    assert_int_equal(h.min_ns, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_small_values_are_exact),
        cmocka_unit_test(test_percentiles_are_near),
        cmocka_unit_test(test_merge_adds),
        cmocka_unit_test(test_edges),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
