/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tip of the ledger: all that is needed to seal the next block.
 *
 * TIP-1  The tree's size is one past the seq of the last header: a tip stands at a block's end.
 *
 * Threads:   caller locks.
 * Ownership: a plain value.
 * Format:    docs/format/manifest.md, "sealed point".
 */
#pragma once

#include "base/bytes.h"
#include "ledger/block_header.h"
#include "ledger/frontier.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TIP_LEN_MAX (2 + BLOCK_HEADER_LEN + FRONTIER_LEN_MAX)

struct tip {
    uint64_t block_count;     /* the height of the next block */
    struct block_header last; /* with block_count > 0 */
    struct hash last_hash;    /* zeros before the first block */
    struct frontier frontier;
};

/* The tip of an empty ledger. */
void tip_init(struct tip *tip);
/* One past the last sealed seq. */
static inline uint64_t tip_seq(const struct tip *tip)
{
    return tip->frontier.size;
}

/* What a header cannot be computed from the tip alone; borrowed. */
struct tip_block {
    const struct hash *leaves; /* of its entries */
    size_t count;
    uint64_t time_ms;
    uint64_t map_size; /* what the header says of the map (engine/map.h) */
    struct hash map_root;
};

/* Seals a block: moves the tip behind its header, which is tip->last then. tiles receives
 * tip_tile_count() hashes. */
void tip_seal(struct tip *tip, const struct tip_block *block, struct tile_hash *tiles);
/* How many hashes of higher tiles sealing a block of n leaves yields. */
size_t tip_tile_count(const struct tip *tip, size_t n);

/* Writes at most TIP_LEN_MAX bytes and returns how many. */
size_t tip_encode(const struct tip *tip, uint8_t *out);
/* ECORRUPT when bytes are no tip; EVERSION. */
RESULT_MUST_BE_USED int tip_decode(struct slice bytes, struct tip *out, struct error *err);
