/* SPDX-License-Identifier: Apache-2.0 */
#include "client/gunzip.h"

#include "base/library.h"
#include "base/mem.h"

#include <assert.h>
#include <zlib.h>

#define WINDOW_BITS (15 + 16) /* the largest window, and a header of gzip */
#define ROOM_MIN ((size_t)4 << 10)
#define ROOM_MAX ((size_t)1 << 20)

#define FOR_EACH_FUNCTION(X)                                                                       \
    X(inflateInit2_)                                                                               \
    X(inflate)                                                                                     \
    X(inflateEnd)

#define MEMBER(name) LIBRARY_FUNCTION(name);
#define TEXT(name) #name,

struct zlib_functions {
    FOR_EACH_FUNCTION(MEMBER)
};

static const char *const zlib_sonames[] = {"libz.so.1", NULL};
static const char *const zlib_symbols[] = {FOR_EACH_FUNCTION(TEXT)};
static const struct library zlib_library = {
    .name = "zlib",
    .package = "zlib1g",
    .sonames = zlib_sonames,
    .symbols = zlib_symbols,
    .symbol_count = sizeof(zlib_symbols) / sizeof(zlib_symbols[0]),
};
static_assert(sizeof(struct zlib_functions) ==
                  sizeof(zlib_symbols) / sizeof(zlib_symbols[0]) * sizeof(void *),
              "a name for each function");

/* What zlib allocates is ours to count and to fail. */
static void *zlib_alloc(void *context, unsigned count, unsigned item_bytes)
{
    (void)context;
    return mem_calloc(count, item_bytes);
}

static void zlib_release(void *context, void *p)
{
    (void)context;
    mem_free(p);
}

/* Decompresses into the room that out has, and at most one byte more than max allows, by which too
 * much is known. */
static int inflate_some(const struct zlib_functions *f, z_stream *z, struct buf *out, size_t end)
{
    size_t want = out->len < ROOM_MIN ? ROOM_MIN : out->len < ROOM_MAX ? out->len : ROOM_MAX;
    size_t room = want < end - out->len ? want : end - out->len;
    int status;

    if (buf_reserve(out, room) < 0) {
        return Z_MEM_ERROR;
    }
    z->next_out = out->data + out->len;
    z->avail_out = (uInt)room;
    status = f->inflate(z, Z_NO_FLUSH);
    out->len += room - z->avail_out;
    return status;
}

static int inflate_all(const struct zlib_functions *f, z_stream *z, struct buf *out, size_t max,
                       struct error *err)
{
    size_t before = out->len;
    int status = Z_OK;

    while (status == Z_OK && out->len - before <= max) {
        status = inflate_some(f, z, out, before + max + 1);
    }
    if (status == Z_MEM_ERROR) {
        return error_set_no_memory(err);
    }
    if (out->len - before > max) {
        return error_set(err, BLOCKDB_ELIMIT, "the answer is longer than the %zu bytes allowed",
                         max);
    }
    if (status != Z_STREAM_END || z->avail_in > 0) {
        return error_set(err, BLOCKDB_EIO,
                         "the answer is said to be gzip and is not, or is damaged");
    }
    return BLOCKDB_OK;
}

int gunzip_append(struct slice bytes, size_t max, struct buf *out, struct error *err)
{
    z_stream z = {.zalloc = zlib_alloc, .zfree = zlib_release};
    struct zlib_functions f;
    size_t before = out->len;
    int rc = library_load(&zlib_library, &f, err);

    if (rc < 0) {
        return rc;
    }
    if (bytes.len > UINT32_MAX) {
        return error_set(err, BLOCKDB_ELIMIT, "the answer is longer than 4 GiB");
    }
    z.next_in = (z_const Bytef *)(uintptr_t)bytes.data; /* the library only reads it */
    z.avail_in = (uInt)bytes.len;
    if (f.inflateInit2_(&z, WINDOW_BITS, ZLIB_VERSION, (int)sizeof(z)) != Z_OK) {
        return error_set_no_memory(err);
    }
    rc = inflate_all(&f, &z, out, max, err);
    (void)f.inflateEnd(&z); /* frees; it has nothing to tell */
    if (rc < 0) {
        out->len = before;
    }
    return rc;
}
