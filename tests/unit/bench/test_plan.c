/* SPDX-License-Identifier: Apache-2.0 */
/* What command lines about servers mean, and which are refused. */
#include "bin/bench/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define WORDS_MAX 16

static int parse(struct plan *plan, struct error *err, const char *line)
{
    static char text[512];
    static char *argv[WORDS_MAX + 1];
    int argc = 0;
    char *at = text;

    (void)snprintf(text, sizeof(text), "blockdb-bench %s", line);
    while (*at != '\0' && argc < WORDS_MAX) {
        argv[argc++] = at;
        at += strcspn(at, " ");
        if (*at == ' ') {
            *at++ = '\0';
        }
    }
    argv[argc] = NULL;
    return plan_parse(plan, argc, argv, err);
}

static void refuse(const char *line, const char *word)
{
    struct plan plan;
    struct error err = {0};

    assert_int_equal(parse(&plan, &err, line), BLOCKDB_EINVAL);
    assert_non_null(strstr(err.message, word));
}

static void accept(struct plan *plan, const char *line)
{
    struct error err = {0};

    assert_int_equal(parse(plan, &err, line), 0);
}

static void test_servers_that_run_need_a_word(void **state)
{
    struct plan plan;

    (void)state;
    refuse("--url http://x:1", "--allow-live");
    refuse("--redis x:1", "--allow-live");
    refuse("targets --url http://x:1", "--allow-live");
    refuse("--redis x:1 --durability always --allow-live", "server decides");
    accept(&plan, "--url http://x:1 --allow-live");
    assert_int_equal(plan.engine_count, 1);
    assert_ptr_equal(plan.engines[0], &bench_engine_http);
    accept(&plan, "--redis x:1 --allow-live");
    assert_ptr_equal(plan.engines[0], &bench_engine_redis);
}

static void test_engines_and_defaults(void **state)
{
    struct plan plan;

    (void)state;
    accept(&plan, "--server");
    assert_int_equal(plan.engine_count, 2);
    assert_int_equal(plan.durability, BLOCKDB_DURABILITY_DEFAULT);
    assert_int_equal(plan.num, 20000);
    accept(&plan, "--server --durability none --num 5");
    assert_int_equal(plan.durability, BLOCKDB_DURABILITY_NONE);
    assert_int_equal(plan.num, 5);
    accept(&plan, "");
    assert_ptr_equal(plan.engines[0], &bench_engine_blockdb);
    assert_int_equal(plan.durability, BLOCKDB_DURABILITY_NONE);
    assert_int_equal(plan.num, 1000000);
    accept(&plan, "--rate 1000 -o json --histogram f");
    assert_int_equal(plan.rate, 1000);
    assert_true(plan.json);
    assert_string_equal(plan.histogram, "f");
}

static void test_targets(void **state)
{
    struct plan plan;

    (void)state;
    accept(&plan, "targets");
    assert_true(plan.targets);
    assert_int_equal(plan.engine_count, 1);
    assert_ptr_equal(plan.engines[0], &bench_engine_http);
    refuse("targets --engines redis", "by HTTP");
    refuse("targets --redis x:1 --allow-live", "by HTTP");
    refuse("-o yaml", "json or table");
    refuse("--rate 0", "--rate");
    refuse("--server-program=", "empty");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_servers_that_run_need_a_word),
        cmocka_unit_test(test_engines_and_defaults),
        cmocka_unit_test(test_targets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
