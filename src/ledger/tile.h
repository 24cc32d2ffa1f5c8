/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tiles: runs of 256 hashes of one level, as C2SP tlog-tiles cuts and names them.
 *
 * Level 0 holds leaf hashes; a hash of level L + 1 is the root of a full tile of level L. Hash i of
 * tile n of level L covers the leaves [(256 n + i) 256^L, (256 n + i + 1) 256^L). Entry bundles
 * are cut like level 0 and named `tile/entries/...`.
 *
 * TILE-1  A tile has exactly one path and a path names exactly one tile.
 *
 * Threads:   pure functions; any thread.
 * Format:    docs/format/merkle.md
 */
#pragma once

#include "base/error.h"
#include "crypto/sha256.h"

#include <stddef.h>
#include <stdint.h>

#define TILE_WIDTH 256
#define TILE_HEIGHT 8
#define TILE_LEVEL_MAX 63
#define TILE_LEVEL_ENTRIES 255 /* not a level: entry bundles */
#define TILE_INDEX_MAX 999999999999999999u
#define TILE_LEN (TILE_WIDTH * SHA256_LEN)
/* "tile/entries/" or "tile/63/", six groups, ".p/255", and the zero. */
#define TILE_PATH_MAX 64

struct tile {
    unsigned level; /* 0 to TILE_LEVEL_MAX, or TILE_LEVEL_ENTRIES */
    unsigned width; /* hashes or entries in it: 1 to TILE_WIDTH; less than that is partial */
    uint64_t index;
};

/* Writes the path, "tile/0/x001/x234/067.p/8", with a terminating zero; returns its length. */
size_t tile_path(const struct tile *tile, char out[TILE_PATH_MAX]);
/* EINVAL when text is not exactly such a path. */
RESULT_MUST_BE_USED int tile_path_parse(const char *text, struct tile *out);

/* How many hashes level has in the tree of size leaves. */
uint64_t tile_hash_count(unsigned level, uint64_t size);
/* The width that the tile has in the tree of size leaves; 0 when there is no such tile. */
unsigned tile_width_at(unsigned level, uint64_t index, uint64_t size);

/* The root of a full tile, which is its hash in the level above. */
void tile_root(const struct hash hashes[TILE_WIDTH], struct hash *out);
