/* SPDX-License-Identifier: Apache-2.0 */
/* The command line: options, arguments, mistakes; the command table itself; words of the shell. */
#include "bin/cli/args.h"
#include "bin/cli/words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static int parse(struct args *args, const char *const *words, struct error *err)
{
    char *argv[16];
    int argc = 0;

    while (words[argc] != NULL) {
        memcpy(&argv[argc], &words[argc], sizeof(argv[argc])); /* arguments are never changed */
        argc++;
    }
    return args_parse(args, argc, argv, err);
}

static void parse_ok(struct args *args, const char *const *words)
{
    struct error err = {0};

    if (parse(args, words, &err) < 0) {
        fail_msg("%s", err.message);
    }
}

static void test_options_anywhere(void **state)
{
    struct args args;

    (void)state;
    parse_ok(&args, WORDS("--data-dir", "d", "scan", "--limit=5", "pre", "-o", "raw", "--reverse"));
    assert_string_equal(args.command->name, "scan");
    assert_int_equal(args.positional_count, 1);
    assert_string_equal(args.positional[0], "pre");
    assert_string_equal(args_value(&args, "data-dir"), "d");
    assert_int_equal(args_u64(&args, "limit", 1), 5);
    assert_true(args_has(&args, "reverse"));
    assert_false(args_has(&args, "json"));
    assert_int_equal(args_choice(&args, "output", 0), 3);
    assert_null(args_value(&args, "start"));
    assert_int_equal(args_u64(&args, "at", 7), 7);
    assert_int_equal(args_durability(&args), BLOCKDB_DURABILITY_DEFAULT);
}

static void test_forms(void **state)
{
    struct args args;

    (void)state;
    parse_ok(&args, WORDS("get", "k", "-ojson"));
    assert_int_equal(args_choice(&args, "output", 0), 1);
    parse_ok(&args, WORDS("get", "-o=json", "k"));
    assert_int_equal(args_choice(&args, "output", 0), 1);
    parse_ok(&args, WORDS("put", "--", "--key", "-v"));
    assert_string_equal(args.positional[0], "--key");
    assert_string_equal(args.positional[1], "-v");
    parse_ok(&args, WORDS("put", "k", "-", "--durability", "always"));
    assert_string_equal(args.positional[1], "-");
    assert_int_equal(args_durability(&args), BLOCKDB_DURABILITY_ALWAYS);
    parse_ok(&args, WORDS("put", "k", "-12"));
    assert_string_equal(args.positional[1], "-12");
    parse_ok(&args, WORDS("--set", "a=1", "stats", "--set=b=2"));
    assert_string_equal(args_value_at(&args, "set", 0), "a=1");
    assert_string_equal(args_value_at(&args, "set", 1), "b=2");
    assert_null(args_value_at(&args, "set", 2));
    assert_string_equal(args_value(&args, "set"), "b=2");
    parse_ok(&args, WORDS("get", "--help"));
    parse_ok(&args, WORDS("--version"));
    assert_null(args.command);
}

static void test_mistakes(void **state)
{
    const struct {
        const char *const *words;
        const char *says;
    } cases[] = {
        {WORDS("gett", "k"), "did you mean 'get'?"},
        {WORDS("qqqq"), "--help lists"},
        {WORDS("doctor"), "no command 'doctor' yet"},
        {WORDS("get"), "1 argument needed"},
        {WORDS("put", "k"), "2 arguments needed"},
        {WORDS("stats", "x"), "too many: 'x'"},
        {WORDS("scan", "--revers"), "did you mean '--reverse'?"},
        {WORDS("scan", "--jsn"), "did you mean '--json'?"},
        {WORDS("scan", "-z"), "write --"},
        {WORDS("scan", "--reverse=yes"), "takes no value"},
        {WORDS("scan", "--limit"), "needs a value: --limit N"},
        {WORDS("scan", "--limit", "five"), "option --limit: 'five'"},
        {WORDS("scan", "--limit", "-1"), "option --limit"},
        {WORDS("scan", "--at", "1.5"), "option --at"},
        {WORDS("scan", "-o", "yaml"), "one of table|json|jsonl|raw"},
        {WORDS("scan", "-o", "js"), "one of"},
        {WORDS("scan", "--wait", "x"), "option --wait"},
        {WORDS("scan", "--json", "--json"), "given twice"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct error err = {0};
        struct args args;

        assert_int_equal(parse(&args, cases[i].words, &err), BLOCKDB_EINVAL);
        if (strstr(err.message, cases[i].says) == NULL) {
            fail_msg("%zu: %s", i, err.message);
        }
    }
}

static void test_times(void **state)
{
    uint64_t ms;

    (void)state;
    assert_int_equal(time_parse("1970-01-01T00:00:01.5Z", &ms, NULL), BLOCKDB_OK);
    assert_int_equal(ms, 1500);
    assert_int_equal(time_parse("1700000000000", &ms, NULL), BLOCKDB_OK);
    assert_int_equal(ms, 1700000000000);
    assert_int_equal(time_parse("today", &ms, NULL), BLOCKDB_EINVAL);
}

static void check_options(const struct option_spec *options)
{
    for (; options->name != NULL; options++) {
        assert_true(options->help != NULL && options->help[0] != '\0');
        assert_null(strchr(options->help, '\n'));
    }
}

/* What the generators of help and completions rely on. */
static void test_command_table(void **state)
{
    size_t i;
    size_t j;

    (void)state;
    check_options(global_options);
    for (i = 0; command_table[i] != NULL; i++) {
        const struct command *command = command_table[i];

        assert_non_null(command->run);
        assert_true(command->summary[0] >= 'a' && command->summary[0] <= 'z');
        assert_true(command->arguments_min <= command->arguments_max);
        assert_true(command->arguments_max <= ARGS_POSITIONAL_MAX);
        assert_ptr_equal(command_find(command->name), command);
        check_options(command->options);
        for (j = 0; command->options[j].name != NULL; j++) {
            assert_null(option_find(global_options, command->options[j].name,
                                    strlen(command->options[j].name)));
        }
    }
}

static void words_ok(const char *line, const char *joined)
{
    struct words words = {0};
    struct error err = {0};
    char text[128] = "";
    int i;

    if (words_split(&words, slice_of_text(line), &err) < 0) {
        fail_msg("%s: %s", line, err.message);
    }
    for (i = 0; i < words.argc; i++) {
        strncat(text, words.argv[i], sizeof(text) - strlen(text) - 1);
        strncat(text, "|", sizeof(text) - strlen(text) - 1);
    }
    assert_string_equal(text, joined);
    words_deinit(&words);
}

static void test_words(void **state)
{
    static const char *const bad[] = {"\"a", "'a", "\"a\\", "\"\\x0\"", "\"\\x00\"", "\"\\xzz\""};
    size_t i;

    (void)state;
    words_ok("", "");
    words_ok("  put  a\tb\r", "put|a|b|");
    words_ok("put \"a b\" 'c \"d\\'", "put|a b|c \"d\\|");
    words_ok("a\"b c\"d", "ab cd|");
    words_ok("\"\" ''", "||");
    words_ok("\"\\\"\\\\\\n\\t\\x41\"", "\"\\\n\tA|");
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct words words = {0};

        assert_int_equal(words_split(&words, slice_of_text(bad[i]), NULL), BLOCKDB_EINVAL);
        assert_int_equal(words.argc, 0);
        words_deinit(&words);
    }
}

static void test_quoted_words_read_back(void **state)
{
    struct buf out = {0};
    struct words words = {0};
    char all[255];
    int i;

    (void)state;
    for (i = 1; i < 256; i++) {
        all[i - 1] = (char)i;
    }
    assert_int_equal(words_quote(&out, slice_of(all, sizeof(all))), BLOCKDB_OK);
    assert_int_equal(words_split(&words, buf_slice(&out), NULL), BLOCKDB_OK);
    assert_int_equal(words.argc, 1);
    assert_int_equal(strlen(words.argv[0]), sizeof(all));
    assert_memory_equal(words.argv[0], all, sizeof(all));
    buf_reset(&out);
    assert_int_equal(words_quote(&out, slice_of_text("plain:key")), BLOCKDB_OK);
    assert_true(slice_equal(buf_slice(&out), slice_of_text("plain:key")));
    buf_deinit(&out);
    words_deinit(&words);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options_anywhere),
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_command_table),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_quoted_words_read_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
