/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a ledger segment. The first byte says how: as a page, as a file with the checksums
 * it has, as a file whose checksums are made right so that what lies behind them is reached.
 * Whatever is accepted can be read to its end; and a check that passes means every record reads.
 */
#include "base/assert.h"
#include "base/checksum.h"
#include "base/epoch.h"
#include "base/mem.h"
#include "os/os_crash.h"
#include "store/segment_format.h"
#include "store/segment_pack.h"

#define DIR "/ledger"
#define PATH DIR "/000001.blk"
#define READS_MAX 2000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t ledger_id[SEGMENT_LEDGER_ID_LEN] = {0};

/* ---- A single page -------------------------------------------------------------------------- */

static void try_as_page(struct slice bytes)
{
    struct segment_place place = {.path = PATH, .seed = 7, .offset = 4096};
    size_t extent = bytes.len / SEGMENT_ALIGN * SEGMENT_ALIGN;
    AUTO(mem_free_ptr) uint8_t *page = mem_alloc(extent);
    AUTO(mem_free_ptr) uint8_t *unpacked = NULL;
    struct segment_page_head head;
    struct segment_page view;
    size_t total = 0;
    uint32_t i;

    if (page == NULL || extent < SEGMENT_EXTENT_MIN) {
        return;
    }
    memcpy(page, bytes.data, extent);
    put_le64(page, checksum(page + 8, extent - 8, place.seed + place.offset));
    put_le32(page + 8, SEGMENT_PAGE_MAGIC);
    put_le64(page, checksum(page + 8, extent - 8, place.seed + place.offset));
    if (segment_page_decode(page, (uint32_t)extent, &place, &head, NULL) < 0) {
        return;
    }
    unpacked = mem_alloc(segment_unpacked_len(&head));
    if (unpacked == NULL || segment_unpack(&head, page, &place, unpacked, NULL) < 0) {
        return;
    }
    view = segment_page_view(unpacked);
    ASSERT(view.count == head.record_count && view.first_seq == head.first_seq);
    for (i = 0; i < view.count; i++) {
        struct slice record = segment_page_record(&view, i);

        ASSERT(record.len > 0 && record.data == view.records + total);
        total += record.len;
    }
    ASSERT(total == view.records_len);
}

/* ---- A file --------------------------------------------------------------------------------- */

/* Makes the checksums of a page right; returns it. */
static uint64_t repair_page(struct buf *file, uint64_t seed, uint64_t offset, uint32_t extent)
{
    uint64_t sum = checksum(file->data + offset + 8, extent - 8, seed + offset);

    put_le64(file->data + offset, sum);
    return sum;
}

/* Makes the checksums of the block at offset right; returns where it ends, 0 when it has no end. */
static uint64_t repair_block(struct buf *file, uint64_t seed, uint64_t offset)
{
    AUTO(buf_deinit) struct buf sums = {0};
    uint8_t *head = file->data + offset;
    uint64_t left = file->len - offset;
    uint64_t head_len;
    uint64_t end;
    uint32_t page_count;
    uint32_t i;

    if (left < SEGMENT_FRAME_LEN) {
        return 0;
    }
    page_count = get_le32(head + 68);
    head_len = segment_frame_head_len(page_count);
    if (head_len > left) {
        return 0;
    }
    end = offset + head_len;
    for (i = 0; i < page_count; i++) {
        struct segment_directory_entry entry = segment_directory_at(head + SEGMENT_FRAME_LEN, i);

        if (entry.extent < SEGMENT_EXTENT_MIN || entry.extent > file->len - end ||
            buf_append_le64(&sums, repair_page(file, seed, end, entry.extent)) < 0) {
            return 0;
        }
        end += entry.extent;
    }
    put_le64(head + 56, checksum(sums.data, sums.len, seed + offset));
    put_le64(head, checksum(head + 8, head_len - 8, seed + offset));
    return end;
}

static void repair_unit(struct buf *file, uint64_t offset, uint64_t seed)
{
    put_le64(file->data + offset + SEGMENT_UNIT - 8,
             checksum(file->data + offset, SEGMENT_UNIT - 8, seed));
}

/* Makes all checksums right that can be found. */
static void repair(struct buf *file)
{
    uint64_t seed = segment_seed(ledger_id, 1);
    uint64_t offset = SEGMENT_DATA_OFFSET;
    struct segment_place place = {.path = PATH, .seed = seed};
    struct segment_footer footer;
    uint64_t at;

    while (offset != 0 && offset < file->len) {
        offset = repair_block(file, seed, offset);
    }
    if (file->len < 2 * SEGMENT_UNIT || file->len % SEGMENT_UNIT != 0) {
        return;
    }
    place.offset = file->len - SEGMENT_UNIT;
    repair_unit(file, place.offset, seed + place.offset);
    if (segment_footer_decode(file->data + place.offset, &place, &footer, NULL) < 0) {
        return;
    }
    for (at = segment_page_index_offset(&footer); at < segment_top_offset(&footer);
         at += SEGMENT_UNIT) {
        repair_unit(file, at, seed + at);
    }
    put_le64(file->data + place.offset + 80,
             checksum(file->data + at, segment_top_len(&footer), seed + at));
    repair_unit(file, place.offset, seed + place.offset);
}

static void read_all(struct segments *segments, bool checks)
{
    struct segment_record record = {0};
    struct segment_block_info info;
    struct segment_scan *scan = NULL;
    struct segment_scan_entry entry;
    uint64_t first = segments_first_seq(segments);
    uint64_t end = segments_end_seq(segments);
    uint64_t seq;
    int rc;

    end = end - first > READS_MAX ? first + READS_MAX : end;
    for (seq = first; seq < end; seq++) {
        rc = segments_read(segments, seq, &record, NULL);
        ASSERT(rc == BLOCKDB_OK || !checks);
        rc = segments_find_seq(segments, seq, &info, NULL);
        ASSERT(!checks || (rc == BLOCKDB_OK && info.first_seq <= seq));
    }
    segment_record_release(&record);
    rc = segments_find_time(segments, UINT64_MAX, &info, NULL);
    ASSERT(rc == BLOCKDB_OK || !checks || end == first);
    rc = segments_scan(segments, first, end, &scan, NULL);
    for (seq = first; rc == BLOCKDB_OK; seq++) {
        rc = segment_scan_next(scan, &entry, NULL);
    }
    ASSERT(!checks || (rc == BLOCKDB_ENOTFOUND && seq == end + 1));
    segment_scan_free(scan);
}

/* Every byte of the only segment. */
static bool is_whole(struct segments *segments)
{
    struct segment_scan *scan = NULL;
    struct segment_scan_entry entry;
    int rc = segments_scan(segments, 0, UINT64_MAX, &scan, NULL);

    while (rc == BLOCKDB_OK) {
        rc = segment_scan_next(scan, &entry, NULL);
    }
    segment_scan_free(scan);
    return rc == BLOCKDB_ENOTFOUND && segments_check_frame(segments, 1, NULL) == BLOCKDB_OK;
}

static void open_as(struct os *os, struct epoch *epoch, const struct segment_info *info)
{
    struct segments_options options = {
        .os = os,
        .dir = DIR,
        .epoch = epoch,
        .read_only = true,
        .known = info,
        .known_count = 1,
    };
    struct segments *segments;

    if (segments_open(&options, &segments, NULL, NULL) < 0) {
        return;
    }
    read_all(segments, is_whole(segments));
    segments_close(segments);
}

static void try_as_file(const struct buf *file)
{
    struct os_crash *crash = os_crash_new(1);
    struct epoch *epoch = epoch_new();
    const uint8_t *footer = file->data + file->len - SEGMENT_UNIT;
    struct segment_info info = {
        .number = 1,
        .first_seq = get_le64(file->data + 48),
        .first_height = SEGMENT_HEIGHT_UNKNOWN,
    };

    if (crash != NULL && epoch != NULL && os_make_dirs(os_crash_os(crash), DIR, NULL) == 0 &&
        os_replace_file(os_crash_os(crash), PATH, buf_slice(file), NULL) == 0) {
        open_as(os_crash_os(crash), epoch, &info);
        info.finished = true;
        info.end_seq = get_le64(footer + 24);
        info.end_height = SEGMENT_HEIGHT_UNKNOWN;
        info.len_bytes = file->len;
        open_as(os_crash_os(crash), epoch, &info);
    }
    epoch_free(epoch);
    if (crash != NULL) {
        os_crash_free(crash);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(buf_deinit) struct buf file = {0};
    struct segment_header header = {.number = 1};

    if (size < 1) {
        return 0;
    }
    if (data[0] % 3 == 0) {
        try_as_page(slice_of(data + 1, size - 1));
        return 0;
    }
    /* The header page is made here, so that inputs are short: they begin behind it. */
    if (buf_append_zeros(&file, SEGMENT_UNIT) < 0 || buf_append(&file, data + 1, size - 1) < 0) {
        return 0;
    }
    segment_header_encode(&header, file.data);
    if (data[0] % 3 == 2) {
        repair(&file);
    }
    try_as_file(&file);
    return 0;
}
