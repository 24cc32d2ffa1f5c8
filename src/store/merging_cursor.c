/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The source that comes first, `lead`, stands outside the heap of the others. A step moves the lead
 * and compares it with the root; only when another one takes over is the heap touched. Sources that
 * stand on the same key are taken out of the heap into `group`, newest first, until the next step.
 */
#include "store/merging_cursor.h"

#include "base/assert.h"
#include "base/mem.h"

struct source {
    struct cursor *cursor;
    struct slice key; /* where it stands; borrowed from cursor */
    size_t age;       /* its place in the order given, 0 is the newest */
};

struct merging_cursor {
    struct cursor base;
    uint64_t limit_seq;
    bool valid;
    bool backward; /* of the last move */
    size_t source_count;
    struct source *sources;
    struct source **heap; /* source_count places, heap_count used */
    size_t heap_count;
    struct source *lead;   /* NULL: no source has more */
    struct source **group; /* others on the key of lead */
    size_t group_count;
    struct item item;
    struct version_chain chain;
    struct buf turn_key; /* where the direction changed */
};

/* ---- Heap ------------------------------------------------------------------------------------ */

/* Order of two keys in the direction of the move. */
static int key_order(const struct merging_cursor *m, const struct source *a, const struct source *b)
{
    int order = slice_compare(a->key, b->key);

    return m->backward ? -order : order;
}

static bool comes_before(const struct merging_cursor *m, const struct source *a,
                         const struct source *b)
{
    int order = key_order(m, a, b);

    return order < 0 || (order == 0 && a->age < b->age);
}

/* Lets the source at i sink to its place. */
static void sift_down(struct merging_cursor *m, size_t i)
{
    struct source *s = m->heap[i];

    for (;;) {
        size_t child = 2 * i + 1;

        if (child >= m->heap_count) {
            break;
        }
        if (child + 1 < m->heap_count && comes_before(m, m->heap[child + 1], m->heap[child])) {
            child++;
        }
        if (!comes_before(m, m->heap[child], s)) {
            break;
        }
        m->heap[i] = m->heap[child];
        i = child;
    }
    m->heap[i] = s;
}

static void push(struct merging_cursor *m, struct source *s)
{
    size_t i = m->heap_count++;

    while (i > 0 && comes_before(m, s, m->heap[(i - 1) / 2])) {
        m->heap[i] = m->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    m->heap[i] = s;
}

static struct source *pop(struct merging_cursor *m)
{
    struct source *root = m->heap[0];

    m->heap[0] = m->heap[--m->heap_count];
    if (m->heap_count > 0) {
        sift_down(m, 0);
    }
    return root;
}

/* ---- The current key ------------------------------------------------------------------------- */

/* Moves a source on; false when it has no more, or in *rc when it failed. */
static bool advance(struct merging_cursor *m, struct source *s, int *rc, struct error *err)
{
    *rc = m->backward ? cursor_prev(s->cursor, err) : cursor_next(s->cursor, err);
    if (*rc < 0 || !cursor_valid(s->cursor)) {
        return false;
    }
    s->key = cursor_item(s->cursor)->key;
    return true;
}

/* Takes out of the heap all that stand where the lead stands. */
static void collect_group(struct merging_cursor *m)
{
    while (m->heap_count > 0 && slice_equal(m->heap[0]->key, m->lead->key)) {
        m->group[m->group_count++] = pop(m);
    }
}

/* Moves the lead and its group on, and finds the next lead and group. */
static int step(struct merging_cursor *m, struct error *err)
{
    int rc;

    while (m->group_count > 0) {
        struct source *s = m->group[m->group_count - 1];

        if (advance(m, s, &rc, err)) {
            push(m, s);
        } else if (rc < 0) {
            return rc;
        }
        m->group_count--;
    }
    if (!advance(m, m->lead, &rc, err)) {
        m->lead = NULL;
        if (rc < 0) {
            return rc;
        }
        if (m->heap_count > 0) {
            m->lead = pop(m);
            collect_group(m);
        }
        return BLOCKDB_OK;
    }
    if (m->heap_count > 0) {
        int order = key_order(m, m->lead, m->heap[0]);

        if (order < 0) {
            return BLOCKDB_OK;
        }
        if (order > 0 || m->heap[0]->age < m->lead->age) {
            struct source *old = m->lead;

            m->lead = m->heap[0];
            m->heap[0] = old;
            sift_down(m, 0);
        }
        collect_group(m);
    }
    return BLOCKDB_OK;
}

/* The source at place i of those on the current key, newest first. */
static const struct item *group_item(const struct merging_cursor *m, size_t i)
{
    return cursor_item(i == 0 ? m->lead->cursor : m->group[i - 1]->cursor);
}

/* All versions of the key in one item. */
static int join_group(struct merging_cursor *m, struct error *err)
{
    size_t i;

    m->item = *group_item(m, 0);
    for (i = 1; i <= m->group_count; i++) {
        if (item_merge(&m->item, group_item(m, i), &m->chain, &m->item) < 0) {
            return error_set_no_memory(err);
        }
    }
    return BLOCKDB_OK;
}

/* The newest version at or below the limit; ENOTFOUND when there is none. */
static int resolve_group(struct merging_cursor *m, struct error *err)
{
    size_t i;

    for (i = 0; i <= m->group_count; i++) {
        const struct item *item = group_item(m, i);
        uint64_t seq;
        int rc;

        if (item->seq <= m->limit_seq) {
            m->item = *item;
            m->item.older = version_list_empty();
            return BLOCKDB_OK;
        }
        rc = version_list_find(&item->older, m->limit_seq, &seq, err);
        if (rc == BLOCKDB_OK) {
            m->item = (struct item){.key = item->key, .seq = seq};
            return BLOCKDB_OK;
        }
        if (rc != BLOCKDB_ENOTFOUND) {
            return rc;
        }
    }
    return BLOCKDB_ENOTFOUND;
}

/* Makes the item of the current key, or goes on to the first key that has one. */
static int settle(struct merging_cursor *m, struct error *err)
{
    int rc = BLOCKDB_OK;

    while (rc == BLOCKDB_OK && m->lead != NULL) {
        rc = m->limit_seq == VERSIONS_ALL ? join_group(m, err) : resolve_group(m, err);
        if (rc == BLOCKDB_OK) {
            m->valid = true;
            return BLOCKDB_OK;
        }
        if (rc == BLOCKDB_ENOTFOUND) {
            rc = step(m, err);
        }
    }
    return rc;
}

/* ---- Seeking --------------------------------------------------------------------------------- */

enum target {
    TARGET_FIRST,
    TARGET_LAST,
    TARGET_AT_OR_AFTER,
    TARGET_AFTER,
    TARGET_BEFORE,
};

static int seek_source(struct cursor *c, enum target target, struct slice key, struct error *err)
{
    int rc = BLOCKDB_OK;

    switch (target) {
    case TARGET_FIRST:
        return cursor_seek_first(c, err);
    case TARGET_LAST:
        return cursor_seek_last(c, err);
    case TARGET_AT_OR_AFTER:
        return cursor_seek(c, key, err);
    case TARGET_AFTER:
        rc = cursor_seek(c, key, err);
        if (rc == BLOCKDB_OK && cursor_valid(c) && slice_equal(cursor_item(c)->key, key)) {
            rc = cursor_next(c, err);
        }
        return rc;
    case TARGET_BEFORE:
        return cursor_seek_before(c, key, err);
    }
    return rc;
}

static int seek_all(struct merging_cursor *m, enum target target, struct slice key,
                    struct error *err)
{
    size_t i;

    m->valid = false;
    m->backward = target == TARGET_LAST || target == TARGET_BEFORE;
    m->lead = NULL;
    m->heap_count = 0;
    m->group_count = 0;
    for (i = 0; i < m->source_count; i++) {
        struct source *s = &m->sources[i];
        int rc = seek_source(s->cursor, target, key, err);

        if (rc < 0) {
            return rc;
        }
        if (cursor_valid(s->cursor)) {
            s->key = cursor_item(s->cursor)->key;
            push(m, s);
        }
    }
    if (m->heap_count > 0) {
        m->lead = pop(m);
        collect_group(m);
    }
    return settle(m, err);
}

/* Goes on in the direction that the last move did not have. */
static int turn(struct merging_cursor *m, enum target target, struct error *err)
{
    m->valid = false;
    buf_reset(&m->turn_key);
    if (buf_append_slice(&m->turn_key, m->item.key) < 0) {
        return error_set_no_memory(err);
    }
    return seek_all(m, target, buf_slice(&m->turn_key), err);
}

/* ---- The cursor ------------------------------------------------------------------------------ */

static struct merging_cursor *self(struct cursor *base)
{
    return (struct merging_cursor *)base;
}

static int merging_seek_first(struct cursor *base, struct error *err)
{
    return seek_all(self(base), TARGET_FIRST, slice_of(NULL, 0), err);
}

static int merging_seek_last(struct cursor *base, struct error *err)
{
    return seek_all(self(base), TARGET_LAST, slice_of(NULL, 0), err);
}

static int merging_seek(struct cursor *base, struct slice key, struct error *err)
{
    return seek_all(self(base), TARGET_AT_OR_AFTER, key, err);
}

static int merging_seek_before(struct cursor *base, struct slice key, struct error *err)
{
    return seek_all(self(base), TARGET_BEFORE, key, err);
}

static int move(struct merging_cursor *m, bool backward, struct error *err)
{
    int rc;

    ASSERT(m->valid);
    if (m->backward != backward) {
        return turn(m, backward ? TARGET_BEFORE : TARGET_AFTER, err);
    }
    m->valid = false;
    rc = step(m, err);
    return rc < 0 ? rc : settle(m, err);
}

static int merging_next(struct cursor *base, struct error *err)
{
    return move(self(base), false, err);
}

static int merging_prev(struct cursor *base, struct error *err)
{
    return move(self(base), true, err);
}

static bool merging_valid(const struct cursor *base)
{
    return ((const struct merging_cursor *)base)->valid;
}

static const struct item *merging_item(const struct cursor *base)
{
    return &((const struct merging_cursor *)base)->item;
}

static void free_arrays(struct merging_cursor *m)
{
    mem_free(m->sources);
    mem_free(m->heap);
    mem_free(m->group);
    mem_free(m);
}

static void merging_free(struct cursor *base)
{
    struct merging_cursor *m = self(base);
    size_t i;

    for (i = 0; i < m->source_count; i++) {
        cursor_free(m->sources[i].cursor);
    }
    version_chain_deinit(&m->chain);
    buf_deinit(&m->turn_key);
    free_arrays(m);
}

static const struct cursor_ops merging_ops = {
    .seek_first = merging_seek_first,
    .seek_last = merging_seek_last,
    .seek = merging_seek,
    .seek_before = merging_seek_before,
    .next = merging_next,
    .prev = merging_prev,
    .valid = merging_valid,
    .item = merging_item,
    .free = merging_free,
};

int merging_cursor_new(struct cursor *const *sources, size_t count, uint64_t limit_seq,
                       struct cursor **out_cursor)
{
    struct merging_cursor *m = mem_calloc(1, sizeof(*m));
    size_t i;

    if (m == NULL) {
        return BLOCKDB_ENOMEM;
    }
    m->base.ops = &merging_ops;
    m->limit_seq = limit_seq;
    m->sources = mem_calloc(count, sizeof(*m->sources));
    m->heap = mem_calloc(count, sizeof(struct source *));
    m->group = mem_calloc(count, sizeof(struct source *));
    if (m->sources == NULL || m->heap == NULL || m->group == NULL) {
        free_arrays(m);
        return BLOCKDB_ENOMEM;
    }
    m->source_count = count;
    for (i = 0; i < count; i++) {
        m->sources[i] = (struct source){.cursor = sources[i], .age = i};
    }
    *out_cursor = &m->base;
    return BLOCKDB_OK;
}
