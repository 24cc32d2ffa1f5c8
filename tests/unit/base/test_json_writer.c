/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON that is written, and the lines of the logger. */
#include "base/json_writer.h"
#include "base/logger.h"
#include "base/mem.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define OK(call) assert_int_equal((call), BLOCKDB_OK)

static const char *text_of(struct buf *b)
{
    OK(buf_append_u8(b, 0));
    b->len--;
    return (const char *)b->data;
}

static void write_everything(struct json_writer *w)
{
    json_writer_begin_object(w);
    json_writer_member_text(w, "a", "x");
    json_writer_member_u64(w, "b", UINT64_MAX);
    json_writer_member_bool(w, "c", true);
    json_writer_key(w, "d");
    json_writer_begin_array(w);
    json_writer_i64(w, INT64_MIN);
    json_writer_null(w);
    json_writer_bool(w, false);
    json_writer_begin_object(w);
    json_writer_end_object(w);
    json_writer_begin_array(w);
    json_writer_end_array(w);
    json_writer_base64(w, slice_of_text("foob"));
    json_writer_hex(w, slice_of_text("a"));
    json_writer_time(w, 0);
    json_writer_raw(w, slice_of_text("{\"r\":1}"));
    json_writer_end_array(w);
    json_writer_end_object(w);
}

static const char everything[] =
    "{\"a\":\"x\",\"b\":18446744073709551615,\"c\":true,\"d\":[-9223372036854775808,null,false,{},"
    "[],\"Zm9vYg==\",\"61\",\"1970-01-01T00:00:00.000Z\",{\"r\":1}]}";

static void test_everything(void **state)
{
    AUTO(buf_deinit) struct buf b = {0};
    struct json_writer w;

    (void)state;
    OK(buf_append(&b, "> ", 2));
    json_writer_init(&w, &b);
    write_everything(&w);
    OK(json_writer_finish(&w));
    assert_memory_equal(text_of(&b), "> ", 2);
    assert_string_equal(text_of(&b) + 2, everything);
}

static void test_strings_are_escaped(void **state)
{
    static const char *const pairs[][2] = {
        {"", "\"\""},
        {"plain", "\"plain\""},
        {"\"\\/", "\"\\\"\\\\/\""},
        {"\b\f\n\r\t", "\"\\b\\f\\n\\r\\t\""},
        {"\x01\x1f\x7f", "\"\\u0001\\u001f\\u007f\""},
        {"a\xc3\xa9z", "\"a\xc3\xa9z\""},
        {"a\xffz\xc3", "\"a\xef\xbf\xbdz\xef\xbf\xbd\""},
        {"\xf0\x9f\x98\x80", "\"\xf0\x9f\x98\x80\""},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        AUTO(buf_deinit) struct buf b = {0};
        struct json_writer w;

        json_writer_init(&w, &b);
        json_writer_text(&w, pairs[i][0]);
        OK(json_writer_finish(&w));
        assert_string_equal(text_of(&b), pairs[i][1]);
    }
}

static void test_numbers(void **state)
{
    static const struct {
        double value;
        const char *text;
    } cases[] = {{0, "0"},
                 {1.5, "1.5"},
                 {-2, "-2"},
                 {100, "100"},
                 {0.1234567, "0.123457"},
                 {1e15, "1000000000000000"},
                 {NAN, "null"},
                 {INFINITY, "null"},
                 {1e-9, "0"}};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        AUTO(buf_deinit) struct buf b = {0};
        struct json_writer w;

        json_writer_init(&w, &b);
        json_writer_double(&w, cases[i].value);
        OK(json_writer_finish(&w));
        assert_string_equal(text_of(&b), cases[i].text);
    }
}

static bool fail_at_zero(void *context)
{
    return (*(int *)context)-- <= 0;
}

static void test_a_failure_is_sticky(void **state)
{
    int n;

    (void)state;
    for (n = 0;; n++) {
        AUTO(buf_deinit) struct buf b = {0};
        struct json_writer w;
        int left = n;
        int rc;

        json_writer_init(&w, &b);
        mem_set_fail_hook(fail_at_zero, &left);
        write_everything(&w);
        rc = json_writer_finish(&w);
        mem_set_fail_hook(NULL, NULL);
        if (rc == BLOCKDB_OK) {
            break;
        }
        assert_int_equal(rc, BLOCKDB_ENOMEM);
    }
    assert_true(n >= 2);
}

struct lines {
    struct buf text;
    int count;
};

static void keep_line(void *context, const char *line, size_t len)
{
    struct lines *lines = context;

    OK(buf_append(&lines->text, line, len));
    lines->count++;
}

static uint64_t new_year(void *context)
{
    (void)context;
    return 1767225600000;
}

static struct logger logger_for(struct lines *lines, enum logger_format format, bool clock)
{
    struct logger l;

    logger_init(&l, &(struct logger_options){
                        .level = LOGGER_INFO,
                        .format = format,
                        .sink = keep_line,
                        .sink_context = lines,
                        .clock = clock ? new_year : NULL,
                    });
    return l;
}

static void test_lines_of_text(void **state)
{
    struct lines lines = {0};
    struct logger l = logger_for(&lines, LOGGER_TEXT, true);

    (void)state;
    logger_write(&l, LOGGER_WARNING, "engine", "merge is %s by %d", "behind", 12);
    logger_write(&l, LOGGER_DEBUG, "engine", "not seen");
    logger_write(NULL, LOGGER_ERROR, "engine", "not seen");
    logger_write(&l, LOGGER_ERROR, "os", "a\nb\x1b[1m \"c\" \\ \xc3\xa9 \xff");
    assert_string_equal(
        text_of(&lines.text),
        "2026-01-01T00:00:00.000Z warning engine: merge is behind by 12\n"
        "2026-01-01T00:00:00.000Z error os: a\\nb\\u001b[1m \"c\" \\ \xc3\xa9 \xef\xbf\xbd\n");
    assert_int_equal(lines.count, 2);
    buf_deinit(&lines.text);
}

static void test_lines_of_json(void **state)
{
    struct lines lines = {0};
    struct logger l = logger_for(&lines, LOGGER_JSON, true);

    (void)state;
    logger_write(&l, LOGGER_INFO, "engine", "say \"%s\"", "\n");
    l = logger_for(&lines, LOGGER_JSON, false);
    logger_write(&l, LOGGER_ERROR, "os", "x");
    assert_string_equal(
        text_of(&lines.text),
        "{\"time\":\"2026-01-01T00:00:00.000Z\",\"level\":\"info\",\"area\":\"engine\","
        "\"message\":\"say \\\"\\n\\\"\"}\n"
        "{\"level\":\"error\",\"area\":\"os\",\"message\":\"x\"}\n");
    buf_deinit(&lines.text);
}

static void test_long_lines_are_cut(void **state)
{
    enum logger_format format;

    (void)state;
    for (format = LOGGER_TEXT; format <= LOGGER_JSON; format++) {
        struct lines lines = {0};
        struct logger l = logger_for(&lines, format, true);
        AUTO(buf_deinit) struct buf long_text = {0};
        const char *end = format == LOGGER_JSON ? "...\"}\n" : "...\n";
        int i;

        for (i = 0; i < 5000; i++) {
            OK(buf_append_u8(&long_text, i % 2 == 0 ? '\n' : '"'));
        }
        logger_write(&l, LOGGER_ERROR, "os", "%s", text_of(&long_text));
        assert_true(lines.text.len <= LOGGER_LINE_BYTES_MAX);
        assert_true(lines.text.len > LOGGER_LINE_BYTES_MAX - 32);
        assert_string_equal(text_of(&lines.text) + lines.text.len - strlen(end), end);
        buf_reset(&lines.text);
        logger_write(&l, LOGGER_ERROR, "os", "%5000d", 1);
        assert_string_equal(text_of(&lines.text) + lines.text.len - strlen(end), end);
        buf_deinit(&lines.text);
    }
}

static void test_levels(void **state)
{
    struct lines lines = {0};
    struct logger l = logger_for(&lines, LOGGER_TEXT, false);
    enum logger_level level;

    (void)state;
    assert_false(logger_enabled(&l, LOGGER_DEBUG));
    assert_true(logger_enabled(&l, LOGGER_INFO));
    logger_set_level(&l, LOGGER_NOTHING);
    assert_false(logger_enabled(&l, LOGGER_ERROR));
    for (level = LOGGER_DEBUG; level <= LOGGER_NOTHING; level++) {
        enum logger_level back;

        OK(logger_level_parse(logger_level_name(level), &back));
        assert_int_equal(back, level);
    }
    assert_int_equal(logger_level_parse("loud", &level), BLOCKDB_EINVAL);
    buf_deinit(&lines.text);
}

/* What a string becomes, made one character at a time. */
static void escape_slowly(struct slice text, struct buf *out)
{
    OK(buf_append_u8(out, '"'));
    while (text.len > 0) {
        char escaped[JSON_ESCAPE_BYTES_MAX];
        size_t used;

        OK(buf_append(out, escaped, json_escape_one(text, escaped, &used)));
        text = slice_of(text.data + used, text.len - used);
    }
    OK(buf_append_u8(out, '"'));
}

static void assert_escaped(const uint8_t *bytes, size_t len)
{
    AUTO(buf_deinit) struct buf expected = {0};
    AUTO(buf_deinit) struct buf b = {0};
    struct json_writer w;

    escape_slowly(slice_of(bytes, len), &expected);
    json_writer_init(&w, &b);
    json_writer_string(&w, slice_of(bytes, len));
    OK(json_writer_finish(&w));
    assert_true(slice_equal(buf_slice(&b), buf_slice(&expected)));
}

/* Every byte at every place of a text that is read eight bytes at a time. */
static void test_every_byte_at_every_place(void **state)
{
    static const char around[] = "abcdefghijklmnopqr\xc3\xa9uvwxyz";
    uint8_t text[sizeof(around) - 1];
    size_t place;
    unsigned c;

    (void)state;
    for (place = 0; place < sizeof(text); place++) {
        for (c = 0; c < 256; c++) {
            memcpy(text, around, sizeof(text));
            text[place] = (uint8_t)c;
            assert_escaped(text, sizeof(text));
            assert_escaped(text, place + 1);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything),
        cmocka_unit_test(test_strings_are_escaped),
        cmocka_unit_test(test_every_byte_at_every_place),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_a_failure_is_sticky),
        cmocka_unit_test(test_lines_of_text),
        cmocka_unit_test(test_lines_of_json),
        cmocka_unit_test(test_long_lines_are_cut),
        cmocka_unit_test(test_levels),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
