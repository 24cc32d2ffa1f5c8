/* SPDX-License-Identifier: Apache-2.0 */
#include "store/memtable.h"

#include "base/mem.h"
#include "store/memtable_priv.h"

void memtable_note_bytes(struct memtable *mt)
{
    size_t now = sizeof(*mt) + arena_bytes(&mt->arena) + mt->index.count * sizeof(*mt->index.slots);

    if (mt->account != NULL && now != mt->noted_bytes) {
        atomic_fetch_add_explicit(mt->account, now - mt->noted_bytes, memory_order_relaxed);
        mt->noted_bytes = now;
    }
}

void memtable_list_init(struct memtable_list *list, struct slice common_prefix)
{
    size_t i;

    list->common_prefix_len = common_prefix.len < MEMTABLE_COMMON_PREFIX_MAX
                                  ? common_prefix.len
                                  : MEMTABLE_COMMON_PREFIX_MAX;
    if (list->common_prefix_len > 0) {
        memcpy(list->common_prefix, common_prefix.data, list->common_prefix_len);
    }
    for (i = 0; i < MEMTABLE_HEIGHT_MAX; i++) {
        atomic_init(&list->head[i].prefix, PREFIX_END);
        atomic_init(&list->head[i].next, NULL);
    }
    atomic_init(&list->height, 1);
}

struct memtable *memtable_new(const struct memtable_options *options)
{
    struct memtable *mt = mem_calloc(1, sizeof(*mt));

    if (mt == NULL) {
        return NULL;
    }
    /* Heights and hashes need no more than to be unknown to who chooses the keys. */
    mt->random = ((uint64_t)(uintptr_t)mt >> 4) * 0x9e3779b97f4a7c15u | 1;
    if (memtable_index_init(&mt->index, options != NULL ? options->index_bytes : 0, mt->random) <
        0) {
        mem_free(mt);
        return NULL;
    }
    arena_init(&mt->arena, options != NULL ? options->pool : NULL);
    mt->account = options != NULL ? options->account : NULL;
    memtable_note_bytes(mt);
    memtable_list_init(&mt->first_list,
                       options != NULL ? options->common_prefix : slice_of(NULL, 0));
    atomic_init(&mt->list, &mt->first_list);
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
    if (mt->account != NULL) {
        atomic_fetch_sub_explicit(mt->account, mt->noted_bytes, memory_order_relaxed);
    }
    arena_deinit(&mt->arena);
    memtable_index_deinit(&mt->index);
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

void memtable_wipe_later(struct memtable *mt)
{
    arena_wipe_later(&mt->arena);
}

void *memtable_alloc(struct memtable *mt, size_t len)
{
    return arena_alloc(&mt->arena, len);
}

/* ---- Reading --------------------------------------------------------------------------------- */

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
    bool is_unsure;
    struct memtable_node *next;
    const struct memtable_node *node = memtable_index_find(
        &mt->index, memtable_index_hash(&mt->index, key), key, &is_unsure);

    if (node == NULL && is_unsure) {
        node = memtable_find(mt, key, &next);
    }
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
    const struct memtable_node *first = memtable_link_next(&memtable_list(mt)->head[0]);
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
