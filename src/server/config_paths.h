/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files and directories that a configuration names: whether they can be what they are named
 * for. What is in them is looked at by those who read them.
 *
 * Threads: any thread.
 */
#pragma once

#include "base/error.h"

struct config;
struct os;

/* Looks at each key that is a path and not empty. ENOTFOUND: something is missing; EDENIED: it
 * cannot be written; EINVAL: a file where a directory must be, or a directory where a file must be.
 * The message names file and line of the key (unless a flag or the environment set it), key and
 * value, and what to do. */
RESULT_MUST_BE_USED int config_paths_check(struct os *os, const struct config *config,
                                           struct error *err);
