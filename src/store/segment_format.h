/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of a ledger segment, encoded and decoded side by side; no I/O.
 *
 * Decoders trust nothing: a length is believed only after it was checked against what is there.
 * Each takes a `struct segment_place`, which names the bytes for messages and seeds their checksum.
 *
 * Threads: immutable.
 * Format:  docs/format/segment.md
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "store/segment.h"

#include <stdbool.h>
#include <stdint.h>

#define SEGMENT_VERSION 1
#define SEGMENT_UNIT 4096 /* header page, footer page, index partition */
#define SEGMENT_ALIGN 8
#define SEGMENT_DATA_OFFSET SEGMENT_UNIT

#define SEGMENT_FRAME_MAGIC 0x4b4f4c42u /* "BLOK" */
#define SEGMENT_FRAME_LEN 80            /* without the page directory */
#define SEGMENT_DIRECTORY_ENTRY_LEN 8
#define SEGMENT_PAGE_MAGIC 0x45474150u /* "PAGE" */
#define SEGMENT_PAGE_HEAD_LEN 40
#define SEGMENT_EXTENT_MIN 48
#define SEGMENT_PAGE_FLAG_REWRITTEN 0x01
/* Records of a page with more than one: writers stop at the first, readers accept the second. */
#define SEGMENT_PAGE_FILL 16384
#define SEGMENT_PAGE_RECORDS_LEN_MAX UINT16_MAX

#define SEGMENT_PARTITION_HEAD_LEN 8
#define SEGMENT_PARTITION_ROOM 4080
#define SEGMENT_PAGE_ENTRY_LEN 12
#define SEGMENT_BLOCK_ENTRY_LEN 24
#define SEGMENT_TOP_BLOCK_LEN 16
#define SEGMENT_TOP_PAGE_LEN 4
#define SEGMENT_RECORDS_MAX UINT32_MAX
#define SEGMENT_DATA_END_MAX (UINT32_MAX * (uint64_t)SEGMENT_ALIGN)

/* Where bytes stand: in a file, at an offset. */
struct segment_place {
    const char *path; /* borrowed */
    uint64_t seed;    /* of the segment; see segment_seed() */
    uint64_t offset;
};

/* S of the format page. */
uint64_t segment_seed(const uint8_t ledger_id[SEGMENT_LEDGER_ID_LEN], uint32_t number);

static inline uint64_t segment_align(uint64_t len, uint64_t unit)
{
    return (len + unit - 1) & ~(unit - 1);
}

struct segment_header {
    uint8_t ledger_id[SEGMENT_LEDGER_ID_LEN];
    uint32_t number;
    uint64_t first_seq;
    uint64_t first_height;
    uint32_t revision; /* how often the segment was rewritten */
};

/* Fills a page of SEGMENT_UNIT bytes. */
void segment_header_encode(const struct segment_header *header, uint8_t *page);
/* ECORRUPT, EVERSION (version or features), EFOREIGN (not a segment at all). */
RESULT_MUST_BE_USED int segment_header_decode(const uint8_t *page, const char *path,
                                              struct segment_header *out, struct error *err);

struct segment_frame {
    uint64_t height;
    uint64_t first_seq;
    uint64_t time_min_ms;
    uint64_t time_max_ms;
    uint64_t records_len; /* of all records together */
    uint64_t pages_sum;
    uint64_t pages_len; /* of all extents together */
    uint32_t record_count;
    uint32_t page_count;
};

static inline uint64_t segment_frame_head_len(uint32_t page_count)
{
    return SEGMENT_FRAME_LEN + (uint64_t)page_count * SEGMENT_DIRECTORY_ENTRY_LEN;
}

/* One row of the page directory. */
struct segment_directory_entry {
    uint32_t record_count;
    uint32_t extent;
};

static inline struct segment_directory_entry segment_directory_at(const uint8_t *directory,
                                                                  uint32_t i)
{
    const uint8_t *p = directory + (size_t)i * SEGMENT_DIRECTORY_ENTRY_LEN;

    return (struct segment_directory_entry){get_le32(p), get_le32(p + 4)};
}

/* Completes a frame head in place: the directory is already behind its first SEGMENT_FRAME_LEN
 * bytes. */
void segment_frame_seal(const struct segment_frame *frame, const struct segment_place *place,
                        uint8_t *head);
/* Reads the fixed part from SEGMENT_FRAME_LEN bytes, of which only the form is checked here: the
 * block may reach up to `room` bytes from its beginning. ECORRUPT. */
RESULT_MUST_BE_USED int segment_frame_decode(const uint8_t *fixed, uint64_t room,
                                             const struct segment_place *place,
                                             struct segment_frame *out, struct error *err);
/* Checks the whole head, segment_frame_head_len() bytes: the checksum and the directory. */
RESULT_MUST_BE_USED int segment_frame_check(const struct segment_frame *frame, const uint8_t *head,
                                            const struct segment_place *place, struct error *err);

struct segment_page_head {
    uint64_t checksum;
    uint64_t first_seq;
    uint32_t record_count;
    uint32_t raw_len;
    uint32_t stored_len;
    uint16_t generation;
    uint8_t codec;
    uint8_t flags;
};

/* Completes a page in place: its payload is already behind SEGMENT_PAGE_HEAD_LEN bytes, zeros fill
 * the rest of the extent. Returns the checksum. */
uint64_t segment_page_seal(const struct segment_page_head *head, const struct segment_place *place,
                           uint8_t *page, uint32_t extent);
/* Checks checksum and form of a whole extent. ECORRUPT; EVERSION for unknown flags. */
RESULT_MUST_BE_USED int segment_page_decode(const uint8_t *page, uint32_t extent,
                                            const struct segment_place *place,
                                            struct segment_page_head *out, struct error *err);

/* A page in the page index. */
struct segment_page_entry {
    uint32_t seq_delta; /* from the first seq of the segment */
    uint32_t extent;
    uint64_t offset;
};
/* A block in the block index. */
struct segment_block_entry {
    uint64_t time_min_ms;
    uint64_t time_max_ms;
    uint32_t seq_delta;
    uint64_t offset;
};

void segment_page_entry_encode(const struct segment_page_entry *entry, uint8_t *out);
/* An extent that cannot be is 0. */
struct segment_page_entry segment_page_entry_decode(const uint8_t *in);
void segment_block_entry_encode(const struct segment_block_entry *entry, uint8_t *out);
struct segment_block_entry segment_block_entry_decode(const uint8_t *in);

/* Completes a partition of SEGMENT_UNIT bytes whose entries are in place, zeros behind. */
void segment_partition_seal(uint8_t *partition, uint32_t count, uint32_t number,
                            const struct segment_place *place);
/* ECORRUPT, also when count or number are not as expected. */
RESULT_MUST_BE_USED int segment_partition_check(const uint8_t *partition, uint32_t count,
                                                uint32_t number, const struct segment_place *place,
                                                struct error *err);

struct segment_footer {
    uint32_t number;
    uint64_t first_seq;
    uint64_t end_seq;
    uint64_t first_height;
    uint64_t end_height;
    uint64_t data_end;
    uint64_t page_count;
    uint64_t records_len;
    uint32_t page_partitions;
    uint32_t block_partitions;
    uint64_t top_checksum;
};

/* Offsets that follow from a footer. */
static inline uint64_t segment_page_index_offset(const struct segment_footer *footer)
{
    return segment_align(footer->data_end, SEGMENT_UNIT);
}
static inline uint64_t segment_block_index_offset(const struct segment_footer *footer)
{
    return segment_page_index_offset(footer) + (uint64_t)footer->page_partitions * SEGMENT_UNIT;
}
static inline uint64_t segment_top_offset(const struct segment_footer *footer)
{
    return segment_block_index_offset(footer) + (uint64_t)footer->block_partitions * SEGMENT_UNIT;
}
static inline uint64_t segment_top_len(const struct segment_footer *footer)
{
    return segment_align((uint64_t)footer->block_partitions * SEGMENT_TOP_BLOCK_LEN +
                             (uint64_t)footer->page_partitions * SEGMENT_TOP_PAGE_LEN,
                         SEGMENT_UNIT);
}
static inline uint64_t segment_footer_offset(const struct segment_footer *footer)
{
    return segment_top_offset(footer) + segment_top_len(footer);
}

/* Fills a page of SEGMENT_UNIT bytes. */
void segment_footer_encode(const struct segment_footer *footer, const struct segment_place *place,
                           uint8_t *page);
/* place is where the footer was read from, the last page of the file; what it says must agree.
 * ECORRUPT, EVERSION. */
RESULT_MUST_BE_USED int segment_footer_decode(const uint8_t *page,
                                              const struct segment_place *place,
                                              struct segment_footer *out, struct error *err);
