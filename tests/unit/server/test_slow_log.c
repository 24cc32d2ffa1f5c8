/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slow log: the threshold, the ring, the lines and their limit.
 */
#include "base/mem.h"
#include "os/os.h"
#include "server/slow_log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct lines {
    unsigned count;
    char first[LOGGER_LINE_BYTES_MAX];
};

static void count_line(void *context, const char *line, size_t len)
{
    struct lines *lines = context;

    if (lines->count++ == 0) {
        (void)snprintf(lines->first, sizeof(lines->first), "%.*s", (int)len, line);
    }
}

static const struct slow_request request = {
    .protocol = "http",
    .what = "POST /api/v1/put",
    .who = "ann",
    .from = "127.0.0.1:1",
    .id = "id-7",
    .outcome = 200,
    .bytes = 300,
    .stage_ns = {1000, 2000000, 150000000, 0},
};

static void test_lines_and_ring(void **state)
{
    static struct slow_entry read[SLOW_LOG_ENTRIES + 1];
    struct lines lines = {0};
    struct logger logger;
    struct slow_log *s = NULL;

    logger_init(&logger, &(struct logger_options){
                             .level = LOGGER_INFO, .sink = count_line, .sink_context = &lines});
    assert_int_equal(slow_log_new(os_real(), &logger, 100, &s), 0);
    assert_false(slow_log_wants(s, 99999999));
    assert_true(slow_log_wants(s, 100000000));
    assert_int_equal(slow_log_read(s, read, 10), 0);

    for (unsigned i = 0; i < SLOW_LOG_ENTRIES + 5; i++) {
        slow_log_add(s, &request);
    }
    assert_non_null(
        strstr(lines.first, "slow: http POST /api/v1/put by ann from 127.0.0.1:1 took"));
    assert_non_null(strstr(lines.first, "receive 1.00 us, queue 2.00 ms, engine 150 ms, "
                                        "answer 0 ns"));
    assert_non_null(strstr(lines.first, "300 bytes, outcome 200, request id-7\n"));
    /* All in one second, or in two when it ended meanwhile. */
    assert_true(lines.count >= SLOW_LOG_LINES_PER_S && lines.count < SLOW_LOG_ENTRIES);
    assert_int_equal(slow_log_count(s), SLOW_LOG_ENTRIES + 5);
    assert_int_equal(slow_log_read(s, read, SLOW_LOG_ENTRIES + 1), SLOW_LOG_ENTRIES);
    assert_int_equal(read[0].number, SLOW_LOG_ENTRIES + 4);
    assert_int_equal(read[SLOW_LOG_ENTRIES - 1].number, 5);
    assert_int_equal(read[0].total_ns, 152001000);
    assert_string_equal(read[0].what, "POST /api/v1/put");
    assert_int_equal(slow_log_read(s, read, 2), 2);

    slow_log_clear(s);
    assert_int_equal(slow_log_read(s, read, 2), 0);
    slow_log_add(s, &request);
    assert_int_equal(slow_log_read(s, read, 2), 1);
    slow_log_free(s);
    slow_log_free(NULL);
}

static void test_zero_is_never(void **state)
{
    struct slow_log *s = NULL;

    assert_int_equal(slow_log_new(os_real(), NULL, 0, &s), 0);
    assert_false(slow_log_wants(s, UINT64_MAX - 1));
    slow_log_set_threshold(s, 1);
    assert_true(slow_log_wants(s, 1000000));
    slow_log_add(s, &request); /* nobody listens */
    slow_log_free(s);
}

static bool fail_always(void *context)
{
    return true;
}

static void test_short_memory(void **state)
{
    struct slow_log *s = NULL;

    mem_set_fail_hook(fail_always, NULL);
    assert_int_equal(slow_log_new(os_real(), NULL, 1, &s), BLOCKDB_ENOMEM);
    mem_set_fail_hook(NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_and_ring),
        cmocka_unit_test(test_zero_is_never),
        cmocka_unit_test(test_short_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
