/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of HTTP: what the files of this folder share, and nobody else.
 *
 *   http.c       a server's HTTP: making and freeing it, exchanges that are kept for reuse, figures
 *   http_conn.c  a connection: heads, bodies, deadlines, the end
 *   gate.c       what is decided before the body is read
 *   queue.c      answers in the order of the requests, and streams
 *   exchange.c   what handlers call
 *
 * Threads: as exchange.h.
 */
#pragma once

#include "server/auth.h"
#include "server/conn.h"
#include "server/http/chunked.h"
#include "server/http/encoding.h"
#include "server/http/exchange.h"
#include "server/http/http.h"
#include "server/http/response.h"
#include "server/request_metrics.h"

#define HTTP_SPARES_MAX 128         /* exchanges that a loop keeps for reuse */
#define EXCHANGE_MEMORY_BYTES 2048  /* of the arena, before it takes memory from the system */
#define EXCHANGE_OUT_KEPT_MAX 65536 /* an output buffer up to this is kept for reuse */

/* What the exchanges of one loop share. */
struct http_loop {
    struct exchange *spares;
    unsigned spare_count;
    unsigned index;
    uint64_t last_id;
    struct response_common common;
} __attribute__((aligned(64)));

struct http {
    /* Constant once connections are served; the protocol is first, so that a connection finds us.
     */
    struct conn_protocol protocol;
    struct os *os;
    struct logger *logger;
    struct auth *auth;
    struct limit *limit;
    struct slow_log *slow_log;
    struct dispatch *dispatch;
    struct http_limits limits;
    void *context;
    struct router *router;
    struct request_metrics *metrics;
    struct metrics_labels *kinds;
    unsigned loop_count;
    uint32_t id_seed;
    /* each the loop's thread only */
    struct http_loop loops[HTTP_LOOPS_MAX];
};

/* A connection's state. Loop thread only. */
struct http_conn {
    struct conn *conn;
    struct http *http;
    struct http_loop *loop;
    struct http_limits limits;

    /* The queue: exchanges whose answers are not in the output yet, oldest first. */
    struct exchange *first;
    struct exchange **last;
    unsigned in_flight;
    unsigned streams; /* of the queue */
    bool is_writing;  /* the queue holds writes; else reads */

    struct exchange *receiving; /* the newest of the queue, while its body is not whole */
    struct exchange *gated;     /* the newest of the queue, while somebody decides who it is */
    uint64_t skip;              /* bytes of a body that nobody wants */
    size_t searched;            /* of the input, for the end of a head */

    uint64_t head_began_ms; /* 0: no part of a head is there */
    uint64_t head_began_ns;
    uint64_t body_began_ms;
    uint64_t body_moved_ms;
    uint64_t body_received;
    uint64_t idle_since_ms;
    uint64_t alarm_ms; /* when the deadline of the connection will ring; 0: not set */

    bool is_last;    /* nothing more is read: the connection ends behind what is in the queue */
    bool lingers;    /* and then waits for the client */
    bool has_ended;  /* the peer sends no more */
    bool is_waiting; /* paused until the queue moves */
    bool in_input;   /* input is being worked on: no need to resume it */
};

enum exchange_kind {
    EXCHANGE_OPEN,     /* not answered */
    EXCHANGE_STREAM,   /* answer has begun */
    EXCHANGE_ANSWERED, /* answer is in the output, or held */
};

struct exchange {
    struct exchange *next; /* in the queue, or among the spares */
    struct http_conn *hc;  /* NULL: out of the queue, the answer leads nowhere */
    struct http *http;
    struct http_loop *loop;
    struct conn *conn; /* a reference */

    enum exchange_kind kind;
    unsigned holds;   /* what is pending, and calls of the handler that are under way */
    bool was_started; /* its handler was called */
    bool is_draining_told;
    bool wants_continue; /* 100 Continue was not said yet */
    bool closes;         /* the connection ends behind its answer */
    bool lingers;
    bool is_counted;

    /* Request */
    const struct route *route; /* NULL: none was found */
    size_t route_index;
    struct slice params[ROUTE_PARAMS_MAX];
    struct slice body;
    struct buf body_buf;
    size_t body_held; /* of the body, as conn_hold() counts it */
    size_t body_max;
    struct chunked chunked;
    char id[EXCHANGE_ID_BYTES];
    struct auth_job auth_job;
    struct auth_session session;
    const struct principal *principal;

    /* Answer, until it is written; on the pool while a function runs there */
    int status;
    const char *content_type;
    struct response_header headers[EXCHANGE_HEADERS_MAX];
    size_t header_count;
    size_t headers_of_gate;    /* the first of them, which every answer has */
    struct buf out;            /* the body */
    struct buf held;           /* head, and whatever else waits for the answers before this one */
    const char *encoding_done; /* Content-Encoding of out; NULL: it is as it was made */
    const struct exchange_stream *stream;
    bool stream_is_chunked;
    bool stream_is_mute; /* HEAD: nothing follows the head */

    struct call call;
    bool call_is_ready;
    bool call_is_pending;
    exchange_done_fn then;
    exchange_run_fn run;
    struct loop_task task;
    void *state;

    uint64_t began_ns;    /* its first byte, as far as that is known */
    uint64_t received_ns; /* it was whole */
    uint64_t started_ms;
    size_t bytes; /* of request and answer */

    struct arena arena;
    uint8_t memory[EXCHANGE_MEMORY_BYTES] __attribute__((aligned(ARENA_ALIGN)));
    struct http_request request; /* last: mostly untouched */
};

/* ---- http.c ---------------------------------------------------------------------------------- */

/* At the end of the queue of hc; NULL: no memory. */
struct exchange *exchange_new(struct http_conn *hc);
/* Out of the queue and nothing pending: keeps it for reuse. */
void exchange_free(struct exchange *x);
/* Counts it and tells the slow log. Once, when it is answered. */
void exchange_count(struct exchange *x, int status, size_t answer_bytes);
const struct response_common *http_common(struct http *http, struct http_loop *loop,
                                          struct conn *conn);

/* {"success":false,"error":code,"message":message} in body. */
RESULT_MUST_BE_USED int http_error_body(struct buf *body, const char *code, const char *message);

/* ---- http_conn.c ----------------------------------------------------------------------------- */

/* Fills in the callbacks. */
void http_conn_protocol(struct conn_protocol *protocol);
/* Sets the deadline that is next. */
void http_conn_watch(struct http_conn *hc);
/* Goes on with input that waited for the queue. */
void http_conn_go_on(struct http_conn *hc);
/* The gate has let x pass, or answered it. Goes on with its body, or its handler. */
void http_conn_passed(struct http_conn *hc, struct exchange *x);
/* Answers x, whose body was not read whole: what is still to come of it is thrown away, or the
 * connection ends. exchange_fail() after it. */
void http_conn_refuse(struct exchange *x);

/* ---- gate.c ---------------------------------------------------------------------------------- */

/* Decides about x, whose head is parsed: afterwards it is answered, or let pass by
 * http_conn_passed(), now or later. */
void gate_enter(struct exchange *x);

/* ---- queue.c --------------------------------------------------------------------------------- */

/* Writes the answer of x: status, type, headers, and body, which may be that of x->out. */
void queue_answer(struct exchange *x, struct slice body);
/* An answer in place of one that does not come; x leaves the queue and lives on. */
void queue_give_up(struct exchange *x, int status, const char *code, const char *message);
/* Says 100 Continue, when it is the turn of x. */
void queue_continue(struct exchange *x);
/* Frees x if it is done in every way. */
void queue_settle(struct exchange *x);
/* The client is gone: empties the queue. */
void queue_abandon(struct http_conn *hc);
/* The answer's backlog is low again: streams go on. */
void queue_writable(struct http_conn *hc);
/* The server drains: streams are told to end. */
void queue_drain(struct http_conn *hc);
