/* SPDX-License-Identifier: Apache-2.0 */
#include "server/http/http.h"

#include "base/assert.h"
#include "base/mem.h"
#include "os/os.h"
#include "server/audit_log.h"
#include "server/http/http_priv.h"
#include "server/server.h"
#include "server/server_config.h"
#include "server/slow_log.h"

#include <stdio.h>

/* ---- Figures --------------------------------------------------------------------------------- */

/* Statuses that are counted each for itself, the last one for all others. */
static const char *const outcome_names[] = {
    "200", "201", "202", "204", "304", "400", "401", "403",   "404", "405",
    "408", "409", "410", "411", "413", "414", "415", "417",   "422", "429",
    "431", "499", "500", "501", "503", "505", "507", "other",
};
static const int outcome_statuses[] = {
    200, 201, 202, 204, 304, 400, 401, 403, 404, 405, 408, 409, 410, 411,
    413, 414, 415, 417, 422, 429, 431, 499, 500, 501, 503, 505, 507,
};
#define AUDIT_TARGET_BYTES 160
#define OUTCOME_COUNT (sizeof(outcome_names) / sizeof(outcome_names[0]))
_Static_assert(OUTCOME_COUNT == sizeof(outcome_statuses) / sizeof(outcome_statuses[0]) + 1,
               "a name for each status, and one for others");

static size_t outcome_of(int status)
{
    for (size_t i = 0; i < OUTCOME_COUNT - 1; i++) {
        if (outcome_statuses[i] == status) {
            return i;
        }
    }
    return OUTCOME_COUNT - 1;
}

static const char *method_text(enum http_method method)
{
    static const char *const names[HTTP_METHOD_COUNT] = {"GET",    "HEAD",    "POST", "PUT",
                                                         "DELETE", "OPTIONS", "other"};

    return names[method];
}

/* A kind for each route, and one for what met none. */
static int metrics_new(struct http *http)
{
    size_t count = router_route_count(http->router);
    struct request_metrics_options options = {
        .shard_count = http->loop_count,
        .kind_count = count + 1,
        .outcome_label = "code",
        .outcomes = outcome_names,
        .outcome_count = OUTCOME_COUNT,
        .count_name = "blockdb_http_requests_total",
        .count_help = "Requests of HTTP that were answered, by route and status.",
        .duration_name = "blockdb_http_request_duration_seconds",
        .duration_help = "Time from a whole request to its answer.",
    };

    http->kinds = mem_calloc(count + 1, sizeof(*http->kinds));
    if (http->kinds == NULL) {
        return BLOCKDB_ENOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        const struct route *route = router_route(http->router, i);

        http->kinds[i].at[0] = (struct metrics_label){"method", method_text(route->method)};
        http->kinds[i].at[1] = (struct metrics_label){"route", route->pattern};
    }
    http->kinds[count].at[0] = (struct metrics_label){"method", "other"};
    http->kinds[count].at[1] = (struct metrics_label){"route", "none"};
    options.kinds = http->kinds;
    return request_metrics_new(&options, &http->metrics);
}

void http_metrics_write(const struct http *http, struct metrics_writer *w)
{
    request_metrics_write(http->metrics, w);
}

uint64_t http_request_count(const struct http *http)
{
    return request_metrics_count(http->metrics);
}

/* Where the time went. Streams and what was refused early have no time of the engine. */
static void tell_slow(struct exchange *x, int status, uint64_t now_ns)
{
    uint64_t waited_ns = now_ns - x->received_ns;
    uint64_t queued_ns = 0;
    uint64_t worked_ns = 0;

    if (x->call_is_ready && !x->call_is_pending && x->call.queued_ns > 0) {
        uint64_t since_ns = now_ns - x->call.queued_ns;

        worked_ns = x->call.worked_ns > 0 ? x->call.worked_ns : since_ns;
        queued_ns = since_ns - (worked_ns < since_ns ? worked_ns : since_ns);
    }
    slow_log_add(x->http->slow_log,
                 &(struct slow_request){
                     .protocol = "http",
                     .what = x->route != NULL ? x->route->pattern : "none",
                     .who = x->principal != NULL ? principal_name(x->principal) : "",
                     .from = conn_peer(x->conn)->address,
                     .id = x->id,
                     .outcome = status,
                     .bytes = x->bytes,
                     .stage_ns = {[SLOW_RECEIVE] = x->received_ns - x->began_ns,
                                  [SLOW_QUEUE] = queued_ns,
                                  [SLOW_ENGINE] = worked_ns,
                                  [SLOW_ANSWER] = waited_ns - (queued_ns + worked_ns < waited_ns
                                                                   ? queued_ns + worked_ns
                                                                   : waited_ns)},
                 });
}

/* What clients do wrong (501, 505), and states that hold for all requests and are told once by
 * themselves (503, 507), must not fill the log. */
static void tell_log(const struct exchange *x, int status)
{
    enum logger_level level = status == 500 || status == 504 ? LOGGER_WARNING : LOGGER_DEBUG;

    if (!logger_enabled(x->http->logger, level)) {
        return;
    }
    logger_write(x->http->logger, level, "http", "%s %s %d %s %s id=%s",
                 x->route != NULL ? method_text(x->route->method) : "-",
                 x->route != NULL ? x->route->pattern : "-", status,
                 x->principal != NULL ? principal_name(x->principal) : "-",
                 conn_peer(x->conn)->address, x->id);
}

/* Refusals by rights, and what operators and admins did; failed logins are told by auth. */
static void tell_audit(const struct exchange *x, int status)
{
    const struct server *server = conn_server(x->conn);
    const struct route *route = x->route;
    char target[AUDIT_TARGET_BYTES];
    bool is_act;

    if (server == NULL || route == NULL || x->principal == NULL) {
        return;
    }
    is_act = route->rate_class == ROUTE_ADMIN && http_method_writes(route->method) &&
             (route->flags & ROUTE_AUDITS) == 0;
    if (status != 403 && !is_act) {
        return;
    }
    (void)snprintf(target, sizeof(target), "%s %.*s", method_text(route->method),
                   (int)(x->request.path.len < 128 ? x->request.path.len : 128),
                   (const char *)x->request.path.data);
    audit_write(server_audit(server),
                &(struct audit_event){.action = "request",
                                      .outcome = status == 403  ? AUDIT_REFUSED
                                                 : status < 400 ? AUDIT_OK
                                                                : AUDIT_FAILED,
                                      .who = principal_name(x->principal),
                                      .address = conn_peer(x->conn)->address,
                                      .target = target,
                                      .request = x->id});
}

void exchange_count(struct exchange *x, int status, size_t answer_bytes)
{
    struct http *http = x->http;
    uint64_t now_ns;

    if (x->is_counted) {
        return;
    }
    x->is_counted = true;
    x->bytes += answer_bytes;
    now_ns = os_monotonic_ns(http->os);
    if (x->received_ns == 0) {
        x->received_ns = now_ns;
    }
    request_metrics_record(http->metrics, x->loop->index,
                           x->route != NULL ? x->route_index : router_route_count(http->router),
                           outcome_of(status), now_ns - x->received_ns);
    /* How long somebody watches tells nothing of the server. */
    if (http->slow_log != NULL && x->stream == NULL &&
        slow_log_wants(http->slow_log, now_ns - x->began_ns)) {
        tell_slow(x, status, now_ns);
    }
    tell_log(x, status);
    tell_audit(x, status);
}

/* ---- Exchanges that are kept for reuse ------------------------------------------------------- */

/* A number of 24 hexadecimal digits that no other exchange of this process has. */
static void make_id(struct exchange *x)
{
    static const char digits[] = "0123456789abcdef";
    uint64_t number = (uint64_t)x->loop->index << 48 | ++x->loop->last_id;
    uint32_t seed = x->http->id_seed;

    for (int i = 7; i >= 0; i--, seed >>= 4) {
        x->id[i] = digits[seed & 15];
    }
    for (int i = 23; i >= 8; i--, number >>= 4) {
        x->id[i] = digits[number & 15];
    }
    x->id[24] = '\0';
}

static struct exchange *take_spare(struct http_loop *loop)
{
    struct exchange *x = loop->spares;

    if (x != NULL) {
        loop->spares = x->next;
        loop->spare_count--;
        return x;
    }
    x = mem_alloc(sizeof(*x));
    if (x != NULL) {
        /* The request is written before it is read. */
        memset(x, 0, offsetof(struct exchange, memory));
        arena_init(&x->arena, NULL);
        arena_lend(&x->arena, x->memory, sizeof(x->memory));
    }
    return x;
}

struct exchange *exchange_new(struct http_conn *hc)
{
    struct exchange *x = take_spare(hc->loop);

    if (x == NULL) {
        return NULL;
    }
    x->next = NULL;
    x->hc = hc;
    x->http = hc->http;
    x->loop = hc->loop;
    x->conn = conn_ref(hc->conn);
    x->status = 200;
    x->content_type = HTTP_TYPE_JSON;
    make_id(x);
    *hc->last = x;
    hc->last = &x->next;
    hc->in_flight++;
    return x;
}

static void buf_keep(struct buf *b, size_t kept_max)
{
    if (b->cap > kept_max) {
        buf_deinit(b);
    }
    buf_reset(b);
}

static void destroy(struct exchange *x)
{
    call_deinit(&x->call);
    buf_deinit(&x->out);
    buf_deinit(&x->held);
    buf_deinit(&x->body_buf);
    arena_deinit(&x->arena);
    mem_free(x);
}

/* Back to what take_spare() gives, but for the memory that is worth keeping. */
static void wipe(struct exchange *x)
{
    x->kind = EXCHANGE_OPEN;
    x->was_started = false;
    x->is_draining_told = false;
    x->wants_continue = false;
    x->closes = false;
    x->lingers = false;
    x->is_counted = false;
    x->route = NULL;
    x->route_index = 0;
    x->body = slice_of(NULL, 0);
    x->body_max = 0;
    x->chunked = (struct chunked){0};
    x->principal = NULL;
    x->header_count = 0;
    x->headers_of_gate = 0;
    x->encoding_done = NULL;
    x->stream = NULL;
    x->stream_is_chunked = false;
    x->stream_is_mute = false;
    x->then = NULL;
    x->run = NULL;
    x->state = NULL;
    x->received_ns = 0;
    x->bytes = 0;
}

void exchange_free(struct exchange *x)
{
    struct http_loop *loop = x->loop;

    ASSERT(x->hc == NULL && x->holds == 0);
    conn_release(x->conn, x->body_held);
    x->body_held = 0;
    conn_unref(x->conn);
    x->conn = NULL;
    auth_session_deinit(&x->session);
    if (x->call_is_ready) {
        call_reset(&x->call, NULL);
        if (x->call.value.cap > EXCHANGE_OUT_KEPT_MAX) {
            blockdb_value_deinit(&x->call.value);
        }
    }
    if (loop->spare_count >= HTTP_SPARES_MAX) {
        destroy(x);
        return;
    }
    wipe(x);
    buf_keep(&x->out, EXCHANGE_OUT_KEPT_MAX);
    buf_keep(&x->held, 0);
    buf_keep(&x->body_buf, 0);
    if (x->arena.chunks != NULL) {
        arena_reset(&x->arena);
    }
    arena_lend(&x->arena, x->memory, sizeof(x->memory));
    x->next = loop->spares;
    loop->spares = x;
    loop->spare_count++;
}

/* ---- Making and freeing ---------------------------------------------------------------------- */

void http_limits_of(const struct server_config *config, struct http_limits *out)
{
    *out = (struct http_limits){
        .max_header_size = config->max_header_size,
        .max_request_size = config->max_request_size,
        .pipeline_max = config->pipeline_max,
        .connection_timeout = config->connection_timeout,
        .max_idle_time = config->max_idle_time,
        .request_timeout = config->request_timeout,
        .body_rate_min = config->body_rate_min,
        .cors_origins = config->cors_origins,
    };
}

static int fill(struct http *http, const struct http_options *options, struct error *err)
{
    int rc;

    http->os = options->os;
    http->logger = options->logger;
    http->auth = options->auth;
    http->limit = options->limit;
    http->slow_log = options->slow_log;
    http->dispatch = options->dispatch;
    http->limits = options->limits;
    http->context = options->context;
    http->loop_count = options->loop_count > 0 ? options->loop_count : HTTP_LOOPS_MAX;
    ASSERT(http->loop_count <= HTTP_LOOPS_MAX);
    for (unsigned i = 0; i < HTTP_LOOPS_MAX; i++) {
        http->loops[i].index = i;
    }
    http_conn_protocol(&http->protocol);
    rc = os_random(http->os, &http->id_seed, sizeof(http->id_seed), err);
    if (rc < 0) {
        return rc;
    }
    rc = router_new(options->routes, options->route_count, &http->router, err);
    if (rc < 0) {
        return rc;
    }
    return metrics_new(http) < 0 ? error_set_no_memory(err) : BLOCKDB_OK;
}

int http_new(const struct http_options *options, struct http **out, struct error *err)
{
    AUTO(http_free_ptr)
    struct http *http = mem_alloc_aligned(_Alignof(struct http), sizeof(*http));
    int rc;

    if (http == NULL) {
        return error_set_no_memory(err);
    }
    memset(http, 0, sizeof(*http));
    rc = fill(http, options, err);
    if (rc < 0) {
        return rc;
    }
    *out = TAKE(http);
    return BLOCKDB_OK;
}

void http_free(struct http *http)
{
    if (http == NULL) {
        return;
    }
    for (unsigned i = 0; i < HTTP_LOOPS_MAX; i++) {
        struct http_loop *loop = &http->loops[i];

        while (loop->spares != NULL) {
            struct exchange *x = loop->spares;

            loop->spares = x->next;
            destroy(x);
        }
    }
    request_metrics_free(http->metrics);
    mem_free(http->kinds);
    router_free(http->router);
    mem_free(http);
}

void http_free_ptr(struct http **http)
{
    http_free(*http);
}

void http_set_auth(struct http *http, struct auth *auth, struct limit *limit)
{
    http->auth = auth;
    http->limit = limit;
}

void http_set_slow_log(struct http *http, struct slow_log *slow_log)
{
    http->slow_log = slow_log;
}

void http_set_context(struct http *http, void *context)
{
    http->context = context;
}

const struct conn_protocol *http_protocol(const struct http *http)
{
    return &http->protocol;
}

const struct router *http_router(const struct http *http)
{
    return http->router;
}

const struct response_common *http_common(struct http *http, struct http_loop *loop,
                                          struct conn *conn)
{
    uint64_t now_ms = loop_now_ms(conn_loop(conn));

    if (!response_common_is_fresh(&loop->common, now_ms)) {
        response_common_refresh(&loop->common, now_ms, os_now_ms(http->os));
    }
    return &loop->common;
}
