/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bringing the map up to what is sealed, from its file and the ledger: see map.h.
 *
 * Leaf hashes are computed from the stored records, not taken from the tiles, which carry no
 * checksums: a map that goes into headers rests on checked bytes only.
 */
#include "base/mem.h"
#include "engine/db.h"
#include "engine/map_priv.h"
#include "ledger/commitment.h"
#include "ledger/leaf.h"
#include "ledger/merkle.h"

#include <inttypes.h>

/* Records of one page of the ledger that are hashed together. */
#define GATHER_RECORDS 128
/* Updates after which they are applied, at the end of a block. */
#define APPLY_UPDATES 32768

struct build {
    struct map *m;
    struct map_statement last; /* what the map must pass (MAP-2) */
    size_t count;
    uint64_t first_seq; /* of the gathered records */
    struct record records[GATHER_RECORDS];
    struct hash hashes[GATHER_RECORDS];
    struct map_updates updates;
};

/* ---- The file -------------------------------------------------------------------------------- */

/* The leaf hash of the header at seq `size`, which a file of that size carries. */
static int read_anchor(void *context, uint64_t size, struct hash *out, struct error *err)
{
    struct blockdb *db = context;
    int rc = tile_files_read(db->tiles, 0, size, 1, out->bytes, err);

    if (rc == BLOCKDB_ENOTFOUND) {
        return error_set(err, BLOCKDB_ECORRUPT,
                         "map file: the ledger in '%s' ends before entry %" PRIu64, db->ledger_dir,
                         size);
    }
    return rc;
}

/* Whether the tree that was opened belongs to this very history. */
static int check_anchor(struct map *m, struct error *err)
{
    struct hash said;
    struct hash found;
    int rc;

    if (map_tree_file_bytes(m->tree) == 0) {
        return BLOCKDB_OK;
    }
    map_tree_anchor(m->tree, &said);
    rc = read_anchor(m->db, map_tree_size(m->tree), &found, err);
    if (rc == BLOCKDB_OK && !hash_equal(&said, &found)) {
        return error_set(err, BLOCKDB_ECORRUPT, "the map file in '%s' is that of another history",
                         m->dir);
    }
    return rc;
}

static int open_tree(struct map *m, struct error *err)
{
    struct map_tree_options options = {
        .os = m->db->os,
        .dir = m->dir,
        .ledger_id = m->db->ledger_id,
        .anchor = read_anchor,
        .anchor_context = m->db,
    };
    int rc = os_make_dirs(m->db->os, m->dir, err);

    if (rc < 0) {
        return rc;
    }
    m->file_is_blamed = true;
    rc = map_tree_open(&options, &m->tree, err);
    if (rc == BLOCKDB_OK) {
        rc = check_anchor(m, err);
    }
    if (rc == BLOCKDB_OK && map_tree_file_bytes(m->tree) == 0) {
        m->file_is_blamed = false;
    }
    return rc;
}

/* ---- Applying -------------------------------------------------------------------------------- */

/* MAP-2. */
static int check_statement(struct build *b, struct error *err)
{
    struct hash root;

    map_tree_root(b->m->tree, &root);
    if (b->last.size > 0 && b->last.size == map_tree_size(b->m->tree) &&
        !hash_equal(&root, &b->last.root)) {
        return error_set(err, BLOCKDB_ETAMPERED,
                         "the map of the first %" PRIu64
                         " entries is not the one that the last block header tells; run audit",
                         b->last.size);
    }
    map_tree_keep_states(b->m->tree, map_tree_size(b->m->tree) >= b->last.size);
    return BLOCKDB_OK;
}

/* Applies what was read of the entries below size. */
static int apply(struct build *b, uint64_t size, struct error *err)
{
    struct map *m = b->m;
    struct map_tree_batch batch = {
        .updates = b->updates.items,
        .count = b->updates.count,
        .size = size,
        .durable_size = sealer_sealed_seq(&m->db->sealer),
    };
    int rc = map_tree_apply(m->tree, &batch, err);

    if (rc < 0) {
        return rc;
    }
    b->updates.count = 0;
    rc = check_statement(b, err);
    if (rc < 0) {
        return rc;
    }
    mutex_lock(&m->mu);
    m->next_seq = size; /* not beyond a header: the reader says so when it is past it */
    map_note_state_locked(m);
    cond_broadcast(&m->changed);
    mutex_unlock(&m->mu);
    return BLOCKDB_OK;
}

/* ---- Reading --------------------------------------------------------------------------------- */

static int hash_gathered(struct build *b, struct error *err)
{
    struct map_entries entries = {b->records, b->hashes, b->count, b->first_seq};
    struct commitment_job jobs[GATHER_RECORDS];
    size_t n = 0;
    size_t i;

    for (i = 0; i < b->count; i++) {
        const struct record *r = &b->records[i];

        if (r->salt != NULL) {
            jobs[n++] = (struct commitment_job){
                .salt = r->salt, .value = r->value, .out = &b->hashes[i]};
        } else if (r->commitment != NULL) {
            b->hashes[i] = *r->commitment;
        }
    }
    commitment_compute_many(jobs, n);
    leaf_hash_many(b->records, b->hashes, b->count, b->hashes);
    b->count = 0;
    return map_updates_add(b->m->db, &b->updates, &entries, err);
}

static int read_entry(struct build *b, const struct segment_scan_entry *entry, struct error *err)
{
    int rc = record_parse(entry->record, &b->records[b->count]);

    if (rc < 0) {
        return error_set(err, rc,
                         "ledger segment '%s', page at offset %" PRIu64 ": entry %" PRIu64
                         " is not a valid record",
                         entry->path, entry->page_offset, entry->seq);
    }
    if (b->count == 0) {
        b->first_seq = entry->seq;
    }
    b->count++;
    if (b->count == GATHER_RECORDS || entry->page_last || entry->block_last) {
        rc = hash_gathered(b, err);
    }
    if (rc == BLOCKDB_OK && entry->block_last &&
        (b->updates.count >= APPLY_UPDATES || entry->seq == b->last.size)) {
        rc = apply(b, entry->seq, err);
    }
    return rc;
}

static bool is_stopped(struct map *m)
{
    return atomic_load_explicit(&m->hurry, memory_order_relaxed);
}

/* Reads all that is sealed now; *out_end is where that ends. */
static int read_ledger(struct build *b, uint64_t *out_end, struct error *err)
{
    struct blockdb *db = b->m->db;
    uint64_t from = *out_end;
    uint64_t end = segments_end_seq(db->segments);
    struct segment_scan *scan = NULL;
    struct segment_scan_entry entry;
    int rc;

    if (from >= end) {
        return BLOCKDB_OK;
    }
    rc = segments_scan(db->segments, from, end, &scan, err);
    while (rc == BLOCKDB_OK && !is_stopped(b->m)) {
        rc = segment_scan_next(scan, &entry, err);
        if (rc == BLOCKDB_OK) {
            rc = read_entry(b, &entry, err);
        }
    }
    segment_scan_free(scan);
    if (rc != BLOCKDB_ENOTFOUND) {
        return rc;
    }
    *out_end = end;
    return apply(b, end - 1, err);
}

/* Says that the map follows, unless blocks were sealed meanwhile. */
static bool begin_to_follow(struct map *m, uint64_t end)
{
    bool follows;

    mutex_lock(&m->mu);
    m->next_seq = end;
    follows = segments_end_seq(m->db->segments) == end;
    if (follows && !m->stopped) {
        m->phase = MAP_FOLLOWING;
        m->failures = 0;
        m->filling.updates.count = 0;
        m->filling.blocks = 0;
        m->blocks_under_way = 0;
        m->entries_under_way = 0;
        m->done.size = map_tree_size(m->tree);
        map_tree_root(m->tree, &m->done.root);
        map_note_state_locked(m);
    }
    cond_broadcast(&m->changed);
    mutex_unlock(&m->mu);
    return follows;
}

static int build_with_tree(struct build *b, struct error *err)
{
    struct map *m = b->m;
    uint64_t end;
    int rc = m->tree == NULL ? open_tree(m, err) : BLOCKDB_OK;

    if (rc == BLOCKDB_OK) {
        rc = check_statement(b, err);
    }
    if (rc < 0) {
        return rc;
    }
    /* The entry at the map's size is a header, which changes nothing. */
    end = map_tree_size(m->tree) > 0 ? map_tree_size(m->tree) + 1 : 0;
    do {
        rc = read_ledger(b, &end, err);
    } while (rc == BLOCKDB_OK && !is_stopped(m) && !begin_to_follow(m, end));
    return rc;
}

int map_build(struct map *m, struct error *err)
{
    AUTO(mem_free_ptr) struct build *b = mem_calloc(1, sizeof(*b));
    struct tip tip;
    int rc;

    if (b == NULL) {
        return error_set_no_memory(err);
    }
    sealer_tip(m->db, &tip);
    b->m = m;
    if (tip.block_count > 0) {
        b->last = map_statement_of(&tip.last);
    }
    map_take_tree(m);
    rc = build_with_tree(b, err);
    map_give_tree(m);
    map_updates_deinit(&b->updates);
    return rc;
}
