/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1.x on connections: from bytes to exchanges, and from answers back to bytes.
 *
 *   input --> head whole? --> http_request_parse --> gate: route, who, rights, rate, size
 *                                                      |
 *          one exchange of the queue  <--  body, whole <'
 *                 |  handler --> answer, in any order
 *   output <-- answers in the order of the requests, sent together at the end of the turn
 *
 * The gate decides before the body is read, so that who may not ask sends little. Requests of one
 * connection are worked on side by side up to [server] pipeline_max, but reads wait for the writes
 * before them and writes for the reads, so that a client reads what it wrote.
 *
 * HTTP-1  Answers leave in the order of the requests of their connection.
 * HTTP-2  Nothing of a request is acted on when its head or body is malformed; the connection is
 *         closed then, because nobody knows where the next request would begin.
 * HTTP-3  A client that is gone, or was told 503 because of request_timeout, loses its answer only:
 *         the exchange lives until what it started is done.
 * HTTP-4  Heads, bodies, exchanges in flight and unsent answers of a connection have maxima, and a
 *         whole head, a body and an answer have deadlines.
 * HTTP-5  A page of another origin cannot write, unless [server] cors_origins names it.
 *
 * Threads:   http_new() and http_free() the owner's, while no loop runs; the rest inside the loops.
 * Ownership: borrows all of its options.
 */
#pragma once

#include "base/error.h"
#include "base/metrics_writer.h"
#include "server/http/router.h"

#include <stddef.h>
#include <stdint.h>

struct auth;
struct conn_protocol;
struct dispatch;
struct exchange;
struct http;
struct limit;
struct logger;
struct os;
struct server_config;
struct slow_log;

#define HTTP_LOOPS_MAX 257

/* What one connection may do; of [server]. Times in ms. */
struct http_limits {
    size_t max_header_size;
    size_t max_request_size;
    unsigned pipeline_max;
    uint64_t connection_timeout;
    uint64_t max_idle_time;
    uint64_t request_timeout;
    uint64_t body_rate_min;   /* bytes a second after the first 10 s; 0: any */
    const char *cors_origins; /* separated by spaces; "": off; "*": all */
};
/* The defaults of [server]. */
#define HTTP_LIMITS_INIT                                                                           \
    {                                                                                              \
        .max_header_size = 16384, .max_request_size = 16 << 20, .pipeline_max = 64,                \
        .connection_timeout = 60000, .max_idle_time = 300000, .request_timeout = 30000,            \
        .body_rate_min = 500, .cors_origins = ""                                                   \
    }
void http_limits_of(const struct server_config *config, struct http_limits *out);

struct http_options {
    struct os *os;
    const struct route *routes;
    size_t route_count;
    unsigned loop_count;       /* numbers of loops are below; 0: HTTP_LOOPS_MAX */
    struct logger *logger;     /* may be NULL */
    struct auth *auth;         /* NULL: everybody is principal_everyone() */
    struct limit *limit;       /* NULL: no limits of rates */
    struct slow_log *slow_log; /* may be NULL */
    struct dispatch *dispatch; /* NULL: that of the connection's server */
    struct http_limits limits; /* for connections without a server */
    void *context;             /* for handlers: exchange_context() */
};

/* EINVAL: the routes contradict each other; ENOMEM; EIO. */
RESULT_MUST_BE_USED int http_new(const struct http_options *options, struct http **out,
                                 struct error *err);
/* Every loop that served its connections has ended. NULL is fine. */
void http_free(struct http *http);
void http_free_ptr(struct http **http);
/* Other values than those of the options, before the first connection is opened: for a server whose
 * parts are made one after the other. */
void http_set_auth(struct http *http, struct auth *auth, struct limit *limit);
void http_set_slow_log(struct http *http, struct slow_log *slow_log);
void http_set_context(struct http *http, void *context);

/* What server_options.http wants; valid until http_free(). */
const struct conn_protocol *http_protocol(const struct http *http);
const struct router *http_router(const struct http *http);

/* blockdb_http_requests_total and blockdb_http_request_duration_seconds, by route and status. Any
 * thread. */
void http_metrics_write(const struct http *http, struct metrics_writer *w);
/* Requests answered so far. Any thread. */
uint64_t http_request_count(const struct http *http);
