/* SPDX-License-Identifier: Apache-2.0 */
/* What only the inserter does: memory for nodes and entries, and adding. */
#include "base/assert.h"
#include "store/memtable_priv.h"

#define WINDOW_BYTES ((size_t)32 << 10)

/* ---- Memory ---------------------------------------------------------------------------------- */

static size_t window_left(const struct memtable_window *w)
{
    return (size_t)(w->end - w->at);
}

/* Cuts len bytes, a multiple of ARENA_ALIGN, off the window, or off the spare one when they do not
 * fit. */
static void *take(struct memtable *mt, size_t len)
{
    uint8_t *p;

    if (window_left(&mt->window) < len) {
        if (window_left(&mt->spare) >= len) {
            mt->window = mt->spare;
            mt->spare = (struct memtable_window){0};
        } else {
            size_t bytes = len > WINDOW_BYTES ? len : WINDOW_BYTES;

            p = arena_alloc(&mt->arena, bytes);
            if (p == NULL) {
                return NULL;
            }
            mt->window = (struct memtable_window){p, p + bytes};
        }
    }
    p = mt->window.at;
    mt->window.at += len;
    return p;
}

/* Heights are 1 plus the number of low zero bits. A quarter of the nodes at each level, as is
 * usual, would save 11 bytes a key; but as links carry prefixes, only steps forward cost a cache
 * miss, and of those there are a third fewer this way (1.6 instead of 1.25 million random keys a
 * second). */
static uint32_t height_next(uint64_t *random)
{
    uint64_t x = *random;
    uint64_t bits;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    *random = x;
    bits = (x * 0x2545f4914f6cdd1du) >> 32;
    return 1 + (uint32_t)__builtin_ctzll(bits | (1ull << (MEMTABLE_HEIGHT_MAX - 1)));
}

static size_t round_up(size_t len)
{
    return (len + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
}

int memtable_reserve(struct memtable *mt, size_t count, size_t key_bytes)
{
    uint64_t random = mt->random;
    size_t need = key_bytes;
    uint8_t *p;
    size_t i;

    /* The adds to come draw at most these heights, in this order. */
    for (i = 0; i < count; i++) {
        need += sizeof(struct memtable_entry) +
                memtable_node_bytes(height_next(&random), ARENA_ALIGN);
    }
    memtable_note_bytes(mt);
    if (window_left(&mt->window) >= need || window_left(&mt->spare) >= need) {
        return BLOCKDB_OK;
    }
    need = need > WINDOW_BYTES ? round_up(need) : WINDOW_BYTES;
    p = arena_alloc(&mt->arena, need);
    if (p == NULL) {
        return BLOCKDB_ENOMEM;
    }
    if (window_left(&mt->spare) > window_left(&mt->window)) {
        mt->window = mt->spare;
    }
    mt->spare = (struct memtable_window){p, p + need};
    memtable_note_bytes(mt);
    return BLOCKDB_OK;
}

/* ---- Inserting ------------------------------------------------------------------------------- */

/* Walks from link at `level` down, always before key. Returns the node that holds key, or NULL with
 * mt->path, from `level` down, leading to its place. */
static struct memtable_node *descend(struct memtable *mt, struct memtable_link *link,
                                     uint32_t level, uint64_t prefix, struct slice key)
{
    for (;;) {
        struct memtable_node *next;
        int order = memtable_link_compare(link, prefix, key, &next);

        if (order > 0) {
            link = &next->links[level];
        } else if (order == 0) {
            return next;
        } else {
            mt->path[level] = link;
            if (level == 0) {
                return NULL;
            }
            link--; /* MLINK-2 */
            level--;
        }
    }
}

/* Finds the node of key, or NULL and mt->path to its place. Begins where the last add left off when
 * key is not below it, so that ascending keys cost the same however many there are. */
static struct memtable_node *find_for_add(struct memtable *mt, uint64_t prefix, struct slice key,
                                          uint64_t hash)
{
    struct memtable_list *list = memtable_list(mt);
    uint32_t height = memtable_height(list);
    uint32_t level = height - 1;
    struct memtable_link *link = &list->head[level];
    bool is_unsure;
    struct memtable_node *node;

    if (mt->last != NULL) {
        int order = slice_compare(key, memtable_node_key(mt->last));

        if (order == 0) {
            return mt->last;
        }
        if (order > 0 && mt->path_valid) {
            struct memtable_node *next;

            level = 0;
            while (level < height - 1 &&
                   memtable_link_compare(mt->path[level], prefix, key, &next) > 0) {
                level++;
            }
            link = mt->path[level];
        }
    }
    node = memtable_index_find(&mt->index, hash, key, &is_unsure);
    if (node != NULL) {
        mt->path_valid = false;
        return node;
    }
    node = descend(mt, link, level, prefix, key);
    mt->path_valid = node == NULL; /* found early, the levels below were not walked */
    return node;
}

static void entry_fill(struct memtable_entry *entry, const struct memtable_version *version)
{
    *entry = (struct memtable_entry){
        .seq = version->seq,
        .time_ms = version->time_ms,
        .record = version->record.data,
        .value = version->value.data,
        .record_len = (uint32_t)version->record.len,
        .value_len = (uint32_t)version->value.len,
        .kind = version->kind,
    };
}

/* Puts node, complete but for its links, behind mt->path. */
static void link_node(struct memtable *mt, struct memtable_node *node, uint64_t prefix)
{
    struct memtable_list *list = memtable_list(mt);
    uint32_t height = memtable_height(list);
    uint32_t i;

    for (i = height; i < node->height; i++) {
        mt->path[i] = &list->head[i];
    }
    if (node->height > height) {
        atomic_store_explicit(&list->height, node->height, memory_order_relaxed);
    }
    for (i = 0; i < node->height; i++) {
        struct memtable_link *before = mt->path[i];
        struct memtable_link *link = &node->links[i];

        atomic_init(&link->next, atomic_load_explicit(&before->next, memory_order_relaxed));
        atomic_init(&link->prefix, atomic_load_explicit(&before->prefix, memory_order_relaxed));
    }
    for (i = 0; i < node->height; i++) { /* MLINK-3 */
        atomic_store_explicit(&mt->path[i]->next, node, memory_order_release);
        atomic_store_explicit(&mt->path[i]->prefix, prefix, memory_order_release); /* MLINK-1 */
        mt->path[i] = &node->links[i];
    }
}

static int add_key(struct memtable *mt, struct slice key, uint64_t prefix, uint64_t hash,
                   const struct memtable_version *version)
{
    uint64_t random = mt->random;
    uint32_t height = height_next(&random);
    size_t len = memtable_node_bytes(height, key.len);
    struct memtable_node *node = take(mt, len + sizeof(struct memtable_entry));
    struct memtable_entry *entry;

    if (node == NULL) {
        return BLOCKDB_ENOMEM;
    }
    mt->random = random;
    entry = (struct memtable_entry *)((uint8_t *)node + len);
    entry_fill(entry, version);
    memtable_entry_link(entry, NULL);
    node->key_len = (uint16_t)key.len;
    node->height = (uint16_t)height;
    node->reserved = 0;
    memcpy(&node->links[height], key.data, key.len);
    atomic_init(&node->newest, entry);
    link_node(mt, node, prefix);
    memtable_index_add(&mt->index, hash, node);
    mt->last = node;
    atomic_store_explicit(&mt->key_count, memtable_key_count(mt) + 1, memory_order_relaxed);
    memtable_relink(mt);
    return BLOCKDB_OK;
}

static int add_version(struct memtable *mt, struct memtable_node *node,
                       const struct memtable_version *version)
{
    const struct memtable_entry *prev = atomic_load_explicit(&node->newest, memory_order_relaxed);
    struct memtable_entry *entry = take(mt, sizeof(*entry));

    if (entry == NULL) {
        return BLOCKDB_ENOMEM;
    }
    entry_fill(entry, version);
    memtable_entry_link(entry, prev);
    atomic_store_explicit(&node->newest, entry, memory_order_release);
    mt->path_valid = mt->path_valid && node == mt->last;
    mt->last = node;
    return BLOCKDB_OK;
}

int memtable_add(struct memtable *mt, struct slice key, const struct memtable_version *version)
{
    uint64_t count = memtable_version_count(mt);
    uint64_t prefix = memtable_prefix(memtable_list(mt), key);
    uint64_t hash = memtable_index_hash(&mt->index, key);
    struct memtable_node *node;
    int rc;

    ASSERT(key.len <= MEMTABLE_KEY_BYTES_MAX);
    ASSERT(version->record.len <= UINT32_MAX && version->value.len <= UINT32_MAX);
    ASSERT(count == 0 || version->seq > memtable_last_seq(mt)); /* MEM-2 */
    node = find_for_add(mt, prefix, key, hash);
    if (node != NULL) {
        rc = add_version(mt, node, version);
    } else {
        rc = add_key(mt, key, prefix, hash, version);
    }
    if (rc < 0) {
        mt->path_valid = false; /* the path leads to key, not behind `last` */
        return rc;
    }
    if (count == 0) {
        atomic_store_explicit(&mt->first_seq, version->seq, memory_order_relaxed);
    }
    atomic_store_explicit(&mt->last_seq, version->seq, memory_order_relaxed);
    atomic_store_explicit(&mt->version_count, count + 1, memory_order_relaxed);
    return BLOCKDB_OK;
}
