/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A protocol for tests of connections, and clients that speak it with real sockets.
 *
 * A command is a line:
 *   echo TEXT   answers TEXT             later TEXT  answers from another thread after 50 ms
 *   big N       N bytes, handed over     stream N    N bytes, as the client reads them
 *   pause       reads on after 50 ms     wait N      sets a deadline of N ms, which answers "late"
 *   who         the client's certificate close, linger, abort  ends the connection
 *
 * Threads: the protocol as conn.h; client functions any thread.
 */
#pragma once

#include "server/worker.h"

#include <stdatomic.h>

struct tls;

/* What all talkers have seen. */
struct talker_figures {
    atomic_uint opened;
    atomic_uint closed;
    atomic_int last_fd; /* the socket of the one that was opened last */
    atomic_uint ended;  /* input_end() */
    atomic_uint drained;
    atomic_uint asked; /* later */
    atomic_uint answered;
    atomic_uint dropped; /* because the client had gone */
};
extern struct talker_figures talkers;
extern const struct conn_protocol talker_protocol;

#define TALKER_INPUT_MAX 4096

/* Workers that listen on a port of loopback. */
struct talker_world {
    struct worker_team team;
    uint16_t port;
};
/* limits NULL: usual ones. */
void world_start(struct talker_world *world, unsigned workers, const struct conn_limits *limits,
                 struct tls *tls);
/* Drains and stops as a server does, and checks that nothing is left. */
void world_stop(struct talker_world *world);
/* Connections that are open. */
unsigned world_connections(const struct talker_world *world);
/* Waits until condition holds; fails the test after 10 s. */
#define WAIT_FOR(condition)                                                                        \
    do {                                                                                           \
        int waited_ = 0;                                                                           \
        while (!(condition)) {                                                                     \
            assert_true(waited_++ < 10000);                                                        \
            talker_sleep_ms(1);                                                                    \
        }                                                                                          \
    } while (0)
void talker_sleep_ms(unsigned ms);

/* A client's blocking socket. */
int client_connect(const struct talker_world *world);
void client_send(int fd, const char *text);
/* Reads exactly what is expected. */
void client_expect(int fd, const char *text);
/* Reads and drops len bytes that are all 'x'. */
void client_expect_bytes(int fd, size_t len);
/* Reads until the end; fails when there is more than max_bytes before it. A reset is an end. */
void client_expect_end(int fd, size_t max_bytes);
/* Closes with a reset. */
void client_reset(int fd);
