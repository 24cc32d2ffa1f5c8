/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verification of tiles above level 0, and frontiers out of tiles: see verify.h.
 */
#include "base/mem.h"
#include "engine/db.h"
#include "engine/verify.h"
#include "ledger/merkle.h"

#include <inttypes.h>

/* Hashes of one level that a unit checks: 256 of them stand over 2 MiB of the level below. */
#define UNIT_HASHES 256

static uint64_t level_count(const struct verify *v, unsigned level)
{
    return tip_seq(&v->tip) >> (8 * level);
}

uint64_t verify_tiles_units(const struct verify *v)
{
    uint64_t units = 0;
    unsigned level;

    for (level = 1; level < TILE_LEVELS; level++) {
        units += (level_count(v, level) + UNIT_HASHES - 1) / UNIT_HASHES;
    }
    return units;
}

/* Finds level and first hash of a unit. */
static unsigned locate_unit(const struct verify *v, uint64_t unit, uint64_t *out_first)
{
    unsigned level;

    for (level = 1; level + 1 < TILE_LEVELS; level++) {
        uint64_t units = (level_count(v, level) + UNIT_HASHES - 1) / UNIT_HASHES;

        if (unit < units) {
            break;
        }
        unit -= units;
    }
    *out_first = unit * UNIT_HASHES;
    return level;
}

static int check_hash(struct verify *v, unsigned level, uint64_t index, const struct hash *stored,
                      struct error *err)
{
    struct hash below[TILE_HASHES];
    int rc = tile_files_read_range(v->db->tiles, level - 1, index * TILE_HASHES, TILE_HASHES,
                                   below[0].bytes, err);

    if (rc < 0) {
        return rc;
    }
    merkle_complete_root(below, 8, &below[0]);
    if (!hash_equal(&below[0], stored)) {
        return error_set(err, BLOCKDB_ETAMPERED,
                         "tiles of '%s': hash %" PRIu64
                         " of level %u is not the root of the tile below it",
                         v->db->tile_dir, index, level);
    }
    return BLOCKDB_OK;
}

int verify_tiles_unit(struct verify *v, uint64_t unit, struct error *err)
{
    struct hash stored[UNIT_HASHES];
    uint64_t first;
    unsigned level = locate_unit(v, unit, &first);
    uint64_t left = level_count(v, level) - first;
    uint64_t count = left < UNIT_HASHES ? left : UNIT_HASHES;
    uint64_t i;
    int rc = tile_files_read_range(v->db->tiles, level, first, count, stored[0].bytes, err);

    for (i = 0; rc == BLOCKDB_OK && i < count; i++) {
        rc = check_hash(v, level, first + i, &stored[i], err);
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
