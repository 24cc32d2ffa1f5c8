/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server: loops, listeners, pool and dispatch around one database, from start to stop.
 *
 *   server_new --> server_start --> server_drain --> server_stop --> server_free
 *                      |  listening, ready            |  everything finished or cut
 *                      |                              in flight finishes, health says 503
 *                      server_reload (any number of times)
 *
 * SERVER-1  Nothing is listened on before server_start() has the database and all parts ready.
 * SERVER-2  Beyond loopback nothing is listened on without authentication, unless insecure is set.
 * SERVER-3  A reload takes effect as a whole or not at all.
 * SERVER-4  After server_stop() no thread of the server runs and every connection is closed.
 *
 * Threads:   the program's main thread; the functions of a section that says so: any thread.
 * Ownership: borrows db, os, logger and config until it is freed.
 */
#pragma once

#include "base/error.h"
#include "base/logger.h"
#include "server/server_config.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct audit_log;
struct auth;
struct blockdb;
struct buf;
struct config;
struct conn_protocol;
struct cosigner;
struct dispatch;
struct limit;
struct loop;
struct metrics;
struct os;
struct pool;
struct server;
struct slow_log;

struct server_options {
    struct os *os;
    struct blockdb *db;
    const struct config *config;      /* read by server_new() only */
    struct logger *logger;            /* may be NULL */
    const struct conn_protocol *http; /* what speaks on port */
    const struct conn_protocol *resp; /* what speaks on resp_port; NULL: nothing listens there */
};

enum server_phase {
    SERVER_STARTING,
    SERVER_READY,
    SERVER_DRAINING, /* health says 503 */
    SERVER_STOPPED,
};

/* Whether a server could be made of a configuration: all but the database, and without listening.
 * Errors as of server_new(). */
RESULT_MUST_BE_USED int server_check_config(struct os *os, const struct config *config,
                                            struct error *err);
/* Makes all parts. EINVAL (configuration, SERVER-2), EDENIED, ENOTFOUND (certificates), ENOMEM,
 * EIO. */
RESULT_MUST_BE_USED int server_new(const struct server_options *options, struct server **out,
                                   struct error *err);
/* Opens the listeners and begins to serve. EBUSY: an address is in use; EDENIED: a port below 1024
 * without the right to it; EINVAL: no such host. Nothing is served after a failure. */
RESULT_MUST_BE_USED int server_start(struct server *s, struct error *err);
/* Health says 503 from now on and answers of HTTP close their connections. Listeners stay open, so
 * that who has not heard of it yet is still served. */
void server_drain(struct server *s);
/* Closes the listeners and tells all connections to end after what is in flight. */
void server_finish(struct server *s);
/* server_finish(), lets requests in flight take at most timeout_ms, cuts the rest, ends all
 * threads. 0 cuts at once. Waits for what the pool and the engine are doing. */
void server_stop(struct server *s, uint64_t timeout_ms);
/* Makes a running server_stop() cut what is still in flight. Any thread. */
void server_stop_now(struct server *s);
/* Stops at once when it runs. NULL is fine. */
void server_free(struct server *s);

/* Takes over what a new configuration changes, or nothing (SERVER-3), and loads certificates anew.
 * The caller keeps config, which must live as long as the server or until the next reload. Errors
 * as of server_new(). */
RESULT_MUST_BE_USED int server_reload(struct server *s, const struct config *config,
                                      struct error *err);
/* For metrics: how a reload ended, also when its configuration could not even be read. */
void server_note_reload(struct server *s, bool has_succeeded);
/* Appends a line for each key that differs: "server.max_connections: 1000 -> 5000", and
 * "server.port: 8080 -> 9090 (needs a restart)". Values of keys that may hold secrets are not
 * shown. ENOMEM. */
RESULT_MUST_BE_USED int server_config_diff(const struct config *before, const struct config *after,
                                           struct buf *out);

/* ---- Parts and figures: any thread ---------------------------------------------------------- */

/* Values in force; the pointer stays valid until the server is freed. */
const struct server_config *server_config(const struct server *s);
enum server_phase server_phase(const struct server *s);
struct blockdb *server_db(const struct server *s);
struct dispatch *server_dispatch(const struct server *s);
struct pool *server_pool(const struct server *s);
struct auth *server_auth(const struct server *s);
/* What an operator should be warned of because others can reach the server: everybody may do
 * everything, or secrets cross the network readable; NULL: nothing. Static. */
const char *server_exposure(const struct server *s);
struct limit *server_limit(const struct server *s);
struct audit_log *server_audit(const struct server *s);
struct metrics *server_metrics(const struct server *s);
struct slow_log *server_slow_log(const struct server *s);
/* NULL: there is no policy of witnesses. */
struct cosigner *server_cosigner(const struct server *s);
struct logger *server_logger(const struct server *s);
struct os *server_os(const struct server *s);
unsigned server_loop_count(const struct server *s);
struct loop *server_loop(const struct server *s, unsigned index);

/* Addresses it listens on, as "http 127.0.0.1:8080"; index from 0, NULL past the last. */
const char *server_address(const struct server *s, size_t index);
/* The port that HTTP, or the Redis protocol, is served on; 0: none. */
uint16_t server_http_port(const struct server *s);
uint16_t server_resp_port(const struct server *s);

struct server_stats {
    uint64_t started_ms;           /* wall clock */
    uint64_t connections;          /* open now */
    uint64_t connections_accepted; /* since the start */
    uint64_t connections_refused;  /* max_connections was reached */
    uint64_t connections_cut;      /* deadlines, never read, standstill */
    uint64_t connections_moved;    /* handed to another worker */
    uint64_t accept_errors;
    uint64_t tls_failures;
    uint64_t received_bytes; /* of closed connections and, nearly, of open ones */
    uint64_t sent_bytes;
};
struct server_stats server_stats(const struct server *s);
