/* SPDX-License-Identifier: Apache-2.0 */
/* Slices, bufs, readers, checksums. */
#include "base/bytes.h"
#include "base/checksum.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define OK(call) assert_int_equal((call), BLOCKDB_OK)

static bool always(void *context)
{
    (void)context;
    return true;
}

static void test_slices_compare_as_keys(void **state)
{
    static const char *const ordered[] = {"", "a", "a\x01", "ab", "b", "\x7f", "\xff"};
    size_t count = sizeof(ordered) / sizeof(ordered[0]);
    size_t i, j;

    (void)state;
    for (i = 0; i < count; i++) {
        for (j = 0; j < count; j++) {
            int order = slice_compare(slice_of_text(ordered[i]), slice_of_text(ordered[j]));

            assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
            assert_int_equal(slice_equal(slice_of_text(ordered[i]), slice_of_text(ordered[j])),
                             i == j);
        }
    }
    assert_true(slice_has_prefix(slice_of_text("abc"), slice_of_text("ab")));
    assert_true(slice_has_prefix(slice_of_text("abc"), (struct slice){0}));
    assert_true(slice_has_prefix((struct slice){0}, (struct slice){0}));
    assert_false(slice_has_prefix(slice_of_text("a"), slice_of_text("ab")));
    assert_false(slice_has_prefix(slice_of_text("abc"), slice_of_text("b")));
    assert_true(slice_equal((struct slice){0}, slice_of_text("")));
}

static void test_what_is_appended_is_read(void **state)
{
    AUTO(buf_deinit) struct buf b = {0};
    struct reader r;
    char text[4];

    (void)state;
    OK(buf_append_u8(&b, 0xa1));
    OK(buf_append_le16(&b, 0x1234));
    OK(buf_append_le32(&b, 0x12345678));
    OK(buf_append_le64(&b, 0x123456789abcdef0));
    OK(buf_append_be16(&b, 0x1234));
    OK(buf_append_be32(&b, 0x12345678));
    OK(buf_append_be64(&b, 0x123456789abcdef0));
    OK(buf_append_varint(&b, 300));
    OK(buf_append_zeros(&b, 2));
    OK(buf_append_zeros(&b, 0));
    OK(buf_appendf(&b, "%s%d", "ab", 12));
    OK(buf_append(&b, NULL, 0));
    OK(buf_append_slice(&b, slice_of_text("z")));
    assert_memory_equal(b.data + 1, "\x34\x12", 2);
    assert_memory_equal(b.data + 15, "\x12\x34", 2);
    r = reader_of(buf_slice(&b));
    assert_int_equal(reader_u8(&r), 0xa1);
    assert_int_equal(reader_le16(&r), 0x1234);
    assert_int_equal(reader_le32(&r), 0x12345678);
    assert_true(reader_le64(&r) == 0x123456789abcdef0);
    assert_int_equal(reader_be16(&r), 0x1234);
    assert_int_equal(reader_be32(&r), 0x12345678);
    assert_true(reader_be64(&r) == 0x123456789abcdef0);
    assert_int_equal(reader_varint(&r), 300);
    assert_int_equal(reader_le16(&r), 0);
    assert_int_equal(reader_left(&r), 5);
    reader_copy(&r, text, 4);
    assert_memory_equal(text, "ab12", 4);
    assert_false(reader_done(&r));
    assert_true(slice_equal(reader_bytes(&r, 1), slice_of_text("z")));
    assert_true(reader_done(&r));
    buf_reset(&b);
    assert_int_equal(b.len, 0);
}

static void test_varints_round_trip(void **state)
{
    unsigned bit;

    (void)state;
    for (bit = 0; bit < 64; bit++) {
        int delta;

        for (delta = -1; delta <= 1; delta++) {
            uint64_t value = ((uint64_t)1 << bit) + (uint64_t)(int64_t)delta;
            uint8_t bytes[VARINT_BYTES_MAX];
            size_t len = put_varint(bytes, value);
            struct reader r = reader_of(slice_of(bytes, len));
            struct reader cut = reader_of(slice_of(bytes, len - 1));

            assert_int_equal(len, varint_len(value));
            assert_true(reader_varint(&r) == value);
            assert_true(reader_done(&r));
            (void)reader_varint(&cut);
            assert_false(reader_ok(&cut));
        }
    }
}

static void test_bad_varints_are_refused(void **state)
{
    static const char *const bad[] = {
        "\x80",                                         /* ends too early */
        "\x81\x80\x00",                                 /* longer than needed; cut by the zero */
        "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02",     /* 65 bits */
        "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x81\x01", /* 11 bytes */
    };
    static const uint8_t long_zero[] = {0x80, 0x00};
    struct reader r = reader_of(slice_of(long_zero, sizeof(long_zero)));
    size_t i;

    (void)state;
    assert_int_equal(reader_varint(&r), 0);
    assert_false(reader_ok(&r));
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        r = reader_of(slice_of_text(bad[i]));
        assert_int_equal(reader_varint(&r), 0);
        assert_false(reader_ok(&r));
    }
}

static void test_a_failed_reader_stays_failed(void **state)
{
    struct reader r = reader_of(slice_of_text("abc"));
    struct reader empty = reader_of((struct slice){0});
    uint8_t bytes[4] = {1, 1, 1, 1};

    (void)state;
    assert_int_equal(reader_le32(&r), 0);
    assert_false(reader_ok(&r));
    assert_int_equal(reader_u8(&r), 0);
    assert_int_equal(reader_le16(&r), 0);
    assert_int_equal(reader_le64(&r), 0);
    assert_int_equal(reader_bytes(&r, 1).len, 0);
    reader_copy(&r, bytes, 4);
    assert_memory_equal(bytes, "\0\0\0\0", 4);
    assert_false(reader_done(&r));
    assert_int_equal(reader_bytes(&empty, 0).len, 0);
    assert_true(reader_done(&empty));
    assert_int_equal(reader_bytes(&empty, UINT64_MAX).len, 0);
    assert_false(reader_ok(&empty));
}

static void test_no_memory_changes_nothing(void **state)
{
    AUTO(buf_deinit) struct buf b = {0};
    struct buf before;

    (void)state;
    OK(buf_append(&b, "abc", 3));
    before = b;
    mem_set_fail_hook(always, NULL);
    assert_int_equal(buf_reserve(&b, 1000), BLOCKDB_ENOMEM);
    assert_int_equal(buf_append_zeros(&b, 1000), BLOCKDB_ENOMEM);
    assert_int_equal(buf_appendf(&b, "%1000d", 1), BLOCKDB_ENOMEM);
    mem_set_fail_hook(NULL, NULL);
    assert_int_equal(buf_reserve(&b, SIZE_MAX), BLOCKDB_ENOMEM);
    assert_int_equal(buf_reserve(&b, SIZE_MAX - 10), BLOCKDB_ENOMEM);
    assert_memory_equal(&b, &before, sizeof(b));
}

static void test_checksums_bind_seed_and_bytes(void **state)
{
    (void)state;
    /* The published XXH3-64 of nothing, seed 0. */
    assert_true(checksum("", 0, 0) == 0x2d06800538d394c2ULL);
    assert_true(checksum("abc", 3, 0) != checksum("abd", 3, 0));
    assert_true(checksum("abc", 3, 0) != checksum("abc", 3, 1));
    assert_int_equal(checksum32("abc", 3, 7), (uint32_t)checksum("abc", 3, 7));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slices_compare_as_keys),
        cmocka_unit_test(test_what_is_appended_is_read),
        cmocka_unit_test(test_varints_round_trip),
        cmocka_unit_test(test_bad_varints_are_refused),
        cmocka_unit_test(test_a_failed_reader_stays_failed),
        cmocka_unit_test(test_no_memory_changes_nothing),
        cmocka_unit_test(test_checksums_bind_seed_and_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
