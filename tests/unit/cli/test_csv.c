/* SPDX-License-Identifier: Apache-2.0 */
/* CSV: records, faults, input in pieces, and that what is written reads back. */
#include "base/mem.h"
#include "bin/cli/csv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

/* Parses one record and compares it with fields separated by '|'. */
static size_t check_record(struct csv_row *row, const char *text, const char *fields)
{
    AUTO(buf_deinit) struct buf joined = {0};
    size_t used = 0;
    size_t i;

    assert_int_equal(csv_parse(row, slice_of_text(text), true, &used), BLOCKDB_OK);
    for (i = 0; i < row->count; i++) {
        assert_int_equal(buf_append(&joined, "|", i > 0), BLOCKDB_OK);
        assert_int_equal(buf_append_slice(&joined, csv_field(row, i)), BLOCKDB_OK);
    }
    assert_true(slice_equal(buf_slice(&joined), slice_of_text(fields)));
    return used;
}

static void test_records(void **state)
{
    AUTO(csv_deinit) struct csv_row row = {0};

    (void)state;
    assert_int_equal(check_record(&row, "a,b\nc", "a|b"), 4);
    assert_int_equal(row.lines, 1);
    assert_int_equal(check_record(&row, "a,b\r\nc", "a|b"), 5);
    assert_int_equal(check_record(&row, "a,,", "a||"), 3);
    assert_int_equal(row.lines, 0);
    assert_int_equal(check_record(&row, "\"a\"\"b\",\"c,\nd\"\n", "a\"b|c,\nd"), 14);
    assert_int_equal(row.lines, 2);
    assert_int_equal(check_record(&row, "a\rb,c", "a\rb|c"), 5);
    assert_int_equal(check_record(&row, "\n", ""), 1);
    assert_true(row.blank);
    assert_int_equal(check_record(&row, "\"\"\n", ""), 3);
    assert_false(row.blank);
    assert_int_equal(check_record(&row, "a\r", "a\r"), 2);
}

static void test_faults(void **state)
{
    static const char *const cases[] = {"a\"b\n", "\"a\"b\n", "\"a", "x,\"a\" ,y\n", "a,b\"\n"};
    AUTO(csv_deinit) struct csv_row row = {0};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t used = 77;

        assert_int_equal(csv_parse(&row, slice_of_text(cases[i]), true, &used), BLOCKDB_EINVAL);
        assert_non_null(row.fault);
        assert_int_equal(used, 77);
    }
}

static void test_too_many_fields(void **state)
{
    AUTO(csv_deinit) struct csv_row row = {0};
    char text[CSV_FIELDS_MAX + 1];
    size_t used;

    (void)state;
    memset(text, ',', sizeof(text));
    assert_int_equal(csv_parse(&row, slice_of(text, CSV_FIELDS_MAX - 1), true, &used), BLOCKDB_OK);
    assert_int_equal(row.count, CSV_FIELDS_MAX);
    assert_int_equal(csv_parse(&row, slice_of(text, CSV_FIELDS_MAX), true, &used), BLOCKDB_EINVAL);
}

/* However the text is cut, a record is either incomplete or the same. */
static void test_pieces(void **state)
{
    static const char text[] = "ab,\"c\"\"\r\nd\",e\r\nnext";
    AUTO(csv_deinit) struct csv_row row = {0};
    size_t len;

    (void)state;
    for (len = 0; len < sizeof(text) - 1; len++) {
        size_t used = 77;

        assert_int_equal(csv_parse(&row, slice_of(text, len), false, &used), BLOCKDB_OK);
        assert_int_equal(used, len < 15 ? 0 : 15);
    }
    assert_int_equal(row.count, 3);
    assert_true(slice_equal(csv_field(&row, 1), slice_of_text("c\"\r\nd")));
}

static void test_written_fields_read_back(void **state)
{
    static const char letters[] = "ab,\"\r\n \t\x80";
    unsigned seed = (unsigned)getpid();
    int round;

    (void)state;
    print_message("seed %u\n", seed);
    for (round = 0; round < 5000; round++) {
        AUTO(csv_deinit) struct csv_row row = {0};
        AUTO(buf_deinit) struct buf text = {0};
        char fields[3][8];
        size_t lens[3];
        size_t used;
        size_t i;

        for (i = 0; i < 3; i++) {
            size_t j;

            lens[i] = (size_t)rand_r(&seed) % 8;
            for (j = 0; j < lens[i]; j++) {
                fields[i][j] = letters[(size_t)rand_r(&seed) % (sizeof(letters) - 1)];
            }
            assert_int_equal(buf_append(&text, ",", i > 0), BLOCKDB_OK);
            assert_int_equal(csv_append_field(&text, slice_of(fields[i], lens[i])), BLOCKDB_OK);
        }
        assert_int_equal(buf_append(&text, "\r\n", 2), BLOCKDB_OK);
        assert_int_equal(csv_parse(&row, buf_slice(&text), true, &used), BLOCKDB_OK);
        assert_int_equal(used, text.len);
        assert_int_equal(row.count, 3);
        for (i = 0; i < 3; i++) {
            assert_true(slice_equal(csv_field(&row, i), slice_of(fields[i], lens[i])));
        }
    }
}

static bool fail_countdown(void *context)
{
    int *left = context;

    return (*left)-- == 0;
}

static void test_survives_short_memory(void **state)
{
    static const char text[] = "plain,\"quoted\"\"twice\"\n";
    int rc = BLOCKDB_ENOMEM;
    int n;

    (void)state;
    for (n = 0; rc != BLOCKDB_OK; n++) {
        AUTO(csv_deinit) struct csv_row row = {0};
        size_t used;
        int left = n;

        mem_set_fail_hook(fail_countdown, &left);
        rc = csv_parse(&row, slice_of_text(text), true, &used);
        mem_set_fail_hook(NULL, NULL);
        assert_true(rc == BLOCKDB_OK || rc == BLOCKDB_ENOMEM);
    }
    assert_true(n >= 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_too_many_fields),
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_written_fields_read_back),
        cmocka_unit_test(test_survives_short_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
