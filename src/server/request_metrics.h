/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Request metrics: how often each kind of request ended how, and how long it took.
 *
 * A kind is a route of HTTP or a command of the Redis protocol, an outcome a status code or the
 * like; both are fixed when the counters are made. Each loop counts for itself and a scrape adds
 * up, so that counting costs a few plain stores.
 *
 * RMET-1  Only the thread of a shard records in it; anybody may write all of it out.
 *
 * Threads:   record: the shard's thread; write: any thread.
 * Ownership: borrows labels and names, which are static.
 */
#pragma once

#include "base/metrics_writer.h"

struct request_metrics;

struct request_metrics_options {
    unsigned shard_count;
    const struct metrics_labels *kinds; /* at most METRICS_LABELS_MAX - 2 labels each */
    size_t kind_count;
    const char *outcome_label; /* "code" */
    const char *const *outcomes;
    size_t outcome_count;
    const char *count_name; /* "blockdb_http_requests_total" */
    const char *count_help;
    const char *duration_name; /* "blockdb_http_request_duration_seconds" */
    const char *duration_help;
};

/* ENOMEM. */
RESULT_MUST_BE_USED int request_metrics_new(const struct request_metrics_options *options,
                                            struct request_metrics **out);
/* NULL is fine. */
void request_metrics_free(struct request_metrics *m);

void request_metrics_record(struct request_metrics *m, unsigned shard, size_t kind, size_t outcome,
                            uint64_t duration_ns);
/* Requests recorded so far. */
uint64_t request_metrics_count(const struct request_metrics *m);
/* Writes both families; kinds and outcomes that never occurred are left out. */
void request_metrics_write(const struct request_metrics *m, struct metrics_writer *w);
