/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/map_undo.h"

#include "base/assert.h"
#include "base/mem.h"
#include "ledger/merkle.h"

static void step_free(struct map_undo_step *step)
{
    if (step != NULL) {
        mem_free(step->nodes);
        mem_free(step->leaves);
        mem_free(step);
    }
}

static size_t step_bytes(const struct map_undo_step *step)
{
    return sizeof(*step) + step->node_cap * sizeof(*step->nodes) +
           step->leaf_cap * sizeof(*step->leaves);
}

static void drop_oldest(struct map_undo *u)
{
    struct map_undo_step *step = u->oldest;

    u->oldest = step->next;
    if (u->oldest == NULL) {
        u->newest = NULL;
    }
    u->bytes -= step_bytes(step);
    step_free(step);
}

void map_undo_clear(struct map_undo *u)
{
    while (u->oldest != NULL) {
        drop_oldest(u);
    }
    step_free(u->open);
    u->open = NULL;
}

void map_undo_deinit(struct map_undo *u)
{
    map_undo_clear(u);
}

int map_undo_begin(struct map_undo *u, const struct hash *root)
{
    ASSERT(u->open == NULL);
    u->open = mem_calloc(1, sizeof(*u->open));
    if (u->open == NULL) {
        return BLOCKDB_ENOMEM;
    }
    u->open->root = *root;
    return BLOCKDB_OK;
}

void map_undo_end(struct map_undo *u)
{
    struct map_undo_step *step = u->open;

    if (step == NULL) {
        return;
    }
    u->open = NULL;
    if (u->newest != NULL) {
        u->newest->next = step;
    } else {
        u->oldest = step;
    }
    u->newest = step;
    u->bytes += step_bytes(step);
    while (u->bytes > MAP_UNDO_BYTES_MAX) {
        drop_oldest(u);
    }
}

/* Makes room for one more item in a growing array. */
static int reserve(void *array_ptr, size_t count, size_t *cap, size_t item_bytes)
{
    void **array = array_ptr;
    size_t grown_cap = *cap < 64 ? 64 : *cap * 2;
    void *grown;

    if (count < *cap) {
        return BLOCKDB_OK;
    }
    grown = mem_realloc(*array, grown_cap * item_bytes);
    if (grown == NULL) {
        return BLOCKDB_ENOMEM;
    }
    *array = grown;
    *cap = grown_cap;
    return BLOCKDB_OK;
}

int map_undo_add_node(struct map_undo *u, unsigned level, uint32_t index, const struct hash *hash)
{
    struct map_undo_step *step = u->open;

    if (step == NULL) {
        return BLOCKDB_OK;
    }
    ASSERT(level < MAP_UNDO_LEVELS);
    if (reserve(&step->nodes, step->node_count, &step->node_cap, sizeof(*step->nodes)) < 0) {
        return BLOCKDB_ENOMEM;
    }
    if (step->level_ends[level] == 0) {
        step->level_starts[level] = step->node_count;
    }
    step->nodes[step->node_count++] = (struct map_undo_node){index, *hash};
    step->level_ends[level] = step->node_count;
    return BLOCKDB_OK;
}

int map_undo_add_leaf(struct map_undo *u, const struct map_record *record, bool existed)
{
    struct map_undo_step *step = u->open;

    if (step == NULL) {
        return BLOCKDB_OK;
    }
    if (reserve(&step->leaves, step->leaf_count, &step->leaf_cap, sizeof(*step->leaves)) < 0) {
        return BLOCKDB_ENOMEM;
    }
    step->leaves[step->leaf_count++] = (struct map_undo_leaf){*record, existed};
    return BLOCKDB_OK;
}

const struct map_undo_step *map_undo_find(const struct map_undo *u, const struct hash *root)
{
    const struct map_undo_step *found = NULL;
    const struct map_undo_step *step;

    for (step = u->oldest; step != NULL; step = step->next) {
        if (hash_equal(&step->root, root)) {
            found = step;
        }
    }
    return found;
}

/* The first node of a level of the step with this index: a bucket may be changed several times in
 * one update. */
static const struct hash *find_node(const struct map_undo_step *step, unsigned level,
                                    uint32_t index)
{
    size_t low = step->level_starts[level];
    size_t high = step->level_ends[level];

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (step->nodes[middle].index < index) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low < step->level_ends[level] && step->nodes[low].index == index) {
        return &step->nodes[low].hash;
    }
    return NULL;
}

const struct hash *map_undo_node_before(const struct map_undo_step *from, unsigned level,
                                        uint32_t index)
{
    const struct map_undo_step *step;

    for (step = from; step != NULL; step = step->next) {
        const struct hash *hash = find_node(step, level, index);

        if (hash != NULL) {
            return hash;
        }
    }
    return NULL;
}
