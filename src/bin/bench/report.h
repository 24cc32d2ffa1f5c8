/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reports: results as tables for people and as JSON.
 *
 * Threads: one thread.
 */
#pragma once

#include "bin/bench/plan.h"
#include "bin/bench/result.h"
#include "bin/cli/out.h"

struct report {
    const struct plan *plan;
    const struct results *results;
    uint64_t time_ms; /* when the run began */
};

/* One line of the table of a run, while it goes on. */
void report_print_header(struct out *out);
void report_print_result(struct out *out, const struct result *result);
/* Space and memory after the last workload of each engine. */
void report_print_space(struct out *out, const struct report *report);
/* Medians of all engines side by side. */
void report_print_comparison(struct out *out, const struct report *report);
/* All of it. */
void report_print_json(struct out *out, const struct report *report);
