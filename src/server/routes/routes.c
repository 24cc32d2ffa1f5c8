/* SPDX-License-Identifier: Apache-2.0 */
#include "server/routes/routes.h"

#include "base/mem.h"
#include "server/routes/routes_auth.h"
#include "server/routes/routes_priv.h"

#define SMALL_BODY_MAX ((uint64_t)64 << 10) /* of requests that carry no values */
#define STANDALONE "standalone"

#define HEALTH_ROUTE(path, fn, text)                                                               \
    {                                                                                              \
        .method = HTTP_GET, .pattern = (path), .rate_class = ROUTE_FREE,                           \
        .flags = ROUTE_HEALTH | ROUTE_PLAIN, .handler = (fn), .summary = (text)                    \
    }
#define READ_ROUTE(path, right, fn, text)                                                          \
    {                                                                                              \
        .method = HTTP_GET, .pattern = (path), .rights = (right), .rate_class = ROUTE_READ,        \
        .handler = (fn), .summary = (text)                                                         \
    }
#define WRITE_ROUTE(verb, path, max, fn, text)                                                     \
    {                                                                                              \
        .method = (verb), .pattern = (path), .rights = RIGHT_WRITE, .rate_class = ROUTE_WRITE,     \
        .flags = (max) > 0 ? ROUTE_BODY : 0, .body_max = (max), .handler = (fn), .summary = (text) \
    }
#define ADMIN_ROUTE(verb, path, right, max, fn, text)                                              \
    {                                                                                              \
        .method = (verb), .pattern = (path), .rights = (right), .rate_class = ROUTE_ADMIN,         \
        .body_max = (max), .handler = (fn), .summary = (text)                                      \
    }

/* What an operator waits for, however long it takes. */
#define LONG_ROUTE(path, right, fn, text)                                                          \
    {                                                                                              \
        .method = HTTP_POST, .pattern = (path), .rights = (right), .rate_class = ROUTE_ADMIN,      \
        .flags = ROUTE_LONG, .body_max = SMALL_BODY_MAX, .handler = (fn), .summary = (text)        \
    }

static const struct route own_routes[] = {
    WRITE_ROUTE(HTTP_POST, "/api/v1/put", ROUTE_BODY_REQUEST_MAX, route_put,
                "Writes one version of a key"),
    WRITE_ROUTE(HTTP_DELETE, "/api/v1/delete/{key...}", 0, route_delete,
                "Appends a deletion of a key; its history stays"),
    WRITE_ROUTE(HTTP_POST, "/api/v1/batch", ROUTE_BODY_REQUEST_MAX, route_batch,
                "Writes several operations, all or nothing"),
    READ_ROUTE("/api/v1/get/{key...}", RIGHT_READ, route_get,
               "Reads the newest version of a key, or the one as of a seq or time"),
    READ_ROUTE("/api/v1/entry/{seq}", RIGHT_READ, route_entry, "Reads the entry with a seq"),
    READ_ROUTE("/api/v1/seq", RIGHT_READ, route_seq, "Tells the last seq not after a time"),
    READ_ROUTE("/api/v1/scan", RIGHT_READ, route_scan, "Reads a range of keys, page by page"),
    READ_ROUTE("/api/v1/history/{key...}", RIGHT_READ, route_history,
               "Reads the versions of a key, newest first"),
    {.method = HTTP_GET,
     .pattern = "/api/v1/watch",
     .rights = RIGHT_READ,
     .rate_class = ROUTE_READ,
     .flags = ROUTE_STREAM | ROUTE_PLAIN,
     .handler = route_watch,
     .summary = "Streams entries as they are written"},
    {.method = HTTP_POST,
     .pattern = "/api/v1/redact",
     .rights = RIGHT_ADMIN,
     .rate_class = ROUTE_ADMIN,
     .flags = ROUTE_LONG | ROUTE_BODY,
     .body_max = ROUTE_BODY_REQUEST_MAX,
     .handler = route_redact,
     .summary = "Erases the values of one version or of many; their proofs stay valid"},
    ADMIN_ROUTE(HTTP_GET, "/api/v1/redact/{job}", RIGHT_ADMIN, 0, route_job,
                "Tells how far a redaction is"),

    READ_ROUTE("/api/v1/head", RIGHT_PROVE, route_head, "Tells size and root of the sealed tree"),
    READ_ROUTE("/checkpoint", RIGHT_PROVE, route_checkpoint,
               "Gives the newest head, signed and, where there are witnesses, cosigned"),
    LONG_ROUTE("/api/v1/checkpoint", RIGHT_PROVE, route_checkpoint_sign,
               "Signs the head of all that was written so far"),
    READ_ROUTE("/api/v1/proof/inclusion", RIGHT_PROVE, route_proof_inclusion,
               "Proves that an entry is in a tree"),
    READ_ROUTE("/api/v1/proof/consistency", RIGHT_PROVE, route_proof_consistency,
               "Proves that a tree continues an earlier one"),
    READ_ROUTE("/api/v1/proof/entry/{seq}", RIGHT_PROVE, route_proof_entry,
               "Gives a proof file for an entry"),
    READ_ROUTE("/api/v1/proof/key/{key...}", RIGHT_PROVE, route_proof_key,
               "Gives a proof file for the newest version of a key, or that it has none"),
    {.method = HTTP_GET,
     .pattern = "/tile/{path...}",
     .rights = RIGHT_PROVE,
     .rate_class = ROUTE_READ,
     .flags = ROUTE_PLAIN,
     .handler = route_tile,
     .summary = "Gives a tile of hashes or a bundle of entries, as C2SP tlog-tiles"},
    READ_ROUTE("/api/v1/blocks", RIGHT_PROVE, route_blocks, "Lists block headers"),
    READ_ROUTE("/api/v1/blocks/{height}", RIGHT_PROVE, route_block, "Gives one block header"),
    ADMIN_ROUTE(HTTP_POST, "/api/v1/verify", RIGHT_PROVE, SMALL_BODY_MAX, route_verify,
                "Starts to verify the log"),
    ADMIN_ROUTE(HTTP_GET, "/api/v1/verify/{job}", RIGHT_PROVE, 0, route_job,
                "Tells how far a verification is"),
    ADMIN_ROUTE(HTTP_DELETE, "/api/v1/verify/{job}", RIGHT_PROVE, 0, route_job_cancel,
                "Cancels a verification"),

    LONG_ROUTE("/api/v1/compact", RIGHT_OPERATE, route_compact,
               "Merges tables as far as something is gained"),
    ADMIN_ROUTE(HTTP_GET, "/api/v1/compact/{job}", RIGHT_OPERATE, 0, route_job,
                "Tells how far a compaction is"),
    ADMIN_ROUTE(HTTP_DELETE, "/api/v1/compact/{job}", RIGHT_OPERATE, 0, route_job_cancel,
                "Cancels a compaction"),
    LONG_ROUTE("/api/v1/flush", RIGHT_OPERATE, route_flush, "Writes what is in memory to a table"),
    ADMIN_ROUTE(HTTP_POST, "/api/v1/backup", RIGHT_OPERATE, SMALL_BODY_MAX, route_backup,
                "Starts a backup"),
    ADMIN_ROUTE(HTTP_GET, "/api/v1/backup/{job}", RIGHT_OPERATE, 0, route_job,
                "Tells how far a backup is"),
    ADMIN_ROUTE(HTTP_DELETE, "/api/v1/backup/{job}", RIGHT_OPERATE, 0, route_job_cancel,
                "Cancels a backup"),
    {.method = HTTP_GET,
     .pattern = "/stats",
     .rights = RIGHT_OPERATE,
     .rate_class = ROUTE_FREE,
     .flags = ROUTE_METRICS,
     .handler = route_stats,
     .summary = "Gives figures as JSON"},
    {.method = HTTP_GET,
     .pattern = "/metrics",
     .rights = RIGHT_OPERATE,
     .rate_class = ROUTE_FREE,
     .flags = ROUTE_METRICS,
     .handler = route_metrics,
     .summary = "Gives figures for Prometheus"},

    HEALTH_ROUTE("/health", route_health, "Whether requests can be served"),
    HEALTH_ROUTE("/live", route_live, "Whether the process answers"),
    HEALTH_ROUTE("/ready", route_ready, "Whether this node can do its part: serve, write, keep up"),
    HEALTH_ROUTE("/leader", route_leader, "Whether this node takes writes"),
    HEALTH_ROUTE("/replica", route_replica, "Whether this node is a follower"),
    HEALTH_ROUTE("/read-only", route_read_only, "Whether this node can serve reads in any role"),
    {.method = HTTP_GET,
     .pattern = "/cluster/status",
     .rights = RIGHT_OPERATE,
     .rate_class = ROUTE_FREE,
     .flags = ROUTE_METRICS,
     .handler = route_cluster_status,
     .summary = "Tells the roles of the nodes"},
    ADMIN_ROUTE(HTTP_POST, "/cluster/add", RIGHT_ADMIN, SMALL_BODY_MAX, route_cluster_change,
                "Adds a node"),
    ADMIN_ROUTE(HTTP_DELETE, "/cluster/remove/{id}", RIGHT_ADMIN, 0, route_cluster_change,
                "Removes a node"),
    ADMIN_ROUTE(HTTP_POST, "/cluster/transfer", RIGHT_ADMIN, SMALL_BODY_MAX, route_cluster_change,
                "Gives the lead to another node"),
    {.method = HTTP_GET,
     .pattern = "/openapi.json",
     .rate_class = ROUTE_FREE,
     .handler = route_openapi,
     .summary = "Describes this API"},
    {.method = HTTP_GET,
     .pattern = "/",
     .rate_class = ROUTE_FREE,
     .handler = route_index,
     .summary = "Says what this is"},
};
#define OWN_ROUTE_COUNT (sizeof(own_routes) / sizeof(own_routes[0]))

static int make_parts(struct routes *routes, const struct routes_options *options)
{
    const char *node_id = options->node_id;
    const char *backup_dir = options->backup_dir;

    routes->backup_dir = mem_strdup(backup_dir != NULL ? backup_dir : "");
    routes->node_id = mem_strdup(node_id != NULL && node_id[0] != '\0' ? node_id : STANDALONE);
    routes->table = mem_calloc(OWN_ROUTE_COUNT + ROUTES_AUTH_COUNT, sizeof(*routes->table));
    if (routes->backup_dir == NULL || routes->node_id == NULL || routes->table == NULL ||
        job_table_new(options->os, &routes->jobs) < 0 ||
        watch_new(options->db, &routes->watch) < 0) {
        return BLOCKDB_ENOMEM;
    }
    memcpy(routes->table, own_routes, sizeof(own_routes));
    memcpy(routes->table + OWN_ROUTE_COUNT, routes_auth, sizeof(routes_auth));
    routes->table_count = OWN_ROUTE_COUNT + ROUTES_AUTH_COUNT;
    return BLOCKDB_OK;
}

int routes_new(const struct routes_options *options, struct routes **out, struct error *err)
{
    struct routes *routes = mem_calloc(1, sizeof(*routes));

    if (routes == NULL) {
        return error_set_no_memory(err);
    }
    routes->os = options->os;
    routes->db = options->db;
    if (make_parts(routes, options) < 0) {
        routes_free(routes);
        return error_set_no_memory(err);
    }
    *out = routes;
    return BLOCKDB_OK;
}

void routes_free(struct routes *routes)
{
    if (routes == NULL) {
        return;
    }
    watch_free(routes->watch);
    job_table_free(routes->jobs);
    mem_free(routes->table);
    mem_free(routes->node_id);
    mem_free(routes->backup_dir);
    mem_free(routes);
}

void routes_free_ptr(struct routes **routes)
{
    routes_free(*routes);
}

const struct route *routes_table(const struct routes *routes, size_t *out_count)
{
    *out_count = routes->table_count;
    return routes->table;
}

void routes_notice(struct routes *routes, uint64_t durable_count)
{
    (void)durable_count; /* whoever wakes asks for the newest */
    watch_notice(routes->watch);
}

void routes_cancel_jobs(struct routes *routes)
{
    job_table_close(routes->jobs);
}

struct routes_stats routes_stats(struct routes *routes)
{
    return (struct routes_stats){
        .watchers = watch_count(routes->watch),
        .jobs_running = job_running_count(routes->jobs),
    };
}
