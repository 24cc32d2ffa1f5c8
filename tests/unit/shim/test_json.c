/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON face: what is accepted, what is refused and where, bounds, and short memory. */
#include "base/json_writer.h"
#include "base/mem.h"
#include "shim/json.h"
#include "shim/json_locate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define DEPTH_MAX 8
#define LEN_MAX (1024 * 1024)

static struct json_value parse_ok(struct json *json, const char *text)
{
    struct json_value root = {0};
    struct error err = {0};
    int rc = json_parse(json, slice_of_text(text), &root, &err);

    if (rc < 0) {
        fail_msg("%s: %s", text, err.message);
    }
    return root;
}

static void test_reads_each_type(void **state)
{
    AUTO(json_free_ptr) struct json *json = json_new(DEPTH_MAX, LEN_MAX);
    struct json_value root;
    struct json_value value;
    struct slice text;
    uint64_t u64;
    int64_t i64;
    double number;
    bool flag;

    (void)state;
    root = parse_ok(json, "{\"s\":\"a\\u00e9\\n\",\"u\":18446744073709551615,\"i\":-5,\"d\":2.5,"
                          "\"b\":true,\"n\":null,\"a\":[1,2],\"o\":{}}");
    assert_int_equal(json_type_of(root), JSON_OBJECT);
    assert_true(json_member(root, "s", &value) && json_text(value, &text));
    assert_true(slice_equal(text, slice_of_text("a\xc3\xa9\n")));
    assert_false(json_u64(value, &u64));
    assert_false(json_boolean(value, &flag));
    assert_false(json_double(value, &number));
    assert_true(json_member(root, "u", &value) && json_u64(value, &u64));
    assert_true(u64 == UINT64_MAX);
    assert_false(json_i64(value, &i64));
    assert_true(json_member(root, "i", &value) && json_i64(value, &i64));
    assert_int_equal(i64, -5);
    assert_false(json_u64(value, &u64));
    assert_true(json_member(root, "d", &value) && json_double(value, &number));
    assert_true(number == 2.5);
    assert_true(json_member(root, "b", &value) && json_boolean(value, &flag) && flag);
    assert_false(json_text(value, &text));
    assert_true(json_member(root, "n", &value));
    assert_int_equal(json_type_of(value), JSON_NULL);
    assert_false(json_member(value, "x", &value));
    assert_true(json_member(root, "a", &value));
    assert_int_equal(json_type_of(value), JSON_ARRAY);
    assert_true(json_member(root, "o", &value));
    assert_int_equal(json_type_of(value), JSON_OBJECT);
    assert_false(json_member(root, "missing", &value));
}

static void test_walks_in_order(void **state)
{
    AUTO(json_free_ptr) struct json *json = json_new(DEPTH_MAX, LEN_MAX);
    struct json_cursor cursor;
    struct json_value value;
    struct slice key;
    uint64_t number;
    uint64_t i;

    (void)state;
    cursor = json_walk(parse_ok(json, "[10,{\"x\":[1]},12]"));
    assert_false(cursor.is_object);
    for (i = 0; json_next(&cursor, &key, &value); i++) {
        assert_int_equal(key.len, 0);
        assert_true(i == 1 || (json_u64(value, &number) && number == 10 + i));
    }
    assert_int_equal(i, 3);
    cursor = json_walk(parse_ok(json, "{\"b\":1,\"a\":{\"q\":2},\"c\":3}"));
    assert_true(cursor.is_object);
    assert_true(json_next(&cursor, &key, &value) && key.data[0] == 'b');
    assert_true(json_next(&cursor, NULL, &value));
    assert_true(json_next(&cursor, &key, &value) && key.data[0] == 'c');
    assert_false(json_next(&cursor, &key, &value));
    cursor = json_walk(parse_ok(json, "\"text\""));
    assert_false(json_next(&cursor, &key, &value));
}

static void test_refuses_what_is_not_json(void **state)
{
    static const struct {
        const char *text;
        size_t at; /* counted from 1, as in the message */
    } cases[] = {
        {"", 1},
        {"   ", 4},
        {"{", 2},
        {"{\"a\":}", 6},
        {"[1,]", 4},
        {"{,}", 2},
        {"{\"a\" 1}", 6},
        {"{\"a\":1,}", 8},
        {"[1 2]", 4},
        {"{\"a\":1]", 7},
        {"01", 2},
        {"1.", 3},
        {"-", 2},
        {"1e", 3},
        {"+1", 1},
        {"nul", 1},
        {"truee", 5},
        {"\"a", 3},
        {"\"\\x\"", 2},
        {"\"\\u12g4\"", 2},
        {"\"\t\"", 2},
        {"\"\xff\"", 2},
        {"\"\xed\xa0\x80\"", 2},
        {"\"\\ud800\"", 2},
        {"\"\\udc00\"", 2},
        {"{} {}", 4},
        {"// x", 1},
        {"\xef\xbb\xbf{}", 1},
        {"18446744073709551616", 1},
        {"1e999", 1},
        {"{a:1}", 2},
        {"\"\\", 2},
        {"[[[[[[[[[1]]]]]]]]]", 9},
        {"'a'", 1},
        {"[", 2},
        {"{\"a\"", 5},
    };
    AUTO(json_free_ptr) struct json *json = json_new(DEPTH_MAX, LEN_MAX);
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct json_value root;
        struct json_fault fault;
        struct error err = {0};
        char place[32];

        if (json_parse(json, slice_of_text(cases[i].text), &root, &err) != BLOCKDB_EINVAL) {
            fail_msg("accepted: %s", cases[i].text);
        }
        assert_false(json_locate_fault(slice_of_text(cases[i].text), DEPTH_MAX, &fault));
        (void)snprintf(place, sizeof(place), " at byte %zu:", cases[i].at);
        if (strstr(err.message, place) == NULL) {
            fail_msg("'%s': %s, expected%s", cases[i].text, err.message, place);
        }
    }
}

static void test_refuses_zero_bytes(void **state)
{
    AUTO(json_free_ptr) struct json *json = json_new(DEPTH_MAX, LEN_MAX);
    struct json_value root;
    struct error err = {0};

    (void)state;
    assert_int_equal(json_parse(json, slice_of("{}\0", 3), &root, &err), BLOCKDB_EINVAL);
    assert_int_equal(json_parse(json, slice_of("\"\0\"", 3), &root, &err), BLOCKDB_EINVAL);
    assert_non_null(strstr(err.message, "byte 2"));
}

static void test_refuses_duplicate_keys(void **state)
{
    AUTO(json_free_ptr) struct json *json = json_new(DEPTH_MAX, LEN_MAX);
    AUTO(buf_deinit) struct buf large = {0};
    struct json_value root;
    struct error err = {0};
    int i;

    (void)state;
    assert_int_equal(json_parse(json, slice_of_text("{\"a\":1,\"b\":2,\"a\":3}"), &root, &err),
                     BLOCKDB_EINVAL);
    assert_non_null(strstr(err.message, "\"a\" occurs twice"));
    assert_int_equal(
        json_parse(json, slice_of_text("[{\"x\":[{\"k\":1,\"\\u006b\":2}]}]"), &root, &err),
        BLOCKDB_EINVAL);
    assert_int_equal(buf_append(&large, "{", 1), 0);
    for (i = 0; i < 100; i++) {
        assert_int_equal(buf_appendf(&large, "\"key%d\":%d,", i, i), 0);
    }
    assert_int_equal(buf_appendf(&large, "\"last\":0}"), 0);
    assert_int_equal(json_parse(json, buf_slice(&large), &root, &err), BLOCKDB_OK);
    large.len--;
    assert_int_equal(buf_appendf(&large, ",\"key50\":1}"), 0);
    assert_int_equal(json_parse(json, buf_slice(&large), &root, &err), BLOCKDB_EINVAL);
    assert_non_null(strstr(err.message, "\"key50\""));
}

static void test_bounds(void **state)
{
    AUTO(json_free_ptr) struct json *json = json_new(2, 16);
    struct json_value root;
    struct error err = {0};

    (void)state;
    assert_int_equal(json_parse(json, slice_of_text("[[1]]"), &root, &err), BLOCKDB_OK);
    assert_int_equal(json_parse(json, slice_of_text("[[[1]]]"), &root, &err), BLOCKDB_EINVAL);
    assert_non_null(strstr(err.message, "nested"));
    assert_int_equal(json_parse(json, slice_of_text("\"12345678901234\""), &root, &err), 0);
    assert_int_equal(json_parse(json, slice_of_text("\"123456789012345\""), &root, &err),
                     BLOCKDB_ELIMIT);
    assert_non_null(strstr(err.message, "limit is 16"));
}

static bool fail_countdown(void *context)
{
    int *left = context;

    return (*left)-- == 0;
}

static void test_survives_short_memory(void **state)
{
    static const char text[] = "{\"key\":\"value\"}";
    int n;

    (void)state;
    for (n = 0;; n++) {
        struct json_value root;
        struct json *json;
        int left = n;
        int rc = BLOCKDB_ENOMEM;

        mem_set_fail_hook(fail_countdown, &left);
        json = json_new(DEPTH_MAX, LEN_MAX);
        if (json != NULL) {
            rc = json_parse(json, slice_of_text(text), &root, NULL);
        }
        mem_set_fail_hook(NULL, NULL);
        if (json != NULL && rc < 0) {
            assert_int_equal(rc, BLOCKDB_ENOMEM);
            assert_int_equal(json_parse(json, slice_of_text(text), &root, NULL), BLOCKDB_OK);
        }
        json_free(json);
        if (rc == BLOCKDB_OK) {
            break;
        }
    }
    assert_true(n >= 2);
}

static void test_written_text_reads_back(void **state)
{
    AUTO(json_free_ptr) struct json *json = json_new(DEPTH_MAX, LEN_MAX);
    AUTO(buf_deinit) struct buf out = {0};
    struct json_writer writer;
    struct json_value root;
    struct slice text;
    char all[0x80];
    int i;

    (void)state;
    for (i = 0; i < 0x80; i++) {
        all[i] = (char)i;
    }
    json_writer_init(&writer, &out);
    json_writer_string(&writer, slice_of(all, sizeof(all)));
    assert_int_equal(json_writer_finish(&writer), BLOCKDB_OK);
    assert_int_equal(json_parse(json, buf_slice(&out), &root, NULL), BLOCKDB_OK);
    assert_true(json_text(root, &text));
    assert_true(slice_equal(text, slice_of(all, sizeof(all))));
}

/* Random edits of a valid document: the fast parser and the slow scan must agree. */
static void test_scan_agrees_with_parser(void **state)
{
    static const char seed_text[] =
        "{\"a\":[1,-2.5e3,true,false,null],\"b\":\"\\u00e9\\ud83d\\ude00\\n\",\"c\":{\"d\":[]}}";
    static const char letters[] = "{}[]:,\"\\u0129.eE+-tfn \n\x80\xc3\xa9";
    AUTO(json_free_ptr) struct json *json = json_new(DEPTH_MAX, LEN_MAX);
    unsigned seed = (unsigned)getpid();
    int round;

    (void)state;
    print_message("seed %u\n", seed);
    for (round = 0; round < 20000; round++) {
        char text[sizeof(seed_text)];
        struct json_fault fault = {0};
        struct json_value root;
        struct error err = {0};
        bool scanned;
        int edits;
        int rc;

        memcpy(text, seed_text, sizeof(text));
        for (edits = rand_r(&seed) % 3; edits >= 0; edits--) {
            text[(size_t)rand_r(&seed) % (sizeof(text) - 1)] =
                letters[(size_t)rand_r(&seed) % (sizeof(letters) - 1)];
        }
        rc = json_parse(json, slice_of_text(text), &root, &err);
        scanned = json_locate_fault(slice_of_text(text), DEPTH_MAX, &fault);
        if (scanned != (rc == BLOCKDB_OK || strstr(err.message, "twice") != NULL)) {
            fail_msg("%s: parser %s, scan %s at %zu", text, rc < 0 ? err.message : "accepts",
                     scanned ? "accepts" : fault.what, fault.offset);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_each_type),
        cmocka_unit_test(test_walks_in_order),
        cmocka_unit_test(test_refuses_what_is_not_json),
        cmocka_unit_test(test_refuses_zero_bytes),
        cmocka_unit_test(test_refuses_duplicate_keys),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_survives_short_memory),
        cmocka_unit_test(test_written_text_reads_back),
        cmocka_unit_test(test_scan_agrees_with_parser),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
