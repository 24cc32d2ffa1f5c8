/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ctrl-C: the first asks a command to stop and close cleanly, the second ends the process at once.
 *
 * Threads: any thread.
 */
#pragma once

#include <stdbool.h>

/* Catches SIGINT and SIGTERM, ignores SIGPIPE. */
void signals_start(void);
/* Whether a stop was asked for since the last signals_reset(). */
bool signals_stop_asked(void);
/* Forgets it, for the next command of a shell. */
void signals_reset(void);
/* Dies of SIGPIPE, as other programs do whose reader went away. Returns only if that fails. */
void signals_die_of_pipe(void);
