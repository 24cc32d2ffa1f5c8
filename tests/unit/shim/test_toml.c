/* SPDX-License-Identifier: Apache-2.0 */
/* The TOML face: types, order, lines, and what is refused. */
#include "shim/toml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

struct seen {
    char text[1024];
    size_t len;
    int stop_at; /* the visit that stops the walk, 0: none */
    int count;
};

static int remember(void *context, const struct toml_item *item, struct error *err)
{
    struct seen *seen = context;

    seen->len += (size_t)snprintf(seen->text + seen->len, sizeof(seen->text) - seen->len,
                                  "%u %s.%s %s %s %lld %d\n", item->line, item->table, item->key,
                                  toml_type_name(item->type), item->text ? item->text : "-",
                                  (long long)item->integer, item->boolean);
    seen->count++;
    if (seen->count == seen->stop_at) {
        return error_set(err, BLOCKDB_ECANCELED, "stopped");
    }
    return BLOCKDB_OK;
}

static void test_walks_by_line(void **state)
{
    static const char text[] = "# comment\n"
                               "top = 1\n"
                               "[zebra]\n"
                               "b = \"text \\u00e9\"\n"
                               "a = -7\n"
                               "[apple]\n"
                               "yes = true\n"
                               "f = 1.5\n"
                               "list = [1, 2]\n"
                               "day = 2026-01-02\n"
                               "inner = { x = 1 }\n";
    struct seen seen = {0};
    struct error err = {0};

    (void)state;
    assert_int_equal(toml_walk(slice_of_text(text), "x.toml", remember, &seen, &err), 0);
    assert_string_equal(seen.text, "2 .top an integer - 1 0\n"
                                   "3 .zebra a table - 0 0\n"
                                   "4 zebra.b a string text \xc3\xa9 0 0\n"
                                   "5 zebra.a an integer - -7 0\n"
                                   "6 .apple a table - 0 0\n"
                                   "7 apple.yes true or false - 0 1\n"
                                   "8 apple.f a number with a fraction - 0 0\n"
                                   "9 apple.list an array - 0 0\n"
                                   "10 apple.day a date or time - 0 0\n"
                                   "11 apple.inner a table - 0 0\n");
}

/* Characters whose tests for white space are special in the library. */
static void test_letters_beyond_ascii(void **state)
{
    static const char text[] = "# \xc3\xa9 \xd0\x96\n"
                               "a = \"\xc3\xa9\xe2\xba\x81\xef\xbb\xaf\xe1\x99\xbf\"\n";
    struct seen seen = {0};
    struct error err = {0};

    (void)state;
    assert_int_equal(toml_walk(slice_of_text(text), "x.toml", remember, &seen, &err), 0);
    assert_string_equal(seen.text,
                        "2 .a a string \xc3\xa9\xe2\xba\x81\xef\xbb\xaf\xe1\x99\xbf 0 0\n");
    assert_int_equal(
        toml_walk(slice_of_text("a\xef\xbb\xaf = 1\n"), "x.toml", remember, &seen, &err),
        BLOCKDB_EINVAL);
}

static void test_stops_when_told(void **state)
{
    struct seen seen = {.stop_at = 2};
    struct error err = {0};

    (void)state;
    assert_int_equal(
        toml_walk(slice_of_text("[a]\nb = 1\nc = 2\n"), "x.toml", remember, &seen, &err),
        BLOCKDB_ECANCELED);
    assert_int_equal(seen.count, 2);
    assert_string_equal(err.message, "stopped");
}

static void test_refuses_what_is_not_toml(void **state)
{
    static const struct {
        const char *text;
        const char *message; /* a part of it */
    } cases[] = {
        {"a = \n", "x.toml:1: not valid TOML"},
        {"[a]\nb = 1\nb = 2\n", "x.toml:3: not valid TOML"},
        {"[a]\nb = 1\n[c]\n[a]\nd = 1\n", "x.toml:4: not valid TOML"},
        {"[a\n", "x.toml:1: not valid TOML"},
        {"a = \"\xff\"\n", "x.toml:1: not valid TOML"},
        {"a = 99999999999999999999\n", "x.toml:1: not valid TOML"},
        {"a = \"x\\u0000y\"\n", "x.toml:1: the text of 'a' contains a zero byte"},
        {"\"a\\u0000b\" = 1\n", "x.toml:1: a key contains a zero byte"},
        {"a = 012\n", "x.toml:1: not valid TOML"},
        {"[!]\n", "x.toml"},
        {"[[=]]\n", "x.toml"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct seen seen = {0};
        struct error err = {0};

        assert_int_equal(toml_walk(slice_of_text(cases[i].text), "x.toml", remember, &seen, &err),
                         BLOCKDB_EINVAL);
        if (strstr(err.message, cases[i].message) != err.message) {
            fail_msg("'%s': %s", cases[i].text, err.message);
        }
    }
}

static void test_empty_is_fine(void **state)
{
    struct seen seen = {0};

    (void)state;
    assert_int_equal(toml_walk(slice_of(NULL, 0), "x.toml", remember, &seen, NULL), 0);
    assert_int_equal(seen.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_walks_by_line),   cmocka_unit_test(test_letters_beyond_ascii),
        cmocka_unit_test(test_stops_when_told), cmocka_unit_test(test_refuses_what_is_not_toml),
        cmocka_unit_test(test_empty_is_fine),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
