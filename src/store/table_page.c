/* SPDX-License-Identifier: Apache-2.0 */
/* How pages of a table come into memory. */
#include "base/assert.h"
#include "base/mem.h"
#include "store/filter.h"
#include "store/table_priv.h"

#include <inttypes.h>

#define STACK_BYTES 8192 /* stored pages up to this need no allocation beside their own */

int table_corrupt(const struct table *t, uint64_t offset, const char *what, struct error *err)
{
    return error_set(err, BLOCKDB_ECORRUPT,
                     "table '%s': page at offset %" PRIu64 ": %s; restore the file from a backup",
                     t->file->path, offset, what);
}

/* ---- Windows -------------------------------------------------------------------------------- */

static uint64_t align_down(uint64_t offset)
{
    return offset / OS_DIRECT_ALIGN * OS_DIRECT_ALIGN;
}

int table_window_init(struct table_window *w, size_t len_bytes)
{
    struct table_window made = {.cap = (size_t)align_down(len_bytes + OS_DIRECT_ALIGN - 1)};

    if (made.cap > 0) {
        made.data = mem_alloc_aligned(OS_DIRECT_ALIGN, made.cap);
        if (made.data == NULL) {
            return BLOCKDB_ENOMEM;
        }
    }
    *w = made;
    return BLOCKDB_OK;
}

void table_window_deinit(struct table_window *w)
{
    mem_free(w->data);
    *w = (struct table_window){0};
}

static bool window_has(const struct table_window *w, uint64_t offset, size_t len)
{
    return offset >= w->offset && offset - w->offset <= w->len &&
           len <= w->len - (size_t)(offset - w->offset);
}

/* Reads the window so that it holds len bytes at offset: on from there, or, when the reader came
 * from above, up to there. len fits. */
static int window_fill(const struct table *t, struct table_window *w, uint64_t offset, size_t len,
                       struct error *err)
{
    uint64_t start = align_down(offset);
    bool backwards = w->len > 0 && offset < w->offset;
    size_t got;
    int rc;

    if (backwards) {
        uint64_t end = align_down(offset + len + OS_DIRECT_ALIGN - 1);

        start = end > w->cap ? end - w->cap : 0;
    }
    w->len = 0;
    rc = file_pread(t->file, w->data, w->cap, start, &got, err);
    if (rc < 0) {
        return rc;
    }
    w->offset = start;
    w->len = got;
    return window_has(w, offset, len) ? BLOCKDB_OK
                                      : table_corrupt(t, offset, "the file ends before it", err);
}

/* ---- Reading -------------------------------------------------------------------------------- */

/* Bytes of the file: in the caller's stack, in memory of their own, or in a window. */
struct stored {
    uint8_t *owned; /* freed, or NULL */
    struct slice bytes;
};

static void stored_deinit(struct stored *s)
{
    mem_free(s->owned);
}

static int read_direct(const struct table *t, uint64_t offset, size_t len, struct stored *out,
                       struct error *err)
{
    uint64_t start = align_down(offset);
    size_t span = (size_t)(align_down(offset + len + OS_DIRECT_ALIGN - 1) - start);
    size_t got;
    int rc;

    out->owned = mem_alloc_aligned(OS_DIRECT_ALIGN, span);
    if (out->owned == NULL) {
        return error_set_no_memory(err);
    }
    rc = file_pread(t->file, out->owned, span, start, &got, err);
    if (rc < 0) {
        return rc;
    }
    if (got < offset - start + len) {
        return table_corrupt(t, offset, "the file ends before it", err);
    }
    out->bytes = slice_of(out->owned + (offset - start), len);
    return BLOCKDB_OK;
}

static int read_plain(const struct table *t, uint64_t offset, size_t len, uint8_t *stack,
                      struct stored *out, struct error *err)
{
    uint8_t *into = stack;
    int rc;

    if (len > STACK_BYTES) {
        into = out->owned = mem_alloc(len);
        if (into == NULL) {
            return error_set_no_memory(err);
        }
    }
    rc = file_pread_full(t->file, into, len, offset, err);
    if (rc < 0) {
        return rc;
    }
    out->bytes = slice_of(into, len);
    return BLOCKDB_OK;
}

/* Checks by kind what readers of the page will trust. */
static bool raw_good(struct slice raw, enum table_page_kind kind)
{
    switch (kind) {
    case TABLE_PAGE_DATA:
        return keyed_page_check(raw, false, table_item_good) == BLOCKDB_OK;
    case TABLE_PAGE_PARTITION:
    case TABLE_PAGE_TOP_INDEX:
        return keyed_page_check(raw, true, keyed_page_handle_good) == BLOCKDB_OK;
    case TABLE_PAGE_DIRECTORY:
        return raw.len > 0 && raw.len % TABLE_DIRECTORY_ROW_BYTES == 0;
    case TABLE_PAGE_FILTER:
        return raw.len > 0 && raw.len % FILTER_LINE_BYTES == 0;
    case TABLE_PAGE_VERSIONS:
    case TABLE_PAGE_PROPERTIES:
        return true; /* their readers check as they go */
    }
    return false;
}

static int decode_page(const struct table *t, struct slice stored, uint64_t offset,
                       enum table_page_kind kind, struct page **out, struct error *err)
{
    struct table_place place = {.path = t->file->path, .offset = offset};
    AUTO(page_unref_ptr) struct page *page = NULL;
    struct table_trailer trailer;
    int rc = table_trailer_decode(stored, kind, t->file_seed, &place, &trailer, err);

    if (rc < 0) {
        return rc;
    }
    page = page_new(t->file_number, offset, trailer.raw_len);
    if (page == NULL) {
        return error_set_no_memory(err);
    }
    stored.len -= TABLE_TRAILER_BYTES;
    if (codec_decompress(trailer.codec, stored, page->data, page->len) < 0) {
        return table_corrupt(t, offset, "its bytes cannot be decompressed", err);
    }
    if (!raw_good(page_slice(page), kind)) {
        return table_corrupt(t, offset, "its content contradicts itself", err);
    }
    *out = TAKE(page);
    return BLOCKDB_OK;
}

int table_page_load(const struct table *t, struct table_handle handle, enum table_page_kind kind,
                    struct table_window *window, struct page **out, struct error *err)
{
    AUTO(stored_deinit) struct stored stored = {0};
    uint8_t stack[STACK_BYTES];
    size_t len = (size_t)handle.len + TABLE_TRAILER_BYTES;
    int rc = BLOCKDB_OK;

    if (handle.offset < TABLE_HEADER_BYTES || handle.offset > t->file_bytes ||
        len + TABLE_FOOTER_BYTES > t->file_bytes - handle.offset) {
        return table_corrupt(t, handle.offset, "it is named but lies outside the file", err);
    }
    if (window != NULL && len <= window->cap && window->cap - len >= OS_DIRECT_ALIGN) {
        if (!window_has(window, handle.offset, len)) {
            rc = window_fill(t, window, handle.offset, len, err);
        }
        stored.bytes = slice_of(window->data + (handle.offset - window->offset), len);
    } else if (t->options.direct_io) {
        rc = read_direct(t, handle.offset, len, &stored, err);
    } else {
        rc = read_plain(t, handle.offset, len, stack, &stored, err);
    }
    return rc < 0 ? rc : decode_page(t, stored.bytes, handle.offset, kind, out, err);
}

static struct cache *cache_of(const struct table *t, enum table_page_kind kind)
{
    return kind == TABLE_PAGE_PARTITION || kind == TABLE_PAGE_FILTER ? t->options.index_cache
                                                                     : t->options.block_cache;
}

int table_page_borrow(const struct table *t, struct table_handle handle, enum table_page_kind kind,
                      struct page **out, struct error *err)
{
    struct cache *cache = cache_of(t, kind);
    struct page *page = cache_lookup(cache, t->file_number, handle.offset);
    int rc;

    if (__builtin_expect(page == NULL, 0)) {
        rc = table_page_load(t, handle, kind, NULL, &page, err);
        if (rc < 0) {
            return rc;
        }
        cache_add(cache, page);
    }
    *out = page;
    return BLOCKDB_OK;
}

int table_page_acquire(const struct table *t, struct table_handle handle, enum table_page_kind kind,
                       struct table_window *window, struct page **out, struct error *err)
{
    struct cache *cache = cache_of(t, kind);
    struct page *page;
    int rc = BLOCKDB_OK;

    epoch_enter(t->options.epoch);
    page = cache_lookup(cache, t->file_number, handle.offset);
    if (page != NULL) {
        (void)page_ref(page);
    }
    epoch_leave(t->options.epoch);
    if (page == NULL) {
        rc = table_page_load(t, handle, kind, window, &page, err);
        if (rc == BLOCKDB_OK && (window == NULL || window->fills_cache)) {
            (void)page_ref(page);
            epoch_enter(t->options.epoch);
            cache_add(cache, page);
            epoch_leave(t->options.epoch);
        }
    }
    if (rc == BLOCKDB_OK) {
        *out = page;
    }
    return rc;
}

struct table_handle table_filter_unit(const struct table *t, uint64_t line)
{
    const struct table_properties *p = &t->properties;
    uint64_t unit = line / p->filter_unit_lines;
    uint64_t left = p->filter_lines - unit * p->filter_unit_lines;
    uint64_t lines = left < p->filter_unit_lines ? left : p->filter_unit_lines;
    uint64_t stride = (uint64_t)p->filter_unit_lines * FILTER_LINE_BYTES + TABLE_TRAILER_BYTES;

    return (struct table_handle){.offset = p->filter_offset + unit * stride,
                                 .len = (uint32_t)(lines * FILTER_LINE_BYTES)};
}
