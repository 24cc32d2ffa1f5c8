/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the memtable: nodes, links, chains of versions.
 *
 * A link is the pointer to the next node of its level and, beside it, that node's prefix: the first
 * 8 bytes of its key after the expected common prefix, as a big-endian number. Prefixes order keys
 * weakly: a smaller prefix means a smaller key, equal ones say nothing. The end of a level is the
 * pointer NULL with the prefix PREFIX_END.
 *
 * MLINK-1  The inserter stores the pointer, then the prefix (both release); readers load the
 * prefix, then the pointer (both acquire). So a reader that sees the prefix of a node N sees N, or
 * a node inserted before N since: never a node behind N. An old prefix with a new pointer only
 * hides a node that is being inserted, which no limit_seq of a reader covers (MEM-3).
 *
 * MLINK-2  The links of one node are an array by level, so the link below is at link - 1.
 *
 * MLINK-3  A node is linked from level 0 upwards, after all else in it is in place.
 *
 * Threads: as memtable.h.
 */
#pragma once

#include "base/arena.h"
#include "store/memtable.h"
#include "store/memtable_index.h"

#include <stdatomic.h>

#define MEMTABLE_HEIGHT_MAX 20 /* 2^20 keys in a perfect list, and a few times more at no loss */
#define PREFIX_END UINT64_MAX

/* Constant once published. */
struct memtable_entry {
    uint64_t seq;
    uint64_t time_ms;
    const struct memtable_entry *prev; /* the next older version of the key */
    const struct memtable_entry *jump; /* an older one, further away; NULL only without prev */
    const uint8_t *record;
    const uint8_t *value;
    uint32_t record_len;
    uint32_t value_len;
    uint32_t older_count; /* length of the chain behind prev, prev included */
    uint8_t kind;
};

struct memtable_link {
    _Atomic uint64_t prefix;
    _Atomic(struct memtable_node *) next;
};

struct memtable_node {
    _Atomic(const struct memtable_entry *) newest;
    uint16_t key_len;
    uint16_t height;
    uint32_t reserved;
    struct memtable_link links[]; /* height of them, then the bytes of the key */
};

/* Memory for nodes and entries: a piece of the arena that is cut up from the front. */
struct memtable_window {
    uint8_t *at;
    uint8_t *end;
};

/* The skiplist. */
struct memtable_list {
    /* constant */
    size_t common_prefix_len;
    uint8_t common_prefix[MEMTABLE_COMMON_PREFIX_MAX];

    /* atomic, relaxed: a bound for searches */
    _Atomic uint32_t height;

    /* atomic: see MLINK-1 */
    struct memtable_link head[MEMTABLE_HEIGHT_MAX];
};

struct memtable {
    /* constant */
    struct memtable_index index; /* its slots: atomic */

    /* inserter only */
    struct arena arena;
    struct memtable_window window;
    struct memtable_window spare; /* what memtable_reserve() set aside */
    uint64_t random;
    size_t noted_bytes;         /* in account */
    _Atomic uint64_t *account;  /* or NULL */
    struct memtable_node *last; /* the node of the last add */
    bool path_valid;            /* path[] leads to the place right behind `last` */
    struct memtable_link *path[MEMTABLE_HEIGHT_MAX];

    /* atomic, relaxed: figures */
    _Atomic uint64_t key_count;
    _Atomic uint64_t version_count;
    _Atomic uint64_t first_seq;
    _Atomic uint64_t last_seq;

    /* atomic, released by the inserter, which may replace it (memtable_relink.c) */
    _Atomic(struct memtable_list *) list;
    struct memtable_list first_list;

    _Atomic uint64_t refs;
};

/* Brings the account up to date. The inserter. */
void memtable_note_bytes(struct memtable *mt);

static inline struct slice memtable_node_key(const struct memtable_node *node)
{
    return slice_of(&node->links[node->height], node->key_len);
}

static inline struct memtable_node *memtable_link_next(const struct memtable_link *link)
{
    return atomic_load_explicit(&link->next, memory_order_acquire);
}

static inline const struct memtable_entry *memtable_node_newest(const struct memtable_node *node)
{
    return atomic_load_explicit(&node->newest, memory_order_acquire);
}

static inline struct memtable_list *memtable_list(const struct memtable *mt)
{
    return atomic_load_explicit(&mt->list, memory_order_acquire);
}

static inline uint32_t memtable_height(const struct memtable_list *list)
{
    return atomic_load_explicit(&list->height, memory_order_relaxed);
}

/* Where a key stands to the node behind link: > 0 when the node's key is smaller. A link that ends
 * the level counts as greater than all. *out_next is the node when it was looked at. */
static inline int memtable_link_compare(const struct memtable_link *link, uint64_t prefix,
                                        struct slice key, struct memtable_node **out_next)
{
    uint64_t p = atomic_load_explicit(&link->prefix, memory_order_acquire);
    struct memtable_node *next = memtable_link_next(link);

    *out_next = next;
    if (__builtin_expect(p != prefix, 1)) {
        return prefix > p ? 1 : -1;
    }
    return next == NULL ? -1 : slice_compare(key, memtable_node_key(next));
}

/* Bytes of a node with its links and its key. */
static inline size_t memtable_node_bytes(uint32_t height, size_t key_len)
{
    return sizeof(struct memtable_node) + height * sizeof(struct memtable_link) +
           ((key_len + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1));
}

/* Makes an empty list of keys that begin with common_prefix. */
void memtable_list_init(struct memtable_list *list, struct slice common_prefix);
/* Puts better prefixes into the links when it is time to, see memtable_relink.c. The inserter. */
void memtable_relink(struct memtable *mt);
/* The prefix of a key in this list. */
uint64_t memtable_prefix(const struct memtable_list *list, struct slice key);
/* The node that holds key, or NULL; then *out_next is the first node behind key's place, or NULL.
 */
struct memtable_node *memtable_find(const struct memtable *mt, struct slice key,
                                    struct memtable_node **out_next);
/* The first node whose key is not below key; NULL when there is none. */
struct memtable_node *memtable_seek(const struct memtable *mt, struct slice key);
/* The last node whose key is below key, or NULL; with key NULL, the last node. */
struct memtable_node *memtable_seek_before(const struct memtable *mt, const struct slice *key);

/* Makes entry the head of the chain that begins with prev (may be NULL). */
void memtable_entry_link(struct memtable_entry *entry, const struct memtable_entry *prev);
/* The newest entry of the chain with seq <= limit_seq, or NULL. */
const struct memtable_entry *memtable_entry_find(const struct memtable_entry *newest,
                                                 uint64_t limit_seq);
/* The entries older than entry, as a list. */
struct version_list memtable_entry_older(const struct memtable_entry *entry);
