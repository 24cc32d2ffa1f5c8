/* SPDX-License-Identifier: Apache-2.0 */
/* The small parts of HTTP: bytes, chunks, codings, heads of answers, dates. */
#include "base/mem.h"
#include "server/http/chunked.h"
#include "server/http/encoding.h"
#include "server/http/octet.h"
#include "server/http/response.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include <cmocka.h>

/* The table is what the rules of RFC 9110 make of it. */
static void test_octets(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        bool is_alnum = c < 128 && isalnum(c);
        bool is_token = is_alnum || (c > 0 && c < 128 && strchr("!#$%&'*+-.^_`|~", c) != NULL);
        bool is_target = c > ' ' && c < 127 && strchr("\"<>\\^`{|}#", c) == NULL;

        assert_int_equal(octet_is((uint8_t)c, OCTET_TOKEN), is_token);
        assert_int_equal(octet_is((uint8_t)c, OCTET_FIELD), c == '\t' || (c >= ' ' && c != 127));
        assert_int_equal(octet_is((uint8_t)c, OCTET_TARGET), is_target);
        assert_int_equal(octet_is((uint8_t)c, OCTET_DIGIT), c >= '0' && c <= '9');
        assert_int_equal(octet_hex((uint8_t)c) >= 0, c < 128 && isxdigit(c) != 0);
        assert_int_equal(octet_is((uint8_t)c, OCTET_ID),
                         is_alnum || (c > 0 && c < 128 && strchr("-._~:+/=", c) != NULL));
    }
    assert_int_equal(octet_hex('f'), 15);
    assert_int_equal(octet_hex('A'), 10);
}

struct vector {
    const char *text;
    int rc;
    const char *body;
    size_t left; /* bytes behind the body */
};

static const struct vector vectors[] = {
    {"0\r\n\r\n", 0, "", 0},
    {"3\r\nabc\r\n0\r\n\r\nGET", 0, "abc", 3},
    {"a\r\n0123456789\r\n00\r\n\r\n", 0, "0123456789", 0},
    {"3;x=\"y\"\r\nabc\r\n0;last\r\nA: b\r\nC:\r\n\r\n", 0, "abc", 0},
    {"\r\n", BLOCKDB_EINVAL, "", 0},
    {"g\r\n", BLOCKDB_EINVAL, "", 0},
    {"-1\r\n", BLOCKDB_EINVAL, "", 0},
    {"+3\r\nabc", BLOCKDB_EINVAL, "", 0},
    {"0x3\r\nabc", BLOCKDB_EINVAL, "", 0},
    {" 3\r\nabc", BLOCKDB_EINVAL, "", 0},
    {"3 \r\nabc", BLOCKDB_EINVAL, "", 0},
    {"3\nabc", BLOCKDB_EINVAL, "", 0},
    {"3\r\nabcX\r\n", BLOCKDB_EINVAL, "abc", 0},
    {"3\r\nabc\n0\r\n\r\n", BLOCKDB_EINVAL, "abc", 0},
    {"3\r\nabc\r\n0\r\n\n", BLOCKDB_EINVAL, "abc", 0},
    {"3;a\rb\r\n", BLOCKDB_EINVAL, "", 0},
    {"0\r\nA b: c\r\n\r\n", BLOCKDB_EINVAL, "", 0},
    {"0\r\n: c\r\n\r\n", BLOCKDB_EINVAL, "", 0},
    {"0\r\nA: \001\r\n\r\n", BLOCKDB_EINVAL, "", 0},
    {"00000000000000003\r\n", BLOCKDB_EINVAL, "", 0},
    {"65\r\n", BLOCKDB_ELIMIT, "", 0},
    {"FFFFFFFFFFFFFFFF\r\n", BLOCKDB_ELIMIT, "", 0},
    {"3\r\nabc\r\n62\r\n", BLOCKDB_ELIMIT, "abc", 0},
};

static void try_vector(const struct vector *v, size_t step)
{
    AUTO(buf_deinit) struct buf body = {0};
    struct chunked c = {0};
    size_t len = strlen(v->text);
    size_t at = 0;
    int rc = 0;

    while (at < len && rc == 0 && !chunked_is_done(&c)) {
        size_t taken = 0;

        rc = chunked_decode(&c, slice_of(v->text + at, len - at < step ? len - at : step), 100,
                            &body, &taken);
        at += taken;
    }
    if (rc != v->rc) {
        print_error("%s\n", v->text);
    }
    assert_int_equal(rc, v->rc);
    assert_true(slice_equal(buf_slice(&body), slice_of_text(v->body)));
    if (rc == 0) {
        assert_true(chunked_is_done(&c));
        assert_int_equal(len - at, v->left);
    }
}

static void test_chunks(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        try_vector(&vectors[i], 1);
        try_vector(&vectors[i], 2);
        try_vector(&vectors[i], 1000);
    }
}

static void test_chunk_extras_are_limited(void **state)
{
    AUTO(buf_deinit) struct buf text = {0};
    AUTO(buf_deinit) struct buf body = {0};
    struct chunked c = {0};
    size_t taken = 0;

    (void)state;
    assert_int_equal(buf_append(&text, "1;", 2), 0);
    for (int i = 0; i < CHUNKED_EXTRA_MAX + 1; i++) {
        assert_int_equal(buf_append_u8(&text, 'x'), 0);
    }
    assert_int_equal(chunked_decode(&c, buf_slice(&text), 100, &body, &taken), BLOCKDB_ELIMIT);
}

static enum encoding choose(const char *text)
{
    return encoding_choose(slice_of_text(text));
}

static void test_choosing(void **state)
{
    (void)state;
    assert_int_equal(choose(""), ENCODING_NONE);
    assert_int_equal(choose("gzip"), ENCODING_GZIP);
    assert_int_equal(choose("gzip, deflate, br, ZSTD"), ENCODING_ZSTD);
    assert_int_equal(choose("zstd;q=0, gzip;q=0.5"), ENCODING_GZIP);
    assert_int_equal(choose("gzip; q=0.000"), ENCODING_NONE);
    assert_int_equal(choose("gzip;q=0.001"), ENCODING_GZIP);
    assert_int_equal(choose("identity, *;q=0"), ENCODING_NONE);
    assert_int_equal(choose(",,;,gzip"), ENCODING_GZIP);
}

static void test_coding(void **state)
{
    static char text[5000];
    static char back[5000];
    AUTO(buf_deinit) struct buf gzip = {0};
    AUTO(buf_deinit) struct buf zstd = {0};
    AUTO(buf_deinit) struct buf none = {0};
    z_stream z = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(text); i++) {
        text[i] = (char)('a' + i % 7);
    }
    assert_int_equal(encoding_append(ENCODING_ZSTD, slice_of(text, sizeof(text)), &zstd), 0);
    assert_int_equal(ZSTD_decompress(back, sizeof(back), zstd.data, zstd.len), sizeof(text));
    assert_memory_equal(back, text, sizeof(text));
    assert_int_equal(encoding_append(ENCODING_GZIP, slice_of(text, sizeof(text)), &gzip), 0);
    memset(back, 0, sizeof(back));
    assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
    z.next_in = gzip.data;
    z.avail_in = (unsigned)gzip.len;
    z.next_out = (unsigned char *)back;
    z.avail_out = sizeof(back);
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    assert_int_equal(inflateEnd(&z), Z_OK);
    assert_memory_equal(back, text, sizeof(text));
    srand(1); /* NOLINT: any bytes that do not shrink */
    for (size_t i = 0; i < sizeof(text); i++) {
        text[i] = (char)(rand() >> 7);
    }
    assert_int_equal(encoding_append(ENCODING_GZIP, slice_of(text, sizeof(text)), &none),
                     BLOCKDB_ELIMIT);
    assert_int_equal(encoding_append(ENCODING_ZSTD, slice_of(text, sizeof(text)), &none),
                     BLOCKDB_ELIMIT);
    assert_int_equal(none.len, 0);
}

static void test_dates(void **state)
{
    char date[RESPONSE_DATE_BYTES];

    (void)state;
    response_date(0, date);
    assert_string_equal(date, "Thu, 01 Jan 1970 00:00:00 GMT");
    response_date(784111777000, date);
    assert_string_equal(date, "Sun, 06 Nov 1994 08:49:37 GMT");
    response_date(1709208000000, date);
    assert_string_equal(date, "Thu, 29 Feb 2024 12:00:00 GMT");
}

static void test_heads_of_answers(void **state)
{
    const struct response_header headers[] = {{"A", "b"}, {"C", "d\r\nE: f"}, {"G H", "i"}};
    struct response_common common = {0};
    AUTO(buf_deinit) struct buf out = {0};
    struct response r = {.status = 404,
                         .content_type = "text/plain",
                         .encoding = "gzip",
                         .request_id = "id",
                         .content_length = 1234567,
                         .has_length = true,
                         .end = RESPONSE_CLOSE,
                         .headers = headers,
                         .header_count = 3};
    static const char wanted[] =
        "HTTP/1.1 404 Not Found\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
        "X-Content-Type-Options: nosniff\r\nContent-Type: text/plain\r\nContent-Encoding: gzip\r\n"
        "Content-Length: 1234567\r\nX-Request-Id: id\r\nA: b\r\nConnection: close\r\n\r\n";

    (void)state;
    response_common_refresh(&common, 1, 0);
    assert_true(response_common_is_fresh(&common, 500));
    assert_false(response_common_is_fresh(&common, 501));
    assert_int_equal(response_head(&out, &r, &common), 0);
    assert_int_equal(out.len, sizeof(wanted) - 1);
    assert_memory_equal(out.data, wanted, out.len);
    assert_string_equal(response_reason(599), "Unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_octets),
        cmocka_unit_test(test_chunks),
        cmocka_unit_test(test_chunk_extras_are_limited),
        cmocka_unit_test(test_choosing),
        cmocka_unit_test(test_coding),
        cmocka_unit_test(test_dates),
        cmocka_unit_test(test_heads_of_answers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
