/* SPDX-License-Identifier: Apache-2.0 */
#include "store/table_format.h"

#include "base/assert.h"
#include "store/filter.h"

#include <inttypes.h>

#define HEADER_MAGIC "BDBTABLE"
#define FOOTER_MAGIC "BDBTFOOT"
#define MAGIC_LEN 8
#define HEADER_LEDGER_ID_AT 32
#define HEADER_CHECKED (TABLE_HEADER_BYTES - 8)
#define FOOTER_CHECKED (TABLE_FOOTER_BYTES - 8)

uint64_t table_file_seed(const uint8_t ledger_id[TABLE_LEDGER_ID_LEN], uint64_t file_number)
{
    uint8_t bytes[TABLE_LEDGER_ID_LEN + 8];

    memcpy(bytes, ledger_id, TABLE_LEDGER_ID_LEN);
    put_le64(bytes + TABLE_LEDGER_ID_LEN, file_number);
    return checksum(bytes, sizeof(bytes), 0);
}

static bool all_zero(struct slice s)
{
    size_t i;

    for (i = 0; i < s.len; i++) {
        if (s.data[i] != 0) {
            return false;
        }
    }
    return true;
}

/* ---- Handles -------------------------------------------------------------------------------- */

void table_handle_encode(uint8_t out[TABLE_HANDLE_BYTES], struct table_handle handle)
{
    put_le64(out, handle.offset);
    put_le32(out + 8, handle.len);
    put_le32(out + 12, 0);
}

struct table_handle table_handle_read(struct reader *r)
{
    struct table_handle handle = {.offset = reader_le64(r), .len = reader_le32(r)};

    if (reader_le32(r) != 0) {
        r->failed = true;
    }
    return handle;
}

/* ---- Header --------------------------------------------------------------------------------- */

void table_header_encode(uint8_t out[TABLE_HEADER_BYTES],
                         const uint8_t ledger_id[TABLE_LEDGER_ID_LEN], uint64_t file_number)
{
    memset(out, 0, TABLE_HEADER_BYTES);
    memcpy(out, HEADER_MAGIC, MAGIC_LEN);
    put_le32(out + 8, TABLE_FORMAT_VERSION);
    put_le32(out + 12, TABLE_HEADER_BYTES);
    memcpy(out + HEADER_LEDGER_ID_AT, ledger_id, TABLE_LEDGER_ID_LEN);
    put_le64(out + HEADER_LEDGER_ID_AT + TABLE_LEDGER_ID_LEN, file_number);
    put_le64(out + HEADER_CHECKED, checksum(out, HEADER_CHECKED, 0));
}

/* The fields after magic and checksum. */
static int header_check_fields(struct reader *r, const uint8_t *ledger_id, uint64_t file_number,
                               const char *path, struct error *err)
{
    uint32_t version = reader_le32(r);
    uint32_t len = reader_le32(r);
    uint64_t must_know;
    uint8_t id[TABLE_LEDGER_ID_LEN];
    uint64_t number;

    (void)reader_le64(r); /* features that may be ignored */
    must_know = reader_le64(r);
    if (version != TABLE_FORMAT_VERSION || must_know != 0) {
        return error_set(err, BLOCKDB_EVERSION,
                         "table '%s' has format version %" PRIu32 ", features %" PRIx64
                         "; this program reads version %d: use a newer program",
                         path, version, must_know, TABLE_FORMAT_VERSION);
    }
    reader_copy(r, id, sizeof(id));
    number = reader_le64(r);
    if (memcmp(id, ledger_id, sizeof(id)) != 0 || number != file_number) {
        return error_set(
            err, BLOCKDB_EFOREIGN,
            "table '%s' is table %" PRIu64 "%s; expected table %" PRIu64 ": restore the right file",
            path, number, memcmp(id, ledger_id, sizeof(id)) != 0 ? " of another ledger" : "",
            file_number);
    }
    if (!reader_ok(r) || len != TABLE_HEADER_BYTES || !all_zero(slice_of(r->at, reader_left(r)))) {
        return error_set(err, BLOCKDB_ECORRUPT, "table '%s': the header has unknown fields", path);
    }
    return BLOCKDB_OK;
}

int table_header_decode(const uint8_t bytes[TABLE_HEADER_BYTES],
                        const uint8_t ledger_id[TABLE_LEDGER_ID_LEN], uint64_t file_number,
                        const char *path, struct error *err)
{
    struct reader r = reader_of(slice_of(bytes + MAGIC_LEN, HEADER_CHECKED - MAGIC_LEN));

    if (memcmp(bytes, HEADER_MAGIC, MAGIC_LEN) != 0) {
        return error_set(err, BLOCKDB_ECORRUPT, "file '%s' does not begin as a table does", path);
    }
    if (checksum(bytes, HEADER_CHECKED, 0) != get_le64(bytes + HEADER_CHECKED)) {
        return error_set(err, BLOCKDB_ECORRUPT, "table '%s': header at offset 0: checksum mismatch",
                         path);
    }
    return header_check_fields(&r, ledger_id, file_number, path, err);
}

/* ---- Footer --------------------------------------------------------------------------------- */

void table_footer_encode(uint8_t out[TABLE_FOOTER_BYTES], const struct table_footer *footer,
                         uint64_t file_seed)
{
    uint64_t offset = footer->file_bytes - TABLE_FOOTER_BYTES;

    memset(out, 0, TABLE_FOOTER_BYTES);
    memcpy(out, FOOTER_MAGIC, MAGIC_LEN);
    table_handle_encode(out + 8, footer->properties);
    table_handle_encode(out + 24, footer->top_index);
    put_le64(out + 40, footer->file_bytes);
    put_le64(out + FOOTER_CHECKED, checksum(out, FOOTER_CHECKED, file_seed ^ offset));
}

int table_footer_decode(const uint8_t bytes[TABLE_FOOTER_BYTES], uint64_t file_bytes,
                        uint64_t file_seed, const char *path, struct table_footer *out,
                        struct error *err)
{
    struct reader r = reader_of(slice_of(bytes + MAGIC_LEN, FOOTER_CHECKED - MAGIC_LEN));
    uint64_t offset = file_bytes - TABLE_FOOTER_BYTES;
    struct table_footer footer;

    if (memcmp(bytes, FOOTER_MAGIC, MAGIC_LEN) != 0 ||
        checksum(bytes, FOOTER_CHECKED, file_seed ^ offset) != get_le64(bytes + FOOTER_CHECKED)) {
        return error_set(err, BLOCKDB_ECORRUPT,
                         "table '%s': no intact footer at offset %" PRIu64
                         ": the file is cut short or damaged; restore it from a backup",
                         path, offset);
    }
    footer.properties = table_handle_read(&r);
    footer.top_index = table_handle_read(&r);
    footer.file_bytes = reader_le64(&r);
    if (!reader_ok(&r) || footer.file_bytes != file_bytes ||
        !all_zero(slice_of(r.at, reader_left(&r)))) {
        return error_set(err, BLOCKDB_ECORRUPT,
                         "table '%s': the footer at offset %" PRIu64 " contradicts the file", path,
                         offset);
    }
    *out = footer;
    return BLOCKDB_OK;
}

/* ---- Trailer -------------------------------------------------------------------------------- */

int table_trailer_append(struct buf *out, const struct table_trailer *trailer, uint64_t seed)
{
    uint8_t *bytes;

    if (buf_reserve(out, TABLE_TRAILER_BYTES) < 0) {
        return BLOCKDB_ENOMEM;
    }
    bytes = out->data + out->len;
    bytes[0] = trailer->codec;
    bytes[1] = trailer->kind;
    put_le16(bytes + 2, 0);
    put_le32(bytes + 4, trailer->raw_len);
    put_le64(bytes + 8, checksum(out->data, out->len + 8, seed));
    out->len += TABLE_TRAILER_BYTES;
    return BLOCKDB_OK;
}

int table_trailer_decode(struct slice page, enum table_page_kind kind, uint64_t file_seed,
                         const struct table_place *place, struct table_trailer *out,
                         struct error *err)
{
    const uint8_t *bytes;
    uint64_t sum;

    ASSERT(page.len >= TABLE_TRAILER_BYTES);
    bytes = page.data + page.len - TABLE_TRAILER_BYTES;
    sum = checksum(page.data, page.len - 8, file_seed ^ place->offset);
    if (sum != get_le64(bytes + 8)) {
        return error_set(err, BLOCKDB_ECORRUPT,
                         "table '%s': page at offset %" PRIu64
                         ": checksum mismatch; restore the file from a backup",
                         place->path, place->offset);
    }
    *out = (struct table_trailer){
        .codec = bytes[0], .kind = bytes[1], .raw_len = get_le32(bytes + 4)};
    if (out->kind != kind || get_le16(bytes + 2) != 0 || out->codec >= CODEC_COUNT ||
        out->raw_len > TABLE_PAGE_RAW_MAX) {
        return error_set(err, BLOCKDB_ECORRUPT,
                         "table '%s': page at offset %" PRIu64 ": kind %u, codec %u, %" PRIu32
                         " bytes is not the page expected there",
                         place->path, place->offset, out->kind, out->codec, out->raw_len);
    }
    return BLOCKDB_OK;
}

/* ---- Properties ----------------------------------------------------------------------------- */

static void encode_numbers(uint8_t *p, const struct table_properties *t)
{
    const struct table_facts *f = &t->facts;
    const uint64_t wide[] = {
        f->key_count,     f->version_count,    f->delete_count, f->inline_count,  f->seq_min,
        f->seq_max,       f->time_min_ms,      f->time_max_ms,  f->raw_bytes,     t->data_pages,
        t->version_pages, t->index_partitions, t->data_bytes,   t->version_bytes, t->index_bytes,
        t->filter_offset, t->filter_lines,
    };
    const uint32_t narrow[] = {
        t->filter_unit_lines, t->filter_probes, t->filter_bits_per_key,   t->codec,
        t->page_target,       t->index_target,  (uint32_t)f->key_min.len, (uint32_t)f->key_max.len,
    };
    size_t i;

    put_le64(p, f->file_number);
    memcpy(p + 8, t->ledger_id, TABLE_LEDGER_ID_LEN);
    p += 8 + TABLE_LEDGER_ID_LEN;
    for (i = 0; i < sizeof(wide) / sizeof(wide[0]); i++, p += 8) {
        put_le64(p, wide[i]);
    }
    for (i = 0; i < sizeof(narrow) / sizeof(narrow[0]); i++, p += 4) {
        put_le32(p, narrow[i]);
    }
}

int table_properties_encode(struct buf *out, const struct table_properties *properties)
{
    size_t at = out->len;
    int rc = buf_append_zeros(out, TABLE_PROPERTIES_BYTES);

    if (rc < 0) {
        return rc;
    }
    encode_numbers(out->data + at, properties);
    rc = buf_append_slice(out, buf_slice(&properties->facts.key_min));
    if (rc == BLOCKDB_OK) {
        rc = buf_append_slice(out, buf_slice(&properties->facts.key_max));
    }
    return rc;
}

static void decode_numbers(struct reader *r, struct table_properties *t)
{
    struct table_facts *f = &t->facts;
    uint64_t *const wide[] = {
        &f->key_count,    &f->version_count, &f->delete_count,  &f->inline_count,
        &f->seq_min,      &f->seq_max,       &f->time_min_ms,   &f->time_max_ms,
        &f->raw_bytes,    &t->data_pages,    &t->version_pages, &t->index_partitions,
        &t->data_bytes,   &t->version_bytes, &t->index_bytes,   &t->filter_offset,
        &t->filter_lines,
    };
    uint32_t *const narrow[] = {
        &t->filter_unit_lines, &t->filter_probes, &t->filter_bits_per_key, &t->codec,
        &t->page_target,       &t->index_target,
    };
    size_t i;

    f->file_number = reader_le64(r);
    reader_copy(r, t->ledger_id, sizeof(t->ledger_id));
    for (i = 0; i < sizeof(wide) / sizeof(wide[0]); i++) {
        *wide[i] = reader_le64(r);
    }
    for (i = 0; i < sizeof(narrow) / sizeof(narrow[0]); i++) {
        *narrow[i] = reader_le32(r);
    }
}

static bool key_len_good(size_t len)
{
    return len >= 1 && len <= BLOCKDB_KEY_MAX;
}

static bool numbers_good(const struct table_properties *t)
{
    const struct table_facts *f = &t->facts;

    if (f->key_count < 1 || f->version_count < f->key_count || f->delete_count > f->key_count ||
        f->inline_count > f->key_count || f->seq_min > f->seq_max ||
        f->time_min_ms > f->time_max_ms || t->codec >= CODEC_COUNT) {
        return false;
    }
    if (t->filter_lines == 0) {
        return t->filter_offset == 0;
    }
    return t->filter_lines <= UINT32_MAX && t->filter_unit_lines >= 1 &&
           t->filter_unit_lines <= TABLE_PAGE_RAW_MAX / FILTER_LINE_BYTES &&
           t->filter_probes >= 1 && t->filter_probes <= FILTER_PROBES_MAX;
}

int table_properties_decode(struct slice raw, const struct table_place *place,
                            struct table_properties *out, struct error *err)
{
    struct reader r = reader_of(raw);
    struct table_properties t = {0};
    struct slice key_min;
    struct slice key_max;
    uint32_t min_len;
    uint32_t max_len;

    decode_numbers(&r, &t);
    min_len = reader_le32(&r);
    max_len = reader_le32(&r);
    key_min = reader_bytes(&r, min_len);
    key_max = reader_bytes(&r, max_len);
    if (!reader_done(&r) || !key_len_good(key_min.len) || !key_len_good(key_max.len) ||
        slice_compare(key_min, key_max) > 0 || !numbers_good(&t)) {
        return error_set(err, BLOCKDB_ECORRUPT,
                         "table '%s': the properties at offset %" PRIu64 " contradict themselves",
                         place->path, place->offset);
    }
    if (buf_append_slice(&t.facts.key_min, key_min) < 0 ||
        buf_append_slice(&t.facts.key_max, key_max) < 0) {
        table_facts_deinit(&t.facts);
        return error_set_no_memory(err);
    }
    *out = t;
    return BLOCKDB_OK;
}
