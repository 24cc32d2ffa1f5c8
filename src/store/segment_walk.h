/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A walk over the blocks of one segment, front to back, straight from the file.
 *
 * Scans, recovery and checks are walks. Every frame head and every page that is looked at is
 * checked, and that each block follows the one before (SEG-1); once all pages of a block have been
 * read, the pages sum is.
 *
 * Threads:   one thread; the segment may grow beside it.
 * Ownership: borrows the segment; owns its buffers.
 */
#pragma once

#include "store/segment_file.h"

struct segment_walk {
    const struct segment *segment;
    uint64_t limit;      /* no block reaches beyond this offset */
    bool measured;       /* the limit is the file's length: to end before is an I/O error */
    size_t window_bytes; /* how much is read at once; may be changed at any time */
    /* the next block */
    uint64_t next_offset;
    uint64_t seq;
    uint64_t height;
    uint64_t time_ms; /* it must not start before this time */
    /* the present block */
    uint64_t offset;
    struct segment_frame frame;
    struct buf directory;
    uint32_t page_i;      /* the next page */
    uint64_t page_offset; /* of the next page */
    uint64_t page_seq;
    struct buf sums; /* the checksums of its pages so far */
    bool whole;      /* no page was skipped */
    /* what was read last */
    uint8_t *window;
    size_t window_cap;
    uint64_t window_offset;
    size_t window_len;
    struct buf page; /* unpacked */
    struct segment_page_head head;
    struct slice extent; /* the page as it stands in the file; borrowed until the next fetch */
};

/* Starts in front of the block at offset, which begins with seq and has this height. */
void segment_walk_init(struct segment_walk *walk, const struct segment *segment, uint64_t offset,
                       uint64_t seq, uint64_t height);
/* A zeroed walk is fine. */
void segment_walk_deinit(struct segment_walk *walk);
/* Steps to the next block, wherever it is in the present one: frame and directory are that block's.
 * ENOTFOUND (no message): the limit is reached. ECORRUPT leaves the walk where it was. */
RESULT_MUST_BE_USED int segment_walk_block(struct segment_walk *walk, struct error *err);
/* The next page of the block; borrowed until the next call. ENOTFOUND (no message): none is left.
 */
RESULT_MUST_BE_USED int segment_walk_page(struct segment_walk *walk, struct segment_page *out,
                                          struct error *err);
/* Passes by the next page, of which there must be one, without looking at it. */
void segment_walk_skip_page(struct segment_walk *walk);
/* How many records the next page has; 0 when none is left. */
uint32_t segment_walk_page_records(const struct segment_walk *walk);
