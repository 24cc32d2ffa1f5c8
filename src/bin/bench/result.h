/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Results: what each run of a workload measured, and medians over rounds.
 *
 * Threads:   one thread.
 * Ownership: the list owns its results; names are borrowed from static tables.
 */
#pragma once

#include "base/histogram.h"
#include "bin/bench/bench_engine.h"
#include "bin/bench/meter.h"

struct workload;

/* With more processors than this used by others a result is marked. */
#define RESULT_NOISE_CORES 0.25

struct latency {
    uint64_t p50_ns, p90_ns, p99_ns, p999_ns, p9999_ns, max_ns;
    double mean_ns;
};

struct result {
    const struct bench_engine *engine;
    const struct workload *workload;
    const char *part; /* "", or what of it: "writer" (the thread behind the others), "reads",
                         "writes" */
    unsigned threads;
    unsigned round; /* from 1 */

    uint64_t ops;
    uint64_t entries;
    uint64_t user_bytes; /* keys and values that went in or came out */
    uint64_t elapsed_ns;
    uint64_t cpu_ns;
    struct latency latency;
    double rate;   /* open loop: operations a second that were due; 0: closed loop */
    uint64_t late; /* open loop: began late, and did not begin at all */
    uint64_t missed;

    uint64_t settle_ns;     /* from the last operation until the engine came to rest */
    uint64_t settle_cpu_ns; /* used meanwhile */
    uint64_t written_bytes; /* to the disk, until it came to rest */
    uint64_t peak_bytes;    /* of resident memory */
    double others_cores;    /* that other processes kept busy meanwhile */
    struct disk_usage disk; /* when it came to rest */
    bool has_stats;         /* BlockDB: counters of this workload alone */
    struct blockdb_stats stats;
};

struct results {
    struct result *items;
    size_t count;
    size_t cap;
};

void results_deinit(struct results *results);
/* Copies result to the end. ENOMEM leaves the list as it was. */
RESULT_MUST_BE_USED int results_add(struct results *results, const struct result *result);
void latency_of(const struct histogram *h, struct latency *out);

double result_ops_per_s(const struct result *result);
/* 0 when it wrote nothing. */
double result_write_amplification(const struct result *result);

/* Whether two results measure the same: they may differ in engine and round. */
bool result_same_row(const struct result *a, const struct result *b);
/* Whether no result before the i-th is the same row. */
bool results_starts_row(const struct results *results, size_t i);

/* One workload of one engine over all rounds. */
struct summary {
    unsigned rounds;
    double ops_per_s, min_ops_per_s, max_ops_per_s; /* median, least, most */
    double p50_ns, p99_ns, p999_ns;                 /* medians */
    double cpu_ns_per_op;                           /* with the work in the background after it */
    double write_amplification;
    double disk_bytes;
    double peak_bytes;
    double others_cores; /* most */
};
/* Sums up the results of one engine that are the same row as `row`; rounds 0: there are none. */
void results_summarise(const struct results *results, const struct result *row,
                       const struct bench_engine *engine, struct summary *out);
