/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plan: what one command line of blockdb-bench asks for.
 *
 * Threads:   immutable once parsed.
 * Ownership: borrows argv; owns its list of workloads.
 */
#pragma once

#include "base/error.h"
#include "bin/bench/workload.h"

#include <blockdb/blockdb.h>
#include <stdbool.h>
#include <stdint.h>

#define PLAN_SETS_MAX 64
#define PLAN_ENGINES_MAX 8
#define PLAN_WORKLOADS_MAX 64
#define PLAN_THREADS_MAX 10000
#define PLAN_BATCH_MAX 100000

/* One item of --workloads: "fillsync:16". */
struct plan_item {
    const struct workload *workload;
    unsigned threads;
    double rate;          /* 0: the plan's */
    uint64_t duration_ms; /* 0: the plan's */
    uint64_t steps;       /* 0: as many as the plan's keys or reads */
};

struct plan {
    bool compare;
    bool targets;
    bool help;
    bool version;
    bool json;
    bool keep;
    const char *histogram; /* the file of a histogram log, or NULL */
    const char *json_file; /* where JSON is written besides, or NULL */
    char *crash_child;     /* the database that this process fills without closing it, or NULL */

    const char *db; /* the directory below which databases are made */
    uint64_t num;
    uint64_t reads;
    uint64_t threads;
    uint64_t key_len;
    uint64_t value_len;
    uint64_t batch;
    uint64_t pipeline;
    uint64_t seed;
    uint64_t duration_ms; /* 0: by number of operations */
    uint64_t rounds;
    uint64_t cache_bytes;
    uint64_t write_buffer_bytes;
    uint64_t bloom_bits;
    const char *compression;
    uint64_t rate; /* operations a second, 0: as fast as they are answered */
    enum blockdb_durability durability;
    bool has_durability; /* it was named */

    const char *url; /* a server that runs already, or NULL: by HTTP, by the Redis protocol */
    const char *redis;
    bool allow_live;    /* to write to it */
    bool own_server;    /* --server */
    const char *server; /* the program to start, or NULL */
    const char *token_file;

    const struct bench_engine *engines[PLAN_ENGINES_MAX];
    unsigned engine_count;
    struct plan_item items[PLAN_WORKLOADS_MAX];
    unsigned item_count;
    const char *set[PLAN_SETS_MAX];
    unsigned set_count;
    char *const *argv; /* of the whole program, for the child of `recover` */
};

/* Parses argv, which starts with the program's name. EINVAL and EUNSUPPORTED say what is wrong. */
RESULT_MUST_BE_USED int plan_parse(struct plan *plan, int argc, char *const *argv,
                                   struct error *err);
/* Prints what the program does and every option. */
void plan_print_help(void);
/* "none" "interval" "group" "always" */
const char *durability_name(enum blockdb_durability durability);
