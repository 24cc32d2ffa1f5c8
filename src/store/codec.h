/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compression of pages behind one face. The only file that knows the compression libraries.
 *
 * Threads:   any thread; a compressor belongs to one thread at a time.
 * Format:    docs/format/table.md, "Codecs". The numbers are on disk: only ever added to.
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

enum codec {
    CODEC_NONE = 0,
    CODEC_SNAPPY = 1,
    CODEC_LZ4 = 2,
    CODEC_ZSTD = 3,
};
#define CODEC_COUNT 4

#define CODEC_LEVEL_DEFAULT 0 /* zstd: 1 .. 22, 0 is 3; the others ignore the level */

/* "none", "snappy", "lz4", "zstd"; "unknown" for other numbers. */
const char *codec_name(unsigned codec);
/* The number of a name, EINVAL when unknown. */
RESULT_MUST_BE_USED int codec_of_name(const char *name, enum codec *out_codec);

/* Working memory of one codec, reused from page to page. */
struct compressor;
/* NULL when out of memory. NULL may be freed. */
struct compressor *compressor_new(enum codec codec, int level);
void compressor_free(struct compressor *compressor);
/* Appends raw, compressed, to out and sets *out_codec; where that saves less than an eighth,
 * appends raw as it is and sets CODEC_NONE. ENOMEM leaves out unchanged. */
RESULT_MUST_BE_USED int compressor_run(struct compressor *compressor, struct slice raw,
                                       struct buf *out, enum codec *out_codec);

/* Fills exactly raw_len bytes at raw. ECORRUPT when stored is not exactly that or codec is unknown;
 * never writes outside raw. No message: the caller knows path and offset. */
RESULT_MUST_BE_USED int codec_decompress(unsigned codec, struct slice stored, uint8_t *raw,
                                         size_t raw_len);
