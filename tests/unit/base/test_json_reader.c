/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading JSON without a tree: what is accepted, what is refused, and that nothing is read twice.
 */
#include "base/json_reader.h"
#include "base/json_writer.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* Whether text is one value, skipped from end to end. */
static bool is_json(const char *text)
{
    struct json_reader r = json_reader_of(slice_of_text(text));

    json_reader_skip(&r);
    return json_reader_done(&r);
}

static void test_accepted(void **state)
{
    static const char *const texts[] = {
        "{}",
        " [ ] ",
        "null",
        "true",
        "-0.5e+10",
        "0",
        "1E5",
        "\"\"",
        "\"\\u00e9\\ud83d\\ude00\"",
        "{\"a\":[1,{\"b\":null},\"x\\\"\"],\"c\":{}}",
        "\t\r\n[1,\n2]",
        "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_true(is_json(texts[i]));
    }
}

static void test_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "{",
        "}",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "{\"a\":1 \"b\":2}",
        "[1}",
        "{\"a\":1]",
        "01",
        "-",
        "1.",
        ".5",
        "1e",
        "+1",
        "nul",
        "tru",
        "falsee",
        "\"",
        "\"\\\"",
        "\"a\nb\"",
        "1 2",
        "{} x",
        "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (is_json(texts[i])) {
            fail_msg("accepted: %s", texts[i]);
        }
    }
}

static void test_strings(void **state)
{
    static const struct {
        const char *json, *text; /* NULL: refused */
    } rows[] = {
        {"\"plain\"", "plain"},
        {"\"a\\\"b\\\\c\\/d\\b\\f\\n\\r\\te\"", "a\"b\\c/d\b\f\n\r\te"},
        {"\"\\u0041\\u00E9\\u20ac\\uD83D\\uDE00\"", "A\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"},
        {"\"\xC3\xA9\"", "\xC3\xA9"},
        {"\"\xC3\"", NULL},
        {"\"\\x\"", NULL},
        {"\"\\u12\"", NULL},
        {"\"\\u12g4\"", NULL},
        {"\"\\ud83d\"", NULL},
        {"\"\\ud83dx\"", NULL},
        {"\"\\ud83d\\u0041\"", NULL},
        {"\"\\ude00\"", NULL},
        {"7", NULL},
        {"null", NULL},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct json_reader r = json_reader_of(slice_of_text(rows[i].json));
        AUTO(buf_deinit) struct buf out = {0};

        assert_int_equal(json_reader_text(&r, &out), rows[i].text != NULL);
        assert_int_equal(json_reader_done(&r), rows[i].text != NULL);
        if (rows[i].text != NULL) {
            assert_true(slice_equal(buf_slice(&out), slice_of_text(rows[i].text)));
        } else {
            assert_int_equal(json_reader_status(&r), BLOCKDB_ECORRUPT);
        }
    }
}

static void test_numbers(void **state)
{
    static const char *const refused[] = {"-1", "1.0", "1e3", "18446744073709551616", "\"1\"", ""};
    struct json_reader r = json_reader_of(slice_of_text("[0, 18446744073709551615, true,false]"));
    uint64_t number = 5;
    bool flag = false;
    size_t i;

    (void)state;
    json_reader_begin_array(&r);
    assert_true(json_reader_item(&r) && json_reader_u64(&r, &number) && number == 0);
    assert_true(json_reader_item(&r) && json_reader_u64(&r, &number) && number == UINT64_MAX);
    assert_true(json_reader_item(&r) && json_reader_bool(&r, &flag) && flag);
    assert_true(json_reader_item(&r) && json_reader_bool(&r, &flag) && !flag);
    assert_false(json_reader_item(&r));
    assert_true(json_reader_done(&r));
    for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        r = json_reader_of(slice_of_text(refused[i]));
        number = 5;
        assert_false(json_reader_u64(&r, &number));
        assert_int_equal(number, 5);
        assert_false(json_reader_done(&r));
    }
}

static void test_object(void **state)
{
    struct json_reader r = json_reader_of(
        slice_of_text("{\"a\": {\"x\":[1,2]}, \"b\" :\"t\" , \"c\":[]}"));
    struct slice key;
    struct slice value;

    (void)state;
    assert_int_equal(json_reader_type(&r), JSON_READER_OBJECT);
    json_reader_begin_object(&r);
    assert_true(json_reader_key(&r, &key) && json_key_is(key, "a"));
    assert_true(json_reader_skip_value(&r, &value));
    assert_true(slice_equal(value, slice_of_text("{\"x\":[1,2]}")));
    assert_true(json_reader_key(&r, &key) && json_key_is(key, "b"));
    assert_int_equal(json_reader_type(&r), JSON_READER_STRING);
    json_reader_skip(&r);
    assert_true(json_reader_key(&r, &key) && json_key_is(key, "c"));
    json_reader_begin_array(&r);
    assert_false(json_reader_item(&r));
    assert_false(json_reader_key(&r, &key));
    assert_true(json_reader_done(&r));
    assert_int_equal(json_reader_type(&r), JSON_READER_NOTHING);
}

/* A failure stays, and loops over what failed end. */
static void test_sticky(void **state)
{
    struct json_reader r = json_reader_of(slice_of_text("{\"a\":[1,2,x],\"b\":3}"));
    struct slice key;
    uint64_t number;
    unsigned items = 0;

    (void)state;
    json_reader_begin_object(&r);
    assert_true(json_reader_key(&r, &key));
    json_reader_begin_array(&r);
    while (json_reader_item(&r)) {
        items++;
        assert_true(json_reader_u64(&r, &number));
    }
    assert_int_equal(items, 2);
    assert_false(json_reader_key(&r, &key));
    assert_false(json_reader_item(&r));
    assert_false(json_reader_u64(&r, &number));
    assert_false(json_reader_done(&r));
}

/* Asking for the wrong container fails, and so does ending what was not begun. */
static void test_misuse(void **state)
{
    struct json_reader r = json_reader_of(slice_of_text("[1]"));
    struct slice key;

    (void)state;
    json_reader_begin_object(&r);
    assert_false(json_reader_key(&r, &key));
    assert_false(json_reader_done(&r));
    r = json_reader_of(slice_of_text("[1]"));
    json_reader_begin_array(&r);
    assert_false(json_reader_key(&r, &key));
    r = json_reader_of(slice_of_text("1"));
    assert_false(json_reader_item(&r));
}

/* What the writer writes is what the reader reads. */
static void test_round_trip(void **state)
{
    AUTO(buf_deinit) struct buf json = {0};
    AUTO(buf_deinit) struct buf text = {0};
    struct json_writer w;
    struct json_reader r;
    struct slice key;
    uint8_t bytes[128];
    unsigned i;

    (void)state;
    for (i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)i;
    }
    json_writer_init(&w, &json);
    json_writer_begin_object(&w);
    json_writer_key(&w, "t");
    json_writer_string(&w, slice_of(bytes, sizeof(bytes)));
    json_writer_end_object(&w);
    assert_int_equal(json_writer_finish(&w), 0);
    r = json_reader_of(buf_slice(&json));
    json_reader_begin_object(&r);
    assert_true(json_reader_key(&r, &key) && json_reader_text(&r, &text));
    assert_false(json_reader_key(&r, &key));
    assert_true(json_reader_done(&r));
    assert_true(slice_equal(buf_slice(&text), slice_of(bytes, sizeof(bytes))));
}

static bool fail_always(void *context)
{
    (void)context;
    return true;
}

static void test_short_memory(void **state)
{
    struct json_reader r = json_reader_of(slice_of_text("\"abc\""));
    AUTO(buf_deinit) struct buf out = {0};

    (void)state;
    mem_set_fail_hook(fail_always, NULL);
    assert_false(json_reader_text(&r, &out));
    mem_set_fail_hook(NULL, NULL);
    assert_false(json_reader_done(&r));
    assert_int_equal(json_reader_status(&r), BLOCKDB_ENOMEM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted),     cmocka_unit_test(test_refused),
        cmocka_unit_test(test_strings),      cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_object),       cmocka_unit_test(test_sticky),
        cmocka_unit_test(test_misuse),       cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_short_memory),
    };

    return cmocka_run_group_tests_name("json_reader", tests, NULL, NULL);
}
