/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configures a run of the command line and opens its database, waiting for other processes.
 *
 * Threads: one thread.
 */
#pragma once

#include "base/error.h"

struct cli;

/* Applies --config, the environment, --set and --data-dir, in this order. */
RESULT_MUST_BE_USED int cli_configure(struct cli *cli, char *const *environment, struct error *err);

/* Opens the database as the command wants it. EBUSY when another process kept it for longer than
 * --wait; EINVAL without --data-dir. */
RESULT_MUST_BE_USED int cli_open(struct cli *cli, struct error *err);
