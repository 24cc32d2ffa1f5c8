/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A list whose links know what its keys begin with. Prefixes in links help only when they begin
 * where keys begin to differ. What the keys have in common shows when some are there; then all
 * nodes are copied, in their order, into a list with better prefixes. It is done while the
 * memtable is small, so it takes less than a millisecond.
 *
 * Readers in the old list see it as it was, with everything that was told of before (MEM-3):
 * whoever learned of a later seq finds the new list, and slots of the index that lead there.
 */
#include "base/assert.h"
#include "store/memtable_priv.h"

/* Numbers of keys at which it is tried; powers of 2. The first few may be more alike than the rest,
 * and a rest of millions more costly to copy than searches are. */
#define FIRST_AT 64
#define AGAIN_AT 4096

static struct memtable_node *copy_node(struct memtable *mt, const struct memtable_node *node)
{
    struct slice key = memtable_node_key(node);
    struct memtable_node *copy = arena_alloc(&mt->arena,
                                             memtable_node_bytes(node->height, key.len));

    if (copy != NULL) {
        copy->key_len = node->key_len;
        copy->height = node->height;
        copy->reserved = 0;
        atomic_init(&copy->newest, memtable_node_newest(node));
        memcpy(&copy->links[copy->height], key.data, key.len);
    }
    return copy;
}

/* Puts node behind the last one of each of its levels. Nobody reads the list yet. */
static void append_node(struct memtable_list *list, struct memtable_link **ends,
                        struct memtable_node *node)
{
    uint64_t prefix = memtable_prefix(list, memtable_node_key(node));
    uint32_t i;

    for (i = 0; i < node->height; i++) {
        atomic_init(&node->links[i].prefix, PREFIX_END);
        atomic_init(&node->links[i].next, NULL);
        atomic_store_explicit(&ends[i]->prefix, prefix, memory_order_relaxed);
        atomic_store_explicit(&ends[i]->next, node, memory_order_relaxed);
        ends[i] = &node->links[i];
    }
}

/* The nodes of the present list, copied; NULL when memory is short. */
static struct memtable_list *copy_list(struct memtable *mt, struct slice common_prefix)
{
    struct memtable_list *old = memtable_list(mt);
    struct memtable_list *list = arena_alloc(&mt->arena, sizeof(*list));
    struct memtable_link *ends[MEMTABLE_HEIGHT_MAX];
    struct memtable_node *node;
    uint32_t i;

    if (list == NULL) {
        return NULL;
    }
    memtable_list_init(list, common_prefix);
    atomic_init(&list->height, memtable_height(old));
    for (i = 0; i < MEMTABLE_HEIGHT_MAX; i++) {
        ends[i] = &list->head[i];
    }
    for (node = memtable_link_next(&old->head[0]); node != NULL;
         node = memtable_link_next(&node->links[0])) {
        struct memtable_node *copy = copy_node(mt, node);

        if (copy == NULL) {
            return NULL;
        }
        append_node(list, ends, copy);
    }
    return list;
}

void memtable_relink(struct memtable *mt)
{
    uint64_t count = memtable_key_count(mt);
    struct slice common;
    struct memtable_list *list;
    struct memtable_node *node;

    if (count != FIRST_AT && count != AGAIN_AT) {
        return;
    }
    common = memtable_common_prefix(mt);
    if (common.len == memtable_list(mt)->common_prefix_len) {
        return;
    }
    list = copy_list(mt, common);
    if (list == NULL) {
        return; /* the old one is as good, only slower */
    }
    for (node = memtable_link_next(&list->head[0]); node != NULL;
         node = memtable_link_next(&node->links[0])) {
        memtable_index_move(&mt->index, memtable_index_hash(&mt->index, memtable_node_key(node)),
                            node);
    }
    atomic_store_explicit(&mt->list, list, memory_order_release);
    mt->last = NULL;
    mt->path_valid = false;
}
