/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Heads of requests: what is accepted and how it is read, what is refused and why. The refusals are
 * the ways in which requests are smuggled past a proxy, and the slips of careless servers.
 */
#include "server/http/request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct slice s(const char *text)
{
    return slice_of_text(text);
}

static const char *text_of(struct slice slice)
{
    static char text[256];

    (void)snprintf(text, sizeof(text), "%.*s", (int)slice.len, (const char *)slice.data);
    return text;
}

static struct http_request parse(const char *head)
{
    static struct http_request r;
    struct http_refusal refusal = {0};

    if (!http_request_parse(s(head), &r, &refusal)) {
        fail_msg("refused with %d, %s: %s", refusal.status, refusal.message, head);
    }
    return r;
}

static void test_a_plain_request(void **state)
{
    struct http_request r = parse("GET /api/v1/get/a%2Fb?at=5&x HTTP/1.1\r\nHost: h:8080\r\n"
                                  "X-A:  v w \t\r\nx-b:\r\n\r\n");

    assert_int_equal(r.method, HTTP_GET);
    assert_int_equal(r.minor_version, 1);
    assert_string_equal(text_of(r.path), "/api/v1/get/a%2Fb");
    assert_string_equal(text_of(r.query), "at=5&x");
    assert_int_equal(r.header_count, 3);
    assert_string_equal(text_of(http_request_header(&r, "x-a")), "v w");
    assert_true(http_request_has_header(&r, "X-B"));
    assert_false(http_request_has_header(&r, "X-C"));
    assert_int_equal(http_request_header(&r, "X-B").len, 0);
    assert_int_equal(http_request_header(&r, "X-C").len, 0);
    assert_true(r.keep_alive);
    assert_false(r.is_chunked);
    assert_false(r.expects_continue);
    assert_int_equal(r.content_length, 0);
}

static void test_methods(void **state)
{
    static const struct {
        const char *head;
        enum http_method method;
    } cases[] = {
        {"HEAD / HTTP/1.0\r\n\r\n", HTTP_HEAD},
        {"POST / HTTP/1.0\r\n\r\n", HTTP_POST},
        {"PUT / HTTP/1.0\r\n\r\n", HTTP_PUT},
        {"DELETE / HTTP/1.0\r\n\r\n", HTTP_DELETE},
        {"OPTIONS * HTTP/1.0\r\n\r\n", HTTP_OPTIONS},
        {"get / HTTP/1.0\r\n\r\n", HTTP_METHOD_OTHER},
        {"PATCH / HTTP/1.0\r\n\r\n", HTTP_METHOD_OTHER},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(parse(cases[i].head).method, cases[i].method);
    }
}

static void test_connections(void **state)
{
    assert_false(parse("GET / HTTP/1.0\r\n\r\n").keep_alive);
    assert_true(parse("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").keep_alive);
    assert_false(parse("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").keep_alive);
    assert_false(parse("GET / HTTP/1.1\r\nHost: h\r\nConnection: x , Close\r\n\r\n").keep_alive);
    assert_false(parse("GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n").keep_alive);
}

static void test_bodies(void **state)
{
    struct http_request r;

    r = parse("POST / HTTP/1.1\r\nHost: h\r\nContent-length: 0042\r\n\r\n");
    assert_int_equal(r.content_length, 42);
    r = parse("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 999999999999999999\r\n\r\n");
    assert_true(r.content_length == 999999999999999999);
    r = parse("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n\r\n");
    assert_true(r.is_chunked);
    r = parse("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-Continue\r\n\r\n");
    assert_true(r.expects_continue);
    r = parse("POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n\r\n");
    assert_false(r.expects_continue);
    r = parse("POST / HTTP/1.0\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    assert_false(r.expects_continue);
}

static void test_targets(void **state)
{
    assert_string_equal(text_of(parse("GET http://h:1/a?b HTTP/1.1\r\nHost: h\r\n\r\n").path),
                        "/a");
    assert_string_equal(text_of(parse("GET HTTPS://h HTTP/1.1\r\nHost: h\r\n\r\n").path), "/");
    assert_string_equal(text_of(parse("GET /../%2e%2e//x HTTP/1.0\r\n\r\n").path), "/../%2e%2e//x");
    assert_int_equal(parse("GET /? HTTP/1.0\r\n\r\n").query.len, 0);
    assert_string_equal(text_of(parse("GET /a?b?c HTTP/1.0\r\n\r\n").query), "b?c");
}

static const struct {
    const char *head;
    int status;
} refused[] = {
    /* request lines */
    {"\r\n\r\n", 400},
    {"GET\r\n\r\n", 400},
    {"GET /\r\n\r\n", 400},
    {"GET  HTTP/1.1\r\n\r\n", 400},
    {" GET / HTTP/1.0\r\n\r\n", 400},
    {"GET / x HTTP/1.0\r\n\r\n", 400},
    {"GET /  HTTP/1.0\r\n\r\n", 400},
    {"G(T / HTTP/1.0\r\n\r\n", 400},
    {"GET x HTTP/1.0\r\n\r\n", 400},
    {"GET * HTTP/1.0\r\n\r\n", 400},
    {"GET ftp://h/ HTTP/1.0\r\n\r\n", 400},
    {"GET http:/// HTTP/1.0\r\n\r\n", 400},
    {"GET http://h?q HTTP/1.0\r\n\r\n", 400},
    {"GET http://u@h/ HTTP/1.0\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost:\r\n\r\n", 400},
    {"GET /\x01 HTTP/1.0\r\n\r\n", 400},
    {"GET /\xc3\xa4 HTTP/1.0\r\n\r\n", 400},
    {"GET /#f HTTP/1.0\r\n\r\n", 400},
    {"GET /\"x\" HTTP/1.0\r\n\r\n", 400},
    {"GET / HTTP/1.0 \r\n\r\n", 400},
    {"GET / http/1.0\r\n\r\n", 400},
    {"GET / HTTP/1\r\n\r\n", 400},
    {"GET / HTTP/1.10\r\n\r\n", 400},
    {"GET / HTTP/1.2\r\n\r\n", 505},
    {"GET / HTTP/2.0\r\n\r\n", 505},
    {"GET / HTTP/9.9\r\n\r\n", 505},
    /* lines */
    {"GET / HTTP/1.0\n\r\n\r\n", 400},
    {"GET / HTTP/1.0\r\nA: b\n\r\n\r\n", 400},
    {"GET / HTTP/1.0\r\nA: b\rC: d\r\n\r\n", 400},
    {"GET / HTTP/1.0\r\nA: b\r\n\r\nX", 400},
    {"GET / HTTP/1.0\r\nA: b\r\n c\r\n\r\n", 400},
    {"GET / HTTP/1.0\r\nA: b\r\n\tc\r\n\r\n", 400},
    {"GET / HTTP/1.0\r\n A: b\r\n\r\n", 400},
    /* headers */
    {"GET / HTTP/1.0\r\nA : b\r\n\r\n", 400},
    {"GET / HTTP/1.0\r\nA\t: b\r\n\r\n", 400},
    {"GET / HTTP/1.0\r\n: b\r\n\r\n", 400},
    {"GET / HTTP/1.0\r\nA b\r\n\r\n", 400},
    {"GET / HTTP/1.0\r\nA(: b\r\n\r\n", 400},
    {"GET / HTTP/1.0\r\n\xc3\xa4: b\r\n\r\n", 400},
    {"GET / HTTP/1.0\r\nA: b\x01\r\n\r\n", 400},
    {"GET / HTTP/1.0\r\nA: b\x7f\r\n\r\n", 400},
    /* hosts */
    {"GET / HTTP/1.1\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400},
    {"GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
    /* bodies */
    {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5, 5\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +5\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -5\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0x5\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5 5\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length:\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000000000000000\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n", 501},
    {"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501},
    {"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, identity\r\n\r\n", 501},
    {"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: identity\r\n\r\n", 501},
    {"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"
     "\r\n",
     501},
    {"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:\r\n\r\n", 501},
    {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: h\r\nExpect: 200-ok\r\nContent-Length: 5\r\n\r\n", 417},
};

static void test_refusals(void **state)
{
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        struct http_request r;
        struct http_refusal refusal = {0};

        if (http_request_parse(s(refused[i].head), &r, &refusal)) {
            fail_msg("accepted: %s", refused[i].head);
        }
        if (refusal.status != refused[i].status) {
            fail_msg("%d (%s) instead of %d: %s", refusal.status, refusal.message,
                     refused[i].status, refused[i].head);
        }
        assert_non_null(refusal.message);
    }
}

static void test_a_zero_byte_is_refused(void **state)
{
    static const char in_value[] = "GET / HTTP/1.0\r\nA: b\0c\r\n\r\n";
    static const char in_target[] = "GET /\0 HTTP/1.0\r\n\r\n";
    static const char in_name[] = "GET / HTTP/1.0\r\nA\0: b\r\n\r\n";
    struct http_request r;
    struct http_refusal refusal;

    assert_false(http_request_parse(slice_of(in_value, sizeof(in_value) - 1), &r, &refusal));
    assert_false(http_request_parse(slice_of(in_target, sizeof(in_target) - 1), &r, &refusal));
    assert_false(http_request_parse(slice_of(in_name, sizeof(in_name) - 1), &r, &refusal));
}

static void test_limits(void **state)
{
    char *head = malloc(HTTP_TARGET_MAX + 100);
    struct http_request r;
    struct http_refusal refusal;
    size_t len;

    assert_non_null(head);
    len = (size_t)sprintf(head, "GET /");
    memset(head + len, 'x', HTTP_TARGET_MAX);
    len += HTTP_TARGET_MAX;
    (void)sprintf(head + len, " HTTP/1.0\r\n\r\n");
    assert_false(http_request_parse(s(head), &r, &refusal));
    assert_int_equal(refusal.status, 414);
    memmove(head + 5, head + 6, strlen(head + 6) + 1);
    assert_true(http_request_parse(s(head), &r, &refusal));

    len = (size_t)sprintf(head, "GET / HTTP/1.0\r\n");
    for (unsigned i = 0; i < HTTP_HEADERS_MAX; i++) {
        len += (size_t)sprintf(head + len, "A: b\r\n");
    }
    (void)sprintf(head + len, "\r\n");
    assert_true(http_request_parse(s(head), &r, &refusal));
    (void)sprintf(head + len, "A: b\r\n\r\n");
    assert_false(http_request_parse(s(head), &r, &refusal));
    assert_int_equal(refusal.status, 431);
    free(head);
}

static void test_where_a_head_ends(void **state)
{
    static const char bytes[] = "GET / HTTP/1.0\r\nA: b\r\n\r\nbody\r\n\r\n";
    size_t whole = strlen(bytes) - strlen("body\r\n\r\n");
    size_t searched = 0;

    /* Byte by byte, as a slow client sends it. */
    for (size_t len = 0; len < whole; len++) {
        assert_int_equal(http_head_len(slice_of(bytes, len), &searched), 0);
    }
    assert_int_equal(http_head_len(slice_of(bytes, whole), &searched), whole);
    searched = 0;
    assert_int_equal(http_head_len(s(bytes), &searched), whole);
    searched = 0;
    assert_int_equal(http_head_len(s("GET / HTTP/1.0\n\n"), &searched), 15); /* to be refused */
    assert_int_equal(http_empty_lines(s("\r\n\r\nG")), 4);
    assert_int_equal(http_empty_lines(s("\r")), 0);
    assert_int_equal(http_empty_lines(s("")), 0);
}

static void assert_decodes(const char *text, bool plus, const char *expected)
{
    uint8_t out[64];
    size_t len = 99;
    int rc = http_percent_decode(s(text), plus, out, &len);

    if (expected == NULL) {
        assert_int_equal(rc, BLOCKDB_EINVAL);
        assert_int_equal(len, 99);
    } else {
        assert_int_equal(rc, 0);
        assert_int_equal(len, strlen(expected));
        assert_memory_equal(out, expected, len);
    }
}

static void test_percent(void **state)
{
    uint8_t zero = 9;
    size_t len = 0;

    assert_decodes("a%2Fb%c3%A4", false, "a/b\xc3\xa4");
    assert_decodes("a+b", false, "a+b");
    assert_decodes("a+b%2B", true, "a b+");
    assert_decodes("%2541", false, "%41"); /* once, not twice */
    assert_decodes("", false, "");
    assert_decodes("%", false, NULL);
    assert_decodes("%4", false, NULL);
    assert_decodes("%4g", false, NULL);
    assert_decodes("%%41", false, NULL);
    assert_int_equal(http_percent_decode(s("%00"), false, &zero, &len), 0);
    assert_int_equal(len, 1);
    assert_int_equal(zero, 0);
}

static void test_lists(void **state)
{
    assert_true(http_list_has(s("gzip"), "gzip"));
    assert_true(http_list_has(s("br , GZIP"), "gzip"));
    assert_false(http_list_has(s("gzipx, x"), "gzip"));
    assert_false(http_list_has(s(""), "gzip"));
    assert_false(http_list_has(s(",,"), "gzip"));
}

/* Any byte changed to any other in a good head is read or refused, never past its end: the head
 * stands at the end of its memory, where a sanitizer sees it. */
static void test_every_changed_byte(void **state)
{
    static const char good[] =
        "POST /a?b HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
    size_t len = sizeof(good) - 1;
    uint8_t *head = malloc(len);

    assert_non_null(head);
    for (size_t at = 0; at < len; at++) {
        for (unsigned value = 0; value < 256; value++) {
            struct http_request r;
            struct http_refusal refusal = {0};

            memcpy(head, good, len);
            head[at] = (uint8_t)value;
            if (!http_request_parse(slice_of(head, len), &r, &refusal)) {
                assert_true(refusal.status >= 400);
            }
        }
    }
    free(head);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_plain_request),
        cmocka_unit_test(test_methods),
        cmocka_unit_test(test_connections),
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_a_zero_byte_is_refused),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_where_a_head_ends),
        cmocka_unit_test(test_percent),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_every_changed_byte),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
