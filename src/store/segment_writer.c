/* SPDX-License-Identifier: Apache-2.0 */
#include "store/segment_writer.h"

#include "base/mem.h"

#define UNIT ((size_t)OS_DIRECT_ALIGN)
#define BOUNCE_LEN ((size_t)1024 * 1024)

int segment_writer_init(struct segment_writer *w, struct os_file *file, uint64_t offset,
                        bool direct, struct error *err)
{
    uint64_t unit = offset / UNIT * UNIT;
    size_t read_len = UNIT;
    int rc = BLOCKDB_OK;

    *w = (struct segment_writer){.file = file, .offset = offset};
    if (!direct) {
        return BLOCKDB_OK;
    }
    w->bounce = mem_alloc_aligned(UNIT, BOUNCE_LEN);
    if (w->bounce == NULL) {
        return error_set_no_memory(err);
    }
    if (unit < offset) {
        rc = file_pread(file, w->bounce, UNIT, unit, &read_len, err);
    }
    if (rc == BLOCKDB_OK && read_len < offset - unit) {
        rc = error_set(err, BLOCKDB_ECORRUPT,
                       "segment '%s': the file became shorter while it was opened; is another "
                       "program using it?",
                       file->path);
    }
    if (rc < 0) {
        segment_writer_deinit(w);
    }
    return rc;
}

void segment_writer_deinit(struct segment_writer *w)
{
    mem_free(w->bounce);
    *w = (struct segment_writer){0};
}

/* Writes bytes behind the partial unit in the bounce buffer, in aligned pieces. Leaves the new
 * partial unit at its beginning. */
static int write_direct(struct segment_writer *w, struct slice bytes, struct error *err)
{
    uint64_t at = w->offset / UNIT * UNIT;
    size_t filled = (size_t)(w->offset - at);

    while (bytes.len > 0) {
        size_t take = bytes.len < BOUNCE_LEN - filled ? bytes.len : BOUNCE_LEN - filled;
        size_t whole;
        size_t padded;
        int rc;

        memcpy(w->bounce + filled, bytes.data, take);
        bytes = slice_of(bytes.data + take, bytes.len - take);
        filled += take;
        whole = filled / UNIT * UNIT;
        padded = (filled + UNIT - 1) / UNIT * UNIT;
        memset(w->bounce + filled, 0, padded - filled);
        rc = file_pwrite(w->file, w->bounce, padded, at, err);
        if (rc < 0) {
            return rc;
        }
        memmove(w->bounce, w->bounce + whole, filled - whole);
        at += whole;
        filled -= whole;
    }
    return BLOCKDB_OK;
}

/* After a write that failed with rc: makes the file what it was, if only room or memory was
 * missing. */
static int undo(struct segment_writer *w, int rc)
{
    struct error later;

    if ((rc == BLOCKDB_ENOSPC || rc == BLOCKDB_ENOMEM) &&
        file_truncate(w->file, w->offset, &later) == BLOCKDB_OK) {
        return rc;
    }
    w->undefined = true;
    return rc;
}

int segment_writer_append(struct segment_writer *w, struct slice bytes, struct error *err)
{
    uint8_t tail[OS_DIRECT_ALIGN];
    size_t tail_len = (size_t)(w->offset % UNIT);
    int rc;

    if (w->throttle != NULL) {
        w->throttle(w->throttle_context, bytes.len);
    }
    if (w->bounce == NULL) {
        rc = file_pwrite(w->file, bytes.data, bytes.len, w->offset, err);
    } else {
        memcpy(tail, w->bounce, tail_len);
        rc = write_direct(w, bytes, err);
    }
    if (rc < 0) {
        if (w->bounce != NULL) {
            memcpy(w->bounce, tail, tail_len);
        }
        return undo(w, rc);
    }
    w->offset += bytes.len;
    return BLOCKDB_OK;
}
