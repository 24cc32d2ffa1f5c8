/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole workloads: those that are one operation on a whole database.
 *
 * Threads: one thread.
 */
#pragma once

#include "base/error.h"

struct trial;
struct result;
struct plan;

/* Verifies all evidence. */
RESULT_MUST_BE_USED int whole_verify(struct trial *trial, struct result *result, struct error *err);
/* Closes and opens again, several times. */
RESULT_MUST_BE_USED int whole_reopen(struct trial *trial, struct result *result, struct error *err);
/* Lets a child process fill the database and end without closing it, and opens it. */
RESULT_MUST_BE_USED int whole_recover(struct trial *trial, struct result *result,
                                      struct error *err);

/* The child: fills plan->crash_child and ends this process. Returns only on failure. */
RESULT_MUST_BE_USED int whole_crash(const struct plan *plan, struct error *err);
