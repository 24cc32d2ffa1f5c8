/* SPDX-License-Identifier: Apache-2.0 */
#include "store/table.h"

#include "base/assert.h"
#include "base/mem.h"
#include "base/thread_index.h"
#include "store/filter.h"
#include "store/table_priv.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#define STRIPES 32
#define CACHE_LINE 64

/* ---- Counters ------------------------------------------------------------------------------- */

struct stripe {
    atomic_uint_fast64_t negatives;
    atomic_uint_fast64_t positives;
    atomic_uint_fast64_t false_positives;
} __attribute__((aligned(CACHE_LINE)));

struct table_counters {
    struct stripe stripes[STRIPES];
};

struct table_counters *table_counters_new(void)
{
    struct table_counters *counters = mem_alloc_aligned(CACHE_LINE, sizeof(*counters));

    if (counters != NULL) {
        memset(counters, 0, sizeof(*counters));
    }
    return counters;
}

void table_counters_free(struct table_counters *counters)
{
    mem_free(counters);
}

void table_counters_get(const struct table_counters *counters, struct table_counters_values *out)
{
    struct table_counters_values sum = {0};
    unsigned i;

    for (i = 0; i < STRIPES; i++) {
        const struct stripe *s = &counters->stripes[i];

        sum.filter_negatives += atomic_load_explicit(&s->negatives, memory_order_relaxed);
        sum.filter_checks += atomic_load_explicit(&s->positives, memory_order_relaxed);
        sum.filter_false_positives += atomic_load_explicit(&s->false_positives,
                                                           memory_order_relaxed);
    }
    sum.filter_checks += sum.filter_negatives;
    *out = sum;
}

static void count(atomic_uint_fast64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* ---- Opening and closing -------------------------------------------------------------------- */

void table_facts_deinit(struct table_facts *facts)
{
    buf_deinit(&facts->key_min);
    buf_deinit(&facts->key_max);
}

void table_name(uint64_t file_number, char *out)
{
    (void)snprintf(out, TABLE_NAME_MAX, "%06" PRIu64 ".sst", file_number);
}

static void table_free(struct table *t)
{
    file_close(t->file);
    page_unref(t->top_page);
    table_facts_deinit(&t->properties.facts);
    mem_free(t);
}

static void table_free_ptr(struct table **t)
{
    if (*t != NULL) {
        table_free(*t);
    }
}

/* Reads a fixed structure, whatever the alignment asked for. */
static int read_fixed(const struct table *t, uint8_t out[TABLE_HEADER_BYTES], uint64_t offset,
                      struct error *err)
{
    AUTO(mem_free_ptr) uint8_t *aligned = NULL;
    uint64_t start = offset / OS_DIRECT_ALIGN * OS_DIRECT_ALIGN;
    size_t len = 2 * (size_t)OS_DIRECT_ALIGN; /* it may lie across a border */
    size_t got;
    int rc;

    if (!t->options.direct_io) {
        return file_pread_full(t->file, out, TABLE_HEADER_BYTES, offset, err);
    }
    aligned = mem_alloc_aligned(OS_DIRECT_ALIGN, len);
    if (aligned == NULL) {
        return error_set_no_memory(err);
    }
    rc = file_pread(t->file, aligned, len, start, &got, err);
    if (rc < 0) {
        return rc;
    }
    if (got < offset - start + TABLE_HEADER_BYTES) {
        return table_corrupt(t, offset, "the file ends before it", err);
    }
    memcpy(out, aligned + (offset - start), TABLE_HEADER_BYTES);
    return BLOCKDB_OK;
}

int table_read_frame(const struct table *t, struct table_footer *out, struct error *err)
{
    uint8_t bytes[TABLE_HEADER_BYTES];
    int rc;

    static_assert(TABLE_HEADER_BYTES == TABLE_FOOTER_BYTES, "read_fixed() reads both");
    rc = read_fixed(t, bytes, 0, err);
    if (rc == BLOCKDB_OK) {
        rc = table_header_decode(bytes, t->options.ledger_id, t->file_number, t->file->path, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = read_fixed(t, bytes, t->file_bytes - TABLE_FOOTER_BYTES, err);
    }
    if (rc < 0) {
        return rc;
    }
    return table_footer_decode(bytes, t->file_bytes, t->file_seed, t->file->path, out, err);
}

static int load_frame(struct table *t, struct error *err)
{
    struct os_stat stat;
    int rc = file_stat(t->file, &stat, err);

    if (rc < 0) {
        return rc;
    }
    if (stat.len_bytes < TABLE_HEADER_BYTES + TABLE_FOOTER_BYTES) {
        return error_set(err, BLOCKDB_ECORRUPT,
                         "table '%s' has %" PRIu64
                         " bytes: it is cut short; restore it from a backup",
                         t->file->path, stat.len_bytes);
    }
    t->file_bytes = stat.len_bytes;
    return table_read_frame(t, &t->footer, err);
}

static int load_properties(struct table *t, struct error *err)
{
    struct table_place place = {.path = t->file->path, .offset = t->footer.properties.offset};
    AUTO(page_unref_ptr) struct page *page = NULL;
    int rc = table_page_load(t, t->footer.properties, TABLE_PAGE_PROPERTIES, NULL, &page, err);

    if (rc == BLOCKDB_OK) {
        rc = table_properties_decode(page_slice(page), &place, &t->properties, err);
    }
    if (rc < 0) {
        return rc;
    }
    t->properties.facts.file_bytes = t->file_bytes;
    if (t->properties.facts.file_number != t->file_number ||
        memcmp(t->properties.ledger_id, t->options.ledger_id, TABLE_LEDGER_ID_LEN) != 0) {
        return table_corrupt(t, place.offset, "the properties are of another table", err);
    }
    return BLOCKDB_OK;
}

static int load_top_index(struct table *t, struct error *err)
{
    struct slice last;
    int rc = table_page_load(t, t->footer.top_index, TABLE_PAGE_TOP_INDEX, NULL, &t->top_page, err);

    if (rc < 0) {
        return rc;
    }
    t->top = keyed_page_of(page_slice(t->top_page));
    last = keyed_page_key_at(&t->top, t->top.entry_count - 1);
    if (keyed_page_check_order(page_slice(t->top_page)) < 0 ||
        !slice_equal(last, buf_slice(&t->properties.facts.key_max))) {
        return table_corrupt(t, t->footer.top_index.offset,
                             "the top index contradicts itself or the highest key", err);
    }
    return BLOCKDB_OK;
}

int table_open(const struct table_options *options, const char *path, uint64_t file_number,
               struct table **out, struct error *err)
{
    AUTO(table_free_ptr) struct table *t = mem_calloc(1, sizeof(*t));
    unsigned flags = OS_READ | (options->direct_io ? (unsigned)OS_DIRECT : 0);
    int rc;

    if (t == NULL) {
        return error_set_no_memory(err);
    }
    atomic_init(&t->refs, 1);
    t->options = *options;
    t->file_number = file_number;
    t->file_seed = table_file_seed(options->ledger_id, file_number);
    rc = os_open(options->os, path, flags, &t->file, err);
    if (rc == BLOCKDB_OK) {
        rc = load_frame(t, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = load_properties(t, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = load_top_index(t, err);
    }
    if (rc < 0) {
        return rc;
    }
    *out = TAKE(t);
    return BLOCKDB_OK;
}

struct table *table_ref(struct table *table)
{
    atomic_fetch_add_explicit(&table->refs, 1, memory_order_relaxed);
    return table;
}

void table_unref(struct table *table)
{
    if (table == NULL || atomic_fetch_sub_explicit(&table->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    table_free(table);
}

void table_unref_ptr(struct table **table)
{
    table_unref(*table);
}

/* ---- Facts ---------------------------------------------------------------------------------- */

const struct table_facts *table_facts(const struct table *table)
{
    return &table->properties.facts;
}

const char *table_path(const struct table *table)
{
    return table->file->path;
}

void table_inspect(const struct table *table, struct table_info *out)
{
    const struct table_properties *p = &table->properties;

    *out = (struct table_info){
        .format_version = TABLE_FORMAT_VERSION,
        .codec = (enum codec)p->codec,
        .page_bytes = p->page_target,
        .index_bytes = p->index_target,
        .filter_bits_per_key = p->filter_bits_per_key,
        .data_pages = p->data_pages,
        .version_pages = p->version_pages,
        .index_partitions = p->index_partitions,
        .data_bytes = p->data_bytes,
        .version_bytes = p->version_bytes,
        .index_bytes_total = p->index_bytes + table->footer.top_index.len + TABLE_TRAILER_BYTES,
        .resident_bytes = sizeof(*table) + page_charge(table->top_page->len),
    };
    if (p->filter_lines > 0) {
        out->filter_units = (p->filter_lines + p->filter_unit_lines - 1) / p->filter_unit_lines;
        out->filter_bytes = p->filter_lines * FILTER_LINE_BYTES +
                            out->filter_units * TABLE_TRAILER_BYTES;
    }
}

int table_range_bytes(struct table *table, struct slice start, struct slice end,
                      uint64_t *out_bytes, struct error *err)
{
    const struct keyed_page *top = &table->top;
    uint32_t from = keyed_page_rank(top, start, false);
    uint32_t to = end.len > 0 ? keyed_page_rank(top, end, false) : top->entry_count - 1;
    uint64_t low;
    uint64_t high;

    (void)err;
    if (from >= top->entry_count) {
        *out_bytes = 0;
        return BLOCKDB_OK;
    }
    to = to < top->entry_count ? to : top->entry_count - 1;
    /* Data pages stand before the partition that names them, behind the partition before. */
    low = from > 0 ? keyed_page_handle_at(top, from - 1).offset : TABLE_HEADER_BYTES;
    high = keyed_page_handle_at(top, to).offset;
    *out_bytes = high > low ? high - low : 0;
    return BLOCKDB_OK;
}

/* ---- Lookups -------------------------------------------------------------------------------- */

/* Asks the filter whether key may be there. */
static int filter_allows(const struct table *t, uint64_t hash, bool *out, struct error *err)
{
    const struct table_properties *p = &t->properties;
    uint64_t line = filter_line(hash, p->filter_lines);
    struct table_handle unit = table_filter_unit(t, line);
    struct page *page;
    int rc = table_page_borrow(t, unit, TABLE_PAGE_FILTER, &page, err);

    if (rc < 0) {
        return rc;
    }
    if (page->len != unit.len) {
        return table_corrupt(t, unit.offset, "the filter has another length there", err);
    }
    *out = filter_line_has(page->data + line % p->filter_unit_lines * FILTER_LINE_BYTES, hash,
                           p->filter_probes);
    return BLOCKDB_OK;
}

int table_find(const struct table *t, struct slice key, struct page **out_page,
               struct slice *out_body, struct error *err)
{
    uint32_t i = keyed_page_rank(&t->top, key, false);
    struct table_handle handle;
    struct keyed_page view;
    struct page *page;
    int rc;

    *out_page = NULL;
    if (i == t->top.entry_count) {
        return BLOCKDB_OK;
    }
    handle = keyed_page_handle_at(&t->top, i);
    rc = table_page_borrow(t, handle, TABLE_PAGE_PARTITION, &page, err);
    if (rc < 0) {
        return rc;
    }
    view = keyed_page_of(page_slice(page));
    i = keyed_page_rank(&view, key, false);
    if (i == view.entry_count) {
        return table_corrupt(t, handle.offset, "the partition ends before its separator", err);
    }
    rc = table_page_borrow(t, keyed_page_handle_at(&view, i), TABLE_PAGE_DATA, &page, err);
    if (rc < 0) {
        return rc;
    }
    view = keyed_page_of(page_slice(page));
    if (keyed_page_find(&view, key, out_body)) {
        *out_page = page;
    }
    return BLOCKDB_OK;
}

/* Fills out from an item, or from its older seqs when the item is above at_seq. */
static int fill_hit(const struct table *t, const struct keyed_page *page, struct slice body,
                    uint64_t at_seq, struct table_hit *out, struct error *err)
{
    struct version_list older;
    struct table_item item;
    uint64_t seq = 0;
    int rc;

    table_item_decode(page, body, &item);
    if (item.seq <= at_seq) { /* BLOCKDB_SEQ_NONE is above all */
        *out = (struct table_hit){
            .found = true,
            .newest = true,
            .value_inline = item.value_inline,
            .kind = item.kind,
            .value_len = item.value_len,
            .seq = item.seq,
            .time_ms = item.time_ms,
            .value = item.value,
        };
        return BLOCKDB_OK;
    }
    older = table_older_list(t, page, &item);
    rc = version_list_find(&older, at_seq, &seq, err);
    if (rc < 0 && rc != BLOCKDB_ENOTFOUND) {
        return rc;
    }
    *out = (struct table_hit){.found = rc == BLOCKDB_OK, .seq = seq};
    return BLOCKDB_OK;
}

int table_get(struct table *table, struct slice key, uint64_t hash, uint64_t at_seq,
              struct table_hit *out, struct error *err)
{
    struct stripe *stripe = NULL;
    struct keyed_page view;
    struct page *page;
    struct slice body;
    int rc;

    if (table->properties.filter_lines > 0) {
        bool allowed = true;

        rc = filter_allows(table, hash, &allowed, err);
        if (rc < 0) {
            return rc;
        }
        if (table->options.counters != NULL) {
            stripe = &table->options.counters->stripes[thread_index() % STRIPES];
            count(allowed ? &stripe->positives : &stripe->negatives);
        }
        if (!allowed) {
            *out = (struct table_hit){0};
            return BLOCKDB_OK;
        }
    }
    rc = table_find(table, key, &page, &body, err);
    if (rc < 0) {
        return rc;
    }
    if (page == NULL) {
        if (stripe != NULL) {
            count(&stripe->false_positives);
        }
        *out = (struct table_hit){0};
        return BLOCKDB_OK;
    }
    view = keyed_page_of(page_slice(page));
    return fill_hit(table, &view, body, at_seq, out, err);
}
