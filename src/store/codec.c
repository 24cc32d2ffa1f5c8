/* SPDX-License-Identifier: Apache-2.0 */
#include "store/codec.h"

#include "base/mem.h"

#include <limits.h>
#include <lz4.h>
#include <snappy-c.h>
#include <zstd.h>

#define ZSTD_LEVEL_DEFAULT 3
#define SAVING_DIVISOR 8 /* compression must save an eighth to be worth decompressing */

static const char *const codec_names[CODEC_COUNT] = {"none", "snappy", "lz4", "zstd"};

struct compressor {
    enum codec codec;
    int level;
    ZSTD_CCtx *zstd; /* with CODEC_ZSTD */
    void *lz4;       /* with CODEC_LZ4 */
};

const char *codec_name(unsigned codec)
{
    return codec < CODEC_COUNT ? codec_names[codec] : "unknown";
}

int codec_of_name(const char *name, enum codec *out_codec)
{
    unsigned codec;

    for (codec = 0; codec < CODEC_COUNT; codec++) {
        if (strcmp(name, codec_names[codec]) == 0) {
            *out_codec = (enum codec)codec;
            return BLOCKDB_OK;
        }
    }
    return BLOCKDB_EINVAL;
}

struct compressor *compressor_new(enum codec codec, int level)
{
    struct compressor *c = mem_calloc(1, sizeof(*c));

    if (c == NULL) {
        return NULL;
    }
    c->codec = codec;
    c->level = level == CODEC_LEVEL_DEFAULT ? ZSTD_LEVEL_DEFAULT : level;
    if (codec == CODEC_LZ4) {
        c->lz4 = mem_alloc_aligned(sizeof(uint64_t), (size_t)LZ4_sizeofState());
    } else if (codec == CODEC_ZSTD) {
        c->zstd = ZSTD_createCCtx();
    }
    if ((codec == CODEC_LZ4 && c->lz4 == NULL) || (codec == CODEC_ZSTD && c->zstd == NULL)) {
        compressor_free(c);
        return NULL;
    }
    return c;
}

void compressor_free(struct compressor *compressor)
{
    if (compressor == NULL) {
        return;
    }
    (void)ZSTD_freeCCtx(compressor->zstd); /* fails for static contexts only */
    mem_free(compressor->lz4);
    mem_free(compressor);
}

/* The most that a codec may make of len bytes; 0 when it cannot take so many. */
static size_t bound(enum codec codec, size_t len)
{
    switch (codec) {
    case CODEC_NONE:
        return len;
    case CODEC_SNAPPY:
        return snappy_max_compressed_length(len);
    case CODEC_LZ4:
        return len <= LZ4_MAX_INPUT_SIZE ? (size_t)LZ4_compressBound((int)len) : 0;
    case CODEC_ZSTD:
        return ZSTD_compressBound(len);
    }
    return 0;
}

/* Returns the compressed length, or 0 when the codec could not do it within cap bytes. */
static size_t compress(struct compressor *c, struct slice raw, uint8_t *out, size_t cap)
{
    size_t len = cap;

    switch (c->codec) {
    case CODEC_NONE:
        return 0;
    case CODEC_SNAPPY:
        return snappy_compress((const char *)raw.data, raw.len, (char *)out, &len) == SNAPPY_OK
                   ? len
                   : 0;
    case CODEC_LZ4:
        return (size_t)LZ4_compress_fast_extState(c->lz4, (const char *)raw.data, (char *)out,
                                                  (int)raw.len, (int)cap, 1);
    case CODEC_ZSTD:
        len = ZSTD_compressCCtx(c->zstd, out, cap, raw.data, raw.len, c->level);
        return ZSTD_isError(len) ? 0 : len;
    }
    return 0;
}

int compressor_run(struct compressor *compressor, struct slice raw, struct buf *out,
                   enum codec *out_codec)
{
    size_t cap = raw.len > 0 ? bound(compressor->codec, raw.len) : 0;
    size_t len;

    if (cap < raw.len) {
        cap = raw.len;
    }
    if (buf_reserve(out, cap) < 0) {
        return BLOCKDB_ENOMEM;
    }
    len = raw.len > 0 ? compress(compressor, raw, out->data + out->len, cap) : 0;
    if (len > 0 && len <= raw.len - raw.len / SAVING_DIVISOR) {
        out->len += len;
        *out_codec = compressor->codec;
        return BLOCKDB_OK;
    }
    *out_codec = CODEC_NONE;
    return buf_append_slice(out, raw);
}

static bool decompress_snappy(struct slice stored, uint8_t *raw, size_t raw_len)
{
    const char *in = (const char *)stored.data;
    size_t len = 0;

    return snappy_uncompressed_length(in, stored.len, &len) == SNAPPY_OK && len == raw_len &&
           snappy_uncompress(in, stored.len, (char *)raw, &len) == SNAPPY_OK && len == raw_len;
}

static bool decompress_lz4(struct slice stored, uint8_t *raw, size_t raw_len)
{
    return stored.len <= INT_MAX && raw_len <= INT_MAX &&
           LZ4_decompress_safe((const char *)stored.data, (char *)raw, (int)stored.len,
                               (int)raw_len) == (int)raw_len;
}

int codec_decompress(unsigned codec, struct slice stored, uint8_t *raw, size_t raw_len)
{
    bool good = false;

    if (codec == CODEC_NONE) {
        good = stored.len == raw_len;
        if (good && raw_len > 0) {
            memcpy(raw, stored.data, raw_len);
        }
    } else if (codec == CODEC_SNAPPY) {
        good = decompress_snappy(stored, raw, raw_len);
    } else if (codec == CODEC_LZ4) {
        good = decompress_lz4(stored, raw, raw_len);
    } else if (codec == CODEC_ZSTD) {
        good = ZSTD_decompress(raw, raw_len, stored.data, stored.len) == raw_len;
    }
    return good ? BLOCKDB_OK : BLOCKDB_ECORRUPT;
}
