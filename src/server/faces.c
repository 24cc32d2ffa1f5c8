/* SPDX-License-Identifier: Apache-2.0 */
#include "server/faces.h"

#include "base/mem.h"
#include "config/config.h"
#include "server/http/exchange.h"
#include "server/http/http.h"
#include "server/metrics.h"
#include "server/resp/resp.h"
#include "server/server.h"

#include <blockdb/blockdb.h>

struct faces {
    struct blockdb *db;
    struct http *http;
};

static void health(struct exchange *x)
{
    bool is_ready = server_phase(exchange_server(x)) == SERVER_READY;

    exchange_reply(x, is_ready ? 200 : 503, "text/plain",
                   slice_of_text(is_ready ? "ok\n" : "draining\n"));
}

static const struct route routes[] = {
    {.method = HTTP_GET,
     .pattern = "/health",
     .flags = ROUTE_HEALTH,
     .handler = health,
     .rate_class = ROUTE_FREE,
     .summary = "Whether the server serves."},
};

static int make_http(struct faces *faces, const struct faces_options *options, struct error *err)
{
    struct http_options http = {.os = options->os,
                                .logger = options->logger,
                                .limits = HTTP_LIMITS_INIT,
                                .routes = routes,
                                .route_count = 1};

    return http_new(&http, &faces->http, err);
}

int faces_new(const struct faces_options *options, struct faces **out, struct error *err)
{
    struct faces *faces = mem_calloc(1, sizeof(*faces));
    int rc;

    if (faces == NULL) {
        return error_set_no_memory(err);
    }
    faces->db = options->db;
    rc = make_http(faces, options, err);
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
    (void)faces;
    return resp_protocol();
}

static void write_http_metrics(void *arg, struct metrics_writer *w)
{
    http_metrics_write(arg, w);
}

void faces_attach(struct faces *faces, struct server *server)
{
    http_set_auth(faces->http, server_auth(server), server_limit(server));
    http_set_slow_log(faces->http, server_slow_log(server));
    metrics_register(server_metrics(server), write_http_metrics, faces->http);
}

void faces_stop(struct faces *faces)
{
    (void)faces;
}

void faces_free(struct faces *faces)
{
    if (faces == NULL) {
        return;
    }
    http_free(faces->http);
    mem_free(faces);
}
