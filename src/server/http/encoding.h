/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Content codings of answers: which one a client takes, and how it is made.
 *
 * Threads:   any thread.
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"

/* Below this an answer is as it is; up to the second it is coded on the loop, beyond on the pool.
 */
#define ENCODING_LEN_MIN 1024
#define ENCODING_LOOP_MAX 8192

enum encoding {
    ENCODING_NONE,
    ENCODING_GZIP,
    ENCODING_ZSTD,
};

/* The best coding that the value of Accept-Encoding allows: zstd, then gzip. */
enum encoding encoding_choose(struct slice accept);
/* "gzip", "zstd"; NULL for none. */
const char *encoding_name(enum encoding encoding);
/* Appends bytes in that coding. ELIMIT: it would not become smaller; ENOMEM. out is unchanged on
 * failure. */
RESULT_MUST_BE_USED int encoding_append(enum encoding encoding, struct slice bytes,
                                        struct buf *out);
