/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker: one loop with its connections, and the listening sockets it accepts from.
 *
 * The kernel spreads connections over the workers' sockets by a hash, which is uneven for few of
 * them; so a worker that has clearly more than the one with the fewest hands a new socket to that
 * one before it becomes a connection.
 *
 * WORKER-1  At most max_connections are open at once, in all workers together, and SERVER_RESERVE
 *           more from loopback, who may ask for health.
 * WORKER-2  When the system has no descriptors or memory left, accepting pauses; it never spins.
 *
 * Threads:   the owner's thread, which waits for the worker's loop where that is needed.
 * Ownership: a worker owns its loop, connections and listening sockets; borrows the rest.
 */
#pragma once

#include "base/error.h"
#include "base/logger.h"
#include "server/conn_group.h"
#include "server/loop.h"
#include "server/tls.h"

#include <stdatomic.h>

#define WORKERS_MAX 256

struct worker;

/* What all workers of a server share. */
struct worker_team {
    /* constant once workers run */
    struct os *os;
    struct server *server; /* of the connections; may be NULL */
    struct logger *logger; /* may be NULL */
    struct worker *workers[WORKERS_MAX];
    unsigned worker_count;
    /* atomic, relaxed: limits and figures */
    atomic_uint connections;
    atomic_uint max_connections;
    atomic_uint_least64_t moved;
    atomic_uint_least64_t accept_errors;
};

/* A worker of a team, which it joins. ENOMEM, EIO. */
RESULT_MUST_BE_USED int worker_new(struct worker_team *team, const struct conn_limits *limits,
                                   struct error *err);
/* Its loop has ended. NULL is fine. */
void worker_free(struct worker *worker);
/* Starts the loop's thread. */
RESULT_MUST_BE_USED int worker_start(struct worker *worker, struct error *err);
/* Ends the loop; every connection must be closed or aborted, every listener closed. */
void worker_stop(struct worker *worker);

struct worker_listener {
    int fd; /* taken */
    const struct conn_protocol *protocol;
    struct tls *tls; /* NULL: none; a reference is taken */
};
/* Accepts from a socket from now on. ENOMEM, EIO: it was closed. */
RESULT_MUST_BE_USED int worker_listen(struct worker *worker, const struct worker_listener *listener,
                                      struct error *err);

struct loop *worker_loop(const struct worker *worker);
struct conn_group *worker_group(const struct worker *worker);

/* The following run on the loop, and return when they have. */

void worker_close_listeners(struct worker *worker);
void worker_drain(struct worker *worker);
void worker_finish(struct worker *worker);
void worker_abort(struct worker *worker);
struct worker_settings {
    struct conn_limits limits;
    const struct server_config *config; /* of sockets accepted from now on; NULL: as it is */
    struct tls *tls;                    /* of listeners with TLS; NULL: as it is */
};
void worker_set(struct worker *worker, const struct worker_settings *settings);
