/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routes: the handlers of the HTTP API and the table of them.
 *
 * Handlers are stateless but for two things, which a struct routes keeps: the jobs that outlive
 * their request (job.h), and who watches the log (watch.h). It is the context of the HTTP server
 * (http_options.context).
 *
 * ROUTES-1  What a route's right does not cover is asked of the principal by its handler: a key is
 *           neither shown nor proven nor written without the right to it.
 * ROUTES-2  What may wait for a disk runs on the pool.
 * ROUTES-3  The description at /openapi.json has the rows of the table and no others; a test
 *           compares them.
 *
 * Threads:   routes_new() and routes_free() while no loop runs; routes_notice() any thread; the
 *            handlers on their loops.
 * Ownership: borrows what its options name.
 * Format:    docs/operate/http.md
 */
#pragma once

#include "base/error.h"
#include "server/http/router.h"

#include <stddef.h>
#include <stdint.h>

struct blockdb;
struct os;
struct routes;

struct routes_options {
    struct os *os;
    struct blockdb *db;
    const char *backup_dir; /* backups go below it; "" or NULL: none are made */
    const char *node_id;    /* "" or NULL: "standalone" */
};

/* ENOMEM. Copies the texts. */
RESULT_MUST_BE_USED int routes_new(const struct routes_options *options, struct routes **out,
                                   struct error *err);
/* The server has stopped. NULL is fine. */
void routes_free(struct routes *routes);
void routes_free_ptr(struct routes **routes);

/* All routes, as http_options wants them; until routes_free(). */
const struct route *routes_table(const struct routes *routes, size_t *out_count);
/* The description of the API in OpenAPI 3, as it is served; static. */
struct slice routes_openapi(void);

/* Tells watchers that the log has grown: durable_count of blockdb_set_commit_cb(). Any thread,
 * never blocks. */
void routes_notice(struct routes *routes, uint64_t durable_count);
/* Ends jobs that run, so that a server can stop soon. Any thread. */
void routes_cancel_jobs(struct routes *routes);

/* Figures. */
struct routes_stats {
    uint64_t watchers;     /* streams that are open now */
    uint64_t jobs_running; /* of all kinds */
};
struct routes_stats routes_stats(struct routes *routes);
