/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Merges: picks a job that touches no busy table, runs it, installs its outcome.
 *
 * Threads: the merge threads.
 */
#pragma once

#include "base/error.h"

#include <blockdb/blockdb.h>

/* ENOTFOUND (without message): nothing to do now. Other codes as in merge.h and install.h. */
RESULT_MUST_BE_USED int merges_run_one(struct blockdb *db, struct error *err);
