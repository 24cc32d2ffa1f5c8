/* SPDX-License-Identifier: Apache-2.0 */
/* The older seqs of a table's items: version pages and directories as version lists. */
#include "base/mem.h"
#include "store/table_priv.h"

#include <inttypes.h>

/*
 * A list of either kind: source is the table, arg[0] the offset of the version page or directory,
 * arg[1] its stored length and, shifted by 32, the position in it, arg[2] the seq above the first.
 * State of both: pointer[0] is the version page being walked (a reference), number[0] the position
 * in it, number[1] the seq before, number[2] how many seqs are left in it. Of a directory also:
 * pointer[1] is its page (a reference), pointer[2] the next row, as an address in the page.
 */

static const struct version_ops shared_ops;
static const struct version_ops directory_ops;

struct version_list table_older_list(const struct table *t, const struct keyed_page *page,
                                     const struct table_item *item)
{
    struct version_list list = {.count = item->older_count, .source = t};
    struct table_handle handle;

    if (item->older == TABLE_OLDER_NONE) {
        return version_list_empty();
    }
    if (item->older == TABLE_OLDER_BESIDE) {
        return version_list_of_deltas(item->run, item->older_count, item->seq);
    }
    handle = keyed_page_link(page, item->link);
    list.ops = item->older == TABLE_OLDER_PAGE ? &shared_ops : &directory_ops;
    list.arg[0] = handle.offset;
    list.arg[1] = handle.len | (uint64_t)item->position << 32;
    list.arg[2] = item->seq;
    return list;
}

static const struct table *table_of(const struct version_cursor *c)
{
    return c->list.source;
}

static struct table_handle handle_of(const struct version_cursor *c)
{
    return (struct table_handle){.offset = c->list.arg[0], .len = (uint32_t)c->list.arg[1]};
}

static struct page *held_page(const struct version_cursor *c, unsigned i)
{
    return (struct page *)(uintptr_t)c->state.pointer[i];
}

static int damaged(const struct version_cursor *c, uint64_t offset, struct error *err)
{
    return table_corrupt(table_of(c), offset, "a list of older versions contradicts itself", err);
}

static void release(struct version_cursor *c)
{
    page_unref(held_page(c, 0));
    page_unref(held_page(c, 1));
    c->state = (struct version_state){0};
}

/* ---- Runs ----------------------------------------------------------------------------------- */

/* Gives the next seq of the run in pointer[0]; ENOTFOUND at its end. */
static int run_next(struct version_cursor *c, uint64_t *out_seq, struct error *err)
{
    struct version_state *s = &c->state;
    const struct page *page = held_page(c, 0);
    struct reader r;
    uint64_t delta;

    if (s->number[2] == 0) {
        return BLOCKDB_ENOTFOUND;
    }
    r = reader_of(slice_of(page->data + s->number[0], page->len - s->number[0]));
    delta = reader_varint(&r);
    if (!reader_ok(&r) || delta >= s->number[1]) {
        return damaged(c, page->offset, err);
    }
    s->number[0] = (uint64_t)(r.at - page->data);
    s->number[1] -= delta + 1;
    s->number[2]--;
    *out_seq = s->number[1];
    return BLOCKDB_OK;
}

/* Goes on in the run until the next seq is below the bound, or to its end. */
static int run_skip(struct version_cursor *c, uint64_t before_seq, struct error *err)
{
    while (before_seq != VERSIONS_ALL) {
        struct version_state here = c->state;
        uint64_t seq = 0;
        int rc = run_next(c, &seq, err);

        if (rc == BLOCKDB_ENOTFOUND) {
            break;
        }
        if (rc < 0) {
            return rc;
        }
        if (seq < before_seq) {
            c->state = here;
            break;
        }
    }
    return BLOCKDB_OK;
}

/* ---- A run in a shared page ----------------------------------------------------------------- */

static int shared_seek(struct version_cursor *c, uint64_t before_seq, struct error *err)
{
    struct page *page = held_page(c, 0);
    uint64_t position = c->list.arg[1] >> 32;

    if (page == NULL) {
        int rc = table_page_acquire(table_of(c), handle_of(c), TABLE_PAGE_VERSIONS, NULL, &page,
                                    err);

        if (rc < 0) {
            return rc;
        }
        c->state.pointer[0] = page;
    }
    if (position >= page->len) {
        return damaged(c, page->offset, err);
    }
    c->state.number[0] = position;
    c->state.number[1] = c->list.arg[2];
    c->state.number[2] = c->list.count;
    return run_skip(c, before_seq, err);
}

static const struct version_ops shared_ops = {
    .seek = shared_seek, .next = run_next, .release = release};

/* ---- Runs under a directory ----------------------------------------------------------------- */

static uint64_t row_first(const struct page *directory, size_t row)
{
    return get_le64(directory->data + row * TABLE_DIRECTORY_ROW_BYTES);
}

/* How many rows have a first seq that is not below the bound; those stand in front. */
static size_t rows_not_below(const struct page *directory, uint64_t before_seq)
{
    size_t low = 0;
    size_t high = directory->len / TABLE_DIRECTORY_ROW_BYTES;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (row_first(directory, middle) >= before_seq) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static void set_row(struct version_cursor *c, size_t row)
{
    c->state.pointer[2] = held_page(c, 1)->data + row * TABLE_DIRECTORY_ROW_BYTES;
}

/* Loads the page of the next row, standing behind its first seq. */
static int open_row(struct version_cursor *c, uint64_t *out_first, struct error *err)
{
    const struct page *directory = held_page(c, 1);
    const uint8_t *at = c->state.pointer[2];
    struct reader r = {.at = at, .end = directory->data + directory->len};
    uint64_t first = reader_le64(&r);
    struct table_handle handle = {.offset = reader_le64(&r), .len = reader_le32(&r)};
    uint32_t count = reader_le32(&r);
    struct page *page;
    int rc;

    if (!reader_ok(&r)) {
        return BLOCKDB_ENOTFOUND;
    }
    if (count < 1 || first >= c->state.number[1]) {
        return damaged(c, directory->offset, err);
    }
    rc = table_page_acquire(table_of(c), handle, TABLE_PAGE_VERSIONS, NULL, &page, err);
    if (rc < 0) {
        return rc;
    }
    page_unref(held_page(c, 0));
    c->state.pointer[0] = page;
    c->state.pointer[2] = r.at;
    c->state.number[0] = 0;
    c->state.number[1] = first;
    c->state.number[2] = count - 1;
    *out_first = first;
    return BLOCKDB_OK;
}

static int directory_next(struct version_cursor *c, uint64_t *out_seq, struct error *err)
{
    int rc = run_next(c, out_seq, err);

    return rc == BLOCKDB_ENOTFOUND ? open_row(c, out_seq, err) : rc;
}

static int directory_seek(struct version_cursor *c, uint64_t before_seq, struct error *err)
{
    struct page *directory = held_page(c, 1);
    uint64_t first;
    size_t row;
    int rc;

    if (directory == NULL) {
        rc = table_page_acquire(table_of(c), handle_of(c), TABLE_PAGE_DIRECTORY, NULL, &directory,
                                err);
        if (rc < 0) {
            return rc;
        }
        c->state.pointer[1] = directory;
    }
    c->state.number[1] = c->list.arg[2];
    c->state.number[2] = 0;
    row = before_seq == VERSIONS_ALL ? 0 : rows_not_below(directory, before_seq);
    if (row == 0) {
        set_row(c, 0);
        return BLOCKDB_OK;
    }
    /* The row before may have seqs below the bound behind its first. */
    set_row(c, row - 1);
    rc = open_row(c, &first, err);
    return rc < 0 ? rc : run_skip(c, before_seq, err);
}

static const struct version_ops directory_ops = {
    .seek = directory_seek, .next = directory_next, .release = release};

/* ---- All seqs of one key -------------------------------------------------------------------- */

/* What a cursor of table_versions() holds. */
struct key_versions {
    struct table *table;
    struct page *page; /* where the item and what stands beside it are */
    uint64_t newest;
    bool newest_left; /* it is still to be given */
    struct version_list older;
    struct version_cursor cursor;
};

static struct key_versions *key_versions_of(const struct version_cursor *c)
{
    return (struct key_versions *)(uintptr_t)c->list.source;
}

static int key_seek(struct version_cursor *c, uint64_t before_seq, struct error *err)
{
    struct key_versions *v = key_versions_of(c);

    v->newest_left = before_seq == VERSIONS_ALL || v->newest < before_seq;
    version_cursor_deinit(&v->cursor);
    return version_cursor_init(&v->cursor, &v->older, before_seq, err);
}

static int key_next(struct version_cursor *c, uint64_t *out_seq, struct error *err)
{
    struct key_versions *v = key_versions_of(c);

    if (v->newest_left) {
        v->newest_left = false;
        *out_seq = v->newest;
        return BLOCKDB_OK;
    }
    return version_cursor_next(&v->cursor, out_seq, err);
}

static void key_release(struct version_cursor *c)
{
    struct key_versions *v = key_versions_of(c);

    version_cursor_deinit(&v->cursor);
    page_unref(v->page);
    table_unref(v->table);
    mem_free(v);
}

static const struct version_ops key_ops = {
    .seek = key_seek, .next = key_next, .release = key_release};

/* Finds the key and holds its page; *out_page is NULL when the key is not there. */
static int find_and_hold(struct table *table, struct slice key, struct page **out_page,
                         struct slice *out_body, struct error *err)
{
    int rc;

    epoch_enter(table->options.epoch);
    rc = table_find(table, key, out_page, out_body, err);
    if (rc == BLOCKDB_OK && *out_page != NULL) {
        (void)page_ref(*out_page);
    }
    epoch_leave(table->options.epoch);
    return rc;
}

int table_versions(struct table *table, struct slice key, uint64_t before_seq,
                   struct version_cursor *out, struct error *err)
{
    struct version_list list = {.ops = &key_ops};
    AUTO(mem_free_ptr) struct key_versions *v = mem_calloc(1, sizeof(*v));
    struct table_item item;
    struct keyed_page view;
    struct page *page;
    struct slice body;
    int rc;

    if (v == NULL) {
        return error_set_no_memory(err);
    }
    rc = find_and_hold(table, key, &page, &body, err);
    if (rc < 0) {
        return rc;
    }
    if (page == NULL) {
        *out = (struct version_cursor){.before_seq = before_seq};
        return BLOCKDB_OK;
    }
    view = keyed_page_of(page_slice(page));
    table_item_decode(&view, body, &item);
    v->table = table_ref(table);
    v->page = page;
    v->newest = item.seq;
    v->older = table_older_list(table, &view, &item);
    list.source = v;
    list.count = item.older_count + 1;
    v = NULL; /* the cursor releases it, also when its start fails */
    return version_cursor_init(out, &list, before_seq, err);
}
