/* SPDX-License-Identifier: Apache-2.0 */
/* Housekeeping, the cluster's state, and the pages about the server itself. */
#include "server/metrics.h"
#include "server/routes/json_reply.h"
#include "server/routes/routes_priv.h"
#include "server/server.h"

#include <string.h>

/* ---- compact, flush ------------------------------------------------------------------------ */

static int write_success(struct exchange *x, struct error *err)
{
    struct json_writer w;

    reply_begin(x, &w);
    return reply_finish(&w, err);
}

static int compact_run(struct exchange *x, struct blockdb *db, struct error *err)
{
    bool wait = false;
    int rc = exchange_query_bool(x, "wait", &wait, err);

    if (rc == BLOCKDB_OK) {
        rc = blockdb_compact(db, wait, NULL, NULL, err);
    }
    return rc < 0 ? rc : write_success(x, err);
}

void route_compact(struct exchange *x)
{
    static const char *const names[] = {"wait", "job", NULL};
    struct job_order order = {.kind = JOB_COMPACT};
    struct error err;
    bool as_job = false;
    int rc = exchange_query_check(x, names, &err);

    if (rc == BLOCKDB_OK) {
        rc = exchange_query_bool(x, "job", &as_job, &err);
    }
    if (rc < 0) {
        exchange_error(x, rc, &err);
    } else if (as_job) {
        routes_start_job(x, &order);
    } else {
        exchange_run(x, POOL_LONG, compact_run);
    }
}

static int flush_run(struct exchange *x, struct blockdb *db, struct error *err)
{
    int rc = blockdb_flush(db, err);

    return rc < 0 ? rc : write_success(x, err);
}

void route_flush(struct exchange *x)
{
    exchange_run(x, POOL_LONG, flush_run);
}

/* ---- Cluster ------------------------------------------------------------------------------- */

/* What [cluster] says. */
static void write_cluster_configuration(struct json_writer *w, const struct server_config *c)
{
    json_writer_key(w, "configuration");
    json_writer_begin_object(w);
    json_writer_member_text(w, "address", c->cluster_address);
    json_writer_member_text(w, "peers", c->cluster_peers);
    json_writer_member_u64(w, "peer_port", c->peer_port);
    json_writer_member_u64(w, "heartbeat_interval_ms", c->heartbeat_interval);
    json_writer_member_u64(w, "election_timeout_ms", c->election_timeout);
    json_writer_member_bool(w, "enable_transactions", c->enable_transactions);
    json_writer_member_u64(w, "transaction_timeout_ms", c->transaction_timeout);
    json_writer_member_u64(w, "two_pc_timeout_ms", c->two_pc_timeout);
    json_writer_end_object(w);
}

static int cluster_status_run(struct exchange *x, struct blockdb *db, struct error *err)
{
    struct blockdb_stats stats = BLOCKDB_STATS_INIT;
    const char *node_id = routes_of(x)->node_id;
    const char *address = exchange_server(x) != NULL ? server_address(exchange_server(x), 0) : NULL;
    struct json_writer w;
    int rc = blockdb_stats_get(db, &stats, err);

    if (rc < 0) {
        return rc;
    }
    reply_begin(x, &w);
    json_writer_member_text(&w, "state", "Leader");
    json_writer_member_text(&w, "leader", node_id);
    json_writer_member_text(&w, "node_id", node_id);
    json_writer_member_u64(&w, "epoch", blockdb_epoch(db));
    json_writer_member_u64(&w, "term", 0);
    json_writer_member_u64(&w, "acked_seq", stats.acked_seq);
    json_writer_member_u64(&w, "durable_seq", stats.durable_seq);
    json_writer_member_u64(&w, "sealed_seq", stats.sealed_seq);
    json_writer_key(&w, "nodes");
    json_writer_begin_array(&w);
    json_writer_begin_object(&w);
    json_writer_member_text(&w, "id", node_id);
    json_writer_member_text(&w, "state", "Leader");
    json_writer_member_text(&w, "address", address != NULL ? strchr(address, ' ') + 1 : "");
    json_writer_end_object(&w);
    json_writer_end_array(&w);
    if (exchange_server(x) != NULL) {
        write_cluster_configuration(&w, server_config(exchange_server(x)));
    }
    return reply_finish(&w, err);
}

void route_cluster_status(struct exchange *x)
{
    exchange_run(x, POOL_READ, cluster_status_run);
}

void route_cluster_change(struct exchange *x)
{
    exchange_fail(
        x, 501, "Unsupported",
        "this server stands alone: this version has no clusters, so no node can be added, "
        "removed, or given the lead");
}

/* ---- The server itself --------------------------------------------------------------------- */

void route_index(struct exchange *x)
{
    struct json_writer w;

    reply_begin(x, &w);
    json_writer_member_text(&w, "name", "BlockDB");
    json_writer_member_text(&w, "version", blockdb_version());
    json_writer_member_text(&w, "api", "/openapi.json");
    json_writer_member_text(&w, "health", "/health");
    json_writer_member_text(&w, "metrics", "/metrics");
    json_writer_member_text(&w, "status", "/cluster/status");
    reply_end(x, &w, 200);
}

void route_openapi(struct exchange *x)
{
    exchange_reply(x, 200, HTTP_TYPE_JSON, routes_openapi());
}

static int metrics_run(struct exchange *x, struct blockdb *db, struct error *err)
{
    bool as_json = http_list_has(exchange_header(x, "accept"), "application/json");

    (void)db; /* the sources know it */
    exchange_prepare(x, 200, as_json ? HTTP_TYPE_JSON : METRICS_TEXT_TYPE);
    if (metrics_write(server_metrics(exchange_server(x)), as_json ? METRICS_JSON : METRICS_TEXT,
                      exchange_out(x)) < 0) {
        return error_set_no_memory(err);
    }
    return BLOCKDB_OK;
}

void route_metrics(struct exchange *x)
{
    if (exchange_server(x) == NULL) {
        exchange_fail(x, 501, "Unsupported", "there are no metrics without a server");
        return;
    }
    exchange_run(x, POOL_READ, metrics_run);
}
