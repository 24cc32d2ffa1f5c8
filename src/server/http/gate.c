/* SPDX-License-Identifier: Apache-2.0 */
/* The gate: what is decided about a request before its body is read. */
#include "base/text.h"
#include "os/os.h"
#include "server/http/http_priv.h"
#include "server/http/octet.h"
#include "server/limit.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define ALLOWED_BYTES 64
#define RETRY_BYTES 16
#define NS_PER_MS 1000000U
#define UNWANTED_BODY_MAX 65536 /* of a route that takes none: read and ignored */

/* ---- Refusals -------------------------------------------------------------------------------- */

#define REFUSE(x, status, code, ...)                                                               \
    do {                                                                                           \
        http_conn_refuse(x);                                                                       \
        exchange_fail(x, status, code, __VA_ARGS__);                                               \
    } while (0)

/* Adds Retry-After; without memory the answer goes without it. */
static void set_retry_after(struct exchange *x, uint32_t wait_ms)
{
    char *text = arena_alloc(&x->arena, RETRY_BYTES);

    if (text != NULL) {
        (void)snprintf(text, RETRY_BYTES, "%u", limit_retry_after(wait_ms));
        exchange_set_header(x, "Retry-After", text);
    }
}

static void refuse_path(struct exchange *x)
{
    const char *nearest = router_nearest(x->http->router, x->request.path);
    char shown[TEXT_SHOWN_BYTES];
    const char *dots;

    text_show(shown, x->request.path);
    if (nearest == NULL) {
        REFUSE(x, 404, "NoSuchPath", "there is no '%s' here; see /openapi.json", shown);
        return;
    }
    dots = strstr(nearest, "...}"); /* a person is told "{key}" */
    REFUSE(x, 404, "NoSuchPath", "there is no '%s' here: did you mean '%.*s%s'?", shown,
           (int)(dots != NULL ? dots - nearest : (ptrdiff_t)strlen(nearest)), nearest,
           dots != NULL ? "}" : "");
}

/* "GET, HEAD" for the path; NULL without memory. */
static const char *allowed(struct exchange *x)
{
    char *text = arena_alloc(&x->arena, ALLOWED_BYTES);

    if (text != NULL) {
        router_allowed(x->http->router, x->request.path, text, ALLOWED_BYTES);
    }
    return text;
}

static void refuse_method(struct exchange *x)
{
    const char *methods = allowed(x);
    char shown[TEXT_SHOWN_BYTES];

    if (methods != NULL) {
        exchange_set_header(x, "Allow", methods);
    }
    text_show(shown, x->request.method_name);
    REFUSE(x, 405, "MethodNotAllowed", "'%s' is not for this path; it takes %s", shown,
           methods != NULL ? methods : "others");
}

/* ---- Origins --------------------------------------------------------------------------------- */

/* Whether origin is one of origins, which are separated by spaces; "*" is any. */
static bool origin_is_listed(const char *origins, struct slice origin)
{
    while (*origins != '\0') {
        size_t len = strcspn(origins, " ");

        if ((len == 1 && *origins == '*') || slice_equal(slice_of(origins, len), origin)) {
            return true;
        }
        origins += len;
        origins += strspn(origins, " ");
    }
    return false;
}

/* Whether origin is where the request itself was sent to. */
static bool origin_is_own(const struct exchange *x, struct slice origin)
{
    struct slice host = http_request_header(&x->request, "Host");
    const uint8_t *slashes = origin.len > 3 ? memmem(origin.data, origin.len, "://", 3) : NULL;
    size_t before = slashes != NULL ? (size_t)(slashes - origin.data) + 3 : 0;

    return slashes != NULL && host.len > 0 &&
           slice_equal(slice_of(origin.data + before, origin.len - before), host);
}

static void allow_origin(struct exchange *x, struct slice origin)
{
    char *text = arena_alloc(&x->arena, origin.len + 1);

    if (text != NULL) {
        memcpy(text, origin.data, origin.len);
        text[origin.len] = '\0';
        exchange_set_header(x, "Access-Control-Allow-Origin", text);
        exchange_set_header(x, "Access-Control-Expose-Headers",
                            "X-Request-Id, Retry-After, ETag, Blockdb-Leader");
    }
    exchange_set_header(x, "Vary", "Origin");
}

/* HTTP-5. False: it was refused. A page's own server, and programs, which send no Origin, pass. */
static bool judge_origin(struct exchange *x)
{
    struct slice origin = http_request_header(&x->request, "Origin");

    if (origin.len == 0) {
        return true;
    }
    if (origin_is_listed(x->hc->limits.cors_origins, origin)) {
        allow_origin(x, origin);
        return true;
    }
    if (origin_is_own(x, origin) || !http_method_writes(x->request.method)) {
        return true; /* a browser does not show the answer to a page that may not read it */
    }
    REFUSE(x, 403, "Denied", "pages of another origin may not write; see [server] cors_origins");
    return false;
}

/* OPTIONS needs no rights: it tells what the description of the API tells everybody. */
static void answer_options(struct exchange *x)
{
    bool is_preflight = http_request_has_header(&x->request, "Access-Control-Request-Method");
    const char *methods = allowed(x);

    if (methods != NULL && methods[0] != '\0') {
        exchange_set_header(x, "Allow", methods);
    }
    if (is_preflight && x->header_count > 1 && methods != NULL) {
        exchange_set_header(x, "Access-Control-Allow-Methods", methods);
        exchange_set_header(x, "Access-Control-Allow-Headers",
                            "Authorization, Content-Type, Accept, Last-Event-ID, X-Request-Id, "
                            "Blockdb-Client, Blockdb-Request");
        exchange_set_header(x, "Access-Control-Max-Age", "600");
    }
    http_conn_refuse(x); /* its body, if there is one, is not read */
    exchange_reply(x, 204, NULL, slice_of(NULL, 0));
}

/* ---- The path -------------------------------------------------------------------------------- */

/* Whether every percent sign begins an escape. That of a zero byte is fine: keys are any bytes. */
static bool escapes_are_good(struct slice text)
{
    const uint8_t *end = text.data + text.len;
    const uint8_t *at = text.len > 0 ? memchr(text.data, '%', text.len) : NULL;

    while (at != NULL) {
        if (end - at < 3 || !octet_is(at[1], OCTET_HEX) || !octet_is(at[2], OCTET_HEX)) {
            return false;
        }
        at = memchr(at + 3, '%', (size_t)(end - at - 3));
    }
    return true;
}

/* Decodes the parameters, in place: nobody looks at the path afterwards but for messages. */
static bool decode_params(struct exchange *x, const struct route_match *match)
{
    for (size_t i = 0; i < ROUTE_PARAMS_MAX; i++) {
        struct slice text = match->params[i];
        size_t len = 0;
        uint8_t *copy;

        x->params[i] = text;
        if (text.len == 0 || memchr(text.data, '%', text.len) == NULL) {
            continue;
        }
        copy = arena_alloc(&x->arena, text.len);
        if (copy == NULL || http_percent_decode(text, false, copy, &len) < 0) {
            REFUSE(x, 503, "OutOfMemory", "memory could not be allocated");
            return false;
        }
        x->params[i] = slice_of(copy, len);
    }
    return true;
}

/* Finds the route. False: answered. */
static bool find_route(struct exchange *x)
{
    struct route_match match;

    if (!escapes_are_good(x->request.path) || !escapes_are_good(x->request.query)) {
        REFUSE(x, 400, "InvalidArgument",
               "a percent sign in the path or query begins no escape; write it as %%25");
        return false;
    }
    router_match(x->http->router, x->request.method, x->request.path, &match);
    if (match.route != NULL) {
        x->route = match.route;
        x->route_index = match.index;
        return decode_params(x, &match);
    }
    if (x->request.method == HTTP_OPTIONS &&
        (match.path_exists || x->request.path.data[0] == '*')) {
        answer_options(x);
    } else if (match.path_exists) {
        refuse_method(x);
    } else {
        refuse_path(x);
    }
    return false;
}

/* ---- Who ------------------------------------------------------------------------------------- */

static enum limit_class limit_class_of(const struct route *route)
{
    switch (route->rate_class) {
    case ROUTE_WRITE:
        return LIMIT_WRITE;
    case ROUTE_ADMIN:
        return LIMIT_ADMIN;
    case ROUTE_READ:
    case ROUTE_FREE:
        break;
    }
    return LIMIT_READ;
}

/* Takes a token of the bucket for name. False: refused. */
static bool take_token(struct exchange *x, enum limit_subject subject, const char *name)
{
    enum limit_class class = limit_class_of(x->route);
    uint32_t wait_ms = 0;

    if (x->http->limit == NULL || x->route->rate_class == ROUTE_FREE ||
        !limit_is_on(x->http->limit, subject, class)) {
        return true;
    }
    if (limit_take(x->http->limit,
                   &(struct limit_key){.subject = subject,
                                       .class = class,
                                       .name = slice_of_text(name),
                                       .now_ms = os_monotonic_ns(x->http->os) / NS_PER_MS},
                   1, &wait_ms)) {
        return true;
    }
    set_retry_after(x, wait_ms);
    REFUSE(x, 429, "TooManyRequests", "the rate limit for %s is reached; wait %u s",
           subject == LIMIT_ADDRESS ? "your address" : "your name", limit_retry_after(wait_ms));
    return false;
}

/* Whether there is a body where one is needed, and none in a coding that is not undone. False:
 * refused. */
static bool judge_body_form(struct exchange *x)
{
    const struct http_request *r = &x->request;
    struct slice coding;

    if (r->content_length == 0 && !r->is_chunked) {
        if ((x->route->flags & ROUTE_BODY) == 0 ||
            http_request_header(r, "Content-Length").len > 0) {
            return true; /* what is missing in an empty body, the handler tells */
        }
        REFUSE(x, 411, "LengthRequired",
               "there is no body, and this request needs one: send its Content-Length, or chunks");
        return false;
    }
    coding = http_request_header(r, "Content-Encoding");
    if (coding.len > 0 && !http_list_has(coding, "identity")) {
        REFUSE(x, 415, "UnsupportedMediaType",
               "the body has a Content-Encoding, and none is undone here: send it as it is");
        return false;
    }
    return true;
}

/* Form and size of the body. False: refused. */
static bool judge_body(struct exchange *x)
{
    const struct http_request *r = &x->request;
    uint64_t body_max = x->route->body_max;

    if (body_max == ROUTE_BODY_REQUEST_MAX) {
        body_max = x->hc->limits.max_request_size;
    } else if (body_max == 0) {
        body_max = UNWANTED_BODY_MAX;
    }
    x->body_max = (size_t)body_max;
    if (!judge_body_form(x)) {
        return false;
    }
    if (r->content_length > body_max) {
        REFUSE(x, 413, "LimitExceeded",
               "the body has %" PRIu64 " bytes and may have %zu here; see [server] "
               "max_request_size",
               r->content_length, x->body_max);
        return false;
    }
    return true;
}

/* The principal is known: may it do that, so often, and with so much? */
static void judge(struct exchange *x)
{
    struct error err;

    if (x->route->rights != 0 && !principal_may(x->principal, x->route->rights)) {
        (void)principal_deny(x->principal, x->route->rights, slice_of(NULL, 0), &err);
        REFUSE(x, 403, "Denied", "%s", err.message);
        return;
    }
    if (take_token(x, LIMIT_PRINCIPAL, principal_name(x->principal)) && judge_body(x)) {
        http_conn_passed(x->hc, x);
    }
}

static void refuse_who(struct exchange *x)
{
    const struct auth_job *job = &x->auth_job;
    const char *reason = job->reason != NULL ? job->reason : "credentials are needed";

    switch (job->verdict) {
    case AUTH_MALFORMED:
        REFUSE(x, 400, "InvalidArgument", "%s", reason);
        return;
    case AUTH_LIMITED:
        set_retry_after(x, job->wait_ms);
        REFUSE(x, 429, "TooManyRequests", "%s", reason);
        return;
    case AUTH_BUSY:
    case AUTH_UNAVAILABLE:
        set_retry_after(x, job->wait_ms);
        REFUSE(x, 503, "Busy", "%s", reason);
        return;
    case AUTH_OK:
    case AUTH_LATER:
    case AUTH_REFUSED:
    case AUTH_MISSING:
        break;
    }
    exchange_set_header(x, "WWW-Authenticate", auth_challenge());
    REFUSE(x, 401, "Unauthorized", "%s", reason);
}

static void verdict_is_there(struct exchange *x)
{
    if (x->auth_job.verdict != AUTH_OK) {
        refuse_who(x);
        return;
    }
    x->session = x->auth_job.session;
    x->auth_job.session = (struct auth_session){0};
    x->principal = x->session.principal;
    judge(x);
}

static void verdict_task(struct loop_task *task)
{
    struct exchange *x = (struct exchange *)(void *)((char *)task -
                                                     offsetof(struct exchange, task));
    struct http_conn *hc = x->hc;

    if (hc == NULL) { /* the client has gone, or was told 503 */
        auth_session_deinit(&x->auth_job.session);
        exchange_release(x);
        return;
    }
    hc->gated = NULL;
    verdict_is_there(x);
    exchange_release(x);
    /* The connection lives: closing it takes effect at the end of the turn. */
    http_conn_go_on(hc);
    http_conn_watch(hc);
}

/* On the thread of auth. */
static void on_verdict(struct auth_job *job)
{
    struct exchange *x = (struct exchange *)(void *)((char *)job -
                                                     offsetof(struct exchange, auth_job));

    x->task.run = verdict_task;
    loop_post(conn_loop(x->conn), &x->task);
}

static bool is_open_to_all(const struct exchange *x)
{
    const struct auth *auth = x->http->auth;

    return auth == NULL || !auth_enabled(auth) ||
           ((x->route->flags & ROUTE_HEALTH) != 0 && auth_health_open(auth)) ||
           ((x->route->flags & ROUTE_METRICS) != 0 && auth_metrics_open(auth));
}

static void ask_who(struct exchange *x)
{
    const struct conn_peer *peer = conn_peer(x->conn);
    struct auth_client client = {
        .address = peer->address, .cert_name = peer->cert_name, .cert_san = peer->cert_san};
    struct slice shown = http_request_header(&x->request, "Authorization");

    x->auth_job = (struct auth_job){.done = on_verdict};
    x->holds++; /* as long as the verdict may come */
    if (auth_http(x->http->auth, &client, shown, &x->auth_job) == AUTH_LATER) {
        x->hc->gated = x;
        return;
    }
    verdict_is_there(x);
    exchange_release(x);
}

/* ---- Entering -------------------------------------------------------------------------------- */

/* Takes the client's id when it is one. */
static void take_id(struct exchange *x)
{
    struct slice id = http_request_header(&x->request, "X-Request-Id");

    if (id.len > 0 && id.len < EXCHANGE_ID_BYTES && octet_all(id, OCTET_ID)) {
        memcpy(x->id, id.data, id.len);
        x->id[id.len] = '\0';
    }
}

void gate_enter(struct exchange *x)
{
    take_id(x);
    if (!judge_origin(x) || !find_route(x)) {
        return;
    }
    if (conn_is_reserve(x->conn) && (x->route->flags & ROUTE_HEALTH) == 0) {
        REFUSE(x, 503, "Busy", "[server] max_connections is reached; come again");
        return;
    }
    x->headers_of_gate = x->header_count;
    if (!take_token(x, LIMIT_ADDRESS, conn_peer(x->conn)->address)) {
        return;
    }
    if (is_open_to_all(x)) {
        x->principal = principal_everyone();
        judge(x);
    } else {
        ask_who(x);
    }
}
