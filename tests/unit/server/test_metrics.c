/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The page of a server's metrics: every family has its lines once, names keep to the conventions
 * that promtool checks, and the engine's figures are those of its statistics.
 */
#include "base/mem.h"
#include "server/metrics.h"
#include "server/request_metrics.h"

#include <blockdb/blockdb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct metrics_labels kinds[] = {{{{"command", "get"}}}};
static const char *const outcomes[] = {"ok"};

struct fixture {
    char dir[64];
    struct blockdb *db;
    struct request_metrics *requests;
    struct metrics *metrics;
};

static int setup(void **state)
{
    static const struct request_metrics_options options = {
        .shard_count = 1,
        .kinds = kinds,
        .kind_count = 1,
        .outcome_label = "result",
        .outcomes = outcomes,
        .outcome_count = 1,
        .count_name = "blockdb_resp_commands_total",
        .count_help = "Commands.",
        .duration_name = "blockdb_resp_command_duration_seconds",
        .duration_help = "Their durations.",
    };
    struct fixture *f = calloc(1, sizeof(*f));
    struct error err;

    assert_non_null(f);
    (void)snprintf(f->dir, sizeof(f->dir), "/tmp/test_metrics_XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    assert_int_equal(blockdb_open(f->dir, NULL, BLOCKDB_OPEN_CREATE, &f->db, &err), 0);
    assert_int_equal(blockdb_put(f->db, "k", 1, "v", 1, NULL, NULL, &err), 0);
    assert_int_equal(request_metrics_new(&options, &f->requests), 0);
    assert_int_equal(metrics_new(&f->metrics), 0);
    metrics_register_process(f->metrics);
    metrics_register_engine(f->metrics, f->db);
    metrics_register_requests(f->metrics, f->requests);
    request_metrics_record(f->requests, 0, 0, 0, 5);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char command[128];
    struct error err;

    metrics_free(f->metrics);
    request_metrics_free(f->requests);
    assert_int_equal(blockdb_close(f->db, &err), 0);
    (void)snprintf(command, sizeof(command), "rm -r '%s'", f->dir);
    assert_int_equal(system(command), 0);
    free(f);
    return 0;
}

static void test_page(void **state)
{
    struct fixture *f = *state;
    AUTO(buf_deinit) struct buf out = {0};
    const char *text;
    unsigned families = 0;

    assert_int_equal(metrics_write(f->metrics, METRICS_TEXT, &out), 0);
    assert_int_equal(buf_append_slice(&out, slice_of("", 1)), 0);
    text = (const char *)out.data;
    assert_non_null(strstr(text, "\nblockdb_up 1\n"));
    assert_non_null(strstr(text, "\nblockdb_puts_total 1\n"));
    assert_non_null(
        strstr(text, "\nblockdb_resp_commands_total{command=\"get\",result=\"ok\"} 1\n"));
    assert_non_null(strstr(text, "\nprocess_resident_memory_bytes "));
    for (const char *at = strstr(text, "# TYPE "); at != NULL; at = strstr(at + 1, "# TYPE ")) {
        char line[128];

        (void)snprintf(line, sizeof(line), "%.*s ", (int)strcspn(at + 7, " "), at + 7);
        families++;
        /* No second family of that name. */
        for (const char *other = strstr(at + 1, "# TYPE "); other != NULL;
             other = strstr(other + 1, "# TYPE ")) {
            assert_int_not_equal(strncmp(other + 7, line, strlen(line)), 0);
        }
    }
    assert_true(families > 40);
}

static void test_json(void **state)
{
    struct fixture *f = *state;
    AUTO(buf_deinit) struct buf out = {0};

    assert_int_equal(metrics_write(f->metrics, METRICS_JSON, &out), 0);
    assert_int_equal(buf_append_slice(&out, slice_of("", 1)), 0);
    assert_non_null(
        strstr((const char *)out.data, "\"blockdb_puts_total\":{\"type\":\"counter\","));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_page, setup, teardown),
        cmocka_unit_test_setup_teardown(test_json, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
