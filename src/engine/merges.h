/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Merges: picks a job that touches no busy table, runs it, installs its outcome.
 *
 * Threads: the merge threads.
 */
#pragma once

#include "base/error.h"

#include <blockdb/blockdb.h>

/* Writes a table anew, without the inline values that are to be forgotten, and removes its file.
 * Waits for a merge that reads it; does nothing when that, or another, took it out of force. */
RESULT_MUST_BE_USED int merges_rewrite_table(struct blockdb *db, uint64_t number,
                                             struct error *err);

/* ENOTFOUND (without message): nothing to do now. Other codes as in merge.h and install.h. */
RESULT_MUST_BE_USED int merges_run_one(struct blockdb *db, struct error *err);
