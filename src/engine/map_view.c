/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proofs from the map's tree, of its current state or one shortly before: see map_tree.h.
 *
 * A state is what the tree is now, with what later updates replaced taken from their undo steps.
 */
#include "base/assert.h"
#include "base/mem.h"
#include "engine/map_tree_priv.h"
#include "ledger/merkle.h"

/* The leaves of one bucket at the state. */
struct view {
    struct map_tree *t;
    const struct map_undo_step *from; /* the first update after the state; NULL: it is current */
    size_t count;
    size_t cap;
    struct map_record *records;
};

static const struct hash *view_node(const struct view *v, unsigned level, uint32_t number)
{
    const struct hash *before = map_undo_node_before(v->from, level, number);

    return before != NULL ? before : &v->t->nodes[((size_t)1 << level) + number];
}

static void add_step(struct map_proof *proof, unsigned bit, const struct hash *sibling)
{
    ASSERT(proof->count < MAP_PROOF_STEPS_MAX);
    proof->steps[proof->count].bit = (uint8_t)bit;
    proof->steps[proof->count].sibling = *sibling;
    proof->count++;
}

/* Walks down to the bucket where the walk of place ends; false when there is no leaf at all. */
static bool walk_buckets(const struct view *v, const struct hash *place, struct map_proof *proof,
                         uint32_t *out_bucket)
{
    uint32_t number = 0;
    unsigned level;

    if (hash_is_zero(view_node(v, 0, 0))) {
        return false;
    }
    for (level = 0; level < v->t->bits; level++) {
        unsigned side = map_bit(place, level);
        const struct hash *own = view_node(v, level + 1, 2 * number + side);
        const struct hash *other = view_node(v, level + 1, 2 * number + (side ^ 1));

        if (hash_is_zero(own)) {
            side ^= 1;
        } else if (!hash_is_zero(other)) {
            add_step(proof, level, other);
        }
        number = 2 * number + side;
    }
    *out_bucket = number;
    return true;
}

static int view_reserve(struct view *v, size_t count)
{
    struct map_record *records;

    if (count <= v->cap) {
        return BLOCKDB_OK;
    }
    records = mem_realloc(v->records, 2 * count * sizeof(*records));
    if (records == NULL) {
        return BLOCKDB_ENOMEM;
    }
    v->records = records;
    v->cap = 2 * count;
    return BLOCKDB_OK;
}

/* Where a place is among the records, or would be. */
static size_t view_find(const struct view *v, const struct map_record *record)
{
    size_t i = 0;

    while (i < v->count && memcmp(v->records[i].bytes, record->bytes, SHA256_LEN) < 0) {
        i++;
    }
    return i;
}

/* Takes one change back. */
static int take_back(struct view *v, const struct map_undo_leaf *leaf)
{
    size_t i = view_find(v, &leaf->record);
    bool found = i < v->count && memcmp(v->records[i].bytes, leaf->record.bytes, SHA256_LEN) == 0;

    if (found && !leaf->existed) {
        v->count--;
        memmove(&v->records[i], &v->records[i + 1], (v->count - i) * sizeof(*v->records));
        return BLOCKDB_OK;
    }
    if (!found && leaf->existed) {
        if (view_reserve(v, v->count + 1) < 0) {
            return BLOCKDB_ENOMEM;
        }
        memmove(&v->records[i + 1], &v->records[i], (v->count - i) * sizeof(*v->records));
        v->count++;
    }
    if (leaf->existed) {
        v->records[i] = leaf->record;
    }
    return BLOCKDB_OK;
}

/* The first leaf of a step that is in the bucket or behind it. */
static size_t first_leaf(const struct map_undo_step *step, unsigned bits, uint32_t bucket)
{
    size_t low = 0;
    size_t high = step->leaf_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (map_prefix(map_record_place(&step->leaves[middle].record), bits) < bucket) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Takes back what one update changed in the bucket. */
static int take_back_step(struct view *v, const struct map_undo_step *step, uint32_t bucket)
{
    unsigned bits = v->t->bits;
    size_t i;

    for (i = first_leaf(step, bits, bucket);
         i < step->leaf_count &&
         map_prefix(map_record_place(&step->leaves[i].record), bits) == bucket;
         i++) {
        if (take_back(v, &step->leaves[i]) < 0) {
            return BLOCKDB_ENOMEM;
        }
    }
    return BLOCKDB_OK;
}

/* Steps know only the one after them; there are few. */
static const struct map_undo_step *step_before(const struct map_undo_step *from,
                                               const struct map_undo_step *step)
{
    const struct map_undo_step *at = from;

    while (at->next != step) {
        at = at->next;
    }
    return at;
}

/* The leaves of the bucket at the state: updates are taken back from the newest to the oldest. */
static int view_bucket(struct view *v, uint32_t bucket, struct error *err)
{
    struct map_tree *t = v->t;
    const struct map_undo_step *step = NULL;
    size_t i;
    int rc;

    map_gather_reset(&t->gather);
    rc = map_gather_load(t, bucket, err);
    if (rc < 0) {
        return rc;
    }
    if (map_gather_bucket(t, bucket, true) < 0 || view_reserve(v, t->gather.count + 1) < 0) {
        return error_set_no_memory(err);
    }
    for (i = 0; i < t->gather.count; i++) {
        v->records[i] = *t->gather.records[i];
    }
    v->count = t->gather.count;
    while (v->from != NULL && step != v->from) {
        step = step_before(v->from, step);
        if (take_back_step(v, step, bucket) < 0) {
            return error_set_no_memory(err);
        }
    }
    return BLOCKDB_OK;
}

/* The root over the records [from, end). */
static int range_root(const struct view *v, size_t from, size_t end, struct hash *out)
{
    struct map_forest *f = &v->t->forest;
    AUTO(mem_free_ptr)
    const struct map_record **records = mem_alloc((end - from) * sizeof(*records));
    size_t i;

    if (records == NULL || map_forest_begin(f, 1, end - from) < 0) {
        return BLOCKDB_ENOMEM;
    }
    for (i = from; i < end; i++) {
        records[i - from] = &v->records[i];
    }
    map_forest_add(f, records, end - from);
    map_forest_finish(f);
    *out = *f->roots[0];
    return BLOCKDB_OK;
}

/* Walks within the bucket down to one leaf; *out_leaf is which. */
static int walk_leaves(const struct view *v, const struct hash *place, struct map_proof *proof,
                       size_t *out_leaf)
{
    size_t low = 0;
    size_t high = v->count;

    ASSERT(high > 0);
    while (high - low > 1) {
        unsigned bit = map_first_difference(map_record_place(&v->records[low]),
                                            map_record_place(&v->records[high - 1]));
        size_t middle = low;
        struct hash sibling;
        bool right = map_bit(place, bit);

        while (!map_bit(map_record_place(&v->records[middle]), bit)) {
            middle++;
        }
        if (range_root(v, right ? low : middle, right ? middle : high, &sibling) < 0) {
            return BLOCKDB_ENOMEM;
        }
        add_step(proof, bit, &sibling);
        low = right ? middle : low;
        high = right ? high : middle;
    }
    *out_leaf = low;
    return BLOCKDB_OK;
}

static void leaf_of_record(const struct map_record *record, struct map_leaf *out)
{
    *out = (struct map_leaf){
        .place = *map_record_place(record),
        .seq = map_record_seq(record),
        .versions = map_record_versions(record),
        .flags = map_record_flags(record),
    };
    memcpy(out->chain.bytes, record->bytes + MAP_FILE_LEAF_CHAIN, SHA256_LEN);
}

static int prove(struct view *v, const struct hash *place, struct map_proof *out, struct error *err)
{
    uint32_t bucket;
    size_t leaf;
    int rc;

    out->count = 0;
    out->is_empty = !walk_buckets(v, place, out, &bucket);
    if (out->is_empty) {
        return BLOCKDB_OK;
    }
    rc = view_bucket(v, bucket, err);
    if (rc < 0) {
        return rc;
    }
    if (walk_leaves(v, place, out, &leaf) < 0) {
        return error_set_no_memory(err);
    }
    leaf_of_record(&v->records[leaf], &out->leaf);
    return BLOCKDB_OK;
}

int map_tree_prove(struct map_tree *t, const struct hash *root, const struct hash *place,
                   struct map_proof *out, struct error *err)
{
    struct view v = {.t = t};
    struct hash current;
    int rc;

    map_tree_root(t, &current);
    if (!hash_equal(&current, root)) {
        v.from = map_undo_find(&t->undo, root);
        if (v.from == NULL) {
            return error_set(err, BLOCKDB_ENOTFOUND, "the map does not know that state any more");
        }
    }
    rc = prove(&v, place, out, err);
    mem_free(v.records);
    return rc;
}
