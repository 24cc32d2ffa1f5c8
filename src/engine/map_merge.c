/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Merging the map's changed leaves into a new file: see map_tree.h.
 *
 * What changed is frozen and joined with the file bucket by bucket, a little at a time, while new
 * changes go to the young delta. The tree's nodes do not notice: its leaves stay the same.
 */
#include "base/assert.h"
#include "base/mem.h"
#include "engine/map_tree_priv.h"
#include "ledger/merkle.h"

/* A file of so many leaves is written again when closing; a longer one only for at least a share of
 * its leaves, one of so many, and not one that is longer still. */
#define SAVE_LEAVES 65536
#define SAVE_SHARE 8
#define SAVE_LEAVES_MAX (8 * SAVE_LEAVES)
/* Between two looks at whether to stop. */
#define SAVE_STEP_LEAVES 8192

void map_merge_deinit(struct map_merge *m)
{
    map_file_writer_free(m->writer);
    buf_deinit(&m->leaves);
    *m = (struct map_merge){0};
}

int map_merge_begin(struct map_tree *t, struct error *err)
{
    struct map_delta fresh;
    int rc;

    ASSERT(t->frozen.heads == NULL && t->merge.writer == NULL);
    if (map_delta_init(&fresh, t->bits) < 0) {
        return error_set_no_memory(err);
    }
    rc = map_file_writer_new(t->os, t->dir, t->ledger_id, t->bits, &t->merge.writer, err);
    if (rc < 0) {
        map_delta_deinit(&fresh);
        return rc;
    }
    t->merge.bits = t->bits;
    t->merge.next_bucket = 0;
    t->merge.finished = false;
    t->merge.size = t->size;
    map_tree_root(t, &t->merge.root);
    t->frozen = t->young;
    t->young = fresh;
    return BLOCKDB_OK;
}

/* The root over what was gathered; zeros when that is nothing. */
static int gathered_root(struct map_tree *t, struct hash *out)
{
    struct map_gather *g = &t->gather;

    *out = (struct hash){0};
    if (map_forest_begin(&t->forest, 1, g->count) < 0) {
        return BLOCKDB_ENOMEM;
    }
    map_forest_add(&t->forest, g->records, g->count);
    map_forest_finish(&t->forest);
    if (t->forest.roots[0] != NULL) {
        *out = *t->forest.roots[0];
    }
    return BLOCKDB_OK;
}

/* Writes the next bucket of the new file: the buckets of the tree that lie in it, one after the
 * other. */
static int write_bucket(struct map_tree *t, size_t *out_leaves, struct error *err)
{
    struct map_merge *m = &t->merge;
    unsigned deeper = t->bits - m->bits;
    uint32_t first = m->next_bucket << deeper;
    uint32_t end = (m->next_bucket + 1) << deeper;
    bool has_young = false;
    struct hash root;
    uint32_t i;
    size_t leaf;
    int rc = BLOCKDB_OK;

    map_gather_reset(&t->gather);
    for (i = first; rc == BLOCKDB_OK && i < end; i++) {
        rc = map_gather_load(t, i, err);
        if (rc == BLOCKDB_OK && map_gather_bucket(t, i, false) < 0) {
            rc = error_set_no_memory(err);
        }
        has_young = has_young || map_delta_first(&t->young, i) != NULL;
    }
    if (rc < 0) {
        return rc;
    }
    root = t->nodes[((size_t)1 << m->bits) + m->next_bucket];
    buf_reset(&m->leaves);
    if ((has_young && gathered_root(t, &root) < 0) ||
        buf_reserve(&m->leaves, t->gather.count * MAP_FILE_LEAF_LEN) < 0) {
        return error_set_no_memory(err);
    }
    for (leaf = 0; leaf < t->gather.count; leaf++) {
        IGNORE_RESULT(buf_append(&m->leaves, t->gather.records[leaf]->bytes,
                                 MAP_FILE_LEAF_LEN)); /* room was made */
    }
    *out_leaves = t->gather.count;
    m->next_bucket++;
    return map_file_writer_add(m->writer, buf_slice(&m->leaves), root.bytes, err);
}

int map_merge_step(struct map_tree *t, uint64_t leaves, struct error *err)
{
    struct map_merge *m = &t->merge;
    uint32_t count = UINT32_C(1) << m->bits;
    uint64_t written = 0;
    int rc = BLOCKDB_OK;

    if (m->finished) {
        return BLOCKDB_OK;
    }
    while (rc == BLOCKDB_OK && m->next_bucket < count && written < leaves) {
        size_t n = 0;

        rc = write_bucket(t, &n, err);
        written += n + 1;
    }
    m->finished = rc == BLOCKDB_OK && m->next_bucket == count;
    return rc;
}

/* The end of the file, which says what history it is of. */
static int finish_file(struct map_tree *t, struct error *err)
{
    struct map_merge *m = &t->merge;
    struct map_file_info info = {.map_size = m->size};
    struct hash anchor;
    int rc = t->anchor(t->anchor_context, m->size, &anchor, err);

    if (rc < 0) {
        return rc;
    }
    memcpy(info.root, m->root.bytes, SHA256_LEN);
    memcpy(info.anchor, anchor.bytes, SHA256_LEN);
    rc = map_file_writer_finish(m->writer, &info, err);
    return rc < 0 ? rc : map_file_writer_publish(m->writer, err);
}

int map_merge_end(struct map_tree *t, uint64_t durable_size, struct error *err)
{
    struct map_file *file = NULL;
    AUTO(mem_free_ptr) uint8_t *roots = NULL;
    int rc;

    ASSERT(t->merge.finished);
    if (t->merge.size >= durable_size) {
        return BLOCKDB_OK;
    }
    rc = finish_file(t, err);
    if (rc == BLOCKDB_OK) {
        rc = map_file_open(t->os, t->dir, t->ledger_id, &file, &roots, err);
    }
    if (rc < 0) {
        return rc;
    }
    map_file_close(t->file);
    t->file = file;
    map_delta_deinit(&t->frozen);
    map_merge_deinit(&t->merge);
    return BLOCKDB_OK;
}

/* Finishes the merge that is going on, if any. */
static int finish_merge(struct map_tree *t, uint64_t durable_size, const atomic_bool *stop,
                        struct error *err)
{
    int rc = BLOCKDB_OK;

    while (rc == BLOCKDB_OK && t->merge.writer != NULL && !t->merge.finished &&
           !atomic_load_explicit(stop, memory_order_relaxed)) {
        rc = map_merge_step(t, SAVE_STEP_LEAVES, err);
    }
    if (rc == BLOCKDB_OK && t->merge.writer != NULL && t->merge.finished) {
        rc = map_merge_end(t, durable_size, err);
    }
    return rc;
}

static bool is_cheap(const struct map_tree *t)
{
    uint64_t changed = map_tree_delta_count(t);

    return t->leaf_count <= SAVE_LEAVES ||
           (t->leaf_count <= SAVE_LEAVES_MAX && changed >= t->leaf_count / SAVE_SHARE);
}

int map_tree_save(struct map_tree *t, uint64_t durable_size, enum map_save how,
                  const atomic_bool *stop, struct error *err)
{
    int rc;

    if (map_tree_delta_count(t) == 0 || (how == MAP_SAVE_CHEAP && !is_cheap(t))) {
        return BLOCKDB_OK;
    }
    rc = finish_merge(t, durable_size, stop, err);
    if (rc < 0 || t->merge.writer != NULL || t->young.count == 0 || t->size >= durable_size) {
        return rc;
    }
    rc = map_merge_begin(t, err);
    return rc < 0 ? rc : finish_merge(t, durable_size, stop, err);
}
