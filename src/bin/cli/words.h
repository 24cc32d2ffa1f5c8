/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Splits a line of the shell into words: by spaces, with "..." and '...' quotes. Inside double
 * quotes \" and \\ and \n \t \xNN mean what they do in C; inside single quotes nothing is special.
 *
 * Threads:   one thread at a time.
 * Ownership: words own their text.
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"

#define WORDS_MAX 64

struct words {
    struct buf text; /* zero-terminated words, one behind the other */
    char *argv[WORDS_MAX];
    int argc;
};

void words_deinit(struct words *words);
/* Replaces words by those of line. EINVAL: a quote that does not end, a zero byte, too many. */
RESULT_MUST_BE_USED int words_split(struct words *words, struct slice line, struct error *err);
/* Appends text as one word that words_split() takes back. ENOMEM. */
RESULT_MUST_BE_USED int words_quote(struct buf *out, struct slice text);
