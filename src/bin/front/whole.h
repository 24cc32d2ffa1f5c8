/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole program behind the front: blockdb-cli-whole, in the place where both are installed or
 * built.
 *
 * Threads: one thread.
 */
#pragma once

#include "bin/cli/write_id.h"

/* Becomes the whole program, with the same arguments, and with --request when id is not NULL.
 * Returns only when it cannot, which is told: the exit code. */
int whole_start(char *const *argv, const struct write_id *id, char *const *environment);
