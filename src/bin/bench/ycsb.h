/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The core workloads A to F of YCSB, as its paper defines them, with one value for its ten fields.
 *
 *        reads                  writes                        choice of keys
 *     A  50 %                   50 % new versions             Zipf
 *     B  95 %                    5 % new versions             Zipf
 *     C  100 %                                                Zipf
 *     D  95 %                    5 % new keys                 the latest most
 *     E  95 % scans of 1 to 100  5 % new keys                 Zipf
 *     F  50 %                   50 % read, change and write,  Zipf
 *                                only when nobody else wrote between
 *
 * Frequent keys lie scattered among the others.
 *
 * Threads: steps of workload.h.
 */
#pragma once

#include "bin/bench/workload.h"

RESULT_MUST_BE_USED int ycsb_step_a(struct worker *w, uint64_t n, struct error *err);
RESULT_MUST_BE_USED int ycsb_step_b(struct worker *w, uint64_t n, struct error *err);
RESULT_MUST_BE_USED int ycsb_step_c(struct worker *w, uint64_t n, struct error *err);
RESULT_MUST_BE_USED int ycsb_step_d(struct worker *w, uint64_t n, struct error *err);
RESULT_MUST_BE_USED int ycsb_step_e(struct worker *w, uint64_t n, struct error *err);
RESULT_MUST_BE_USED int ycsb_step_f(struct worker *w, uint64_t n, struct error *err);
