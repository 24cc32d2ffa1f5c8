/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Updates of the map's tree: see map_tree.h.
 *
 * An update is sorted by place; what concerns one key is a touch. Touches are worked on in chunks:
 * leaves found, chains, leaf hashes, buckets. Then the levels above, from the lowest to the root.
 */
#include "base/assert.h"
#include "base/mem.h"
#include "engine/map_tree_priv.h"
#include "ledger/merkle.h"

#include <stdlib.h>

/* An update to sort: the front of its place, and which it is. */
struct key {
    uint64_t front;
    uint32_t index;
};

/* What happens to one key. */
struct touch {
    uint32_t first; /* among the sorted keys */
    uint32_t count;
    uint32_t bucket;
    bool existed;
    bool changed;
    struct map_record before; /* with existed */
    struct map_leaf leaf;
};

struct map_apply {
    size_t key_cap;
    struct key *keys;
    uint32_t *nodes; /* numbers, within their level, of nodes that changed */
    size_t node_count;
    struct map_node_job *jobs;
    size_t touch_count;
    struct touch touches[MAP_CHUNK];
    struct map_chain_job chains[MAP_CHUNK];
    struct map_leaf leaves[MAP_CHUNK];
    struct hash hashes[MAP_CHUNK];
};

void map_apply_free(struct map_apply *a)
{
    if (a != NULL) {
        mem_free(a->keys);
        mem_free(a->nodes);
        mem_free(a->jobs);
        mem_free(a);
    }
}

static int reserve(struct map_tree *t, size_t n)
{
    struct map_apply *a = t->apply;

    if (a == NULL) {
        a = mem_calloc(1, sizeof(*a));
        t->apply = a;
    }
    if (a == NULL) {
        return BLOCKDB_ENOMEM;
    }
    if (n <= a->key_cap) {
        return BLOCKDB_OK;
    }
    a->key_cap = 0;
    mem_free(a->keys);
    mem_free(a->nodes);
    mem_free(a->jobs);
    a->keys = mem_alloc(n * sizeof(*a->keys));
    a->nodes = mem_alloc(n * sizeof(*a->nodes));
    a->jobs = mem_alloc(n * sizeof(*a->jobs));
    if (a->keys == NULL || a->nodes == NULL || a->jobs == NULL) {
        return BLOCKDB_ENOMEM;
    }
    a->key_cap = n;
    return BLOCKDB_OK;
}

static int compare_keys(const void *left, const void *right, void *context)
{
    const struct key *a = left;
    const struct key *b = right;
    const struct map_update *updates = context;
    int order;

    if (a->front != b->front) {
        return a->front < b->front ? -1 : 1;
    }
    order = memcmp(updates[a->index].place.bytes, updates[b->index].place.bytes, SHA256_LEN);
    if (order != 0) {
        return order;
    }
    return (a->index > b->index) - (a->index < b->index);
}

static void sort_updates(struct map_apply *a, const struct map_update *updates, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++) {
        a->keys[i] = (struct key){get_be64(updates[i].place.bytes), (uint32_t)i};
    }
    qsort_r(a->keys, n, sizeof(*a->keys), compare_keys, (void *)(uintptr_t)updates);
}

/* Cuts the next chunk of touches from the sorted updates; returns where it ends. */
static size_t cut_chunk(struct map_tree *t, const struct map_update *updates, size_t at, size_t n)
{
    struct map_apply *a = t->apply;

    a->touch_count = 0;
    while (at < n && a->touch_count < MAP_CHUNK) {
        const struct hash *place = &updates[a->keys[at].index].place;
        struct touch *touch = &a->touches[a->touch_count++];

        *touch = (struct touch){.first = (uint32_t)at, .bucket = map_prefix(place, t->bits)};
        touch->leaf.place = *place;
        do {
            touch->count++;
            at++;
        } while (at < n && hash_equal(&updates[a->keys[at].index].place, place));
    }
    return at;
}

/* Lets the waits for the deltas' memory overlap. */
static void prefetch_slots(const struct map_tree *t)
{
    const struct map_apply *a = t->apply;
    unsigned pass;
    size_t i;

    for (pass = 0; pass < 2; pass++) {
        for (i = 0; i < a->touch_count; i++) {
            map_delta_prefetch(&t->young, a->touches[i].bucket, pass == 1);
            map_delta_prefetch(&t->frozen, a->touches[i].bucket, pass == 1);
        }
    }
}

/* What there is of each key so far. */
static int find_leaves(struct map_tree *t, struct error *err)
{
    struct map_apply *a = t->apply;
    size_t i;

    prefetch_slots(t);
    map_gather_reset(&t->gather);
    for (i = 0; i < a->touch_count; i++) {
        int rc = map_gather_load(t, a->touches[i].bucket, err);

        if (rc < 0) {
            return rc;
        }
    }
    for (i = 0; i < a->touch_count; i++) {
        struct touch *touch = &a->touches[i];
        const struct hash *place = &touch->leaf.place;
        const struct map_record *found = map_delta_find(&t->young, place);

        if (found == NULL) {
            found = map_delta_find(&t->frozen, place);
        }
        if (found == NULL) {
            found = map_gather_find(t, map_gather_span(t, touch->bucket), place);
        }
        if (found != NULL) {
            touch->existed = true;
            touch->before = *found;
            touch->leaf.seq = map_record_seq(found);
            touch->leaf.versions = map_record_versions(found);
            touch->leaf.flags = map_record_flags(found);
            memcpy(touch->leaf.chain.bytes, found->bytes + MAP_FILE_LEAF_CHAIN, SHA256_LEN);
        }
    }
    return BLOCKDB_OK;
}

/* Takes one update into a leaf, but for the chain; true when the chain goes on with it. */
static bool take_update(struct touch *touch, const struct map_update *update)
{
    struct map_leaf *leaf = &touch->leaf;

    if (update->kind == MAP_UPDATE_REDACT) {
        if (leaf->versions > 0 && leaf->seq == update->seq &&
            (leaf->flags & MAP_LEAF_DELETED) == 0) {
            leaf->flags |= MAP_LEAF_REDACTED;
            leaf->entry = update->entry;
            touch->changed = true;
        }
        return false;
    }
    leaf->seq = update->seq;
    leaf->entry = update->entry;
    leaf->versions++;
    leaf->flags = update->kind == MAP_UPDATE_DELETE ? MAP_LEAF_DELETED : 0;
    touch->changed = true;
    return true;
}

/* All updates of the chunk: first the first of each key, then the second, and so on. */
static void take_updates(struct map_apply *a, const struct map_update *updates)
{
    uint32_t round;
    bool more = true;

    for (round = 0; more; round++) {
        size_t chain_count = 0;
        size_t i;

        more = false;
        for (i = 0; i < a->touch_count; i++) {
            struct touch *touch = &a->touches[i];
            const struct map_update *update;

            if (round >= touch->count) {
                continue;
            }
            more = more || round + 1 < touch->count;
            update = &updates[a->keys[touch->first + round].index];
            if (take_update(touch, update)) {
                a->chains[chain_count++] = (struct map_chain_job){
                    &touch->leaf.chain, update->seq, &update->entry, &touch->leaf.chain};
            }
        }
        map_chain_many(a->chains, chain_count);
    }
}

/* Puts the changed leaves into the young delta. */
static int store_leaves(struct map_tree *t)
{
    struct map_apply *a = t->apply;
    size_t count = 0;
    size_t i;

    for (i = 0; i < a->touch_count; i++) {
        if (a->touches[i].changed) {
            a->leaves[count++] = a->touches[i].leaf;
        }
    }
    map_leaf_hash_many(a->leaves, count, a->hashes);
    count = 0;
    for (i = 0; i < a->touch_count; i++) {
        struct touch *touch = &a->touches[i];
        struct map_record record;

        if (!touch->changed) {
            continue;
        }
        if (!touch->existed) {
            memcpy(touch->before.bytes, touch->leaf.place.bytes, SHA256_LEN);
        }
        memcpy(record.bytes, touch->leaf.place.bytes, SHA256_LEN);
        *map_record_hash(&record) = a->hashes[count++];
        *map_record_chain(&record) = touch->leaf.chain;
        map_record_set(&record, touch->leaf.seq, touch->leaf.versions, touch->leaf.flags);
        if (map_undo_add_leaf(&t->undo, &touch->before, touch->existed) < 0 ||
            map_delta_put(&t->young, &record) < 0) {
            return BLOCKDB_ENOMEM;
        }
        t->leaf_count += !touch->existed;
    }
    return BLOCKDB_OK;
}

/* Changes a node, leaving what it was in the undo step. */
static int note_node(struct map_tree *t, unsigned level, uint32_t number)
{
    return map_undo_add_node(&t->undo, level, number, &t->nodes[((size_t)1 << level) + number]);
}

/* The roots of the buckets that changed. */
static int hash_buckets(struct map_tree *t)
{
    struct map_apply *a = t->apply;
    uint32_t buckets[MAP_CHUNK];
    size_t starts[MAP_CHUNK + 1] = {0};
    size_t count = 0;
    size_t i;

    for (i = 0; i < a->touch_count; i++) {
        const struct touch *touch = &a->touches[i];

        if (!touch->changed || (count > 0 && buckets[count - 1] == touch->bucket)) {
            continue;
        }
        buckets[count++] = touch->bucket;
        if (map_gather_bucket(t, touch->bucket, true) < 0) {
            return BLOCKDB_ENOMEM;
        }
        starts[count] = t->gather.count;
    }
    if (map_forest_begin(&t->forest, count, t->gather.count) < 0) {
        return BLOCKDB_ENOMEM;
    }
    for (i = 0; i < count; i++) {
        map_forest_add(&t->forest, t->gather.records + starts[i], starts[i + 1] - starts[i]);
    }
    map_forest_finish(&t->forest);
    for (i = 0; i < count; i++) {
        if (note_node(t, t->bits, buckets[i]) < 0) {
            return BLOCKDB_ENOMEM;
        }
        *map_tree_bucket_node(t, buckets[i]) = *t->forest.roots[i];
        a->nodes[a->node_count++] = buckets[i];
    }
    return BLOCKDB_OK;
}

static int apply_chunk(struct map_tree *t, const struct map_update *updates, struct error *err)
{
    int rc = find_leaves(t, err);

    if (rc < 0) {
        return rc;
    }
    take_updates(t->apply, updates);
    rc = store_leaves(t);
    if (rc == BLOCKDB_OK) {
        rc = hash_buckets(t);
    }
    return rc < 0 ? error_set_no_memory(err) : BLOCKDB_OK;
}

/* The nodes above the changed buckets, level by level. */
static int hash_levels(struct map_tree *t)
{
    struct map_apply *a = t->apply;
    unsigned level;

    for (level = t->bits; level-- > 0;) {
        size_t kept = 0;
        size_t job_count = 0;
        size_t i;

        for (i = 0; i < a->node_count; i++) {
            uint32_t parent = a->nodes[i] / 2;

            if (kept > 0 && a->nodes[kept - 1] == parent) {
                continue;
            }
            a->nodes[kept++] = parent;
            if (note_node(t, level, parent) < 0) {
                return BLOCKDB_ENOMEM;
            }
            job_count += map_tree_join(t, level, parent, &a->jobs[job_count]);
        }
        a->node_count = kept;
        map_node_many(a->jobs, job_count);
    }
    return BLOCKDB_OK;
}

static int update_tree(struct map_tree *t, const struct map_update *updates, size_t n,
                       struct error *err)
{
    size_t at = 0;

    if (reserve(t, n) < 0) {
        return error_set_no_memory(err);
    }
    sort_updates(t->apply, updates, n);
    t->apply->node_count = 0;
    while (at < n) {
        int rc;

        at = cut_chunk(t, updates, at, n);
        rc = apply_chunk(t, updates, err);
        if (rc < 0) {
            return rc;
        }
    }
    return hash_levels(t) < 0 ? error_set_no_memory(err) : BLOCKDB_OK;
}

/* Changed leaves after which a merge begins. */
static uint64_t delta_max(const struct map_tree *t)
{
    uint64_t max = t->leaf_count / MAP_TREE_DELTA_SHARE;

    if (t->delta_max > 0) {
        return t->delta_max;
    }
    if (max < MAP_TREE_DELTA_MIN) {
        return MAP_TREE_DELTA_MIN;
    }
    return max < MAP_TREE_DELTA_MAX ? max : MAP_TREE_DELTA_MAX;
}

/* Goes on with the merge, or begins one when it is time: so fast that it ends before the young
 * delta is full. */
static int merge_some(struct map_tree *t, size_t n, uint64_t durable_size, struct error *err)
{
    uint64_t max = delta_max(t);
    uint64_t leaves = (t->leaf_count / max + 1) * n * 2;
    int rc = BLOCKDB_OK;

    if (t->merge.writer == NULL && t->young.count >= max) {
        rc = map_merge_begin(t, err);
    }
    if (rc == BLOCKDB_OK && t->merge.writer != NULL) {
        rc = map_merge_step(t, t->young.count >= max ? UINT64_MAX : leaves, err);
    }
    if (rc == BLOCKDB_OK && t->merge.finished) {
        rc = map_merge_end(t, durable_size, err);
    }
    if (rc == BLOCKDB_OK && t->merge.finished && t->young.count > max + max / 2) {
        return error_set(err, BLOCKDB_ENOSPC,
                         "the map has more changes in memory than it may: what it merged into its "
                         "file is not durable in the ledger yet");
    }
    return rc;
}

int map_tree_apply(struct map_tree *t, const struct map_tree_batch *batch, struct error *err)
{
    struct hash root;
    int rc = BLOCKDB_OK;

    ASSERT(batch->size >= t->size);
    map_tree_root(t, &root);
    if (batch->count > 0) {
        if (t->keep_states && map_undo_begin(&t->undo, &root) < 0) {
            return error_set_no_memory(err);
        }
        rc = update_tree(t, batch->updates, batch->count, err);
        if (rc < 0) {
            return rc;
        }
        map_undo_end(&t->undo);
        rc = map_tree_grow(t, err);
    }
    t->size = batch->size;
    return rc < 0 ? rc : merge_some(t, batch->count, batch->durable_size, err);
}
