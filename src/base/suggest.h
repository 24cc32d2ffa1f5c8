/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "Did you mean ...": the known name nearest to a mistyped one.
 *
 * Nearest is the fewest insertions, deletions, replacements and swaps of neighbours; capital
 * letters count as small ones. A name further away than a third of its length is no suggestion.
 *
 * Threads: immutable.
 */
#pragma once

#include <stddef.h>

/* Words longer than this are never near. */
#define SUGGEST_WORD_MAX 48

/* How many edits lie between a and b; both are cut at SUGGEST_WORD_MAX bytes. */
size_t suggest_distance(const char *a, const char *b);

/* The i-th known name. */
typedef const char *(*suggest_name_fn)(const void *context, size_t index);

/* The nearest of count names, borrowed from name_fn; NULL when none is near. */
const char *suggest_nearest(const char *word, size_t count, suggest_name_fn name_fn,
                            const void *context);
