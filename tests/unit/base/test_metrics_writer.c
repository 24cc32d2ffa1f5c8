/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metrics as text and as JSON: forms, escapes, histograms, short memory.
 */
#include "base/mem.h"
#include "base/metrics_writer.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct metrics_labels odd = {{{"a", "b\\c\"d\ne"}, {"z", ""}}};

static void write_some(struct metrics_writer *w)
{
    metrics_counter(w, "x_total", "Some.", 17);
    metrics_family(w, METRICS_GAUGE, "y", "More.");
    metrics_u64(w, &odd, 1);
    metrics_double(w, NULL, 0.25);
    metrics_double(w, NULL, NAN);
    metrics_seconds(w, NULL, 1500000000);
    metrics_seconds(w, NULL, 0);
    metrics_gauge(w, "v", "Last.", UINT64_MAX);
}

static void assert_written(enum metrics_format format, const char *expected)
{
    AUTO(buf_deinit) struct buf out = {0};
    struct metrics_writer w;

    metrics_begin(&w, format, &out);
    write_some(&w);
    assert_int_equal(metrics_finish(&w), 0);
    assert_int_equal(out.len, strlen(expected));
    assert_memory_equal(out.data, expected, out.len);
}

static void test_forms(void **state)
{
    assert_written(METRICS_TEXT, "# HELP x_total Some.\n# TYPE x_total counter\nx_total 17\n"
                                 "# HELP y More.\n# TYPE y gauge\n"
                                 "y{a=\"b\\\\c\\\"d\\ne\",z=\"\"} 1\ny 0.25\ny NaN\ny 1.5\ny 0\n"
                                 "# HELP v Last.\n# TYPE v gauge\nv 18446744073709551615\n");
    assert_written(METRICS_JSON,
                   "{\"x_total\":{\"type\":\"counter\",\"help\":\"Some.\",\"samples\":"
                   "[{\"value\":17}]},\"y\":{\"type\":\"gauge\",\"help\":\"More.\",\"samples\":"
                   "[{\"labels\":{\"a\":\"b\\\\c\\\"d\\ne\",\"z\":\"\"},\"value\":1},"
                   "{\"value\":0.25},{\"value\":null},{\"value\":1.5},{\"value\":0}]},"
                   "\"v\":{\"type\":\"gauge\",\"help\":\"Last.\",\"samples\":"
                   "[{\"value\":18446744073709551615}]}}");
}

static void test_histograms(void **state)
{
    AUTO(buf_deinit) struct buf out = {0};
    struct metrics_writer w;
    struct latency l = {0};
    struct latency_figures figures = {0};
    const char *text;

    latency_record(&l, 0);
    latency_record_alone(&l, 25000);
    latency_record(&l, 25001);
    latency_record_alone(&l, 9000000000);
    latency_add_to(&l, &figures);
    assert_int_equal(figures.cumulative[0], 2);
    assert_int_equal(figures.cumulative[1], 3);
    assert_int_equal(figures.cumulative[LATENCY_BUCKETS - 1], 3);
    assert_int_equal(figures.count, 4);
    latency_add_to(&l, &figures);
    assert_int_equal(figures.count, 8);

    metrics_begin(&w, METRICS_TEXT, &out);
    metrics_family(&w, METRICS_HISTOGRAM, "h_seconds", "Times.");
    metrics_latency(&w, &odd, &figures);
    metrics_latency(&w, NULL, &figures);
    assert_int_equal(metrics_finish(&w), 0);
    assert_int_equal(buf_append_slice(&out, slice_of("", 1)), 0);
    text = (const char *)out.data;
    assert_non_null(strstr(text, "h_seconds_bucket{le=\"0.000025\"} 4\n"));
    assert_non_null(
        strstr(text, "h_seconds_bucket{a=\"b\\\\c\\\"d\\ne\",z=\"\",le=\"8.192\"} 6\n"));
    assert_non_null(strstr(text, "h_seconds_bucket{le=\"+Inf\"} 8\nh_seconds_sum 18.000100002\n"
                                 "h_seconds_count 8\n"));

    buf_reset(&out);
    metrics_begin(&w, METRICS_JSON, &out);
    metrics_family(&w, METRICS_HISTOGRAM, "h_seconds", "Times.");
    metrics_latency(&w, NULL, &figures);
    assert_int_equal(metrics_finish(&w), 0);
    assert_int_equal(buf_append_slice(&out, slice_of("", 1)), 0);
    assert_non_null(
        strstr((const char *)out.data, "\"8.192\":6},\"sum\":18.000100002,\"count\":8}"));
}

static void test_bounds_ascend(void **state)
{
    for (size_t i = 1; i < LATENCY_BUCKETS; i++) {
        assert_true(latency_bound_ns(i) > latency_bound_ns(i - 1));
    }
}

static bool fail_at(void *context)
{
    unsigned *left = context;

    return (*left)-- == 0;
}

static void test_short_memory_is_told(void **state)
{
    for (unsigned format = METRICS_TEXT; format <= METRICS_JSON; format++) {
        unsigned n = 0;
        int rc;

        do {
            AUTO(buf_deinit) struct buf out = {0};
            struct metrics_writer w;
            unsigned left = n++;

            mem_set_fail_hook(fail_at, &left);
            metrics_begin(&w, format, &out);
            write_some(&w);
            rc = metrics_finish(&w);
            mem_set_fail_hook(NULL, NULL);
            assert_true(rc == 0 || rc == BLOCKDB_ENOMEM);
        } while (rc != 0);
        assert_true(n > 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_histograms),
        cmocka_unit_test(test_bounds_ascend),
        cmocka_unit_test(test_short_memory_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
