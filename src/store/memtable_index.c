/* SPDX-License-Identifier: Apache-2.0 */
#include "store/memtable_index.h"

#include "base/assert.h"
#include "base/mem.h"
#include "store/memtable_priv.h"

#define TAG_SHIFT 48
#define ADDRESS_MASK ((1ULL << TAG_SHIFT) - 1)

int memtable_index_init(struct memtable_index *index, size_t len_bytes, uint64_t seed)
{
    *index = (struct memtable_index){.seed = seed};
    index->count = len_bytes / sizeof(*index->slots);
    if (index->count == 0) {
        atomic_init(&index->is_full, true);
        return BLOCKDB_OK;
    }
    index->count = index->count <= UINT32_MAX ? index->count : UINT32_MAX;
    index->slots = mem_calloc(index->count, sizeof(*index->slots));
    return index->slots != NULL ? BLOCKDB_OK : BLOCKDB_ENOMEM;
}

void memtable_index_deinit(struct memtable_index *index)
{
    mem_free(index->slots);
    *index = (struct memtable_index){0};
}

static uint64_t word_of(uint64_t hash, const struct memtable_node *node)
{
    ASSERT(((uintptr_t)node & ~ADDRESS_MASK) == 0);
    return hash << TAG_SHIFT | (uintptr_t)node;
}

/* The node of a word, if it may be that of hash. */
static struct memtable_node *node_of(uint64_t word, uint64_t hash)
{
    return (word ^ hash << TAG_SHIFT) >> TAG_SHIFT == 0
               ? (struct memtable_node *)(uintptr_t)(word & ADDRESS_MASK)
               : NULL;
}

void memtable_index_add(struct memtable_index *index, uint64_t hash, struct memtable_node *node)
{
    uint64_t at = memtable_index_place(index, hash);

    if (index->used >= index->count - index->count / 8 - 1 || index->count == 0) { /* MIDX-2 */
        atomic_store_explicit(&index->is_full, true, memory_order_relaxed);
        return;
    }
    while (atomic_load_explicit(&index->slots[at].word, memory_order_relaxed) != 0) {
        at = at + 1 < index->count ? at + 1 : 0;
    }
    atomic_store_explicit(&index->slots[at].word, word_of(hash, node), memory_order_release);
    index->used++;
}

/* The slot of the node of key, or NULL. */
static struct memtable_slot *find_slot(const struct memtable_index *index, uint64_t hash,
                                       struct slice key, struct memtable_node **out_node)
{
    uint64_t at = memtable_index_place(index, hash);
    uint64_t word;

    if (index->slots == NULL) {
        return NULL;
    }
    while ((word = atomic_load_explicit(&index->slots[at].word, memory_order_acquire)) != 0) {
        struct memtable_node *node = node_of(word, hash);

        if (node != NULL && slice_equal(memtable_node_key(node), key)) {
            *out_node = node;
            return &index->slots[at];
        }
        at = at + 1 < index->count ? at + 1 : 0;
    }
    return NULL;
}

void memtable_index_move(struct memtable_index *index, uint64_t hash, struct memtable_node *node)
{
    struct memtable_node *old;
    struct memtable_slot *slot = find_slot(index, hash, memtable_node_key(node), &old);

    if (slot != NULL) {
        atomic_store_explicit(&slot->word, word_of(hash, node), memory_order_release);
    }
}

struct memtable_node *memtable_index_find(const struct memtable_index *index, uint64_t hash,
                                          struct slice key, bool *out_is_unsure)
{
    struct memtable_node *node = NULL;

    *out_is_unsure = atomic_load_explicit(&index->is_full, memory_order_relaxed);
    return find_slot(index, hash, key, &node) != NULL ? node : NULL;
}
