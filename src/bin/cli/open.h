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

/* Opens the database as the command wants it, and compares it with its pin. EBUSY when another
 * process kept it for longer than
 * --wait; EINVAL without --data-dir. ETAMPERED as in pin.h; the database is open then. */
RESULT_MUST_BE_USED int cli_open(struct cli *cli, struct error *err);

/* Closes the database and pins its head. */
RESULT_MUST_BE_USED int cli_close(struct cli *cli, struct error *err);
