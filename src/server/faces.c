/* SPDX-License-Identifier: Apache-2.0 */
#include "server/faces.h"

#include "base/mem.h"
#include "config/config.h"
#include "server/http/http.h"
#include "server/metrics.h"
#include "server/resp/resp.h"
#include "server/routes/routes.h"
#include "server/server.h"

#include <blockdb/blockdb.h>

#define WORKERS_AUTO_MAX 16 /* as server_config.c decides for worker_threads = 0 */

struct faces {
    struct blockdb *db;
    struct routes *routes;
    struct http *http;
    struct resp *resp;
};

static void on_commit(void *arg, uint64_t seq_count, uint64_t durable_count)
{
    const struct faces *faces = arg;

    (void)seq_count;
    routes_notice(faces->routes, durable_count);
}

static int make_http(struct faces *faces, const struct faces_options *options, struct error *err)
{
    struct http_options http = {.os = options->os,
                                .logger = options->logger,
                                .limits = HTTP_LIMITS_INIT,
                                .context = faces->routes};
    uint64_t workers = config_number(options->config, "server.worker_threads");

    http.loop_count = workers > 0 ? (unsigned)workers : WORKERS_AUTO_MAX;
    http.routes = routes_table(faces->routes, &http.route_count);
    return http_new(&http, &faces->http, err);
}

int faces_new(const struct faces_options *options, struct faces **out, struct error *err)
{
    struct routes_options routes = {.os = options->os,
                                    .db = options->db,
                                    .backup_dir = config_text(options->config, "server.backup_dir"),
                                    .node_id = config_text(options->config, "cluster.node_id")};
    struct faces *faces = mem_calloc(1, sizeof(*faces));
    int rc;

    if (faces == NULL) {
        return error_set_no_memory(err);
    }
    faces->db = options->db;
    rc = routes_new(&routes, &faces->routes, err);
    if (rc == BLOCKDB_OK) {
        rc = make_http(faces, options, err);
    }
    if (rc == BLOCKDB_OK && resp_new(&faces->resp) < 0) {
        rc = error_set_no_memory(err);
    }
    if (rc < 0) {
        faces_free(faces);
        return rc;
    }
    *out = faces;
    return BLOCKDB_OK;
}

const struct conn_protocol *faces_http(const struct faces *faces)
{
    return http_protocol(faces->http);
}

const struct conn_protocol *faces_resp(const struct faces *faces)
{
    return resp_server_protocol(faces->resp);
}

static void write_http_metrics(void *arg, struct metrics_writer *w)
{
    http_metrics_write(arg, w);
}

static void write_resp_metrics(void *arg, struct metrics_writer *w)
{
    resp_metrics_write(arg, w);
}

void faces_attach(struct faces *faces, struct server *server)
{
    http_set_auth(faces->http, server_auth(server), server_limit(server));
    http_set_slow_log(faces->http, server_slow_log(server));
    metrics_register(server_metrics(server), write_http_metrics, faces->http);
    if (resp_count_commands(faces->resp, server_config(server)->worker_threads) == BLOCKDB_OK) {
        metrics_register(server_metrics(server), write_resp_metrics, faces->resp);
    }
    blockdb_set_commit_cb(faces->db, on_commit, faces);
}

void faces_stop(struct faces *faces)
{
    routes_cancel_jobs(faces->routes);
}

void faces_free(struct faces *faces)
{
    if (faces == NULL) {
        return;
    }
    blockdb_set_commit_cb(faces->db, NULL, NULL);
    http_free(faces->http);
    resp_free(faces->resp);
    routes_free(faces->routes);
    mem_free(faces);
}
