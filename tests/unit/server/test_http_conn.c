/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP on real sockets and a real loop: keeping connections, order, bodies, refusals, deadlines,
 * streams, and clients that go away while something of theirs is pending.
 */
#include "base/mem.h"
#include "http_fixture.h"
#include "server/conn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define OUT_BYTES (4 << 20)

static char out[OUT_BYTES];

static int setup_with(void **state, const struct http_limits *limits)
{
    struct http_fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    http_fixture_start(f, limits);
    *state = f;
    return 0;
}

static int setup(void **state)
{
    const struct http_limits limits = HTTP_LIMITS_INIT;

    return setup_with(state, &limits);
}

static int setup_small(void **state)
{
    struct http_limits limits = HTTP_LIMITS_INIT;

    limits.max_header_size = 2048;
    limits.max_request_size = 100000;
    limits.pipeline_max = 3;
    limits.cors_origins = "https://a.example https://b.example";
    return setup_with(state, &limits);
}

static int setup_hasty(void **state)
{
    struct http_limits limits = HTTP_LIMITS_INIT;

    limits.connection_timeout = 300;
    limits.max_idle_time = 500;
    limits.request_timeout = 300;
    return setup_with(state, &limits);
}

static int teardown(void **state)
{
    http_fixture_stop(*state);
    free(*state);
    return 0;
}

static void ask(void **state, const char *request)
{
    http_fixture_ask(*state, request, out, sizeof(out));
}

static void assert_starts(const char *text)
{
    if (strncmp(out, text, strlen(text)) != 0) {
        print_error("got: %.300s\n", out);
    }
    assert_memory_equal(out, text, strlen(text));
}

static void assert_has(const char *text)
{
    if (strstr(out, text) == NULL) {
        print_error("no '%s' in: %.600s\n", text, out);
    }
    assert_non_null(strstr(out, text));
}

static void assert_lacks(const char *text)
{
    assert_null(strstr(out, text));
}

/* ---- Connections ----------------------------------------------------------------------------- */

static void test_hello(void **state)
{
    ask(state, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_starts("HTTP/1.1 200 OK\r\nDate: ");
    assert_has("Content-Length: 6\r\n");
    assert_has("Content-Type: text/plain; charset=utf-8\r\n");
    assert_has("X-Request-Id: ");
    assert_has("\r\n\r\nhello\n");
    ask(state, "HEAD /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_has("Content-Length: 6\r\n");
    assert_lacks("hello");
}

static void test_keeps_connections(void **state)
{
    struct http_fixture *f = *state;
    int fd = http_fixture_connect(f);

    for (int i = 0; i < 5; i++) {
        http_fixture_say(fd, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
        http_fixture_read_until(fd, "hello\n", out, sizeof(out));
        assert_starts("HTTP/1.1 200 OK\r\n");
        assert_lacks("Connection");
    }
    http_fixture_say(fd, "GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\nGET /he");
    http_fixture_read_all(fd, out, sizeof(out));
    assert_has("Connection: close\r\n");
    assert_int_equal(http_fixture_count(out, "HTTP/1.1"), 1);
    (void)close(fd);
}

static void test_http_1_0(void **state)
{
    struct http_fixture *f = *state;
    int fd = http_fixture_connect(f);

    http_fixture_say(fd, "GET /hello HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n");
    http_fixture_read_until(fd, "hello\n", out, sizeof(out));
    assert_has("Connection: keep-alive\r\n");
    http_fixture_say(fd, "GET /hello HTTP/1.0\r\n\r\n");
    http_fixture_read_all(fd, out, sizeof(out));
    assert_has("Connection: close\r\n");
    assert_has("hello\n");
    (void)close(fd);
}

static void test_pipeline_keeps_order(void **state)
{
    struct http_fixture *f = *state;
    int fd = http_fixture_connect(f);

    http_fixture_say(fd, "PUT /db/k HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n1"
                         "PUT /db/k HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n2"
                         "\r\nGET /db/k HTTP/1.1\r\nHost: x\r\n\r\n"
                         "PUT /db/k HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n3"
                         "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n"
                         "GET /db/k HTTP/1.1\r\nHost: x\r\n\r\n"
                         "GET /key/last HTTP/1.1\r\nHost: x\r\n\r\n");
    http_fixture_half_close(fd);
    http_fixture_read_until(fd, "\r\n\r\n2", out, sizeof(out));
    assert_true(http_fixture_count(out, "put\n") >= 2);
    atomic_store(&f->gate_is_open, true);
    http_fixture_read_all(fd, out, sizeof(out));
    assert_has("waited");
    assert_true(strstr(out, "waited") < strstr(out, "\r\n\r\n3"));
    assert_true(strstr(out, "\r\n\r\n3") < strstr(out, "\r\n\r\nlast"));
    (void)close(fd);
}

static void test_pipeline_is_limited(void **state)
{
    struct http_fixture *f = *state;
    int fd = http_fixture_connect(f);

    for (int i = 0; i < 20; i++) {
        http_fixture_say(fd, "POST /wait HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    atomic_store(&f->gate_is_open, true);
    http_fixture_half_close(fd);
    http_fixture_read_all(fd, out, sizeof(out));
    assert_int_equal(http_fixture_count(out, "waited"), 20);
    (void)close(fd);
}

static void test_silent_clients(void **state)
{
    struct http_fixture *f = *state;
    int fd = http_fixture_connect(f);

    http_fixture_half_close(fd);
    http_fixture_read_all(fd, out, sizeof(out));
    assert_int_equal(strlen(out), 0);
    (void)close(fd);
    http_fixture_reset(http_fixture_connect(f));
}

/* ---- Bodies ---------------------------------------------------------------------------------- */

static void test_bodies(void **state)
{
    struct http_fixture *f = *state;
    static char body[90000];
    char head[128];
    int fd = http_fixture_connect(f);

    memset(body, 'b', sizeof(body));
    (void)snprintf(head, sizeof(head),
                   "POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %zu"
                   "\r\n\r\n",
                   sizeof(body));
    http_fixture_say(fd, head);
    http_fixture_send(fd, body, 10);
    http_fixture_send(fd, body + 10, sizeof(body) - 10);
    http_fixture_read_all(fd, out, sizeof(out));
    assert_has("Content-Length: 90000\r\n");
    assert_int_equal(strlen(strstr(out, "\r\n\r\n") + 4), sizeof(body));
    (void)close(fd);
    ask(state, "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
               "3;ext=1\r\nabc\r\nA\r\n0123456789\r\n0\r\nTrailer: t\r\n\r\n"
               "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_has("\r\n\r\nabc0123456789HTTP/1.1 200 OK");
    assert_has("hello\n");
    ask(state, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nshort");
    assert_starts("HTTP/1.1 400 ");
    assert_has("the body ended");
    ask(state, "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc");
    assert_starts("HTTP/1.1 400 ");
}

static void test_bodies_too_large(void **state)
{
    static char extended[10000];

    ask(state, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100001\r\n\r\nx");
    assert_starts("HTTP/1.1 413 ");
    ask(state, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n"
               "Expect: 100-continue\r\n\r\n");
    assert_starts("HTTP/1.1 413 ");
    assert_has("Connection: close");
    assert_lacks("100 Continue");
    ask(state, "POST /small HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nB\r\n");
    assert_starts("HTTP/1.1 413 ");
    assert_has("the body is longer than the 10 bytes");
    snprintf(extended, sizeof(extended),
             "POST /small HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;%09000d", 0);
    ask(state, extended);
    assert_starts("HTTP/1.1 413 ");
    assert_has("the extensions and trailers of the chunks have more than 8192 bytes");
    ask(state, "POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n01234567890"
               "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_starts("HTTP/1.1 413 ");
    assert_has("hello\n"); /* a short body is passed over */
}

static void test_expect(void **state)
{
    struct http_fixture *f = *state;
    int fd = http_fixture_connect(f);

    http_fixture_say(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
                         "Expect: 100-continue\r\n\r\n");
    http_fixture_read_until(fd, "\r\n\r\n", out, sizeof(out));
    assert_string_equal(out, "HTTP/1.1 100 Continue\r\n\r\n");
    http_fixture_say(fd, "ok");
    http_fixture_read_until(fd, "\r\n\r\nok", out, sizeof(out));
    assert_starts("HTTP/1.1 200 OK");
    (void)close(fd);
    ask(state, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: magic\r\n\r\nok");
    assert_starts("HTTP/1.1 417 ");
}

/* ---- Refusals -------------------------------------------------------------------------------- */

static void test_paths(void **state)
{
    ask(state, "GET /key/a%2Fb/c:d%20 HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_has("\r\n\r\na/b/c:d ");
    ask(state, "GET /key/%2e%2e/../x HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_has("\r\n\r\n../../x");
    ask(state, "GET //hello HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_starts("HTTP/1.1 404 ");
    ask(state, "GET /key/a%00b HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_starts("HTTP/1.1 200 ");
    ask(state, "GET /key/a%2 HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_starts("HTTP/1.1 400 ");
    ask(state, "GET /helo HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_starts("HTTP/1.1 404 ");
    assert_has("\"error\":\"NoSuchPath\"");
    assert_has("/hello");
    ask(state, "POST /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_starts("HTTP/1.1 405 ");
    assert_has("Allow: GET, HEAD");
    ask(state, "GET http://other:80/hello HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_starts("HTTP/1.1 200 ");
    ask(state, "OPTIONS /db/x HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_starts("HTTP/1.1 204 ");
    assert_has("PUT");
    assert_lacks("Access-Control");
    ask(state, "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_starts("HTTP/1.1 204 ");
}

static void test_queries(void **state)
{
    ask(state, "GET /query?q=a+b%2Bc&n=12&on HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_has("q=a b+c n=12 on=1");
    ask(state, "GET /query?n=-1 HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_starts("HTTP/1.1 400 ");
    assert_has("'n'");
    ask(state, "GET /query?on=maybe HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_starts("HTTP/1.1 400 ");
    ask(state, "GET /query?om=1 HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_has("did you mean 'on'");
    ask(state, "GET /query?q=1&q=2 HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_has("twice");
    ask(state, "GET /query?q=%zz HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_starts("HTTP/1.1 400 ");
}

static void test_heads_too_large(void **state)
{
    struct http_fixture *f = *state;
    static char head[3000];
    int fd = http_fixture_connect(f);

    memset(head, 'a', sizeof(head));
    memcpy(head, "GET /", 5);
    http_fixture_send(fd, head, sizeof(head));
    http_fixture_read_all(fd, out, sizeof(out));
    assert_starts("HTTP/1.1 414 ");
    (void)close(fd);
    fd = http_fixture_connect(f);
    memcpy(head, "GET / HTTP/1.1\r\nX: ", 19);
    http_fixture_send(fd, head, sizeof(head));
    http_fixture_read_all(fd, out, sizeof(out));
    assert_starts("HTTP/1.1 431 ");
    (void)close(fd);
    ask(state, "\x16\x03\x01\x02");
    assert_starts("HTTP/1.1 400 ");
    assert_has("without TLS");
    ask(state, "GET / HTTP/1.1\nHost: x\n\n");
    assert_starts("HTTP/1.1 400 ");
    ask(state, "GET / HTTP/1.1\r\nHost: x\n\n");
    assert_starts("HTTP/1.1 400 ");
}

static void test_origins(void **state)
{
    ask(state, "GET /hello HTTP/1.1\r\nHost: x\r\nOrigin: https://b.example\r\n\r\n");
    assert_has("Access-Control-Allow-Origin: https://b.example\r\n");
    assert_has("Vary: Origin\r\n");
    ask(state, "GET /hello HTTP/1.1\r\nHost: x\r\nOrigin: https://evil.example\r\n\r\n");
    assert_starts("HTTP/1.1 200 ");
    assert_lacks("Access-Control");
    ask(state, "POST /small HTTP/1.1\r\nHost: x\r\nOrigin: https://evil.example\r\n"
               "Content-Length: 1\r\n\r\n1");
    assert_starts("HTTP/1.1 403 ");
    ask(state, "POST /small HTTP/1.1\r\nHost: x:8080\r\nOrigin: http://x:8080\r\n"
               "Content-Length: 1\r\n\r\n1");
    assert_starts("HTTP/1.1 200 ");
    ask(state, "OPTIONS /db/k HTTP/1.1\r\nHost: x\r\nOrigin: https://a.example\r\n"
               "Access-Control-Request-Method: PUT\r\n\r\n");
    assert_has("Access-Control-Allow-Methods: ");
    assert_has("Access-Control-Max-Age: 600");
}

static void test_request_ids(void **state)
{
    ask(state, "GET /hello HTTP/1.1\r\nHost: x\r\nX-Request-Id: my-id.1\r\n\r\n");
    assert_has("X-Request-Id: my-id.1\r\n");
    ask(state, "GET /hello HTTP/1.1\r\nHost: x\r\nX-Request-Id: a b\r\n\r\n");
    assert_lacks("a b");
    ask(state, "GET /headers HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_starts("HTTP/1.1 304 Not Modified\r\n");
    assert_has("ETag: \"1\"\r\n");
    assert_lacks("Injected");
    assert_lacks("Content-Length");
    assert_lacks("no body");
}

static void test_failures(void **state)
{
    ask(state, "GET /fail HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_starts("HTTP/1.1 500 ");
    assert_has("\"error\":\"Tampered\",\"message\":\"block 7 does not match\"");
    ask(state, "GET /silent HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_starts("HTTP/1.1 500 ");
    ask(state, "GET /db/none HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_starts("HTTP/1.1 404 ");
}

/* ---- Large answers, streams ------------------------------------------------------------------ */

static void test_compression(void **state)
{
    ask(state, "GET /large/100000 HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip, zstd\r\n\r\n");
    assert_has("Content-Encoding: zstd\r\n");
    assert_has("Vary: Accept-Encoding\r\n");
    ask(state, "GET /large/3000 HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n");
    assert_has("Content-Encoding: gzip\r\n");
    ask(state, "GET /large/3000 HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip;q=0, br\r\n\r\n");
    assert_lacks("Content-Encoding");
    ask(state, "GET /large/500 HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n");
    assert_lacks("Content-Encoding");
    ask(state, "GET /plain/9000 HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n");
    assert_lacks("Content-Encoding");
    ask(state, "GET /large/3000000 HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_has("Content-Length: 3000000\r\n");
    assert_int_equal(strlen(strstr(out, "\r\n\r\n") + 4), 3000000);
}

/* Answers beyond the high mark stop the work until the client reads. */
static void test_backlog(void **state)
{
    struct http_fixture *f = *state;
    int fd = http_fixture_connect(f);
    size_t total = 0;

    for (int i = 0; i < 50; i++) {
        http_fixture_say(fd, "GET /large/500000 HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    http_fixture_half_close(fd);
    do {
        http_fixture_read_until(fd, "\001", out, 1 << 20);
        total += strlen(out);
    } while (out[0] != '\0');
    if (total <= 50 * 500000) {
        print_error("total %zu\n", total);
    }
    assert_true(total > 50 * 500000);
    (void)close(fd);
}

static void test_streams(void **state)
{
    struct http_fixture *f = *state;
    int fd;

    ask(state, "GET /stream/end HTTP/1.1\r\nHost: x\r\n\r\nGET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_has("Transfer-Encoding: chunked\r\n");
    assert_has("\r\n\r\n4\r\none,\r\n3\r\ntwo\r\n0\r\n\r\nHTTP/1.1 200 OK");
    ask(state, "GET /stream/end HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_has("Connection: close\r\n");
    assert_has("\r\n\r\none,two");
    fd = http_fixture_connect(f);
    http_fixture_say(fd, "HEAD /stream/endless HTTP/1.1\r\nHost: x\r\n\r\n"
                         "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    http_fixture_read_until(fd, "hello\n", out, sizeof(out));
    assert_has("hello\n");
    assert_lacks("one");
    (void)close(fd);
    fd = http_fixture_connect(f);
    http_fixture_say(fd, "GET /stream/endless HTTP/1.1\r\nHost: x\r\n\r\n");
    http_fixture_read_until(fd, "two\r\n", out, sizeof(out));
    http_fixture_drain(f);
    http_fixture_read_all(fd, out, sizeof(out));
    assert_string_equal(out, "0\r\n\r\n");
    assert_int_equal(atomic_load(&f->gone), 2);
    (void)close(fd);
}

static void test_drain(void **state)
{
    struct http_fixture *f = *state;
    int idle = http_fixture_connect(f);
    int busy = http_fixture_connect(f);

    http_fixture_say(busy, "POST /wait HTTP/1.1\r\nHost: x\r\n\r\n");
    http_fixture_say(idle, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    http_fixture_read_until(idle, "hello\n", out, sizeof(out));
    http_fixture_drain(f);
    http_fixture_read_all(idle, out, sizeof(out));
    atomic_store(&f->gate_is_open, true);
    http_fixture_read_all(busy, out, sizeof(out));
    assert_has("waited");
    assert_has("Connection: close\r\n");
    (void)close(idle);
    (void)close(busy);
}

/* ---- Clients that go away, and time ---------------------------------------------------------- */

/* A hundred clients leave while their commit, or their work on the pool, is pending. */
static void test_reset_while_pending(void **state)
{
    struct http_fixture *f = *state;

    for (int i = 0; i < 100; i++) {
        int fd = http_fixture_connect(f);

        http_fixture_say(fd, i % 2 == 0
                                 ? "PUT /db/k HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n1"
                                 : "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n");
        http_fixture_reset(fd);
    }
    for (int i = 0; i < 10; i++) {
        int fd = http_fixture_connect(f);

        http_fixture_say(fd, "GET /stream/endless HTTP/1.1\r\nHost: x\r\n\r\n");
        http_fixture_read_until(fd, "two\r\n", out, sizeof(out));
        http_fixture_reset(fd);
    }
    atomic_store(&f->gate_is_open, true);
    ask(state, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_has("hello\n");
}

static void test_deadlines(void **state)
{
    struct http_fixture *f = *state;
    int idle = http_fixture_connect(f);
    int head = http_fixture_connect(f);
    int body = http_fixture_connect(f);
    int late = http_fixture_connect(f);
    int patient = http_fixture_connect(f);

    http_fixture_say(head, "GET /hello HT");
    http_fixture_say(body, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nab");
    http_fixture_say(late, "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n");
    http_fixture_say(patient, "GET /patient HTTP/1.1\r\nHost: x\r\n\r\n");
    http_fixture_read_all(head, out, sizeof(out));
    assert_starts("HTTP/1.1 408 ");
    http_fixture_read_all(body, out, sizeof(out));
    assert_starts("HTTP/1.1 408 ");
    http_fixture_read_until(late, "carried out", out, sizeof(out));
    assert_starts("HTTP/1.1 503 ");
    assert_has("Retry-After: 1\r\n");
    http_fixture_say(late, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    http_fixture_read_until(late, "hello\n", out, sizeof(out));
    assert_has("hello\n"); /* only that answer was lost */
    http_fixture_read_all(idle, out, sizeof(out));
    assert_int_equal(strlen(out), 0);
    atomic_store(&f->gate_is_open, true); /* longer ago than request_timeout */
    http_fixture_read_until(patient, "\r\n\r\n", out, sizeof(out));
    assert_starts("HTTP/1.1 200 ");
    (void)close(patient);
    (void)close(idle);
    (void)close(head);
    (void)close(body);
    (void)close(late);
}

/* What a full house sends has the length that it says. */
static void test_refusal_text(void **state)
{
    struct http_fixture *f = *state;
    struct slice text = http_protocol(f->http)->refusal;
    const uint8_t *body = memmem(text.data, text.len, "\r\n\r\n", 4);
    char line[64];

    assert_non_null(body);
    (void)snprintf(line, sizeof(line), "Content-Length: %zu\r\n",
                   text.len - (size_t)(body - text.data) - 4);
    assert_non_null(memmem(text.data, text.len, line, strlen(line)));
}

static void test_figures(void **state)
{
    struct http_fixture *f = *state;
    AUTO(buf_deinit) struct buf text = {0};
    struct metrics_writer w;

    ask(state, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    ask(state, "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(http_request_count(f->http), 2);
    metrics_begin(&w, METRICS_TEXT, &text);
    http_metrics_write(f->http, &w);
    assert_int_equal(metrics_finish(&w), 0);
    assert_int_equal(buf_append_u8(&text, 0), 0);
    assert_non_null(strstr((const char *)text.data,
                           "blockdb_http_requests_total{method=\"GET\",route=\"/hello\","
                           "code=\"200\"} 1"));
    assert_non_null(strstr((const char *)text.data, "route=\"none\",code=\"404\"} 1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_hello, setup, teardown),
        cmocka_unit_test_setup_teardown(test_keeps_connections, setup, teardown),
        cmocka_unit_test_setup_teardown(test_http_1_0, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pipeline_keeps_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pipeline_is_limited, setup_small, teardown),
        cmocka_unit_test_setup_teardown(test_silent_clients, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bodies, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bodies_too_large, setup_small, teardown),
        cmocka_unit_test_setup_teardown(test_expect, setup, teardown),
        cmocka_unit_test_setup_teardown(test_paths, setup, teardown),
        cmocka_unit_test_setup_teardown(test_queries, setup, teardown),
        cmocka_unit_test_setup_teardown(test_heads_too_large, setup_small, teardown),
        cmocka_unit_test_setup_teardown(test_origins, setup_small, teardown),
        cmocka_unit_test_setup_teardown(test_request_ids, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failures, setup, teardown),
        cmocka_unit_test_setup_teardown(test_compression, setup, teardown),
        cmocka_unit_test_setup_teardown(test_backlog, setup, teardown),
        cmocka_unit_test_setup_teardown(test_streams, setup, teardown),
        cmocka_unit_test_setup_teardown(test_drain, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reset_while_pending, setup, teardown),
        cmocka_unit_test_setup_teardown(test_deadlines, setup_hasty, teardown),
        cmocka_unit_test_setup_teardown(test_refusal_text, setup, teardown),
        cmocka_unit_test_setup_teardown(test_figures, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
