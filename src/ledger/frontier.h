/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The frontier of a growing Merkle tree: all that is needed to append leaves and to know the root.
 *
 * The tree of `size` leaves is a row of complete subtrees, one for each bit set in size, largest
 * first; the frontier keeps their roots (peaks).
 *
 * FRO-1  peaks[h] is meaningful exactly when bit h of size is set; the others are zero.
 * FRO-2  The root depends on the leaves only, not on how appends were grouped.
 *
 * Threads:   caller locks.
 * Ownership: a plain value: may be copied and dropped.
 * Format:    docs/format/merkle.md
 */
#pragma once

#include "base/bytes.h"
#include "crypto/sha256.h"

#define FRONTIER_PEAKS_MAX 64
#define FRONTIER_LEN_MAX (8 + FRONTIER_PEAKS_MAX * SHA256_LEN)

struct frontier {
    uint64_t size;
    struct hash peaks[FRONTIER_PEAKS_MAX];
};

/* A hash that enters a tile above level 0 because a tile of the level below became full. */
struct tile_hash {
    unsigned level; /* of the tile it enters: 1 for the root of a full level 0 tile */
    uint64_t index; /* its position in that level: in tile index / 256, at index % 256 */
    struct hash hash;
};

void frontier_init(struct frontier *f);
void frontier_append(struct frontier *f, const struct hash *leaf);

/* How many tile hashes appending n leaves to f yields, all levels together. */
size_t frontier_tile_hash_count(const struct frontier *f, size_t n);
/* Appends n leaves. out_tiles (NULL: not wanted) receives frontier_tile_hash_count() hashes, those
 * of one level in the order of their index. */
void frontier_append_many(struct frontier *f, const struct hash *leaves, size_t n,
                          struct tile_hash *out_tiles);

void frontier_root(const struct frontier *f, struct hash *out);

/* The length of the encoding. */
size_t frontier_len(const struct frontier *f);
/* Writes frontier_len(f) bytes to out. */
void frontier_encode(const struct frontier *f, uint8_t *out);
/* Decodes a frontier that takes up all of bytes. ECORRUPT; *out is untouched then. */
RESULT_MUST_BE_USED int frontier_decode(struct slice bytes, struct frontier *out);
