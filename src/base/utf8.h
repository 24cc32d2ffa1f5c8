/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UTF-8: well-formed as in RFC 3629: shortest form, no surrogates, at most U+10FFFF.
 *
 * Threads: immutable.
 */
#pragma once

#include "base/bytes.h"

#include <stdbool.h>

/* The length of the character that text starts with; 0 when text is empty or starts with none. */
size_t utf8_character_len(struct slice text);

/* Whether text is well-formed from end to end; an empty text is. */
bool utf8_valid(struct slice text);
