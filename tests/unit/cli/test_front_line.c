/* SPDX-License-Identifier: Apache-2.0 */
/* Which command lines the front takes: those it knows in full, and nothing else. */
#include "bin/front/front_line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define WORDS_MAX 8

static char home[] = "HOME=/home/ada";
static char other[] = "BLOCKDBX=1";
static char *const plain_environment[] = {home, other, NULL};

static bool take(struct front_line *out, const char *const *words, char *const *environment)
{
    char *argv[WORDS_MAX + 2] = {(char *)(uintptr_t) "blockdb-cli"};
    int argc = 1;

    for (; words[argc - 1] != NULL; argc++) {
        assert_true(argc <= WORDS_MAX);
        argv[argc] = (char *)(uintptr_t)words[argc - 1];
    }
    return front_line_read(out, argc, argv, environment);
}

static void test_taken(void **state)
{
    struct front_line line;

    (void)state;
    assert_true(take(&line, (const char *[]){"put", "k", "v", NULL}, plain_environment));
    assert_int_equal(line.command, FRONT_PUT);
    assert_string_equal(line.key, "k");
    assert_string_equal(line.value, "v");
    assert_null(line.url);

    assert_true(take(&line, (const char *[]){"get", "", NULL}, plain_environment));
    assert_int_equal(line.command, FRONT_GET);
    assert_string_equal(line.key, "");
    assert_null(line.value);

    assert_true(take(&line, (const char *[]){"--url", "http://10.0.0.1:1/x", "delete", "@k", NULL},
                     plain_environment));
    assert_int_equal(line.command, FRONT_DELETE);
    assert_string_equal(line.key, "@k");
    assert_string_equal(line.url, "http://10.0.0.1:1/x");
}

static void test_left_alone(void **state)
{
    static const char *const lines[][6] = {
        {NULL},
        {"--url", NULL},
        {"--url", "http://127.0.0.1", NULL},
        {"stats", NULL},
        {"puts", "k", "v", NULL},
        {"put", "k", NULL},
        {"put", "k", "v", "w", NULL},
        {"get", NULL},
        {"get", "k", "--json", NULL},
        {"get", "--json", NULL},
        {"put", "k", "-", NULL},
        {"put", "k", "-1", NULL},
        {"put", "k", "@file", NULL},
        {"put", "-k", "v", NULL},
        {"--url=http://127.0.0.1", "get", "k", NULL},
        {"get", "k", "--url", "http://127.0.0.1", NULL},
        {"--data-dir", "http://127.0.0.1", "get", "k", NULL},
        {"--url", "https://127.0.0.1", "get", "k", NULL},
        {"--url", "http://db.example", "get", "k", NULL},
        {"--url", "http://[::1]:8080", "get", "k", NULL},
        {"--url", "http://127.0.0.1,http://127.0.0.2", "get", "k", NULL},
        {"--url", "127.0.0.1", "get", "k", NULL},
        {"--url", "", "get", "k", NULL},
    };
    struct front_line line;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        assert_false(take(&line, lines[i], plain_environment));
    }
}

static void test_environment(void **state)
{
    static const char *const words[] = {"get", "k", NULL};
    static const struct {
        const char *variable;
        bool taken;
        const char *url;
    } cases[] = {
        {"BLOCKDB_URL=http://localhost:9", true, "http://localhost:9"},
        {"BLOCKDB_URL=http://LocalHost", true, "http://LocalHost"},
        {"BLOCKDB_URL=", true, NULL},
        {"BLOCKDB_URL=http://db.example", false, NULL},
        {"BLOCKDB_URL=https://127.0.0.1", false, NULL},
        {"BLOCKDB_TOKEN=t", false, NULL},
        {"BLOCKDB_PROFILE=p", false, NULL},
        {"BLOCKDB_DATABASE_WRITE_ONCE=true", false, NULL},
    };
    struct front_line line;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *environment[] = {home, (char *)(uintptr_t)cases[i].variable, NULL};

        assert_int_equal(take(&line, words, environment), cases[i].taken);
        if (cases[i].url != NULL) {
            assert_string_equal(line.url, cases[i].url);
        } else if (cases[i].taken) {
            assert_null(line.url);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_taken),
        cmocka_unit_test(test_left_alone),
        cmocka_unit_test(test_environment),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
