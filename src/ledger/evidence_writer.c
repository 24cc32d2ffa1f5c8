/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "ledger/evidence.h"

#include <assert.h>

#define LENGTH_LEN 4 /* of a section's length field */

static_assert(FRONTIER_PEAKS_MAX <= EVIDENCE_HASHES_MAX, "the peaks of a frontier fit a path");

static void put(struct evidence_writer *w, const void *data, size_t len)
{
    if (w->status == BLOCKDB_OK) {
        w->status = buf_append(w->out, data, len);
    }
}

static void put_slice(struct evidence_writer *w, struct slice s)
{
    put(w, s.data, s.len);
}

static void put_u8(struct evidence_writer *w, uint8_t value)
{
    put(w, &value, sizeof value);
}

static void put_u16(struct evidence_writer *w, uint16_t value)
{
    uint8_t bytes[2];

    put_be16(bytes, value);
    put(w, bytes, sizeof bytes);
}

static void put_u32(struct evidence_writer *w, uint32_t value)
{
    uint8_t bytes[4];

    put_be32(bytes, value);
    put(w, bytes, sizeof bytes);
}

static void put_u64(struct evidence_writer *w, uint64_t value)
{
    uint8_t bytes[8];

    put_be64(bytes, value);
    put(w, bytes, sizeof bytes);
}

static void put_leaf(struct evidence_writer *w, struct slice leaf)
{
    ASSERT(leaf.len >= 1 && leaf.len <= UINT16_MAX);
    put_u16(w, (uint16_t)leaf.len);
    put_slice(w, leaf);
}

static void put_path(struct evidence_writer *w, struct hash_list path)
{
    ASSERT(path.count <= EVIDENCE_HASHES_MAX);
    put_u8(w, (uint8_t)path.count);
    put(w, path.hashes, path.count * SHA256_LEN);
}

/* Fills in the length of the open section. */
static void end_section(struct evidence_writer *w)
{
    size_t len;

    if (w->section == 0 || w->status < 0) {
        return;
    }
    len = w->out->len - w->section - LENGTH_LEN;
    if (len > UINT32_MAX) {
        w->status = BLOCKDB_ELIMIT;
        return;
    }
    put_be32(w->out->data + w->section, (uint32_t)len);
}

static void begin_section(struct evidence_writer *w, enum evidence_tag tag)
{
    ASSERT(tag > w->tag);
    end_section(w);
    put_u16(w, (uint16_t)tag);
    w->section = w->out->len;
    put_u32(w, 0);
    w->tag = (uint16_t)tag;
    w->present |= 1u << tag;
}

void evidence_writer_init(struct evidence_writer *w, struct buf *out)
{
    *w = (struct evidence_writer){.out = out, .start = out->len};
    put(w, EVIDENCE_MAGIC, 8);
    put_u16(w, EVIDENCE_VERSION);
}

int evidence_writer_finish(struct evidence_writer *w)
{
    ASSERT(evidence_sections_fit(w->present));
    end_section(w);
    if (w->status < 0) {
        w->out->len = w->start;
    }
    return w->status;
}

void evidence_write_entry(struct evidence_writer *w, struct slice leaf)
{
    begin_section(w, EVIDENCE_ENTRY);
    put_slice(w, leaf);
}

void evidence_write_value(struct evidence_writer *w, const uint8_t *salt, struct slice value)
{
    begin_section(w, EVIDENCE_VALUE);
    put(w, salt, SALT_LEN);
    put_slice(w, value);
}

void evidence_begin_range(struct evidence_writer *w, uint64_t value_len, uint64_t first_chunk,
                          uint32_t count)
{
    ASSERT(count > 0);
    begin_section(w, EVIDENCE_RANGE);
    put_u64(w, value_len);
    put_u64(w, first_chunk);
    put_u32(w, count);
}

void evidence_add_chunk(struct evidence_writer *w, const uint8_t *chunk_salt, struct slice chunk,
                        struct hash_list in_value)
{
    ASSERT(w->tag == EVIDENCE_RANGE && chunk.len <= UINT32_MAX);
    put(w, chunk_salt, SALT_LEN);
    put_u32(w, (uint32_t)chunk.len);
    put_slice(w, chunk);
    put_path(w, in_value);
}

void evidence_write_block(struct evidence_writer *w, const struct evidence_block *block)
{
    begin_section(w, EVIDENCE_BLOCK);
    put_leaf(w, block->header);
    put_u64(w, block->header_seq);
    put_path(w, block->in_block);
    put_path(w, block->in_tree);
}

void evidence_write_key(struct evidence_writer *w, uint32_t collection, struct slice key)
{
    begin_section(w, EVIDENCE_KEY);
    put_u32(w, collection);
    put_slice(w, key);
}

void evidence_write_map(struct evidence_writer *w, const struct evidence_map *map)
{
    begin_section(w, EVIDENCE_MAP);
    put_leaf(w, map->header);
    put_path(w, map->in_tree);
    put_slice(w, map->map_proof);
}

void evidence_begin_gap(struct evidence_writer *w, const struct frontier *covered)
{
    struct hash peaks[FRONTIER_PEAKS_MAX];
    struct hash_list list = {peaks, 0};

    for (unsigned height = FRONTIER_PEAKS_MAX; height > 0; height--) {
        if ((covered->size >> (height - 1) & 1) != 0) {
            peaks[list.count++] = covered->peaks[height - 1];
        }
    }
    begin_section(w, EVIDENCE_GAP);
    put_path(w, list);
}

void evidence_add_gap_leaf(struct evidence_writer *w, struct slice leaf)
{
    ASSERT(w->tag == EVIDENCE_GAP);
    put_leaf(w, leaf);
}

void evidence_begin_history(struct evidence_writer *w)
{
    begin_section(w, EVIDENCE_HISTORY);
}

void evidence_add_version(struct evidence_writer *w, uint64_t seq, struct slice leaf)
{
    ASSERT(w->tag == EVIDENCE_HISTORY);
    put_u64(w, seq);
    put_leaf(w, leaf);
}

void evidence_write_redaction(struct evidence_writer *w, const struct evidence_redaction *redaction)
{
    begin_section(w, EVIDENCE_REDACTION);
    put_u64(w, redaction->seq);
    put_leaf(w, redaction->leaf);
    put_path(w, redaction->in_tree);
}
