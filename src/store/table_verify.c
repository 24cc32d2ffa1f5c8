/* SPDX-License-Identifier: Apache-2.0 */
/* Walks over pages of a table in the order of the file and checks that all fits together. */
#include "base/mem.h"
#include "store/table_verify_priv.h"

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

/* Many keys at once, so that threads seldom wait for each other. */
static void add_to_filter(struct table_verifier *v)
{
    size_t i;

    mutex_lock(&v->whole->mu);
    for (i = 0; i < v->hash_count; i++) {
        filter_add(&v->whole->filter, v->hashes[i]);
    }
    mutex_unlock(&v->whole->mu);
    v->hash_count = 0;
}

static int check_item(struct table_verifier *v, struct error *err)
{
    struct table_item decoded;
    struct item item;
    int rc;

    table_item_decode(&v->it.page, v->it.body, &decoded);
    see_item(&v->seen.facts, &decoded);
    v->hashes[v->hash_count++] = table_key_hash(keyed_iter_key(&v->it));
    if (v->hash_count == TABLE_VERIFIER_HASHES) {
        add_to_filter(v);
    }
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

int table_verifier_partition(struct table_verifier *v, uint32_t i, struct error *err)
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
    add_to_filter(v);
    v->seen.index_partitions++;
    v->seen.index_bytes += handle.len + TABLE_TRAILER_BYTES;
    return rc;
}
