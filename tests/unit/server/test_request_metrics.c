/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Request metrics: shards add up, what never occurred is left out.
 */
#include "base/mem.h"
#include "server/request_metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct metrics_labels kinds[] = {
    {{{"method", "GET"}, {"route", "/a"}}},
    {{{"method", "PUT"}, {"route", "/b"}}},
};
static const char *const outcomes[] = {"200", "404"};
static const struct request_metrics_options options = {
    .shard_count = 3,
    .kinds = kinds,
    .kind_count = 2,
    .outcome_label = "code",
    .outcomes = outcomes,
    .outcome_count = 2,
    .count_name = "r_total",
    .count_help = "Requests.",
    .duration_name = "r_seconds",
    .duration_help = "Their durations.",
};

static void test_shards_add_up(void **state)
{
    AUTO(buf_deinit) struct buf out = {0};
    struct request_metrics *m = NULL;
    struct metrics_writer w;

    assert_int_equal(request_metrics_new(&options, &m), 0);
    assert_int_equal(request_metrics_count(m), 0);
    request_metrics_record(m, 0, 0, 0, 1000);
    request_metrics_record(m, 2, 0, 0, 2000);
    request_metrics_record(m, 2, 0, 1, 500000000);
    assert_int_equal(request_metrics_count(m), 3);

    metrics_begin(&w, METRICS_TEXT, &out);
    request_metrics_write(m, &w);
    assert_int_equal(metrics_finish(&w), 0);
    assert_int_equal(buf_append_slice(&out, slice_of("", 1)), 0);
    assert_non_null(strstr((const char *)out.data,
                           "r_total{method=\"GET\",route=\"/a\",code=\"200\"} 2\n"
                           "r_total{method=\"GET\",route=\"/a\",code=\"404\"} 1\n"
                           "# HELP r_seconds Their durations.\n"));
    assert_non_null(strstr((const char *)out.data,
                           "r_seconds_bucket{method=\"GET\",route=\"/a\",le=\"0.256\"} 2\n"));
    assert_non_null(strstr((const char *)out.data, "r_seconds_sum{method=\"GET\",route=\"/a\"} "
                                                   "0.500003\n"));
    assert_null(strstr((const char *)out.data, "/b"));
    request_metrics_free(m);
    request_metrics_free(NULL);
}

static bool fail_at(void *context)
{
    unsigned *left = context;

    return (*left)-- == 0;
}

static void test_short_memory(void **state)
{
    struct request_metrics *m = NULL;
    unsigned n = 0;
    int rc;

    do {
        unsigned left = n++;

        mem_set_fail_hook(fail_at, &left);
        rc = request_metrics_new(&options, &m);
        mem_set_fail_hook(NULL, NULL);
        assert_true(rc == 0 || rc == BLOCKDB_ENOMEM);
    } while (rc != 0);
    assert_int_equal(n, 3);
    request_metrics_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shards_add_up),
        cmocka_unit_test(test_short_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
