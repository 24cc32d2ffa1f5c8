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
