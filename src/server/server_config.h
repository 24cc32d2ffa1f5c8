/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the server reads from [server], [security] and [cluster], as numbers.
 *
 * A server_config is made from a struct config and never changes; a reload makes another. Each
 * connection, and whoever else works with the values, takes the one in force: server_config().
 * Times are milliseconds, sizes are bytes, whatever the file is written in.
 *
 * Threads:   immutable.
 * Ownership: owns copies of all texts. server.c keeps old ones until the server is freed, so what
 *            server_config() returned stays valid.
 */
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct config;

#define SERVER_HOSTS_MAX 16
#define SERVER_RESERVE 8 /* connections above max_connections, for questions about health */

struct server_config {
    /* [server]: where it listens; not reloadable */
    const char *hosts[SERVER_HOSTS_MAX]; /* names or addresses without ports */
    size_t host_count;
    uint16_t port;
    const char *resp_hosts[SERVER_HOSTS_MAX];
    size_t resp_host_count;
    uint16_t resp_port; /* 0 unless is_resp_on: chosen by the system */
    bool is_resp_on;
    const char *unix_socket;  /* "": none */
    unsigned worker_threads;  /* the number in force, never 0 */
    unsigned pool_threads[2]; /* by enum pool_class */
    unsigned pool_queue;      /* jobs that may wait in each class */
    unsigned listen_backlog;

    /* [server]: limits; reloadable */
    unsigned max_connections;
    size_t max_request_size;
    size_t request_memory; /* input of all connections, whole requests and parts */
    size_t max_header_size;
    unsigned pipeline_max; /* requests of one connection in flight */
    size_t output_high;    /* unsent bytes of one connection at which reading stops */
    size_t output_max;     /* unsent bytes of one connection at which it is cut */

    /* [server]: times in ms; reloadable */
    uint64_t connection_timeout; /* a whole request head, a TLS handshake, a body's standstill */
    uint64_t max_idle_time;
    uint64_t request_timeout;
    uint64_t send_timeout;  /* unsent output that does not shrink */
    uint64_t body_rate_min; /* bytes a second a body must reach after its first seconds */
    uint64_t drain_time;    /* between SIGTERM and closing: health says 503 meanwhile */
    uint64_t drain_timeout; /* how long requests in flight may take after that */

    /* [server]: sockets; reloadable, for new connections */
    bool tcp_nodelay;
    bool tcp_keepalive;
    unsigned keepalive_time; /* s */
    unsigned keepalive_interval;
    unsigned keepalive_probes;
    unsigned send_buffer_size; /* 0: the kernel's */
    unsigned recv_buffer_size;
    const char *cors_origins; /* separated by spaces; "": off; "*": all */

    /* [security] */
    const char *tls_cert; /* "": no TLS */
    const char *tls_key;
    const char *tls_ca;
    unsigned tls_client_auth; /* enum tls_client_auth */
    bool enable_auth;
    bool insecure; /* may listen beyond loopback without authentication */

    /* [cluster] */
    bool is_clustered; /* something of it was set */
    const char *node_id;
    const char *cluster_address;
    const char *cluster_peers; /* separated by spaces */
    uint64_t heartbeat_interval;
    uint64_t election_timeout;
    bool enable_transactions;
    uint64_t transaction_timeout;
    uint64_t two_pc_timeout;
    uint16_t peer_port;
    bool is_peer_port_set;

    /* Private: what the texts above are in. */
    char *texts[16];
    size_t text_count;
};

/* Reads and checks what config says, beyond what the key table checks. EINVAL names the keys. The
 * result is freed with server_config_free(). */
RESULT_MUST_BE_USED int server_config_new(const struct config *config, struct server_config **out,
                                          struct error *err);
void server_config_free(struct server_config *config);
/* What is allowed but worth a warning, from index 0; NULL: no more. Static. */
const char *server_config_warning(const struct server_config *config, unsigned index);
void server_config_free_ptr(struct server_config **config);
