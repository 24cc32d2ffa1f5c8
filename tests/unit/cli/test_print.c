/* SPDX-License-Identifier: Apache-2.0 */
/* Forms of output, changes read from JSON, exit codes, progress. */
#include "base/mem.h"
#include "bin/cli/change.h"
#include "bin/cli/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void check_pending(struct out *out, const char *expected)
{
    assert_int_equal(buf_append_u8(&out->pending, 0), BLOCKDB_OK);
    assert_string_equal((const char *)out->pending.data, expected);
    buf_reset(&out->pending);
}

static struct entry entry_of(const char *key, const char *value)
{
    return (struct entry){
        .key = slice_of_text(key),
        .value = slice_of_text(value),
        .version = {.seq = 7, .time_ms = 1500, .kind = BLOCKDB_KIND_PUT},
    };
}

static void print_entries(struct out *out, enum output_format format, bool show_key_alone)
{
    struct entry_printer p = {.out = out, .format = format, .show_key_alone = show_key_alone};
    struct entry a = entry_of("a", "1");
    struct entry b = entry_of("b", "");

    b.version.kind = BLOCKDB_KIND_DELETE;
    entry_printer_begin(&p);
    entry_print(&p, &a);
    entry_print(&p, &b);
    entry_printer_end(&p);
}

static void test_entries(void **state)
{
#define A "{\"type\":\"put\",\"key\":\"a\",\"value\":\"1\",\"encoding\":\"utf8\",\"seq\":7," TIME
#define B "{\"type\":\"delete\",\"key\":\"b\",\"encoding\":\"utf8\",\"seq\":7," TIME
#define TIME "\"time\":\"1970-01-01T00:00:01.500Z\"}"
    struct out out;

    (void)state;
    out_init(&out, STDOUT_FILENO);
    print_entries(&out, OUTPUT_JSONL, false);
    check_pending(&out, A "\n" B "\n");
    print_entries(&out, OUTPUT_JSON, false);
    check_pending(&out, "[\n" A ",\n" B "\n]\n");
    print_entries(&out, OUTPUT_RAW, false);
    check_pending(&out, "a\t1\nb\t\n");
    print_entries(&out, OUTPUT_RAW, true);
    check_pending(&out, "a\nb\n");
    print_entries(&out, OUTPUT_TABLE, false);
    assert_non_null(memmem(out.pending.data, out.pending.len, "(deleted)", 9));
    out_deinit(&out);
#undef A
#undef B
#undef TIME
}

static void test_bytes_that_are_no_text(void **state)
{
    struct entry e = entry_of("k", "\xff");
    struct out out;

    (void)state;
    out_init(&out, STDOUT_FILENO);
    entry_print_json(&out, &e);
    check_pending(&out, "{\"type\":\"put\",\"key\":\"aw==\",\"value\":\"/w==\",\"encoding\":"
                        "\"base64\",\"seq\":7,\"time\":\"1970-01-01T00:00:01.500Z\"}");
    assert_int_equal(out_escaped(&out, slice_of_text("a\x1b\xc3\xa9\xff\xc2\x9b"), 0), 18);
    check_pending(&out, "a\\x1b\xc3\xa9\\xff\\xc2\\x9b");
    assert_int_equal(out_escaped(&out, slice_of_text("abcdefgh"), 5), 8);
    check_pending(&out, "abcde...");
    out_deinit(&out);
}

static void test_fields(void **state)
{
    static const uint8_t hash[BLOCKDB_HASH_LEN] = {0xab};
    const struct field fields[] = {
        {.name = "some_bytes", .type = FIELD_BYTES, .number = 1536, .heading = "Head"},
        {.name = "time", .type = FIELD_TIME, .number = 1500},
        {.name = "hash", .type = FIELD_HASH, .data = hash},
        {.name = "share", .type = FIELD_SHARE, .number = 1, .total = 4, .derived = true},
        {.name = "text", .type = FIELD_TEXT, .text = "x\"y"},
    };
    struct out out;

    (void)state;
    out_init(&out, STDOUT_FILENO);
    fields_print(&out, OUTPUT_TABLE, fields, 5);
    check_pending(&out, "Head\n"
                        "  some bytes                  1.5 KiB\n"
                        "  time                        1970-01-01T00:00:01.500Z\n"
                        "  hash                        ab00000000000000000000000000000000000000"
                        "000000000000000000000000\n"
                        "  share                       25.0 %\n"
                        "  text                        x\"y\n");
    fields_print(&out, OUTPUT_JSON, fields, 2);
    check_pending(&out, "{\"some_bytes\":1536,\"time\":\"1970-01-01T00:00:01.500Z\"}\n");
    fields_print(&out, OUTPUT_RAW, fields + 3, 2);
    check_pending(&out, "x\"y\n");
    out_deinit(&out);
}

static void test_changes(void **state)
{
    AUTO(change_parser_free_ptr) struct change_parser *parser = change_parser_new();
    struct change change;

    (void)state;
    assert_int_equal(change_parse(parser,
                                  slice_of_text("{\"key\":\"aw==\",\"value\":\"/w==\",\"encoding\":"
                                                "\"base64\",\"seq\":7,\"time\":\"x\"}"),
                                  &change, NULL),
                     BLOCKDB_OK);
    assert_int_equal(change.type, CHANGE_PUT);
    assert_true(slice_equal(change.key, slice_of_text("k")));
    assert_true(slice_equal(change.value, slice_of_text("\xff")));
    assert_false(change.if_absent);
    assert_int_equal(
        change_parse(parser, slice_of_text("{\"type\":\"delete\",\"key\":\"k\"}"), &change, NULL),
        BLOCKDB_OK);
    assert_int_equal(change.type, CHANGE_DELETE);
    assert_int_equal(change_parse(parser,
                                  slice_of_text("{\"type\":\"delete\",\"key\":\"k\","
                                                "\"value\":\"\"}"),
                                  &change, NULL),
                     BLOCKDB_EINVAL);
    assert_int_equal(change_parse_object(parser, slice_of_text("{\"id\":12}"), "id", &change, NULL),
                     BLOCKDB_OK);
    assert_true(slice_equal(change.key, slice_of_text("12")));
    assert_true(slice_equal(change.value, slice_of_text("{\"id\":12}")));
    assert_int_equal(change_parse_object(parser, slice_of_text("{}"), "id", &change, NULL),
                     BLOCKDB_EINVAL);
}

static void test_exit_codes(void **state)
{
    (void)state;
    assert_int_equal(exit_code_of(BLOCKDB_OK, true), 0);
    assert_int_equal(exit_code_of(BLOCKDB_EIO, false), 1);
    assert_int_equal(exit_code_of(BLOCKDB_EINVAL, false), 2);
    assert_int_equal(exit_code_of(BLOCKDB_ENOTFOUND, false), 3);
    assert_int_equal(exit_code_of(BLOCKDB_ECONFLICT, false), 4);
    assert_int_equal(exit_code_of(BLOCKDB_ETAMPERED, false), 5);
    assert_int_equal(exit_code_of(BLOCKDB_ECORRUPT, true), 5);
    assert_int_equal(exit_code_of(BLOCKDB_ECORRUPT, false), 1);
    assert_int_equal(exit_code_of(BLOCKDB_EBUSY, false), 6);
    assert_int_equal(exit_code_of(BLOCKDB_EDENIED, false), 7);
    assert_int_equal(exit_code_of(BLOCKDB_ECANCELED, false), 130);
}

static void test_progress(void **state)
{
    char text[PROGRESS_TEXT_MAX];

    (void)state;
    progress_format(text, "entries", 500, 0, 1000000000);
    assert_string_equal(text, "500 entries, 500 entries/s");
    progress_format(text, "bytes", 1048576, 2097152, 2000000000);
    assert_string_equal(text, "1 MiB of 2 MiB, 512 KiB/s, 2 s left");
    progress_format(text, "entries", 1, 7201, 1000000000);
    assert_string_equal(text, "1 entries of 7201 entries, 1 entries/s, 2 h 00 min left");
    progress_format(text, "files", 0, 10, 0);
    assert_string_equal(text, "0 files of 10 files, 0 files/s");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_entries),    cmocka_unit_test(test_bytes_that_are_no_text),
        cmocka_unit_test(test_fields),     cmocka_unit_test(test_changes),
        cmocka_unit_test(test_exit_codes), cmocka_unit_test(test_progress),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
