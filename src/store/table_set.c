/* SPDX-License-Identifier: Apache-2.0 */
#include "store/table_set.h"

#include "base/assert.h"
#include "base/mem.h"

#include <stdatomic.h>
#include <stdlib.h>

/* Why a table need not be asked, beside it in an array of its own: a search reads no table. */
struct table_range {
    struct slice key_min; /* borrowed from the table */
    struct slice key_max;
    uint64_t seq_min;
};

struct table_set {
    _Atomic uint64_t refs;
    uint64_t bytes;
    size_t first[TABLE_LEVELS + 1]; /* level l is the tables [first[l], first[l + 1]) */
    struct table **tables;
    struct table_range *ranges;
};

/* ---- Making ---------------------------------------------------------------------------------- */

/* A set for count tables, all in level 0 until told otherwise. */
static struct table_set *set_alloc(size_t count)
{
    struct table_set *set = mem_calloc(1, sizeof(*set));

    if (set == NULL) {
        return NULL;
    }
    atomic_init(&set->refs, 1);
    set->tables = mem_calloc(count, sizeof(struct table *));
    set->ranges = mem_calloc(count, sizeof(*set->ranges));
    if (set->tables == NULL || set->ranges == NULL) {
        table_set_unref(set);
        return NULL;
    }
    return set;
}

struct table_set *table_set_new(void)
{
    return set_alloc(0);
}

struct table_set *table_set_ref(struct table_set *set)
{
    atomic_fetch_add_explicit(&set->refs, 1, memory_order_relaxed);
    return set;
}

void table_set_unref(struct table_set *set)
{
    size_t i;

    if (set == NULL || atomic_fetch_sub_explicit(&set->refs, 1, memory_order_acq_rel) > 1) {
        return;
    }
    for (i = 0; i < set->first[TABLE_LEVELS]; i++) {
        table_unref(set->tables[i]);
    }
    mem_free(set->tables);
    mem_free(set->ranges);
    mem_free(set);
}

void table_set_unref_ptr(struct table_set **set)
{
    table_set_unref(*set);
}

void table_set_unref_fn(void *set)
{
    table_set_unref(set);
}

static struct table_range range_of(const struct table *table)
{
    const struct table_facts *facts = table_facts(table);

    return (struct table_range){
        .key_min = buf_slice(&facts->key_min),
        .key_max = buf_slice(&facts->key_max),
        .seq_min = facts->seq_min,
    };
}

static int add_order(const void *a, const void *b)
{
    const struct table_set_add *x = a;
    const struct table_set_add *y = b;
    const struct table_facts *p = table_facts(x->table);
    const struct table_facts *q = table_facts(y->table);

    if (x->level != y->level) {
        return x->level < y->level ? -1 : 1;
    }
    if (x->level == 0) {
        return (p->seq_max < q->seq_max) - (p->seq_max > q->seq_max);
    }
    return slice_compare(buf_slice(&p->key_min), buf_slice(&q->key_min));
}

/* Whether two neighbours of the order above keep TSET-1. */
static bool may_be_neighbours(const struct table_set_add *a, const struct table_set_add *b)
{
    const struct table_facts *p = table_facts(a->table);
    const struct table_facts *q = table_facts(b->table);

    if (a->level != b->level) {
        return true;
    }
    if (a->level == 0) {
        return p->seq_min > q->seq_max;
    }
    return slice_compare(buf_slice(&p->key_max), buf_slice(&q->key_min)) < 0;
}

static uint64_t number_of(const struct table *table)
{
    return table_facts(table)->file_number;
}

static bool is_removed(const struct table_set_edit *edit, uint64_t number)
{
    size_t i;

    for (i = 0; i < edit->remove_count; i++) {
        if (edit->remove[i] == number) {
            return true;
        }
    }
    return false;
}

/* Lists in all what base keeps and edit adds; EINVAL when edit does not fit. */
static int list_next(const struct table_set *base, const struct table_set_edit *edit,
                     struct table_set_add *all, size_t *out_count)
{
    size_t kept = 0;
    size_t i;
    uint32_t level;

    for (level = 0; level < TABLE_LEVELS; level++) {
        for (i = base->first[level]; i < base->first[level + 1]; i++) {
            if (!is_removed(edit, number_of(base->tables[i]))) {
                all[kept++] = (struct table_set_add){base->tables[i], level};
            }
        }
    }
    if (table_set_count(base) - kept != edit->remove_count) {
        return BLOCKDB_EINVAL;
    }
    for (i = 0; i < edit->add_count; i++) {
        size_t j;

        if (edit->add[i].level >= TABLE_LEVELS) {
            return BLOCKDB_EINVAL;
        }
        for (j = 0; j < kept + i; j++) {
            if (number_of(all[j].table) == number_of(edit->add[i].table)) {
                return BLOCKDB_EINVAL;
            }
        }
        all[kept + i] = edit->add[i];
    }
    *out_count = kept + edit->add_count;
    qsort(all, *out_count, sizeof(*all), add_order);
    for (i = 1; i < *out_count; i++) {
        if (!may_be_neighbours(&all[i - 1], &all[i])) {
            return BLOCKDB_EINVAL;
        }
    }
    return BLOCKDB_OK;
}

static void fill(struct table_set *set, const struct table_set_add *all, size_t count)
{
    uint32_t level;
    size_t i = 0;

    for (level = 0; level < TABLE_LEVELS; level++) {
        set->first[level] = i;
        for (; i < count && all[i].level == level; i++) {
            set->tables[i] = table_ref(all[i].table);
            set->ranges[i] = range_of(all[i].table);
            set->bytes += table_facts(all[i].table)->file_bytes;
        }
    }
    set->first[TABLE_LEVELS] = i;
}

int table_set_apply(const struct table_set *base, const struct table_set_edit *edit,
                    struct table_set **out_set)
{
    AUTO(mem_free_ptr)
    struct table_set_add *all = mem_calloc(table_set_count(base) + edit->add_count, sizeof(*all));
    struct table_set *set;
    size_t count;
    int rc;

    if (all == NULL) {
        return BLOCKDB_ENOMEM;
    }
    rc = list_next(base, edit, all, &count);
    if (rc < 0) {
        return rc;
    }
    set = set_alloc(count);
    if (set == NULL) {
        return BLOCKDB_ENOMEM;
    }
    fill(set, all, count);
    *out_set = set;
    return BLOCKDB_OK;
}

/* ---- Asking ---------------------------------------------------------------------------------- */

struct table_span table_set_level(const struct table_set *set, uint32_t level)
{
    ASSERT(level < TABLE_LEVELS);
    return (struct table_span){
        .tables = set->tables + set->first[level],
        .count = set->first[level + 1] - set->first[level],
    };
}

size_t table_set_count(const struct table_set *set)
{
    return set->first[TABLE_LEVELS];
}

uint64_t table_set_bytes(const struct table_set *set)
{
    return set->bytes;
}

struct table *table_set_find(const struct table_set *set, uint64_t number, uint32_t *out_level)
{
    uint32_t level;
    size_t i;

    for (level = 0; level < TABLE_LEVELS; level++) {
        for (i = set->first[level]; i < set->first[level + 1]; i++) {
            if (number_of(set->tables[i]) != number) {
                continue;
            }
            if (out_level != NULL) {
                *out_level = level;
            }
            return set->tables[i];
        }
    }
    return NULL;
}

/* The first table of a level above 0 that does not end below key. */
static size_t first_reaching(const struct table_set *set, uint32_t level, struct slice key)
{
    size_t low = set->first[level];
    size_t high = set->first[level + 1];

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (slice_compare(set->ranges[middle].key_max, key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

struct table_span table_set_overlaps(const struct table_set *set, uint32_t level,
                                     struct slice first, struct slice last)
{
    size_t begin;
    size_t end;

    ASSERT(level > 0 && level < TABLE_LEVELS);
    begin = first_reaching(set, level, first);
    end = begin;
    while (end < set->first[level + 1] && slice_compare(set->ranges[end].key_min, last) <= 0) {
        end++;
    }
    return (struct table_span){.tables = set->tables + begin, .count = end - begin};
}

static bool range_has(const struct table_range *range, struct slice key)
{
    return slice_compare(range->key_min, key) <= 0 && slice_compare(key, range->key_max) <= 0;
}

/* The index of the next table whose range holds key, or SIZE_MAX. */
static size_t walk_next(const struct table_set *set, struct table_set_walk *walk, struct slice key)
{
    while (walk->level == 0) {
        size_t i = walk->index++;

        if (i >= set->first[1]) {
            walk->level = 1;
        } else if (range_has(&set->ranges[i], key)) {
            return i;
        }
    }
    while (walk->level < TABLE_LEVELS) {
        uint32_t level = walk->level++;
        size_t i = first_reaching(set, level, key);

        if (i < set->first[level + 1] && slice_compare(set->ranges[i].key_min, key) <= 0) {
            return i;
        }
    }
    return SIZE_MAX;
}

struct table *table_set_walk_next(const struct table_set *set, struct table_set_walk *walk,
                                  struct slice key)
{
    size_t i = walk_next(set, walk, key);

    return i != SIZE_MAX ? set->tables[i] : NULL;
}

int table_set_get(const struct table_set *set, struct slice key, uint64_t at_seq,
                  struct table_hit *out, struct error *err)
{
    uint64_t hash = table_key_hash(key);
    struct table_set_walk walk = {0};
    size_t i;

    while ((i = walk_next(set, &walk, key)) != SIZE_MAX) {
        struct table_hit hit;
        int rc;

        if (set->ranges[i].seq_min > at_seq) {
            continue;
        }
        rc = table_get(set->tables[i], key, hash, at_seq, &hit, err);
        if (rc < 0) {
            return rc;
        }
        if (hit.found) {
            *out = hit;
            return BLOCKDB_OK;
        }
    }
    *out = (struct table_hit){.found = false};
    return BLOCKDB_OK;
}

/* ---- Cursors --------------------------------------------------------------------------------- */

size_t table_set_source_count(const struct table_set *set)
{
    size_t count = set->first[1];
    uint32_t level;

    for (level = 1; level < TABLE_LEVELS; level++) {
        count += set->first[level + 1] > set->first[level];
    }
    return count;
}

int table_set_cursors(const struct table_set *set, const struct table_cursor_options *options,
                      struct cursor **out, struct error *err)
{
    size_t count = 0;
    uint32_t level = 1;
    int rc = BLOCKDB_OK;

    while (rc == BLOCKDB_OK && count < set->first[1]) {
        rc = table_cursor_new(set->tables[count], options, &out[count], err);
        count += rc == BLOCKDB_OK;
    }
    for (; rc == BLOCKDB_OK && level < TABLE_LEVELS; level++) {
        struct table_span span = table_set_level(set, level);

        if (span.count > 0) {
            rc = run_cursor_new(span.tables, span.count, options, &out[count], err);
            count += rc == BLOCKDB_OK;
        }
    }
    while (rc < 0 && count > 0) {
        cursor_free(out[--count]);
    }
    return rc;
}
