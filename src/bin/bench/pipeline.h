/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Steps that send several commands at once and then take their answers in turn, as clients do that
 * pipeline. Unlike a batch each command stands for itself.
 *
 * Threads: steps of workload.h.
 */
#pragma once

#include "bin/bench/workload.h"

/* Puts the scattered keys from n * batch on. */
RESULT_MUST_BE_USED int pipeline_step_fill(struct worker *w, uint64_t n, struct error *err);
/* Gets as many random keys as a batch has. */
RESULT_MUST_BE_USED int pipeline_step_read(struct worker *w, uint64_t n, struct error *err);
