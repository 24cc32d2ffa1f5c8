/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Health: the status code carries the answer, so that load balancers need nothing else. Nothing
 * here waits, and nothing needs a right.
 */
#include "server/conn.h"
#include "server/routes/json_reply.h"
#include "server/routes/routes_priv.h"
#include "server/server.h"

#include <inttypes.h>
#include <stdio.h>

#define DETAIL_BYTES 160

static bool is_draining(const struct exchange *x)
{
    const struct server *server = exchange_server(x);

    return conn_is_draining(exchange_conn(x)) ||
           (server != NULL && server_phase(server) != SERVER_READY);
}

/* What a health path finds: the first thing that is wrong, if any. */
struct finding {
    const char *code;    /* NULL: all is well */
    const char *message; /* of the code */
};

static void find(struct finding *f, const char *code, const char *message)
{
    if (f->code == NULL) {
        *f = (struct finding){.code = code, .message = message};
    }
}

static void check_serving(const struct exchange *x, struct finding *f)
{
    if (is_draining(x)) {
        find(f, "Draining", "the server is stopping; ask another one");
    }
}

/* err keeps the message. */
static void check_writable(const struct exchange *x, struct finding *f, struct error *err)
{
    int rc = blockdb_write_check(routes_of(x)->db, err);

    if (rc < 0) {
        find(f, rc == BLOCKDB_ENOSPC ? "NoSpace" : "ReadOnly", err->message);
    }
}

static void reply_begin_health(struct exchange *x, struct json_writer *w, const struct finding *f)
{
    exchange_set_header(x, "Cache-Control", "no-store");
    json_writer_init(w, exchange_out(x));
    json_writer_begin_object(w);
    json_writer_member_bool(w, "success", f->code == NULL);
    json_writer_member_text(w, "status", f->code == NULL ? "ok" : "unavailable");
    if (f->code != NULL) {
        exchange_set_header(x, "Retry-After", "1"); /* as with every 503 */
        json_writer_member_text(w, "error", f->code);
        json_writer_member_text(w, "message", f->message);
    }
}

static void reply_health(struct exchange *x, const struct finding *f)
{
    struct json_writer w;

    reply_begin_health(x, &w, f);
    reply_end(x, &w, f->code == NULL ? 200 : 503);
}

/* Whether this node takes writes: what /health and /leader ask. */
static void reply_writable(struct exchange *x)
{
    struct finding finding = {0};
    struct error err;

    check_serving(x, &finding);
    check_writable(x, &finding, &err);
    reply_health(x, &finding);
}

void route_health(struct exchange *x)
{
    reply_writable(x);
}

void route_leader(struct exchange *x)
{
    reply_writable(x);
}

void route_live(struct exchange *x)
{
    reply_health(x, &(struct finding){0});
}

void route_replica(struct exchange *x)
{
    static const struct finding alone = {
        .code = "NotReplica", .message = "this server stands alone, so it is the leader"};

    reply_health(x, &alone);
}

/* ---- ready --------------------------------------------------------------------------------- */

struct ready {
    uint64_t max_lag;
    bool verbose;
    uint64_t lag;
    char behind[DETAIL_BYTES];
    struct error err; /* of the check for writes */
    struct finding serving;
    struct finding behindhand;
    struct finding writable;
};

static int ready_parse(const struct exchange *x, struct ready *out, struct error *err)
{
    static const char *const names[] = {"max_lag", "verbose", NULL};
    int rc = exchange_query_check(x, names, err);

    if (rc == BLOCKDB_OK) {
        rc = exchange_query_u64(x, "max_lag", &out->max_lag, err);
    }
    return rc < 0 ? rc : exchange_query_bool(x, "verbose", &out->verbose, err);
}

static void ready_check(const struct exchange *x, struct ready *ready)
{
    struct blockdb *db = routes_of(x)->db;

    check_serving(x, &ready->serving);
    ready->lag = blockdb_seq_count(db) - blockdb_durable_count(db);
    if (ready->lag > ready->max_lag) {
        (void)snprintf(ready->behind, sizeof(ready->behind),
                       "%" PRIu64 " entries are not durable yet", ready->lag);
        find(&ready->behindhand, "Behind", ready->behind);
    }
    check_writable(x, &ready->writable, &ready->err);
}

static void write_check(struct json_writer *w, const char *name, const struct finding *f)
{
    json_writer_member_text(w, name, f->code == NULL ? "ok" : "failed");
}

static void reply_ready(struct exchange *x, const struct ready *ready, const struct finding *first)
{
    struct json_writer w;

    reply_begin_health(x, &w, first);
    if (ready->verbose) {
        json_writer_key(&w, "checks");
        json_writer_begin_object(&w);
        write_check(&w, "serving", &ready->serving);
        write_check(&w, "lag", &ready->behindhand);
        write_check(&w, "writable", &ready->writable);
        json_writer_end_object(&w);
        json_writer_member_u64(&w, "lag", ready->lag);
    }
    reply_end(x, &w, first->code == NULL ? 200 : 503);
}

static void run_ready(struct exchange *x, bool needs_writes)
{
    struct ready ready = {.max_lag = UINT64_MAX};
    struct finding first;
    struct error err;
    int rc = ready_parse(x, &ready, &err);

    if (rc < 0) {
        exchange_error(x, rc, &err);
        return;
    }
    ready_check(x, &ready);
    first = ready.serving;
    find(&first, ready.behindhand.code, ready.behindhand.message);
    if (needs_writes) {
        find(&first, ready.writable.code, ready.writable.message);
    }
    reply_ready(x, &ready, &first);
}

/* A node whose disk is full or failed can neither lead nor follow. */
void route_ready(struct exchange *x)
{
    run_ready(x, true);
}

void route_read_only(struct exchange *x)
{
    run_ready(x, false);
}
