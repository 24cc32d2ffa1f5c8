/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verification of tiles above level 0, and frontiers out of tiles: see verify.h.
 *
 * While a run of blocks is hashed into the tree, every tile that it completes yields the hash that
 * the level above must hold. The frontier that the run began with came from stored hashes, which
 * the run before has verified.
 */
#include "base/mem.h"
#include "engine/db.h"
#include "engine/verify.h"
#include "ledger/merkle.h"

#include <inttypes.h>

int verify_tile_hash(struct verify *v, const struct tile_hash *made, struct error *err)
{
    struct hash stored;
    int rc = tile_files_read(v->db->tiles, made->level, made->index, 1, stored.bytes, err);

    if (rc == BLOCKDB_ENOTFOUND) {
        return error_set(err, BLOCKDB_ECORRUPT, "tiles of '%s': level %u ends before hash %" PRIu64,
                         v->db->tile_dir, made->level, made->index);
    }
    if (rc == BLOCKDB_OK && !hash_equal(&stored, &made->hash)) {
        return error_set(err, BLOCKDB_ETAMPERED,
                         "tiles of '%s': hash %" PRIu64
                         " of level %u is not the root of the entries below it",
                         v->db->tile_dir, made->index, made->level);
    }
    return rc;
}

/* The root of the complete subtree of 2^height leaves that begins at leaf `first`. */
static int subtree_root(struct blockdb *db, unsigned height, uint64_t first, struct hash *out,
                        struct error *err)
{
    struct hash hashes[TILE_HASHES];
    unsigned level = height / 8;
    unsigned rest = height % 8;
    int rc = tile_files_read(db->tiles, level, first >> (8 * level), 1ULL << rest, hashes[0].bytes,
                             err);

    if (rc == BLOCKDB_ENOTFOUND) {
        return error_set(err, BLOCKDB_ECORRUPT, "tiles of '%s': level %u is too short",
                         db->tile_dir, level);
    }
    if (rc == BLOCKDB_OK) {
        merkle_complete_root(hashes, rest, out);
    }
    return rc;
}

int verify_frontier(struct blockdb *db, uint64_t size, struct frontier *out, struct error *err)
{
    uint64_t first = 0;
    int height;

    frontier_init(out);
    for (height = 63; height >= 0; height--) {
        if ((size >> height & 1) != 0) {
            int rc = subtree_root(db, (unsigned)height, first, &out->peaks[height], err);

            if (rc < 0) {
                return rc;
            }
            first += 1ULL << height;
        }
    }
    out->size = size;
    return BLOCKDB_OK;
}
