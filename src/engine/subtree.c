/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/subtree.h"

#include "base/assert.h"
#include "engine/db.h"
#include "ledger/merkle.h"
#include "ledger/tile.h"

#include <assert.h>
#include <inttypes.h>

#define GROUP_HEIGHT 4
#define TILE_GROUPS (TILE_WIDTH / SUBTREE_GROUP)
/* Roots of a full tile of height 4, 5, 6 and 7. */
#define DIGEST_HASHES (16 + 8 + 4 + 2)
/* Keeps digests apart from what else is in the cache: tiles, segments, tables. */
#define CACHE_FILE_BASE (3ull << 62)

static_assert(TILE_GROUPS == 1 << (TILE_HEIGHT - GROUP_HEIGHT), "groups and heights agree");

struct digest {
    struct hash hashes[DIGEST_HASHES];
};

void subtree_reader_init(struct subtree_reader *reader, struct blockdb *db)
{
    reader->db = db;
    reader->have = 0;
}

static int missing(const struct blockdb *db, unsigned level, uint64_t index, struct error *err)
{
    return error_set(err, BLOCKDB_ECORRUPT,
                     "tiles of '%s': level %u ends before hash %" PRIu64
                     "; remove the tile folder to have all tiles made again",
                     db->tile_dir, level, index);
}

/* ---- Below a group -------------------------------------------------------------------------- */

/* Reads what there is of a group, at least `need` hashes. The lowest level is too large for the
 * cache, and its files are in that of the system when they are read often. */
static int load_group(struct subtree_reader *reader, unsigned level, uint64_t group, unsigned need,
                      struct error *err)
{
    struct tile_files *tiles = reader->db->tiles;
    uint64_t first = group * SUBTREE_GROUP;
    uint64_t count = tile_files_count(tiles, level);
    uint64_t have = count > first ? count - first : 0;
    int rc;

    if (have > SUBTREE_GROUP) {
        have = SUBTREE_GROUP;
    }
    if (have < need) {
        return missing(reader->db, level, first + need - 1, err);
    }
    reader->have = 0;
    if (level == 0) {
        rc = tile_files_read_range(tiles, level, first, have, reader->hashes[0].bytes, err);
    } else {
        rc = tile_files_read(tiles, level, first, have, reader->hashes[0].bytes, err);
    }
    if (rc < 0) {
        return rc == BLOCKDB_ENOTFOUND ? missing(reader->db, level, first, err) : rc;
    }
    reader->level = level;
    reader->group = group;
    reader->have = (unsigned)have;
    return BLOCKDB_OK;
}

static int root_in_group(struct subtree_reader *reader, unsigned level, unsigned height,
                         uint64_t index, struct hash *out, struct error *err)
{
    uint64_t first = index << height;
    unsigned at = (unsigned)(first % SUBTREE_GROUP);
    unsigned need = at + (1u << height);
    int rc;

    if (reader->have < need || reader->level != level || reader->group != first / SUBTREE_GROUP) {
        rc = load_group(reader, level, first / SUBTREE_GROUP, need, err);
        if (rc < 0) {
            return rc;
        }
    }
    merkle_complete_root(reader->hashes + at, height, out);
    return BLOCKDB_OK;
}

/* ---- Above groups --------------------------------------------------------------------------- */

/* Where the root of a height within a tile is, counted from its left. */
static unsigned digest_at(unsigned height, unsigned position)
{
    static const unsigned char first[] = {0, 16, 24, 28};

    return first[height - GROUP_HEIGHT] + position;
}

/* Computes the digest of the first `groups` groups of a tile; the rest of it is zero. */
static int digest_compute(struct blockdb *db, unsigned level, uint64_t tile, unsigned groups,
                          struct digest *out, struct error *err)
{
    struct hash row[TILE_WIDTH];
    unsigned count = groups * SUBTREE_GROUP;
    unsigned height;
    int rc = tile_files_read_range(db->tiles, level, tile * TILE_WIDTH, count, row[0].bytes, err);

    if (rc < 0) {
        return rc == BLOCKDB_ENOTFOUND ? missing(db, level, tile * TILE_WIDTH, err) : rc;
    }
    memset(out, 0, sizeof(*out));
    for (height = 1; height < TILE_HEIGHT; height++) {
        count /= 2;
        sha256_nodes(row, count, row);
        if (height >= GROUP_HEIGHT) {
            memcpy(&out->hashes[digest_at(height, 0)], row, count * sizeof(row[0]));
        }
    }
    return BLOCKDB_OK;
}

/* Puts a copy into the cache; without memory it is not kept. Inside the epoch. */
static void digest_keep(struct blockdb *db, uint64_t file, uint64_t offset,
                        const struct digest *digest)
{
    struct page *page = page_new(file, offset, sizeof(*digest));

    if (page != NULL) {
        memcpy(page->data, digest, sizeof(*digest));
        cache_add(db->index_cache, page);
    }
}

/* How many whole groups a tile has now. */
static unsigned groups_of(struct blockdb *db, unsigned level, uint64_t tile)
{
    uint64_t count = tile_files_count(db->tiles, level);
    uint64_t first = tile * TILE_WIDTH;
    uint64_t groups = count > first ? (count - first) / SUBTREE_GROUP : 0;

    return groups < TILE_GROUPS ? (unsigned)groups : TILE_GROUPS;
}

static int root_in_digest(struct blockdb *db, unsigned level, unsigned height, uint64_t index,
                          struct hash *out, struct error *err)
{
    uint64_t tile = index >> (TILE_HEIGHT - height);
    unsigned position = (unsigned)(index & ((1u << (TILE_HEIGHT - height)) - 1));
    unsigned groups = groups_of(db, level, tile);
    uint64_t file = CACHE_FILE_BASE | level;
    uint64_t offset = tile * 2 * TILE_GROUPS + groups; /* SUBTREE-1 */
    struct digest digest;
    const struct page *page;
    int rc = BLOCKDB_OK;

    if ((position + 1) << (height - GROUP_HEIGHT) > groups) {
        return missing(db, level, ((index + 1) << height) - 1, err);
    }
    epoch_enter(db->epoch);
    page = cache_lookup(db->index_cache, file, offset);
    if (page != NULL) {
        memcpy(out, page->data + digest_at(height, position) * sizeof(*out), sizeof(*out));
    } else {
        rc = digest_compute(db, level, tile, groups, &digest, err);
        if (rc == BLOCKDB_OK) {
            digest_keep(db, file, offset, &digest);
            *out = digest.hashes[digest_at(height, position)];
        }
    }
    epoch_leave(db->epoch);
    return rc;
}

int subtree_root(struct subtree_reader *reader, unsigned height, uint64_t index, struct hash *out,
                 struct error *err)
{
    unsigned level = height / TILE_HEIGHT;
    unsigned below = height % TILE_HEIGHT;

    ASSERT(level < TILE_LEVELS);
    if (below < GROUP_HEIGHT) {
        return root_in_group(reader, level, below, index, out, err);
    }
    return root_in_digest(reader->db, level, below, index, out, err);
}

static int source_subtree(void *context, unsigned height, uint64_t index, struct hash *out,
                          struct error *err)
{
    return subtree_root(context, height, index, out, err);
}

struct hash_source subtree_source(struct subtree_reader *reader)
{
    return (struct hash_source){.context = reader, .subtree = source_subtree};
}
