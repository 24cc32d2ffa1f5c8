/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading from the chain of segments: records, blocks, numbers.
 */
#include "base/assert.h"
#include "base/mem.h"
#include "store/page.h"
#include "store/segment_priv.h"

#include <inttypes.h>

#define CACHE_LINE_BYTES 64
#define PREFETCH_BYTES_MAX 1024 /* of one record; the processor goes on by itself */

/* ---- Numbers -------------------------------------------------------------------------------- */

uint64_t segments_end_seq(const struct segments *segments)
{
    const struct segment *last;
    uint64_t end = 0;

    epoch_enter(segments->env.epoch);
    last = segments_last(segments);
    if (last != NULL) {
        end = atomic_load_explicit(&last->end_seq, memory_order_acquire);
    }
    epoch_leave(segments->env.epoch);
    return end;
}

uint64_t segments_end_height(const struct segments *segments)
{
    const struct segment *last;
    uint64_t end = 0;

    epoch_enter(segments->env.epoch);
    last = segments_last(segments);
    if (last != NULL) {
        end = atomic_load_explicit(&last->end_height, memory_order_acquire);
    }
    epoch_leave(segments->env.epoch);
    return end;
}

uint64_t segments_first_seq(const struct segments *segments)
{
    const struct segment_list *list;
    uint64_t first = 0;

    epoch_enter(segments->env.epoch);
    list = segments_list(segments);
    if (list->count > 0) {
        first = list->item[0].first_seq;
    }
    epoch_leave(segments->env.epoch);
    return first;
}

uint64_t segments_durable_seq(const struct segments *segments)
{
    return atomic_load_explicit(&segments->durable_seq, memory_order_acquire);
}

struct segment_info segment_info_of(const struct segment *segment)
{
    const struct segment_top *top = atomic_load_explicit(&segment->top, memory_order_acquire);
    struct segment_info info = {
        .number = segment->number,
        .revision = segment->revision,
        .first_seq = segment->first_seq,
        .first_height = segment->first_height,
    };

    if (top != NULL) {
        info.finished = true;
        info.end_seq = top->footer.end_seq;
        info.end_height = top->footer.end_height;
        info.len_bytes = segment_footer_offset(&top->footer) + SEGMENT_UNIT;
    }
    return info;
}

bool segments_info(const struct segments *segments, uint32_t index, struct segment_info *out)
{
    const struct segment_list *list;
    bool there;

    epoch_enter(segments->env.epoch);
    list = segments_list(segments);
    there = index < list->count;
    if (there) {
        *out = segment_info_of(list->item[index].segment);
    }
    epoch_leave(segments->env.epoch);
    return there;
}

void segments_get_stats(const struct segments *segments, struct segments_stats *out)
{
    const struct segment_list *list;
    struct segments_stats stats = {
        .appended_blocks = segments->appended_blocks,
        .appended_records = segments->appended_records,
        .appended_pages = segments->appended_pages,
        .appended_raw_bytes = segments->appended_raw_bytes,
        .appended_stored_bytes = segments->appended_stored_bytes,
        .page_reads = segments->page_reads,
    };
    uint32_t i;

    epoch_enter(segments->env.epoch);
    list = segments_list(segments);
    stats.segments = list->count;
    for (i = 0; i < list->count; i++) {
        struct segment_info info = segment_info_of(list->item[i].segment);

        stats.file_bytes += info.finished ? info.len_bytes
                                          : segment_end_of(list->item[i].segment).offset;
    }
    epoch_leave(segments->env.epoch);
    *out = stats;
}

/* ---- Records -------------------------------------------------------------------------------- */

/* Reads, checks and unpacks the page that the index entry names; one reference. */
static int read_page(struct segments *segments, const struct segment *segment,
                     const struct segment_page_entry *entry, struct page **out, struct error *err)
{
    struct segment_place place = segment_place_at(segment, entry->offset);
    AUTO(mem_free_ptr) uint8_t *bytes = mem_alloc(entry->extent);
    AUTO(page_unref_ptr) struct page *page = NULL;
    struct segment_page_head head;
    struct segment_page view;
    int rc;

    if (bytes == NULL) {
        return error_set_no_memory(err);
    }
    atomic_fetch_add_explicit(&segments->page_reads, 1, memory_order_relaxed);
    rc = segment_pread(segment, entry->offset, bytes, entry->extent, err);
    if (rc == BLOCKDB_OK) {
        rc = segment_page_decode(bytes, entry->extent, &place, &head, err);
    }
    if (rc < 0) {
        return rc;
    }
    if (head.first_seq != segment->first_seq + entry->seq_delta) {
        return error_set(
            err, BLOCKDB_ECORRUPT,
            "segment '%s': page at offset %" PRIu64 ": it begins with seq %" PRIu64
            ", the index says %" PRIu64 "; restore the file from a backup or another node",
            place.path, place.offset, head.first_seq, segment->first_seq + entry->seq_delta);
    }
    page = page_new(segment->cache_file, entry->offset, segment_unpacked_len(&head));
    if (page == NULL) {
        return error_set_no_memory(err);
    }
    rc = segment_unpack(&head, bytes, &place, page->data, err);
    if (rc == BLOCKDB_OK && segments->on_load != NULL) {
        view = segment_page_view(page->data);
        rc = segments->on_load(segments->on_load_context, &view, err);
    }
    if (rc == BLOCKDB_OK) {
        *out = TAKE(page);
    }
    return rc;
}

/* The page of the index entry from the cache or the file, borrowed until the epoch is left. */
static int get_page(struct segments *segments, const struct segment *segment,
                    const struct segment_page_entry *entry, struct page **out, struct error *err)
{
    struct page *page = NULL;
    int rc;

    if (segments->env.cache != NULL) {
        page = cache_lookup(segments->env.cache, segment->cache_file, entry->offset);
    }
    if (page == NULL) {
        rc = read_page(segments, segment, entry, &page, err);
        if (rc < 0) {
            return rc;
        }
        if (segments->env.cache != NULL) {
            cache_add(segments->env.cache, page);
        } else {
            page_unref_later(page, segments->env.epoch);
        }
    }
    *out = page;
    return BLOCKDB_OK;
}

/* The segment that holds seq, or NULL. */
static const struct segment *segment_of_seq(const struct segments *segments, uint64_t seq)
{
    const struct segment_list *list = segments_list(segments);
    const struct segment *segment;

    if (list->count == 0 || seq < list->item[0].first_seq) {
        return NULL;
    }
    segment = list->item[segment_list_find(list, seq)].segment;
    if (seq >= atomic_load_explicit(&segment->end_seq, memory_order_acquire)) {
        return NULL;
    }
    return segment;
}

/* Where a record is. */
struct location {
    const struct segment *segment;
    struct segment_page_entry entry; /* of its page */
};

/* Inside the epoch. ENOTFOUND without message. */
static int locate(struct segments *segments, uint64_t seq, struct location *out, struct error *err)
{
    out->segment = segment_of_seq(segments, seq);
    if (out->segment == NULL) {
        return BLOCKDB_ENOTFOUND;
    }
    return segment_find_page(out->segment, seq, &out->entry, err);
}

/* Inside the epoch: gets the page and finds the record in it. */
static int load_record(struct segments *segments, uint64_t seq, const struct location *location,
                       struct segment_record *out, struct error *err)
{
    struct segment_page view;
    struct page *page = NULL;
    int rc = get_page(segments, location->segment, &location->entry, &page, err);

    if (rc < 0) {
        return rc;
    }
    view = segment_page_view(page->data);
    if (seq - view.first_seq >= view.count) {
        return error_set(err, BLOCKDB_ECORRUPT,
                         "segment '%s': page at offset %" PRIu64 ": seq %" PRIu64
                         " is not in it, although the index says so; restore the file from a "
                         "backup or another node",
                         location->segment->path, location->entry.offset, seq);
    }
    out->bytes = segment_page_record(&view, (uint32_t)(seq - view.first_seq));
    out->page = view;
    out->held = page;
    return BLOCKDB_OK;
}

int segments_read(struct segments *segments, uint64_t seq, struct segment_record *out,
                  struct error *err)
{
    struct epoch *epoch = segments->env.epoch;
    struct location location;
    int rc;

    segment_record_release(out);
    epoch_enter(epoch);
    rc = locate(segments, seq, &location, err);
    if (rc == BLOCKDB_OK) {
        rc = load_record(segments, seq, &location, out, err);
    }
    if (rc < 0) {
        epoch_leave(epoch);
        return rc;
    }
    out->epoch = epoch;
    return BLOCKDB_OK;
}

/* The reader will want the bytes, from the first to the last. */
static void prefetch_bytes(struct slice bytes)
{
    size_t len = bytes.len < PREFETCH_BYTES_MAX ? bytes.len : PREFETCH_BYTES_MAX;
    size_t i;

    for (i = 0; i < len; i += CACHE_LINE_BYTES) {
        __builtin_prefetch(bytes.data + i);
    }
}

/* Inside the epoch. */
static int read_many(struct segments *segments, const uint64_t *seqs, size_t count,
                     struct segment_record *out, struct error *err)
{
    struct location locations[SEGMENTS_READ_MANY_MAX];
    struct cache *cache = segments->env.cache;
    size_t i;
    int rc = BLOCKDB_OK;

    for (i = 0; rc == BLOCKDB_OK && i < count; i++) {
        rc = locate(segments, seqs[i], &locations[i], err);
        if (rc == BLOCKDB_OK && cache != NULL) {
            cache_prefetch_bucket(cache, locations[i].segment->cache_file,
                                  locations[i].entry.offset);
        }
    }
    for (i = 0; rc == BLOCKDB_OK && cache != NULL && i < count; i++) {
        cache_prefetch_page(cache, locations[i].segment->cache_file, locations[i].entry.offset);
    }
    for (i = 0; rc == BLOCKDB_OK && i < count; i++) {
        rc = load_record(segments, seqs[i], &locations[i], &out[i], err);
        if (rc == BLOCKDB_OK) {
            (void)page_ref(out[i].held);
            prefetch_bytes(out[i].bytes);
        }
    }
    return rc;
}

int segments_read_many(struct segments *segments, const uint64_t *seqs, size_t count,
                       struct segment_record *out, struct error *err)
{
    size_t i;
    int rc;

    ASSERT(count <= SEGMENTS_READ_MANY_MAX);
    memset(out, 0, count * sizeof(*out));
    epoch_enter(segments->env.epoch);
    rc = read_many(segments, seqs, count, out, err);
    epoch_leave(segments->env.epoch);
    for (i = 0; rc < 0 && i < count; i++) {
        segment_record_release(&out[i]);
    }
    return rc;
}

void segment_record_release(struct segment_record *record)
{
    if (record->epoch != NULL) {
        epoch_leave(record->epoch);
    } else {
        page_unref(record->held);
    }
    *record = (struct segment_record){0};
}

void segment_record_keep(struct segment_record *record)
{
    if (record->epoch == NULL) {
        return;
    }
    (void)page_ref(record->held);
    epoch_leave(record->epoch);
    record->epoch = NULL;
}

/* ---- Blocks --------------------------------------------------------------------------------- */

int segments_find_seq(struct segments *segments, uint64_t seq, struct segment_block_info *out,
                      struct error *err)
{
    const struct segment *segment;
    uint64_t i;
    int rc = BLOCKDB_ENOTFOUND;

    epoch_enter(segments->env.epoch);
    segment = segment_of_seq(segments, seq);
    if (segment != NULL) {
        rc = segment_find_block_of_seq(segment, seq, &i, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = segment_block_at(segment, i, out, err);
    }
    epoch_leave(segments->env.epoch);
    return rc;
}

/* The last segment whose first height is not above height, or NULL. */
static const struct segment *segment_of_height(const struct segment_list *list, uint64_t height)
{
    uint32_t low = 0;
    uint32_t high = list->count;

    if (high == 0 || list->item[0].segment->first_height > height) {
        return NULL;
    }
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;

        if (list->item[middle].segment->first_height <= height) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return list->item[low].segment;
}

int segments_find_height(struct segments *segments, uint64_t height, struct segment_block_info *out,
                         struct error *err)
{
    const struct segment *segment;
    int rc = BLOCKDB_ENOTFOUND;

    epoch_enter(segments->env.epoch);
    segment = segment_of_height(segments_list(segments), height);
    if (segment != NULL &&
        height < atomic_load_explicit(&segment->end_height, memory_order_acquire)) {
        rc = segment_block_at(segment, height - segment->first_height, out, err);
    }
    epoch_leave(segments->env.epoch);
    return rc;
}

/* Inside the epoch. Segments in time order are searched by when their first blocks start. */
static int find_time(const struct segment_list *list, uint64_t time_ms,
                     struct segment_block_info *out, struct error *err)
{
    uint32_t low = 0;
    uint32_t high = list->count;
    uint64_t i;
    int rc;

    /* Invariant: segments from `high` on start later (or are empty), those below `low` do not. */
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        rc = segment_find_block_of_time(list->item[middle].segment, time_ms, &i, err);
        if (rc == BLOCKDB_OK) {
            low = middle + 1;
        } else if (rc == BLOCKDB_ENOTFOUND) {
            high = middle;
        } else {
            return rc;
        }
    }
    if (low == 0) {
        return BLOCKDB_ENOTFOUND;
    }
    rc = segment_find_block_of_time(list->item[low - 1].segment, time_ms, &i, err);
    if (rc == BLOCKDB_OK) {
        rc = segment_block_at(list->item[low - 1].segment, i, out, err);
    }
    return rc;
}

int segments_find_time(struct segments *segments, uint64_t time_ms, struct segment_block_info *out,
                       struct error *err)
{
    int rc;

    epoch_enter(segments->env.epoch);
    rc = find_time(segments_list(segments), time_ms, out, err);
    epoch_leave(segments->env.epoch);
    return rc;
}
