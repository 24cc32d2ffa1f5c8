/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Searches of many keys side by side. A search in a large skiplist is a chain of cache misses, each
 * of which names the next; those of different keys know nothing of each other, so a processor that
 * is given several of them waits for all at once. What they touched is then near when the keys are
 * added one by one.
 */
#include "store/memtable_priv.h"

#define LANES 16      /* about as many misses as a core has under way */
#define KEYS_MIN 8192 /* with fewer, the upper caches have all of it */

/* One search. */
struct lane {
    struct slice key;
    uint64_t prefix;
    const struct memtable_link *link; /* of `level` */
    uint32_t level;
    bool is_fetched; /* the node behind link was asked for, to compare its key */
};

static void lane_begin(const struct memtable_list *list, struct slice key, struct lane *lane)
{
    lane->key = key;
    lane->prefix = memtable_prefix(list, key);
    lane->level = memtable_height(list) - 1;
    lane->link = &list->head[lane->level];
    lane->is_fetched = false;
}

/* Goes on until the next miss, which it asks for; false when the search is over. */
static bool lane_step(struct lane *lane)
{
    for (;;) {
        uint64_t p = atomic_load_explicit(&lane->link->prefix, memory_order_acquire);
        struct memtable_node *next = memtable_link_next(lane->link);
        int order = lane->prefix > p ? 1 : -1;

        if (p == lane->prefix && next != NULL) {
            if (!lane->is_fetched) {
                lane->is_fetched = true;
                __builtin_prefetch(next);
                __builtin_prefetch((const uint8_t *)next + 64);
                return true;
            }
            order = slice_compare(lane->key, memtable_node_key(next));
        }
        lane->is_fetched = false;
        if (order > 0) {
            lane->link = &next->links[lane->level];
            __builtin_prefetch(lane->link);
            return true;
        }
        if (order == 0 || lane->level == 0) {
            return false;
        }
        lane->link--; /* MLINK-2 */
        lane->level--;
    }
}

static void search_all(const struct memtable_list *list, const struct slice *keys, size_t count)
{
    struct lane lanes[LANES];
    size_t begun = 0;
    size_t busy = 0;
    size_t i;

    while (begun < count && busy < LANES) {
        lane_begin(list, keys[begun++], &lanes[busy++]);
    }
    while (busy > 0) {
        for (i = 0; i < busy; i++) {
            if (lane_step(&lanes[i])) {
                continue;
            }
            if (begun < count) {
                lane_begin(list, keys[begun++], &lanes[i]);
            } else {
                lanes[i] = lanes[--busy]; /* its step waits for the next round */
            }
        }
    }
}

/* Whether the keys go on from the last add in ascending order: then all they need is near. */
static bool is_ascending(const struct memtable *mt, const struct slice *keys, size_t count)
{
    size_t i;

    if (!mt->path_valid || slice_compare(memtable_node_key(mt->last), keys[0]) > 0) {
        return false;
    }
    for (i = 1; i < count && slice_compare(keys[i - 1], keys[i]) <= 0; i++) {
    }
    return i == count;
}

void memtable_prefetch(const struct memtable *mt, const struct slice *keys, size_t count)
{
    size_t i;

    if (count < 2 || memtable_key_count(mt) < KEYS_MIN) {
        return;
    }
    for (i = 0; i < count; i++) {
        memtable_index_prefetch(&mt->index, memtable_index_hash(&mt->index, keys[i]));
    }
    if (!is_ascending(mt, keys, count)) {
        search_all(memtable_list(mt), keys, count);
    }
}
