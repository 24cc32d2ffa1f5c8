/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One leaf of the map as it is kept in memory and in the map file: bytes that begin with place and
 * leaf hash.
 *
 * Threads:   pure functions; any thread.
 * Ownership: a plain value; what takes bytes borrows them.
 * Format:    docs/format/map.md, "File"
 */
#pragma once

#include "base/bytes.h"
#include "crypto/sha256.h"
#include "ledger/map_hash.h"
#include "store/map_file.h"

struct map_record {
    uint8_t bytes[MAP_FILE_LEAF_LEN];
};

static inline const struct hash *map_record_place(const struct map_record *r)
{
    return (const struct hash *)(const void *)r->bytes;
}

static inline struct hash *map_record_hash(struct map_record *r)
{
    return (struct hash *)(void *)(r->bytes + MAP_FILE_LEAF_HASH);
}

static inline const struct hash *map_record_hash_of(const struct map_record *r)
{
    return (const struct hash *)(const void *)(r->bytes + MAP_FILE_LEAF_HASH);
}

static inline struct hash *map_record_chain(struct map_record *r)
{
    return (struct hash *)(void *)(r->bytes + MAP_FILE_LEAF_CHAIN);
}

static inline uint64_t map_record_seq(const struct map_record *r)
{
    return get_le64(r->bytes + MAP_FILE_LEAF_SEQ);
}

static inline uint64_t map_record_versions(const struct map_record *r)
{
    return get_le64(r->bytes + MAP_FILE_LEAF_VERSIONS) / 4;
}

static inline uint8_t map_record_flags(const struct map_record *r)
{
    return (uint8_t)(get_le64(r->bytes + MAP_FILE_LEAF_VERSIONS) % 4);
}

static inline void map_record_set(struct map_record *r, uint64_t seq, uint64_t versions,
                                  uint8_t flags)
{
    put_le64(r->bytes + MAP_FILE_LEAF_SEQ, seq);
    put_le64(r->bytes + MAP_FILE_LEAF_VERSIONS, versions * 4 + flags);
}

/* Bytewise order of places: <0, 0, >0. Nearly always the first bytes decide. */
static inline int map_record_compare(const struct map_record *r, const struct hash *place)
{
    uint64_t a = get_be64(r->bytes);
    uint64_t b = get_be64(place->bytes);

    if (a != b) {
        return a < b ? -1 : 1;
    }
    return memcmp(r->bytes, place->bytes, SHA256_LEN);
}

/* The highest bits of a place as a number; bits is at most 32. */
static inline uint32_t map_prefix(const struct hash *place, unsigned bits)
{
    return bits == 0 ? 0 : (uint32_t)(get_be64(place->bytes) >> (64 - bits));
}
