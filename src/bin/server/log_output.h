/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where log lines go: standard error, or a file that can be opened anew after it was renamed.
 *
 * LOGO-1  Reopening replaces what the descriptor stands for in one step, so no line is lost or
 *         written to a closed file.
 *
 * Threads:   log_output_write() any thread; the rest one thread.
 * Ownership: owns its descriptor and path.
 */
#pragma once

#include "base/error.h"

#include <stddef.h>

struct log_output {
    int fd;     /* never changes once open */
    char *path; /* owned; NULL: standard error */
};

/* path "": standard error. EDENIED, ENOTFOUND (its directory), EIO, ENOMEM. */
RESULT_MUST_BE_USED int log_output_open(struct log_output *output, const char *path,
                                        struct error *err);
void log_output_close(struct log_output *output);
/* The same file by its name, which may be another file now. Keeps the old one on failure. */
RESULT_MUST_BE_USED int log_output_reopen(struct log_output *output, struct error *err);
/* Another file from now on. Keeps the old one on failure. */
RESULT_MUST_BE_USED int log_output_move(struct log_output *output, const char *path,
                                        struct error *err);
/* As logger_sink_fn; context is the log_output. */
void log_output_write(void *context, const char *line, size_t len);
