/* SPDX-License-Identifier: Apache-2.0 */
#include "store/wal_format.h"

#include "base/assert.h"
#include "base/checksum.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define FORMAT_VERSION 1
#define MAGIC_BYTES 8
#define CHECKSUM_BYTES 8
#define LIFE_OFFSET 40 /* number and life follow the ledger id */
#define NAME_DIGITS_MIN 6
#define NAME_DIGITS_MAX 20

static const uint8_t marker_magic[MAGIC_BYTES] = "BDBWALDR";
static const uint8_t header_magic[MAGIC_BYTES] = "BDBWALSG";

static_assert(WAL_FRAME_HEADER_BYTES % WAL_FRAME_ALIGN == 0, "the payload is aligned");
static_assert(WAL_START_PAYLOAD_BYTES % WAL_FRAME_ALIGN == 0, "a start frame has no padding");

static bool all_zero(struct slice s)
{
    return s.len == 0 || (s.data[0] == 0 && memcmp(s.data, s.data + 1, s.len - 1) == 0);
}

/* Magic, version and feature masks, the same in both files. Asked only after the checksum: what
 * looks like a newer version may just be damaged. */
static int decode_preamble(struct reader *r, const uint8_t magic[MAGIC_BYTES])
{
    uint32_t must_know;

    if (!slice_equal(reader_bytes(r, MAGIC_BYTES), slice_of(magic, MAGIC_BYTES))) {
        return BLOCKDB_ECORRUPT;
    }
    if (reader_le32(r) != FORMAT_VERSION) {
        return BLOCKDB_EVERSION;
    }
    (void)reader_le32(r); /* features that may be ignored */
    must_know = reader_le32(r);
    return must_know != 0 ? BLOCKDB_EVERSION : BLOCKDB_OK;
}

static bool checksum_is_good(struct slice bytes)
{
    size_t covered = bytes.len - CHECKSUM_BYTES;

    return get_le64(bytes.data + covered) == checksum(bytes.data, covered, 0);
}

static void encode_preamble(const uint8_t magic[MAGIC_BYTES], uint8_t *out)
{
    memcpy(out, magic, MAGIC_BYTES);
    put_le32(out + 8, FORMAT_VERSION);
}

void wal_marker_encode(const uint8_t ledger_id[WAL_LEDGER_ID_BYTES], uint8_t out[WAL_MARKER_BYTES])
{
    memset(out, 0, WAL_MARKER_BYTES);
    encode_preamble(marker_magic, out);
    memcpy(out + 24, ledger_id, WAL_LEDGER_ID_BYTES);
    put_le64(out + WAL_MARKER_BYTES - CHECKSUM_BYTES,
             checksum(out, WAL_MARKER_BYTES - CHECKSUM_BYTES, 0));
}

int wal_marker_decode(struct slice bytes, uint8_t out_ledger_id[WAL_LEDGER_ID_BYTES])
{
    struct reader r = reader_of(bytes);
    struct slice ledger_id;
    int rc;

    if (bytes.len != WAL_MARKER_BYTES || !checksum_is_good(bytes)) {
        return BLOCKDB_ECORRUPT;
    }
    rc = decode_preamble(&r, marker_magic);
    if (rc < 0) {
        return rc;
    }
    if (reader_le32(&r) != 0) {
        return BLOCKDB_ECORRUPT;
    }
    ledger_id = reader_bytes(&r, WAL_LEDGER_ID_BYTES);
    if (!all_zero(reader_bytes(&r, 16)) || !reader_ok(&r)) {
        return BLOCKDB_ECORRUPT;
    }
    memcpy(out_ledger_id, ledger_id.data, WAL_LEDGER_ID_BYTES);
    return BLOCKDB_OK;
}

void wal_header_encode(const struct wal_header *header, uint8_t out[WAL_HEADER_BYTES])
{
    memset(out, 0, WAL_HEADER_BYTES);
    encode_preamble(header_magic, out);
    put_le32(out + 20, header->recycled ? 1 : 0);
    memcpy(out + 24, header->ledger_id, WAL_LEDGER_ID_BYTES);
    put_le64(out + LIFE_OFFSET, header->number);
    put_le64(out + LIFE_OFFSET + 8, header->life);
    put_le64(out + LIFE_OFFSET + 16, header->prepared_bytes);
    put_le64(out + WAL_HEADER_BYTES - CHECKSUM_BYTES,
             checksum(out, WAL_HEADER_BYTES - CHECKSUM_BYTES, 0));
}

int wal_header_decode(struct slice bytes, struct wal_header *out)
{
    struct wal_header header = {0};
    struct reader r = reader_of(bytes);
    uint32_t recycled;
    int rc;

    if (bytes.len != WAL_HEADER_BYTES || !checksum_is_good(bytes)) {
        return BLOCKDB_ECORRUPT;
    }
    rc = decode_preamble(&r, header_magic);
    if (rc < 0) {
        return rc;
    }
    recycled = reader_le32(&r);
    reader_copy(&r, header.ledger_id, WAL_LEDGER_ID_BYTES);
    header.number = reader_le64(&r);
    header.life = reader_le64(&r);
    header.prepared_bytes = reader_le64(&r);
    if (recycled > 1 || !all_zero(reader_bytes(&r, reader_left(&r) - CHECKSUM_BYTES))) {
        return BLOCKDB_ECORRUPT;
    }
    header.recycled = recycled == 1;
    *out = header;
    return BLOCKDB_OK;
}

uint64_t wal_segment_seed(const struct wal_header *header)
{
    uint8_t bytes[WAL_LEDGER_ID_BYTES + 16];

    memcpy(bytes, header->ledger_id, WAL_LEDGER_ID_BYTES);
    put_le64(bytes + WAL_LEDGER_ID_BYTES, header->number);
    put_le64(bytes + WAL_LEDGER_ID_BYTES + 8, header->life);
    return checksum(bytes, sizeof(bytes), 0);
}

void wal_frame_seal(uint8_t *frame, const struct wal_frame_header *header, uint64_t seed)
{
    size_t body_len = wal_frame_bytes(header->payload_len) - WAL_FRAME_HEADER_BYTES;
    uint8_t *body = frame + WAL_FRAME_HEADER_BYTES;

    ASSERT(header->payload_len <= WAL_PAYLOAD_BYTES_MAX);
    ASSERT(header->first_seq <= header->end_seq);
    memset(body + header->payload_len, 0, body_len - header->payload_len);
    memset(frame, 0, WAL_FRAME_HEADER_BYTES);
    frame[4] = (uint8_t)header->kind;
    put_le32(frame + 8, header->payload_len);
    put_le64(frame + 16, header->first_seq);
    put_le64(frame + 24, header->end_seq);
    put_le64(frame + 32, header->synced_position);
    put_le64(frame + 40, checksum(body, body_len, seed));
    put_le32(frame, checksum32(frame + 4, WAL_FRAME_HEADER_BYTES - 4, seed));
}

/* Start and close frames hold no entries and have a fixed length. */
static bool fits_kind(const struct wal_frame_header *header)
{
    switch (header->kind) {
    case WAL_FRAME_START:
        return header->first_seq == header->end_seq &&
               header->payload_len == WAL_START_PAYLOAD_BYTES;
    case WAL_FRAME_DATA:
        return header->first_seq <= header->end_seq && header->payload_len <= WAL_PAYLOAD_BYTES_MAX;
    case WAL_FRAME_CLOSE:
        return header->first_seq == header->end_seq && header->payload_len == 0;
    }
    return false;
}

bool wal_frame_decode(struct slice bytes, uint64_t seed, struct wal_frame_header *out)
{
    struct wal_frame_header header = {0};
    struct reader r = reader_of(bytes);
    uint32_t sum = reader_le32(&r);
    uint32_t kind = reader_le32(&r); /* the kind and three reserved bytes */

    header.payload_len = reader_le32(&r);
    /* Cheap conditions first: a search for frames asks at every eighth byte of a file. */
    if (kind < WAL_FRAME_START || kind > WAL_FRAME_CLOSE || reader_le32(&r) != 0) {
        return false;
    }
    header.kind = (enum wal_frame_kind)kind;
    header.first_seq = reader_le64(&r);
    header.end_seq = reader_le64(&r);
    header.synced_position = reader_le64(&r);
    header.body_checksum = reader_le64(&r);
    if (!reader_ok(&r) || !fits_kind(&header) ||
        sum != checksum32(bytes.data + 4, WAL_FRAME_HEADER_BYTES - 4, seed)) {
        return false;
    }
    *out = header;
    return true;
}

bool wal_frame_body_is_good(const struct wal_frame_header *header, struct slice body, uint64_t seed)
{
    size_t payload_len = header->payload_len;

    return body.len == wal_frame_bytes(payload_len) - WAL_FRAME_HEADER_BYTES &&
           header->body_checksum == checksum(body.data, body.len, seed) &&
           all_zero(slice_of(body.data + payload_len, body.len - payload_len));
}

void wal_start_encode(const struct wal_start *start, uint8_t out[WAL_START_PAYLOAD_BYTES])
{
    put_le64(out, start->position);
    put_le64(out + 8, start->previous_number);
    put_le64(out + 16, start->previous_end_seq);
}

bool wal_start_decode(struct slice payload, struct wal_start *out)
{
    struct reader r = reader_of(payload);
    struct wal_start start;

    start.position = reader_le64(&r);
    start.previous_number = reader_le64(&r);
    start.previous_end_seq = reader_le64(&r);
    if (!reader_done(&r) || start.position > WAL_POSITION_MAX) {
        return false;
    }
    *out = start;
    return true;
}

void wal_name_format(uint64_t number, const char *suffix, char out[WAL_NAME_BYTES_MAX])
{
    int len = snprintf(out, WAL_NAME_BYTES_MAX, "%06" PRIu64 "%s", number, suffix);

    ASSERT(len > 0 && len < WAL_NAME_BYTES_MAX);
}

enum wal_name_kind wal_name_parse(const char *name, uint64_t *out_number)
{
    char again[WAL_NAME_BYTES_MAX];
    uint64_t number = 0;
    size_t digits = 0;
    const char *suffix;

    if (strcmp(name, WAL_TEMP_PREPARE) == 0 || strcmp(name, WAL_TEMP_INLINE) == 0) {
        return WAL_NAME_TEMP;
    }
    while (name[digits] >= '0' && name[digits] <= '9' && digits < NAME_DIGITS_MAX - 1) {
        number = number * 10 + (uint64_t)(name[digits] - '0');
        digits++;
    }
    suffix = name + digits;
    if (digits < NAME_DIGITS_MIN || number == 0 ||
        (strcmp(suffix, WAL_SUFFIX_LIVE) != 0 && strcmp(suffix, WAL_SUFFIX_OLD) != 0)) {
        return WAL_NAME_OTHER;
    }
    /* Only the form we write ourselves names a segment: one number, one name. */
    wal_name_format(number, suffix, again);
    if (strcmp(name, again) != 0) {
        return WAL_NAME_OTHER;
    }
    *out_number = number;
    return strcmp(suffix, WAL_SUFFIX_LIVE) == 0 ? WAL_NAME_LIVE : WAL_NAME_OLD;
}
