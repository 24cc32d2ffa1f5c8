/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Filter of a memtable: answers most lookups of keys that are not in it with one cache miss, where
 * the skiplist takes about ten. Every read of a key that lies in a table asks the memtables first.
 *
 * A key sets four bits of one word. The inserter sets them before it tells of the seq, so a reader
 * that learned of the seq sees them (MEM-3).
 *
 * Threads:   memtable_filter_add(): the one inserter. memtable_filter_may_have(): any thread.
 * Ownership: owns its words.
 */
#pragma once

#include "base/bytes.h"
#include "base/checksum.h"
#include "base/error.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct memtable_filter_word {
    _Atomic uint64_t bits;
};

struct memtable_filter {
    struct memtable_filter_word *words; /* NULL: no filter, every key may be there */
    uint64_t count;
};

/* A filter of about len_bytes; 0: none. ENOMEM. */
RESULT_MUST_BE_USED int memtable_filter_init(struct memtable_filter *f, size_t len_bytes);
void memtable_filter_deinit(struct memtable_filter *f);

static inline uint64_t memtable_filter_hash(struct slice key)
{
    return checksum(key.data, key.len, 0);
}

/* The word of a hash: the high half chooses it. */
static inline _Atomic uint64_t *memtable_filter_word(const struct memtable_filter *f, uint64_t hash)
{
    return &f->words[((hash >> 32) * f->count) >> 32].bits;
}

/* The bits of a hash: the low half chooses them. */
static inline uint64_t memtable_filter_bits(uint64_t hash)
{
    return 1ULL << (hash & 63) | 1ULL << (hash >> 6 & 63) | 1ULL << (hash >> 12 & 63) |
           1ULL << (hash >> 18 & 63);
}

/* Only one thread adds, so nothing is lost between load and store. */
static inline void memtable_filter_add(struct memtable_filter *f, struct slice key)
{
    uint64_t hash;
    _Atomic uint64_t *word;

    if (f->words == NULL) {
        return;
    }
    hash = memtable_filter_hash(key);
    word = memtable_filter_word(f, hash);
    atomic_store_explicit(
        word, atomic_load_explicit(word, memory_order_relaxed) | memtable_filter_bits(hash),
        memory_order_relaxed);
}

static inline bool memtable_filter_may_have(const struct memtable_filter *f, struct slice key)
{
    uint64_t hash;
    uint64_t bits;

    if (f->words == NULL) {
        return true;
    }
    hash = memtable_filter_hash(key);
    bits = memtable_filter_bits(hash);
    return (atomic_load_explicit(memtable_filter_word(f, hash), memory_order_relaxed) & bits) ==
           bits;
}
