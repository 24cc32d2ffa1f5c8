/* SPDX-License-Identifier: Apache-2.0 */
#include "store/segment_recover.h"

#include "base/mem.h"
#include "store/segment_walk.h"

#include <inttypes.h>

/* Small while only frame heads are read, which lie far apart. */
#define HEADS_WINDOW_BYTES ((size_t)4096)
#define PAGES_WINDOW_BYTES ((size_t)512 * 1024)
#define ZEROS_WINDOW_BYTES ((size_t)64 * 1024)

/* Reads all pages of the present block. */
static int check_pages(struct segment_walk *walk, struct error *err)
{
    struct segment_page page;
    int rc;

    do {
        rc = segment_walk_page(walk, &page, err);
    } while (rc == BLOCKDB_OK);
    return rc == BLOCKDB_ENOTFOUND ? BLOCKDB_OK : rc;
}

/* Takes the next block into the index. ENOTFOUND at the end; ECORRUPT where nothing whole is. */
static int take_block(struct segment *segment, struct segment_walk *walk, uint64_t trusted_seq,
                      struct segments_recovery *recovery, struct error *err)
{
    struct segment_active *active = atomic_load_explicit(&segment->active, memory_order_relaxed);
    bool trusted;
    int rc;

    walk->window_bytes = walk->seq < trusted_seq ? HEADS_WINDOW_BYTES : PAGES_WINDOW_BYTES;
    rc = segment_walk_block(walk, err);
    if (rc < 0) {
        return rc;
    }
    if (walk->next_offset > SEGMENT_DATA_END_MAX ||
        walk->seq - segment->first_seq > SEGMENT_RECORDS_MAX) {
        return error_set(err, BLOCKDB_ECORRUPT,
                         "segment '%s': at offset %" PRIu64
                         ": the segment is larger than a segment can be",
                         segment->path, walk->offset);
    }
    trusted = walk->seq <= trusted_seq; /* the walk is already behind the block */
    if (!trusted) {
        rc = check_pages(walk, err);
        if (rc < 0) {
            return rc;
        }
        recovery->blocks_checked++;
    }
    if (segment_index_block_reserve(active, walk->frame.page_count) < 0) {
        return error_set_no_memory(err);
    }
    segment_index_block(segment, &walk->frame, walk->directory.data, walk->offset);
    recovery->blocks++;
    return BLOCKDB_OK;
}

/* Whether all bytes from offset to end are zero. */
static int is_zero(const struct segment *segment, uint64_t offset, uint64_t end, bool *out,
                   struct error *err)
{
    AUTO(mem_free_ptr) uint8_t *bytes = mem_alloc(ZEROS_WINDOW_BYTES);

    if (bytes == NULL) {
        return error_set_no_memory(err);
    }
    while (offset < end) {
        size_t len = end - offset < ZEROS_WINDOW_BYTES ? (size_t)(end - offset)
                                                       : ZEROS_WINDOW_BYTES;
        int rc = segment_pread(segment, offset, bytes, len, err);

        if (rc < 0) {
            return rc;
        }
        if (bytes[0] != 0 || memcmp(bytes, bytes + 1, len - 1) != 0) {
            *out = false;
            return BLOCKDB_OK;
        }
        offset += len;
    }
    *out = true;
    return BLOCKDB_OK;
}

/* Reports and removes what follows the last whole block. */
static int cut_tail(struct segment *segment, uint64_t file_len, struct segments_recovery *recovery,
                    struct error *err)
{
    struct segment_end end = segment_end_of(segment);
    bool zero = true;
    int rc;

    if (end.offset == file_len) {
        /* What was found whole may still be in memory only. */
        return recovery->blocks_checked > 0 && !segment->env->read_only
                   ? file_sync(segment->file, err)
                   : BLOCKDB_OK;
    }
    rc = is_zero(segment, end.offset, file_len, &zero, err);
    if (rc < 0) {
        return rc;
    }
    if (!zero) {
        recovery->cut = true;
        recovery->cut_number = segment->number;
        recovery->cut_offset = end.offset;
        recovery->cut_bytes = file_len - end.offset;
        recovery->cut_seq = end.seq;
    }
    if (segment->env->read_only) {
        return BLOCKDB_OK;
    }
    rc = file_truncate(segment->file, end.offset, err);
    if (rc == BLOCKDB_OK) {
        rc = file_sync(segment->file, err);
    }
    return rc;
}

int segment_recover(struct segment *segment, uint64_t trusted_seq,
                    struct segments_recovery *recovery, struct error *err)
{
    AUTO(segment_walk_deinit) struct segment_walk walk = {0};
    struct error why = {0};
    struct os_stat stat;
    uint64_t end_seq;
    int rc = file_stat(segment->file, &stat, err);

    if (rc < 0) {
        return rc;
    }
    segment_walk_init(&walk, segment, SEGMENT_DATA_OFFSET, segment->first_seq,
                      segment->first_height);
    walk.limit = stat.len_bytes;
    walk.measured = true;
    do {
        rc = take_block(segment, &walk, trusted_seq, recovery, &why);
    } while (rc == BLOCKDB_OK);
    end_seq = segment_end_of(segment).seq;
    if (rc == BLOCKDB_ENOTFOUND && end_seq < trusted_seq) {
        return error_set(err, BLOCKDB_ECORRUPT,
                         "segment '%s': the file ends at offset %" PRIu64 " before seq %" PRIu64
                         ", but entries below %" PRIu64
                         " were durable; restore the file from a backup or another node",
                         segment->path, stat.len_bytes, end_seq, trusted_seq);
    }
    if (rc != BLOCKDB_ENOTFOUND && (rc != BLOCKDB_ECORRUPT || end_seq < trusted_seq)) {
        return error_set(err, rc, "%s", why.message);
    }
    return cut_tail(segment, stat.len_bytes, recovery, err);
}
