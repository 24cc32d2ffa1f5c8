/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a whole table and checks that all of it fits together. */
#include "base/mem.h"
#include "store/table_verify_priv.h"

#define WINDOW_BYTES ((size_t)1 << 20)

/* ---- Pages in the order of the file --------------------------------------------------------- */

int table_verifier_pass(struct table_verifier *v, struct table_handle handle, struct error *err)
{
    if (handle.offset != v->expect) {
        return table_corrupt(v->t, handle.offset, "it is not where the page before it ends", err);
    }
    v->expect = handle.offset + handle.len + TABLE_TRAILER_BYTES;
    return BLOCKDB_OK;
}

int table_verifier_take(struct table_verifier *v, struct table_handle handle,
                        enum table_page_kind kind, struct page **out, struct error *err)
{
    int rc = table_verifier_pass(v, handle, err);

    return rc < 0 ? rc : table_page_load(v->t, handle, kind, &v->window, out, err);
}

/* ---- Items ---------------------------------------------------------------------------------- */

static void see_item(struct table_facts *f, const struct table_item *item)
{
    f->key_count++;
    f->version_count++;
    f->delete_count += item->kind == BLOCKDB_KIND_DELETE;
    f->inline_count += item->value_inline;
    f->seq_min = item->seq < f->seq_min ? item->seq : f->seq_min;
    f->seq_max = item->seq > f->seq_max ? item->seq : f->seq_max;
    f->time_min_ms = item->time_ms < f->time_min_ms ? item->time_ms : f->time_min_ms;
    f->time_max_ms = item->time_ms > f->time_max_ms ? item->time_ms : f->time_max_ms;
}

static int check_item(struct table_verifier *v, struct error *err)
{
    struct table_item decoded;
    struct item item;
    int rc;

    table_item_decode(&v->it.page, v->it.body, &decoded);
    see_item(&v->seen.facts, &decoded);
    filter_add(&v->filter, table_key_hash(keyed_iter_key(&v->it)));
    rc = table_verifier_older(v, &decoded, err);
    if (rc < 0 || v->visit == NULL) {
        return rc;
    }
    item = (struct item){
        .key = keyed_iter_key(&v->it),
        .seq = decoded.seq,
        .time_ms = decoded.time_ms,
        .value_len = decoded.value_len,
        .kind = decoded.kind,
        .value_inline = decoded.value_inline,
        .value = decoded.value,
        .older = table_older_list(v->t, &v->it.page, &decoded),
    };
    return v->visit(v->arg, &item, err);
}

/* Checks the keys of the data page against the separators on both sides. */
static int check_borders(struct table_verifier *v, struct slice separator, struct error *err)
{
    int rc = BLOCKDB_OK;

    keyed_iter_first(&v->it);
    if (v->separator.len > 0 &&
        slice_compare(buf_slice(&v->separator), keyed_iter_key(&v->it)) >= 0) {
        rc = table_corrupt(v->t, v->data->offset, "its first key is not above the page before",
                           err);
    }
    if (v->separator.len == 0 &&
        !slice_equal(keyed_iter_key(&v->it), buf_slice(&v->t->properties.facts.key_min))) {
        rc = table_corrupt(v->t, v->data->offset, "the lowest key is not that of the properties",
                           err);
    }
    keyed_iter_last(&v->it);
    if (rc == BLOCKDB_OK && slice_compare(keyed_iter_key(&v->it), separator) > 0) {
        rc = table_corrupt(v->t, v->data->offset, "its last key is above its index entry", err);
    }
    buf_reset(&v->separator);
    if (rc == BLOCKDB_OK && buf_append_slice(&v->separator, separator) < 0) {
        rc = error_set_no_memory(err);
    }
    return rc;
}

static int check_data(struct table_verifier *v, struct slice separator, struct table_handle handle,
                      struct error *err)
{
    int rc;

    /* Its links stand before it, so it is loaded ahead of its turn. */
    page_unref(TAKE(v->data));
    rc = table_page_load(v->t, handle, TABLE_PAGE_DATA, &v->window, &v->data, err);
    if (rc < 0) {
        return rc;
    }
    if (keyed_page_check_order(page_slice(v->data)) < 0) {
        return table_corrupt(v->t, handle.offset, "its keys are not in order", err);
    }
    keyed_iter_init(&v->it, page_slice(v->data));
    rc = check_borders(v, separator, err);
    keyed_iter_first(&v->it);
    while (rc == BLOCKDB_OK && keyed_iter_valid(&v->it)) {
        rc = check_item(v, err);
        keyed_iter_next(&v->it);
    }
    if (rc == BLOCKDB_OK) {
        rc = table_verifier_end_links(v, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = table_verifier_pass(v, handle, err);
    }
    v->seen.data_pages++;
    v->seen.data_bytes += handle.len + TABLE_TRAILER_BYTES;
    v->seen.facts.raw_bytes += v->data->len;
    return rc;
}

/* ---- Index ---------------------------------------------------------------------------------- */

static int check_partition(struct table_verifier *v, uint32_t i, struct error *err)
{
    struct table_handle handle = keyed_page_handle_at(&v->t->top, i);
    struct keyed_page view;
    uint32_t j;
    int rc;

    page_unref(TAKE(v->partition));
    rc = table_page_load(v->t, handle, TABLE_PAGE_PARTITION, NULL, &v->partition, err);
    if (rc < 0) {
        return rc;
    }
    view = keyed_page_of(page_slice(v->partition));
    if (keyed_page_check_order(page_slice(v->partition)) < 0 ||
        !slice_equal(keyed_page_key_at(&view, view.entry_count - 1),
                     keyed_page_key_at(&v->t->top, i))) {
        return table_corrupt(v->t, handle.offset, "its separators are not in order", err);
    }
    for (j = 0; rc == BLOCKDB_OK && j < view.entry_count; j++) {
        rc = check_data(v, keyed_page_key_at(&view, j), keyed_page_handle_at(&view, j), err);
    }
    if (rc == BLOCKDB_OK) {
        rc = table_verifier_pass(v, handle, err);
    }
    v->seen.index_partitions++;
    v->seen.index_bytes += handle.len + TABLE_TRAILER_BYTES;
    return rc;
}

/* ---- Filter --------------------------------------------------------------------------------- */

/* Makes an empty filter of the stored one's shape, once it is known to fit the file. */
static int prepare_filter(struct table_verifier *v, struct error *err)
{
    const struct table_properties *p = &v->t->properties;

    if (p->filter_lines == 0) {
        return BLOCKDB_OK;
    }
    if (p->filter_lines > v->t->file_bytes / FILTER_LINE_BYTES) {
        return table_corrupt(v->t, p->filter_offset, "the filter is larger than the file", err);
    }
    v->filter.lines = mem_calloc(p->filter_lines, FILTER_LINE_BYTES);
    if (v->filter.lines == NULL) {
        return error_set_no_memory(err);
    }
    v->filter.line_count = p->filter_lines;
    v->filter.probes = p->filter_probes;
    return BLOCKDB_OK;
}

static int check_filter(struct table_verifier *v, struct error *err)
{
    const struct table_properties *p = &v->t->properties;
    uint64_t line;

    for (line = 0; line < p->filter_lines; line += p->filter_unit_lines) {
        AUTO(page_unref_ptr) struct page *page = NULL;
        struct table_handle unit = table_filter_unit(v->t, line);
        int rc = table_verifier_take(v, unit, TABLE_PAGE_FILTER, &page, err);

        if (rc < 0) {
            return rc;
        }
        if (page->len != unit.len ||
            memcmp(page->data, v->filter.lines + line * FILTER_LINE_BYTES, page->len) != 0) {
            return table_corrupt(v->t, unit.offset, "the filter is not that of the keys", err);
        }
    }
    return BLOCKDB_OK;
}

/* ---- The rest ------------------------------------------------------------------------------- */

static bool counts_agree(const struct table_properties *p, const struct table_properties *seen)
{
    const struct table_facts *a = &p->facts;
    const struct table_facts *b = &seen->facts;

    return a->key_count == b->key_count && a->version_count == b->version_count &&
           a->delete_count == b->delete_count && a->inline_count == b->inline_count &&
           a->seq_min == b->seq_min && a->seq_max == b->seq_max &&
           a->time_min_ms == b->time_min_ms && a->time_max_ms == b->time_max_ms &&
           a->raw_bytes == b->raw_bytes && p->data_pages == seen->data_pages &&
           p->version_pages == seen->version_pages &&
           p->index_partitions == seen->index_partitions && p->data_bytes == seen->data_bytes &&
           p->version_bytes == seen->version_bytes && p->index_bytes == seen->index_bytes;
}

/* Reads what table_open() read once more from the disk, and compares. */
static int check_tail(struct table_verifier *v, struct error *err)
{
    AUTO(page_unref_ptr) struct page *top = NULL;
    AUTO(page_unref_ptr) struct page *properties = NULL;
    struct table_footer footer;
    int rc = table_read_frame(v->t, &footer, err);

    if (rc == BLOCKDB_OK) {
        rc = table_verifier_take(v, footer.top_index, TABLE_PAGE_TOP_INDEX, &top, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = table_verifier_take(v, footer.properties, TABLE_PAGE_PROPERTIES, &properties, err);
    }
    if (rc < 0) {
        return rc;
    }
    if (!slice_equal(page_slice(top), page_slice(v->t->top_page)) ||
        v->expect + TABLE_FOOTER_BYTES != v->t->file_bytes) {
        return table_corrupt(v->t, footer.top_index.offset, "the end of the file has changed", err);
    }
    if (!counts_agree(&v->t->properties, &v->seen)) {
        return table_corrupt(v->t, footer.properties.offset,
                             "the properties are not those of the content", err);
    }
    return BLOCKDB_OK;
}

static int check_all(struct table_verifier *v, struct error *err)
{
    uint32_t i;
    int rc = prepare_filter(v, err);

    for (i = 0; rc == BLOCKDB_OK && i < v->t->top.entry_count; i++) {
        rc = check_partition(v, i, err);
    }
    if (rc == BLOCKDB_OK) {
        keyed_iter_last(&v->it); /* of the last page */
        if (!slice_equal(keyed_iter_key(&v->it), buf_slice(&v->t->properties.facts.key_max))) {
            rc = table_corrupt(v->t, v->data->offset,
                               "the highest key is not that of the properties", err);
        }
    }
    if (rc == BLOCKDB_OK) {
        rc = check_filter(v, err);
    }
    return rc == BLOCKDB_OK ? check_tail(v, err) : rc;
}

static void verifier_deinit(struct table_verifier *v)
{
    page_unref(v->partition);
    page_unref(v->data);
    page_unref(v->shared);
    table_window_deinit(&v->window);
    filter_deinit(&v->filter);
    buf_deinit(&v->separator);
}

int table_verify(struct table *table, table_visit_fn visit, void *arg, struct error *err)
{
    AUTO(verifier_deinit)
    struct table_verifier v = {
        .t = table,
        .visit = visit,
        .arg = arg,
        .expect = TABLE_HEADER_BYTES,
        .seen.facts = {.seq_min = UINT64_MAX, .time_min_ms = UINT64_MAX},
    };

    if (table_window_init(&v.window, WINDOW_BYTES) < 0) {
        return error_set_no_memory(err);
    }
    return check_all(&v, err);
}
