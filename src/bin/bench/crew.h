/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Crew: the threads of one workload, started together, timed operation by operation.
 *
 * Closed loop: each thread begins an operation when its last one has ended. Open loop: each begins
 * when it is due (schedule.h), or as soon as the thread is free after that, and latency counts from
 * the time it was due.
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
    double rate;          /* steps a second of all threads together; 0: closed loop */
    const char *title;    /* of the progress shown; NULL: none */
};

struct crew_outcome {
    uint64_t steps;
    uint64_t entries;
    uint64_t bytes;
    uint64_t elapsed_ns;
    uint64_t late;   /* open loop: began more than SCHEDULE_LATE_NS after they were due */
    uint64_t missed; /* open loop: were due before the time was up and never began */
    struct histogram latency;
};

enum crew_part {
    CREW_ALL,    /* the threads of the workload */
    CREW_BEHIND, /* the thread behind them; zeroed without one */
    CREW_READS,  /* of workloads that mix: what their steps said they were; else zeroed */
    CREW_WRITES,
    CREW_PARTS
};

/* Runs the job and fills out. The first failure of any thread stops all; ECANCELED after Ctrl-C. */
RESULT_MUST_BE_USED int crew_run(const struct crew_job *job, struct crew_outcome out[CREW_PARTS],
                                 struct error *err);
