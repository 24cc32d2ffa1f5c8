/* SPDX-License-Identifier: Apache-2.0 */
/* The queue of a connection: answers leave it in the order in which requests entered. */
#include "base/assert.h"
#include "base/mem.h"
#include "server/http/http_priv.h"

#include <stdio.h>

#define BODY_COPIED_MAX 16384 /* up to this a body is copied behind its head */
#define HELD_HIGH 65536       /* of a stream that waits for the answers before it */
#define CHUNK_HEAD_BYTES 20

/* ---- Writing --------------------------------------------------------------------------------- */

static bool is_first(const struct exchange *x)
{
    return x->hc->first == x;
}

/* Where the bytes of an answer go. */
static struct buf *place_of(struct exchange *x)
{
    return is_first(x) ? conn_output(x->conn) : &x->held;
}

static bool has_no_body(int status)
{
    return status < 200 || status == 204 || status == 304;
}

/* Whether the connection ends behind the answer of x, which is being made. */
static bool ends_with(const struct exchange *x)
{
    bool must_end = conn_is_draining(x->conn) || conn_is_reserve(x->conn) || x->hc->has_ended;

    return x->closes || !x->request.keep_alive || (must_end && x->next == NULL);
}

static enum response_end end_of(const struct exchange *x)
{
    if (x->closes) {
        return RESPONSE_CLOSE;
    }
    return x->request.minor_version == 0 ? RESPONSE_KEEP_10 : RESPONSE_KEEP;
}

static int write_head(struct exchange *x, uint64_t content_length)
{
    struct response r = {
        .status = x->status,
        .content_type = has_no_body(x->status) ? NULL : x->content_type,
        .encoding = x->encoding_done,
        .request_id = x->id,
        .content_length = content_length,
        .has_length = !has_no_body(x->status) && x->kind != EXCHANGE_STREAM,
        .is_chunked = x->kind == EXCHANGE_STREAM && x->stream_is_chunked,
        .end = end_of(x),
        .headers = x->headers,
        .header_count = x->header_count,
    };

    return response_head(place_of(x), &r, http_common(x->http, x->loop, x->conn));
}

/* Small bodies are copied; a large one that is in x->out goes as it is. */
static int write_body(struct exchange *x, struct slice body)
{
    if (body.len <= BODY_COPIED_MAX || body.data != x->out.data) {
        int rc = buf_append_slice(place_of(x), body);

        buf_reset(&x->out);
        return rc;
    }
    return is_first(x) ? conn_output_take(x->conn, &x->out) : BLOCKDB_OK;
}

/* ---- Order ----------------------------------------------------------------------------------- */

void queue_settle(struct exchange *x)
{
    if (x->hc == NULL && x->holds == 0 && x->kind != EXCHANGE_STREAM) {
        exchange_free(x);
    }
}

/* Takes the oldest out of the queue. */
static void pop(struct http_conn *hc)
{
    struct exchange *x = hc->first;

    hc->first = x->next;
    if (hc->first == NULL) {
        hc->last = &hc->first;
    }
    ASSERT(hc->in_flight > 0);
    hc->in_flight--;
    hc->receiving = hc->receiving == x ? NULL : hc->receiving;
    hc->gated = hc->gated == x ? NULL : hc->gated;
    x->next = NULL;
    x->hc = NULL;
}

/* Moves what the oldest has held back to the output. */
static void release_held(struct exchange *x)
{
    int rc = BLOCKDB_OK;

    if (x->held.len > 0) {
        rc = conn_output_take(x->conn, &x->held);
    }
    if (rc == BLOCKDB_OK && x->kind == EXCHANGE_ANSWERED && x->out.len > 0) {
        rc = conn_output_take(x->conn, &x->out);
    }
    if (rc < 0) {
        conn_abort(x->conn);
    }
}

static void end_connection(struct http_conn *hc, bool lingers)
{
    hc->is_last = true;
    if (lingers) {
        conn_close_lingering(hc->conn);
    } else {
        conn_close_after_output(hc->conn);
    }
}

/* The oldest is not answered yet, but it is its turn now. */
static void come_forward(struct exchange *x)
{
    if (x->wants_continue && x->hc->receiving == x) {
        queue_continue(x);
    }
    if (x->kind == EXCHANGE_STREAM && x->stream->writable != NULL) {
        x->holds++;
        x->stream->writable(x);
        x->holds--;
        queue_settle(x);
    }
}

/* The queue is empty. */
static void rest(struct http_conn *hc)
{
    hc->idle_since_ms = loop_now_ms(conn_loop(hc->conn));
    if (hc->is_last || hc->has_ended ||
        (conn_is_draining(hc->conn) && conn_input(hc->conn).len == 0)) {
        end_connection(hc, hc->lingers);
    }
}

/* Something was answered: lets out whatever has become the oldest and is ready. */
static void advance(struct http_conn *hc)
{
    bool moved = false;

    while (hc->first != NULL) {
        struct exchange *x = hc->first;
        bool closes = x->closes;
        bool lingers = x->lingers;

        release_held(x);
        if (x->kind != EXCHANGE_ANSWERED) {
            break;
        }
        pop(hc);
        queue_settle(x);
        moved = true;
        if (closes) {
            end_connection(hc, lingers);
            queue_abandon(hc);
            return;
        }
    }
    if (hc->first == NULL) {
        rest(hc);
    } else if (moved) {
        come_forward(hc->first);
    }
    http_conn_go_on(hc);
}

void queue_answer(struct exchange *x, struct slice body)
{
    struct http_conn *hc = x->hc;
    bool is_mute = x->request.method == HTTP_HEAD || has_no_body(x->status);
    int rc;

    ASSERT(x->kind == EXCHANGE_OPEN);
    if (hc == NULL) { /* nobody reads it */
        x->kind = EXCHANGE_ANSWERED;
        queue_settle(x);
        return;
    }
    x->closes = ends_with(x);
    hc->is_last = hc->is_last || x->closes;
    exchange_count(x, x->status, body.len);
    rc = write_head(x, body.len);
    if (rc == BLOCKDB_OK && !is_mute) {
        rc = write_body(x, body);
    } else {
        buf_reset(&x->out);
    }
    if (rc < 0) {
        conn_abort(x->conn);
    }
    x->kind = EXCHANGE_ANSWERED;
    advance(hc);
}

void queue_give_up(struct exchange *x, int status, const char *code, const char *message)
{
    AUTO(buf_deinit) struct buf body = {0};
    struct response_header retry = {"Retry-After", "1"};
    struct http_conn *hc = x->hc;
    struct response r = {.status = status,
                         .content_type = HTTP_TYPE_JSON,
                         .request_id = x->id,
                         .has_length = true,
                         .headers = &retry,
                         .header_count = 1};
    int rc;

    ASSERT(is_first(x) && x->kind == EXCHANGE_OPEN);
    x->closes = ends_with(x);
    rc = http_error_body(&body, code, message);
    r.end = end_of(x);
    r.content_length = body.len;
    if (rc == BLOCKDB_OK) {
        rc = response_head(conn_output(x->conn), &r, http_common(x->http, x->loop, x->conn));
    }
    if (rc == BLOCKDB_OK && x->request.method != HTTP_HEAD) {
        rc = buf_append_slice(conn_output(x->conn), buf_slice(&body));
    }
    if (rc < 0) {
        conn_abort(x->conn);
    }
    exchange_count(x, status, body.len);
    pop(hc);
    if (x->closes) {
        end_connection(hc, x->lingers);
        queue_abandon(hc);
    } else {
        advance(hc);
    }
    queue_settle(x);
}

void queue_continue(struct exchange *x)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";

    if (!x->wants_continue || !is_first(x)) {
        return;
    }
    x->wants_continue = false;
    if (buf_append(conn_output(x->conn), text, sizeof(text) - 1) < 0) {
        conn_abort(x->conn);
    }
}

/* ---- Streams --------------------------------------------------------------------------------- */

static void tell_gone(struct exchange *x)
{
    x->holds++;
    x->stream->gone(x);
    x->holds--;
    queue_settle(x);
}

static void gone_task(struct loop_task *task)
{
    struct exchange *x = (struct exchange *)(void *)((char *)task -
                                                     offsetof(struct exchange, task));

    x->holds--;
    if (x->kind == EXCHANGE_STREAM) {
        tell_gone(x);
    } else {
        queue_settle(x);
    }
}

void exchange_stream_begin(struct exchange *x, int status, const char *content_type,
                           const struct exchange_stream *stream)
{
    ASSERT(x->kind == EXCHANGE_OPEN);
    x->kind = EXCHANGE_STREAM;
    x->status = status;
    x->content_type = content_type;
    x->stream = stream;
    x->stream_is_chunked = x->request.minor_version > 0;
    x->stream_is_mute = x->request.method == HTTP_HEAD;
    if (x->hc != NULL) {
        x->closes = ends_with(x) || (!x->stream_is_chunked && !x->stream_is_mute);
        x->hc->streams++;
        if (write_head(x, 0) < 0) {
            conn_abort(x->conn);
        }
    }
    if (x->hc == NULL || x->stream_is_mute) {
        x->holds++;
        x->task.run = gone_task;
        loop_defer(conn_loop(x->conn), &x->task);
    }
}

bool exchange_stream_write(struct exchange *x, struct slice bytes)
{
    char head[CHUNK_HEAD_BYTES];
    struct buf *out;
    int head_len = 0;
    int rc;

    ASSERT(x->kind == EXCHANGE_STREAM);
    if (x->hc == NULL || x->stream_is_mute) {
        return false;
    }
    out = place_of(x);
    if (bytes.len == 0) {
        return true;
    }
    x->bytes += bytes.len;
    if (x->stream_is_chunked) {
        head_len = snprintf(head, sizeof(head), "%zx\r\n", bytes.len);
    }
    rc = buf_reserve(out, (size_t)head_len + bytes.len + 2);
    if (rc == BLOCKDB_OK) {
        rc = buf_append(out, head, (size_t)head_len);
    }
    rc = rc == BLOCKDB_OK ? buf_append_slice(out, bytes) : rc;
    if (rc == BLOCKDB_OK && x->stream_is_chunked) {
        rc = buf_append(out, "\r\n", 2);
    }
    if (rc < 0) {
        conn_abort(x->conn);
        return false;
    }
    return is_first(x) ? !conn_output_is_high(x->conn) : x->held.len < HELD_HIGH;
}

void exchange_stream_end(struct exchange *x)
{
    struct http_conn *hc = x->hc;

    ASSERT(x->kind == EXCHANGE_STREAM);
    if (hc == NULL) {
        x->kind = EXCHANGE_ANSWERED;
        queue_settle(x);
        return;
    }
    if (x->stream_is_chunked && !x->stream_is_mute && buf_append(place_of(x), "0\r\n\r\n", 5) < 0) {
        conn_abort(x->conn);
    }
    x->kind = EXCHANGE_ANSWERED;
    hc->streams--;
    exchange_count(x, x->status, 0);
    advance(hc);
}

/* ---- All of a queue -------------------------------------------------------------------------- */

void queue_abandon(struct http_conn *hc)
{
    while (hc->first != NULL) {
        struct exchange *x = hc->first;

        pop(hc);
        if (x->kind != EXCHANGE_ANSWERED) {
            exchange_count(x, 499, 0); /* the client closed the connection, as nginx calls it */
        }
        if (x->kind == EXCHANGE_STREAM) {
            tell_gone(x);
        } else {
            queue_settle(x);
        }
    }
    hc->streams = 0;
}

void queue_writable(struct http_conn *hc)
{
    if (hc->first != NULL && hc->first->kind == EXCHANGE_STREAM) {
        come_forward(hc->first);
    }
}

/* A stream that was not told yet that the server drains. */
static struct exchange *next_to_drain(const struct http_conn *hc)
{
    struct exchange *x = hc->first;

    while (x != NULL && (x->kind != EXCHANGE_STREAM || x->is_draining_told)) {
        x = x->next;
    }
    return x;
}

void queue_drain(struct http_conn *hc)
{
    struct exchange *x;

    while ((x = next_to_drain(hc)) != NULL) { /* telling one may change the queue */
        x->is_draining_told = true;
        tell_gone(x);
    }
}
