/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/map_forest.h"

#include "base/assert.h"
#include "base/mem.h"

void map_forest_deinit(struct map_forest *f)
{
    mem_free(f->jobs);
    mem_free(f->ordered);
    mem_free(f->heights);
    mem_free(f->hashes);
    mem_free(f->roots);
    *f = (struct map_forest){0};
}

static int reserve_nodes(struct map_forest *f, size_t nodes)
{
    if (nodes <= f->cap) {
        return BLOCKDB_OK;
    }
    f->cap = 0;
    mem_free(f->jobs);
    mem_free(f->ordered);
    mem_free(f->heights);
    mem_free(f->hashes);
    f->jobs = mem_alloc(nodes * sizeof(*f->jobs));
    f->ordered = mem_alloc(nodes * sizeof(*f->ordered));
    f->heights = mem_alloc(nodes * sizeof(*f->heights));
    f->hashes = mem_alloc(nodes * sizeof(*f->hashes));
    if (f->jobs == NULL || f->ordered == NULL || f->heights == NULL || f->hashes == NULL) {
        return BLOCKDB_ENOMEM;
    }
    f->cap = nodes;
    return BLOCKDB_OK;
}

int map_forest_begin(struct map_forest *f, size_t tries, size_t leaves)
{
    f->count = 0;
    f->root_count = 0;
    if (tries > f->root_cap) {
        f->root_cap = 0;
        mem_free(f->roots);
        f->roots = mem_alloc(tries * sizeof(*f->roots));
        if (f->roots == NULL) {
            return BLOCKDB_ENOMEM;
        }
        f->root_cap = tries;
    }
    return reserve_nodes(f, leaves);
}

/* A subtrie: where its hash is or will be. */
struct part {
    const struct hash *hash;
    uint16_t height;
    uint16_t bit; /* of the node that it will be the left child of */
};

static struct part join(struct map_forest *f, const struct part *left, const struct part *right)
{
    size_t i = f->count++;
    uint16_t below = left->height > right->height ? left->height : right->height;

    ASSERT(i < f->cap);
    f->jobs[i] = (struct map_node_job){left->bit, left->hash, right->hash, &f->hashes[i]};
    f->heights[i] = (uint16_t)(below + 1);
    return (struct part){.hash = &f->hashes[i], .height = f->heights[i]};
}

void map_forest_add(struct map_forest *f, const struct map_record *const *leaves, size_t n)
{
    struct part open[MAP_BITS];
    struct part done = {0};
    size_t depth = 0;
    size_t i;

    ASSERT(f->root_count < f->root_cap);
    for (i = 0; i < n; i++) {
        if (i > 0) {
            unsigned bit = map_first_difference(map_record_place(leaves[i - 1]),
                                                map_record_place(leaves[i]));

            ASSERT(bit < MAP_BITS);
            for (; depth > 0 && open[depth - 1].bit > bit; depth--) {
                done = join(f, &open[depth - 1], &done);
            }
            done.bit = (uint16_t)bit;
            open[depth++] = done;
        }
        done = (struct part){.hash = map_record_hash_of(leaves[i])};
    }
    for (; depth > 0; depth--) {
        done = join(f, &open[depth - 1], &done);
    }
    f->roots[f->root_count++] = done.hash;
}

void map_forest_finish(struct map_forest *f)
{
    size_t starts[MAP_BITS + 2] = {0}; /* of the nodes of each height among the ordered */
    size_t ends[MAP_BITS + 2];
    size_t i;
    unsigned height;

    for (i = 0; i < f->count; i++) {
        starts[f->heights[i] + 1]++;
    }
    for (height = 1; height < MAP_BITS + 2; height++) {
        starts[height] += starts[height - 1];
    }
    memcpy(ends, starts, sizeof(ends));
    for (i = 0; i < f->count; i++) {
        f->ordered[ends[f->heights[i]]++] = f->jobs[i];
    }
    for (height = 1; height <= MAP_BITS && starts[height] < f->count; height++) {
        map_node_many(f->ordered + starts[height], ends[height] - starts[height]);
    }
}
