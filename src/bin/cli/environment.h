/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the environment says to blockdb-cli.
 *
 * Threads:   immutable.
 * Ownership: borrows the environment, which is as in main().
 */
#pragma once

#include "base/error.h"

/* The value of a variable, borrowed; NULL: not set. */
const char *environment_value(char *const *environment, const char *name);
/* The path of the file of profiles, owned; NULL with 0 when there is nowhere to look. ENOMEM. */
RESULT_MUST_BE_USED int environment_profiles_path(char *const *environment, char **out);
