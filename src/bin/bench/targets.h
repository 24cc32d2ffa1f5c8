/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Targets: a server measured against what a single node promises.
 *
 *     write throughput   200 operations a second or more, acknowledged as the server is set up
 *     read latency       below 5 ms  \  of 99 of 100 operations, in an open loop at half of the
 *     write latency      below 20 ms /  throughput that a closed loop reached
 *     memory             below 1 GiB, at its peak during all of this
 *
 * Threads: one thread.
 */
#pragma once

#include "bin/bench/dataset.h"
#include "bin/bench/plan.h"
#include "bin/cli/out.h"

#define TARGETS_VALUE_LEN 2048
#define TARGETS_DURATION_MS 3000

struct os;

struct targets_job {
    struct os *os;
    const struct plan *plan;
    const struct dataset *data;
    const char *dir; /* where a server of our own has its files */
};

/* Measures and prints the table, or JSON. *out_passed: whether no target was missed. ECANCELED
 * after Ctrl-C. */
RESULT_MUST_BE_USED int targets_run(const struct targets_job *job, struct out *out,
                                    bool *out_passed, struct error *err);

/* The value of a metric without labels in the text that /metrics gives; 0 when it is not there. */
double targets_metric(struct slice text, const char *name);
