/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Base64 of RFC 4648 section 4, with padding, strict: one text for each value.
 *
 * Threads: caller locks the buf.
 */
#pragma once

#include "base/bytes.h"

/* How many characters len bytes become. */
static inline size_t base64_len(size_t len_bytes)
{
    return (len_bytes + 2) / 3 * 4;
}

/* Appends the text of bytes; ENOMEM leaves out unchanged. */
RESULT_MUST_BE_USED int base64_append(struct buf *out, struct slice bytes);

/* Appends the bytes of text. EINVAL: a character outside the alphabet, wrong padding, bits that do
 * not belong to a byte; ENOMEM. Both leave out unchanged. */
RESULT_MUST_BE_USED int base64_parse(struct buf *out, struct slice text);

/* The same into and out of the caller's memory, without allocating. */

/* Writes base64_len(bytes.len) characters to out, and no zero. */
void base64_format(char *out, struct slice bytes);
/* How many bytes text stands for. EINVAL as above; on failure *out_len is untouched. */
RESULT_MUST_BE_USED int base64_check(struct slice text, size_t *out_len);
/* Writes the len bytes that text stands for to out. EINVAL as above, or not of so many bytes; out
 * is untouched then. */
RESULT_MUST_BE_USED int base64_decode(struct slice text, void *out, size_t len);
