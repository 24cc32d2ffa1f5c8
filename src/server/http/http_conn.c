/* SPDX-License-Identifier: Apache-2.0 */
/* A connection that speaks HTTP: from its input to exchanges, and its deadlines. */
#include "base/assert.h"
#include "base/mem.h"
#include "os/os.h"
#include "server/http/http_priv.h"
#include "server/server.h"

#define BODY_GRACE_MS 10000 /* before its rate counts */
#define BODY_LOOK_MS 1000   /* between two looks at a body that is arriving */
#define SKIPPED_MAX 262144  /* of a body that is read although nobody wants it */
#define MS_PER_S 1000

/* ---- Deadlines ------------------------------------------------------------------------------- */

static uint64_t now_ms(const struct http_conn *hc)
{
    return loop_now_ms(conn_loop(hc->conn));
}

/* Whether an answer that was not begun may come too late. */
static bool has_deadline(const struct exchange *x)
{
    return x->kind == EXCHANGE_OPEN && (x->route == NULL || (x->route->flags & ROUTE_LONG) == 0);
}

/* When something has to be done if nothing happens; 0: never. */
static uint64_t next_alarm(const struct http_conn *hc)
{
    if (hc->receiving != NULL) {
        return now_ms(hc) + BODY_LOOK_MS;
    }
    if (hc->first != NULL) {
        return has_deadline(hc->first) ? hc->first->started_ms + hc->limits.request_timeout : 0;
    }
    if (hc->head_began_ms != 0) {
        return hc->head_began_ms + hc->limits.connection_timeout;
    }
    return hc->skip > 0 ? hc->idle_since_ms + hc->limits.connection_timeout
                        : hc->idle_since_ms + hc->limits.max_idle_time;
}

/* A deadline that rings too early looks again; so most changes need no timer. */
void http_conn_watch(struct http_conn *hc)
{
    uint64_t alarm_ms = next_alarm(hc);
    uint64_t now = now_ms(hc);

    if (alarm_ms == 0 || (hc->alarm_ms != 0 && hc->alarm_ms <= alarm_ms)) {
        return;
    }
    hc->alarm_ms = alarm_ms;
    conn_set_deadline(hc->conn, alarm_ms > now ? alarm_ms - now : 1);
}

static bool body_is_too_slow(const struct http_conn *hc)
{
    uint64_t now = now_ms(hc);
    uint64_t elapsed = now - hc->body_began_ms;

    if (now - hc->body_moved_ms >= hc->limits.connection_timeout) {
        return true;
    }
    return elapsed > BODY_GRACE_MS &&
           hc->body_received < hc->limits.body_rate_min * (elapsed - BODY_GRACE_MS) / MS_PER_S;
}

/* An exchange for what is no request that could be understood. */
static void refuse_head(struct http_conn *hc, int status, const char *code, const char *message)
{
    struct exchange *x = exchange_new(hc);

    hc->head_began_ms = 0;
    if (x == NULL) {
        conn_abort(hc->conn);
        return;
    }
    x->request.method = HTTP_METHOD_OTHER;
    x->request.minor_version = 1;
    x->request.keep_alive = false;
    x->request.header_count = 0;
    x->request.path = slice_of(NULL, 0);
    x->request.query = slice_of(NULL, 0);
    x->began_ns = os_monotonic_ns(hc->http->os);
    x->received_ns = x->began_ns;
    x->closes = true;
    x->lingers = true;
    hc->is_last = true;
    exchange_fail(x, status, code, "%s", message);
}

/* Answers for those whose answer is overdue. */
static void give_up_late(struct http_conn *hc)
{
    struct exchange *x;

    while ((x = hc->first) != NULL && has_deadline(x) && x != hc->receiving &&
           x->started_ms + hc->limits.request_timeout <= now_ms(hc)) {
        if (x == hc->gated) {
            http_conn_refuse(x);
        }
        queue_give_up(x, 503, "TimedOut",
                      "the request took longer than [server] request_timeout; it may still be "
                      "carried out");
    }
}

static void on_deadline(struct conn *c)
{
    struct http_conn *hc = conn_state(c);
    uint64_t now = now_ms(hc);

    hc->alarm_ms = 0;
    if (hc->receiving != NULL && body_is_too_slow(hc)) {
        struct exchange *x = hc->receiving;

        http_conn_refuse(x);
        exchange_fail(x, 408, "TimedOut", "the body of the request came too slowly");
    }
    if (hc->first != NULL) {
        give_up_late(hc);
    } else if (hc->receiving == NULL && next_alarm(hc) <= now && !conn_is_ending(c)) {
        if (hc->head_began_ms != 0) {
            refuse_head(hc, 408, "TimedOut", "the head of the request came too slowly");
        } else {
            conn_close_after_output(c);
        }
    }
    http_conn_watch(hc);
}

/* ---- Bodies ---------------------------------------------------------------------------------- */

static void start(struct exchange *x)
{
    x->received_ns = os_monotonic_ns(x->http->os);
    x->started_ms = loop_now_ms(conn_loop(x->conn));
    x->was_started = true;
    x->holds++;
    x->route->handler(x);
    x->holds--;
    if (x->kind == EXCHANGE_OPEN && x->holds == 0 && x->hc != NULL) {
        exchange_fail(x, 500, "Internal", "the request was not answered: this is a bug");
        return;
    }
    queue_settle(x);
}

void http_conn_refuse(struct exchange *x)
{
    struct http_conn *hc = x->hc;
    const struct http_request *r = &x->request;

    if (hc->receiving == x || r->is_chunked || x->wants_continue ||
        r->content_length > SKIPPED_MAX) {
        x->closes = true;
        x->lingers = true;
        hc->is_last = true;
        hc->receiving = NULL;
        return;
    }
    hc->skip = r->content_length;
}

void http_conn_passed(struct http_conn *hc, struct exchange *x)
{
    if (!x->request.is_chunked && x->request.content_length == 0) {
        start(x);
        return;
    }
    hc->receiving = x;
    hc->body_began_ms = now_ms(hc);
    hc->body_moved_ms = hc->body_began_ms;
    hc->body_received = 0;
    if (x->wants_continue && conn_input(hc->conn).len == 0) {
        queue_continue(x);
    }
}

static void body_is_whole(struct http_conn *hc, struct exchange *x)
{
    hc->receiving = NULL;
    x->wants_continue = false;
    x->bytes += x->body.len;
    start(x);
}

static void body_failed(struct exchange *x, int rc)
{
    http_conn_refuse(x);
    if (rc == BLOCKDB_EINVAL) {
        exchange_fail(x, 400, "InvalidArgument", "the chunks of the body are malformed");
    } else if (rc == BLOCKDB_ELIMIT && x->chunked.extra > CHUNKED_EXTRA_MAX) {
        exchange_fail(x, 413, "LimitExceeded",
                      "the extensions and trailers of the chunks have more than %d bytes",
                      CHUNKED_EXTRA_MAX);
    } else if (rc == BLOCKDB_ELIMIT) {
        exchange_fail(x, 413, "LimitExceeded",
                      "the body is longer than the %zu bytes that %s takes", x->body_max,
                      x->route->pattern);
    } else if (rc == BLOCKDB_EBUSY) {
        exchange_fail(x, 503, "Busy",
                      "the bodies of all requests together have reached [server] "
                      "request_memory; send this one again in a moment");
    } else {
        exchange_error(x, BLOCKDB_ENOMEM, NULL);
    }
}

/* Takes what has come of a body of known length; how much that was, or a negative code. */
static int take_plain(struct exchange *x, struct slice in, size_t *out_taken)
{
    size_t left = (size_t)x->request.content_length - x->body_buf.len;
    int rc;

    *out_taken = in.len < left ? in.len : left;
    if (!conn_hold(x->conn, *out_taken)) {
        return BLOCKDB_EBUSY;
    }
    x->body_held += *out_taken;
    if (x->body_buf.len == 0 && in.len >= left) { /* all at once, as most bodies come */
        void *copy = arena_copy(&x->arena, in.data, left);

        x->body = slice_of(copy, left);
        return copy != NULL ? BLOCKDB_OK : BLOCKDB_ENOMEM;
    }
    rc = buf_append(&x->body_buf, in.data, *out_taken);
    x->body = buf_slice(&x->body_buf);
    return rc;
}

/* Likewise for a body in chunks. */
static int take_chunks(struct exchange *x, struct slice in, size_t *out_taken)
{
    int rc;

    if (!conn_hold(x->conn, in.len)) {
        return BLOCKDB_EBUSY;
    }
    rc = chunked_decode(&x->chunked, in, x->body_max, &x->body_buf, out_taken);
    conn_release(x->conn, in.len - *out_taken);
    x->body_held += *out_taken;
    x->body = buf_slice(&x->body_buf);
    return rc;
}

/* False: more has to come first. */
static bool receive(struct http_conn *hc)
{
    struct exchange *x = hc->receiving;
    struct slice in = conn_input(hc->conn);
    size_t taken = 0;
    bool is_whole;
    int rc;

    if (in.len == 0) {
        return false;
    }
    if (x->request.is_chunked) {
        rc = take_chunks(x, in, &taken);
        is_whole = chunked_is_done(&x->chunked);
    } else {
        rc = take_plain(x, in, &taken);
        is_whole = x->body.len == x->request.content_length;
    }
    conn_consume(hc->conn, taken);
    hc->body_moved_ms = now_ms(hc);
    hc->body_received += taken;
    if (rc < 0) {
        body_failed(x, rc);
    } else if (is_whole) {
        body_is_whole(hc, x);
    }
    return rc == BLOCKDB_OK && is_whole;
}

static void skip(struct http_conn *hc)
{
    size_t len = conn_input(hc->conn).len;

    len = len < hc->skip ? len : (size_t)hc->skip;
    hc->skip -= len;
    conn_consume(hc->conn, len);
}

/* ---- Heads ----------------------------------------------------------------------------------- */

/* A head beyond the limit: is it the first line, or those behind it? */
static void refuse_long(struct http_conn *hc, struct slice in)
{
    size_t max = hc->limits.max_header_size;

    if (memchr(in.data, '\n', in.len < max ? in.len : max) == NULL) {
        refuse_head(hc, 414, "LimitExceeded", "the request target is too long");
    } else {
        refuse_head(hc, 431, "HeadersTooLarge",
                    "the head of the request is longer than [server] max_header_size");
    }
}

/* Nothing that begins like this becomes a request. */
static bool is_no_head(struct http_conn *hc, struct slice in)
{
    const uint8_t *line_feed = memchr(in.data, '\n', in.len);

    if (in.len == 1 && in.data[0] == '\r') {
        return false; /* perhaps an empty line before the request */
    }
    if (in.data[0] < '!' || in.data[0] > '~') {
        refuse_head(hc, 400, "InvalidArgument",
                    in.data[0] == 0x16 ? "this port speaks HTTP without TLS"
                                       : "the request does not start with a method");
        return true;
    }
    if (line_feed != NULL && (line_feed == in.data || line_feed[-1] != '\r')) {
        refuse_head(hc, 400, "InvalidArgument", "a line does not end with CR LF");
        return true;
    }
    if (in.len < hc->limits.max_header_size) {
        return false;
    }
    refuse_long(hc, in);
    return true;
}

static const char *code_of_status(int status)
{
    switch (status) {
    case 414:
        return "LimitExceeded";
    case 431:
        return "HeadersTooLarge";
    case 417:
    case 501:
    case 505:
        return "Unsupported";
    default:
        return "InvalidArgument";
    }
}

/* The bytes of a whole head have come: copies and parses them. */
static void take_head(struct http_conn *hc, size_t len)
{
    struct exchange *x = exchange_new(hc);
    struct http_refusal refusal;
    void *copy;

    hc->searched = 0;
    if (x == NULL || (copy = arena_copy(&x->arena, conn_input(hc->conn).data, len)) == NULL) {
        conn_abort(hc->conn);
        return;
    }
    conn_consume(hc->conn, len);
    x->began_ns = hc->head_began_ns;
    x->started_ms = now_ms(hc);
    x->bytes = len;
    hc->head_began_ms = 0;
    if (!http_request_parse(slice_of(copy, len), &x->request, &refusal)) {
        x->request.keep_alive = false;
        x->closes = true;
        x->lingers = true;
        hc->is_last = true;
        exchange_fail(x, refusal.status, code_of_status(refusal.status), "%s", refusal.message);
        return;
    }
    hc->is_writing = http_method_writes(x->request.method);
    hc->is_last = !x->request.keep_alive;
    x->wants_continue = x->request.expects_continue;
    gate_enter(x);
}

/* False: no whole head is there. */
static bool next_head(struct http_conn *hc)
{
    struct slice in = conn_input(hc->conn);
    size_t empty = http_empty_lines(in);
    size_t len;

    if (empty > 0) {
        conn_consume(hc->conn, empty);
        in = conn_input(hc->conn);
        hc->searched = 0;
    }
    if (in.len == 0) {
        return false;
    }
    len = http_head_len(in, &hc->searched);
    if (hc->head_began_ms == 0) {
        hc->head_began_ms = now_ms(hc);
        hc->head_began_ns = os_monotonic_ns(hc->http->os);
    }
    if (len == 0) {
        return is_no_head(hc, in);
    }
    if (len > hc->limits.max_header_size) {
        refuse_long(hc, in);
        return true;
    }
    take_head(hc, len);
    return true;
}

/* ---- Input ----------------------------------------------------------------------------------- */

/* Whether the next request has to wait for those before it. */
static bool must_wait(struct http_conn *hc)
{
    uint8_t byte;

    if (hc->first == NULL) {
        return conn_output_is_high(hc->conn);
    }
    if (hc->gated != NULL || hc->streams > 0 || hc->in_flight >= hc->limits.pipeline_max ||
        conn_output_is_high(hc->conn)) {
        return true;
    }
    byte = conn_input(hc->conn).data[0];
    return hc->is_writing == (byte == 'G' || byte == 'H' || byte == 'O');
}

/* Waits for the queue. Streams may last for ever, so there the client's going has to be noticed. */
static void wait_for_queue(struct http_conn *hc)
{
    hc->is_waiting = true;
    if (hc->streams == 0) {
        conn_pause_input(hc->conn);
    }
}

void http_conn_go_on(struct http_conn *hc)
{
    if (!hc->is_waiting || hc->in_input || conn_is_ending(hc->conn)) {
        return;
    }
    if (conn_input(hc->conn).len > 0 && hc->receiving == NULL && must_wait(hc)) {
        return;
    }
    hc->is_waiting = false;
    conn_pause_input(hc->conn);
    conn_resume_input(hc->conn); /* shows what is there, whether it was paused or not */
}

static void on_input(struct conn *c)
{
    struct http_conn *hc = conn_state(c);
    bool goes_on = true;

    hc->in_input = true;
    while (goes_on && conn_input(c).len > 0 && !conn_is_ending(c)) {
        if (hc->receiving != NULL) {
            goes_on = receive(hc);
        } else if (hc->gated != NULL) {
            wait_for_queue(hc);
            goes_on = false;
        } else if (hc->skip > 0) {
            skip(hc);
        } else if (hc->is_last) {
            conn_consume(c, conn_input(c).len);
        } else if (must_wait(hc)) {
            wait_for_queue(hc);
            goes_on = false;
        } else {
            goes_on = next_head(hc);
        }
    }
    hc->in_input = false;
    http_conn_watch(hc);
}

static void on_input_end(struct conn *c)
{
    struct http_conn *hc = conn_state(c);
    struct exchange *x = hc->receiving;

    hc->has_ended = true;
    if (x != NULL) {
        http_conn_refuse(x);
        exchange_fail(x, 400, "InvalidArgument", "the body ended before its length was reached");
        return;
    }
    if (hc->first == NULL) {
        conn_close_after_output(c);
    }
}

static void on_output_low(struct conn *c)
{
    struct http_conn *hc = conn_state(c);

    queue_writable(hc);
    http_conn_go_on(hc);
}

/* ---- Beginning and end ----------------------------------------------------------------------- */

static int on_open(struct conn *c)
{
    /* The protocol is the first member of its http. */
    struct http *http = (struct http *)(uintptr_t)conn_protocol(c);
    struct http_conn *hc = mem_calloc(1, sizeof(*hc));
    unsigned index = loop_index(conn_loop(c));

    if (hc == NULL) {
        return BLOCKDB_ENOMEM;
    }
    ASSERT(index < http->loop_count);
    hc->conn = c;
    hc->http = http;
    hc->loop = &http->loops[index];
    hc->limits = http->limits;
    if (conn_server(c) != NULL) {
        http_limits_of(server_config(conn_server(c)), &hc->limits);
    }
    hc->last = &hc->first;
    hc->idle_since_ms = now_ms(hc);
    if (hc->limits.max_header_size >= CONN_INPUT_MAX_DEFAULT) {
        conn_set_input_max(c, hc->limits.max_header_size + 1);
    }
    conn_set_state(c, hc);
    http_conn_watch(hc);
    return BLOCKDB_OK;
}

static void on_close(struct conn *c)
{
    struct http_conn *hc = conn_state(c);

    hc->is_last = true;
    queue_abandon(hc);
    conn_set_state(c, NULL);
    mem_free(hc);
}

static void on_drain(struct conn *c)
{
    struct http_conn *hc = conn_state(c);

    if (hc->first == NULL && conn_input(c).len == 0) {
        conn_close_after_output(c);
        return;
    }
    queue_drain(hc);
}

void http_conn_protocol(struct conn_protocol *protocol)
{
    static const char refusal[] =
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"
        "Content-Length: 93\r\nRetry-After: 1\r\nConnection: close\r\n\r\n"
        "{\"success\":false,\"error\":\"Busy\","
        "\"message\":\"[server] max_connections is reached; come again\"}\n";

    *protocol = (struct conn_protocol){
        .name = "http",
        .refusal = slice_of(refusal, sizeof(refusal) - 1),
        .has_reserve = true,
        .open = on_open,
        .input = on_input,
        .input_end = on_input_end,
        .output_low = on_output_low,
        .deadline = on_deadline,
        .close = on_close,
        .drain = on_drain,
    };
}
