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

static void reply_health(struct exchange *x, const char *code, const char *message)
{
    struct json_writer w;
    bool is_well = code == NULL;

    exchange_set_header(x, "Cache-Control", "no-store");
    json_writer_init(&w, exchange_out(x));
    json_writer_begin_object(&w);
    json_writer_member_bool(&w, "success", is_well);
    json_writer_member_text(&w, "status", is_well ? "ok" : "unavailable");
    if (!is_well) {
        json_writer_member_text(&w, "error", code);
        json_writer_member_text(&w, "message", message);
    }
    reply_end(x, &w, is_well ? 200 : 503);
}

static const char draining[] = "the server is stopping; ask another one";

/* Whether this node takes writes: what /health and /leader ask. */
static void reply_writable(struct exchange *x)
{
    struct error err;

    if (is_draining(x)) {
        reply_health(x, "Draining", draining);
    } else if (blockdb_write_check(routes_of(x)->db, &err) < 0) {
        reply_health(x, "ReadOnly", err.message);
    } else {
        reply_health(x, NULL, NULL);
    }
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
    reply_health(x, NULL, NULL);
}

void route_replica(struct exchange *x)
{
    reply_health(x, "NotReplica", "this server stands alone, so it is the leader");
}

/* ---- ready --------------------------------------------------------------------------------- */

struct ready {
    uint64_t max_lag;
    uint64_t lag;
    bool verbose;
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

static void write_check(struct json_writer *w, const char *name, bool is_well)
{
    json_writer_member_text(w, name, is_well ? "ok" : "failed");
}

static void reply_checks(struct exchange *x, const struct ready *ready, bool is_ready)
{
    struct json_writer w;
    struct error err;

    exchange_set_header(x, "Cache-Control", "no-store");
    json_writer_init(&w, exchange_out(x));
    json_writer_begin_object(&w);
    json_writer_member_bool(&w, "success", is_ready);
    json_writer_member_text(&w, "status", is_ready ? "ok" : "unavailable");
    json_writer_key(&w, "checks");
    json_writer_begin_object(&w);
    write_check(&w, "serving", !is_draining(x));
    write_check(&w, "lag", ready->lag <= ready->max_lag);
    /* Reads can be served without it. */
    write_check(&w, "writable", blockdb_write_check(routes_of(x)->db, &err) == BLOCKDB_OK);
    json_writer_end_object(&w);
    json_writer_member_u64(&w, "lag", ready->lag);
    reply_end(x, &w, is_ready ? 200 : 503);
}

void route_ready(struct exchange *x)
{
    struct ready ready = {.max_lag = UINT64_MAX};
    struct blockdb *db = routes_of(x)->db;
    char detail[DETAIL_BYTES];
    struct error err;
    int rc = ready_parse(x, &ready, &err);

    if (rc < 0) {
        exchange_error(x, rc, &err);
        return;
    }
    ready.lag = blockdb_seq_count(db) - blockdb_durable_count(db);
    if (ready.verbose) {
        reply_checks(x, &ready, !is_draining(x) && ready.lag <= ready.max_lag);
    } else if (is_draining(x)) {
        reply_health(x, "Draining", draining);
    } else if (ready.lag > ready.max_lag) {
        (void)snprintf(detail, sizeof(detail), "%" PRIu64 " entries are not durable yet",
                       ready.lag);
        reply_health(x, "Behind", detail);
    } else {
        reply_health(x, NULL, NULL);
    }
}
