/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Standard output: buffered, with a sticky failure, so that printing code need not look at each
 * step.
 *
 * Threads: one thread at a time.
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"

#include <stdbool.h>

struct out {
    struct buf pending; /* JSON writers may append to it directly */
    int fd;
    int status;      /* the first failure, 0 before */
    int errno_value; /* of the failed write */
};

void out_init(struct out *out, int fd);
void out_deinit(struct out *out);

void out_bytes(struct out *out, const void *data, size_t len);
void out_slice(struct out *out, struct slice bytes);
void out_text(struct out *out, const char *text);
void out_format(struct out *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Bytes as one line of text for people: control characters and what is not UTF-8 as \xNN, at most
 * columns_max characters (0: all), then "...". Returns how many characters were written. */
size_t out_escaped(struct out *out, struct slice bytes, size_t columns_max);

/* Records the outcome of something that appended to pending. */
void out_note(struct out *out, int status);
/* Writes what is pending when it is much. Call after each item. */
void out_breathe(struct out *out);
/* Whether nothing more can be printed. */
bool out_failed(const struct out *out);
/* Whether the reader of our output went away, which is no error of ours. */
bool out_pipe_broken(const struct out *out);
/* Writes all that is pending. EIO and others when this or an earlier step failed. */
RESULT_MUST_BE_USED int out_finish(struct out *out, struct error *err);
