/* SPDX-License-Identifier: Apache-2.0 */
/* Commands of the Redis protocol out of bytes, however these were cut; what is refused. */
#include "base/mem.h"
#include "common/test_env.h"
#include "server/resp/resp_parser.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct resp_parser_limits limits = {
    .args_max = 20, .bulk_max = 100, .inline_max = 64, .command_max = 300};

/* Appends what a parser found as text: "[a|b]" for a command, "." for nothing, "!why" at the end.
 */
static void tell(struct buf *out, enum resp_parsed parsed, const struct resp_parser *p,
                 const struct resp_args *args)
{
    switch (parsed) {
    case RESP_PARSED_COMMAND:
        for (size_t i = 0; i < args->count; i++) {
            assert_int_equal(buf_appendf(out, "%s", i == 0 ? "[" : "|"), 0);
            assert_int_equal(buf_append_slice(out, args->items[i]), 0);
        }
        assert_int_equal(buf_append_u8(out, ']'), 0);
        break;
    case RESP_PARSED_EMPTY:
        assert_int_equal(buf_append_u8(out, '.'), 0);
        break;
    case RESP_PARSED_REFUSED:
        assert_int_equal(buf_appendf(out, "!%s", p->problem), 0);
        break;
    case RESP_PARSED_MORE:
        break;
    }
}

/* Parses what it can of the first `len` bytes, from *at on, out of a copy of exactly that size. */
static enum resp_parsed parse_up_to(struct resp_parser *p, const uint8_t *data, size_t len,
                                    size_t *at, struct buf *out)
{
    struct resp_args args = {0};
    enum resp_parsed parsed;

    do {
        size_t used = 0;
        uint8_t *copy = malloc(len - *at > 0 ? len - *at : 1);

        assert_non_null(copy);
        memcpy(copy, data + *at, len - *at);
        parsed = resp_parser_next(p, &limits, slice_of(copy, len - *at), &args, &used);
        tell(out, parsed, p, &args);
        *at += used;
        free(copy);
    } while (parsed == RESP_PARSED_COMMAND || parsed == RESP_PARSED_EMPTY);
    resp_args_deinit(&args);
    return parsed;
}

/* Parses data in pieces that end at `cuts` and at its end. */
static void parse_cut(const char *data, size_t len, const size_t *cuts, size_t cut_count,
                      struct buf *out)
{
    struct resp_parser p = {0};
    size_t at = 0;
    size_t i;

    buf_reset(out);
    for (i = 0; i < cut_count; i++) {
        (void)parse_up_to(&p, (const uint8_t *)data, cuts[i], &at, out);
        if (p.problem != NULL) {
            break;
        }
    }
    if (p.problem == NULL) {
        (void)parse_up_to(&p, (const uint8_t *)data, len, &at, out);
    }
    resp_parser_deinit(&p);
}

/* The same result whole, cut once anywhere, cut twice anywhere, and byte by byte. */
static void expect(const char *data, size_t len, const char *expected)
{
    AUTO(buf_deinit) struct buf out = {0};
    size_t cuts[512];
    size_t i;
    size_t k;

    assert_true(len < 512);
    parse_cut(data, len, NULL, 0, &out);
    assert_int_equal(buf_append_u8(&out, 0), 0);
    assert_string_equal((const char *)out.data, expected);
    for (i = 0; i < len; i++) {
        for (k = i; k < len; k++) {
            cuts[0] = i;
            cuts[1] = k;
            parse_cut(data, len, cuts, 2, &out);
            assert_int_equal(buf_append_u8(&out, 0), 0);
            assert_string_equal((const char *)out.data, expected);
        }
    }
    for (i = 0; i < len; i++) {
        cuts[i] = i;
    }
    parse_cut(data, len, cuts, len, &out);
    assert_int_equal(buf_append_u8(&out, 0), 0);
    assert_string_equal((const char *)out.data, expected);
}

#define EXPECT(data, expected) expect(data, sizeof(data) - 1, expected)

static void test_arrays(void **state)
{
    (void)state;
    EXPECT("*1\r\n$4\r\nPING\r\n", "[PING]");
    EXPECT("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n*2\r\n$3\r\nGET\r\n$4\r\n\r\n\r\n\r\n",
           "[SET|k|][GET|\r\n\r\n]");
    EXPECT("*0\r\n*-1\r\n*1\r\n$1\r\nx\r\n", "..[x]");
    EXPECT("*8\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n$1\r\n5\r\n$1\r\n6\r\n$1\r\n7\r\n"
           "$1\r\n8\r\n*1\r\n$1\r\nx\r\n",
           "[1|2|3|4|5|6|7|8][x]");
    EXPECT("*2\r\n$3\r\nGET\r\n$5\r\nab", "");
}

static void test_lines(void **state)
{
    (void)state;
    EXPECT("PING\r\nGET k\n  SET  a\tb \r\n", "[PING][GET|k][SET|a|b]");
    EXPECT("\r\n\n   \r\nPING\r\n*1\r\n$4\r\nPING\r\n", "...[PING][PING]");
    EXPECT("a \"b c\" 'd e' \"\" ''\n", "[a|b c|d e||]");
    EXPECT("\"\\x41\\x4a\\x6F\\n\\r\\t\\b\\a\\\\\\\"\\q\\xzz\"\n", "[AJo\n\r\t\b\a\\\"qxzz]");
    EXPECT("'it\\'s \\n'\n", "[it's \\n]");
    EXPECT("pre\"fix\"\n", "[prefix]");
}

static void test_refusals(void **state)
{
    (void)state;
    EXPECT("a \"b\n", "!Protocol error: unbalanced quotes in request");
    EXPECT("a 'b'c\n", "!Protocol error: unbalanced quotes in request");
    EXPECT("*x\r\n", "!Protocol error: invalid multibulk length");
    EXPECT("*\r\n", "!Protocol error: invalid multibulk length");
    EXPECT("*1x", "!Protocol error: invalid multibulk length");
    EXPECT("*1\rx", "!Protocol error: invalid multibulk length");
    EXPECT("*99999999999", "!Protocol error: invalid multibulk length");
    EXPECT("*21\r\n", "!Protocol error: invalid multibulk length: too many arguments");
    EXPECT("*1\r\n:1\r\n", "!Protocol error: expected '$', the head of a bulk string");
    EXPECT("*1\r\n$\r\n", "!Protocol error: invalid bulk length");
    EXPECT("*1\r\n$-1\r\n", "!Protocol error: invalid bulk length: a value has at most 16777216 "
                            "bytes");
    EXPECT("*1\r\n$101\r\n", "!Protocol error: invalid bulk length: a value has at most 16777216 "
                             "bytes");
    EXPECT("*1\r\n$1\r\nabc", "!Protocol error: a bulk string is longer than its length says");
    EXPECT(
        "*4\r\n$90\r\n123456789012345678901234567890123456789012345678901234567890123456789012"
        "345678901234567890\r\n$90\r\n1234567890123456789012345678901234567890123456789012345678"
        "90123456789012345678901234567890\r\n$90\r\n1234567890123456789012345678901234567890123456"
        "78901234567890123456789012345678901234567890\r\n$9\r\n",
        "!Protocol error: the command is too long");
    EXPECT("1234567890123456789012345678901234567890123456789012345678901234567890",
           "!Protocol error: too big inline request");
    EXPECT("1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21\n",
           "!Protocol error: too many arguments");
}

static void test_a_refusal_lasts(void **state)
{
    struct resp_parser p = {0};
    struct resp_args args = {0};
    size_t used = 7;

    (void)state;
    assert_int_equal(resp_parser_next(&p, &limits, slice_of_text("*x\r\n"), &args, &used),
                     RESP_PARSED_REFUSED);
    assert_int_equal(resp_parser_next(&p, &limits, slice_of_text("PING\r\n"), &args, &used),
                     RESP_PARSED_REFUSED);
    assert_int_equal(used, 7);
    resp_parser_deinit(&p);
    resp_args_deinit(&args);
}

static void test_who_is_unknown_may_send_little(void **state)
{
    const struct resp_parser_limits unknown = {
        .args_max = 2, .bulk_max = 4, .inline_max = 40, .command_max = 40};
    struct resp_args args = {0};
    struct resp_parser p = {0};
    struct resp_parser q = {0};
    size_t used = 0;

    (void)state;
    assert_int_equal(resp_parser_next(&p, &unknown, slice_of_text("*3\r\n"), &args, &used),
                     RESP_PARSED_REFUSED);
    assert_string_equal(p.problem, "Protocol error: unauthenticated multibulk length");
    assert_int_equal(resp_parser_next(&q, &unknown, slice_of_text("*1\r\n$5\r\n"), &args, &used),
                     RESP_PARSED_REFUSED);
    assert_string_equal(q.problem, "Protocol error: unauthenticated bulk length");
    resp_args_deinit(&args);
}

/* Bytes that are nearly commands, cut at random: whole and in pieces they are the same. */
static void test_random_bytes(void **state)
{
    static const char *const parts[] = {"*",      "$",
                                        "1",      "2",
                                        "3",      "\r\n",
                                        "\n",     "a",
                                        "\"",     "'",
                                        " ",      "*1\r\n$1\r\nx\r\n",
                                        "*2\r\n", "$2\r\nab\r\n",
                                        "-",      "\\x4"};
    uint64_t seed = test_seed();
    AUTO(buf_deinit) struct buf whole = {0};
    AUTO(buf_deinit) struct buf pieces = {0};

    (void)state;
    for (unsigned round = 0; round < test_rounds(3000, 100000); round++) {
        char data[256];
        size_t cuts[256];
        size_t len = 0;
        size_t cut_count = 0;

        while (len < 100) {
            const char *part;

            seed = seed * 6364136223846793005u + 1442695040888963407u;
            part = parts[(seed >> 33) % (sizeof(parts) / sizeof(parts[0]))];
            memcpy(data + len, part, strlen(part));
            len += strlen(part);
        }
        for (size_t i = 0; i < len; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            if ((seed >> 40) % 4 == 0) {
                cuts[cut_count++] = i;
            }
        }
        parse_cut(data, len, NULL, 0, &whole);
        parse_cut(data, len, cuts, cut_count, &pieces);
        assert_true(slice_equal(buf_slice(&whole), buf_slice(&pieces)));
    }
}

static bool fail_one(void *context)
{
    unsigned *left = context;

    return (*left)-- == 0;
}

/* Short memory is a refusal, and nothing leaks. */
static void test_memory(void **state)
{
    static const char *const inputs[] = {
        "*8\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n$1\r\n5\r\n$1\r\n6\r\n$1\r\n7\r\n$1\r\n8"
        "\r\n",
        "SET a \"b c\" 4 5 6 7 8 9\r\n",
    };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        enum resp_parsed parsed = RESP_PARSED_REFUSED;

        for (unsigned n = 0; parsed == RESP_PARSED_REFUSED; n++) {
            struct resp_parser p = {0};
            struct resp_args args = {0};
            unsigned left = n;
            size_t used = 0;

            mem_set_fail_hook(fail_one, &left);
            parsed = resp_parser_next(&p, &limits, slice_of_text(inputs[i]), &args, &used);
            mem_set_fail_hook(NULL, NULL);
            if (parsed == RESP_PARSED_REFUSED) {
                assert_string_equal(p.problem, "the server has no memory for this command");
            } else {
                assert_int_equal(parsed, RESP_PARSED_COMMAND);
                assert_int_equal(used, strlen(inputs[i]));
                assert_true(n >= 2);
            }
            resp_parser_deinit(&p);
            resp_args_deinit(&args);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arrays),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_a_refusal_lasts),
        cmocka_unit_test(test_who_is_unknown_may_send_little),
        cmocka_unit_test(test_random_bytes),
        cmocka_unit_test(test_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
