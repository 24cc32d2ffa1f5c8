/* SPDX-License-Identifier: Apache-2.0 */
/* The histogram log has the form that HdrHistogram's tools read. */
#include "bin/bench/hdr_log.h"

#include "base/error.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char *log_of(const struct histogram *h)
{
    struct buf out = {0};

    assert_int_equal(hdr_log_append(&out, "redis readrandom", h), 0);
    assert_int_equal(buf_append_u8(&out, 0), 0);
    return (char *)out.data;
}

static void test_empty(void **state)
{
    struct histogram *h = mem_calloc(1, sizeof(*h));
    char *text = log_of(h);

    (void)state;
    assert_non_null(strstr(text, "#[redis readrandom]\n"));
    assert_non_null(strstr(text, "Value     Percentile TotalCount 1/(1-Percentile)\n\n"));
    assert_non_null(strstr(text, "Total count    =            0]"));
    mem_free(text);
    mem_free(h);
}

static void test_lines(void **state)
{
    struct histogram *h = mem_calloc(1, sizeof(*h));
    double last_value = -1;
    double last_percentile = -1;
    double mean;
    double deviation;
    uint64_t last_count = 0;
    unsigned lines = 0;
    char *text;
    const char *at;
    uint64_t i;

    (void)state;
    for (i = 1; i <= 100000; i++) {
        histogram_record(h, i * 1000);
    }
    text = log_of(h);
    at = strstr(text, "\n\n") + 2;
    while (*at != '#') {
        double value;
        double percentile;
        double inverse;
        uint64_t count;

        assert_int_equal(sscanf(at, "%lf %lf %lu %lf", &value, &percentile, &count, &inverse), 4);
        assert_true(value >= last_value && percentile > last_percentile && count >= last_count);
        /* Values are 1 us to 100 ms in equal steps. */
        assert_true(value >= percentile * 100 - 0.001 && value <= percentile * 100 * 1.04 + 0.2);
        assert_true(count >= (uint64_t)(percentile * 100000));
        last_value = value;
        last_percentile = percentile;
        last_count = count;
        lines++;
        at = strchr(at, '\n') + 1;
    }
    assert_true(last_percentile == 1.0 && last_count == 100000 && last_value == 100.0);
    assert_true(lines > 20 && lines < 150);
    assert_int_equal(sscanf(at, "#[Mean = %lf, StdDeviation = %lf]", &mean, &deviation), 2);
    assert_true(mean == 50.0005 && deviation > 28.5 && deviation < 29.5); /* 28.87, by buckets */
    assert_non_null(strstr(at, "#[Max     =   100.000000, Total count    =       100000]"));
    mem_free(text);
    mem_free(h);
}

static uint64_t fail_at;

static bool fail_nth(void *arg)
{
    (void)arg;
    return fail_at-- == 0;
}

static void test_no_memory(void **state)
{
    struct histogram *h = mem_calloc(1, sizeof(*h));
    struct buf out = {0};
    uint64_t n;
    int rc = BLOCKDB_ENOMEM;

    (void)state;
    for (n = 1; n < 5000; n++) {
        histogram_record(h, n * n);
    }
    for (n = 0; rc != 0; n++) {
        fail_at = n;
        mem_set_fail_hook(fail_nth, NULL);
        rc = hdr_log_append(&out, "x", h);
        mem_set_fail_hook(NULL, NULL);
        assert_true(rc == 0 || rc == BLOCKDB_ENOMEM);
        buf_deinit(&out);
    }
    assert_true(n > 1);
    mem_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
