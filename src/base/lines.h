/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text from outside, line by line: each line ends in a newline, the last one too.
 *
 * Threads:   caller locks.
 * Ownership: borrows the text.
 */
#pragma once

#include "base/bytes.h"

struct lines {
    struct slice left; /* what was not read yet */
    size_t number;     /* of the line read last, from 1; 0 before the first */
};

static inline struct lines lines_of(struct slice text)
{
    return (struct lines){.left = text, .number = 0};
}

/* Whether a line, or a part of one, is left. */
static inline bool lines_left(const struct lines *lines)
{
    return lines->left.len > 0;
}

/* Takes the next line without its newline. False at the end, and where the rest has no newline. */
bool lines_next(struct lines *lines, struct slice *out);

/* Takes what precedes the first `separator` of *text, and the separator, off *text. False, with
 * nothing taken, when there is none. */
bool slice_take_until(struct slice *text, char separator, struct slice *out);
