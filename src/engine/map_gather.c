/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "base/mem.h"
#include "engine/map_tree_priv.h"

void map_gather_reset(struct map_gather *g)
{
    buf_reset(&g->loaded);
    g->span_count = 0;
    g->count = 0;
}

void map_gather_deinit(struct map_gather *g)
{
    buf_deinit(&g->loaded);
    mem_free(g->records);
    *g = (struct map_gather){0};
}

/* The bucket of the file that holds a bucket of the tree, which has at least as many. */
static uint32_t file_bucket(const struct map_tree *t, uint32_t bucket)
{
    unsigned bits = map_file_info(t->file)->bits;

    ASSERT(bits <= t->bits);
    return bucket >> (t->bits - bits);
}

int map_gather_load(struct map_tree *t, uint32_t bucket, struct error *err)
{
    struct map_gather *g = &t->gather;
    struct map_span span = {.offset = g->loaded.len};
    int rc;

    if (t->file == NULL) {
        return BLOCKDB_OK;
    }
    span.bucket = file_bucket(t, bucket);
    if (g->span_count > 0 && g->spans[g->span_count - 1].bucket == span.bucket) {
        return BLOCKDB_OK;
    }
    ASSERT(g->span_count < MAP_CHUNK);
    span.count = map_file_count(t->file, span.bucket);
    if (span.count > 0) {
        rc = map_file_read(t->file, span.bucket, &g->loaded, err);
        if (rc < 0) {
            return rc;
        }
    }
    g->spans[g->span_count++] = span;
    return BLOCKDB_OK;
}

const struct map_span *map_gather_span(const struct map_tree *t, uint32_t bucket)
{
    const struct map_gather *g = &t->gather;
    size_t low = 0;
    size_t high = g->span_count;
    uint32_t wanted;

    if (t->file == NULL) {
        return NULL;
    }
    wanted = file_bucket(t, bucket);
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (g->spans[middle].bucket < wanted) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    ASSERT(low < g->span_count && g->spans[low].bucket == wanted);
    return &g->spans[low];
}

static const struct map_record *span_records(const struct map_tree *t, const struct map_span *span)
{
    return (const struct map_record *)(const void *)(t->gather.loaded.data + span->offset);
}

/* How many leaves of the span are before a place. */
static size_t span_lower_bound(const struct map_tree *t, const struct map_span *span,
                               const struct hash *place)
{
    const struct map_record *records = span_records(t, span);
    size_t low = 0;
    size_t high = span->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (map_record_compare(&records[middle], place) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

const struct map_record *map_gather_find(const struct map_tree *t, const struct map_span *span,
                                         const struct hash *place)
{
    const struct map_record *found;
    size_t at;

    if (span == NULL || span->count == 0) {
        return NULL;
    }
    at = span_lower_bound(t, span, place);
    found = span_records(t, span) + at;
    if (at == span->count || map_record_compare(found, place) != 0) {
        return NULL;
    }
    return found;
}

static int push(struct map_gather *g, const struct map_record *record)
{
    if (g->count == g->cap) {
        size_t cap = g->cap < 1024 ? 1024 : g->cap * 2;
        const struct map_record **records = mem_realloc(g->records, cap * sizeof(*records));

        if (records == NULL) {
            return BLOCKDB_ENOMEM;
        }
        g->records = records;
        g->cap = cap;
    }
    g->records[g->count++] = record;
    return BLOCKDB_OK;
}

/* The next leaf of each source, the oldest first; NULL at its end. */
struct sources {
    const struct map_record *file;
    const struct map_record *file_end;
    const struct map_slot *slots[2]; /* frozen, young */
};

/* Where the leaves of a bucket lie in what was loaded. */
static void find_in_file(const struct map_tree *t, uint32_t bucket, struct sources *out)
{
    const struct map_span *span = map_gather_span(t, bucket);
    const struct map_record *at;

    out->file = NULL;
    out->file_end = NULL;
    if (span == NULL || span->count == 0) {
        return;
    }
    at = span_records(t, span);
    out->file_end = at + span->count;
    while (at < out->file_end && map_prefix(map_record_place(at), t->bits) < bucket) {
        at++;
    }
    out->file = at;
    while (at < out->file_end && map_prefix(map_record_place(at), t->bits) == bucket) {
        at++;
    }
    out->file_end = at;
}

/* The slot before or at the record, by place; NULL slots and records come last. */
static bool is_first(const struct map_slot *slot, const struct map_record *record, bool *out_equal)
{
    int order = record != NULL ? map_record_compare(&slot->record, map_record_place(record)) : -1;

    *out_equal = order == 0;
    return order <= 0;
}

/* The next leaf of the file and of the frozen delta, the delta's where both have it. */
static const struct map_record *peek_old(const struct sources *s, bool *out_frozen, bool *out_both)
{
    const struct map_record *file = s->file != s->file_end ? s->file : NULL;

    *out_both = false;
    *out_frozen = s->slots[0] != NULL && is_first(s->slots[0], file, out_both);
    return *out_frozen ? &s->slots[0]->record : file;
}

/* The leaf with the lowest place, the youngest of them; every source moves past that place. */
static const struct map_record *take_lowest(const struct map_tree *t, struct sources *s)
{
    bool from_frozen;
    bool both_old;
    bool same = false;
    const struct map_record *lowest = peek_old(s, &from_frozen, &both_old);

    if (s->slots[1] != NULL && is_first(s->slots[1], lowest, &same)) {
        lowest = &s->slots[1]->record;
        s->slots[1] = map_delta_next(&t->young, s->slots[1]);
        if (!same) {
            return lowest;
        }
    }
    if (lowest != NULL) {
        s->file += !from_frozen || both_old;
        s->slots[0] = from_frozen ? map_delta_next(&t->frozen, s->slots[0]) : s->slots[0];
    }
    return lowest;
}

int map_gather_bucket(struct map_tree *t, uint32_t bucket, bool with_young)
{
    struct sources s;
    const struct map_record *record;

    find_in_file(t, bucket, &s);
    s.slots[0] = map_delta_first(&t->frozen, bucket);
    s.slots[1] = with_young ? map_delta_first(&t->young, bucket) : NULL;
    for (record = take_lowest(t, &s); record != NULL; record = take_lowest(t, &s)) {
        if (push(&t->gather, record) < 0) {
            return BLOCKDB_ENOMEM;
        }
    }
    return BLOCKDB_OK;
}
