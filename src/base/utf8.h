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

/* Whether text starts with a character that would do something to a terminal instead of being
 * shown: controls of ASCII and of U+0080 to U+009F, line separators, changes of direction. text
 * starts with a character. */
bool utf8_is_control(struct slice text);

/* Writes the bytes of a stranger to out, of cap bytes (at least 16), for people to read: characters
 * as they are, controls and what is no UTF-8 as \xNN. What does not fit is cut as by utf8_cut(). */
void utf8_show(struct slice text, char *out, size_t cap);

/* Ends a text that was cut after len bytes in "...", behind its last whole word or, when that is
 * far, its last whole character. len is at least 8. */
void utf8_cut(char *text, size_t len);
