/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verification of blocks: see verify.h.
 *
 * A unit is a run of blocks. Its first frontier comes from the tiles, which another stage verifies;
 * from there on every root is computed from the stored values.
 */
#include "base/checksum.h"
#include "base/mem.h"
#include "engine/db.h"
#include "engine/read.h"
#include "engine/verify.h"
#include "ledger/block_header.h"
#include "ledger/commitment.h"
#include "ledger/leaf.h"
#include "ledger/merkle.h"

#include <inttypes.h>

/* Blocks of one unit: enough that starting one costs little. */
#define UNIT_BLOCKS 64
/* Records of one page are gathered and hashed together, up to so many. */
#define GATHER_RECORDS 128

/* Blocks being checked by one thread. */
struct block_check {
    struct verify *v;
    struct frontier frontier;
    bool has_previous;
    struct block_header previous;

    /* Gathered records of the current page, borrowed from the scan. */
    size_t count;
    uint64_t bytes;
    struct record records[GATHER_RECORDS];
    struct hash hashes[GATHER_RECORDS];

    /* Leaves of the current block. */
    uint64_t first_seq;
    struct hash *leaves;
    size_t leaf_count;
    size_t leaf_cap;
    struct tile_hash *tiles; /* of higher levels, that the block completes */
    size_t tile_cap;
    uint32_t batch_next; /* position the next entry must have in its batch, 0: a new batch */
    uint32_t batch_count;
    uint64_t last_time_ms;
    struct index_sums sums;
};

uint64_t verify_blocks_units(const struct verify *v)
{
    return (v->end_height - v->first_height + UNIT_BLOCKS - 1) / UNIT_BLOCKS;
}

static int tampered(const struct segment_scan_entry *entry, struct error *err, const char *what)
{
    return error_set(err, BLOCKDB_ETAMPERED,
                     "ledger segment '%s', page at offset %" PRIu64 ": entry %" PRIu64
                     " of block %" PRIu64 ": %s",
                     entry->path, entry->page_offset, entry->seq, entry->block->height, what);
}

/* The commitments of the gathered records into hashes. */
static void compute_commitments(struct block_check *c)
{
    struct commitment_job jobs[GATHER_RECORDS];
    size_t n = 0;
    size_t i;

    for (i = 0; i < c->count; i++) {
        const struct record *r = &c->records[i];

        if (r->salt != NULL) {
            jobs[n++] = (struct commitment_job){
                .salt = r->salt, .value = r->value, .out = &c->hashes[i]};
        } else if (r->commitment != NULL) {
            c->hashes[i] = *r->commitment;
        }
    }
    commitment_compute_many(jobs, n);
}

static int reserve_leaves(struct block_check *c, size_t more)
{
    size_t cap = c->leaf_cap;
    struct hash *leaves;

    if (c->leaf_count + more <= cap) {
        return BLOCKDB_OK;
    }
    while (cap < c->leaf_count + more) {
        cap = cap < 1024 ? 1024 : cap * 2;
    }
    leaves = mem_realloc(c->leaves, cap * sizeof(*leaves));
    if (leaves == NULL) {
        return BLOCKDB_ENOMEM;
    }
    c->leaves = leaves;
    c->leaf_cap = cap;
    return BLOCKDB_OK;
}

/* Each gathered record that is redacted was redacted by an entry that says so. */
static int check_redactions(struct block_check *c, const struct segment_scan_entry *entry,
                            struct error *err)
{
    size_t i;

    for (i = 0; i < c->count; i++) {
        const struct record *r = &c->records[i];
        uint64_t seq = c->first_seq + c->leaf_count + i;
        int rc;

        if ((r->flags & RECORD_REDACTED) == 0) {
            continue;
        }
        rc = redact_check_entry(c->v->db, seq, &c->leaves[c->leaf_count + i], r->redact_seq, err);
        if (rc < 0) {
            return error_wrap(err, rc, "ledger segment '%s', page at offset %" PRIu64, entry->path,
                              entry->page_offset);
        }
        (void)atomic_fetch_add_explicit(&c->v->redactions, 1, memory_order_relaxed);
    }
    return BLOCKDB_OK;
}

/* Hashes what was gathered into the leaves of the block. */
static int hash_gathered(struct block_check *c, const struct segment_scan_entry *entry,
                         struct error *err)
{
    int rc;

    if (reserve_leaves(c, c->count) < 0) {
        return error_set_no_memory(err);
    }
    compute_commitments(c);
    leaf_hash_many(c->records, c->hashes, c->count, c->leaves + c->leaf_count);
    rc = check_redactions(c, entry, err);
    if (rc < 0) {
        return rc;
    }
    c->leaf_count += c->count;
    (void)atomic_fetch_add_explicit(&c->v->bytes_hashed, c->bytes, memory_order_relaxed);
    c->count = 0;
    c->bytes = 0;
    return BLOCKDB_OK;
}

/* Batches are whole and times do not go back. */
static int check_order(struct block_check *c, const struct segment_scan_entry *entry,
                       const struct record *r, struct error *err)
{
    if (r->time_ms < c->last_time_ms) {
        return tampered(entry, err, "its time is before that of the entry before it");
    }
    c->last_time_ms = r->time_ms;
    if (c->batch_next == 0) {
        c->batch_count = r->batch_count;
    }
    if (r->batch_position != c->batch_next || r->batch_count != c->batch_count) {
        return tampered(entry, err, "its batch is not whole");
    }
    c->batch_next = r->batch_position + 1 == r->batch_count ? 0 : r->batch_position + 1;
    return BLOCKDB_OK;
}

static int gather(struct block_check *c, const struct segment_scan_entry *entry,
                  const struct record *record, struct error *err)
{
    int rc = check_order(c, entry, record, err);

    if (rc < 0) {
        return rc;
    }
    if (c->v->index.is_on) {
        index_check_record(&c->v->index, entry->seq, record, &c->sums);
    }
    c->records[c->count++] = *record;
    c->bytes += entry->record.len;
    return c->count == GATHER_RECORDS || entry->page_last ? hash_gathered(c, entry, err)
                                                          : BLOCKDB_OK;
}

/* The leaves of the block, its header last, against the tiles. */
static int check_tiles(struct block_check *c, const struct segment_scan_entry *entry,
                       struct error *err)
{
    uint64_t first = entry->block->first_seq;
    AUTO(mem_free_ptr) struct hash *stored = mem_alloc(c->leaf_count * sizeof(*stored));
    size_t i;
    int rc;

    if (stored == NULL) {
        return error_set_no_memory(err);
    }
    rc = tile_files_read_range(c->v->db->tiles, 0, first, c->leaf_count, stored[0].bytes, err);
    if (rc < 0) {
        return rc;
    }
    for (i = 0; i < c->leaf_count; i++) {
        if (!hash_equal(&stored[i], &c->leaves[i])) {
            return error_set(err, BLOCKDB_ETAMPERED,
                             "ledger segment '%s', block %" PRIu64 " at offset %" PRIu64
                             ": entry %" PRIu64
                             " does not match its leaf hash in the tiles of '%s' (level 0, hash "
                             "%" PRIu64 ")",
                             entry->path, entry->block->height, entry->block->offset, first + i,
                             c->v->db->tile_dir, first + i);
        }
    }
    return BLOCKDB_OK;
}

/* Appends leaves to the tree; each tile that they complete must have the root that is stored. */
static int append_leaves(struct block_check *c, const struct hash *leaves, size_t n,
                         struct error *err)
{
    size_t count = frontier_tile_hash_count(&c->frontier, n);
    size_t i;
    int rc = BLOCKDB_OK;

    if (count > c->tile_cap) {
        mem_free(c->tiles);
        c->tile_cap = 0;
        c->tiles = mem_alloc(count * sizeof(*c->tiles));
        if (c->tiles == NULL) {
            return error_set_no_memory(err);
        }
        c->tile_cap = count;
    }
    frontier_append_many(&c->frontier, leaves, n, c->tiles);
    for (i = 0; rc == BLOCKDB_OK && i < count; i++) {
        rc = verify_tile_hash(c->v, &c->tiles[i], err);
    }
    return rc;
}

static int check_roots(struct block_check *c, const struct segment_scan_entry *entry,
                       const struct block_header *header, struct error *err)
{
    struct hash root;
    int rc;

    if (header->first_seq != entry->block->first_seq || header->count != c->leaf_count ||
        header->height != entry->block->height) {
        return tampered(entry, err, "its header is that of another block");
    }
    rc = block_header_follows(c->has_previous ? &c->previous : NULL, header, err);
    if (rc < 0) {
        return error_wrap(err, rc, "ledger segment '%s', block %" PRIu64 " at offset %" PRIu64,
                          entry->path, header->height, entry->block->offset);
    }
    merkle_root(c->leaves, c->leaf_count, &root);
    if (!hash_equal(&root, &header->block_root)) {
        return tampered(entry, err, "the entries do not match the block's root");
    }
    rc = append_leaves(c, c->leaves, c->leaf_count, err);
    if (rc < 0) {
        return rc;
    }
    frontier_root(&c->frontier, &root);
    if (!hash_equal(&root, &header->tree_root)) {
        return tampered(entry, err, "the log does not match the root in the header");
    }
    return BLOCKDB_OK;
}

static int end_block(struct block_check *c, const struct segment_scan_entry *entry,
                     const struct record *record, struct error *err)
{
    struct block_header header;
    struct hash hash;
    int rc = block_header_of_record(record, &header);

    if (rc < 0) {
        return tampered(entry, err, "it is not a valid block header");
    }
    if (c->batch_next != 0) {
        return tampered(entry, err, "the block ends within a batch");
    }
    rc = hash_gathered(c, entry, err);
    if (rc == BLOCKDB_OK) {
        rc = check_roots(c, entry, &header, err);
    }
    if (rc < 0) {
        return rc;
    }
    block_header_hash(&header, &hash);
    if (reserve_leaves(c, 1) < 0) {
        return error_set_no_memory(err);
    }
    c->leaves[c->leaf_count++] = hash;
    rc = append_leaves(c, &hash, 1, err);
    if (rc == BLOCKDB_OK) {
        rc = check_tiles(c, entry, err);
    }
    (void)atomic_fetch_add_explicit(&c->v->entries, c->leaf_count, memory_order_relaxed);
    (void)atomic_fetch_add_explicit(&c->v->blocks, 1, memory_order_relaxed);
    c->previous = header;
    c->has_previous = true;
    c->leaf_count = 0;
    return rc;
}

static int check_entry(struct block_check *c, const struct segment_scan_entry *entry,
                       struct error *err)
{
    struct record record;
    int rc = record_parse(entry->record, &record);

    if (rc < 0) {
        return tampered(entry, err, "it is not a valid record");
    }
    c->first_seq = entry->block->first_seq;
    if (record.kind == BLOCKDB_KIND_BLOCK_HEADER) {
        return end_block(c, entry, &record, err);
    }
    return gather(c, entry, &record, err);
}

/* The header of block `height` as stored; what stands before a unit. */
static int load_previous(struct block_check *c, uint64_t height, struct error *err)
{
    struct segment_block_info info;
    struct segment_record held = {0};
    struct record record;
    int rc = segments_find_height(c->v->db->segments, height, &info, err);

    if (rc == BLOCKDB_OK) {
        rc = read_ledger_record(c->v->db, info.first_seq + info.count - 1, &held, &record, err);
    }
    if (rc < 0) {
        return rc;
    }
    rc = block_header_of_record(&record, &c->previous);
    segment_record_release(&held);
    if (rc < 0) {
        return error_set(err, BLOCKDB_ETAMPERED,
                         "ledger segment %u, block %" PRIu64 " at offset %" PRIu64
                         ": it does not end in a valid header",
                         info.number, height, info.offset);
    }
    c->has_previous = true;
    c->last_time_ms = c->previous.time_ms;
    return BLOCKDB_OK;
}

/* Checks blocks [first, end). */
static int check_run(struct block_check *c, uint64_t first, uint64_t end, struct error *err)
{
    struct blockdb *db = c->v->db;
    struct segment_block_info from;
    struct segment_block_info to;
    struct segment_scan *scan = NULL;
    struct segment_scan_entry entry;
    int rc = segments_find_height(db->segments, first, &from, err);

    if (rc == BLOCKDB_OK) {
        rc = segments_find_height(db->segments, end - 1, &to, err);
    }
    if (rc == BLOCKDB_OK && first > 0) {
        rc = load_previous(c, first - 1, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = verify_frontier(db, from.first_seq, &c->frontier, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = segments_scan(db->segments, from.first_seq, to.first_seq + to.count, &scan, err);
    }
    while (rc == BLOCKDB_OK && !atomic_load_explicit(&c->v->stop, memory_order_relaxed)) {
        rc = segment_scan_next(scan, &entry, err);
        if (rc == BLOCKDB_OK) {
            rc = check_entry(c, &entry, err);
        }
        if (rc == BLOCKDB_OK && entry.block_last) {
            (void)atomic_fetch_add_explicit(&c->v->bytes_read, entry.block->len_bytes,
                                            memory_order_relaxed);
        }
    }
    segment_scan_free(scan);
    if (rc != BLOCKDB_ENOTFOUND) {
        return rc;
    }
    if (c->leaf_count + c->count > 0) {
        return error_set(err, BLOCKDB_ETAMPERED,
                         "ledger '%s': block %" PRIu64 " does not end in a header", db->ledger_dir,
                         end - 1);
    }
    return BLOCKDB_OK;
}

static bool is_chosen(const struct verify *v, uint64_t height)
{
    uint8_t bytes[8];

    if (v->sample == UINT64_MAX) {
        return true;
    }
    put_le64(bytes, height);
    return checksum(bytes, sizeof(bytes), v->sample_key) < v->sample;
}

int verify_blocks_unit(struct verify *v, uint64_t unit, struct error *err)
{
    struct block_check *c = mem_calloc(1, sizeof(*c));
    uint64_t height = v->first_height + unit * UNIT_BLOCKS;
    uint64_t end = height + UNIT_BLOCKS < v->end_height ? height + UNIT_BLOCKS : v->end_height;
    int rc = BLOCKDB_OK;

    if (c == NULL) {
        return error_set_no_memory(err);
    }
    c->v = v;
    while (rc == BLOCKDB_OK && height < end) {
        uint64_t first = height;

        while (height < end && is_chosen(v, height)) {
            height++;
        }
        if (height > first) {
            c->has_previous = false;
            rc = check_run(c, first, height, err);
        }
        height++;
    }
    index_check_add(&v->index, &c->sums);
    mem_free(c->tiles);
    mem_free(c->leaves);
    mem_free(c);
    return rc;
}
