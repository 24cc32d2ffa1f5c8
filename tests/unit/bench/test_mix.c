/* SPDX-License-Identifier: Apache-2.0 */
/* Zipf's distribution against its definition, and keys that are added in any order. */
#include "bin/bench/mix.h"

#include "base/mem.h"
#include "bin/bench/dataset.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define PICKS 400000
#define RANKS 1000

static double uniform(uint64_t *state)
{
    return (double)(dataset_random(state) >> 11) * 0x1p-53;
}

static void test_shares_are_those_of_zipf(void **state)
{
    struct zipf zipf;
    uint64_t random = 7;
    static unsigned counts[RANKS];
    double all = 0;
    unsigned i;

    (void)state;
    zipf_init(&zipf, RANKS);
    for (i = 1; i <= RANKS; i++) {
        all += pow(i, -ZIPF_THETA);
    }
    assert_true(fabs(zipf.zeta - all) < 1e-9);
    for (i = 0; i < PICKS; i++) {
        uint64_t rank = zipf_rank(&zipf, uniform(&random));

        assert_true(rank < RANKS);
        counts[rank]++;
    }
    /* The first two are exact, the others an integral's: near, and together right. */
    assert_true(fabs(counts[0] / (double)PICKS - 1 / all) < 0.004);
    assert_true(fabs(counts[1] / (double)PICKS - pow(2, -ZIPF_THETA) / all) < 0.004);
    for (i = 2; i < RANKS; i *= 2) {
        double expected = 0;
        double got = 0;
        unsigned k;

        for (k = i; k < 2 * i && k < RANKS; k++) {
            expected += pow(k + 1, -ZIPF_THETA) / all;
            got += counts[k] / (double)PICKS;
        }
        assert_true(fabs(got - expected) < 0.02);
    }
}

static void test_edges(void **state)
{
    struct zipf zipf;
    uint64_t n;

    (void)state;
    for (n = 1; n <= 4; n++) {
        zipf_init(&zipf, n);
        assert_int_equal(zipf_rank(&zipf, 0), 0);
        assert_true(zipf_rank(&zipf, 0x1p-53 * (0x1p53 - 1)) == n - 1);
    }
}

/* The sum beyond the exact terms agrees with the sum itself. */
static void test_long_sums(void **state)
{
    struct zipf zipf;
    double sum = 0;
    uint64_t k;

    (void)state;
    for (k = 1; k <= 300000; k++) {
        sum += pow((double)k, -ZIPF_THETA);
    }
    zipf_init(&zipf, 300000);
    assert_true(fabs(zipf.zeta - sum) < 1e-8);
}

static void test_keys_appear_in_order(void **state)
{
    struct mix mix;
    uint64_t keys[4] = {0};
    unsigned i;

    (void)state;
    assert_int_equal(mix_init(&mix), 0);
    mix_reset(&mix, 100);
    assert_int_equal(mix_limit(&mix), 100);
    for (i = 0; i < 4; i++) {
        assert_true(mix_add_begin(&mix, &keys[i]));
        assert_int_equal(keys[i], 100 + i);
    }
    mix_add_end(&mix, keys[2]);
    mix_add_end(&mix, keys[1]);
    assert_int_equal(mix_limit(&mix), 100); /* MIX-1 */
    mix_add_end(&mix, keys[0]);
    assert_int_equal(mix_limit(&mix), 103);
    mix_add_end(&mix, keys[3]);
    assert_int_equal(mix_limit(&mix), 104);
    mix_reset(&mix, 100);
    assert_int_equal(mix_limit(&mix), 100);
    mix_deinit(&mix);
}

static void test_window_is_bounded(void **state)
{
    struct mix mix;
    uint64_t key = 0;
    unsigned added = 0;

    (void)state;
    assert_int_equal(mix_init(&mix), 0);
    mix_reset(&mix, 1);
    while (mix_add_begin(&mix, &key)) {
        added++;
        if (key != 1) {
            mix_add_end(&mix, key);
        }
    }
    assert_int_equal(added, MIX_WINDOW / 2);
    mix_add_end(&mix, 1);
    assert_int_equal(mix_limit(&mix), 1 + added);
    assert_true(mix_add_begin(&mix, &key));
    mix_deinit(&mix);
    mix_deinit(&mix);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shares_are_those_of_zipf),
        cmocka_unit_test(test_edges),
        cmocka_unit_test(test_long_sums),
        cmocka_unit_test(test_keys_appear_in_order),
        cmocka_unit_test(test_window_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
