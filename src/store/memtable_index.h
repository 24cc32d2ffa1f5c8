/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Index of a memtable: finds the node of a key, or that there is none, with one or two cache
 * misses, where the skiplist takes ten and more. Every read asks the memtables first.
 *
 * A hash table of fixed size with open addressing. A slot is one word: the node's address in the
 * low 48 bits, where the addresses of programs lie, and above it a tag of 16 bits of the key's
 * hash, so that a probe looks at hardly any node but the right one. Nothing is ever taken out.
 *
 * MIDX-1  The inserter stores a slot (release) when its node is complete, and before it tells of
 *         the seq; so a reader that learned of the seq sees it (MEM-3).
 * MIDX-2  An eighth of the slots stays empty, where probes end. Keys beyond that are left out, and
 *         from then on "not here" means "ask the skiplist".
 *
 * Threads:   memtable_index_add(): the one inserter. memtable_index_find(): any thread.
 * Ownership: owns its slots; borrows the nodes.
 */
#pragma once

#include "base/bytes.h"
#include "base/checksum.h"
#include "base/error.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct memtable_node;

struct memtable_slot {
    _Atomic uint64_t word; /* 0: empty */
};

struct memtable_index {
    /* constant */
    struct memtable_slot *slots; /* NULL: no index */
    uint64_t count;
    uint64_t seed; /* of hashes: who chooses keys must not choose where they meet */

    /* inserter only */
    uint64_t used;

    /* atomic, relaxed: set before the seq of the first key that is left out is told */
    atomic_bool is_full;
};

/* An index of about len_bytes; too few for a slot: none, which is full. Outsiders should not know
 * seed. ENOMEM. */
RESULT_MUST_BE_USED int memtable_index_init(struct memtable_index *index, size_t len_bytes,
                                            uint64_t seed);
void memtable_index_deinit(struct memtable_index *index);

/* Adds a node, whose key is not in the index yet, under the hash of its key. */
void memtable_index_add(struct memtable_index *index, uint64_t hash, struct memtable_node *node);

/* Has the slot of the node's key, if there is one, lead to this node. */
void memtable_index_move(struct memtable_index *index, uint64_t hash, struct memtable_node *node);

/* The node of key, whose hash is given, or NULL: then there is none, unless *out_is_unsure. */
struct memtable_node *memtable_index_find(const struct memtable_index *index, uint64_t hash,
                                          struct slice key, bool *out_is_unsure);

static inline uint64_t memtable_index_hash(const struct memtable_index *index, struct slice key)
{
    return checksum(key.data, key.len, index->seed);
}

/* Where the search for a hash begins: its high half chooses. */
static inline uint64_t memtable_index_place(const struct memtable_index *index, uint64_t hash)
{
    return ((hash >> 32) * index->count) >> 32;
}

/* Fetches what memtable_index_find() will look at first. */
static inline void memtable_index_prefetch(const struct memtable_index *index, uint64_t hash)
{
    if (index->slots != NULL) {
        __builtin_prefetch(&index->slots[memtable_index_place(index, hash)]);
    }
}
