/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An exchange: one request of HTTP and its answer, as handlers see them.
 *
 * A handler gets an exchange whose request is whole, and answers it: at once, or later, after a
 * call of dispatch or a function on the pool. Answers leave in the order of the requests of their
 * connection, whatever the order in which they are made.
 *
 *                      .--> exchange_reply() ------------------------------.
 *   handler(x) --------+--> dispatch_...() --> CALL_PENDING --> call's done() --> exchange_reply()
 *                      '--> exchange_run(fn) --> pool: fn fills exchange_out() --> sent
 *
 * EXCH-1  Each exchange is answered exactly once: a reply, an error, or a stream that ends. A
 *         handler that returns without one has something pending that will.
 * EXCH-2  An exchange lives until it is answered and nothing of it is pending, also when its client
 *         has gone meanwhile; answers are dropped then.
 * EXCH-3  The request and all that was borrowed from it live as long as the exchange.
 *
 * Threads:   the loop's thread, but for functions run by exchange_run(), which may use the request,
 *            the arena, exchange_out() and what sets the reply, and nothing of the connection.
 * Ownership: the connection owns exchanges; handlers borrow.
 */
#pragma once

#include "base/arena.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/json_writer.h"
#include "server/dispatch.h"
#include "server/http/request.h"
#include "server/principal.h"

#include <stdbool.h>
#include <stdint.h>

struct conn;
struct exchange;
struct route;
struct server;

#define EXCHANGE_ID_BYTES 40 /* of a request id, with the zero */
#define HTTP_TYPE_JSON "application/json"
#define HTTP_TYPE_TEXT "text/plain; charset=utf-8"
#define HTTP_TYPE_BINARY "application/octet-stream"
#define HTTP_TYPE_EVENTS "text/event-stream"

/* ---- What was asked ------------------------------------------------------------------------- */

const struct http_request *exchange_request(const struct exchange *x);
/* The body, whole and without its chunks; empty when there was none. */
struct slice exchange_body(const struct exchange *x);
const struct route *exchange_route(const struct exchange *x);
/* A parameter of the route's path, percent-decoded; empty when the route has none of that name. */
struct slice exchange_param(const struct exchange *x, const char *name);
/* The first value of that name in the query, decoded ('+' is a space); false when there is none. */
bool exchange_query(const struct exchange *x, const char *name, struct slice *out);
/* Decimal, or absent: *out untouched. EINVAL with a message that names the parameter. */
RESULT_MUST_BE_USED int exchange_query_u64(const struct exchange *x, const char *name,
                                           uint64_t *out, struct error *err);
/* "1", "true" or nothing behind the name; "0", "false". EINVAL. */
RESULT_MUST_BE_USED int exchange_query_bool(const struct exchange *x, const char *name, bool *out,
                                            struct error *err);
/* EINVAL when the query has a name that is none of names (NULL at the end), with the nearest. */
RESULT_MUST_BE_USED int exchange_query_check(const struct exchange *x, const char *const *names,
                                             struct error *err);
/* A header; names are compared without case. Empty when it is absent. */
struct slice exchange_header(const struct exchange *x, const char *name);

/* Memory until the exchange ends. */
struct arena *exchange_arena(struct exchange *x);
/* The call of this exchange, ready for dispatch; set its done with exchange_call_then(). */
struct call *exchange_call(struct exchange *x);
struct exchange *exchange_of_call(struct call *call);
const struct principal *exchange_principal(const struct exchange *x);
/* Brings who asked up to date, for answers that take long. False: that one is gone, disabled or has
 * other credentials now. */
bool exchange_renew(struct exchange *x);
/* The request's id: the client's X-Request-Id, or one of ours. */
const char *exchange_id(const struct exchange *x);
struct conn *exchange_conn(const struct exchange *x);
struct server *exchange_server(const struct exchange *x);
/* http_options.context. */
void *exchange_context(const struct exchange *x);

/* A place for the handler's own, between its functions; in the arena, zeroed. NULL: no memory. */
void *exchange_state_new(struct exchange *x, size_t len_bytes);
void *exchange_state(const struct exchange *x);

/* ---- Answers -------------------------------------------------------------------------------- */

/* Adds a header to the answer; both are borrowed until it is sent, so static or in the arena. At
 * most EXCHANGE_HEADERS_MAX; one too many is our own bug. */
#define EXCHANGE_HEADERS_MAX 12
void exchange_set_header(struct exchange *x, const char *name, const char *value);
/* Copies body. content_type is static. */
void exchange_reply(struct exchange *x, int status, const char *content_type, struct slice body);
/* The same without copying a large body; *taken is empty afterwards. */
void exchange_reply_take(struct exchange *x, int status, const char *content_type,
                         struct buf *taken);
/* What is in exchange_out() is the body. */
void exchange_reply_out(struct exchange *x, int status, const char *content_type);
/* Memory for a body that is being made; owned by the exchange. */
struct buf *exchange_out(struct exchange *x);

/* {"success":false,"error":code,"message":...} with that status. */
void exchange_fail(struct exchange *x, int status, const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The same for a code of the library: http_status_of() and http_code_of() tell the rest. */
void exchange_error(struct exchange *x, int code, const struct error *err);

/* "CamelCase" and status of a BLOCKDB_E code; static. */
const char *http_code_of(int code);
int http_status_of(int code);

/* ---- Work that may block --------------------------------------------------------------------- */

/* Runs on the pool; may fill exchange_out() and use exchange_set_header(). On 0 it has called
 * exchange_prepare(); on an error err tells. */
typedef int (*exchange_run_fn)(struct exchange *x, struct blockdb *db, struct error *err);
/* Has fn run, and its answer sent: exchange_out() with the status and type of exchange_prepare(),
 * or exchange_error(). A full pool is answered with 503. */
void exchange_run(struct exchange *x, enum pool_class job_class, exchange_run_fn fn);
/* In fn: status and type of the answer; 200 and JSON without it. */
void exchange_prepare(struct exchange *x, int status, const char *content_type);

/* Called on the loop when a pending call of dispatch is done. */
typedef void (*exchange_done_fn)(struct exchange *x, struct call *call);
/* Says what happens then; before dispatch_get(), dispatch_commit() or dispatch_run(). */
void exchange_call_then(struct exchange *x, exchange_done_fn done);
/* For what dispatch returned: CALL_DONE calls done at once, CALL_PENDING leaves it to come. */
void exchange_started(struct exchange *x, enum call_state state);

/* For work that dispatch does not know: keeps the exchange alive, and its answer open, until
 * exchange_release(). Both on the loop. The exchange may be gone when exchange_release() returns.
 */
void exchange_hold(struct exchange *x);
void exchange_release(struct exchange *x);

/* ---- Streams --------------------------------------------------------------------------------- */

struct exchange_stream {
    /* The client reads again: write on. */
    void (*writable)(struct exchange *x);
    /* The client has gone, or the server drains (ask conn_is_draining()): end the stream. */
    void (*gone)(struct exchange *x);
};
/* Begins an answer of unknown length: chunked for HTTP/1.1, until the end of the connection for
 * 1.0. stream is static. Deadlines no longer count; nothing else may be pending when it begins. */
void exchange_stream_begin(struct exchange *x, int status, const char *content_type,
                           const struct exchange_stream *stream);
/* Copies bytes. False: the client reads too slowly; stop, writable() will be called. */
bool exchange_stream_write(struct exchange *x, struct slice bytes);
/* Nothing more comes. The exchange is gone when this returns. */
void exchange_stream_end(struct exchange *x);
