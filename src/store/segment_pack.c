/* SPDX-License-Identifier: Apache-2.0 */
#include "store/segment_pack.h"

#include "base/assert.h"
#include "base/checksum.h"

#include <inttypes.h>

#define LENGTH_LEN 2 /* of one record, in the table of a page */

int segment_packer_init(struct segment_packer *packer, enum codec codec, int level)
{
    struct compressor *compressor = compressor_new(codec, level);

    if (compressor == NULL) {
        return BLOCKDB_ENOMEM;
    }
    *packer = (struct segment_packer){.compressor = compressor};
    return BLOCKDB_OK;
}

void segment_packer_deinit(struct segment_packer *packer)
{
    compressor_free(packer->compressor);
    buf_deinit(&packer->raw);
    buf_deinit(&packer->sums);
    *packer = (struct segment_packer){0};
}

/* How many of n records, at least one, make up the next page. */
static uint32_t page_fill(const struct slice *records, uint32_t n)
{
    size_t len = records[0].len;
    uint32_t count = 1;

    while (count < n && len + records[count].len <= SEGMENT_PAGE_FILL) {
        len += records[count].len;
        count++;
    }
    return count;
}

int segment_pack_plan(const struct segment_block *block, struct segment_frame *out_frame,
                      struct error *err)
{
    struct segment_frame frame = {
        .height = block->height,
        .first_seq = block->first_seq,
        .time_min_ms = block->time_min_ms,
        .time_max_ms = block->time_max_ms,
        .record_count = block->count,
    };
    uint32_t i;

    if (block->count == 0 || block->count > SEGMENT_BLOCK_RECORDS_MAX) {
        return error_set(err, block->count == 0 ? BLOCKDB_EINVAL : BLOCKDB_ELIMIT,
                         "block %" PRIu64 " has %" PRIu32 " records: it must have 1 to %u",
                         block->height, block->count, SEGMENT_BLOCK_RECORDS_MAX);
    }
    for (i = 0; i < block->count; i++) {
        size_t len = block->records[i].len;

        if (len == 0 || len > SEGMENT_RECORD_MAX) {
            return error_set(err, len == 0 ? BLOCKDB_EINVAL : BLOCKDB_ELIMIT,
                             "record %" PRIu64 " is %zu bytes long: it must have 1 to %u",
                             block->first_seq + i, len, SEGMENT_RECORD_MAX);
        }
        frame.records_len += len;
    }
    if (frame.records_len > SEGMENT_BLOCK_BYTES_MAX) {
        return error_set(err, BLOCKDB_ELIMIT,
                         "block %" PRIu64 " has %" PRIu64 " bytes of records: %u is the most",
                         block->height, frame.records_len, SEGMENT_BLOCK_BYTES_MAX);
    }
    for (i = 0; i < block->count; frame.page_count++) {
        i += page_fill(block->records + i, block->count - i);
    }
    *out_frame = frame;
    return BLOCKDB_OK;
}

/* The payload of a page of n records; borrows the only record, or the packer's memory. */
static int page_payload(struct segment_packer *packer, const struct slice *records, uint32_t n,
                        struct slice *out)
{
    struct buf *raw = &packer->raw;
    size_t len = 0;
    uint8_t *at;
    uint32_t i;

    if (n == 1) {
        *out = records[0];
        return BLOCKDB_OK;
    }
    for (i = 0; i < n; i++) {
        len += records[i].len;
    }
    if (len > SEGMENT_PAGE_RECORDS_LEN_MAX) {
        return BLOCKDB_ELIMIT;
    }
    buf_reset(raw);
    if (buf_reserve(raw, (size_t)n * LENGTH_LEN + len) < 0) {
        return BLOCKDB_ENOMEM;
    }
    at = raw->data + (size_t)n * LENGTH_LEN;
    for (i = 0; i < n; i++) {
        put_le16(raw->data + (size_t)i * LENGTH_LEN, (uint16_t)records[i].len);
        memcpy(at, records[i].data, records[i].len);
        at += records[i].len;
    }
    raw->len = (size_t)(at - raw->data);
    *out = buf_slice(raw);
    return BLOCKDB_OK;
}

int segment_pack_page(struct segment_packer *packer, struct segment_page_head *head,
                      const struct slice *records, const struct segment_place *place,
                      struct buf *out)
{
    size_t start = out->len;
    struct slice payload;
    enum codec codec;
    uint64_t extent;
    int rc = page_payload(packer, records, head->record_count, &payload);

    if (rc < 0) {
        return rc;
    }
    if (buf_append_zeros(out, SEGMENT_PAGE_HEAD_LEN) < 0 ||
        compressor_run(packer->compressor, payload, out, &codec) < 0) {
        return BLOCKDB_ENOMEM;
    }
    head->codec = (uint8_t)codec;
    head->raw_len = (uint32_t)payload.len;
    head->stored_len = (uint32_t)(out->len - start - SEGMENT_PAGE_HEAD_LEN);
    extent = segment_align(out->len - start, SEGMENT_ALIGN);
    if (buf_append_zeros(out, extent - (out->len - start)) < 0) {
        return BLOCKDB_ENOMEM;
    }
    return buf_append_le64(&packer->sums,
                           segment_page_seal(head, place, out->data + start, (uint32_t)extent));
}

int segment_pack(struct segment_packer *packer, const struct segment_block *block,
                 const struct segment_place *place, struct segment_frame *frame, struct buf *out)
{
    uint64_t head_len = segment_frame_head_len(frame->page_count);
    uint32_t page;
    uint32_t i = 0;

    ASSERT(out->len == 0);
    buf_reset(&packer->sums);
    if (buf_append_zeros(out, head_len) < 0) {
        return BLOCKDB_ENOMEM;
    }
    for (page = 0; page < frame->page_count; page++) {
        struct segment_page_head head = {
            .first_seq = block->first_seq + i,
            .record_count = page_fill(block->records + i, block->count - i),
        };
        struct segment_place page_place = {place->path, place->seed, place->offset + out->len};
        size_t start = out->len;
        uint8_t *entry;

        if (segment_pack_page(packer, &head, block->records + i, &page_place, out) < 0) {
            return BLOCKDB_ENOMEM;
        }
        entry = out->data + SEGMENT_FRAME_LEN + (size_t)page * SEGMENT_DIRECTORY_ENTRY_LEN;
        put_le32(entry, head.record_count);
        put_le32(entry + 4, (uint32_t)(out->len - start));
        i += head.record_count;
    }
    frame->pages_len = out->len - head_len;
    frame->pages_sum = checksum(packer->sums.data, packer->sums.len, place->seed + place->offset);
    segment_frame_seal(frame, place, out->data);
    return BLOCKDB_OK;
}

/* Turns the table of lengths into one of ends; false when they do not sum up to records_len. */
static bool lengths_to_ends(uint8_t *table, uint32_t count, uint64_t records_len)
{
    uint32_t end = 0;
    uint32_t i;

    for (i = 0; i < count; i++) {
        uint16_t len = get_le16(table + (size_t)i * LENGTH_LEN);

        end += len;
        if (len == 0 || end > records_len) {
            return false;
        }
        put_le16(table + (size_t)i * LENGTH_LEN, (uint16_t)end);
    }
    return end == records_len;
}

static void put_unpacked_head(uint8_t *out, uint64_t first_seq, uint32_t count,
                              uint32_t records_len)
{
    memcpy(out, &first_seq, 8);
    memcpy(out + 8, &count, 4);
    memcpy(out + 12, &records_len, 4);
}

int segment_unpack(const struct segment_page_head *head, const uint8_t *page,
                   const struct segment_place *place, uint8_t *out, struct error *err)
{
    struct slice stored = slice_of(page + SEGMENT_PAGE_HEAD_LEN, head->stored_len);
    uint8_t *payload = out + SEGMENT_UNPACKED_HEAD_LEN;
    uint32_t table_len = head->record_count > 1 ? head->record_count * LENGTH_LEN : 0;
    uint32_t records_len = head->raw_len - table_len;
    int rc = codec_decompress(head->codec, stored, payload, head->raw_len);

    if (rc == BLOCKDB_ENOMEM) {
        return error_set_no_memory(err);
    }
    if (rc < 0) {
        return error_set(err, rc,
                         "segment '%s': page at offset %" PRIu64
                         ": the payload cannot be decompressed (%s); restore the file from a "
                         "backup or another node",
                         place->path, place->offset, codec_name(head->codec));
    }
    if (table_len > 0 && !lengths_to_ends(payload, head->record_count, records_len)) {
        return error_set(err, BLOCKDB_ECORRUPT,
                         "segment '%s': page at offset %" PRIu64
                         ": impossible lengths of records; restore the file from a backup or "
                         "another node",
                         place->path, place->offset);
    }
    put_unpacked_head(out, head->first_seq, head->record_count, records_len);
    return BLOCKDB_OK;
}

size_t segment_unpacked_records_len(uint32_t n, uint32_t records_len)
{
    return SEGMENT_UNPACKED_HEAD_LEN + (n > 1 ? (size_t)n * LENGTH_LEN : 0) + records_len;
}

void segment_unpacked_of_records(const struct slice *records, uint32_t n, uint64_t first_seq,
                                 uint32_t records_len, uint8_t *out)
{
    uint8_t *table = out + SEGMENT_UNPACKED_HEAD_LEN;
    uint8_t *at = table + (n > 1 ? (size_t)n * LENGTH_LEN : 0);
    uint8_t *start = at;
    uint32_t i;

    put_unpacked_head(out, first_seq, n, records_len);
    for (i = 0; i < n; i++) {
        memcpy(at, records[i].data, records[i].len);
        at += records[i].len;
        if (n > 1) {
            put_le16(table + (size_t)i * LENGTH_LEN, (uint16_t)(at - start));
        }
    }
    ASSERT(at == start + records_len);
}

struct segment_page segment_page_view(const uint8_t *unpacked)
{
    struct segment_page page;

    memcpy(&page.first_seq, unpacked, 8);
    memcpy(&page.count, unpacked + 8, 4);
    memcpy(&page.records_len, unpacked + 12, 4);
    page.ends = NULL;
    page.records = unpacked + SEGMENT_UNPACKED_HEAD_LEN;
    if (page.count > 1) {
        page.ends = (const uint16_t *)(const void *)page.records;
        page.records += (size_t)page.count * LENGTH_LEN;
    }
    return page;
}
