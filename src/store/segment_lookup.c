/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lookups in one segment: the same binary search over chunks in memory and partitions on disk.
 */
#include "base/assert.h"
#include "base/mem.h"
#include "store/page.h"
#include "store/segment_file.h"

#include <inttypes.h>

/* One of the two indexes of a segment, as a reader found it; valid inside the epoch. */
struct index_view {
    const struct segment *segment;
    const struct segment_index *index; /* in memory, or NULL: in the file */
    const struct segment_top *top;     /* NULL while in memory */
    uint64_t count;                    /* entries */
    uint32_t entry_len;
    uint32_t per_chunk;
    bool of_pages;
};

static struct index_view view_of(const struct segment *segment, bool of_pages)
{
    const struct segment_active *active = atomic_load_explicit(&segment->active,
                                                               memory_order_acquire);
    struct index_view view = {
        .segment = segment,
        .entry_len = of_pages ? SEGMENT_PAGE_ENTRY_LEN : SEGMENT_BLOCK_ENTRY_LEN,
        .of_pages = of_pages,
    };

    view.per_chunk = SEGMENT_PARTITION_ROOM / view.entry_len;
    if (active != NULL) {
        view.index = of_pages ? &active->pages : &active->blocks;
        view.count = of_pages ? segment_index_count(view.index)
                              : atomic_load_explicit(&segment->end_height, memory_order_acquire) -
                                    segment->first_height;
    } else {
        view.top = atomic_load_explicit(&segment->top, memory_order_acquire);
        view.count = of_pages ? view.top->footer.page_count
                              : view.top->footer.end_height - view.top->footer.first_height;
    }
    return view;
}

static uint64_t chunk_count(const struct index_view *view)
{
    return (view->count + view->per_chunk - 1) / view->per_chunk;
}

static uint32_t entries_in(const struct index_view *view, uint64_t chunk)
{
    uint64_t left = view->count - chunk * view->per_chunk;

    return left < view->per_chunk ? (uint32_t)left : view->per_chunk;
}

/* Reads partition `chunk` into the index cache. */
static int load_partition(const struct index_view *view, uint64_t chunk, uint64_t offset,
                          const uint8_t **out, struct error *err)
{
    const struct segment *segment = view->segment;
    struct segment_place place = segment_place_at(segment, offset);
    AUTO(page_unref_ptr) struct page *page = page_new(segment->cache_file, offset, SEGMENT_UNIT);
    int rc;

    if (page == NULL) {
        return error_set_no_memory(err);
    }
    rc = segment_pread(segment, offset, page->data, SEGMENT_UNIT, err);
    if (rc == BLOCKDB_OK) {
        rc = segment_partition_check(page->data, entries_in(view, chunk), (uint32_t)chunk, &place,
                                     err);
    }
    if (rc < 0) {
        return rc;
    }
    *out = page->data;
    if (segment->env->index_cache != NULL) {
        cache_add(segment->env->index_cache, TAKE(page));
    } else {
        page_unref_later(TAKE(page), segment->env->epoch);
    }
    return BLOCKDB_OK;
}

/* Where a partition is in the file of a finished segment. */
static uint64_t chunk_offset(const struct index_view *view, uint64_t chunk)
{
    uint64_t offset = view->of_pages ? segment_page_index_offset(&view->top->footer)
                                     : segment_block_index_offset(&view->top->footer);

    return offset + chunk * SEGMENT_UNIT;
}

/* The bytes of one chunk, valid inside the epoch. */
static int get_chunk(const struct index_view *view, uint64_t chunk, const uint8_t **out,
                     struct error *err)
{
    struct cache *cache = view->segment->env->index_cache;
    struct page *page = NULL;
    uint64_t offset;

    if (view->index != NULL) {
        *out = segment_index_chunk(view->index, chunk);
        return BLOCKDB_OK;
    }
    offset = chunk_offset(view, chunk);
    if (cache != NULL) {
        page = cache_lookup(cache, view->segment->cache_file, offset);
    }
    if (page != NULL) {
        *out = page->data;
        return BLOCKDB_OK;
    }
    return load_partition(view, chunk, offset, out, err);
}

/* What entries are ordered by. */
enum key_kind {
    KEY_SEQ,  /* the seq minus the first seq of the segment */
    KEY_TIME, /* blocks only */
};

static uint64_t key_of_entry(const struct index_view *view, const uint8_t *entry,
                             enum key_kind kind)
{
    if (view->of_pages) {
        return segment_page_entry_decode(entry).seq_delta;
    }
    return kind == KEY_SEQ ? segment_block_entry_decode(entry).seq_delta
                           : segment_block_entry_decode(entry).time_min_ms;
}

/* The key of the first entry of a chunk, without reading from disk. */
static uint64_t key_of_chunk(const struct index_view *view, uint64_t chunk, enum key_kind kind)
{
    const uint8_t *top;

    if (view->index != NULL) {
        return key_of_entry(
            view, segment_index_chunk(view->index, chunk) + SEGMENT_PARTITION_HEAD_LEN, kind);
    }
    top = view->top->bytes;
    if (view->of_pages) {
        top += (uint64_t)view->top->footer.block_partitions * SEGMENT_TOP_BLOCK_LEN;
        return get_le32(top + chunk * SEGMENT_TOP_PAGE_LEN);
    }
    top += chunk * SEGMENT_TOP_BLOCK_LEN;
    return kind == KEY_SEQ ? get_le32(top + 8) : get_le64(top);
}

/* ECORRUPT: what the index says of entry i cannot be. Its checksum was right, so it was written so.
 */
static int bad_entry(const struct index_view *view, uint64_t i, struct error *err)
{
    return error_set(err, BLOCKDB_ECORRUPT,
                     "segment '%s': at offset %" PRIu64 ": entry %" PRIu64
                     " of the %s index is impossible; restore the file from a backup or another "
                     "node",
                     view->segment->path,
                     view->top != NULL ? chunk_offset(view, i / view->per_chunk) : 0, i,
                     view->of_pages ? "page" : "block");
}

/* A sorted row: the chunks of an index, or the entries of one chunk. */
struct row {
    const struct index_view *view;
    const uint8_t *entries; /* of the chunk; NULL: the row of chunks */
    uint64_t count;
    enum key_kind kind;
};

static uint64_t row_key(const struct row *row, uint64_t i)
{
    if (row->entries == NULL) {
        return key_of_chunk(row->view, i, row->kind);
    }
    return key_of_entry(row->view, row->entries + i * row->view->entry_len, row->kind);
}

/* The last place whose key is not above key; that of place 0 is not. Searches outwards from a
 * guess, in steps that double: a good guess costs two or three looks instead of one for each
 * halving. */
static uint64_t row_find(const struct row *row, uint64_t key, uint64_t guess)
{
    uint64_t low = 0;
    uint64_t high = row->count;
    uint64_t step = 1;

    if (guess >= high) {
        guess = high - 1;
    }
    if (row_key(row, guess) <= key) {
        low = guess;
        while (high - low > step && row_key(row, low + step) <= key) {
            low += step;
            step *= 2;
        }
        high = high - low > step ? low + step : high;
    } else {
        high = guess;
        while (high > step && row_key(row, high - step) > key) {
            high -= step;
            step *= 2;
        }
        low = high > step ? high - step : 0;
    }
    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;

        if (row_key(row, middle) <= key) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Where key would be among count places if keys between first and end were spread evenly. */
static uint64_t guess_of(uint64_t key, uint64_t first, uint64_t end, uint64_t count)
{
    if (key <= first || end <= first || end - first > UINT64_MAX / (count + 1)) {
        return 0;
    }
    return (key < end ? key - first : end - first) * count / (end - first);
}

/* The last entry whose key is not above `key`: its index and its bytes, valid inside the epoch.
 * ENOTFOUND without message when even the first is above. */
static int find_entry(const struct index_view *view, uint64_t key, enum key_kind kind,
                      uint64_t *out_i, const uint8_t **out_entry, struct error *err)
{
    struct row chunks = {.view = view, .count = chunk_count(view), .kind = kind};
    struct row entries = {.view = view, .kind = kind};
    uint64_t end = atomic_load_explicit(&view->segment->end_seq, memory_order_relaxed) -
                   view->segment->first_seq; /* of keys that are seqs */
    uint64_t chunk;
    uint64_t first;
    uint64_t i = 0;
    int rc;

    if (chunks.count == 0 || row_key(&chunks, 0) > key) {
        return BLOCKDB_ENOTFOUND;
    }
    chunk = row_find(&chunks, key, kind == KEY_SEQ ? guess_of(key, 0, end, chunks.count) : 0);
    rc = get_chunk(view, chunk, &entries.entries, err);
    if (rc < 0) {
        return rc;
    }
    entries.entries += SEGMENT_PARTITION_HEAD_LEN;
    entries.count = entries_in(view, chunk);
    first = row_key(&chunks, chunk);
    if (chunk + 1 < chunks.count) {
        end = row_key(&chunks, chunk + 1);
    }
    i = row_find(&entries, key, kind == KEY_SEQ ? guess_of(key, first, end, entries.count) : 0);
    if (row_key(&entries, i) > key) {
        return bad_entry(view, chunk * view->per_chunk + i, err);
    }
    *out_i = chunk * view->per_chunk + i;
    *out_entry = entries.entries + i * view->entry_len;
    return BLOCKDB_OK;
}

/* Like find_entry(), for a seq of the segment: that must be found. */
static int find_seq(const struct index_view *view, uint64_t seq, uint64_t *out_i,
                    const uint8_t **out_entry, struct error *err)
{
    int rc = find_entry(view, seq - view->segment->first_seq, KEY_SEQ, out_i, out_entry, err);

    return rc == BLOCKDB_ENOTFOUND ? bad_entry(view, 0, err) : rc;
}

int segment_find_page(const struct segment *segment, uint64_t seq, struct segment_page_entry *out,
                      struct error *err)
{
    struct index_view view = view_of(segment, true);
    const uint8_t *entry = NULL;
    uint64_t i = 0;
    struct segment_page_entry found;
    uint64_t data_end;
    int rc = find_seq(&view, seq, &i, &entry, err);

    if (rc < 0) {
        return rc;
    }
    found = segment_page_entry_decode(entry);
    data_end = atomic_load_explicit(&segment->data_end, memory_order_acquire);
    if (found.extent < SEGMENT_EXTENT_MIN || found.offset < SEGMENT_DATA_OFFSET ||
        found.offset > data_end || found.extent > data_end - found.offset) {
        return bad_entry(&view, i, err);
    }
    *out = found;
    return BLOCKDB_OK;
}

int segment_find_block_of_seq(const struct segment *segment, uint64_t seq, uint64_t *out_i,
                              struct error *err)
{
    struct index_view view = view_of(segment, false);
    const uint8_t *entry = NULL;

    return find_seq(&view, seq, out_i, &entry, err);
}

int segment_find_block_of_time(const struct segment *segment, uint64_t time_ms, uint64_t *out_i,
                               struct error *err)
{
    struct index_view view = view_of(segment, false);
    const uint8_t *entry = NULL;

    return find_entry(&view, time_ms, KEY_TIME, out_i, &entry, err);
}

/* Entry i of the block index. */
static int block_entry(const struct index_view *view, uint64_t i, struct segment_block_entry *out,
                       struct error *err)
{
    const uint8_t *bytes;
    int rc = get_chunk(view, i / view->per_chunk, &bytes, err);

    if (rc == BLOCKDB_OK) {
        *out = segment_block_entry_decode(bytes + SEGMENT_PARTITION_HEAD_LEN +
                                          i % view->per_chunk * SEGMENT_BLOCK_ENTRY_LEN);
    }
    return rc;
}

/* Where block i ends: where the next one, if there is one, starts. */
static int block_end(const struct index_view *view, uint64_t i, uint64_t *out_seq_delta,
                     uint64_t *out_offset, struct error *err)
{
    const struct segment *segment = view->segment;
    struct segment_block_entry next;
    struct segment_end end = segment_end_of(segment);
    int rc;

    if (segment->first_height + i + 1 == end.height) {
        *out_seq_delta = end.seq - segment->first_seq;
        *out_offset = end.offset;
        return BLOCKDB_OK;
    }
    rc = block_entry(view, i + 1, &next, err);
    if (rc == BLOCKDB_OK) {
        *out_seq_delta = next.seq_delta;
        *out_offset = next.offset;
    }
    return rc;
}

int segment_block_at(const struct segment *segment, uint64_t i, struct segment_block_info *out,
                     struct error *err)
{
    struct index_view view = view_of(segment, false);
    struct segment_block_entry entry;
    uint64_t end_delta = 0;
    uint64_t end_offset = 0;
    int rc;

    ASSERT(i < view.count);
    rc = block_entry(&view, i, &entry, err);
    if (rc == BLOCKDB_OK) {
        rc = block_end(&view, i, &end_delta, &end_offset, err);
    }
    if (rc < 0) {
        return rc;
    }
    if (end_delta <= entry.seq_delta || end_offset <= entry.offset ||
        entry.offset < SEGMENT_DATA_OFFSET || end_offset > segment_end_of(segment).offset) {
        return bad_entry(&view, i, err);
    }
    *out = (struct segment_block_info){
        .height = segment->first_height + i,
        .first_seq = segment->first_seq + entry.seq_delta,
        .time_min_ms = entry.time_min_ms,
        .time_max_ms = entry.time_max_ms,
        .count = (uint32_t)(end_delta - entry.seq_delta),
        .number = segment->number,
        .offset = entry.offset,
        .len_bytes = end_offset - entry.offset,
    };
    return BLOCKDB_OK;
}
