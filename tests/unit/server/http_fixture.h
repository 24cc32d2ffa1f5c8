/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP for tests: one loop with a real database behind it, and clients on pairs of sockets.
 *
 * The routes are those of the fixture (http_fixture.c): echoes, waits, failures, a stream.
 */
#pragma once

#include "server/http/http.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct conn_group;
struct dispatch;
struct loop;
struct pool;

struct http_fixture {
    char dir[64];
    struct blockdb *db;
    struct loop *loop;
    struct pool *pool;
    struct dispatch *dispatch;
    struct conn_group *group;
    struct http *http;
    atomic_uint open_sockets; /* of the server */
    atomic_uint puts_begun;
    atomic_uint gone;         /* streams whose client left */
    atomic_bool gate_is_open; /* /wait answers */
};

/* A zeroed fixture is started with limits; stopping it checks that nothing is left. */
void http_fixture_start(struct http_fixture *f, const struct http_limits *limits);
void http_fixture_stop(struct http_fixture *f);
/* The server drains. */
void http_fixture_drain(struct http_fixture *f);

/* A client: a socket, closed by the test. */
int http_fixture_connect(struct http_fixture *f);
void http_fixture_send(int fd, const void *bytes, size_t len);
void http_fixture_say(int fd, const char *text);
/* No more is sent. */
void http_fixture_half_close(int fd);
/* Closes with a reset. */
void http_fixture_reset(int fd);
/* Reads until text has come, or the end; the zero-terminated bytes so far are in out. */
void http_fixture_read_until(int fd, const char *text, char *out, size_t out_size);
/* Reads to the end, for at most 5 s. */
void http_fixture_read_all(int fd, char *out, size_t out_size);
/* One request of its own connection, and all that comes back. */
void http_fixture_ask(struct http_fixture *f, const char *request, char *out, size_t out_size);
/* How often part stands in text. */
unsigned http_fixture_count(const char *text, const char *part);
