/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decodes a body that comes in chunks (RFC 9112 section 7.1), piece by piece.
 *
 *   size --> data --> end of data --> size ... --> last chunk --> trailers --> done
 *
 * Extensions and trailer fields are checked for their form and ignored. Lines end in CR LF and
 * nothing else; sizes are 1 to 16 hexadecimal digits.
 *
 * CHUNK-1  What is taken from the input never goes beyond the end of the body.
 * CHUNK-2  The decoded body, and all that is not data, have maxima.
 *
 * Threads:   one thread.
 * Ownership: appends to the caller's buf.
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"

/* Extensions and trailers of one body together. */
#define CHUNKED_EXTRA_MAX 8192

enum chunked_state {
    CHUNKED_SIZE_START, /* the first digit */
    CHUNKED_SIZE,
    CHUNKED_EXTENSION,
    CHUNKED_SIZE_LF, /* the CR was there */
    CHUNKED_DATA,
    CHUNKED_DATA_CR,
    CHUNKED_DATA_LF,
    CHUNKED_TRAILER_START, /* a field, or the end */
    CHUNKED_TRAILER_NAME,
    CHUNKED_TRAILER_VALUE,
    CHUNKED_TRAILER_LF,
    CHUNKED_END_LF,
    CHUNKED_DONE,
};

/* Zeroed memory is the beginning of a body. */
struct chunked {
    enum chunked_state state;
    unsigned digit_count;
    uint64_t left; /* of the chunk */
    size_t extra;  /* bytes of extensions and trailers so far */
};

/* Decodes input as far as it goes, appends to body at most up to body_max bytes in all, and tells
 * how much of input was taken. EINVAL: malformed; ELIMIT: longer than body_max, or too much that is
 * not data; ENOMEM. After an error the body cannot be decoded any further. */
RESULT_MUST_BE_USED int chunked_decode(struct chunked *c, struct slice input, size_t body_max,
                                       struct buf *body, size_t *out_taken);
static inline bool chunked_is_done(const struct chunked *c)
{
    return c->state == CHUNKED_DONE;
}
