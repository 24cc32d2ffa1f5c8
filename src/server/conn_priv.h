/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of connections and their group; for conn*.c only.
 *
 * Threads: as conn.h.
 */
#pragma once

#include "server/conn.h"
#include "server/conn_group.h"
#include "server/conn_output.h"

#include <stdatomic.h>
#include <uv.h>

#define SCRATCH_BYTES ((size_t)64 * 1024)
#define REFUSING_MAX 64
#define SPARES_MAX 64
#define SPARE_BYTES_MAX ((size_t)64 * 1024)

/* Counters that other threads read; written by the loop alone, so a plain add is enough. */
struct conn_counters {
    atomic_uint_least64_t accepted;
    atomic_uint_least64_t refused;
    atomic_uint_least64_t cut;
    atomic_uint_least64_t tls_failures;
    atomic_uint_least64_t received_bytes;
    atomic_uint_least64_t sent_bytes;
};

struct conn_group {
    /* constant */
    struct loop *loop;
    struct server *server;
    uint8_t *scratch; /* SCRATCH_BYTES that input is read into */

    /* loop thread only */
    struct conn_limits limits;
    struct conn *first;
    struct buf spares[SPARES_MAX]; /* empty output buffers that keep their memory */
    unsigned spare_count;
    uint64_t last_id;
    size_t held;       /* input that is kept for connections and their protocols */
    unsigned refusing; /* connections that linger after a refusal */
    bool is_draining;
    bool is_finishing;
    bool is_aborting;

    /* atomic, relaxed: figures */
    atomic_uint count;
    struct conn_counters counters;
};

struct conn {
    uv_poll_t poll;
    struct loop *loop;
    struct conn_group *group;
    struct conn *next; /* of the group */
    struct conn **link;
    const struct conn_protocol *protocol;
    void *state;
    const struct transport *transport; /* NULL: recv() and send() */
    void *session;
    atomic_uint *count; /* see conn_socket */
    int fd;
    int interest; /* what poll waits for now: UV_READABLE | UV_WRITABLE */
    unsigned refs;

    /* The phase; several hold at a time. */
    bool is_open : 1;        /* open() was called and returned 0 */
    bool is_handshaking : 1; /* the transport is not ready yet */
    bool is_paused : 1;
    bool is_ending : 1;    /* no more input is shown */
    bool lingers : 1;      /* throw input away after the output, before closing */
    bool is_lingering : 1; /* that is what it does now */
    bool is_aborted : 1;   /* will be closed this turn */
    bool is_closed : 1;
    bool has_ended : 1;       /* the peer closed its side */
    bool end_was_shown : 1;   /* input_end() was called */
    bool is_high : 1;         /* the backlog was above the high mark */
    bool must_show_input : 1; /* resumed: show the input again this turn */
    bool is_turn_set : 1;     /* the turn task is linked */
    bool is_next_set : 1;     /* so is the one of the next turn */
    bool is_reserve : 1;
    bool is_refused : 1;
    bool is_blocked : 1;       /* the socket did not take all output */
    bool read_wants_write : 1; /* the transport reads again when the socket is writable */

    /* Input: `view` is what the protocol sees. It lies in the group's scratch memory while input()
     * runs, and in `kept` otherwise. */
    const uint8_t *view;
    size_t view_len;
    struct buf kept;
    size_t kept_held; /* of kept, as it is counted in the group */
    size_t input_max;

    struct conn_output output;

    struct loop_task turn;      /* deferred: input again, send, close */
    struct loop_task next_turn; /* posted: goes on with output in the next turn */
    struct loop_timer deadline; /* the protocol's */
    struct loop_timer stall;    /* handshake, standstill of output, lingering */

    uint64_t id;
    uint64_t received_bytes;
    uint64_t sent_bytes;
    struct conn_peer peer;
    struct transport_peer cert; /* owns what peer points at */
};

/* Frees the kept input and counts it no more. */
void conn_drop_input(struct conn *c);
/* Sets the turn task. */
void conn_wake(struct conn *c);
/* Sends what it can; marks the connection as aborted when the peer is gone. */
void conn_flush(struct conn *c);
/* Reads once and shows the input; false when nothing may be read now. */
bool conn_read(struct conn *c);
/* Shows kept input to the protocol, then the end of input when it is due. */
void conn_show_input(struct conn *c);
/* Waits for what the state asks for: fewer calls of the system than events. */
void conn_watch(struct conn *c);

/* Tells one connection that the server is draining. */
void conn_tell_drain(struct conn *c);
void conn_peer_init(struct conn_peer *peer, const struct sockaddr_storage *address, bool is_tls);

static inline void counter_add(atomic_uint_least64_t *counter, uint64_t by)
{
    uint64_t now = atomic_load_explicit(counter, memory_order_relaxed);

    atomic_store_explicit(counter, now + by, memory_order_relaxed);
}
