/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libblockdb-client against servers that answer well, late, in halves, or not at all: what is sent
 * again, what is not, and what a caller is told.
 */
#include "base/mem.h"
#include "canned_server.h"

#include <blockdb/client.h>

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define HEAD(status, len) "HTTP/1.1 " status "\r\nContent-Length: " len "\r\n"
#define WRITTEN                                                                                    \
    HEAD("200 OK", "65")                                                                           \
    "\r\n{\"success\":true,\"seq\":7,\"time\":\"1970-01-01T00:00:01.000Z\"}      \n"
#define BUSY HEAD("503 Busy", "2") "Retry-After: 0\r\n\r\n{}"

/* A client of a server that has `answers`. */
struct setup {
    struct canned_server *server;
    struct blockdb_client *client;
    struct error err;
};

static struct blockdb_client_options quick_options(const char *urls)
{
    struct blockdb_client_options o = BLOCKDB_CLIENT_OPTIONS_INIT;

    o.urls = urls;
    o.retry_delay_ms = 1;
    o.request_timeout_ms = 10000;
    return o;
}

static void setup_start(struct setup *s, const struct canned_answer *answers, size_t count)
{
    struct blockdb_client_options o;

    *s = (struct setup){0};
    s->server = canned_server_start(answers, count);
    o = quick_options(s->server->url);
    assert_int_equal(blockdb_client_new(&o, &s->client, &s->err), 0);
}

static void setup_end(struct setup *s)
{
    blockdb_client_free(s->client);
    canned_server_free(s->server);
}

static int put(struct setup *s, struct blockdb_write_result *out)
{
    return blockdb_client_put(s->client, "k\"1", 3, "v\n", 2, NULL, out, &s->err);
}

static struct blockdb_client_figures figures(struct setup *s)
{
    struct blockdb_client_figures f = {.size = sizeof(f)};

    blockdb_client_figures_get(s->client, &f);
    return f;
}

static void test_put(void **state)
{
    static const struct canned_answer answers[] = {{.bytes = WRITTEN}, {.bytes = WRITTEN}};
    AUTO(setup_end) struct setup s;
    struct blockdb_write_result result;

    (void)state;
    setup_start(&s, answers, 2);
    assert_int_equal(put(&s, &result), 0);
    assert_int_equal(result.first_seq, 7);
    assert_int_equal(result.count, 1);
    assert_int_equal(result.time_ms, 1000);
    assert_false(result.repeated);
    assert_int_equal(put(&s, NULL), 0);
    assert_int_equal(figures(&s).connects, 1);
    assert_int_equal(figures(&s).requests, 2);
    canned_server_stop(s.server);
    assert_non_null(strstr(s.server->requests[0], "POST /api/v1/put HTTP/1.1\r\n"));
    assert_non_null(strstr(s.server->requests[0], "\r\nBlockdb-Client: "));
    assert_non_null(strstr(s.server->requests[0], "{\"key\":\"k\\\"1\",\"value\":\"v\\n\"}"));
    assert_null(strstr(s.server->requests[0], "Authorization"));
}

/* A value that would be longer as a JSON string goes in base64; text that people read does not. */
static void test_value_is_short(void **state)
{
    static const struct canned_answer answers[] = {{.bytes = WRITTEN}, {.bytes = WRITTEN}};
    AUTO(setup_end) struct setup s;
    char value[300];

    (void)state;
    setup_start(&s, answers, 2);
    memset(value, '\n', sizeof(value));
    memset(value, 'a', 250);
    assert_int_equal(blockdb_client_put(s.client, "k", 1, value, sizeof(value), NULL, NULL, &s.err),
                     0);
    memset(value, 1, sizeof(value));
    assert_int_equal(blockdb_client_put(s.client, "k", 1, value, sizeof(value), NULL, NULL, &s.err),
                     0);
    canned_server_stop(s.server);
    assert_non_null(strstr(s.server->requests[0], "aaaa\\n\\n"));
    assert_non_null(strstr(s.server->requests[1], "AQEBAQEB"));
    assert_non_null(strstr(s.server->requests[1], "\"encoding\":\"base64\""));
}

/* The id and number of a write as they were sent. */
static const char *numbers_of(struct setup *s, size_t i)
{
    const char *at = strstr(s->server->requests[i], "Blockdb-Client");

    assert_non_null(at);
    return at;
}

/* CLIENT-1: whatever breaks, the same write comes again under the same numbers. */
static void test_write_is_repeated(void **state)
{
    static const struct canned_answer breaks[][2] = {
        {{.bytes = NULL}, {.bytes = WRITTEN}},
        {{.bytes = NULL, .reset = true}, {.bytes = WRITTEN}},
        {{.bytes = HEAD("200 OK", "62") "\r\n{\"succ", .close = true}, {.bytes = WRITTEN}},
        {{.bytes = HEAD("200 OK", "62") "\r\n{\"succ", .reset = true}, {.bytes = WRITTEN}},
        {{.bytes = "HTTP/1.1 20", .close = true}, {.bytes = WRITTEN}},
        {{.bytes = BUSY}, {.bytes = WRITTEN}},
        {{.bytes = HEAD("429 Slow", "0") "Retry-After: 0\r\n\r\n"}, {.bytes = WRITTEN}},
        {{.bytes = HEAD("502 Proxy", "0") "\r\n", .close = true}, {.bytes = WRITTEN}},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(breaks) / sizeof(breaks[0]); i++) {
        AUTO(setup_end) struct setup s;
        struct blockdb_write_result result;
        const char *first;

        setup_start(&s, breaks[i], 2);
        assert_int_equal(put(&s, &result), 0);
        assert_int_equal(result.first_seq, 7);
        assert_int_equal(figures(&s).retries, 1);
        canned_server_stop(s.server);
        assert_int_equal(s.server->request_count, 2);
        first = numbers_of(&s, 0);
        assert_string_equal(first, numbers_of(&s, 1));
    }
}

/* Two writes of one connection have the same id and growing numbers. */
static void test_numbers_grow(void **state)
{
    static const struct canned_answer answers[] = {{.bytes = WRITTEN}, {.bytes = WRITTEN}};
    AUTO(setup_end) struct setup s;
    char ids[2][64];
    unsigned long long numbers[2];
    size_t i;

    (void)state;
    setup_start(&s, answers, 2);
    assert_int_equal(put(&s, NULL), 0);
    assert_int_equal(put(&s, NULL), 0);
    canned_server_stop(s.server);
    for (i = 0; i < 2; i++) {
        const char *at = strstr(s.server->requests[i], "Blockdb-Request: ");

        assert_int_equal(sscanf(numbers_of(&s, i), "Blockdb-Client: %32s", ids[i]), 1);
        assert_non_null(at);
        numbers[i] = strtoull(at + 17, NULL, 10);
    }
    assert_string_equal(ids[0], ids[1]);
    assert_int_equal(strlen(ids[0]), 32);
    assert_int_equal(numbers[1], numbers[0] + 1);
}

/* A connection that the server closed while nobody used it costs no retry. */
static void test_idle_connection_closed(void **state)
{
    static const struct canned_answer answers[] = {
        {.bytes = WRITTEN, .close = true}, {.bytes = WRITTEN, .reset = true}, {.bytes = WRITTEN}};
    AUTO(setup_end) struct setup s;

    (void)state;
    setup_start(&s, answers, 3);
    assert_int_equal(put(&s, NULL), 0);
    assert_int_equal(put(&s, NULL), 0);
    assert_int_equal(put(&s, NULL), 0);
    assert_int_equal(figures(&s).retries, 0);
    assert_int_equal(figures(&s).connects, 3);
}

static void test_refusals(void **state)
{
    static const struct {
        const char *answer;
        const char *message;
        int rc;
    } rows[] = {
        {HEAD("409 x", "43") "\r\n{\"error\":\"Conflict\",\"message\":\"key exists\"}",
         "key exists", BLOCKDB_ECONFLICT},
        {HEAD("409 x", "38") "\r\n{\"error\":\"Stale\",\"message\":\"stale\"}   ", "stale",
         BLOCKDB_ESTALE},
        {HEAD("400 x", "0") "\r\n", "status 400", BLOCKDB_EINVAL},
        {HEAD("401 x", "2") "\r\n{}", "give a token", BLOCKDB_EDENIED},
        {HEAD("403 x", "0") "\r\n", "status 403", BLOCKDB_EDENIED},
        {HEAD("404 x", "5") "\r\nnginx", "is it a BlockDB server?", BLOCKDB_EUNSUPPORTED},
        {HEAD("413 x", "0") "\r\n", "status 413", BLOCKDB_ELIMIT},
        {HEAD("500 x", "38") "\r\n{\"error\":\"Corrupt\",\"message\":\"page 3\"}", "page 3",
         BLOCKDB_ECORRUPT},
        {HEAD("503 x", "37") "\r\n{\"error\":\"ReadOnly\",\"message\":\"ro\"}  ", "ro",
         BLOCKDB_EREADONLY},
        {HEAD("507 x", "0") "\r\n", "status 507", BLOCKDB_ENOSPC},
        {HEAD("200 OK", "2") "\r\n{}", "docs/operate/http.md", BLOCKDB_EIO},
        {HEAD("200 OK", "7") "\r\n{\"seq\":", "docs/operate/http.md", BLOCKDB_EIO},
        {HEAD("400 x", "32") "\r\n{\"message\":\"a\\nb \\u001b[31mc\"}  ", "\\x0a", BLOCKDB_EINVAL},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct canned_answer answers[] = {{.bytes = rows[i].answer, .close = true}};
        AUTO(setup_end) struct setup s;
        struct blockdb_write_result result = {.first_seq = 99};

        setup_start(&s, answers, 1);
        assert_int_equal(put(&s, &result), rows[i].rc);
        assert_int_equal(result.first_seq, 99);
        if (strstr(s.err.message, rows[i].message) == NULL) {
            fail_msg("row %zu: %s", i, s.err.message);
        }
        assert_int_equal(figures(&s).retries, 0);
        canned_server_stop(s.server);
        assert_int_equal(s.server->request_count, 1);
    }
}

/* What is busy for good is told when the retries are used up. */
static void test_retries_end(void **state)
{
    static const struct canned_answer answers[] = {
        {.bytes = BUSY}, {.bytes = BUSY}, {.bytes = BUSY}, {.bytes = BUSY}, {.bytes = WRITTEN}};
    AUTO(setup_end) struct setup s;

    (void)state;
    setup_start(&s, answers, 5);
    assert_int_equal(put(&s, NULL), BLOCKDB_EBUSY);
    canned_server_stop(s.server);
    assert_int_equal(s.server->request_count, 4);
}

static void test_nobody_there(void **state)
{
    struct blockdb_client_options o = quick_options("http://127.0.0.1:1");
    struct blockdb_client *client = NULL;
    struct error err;

    (void)state;
    o.retry_attempts = 1;
    assert_int_equal(blockdb_client_new(&o, &client, &err), 0);
    assert_int_equal(blockdb_client_put(client, "k", 1, "v", 1, NULL, NULL, &err), BLOCKDB_EIO);
    assert_non_null(strstr(err.message, "http://127.0.0.1:1: no connection"));
    assert_int_equal(blockdb_client_put(client, "k", 1, "v", 1, NULL, NULL, NULL), BLOCKDB_EIO);
    blockdb_client_free(client);
}

/* The next URL is tried when one is not there. */
static void test_next_url(void **state)
{
    static const struct canned_answer answers[] = {{.bytes = WRITTEN}};
    struct canned_server *server = canned_server_start(answers, 1);
    struct blockdb_client *client = NULL;
    struct blockdb_client_options o;
    char urls[128];
    struct error err;

    (void)state;
    (void)snprintf(urls, sizeof(urls), "http://127.0.0.1:1,%s", server->url);
    o = quick_options(urls);
    assert_int_equal(blockdb_client_new(&o, &client, &err), 0);
    assert_int_equal(blockdb_client_put(client, "k", 1, "v", 1, NULL, NULL, &err), 0);
    blockdb_client_free(client);
    canned_server_free(server);
}

static void test_leader(void **state)
{
    static const struct canned_answer leads[] = {{.bytes = WRITTEN}, {.bytes = WRITTEN}};
    struct canned_server *leader = canned_server_start(leads, 2);
    struct canned_answer follows[1];
    struct canned_server *follower;
    struct blockdb_client *client = NULL;
    struct blockdb_client_options o;
    char moved[256];
    struct error err;

    (void)state;
    (void)snprintf(moved, sizeof(moved), HEAD("421 x", "0") "Blockdb-Leader: %s\r\n\r\n",
                   leader->url);
    follows[0] = (struct canned_answer){.bytes = moved};
    follower = canned_server_start(follows, 1);
    o = quick_options(follower->url);
    assert_int_equal(blockdb_client_new(&o, &client, &err), 0);
    assert_int_equal(blockdb_client_put(client, "k", 1, "v", 1, NULL, NULL, &err), 0);
    /* It is remembered. */
    assert_int_equal(blockdb_client_put(client, "k", 1, "v", 1, NULL, NULL, &err), 0);
    blockdb_client_free(client);
    canned_server_stop(follower);
    assert_int_equal(follower->request_count, 1);
    canned_server_free(follower);
    canned_server_free(leader);
}

/* Two followers that name each other do not keep a client running. */
static void test_leader_loop(void **state)
{
    char moved[256] = "";
    const struct canned_answer answers[] = {{.bytes = moved}, {.bytes = moved}, {.bytes = moved},
                                            {.bytes = moved}, {.bytes = moved}, {.bytes = moved}};
    AUTO(setup_end) struct setup s;

    (void)state;
    setup_start(&s, answers, 6);
    (void)snprintf(moved, sizeof(moved), HEAD("421 x", "0") "Blockdb-Leader: %s\r\n\r\n",
                   s.server->url);
    assert_int_equal(put(&s, NULL), BLOCKDB_EBUSY);
    canned_server_stop(s.server);
    assert_int_equal(s.server->request_count, 5);
}

static void test_late_answer(void **state)
{
    static const struct canned_answer answers[] = {{.bytes = WRITTEN, .pause_ms = 400}};
    AUTO(setup_end) struct setup s = {0};
    struct blockdb_client_options o;

    (void)state;
    s.server = canned_server_start(answers, 1);
    o = quick_options(s.server->url);
    o.request_timeout_ms = 50;
    o.retry_attempts = 0;
    assert_int_equal(blockdb_client_new(&o, &s.client, &s.err), 0);
    assert_int_equal(put(&s, NULL), BLOCKDB_ETIMEDOUT);
    assert_non_null(strstr(s.err.message, s.server->url));
}

/* ASK-1: what may not be repeated is not, when it may have arrived. */
static void test_unrepeatable(void **state)
{
    static const struct canned_answer answers[] = {{.bytes = NULL, .reset = true},
                                                   {.bytes = WRITTEN}};
    struct blockdb_client_request request = BLOCKDB_CLIENT_REQUEST_INIT;
    struct blockdb_client_answer answer = {0};
    AUTO(setup_end) struct setup s;

    (void)state;
    setup_start(&s, answers, 2);
    request.method = "POST";
    request.target = "/x";
    assert_int_equal(blockdb_client_request(s.client, &request, &answer, &s.err), BLOCKDB_EIO);
    request.repeatable = true;
    assert_int_equal(blockdb_client_request(s.client, &request, &answer, &s.err), 0);
    assert_int_equal(answer.status, 200);
    blockdb_client_answer_deinit(&answer);
    canned_server_stop(s.server);
    assert_int_equal(s.server->request_count, 2);
    assert_non_null(strstr(s.server->requests[1], "POST /x HTTP/1.1\r\n"));
    assert_non_null(strstr(s.server->requests[1], "Content-Length: 0\r\n"));
}

static void test_bad_requests(void **state)
{
    static const struct blockdb_client_request requests[] = {
        {.method = "BREW", .target = "/"},
        {.method = "GET", .target = NULL},
        {.method = "GET", .target = "x"},
        {.method = "GET", .target = "/a b"},
        {.method = "GET", .target = "/a\r\nX: y"},
        {.method = "GET", .target = "/", .accept = "a\r\nb"},
        {.method = "GET", .target = "/", .content_type = ""},
    };
    struct blockdb_client *client = NULL;
    struct blockdb_client_answer answer = {0};
    size_t i;

    (void)state;
    assert_int_equal(blockdb_client_new(NULL, &client, NULL), 0);
    for (i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        assert_int_equal(blockdb_client_request(client, &requests[i], &answer, NULL),
                         BLOCKDB_EINVAL);
    }
    blockdb_client_free(client);
}

static void test_get(void **state)
{
    static const struct canned_answer answers[] = {
        {.bytes = HEAD("200 OK", "84") "\r\n{\"success\":true,\"key\":\"ay9i\",\"value\":\"AAH/\","
                                       "\"encoding\":\"base64\",\"seq\":3,\"time\":1500}"},
        {.bytes = HEAD("404 x", "70") "\r\n{\"error\":\"NotFound\",\"message\":\"gone\",\"type\":"
                                      "\"delete\",\"seq\":9,\"time\":5}"},
        {.bytes = HEAD("410 x", "37") "\r\n{\"error\":\"Redacted\",\"message\":\"x\"}   "},
    };
    struct blockdb_read_options read = BLOCKDB_READ_OPTIONS_INIT;
    struct blockdb_value value = {0};
    AUTO(setup_end) struct setup s;

    (void)state;
    setup_start(&s, answers, 3);
    read.at_seq = 5;
    assert_int_equal(blockdb_client_get(s.client, "k/b", 3, &read, &value, &s.err), 0);
    assert_int_equal(value.len, 3);
    assert_memory_equal(value.data, "\x00\x01\xFF", 3);
    assert_int_equal(value.version.seq, 3);
    assert_int_equal(value.version.time_ms, 1500);
    assert_int_equal(blockdb_client_get(s.client, "k", 1, NULL, &value, &s.err), BLOCKDB_ENOTFOUND);
    assert_int_equal(value.version.kind, BLOCKDB_KIND_DELETE);
    assert_int_equal(value.version.seq, 9);
    assert_int_equal(value.len, 0);
    assert_int_equal(blockdb_client_get(s.client, "k", 1, NULL, &value, &s.err), BLOCKDB_EREDACTED);
    blockdb_client_value_deinit(&value);
    canned_server_stop(s.server);
    assert_non_null(strstr(s.server->requests[0], "GET /api/v1/get/k%2Fb?at=5 HTTP/1.1\r\n"));
}

static void test_scan(void **state)
{
    static const struct canned_answer answers[] = {
        {.bytes = HEAD("200 OK", "98") "\r\n{\"at\":9,\"entries\":[{\"key\":\"YQ==\",\"value\":"
                                       "\"MQ==\",\"encoding\":\"base64\",\"seq\":0}],"
                                       "\"next_cursor\":\"c+1\"}"},
        {.bytes = BUSY},
        {.bytes = HEAD("200 OK", "40") "\r\n{\"entries\":[{\"key\":\"b\",\"seq\":1}]}       "},
    };
    struct blockdb_scan_options options = BLOCKDB_SCAN_OPTIONS_INIT;
    struct blockdb_client_iter *iter = NULL;
    AUTO(setup_end) struct setup s;
    size_t len;

    (void)state;
    setup_start(&s, answers, 3);
    options.prefix = "p/";
    options.prefix_len = 2;
    options.reverse = true;
    assert_int_equal(blockdb_client_iter_new(s.client, &options, &iter, &s.err), 0);
    assert_int_equal(blockdb_client_iter_next(iter, &s.err), 0);
    assert_memory_equal(blockdb_client_iter_key(iter, &len), "a", 1);
    assert_memory_equal(blockdb_client_iter_value(iter, &len), "1", 1);
    assert_int_equal(len, 1);
    assert_int_equal(blockdb_client_iter_next(iter, &s.err), 0);
    assert_memory_equal(blockdb_client_iter_key(iter, &len), "b", 1);
    assert_int_equal(blockdb_client_iter_version(iter).seq, 1);
    assert_int_equal(blockdb_client_iter_next(iter, &s.err), BLOCKDB_ENOTFOUND);
    assert_int_equal(blockdb_client_iter_next(iter, &s.err), BLOCKDB_ENOTFOUND);
    blockdb_client_iter_free(iter);
    canned_server_stop(s.server);
    assert_non_null(strstr(s.server->requests[0], "prefix=p%2F&reverse=1&limit=1000 "));
    assert_non_null(strstr(s.server->requests[2], "&cursor=c%2B1 "));
}

static void test_watch(void **state)
{
    static const struct canned_answer answers[] = {
        {.bytes = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n: hello\n\n"
                  "id: 4\ndata: {\"key\":\"a\",\"value\":\"1\",\"seq\":4}\n\nid: 5\ndata: {\"ke",
         .close = true},
        {.bytes = "HTTP/1.1 200 OK\r\n\r\nid: 5\r\ndata: {\"key\":\"b\",\r\ndata: \"seq\":5}\r\n"
                  "\r\nid: 8\n\n"},
    };
    struct blockdb_client_watch_options options = BLOCKDB_CLIENT_WATCH_OPTIONS_INIT;
    struct blockdb_client_watch *watch = NULL;
    struct blockdb_client_event event;
    AUTO(setup_end) struct setup s;

    (void)state;
    setup_start(&s, answers, 2);
    options.from_seq = 2;
    options.prefix = "x";
    options.prefix_len = 1;
    assert_int_equal(blockdb_client_watch_new(s.client, &options, &watch, &s.err), 0);
    assert_int_equal(blockdb_client_watch_next(watch, 10000, &event, &s.err), 0);
    assert_int_equal(event.version.seq, 4);
    assert_memory_equal(event.value, "1", 1);
    assert_int_equal(blockdb_client_watch_position(watch), 5);
    assert_int_equal(blockdb_client_watch_next(watch, 10000, &event, &s.err), 0);
    assert_int_equal(event.version.seq, 5);
    assert_memory_equal(event.key, "b", 1);
    assert_int_equal(blockdb_client_watch_next(watch, 20, &event, &s.err), BLOCKDB_ETIMEDOUT);
    assert_int_equal(blockdb_client_watch_position(watch), 9);
    blockdb_client_watch_free(watch);
    canned_server_stop(s.server);
    assert_non_null(strstr(s.server->requests[0], "GET /api/v1/watch?from=2&prefix=x "));
    assert_non_null(strstr(s.server->requests[1], "GET /api/v1/watch?from=5&prefix=x "));
}

/* Pauses between attempts pass during calls that are shorter than they. */
static void test_watch_in_short_steps(void **state)
{
    static const struct canned_answer answers[] = {
        {.bytes = NULL},
        {.bytes = NULL},
        {.bytes = NULL},
        {.bytes = "HTTP/1.1 200 OK\r\n\r\nid: 5\ndata: {\"key\":\"b\",\"seq\":5}\n\n"},
    };
    struct blockdb_client_options o;
    struct blockdb_client_watch *watch = NULL;
    struct blockdb_client_event event;
    AUTO(setup_end) struct setup s = {0};
    int rc = BLOCKDB_ETIMEDOUT;

    (void)state;
    s.server = canned_server_start(answers, 4);
    o = quick_options(s.server->url);
    o.retry_delay_ms = 20;
    assert_int_equal(blockdb_client_new(&o, &s.client, &s.err), 0);
    assert_int_equal(blockdb_client_watch_new(s.client, NULL, &watch, &s.err), 0);
    while (rc == BLOCKDB_ETIMEDOUT) {
        rc = blockdb_client_watch_next(watch, 5, &event, &s.err);
    }
    assert_int_equal(rc, 0);
    assert_int_equal(event.version.seq, 5);
    blockdb_client_watch_free(watch);
}

static void test_watch_refused(void **state)
{
    static const struct canned_answer answers[] = {
        {.bytes = HEAD("403 x", "41") "\r\n{\"error\":\"Denied\",\"message\":\"not that\"}  "}};
    struct blockdb_client_watch *watch = NULL;
    struct blockdb_client_event event;
    AUTO(setup_end) struct setup s;

    (void)state;
    setup_start(&s, answers, 1);
    assert_int_equal(blockdb_client_watch_new(s.client, NULL, &watch, &s.err), 0);
    assert_int_equal(blockdb_client_watch_next(watch, 10000, &event, &s.err), BLOCKDB_EDENIED);
    assert_string_equal(s.err.message, "not that");
    blockdb_client_watch_free(watch);
}

static void test_queue(void **state)
{
    static const struct canned_answer answers[] = {
        {.bytes = WRITTEN}, {.bytes = HEAD("409 x", "0") "\r\n"}, {.bytes = WRITTEN}};
    struct blockdb_client_queue_options options = BLOCKDB_CLIENT_QUEUE_OPTIONS_INIT;
    struct blockdb_client_queue *queue = NULL;
    struct blockdb_client_completion done = {0};
    struct pollfd p = {.events = POLLIN};
    AUTO(setup_end) struct setup s;
    unsigned tags = 0;
    unsigned conflicts = 0;
    unsigned i;

    (void)state;
    setup_start(&s, answers, 3);
    options.threads = 1;
    options.operations_max = 3;
    assert_int_equal(blockdb_client_queue_new(s.client, &options, &queue, &s.err), 0);
    p.fd = blockdb_client_queue_fd(queue);
    assert_int_equal(blockdb_client_queue_next(queue, 0, &done), BLOCKDB_ENOTFOUND);
    for (i = 0; i < 3; i++) {
        assert_int_equal(
            blockdb_client_queue_put(queue, i, "k", 1, "v", 1, BLOCKDB_DURABILITY_GROUP, &s.err),
            0);
    }
    assert_int_equal(blockdb_client_queue_delete(queue, 9, "k", 1, 0, &s.err), BLOCKDB_EBUSY);
    for (i = 0; i < 3; i++) {
        assert_int_equal(poll(&p, 1, 10000), 1);
        assert_int_equal(blockdb_client_queue_next(queue, 10000, &done), 0);
        tags += (unsigned)done.tag;
        conflicts += done.status == BLOCKDB_ECONFLICT;
    }
    assert_int_equal(tags, 3);
    assert_int_equal(conflicts, 1);
    assert_int_equal(poll(&p, 1, 0), 0);
    assert_int_equal(blockdb_client_queue_get(queue, 1, "k", 1, BLOCKDB_SEQ_NONE, &s.err), 0);
    canned_server_stop(s.server); /* nobody answers the last one */
    blockdb_client_queue_free(queue);
    assert_non_null(strstr(s.server->requests[0], "\"durability\":\"group\""));
}

/* POOL-1: who finds no connection waits, and not for ever. */
struct holder {
    struct setup *s;
    int rc;
};

static void hold(void *arg)
{
    struct holder *h = arg;

    h->rc = blockdb_client_put(h->s->client, "k", 1, "v", 1, NULL, NULL, NULL);
}

static void test_pool_is_bounded(void **state)
{
    static const struct canned_answer answers[] = {{.bytes = WRITTEN, .pause_ms = 300},
                                                   {.bytes = WRITTEN}};
    AUTO(setup_end) struct setup s = {0};
    struct blockdb_client_options o;
    struct holder holder = {.s = &s};
    struct os_thread *thread;

    (void)state;
    s.server = canned_server_start(answers, 2);
    o = quick_options(s.server->url);
    o.max_connections = 1;
    assert_int_equal(blockdb_client_new(&o, &s.client, &s.err), 0);
    assert_int_equal(os_thread_start(os_real(), "hold", hold, &holder, &thread, &s.err), 0);
    while (figures(&s).requests == 0) {
        os_sleep_ns(os_real(), 1000000);
    }
    assert_int_equal(put(&s, NULL), 0); /* after the other */
    os_thread_join(os_real(), thread);
    assert_int_equal(holder.rc, 0);
    assert_int_equal(figures(&s).connects, 1);
}

static void test_options(void **state)
{
    static const struct blockdb_client_options good = BLOCKDB_CLIENT_OPTIONS_INIT;
    struct blockdb_client_options rows[10];
    struct blockdb_client *client = NULL;
    size_t i;

    (void)state;
    for (i = 0; i < 10; i++) {
        rows[i] = good;
    }
    rows[0].urls = "ftp://h";
    rows[1].urls = "";
    rows[2].urls = "http://a,http://b,";
    rows[2].max_connections = 0;
    rows[3].max_connections = 1 + BLOCKDB_CLIENT_CONNECTIONS_MAX;
    rows[4].token = "t";
    rows[4].user = "u";
    rows[5].user = "u";
    rows[6].token = "a\r\nX: y";
    rows[7].request_timeout_ms = 0;
    rows[8].ca_file = "/ca.pem";
    rows[9].user = "a:b";
    rows[9].password = "c";
    for (i = 0; i < 10; i++) {
        struct error err = {0};

        assert_int_equal(blockdb_client_new(&rows[i], &client, &err), BLOCKDB_EINVAL);
        assert_true(err.message[0] != '\0');
    }
    assert_int_equal(good.max_connections, 20);
    assert_int_equal(good.connection_timeout_ms, 5000);
    assert_int_equal(good.idle_timeout_ms, 300000);
    assert_int_equal(good.retry_attempts, 3);
    assert_int_equal(good.retry_delay_ms, 100);
}

static void test_credentials(void **state)
{
    static const struct canned_answer answers[] = {{.bytes = WRITTEN}};
    char path[] = "/tmp/blockdb-test-secret-XXXXXX";
    int fd = mkstemp(path);
    unsigned i;

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "s3cret\nmore", 11), 11);
    (void)close(fd);
    for (i = 0; i < 3; i++) {
        AUTO(setup_end) struct setup s = {0};
        struct blockdb_client_options o;

        s.server = canned_server_start(answers, 1);
        o = quick_options(s.server->url);
        o.token_file = i == 0 ? path : NULL;
        o.user = i == 1 ? "anna" : NULL;
        o.password_file = i == 1 ? path : NULL;
        o.token = i == 2 ? "tok" : NULL;
        assert_int_equal(blockdb_client_new(&o, &s.client, &s.err), 0);
        assert_int_equal(put(&s, NULL), 0);
        canned_server_stop(s.server);
        assert_non_null(
            strstr(s.server->requests[0], i == 0   ? "\r\nAuthorization: Bearer s3cret\r\n"
                                          : i == 1 ? "\r\nAuthorization: Basic YW5uYTpzM2NyZXQ=\r\n"
                                                   : "\r\nAuthorization: Bearer tok\r\n"));
    }
    assert_int_equal(chmod(path, 0644), 0);
    {
        struct blockdb_client_options o = quick_options("http://h");
        struct blockdb_client *client = NULL;
        struct error err;

        o.token_file = path;
        assert_int_equal(blockdb_client_new(&o, &client, &err), BLOCKDB_EDENIED);
        assert_non_null(strstr(err.message, "chmod 600"));
    }
    (void)unlink(path);
}

/* ---- Memory -------------------------------------------------------------------------------- */

struct nth {
    unsigned left;
};

static bool fail_nth(void *context)
{
    struct nth *n = context;

    return n->left-- == 0;
}

/* Every allocation of a call fails once; the client goes on with the next call. The server has no
 * allocations of its own. */
static void test_short_memory(void **state)
{
    struct canned_answer answers[CANNED_REQUESTS_MAX * 16];
    AUTO(setup_end) struct setup s;
    unsigned i;
    int rc = BLOCKDB_ENOMEM;

    (void)state;
    for (i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        answers[i] = (struct canned_answer){.bytes = WRITTEN};
    }
    setup_start(&s, answers, i);
    for (i = 0; rc == BLOCKDB_ENOMEM; i++) {
        struct blockdb_client_options o = quick_options(s.server->url);
        struct blockdb_client *client = NULL;
        struct nth nth = {.left = i};

        mem_set_fail_hook(fail_nth, &nth);
        rc = blockdb_client_new(&o, &client, &s.err);
        if (rc == BLOCKDB_OK) {
            rc = blockdb_client_put(client, "k", 1, "v", 1, NULL, NULL, &s.err);
        }
        mem_set_fail_hook(NULL, NULL);
        if (rc == BLOCKDB_ENOMEM && client != NULL) {
            assert_int_equal(blockdb_client_put(client, "k", 1, "v", 1, NULL, NULL, &s.err), 0);
        }
        blockdb_client_free(client);
        assert_true(rc == BLOCKDB_OK || rc == BLOCKDB_ENOMEM);
    }
    assert_true(i > 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_put),
        cmocka_unit_test(test_value_is_short),
        cmocka_unit_test(test_write_is_repeated),
        cmocka_unit_test(test_numbers_grow),
        cmocka_unit_test(test_idle_connection_closed),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_retries_end),
        cmocka_unit_test(test_nobody_there),
        cmocka_unit_test(test_next_url),
        cmocka_unit_test(test_leader),
        cmocka_unit_test(test_leader_loop),
        cmocka_unit_test(test_late_answer),
        cmocka_unit_test(test_unrepeatable),
        cmocka_unit_test(test_bad_requests),
        cmocka_unit_test(test_get),
        cmocka_unit_test(test_scan),
        cmocka_unit_test(test_watch),
        cmocka_unit_test(test_watch_in_short_steps),
        cmocka_unit_test(test_watch_refused),
        cmocka_unit_test(test_queue),
        cmocka_unit_test(test_pool_is_bounded),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_credentials),
        cmocka_unit_test(test_short_memory),
    };

    return cmocka_run_group_tests_name("client", tests, NULL, NULL);
}
