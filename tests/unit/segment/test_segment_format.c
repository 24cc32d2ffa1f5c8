/* SPDX-License-Identifier: Apache-2.0 */
/* The decoders of segments, on bytes whose checksums are right and whose content cannot be: only a
 * faulty or hostile writer makes such. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/checksum.h"
#include "store/codec.h"
#include "store/segment_format.h"
#include "store/segment_pack.h"

#include <stdlib.h>

#define EXTENT 64

static const struct segment_place place = {.path = "x.blk", .seed = 99, .offset = 4096};

static void seal(uint8_t *bytes, size_t len)
{
    put_le64(bytes, checksum(bytes + 8, len - 8, place.seed + place.offset));
}

/* ---- Header --------------------------------------------------------------------------------- */

static void test_header(void **state)
{
    struct segment_header header = {
        .ledger_id = {1, 2}, .number = 3, .first_seq = 4, .first_height = 5};
    struct segment_header out;
    struct error err;
    uint8_t page[SEGMENT_UNIT];

    (void)state;
    segment_header_encode(&header, page);
    assert_int_equal(segment_header_decode(page, "x", &out, &err), BLOCKDB_OK);
    assert_memory_equal(header.ledger_id, out.ledger_id, sizeof(out.ledger_id));
    assert_int_equal(out.number, 3);
    assert_int_equal(out.first_seq, 4);
    assert_int_equal(out.first_height, 5);
    put_le64(page + 16, 1); /* a feature that may be ignored */
    put_le64(page + SEGMENT_UNIT - 8, checksum(page, SEGMENT_UNIT - 8, 0));
    assert_int_equal(segment_header_decode(page, "x", &out, &err), BLOCKDB_OK);
    put_le64(page + 24, 1);
    put_le64(page + SEGMENT_UNIT - 8, checksum(page, SEGMENT_UNIT - 8, 0));
    assert_int_equal(segment_header_decode(page, "x", &out, &err), BLOCKDB_EVERSION);
    segment_header_encode(&header, page);
    put_le32(page + 8, 2);
    put_le64(page + SEGMENT_UNIT - 8, checksum(page, SEGMENT_UNIT - 8, 0));
    assert_int_equal(segment_header_decode(page, "x", &out, &err), BLOCKDB_EVERSION);
}

/* ---- Frame head ----------------------------------------------------------------------------- */

#define HEAD_LEN (SEGMENT_FRAME_LEN + 2 * SEGMENT_DIRECTORY_ENTRY_LEN)

/* A head of two pages with three records, and `change` put at `offset`, sealed. */
static int decode_frame(size_t offset, uint32_t change, uint64_t room)
{
    struct segment_frame frame = {.height = 1,
                                  .first_seq = 2,
                                  .records_len = 30,
                                  .pages_len = 2 * EXTENT,
                                  .record_count = 3,
                                  .page_count = 2};
    struct segment_frame out;
    uint8_t head[HEAD_LEN] = {0};
    int rc;

    put_le32(head + 80, 1);
    put_le32(head + 84, EXTENT);
    put_le32(head + 88, 2);
    put_le32(head + 92, EXTENT);
    segment_frame_seal(&frame, &place, head);
    if (offset > 0) {
        put_le32(head + offset, change);
        seal(head, sizeof(head));
    }
    rc = segment_frame_decode(head, room, &place, &out, NULL);
    if (rc == BLOCKDB_OK) {
        rc = segment_frame_check(&out, head, &place, NULL);
    }
    return rc;
}

static void test_frame(void **state)
{
    const uint64_t room = HEAD_LEN + 2 * EXTENT;

    (void)state;
    assert_int_equal(decode_frame(0, 0, room), BLOCKDB_OK);
    assert_int_equal(decode_frame(0, 0, room - 1), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_frame(0, 0, HEAD_LEN - 1), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_frame(8, 0, room), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_frame(12, 1, room), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_frame(52, 1, room), BLOCKDB_ECORRUPT); /* 4 GiB of records */
    assert_int_equal(decode_frame(64, 0, room), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_frame(64, 4, room), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_frame(64, 1u << 30, room), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_frame(68, 0, room), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_frame(68, UINT32_MAX, room), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_frame(72, 2 * EXTENT - 8, room), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_frame(76, UINT32_MAX, room), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_frame(80, 0, room), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_frame(80, UINT32_MAX, room), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_frame(84, EXTENT - 1, room), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_frame(84, 8, room), BLOCKDB_ECORRUPT);
}

/* ---- Page ----------------------------------------------------------------------------------- */

/* A page of the records "ab" and "cde", and `change` put at `offset`, sealed; decoded, unpacked. */
static int decode_page(size_t offset, uint8_t change)
{
    struct segment_page_head head = {
        .first_seq = 7, .record_count = 2, .raw_len = 9, .stored_len = 9, .codec = CODEC_NONE};
    struct segment_page_head out;
    uint8_t page[EXTENT] = {0};
    uint8_t *unpacked;
    struct segment_page view;
    int rc;

    put_le16(page + 40, 2);
    put_le16(page + 42, 3);
    memcpy(page + 44, "abcde", 5);
    (void)segment_page_seal(&head, &place, page, EXTENT);
    if (offset > 0) {
        page[offset] = change;
        seal(page, EXTENT);
    }
    rc = segment_page_decode(page, EXTENT, &place, &out, NULL);
    if (rc < 0) {
        return rc;
    }
    unpacked = malloc(segment_unpacked_len(&out));
    assert_non_null(unpacked);
    rc = segment_unpack(&out, page, &place, unpacked, NULL);
    if (rc == BLOCKDB_OK) {
        view = segment_page_view(unpacked);
        assert_int_equal(view.first_seq, 7);
        assert_true(slice_equal(segment_page_record(&view, 1), slice_of_text("cde")));
    }
    free(unpacked);
    return rc;
}

static void test_page(void **state)
{
    struct segment_page_head out;
    uint8_t page[EXTENT] = {0};

    (void)state;
    assert_int_equal(decode_page(0, 0), BLOCKDB_OK);
    assert_int_equal(decode_page(13, SEGMENT_PAGE_FLAG_REWRITTEN), BLOCKDB_OK);
    assert_int_equal(decode_page(14, 9), BLOCKDB_OK); /* a generation */
    assert_int_equal(decode_page(8, 0), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_page(12, CODEC_LZ4), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_page(12, CODEC_SNAPPY), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_page(12, CODEC_ZSTD), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_page(12, CODEC_COUNT), BLOCKDB_EVERSION);
    assert_int_equal(decode_page(13, 2), BLOCKDB_EVERSION);
    assert_int_equal(decode_page(24, 0), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_page(24, 200), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_page(27, 255), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_page(28, 4), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_page(31, 255), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_page(32, 25), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_page(36, 1), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_page(40, 0), BLOCKDB_ECORRUPT); /* an empty record */
    assert_int_equal(decode_page(40, 1), BLOCKDB_ECORRUPT); /* lengths do not sum up */
    assert_int_equal(decode_page(42, 200), BLOCKDB_ECORRUPT);
    assert_int_equal(segment_page_decode(page, 40, &place, &out, NULL), BLOCKDB_ECORRUPT);
}

/* ---- Indexes and footer --------------------------------------------------------------------- */

static void test_entries(void **state)
{
    struct segment_page_entry page = {.seq_delta = 9, .extent = 1u << 31, .offset = 1ull << 34};
    struct segment_block_entry block = {
        .time_min_ms = 1, .time_max_ms = 2, .seq_delta = UINT32_MAX, .offset = 1ull << 33};
    uint8_t bytes[SEGMENT_BLOCK_ENTRY_LEN];
    struct segment_page_entry page_out;
    struct segment_block_entry block_out;

    (void)state;
    segment_page_entry_encode(&page, bytes);
    page_out = segment_page_entry_decode(bytes);
    assert_int_equal(page_out.offset, page.offset);
    assert_int_equal(page_out.extent, page.extent);
    put_le32(bytes + 8, UINT32_MAX);
    assert_int_equal(segment_page_entry_decode(bytes).extent, 0);
    segment_block_entry_encode(&block, bytes);
    block_out = segment_block_entry_decode(bytes);
    assert_int_equal(block_out.offset, block.offset);
    assert_int_equal(block_out.seq_delta, block.seq_delta);
}

static void test_partition(void **state)
{
    uint8_t page[SEGMENT_UNIT] = {0};

    (void)state;
    segment_partition_seal(page, 5, 6, &place);
    assert_int_equal(segment_partition_check(page, 5, 6, &place, NULL), BLOCKDB_OK);
    assert_int_equal(segment_partition_check(page, 4, 6, &place, NULL), BLOCKDB_ECORRUPT);
    assert_int_equal(segment_partition_check(page, 5, 7, &place, NULL), BLOCKDB_ECORRUPT);
    page[100]++;
    assert_int_equal(segment_partition_check(page, 5, 6, &place, NULL), BLOCKDB_ECORRUPT);
}

/* A footer after `data_end` 8192 with 1 + 1 partitions and a top, and `change` at `offset`. */
static int decode_footer(size_t offset, uint64_t change)
{
    struct segment_footer footer = {.number = 1,
                                    .first_seq = 10,
                                    .end_seq = 20,
                                    .first_height = 3,
                                    .end_height = 5,
                                    .data_end = 8192,
                                    .page_count = 4,
                                    .page_partitions = 1,
                                    .block_partitions = 1};
    struct segment_place at = {"x.blk", 99, segment_footer_offset(&footer)};
    struct segment_footer out;
    uint8_t page[SEGMENT_UNIT];

    segment_footer_encode(&footer, &at, page);
    if (offset > 0) {
        put_le64(page + offset, change);
        put_le64(page + SEGMENT_UNIT - 8, checksum(page, SEGMENT_UNIT - 8, at.seed + at.offset));
    }
    return segment_footer_decode(page, &at, &out, NULL);
}

static void test_footer(void **state)
{
    (void)state;
    assert_int_equal(decode_footer(0, 0), BLOCKDB_OK);
    assert_int_equal(decode_footer(8, 2), BLOCKDB_EVERSION);
    assert_int_equal(decode_footer(24, 10), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_footer(24, 9), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_footer(24, 1ull << 40), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_footer(40, 3), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_footer(40, 14), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_footer(48, 4096), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_footer(48, 8191), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_footer(48, 1ull << 60), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_footer(48, 16384), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_footer(56, 1), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_footer(56, 11), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_footer(72, 1), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_footer(72, 1ull << 32 | 2), BLOCKDB_ECORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_header),    cmocka_unit_test(test_frame),
        cmocka_unit_test(test_page),      cmocka_unit_test(test_entries),
        cmocka_unit_test(test_partition), cmocka_unit_test(test_footer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
