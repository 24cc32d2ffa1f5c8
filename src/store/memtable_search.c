/* SPDX-License-Identifier: Apache-2.0 */
#include "store/memtable_priv.h"

/* The 8 bytes of key from `from` on (from < key.len) as a number, zeros behind the end. */
static uint64_t bytes_from(struct slice key, size_t from)
{
    size_t left = key.len - from;
    uint64_t prefix = 0;

    if (left >= sizeof(prefix)) {
        return get_be64(key.data + from);
    }
    if (key.len >= sizeof(prefix)) {
        return get_be64(key.data + key.len - sizeof(prefix)) << (8 * (sizeof(prefix) - left));
    }
    memcpy(&prefix, key.data + from, left);
    return __builtin_bswap64(prefix);
}

uint64_t memtable_prefix(const struct memtable_list *list, struct slice key)
{
    size_t common = list->common_prefix_len;

    if (common > 0) {
        size_t len = key.len < common ? key.len : common;
        int order = len > 0 ? memcmp(key.data, list->common_prefix, len) : 0;

        if (order != 0) {
            return order < 0 ? 0 : UINT64_MAX;
        }
    }
    return key.len > common ? bytes_from(key, common) : 0;
}

struct memtable_node *memtable_find(const struct memtable *mt, struct slice key,
                                    struct memtable_node **out_next)
{
    const struct memtable_list *list = memtable_list(mt);
    uint64_t prefix = memtable_prefix(list, key);
    uint32_t level = memtable_height(list) - 1;
    const struct memtable_link *link = &list->head[level];

    for (;;) {
        struct memtable_node *next;
        int order = memtable_link_compare(link, prefix, key, &next);

        if (order > 0) {
            link = &next->links[level];
        } else if (order == 0) {
            return next;
        } else if (level > 0) {
            link--; /* MLINK-2 */
            level--;
        } else {
            *out_next = next;
            return NULL;
        }
    }
}

struct memtable_node *memtable_seek(const struct memtable *mt, struct slice key)
{
    struct memtable_node *next = NULL;
    struct memtable_node *node = memtable_find(mt, key, &next);

    return node != NULL ? node : next;
}

struct memtable_node *memtable_seek_before(const struct memtable *mt, const struct slice *key)
{
    const struct memtable_list *list = memtable_list(mt);
    uint64_t prefix = key != NULL ? memtable_prefix(list, *key) : 0;
    uint32_t level = memtable_height(list) - 1;
    const struct memtable_link *link = &list->head[level];
    struct memtable_node *before = NULL;

    for (;;) {
        struct memtable_node *next = NULL;
        bool smaller;

        if (key != NULL) {
            smaller = memtable_link_compare(link, prefix, *key, &next) > 0;
        } else {
            next = memtable_link_next(link);
            smaller = next != NULL;
        }
        if (smaller) {
            before = next;
            link = &next->links[level];
        } else if (level == 0) {
            return before;
        } else {
            link--;
            level--;
        }
    }
}
