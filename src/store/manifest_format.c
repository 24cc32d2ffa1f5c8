/* SPDX-License-Identifier: Apache-2.0 */
#include "store/manifest_format.h"

#include "base/checksum.h"

#include <inttypes.h>

#define MAGIC "BDBMANIF"
#define MAGIC_LEN 8
#define HEADER_BYTES 64
#define HEADER_SUMMED_BYTES 56
#define MARK_BYTES 16

/* ---- Header and marks ------------------------------------------------------------------------ */

static bool all_zero(const uint8_t *p, size_t len)
{
    size_t i;

    for (i = 0; i < len; i++) {
        if (p[i] != 0) {
            return false;
        }
    }
    return true;
}

void manifest_mark_encode(uint64_t number, uint64_t synced, uint8_t out[MANIFEST_MARK_BYTES])
{
    memset(out, 0, MANIFEST_MARK_BYTES);
    put_le64(out, synced);
    put_le64(out + 8, checksum(out, 8, number + 1));
}

void manifest_head_encode(const struct manifest_head *head, uint8_t out[MANIFEST_HEAD_BYTES])
{
    memset(out, 0, MANIFEST_HEAD_BYTES);
    memcpy(out, MAGIC, MAGIC_LEN);
    put_le32(out + 8, MANIFEST_VERSION);
    memcpy(out + 32, head->ledger_id, LEDGER_ID_LEN);
    put_le64(out + 48, head->number);
    put_le64(out + HEADER_SUMMED_BYTES, checksum(out, HEADER_SUMMED_BYTES, 0));
    manifest_mark_encode(head->number, head->synced, out + MANIFEST_MARK_OFFSET);
    manifest_mark_encode(head->number, head->synced,
                         out + MANIFEST_MARK_OFFSET + MANIFEST_MARK_BYTES);
}

/* The synced length that a mark tells, 0 when it tells none. */
static uint64_t mark_decode(const uint8_t *mark, uint64_t number)
{
    uint64_t synced = get_le64(mark);

    if (get_le64(mark + 8) != checksum(mark, 8, number + 1) ||
        !all_zero(mark + MARK_BYTES, MANIFEST_MARK_BYTES - MARK_BYTES)) {
        return 0;
    }
    return synced;
}

static int corrupt_head(const char *path, const char *what, uint64_t offset, struct error *err)
{
    return error_set(err, BLOCKDB_ECORRUPT,
                     "manifest '%s': %s at offset %" PRIu64 "; restore the file from a backup",
                     path, what, offset);
}

static int header_decode(struct reader *r, const char *path, struct manifest_head *out,
                         struct error *err)
{
    const uint8_t *start = r->at;
    uint32_t version = 0;
    uint64_t required;
    uint64_t sum;

    if (reader_left(r) < MAGIC_LEN || memcmp(start, MAGIC, MAGIC_LEN) != 0) {
        return error_set(err, BLOCKDB_EFOREIGN,
                         "'%s' is not a manifest: it does not begin with '%s'", path, MAGIC);
    }
    (void)reader_bytes(r, MAGIC_LEN);
    version = reader_le32(r);
    if (reader_ok(r) && version > MANIFEST_VERSION) {
        return error_set(err, BLOCKDB_EVERSION,
                         "manifest '%s' has format version %" PRIu32
                         ", this program knows up to %d: use a newer program",
                         path, version, MANIFEST_VERSION);
    }
    (void)reader_le32(r);
    (void)reader_le64(r); /* features that may be ignored */
    required = reader_le64(r);
    reader_copy(r, out->ledger_id, LEDGER_ID_LEN);
    out->number = reader_le64(r);
    sum = reader_le64(r);
    if (!reader_ok(r) || version == 0 || sum != checksum(start, HEADER_SUMMED_BYTES, 0) ||
        get_le32(start + 12) != 0) {
        return corrupt_head(path, "damaged header", 0, err);
    }
    if (required != 0) {
        return error_set(err, BLOCKDB_EVERSION,
                         "manifest '%s' needs features 0x%" PRIx64
                         " that this program does not know: use a newer program",
                         path, required);
    }
    return BLOCKDB_OK;
}

int manifest_head_decode(struct slice bytes, const char *path, struct manifest_head *out,
                         struct error *err)
{
    const size_t marks_end = MANIFEST_MARK_OFFSET + 2 * MANIFEST_MARK_BYTES;
    struct reader r = reader_of(bytes);
    struct manifest_head head;
    uint64_t synced[2];
    int rc;

    rc = header_decode(&r, path, &head, err);
    if (rc < 0) {
        return rc;
    }
    if (bytes.len < MANIFEST_HEAD_BYTES) {
        return corrupt_head(path, "the file ends in its head", bytes.len, err);
    }
    if (!all_zero(bytes.data + HEADER_BYTES, MANIFEST_MARK_OFFSET - HEADER_BYTES) ||
        !all_zero(bytes.data + marks_end, MANIFEST_HEAD_BYTES - marks_end)) {
        return corrupt_head(path, "bytes that must be zero are not", HEADER_BYTES, err);
    }
    synced[0] = mark_decode(bytes.data + MANIFEST_MARK_OFFSET, head.number);
    synced[1] = mark_decode(bytes.data + MANIFEST_MARK_OFFSET + MANIFEST_MARK_BYTES, head.number);
    head.mark = synced[1] > synced[0];
    head.synced = synced[head.mark];
    if (head.synced < MANIFEST_HEAD_BYTES) {
        return corrupt_head(path, "both marks are damaged", MANIFEST_MARK_OFFSET, err);
    }
    *out = head;
    return BLOCKDB_OK;
}

/* ---- Records --------------------------------------------------------------------------------- */

static uint64_t record_seed(uint64_t number, uint64_t offset)
{
    return (number << 40) + offset;
}

void manifest_record_finish(uint8_t *record, size_t payload_len, uint64_t number, uint64_t offset)
{
    size_t summed = MANIFEST_RECORD_HEAD_BYTES - 8 + payload_len;

    put_le32(record + 8, (uint32_t)payload_len);
    put_le32(record + 12, 0);
    put_le64(record, checksum(record + 8, summed, record_seed(number, offset)));
}

struct slice manifest_record_payload(struct slice bytes, uint64_t number, uint64_t offset)
{
    struct reader r = reader_of(bytes);
    uint64_t sum = reader_le64(&r);
    const uint8_t *summed = r.at;
    uint32_t len = reader_le32(&r);
    uint32_t reserved = reader_le32(&r);
    struct slice payload = reader_bytes(&r, len);

    if (!reader_ok(&r) || len == 0 || len > MANIFEST_PAYLOAD_MAX || reserved != 0 ||
        sum != checksum(summed, (size_t)(r.at - summed), record_seed(number, offset))) {
        return slice_of(NULL, 0);
    }
    return payload;
}
