/* SPDX-License-Identifier: Apache-2.0 */
#include "store/memtable.h"

#include "base/assert.h"
#include "base/mem.h"
#include "store/memtable_priv.h"

#define WINDOW_BYTES ((size_t)32 << 10)

/* ---- Memory -------------------------------------------------------------------------------- */

struct memtable *memtable_new(const struct memtable_options *options)
{
    struct memtable *mt = mem_calloc(1, sizeof(*mt));
    size_t i;

    if (mt == NULL) {
        return NULL;
    }
    arena_init(&mt->arena, options != NULL ? options->pool : NULL);
    if (options != NULL && options->common_prefix.len > 0) {
        mt->common_prefix_len = options->common_prefix.len < MEMTABLE_COMMON_PREFIX_MAX
                                    ? options->common_prefix.len
                                    : MEMTABLE_COMMON_PREFIX_MAX;
        memcpy(mt->common_prefix, options->common_prefix.data, mt->common_prefix_len);
    }
    /* Heights need no more than to be unknown to who chooses the keys. */
    mt->random = ((uint64_t)(uintptr_t)mt >> 4) * 0x9e3779b97f4a7c15u | 1;
    for (i = 0; i < MEMTABLE_HEIGHT_MAX; i++) {
        atomic_init(&mt->head[i].prefix, PREFIX_END);
        atomic_init(&mt->head[i].next, NULL);
    }
    atomic_init(&mt->height, 1);
    atomic_init(&mt->first_seq, UINT64_MAX);
    atomic_init(&mt->refs, 1);
    return mt;
}

struct memtable *memtable_ref(struct memtable *mt)
{
    atomic_fetch_add_explicit(&mt->refs, 1, memory_order_relaxed);
    return mt;
}

void memtable_unref(struct memtable *mt)
{
    if (mt == NULL || atomic_fetch_sub_explicit(&mt->refs, 1, memory_order_acq_rel) > 1) {
        return;
    }
    arena_deinit(&mt->arena);
    mem_free(mt);
}

void memtable_unref_fn(void *mt)
{
    memtable_unref(mt);
}

void memtable_unref_ptr(struct memtable **mt)
{
    memtable_unref(*mt);
}

void *memtable_alloc(struct memtable *mt, size_t len)
{
    return arena_alloc(&mt->arena, len);
}

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

static size_t node_bytes(uint32_t height, size_t key_len)
{
    return sizeof(struct memtable_node) + height * sizeof(struct memtable_link) + round_up(key_len);
}

int memtable_reserve(struct memtable *mt, size_t count, size_t key_bytes)
{
    uint64_t random = mt->random;
    size_t need = key_bytes;
    uint8_t *p;
    size_t i;

    /* The adds to come draw at most these heights, in this order. */
    for (i = 0; i < count; i++) {
        need += sizeof(struct memtable_entry) + node_bytes(height_next(&random), ARENA_ALIGN);
    }
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
    return BLOCKDB_OK;
}

/* ---- Searching ----------------------------------------------------------------------------- */

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

uint64_t memtable_prefix(const struct memtable *mt, struct slice key)
{
    size_t common = mt->common_prefix_len;

    if (common > 0) {
        size_t len = key.len < common ? key.len : common;
        int order = len > 0 ? memcmp(key.data, mt->common_prefix, len) : 0;

        if (order != 0) {
            return order < 0 ? 0 : UINT64_MAX;
        }
    }
    return key.len > common ? bytes_from(key, common) : 0;
}

/* Where a key stands to the node behind link: > 0 when the node's key is smaller. A link that ends
 * the level counts as greater than all. *out_next is the node when it was looked at. */
static inline int link_compare(const struct memtable_link *link, uint64_t prefix, struct slice key,
                               struct memtable_node **out_next)
{
    uint64_t p = atomic_load_explicit(&link->prefix, memory_order_acquire);
    struct memtable_node *next = memtable_link_next(link);

    *out_next = next;
    if (__builtin_expect(p != prefix, 1)) {
        return prefix > p ? 1 : -1;
    }
    return next == NULL ? -1 : slice_compare(key, memtable_node_key(next));
}

static inline uint32_t height_of(const struct memtable *mt)
{
    return atomic_load_explicit(&mt->height, memory_order_relaxed);
}

/* The node that holds key, or NULL; then, if wanted, *out_next is the first node behind key's
 * place, or NULL. */
static struct memtable_node *find(const struct memtable *mt, struct slice key,
                                  struct memtable_node **out_next)
{
    uint64_t prefix = memtable_prefix(mt, key);
    uint32_t level = height_of(mt) - 1;
    const struct memtable_link *link = &mt->head[level];

    for (;;) {
        struct memtable_node *next;
        int order = link_compare(link, prefix, key, &next);

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
    struct memtable_node *node = find(mt, key, &next);

    return node != NULL ? node : next;
}

struct memtable_node *memtable_seek_before(const struct memtable *mt, const struct slice *key)
{
    uint64_t prefix = key != NULL ? memtable_prefix(mt, *key) : 0;
    uint32_t level = height_of(mt) - 1;
    const struct memtable_link *link = &mt->head[level];
    struct memtable_node *before = NULL;

    for (;;) {
        struct memtable_node *next = NULL;
        bool smaller;

        if (key != NULL) {
            smaller = link_compare(link, prefix, *key, &next) > 0;
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

/* ---- Inserting ----------------------------------------------------------------------------- */

/* Walks from link at `level` down, always before key. Returns the node that holds key, or NULL with
 * mt->path, from `level` down, leading to its place. */
static struct memtable_node *descend(struct memtable *mt, struct memtable_link *link,
                                     uint32_t level, uint64_t prefix, struct slice key)
{
    for (;;) {
        struct memtable_node *next;
        int order = link_compare(link, prefix, key, &next);

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
static struct memtable_node *find_for_add(struct memtable *mt, uint64_t prefix, struct slice key)
{
    uint32_t height = height_of(mt);
    uint32_t level = height - 1;
    struct memtable_link *link = &mt->head[level];
    struct memtable_node *node;

    if (mt->last != NULL) {
        int order = slice_compare(key, memtable_node_key(mt->last));

        if (order == 0) {
            return mt->last;
        }
        if (order > 0 && mt->path_valid) {
            struct memtable_node *next;

            level = 0;
            while (level < height - 1 && link_compare(mt->path[level], prefix, key, &next) > 0) {
                level++;
            }
            link = mt->path[level];
        }
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
    uint32_t height = height_of(mt);
    uint32_t i;

    for (i = height; i < node->height; i++) {
        mt->path[i] = &mt->head[i];
    }
    if (node->height > height) {
        atomic_store_explicit(&mt->height, node->height, memory_order_relaxed);
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

static int add_key(struct memtable *mt, struct slice key, uint64_t prefix,
                   const struct memtable_version *version)
{
    uint64_t random = mt->random;
    uint32_t height = height_next(&random);
    size_t len = node_bytes(height, key.len);
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
    mt->last = node;
    atomic_store_explicit(&mt->key_count, memtable_key_count(mt) + 1, memory_order_relaxed);
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
    uint64_t prefix = memtable_prefix(mt, key);
    struct memtable_node *node;
    int rc;

    ASSERT(key.len <= MEMTABLE_KEY_BYTES_MAX);
    ASSERT(version->record.len <= UINT32_MAX && version->value.len <= UINT32_MAX);
    ASSERT(count == 0 || version->seq > memtable_last_seq(mt)); /* MEM-2 */
    node = find_for_add(mt, prefix, key);
    if (node != NULL) {
        rc = add_version(mt, node, version);
    } else {
        rc = add_key(mt, key, prefix, version);
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

/* ---- Reading ------------------------------------------------------------------------------- */

static void version_fill(struct memtable_version *out, const struct memtable_entry *entry)
{
    *out = (struct memtable_version){
        .seq = entry->seq,
        .time_ms = entry->time_ms,
        .kind = entry->kind,
        .value = slice_of(entry->value, entry->value_len),
        .record = slice_of(entry->record, entry->record_len),
    };
}

static const struct memtable_entry *find_entry(const struct memtable *mt, struct slice key,
                                               uint64_t limit_seq)
{
    struct memtable_node *next;
    const struct memtable_node *node = find(mt, key, &next);

    return node != NULL ? memtable_entry_find(memtable_node_newest(node), limit_seq) : NULL;
}

bool memtable_get(const struct memtable *mt, struct slice key, uint64_t limit_seq,
                  struct memtable_version *out_version)
{
    const struct memtable_entry *entry = find_entry(mt, key, limit_seq);

    if (entry == NULL) {
        return false;
    }
    version_fill(out_version, entry);
    return true;
}

struct memtable_versions memtable_versions_of(const struct memtable *mt, struct slice key,
                                              uint64_t limit_seq)
{
    return (struct memtable_versions){.at = find_entry(mt, key, limit_seq)};
}

bool memtable_versions_next(struct memtable_versions *versions,
                            struct memtable_version *out_version)
{
    const struct memtable_entry *entry = versions->at;

    if (entry == NULL) {
        return false;
    }
    version_fill(out_version, entry);
    versions->at = entry->prev;
    return true;
}

size_t memtable_bytes(const struct memtable *mt)
{
    return sizeof(*mt) + arena_bytes(&mt->arena);
}

uint64_t memtable_key_count(const struct memtable *mt)
{
    return atomic_load_explicit(&mt->key_count, memory_order_relaxed);
}

uint64_t memtable_version_count(const struct memtable *mt)
{
    return atomic_load_explicit(&mt->version_count, memory_order_relaxed);
}

uint64_t memtable_first_seq(const struct memtable *mt)
{
    return atomic_load_explicit(&mt->first_seq, memory_order_relaxed);
}

uint64_t memtable_last_seq(const struct memtable *mt)
{
    return atomic_load_explicit(&mt->last_seq, memory_order_relaxed);
}

struct slice memtable_common_prefix(const struct memtable *mt)
{
    const struct memtable_node *first = memtable_link_next(&mt->head[0]);
    const struct memtable_node *last = memtable_seek_before(mt, NULL);
    struct slice a;
    struct slice b;
    size_t len = 0;

    if (first == last) { /* none, or one key, which says nothing of others */
        return slice_of(NULL, 0);
    }
    a = memtable_node_key(first);
    b = memtable_node_key(last);
    while (len < a.len && len < b.len && len < MEMTABLE_COMMON_PREFIX_MAX &&
           a.data[len] == b.data[len]) {
        len++;
    }
    return slice_of(a.data, len);
}
