/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of a server; for server*.c only.
 *
 * Threads: as server.h.
 */
#pragma once

#include "server/auth_settings.h"
#include "server/listener.h"
#include "server/server.h"
#include "server/worker.h"

#include <stdatomic.h>

#define SERVER_ADDRESSES_MAX 64
#define SERVER_LABEL_BYTES (LISTENER_ADDRESS_BYTES + 16)

/* Configurations that were in force; kept, because connections read them. */
struct server_config_link {
    struct server_config_link *before;
    struct server_config *config; /* owned */
};

struct server {
    /* constant from server_new() or server_start() on */
    struct server_options options;
    struct pool *pool;
    struct dispatch *dispatch;
    struct limit *limit;
    struct audit_log *audit;
    struct auth *auth;
    struct metrics *metrics;
    struct slow_log *slow_log;
    struct cosigner *cosigner; /* NULL: there is no policy of witnesses */
    uint64_t started_ms;
    char addresses[SERVER_ADDRESSES_MAX][SERVER_LABEL_BYTES];
    size_t address_count;
    uint16_t http_port;
    uint16_t resp_port;
    bool has_beyond_loopback; /* listens beyond this machine */

    /* main thread only */
    struct tls *tls; /* NULL: none */
    struct server_config_link *configs;
    bool is_listening;

    /* its own rules */
    struct worker_team team;
    /* atomic: released when complete, acquired by readers */
    _Atomic(const struct server_config *) config;
    /* atomic, relaxed */
    atomic_int phase;
    atomic_int_least64_t tls_expires; /* 0: no TLS */
    atomic_uint_least64_t reloads;
    atomic_uint_least64_t reloads_failed;
    atomic_bool is_reload_failed; /* the last one */
    atomic_bool stop_now;
};

/* Connection limits as workers want them. */
struct conn_limits server_conn_limits(const struct server_config *config);
/* Opens all listening sockets. Workers exist and do not run yet. */
RESULT_MUST_BE_USED int server_listen(struct server *s, struct error *err);
/* Loads TLS as config says; *out NULL when it is off. */
RESULT_MUST_BE_USED int server_load_tls(struct os *os, const struct server_config *config,
                                        struct tls **out, struct error *err);
/* Takes note of when the certificate of tls (NULL: none) ends, and warns when that is soon or was.
 */
void server_note_expiry(struct server *s, const struct tls *tls);
/* Whether it has ended. */
bool server_tls_expired(const struct server *s, const struct tls *tls);
/* A place for a configuration; NULL when out of memory. */
struct server_config_link *server_config_place(void);
/* Makes config the one in force; takes it and its place. */
void server_adopt_config(struct server *s, struct server_config_link *place,
                         struct server_config *config);
/* Registers the metrics of the server's own. */
void server_register_metrics(struct server *s);
/* The process may open enough files, or says why not. Raises the soft limit. */
RESULT_MUST_BE_USED int server_check_files(const struct server_config *config,
                                           struct logger *logger, struct error *err);
