/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/map_tree.h"

#include "base/assert.h"
#include "base/mem.h"
#include "engine/map_tree_priv.h"
#include "ledger/merkle.h"

#include <inttypes.h>

#define BITS_MIN 8
/* Leaves of a bucket, on average, after which there are twice as many buckets. */
#define BUCKET_LEAVES 8
#define FILL_JOBS 256

void map_tree_free(struct map_tree *t)
{
    if (t == NULL) {
        return;
    }
    map_apply_free(t->apply);
    map_forest_deinit(&t->forest);
    map_gather_deinit(&t->gather);
    map_undo_deinit(&t->undo);
    map_merge_deinit(&t->merge);
    map_delta_deinit(&t->frozen);
    map_delta_deinit(&t->young);
    map_file_close(t->file);
    mem_free(t->nodes);
    mem_free(t->dir);
    mem_free(t);
}

static void map_tree_free_ptr(struct map_tree **t)
{
    map_tree_free(*t);
}

bool map_tree_join(struct map_tree *t, unsigned level, uint32_t number, struct map_node_job *job)
{
    size_t i = ((size_t)1 << level) + number;
    const struct hash *left = &t->nodes[2 * i];
    const struct hash *right = &t->nodes[2 * i + 1];

    if (hash_is_zero(left) || hash_is_zero(right)) {
        t->nodes[i] = hash_is_zero(left) ? *right : *left;
        return false;
    }
    *job = (struct map_node_job){level, left, right, &t->nodes[i]};
    return true;
}

/* Computes the nodes above the buckets. */
static void fill_nodes(struct map_tree *t)
{
    struct map_node_job jobs[FILL_JOBS];
    unsigned level;

    for (level = t->bits; level-- > 0;) {
        size_t count = 0;
        uint32_t i;

        for (i = 0; i >> level == 0; i++) {
            count += map_tree_join(t, level, i, &jobs[count]);
            if (count == FILL_JOBS) {
                map_node_many(jobs, count);
                count = 0;
            }
        }
        map_node_many(jobs, count);
    }
}

static int open_file(struct map_tree *t, struct error *err)
{
    AUTO(mem_free_ptr) uint8_t *roots = NULL;
    const struct map_file_info *info;
    struct hash root;
    int rc = map_file_open(t->os, t->dir, t->ledger_id, &t->file, &roots, err);

    t->bits = BITS_MIN;
    if (rc == BLOCKDB_OK) {
        info = map_file_info(t->file);
        t->bits = info->bits;
        t->size = info->map_size;
        t->leaf_count = info->leaf_count;
    } else if (rc != BLOCKDB_ENOTFOUND) {
        return rc;
    }
    t->nodes = mem_calloc((size_t)2 << t->bits, sizeof(*t->nodes));
    if (t->nodes == NULL) {
        return error_set_no_memory(err);
    }
    if (roots == NULL) {
        return BLOCKDB_OK;
    }
    memcpy(map_tree_bucket_node(t, 0), roots, ((size_t)1 << t->bits) * SHA256_LEN);
    fill_nodes(t);
    map_tree_root(t, &root);
    if (memcmp(root.bytes, map_file_info(t->file)->root, SHA256_LEN) != 0) {
        return error_set(err, BLOCKDB_ECORRUPT,
                         "map file in '%s': its buckets do not make its root", t->dir);
    }
    return BLOCKDB_OK;
}

int map_tree_open(const struct map_tree_options *options, struct map_tree **out, struct error *err)
{
    AUTO(map_tree_free_ptr) struct map_tree *t = mem_calloc(1, sizeof(*t));
    int rc;

    if (t == NULL) {
        return error_set_no_memory(err);
    }
    t->os = options->os;
    t->dir = mem_strdup(options->dir);
    t->anchor = options->anchor;
    t->anchor_context = options->anchor_context;
    t->delta_max = options->delta_max;
    memcpy(t->ledger_id, options->ledger_id, sizeof(t->ledger_id));
    if (t->dir == NULL) {
        return error_set_no_memory(err);
    }
    rc = open_file(t, err);
    if (rc == BLOCKDB_OK && map_delta_init(&t->young, t->bits) < 0) {
        rc = error_set_no_memory(err);
    }
    if (rc == BLOCKDB_OK) {
        *out = TAKE(t);
    }
    return rc;
}

uint64_t map_tree_size(const struct map_tree *t)
{
    return t->size;
}

void map_tree_root(const struct map_tree *t, struct hash *out)
{
    if (hash_is_zero(&t->nodes[1])) {
        map_empty_root(out);
    } else {
        *out = t->nodes[1];
    }
}

void map_tree_anchor(const struct map_tree *t, struct hash *out)
{
    *out = (struct hash){0};
    if (t->file != NULL) {
        memcpy(out->bytes, map_file_info(t->file)->anchor, SHA256_LEN);
    }
}

uint64_t map_tree_leaf_count(const struct map_tree *t)
{
    return t->leaf_count;
}

size_t map_tree_bytes(const struct map_tree *t)
{
    size_t file = t->file != NULL ? sizeof(uint64_t) << map_file_info(t->file)->bits : 0;

    return ((size_t)2 << t->bits) * sizeof(*t->nodes) + map_delta_bytes(&t->young) +
           map_delta_bytes(&t->frozen) + t->undo.bytes + t->gather.loaded.cap + file;
}

uint64_t map_tree_file_bytes(const struct map_tree *t)
{
    return t->file != NULL ? map_file_info(t->file)->len_bytes : 0;
}

uint32_t map_tree_delta_count(const struct map_tree *t)
{
    return t->young.count + t->frozen.count;
}

uint64_t map_tree_waits_for(const struct map_tree *t)
{
    return t->merge.finished ? t->merge.size + 1 : 0;
}

void map_tree_keep_states(struct map_tree *t, bool keep)
{
    t->keep_states = keep;
    if (!keep) {
        map_undo_clear(&t->undo);
    }
}

/* ---- Growing --------------------------------------------------------------------------------- */

/* Gathers the leaves of one bucket and adds the tries of its two halves to the forest. */
static void add_halves(struct map_tree *t, size_t from)
{
    const struct map_gather *g = &t->gather;
    size_t middle = from;

    while (middle < g->count && !map_bit(map_record_place(g->records[middle]), t->bits)) {
        middle++;
    }
    map_forest_add(&t->forest, g->records + from, middle - from);
    map_forest_add(&t->forest, g->records + middle, g->count - middle);
}

/* The nodes of the halves of some buckets, into the lowest level of the new array. */
static int split_buckets(struct map_tree *t, struct hash *nodes, uint32_t first, uint32_t end,
                         struct error *err)
{
    size_t starts[MAP_CHUNK + 1] = {0};
    uint32_t i;
    int rc = BLOCKDB_OK;

    map_gather_reset(&t->gather);
    for (i = first; rc == BLOCKDB_OK && i < end; i++) {
        rc = map_gather_load(t, i, err);
    }
    for (i = first; rc == BLOCKDB_OK && i < end; i++) {
        rc = map_gather_bucket(t, i, true);
        starts[i - first + 1] = t->gather.count;
    }
    if (rc == BLOCKDB_OK) {
        rc = map_forest_begin(&t->forest, 2 * (size_t)(end - first), t->gather.count);
    }
    if (rc < 0) {
        return rc == BLOCKDB_ENOMEM ? error_set_no_memory(err) : rc;
    }
    for (i = first; i < end; i++) {
        t->gather.count = starts[i - first + 1];
        add_halves(t, starts[i - first]);
    }
    map_forest_finish(&t->forest);
    for (i = 0; i < 2 * (end - first); i++) {
        if (t->forest.roots[i] != NULL) {
            nodes[((size_t)2 << t->bits) + 2 * (size_t)first + i] = *t->forest.roots[i];
        }
    }
    return BLOCKDB_OK;
}

static int grow_once(struct map_tree *t, struct error *err)
{
    uint32_t count = UINT32_C(1) << t->bits;
    AUTO(mem_free_ptr) struct hash *nodes = mem_calloc(4 * (size_t)count, sizeof(*nodes));
    uint32_t i;
    int rc;

    if (nodes == NULL) {
        return error_set_no_memory(err);
    }
    memcpy(nodes, t->nodes, 2 * (size_t)count * sizeof(*nodes));
    for (i = 0; i < count; i += MAP_CHUNK) {
        rc = split_buckets(t, nodes, i, i + MAP_CHUNK < count ? i + MAP_CHUNK : count, err);
        if (rc < 0) {
            return rc;
        }
    }
    if (map_delta_grow(&t->young) < 0 ||
        (t->frozen.heads != NULL && map_delta_grow(&t->frozen) < 0)) {
        return error_set_no_memory(err);
    }
    mem_free(t->nodes);
    t->nodes = TAKE(nodes);
    t->bits++;
    return BLOCKDB_OK;
}

int map_tree_grow(struct map_tree *t, struct error *err)
{
    int rc = BLOCKDB_OK;

    while (rc == BLOCKDB_OK && t->bits < MAP_TREE_BITS_MAX &&
           t->leaf_count > ((uint64_t)BUCKET_LEAVES << t->bits)) {
        rc = grow_once(t, err);
        map_undo_clear(&t->undo); /* its levels are those of before */
    }
    return rc;
}
