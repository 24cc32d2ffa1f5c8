/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trial: one engine with its database, through the workloads of one round.
 *
 * Threads:   one thread; it starts and joins those of the workloads.
 * Ownership: owns its directory and the open engine; borrows plan, data and results.
 */
#pragma once

#include "bin/bench/dataset.h"
#include "bin/bench/mix.h"
#include "bin/bench/plan.h"
#include "bin/bench/result.h"

struct bench_key;
struct os;

enum trial_state {
    TRIAL_CLOSED,   /* no database */
    TRIAL_EMPTY,    /* open and empty */
    TRIAL_PARTIAL,  /* some keys */
    TRIAL_KEYS,     /* all keys */
    TRIAL_VERSIONS, /* all keys, all with two versions or more */
};

struct trial {
    struct os *os;
    const struct plan *plan;
    const struct dataset *data;
    const struct bench_engine *engine;
    struct results *results;
    unsigned round;

    char *dir;
    void *db;              /* NULL: closed */
    struct bench_key *key; /* the engine signs with it; NULL: it does not */
    enum trial_state state;
    unsigned generation;    /* of the values that the last workload wrote */
    struct buf *histograms; /* where histograms go as text (hdr_log.h); NULL: nowhere */
    struct mix mix;
    uint64_t seq_low; /* engines with versions: all keys exist as of this entry */
};

/* Runs all workloads of the plan on one engine below dir and appends their results. Removes its
 * database unless the plan keeps it. ECANCELED after Ctrl-C. */
RESULT_MUST_BE_USED int trial_run(struct trial *trial, const char *dir, struct error *err);

/* The same in steps: opens an empty database below dir; runs one item and appends its results;
 * closes and removes the database, and returns rc or what failed then. trial_end() must follow also
 * after a failure of trial_begin(). */
RESULT_MUST_BE_USED int trial_begin(struct trial *trial, const char *dir, struct error *err);
/* Brings the database into the state that a workload starts from, as trial_run_item() also does. */
RESULT_MUST_BE_USED int trial_prepare(struct trial *trial, const struct workload *workload,
                                      struct error *err);
RESULT_MUST_BE_USED int trial_run_item(struct trial *trial, const struct plan_item *item,
                                       struct error *err);
RESULT_MUST_BE_USED int trial_end(struct trial *trial, int rc, struct error *err);

/* For whole workloads: opens and closes the engine on trial->dir. */
RESULT_MUST_BE_USED int trial_open(struct trial *trial, struct error *err);
RESULT_MUST_BE_USED int trial_close(struct trial *trial, struct error *err);
