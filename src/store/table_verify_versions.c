/* SPDX-License-Identifier: Apache-2.0 */
/* The half of table_verify() that checks older seqs. */
#include "base/mem.h"
#include "store/table_verify_priv.h"

static void see_page(struct table_verifier *v, struct table_handle handle)
{
    v->seen.version_pages++;
    v->seen.version_bytes += handle.len + TABLE_TRAILER_BYTES;
}

static void see_seqs(struct table_verifier *v, uint64_t lowest, uint64_t count)
{
    struct table_facts *f = &v->seen.facts;

    f->version_count += count;
    f->seq_min = lowest < f->seq_min ? lowest : f->seq_min;
}

/* Takes count seqs of a run off r; *seq is the one above, then the lowest. */
static bool run_descends(struct reader *r, uint64_t count, uint64_t *seq)
{
    while (count-- > 0) {
        uint64_t delta = reader_varint(r);

        if (!reader_ok(r) || delta >= *seq) {
            return false;
        }
        *seq -= delta + 1;
    }
    return true;
}

static int check_beside(struct table_verifier *v, const struct table_item *item)
{
    struct reader r = reader_of(item->run);
    uint64_t seq = item->seq;

    if (!run_descends(&r, item->older_count, &seq) || !reader_done(&r)) {
        return BLOCKDB_ECORRUPT; /* cannot be: the page was checked when it was loaded */
    }
    see_seqs(v, seq, item->older_count);
    return BLOCKDB_OK;
}

static int end_shared(struct table_verifier *v, struct error *err)
{
    int rc = BLOCKDB_OK;

    if (v->shared != NULL && v->shared_at != v->shared->len) {
        rc = table_corrupt(v->t, v->shared->offset, "it has versions that no key names", err);
    }
    page_unref(v->shared);
    v->shared = NULL;
    return rc;
}

static int check_shared(struct table_verifier *v, const struct table_item *item, struct error *err)
{
    struct table_handle handle;
    struct reader r;
    uint64_t seq = item->seq;
    int rc;

    if (v->shared == NULL || item->link != v->shared_link) {
        rc = end_shared(v, err);
        if (rc < 0) {
            return rc;
        }
        if (item->link != v->link_next) {
            return table_corrupt(v->t, v->data->offset, "its links are not in order", err);
        }
        handle = keyed_page_link(&v->it.page, item->link);
        rc = table_verifier_take(v, handle, TABLE_PAGE_VERSIONS, &v->shared, err);
        if (rc < 0) {
            return rc;
        }
        see_page(v, handle);
        v->shared_link = v->link_next++;
        v->shared_at = 0;
    }
    if (item->position != v->shared_at) {
        return table_corrupt(v->t, v->data->offset,
                             "an item names the wrong place for its versions", err);
    }
    r = reader_of(slice_of(v->shared->data + v->shared_at, v->shared->len - v->shared_at));
    if (!run_descends(&r, item->older_count, &seq)) {
        return table_corrupt(v->t, v->shared->offset, "its versions do not descend", err);
    }
    v->shared_at = v->shared->len - reader_left(&r);
    see_seqs(v, seq, item->older_count);
    return BLOCKDB_OK;
}

/* Checks one version page of a directory; *seq is the seq above, then the lowest in it. */
static int check_row(struct table_verifier *v, struct reader *row, uint64_t *seq,
                     uint64_t *out_count, struct error *err)
{
    AUTO(page_unref_ptr) struct page *page = NULL;
    uint64_t first = reader_le64(row);
    struct table_handle handle = {.offset = reader_le64(row), .len = reader_le32(row)};
    uint32_t count = reader_le32(row);
    struct reader r;
    int rc;

    rc = table_verifier_take(v, handle, TABLE_PAGE_VERSIONS, &page, err);
    if (rc < 0) {
        return rc;
    }
    see_page(v, handle);
    r = reader_of(page_slice(page));
    if (count < 1 || first >= *seq) {
        return table_corrupt(v->t, page->offset, "its versions do not descend", err);
    }
    *seq = first;
    if (!run_descends(&r, count - 1, seq) || !reader_done(&r)) {
        return table_corrupt(v->t, page->offset, "its versions do not descend", err);
    }
    *out_count += count;
    return BLOCKDB_OK;
}

/* The pages of a directory stand before it, so it is loaded ahead of its turn. */
static int check_directory(struct table_verifier *v, const struct table_item *item,
                           struct error *err)
{
    AUTO(page_unref_ptr) struct page *directory = NULL;
    struct table_handle handle = keyed_page_link(&v->it.page, item->link);
    uint64_t count = 0;
    uint64_t seq = item->seq;
    struct reader rows;
    int rc = end_shared(v, err);

    if (rc == BLOCKDB_OK && item->link != v->link_next++) {
        rc = table_corrupt(v->t, v->data->offset, "its links are not in order", err);
    }
    if (rc == BLOCKDB_OK) {
        rc = table_page_load(v->t, handle, TABLE_PAGE_DIRECTORY, NULL, &directory, err);
    }
    if (rc < 0) {
        return rc;
    }
    rows = reader_of(page_slice(directory));
    while (rc == BLOCKDB_OK && reader_left(&rows) > 0) {
        rc = check_row(v, &rows, &seq, &count, err);
    }
    if (rc == BLOCKDB_OK) {
        see_page(v, handle);
        rc = table_verifier_pass(v, handle, err);
    }
    if (rc == BLOCKDB_OK && count != item->older_count) {
        rc = table_corrupt(v->t, handle.offset, "it has another number of versions than its item",
                           err);
    }
    see_seqs(v, seq, count);
    return rc;
}

int table_verifier_older(struct table_verifier *v, const struct table_item *item, struct error *err)
{
    switch ((enum table_older)item->older) {
    case TABLE_OLDER_NONE:
        return BLOCKDB_OK;
    case TABLE_OLDER_BESIDE:
        return check_beside(v, item) < 0
                   ? table_corrupt(v->t, v->data->offset, "versions do not descend", err)
                   : BLOCKDB_OK;
    case TABLE_OLDER_PAGE:
        return check_shared(v, item, err);
    case TABLE_OLDER_DIRECTORY:
        return check_directory(v, item, err);
    }
    return table_corrupt(v->t, v->data->offset, "an item is of an unknown shape", err);
}

int table_verifier_end_links(struct table_verifier *v, struct error *err)
{
    int rc = end_shared(v, err);

    if (rc == BLOCKDB_OK && v->link_next != v->it.page.link_count) {
        rc = table_corrupt(v->t, v->data->offset, "it has links that no key uses", err);
    }
    v->link_next = 0;
    return rc;
}
