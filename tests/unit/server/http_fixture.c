/* SPDX-License-Identifier: Apache-2.0 */
#include "http_fixture.h"

#include "os/os.h"
#include "server/conn_group.h"
#include "server/dispatch.h"
#include "server/http/exchange.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define READ_MS_MAX 5000
#define STEP_NS 1000000U
#define STEPS_MAX 10000

/* ---- Routes ---------------------------------------------------------------------------------- */

static struct http_fixture *fixture_of(const struct exchange *x)
{
    return exchange_context(x);
}

static void route_hello(struct exchange *x)
{
    exchange_reply(x, 200, HTTP_TYPE_TEXT, slice_of_text("hello\n"));
}

static void route_echo(struct exchange *x)
{
    exchange_reply(x, 200, HTTP_TYPE_BINARY, exchange_body(x));
}

static void route_key(struct exchange *x)
{
    exchange_reply(x, 200, HTTP_TYPE_BINARY, exchange_param(x, "key"));
}

static void route_query(struct exchange *x)
{
    static const char *const names[] = {"q", "n", "on", NULL};
    struct buf *out = exchange_out(x);
    struct slice q = {0};
    struct error err;
    uint64_t n = 7;
    bool on = false;
    int rc = exchange_query_check(x, names, &err);

    rc = rc < 0 ? rc : exchange_query_u64(x, "n", &n, &err);
    rc = rc < 0 ? rc : exchange_query_bool(x, "on", &on, &err);
    if (rc < 0) {
        exchange_error(x, rc, &err);
        return;
    }
    (void)exchange_query(x, "q", &q);
    if (buf_appendf(out, "q=%.*s n=%u on=%d", (int)q.len, (const char *)q.data, (unsigned)n, on) <
        0) {
        exchange_error(x, BLOCKDB_ENOMEM, NULL);
        return;
    }
    exchange_reply_out(x, 200, HTTP_TYPE_TEXT);
}

static void put_done(struct exchange *x, struct call *call)
{
    if (call->status < 0) {
        exchange_error(x, call->status, &call->error);
    } else {
        exchange_reply(x, 200, HTTP_TYPE_TEXT, slice_of_text("put\n"));
    }
}

static void route_put(struct exchange *x)
{
    struct call *call = exchange_call(x);
    struct error err;
    int rc = dispatch_put(call, exchange_param(x, "key"), exchange_body(x), &err);

    atomic_fetch_add(&fixture_of(x)->puts_begun, 1);
    if (rc < 0) {
        exchange_error(x, rc, &err);
        return;
    }
    exchange_call_then(x, put_done);
    exchange_started(x, dispatch_commit(call, NULL));
}

static void get_done(struct exchange *x, struct call *call)
{
    if (call->status < 0) {
        exchange_error(x, call->status, &call->error);
    } else {
        exchange_reply(x, 200, HTTP_TYPE_BINARY, slice_of(call->value.data, call->value.len));
    }
}

static void route_get(struct exchange *x)
{
    struct call_get get = {.key = exchange_param(x, "key"), .at_seq = BLOCKDB_SEQ_NONE};

    exchange_call_then(x, get_done);
    exchange_started(x, dispatch_get(exchange_call(x), &get));
}

/* On the pool, until the test lets it go. */
static int run_wait(struct exchange *x, struct blockdb *db, struct error *err)
{
    (void)db;
    for (int i = 0; i < STEPS_MAX && !atomic_load(&fixture_of(x)->gate_is_open); i++) {
        os_sleep_ns(os_real(), STEP_NS);
    }
    if (buf_appendf(exchange_out(x), "waited\n") < 0) {
        return error_set_no_memory(err);
    }
    exchange_prepare(x, 200, HTTP_TYPE_TEXT);
    return BLOCKDB_OK;
}

static void route_wait(struct exchange *x)
{
    exchange_run(x, POOL_READ, run_wait);
}

static int run_fail(struct exchange *x, struct blockdb *db, struct error *err)
{
    (void)x;
    (void)db;
    return error_set(err, BLOCKDB_ETAMPERED, "block 7 does not match");
}

static void route_fail(struct exchange *x)
{
    exchange_run(x, POOL_LONG, run_fail);
}

/* Of a length that the path says. */
static void route_large(struct exchange *x)
{
    struct slice text = exchange_param(x, "len");
    size_t len = 0;

    for (size_t i = 0; i < text.len; i++) {
        len = len * 10 + (size_t)(text.data[i] - '0');
    }
    if (buf_append_zeros(exchange_out(x), len) < 0) {
        exchange_error(x, BLOCKDB_ENOMEM, NULL);
        return;
    }
    memset(exchange_out(x)->data, 'x', len);
    exchange_reply_out(x, 200, HTTP_TYPE_TEXT);
}

static void nothing(struct exchange *x)
{
    (void)x;
}

static void on_gone(struct exchange *x)
{
    atomic_fetch_add(&fixture_of(x)->gone, 1);
    exchange_stream_end(x);
}

static const struct exchange_stream stream = {.writable = nothing, .gone = on_gone};

/* Two pieces and the end, or no end at all. */
static void route_stream(struct exchange *x)
{
    exchange_stream_begin(x, 200, HTTP_TYPE_TEXT, &stream);
    (void)exchange_stream_write(x, slice_of_text("one,"));
    (void)exchange_stream_write(x, slice_of_text("two"));
    if (exchange_param(x, "kind").len == 3 && exchange_request(x)->method != HTTP_HEAD) { /* end */
        exchange_stream_end(x);
    }
}

static void route_silent(struct exchange *x)
{
    (void)x;
}

static void route_headers(struct exchange *x)
{
    exchange_set_header(x, "ETag", "\"1\"");
    exchange_set_header(x, "Bad", "a\r\nInjected: yes");
    exchange_reply(x, 304, HTTP_TYPE_TEXT, slice_of_text("no body"));
}

#define ALL ROUTE_BODY_REQUEST_MAX
static const struct route routes[] = {
    {HTTP_GET, "/hello", 0, ROUTE_READ, ROUTE_HEALTH, 0, route_hello, "Says hello."},
    {HTTP_POST, "/echo", 0, ROUTE_WRITE, 0, ALL, route_echo, "Sends the body back."},
    {HTTP_POST, "/small", 0, ROUTE_WRITE, 0, 10, route_echo, "At most ten bytes."},
    {HTTP_GET, "/key/{key...}", RIGHT_READ, ROUTE_READ, 0, 0, route_key, "Its key."},
    {HTTP_GET, "/query", 0, ROUTE_READ, 0, 0, route_query, "Its query."},
    {HTTP_PUT, "/db/{key...}", RIGHT_WRITE, ROUTE_WRITE, 0, ALL, route_put, "Puts."},
    {HTTP_GET, "/db/{key...}", RIGHT_READ, ROUTE_READ, 0, 0, route_get, "Gets."},
    {HTTP_GET, "/wait", 0, ROUTE_READ, 0, 0, route_wait, "Waits on the pool."},
    {HTTP_GET, "/patient", 0, ROUTE_READ, ROUTE_LONG, 0, route_wait, "Waits without deadline."},
    {HTTP_POST, "/wait", 0, ROUTE_WRITE, 0, 0, route_wait, "Waits on the pool."},
    {HTTP_GET, "/fail", 0, ROUTE_READ, 0, 0, route_fail, "Fails on the pool."},
    {HTTP_GET, "/large/{len}", 0, ROUTE_READ, 0, 0, route_large, "A large answer."},
    {HTTP_GET, "/plain/{len}", 0, ROUTE_READ, ROUTE_PLAIN, 0, route_large, "Never compressed."},
    {HTTP_GET, "/stream/{kind}", 0, ROUTE_READ, ROUTE_STREAM, 0, route_stream, "A stream."},
    {HTTP_GET, "/silent", 0, ROUTE_READ, 0, 0, route_silent, "Forgets to answer."},
    {HTTP_GET, "/headers", 0, ROUTE_READ, 0, 0, route_headers, "Not modified."},
};

/* ---- Starting and stopping ------------------------------------------------------------------- */

void http_fixture_start(struct http_fixture *f, const struct http_limits *limits)
{
    const struct pool_options pool_options = {
        .os = os_real(), .threads = {2, 1}, .queue_max = {64, 4}};
    const struct conn_limits conn_limits = {.output_high = 1 << 20,
                                            .output_max = 64 << 20,
                                            .send_timeout_ms = 5000,
                                            .handshake_timeout_ms = 5000};
    struct http_options options = {.os = os_real(),
                                   .routes = routes,
                                   .route_count = sizeof(routes) / sizeof(routes[0]),
                                   .loop_count = 1,
                                   .limits = *limits,
                                   .context = f};
    struct error err;

    (void)snprintf(f->dir, sizeof(f->dir), "/tmp/test_http_XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    assert_int_equal(blockdb_open(f->dir, NULL, BLOCKDB_OPEN_CREATE, &f->db, &err), 0);
    assert_int_equal(loop_new(os_real(), 0, &f->loop, &err), 0);
    assert_int_equal(pool_new(&pool_options, &f->pool, &err), 0);
    assert_int_equal(
        dispatch_new(&(struct dispatch_options){.db = f->db, .pool = f->pool, .os = os_real()},
                     &f->dispatch),
        0);
    options.dispatch = f->dispatch;
    assert_int_equal(http_new(&options, &f->http, &err), 0);
    assert_int_equal(conn_group_new(f->loop, NULL, &conn_limits, &f->group), 0);
    assert_int_equal(loop_start(f->loop, &err), 0);
}

/* A task for the loop of a fixture. */
struct errand {
    struct loop_task task;
    struct http_fixture *f;
    struct conn_socket socket;
    void (*act)(struct errand *e);
    atomic_bool is_done;
};

static void run_errand(struct loop_task *task)
{
    struct errand *e = (struct errand *)(void *)((char *)task - offsetof(struct errand, task));

    e->act(e);
    atomic_store(&e->is_done, true);
}

static void send_errand(struct errand *e)
{
    e->task.run = run_errand;
    loop_post(e->f->loop, &e->task);
    while (!atomic_load(&e->is_done)) {
        os_sleep_ns(os_real(), STEP_NS / 10);
    }
}

static void act_abort(struct errand *e)
{
    conn_group_abort(e->f->group);
}

static void act_drain(struct errand *e)
{
    conn_group_drain(e->f->group);
    conn_group_finish(e->f->group);
}

static void act_open(struct errand *e)
{
    assert_int_equal(conn_open(e->f->group, &e->socket), 0);
}

void http_fixture_drain(struct http_fixture *f)
{
    struct errand e = {.f = f, .act = act_drain};

    send_errand(&e);
}

void http_fixture_stop(struct http_fixture *f)
{
    struct errand e = {.f = f, .act = act_abort};
    char command[128];
    struct error err;

    atomic_store(&f->gate_is_open, true);
    send_errand(&e);
    pool_free(f->pool);
    for (int i = 0; i < STEPS_MAX && dispatch_pending(f->dispatch) > 0; i++) {
        os_sleep_ns(os_real(), STEP_NS);
    }
    loop_stop(f->loop);
    assert_int_equal(conn_group_count(f->group), 0);
    assert_int_equal(atomic_load(&f->open_sockets), 0);
    conn_group_free(f->group);
    loop_free(f->loop);
    http_free(f->http);
    dispatch_free(f->dispatch);
    assert_int_equal(blockdb_close(f->db, &err), 0);
    (void)snprintf(command, sizeof(command), "rm -r '%s'", f->dir);
    assert_int_equal(system(command), 0);
}

/* ---- Clients --------------------------------------------------------------------------------- */

int http_fixture_connect(struct http_fixture *f)
{
    struct errand e = {.f = f, .act = act_open};
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    atomic_fetch_add(&f->open_sockets, 1);
    e.socket = (struct conn_socket){.protocol = http_protocol(f->http), .count = &f->open_sockets};
    e.socket.fd = fds[1];
    e.socket.peer.ss_family = AF_UNIX;
    send_errand(&e);
    return fds[0];
}

void http_fixture_send(int fd, const void *bytes, size_t len)
{
    const char *at = bytes;

    while (len > 0) {
        ssize_t n = send(fd, at, len, MSG_NOSIGNAL);

        if (n < 0) {
            return; /* the server has closed, which the answer will show */
        }
        at += n;
        len -= (size_t)n;
    }
}

void http_fixture_say(int fd, const char *text)
{
    http_fixture_send(fd, text, strlen(text));
}

void http_fixture_half_close(int fd)
{
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
}

void http_fixture_reset(int fd)
{
    assert_int_equal(close(fd), 0);
}

/* Reads once; 0 at the end or when nothing comes. */
static size_t read_some(int fd, char *out, size_t cap)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    ssize_t n;

    if (poll(&p, 1, READ_MS_MAX) <= 0) {
        return 0;
    }
    n = recv(fd, out, cap, 0);
    return n > 0 ? (size_t)n : 0;
}

void http_fixture_read_until(int fd, const char *text, char *out, size_t out_size)
{
    size_t len = 0;
    size_t n;

    out[0] = '\0';
    while (strstr(out, text) == NULL && len < out_size - 1 &&
           (n = read_some(fd, out + len, out_size - 1 - len)) > 0) {
        len += n;
        out[len] = '\0';
    }
}

void http_fixture_read_all(int fd, char *out, size_t out_size)
{
    size_t len = 0;
    size_t n;

    while (len < out_size - 1 && (n = read_some(fd, out + len, out_size - 1 - len)) > 0) {
        len += n;
    }
    out[len] = '\0';
}

void http_fixture_ask(struct http_fixture *f, const char *request, char *out, size_t out_size)
{
    int fd = http_fixture_connect(f);

    http_fixture_say(fd, request);
    http_fixture_half_close(fd);
    http_fixture_read_all(fd, out, out_size);
    assert_int_equal(close(fd), 0);
}

unsigned http_fixture_count(const char *text, const char *part)
{
    unsigned count = 0;

    for (const char *at = strstr(text, part); at != NULL; at = strstr(at + 1, part)) {
        count++;
    }
    return count;
}
