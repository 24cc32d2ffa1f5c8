/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP requests against servers that answer well, badly, too much, or not at all.
 */
#include "base/mem.h"
#include "canned_server.h"
#include "client/http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define OK_HELLO                                                                                   \
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 5\r\n\r\nhello"
#define PATIENT_MS 20000

struct asked {
    int rc;
    struct http_response response;
    struct error err;
};

static void asked_deinit(struct asked *a)
{
    http_response_deinit(&a->response);
}

/* Asks a server that has one answer. */
static void ask(struct asked *a, const char *answer, const struct http_options *options)
{
    const struct canned_answer answers[] = {{.bytes = answer}};
    struct canned_server *server = canned_server_start(answers, 1);
    struct http *h = NULL;

    memset(a, 0, sizeof(*a));
    assert_int_equal(http_open(options, &h, &a->err), 0);
    a->rc = http_get(h, server->url, &a->response, &a->err);
    http_close(h);
    canned_server_free(server);
}

static void test_get(void **state)
{
    AUTO(asked_deinit) struct asked a;

    (void)state;
    ask(&a, OK_HELLO, NULL);
    assert_int_equal(a.rc, 0);
    assert_int_equal(a.response.status, 200);
    assert_string_equal(a.response.content_type, "text/plain; charset=utf-8");
    assert_true(slice_equal(buf_slice(&a.response.body), slice_of_text("hello")));
}

/* Every status is an answer; redirects are not followed. */
static void test_statuses(void **state)
{
    static const struct {
        const char *answer;
        int status;
    } cases[] = {
        {"HTTP/1.1 204 No Content\r\n\r\n", 204},
        {"HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", 301},
        {"HTTP/1.1 307 Moved\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n", 307},
        {"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", 404},
        {"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", 500},
        {"HTTP/1.0 409 Conflict\r\nContent-Length: 2\r\n\r\n7\n", 409},
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", 403},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        AUTO(asked_deinit) struct asked a;

        ask(&a, cases[i].answer, NULL);
        assert_int_equal(a.rc, 0);
        assert_int_equal(a.response.status, cases[i].status);
    }
}

static void test_body_max(void **state)
{
    const struct http_options exact = {.body_max = 5};
    const struct http_options small = {.body_max = 4};
    AUTO(asked_deinit) struct asked a;
    AUTO(asked_deinit) struct asked b;
    AUTO(asked_deinit) struct asked c;

    (void)state;
    ask(&a, OK_HELLO, &exact);
    assert_int_equal(a.rc, 0);
    ask(&b, OK_HELLO, &small);
    assert_int_equal(b.rc, BLOCKDB_ELIMIT);
    assert_int_equal(b.response.status, 0);
    assert_int_equal(b.response.body.len, 0);
    assert_non_null(strstr(b.err.message, "http://127.0.0.1:"));
    ask(&c,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
        &small);
    assert_int_equal(c.rc, BLOCKDB_ELIMIT);
}

/* What is compressed counts as it comes out. */
static void test_compressed(void **state)
{
    static const uint8_t gzip[] = {0x1f, 0x8b, 8,    0,    0,    0,    0,    0,    0,
                                   3,    0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x86,
                                   0xa6, 0x10, 0x36, 5,    0,    0,    0};
    static const char head[] =
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 25\r\n\r\n";
    const struct http_options small = {.body_max = 4};
    char answer[sizeof(head) - 1 + sizeof(gzip)];
    const struct canned_answer answers[] = {{.bytes = answer, .len = sizeof(answer)},
                                            {.bytes = answer, .len = sizeof(answer)}};
    struct canned_server *server;
    AUTO(http_response_deinit) struct http_response response = {0};
    AUTO(http_close_ptr) struct http *h = NULL;
    AUTO(http_close_ptr) struct http *h_small = NULL;
    struct error err;

    (void)state;
    memcpy(answer, head, sizeof(head) - 1);
    memcpy(answer + sizeof(head) - 1, gzip, sizeof(gzip));
    server = canned_server_start(answers, 2);
    assert_int_equal(http_open(NULL, &h, &err), 0);
    assert_int_equal(http_get(h, server->url, &response, &err), 0);
    assert_true(slice_equal(buf_slice(&response.body), slice_of_text("hello")));
    http_close(TAKE(h));
    assert_int_equal(http_open(&small, &h_small, &err), 0);
    assert_int_equal(http_get(h_small, server->url, &response, &err), BLOCKDB_ELIMIT);
    canned_server_free(server);
}

static void test_long_headers(void **state)
{
    AUTO(buf_deinit) struct buf answer = {0};
    AUTO(asked_deinit) struct asked a;
    size_t i;

    (void)state;
    assert_int_equal(buf_appendf(&answer, "HTTP/1.1 200 OK\r\n"), 0);
    for (i = 0; i < 2000; i++) {
        assert_int_equal(buf_appendf(&answer, "X-Filler-%zu: ....................\r\n", i), 0);
    }
    assert_int_equal(buf_appendf(&answer, "Content-Length: 0\r\n\r\n%c", '\0'), 0);
    ask(&a, (const char *)answer.data, NULL);
    assert_int_equal(a.rc, BLOCKDB_ELIMIT);
}

static void test_bad_servers(void **state)
{
    static const char *const answers[] = {
        NULL, /* closes at once */
        "hello\r\n\r\n",
        "HTTP/1.1 999999 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n",
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello",
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        AUTO(asked_deinit) struct asked a;

        ask(&a, answers[i], NULL);
        if (a.rc != BLOCKDB_EIO) {
            fail_msg("answer %zu: %d, status %d", i, a.rc, a.response.status);
        }
        assert_int_equal(a.response.status, 0);
        assert_int_equal(a.response.body.len, 0);
    }
}

static void test_ends_early(void **state)
{
    const struct canned_answer answers[] = {
        {.bytes = "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", .close = true}};
    struct canned_server *server = canned_server_start(answers, 1);
    AUTO(http_response_deinit) struct http_response response = {0};
    AUTO(http_close_ptr) struct http *h = NULL;
    struct error err;

    (void)state;
    assert_int_equal(http_open(NULL, &h, &err), 0);
    assert_int_equal(http_get(h, server->url, &response, &err), BLOCKDB_EIO);
    assert_int_equal(response.body.len, 0);
    canned_server_free(server);
}

static void test_silence(void **state)
{
    const struct http_options options = {.timeout_ms = 50};
    struct canned_server *server = canned_server_start(NULL, 0);
    AUTO(http_response_deinit) struct http_response response = {0};
    AUTO(http_close_ptr) struct http *h = NULL;
    struct error err;

    (void)state;
    assert_int_equal(http_open(&options, &h, &err), 0);
    assert_int_equal(http_get(h, server->url, &response, &err), BLOCKDB_ETIMEDOUT);
    http_set_timeout(h, 0);
    assert_int_equal(http_get(h, server->url, &response, &err), BLOCKDB_ETIMEDOUT);
    canned_server_free(server);
}

static void test_nobody_listens(void **state)
{
    struct canned_server *server = canned_server_start(NULL, 0);
    AUTO(http_response_deinit) struct http_response response = {0};
    AUTO(http_close_ptr) struct http *h = NULL;
    struct error err;

    (void)state;
    canned_server_stop(server);
    assert_int_equal(http_open(NULL, &h, &err), 0);
    assert_int_equal(http_get(h, server->url, &response, &err), BLOCKDB_EIO);
    assert_non_null(strstr(err.message, server->url));
    canned_server_free(server);
}

/* One client, one connection, GET and POST in turn; what was answered before is replaced. */
static void test_reuse(void **state)
{
    const struct canned_answer answers[] = {
        {.bytes = OK_HELLO},
        {.bytes = "HTTP/1.1 409 Conflict\r\nContent-Length: 2\r\n\r\n7\n"},
        {.bytes = OK_HELLO},
        {.bytes = OK_HELLO},
    };
    static const char zeros[10000];
    const struct http_request_body text = {.bytes = slice_of("body\n", 5)};
    const struct http_request_body other = {.bytes = slice_of(zeros, sizeof(zeros)),
                                            .content_type = "application/octet-stream"};
    struct canned_server *server = canned_server_start(answers, 4);
    AUTO(http_response_deinit) struct http_response response = {0};
    AUTO(http_close_ptr) struct http *h = NULL;
    struct error err;

    (void)state;
    assert_int_equal(http_open(NULL, &h, &err), 0);
    assert_int_equal(http_get(h, server->url, &response, &err), 0);
    assert_int_equal(http_post(h, server->url, &text, &response, &err), 0);
    assert_int_equal(response.status, 409);
    assert_string_equal(response.content_type, "");
    assert_true(slice_equal(buf_slice(&response.body), slice_of_text("7\n")));
    assert_int_equal(http_post(h, server->url, &other, &response, &err), 0);
    assert_int_equal(http_get(h, server->url, &response, &err), 0);
    assert_int_equal(response.status, 200);
    canned_server_stop(server);
    assert_int_equal(server->connection_count, 1);
    assert_int_equal(server->request_count, 4);
    assert_memory_equal(server->requests[0], "GET / HTTP/1.1\r\n", 16);
    assert_non_null(strstr(server->requests[0], "User-Agent: blockdb/"));
    assert_memory_equal(server->requests[1], "POST / HTTP/1.1\r\n", 17);
    assert_non_null(strstr(server->requests[1], "Content-Type: text/plain; charset=utf-8\r\n"));
    assert_non_null(strstr(server->requests[1], "\r\n\r\nbody\n"));
    assert_non_null(strstr(server->requests[2], "Content-Type: application/octet-stream\r\n"));
    assert_null(strstr(server->requests[2], "Expect:"));
    assert_memory_equal(server->requests[3], "GET / HTTP/1.1\r\n", 16);
    assert_null(strstr(server->requests[3], "Content-Type:"));
    canned_server_free(server);
}

static void test_urls(void **state)
{
    static const char *const wrong[] = {
        "",         "x",           "127.0.0.1",        "ftp://127.0.0.1/",   "file:///etc/passwd",
        "http//x/", "gopher://x/", "https:/127.0.0.1", "httpx://127.0.0.1/",
    };
    AUTO(http_response_deinit) struct http_response response = {0};
    AUTO(http_close_ptr) struct http *h = NULL;
    AUTO(buf_deinit) struct buf url = {0};
    char text[HTTP_URL_LEN_MAX + 2];
    struct error err;
    size_t i;

    (void)state;
    assert_int_equal(http_open(NULL, &h, &err), 0);
    for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_false(http_url_valid(wrong[i]));
        assert_int_equal(http_get(h, wrong[i], &response, &err), BLOCKDB_EINVAL);
    }
    assert_int_equal(http_get(h, "http://[::1/", &response, &err), BLOCKDB_EINVAL);
    assert_true(http_url_valid("http://a"));
    assert_true(http_url_valid("HTTPS://a"));
    memset(text, 'a', sizeof(text));
    memcpy(text, "http://", 7);
    text[HTTP_URL_LEN_MAX + 1] = '\0';
    assert_false(http_url_valid(text));
    text[HTTP_URL_LEN_MAX] = '\0';
    assert_true(http_url_valid(text));

    assert_int_equal(http_url_join(&url, "http://a", "b"), 0);
    assert_string_equal((const char *)url.data, "http://a/b");
    buf_reset(&url);
    assert_int_equal(http_url_join(&url, "http://a/p/", "b/c"), 0);
    assert_string_equal((const char *)url.data, "http://a/p/b/c");
}

static bool fail_nth(void *context)
{
    size_t *left = context;

    return *left > 0 && --*left == 0;
}

static void test_no_memory(void **state)
{
    const struct http_access access = {.ca_file = "/etc/ssl/certs/ca-certificates.crt"};
    const struct http_options options = {.access = &access, .timeout_ms = PATIENT_MS};
    const struct canned_answer answers[] = {{.bytes = OK_HELLO}};
    struct canned_server *server = canned_server_start(answers, 1);
    AUTO(http_response_deinit) struct http_response response = {0};
    AUTO(http_close_ptr) struct http *h = NULL;
    struct error err;
    size_t left = 1;
    size_t n;

    (void)state;
    for (n = 1; h == NULL; n++) {
        int rc;

        left = n;
        mem_set_fail_hook(fail_nth, &left);
        rc = http_open(&options, &h, &err);
        mem_set_fail_hook(NULL, NULL);
        assert_int_equal(rc, h != NULL ? 0 : BLOCKDB_ENOMEM);
    }
    assert_true(n > 2);
    left = 1;
    mem_set_fail_hook(fail_nth, &left);
    assert_int_equal(http_get(h, server->url, &response, &err), BLOCKDB_ENOMEM);
    mem_set_fail_hook(NULL, NULL);
    canned_server_free(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_get),
        cmocka_unit_test(test_statuses),
        cmocka_unit_test(test_body_max),
        cmocka_unit_test(test_compressed),
        cmocka_unit_test(test_long_headers),
        cmocka_unit_test(test_bad_servers),
        cmocka_unit_test(test_ends_early),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_nobody_listens),
        cmocka_unit_test(test_reuse),
        cmocka_unit_test(test_urls),
        cmocka_unit_test(test_no_memory),
    };

    (void)setenv("no_proxy", "*", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
