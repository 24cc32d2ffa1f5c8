/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection: a socket on a loop, with or without TLS, and the protocol that speaks on it.
 *
 * Bytes that arrive are shown to the protocol, which consumes what it understood; what it appends
 * to the output is sent once at the end of the loop's turn, so that all answers of a turn share one
 * system call.
 *
 *            open()          input() ...            drain()       close()
 *   accepted ------> open ------------------> ending -----------------> closed, freed by last unref
 *                                    conn_close_after_output()
 *
 * CONN-1  After protocol->close() no callback of the connection is called any more. It is called
 *         exactly once for each connection whose open() returned 0.
 * CONN-2  Memory of a connection lives until the last reference is gone; output that is appended
 *         after close() is dropped.
 * CONN-3  Bytes that were received are never lost: they stay input until consumed.
 * CONN-4  No callback is called from inside a function of this header, but for open() by
 *         conn_open(): closing and resuming take effect later in the turn.
 * CONN-5  Input kept for a protocol never exceeds its input maximum; reading stops there.
 * CONN-6  A client that never reads is cut when its unsent output exceeds the maximum, or does not
 *         shrink for the server's send timeout.
 * CONN-7  Input kept for all connections of a loop, by them and by their protocols that count it
 *         with conn_hold(), never exceeds the group's maximum. A connection that would need more
 *         to keep its own is cut.
 *
 * Input is shown from memory that all connections of the loop share; only what a protocol leaves
 * unconsumed is kept for the connection, so an idle one keeps none.
 *
 * Threads:   the thread of the connection's loop, all of it. Work elsewhere takes a reference
 *            before it leaves the loop and comes back by loop_post().
 * Ownership: counted; the loop holds a reference until the connection is closed. The protocol owns
 *            its state and frees it in close(), or later when it holds references of its own.
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "server/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONN_ADDRESS_BYTES 64 /* an IPv6 address with a scope, and the zero */
#define CONN_INPUT_MAX_DEFAULT (64 * 1024)

struct conn;
struct server;

/* The other side. */
struct conn_peer {
    char address[CONN_ADDRESS_BYTES]; /* "127.0.0.1", "::1", "unix" */
    uint16_t port;
    bool is_loopback; /* 127.0.0.0/8, ::1, or a unix socket */
    bool is_tls;
    const char *cert_subject; /* of a verified client certificate, as "CN=ann,O=x"; else NULL */
    const char *cert_san;     /* its names, as "DNS:a,email:b,URI:c"; NULL when it has none */
    const char *cert_name;    /* its common name; NULL when it has none */
};

/* What speaks on a connection; static. Callbacks may be NULL where that is said. */
struct conn_protocol {
    const char *name; /* "http", "resp" */
    /* What a client that is one too many reads before it is cut. */
    struct slice refusal;
    /* Clients from loopback are let in above max_connections, see conn_is_reserve(). */
    bool has_reserve;
    /* A connection was accepted (with TLS: the handshake is done). A negative code closes it. */
    int (*open)(struct conn *c);
    /* There is new input, or input was resumed. */
    void (*input)(struct conn *c);
    /* The peer will send no more but may still read: answer what is in flight, then close. NULL:
     * the connection is closed after its output. Called once, after the last input(). */
    void (*input_end)(struct conn *c);
    /* The unsent output fell below the low mark after it had been above the high one. May be NULL.
     */
    void (*output_low)(struct conn *c);
    /* The deadline passed; it is not set any more. NULL: the connection is aborted. */
    void (*deadline)(struct conn *c);
    /* The connection is closed. Free the state, or leave it to what is still in flight. */
    void (*close)(struct conn *c);
    /* The time of draining is over: close when nothing is in flight (conn_close_after_output() now,
     * when nothing is). NULL: it is closed after its output. */
    void (*drain)(struct conn *c);
};

/* The protocol's own. */
void *conn_state(const struct conn *c);
void conn_set_state(struct conn *c, void *state);

/* ---- Input --------------------------------------------------------------------------------- */

/* What was received and not consumed. Borrowed until input() returns or conn_consume() is called:
 * what shall stay longer is copied. */
struct slice conn_input(const struct conn *c);
/* Drops the first len bytes of the input. */
void conn_consume(struct conn *c, size_t len);
/* How much unconsumed input is kept at most (CONN-5); CONN_INPUT_MAX_DEFAULT until it is set. When
 * conn_input() is that long and the protocol still waits for more, nothing will come: it has to
 * refuse. */
void conn_set_input_max(struct conn *c, size_t max_bytes);
/* Counts len bytes of input that the protocol keeps in memory of its own. False: all connections
 * together keep as much as they may, nothing was counted, and the request must be refused. What was
 * counted is given back with conn_release() while a reference to the connection is held. */
RESULT_MUST_BE_USED bool conn_hold(struct conn *c, size_t len);
void conn_release(struct conn *c, size_t len);
/* Stops calling input() and, soon, reading. */
void conn_pause_input(struct conn *c);
/* input() is called again, this turn, when there is any; reading goes on. */
void conn_resume_input(struct conn *c);
bool conn_input_is_paused(const struct conn *c);
/* Whether the peer has closed its sending side. */
bool conn_input_ended(const struct conn *c);

/* ---- Output -------------------------------------------------------------------------------- */

/* Where to append answers; they are sent at the end of this turn. Never NULL; borrowed until the
 * next call of a function of this header. A buf_append() that fails must be followed by
 * conn_abort(): half an answer is worse than none. */
struct buf *conn_output(struct conn *c);
/* Appends the content of *taken without copying it when it is large; *taken is empty afterwards.
 * ENOMEM leaves *taken as it was. */
RESULT_MUST_BE_USED int conn_output_take(struct conn *c, struct buf *taken);
/* Bytes that were appended and not yet sent. */
size_t conn_output_backlog(const struct conn *c);
/* Whether the backlog is above the high mark ([server] output_high): a protocol that makes more
 * output of its own accord waits for output_low(). Reading stops by itself meanwhile. */
bool conn_output_is_high(struct conn *c);

/* ---- The end ------------------------------------------------------------------------------- */

/* No more input is shown; the connection is closed when its output is sent. For the ordinary end,
 * when the client knows that no more will be answered. */
void conn_close_after_output(struct conn *c);
/* The same, but what the client still sends is read and thrown away for a moment before the socket
 * is closed, so that the answer is not lost to a reset. For refusals in the middle of a request. */
void conn_close_lingering(struct conn *c);
/* Closes at once and drops the output. close() is called later in this turn. */
void conn_abort(struct conn *c);
/* Whether close() was called, or will be this turn after conn_abort(). */
bool conn_is_closed(const struct conn *c);
/* Whether no more input will be shown because the end was ordered. */
bool conn_is_ending(const struct conn *c);

struct conn *conn_ref(struct conn *c);
void conn_unref(struct conn *c);

/* ---- About it ------------------------------------------------------------------------------ */

/* deadline() is called when delay_ms have passed; one at a time, 0 clears it. Cheap enough for each
 * request. */
void conn_set_deadline(struct conn *c, uint64_t delay_ms);
struct loop *conn_loop(const struct conn *c);
struct server *conn_server(const struct conn *c);
const struct conn_protocol *conn_protocol(const struct conn *c);
const struct conn_peer *conn_peer(const struct conn *c);
/* A number no other connection of this process has had; for logs and request ids. */
uint64_t conn_id(const struct conn *c);
/* Whether the server is draining: still serving, but answers of HTTP close their connections. */
bool conn_is_draining(const struct conn *c);
/* Whether it was accepted above max_connections, from loopback, into the reserve: it may ask for
 * the server's health and nothing else, and is closed after one answer. */
bool conn_is_reserve(const struct conn *c);
/* Sockets' bytes so far, without TLS. */
uint64_t conn_received_bytes(const struct conn *c);
uint64_t conn_sent_bytes(const struct conn *c);
