/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file or standard input as a stream: lines, or a window of bytes, with bounded memory.
 *
 * INPUT-1  Memory grows to the longest line or record only, never beyond INPUT_WINDOW_MAX.
 *
 * Threads:   one thread at a time.
 * Ownership: slices are borrowed until the next call.
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* A value of 16 MiB whose every byte is escaped as \u00XX, and a key, still fit. */
#define INPUT_WINDOW_MAX ((size_t)128 * 1024 * 1024)

struct os;

struct input {
    const char *name; /* for messages */
    FILE *file;
    struct buf window;    /* bytes read and not yet taken, from window_at */
    size_t window_at;     /* where they begin */
    bool ended;           /* nothing more to read */
    uint64_t line;        /* of the last line taken, from 1 */
    uint64_t bytes_done;  /* taken so far */
    uint64_t bytes_total; /* 0: unknown */
};

/* Opens path, "-" for standard input. On failure there is nothing to close. */
RESULT_MUST_BE_USED int input_open(struct input *in, struct os *os, const char *path,
                                   struct error *err);
void input_close(struct input *in);

/* The next line without its end (LF or CR LF). ENOTFOUND at the end, without a message; ELIMIT:
 * longer than the window may become. */
RESULT_MUST_BE_USED int input_line(struct input *in, struct slice *out, struct error *err);

/* What is in the window now; `ended` tells whether more may come. */
struct slice input_window(const struct input *in);
/* Reads more into the window; ELIMIT when it is full. At the end it only sets `ended`. */
RESULT_MUST_BE_USED int input_grow(struct input *in, struct error *err);
/* Drops len bytes from the front of the window. */
void input_take(struct input *in, size_t len);

/* Appends everything to out; ELIMIT beyond len_max, naming `what` is too long. */
RESULT_MUST_BE_USED int input_all(struct input *in, size_t len_max, const char *what,
                                  struct buf *out, struct error *err);
