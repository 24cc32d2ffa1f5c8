/* SPDX-License-Identifier: Apache-2.0 */
/* The part of conn.h that moves bytes. */
#include "base/mem.h"
#include "server/conn_priv.h"

#include <errno.h>
#include <sys/socket.h>

#define READ_MIN ((size_t)2048)
#define LINGER_DISCARD_MAX ((uint64_t)4 * 1024 * 1024)

/* ---- Reading ------------------------------------------------------------------------------- */

static enum transport_result socket_read(struct conn *c, void *out, size_t cap, size_t *out_len)
{
    ssize_t n;

    if (c->transport != NULL) {
        return c->transport->read(c->session, out, cap, out_len);
    }
    do {
        n = recv(c->fd, out, cap, 0);
    } while (n < 0 && errno == EINTR);
    if (n > 0) {
        *out_len = (size_t)n;
        return TRANSPORT_OK;
    }
    if (n == 0) {
        return TRANSPORT_END;
    }
    return errno == EAGAIN || errno == EWOULDBLOCK ? TRANSPORT_WANT_READ : TRANSPORT_FAILED;
}

void conn_drop_input(struct conn *c)
{
    conn_release(c, c->kept_held);
    c->kept_held = 0;
    c->view_len = 0;
    buf_deinit(&c->kept);
}

/* Makes room in the connection's own memory for extra more bytes, and counts it; false: the
 * connection is cut. */
static bool kept_reserve(struct conn *c, size_t extra)
{
    size_t need = c->kept.len + extra;

    if (need > c->kept_held) {
        if (!conn_hold(c, need - c->kept_held)) {
            counter_add(&c->group->counters.cut, 1);
            conn_abort(c);
            return false;
        }
        c->kept_held = need;
    }
    if (buf_reserve(&c->kept, extra) < 0) {
        conn_abort(c);
        return false;
    }
    return true;
}

/* Moves what the protocol left to the front of the connection's own memory, or frees that. */
static void input_keep(struct conn *c)
{
    bool is_scratch = c->view >= c->group->scratch && c->view < c->group->scratch + SCRATCH_BYTES;

    if (c->view_len == 0) {
        conn_drop_input(c);
    } else if (!is_scratch) {
        if (c->view != c->kept.data) {
            memmove(c->kept.data, c->view, c->view_len);
        }
        c->kept.len = c->view_len;
    } else if (!kept_reserve(c, c->view_len) || buf_append(&c->kept, c->view, c->view_len) < 0) {
        c->view_len = 0;
        conn_abort(c);
    }
    c->view = c->kept.data;
}

static bool input_is_shown(const struct conn *c)
{
    return !c->is_paused && !c->is_ending && !c->is_aborted && !c->is_closed;
}

void conn_show_input(struct conn *c)
{
    if (c->view_len > 0 && input_is_shown(c)) {
        c->protocol->input(c);
    }
    input_keep(c);
    /* A pause puts off the end, too: what was paused may still have something to say about the
     * input that is there. */
    if (!c->has_ended || c->end_was_shown || !input_is_shown(c)) {
        return;
    }
    c->end_was_shown = true;
    if (c->protocol->input_end != NULL) {
        c->protocol->input_end(c);
    } else {
        conn_close_after_output(c);
    }
}

/* Where to read to, and how much; false when there is no room or no memory. */
static bool input_room(struct conn *c, uint8_t **out_at, size_t *out_cap)
{
    size_t room = c->input_max > c->view_len ? c->input_max - c->view_len : 0;

    if (c->view_len == 0) {
        *out_at = c->group->scratch;
        *out_cap = room < SCRATCH_BYTES ? room : SCRATCH_BYTES;
        return room > 0;
    }
    /* What trickles in small pieces gets little memory in advance. */
    if (room > READ_MIN && room > c->view_len) {
        room = c->view_len > READ_MIN ? c->view_len : READ_MIN;
    }
    room = room < SCRATCH_BYTES ? room : SCRATCH_BYTES;
    if (room == 0) {
        return false;
    }
    input_keep(c);
    if (!kept_reserve(c, room)) {
        return false;
    }
    c->view = c->kept.data;
    *out_at = c->kept.data + c->kept.len;
    *out_cap = room;
    return true;
}

static void count_received(struct conn *c, size_t len)
{
    c->received_bytes += len;
    counter_add(&c->group->counters.received_bytes, len);
}

/* What came of a read that brought nothing. */
static void read_ended(struct conn *c, enum transport_result result)
{
    if (result == TRANSPORT_END) {
        c->has_ended = true;
        conn_show_input(c);
    } else if (result == TRANSPORT_FAILED) {
        conn_abort(c);
    }
    c->read_wants_write = result == TRANSPORT_WANT_WRITE;
}

/* While lingering, input is thrown away. */
static void discard(struct conn *c)
{
    size_t len = 0;
    enum transport_result result = socket_read(c, c->group->scratch, SCRATCH_BYTES, &len);

    count_received(c, len);
    if (result == TRANSPORT_END || result == TRANSPORT_FAILED ||
        c->received_bytes > LINGER_DISCARD_MAX + c->input_max) {
        conn_abort(c);
    }
}

bool conn_read(struct conn *c)
{
    enum transport_result result;
    uint8_t *at;
    size_t cap;
    size_t len = 0;

    if (c->is_lingering) {
        discard(c);
        return true;
    }
    if (!input_is_shown(c) || c->has_ended || c->is_high || !input_room(c, &at, &cap)) {
        return false;
    }
    result = socket_read(c, at, cap, &len);
    if (result != TRANSPORT_OK) {
        read_ended(c, result);
        return true;
    }
    count_received(c, len);
    c->read_wants_write = false;
    if (c->view_len == 0) {
        c->view = at;
    } else {
        c->kept.len += len;
    }
    c->view_len += len;
    conn_show_input(c);
    /* The socket will not tell of what the transport has decoded already. */
    if (c->transport != NULL && c->transport->has_pending(c->session)) {
        c->must_show_input = true;
        conn_wake(c);
    }
    return true;
}

/* ---- Sending ------------------------------------------------------------------------------- */

static enum transport_result socket_send(struct conn *c, size_t *out_len)
{
    struct iovec vectors[OUTPUT_VECTORS_MAX];
    struct msghdr message = {.msg_iov = vectors};
    ssize_t n;

    if (c->transport != NULL) {
        return c->transport->write(c->session, output_first(&c->output), out_len);
    }
    message.msg_iovlen = (size_t)output_vectors(&c->output, vectors);
    do {
        n = message.msg_iovlen == 1
                ? send(c->fd, vectors[0].iov_base, vectors[0].iov_len, MSG_NOSIGNAL)
                : sendmsg(c->fd, &message, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    if (n >= 0) {
        *out_len = (size_t)n;
        return TRANSPORT_OK;
    }
    return errno == EAGAIN || errno == EWOULDBLOCK ? TRANSPORT_WANT_WRITE : TRANSPORT_FAILED;
}

/* Gives the memory of an empty tail to the next who needs some. */
static void tail_release(struct conn *c)
{
    struct conn_group *group = c->group;
    struct buf *tail = &c->output.tail;

    if (tail->cap == 0 || output_len(&c->output) > 0) {
        return;
    }
    if (tail->cap <= SPARE_BYTES_MAX && group->spare_count < SPARES_MAX) {
        group->spares[group->spare_count++] = *tail;
        *tail = (struct buf){0};
    } else {
        buf_deinit(tail);
    }
}

/* Cuts a client that has too much unsent output; watches that the rest gets less. */
static void backlog_check(struct conn *c)
{
    size_t backlog = output_len(&c->output);

    if (backlog > c->group->limits.output_max) {
        counter_add(&c->group->counters.cut, 1);
        conn_abort(c);
        return;
    }
    c->is_high = c->is_high || backlog > c->group->limits.output_high;
    if (backlog == 0) {
        if (!c->is_lingering && !c->is_handshaking) {
            loop_timer_cancel(c->loop, &c->stall);
        }
    } else if (!loop_timer_is_set(&c->stall)) {
        loop_timer_set(c->loop, &c->stall, c->group->limits.send_timeout_ms);
    }
}

void conn_flush(struct conn *c)
{
    enum transport_result result = TRANSPORT_OK;
    size_t sent = 0;

    while (output_len(&c->output) > 0 && result == TRANSPORT_OK && !c->is_aborted) {
        size_t len = 0;

        result = socket_send(c, &len);
        output_sent(&c->output, len);
        sent += len;
        if (result == TRANSPORT_FAILED) {
            conn_abort(c);
        } else if (c->transport == NULL && output_len(&c->output) > 0 && len < OUTPUT_PIECE_MIN) {
            break; /* the socket is full, most likely; it will tell */
        }
    }
    if (sent > 0) {
        c->sent_bytes += sent;
        counter_add(&c->group->counters.sent_bytes, sent);
        loop_timer_cancel(c->loop, &c->stall);
    }
    c->is_blocked = output_len(&c->output) > 0;
    tail_release(c);
    backlog_check(c);
}
