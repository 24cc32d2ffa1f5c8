/* SPDX-License-Identifier: Apache-2.0 */
#include "server/http/exchange.h"

#include "base/assert.h"
#include "base/mem.h"
#include "base/suggest.h"
#include "base/text.h"
#include "server/http/http_priv.h"
#include "server/server.h"

#include <stdio.h>

#define NAME_SHOWN_MAX 64

/* ---- What was asked ------------------------------------------------------------------------- */

const struct http_request *exchange_request(const struct exchange *x)
{
    return &x->request;
}

struct slice exchange_body(const struct exchange *x)
{
    return x->body;
}

const struct route *exchange_route(const struct exchange *x)
{
    return x->route;
}

struct slice exchange_param(const struct exchange *x, const char *name)
{
    struct slice wanted = slice_of_text(name);

    for (size_t i = 0; i < ROUTE_PARAMS_MAX; i++) {
        if (slice_equal(route_param_name(x->route, i), wanted)) {
            return x->params[i];
        }
    }
    return slice_of(NULL, 0);
}

struct slice exchange_header(const struct exchange *x, const char *name)
{
    return http_request_header(&x->request, name);
}

/* Takes the next "name=value" of *rest. False: nothing is left. */
static bool take_pair(struct slice *rest, struct slice *out_name, struct slice *out_value)
{
    const uint8_t *end;
    const uint8_t *equals;
    struct slice pair;

    do {
        if (rest->len == 0) {
            return false;
        }
        end = memchr(rest->data, '&', rest->len);
        pair = slice_of(rest->data, end != NULL ? (size_t)(end - rest->data) : rest->len);
        *rest = end != NULL ? slice_of(end + 1, rest->len - pair.len - 1) : slice_of(NULL, 0);
    } while (pair.len == 0);
    equals = memchr(pair.data, '=', pair.len);
    *out_name = slice_of(pair.data, equals != NULL ? (size_t)(equals - pair.data) : pair.len);
    *out_value = equals != NULL ? slice_of(equals + 1, pair.len - out_name->len - 1)
                                : slice_of(pair.data + pair.len, 0);
    return true;
}

static bool needs_decoding(struct slice s)
{
    return s.len > 0 && (memchr(s.data, '%', s.len) != NULL || memchr(s.data, '+', s.len) != NULL);
}

/* Decoded text of a query, in the arena where it differs. An empty slice when there is no memory.
 */
static struct slice decoded(const struct exchange *x, struct slice text)
{
    /* Allocating changes nothing of the exchange that a caller can see. */
    struct arena *arena = (struct arena *)(uintptr_t)&x->arena;
    size_t len = 0;
    uint8_t *copy;

    if (!needs_decoding(text)) {
        return text;
    }
    copy = arena_alloc(arena, text.len);
    if (copy == NULL || http_percent_decode(text, true, copy, &len) < 0) {
        return slice_of(text.data, 0); /* the gate has checked the escapes */
    }
    return slice_of(copy, len);
}

bool exchange_query(const struct exchange *x, const char *name, struct slice *out)
{
    struct slice wanted = slice_of_text(name);
    struct slice rest = x->request.query;
    struct slice at;
    struct slice value;

    while (take_pair(&rest, &at, &value)) {
        if (slice_equal(at, wanted) ||
            (needs_decoding(at) && slice_equal(decoded(x, at), wanted))) {
            *out = decoded(x, value);
            return true;
        }
    }
    return false;
}

int exchange_query_u64(const struct exchange *x, const char *name, uint64_t *out, struct error *err)
{
    struct slice text;
    uint64_t value;

    if (!exchange_query(x, name, &text)) {
        return BLOCKDB_OK;
    }
    if (text_parse_decimal(text, &value) < 0) {
        return error_set(err, BLOCKDB_EINVAL,
                         "query parameter '%s' must be a whole number from 0 to 2^64 - 1", name);
    }
    *out = value;
    return BLOCKDB_OK;
}

int exchange_query_bool(const struct exchange *x, const char *name, bool *out, struct error *err)
{
    struct slice text;

    if (!exchange_query(x, name, &text)) {
        return BLOCKDB_OK;
    }
    if (text.len == 0 || slice_equal(text, slice_of_text("1")) ||
        slice_equal(text, slice_of_text("true"))) {
        *out = true;
        return BLOCKDB_OK;
    }
    if (slice_equal(text, slice_of_text("0")) || slice_equal(text, slice_of_text("false"))) {
        *out = false;
        return BLOCKDB_OK;
    }
    return error_set(err, BLOCKDB_EINVAL, "query parameter '%s' must be 1, true, 0 or false", name);
}

static const char *name_at(const void *context, size_t index)
{
    const char *const *names = context;

    return names[index];
}

static int unknown_parameter(struct slice name, const char *const *names, size_t count,
                             struct error *err)
{
    char shown[TEXT_SHOWN_BYTES];
    const char *nearest;

    text_show(shown, slice_of(name.data, name.len < NAME_SHOWN_MAX ? name.len : NAME_SHOWN_MAX));
    nearest = suggest_nearest(shown, count, name_at, names);
    return error_set(err, BLOCKDB_EINVAL, "unknown query parameter '%s'%s%s%s", shown,
                     nearest != NULL ? ": did you mean '" : "", nearest != NULL ? nearest : "",
                     nearest != NULL ? "'?" : "");
}

int exchange_query_check(const struct exchange *x, const char *const *names, struct error *err)
{
    struct slice rest = x->request.query;
    struct slice name;
    struct slice value;
    uint64_t seen = 0;
    size_t count = 0;

    while (names[count] != NULL) {
        count++;
    }
    ASSERT(count <= 64);
    while (take_pair(&rest, &name, &value)) {
        size_t i = 0;

        name = decoded(x, name);
        while (i < count && !slice_equal(name, slice_of_text(names[i]))) {
            i++;
        }
        if (i == count) {
            return unknown_parameter(name, names, count, err);
        }
        if ((seen >> i & 1) != 0) {
            return error_set(err, BLOCKDB_EINVAL, "query parameter '%s' stands there twice",
                             names[i]);
        }
        seen |= (uint64_t)1 << i;
    }
    return BLOCKDB_OK;
}

struct arena *exchange_arena(struct exchange *x)
{
    return &x->arena;
}

const struct principal *exchange_principal(const struct exchange *x)
{
    return x->principal;
}

bool exchange_renew(struct exchange *x)
{
    if (x->session.principal == NULL || auth_is_current(x->http->auth, &x->session)) {
        return true; /* open to all, or nothing changed */
    }
    if (!auth_renew(x->http->auth, &x->session)) {
        return false;
    }
    x->principal = x->session.principal;
    return true;
}

const char *exchange_id(const struct exchange *x)
{
    return x->id;
}

struct conn *exchange_conn(const struct exchange *x)
{
    return x->conn;
}

struct server *exchange_server(const struct exchange *x)
{
    return conn_server(x->conn);
}

void *exchange_context(const struct exchange *x)
{
    return x->http->context;
}

void *exchange_state_new(struct exchange *x, size_t len_bytes)
{
    void *state = arena_alloc(&x->arena, len_bytes);

    if (state != NULL) {
        memset(state, 0, len_bytes);
        x->state = state;
    }
    return state;
}

void *exchange_state(const struct exchange *x)
{
    return x->state;
}

/* ---- Answers --------------------------------------------------------------------------------- */

void exchange_set_header(struct exchange *x, const char *name, const char *value)
{
    ASSERT(x->header_count < EXCHANGE_HEADERS_MAX);
    x->headers[x->header_count++] = (struct response_header){name, value};
}

struct buf *exchange_out(struct exchange *x)
{
    return &x->out;
}

static bool has_header(const struct exchange *x, const char *name)
{
    for (size_t i = 0; i < x->header_count; i++) {
        if (http_equal_fold(slice_of_text(x->headers[i].name), name)) {
            return true;
        }
    }
    return false;
}

/* The coding in which a body of that length is to be sent. */
static enum encoding coding_for(const struct exchange *x, size_t len)
{
    struct slice accept;

    if (len < ENCODING_LEN_MIN || x->encoding_done != NULL || x->status != 200 ||
        x->route == NULL || (x->route->flags & ROUTE_PLAIN) != 0) {
        return ENCODING_NONE;
    }
    accept = http_request_header(&x->request, "Accept-Encoding");
    if (accept.len == 0 || has_header(x, "Content-Encoding") || has_header(x, "ETag")) {
        return ENCODING_NONE;
    }
    return encoding_choose(accept);
}

/* Puts body, which may be x->out, in a coding into x->out. On failure nothing changes: an answer
 * that is not coded is as good. */
static void encode(struct exchange *x, enum encoding encoding, struct slice body)
{
    AUTO(buf_deinit) struct buf coded = {0};
    struct buf old = x->out;

    if (encoding_append(encoding, body, &coded) < 0) {
        return;
    }
    x->out = coded;
    coded = old;
    x->encoding_done = encoding_name(encoding);
    if (x->header_count < EXCHANGE_HEADERS_MAX) {
        exchange_set_header(x, "Vary", "Accept-Encoding");
    }
}

static int run_encode(struct exchange *x, struct blockdb *db, struct error *err)
{
    (void)x;
    (void)db;
    (void)err;
    return BLOCKDB_OK; /* what is left to do is done for every answer of the pool */
}

/* Answers with x->out. */
static void send_out(struct exchange *x, bool may_use_pool)
{
    enum encoding encoding = x->hc != NULL ? coding_for(x, x->out.len) : ENCODING_NONE;

    if (encoding != ENCODING_NONE) {
        if (x->out.len > ENCODING_LOOP_MAX && may_use_pool) {
            exchange_run(x, POOL_READ, run_encode);
            return;
        }
        if (x->out.len <= ENCODING_LOOP_MAX) {
            encode(x, encoding, buf_slice(&x->out));
        }
    }
    queue_answer(x, buf_slice(&x->out));
}

void exchange_reply(struct exchange *x, int status, const char *content_type, struct slice body)
{
    enum encoding encoding;

    x->status = status;
    x->content_type = content_type;
    encoding = coding_for(x, body.len);
    if (encoding == ENCODING_NONE) {
        queue_answer(x, body);
        return;
    }
    buf_reset(&x->out);
    if (buf_append_slice(&x->out, body) < 0) {
        queue_answer(x, body);
        return;
    }
    send_out(x, true);
}

void exchange_reply_out(struct exchange *x, int status, const char *content_type)
{
    x->status = status;
    x->content_type = content_type;
    send_out(x, true);
}

void exchange_reply_take(struct exchange *x, int status, const char *content_type,
                         struct buf *taken)
{
    buf_deinit(&x->out);
    x->out = *taken;
    *taken = (struct buf){0};
    exchange_reply_out(x, status, content_type);
}

int http_error_body(struct buf *body, const char *code, const char *message)
{
    struct json_writer w;

    json_writer_init(&w, body);
    json_writer_begin_object(&w);
    json_writer_member_bool(&w, "success", false);
    json_writer_member_text(&w, "error", code);
    json_writer_member_text(&w, "message", message);
    json_writer_end_object(&w);
    if (json_writer_finish(&w) < 0) {
        return BLOCKDB_ENOMEM;
    }
    return buf_append_u8(body, '\n');
}

static void fail(struct exchange *x, int status, const char *code, const char *message)
{
    static const char no_memory[] =
        "{\"success\":false,\"error\":\"OutOfMemory\",\"message\":\"memory could not be "
        "allocated\"}\n";

    x->status = status;
    x->content_type = HTTP_TYPE_JSON;
    if (status == 503 && !has_header(x, "Retry-After") && x->header_count < EXCHANGE_HEADERS_MAX) {
        exchange_set_header(x, "Retry-After", "1");
    }
    buf_reset(&x->out);
    if (http_error_body(&x->out, code, message) < 0) {
        x->status = 503;
        queue_answer(x, slice_of(no_memory, sizeof(no_memory) - 1));
        return;
    }
    queue_answer(x, buf_slice(&x->out));
}

void exchange_fail(struct exchange *x, int status, const char *code, const char *format, ...)
{
    char message[BLOCKDB_ERROR_MESSAGE_MAX];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    fail(x, status, code, message);
}

void exchange_error(struct exchange *x, int code, const struct error *err)
{
    bool is_told = err != NULL && err->message[0] != '\0';

    fail(x, http_status_of(code), http_code_of(code),
         is_told ? err->message : blockdb_status_name(code));
}

/* ---- Work that may block --------------------------------------------------------------------- */

struct exchange *exchange_of_call(struct call *call)
{
    return (struct exchange *)(void *)((char *)call - offsetof(struct exchange, call));
}

void exchange_hold(struct exchange *x)
{
    x->holds++;
}

void exchange_release(struct exchange *x)
{
    ASSERT(x->holds > 0);
    x->holds--;
    queue_settle(x);
}

static void call_is_done(struct exchange *x)
{
    x->call_is_pending = false;
    x->then(x, &x->call);
    exchange_release(x);
}

static void on_call_done(struct call *call)
{
    call_is_done(exchange_of_call(call));
}

struct call *exchange_call(struct exchange *x)
{
    ASSERT(!x->call_is_pending);
    if (!x->call_is_ready) {
        struct server *server = conn_server(x->conn);
        struct dispatch *dispatch = x->http->dispatch;

        dispatch = dispatch == NULL && server != NULL ? server_dispatch(server) : dispatch;
        call_init(&x->call, dispatch, conn_loop(x->conn), x->principal, on_call_done);
        x->call_is_ready = true;
    }
    x->call.principal = x->principal;
    return &x->call;
}

void exchange_call_then(struct exchange *x, exchange_done_fn done)
{
    x->then = done;
}

void exchange_started(struct exchange *x, enum call_state state)
{
    ASSERT(x->then != NULL);
    x->holds++;
    if (state == CALL_DONE) {
        call_is_done(x);
    } else {
        x->call_is_pending = true;
    }
}

void exchange_prepare(struct exchange *x, int status, const char *content_type)
{
    x->status = status;
    x->content_type = content_type;
}

/* On the pool: a large answer is coded here, too. */
static int run(struct call *call, struct blockdb *db, struct error *err)
{
    struct exchange *x = exchange_of_call(call);
    enum encoding encoding;
    int rc = x->run(x, db, err);

    if (rc < 0) {
        return rc;
    }
    encoding = coding_for(x, x->out.len);
    if (encoding != ENCODING_NONE) {
        encode(x, encoding, buf_slice(&x->out));
    }
    return BLOCKDB_OK;
}

static void run_done(struct exchange *x, struct call *call)
{
    if (call->status == BLOCKDB_OK) {
        queue_answer(x, buf_slice(&x->out));
    } else if (x->run == run_encode) {
        send_out(x, false); /* the pool has no room: plain, then */
    } else {
        x->header_count = x->headers_of_gate;
        exchange_error(x, call->status, &call->error);
    }
}

void exchange_run(struct exchange *x, enum pool_class job_class, exchange_run_fn fn)
{
    struct call *call = exchange_call(x);

    x->run = fn;
    exchange_call_then(x, run_done);
    exchange_started(x, dispatch_run(call, job_class, run));
}

/* ---- Codes ----------------------------------------------------------------------------------- */

/* By the number of the status, without its sign. */
static const struct {
    int status;
    const char *code;
} codes[] = {
    [-BLOCKDB_OK] = {200, ""},
    [-BLOCKDB_ENOTFOUND] = {404, "NotFound"},
    [-BLOCKDB_EINVAL] = {400, "InvalidArgument"},
    [-BLOCKDB_ECONFLICT] = {409, "Conflict"},
    [-BLOCKDB_ECORRUPT] = {500, "Corrupt"},
    [-BLOCKDB_ETAMPERED] = {500, "Tampered"},
    [-BLOCKDB_EIO] = {500, "IoError"},
    [-BLOCKDB_ENOSPC] = {507, "NoSpace"},
    [-BLOCKDB_ENOMEM] = {503, "OutOfMemory"},
    [-BLOCKDB_EBUSY] = {503, "Busy"},
    [-BLOCKDB_ETIMEDOUT] = {504, "TimedOut"},
    [-BLOCKDB_EREADONLY] = {503, "ReadOnly"},
    [-BLOCKDB_ELIMIT] = {413, "LimitExceeded"},
    [-BLOCKDB_EVERSION] = {500, "Corrupt"},
    [-BLOCKDB_EFOREIGN] = {500, "Corrupt"},
    [-BLOCKDB_EEXIST] = {409, "Exists"},
    [-BLOCKDB_ECLOSED] = {503, "Closing"},
    [-BLOCKDB_EREDACTED] = {410, "Redacted"},
    [-BLOCKDB_ESTALE] = {409, "Stale"},
    [-BLOCKDB_ECANCELED] = {503, "Closing"},
    [-BLOCKDB_EUNSUPPORTED] = {501, "Unsupported"},
    [-BLOCKDB_EDENIED] = {403, "Denied"},
    [-BLOCKDB_EWOULDBLOCK] = {503, "Busy"},
};

static size_t code_index(int code)
{
    size_t index = code <= 0 && code > -(int)(sizeof(codes) / sizeof(codes[0]))
                       ? (size_t)-code
                       : (size_t)-BLOCKDB_EIO;

    return index;
}

const char *http_code_of(int code)
{
    return codes[code_index(code)].code;
}

int http_status_of(int code)
{
    return codes[code_index(code)].status;
}
