/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hashes of the map of newest versions: a compressed Merkle trie over hashed keys.
 *
 * Every key that was ever put or deleted has one leaf; an inner node stands where the keys below it
 * first differ. Words: the *place* of a key is its hash, the *chain* of a key runs over all its
 * versions, and an *item* is what the trie itself sees of a leaf: place and leaf hash.
 *
 * MAPH-1  The root depends on the set of leaves alone, not on how it came about.
 * MAPH-2  No input of one of these hashes is an input of another, or of a hash of the log's tree.
 *
 * Threads:   pure functions; any thread.
 * Ownership: borrows inputs for the call.
 * Format:    docs/format/map.md
 */
#pragma once

#include "base/bytes.h"
#include "crypto/sha256.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The bits of a place, and so the most nodes above a leaf. */
#define MAP_BITS 256

enum map_leaf_flag {
    MAP_LEAF_DELETED = 1 << 0,  /* the newest version is a deletion */
    MAP_LEAF_REDACTED = 1 << 1, /* the value of the newest version was redacted */
    MAP_LEAF_FLAGS = MAP_LEAF_DELETED | MAP_LEAF_REDACTED,
};

struct map_leaf {
    struct hash place;
    uint64_t seq;      /* of the newest version */
    struct hash entry; /* its leaf hash in the log's tree */
    uint64_t versions; /* puts and deletes of the key, at least 1 */
    struct hash chain; /* over all of them */
    uint8_t flags;     /* enum map_leaf_flag */
};

/* The place of a key: SHA-256("bdb:mapk" || u32 collection || key). */
void map_place(uint32_t collection, struct slice key, struct hash *out);

/* The chain behind a version: SHA-256("bdb:hist" || previous || u64 seq || entry). It starts with
 * 32 zero bytes. out may be previous. */
void map_chain(const struct hash *previous, uint64_t seq, const struct hash *entry,
               struct hash *out);

/* The hash of a leaf. */
void map_leaf_hash(const struct map_leaf *leaf, struct hash *out);
/* SHA-256(0x03 || u8 bit || left || right). out may be left or right. */
void map_node(unsigned bit, const struct hash *left, const struct hash *right, struct hash *out);
/* The root of the map without leaves: SHA-256("bdb:map0"). */
void map_empty_root(struct hash *out);

/* Many at a time, each faster than alone. Outputs must not overlap inputs, but the chain may take
 * the place of the previous one. */
struct map_place_job {
    uint32_t collection;
    struct slice key;
    struct hash *out;
};
void map_place_many(const struct map_place_job *jobs, size_t n);
struct map_chain_job {
    const struct hash *previous;
    uint64_t seq;
    const struct hash *entry;
    struct hash *out;
};
void map_chain_many(const struct map_chain_job *jobs, size_t n);
void map_leaf_hash_many(const struct map_leaf *leaves, size_t n, struct hash *out);
struct map_node_job {
    unsigned bit;
    const struct hash *left;
    const struct hash *right;
    struct hash *out;
};
void map_node_many(const struct map_node_job *jobs, size_t n);

/* What the trie sees of a leaf. */
struct map_item {
    struct hash place;
    struct hash hash;
};

/* Bit number of a place, 0 being the highest of byte 0. */
static inline bool map_bit(const struct hash *place, unsigned bit)
{
    return (place->bytes[bit / 8] >> (7 - bit % 8)) & 1;
}
/* The first bit at which two places differ; MAP_BITS when they are equal. */
unsigned map_first_difference(const struct hash *a, const struct hash *b);
/* The root over n items, sorted by place, all different; of none: the empty root. */
void map_root(const struct map_item *items, size_t n, struct hash *out);
