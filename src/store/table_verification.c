/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verification of a table in parts: a part is a run of partitions of the index with their data
 * pages. The top index tells where each begins and which separator stands before it, so parts need
 * nothing of each other; what they saw is added up for the end.
 */
#include "base/mem.h"
#include "store/table_verify_priv.h"

#define WINDOW_BYTES ((size_t)1 << 20)
#define PART_PARTITIONS 8

/* ---- Filter --------------------------------------------------------------------------------- */

/* Makes an empty filter of the stored one's shape, once it is known to fit the file. */
static int prepare_filter(struct table_verification *v, struct error *err)
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

int table_check_filter(struct table *table, struct error *err)
{
    const struct table_properties *p = &table->properties;
    AUTO(table_window_deinit) struct table_window window = {0};
    uint64_t line;
    int rc = BLOCKDB_OK;

    if (p->filter_lines > 0 && table_window_init(&window, WINDOW_BYTES) < 0) {
        return error_set_no_memory(err);
    }
    for (line = 0; rc == BLOCKDB_OK && line < p->filter_lines; line += p->filter_unit_lines) {
        AUTO(page_unref_ptr) struct page *page = NULL;
        struct table_handle unit = table_filter_unit(table, line);

        rc = table_page_load(table, unit, TABLE_PAGE_FILTER, &window, &page, err);
        if (rc == BLOCKDB_OK && page->len != unit.len) {
            rc = table_corrupt(table, unit.offset, "it is not of the length of its place", err);
        }
    }
    return rc;
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
            memcmp(page->data, v->whole->filter.lines + line * FILTER_LINE_BYTES, page->len) != 0) {
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
    if (!counts_agree(&v->t->properties, &v->whole->seen)) {
        return table_corrupt(v->t, footer.properties.offset,
                             "the properties are not those of the content", err);
    }
    return BLOCKDB_OK;
}

/* The highest key is the last of the last data page. */
static int check_highest(struct table_verifier *v, struct error *err)
{
    keyed_iter_last(&v->it);
    return slice_equal(keyed_iter_key(&v->it), buf_slice(&v->t->properties.facts.key_max))
               ? BLOCKDB_OK
               : table_corrupt(v->t, v->data->offset,
                               "the highest key is not that of the properties", err);
}

/* ---- Parts ----------------------------------------------------------------------------------- */

static void verifier_deinit(struct table_verifier *v)
{
    page_unref(v->partition);
    page_unref(v->data);
    page_unref(v->shared);
    table_window_deinit(&v->window);
    buf_deinit(&v->separator);
}

/* A verifier that goes on behind partition number `first` - 1. */
static int verifier_init(struct table_verifier *v, struct table_verification *whole, uint32_t first,
                         struct error *err)
{
    const struct table *t = whole->t;
    struct table_verifier made = {
        .whole = whole,
        .t = t,
        .expect = TABLE_HEADER_BYTES,
        .seen.facts = {.seq_min = UINT64_MAX, .time_min_ms = UINT64_MAX},
    };

    if (first > 0) {
        struct table_handle before = keyed_page_handle_at(&t->top, first - 1);

        made.expect = before.offset + before.len + TABLE_TRAILER_BYTES;
        if (buf_append_slice(&made.separator, keyed_page_key_at(&t->top, first - 1)) < 0) {
            return error_set_no_memory(err);
        }
    }
    if (table_window_init(&made.window, WINDOW_BYTES) < 0) {
        verifier_deinit(&made);
        return error_set_no_memory(err);
    }
    *v = made;
    return BLOCKDB_OK;
}

static uint64_t lower(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t higher(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* Adds what a part saw to what all saw. */
static void add_seen(struct table_verification *v, const struct table_properties *part)
{
    struct table_properties *all = &v->seen;

    mutex_lock(&v->mu);
    all->facts.key_count += part->facts.key_count;
    all->facts.version_count += part->facts.version_count;
    all->facts.delete_count += part->facts.delete_count;
    all->facts.inline_count += part->facts.inline_count;
    all->facts.raw_bytes += part->facts.raw_bytes;
    all->facts.seq_min = lower(all->facts.seq_min, part->facts.seq_min);
    all->facts.seq_max = higher(all->facts.seq_max, part->facts.seq_max);
    all->facts.time_min_ms = lower(all->facts.time_min_ms, part->facts.time_min_ms);
    all->facts.time_max_ms = higher(all->facts.time_max_ms, part->facts.time_max_ms);
    all->data_pages += part->data_pages;
    all->data_bytes += part->data_bytes;
    all->version_pages += part->version_pages;
    all->version_bytes += part->version_bytes;
    all->index_partitions += part->index_partitions;
    all->index_bytes += part->index_bytes;
    mutex_unlock(&v->mu);
}

uint32_t table_verification_parts(const struct table *table)
{
    return (table->top.entry_count + PART_PARTITIONS - 1) / PART_PARTITIONS;
}

int table_verification_part(struct table_verification *v, uint32_t part, table_visit_fn visit,
                            void *arg, struct error *err)
{
    AUTO(verifier_deinit) struct table_verifier verifier = {0};
    uint32_t count = v->t->top.entry_count;
    uint32_t i = part * PART_PARTITIONS;
    uint32_t end = count - i < PART_PARTITIONS ? count : i + PART_PARTITIONS;
    int rc = verifier_init(&verifier, v, i, err);

    verifier.visit = visit;
    verifier.arg = arg;
    for (; rc == BLOCKDB_OK && i < end; i++) {
        rc = table_verifier_partition(&verifier, i, err);
    }
    if (rc == BLOCKDB_OK && end == count) {
        rc = check_highest(&verifier, err);
    }
    if (rc == BLOCKDB_OK) {
        add_seen(v, &verifier.seen);
    }
    return rc;
}

/* ---- The whole ------------------------------------------------------------------------------- */

int table_verification_new(struct table *table, struct table_verification **out, struct error *err)
{
    struct table_verification *v = mem_calloc(1, sizeof(*v));
    int rc;

    if (v == NULL) {
        return error_set_no_memory(err);
    }
    v->t = table;
    v->seen.facts.seq_min = UINT64_MAX;
    v->seen.facts.time_min_ms = UINT64_MAX;
    mutex_init(&v->mu, LOCK_RANK_TABLE);
    rc = prepare_filter(v, err);
    if (rc < 0) {
        table_verification_free(v);
        return rc;
    }
    *out = v;
    return BLOCKDB_OK;
}

void table_verification_free(struct table_verification *v)
{
    if (v != NULL) {
        filter_deinit(&v->filter);
        mutex_deinit(&v->mu);
        mem_free(v);
    }
}

static void free_ptr(struct table_verification **v)
{
    table_verification_free(*v);
}

int table_verification_end(struct table_verification *v, struct error *err)
{
    AUTO(verifier_deinit) struct table_verifier verifier = {0};
    int rc = verifier_init(&verifier, v, v->t->top.entry_count, err);

    if (rc == BLOCKDB_OK) {
        rc = check_filter(&verifier, err);
    }
    return rc == BLOCKDB_OK ? check_tail(&verifier, err) : rc;
}

int table_verify(struct table *table, table_visit_fn visit, void *arg, struct error *err)
{
    AUTO(free_ptr) struct table_verification *v = NULL;
    uint32_t part;
    int rc = table_verification_new(table, &v, err);

    for (part = 0; rc == BLOCKDB_OK && part < table_verification_parts(table); part++) {
        rc = table_verification_part(v, part, visit, arg, err);
    }
    return rc == BLOCKDB_OK ? table_verification_end(v, err) : rc;
}
