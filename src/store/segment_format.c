/* SPDX-License-Identifier: Apache-2.0 */
#include "store/segment_format.h"

#include "base/checksum.h"
#include "store/codec.h"

#include <inttypes.h>

#define HEADER_MAGIC "BDBSEGMT"
#define FOOTER_MAGIC "BDBSEGFT"
#define MAGIC_LEN 8
#define UNIT_CHECKSUM_OFFSET (SEGMENT_UNIT - 8)
#define CHECKSUM_LEN 8

_Static_assert(SEGMENT_PARTITION_ROOM % SEGMENT_PAGE_ENTRY_LEN == 0, "no room is wasted");
_Static_assert(SEGMENT_PARTITION_ROOM % SEGMENT_BLOCK_ENTRY_LEN == 0, "no room is wasted");
_Static_assert(SEGMENT_PARTITION_HEAD_LEN + SEGMENT_PARTITION_ROOM == UNIT_CHECKSUM_OFFSET,
               "the checksum ends a partition");

uint64_t segment_seed(const uint8_t ledger_id[SEGMENT_LEDGER_ID_LEN], uint32_t number)
{
    uint8_t bytes[SEGMENT_LEDGER_ID_LEN + 8];

    memcpy(bytes, ledger_id, SEGMENT_LEDGER_ID_LEN);
    put_le64(bytes + SEGMENT_LEDGER_ID_LEN, number);
    return checksum(bytes, sizeof(bytes), 0);
}

static uint64_t seed_at(const struct segment_place *place)
{
    return place->seed + place->offset;
}

/* ECORRUPT with path and offset in front of what is wrong. */
static int corrupt(const struct segment_place *place, const char *what, struct error *err)
{
    return error_set(err, BLOCKDB_ECORRUPT,
                     "segment '%s': at offset %" PRIu64 ": %s; restore the file from a backup or "
                     "another node",
                     place->path, place->offset, what);
}

/* ---- Header --------------------------------------------------------------------------------- */

void segment_header_encode(const struct segment_header *header, uint8_t *page)
{
    memset(page, 0, SEGMENT_UNIT);
    memcpy(page, HEADER_MAGIC, MAGIC_LEN);
    put_le32(page + 8, SEGMENT_VERSION);
    put_le32(page + 12, header->number);
    memcpy(page + 32, header->ledger_id, SEGMENT_LEDGER_ID_LEN);
    put_le64(page + 48, header->first_seq);
    put_le64(page + 56, header->first_height);
    put_le32(page + 64, header->revision);
    put_le64(page + UNIT_CHECKSUM_OFFSET, checksum(page, UNIT_CHECKSUM_OFFSET, 0));
}

int segment_header_decode(const uint8_t *page, const char *path, struct segment_header *out,
                          struct error *err)
{
    struct segment_place place = {.path = path};

    if (memcmp(page, HEADER_MAGIC, MAGIC_LEN) != 0) {
        return corrupt(&place, "not the header of a ledger segment", err);
    }
    if (get_le64(page + UNIT_CHECKSUM_OFFSET) != checksum(page, UNIT_CHECKSUM_OFFSET, 0)) {
        return corrupt(&place, "checksum mismatch in the header", err);
    }
    if (get_le32(page + 8) != SEGMENT_VERSION || get_le64(page + 24) != 0) {
        return error_set(err, BLOCKDB_EVERSION,
                         "segment '%s': version %" PRIu32 ", features %#" PRIx64
                         ": written by a newer release; open it with that",
                         path, get_le32(page + 8), get_le64(page + 24));
    }
    memcpy(out->ledger_id, page + 32, SEGMENT_LEDGER_ID_LEN);
    out->number = get_le32(page + 12);
    out->first_seq = get_le64(page + 48);
    out->first_height = get_le64(page + 56);
    out->revision = get_le32(page + 64);
    return BLOCKDB_OK;
}

/* ---- Frame head ----------------------------------------------------------------------------- */

void segment_frame_seal(const struct segment_frame *frame, const struct segment_place *place,
                        uint8_t *head)
{
    uint64_t head_len = segment_frame_head_len(frame->page_count);

    put_le32(head + 8, SEGMENT_FRAME_MAGIC);
    put_le32(head + 12, 0);
    put_le64(head + 16, frame->height);
    put_le64(head + 24, frame->first_seq);
    put_le64(head + 32, frame->time_min_ms);
    put_le64(head + 40, frame->time_max_ms);
    put_le64(head + 48, frame->records_len);
    put_le64(head + 56, frame->pages_sum);
    put_le32(head + 64, frame->record_count);
    put_le32(head + 68, frame->page_count);
    put_le64(head + 72, frame->pages_len);
    put_le64(head, checksum(head + CHECKSUM_LEN, head_len - CHECKSUM_LEN, seed_at(place)));
}

int segment_frame_decode(const uint8_t *fixed, uint64_t room, const struct segment_place *place,
                         struct segment_frame *out, struct error *err)
{
    struct segment_frame frame = {
        .height = get_le64(fixed + 16),
        .first_seq = get_le64(fixed + 24),
        .time_min_ms = get_le64(fixed + 32),
        .time_max_ms = get_le64(fixed + 40),
        .records_len = get_le64(fixed + 48),
        .pages_sum = get_le64(fixed + 56),
        .record_count = get_le32(fixed + 64),
        .page_count = get_le32(fixed + 68),
        .pages_len = get_le64(fixed + 72),
    };

    if (get_le32(fixed + 8) != SEGMENT_FRAME_MAGIC || get_le32(fixed + 12) != 0) {
        return corrupt(place, "not the frame head of a block", err);
    }
    if (frame.record_count == 0 || frame.page_count == 0 || frame.page_count > frame.record_count ||
        frame.record_count > SEGMENT_BLOCK_RECORDS_MAX ||
        frame.records_len > SEGMENT_BLOCK_BYTES_MAX) {
        return corrupt(place, "impossible counts in the frame head of a block", err);
    }
    if (segment_frame_head_len(frame.page_count) > room ||
        frame.pages_len > room - segment_frame_head_len(frame.page_count)) {
        return corrupt(place, "the block does not fit into the file", err);
    }
    *out = frame;
    return BLOCKDB_OK;
}

int segment_frame_check(const struct segment_frame *frame, const uint8_t *head,
                        const struct segment_place *place, struct error *err)
{
    uint64_t head_len = segment_frame_head_len(frame->page_count);
    uint64_t record_count = 0;
    uint64_t pages_len = 0;
    uint32_t i;

    if (get_le64(head) != checksum(head + CHECKSUM_LEN, head_len - CHECKSUM_LEN, seed_at(place))) {
        return corrupt(place, "checksum mismatch in the frame head of a block", err);
    }
    for (i = 0; i < frame->page_count; i++) {
        struct segment_directory_entry entry = segment_directory_at(head + SEGMENT_FRAME_LEN, i);

        if (entry.record_count == 0 || entry.extent < SEGMENT_EXTENT_MIN ||
            entry.extent % SEGMENT_ALIGN != 0) {
            return corrupt(place, "impossible entry in the page directory of a block", err);
        }
        record_count += entry.record_count;
        pages_len += entry.extent;
    }
    if (record_count != frame->record_count || pages_len != frame->pages_len) {
        return corrupt(place, "the page directory of a block does not sum up", err);
    }
    return BLOCKDB_OK;
}

/* ---- Page ----------------------------------------------------------------------------------- */

uint64_t segment_page_seal(const struct segment_page_head *head, const struct segment_place *place,
                           uint8_t *page, uint32_t extent)
{
    uint64_t sum;

    put_le32(page + 8, SEGMENT_PAGE_MAGIC);
    page[12] = head->codec;
    page[13] = head->flags;
    put_le16(page + 14, head->generation);
    put_le64(page + 16, head->first_seq);
    put_le32(page + 24, head->record_count);
    put_le32(page + 28, head->raw_len);
    put_le32(page + 32, head->stored_len);
    put_le32(page + 36, 0);
    sum = checksum(page + CHECKSUM_LEN, extent - CHECKSUM_LEN, seed_at(place));
    put_le64(page, sum);
    return sum;
}

/* Whether the raw length can be that of so many records. */
static bool raw_len_fits(const struct segment_page_head *head)
{
    uint64_t lengths_len = (uint64_t)head->record_count * 2;

    if (head->record_count == 1) {
        return head->raw_len >= 1 && head->raw_len <= SEGMENT_RECORD_MAX;
    }
    return head->record_count != 0 && head->raw_len >= lengths_len + head->record_count &&
           head->raw_len <= lengths_len + SEGMENT_PAGE_RECORDS_LEN_MAX;
}

int segment_page_decode(const uint8_t *page, uint32_t extent, const struct segment_place *place,
                        struct segment_page_head *out, struct error *err)
{
    struct segment_page_head head;

    if (extent < SEGMENT_EXTENT_MIN) {
        return corrupt(place, "a page shorter than its head", err);
    }
    head = (struct segment_page_head){
        .checksum = get_le64(page),
        .codec = page[12],
        .flags = page[13],
        .generation = get_le16(page + 14),
        .first_seq = get_le64(page + 16),
        .record_count = get_le32(page + 24),
        .raw_len = get_le32(page + 28),
        .stored_len = get_le32(page + 32),
    };
    if (head.checksum != checksum(page + CHECKSUM_LEN, extent - CHECKSUM_LEN, seed_at(place))) {
        return corrupt(place, "checksum mismatch in a page", err);
    }
    if (get_le32(page + 8) != SEGMENT_PAGE_MAGIC || get_le32(page + 36) != 0) {
        return corrupt(place, "not a page", err);
    }
    if ((head.flags & ~SEGMENT_PAGE_FLAG_REWRITTEN) != 0 || head.codec >= CODEC_COUNT) {
        return error_set(err, BLOCKDB_EVERSION,
                         "segment '%s': page at offset %" PRIu64
                         ": unknown codec %u or flags %#x; open it with a newer release",
                         place->path, place->offset, head.codec, head.flags);
    }
    if (head.stored_len > extent - SEGMENT_PAGE_HEAD_LEN || !raw_len_fits(&head)) {
        return corrupt(place, "impossible lengths in a page", err);
    }
    *out = head;
    return BLOCKDB_OK;
}

/* ---- Indexes -------------------------------------------------------------------------------- */

void segment_page_entry_encode(const struct segment_page_entry *entry, uint8_t *out)
{
    put_le32(out, entry->seq_delta);
    put_le32(out + 4, (uint32_t)(entry->offset / SEGMENT_ALIGN));
    put_le32(out + 8, entry->extent / SEGMENT_ALIGN);
}

struct segment_page_entry segment_page_entry_decode(const uint8_t *in)
{
    uint64_t extent = (uint64_t)get_le32(in + 8) * SEGMENT_ALIGN;

    return (struct segment_page_entry){
        .seq_delta = get_le32(in),
        .offset = (uint64_t)get_le32(in + 4) * SEGMENT_ALIGN,
        .extent = extent <= UINT32_MAX ? (uint32_t)extent : 0,
    };
}

void segment_block_entry_encode(const struct segment_block_entry *entry, uint8_t *out)
{
    put_le64(out, entry->time_min_ms);
    put_le64(out + 8, entry->time_max_ms);
    put_le32(out + 16, entry->seq_delta);
    put_le32(out + 20, (uint32_t)(entry->offset / SEGMENT_ALIGN));
}

struct segment_block_entry segment_block_entry_decode(const uint8_t *in)
{
    return (struct segment_block_entry){
        .time_min_ms = get_le64(in),
        .time_max_ms = get_le64(in + 8),
        .seq_delta = get_le32(in + 16),
        .offset = (uint64_t)get_le32(in + 20) * SEGMENT_ALIGN,
    };
}

void segment_partition_seal(uint8_t *partition, uint32_t count, uint32_t number,
                            const struct segment_place *place)
{
    put_le32(partition, count);
    put_le32(partition + 4, number);
    put_le64(partition + UNIT_CHECKSUM_OFFSET,
             checksum(partition, UNIT_CHECKSUM_OFFSET, seed_at(place)));
}

int segment_partition_check(const uint8_t *partition, uint32_t count, uint32_t number,
                            const struct segment_place *place, struct error *err)
{
    if (get_le64(partition + UNIT_CHECKSUM_OFFSET) !=
        checksum(partition, UNIT_CHECKSUM_OFFSET, seed_at(place))) {
        return corrupt(place, "checksum mismatch in an index partition", err);
    }
    if (get_le32(partition) != count || get_le32(partition + 4) != number) {
        return corrupt(place, "an index partition is not the one expected", err);
    }
    return BLOCKDB_OK;
}

/* ---- Footer --------------------------------------------------------------------------------- */

void segment_footer_encode(const struct segment_footer *footer, const struct segment_place *place,
                           uint8_t *page)
{
    memset(page, 0, SEGMENT_UNIT);
    memcpy(page, FOOTER_MAGIC, MAGIC_LEN);
    put_le32(page + 8, SEGMENT_VERSION);
    put_le32(page + 12, footer->number);
    put_le64(page + 16, footer->first_seq);
    put_le64(page + 24, footer->end_seq);
    put_le64(page + 32, footer->first_height);
    put_le64(page + 40, footer->end_height);
    put_le64(page + 48, footer->data_end);
    put_le64(page + 56, footer->page_count);
    put_le64(page + 64, footer->records_len);
    put_le32(page + 72, footer->page_partitions);
    put_le32(page + 76, footer->block_partitions);
    put_le64(page + 80, footer->top_checksum);
    put_le64(page + UNIT_CHECKSUM_OFFSET, checksum(page, UNIT_CHECKSUM_OFFSET, seed_at(place)));
}

static uint64_t partitions_of(uint64_t entries, uint32_t entry_len)
{
    uint32_t per_partition = SEGMENT_PARTITION_ROOM / entry_len;

    return (entries + per_partition - 1) / per_partition;
}

/* Whether counts, offsets and ranges of a footer agree with each other and with its place. */
static bool footer_agrees(const struct segment_footer *f, uint64_t offset)
{
    uint64_t seqs = f->end_seq - f->first_seq;
    uint64_t blocks = f->end_height - f->first_height;

    return f->end_seq > f->first_seq && seqs <= SEGMENT_RECORDS_MAX &&
           f->end_height > f->first_height && blocks <= seqs && f->page_count >= blocks &&
           f->page_count <= seqs && f->data_end > SEGMENT_DATA_OFFSET &&
           f->data_end <= SEGMENT_DATA_END_MAX && f->data_end % SEGMENT_ALIGN == 0 &&
           f->page_partitions == partitions_of(f->page_count, SEGMENT_PAGE_ENTRY_LEN) &&
           f->block_partitions == partitions_of(blocks, SEGMENT_BLOCK_ENTRY_LEN) &&
           segment_footer_offset(f) == offset;
}

int segment_footer_decode(const uint8_t *page, const struct segment_place *place,
                          struct segment_footer *out, struct error *err)
{
    struct segment_footer footer;

    if (memcmp(page, FOOTER_MAGIC, MAGIC_LEN) != 0) {
        return corrupt(place, "the footer of a finished segment is missing", err);
    }
    if (get_le64(page + UNIT_CHECKSUM_OFFSET) !=
        checksum(page, UNIT_CHECKSUM_OFFSET, seed_at(place))) {
        return corrupt(place, "checksum mismatch in the footer", err);
    }
    if (get_le32(page + 8) != SEGMENT_VERSION) {
        return error_set(err, BLOCKDB_EVERSION,
                         "segment '%s': footer version %" PRIu32
                         ": written by a newer release; open it with that",
                         place->path, get_le32(page + 8));
    }
    footer = (struct segment_footer){
        .number = get_le32(page + 12),
        .first_seq = get_le64(page + 16),
        .end_seq = get_le64(page + 24),
        .first_height = get_le64(page + 32),
        .end_height = get_le64(page + 40),
        .data_end = get_le64(page + 48),
        .page_count = get_le64(page + 56),
        .records_len = get_le64(page + 64),
        .page_partitions = get_le32(page + 72),
        .block_partitions = get_le32(page + 76),
        .top_checksum = get_le64(page + 80),
    };
    if (!footer_agrees(&footer, place->offset)) {
        return corrupt(place, "impossible counts in the footer", err);
    }
    *out = footer;
    return BLOCKDB_OK;
}
