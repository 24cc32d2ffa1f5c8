/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The line editor of the shell: libedit, loaded when a shell starts on a terminal, so that plain
 * commands do not pay for it.
 *
 * Threads:   one thread.
 * Ownership: borrows its options until freed.
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"

#include <stdbool.h>

struct line_editor;

/* What the word before the cursor may become. */
struct line_candidates {
    struct buf words; /* each ends in a zero byte */
    size_t count;
    size_t word_len;  /* bytes before the cursor that a candidate replaces */
    const char *hint; /* shown when there is no candidate; static; may be NULL */
};

/* Adds a candidate; short memory drops it. */
void line_candidates_add(struct line_candidates *candidates, struct slice word);

/* Fills candidates for the line up to the cursor. */
typedef void (*line_complete_fn)(void *context, struct slice line,
                                 struct line_candidates *candidates);

struct line_editor_options {
    const char *prompt;
    const char *history_path; /* NULL: keep none */
    line_complete_fn complete;
    void *context;
};

/* NULL when out of memory or libedit is not installed. */
struct line_editor *line_editor_new(const struct line_editor_options *options);
/* Saves the history. NULL does nothing. */
void line_editor_free(struct line_editor *editor);

/* Reads a line without its end, borrowed until the next call. ENOTFOUND at the end of input,
 * ECANCELED when Ctrl-C dropped the line. */
RESULT_MUST_BE_USED int line_editor_read(struct line_editor *editor, struct slice *out);
