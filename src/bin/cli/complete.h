/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a word in the shell may become: commands, options, their choices, and keys by prefix.
 *
 * Threads: one thread.
 */
#pragma once

#include "bin/cli/line_editor.h"

/* A line_complete_fn whose context is the struct cli of the shell. */
void shell_complete(void *cli, struct slice line, struct line_candidates *candidates);
