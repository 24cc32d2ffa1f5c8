/* SPDX-License-Identifier: Apache-2.0 */
#include "server/http/encoding.h"

#include "base/assert.h"
#include "base/mem.h"
#include "server/http/request.h"

#include <zlib.h>
#include <zstd.h>

#define GZIP_LEVEL 1
#define GZIP_WINDOW_BITS (15 + 16) /* the largest window, and a header of gzip */
#define GZIP_MEMORY_LEVEL 8
#define ZSTD_LEVEL 1

/* ---- Choosing -------------------------------------------------------------------------------- */

static struct slice trim(struct slice s)
{
    while (s.len > 0 && (s.data[0] == ' ' || s.data[0] == '\t')) {
        s = slice_of(s.data + 1, s.len - 1);
    }
    while (s.len > 0 && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t')) {
        s.len--;
    }
    return s;
}

/* Splits s at the first byte `at`; what stands behind it becomes *rest, empty without one. */
static struct slice split(struct slice s, uint8_t at, struct slice *rest)
{
    const uint8_t *found = s.len > 0 ? memchr(s.data, at, s.len) : NULL;
    size_t len = found != NULL ? (size_t)(found - s.data) : s.len;

    *rest = found != NULL ? slice_of(found + 1, s.len - len - 1) : slice_of(NULL, 0);
    return slice_of(s.data, len);
}

/* Whether the weight of an element, as " q=0.000", is zero. */
static bool is_refused(struct slice weight)
{
    weight = trim(weight);
    if (weight.len < 3 || (weight.data[0] | 0x20) != 'q' || weight.data[1] != '=' ||
        weight.data[2] != '0') {
        return false;
    }
    for (size_t i = 3; i < weight.len; i++) {
        if (weight.data[i] != '.' && weight.data[i] != '0') {
            return false;
        }
    }
    return true;
}

enum encoding encoding_choose(struct slice accept)
{
    enum encoding best = ENCODING_NONE;

    while (accept.len > 0) {
        struct slice weight;
        struct slice element = split(accept, ',', &accept);
        struct slice name = trim(split(element, ';', &weight));

        if (is_refused(weight)) {
            continue;
        }
        if (http_equal_fold(name, "zstd")) {
            best = ENCODING_ZSTD;
        } else if (best == ENCODING_NONE && http_equal_fold(name, "gzip")) {
            best = ENCODING_GZIP;
        }
    }
    return best;
}

const char *encoding_name(enum encoding encoding)
{
    switch (encoding) {
    case ENCODING_GZIP:
        return "gzip";
    case ENCODING_ZSTD:
        return "zstd";
    case ENCODING_NONE:
        break;
    }
    return NULL;
}

/* ---- Coding ---------------------------------------------------------------------------------- */

/* What zlib allocates is ours to count and to fail. */
static void *gzip_alloc(void *context, unsigned count, unsigned item_bytes)
{
    (void)context;
    return mem_calloc(count, item_bytes);
}

static void gzip_release(void *context, void *p)
{
    (void)context;
    mem_free(p);
}

/* Into room bytes at at; how many it took, or 0 when it does not fit or there is no memory. */
static size_t gzip_into(struct slice bytes, uint8_t *at, size_t room)
{
    z_stream z = {.zalloc = gzip_alloc, .zfree = gzip_release};
    size_t len = 0;

    if (deflateInit2(&z, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW_BITS, GZIP_MEMORY_LEVEL,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
        return 0;
    }
    z.next_in = (z_const Bytef *)(uintptr_t)bytes.data; /* the library only reads it */
    z.avail_in = (uInt)bytes.len;
    z.next_out = at;
    z.avail_out = (uInt)room;
    if (deflate(&z, Z_FINISH) == Z_STREAM_END) {
        len = room - z.avail_out;
    }
    (void)deflateEnd(&z); /* tells only that output was left */
    return len;
}

static size_t zstd_into(struct slice bytes, uint8_t *at, size_t room)
{
    size_t len = ZSTD_compress(at, room, bytes.data, bytes.len, ZSTD_LEVEL);

    return ZSTD_isError(len) ? 0 : len;
}

int encoding_append(enum encoding encoding, struct slice bytes, struct buf *out)
{
    size_t room = bytes.len - bytes.len / 16; /* less gain is not worth a client's work */
    size_t len;
    int rc;

    ASSERT(encoding != ENCODING_NONE);
    if (bytes.len > UINT32_MAX / 2) {
        return BLOCKDB_ELIMIT;
    }
    rc = buf_reserve(out, room);
    if (rc < 0) {
        return rc;
    }
    len = encoding == ENCODING_GZIP ? gzip_into(bytes, out->data + out->len, room)
                                    : zstd_into(bytes, out->data + out->len, room);
    out->len += len;
    return len > 0 ? BLOCKDB_OK : BLOCKDB_ELIMIT;
}
