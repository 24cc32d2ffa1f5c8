/* SPDX-License-Identifier: Apache-2.0 */
/* A run as a cursor: the table it stands in has a cursor of its own, the others are closed. */
#include "base/assert.h"
#include "base/mem.h"
#include "store/table_set.h"

struct run_cursor {
    struct cursor base;
    struct table_cursor_options options;
    struct cursor *inner; /* over tables[at]; NULL: on none */
    size_t at;
    size_t count;
    struct table *tables[];
};

static struct run_cursor *self(struct cursor *base)
{
    return (struct run_cursor *)base;
}

static void leave(struct run_cursor *c)
{
    cursor_free(c->inner);
    c->inner = NULL;
}

/* Opens table i, unpositioned, unless the cursor is there already. */
static int enter(struct run_cursor *c, size_t i, struct error *err)
{
    int rc;

    if (c->inner != NULL && c->at == i) {
        return BLOCKDB_OK;
    }
    leave(c);
    rc = table_cursor_new(c->tables[i], &c->options, &c->inner, err);
    if (rc < 0) {
        c->inner = NULL;
        return rc;
    }
    c->at = i;
    return BLOCKDB_OK;
}

/* Where there is no item left in the table, goes to the first one of the next tables. */
static int settle_forward(struct run_cursor *c, struct error *err)
{
    int rc = BLOCKDB_OK;

    while (rc == BLOCKDB_OK && !cursor_valid(c->inner)) {
        if (c->at + 1 == c->count) {
            leave(c);
            return BLOCKDB_OK;
        }
        rc = enter(c, c->at + 1, err);
        if (rc == BLOCKDB_OK) {
            rc = cursor_seek_first(c->inner, err);
        }
    }
    return rc;
}

static int settle_backward(struct run_cursor *c, struct error *err)
{
    int rc = BLOCKDB_OK;

    while (rc == BLOCKDB_OK && !cursor_valid(c->inner)) {
        if (c->at == 0) {
            leave(c);
            return BLOCKDB_OK;
        }
        rc = enter(c, c->at - 1, err);
        if (rc == BLOCKDB_OK) {
            rc = cursor_seek_last(c->inner, err);
        }
    }
    return rc;
}

/* CUR-3: a failed move leaves the cursor on none. */
static int done(struct run_cursor *c, int rc)
{
    if (rc < 0) {
        leave(c);
    }
    return rc;
}

static int run_seek_first(struct cursor *base, struct error *err)
{
    struct run_cursor *c = self(base);
    int rc = enter(c, 0, err);

    if (rc == BLOCKDB_OK) {
        rc = cursor_seek_first(c->inner, err);
    }
    return done(c, rc == BLOCKDB_OK ? settle_forward(c, err) : rc);
}

static int run_seek_last(struct cursor *base, struct error *err)
{
    struct run_cursor *c = self(base);
    int rc = enter(c, c->count - 1, err);

    if (rc == BLOCKDB_OK) {
        rc = cursor_seek_last(c->inner, err);
    }
    return done(c, rc == BLOCKDB_OK ? settle_backward(c, err) : rc);
}

/* The number of tables whose keys are all below key. */
static size_t tables_below(const struct run_cursor *c, struct slice key)
{
    size_t low = 0;
    size_t high = c->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (slice_compare(buf_slice(&table_facts(c->tables[middle])->key_max), key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static int run_seek(struct cursor *base, struct slice key, struct error *err)
{
    struct run_cursor *c = self(base);
    size_t i = tables_below(c, key);
    int rc;

    if (i == c->count) {
        leave(c);
        return BLOCKDB_OK;
    }
    rc = enter(c, i, err);
    if (rc == BLOCKDB_OK) {
        rc = cursor_seek(c->inner, key, err);
    }
    return done(c, rc == BLOCKDB_OK ? settle_forward(c, err) : rc);
}

static int run_seek_before(struct cursor *base, struct slice key, struct error *err)
{
    struct run_cursor *c = self(base);
    size_t i = tables_below(c, key);
    int rc;

    rc = enter(c, i < c->count ? i : c->count - 1, err);
    if (rc == BLOCKDB_OK) {
        rc = cursor_seek_before(c->inner, key, err);
    }
    return done(c, rc == BLOCKDB_OK ? settle_backward(c, err) : rc);
}

static int run_next(struct cursor *base, struct error *err)
{
    struct run_cursor *c = self(base);
    int rc = cursor_next(c->inner, err);

    return done(c, rc == BLOCKDB_OK ? settle_forward(c, err) : rc);
}

static int run_prev(struct cursor *base, struct error *err)
{
    struct run_cursor *c = self(base);
    int rc = cursor_prev(c->inner, err);

    return done(c, rc == BLOCKDB_OK ? settle_backward(c, err) : rc);
}

static bool run_valid(const struct cursor *base)
{
    return ((const struct run_cursor *)base)->inner != NULL;
}

static const struct item *run_item(const struct cursor *base)
{
    return cursor_item(((const struct run_cursor *)base)->inner);
}

static void run_free(struct cursor *base)
{
    struct run_cursor *c = self(base);
    size_t i;

    leave(c);
    for (i = 0; i < c->count; i++) {
        table_unref(c->tables[i]);
    }
    mem_free(c);
}

static const struct cursor_ops run_cursor_ops = {
    .seek_first = run_seek_first,
    .seek_last = run_seek_last,
    .seek = run_seek,
    .seek_before = run_seek_before,
    .next = run_next,
    .prev = run_prev,
    .valid = run_valid,
    .item = run_item,
    .free = run_free,
};

int run_cursor_new(struct table *const *tables, size_t count,
                   const struct table_cursor_options *options, struct cursor **out,
                   struct error *err)
{
    struct run_cursor *c;
    size_t i;

    ASSERT(count > 0);
    c = mem_calloc(1, sizeof(*c) + count * sizeof(struct table *));
    if (c == NULL) {
        return error_set_no_memory(err);
    }
    c->base.ops = &run_cursor_ops;
    if (options != NULL) {
        c->options = *options;
    }
    c->count = count;
    for (i = 0; i < count; i++) {
        c->tables[i] = table_ref(tables[i]);
    }
    *out = &c->base;
    return BLOCKDB_OK;
}
