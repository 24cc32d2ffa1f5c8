/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connections of one loop: what they share, and where new ones begin.
 *
 * GROUP-1  A group counts its connections from conn_open() until their sockets are closed.
 * GROUP-2  What conn_hold() counted was given back when the group is freed.
 *
 * Threads:   the loop's thread, unless a function says otherwise.
 * Ownership: borrows the loop and the server; owns its connections as far as conn.h says.
 */
#pragma once

#include "base/error.h"
#include "server/conn.h"
#include "server/transport.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct conn_group;

/* What holds for all connections of a group. */
struct conn_limits {
    size_t output_high;
    size_t output_max;
    size_t held_max; /* input that all connections keep together, see conn_hold(); 0: any */
    uint64_t send_timeout_ms;
    uint64_t handshake_timeout_ms;
};

/* What a group has seen. */
struct conn_figures {
    uint64_t accepted;
    uint64_t refused;
    uint64_t cut; /* by a deadline, a standstill, or too much unsent output */
    uint64_t tls_failures;
    uint64_t received_bytes;
    uint64_t sent_bytes;
};

/* A socket that becomes a connection. */
struct conn_socket {
    int fd; /* connected, non-blocking */
    struct sockaddr_storage peer;
    const struct conn_protocol *protocol;
    const struct transport *transport; /* NULL: the socket itself */
    void *transport_context;           /* borrowed until conn_open() returns */
    bool is_reserve;                   /* see conn_is_reserve() */
    atomic_uint *count;                /* NULL, or decremented when the socket is closed */
};

/* server may be NULL, for tests. ENOMEM. */
RESULT_MUST_BE_USED int conn_group_new(struct loop *loop, struct server *server,
                                       const struct conn_limits *limits, struct conn_group **out);
/* Every connection must be closed. Any thread, when the loop has ended. NULL is fine. */
void conn_group_free(struct conn_group *group);
void conn_group_set_limits(struct conn_group *group, const struct conn_limits *limits);
/* conn_is_draining() is true from now on. */
void conn_group_drain(struct conn_group *group);
/* Tells all connections, and those still to come, to end (drain() of their protocols). */
void conn_group_finish(struct conn_group *group);
/* Cuts all connections, and closes those still to come. */
void conn_group_abort(struct conn_group *group);
/* Open connections. Any thread. */
unsigned conn_group_count(const struct conn_group *group);
/* Any thread; figures of one moment, nearly. */
struct conn_figures conn_group_figures(const struct conn_group *group);
struct loop *conn_group_loop(const struct conn_group *group);

/* Makes a connection of a socket, which is taken in any case; *socket->count too. A negative code:
 * it was closed at once (ENOMEM, EIO, or what open() returned). */
int conn_open(struct conn_group *group, const struct conn_socket *socket);
/* Answers with the protocol's refusal and closes, without a handshake. Takes the socket. */
void conn_refuse(struct conn_group *group, const struct conn_socket *socket);
