/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger/evidence.h"

#include "base/assert.h"

#include <inttypes.h>

static const char *const tag_names[] = {
    [EVIDENCE_ENTRY] = "ENTRY", [EVIDENCE_VALUE] = "VALUE",     [EVIDENCE_RANGE] = "RANGE",
    [EVIDENCE_BLOCK] = "BLOCK", [EVIDENCE_KEY] = "KEY",         [EVIDENCE_MAP] = "MAP",
    [EVIDENCE_GAP] = "GAP",     [EVIDENCE_HISTORY] = "HISTORY", [EVIDENCE_REDACTION] = "REDACTION",
};

const char *evidence_tag_name(enum evidence_tag tag)
{
    ASSERT(tag >= EVIDENCE_ENTRY && tag <= EVIDENCE_REDACTION);
    return tag_names[tag];
}

static bool has(uint32_t present, enum evidence_tag tag)
{
    return (present >> tag & 1) != 0;
}

bool evidence_sections_fit(uint32_t present)
{
    bool has_map = has(present, EVIDENCE_MAP);

    return has(present, EVIDENCE_ENTRY) &&
           !(has(present, EVIDENCE_VALUE) && has(present, EVIDENCE_RANGE)) &&
           has(present, EVIDENCE_KEY) == has_map && (has_map || !has(present, EVIDENCE_GAP)) &&
           (has_map || !has(present, EVIDENCE_HISTORY));
}

/* ---- Parts ----------------------------------------------------------------------------------- */

static const uint8_t *read_salt(struct reader *in)
{
    return reader_bytes(in, SALT_LEN).data;
}

static struct slice read_rest(struct reader *in)
{
    return reader_bytes(in, reader_left(in));
}

static struct slice read_leaf(struct reader *in)
{
    uint16_t len = reader_be16(in);

    in->failed |= len == 0;
    return reader_bytes(in, len);
}

static struct hash_list read_path(struct reader *in)
{
    uint8_t count = reader_u8(in);
    struct slice bytes;

    in->failed |= count > EVIDENCE_HASHES_MAX;
    bytes = reader_bytes(in, (uint64_t)count * SHA256_LEN);
    return (struct hash_list){(const struct hash *)(const void *)bytes.data,
                              bytes.len / SHA256_LEN};
}

bool evidence_next_chunk(struct reader *chunks, struct evidence_chunk *out)
{
    struct evidence_chunk chunk;

    if (reader_left(chunks) == 0) {
        return false;
    }
    chunk.salt = read_salt(chunks);
    chunk.bytes = reader_bytes(chunks, reader_be32(chunks));
    chunk.in_value = read_path(chunks);
    *out = chunk;
    return reader_ok(chunks);
}

bool evidence_next_leaf(struct reader *leaves, struct slice *out)
{
    if (reader_left(leaves) == 0) {
        return false;
    }
    *out = read_leaf(leaves);
    return reader_ok(leaves);
}

bool evidence_next_version(struct reader *versions, struct evidence_version *out)
{
    if (reader_left(versions) == 0) {
        return false;
    }
    out->seq = reader_be64(versions);
    out->leaf = read_leaf(versions);
    return reader_ok(versions);
}

/* ---- Sections -------------------------------------------------------------------------------- */

static void decode_range(struct reader *in, struct evidence_range *out)
{
    struct evidence_chunk chunk;
    uint32_t count = 0;

    out->value_len = reader_be64(in);
    out->first_chunk = reader_be64(in);
    out->chunk_count = reader_be32(in);
    out->chunks = *in;
    while (evidence_next_chunk(in, &chunk)) {
        count++;
    }
    in->failed |= count == 0 || count != out->chunk_count;
}

static void decode_gap(struct reader *in, struct evidence_gap *out)
{
    struct slice leaf;

    out->peaks = read_path(in);
    out->leaves = *in;
    while (evidence_next_leaf(in, &leaf)) {
        out->leaf_count++;
    }
    in->failed |= out->leaf_count == 0;
}

static void decode_history(struct reader *in, struct evidence_history *out)
{
    struct evidence_version version;

    out->versions = *in;
    while (evidence_next_version(in, &version)) {
        out->version_count++;
    }
    in->failed |= out->version_count == 0;
}

static void decode_section(enum evidence_tag tag, struct reader *in, struct evidence *e)
{
    switch (tag) {
    case EVIDENCE_ENTRY:
        e->entry = read_rest(in);
        return;
    case EVIDENCE_VALUE:
        e->salt = read_salt(in);
        e->value = read_rest(in);
        return;
    case EVIDENCE_RANGE:
        decode_range(in, &e->range);
        return;
    case EVIDENCE_BLOCK:
        e->block.header = read_leaf(in);
        e->block.header_seq = reader_be64(in);
        e->block.in_block = read_path(in);
        e->block.in_tree = read_path(in);
        return;
    case EVIDENCE_KEY:
        e->collection = reader_be32(in);
        e->key = read_rest(in);
        in->failed |= e->key.len == 0 || e->key.len > BLOCKDB_KEY_MAX;
        return;
    case EVIDENCE_MAP:
        e->map.header = read_leaf(in);
        e->map.in_tree = read_path(in);
        e->map.map_proof = read_rest(in);
        return;
    case EVIDENCE_GAP:
        decode_gap(in, &e->gap);
        return;
    case EVIDENCE_HISTORY:
        decode_history(in, &e->history);
        return;
    case EVIDENCE_REDACTION:
        e->redaction.seq = reader_be64(in);
        e->redaction.leaf = read_leaf(in);
        e->redaction.in_tree = read_path(in);
        return;
    }
}

/* ---- The whole ------------------------------------------------------------------------------- */

static int decode_start(struct reader *in, struct error *err)
{
    struct slice magic = reader_bytes(in, 8);
    uint16_t version = reader_be16(in);

    if (!reader_ok(in) || !slice_equal(magic, slice_of(EVIDENCE_MAGIC, 8)) || version == 0) {
        return error_set(err, BLOCKDB_ECORRUPT,
                         "the extra line of the proof holds no evidence of BlockDB");
    }
    if (version > EVIDENCE_VERSION) {
        return error_set(err, BLOCKDB_EVERSION,
                         "the evidence of the proof has version %u and was made by a newer "
                         "version; this one knows %u",
                         version, EVIDENCE_VERSION);
    }
    return BLOCKDB_OK;
}

/* Decodes the next section; *last_tag is the tag before it. */
static int decode_next(struct reader *in, size_t offset, uint16_t *last_tag, struct evidence *e,
                       struct error *err)
{
    uint16_t tag = reader_be16(in);
    struct reader section = reader_of(reader_bytes(in, reader_be32(in)));

    if (!reader_ok(in) || tag <= *last_tag) {
        return error_set(err, BLOCKDB_ECORRUPT,
                         "evidence of the proof: the section at offset %zu is cut off, or not in "
                         "the order of tags",
                         offset);
    }
    *last_tag = tag;
    if (tag >= EVIDENCE_MAY_IGNORE) {
        return BLOCKDB_OK;
    }
    if (tag > EVIDENCE_REDACTION) {
        return error_set(err, BLOCKDB_EVERSION,
                         "evidence of the proof: the section at offset %zu has the unknown tag %u "
                         "and was made by a newer version",
                         offset, tag);
    }
    decode_section((enum evidence_tag)tag, &section, e);
    if (!reader_done(&section)) {
        return error_set(err, BLOCKDB_ECORRUPT,
                         "evidence of the proof: the section %s at offset %zu has not the form it "
                         "should have",
                         tag_names[tag], offset);
    }
    e->present |= 1u << tag;
    return BLOCKDB_OK;
}

int evidence_decode(struct slice bytes, struct evidence *out, struct error *err)
{
    struct reader in = reader_of(bytes);
    struct evidence e = {0};
    uint16_t last_tag = 0;
    int rc = decode_start(&in, err);

    while (rc == BLOCKDB_OK && reader_left(&in) > 0) {
        rc = decode_next(&in, bytes.len - reader_left(&in), &last_tag, &e, err);
    }
    if (rc < 0) {
        return rc;
    }
    if (!evidence_sections_fit(e.present)) {
        return error_set(err, BLOCKDB_ECORRUPT,
                         "evidence of the proof: a section is missing, or two do not go together");
    }
    *out = e;
    return BLOCKDB_OK;
}

int evidence_gap_frontier(const struct evidence_gap *gap, uint64_t map_size, struct frontier *out)
{
    struct frontier frontier;
    size_t next = 0;

    if (gap->peaks.count != (size_t)__builtin_popcountll(map_size)) {
        return BLOCKDB_ECORRUPT;
    }
    frontier_init(&frontier);
    frontier.size = map_size;
    for (unsigned height = FRONTIER_PEAKS_MAX; height > 0; height--) {
        if ((map_size >> (height - 1) & 1) != 0) {
            frontier.peaks[height - 1] = gap->peaks.hashes[next++];
        }
    }
    *out = frontier;
    return BLOCKDB_OK;
}
