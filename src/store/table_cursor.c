/* SPDX-License-Identifier: Apache-2.0 */
/* Walks the items of one table in both directions. */
#include "base/assert.h"
#include "base/mem.h"
#include "store/table_priv.h"

struct table_cursor {
    struct cursor base;
    struct table *table;
    struct table_window data_window;
    struct table_window index_window; /* holds nothing: partitions stand behind what they name, so
                                         reading on from one would read all data twice */
    uint32_t top_at;                  /* the partition at hand, in the top index */
    uint32_t partition_at;            /* the data page at hand, in the partition */
    struct page *partition;           /* NULL when none is loaded; a reference, as data */
    struct page *data;
    struct keyed_iter it; /* over data */
    struct item item;
};

static struct table_cursor *self(struct cursor *c)
{
    return (struct table_cursor *)c;
}

/* ---- Loading pages -------------------------------------------------------------------------- */

static int acquire(struct table_cursor *c, struct table_handle handle, enum table_page_kind kind,
                   struct page **slot, struct error *err)
{
    struct table_window *window = kind == TABLE_PAGE_DATA ? &c->data_window : &c->index_window;
    struct page *page;
    int rc;

    if (*slot != NULL && (*slot)->offset == handle.offset) {
        return BLOCKDB_OK;
    }
    rc = table_page_acquire(c->table, handle, kind, window, &page, err);
    if (rc < 0) {
        return rc;
    }
    page_unref(*slot);
    *slot = page;
    return BLOCKDB_OK;
}

/* On none, keeping the pages for the next seek. */
static void leave(struct table_cursor *c)
{
    c->it.at = NULL;
}

/* Loads the i-th partition; i is in the top index. */
static int load_partition(struct table_cursor *c, uint32_t i, struct error *err)
{
    c->top_at = i;
    return acquire(c, keyed_page_handle_at(&c->table->top, i), TABLE_PAGE_PARTITION, &c->partition,
                   err);
}

static uint32_t partition_count(const struct table_cursor *c)
{
    return keyed_page_of(page_slice(c->partition)).entry_count;
}

/* Loads the i-th data page of the partition at hand; the iterator stands on none. */
static int load_data(struct table_cursor *c, uint32_t i, struct error *err)
{
    struct keyed_page view = keyed_page_of(page_slice(c->partition));
    int rc;

    c->partition_at = i;
    leave(c);
    rc = acquire(c, keyed_page_handle_at(&view, i), TABLE_PAGE_DATA, &c->data, err);
    if (rc < 0) {
        return rc;
    }
    keyed_iter_init(&c->it, page_slice(c->data));
    return BLOCKDB_OK;
}

/* Loads the data page after the one at hand; *out_found false when there is none. */
static int load_next_data(struct table_cursor *c, bool *out_found, struct error *err)
{
    int rc;

    *out_found = true;
    if (c->partition_at + 1 < partition_count(c)) {
        return load_data(c, c->partition_at + 1, err);
    }
    *out_found = c->top_at + 1 < c->table->top.entry_count;
    if (!*out_found) {
        return BLOCKDB_OK;
    }
    rc = load_partition(c, c->top_at + 1, err);
    return rc < 0 ? rc : load_data(c, 0, err);
}

static int load_previous_data(struct table_cursor *c, bool *out_found, struct error *err)
{
    int rc;

    *out_found = true;
    if (c->partition_at > 0) {
        return load_data(c, c->partition_at - 1, err);
    }
    *out_found = c->top_at > 0;
    if (!*out_found) {
        return BLOCKDB_OK;
    }
    rc = load_partition(c, c->top_at - 1, err);
    return rc < 0 ? rc : load_data(c, partition_count(c) - 1, err);
}

/* Loads the data page that key belongs to; *out_found false when key is above all. */
static int load_page_of(struct table_cursor *c, struct slice key, bool *out_found,
                        struct error *err)
{
    uint32_t i = keyed_page_rank(&c->table->top, key, false);
    struct keyed_page view;
    int rc;

    *out_found = i < c->table->top.entry_count;
    if (!*out_found) {
        return BLOCKDB_OK;
    }
    rc = load_partition(c, i, err);
    if (rc < 0) {
        return rc;
    }
    view = keyed_page_of(page_slice(c->partition));
    i = keyed_page_rank(&view, key, false);
    if (i == view.entry_count) {
        return table_corrupt(c->table, c->partition->offset,
                             "the partition ends before its separator", err);
    }
    return load_data(c, i, err);
}

/* ---- Moving --------------------------------------------------------------------------------- */

/* Decodes the item the iterator stands on, if any, and ends a move. */
static int settle(struct table_cursor *c, int rc)
{
    struct table_item decoded;

    if (rc < 0) {
        leave(c);
        return rc;
    }
    if (!keyed_iter_valid(&c->it)) {
        return BLOCKDB_OK;
    }
    table_item_decode(&c->it.page, c->it.body, &decoded);
    c->item = (struct item){
        .key = keyed_iter_key(&c->it),
        .seq = decoded.seq,
        .time_ms = decoded.time_ms,
        .value_len = decoded.value_len,
        .kind = decoded.kind,
        .value_inline = decoded.value_inline,
        .value = decoded.value,
        .older = table_older_list(c->table, &c->it.page, &decoded),
    };
    return BLOCKDB_OK;
}

/* When the iterator left its page behind its end, goes to the first key of the next one. */
static int pass_end(struct table_cursor *c, struct error *err)
{
    bool found;
    int rc;

    if (keyed_iter_valid(&c->it)) {
        return BLOCKDB_OK;
    }
    rc = load_next_data(c, &found, err);
    if (rc == BLOCKDB_OK && found) {
        keyed_iter_first(&c->it);
    }
    return rc;
}

static int pass_begin(struct table_cursor *c, struct error *err)
{
    bool found;
    int rc;

    if (keyed_iter_valid(&c->it)) {
        return BLOCKDB_OK;
    }
    rc = load_previous_data(c, &found, err);
    if (rc == BLOCKDB_OK && found) {
        keyed_iter_last(&c->it);
    }
    return rc;
}

static int to_first(struct table_cursor *c, struct error *err)
{
    int rc = load_partition(c, 0, err);

    if (rc == BLOCKDB_OK) {
        rc = load_data(c, 0, err);
    }
    if (rc == BLOCKDB_OK) {
        keyed_iter_first(&c->it);
    }
    return rc;
}

static int to_last(struct table_cursor *c, struct error *err)
{
    int rc = load_partition(c, c->table->top.entry_count - 1, err);

    if (rc == BLOCKDB_OK) {
        rc = load_data(c, partition_count(c) - 1, err);
    }
    if (rc == BLOCKDB_OK) {
        keyed_iter_last(&c->it);
    }
    return rc;
}

static int cursor_to_first(struct cursor *base, struct error *err)
{
    return settle(self(base), to_first(self(base), err));
}

static int cursor_to_last(struct cursor *base, struct error *err)
{
    return settle(self(base), to_last(self(base), err));
}

static int cursor_to_key(struct cursor *base, struct slice key, struct error *err)
{
    struct table_cursor *c = self(base);
    bool found;
    int rc;

    leave(c);
    rc = load_page_of(c, key, &found, err);
    if (rc == BLOCKDB_OK && found) {
        keyed_iter_seek(&c->it, key);
        rc = pass_end(c, err); /* key may be above the page's last key, up to its separator */
    }
    return settle(c, rc);
}

static int cursor_to_before(struct cursor *base, struct slice key, struct error *err)
{
    struct table_cursor *c = self(base);
    bool found;
    int rc;

    leave(c);
    rc = load_page_of(c, key, &found, err);
    if (rc == BLOCKDB_OK && !found) {
        rc = to_last(c, err);
    } else if (rc == BLOCKDB_OK) {
        keyed_iter_seek_before(&c->it, key);
        rc = pass_begin(c, err);
    }
    return settle(c, rc);
}

static int cursor_to_next(struct cursor *base, struct error *err)
{
    struct table_cursor *c = self(base);

    ASSERT(keyed_iter_valid(&c->it));
    keyed_iter_next(&c->it);
    return settle(c, pass_end(c, err));
}

static int cursor_to_previous(struct cursor *base, struct error *err)
{
    struct table_cursor *c = self(base);

    ASSERT(keyed_iter_valid(&c->it));
    keyed_iter_prev(&c->it);
    return settle(c, pass_begin(c, err));
}

static bool cursor_is_valid(const struct cursor *base)
{
    return keyed_iter_valid(&((const struct table_cursor *)base)->it);
}

static const struct item *cursor_get_item(const struct cursor *base)
{
    const struct table_cursor *c = (const struct table_cursor *)base;

    ASSERT(keyed_iter_valid(&c->it));
    return &c->item;
}

/* ---- Making and freeing --------------------------------------------------------------------- */

static void cursor_release(struct cursor *base)
{
    struct table_cursor *c = self(base);

    page_unref(c->partition);
    page_unref(c->data);
    table_window_deinit(&c->data_window);
    table_unref(c->table);
    mem_free(c);
}

static const struct cursor_ops table_cursor_ops = {
    .seek_first = cursor_to_first,
    .seek_last = cursor_to_last,
    .seek = cursor_to_key,
    .seek_before = cursor_to_before,
    .next = cursor_to_next,
    .prev = cursor_to_previous,
    .valid = cursor_is_valid,
    .item = cursor_get_item,
    .free = cursor_release,
};

int table_cursor_new(struct table *table, const struct table_cursor_options *options,
                     struct cursor **out, struct error *err)
{
    static const struct table_cursor_options defaults = {0};
    const struct table_cursor_options *o = options != NULL ? options : &defaults;
    struct table_cursor *c = mem_alloc(sizeof(*c));

    if (c == NULL) {
        return error_set_no_memory(err);
    }
    c->base.ops = &table_cursor_ops;
    c->partition = NULL;
    c->data = NULL;
    c->it.at = NULL;
    if (table_window_init(&c->data_window, o->readahead_bytes) < 0) {
        mem_free(c);
        return error_set_no_memory(err);
    }
    c->data_window.fills_cache = !o->bypass_cache;
    c->index_window = (struct table_window){.fills_cache = !o->bypass_cache};
    c->table = table_ref(table);
    *out = &c->base;
    return BLOCKDB_OK;
}
