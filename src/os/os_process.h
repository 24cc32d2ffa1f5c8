/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running a command: the only place where this library starts a process.
 *
 * The command is run by /bin/sh in a process group of its own, with the input on its standard
 * input, which it can read more than once. Its standard error is ours. Nothing of ours is left
 * open in it.
 *
 * PROC-1  It is over when this returns: after the timeout, or when it prints too much, its group is
 *         killed.
 *
 * Threads:   any thread.
 * Ownership: borrows everything for the call.
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"

#include <stdint.h>

struct process_options {
    const char *command;
    struct slice input;
    size_t output_max; /* bytes */
    uint64_t timeout_ms;
};

/* Runs a command and appends what it prints to out. EIO: it could not be started, failed, or was
 * killed by a signal; ETIMEDOUT; ELIMIT: it printed more than output_max; ENOMEM. out may have
 * grown on failure. */
RESULT_MUST_BE_USED int process_run(const struct process_options *options, struct buf *out,
                                    struct error *err);
