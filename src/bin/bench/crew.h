/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Crew: the threads of one workload, started together, timed operation by operation.
 *
 * Threads:   crew_run() from one thread.
 * Ownership: everything is freed when crew_run() returns.
 */
#pragma once

#include "base/histogram.h"
#include "bin/bench/workload.h"

struct os;

struct crew_job {
    struct os *os;
    struct worker pattern; /* what the workers have in common; session and buffers are made */
    void *db;
    unsigned threads;
    uint64_t steps;       /* of all threads together */
    uint64_t duration_ns; /* 0: until the steps are done */
    const char *title;    /* of the progress shown; NULL: none */
};

struct crew_outcome {
    uint64_t steps;
    uint64_t entries;
    uint64_t bytes;
    uint64_t elapsed_ns;
    struct histogram latency;
};

/* Runs the job. *out_behind is for the thread behind the others, zeroed without one. The first
 * failure of any thread stops all; ECANCELED after Ctrl-C. */
RESULT_MUST_BE_USED int crew_run(const struct crew_job *job, struct crew_outcome *out,
                                 struct crew_outcome *out_behind, struct error *err);
