/* SPDX-License-Identifier: Apache-2.0 */
/* Edits as bytes: docs/format/manifest.md, "Edit". */
#include "base/checksum.h"
#include "base/mem.h"
#include "store/manifest_format.h"

enum edit_tag {
    TAG_NEXT_FILE_NUMBER = 1,
    TAG_TABLE_ADDED = 2,
    TAG_TABLE_REMOVED = 3,
    TAG_SEGMENT_PUT = 4,
    TAG_SEGMENT_REMOVED = 5,
    TAG_FLUSHED = 6,
    TAG_SEALED = 7,
    TAG_WAL = 8,
    TAG_OPTIONS = 9,
    TAG_DEDUPE = 10,
    TAG_EPOCH = 11,
    TAG_REDACTIONS = 12,
    TAG_IGNORABLE = 128, /* from here on, unknown tags are passed over */
};

/* ---- Encoding -------------------------------------------------------------------------------- */

/* Collects a field's bytes in body before its length is known. After a failure the rest is in vain
 * and told once at the end. */
struct encoder {
    struct buf *out;
    struct buf body;
    int rc;
};

static void put_number(struct encoder *e, uint64_t value)
{
    if (e->rc == BLOCKDB_OK) {
        e->rc = buf_append_varint(&e->body, value);
    }
}

static void put_bytes(struct encoder *e, struct slice bytes)
{
    if (e->rc == BLOCKDB_OK) {
        e->rc = buf_append_slice(&e->body, bytes);
    }
}

/* Ends the field whose bytes were put. */
static void put_field(struct encoder *e, enum edit_tag tag)
{
    if (e->rc == BLOCKDB_OK) {
        e->rc = buf_append_u8(e->out, (uint8_t)tag);
    }
    if (e->rc == BLOCKDB_OK) {
        e->rc = buf_append_varint(e->out, e->body.len);
    }
    if (e->rc == BLOCKDB_OK) {
        e->rc = buf_append_slice(e->out, buf_slice(&e->body));
    }
    buf_reset(&e->body);
}

static void put_table(struct encoder *e, const struct table_meta *meta)
{
    put_number(e, meta->number);
    put_number(e, meta->level);
    put_number(e, meta->bytes);
    put_number(e, meta->key_count);
    put_number(e, meta->version_count);
    put_number(e, meta->first_seq);
    put_number(e, meta->last_seq);
    put_number(e, meta->first_key.len);
    put_bytes(e, meta->first_key);
    put_number(e, meta->last_key.len);
    put_bytes(e, meta->last_key);
    put_field(e, TAG_TABLE_ADDED);
}

static void put_segment(struct encoder *e, const struct manifest_segment *segment)
{
    put_number(e, segment->number);
    put_number(e, segment->first_seq);
    put_number(e, segment->first_height);
    put_number(e, segment->finished);
    put_number(e, segment->seq_count);
    put_number(e, segment->block_count);
    put_number(e, segment->bytes);
    if (segment->revision > 0) {
        put_number(e, segment->revision);
    }
    put_field(e, TAG_SEGMENT_PUT);
}

static void put_lists(struct encoder *e, const struct manifest_edit *edit)
{
    size_t i;

    for (i = 0; i < edit->remove_table_count; i++) {
        put_number(e, edit->remove_tables[i]);
        put_field(e, TAG_TABLE_REMOVED);
    }
    for (i = 0; i < edit->add_table_count; i++) {
        put_table(e, &edit->add_tables[i]);
    }
    for (i = 0; i < edit->remove_segment_count; i++) {
        put_number(e, edit->remove_segments[i]);
        put_field(e, TAG_SEGMENT_REMOVED);
    }
    for (i = 0; i < edit->put_segment_count; i++) {
        put_segment(e, &edit->put_segments[i]);
    }
}

static void put_settings(struct encoder *e, const struct manifest_edit *edit)
{
    if (edit->set_flushed) {
        put_number(e, edit->flushed_seq);
        put_field(e, TAG_FLUSHED);
    }
    if (edit->set_sealed) {
        put_number(e, edit->sealed.seq_count);
        put_number(e, edit->sealed.block_height);
        put_number(e, edit->sealed.tree_size);
        put_bytes(e, edit->sealed.frontier);
        put_field(e, TAG_SEALED);
    }
    if (edit->set_wal) {
        put_number(e, edit->wal.position);
        put_number(e, edit->wal.end_seq);
        put_number(e, edit->wal.clean);
        put_field(e, TAG_WAL);
    }
    if (edit->set_options) {
        put_number(e, edit->options.merge_strategy);
        put_number(e, edit->options.features);
        put_field(e, TAG_OPTIONS);
    }
    if (edit->set_dedupe) {
        put_number(e, edit->dedupe_seq);
        put_bytes(e, edit->dedupe);
        put_field(e, TAG_DEDUPE);
    }
    if (edit->set_epoch) {
        put_number(e, edit->epoch);
        put_field(e, TAG_EPOCH);
    }
    if (edit->set_redactions) {
        put_number(e, edit->redactions_from == UINT64_MAX ? 0 : edit->redactions_from + 1);
        put_field(e, TAG_REDACTIONS);
    }
}

int manifest_record_encode(const struct manifest_edit *edit, uint64_t number, uint64_t offset,
                           struct buf *out)
{
    struct encoder e = {.out = out};
    size_t start = out->len;
    size_t len;

    e.rc = buf_append_zeros(out, MANIFEST_RECORD_HEAD_BYTES);
    put_number(&e, edit->next_file_number); /* 0 stands for unchanged; no record is empty */
    put_field(&e, TAG_NEXT_FILE_NUMBER);
    put_lists(&e, edit);
    put_settings(&e, edit);
    buf_deinit(&e.body);
    len = out->len - start - MANIFEST_RECORD_HEAD_BYTES;
    if (e.rc == BLOCKDB_OK && len > MANIFEST_PAYLOAD_MAX) {
        e.rc = BLOCKDB_ELIMIT;
    }
    if (e.rc < 0) {
        out->len = start;
        return e.rc;
    }
    manifest_record_finish(out->data + start, len, number, offset);
    return BLOCKDB_OK;
}

/* ---- Decoding -------------------------------------------------------------------------------- */

struct field {
    uint8_t tag;
    struct slice body;
};

static struct field next_field(struct reader *r)
{
    struct field field;

    field.tag = reader_u8(r);
    field.body = reader_bytes(r, reader_varint(r));
    return field;
}

/* Takes the rest of the field. */
static struct slice rest(struct reader *r)
{
    return reader_bytes(r, reader_left(r));
}

static bool get_flag(struct reader *r)
{
    uint64_t value = reader_varint(r);

    r->failed = r->failed || value > 1;
    return value == 1;
}

static struct table_meta get_table(struct reader *r)
{
    struct table_meta meta = {.number = reader_varint(r)};
    uint64_t level = reader_varint(r);

    r->failed = r->failed || level >= TABLE_LEVELS;
    meta.level = (uint32_t)level;
    meta.bytes = reader_varint(r);
    meta.key_count = reader_varint(r);
    meta.version_count = reader_varint(r);
    meta.first_seq = reader_varint(r);
    meta.last_seq = reader_varint(r);
    meta.first_key = reader_bytes(r, reader_varint(r));
    meta.last_key = reader_bytes(r, reader_varint(r));
    return meta;
}

static struct manifest_segment get_segment(struct reader *r)
{
    struct manifest_segment segment = {.number = reader_varint(r)};

    segment.first_seq = reader_varint(r);
    segment.first_height = reader_varint(r);
    segment.finished = get_flag(r);
    segment.seq_count = reader_varint(r);
    segment.block_count = reader_varint(r);
    segment.bytes = reader_varint(r);
    if (reader_left(r) > 0) {
        segment.revision = reader_varint(r);
        r->failed = r->failed || segment.revision == 0 || segment.revision > UINT32_MAX;
    }
    return segment;
}

static void get_options(struct reader *r, struct manifest_options *out)
{
    uint64_t strategy = reader_varint(r);

    r->failed = r->failed || strategy > UINT32_MAX;
    out->merge_strategy = (uint32_t)strategy;
    out->features = reader_varint(r);
}

/* Decodes a field that is set, not added to a list. */
static void get_setting(struct manifest_edit *edit, enum edit_tag tag, struct reader *r)
{
    if (tag == TAG_NEXT_FILE_NUMBER) {
        edit->next_file_number = reader_varint(r);
    } else if (tag == TAG_FLUSHED) {
        edit->set_flushed = true;
        edit->flushed_seq = reader_varint(r);
    } else if (tag == TAG_SEALED) {
        edit->set_sealed = true;
        edit->sealed.seq_count = reader_varint(r);
        edit->sealed.block_height = reader_varint(r);
        edit->sealed.tree_size = reader_varint(r);
        edit->sealed.frontier = rest(r);
    } else if (tag == TAG_WAL) {
        edit->set_wal = true;
        edit->wal.position = reader_varint(r);
        edit->wal.end_seq = reader_varint(r);
        edit->wal.clean = get_flag(r);
    } else if (tag == TAG_OPTIONS) {
        edit->set_options = true;
        get_options(r, &edit->options);
    } else if (tag == TAG_DEDUPE) {
        edit->set_dedupe = true;
        edit->dedupe_seq = reader_varint(r);
        edit->dedupe = rest(r);
    } else if (tag == TAG_EPOCH) {
        edit->set_epoch = true;
        edit->epoch = reader_varint(r);
    } else {
        edit->set_redactions = true;
        edit->redactions_from = reader_varint(r) - 1; /* 0, which says none, wraps around */
    }
}

/* Decodes a field with a known tag into owned, whose arrays are large enough. Returns whether it
 * was well formed. */
static bool get_field(struct manifest_edit_owned *owned, const struct field *field)
{
    struct manifest_edit *edit = &owned->edit;
    struct reader r = reader_of(field->body);

    switch ((enum edit_tag)field->tag) {
    case TAG_TABLE_ADDED:
        owned->tables[edit->add_table_count++] = get_table(&r);
        break;
    case TAG_TABLE_REMOVED:
        owned->removed_tables[edit->remove_table_count++] = reader_varint(&r);
        break;
    case TAG_SEGMENT_PUT:
        owned->segments[edit->put_segment_count++] = get_segment(&r);
        break;
    case TAG_SEGMENT_REMOVED:
        owned->removed_segments[edit->remove_segment_count++] = reader_varint(&r);
        break;
    case TAG_NEXT_FILE_NUMBER:
    case TAG_FLUSHED:
    case TAG_SEALED:
    case TAG_WAL:
    case TAG_OPTIONS:
    case TAG_DEDUPE:
    case TAG_EPOCH:
    case TAG_REDACTIONS:
        get_setting(edit, (enum edit_tag)field->tag, &r);
        break;
    case TAG_IGNORABLE:
        break;
    }
    return reader_done(&r);
}

/* Makes room for as many fields of each kind as the payload has. */
static int allocate(struct slice payload, struct manifest_edit_owned *owned)
{
    size_t counts[256] = {0};
    struct reader r = reader_of(payload);

    while (reader_ok(&r) && reader_left(&r) > 0) {
        counts[next_field(&r).tag]++;
    }
    owned->tables = mem_calloc(counts[TAG_TABLE_ADDED], sizeof(*owned->tables));
    owned->removed_tables = mem_calloc(counts[TAG_TABLE_REMOVED], sizeof(uint64_t));
    owned->segments = mem_calloc(counts[TAG_SEGMENT_PUT], sizeof(*owned->segments));
    owned->removed_segments = mem_calloc(counts[TAG_SEGMENT_REMOVED], sizeof(uint64_t));
    if (owned->tables == NULL || owned->removed_tables == NULL || owned->segments == NULL ||
        owned->removed_segments == NULL) {
        return BLOCKDB_ENOMEM;
    }
    owned->edit.add_tables = owned->tables;
    owned->edit.remove_tables = owned->removed_tables;
    owned->edit.put_segments = owned->segments;
    owned->edit.remove_segments = owned->removed_segments;
    return BLOCKDB_OK;
}

static bool tag_known(uint8_t tag)
{
    return (tag >= TAG_NEXT_FILE_NUMBER && tag <= TAG_REDACTIONS) || tag >= TAG_IGNORABLE;
}

int manifest_edit_decode(struct slice payload, struct manifest_edit_owned *out, struct error *err)
{
    AUTO(manifest_edit_owned_deinit) struct manifest_edit_owned owned = {0};
    struct reader r = reader_of(payload);

    if (allocate(payload, &owned) < 0) {
        return error_set_no_memory(err);
    }
    while (reader_left(&r) > 0) {
        struct field field = next_field(&r);

        if (!reader_ok(&r)) {
            return error_set(err, BLOCKDB_ECORRUPT, "an edit ends inside a field");
        }
        if (!tag_known(field.tag)) {
            return error_set(err, BLOCKDB_EVERSION,
                             "an edit has a field %d that this program does not know: use a newer "
                             "program",
                             field.tag);
        }
        if (field.tag < TAG_IGNORABLE && !get_field(&owned, &field)) {
            return error_set(err, BLOCKDB_ECORRUPT, "field %d of an edit is malformed", field.tag);
        }
    }
    *out = owned;
    owned = (struct manifest_edit_owned){0};
    return BLOCKDB_OK;
}

void manifest_edit_owned_deinit(struct manifest_edit_owned *owned)
{
    mem_free(owned->tables);
    mem_free(owned->removed_tables);
    mem_free(owned->segments);
    mem_free(owned->removed_segments);
    *owned = (struct manifest_edit_owned){0};
}
