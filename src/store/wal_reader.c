/* SPDX-License-Identifier: Apache-2.0 */
#include "store/wal_reader.h"

#include "base/assert.h"
#include "base/mem.h"

#include <inttypes.h>

#define WINDOW_BYTES (1024u * 1024)
#define WINDOW_BYTES_FIRST (16u * 1024)

static uint64_t align_down(uint64_t v)
{
    return v & ~(uint64_t)(OS_DIRECT_ALIGN - 1);
}

static uint64_t align_up(uint64_t v)
{
    return align_down(v + OS_DIRECT_ALIGN - 1);
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static int window_grow(struct wal_reader *r, size_t cap, struct error *err)
{
    uint8_t *window;

    if (cap <= r->window_cap) {
        return BLOCKDB_OK;
    }
    window = mem_alloc_aligned(OS_DIRECT_ALIGN, cap);
    if (window == NULL) {
        return error_set_no_memory(err);
    }
    mem_free(r->window);
    r->window = window;
    r->window_cap = cap;
    r->window_len = 0;
    return BLOCKDB_OK;
}

/* Borrows up to len bytes at offset, fewer only at the end of the file. */
static int window_get(struct wal_reader *r, uint64_t offset, uint64_t len, struct slice *out,
                      struct error *err)
{
    uint64_t begin = align_down(offset);
    uint64_t end;
    size_t least;
    size_t cap;
    size_t got;
    int rc;

    if (offset >= r->file_bytes) {
        *out = slice_of(NULL, 0);
        return BLOCKDB_OK;
    }
    end = min_u64(offset + len, r->file_bytes);
    if (offset >= r->window_offset && end <= r->window_offset + r->window_len) {
        *out = slice_of(r->window + (offset - r->window_offset), (size_t)(end - offset));
        return BLOCKDB_OK;
    }
    /* The first look is for the header and may stay the only one: read little. */
    least = begin == 0 ? WINDOW_BYTES_FIRST : WINDOW_BYTES;
    cap = (size_t)align_up(end - begin);
    rc = window_grow(r, cap > least ? cap : least, err);
    if (rc < 0) {
        return rc;
    }
    r->window_len = 0;
    rc = file_pread(r->file, r->window, r->window_cap, begin, &got, err);
    if (rc < 0) {
        return rc;
    }
    least = (size_t)min_u64(r->window_cap, r->file_bytes - begin);
    if (got < least) {
        /* Taking this for the end of the log would cut off what may be durable. */
        return error_set(err, BLOCKDB_EIO,
                         "WAL segment '%s' has become shorter while it was read: it ends at offset "
                         "%" PRIu64 ", not %" PRIu64 "; see what changes it and open again",
                         r->file->path, begin + got, r->file_bytes);
    }
    r->window_offset = begin;
    r->window_len = got;
    *out = slice_of(r->window + (offset - begin), (size_t)(end - offset));
    return BLOCKDB_OK;
}

int wal_reader_open(struct wal_reader *r, struct os *os, const char *path, struct error *err)
{
    struct os_stat stat;
    struct slice page;
    int rc;

    *r = (struct wal_reader){0};
    rc = os_open(os, path, OS_READ | OS_DIRECT, &r->file, err);
    if (rc < 0) {
        return rc;
    }
    rc = file_stat(r->file, &stat, err);
    if (rc < 0) {
        goto out;
    }
    r->file_bytes = stat.len_bytes;
    rc = window_get(r, 0, WAL_HEADER_BYTES, &page, err);
    if (rc < 0) {
        goto out;
    }
    rc = wal_header_decode(page, &r->header);
    if (rc == BLOCKDB_EVERSION) {
        rc = error_set(err, rc,
                       "WAL segment '%s' was written by a newer version; open it with that version",
                       path);
    } else if (rc < 0) {
        rc = error_set(err, rc,
                       "WAL segment '%s': the header at offset 0 is damaged; restore the file from "
                       "a copy or a replica",
                       path);
    }
    r->seed = wal_segment_seed(&r->header);
out:
    if (rc < 0) {
        wal_reader_deinit(r);
    }
    return rc;
}

void wal_reader_deinit(struct wal_reader *r)
{
    file_close(r->file);
    mem_free(r->window);
    *r = (struct wal_reader){0};
}

int wal_reader_look(struct wal_reader *r, uint64_t offset, struct wal_found *out, struct error *err)
{
    struct wal_found found = {.place = WAL_PLACE_NOTHING, .offset = offset};
    struct slice bytes;
    int rc;

    ASSERT(offset % WAL_FRAME_ALIGN == 0);
    rc = window_get(r, offset, WAL_FRAME_HEADER_BYTES, &bytes, err);
    if (rc < 0) {
        return rc;
    }
    if (!wal_frame_decode(bytes, r->seed + offset, &found.header)) {
        *out = found;
        return BLOCKDB_OK;
    }
    found.len_bytes = wal_frame_bytes(found.header.payload_len);
    found.place = WAL_PLACE_DAMAGED;
    if (found.len_bytes <= r->file_bytes - offset) {
        rc = window_get(r, offset, found.len_bytes, &bytes, err);
        if (rc < 0) {
            return rc;
        }
    }
    if (bytes.len == found.len_bytes) {
        struct slice body = slice_of(bytes.data + WAL_FRAME_HEADER_BYTES,
                                     bytes.len - WAL_FRAME_HEADER_BYTES);

        if (wal_frame_body_is_good(&found.header, body, r->seed + offset)) {
            found.place = WAL_PLACE_FRAME;
            found.payload = slice_of(body.data, found.header.payload_len);
        }
    }
    *out = found;
    return BLOCKDB_OK;
}

/* The number of zero bytes at the front of s. */
static size_t zero_prefix_len(struct slice s)
{
    size_t n = 0;

    while (n + 8 <= s.len && get_le64(s.data + n) == 0) {
        n += 8;
    }
    while (n < s.len && s.data[n] == 0) {
        n++;
    }
    return n;
}

/* How far the window holds nothing but zeros from offset on, as a multiple of the alignment. */
static uint64_t window_zeros(const struct wal_reader *r, uint64_t offset)
{
    size_t skipped = (size_t)(offset - r->window_offset);
    struct slice rest = slice_of(r->window + skipped, r->window_len - skipped);
    size_t zeros = zero_prefix_len(rest);

    if (zeros == rest.len) {
        zeros += WAL_FRAME_ALIGN - 1; /* only the end of the file is not aligned */
    }
    return zeros & ~(size_t)(WAL_FRAME_ALIGN - 1);
}

int wal_reader_search(struct wal_reader *r, uint64_t offset, struct wal_found *out,
                      uint64_t *out_used_end, struct error *err)
{
    struct slice bytes;
    int rc;

    while (offset < r->file_bytes) {
        struct wal_found found = {0};

        rc = window_get(r, offset, WAL_FRAME_HEADER_BYTES, &bytes, err);
        if (rc < 0) {
            return rc;
        }
        if (zero_prefix_len(bytes) == bytes.len) {
            offset += window_zeros(r, offset);
            continue;
        }
        rc = wal_reader_look(r, offset, &found, err);
        if (rc < 0) {
            return rc;
        }
        if (found.place != WAL_PLACE_NOTHING && *out_used_end < offset + found.len_bytes) {
            *out_used_end = min_u64(offset + found.len_bytes, r->file_bytes);
        }
        if (!r->header.recycled && *out_used_end < offset + WAL_FRAME_ALIGN) {
            *out_used_end = min_u64(offset + WAL_FRAME_ALIGN, r->file_bytes);
        }
        if (found.place == WAL_PLACE_FRAME) {
            *out = found;
            return BLOCKDB_OK;
        }
        offset += WAL_FRAME_ALIGN;
    }
    *out = (struct wal_found){.place = WAL_PLACE_NOTHING, .offset = r->file_bytes};
    return BLOCKDB_OK;
}

int wal_reader_start(struct wal_reader *r, bool *out_is_used, struct wal_start *out,
                     uint64_t *out_first_seq, struct error *err)
{
    struct wal_found found;
    int rc;

    rc = wal_reader_look(r, WAL_HEADER_BYTES, &found, err);
    if (rc < 0) {
        return rc;
    }
    *out_is_used = found.place == WAL_PLACE_FRAME && found.header.kind == WAL_FRAME_START &&
                   wal_start_decode(found.payload, out);
    *out_first_seq = found.header.first_seq;
    return BLOCKDB_OK;
}
