/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of routes: the handlers that the table names, and what they share.
 *
 * Threads: handlers run on the loop of their connection.
 */
#pragma once

#include "server/http/exchange.h"
#include "server/http/router.h"
#include "server/routes/job.h"
#include "server/routes/routes.h"
#include "server/routes/watch.h"

struct routes {
    /* constant after routes_new() */
    struct os *os;
    struct blockdb *db;
    char *backup_dir;
    char *node_id;
    struct route *table;
    size_t table_count;
    /* their own rules */
    struct job_table *jobs;
    struct watch *watch;
};

/* The routes that an exchange belongs to. */
static inline struct routes *routes_of(const struct exchange *x)
{
    return exchange_context(x);
}

/* routes_write.c */
void route_put(struct exchange *x);
void route_delete(struct exchange *x);
void route_batch(struct exchange *x);
/* routes_redact.c */
void route_redact(struct exchange *x);
/* routes_get.c */
void route_get(struct exchange *x);
void route_entry(struct exchange *x);
void route_seq(struct exchange *x);
/* routes_scan.c */
void route_scan(struct exchange *x);
/* routes_history.c */
void route_history(struct exchange *x);
/* routes_proof.c */
void route_proof_inclusion(struct exchange *x);
void route_proof_consistency(struct exchange *x);
void route_proof_entry(struct exchange *x);
void route_proof_key(struct exchange *x);
/* routes_log.c */
void route_head(struct exchange *x);
void route_checkpoint(struct exchange *x);
void route_checkpoint_sign(struct exchange *x);
void route_tile(struct exchange *x);
void route_blocks(struct exchange *x);
void route_block(struct exchange *x);
/* routes_jobs.c */
void route_verify(struct exchange *x);
void route_backup(struct exchange *x);
void route_job(struct exchange *x);
void route_job_cancel(struct exchange *x);
/* Starts a job whose kind and particulars are in order, and answers: 202 with its number, 409 with
 * that of the one of its kind that runs. */
void routes_start_job(struct exchange *x, struct job_order *order);
/* routes_admin.c */
void route_compact(struct exchange *x);
void route_flush(struct exchange *x);
void route_cluster_status(struct exchange *x);
void route_cluster_change(struct exchange *x);
void route_index(struct exchange *x);
void route_openapi(struct exchange *x);
void route_metrics(struct exchange *x);
/* routes_stats.c */
void route_stats(struct exchange *x);
/* routes_health.c */
void route_health(struct exchange *x);
void route_live(struct exchange *x);
void route_ready(struct exchange *x);
void route_leader(struct exchange *x);
void route_replica(struct exchange *x);
void route_read_only(struct exchange *x);
/* routes_watch.c */
void route_watch(struct exchange *x);

/* Adds "size", "root"?, "leaf_hash" and "hashes" of the inclusion of entry seq; see routes_proof.c.
 * Pool threads. */
RESULT_MUST_BE_USED int proof_of_entry(struct blockdb *db, uint64_t seq, struct json_writer *w,
                                       struct error *err);
