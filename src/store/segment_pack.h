/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packing: a block of records becomes a frame head and compressed pages; and back, page by page.
 *
 * An unpacked page is kept as one run of bytes, so that it can live in a cache: a small head, the
 * table of where records end, the records. segment_page_view() makes a `struct segment_page` of it.
 *
 * Threads:   a packer belongs to one thread at a time; unpacking any thread.
 * Ownership: a packer owns its working memory and borrows the records.
 * Format:    docs/format/segment.md
 */
#pragma once

#include "base/bytes.h"
#include "store/codec.h"
#include "store/segment_format.h"

struct segment_packer {
    struct compressor *compressor;
    struct buf raw;  /* the payload of one page */
    struct buf sums; /* the checksums of the pages so far */
};

/* ENOMEM. */
RESULT_MUST_BE_USED int segment_packer_init(struct segment_packer *packer, enum codec codec,
                                            int level);
/* A zeroed packer is fine. */
void segment_packer_deinit(struct segment_packer *packer);

/* Checks a block against the limits and counts what the frame head says of it, all but the pages
 * sum and length. EINVAL, ELIMIT. */
RESULT_MUST_BE_USED int segment_pack_plan(const struct segment_block *block,
                                          struct segment_frame *out_frame, struct error *err);
/* Appends the block as it will stand at place to out, which must be empty, and completes frame.
 * ENOMEM leaves out with bytes of no use. */
RESULT_MUST_BE_USED int segment_pack(struct segment_packer *packer,
                                     const struct segment_block *block,
                                     const struct segment_place *place, struct segment_frame *frame,
                                     struct buf *out);

/* Appends the page of head->record_count records as it will stand at place to out, and its checksum
 * to the packer's sums. head brings first seq, count, flags and generation; the rest is filled in.
 * ENOMEM. ELIMIT: the records are too long for one page. */
RESULT_MUST_BE_USED int segment_pack_page(struct segment_packer *packer,
                                          struct segment_page_head *head,
                                          const struct slice *records,
                                          const struct segment_place *place, struct buf *out);

#define SEGMENT_UNPACKED_HEAD_LEN 16

/* How long a page with this head is unpacked. */
static inline size_t segment_unpacked_len(const struct segment_page_head *head)
{
    return SEGMENT_UNPACKED_HEAD_LEN + (size_t)head->raw_len;
}
/* Unpacks a page that segment_page_decode() accepted to segment_unpacked_len() bytes at out, which
 * is aligned to 8. ECORRUPT. */
RESULT_MUST_BE_USED int segment_unpack(const struct segment_page_head *head, const uint8_t *page,
                                       const struct segment_place *place, uint8_t *out,
                                       struct error *err);
/* The same from n records that were not packed yet, together records_len bytes, which are a page of
 * a block being written: segment_unpacked_records_len() bytes at out. */
void segment_unpacked_of_records(const struct slice *records, uint32_t n, uint64_t first_seq,
                                 uint32_t records_len, uint8_t *out);
size_t segment_unpacked_records_len(uint32_t n, uint32_t records_len);
/* What unpacked bytes hold; borrows them. */
struct segment_page segment_page_view(const uint8_t *unpacked);
