/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scans of records in order, and the full check of one segment: both walk the files.
 */
#include "base/assert.h"
#include "base/mem.h"
#include "store/segment_priv.h"
#include "store/segment_walk.h"

#include <inttypes.h>

#define COMPARE_BYTES ((size_t)64 * 1024)
#define FRAME_BYTES 4096 /* read at once where only frame heads matter */

/* ---- Scan ----------------------------------------------------------------------------------- */

struct segment_scan {
    struct segments *segments;
    uint64_t next_seq;
    uint64_t to_seq;
    struct segment_walk walk;
    struct segment *held;            /* the segment of the walk; a reference */
    struct segment_block_info block; /* the block the walk is in */
    struct segment_page page;        /* count 0: none yet */
    uint64_t page_offset;
};

/* Starts a walk in front of the block that holds seq. */
static int walk_to(struct segment_scan *scan, uint64_t seq, struct error *err)
{
    struct segments *segments = scan->segments;
    struct segment_block_info info;
    const struct segment_list *list;
    struct segment *segment;
    uint64_t i = 0;
    int rc;

    /* Both from one list: a rewriting moves blocks. */
    epoch_enter(segments->env.epoch);
    list = segments_list(segments);
    segment = segment_ref(list->item[segment_list_find(list, seq)].segment);
    rc = segment_find_block_of_seq(segment, seq, &i, err);
    if (rc == BLOCKDB_OK) {
        rc = segment_block_at(segment, i, &info, err);
    }
    epoch_leave(segments->env.epoch);
    if (rc < 0) {
        segment_unref(segment);
        return rc;
    }
    segment_walk_deinit(&scan->walk);
    segment_unref(scan->held);
    scan->held = segment;
    segment_walk_init(&scan->walk, segment, info.offset, info.first_seq, info.height);
    file_advise(segment->file, info.offset, 0, OS_ADVICE_SEQUENTIAL);
    return BLOCKDB_OK;
}

int segments_scan(struct segments *segments, uint64_t from_seq, uint64_t to_seq,
                  struct segment_scan **out_scan, struct error *err)
{
    AUTO(mem_free_ptr) struct segment_scan *scan = mem_calloc(1, sizeof(*scan));
    uint64_t end_seq = segments_end_seq(segments);
    uint64_t first_seq = segments_first_seq(segments);
    int rc;

    if (scan == NULL) {
        return error_set_no_memory(err);
    }
    scan->segments = segments;
    scan->next_seq = from_seq < first_seq ? first_seq : from_seq;
    scan->to_seq = to_seq < end_seq ? to_seq : end_seq;
    if (scan->next_seq < scan->to_seq) {
        rc = walk_to(scan, scan->next_seq, err);
        if (rc < 0) {
            return rc;
        }
    }
    *out_scan = TAKE(scan);
    return BLOCKDB_OK;
}

void segment_scan_free(struct segment_scan *scan)
{
    if (scan != NULL) {
        segment_walk_deinit(&scan->walk);
        segment_unref(scan->held);
        mem_free(scan);
    }
}

/* Steps to the next block, in the next segment if need be. */
static int next_block(struct segment_scan *scan, struct error *err)
{
    struct segment_walk *walk = &scan->walk;
    int rc = segment_walk_block(walk, err);

    if (rc == BLOCKDB_ENOTFOUND) {
        rc = walk_to(scan, scan->next_seq, err);
        if (rc == BLOCKDB_OK) {
            rc = segment_walk_block(walk, err);
        }
    }
    if (rc < 0) {
        return rc;
    }
    if (scan->next_seq - walk->frame.first_seq >= walk->frame.record_count) {
        return error_set(err, BLOCKDB_ECORRUPT,
                         "segment '%s': at offset %" PRIu64 ": seq %" PRIu64
                         " is not in this block, although the index says so; restore the file "
                         "from a backup or another node",
                         walk->segment->path, walk->offset, scan->next_seq);
    }
    scan->block = (struct segment_block_info){
        .height = walk->frame.height,
        .first_seq = walk->frame.first_seq,
        .time_min_ms = walk->frame.time_min_ms,
        .time_max_ms = walk->frame.time_max_ms,
        .count = walk->frame.record_count,
        .number = walk->segment->number,
        .offset = walk->offset,
        .len_bytes = walk->next_offset - walk->offset,
    };
    return BLOCKDB_OK;
}

/* Loads the page that holds next_seq. */
static int next_page(struct segment_scan *scan, struct error *err)
{
    struct segment_walk *walk = &scan->walk;
    int rc;

    if (segment_walk_page_records(walk) == 0) {
        rc = next_block(scan, err);
        if (rc < 0) {
            return rc;
        }
    }
    /* The block holds next_seq, so a page of it does. */
    while (walk->page_seq + segment_walk_page_records(walk) <= scan->next_seq) {
        segment_walk_skip_page(walk);
    }
    scan->page_offset = walk->page_offset;
    return segment_walk_page(walk, &scan->page, err);
}

int segment_scan_next(struct segment_scan *scan, struct segment_scan_entry *out, struct error *err)
{
    uint64_t seq = scan->next_seq;
    int rc;

    if (seq >= scan->to_seq) {
        return BLOCKDB_ENOTFOUND;
    }
    if (seq - scan->page.first_seq >= scan->page.count) {
        rc = next_page(scan, err);
        if (rc < 0) {
            scan->to_seq = seq;
            return rc;
        }
    }
    *out = (struct segment_scan_entry){
        .seq = seq,
        .record = segment_page_record(&scan->page, (uint32_t)(seq - scan->page.first_seq)),
        .block = &scan->block,
        .block_first = seq == scan->block.first_seq,
        .block_last = seq + 1 == scan->block.first_seq + scan->block.count,
        .page_last = seq + 1 == scan->page.first_seq + scan->page.count,
        .path = scan->walk.segment->path,
        .page_offset = scan->page_offset,
    };
    scan->next_seq++;
    return BLOCKDB_OK;
}

/* ---- Check ---------------------------------------------------------------------------------- */

/* Walks all blocks of a segment; enters them into the index of shadow, if not NULL. */
static int check_blocks(const struct segment *segment, struct segment *shadow, struct error *err)
{
    AUTO(segment_walk_deinit) struct segment_walk walk = {0};
    int rc;

    segment_walk_init(&walk, segment, SEGMENT_DATA_OFFSET, segment->first_seq,
                      segment->first_height);
    walk.window_bytes = FRAME_BYTES; /* pages are passed over */
    while ((rc = segment_walk_block(&walk, err)) == BLOCKDB_OK) {
        if (shadow != NULL) {
            struct segment_active *active = atomic_load_explicit(&shadow->active,
                                                                 memory_order_relaxed);

            if (segment_index_block_reserve(active, walk.frame.page_count) < 0) {
                return error_set_no_memory(err);
            }
            segment_index_block(shadow, &walk.frame, walk.directory.data, walk.offset);
        }
    }
    return rc == BLOCKDB_ENOTFOUND ? BLOCKDB_OK : rc;
}

/* Whether the file has exactly these bytes from offset to its end. */
static int compare_tail(const struct segment *segment, uint64_t offset, struct slice expected,
                        struct error *err)
{
    AUTO(mem_free_ptr) uint8_t *bytes = mem_alloc(COMPARE_BYTES);
    struct os_stat stat;
    size_t at;
    int rc;

    if (bytes == NULL) {
        return error_set_no_memory(err);
    }
    rc = file_stat(segment->file, &stat, err);
    if (rc < 0) {
        return rc;
    }
    if (stat.len_bytes != offset + expected.len) {
        return error_set(err, BLOCKDB_ECORRUPT,
                         "segment '%s' is %" PRIu64 " bytes long, its blocks and index make "
                         "%" PRIu64 "; restore the file from a backup or another node",
                         segment->path, stat.len_bytes, offset + expected.len);
    }
    for (at = 0; at < expected.len; at += COMPARE_BYTES) {
        size_t len = expected.len - at < COMPARE_BYTES ? expected.len - at : COMPARE_BYTES;
        size_t i = 0;

        rc = segment_pread(segment, offset + at, bytes, len, err);
        if (rc < 0) {
            return rc;
        }
        while (i < len && bytes[i] == expected.data[at + i]) {
            i++;
        }
        if (i < len) {
            return error_set(err, BLOCKDB_ECORRUPT,
                             "segment '%s': at offset %" PRIu64
                             ": index or footer is not what the blocks make it; restore the file "
                             "from a backup or another node",
                             segment->path, offset + at + i);
        }
    }
    return BLOCKDB_OK;
}

/* A finished segment ends in exactly the index that its blocks make. */
static int check_finished(const struct segment *segment, const struct segment_header *header,
                          struct error *err)
{
    AUTO(segment_free_ptr) struct segment *shadow = segment_new(segment->env, header, false);
    AUTO(mem_free_ptr) struct segment_top *top = NULL;
    AUTO(buf_deinit) struct buf image = {0};
    int rc;

    if (shadow == NULL) {
        return error_set_no_memory(err);
    }
    rc = check_blocks(segment, shadow, err);
    if (rc < 0) {
        return rc;
    }
    if (segment_finish_image(shadow, &image, &top) < 0) {
        return error_set_no_memory(err);
    }
    return compare_tail(segment, segment_end_of(shadow).offset, buf_slice(&image), err);
}

int segments_check_frame(struct segments *segments, uint32_t number, struct error *err)
{
    const struct segment_list *list;
    AUTO(segment_unref_ptr) struct segment *segment = NULL;
    struct segment_header header;
    int rc;

    epoch_enter(segments->env.epoch);
    list = segments_list(segments);
    if (list->count > 0 && number >= list->item[0].segment->number &&
        number - list->item[0].segment->number < list->count) {
        segment = segment_ref(list->item[number - list->item[0].segment->number].segment);
    }
    epoch_leave(segments->env.epoch);
    if (segment == NULL) {
        return error_set(err, BLOCKDB_ENOTFOUND, "ledger '%s' has no segment %" PRIu32,
                         segments->dir, number);
    }
    rc = segment_check_header(segment, &header, err);
    if (rc < 0) {
        return rc;
    }
    if (atomic_load_explicit(&segment->top, memory_order_acquire) != NULL) {
        return check_finished(segment, &header, err);
    }
    return check_blocks(segment, NULL, err);
}
