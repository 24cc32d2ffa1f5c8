/* SPDX-License-Identifier: Apache-2.0 */
/* Text forms: hexadecimal, base64, UTF-8, times, sizes, durations, suggestions. */
#include "base/base64.h"
#include "base/mem.h"
#include "base/suggest.h"
#include "base/text.h"
#include "base/units.h"
#include "base/utf8.h"

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

/* The bytes of a buf as text. */
static const char *text_of(struct buf *b)
{
    OK(buf_append_u8(b, 0));
    b->len--;
    return (const char *)b->data;
}

/* The functions that do not allocate. */
static void assert_base64_in_place(const char *bytes, const char *text)
{
    char out[16] = "untouched";
    size_t len = 77;

    OK(base64_check(slice_of_text(text), &len));
    assert_int_equal(len, strlen(bytes));
    assert_int_equal(base64_decode(slice_of_text(text), out, len + 1), BLOCKDB_EINVAL);
    assert_string_equal(out, "untouched");
    OK(base64_decode(slice_of_text(text), out, len));
    assert_memory_equal(out, bytes, len);
    base64_format(out, slice_of_text(bytes));
    assert_memory_equal(out, text, strlen(text));
}

static void test_base64(void **state)
{
    /* RFC 4648 section 10. */
    static const char *const pairs[][2] = {{"", ""},
                                           {"f", "Zg=="},
                                           {"fo", "Zm8="},
                                           {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="},
                                           {"foobar", "Zm9vYmFy"}};
    static const char *const bad[] = {"Z",    "Zg",   "Zg=",      "Zh==",       "Zm9=",   "=",
                                      "====", "Z===", "Zg==Zg==", "Zm 9v",      "Zm9v\n", "Zm9-",
                                      "=Zg=", "Zg=a", "Zg======", "Zm9vZ\x80=="};
    AUTO(buf_deinit) struct buf b = {0};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        buf_reset(&b);
        OK(base64_append(&b, slice_of_text(pairs[i][0])));
        assert_string_equal(text_of(&b), pairs[i][1]);
        assert_int_equal(base64_len(strlen(pairs[i][0])), strlen(pairs[i][1]));
        buf_reset(&b);
        OK(base64_parse(&b, slice_of_text(pairs[i][1])));
        assert_string_equal(text_of(&b), pairs[i][0]);
        assert_base64_in_place(pairs[i][0], pairs[i][1]);
    }
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        size_t len = b.len;
        size_t decoded_len = 77;

        assert_int_equal(base64_parse(&b, slice_of_text(bad[i])), BLOCKDB_EINVAL);
        assert_int_equal(b.len, len);
        assert_int_equal(base64_check(slice_of_text(bad[i]), &decoded_len), BLOCKDB_EINVAL);
        assert_int_equal(decoded_len, 77);
        assert_int_equal(base64_decode(slice_of_text(bad[i]), b.data, 1), BLOCKDB_EINVAL);
    }
    buf_deinit(&b);
    mem_set_fail_hook(always, NULL);
    assert_int_equal(base64_parse(&b, slice_of_text("Zm9v")), BLOCKDB_ENOMEM);
    assert_int_equal(base64_append(&b, slice_of_text("Zm9v")), BLOCKDB_ENOMEM);
    mem_set_fail_hook(NULL, NULL);
}

static void test_decimal(void **state)
{
    static const char *const bad[] = {"",   "00", "01", "-1", "+1", " 1",
                                      "1 ", "1a", "a",  "/",  ":",  "18446744073709551616x"};
    static const char *const large[] = {"18446744073709551616", "18446744073709551620",
                                        "99999999999999999999", "184467440737095516150"};
    uint64_t number = 77;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(text_parse_decimal(slice_of_text(bad[i]), &number), BLOCKDB_EINVAL);
    }
    for (i = 0; i < sizeof(large) / sizeof(large[0]); i++) {
        assert_int_equal(text_parse_decimal(slice_of_text(large[i]), &number), BLOCKDB_ELIMIT);
    }
    assert_int_equal(number, 77);
    OK(text_parse_decimal(slice_of_text("0"), &number));
    assert_int_equal(number, 0);
    OK(text_parse_decimal(slice_of_text("1203"), &number));
    assert_int_equal(number, 1203);
    OK(text_parse_decimal(slice_of_text("18446744073709551615"), &number));
    assert_true(number == UINT64_MAX);
}

static void test_base64_of_all_bytes(void **state)
{
    AUTO(buf_deinit) struct buf b = {0};
    AUTO(buf_deinit) struct buf back = {0};
    uint8_t bytes[256];
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)(i * 7);
    }
    for (i = 0; i <= sizeof(bytes); i++) {
        buf_reset(&b);
        buf_reset(&back);
        OK(base64_append(&b, slice_of(bytes, i)));
        OK(base64_parse(&back, buf_slice(&b)));
        assert_true(slice_equal(buf_slice(&back), slice_of(bytes, i)));
    }
}

static void test_hex(void **state)
{
    AUTO(buf_deinit) struct buf b = {0};
    uint8_t bytes[3] = {1, 2, 3};
    char text[7];

    (void)state;
    OK(text_append_hex(&b, slice_of("\x00\xab\xff", 3)));
    assert_string_equal(text_of(&b), "00abff");
    buf_reset(&b);
    OK(text_append_hex(&b, (struct slice){0}));
    OK(text_decode_hex((struct slice){0}, &b));
    assert_int_equal(b.len, 0);
    OK(text_decode_hex(slice_of_text("00aBFf"), &b));
    assert_int_equal(b.len, 3);
    assert_memory_equal(b.data, "\x00\xab\xff", 3);
    assert_int_equal(text_decode_hex(slice_of_text("0"), &b), BLOCKDB_EINVAL);
    assert_int_equal(text_decode_hex(slice_of_text("0g"), &b), BLOCKDB_EINVAL);
    assert_int_equal(text_decode_hex(slice_of_text("/0"), &b), BLOCKDB_EINVAL);
    assert_int_equal(text_decode_hex(slice_of_text("@0"), &b), BLOCKDB_EINVAL);
    assert_int_equal(b.len, 3);
    assert_int_equal(text_parse_hex(slice_of_text("0102"), bytes, 3), BLOCKDB_EINVAL);
    assert_int_equal(text_parse_hex(slice_of_text("01020x"), bytes, 3), BLOCKDB_EINVAL);
    assert_memory_equal(bytes, "\1\2\3", 3);
    OK(text_parse_hex(slice_of_text("0a0B0c"), bytes, 3));
    text_format_hex(text, bytes, 3);
    assert_string_equal(text, "0a0b0c");
    buf_deinit(&b);
    mem_set_fail_hook(always, NULL);
    assert_int_equal(text_append_hex(&b, slice_of_text("x")), BLOCKDB_ENOMEM);
    assert_int_equal(text_decode_hex(slice_of_text("00"), &b), BLOCKDB_ENOMEM);
    mem_set_fail_hook(NULL, NULL);
}

static void test_times_are_written(void **state)
{
    static const struct {
        uint64_t ms;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {951782399999, "2000-02-28T23:59:59.999Z"},
        {951782400000, "2000-02-29T00:00:00.000Z"},
        {1767225600000, "2026-01-01T00:00:00.000Z"},
        {4107542400001, "2100-03-01T00:00:00.001Z"},
        {253402300799999, "9999-12-31T23:59:59.999Z"},
        {253402300800000, "9999-12-31T23:59:59.999Z"},
        {UINT64_MAX, "9999-12-31T23:59:59.999Z"},
    };
    char text[TEXT_TIME_BYTES];
    uint64_t ms;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        text_format_time(text, cases[i].ms);
        assert_string_equal(text, cases[i].text);
    }
    for (ms = 0; ms < 253402300800000; ms += 86400000ULL * 13 + 12345) {
        uint64_t back = 0;

        text_format_time(text, ms);
        OK(text_parse_time(slice_of_text(text), &back));
        assert_true(back == ms);
    }
}

static void test_times_are_read(void **state)
{
    static const struct {
        const char *text;
        uint64_t ms;
    } good[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"1970-01-01t00:00:01.5z", 1500},
        {"1970-01-01 01:00:00+01:00", 0},
        {"1969-12-31T23:30:00-00:30", 0},
        {"2016-12-31T23:59:60Z", 1483228800000},
        {"2024-02-29T12:00:00.123456789Z", 1709208000123},
        {"2000-02-29T00:00:00.01Z", 951782400010},
    };
    static const char *const bad[] = {
        "",
        "1970",
        "1970-01-01",
        "1970-01-01T00:00:00",
        "1970-01-01T00:00Z",
        "1970-00-01T00:00:00Z",
        "1970-13-01T00:00:00Z",
        "1970-01-00T00:00:00Z",
        "1970-01-32T00:00:00Z",
        "2023-02-29T00:00:00Z",
        "2100-02-29T00:00:00Z",
        "1970-01-01T24:00:00Z",
        "1970-01-01T00:60:00Z",
        "1970-01-01T00:00:61Z",
        "1970-01-01T00:00:00.Z",
        "1970-01-01T00:00:00Z ",
        " 1970-01-01T00:00:00Z",
        "1970-01-01T00:00:00+24:00",
        "1970-01-01T00:00:00+01:60",
        "1970-01-01T00:00:00+0100",
        "1970-01-01X00:00:00Z",
        "1970/01/01T00:00:00Z",
        "19a0-01-01T00:00:00Z",
        "1970-01-01T00:00:00ZZ",
        "1970-01-01T00:00:00.;23Z",
        "1970-01-01T00:00:0x.123Z",
    };
    uint64_t ms = 77;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(text_parse_time(slice_of_text(bad[i]), &ms), BLOCKDB_EINVAL);
    }
    assert_int_equal(text_parse_time(slice_of("1970-01-01T00:00:00\0", 20), &ms), BLOCKDB_EINVAL);
    assert_int_equal(text_parse_time(slice_of_text("1969-12-31T23:59:59Z"), &ms), BLOCKDB_ELIMIT);
    assert_int_equal(text_parse_time(slice_of_text("0000-01-01T00:00:00Z"), &ms), BLOCKDB_ELIMIT);
    assert_int_equal(text_parse_time(slice_of_text("0001-01-01T00:00:00Z"), &ms), BLOCKDB_ELIMIT);
    assert_int_equal(text_parse_time(slice_of_text("1970-01-01T00:00:00+00:01"), &ms),
                     BLOCKDB_ELIMIT);
    assert_int_equal(ms, 77);
    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        OK(text_parse_time(slice_of_text(good[i].text), &ms));
        assert_true(ms == good[i].ms);
    }
}

static void test_sizes_and_durations_are_written(void **state)
{
    static const struct {
        uint64_t len;
        const char *exact;
        const char *brief;
    } sizes[] = {
        {0, "0B", "0 B"},
        {17, "17B", "17 B"},
        {1000, "1000B", "1000 B"},
        {1024, "1KiB", "1 KiB"},
        {1536, "1536B", "1.5 KiB"},
        {12 * 1024 + 512, "12800B", "12 KiB"},
        {64 << 20, "64MiB", "64 MiB"},
        {(3ULL << 30) / 2, "1536MiB", "1.5 GiB"},
        {5ULL << 40, "5TiB", "5 TiB"},
        {UINT64_MAX, "18446744073709551615B", "16777215 TiB"},
    };
    static const struct {
        uint64_t ms;
        const char *text;
    } durations[] = {
        {0, "0ms"},       {150, "150ms"},          {5000, "5s"}, {60000, "1min"}, {7200000, "2h"},
        {86400000, "1d"}, {90061001, "90061001ms"}};
    static const struct {
        uint64_t ns;
        const char *text;
    } latencies[] = {{0, "0 ns"},
                     {999, "999 ns"},
                     {1000, "1.00 us"},
                     {1256000, "1.25 ms"},
                     {12560000, "12.5 ms"},
                     {125600000, "125 ms"},
                     {3600000000000, "3600 s"},
                     {1050000000, "1.05 s"}};
    char text[TEXT_SIZE_BYTES];
    uint64_t back;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        text_format_size(text, sizes[i].len);
        assert_string_equal(text, sizes[i].exact);
        OK(size_parse(text, &back, NULL));
        assert_true(back == sizes[i].len);
        text_format_size_short(text, sizes[i].len);
        assert_string_equal(text, sizes[i].brief);
    }
    for (i = 0; i < sizeof(durations) / sizeof(durations[0]); i++) {
        text_format_duration(text, durations[i].ms);
        assert_string_equal(text, durations[i].text);
        OK(duration_parse(text, &back, NULL));
        assert_true(back == durations[i].ms);
    }
    for (i = 0; i < sizeof(latencies) / sizeof(latencies[0]); i++) {
        text_format_latency(text, latencies[i].ns);
        assert_string_equal(text, latencies[i].text);
    }
}

static void test_sizes_and_durations_are_read(void **state)
{
    static const char *const bad_sizes[] = {
        "",      "x",           "-1",           "1 MB",
        "1mib",  "1KiBB",       "1.5B",         "1.KiB",
        ".5KiB", "16777216TiB", "1.1B",         "1 KiB ",
        " 1",    "0x10",        "1.1234567MiB", "99999999999999999999"};
    static const char *const bad_durations[] = {"", "5", "s", "1.5ms", "1w", "1S", "1 m"};
    struct error err;
    uint64_t value = 7;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(bad_sizes) / sizeof(bad_sizes[0]); i++) {
        assert_int_equal(size_parse(bad_sizes[i], &value, &err), BLOCKDB_EINVAL);
        assert_non_null(strstr(err.message, bad_sizes[i]));
    }
    for (i = 0; i < sizeof(bad_durations) / sizeof(bad_durations[0]); i++) {
        if (strcmp(bad_durations[i], "5") != 0) { /* plain numbers are milliseconds */
            assert_int_equal(duration_parse(bad_durations[i], &value, &err), BLOCKDB_EINVAL);
        }
    }
    assert_int_equal(value, 7);
    OK(size_parse("1.5GiB", &value, NULL));
    assert_true(value == (3ULL << 30) / 2);
    OK(size_parse("64 MiB", &value, NULL));
    assert_int_equal(value, 64 << 20);
    OK(size_parse("4096", &value, NULL));
    assert_int_equal(value, 4096);
    OK(duration_parse("1.5s", &value, NULL));
    assert_int_equal(value, 1500);
    OK(duration_parse("5", &value, NULL));
    assert_int_equal(value, 5);
    OK(number_parse("18446744073709551615", &value, NULL));
    assert_true(value == UINT64_MAX);
    assert_int_equal(number_parse("18446744073709551616", &value, NULL), BLOCKDB_EINVAL);
    assert_int_equal(number_parse("1.0", &value, NULL), BLOCKDB_EINVAL);
    assert_int_equal(number_parse("", &value, NULL), BLOCKDB_EINVAL);
    assert_int_equal(number_parse("1 ", &value, NULL), BLOCKDB_EINVAL);
}

/* What a stranger says is shown as it is, but does nothing to a terminal. */
static void test_utf8_shown(void **state)
{
    static const struct {
        const char *text;
        const char *shown;
    } cases[] = {
        {"", ""},
        {"plain", "plain"},
        {"\xe2\x80\x94 log", "\xe2\x80\x94 log"}, /* an em dash */
        {"\xf0\x9f\x94\x92", "\xf0\x9f\x94\x92"},
        {"a\x1b[31mb", "a\\x1b[31mb"},
        {"\xc2\x9b", "\\xc2\\x9b"},
        {"\xe2\x80\xae", "\\xe2\\x80\\xae"},
        {"\xff\t\x7f", "\\xff\\x09\\x7f"},
        {"\xe2\x80", "\\xe2\\x80"},
        {"one two three four", "one two three..."},
        {"onetwothreefourfive", "onetwothreefo..."},
        {"\xe2\x80\x94\xe2\x80\x94\xe2\x80\x94\xe2\x80\x94\xe2\x80\x94\xe2\x80\x94",
         "\xe2\x80\x94\xe2\x80\x94\xe2\x80\x94\xe2\x80\x94..."},
    };
    char out[17];
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        utf8_show(slice_of_text(cases[i].text), out, sizeof(out));
        assert_string_equal(out, cases[i].shown);
    }
}

static void test_utf8(void **state)
{
    static const char *const good[] = {
        "",
        "plain text longer than a word",
        "\xc2\x80",
        "\xdf\xbf",
        "\xe0\xa0\x80",
        "\xed\x9f\xbf",
        "\xee\x80\x80",
        "\xf0\x90\x80\x80",
        "\xf4\x8f\xbf\xbf",
        "twelve chars\xc3\xa9",
    };
    static const char *const bad[] = {
        "\x80",
        "\xc0\x80",
        "\xc1\xbf",
        "\xc2",
        "\xe0\x9f\xbf",
        "\xed\xa0\x80",
        "\xed\xbf\xbf",
        "\xe1\x80",
        "\xe1\x80x",
        "\xf0\x8f\xbf\xbf",
        "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80",
        "\xf1\x80\x80\x7f",
        "\xff",
        "abcdefgh\xfe",
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(utf8_valid(slice_of_text(good[i])));
    }
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(utf8_valid(slice_of_text(bad[i])));
    }
    assert_int_equal(utf8_character_len((struct slice){0}), 0);
    assert_int_equal(utf8_character_len(slice_of_text("\xe0\xa0\x80z")), 3);
}

static void test_suggestions(void **state)
{
    static const char *const words[] = {"put", "get", "history", "verify", "wal_sync_mode"};
    size_t count = sizeof(words) / sizeof(words[0]);
    char long_word[100];

    (void)state;
    assert_string_equal(text_nearest("verfy", words, count), "verify");
    assert_string_equal(text_nearest("hsitory", words, count), "history");
    assert_string_equal(text_nearest("WAL_SYNC_MODE", words, count), "wal_sync_mode");
    assert_string_equal(text_nearest("wal_snyc-mode", words, count), "wal_sync_mode");
    assert_null(text_nearest("backup", words, count));
    assert_null(text_nearest("x", words, 0));
    memset(long_word, 'x', sizeof(long_word) - 1);
    long_word[sizeof(long_word) - 1] = '\0';
    assert_null(text_nearest(long_word, words, count));
    assert_int_equal(suggest_distance("", "abc"), 3);
    assert_int_equal(suggest_distance("abc", ""), 3);
    assert_int_equal(suggest_distance("abcd", "acbd"), 1);
    assert_int_equal(suggest_distance("kitten", "sitting"), 3);
}

static void test_bytes_are_shown(void **state)
{
    static const char odd[] = "a\n\\\x7f\xff\xc3\xa4\0z";
    char out[TEXT_SHOWN_BYTES];
    char long_text[400];

    text_show(out, slice_of(odd, sizeof(odd) - 1));
    assert_string_equal(out, "a\\x0a\\x5c\\x7f\\xff\xc3\xa4\\x00z");
    text_show(out, slice_of(NULL, 0));
    assert_string_equal(out, "");
    memset(long_text, 'k', sizeof(long_text));
    text_show(out, slice_of(long_text, 128));
    assert_int_equal(strlen(out), 128);
    text_show(out, slice_of(long_text, 129));
    assert_int_equal(strlen(out), 131);
    assert_string_equal(out + 128, "...");
    memset(long_text, 1, sizeof(long_text));
    text_show(out, slice_of(long_text, sizeof(long_text)));
    assert_int_equal(strlen(out), 131);
    memcpy(long_text, "xxx", 3);
    for (size_t i = 3; i + 2 < sizeof(long_text); i += 2) {
        memcpy(long_text + i, "\xc3\xa4", 2);
    }
    text_show(out, slice_of(long_text, sizeof(long_text) - 1));
    assert_int_equal(strlen(out), 130); /* cut between characters */
    assert_true(utf8_valid(slice_of_text(out)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base64),
        cmocka_unit_test(test_base64_of_all_bytes),
        cmocka_unit_test(test_decimal),
        cmocka_unit_test(test_hex),
        cmocka_unit_test(test_times_are_written),
        cmocka_unit_test(test_times_are_read),
        cmocka_unit_test(test_sizes_and_durations_are_written),
        cmocka_unit_test(test_sizes_and_durations_are_read),
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_utf8_shown),
        cmocka_unit_test(test_suggestions),
        cmocka_unit_test(test_bytes_are_shown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
