/* SPDX-License-Identifier: Apache-2.0 */
#include "server/conn.h"

#include "base/assert.h"
#include "base/mem.h"
#include "server/conn_priv.h"
#include "server/loop_priv.h"

#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINGER_MS 2000

#define CONN_OF(member_pointer, member)                                                            \
    ((struct conn *)(void *)((char *)(member_pointer)-offsetof(struct conn, member)))

/* ---- Closing ------------------------------------------------------------------------------- */

struct conn *conn_ref(struct conn *c)
{
    c->refs++;
    return c;
}

void conn_unref(struct conn *c)
{
    ASSERT(c->refs > 0);
    c->refs--;
    if (c->refs > 0) {
        return;
    }
    ASSERT(c->is_closed);
    buf_deinit(&c->kept);
    output_deinit(&c->output);
    mem_free(c->cert.subject);
    mem_free(c->cert.san);
    mem_free(c->cert.name);
    mem_free(c);
}

static void on_poll_closed(uv_handle_t *handle)
{
    conn_unref(handle->data);
}

static void leave_group(struct conn *c)
{
    struct conn_group *group = c->group;

    *c->link = c->next;
    if (c->next != NULL) {
        c->next->link = c->link;
    }
    atomic_store_explicit(&group->count,
                          atomic_load_explicit(&group->count, memory_order_relaxed) - 1,
                          memory_order_relaxed);
    if (c->count != NULL) {
        atomic_fetch_sub_explicit(c->count, 1, memory_order_relaxed);
    }
    group->refusing -= c->is_refused;
}

/* Closes the socket and tells the protocol. Not to be called from its callbacks. */
static void close_now(struct conn *c)
{
    if (c->is_closed) {
        return;
    }
    c->is_closed = true;
    c->is_aborted = true;
    loop_timer_cancel(c->loop, &c->deadline);
    loop_timer_cancel(c->loop, &c->stall);
    if (c->transport != NULL) {
        c->transport->free(c->session);
    }
    uv_close((uv_handle_t *)&c->poll, on_poll_closed);
    (void)close(c->fd);
    leave_group(c);
    if (c->is_open) {
        c->protocol->close(c);
    }
    conn_drop_input(c);
    output_deinit(&c->output);
}

/* The output is sent and the end was ordered. */
static void finish(struct conn *c)
{
    if (c->transport != NULL) {
        c->transport->shutdown(c->session);
    }
    if (!c->lingers || c->has_ended) {
        c->is_aborted = true;
        return;
    }
    c->is_lingering = true;
    conn_drop_input(c);
    (void)shutdown(c->fd, SHUT_WR); /* fails only when the peer has gone: reading tells */
    loop_timer_set(c->loop, &c->stall, LINGER_MS);
}

/* ---- The turn ------------------------------------------------------------------------------ */

/* Streams go on when the backlog is low again. */
static void tell_low(struct conn *c)
{
    if (!c->is_high || c->is_aborted || output_len(&c->output) > c->group->limits.output_high / 2) {
        return;
    }
    c->is_high = false;
    if (!c->is_ending && c->protocol->output_low != NULL) {
        c->is_turn_set = true; /* what is appended now waits for the next turn */
        c->protocol->output_low(c);
        c->is_turn_set = false;
    }
    if ((output_len(&c->output) > 0 || c->must_show_input) && !c->is_next_set) {
        /* A fast reader of an endless stream must not keep the others waiting. */
        c->is_next_set = true;
        loop_post(c->loop, &conn_ref(c)->next_turn);
    }
}

static void next_turn(struct loop_task *task)
{
    struct conn *c = CONN_OF(task, next_turn);

    c->is_next_set = false;
    conn_wake(c);
    conn_unref(c);
}

static void turn(struct loop_task *task)
{
    struct conn *c = CONN_OF(task, turn);

    c->is_turn_set = false;
    if (!c->is_aborted && c->must_show_input) {
        c->must_show_input = false;
        conn_show_input(c);
        if (c->transport != NULL) {
            (void)conn_read(c); /* the transport may hold more, which nothing announces */
        }
    }
    if (!c->is_aborted && !c->is_handshaking) {
        conn_flush(c);
        tell_low(c);
    }
    if (!c->is_aborted && c->is_ending && !c->is_lingering && output_len(&c->output) == 0) {
        finish(c);
    }
    if (c->is_aborted) {
        close_now(c);
    } else {
        conn_watch(c);
    }
    conn_unref(c);
}

void conn_wake(struct conn *c)
{
    if (c->is_turn_set || c->is_closed) {
        return;
    }
    c->is_turn_set = true;
    loop_defer(c->loop, &conn_ref(c)->turn);
}

/* ---- Events -------------------------------------------------------------------------------- */

/* Which events matter now. */
static int interest_of(const struct conn *c)
{
    bool is_wanted = !c->is_ending && !c->is_paused && !c->is_high && c->view_len < c->input_max;
    bool can_read = !c->has_ended && (c->is_lingering || is_wanted);
    bool must_write = c->is_blocked || c->read_wants_write;

    return (can_read ? UV_READABLE : 0) | (must_write ? UV_WRITABLE : 0);
}

static void on_poll(uv_poll_t *handle, int status, int events);

static void watch_exactly(struct conn *c, int interest)
{
    if (interest == c->interest) {
        return;
    }
    c->interest = interest;
    if (interest == 0) {
        (void)uv_poll_stop(&c->poll); /* cannot fail */
    } else if (uv_poll_start(&c->poll, interest, on_poll) != 0) {
        conn_abort(c);
    }
}

void conn_watch(struct conn *c)
{
    int wanted = interest_of(c);

    /* Readiness to read is given up only when an event shows that it is in the way: most pauses end
     * before the peer sends again. */
    if ((wanted & ~c->interest) != 0 || (c->interest & ~wanted & UV_WRITABLE) != 0) {
        watch_exactly(c, wanted | (c->interest & UV_READABLE));
    }
}

static void handshake_done(struct conn *c)
{
    int rc = c->transport->peer(c->session, &c->cert);

    c->is_handshaking = false;
    loop_timer_cancel(c->loop, &c->stall);
    c->peer.cert_subject = c->cert.subject;
    c->peer.cert_san = c->cert.san;
    c->peer.cert_name = c->cert.name;
    rc = rc == BLOCKDB_OK ? c->protocol->open(c) : rc;
    if (rc < 0) {
        conn_abort(c);
        return;
    }
    c->is_open = true;
    c->must_show_input = true; /* what came with the handshake is not announced */
    conn_wake(c);
    watch_exactly(c, UV_READABLE);
    if (c->group->is_finishing) {
        conn_tell_drain(c);
    }
}

static void handshake(struct conn *c)
{
    switch (c->transport->handshake(c->session)) {
    case TRANSPORT_OK:
        handshake_done(c);
        break;
    case TRANSPORT_WANT_READ:
        watch_exactly(c, UV_READABLE);
        break;
    case TRANSPORT_WANT_WRITE:
        watch_exactly(c, UV_WRITABLE);
        break;
    case TRANSPORT_END:
    case TRANSPORT_FAILED:
        counter_add(&c->group->counters.tls_failures, 1);
        conn_abort(c);
        break;
    }
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
    struct conn *c = handle->data;

    if (status < 0) { /* reset by the peer; libuv has stopped watching */
        c->interest = 0;
        conn_abort(c);
        return;
    }
    if (c->is_aborted) {
        return;
    }
    if (c->is_handshaking) {
        handshake(c);
        return;
    }
    if ((events & UV_WRITABLE) != 0) {
        conn_wake(c);
    }
    if (((events & UV_READABLE) != 0 || c->read_wants_write) && !conn_read(c)) {
        watch_exactly(c, interest_of(c));
    }
    conn_watch(c);
}

static void on_deadline(struct loop_timer *timer)
{
    struct conn *c = CONN_OF(timer, deadline);

    if (c->protocol->deadline != NULL) {
        c->protocol->deadline(c);
    } else {
        counter_add(&c->group->counters.cut, 1);
        conn_abort(c);
    }
}

static void on_stall(struct loop_timer *timer)
{
    struct conn *c = CONN_OF(timer, stall);

    counter_add(&c->group->counters.cut, !c->is_lingering);
    conn_abort(c);
}

/* ---- The beginning ------------------------------------------------------------------------- */

static void enter_group(struct conn *c)
{
    struct conn_group *group = c->group;

    c->next = group->first;
    c->link = &group->first;
    if (group->first != NULL) {
        group->first->link = &c->next;
    }
    group->first = c;
    atomic_store_explicit(&group->count,
                          atomic_load_explicit(&group->count, memory_order_relaxed) + 1,
                          memory_order_relaxed);
    counter_add(&group->counters.accepted, 1);
}

static void fields_init(struct conn *c, struct conn_group *group, const struct conn_socket *socket)
{
    c->loop = group->loop;
    c->group = group;
    c->protocol = socket->protocol;
    c->transport = socket->transport;
    c->count = socket->count;
    c->fd = socket->fd;
    c->is_reserve = socket->is_reserve;
    c->input_max = CONN_INPUT_MAX_DEFAULT;
    c->turn.run = turn;
    c->next_turn.run = next_turn;
    c->deadline.fire = on_deadline;
    c->stall.fire = on_stall;
    /* Loops number their connections apart, so that no two have one number. */
    c->id = ((uint64_t)loop_index(group->loop) << 48) | ++group->last_id;
    conn_peer_init(&c->peer, &socket->peer, socket->transport != NULL);
}

/* The socket is watched now; lets the protocol begin, or the handshake. */
static int begin(struct conn *c)
{
    int rc;

    if (c->transport != NULL) {
        c->is_handshaking = true;
        loop_timer_set(c->loop, &c->stall, c->group->limits.handshake_timeout_ms);
        watch_exactly(c, UV_READABLE);
        return BLOCKDB_OK;
    }
    rc = c->protocol->open(c);
    if (rc < 0) {
        return rc;
    }
    c->is_open = true;
    if (c->group->is_finishing) {
        conn_tell_drain(c);
    }
    conn_watch(c);
    return BLOCKDB_OK;
}

/* Closes a socket that became no connection. */
static int give_up(const struct conn_socket *socket, int rc)
{
    (void)close(socket->fd);
    if (socket->count != NULL) {
        atomic_fetch_sub_explicit(socket->count, 1, memory_order_relaxed);
    }
    return rc;
}

int conn_open(struct conn_group *group, const struct conn_socket *socket)
{
    struct conn *c = group->is_aborting ? NULL : mem_calloc(1, sizeof(*c));
    int rc;

    if (c == NULL) {
        return give_up(socket, BLOCKDB_ENOMEM);
    }
    fields_init(c, group, socket);
    if (c->transport != NULL &&
        c->transport->start(socket->transport_context, c->fd, &c->session) < 0) {
        mem_free(c);
        return give_up(socket, BLOCKDB_ENOMEM);
    }
    if (uv_poll_init(&group->loop->uv, &c->poll, c->fd) != 0) {
        if (c->transport != NULL) {
            c->transport->free(c->session);
        }
        mem_free(c);
        return give_up(socket, BLOCKDB_EIO);
    }
    c->poll.data = c;
    c->refs = 1; /* of the handle, until it is closed */
    enter_group(c);
    rc = begin(c);
    if (rc < 0) {
        close_now(c);
    }
    return rc;
}

/* ---- Refusal ------------------------------------------------------------------------------- */

/* Says why, and stays until the client has read it. */
static void refuse(struct conn *c)
{
    c->group->refusing++;
    c->is_refused = true;
    if (buf_append_slice(conn_output(c), c->protocol->refusal) < 0) {
        conn_abort(c);
        return;
    }
    conn_close_lingering(c);
}

void conn_refuse(struct conn_group *group, const struct conn_socket *socket)
{
    struct conn *c;

    counter_add(&group->counters.refused, 1);
    if (group->refusing >= REFUSING_MAX || group->is_aborting || socket->transport != NULL) {
        IGNORE_RESULT(give_up(socket, BLOCKDB_ELIMIT)); /* this is no failure of ours */
        return;
    }
    c = mem_calloc(1, sizeof(*c));
    if (c == NULL || uv_poll_init(&group->loop->uv, &c->poll, socket->fd) != 0) {
        mem_free(c);
        IGNORE_RESULT(give_up(socket, BLOCKDB_ENOMEM)); /* as above */
        return;
    }
    fields_init(c, group, socket);
    c->poll.data = c;
    c->refs = 1;
    enter_group(c);
    refuse(c);
}

/* ---- What protocols call ------------------------------------------------------------------- */

void *conn_state(const struct conn *c)
{
    return c->state;
}

void conn_set_state(struct conn *c, void *state)
{
    c->state = state;
}

struct slice conn_input(const struct conn *c)
{
    return slice_of(c->view, c->view_len);
}

void conn_consume(struct conn *c, size_t len)
{
    ASSERT(len <= c->view_len);
    if (c->view_len >= c->input_max) {
        conn_wake(c); /* reading had stopped */
    }
    c->view += len;
    c->view_len -= len;
}

void conn_set_input_max(struct conn *c, size_t max_bytes)
{
    c->input_max = max_bytes;
    conn_wake(c);
}

bool conn_hold(struct conn *c, size_t len)
{
    struct conn_group *group = c->group;
    size_t max = group->limits.held_max;

    if (max != 0 && (len > max || group->held > max - len)) {
        return false;
    }
    group->held += len;
    return true;
}

void conn_release(struct conn *c, size_t len)
{
    ASSERT(c->group->held >= len);
    c->group->held -= len;
}

void conn_pause_input(struct conn *c)
{
    c->is_paused = true;
}

void conn_resume_input(struct conn *c)
{
    if (!c->is_paused) {
        return;
    }
    c->is_paused = false;
    if (c->view_len > 0 || c->has_ended || c->transport != NULL) {
        c->must_show_input = true;
        conn_wake(c);
    } else if ((c->interest & UV_READABLE) == 0) {
        conn_wake(c);
    }
}

bool conn_input_is_paused(const struct conn *c)
{
    return c->is_paused;
}

bool conn_input_ended(const struct conn *c)
{
    return c->has_ended;
}

struct buf *conn_output(struct conn *c)
{
    struct conn_group *group = c->group;

    if (c->output.tail.cap == 0 && group->spare_count > 0) {
        c->output.tail = group->spares[--group->spare_count];
    }
    conn_wake(c);
    return &c->output.tail;
}

int conn_output_take(struct conn *c, struct buf *taken)
{
    if (c->is_closed) {
        buf_deinit(taken);
        return BLOCKDB_OK;
    }
    conn_wake(c);
    return output_take(&c->output, taken);
}

size_t conn_output_backlog(const struct conn *c)
{
    return output_len(&c->output);
}

bool conn_output_is_high(struct conn *c)
{
    c->is_high = c->is_high || output_len(&c->output) > c->group->limits.output_high;
    return c->is_high;
}

void conn_close_after_output(struct conn *c)
{
    c->is_ending = true;
    loop_timer_cancel(c->loop, &c->deadline);
    conn_wake(c);
}

void conn_close_lingering(struct conn *c)
{
    c->lingers = true;
    conn_close_after_output(c);
}

void conn_abort(struct conn *c)
{
    c->is_aborted = true;
    conn_wake(c);
}

bool conn_is_closed(const struct conn *c)
{
    return c->is_aborted;
}

bool conn_is_ending(const struct conn *c)
{
    return c->is_ending || c->is_aborted;
}

void conn_set_deadline(struct conn *c, uint64_t delay_ms)
{
    if (delay_ms == 0 || c->is_ending || c->is_aborted) {
        loop_timer_cancel(c->loop, &c->deadline);
    } else {
        loop_timer_set(c->loop, &c->deadline, delay_ms);
    }
}

struct loop *conn_loop(const struct conn *c)
{
    return c->loop;
}

struct server *conn_server(const struct conn *c)
{
    return c->group->server;
}

const struct conn_protocol *conn_protocol(const struct conn *c)
{
    return c->protocol;
}

const struct conn_peer *conn_peer(const struct conn *c)
{
    return &c->peer;
}

uint64_t conn_id(const struct conn *c)
{
    return c->id;
}

bool conn_is_draining(const struct conn *c)
{
    return c->group->is_draining;
}

bool conn_is_reserve(const struct conn *c)
{
    return c->is_reserve;
}

uint64_t conn_received_bytes(const struct conn *c)
{
    return c->received_bytes;
}

uint64_t conn_sent_bytes(const struct conn *c)
{
    return c->sent_bytes;
}

void conn_tell_drain(struct conn *c)
{
    if (!c->is_open || c->is_ending || c->is_aborted) {
        return;
    }
    if (c->protocol->drain != NULL) {
        c->protocol->drain(c);
    } else {
        conn_close_after_output(c);
    }
}
