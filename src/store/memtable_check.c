/* SPDX-License-Identifier: Apache-2.0 */
/* Walks a whole memtable and asserts what memtable.h and memtable_priv.h promise. */
#include "base/assert.h"
#include "store/memtable_priv.h"

static void check_chain(const struct memtable_node *node, uint64_t *versions)
{
    const struct memtable_entry *e;

    for (e = memtable_node_newest(node); e != NULL; e = e->prev) {
        ++*versions;
        ASSERT((e->prev == NULL) == (e->jump == NULL));
        ASSERT((e->prev == NULL) == (e->older_count == 0));
        ASSERT(e->prev == NULL || e->prev->seq < e->seq);
        ASSERT(e->prev == NULL || e->prev->older_count + 1 == e->older_count);
        ASSERT(e->jump == NULL || e->jump->older_count < e->older_count);
        ASSERT(e->jump == NULL || e->jump->seq < e->seq);
    }
}

/* The index leads to the same node. */
static void check_index(const struct memtable *mt, struct slice key,
                        const struct memtable_node *node)
{
    bool is_unsure;
    const struct memtable_node *found = memtable_index_find(
        &mt->index, memtable_index_hash(&mt->index, key), key, &is_unsure);

    ASSERT(found == node || (found == NULL && is_unsure));
}

static void check_level(const struct memtable *mt, uint32_t level, uint64_t *keys)
{
    const struct memtable_link *link = &memtable_list(mt)->head[level];
    const struct memtable_node *before = NULL;
    const struct memtable_node *node;

    while ((node = memtable_link_next(link)) != NULL) {
        struct slice key = memtable_node_key(node);

        ++*keys;
        ASSERT(node->height > level && node->height <= MEMTABLE_HEIGHT_MAX);
        ASSERT(atomic_load(&link->prefix) == memtable_prefix(memtable_list(mt), key));
        ASSERT(before == NULL || slice_compare(memtable_node_key(before), key) < 0);
        ASSERT(memtable_seek(mt, key) == node);
        check_index(mt, key, node);
        before = node;
        link = &node->links[level];
    }
    ASSERT(atomic_load(&link->prefix) == PREFIX_END);
}

void memtable_check(const struct memtable *mt)
{
    uint64_t versions = 0;
    uint64_t keys_before = 0;
    const struct memtable_node *node;
    uint32_t level;

    for (level = 0; level < MEMTABLE_HEIGHT_MAX; level++) {
        uint64_t keys = 0;

        check_level(mt, level, &keys);
        ASSERT(level == 0 || keys <= keys_before);
        ASSERT(level > 0 || keys == memtable_key_count(mt));
        ASSERT(level < memtable_height(memtable_list(mt)) || keys == 0);
        keys_before = keys;
    }
    for (node = memtable_link_next(&memtable_list(mt)->head[0]); node != NULL;
         node = memtable_link_next(&node->links[0])) {
        check_chain(node, &versions);
    }
    ASSERT(versions == memtable_version_count(mt));
}
