/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rewriting one segment: all of its blocks go to a new file, in which some records are others.
 *
 * Pages that keep their records keep their stored bytes and get new checksums for their new place;
 * a page with a record that is replaced is packed anew. A record may grow: nothing has to fit where
 * it stood. What readers see changes in one step, when the list of segments is replaced.
 */
#include "base/assert.h"
#include "base/checksum.h"
#include "base/mem.h"
#include "store/segment_priv.h"
#include "store/segment_walk.h"

#include <inttypes.h>
#include <string.h>

/* The state of one rewriting. */
struct rewriter {
    struct segments *segments;
    const struct segment_rewrite *rewrite;
    struct segment *to;
    struct segment_writer *writer;
    struct segment_walk walk;
    struct buf image;    /* the block being made */
    struct buf replaced; /* records of a page that take the place of others */
    struct slice *records;
    uint32_t record_cap;
};

static void wipe_buf(struct buf *b)
{
    if (b->cap > 0) {
        explicit_bzero(b->data, b->cap);
    }
    b->len = 0;
}

/* The old records pass through these buffers. */
static void rewriter_deinit(struct rewriter *r)
{
    if (r->walk.window_cap > 0) {
        explicit_bzero(r->walk.window, r->walk.window_cap);
    }
    wipe_buf(&r->walk.page);
    segment_walk_deinit(&r->walk);
    buf_deinit(&r->image);
    buf_deinit(&r->replaced);
    mem_free(r->records);
    wipe_buf(&r->segments->image);
    wipe_buf(&r->segments->packer.raw);
}

/* The index of the first named seq that is not below seq. */
static size_t find_seq(const struct segment_rewrite *rewrite, uint64_t seq)
{
    size_t low = 0;
    size_t high = rewrite->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (rewrite->seqs[middle] < seq) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool is_named(const struct segment_rewrite *rewrite, uint64_t seq, uint32_t count)
{
    size_t i = find_seq(rewrite, seq);

    return i < rewrite->count && rewrite->seqs[i] - seq < count;
}

/* ---- Pages ----------------------------------------------------------------------------------- */

static int reserve_records(struct rewriter *r, uint32_t count)
{
    struct slice *records;

    if (count <= r->record_cap) {
        return BLOCKDB_OK;
    }
    records = mem_realloc(r->records, count * sizeof(*records));
    if (records == NULL) {
        return BLOCKDB_ENOMEM;
    }
    r->records = records;
    r->record_cap = count;
    return BLOCKDB_OK;
}

/* Sets r->records to those of the page, replaced where they are named. */
static int replace_records(struct rewriter *r, const struct segment_page *page, struct error *err)
{
    const struct segment_rewrite *rewrite = r->rewrite;
    size_t n = find_seq(rewrite, page->first_seq);
    size_t first = n;
    size_t at = 0;
    uint32_t i;

    if (reserve_records(r, page->count) < 0) {
        return error_set_no_memory(err);
    }
    buf_reset(&r->replaced);
    for (i = 0; i < page->count; i++) {
        r->records[i] = segment_page_record(page, i);
        if (n < rewrite->count && rewrite->seqs[n] == page->first_seq + i) {
            size_t before = r->replaced.len;
            int rc = rewrite->replace(rewrite->context, rewrite->seqs[n], r->records[i],
                                      &r->replaced, err);

            if (rc < 0) {
                return rc;
            }
            r->records[i].len = r->replaced.len - before;
            n++;
        }
    }
    /* Only now the buffer stays where it is. */
    for (n = first; n < rewrite->count && rewrite->seqs[n] - page->first_seq < page->count; n++) {
        struct slice *record = &r->records[rewrite->seqs[n] - page->first_seq];

        record->data = r->replaced.data + at;
        at += record->len;
    }
    return BLOCKDB_OK;
}

static int repack_page(struct rewriter *r, const struct segment_page *page,
                       const struct segment_place *place, struct error *err)
{
    struct segment_page_head head = {
        .first_seq = page->first_seq,
        .record_count = page->count,
        .flags = SEGMENT_PAGE_FLAG_REWRITTEN,
        .generation = (uint16_t)(r->walk.head.generation + 1),
    };
    int rc = replace_records(r, page, err);

    if (rc < 0) {
        return rc;
    }
    rc = segment_pack_page(&r->segments->packer, &head, r->records, place, &r->image);
    if (rc == BLOCKDB_ELIMIT) {
        return error_set(err, rc,
                         "segment '%s': page at offset %" PRIu64 ": too long when rewritten",
                         r->walk.segment->path, place->offset);
    }
    return rc < 0 ? error_set_no_memory(err) : BLOCKDB_OK;
}

/* The page as it is, with the checksum of its new place. */
static int move_page(struct rewriter *r, const struct segment_place *place, struct error *err)
{
    size_t start = r->image.len;
    uint64_t sum;

    if (buf_append_slice(&r->image, r->walk.extent) < 0) {
        return error_set_no_memory(err);
    }
    sum = segment_page_seal(&r->walk.head, place, r->image.data + start,
                            (uint32_t)r->walk.extent.len);
    if (buf_append_le64(&r->segments->packer.sums, sum) < 0) {
        return error_set_no_memory(err);
    }
    return BLOCKDB_OK;
}

/* ---- Blocks ---------------------------------------------------------------------------------- */

/* Length of all records of the block as it is made now. */
static uint64_t page_records_len(const struct rewriter *r, const struct segment_page *page,
                                 bool replaced)
{
    uint64_t len = 0;
    uint32_t i;

    for (i = 0; replaced && i < page->count; i++) {
        len += r->records[i].len;
    }
    return replaced ? len : page->records_len;
}

static int make_pages(struct rewriter *r, struct segment_frame *frame, uint64_t offset,
                      struct error *err)
{
    struct segment_page page;
    uint32_t i;

    for (i = 0; i < frame->page_count; i++) {
        struct segment_place place = segment_place_at(r->to, offset + r->image.len);
        size_t start = r->image.len;
        bool replaced;
        uint8_t *entry;
        int rc = segment_walk_page(&r->walk, &page, err);

        if (rc < 0) {
            return rc;
        }
        replaced = is_named(r->rewrite, page.first_seq, page.count);
        rc = replaced ? repack_page(r, &page, &place, err) : move_page(r, &place, err);
        if (rc < 0) {
            return rc;
        }
        frame->records_len += page_records_len(r, &page, replaced);
        entry = r->image.data + SEGMENT_FRAME_LEN + (size_t)i * SEGMENT_DIRECTORY_ENTRY_LEN;
        put_le32(entry, page.count);
        put_le32(entry + 4, (uint32_t)(r->image.len - start));
    }
    return BLOCKDB_OK;
}

/* Makes the block the walk is in, writes it and enters it into the new index. */
static int copy_block(struct rewriter *r, struct error *err)
{
    struct segment_active *active = atomic_load_explicit(&r->to->active, memory_order_relaxed);
    struct segment_place place = segment_place_at(r->to, segment_end_of(r->to).offset);
    struct segment_frame frame = r->walk.frame;
    uint64_t head_len = segment_frame_head_len(frame.page_count);
    int rc;

    frame.records_len = 0;
    buf_reset(&r->image);
    buf_reset(&r->segments->packer.sums);
    if (buf_append_zeros(&r->image, head_len) < 0 ||
        segment_index_block_reserve(active, frame.page_count) < 0) {
        return error_set_no_memory(err);
    }
    rc = make_pages(r, &frame, place.offset, err);
    if (rc < 0) {
        return rc;
    }
    if (place.offset + r->image.len > SEGMENT_DATA_END_MAX) {
        return error_set(err, BLOCKDB_ELIMIT, "segment '%s' becomes too large when it is rewritten",
                         r->to->path);
    }
    frame.pages_len = r->image.len - head_len;
    frame.pages_sum = checksum(r->segments->packer.sums.data, r->segments->packer.sums.len,
                               place.seed + place.offset);
    segment_frame_seal(&frame, &place, r->image.data);
    rc = segment_writer_append(r->writer, buf_slice(&r->image), err);
    if (rc == BLOCKDB_OK) {
        segment_index_block(r->to, &frame, r->image.data + SEGMENT_FRAME_LEN, place.offset);
    }
    return rc;
}

static int copy_blocks(struct rewriter *r, const struct segment *from, struct error *err)
{
    int rc;

    segment_walk_init(&r->walk, from, SEGMENT_DATA_OFFSET, from->first_seq, from->first_height);
    do {
        rc = segment_walk_block(&r->walk, err);
        if (rc == BLOCKDB_OK) {
            rc = copy_block(r, err);
        }
    } while (rc == BLOCKDB_OK);
    return rc == BLOCKDB_ENOTFOUND ? BLOCKDB_OK : rc;
}

/* ---- The file -------------------------------------------------------------------------------- */

/* Gives the new file the index of a finished segment. */
static int finish(struct rewriter *r, struct error *err)
{
    AUTO(buf_deinit) struct buf image = {0};
    AUTO(mem_free_ptr) struct segment_top *top = NULL;
    int rc;

    if (segment_finish_image(r->to, &image, &top) < 0) {
        return error_set_no_memory(err);
    }
    rc = segment_writer_append(r->writer, buf_slice(&image), err);
    if (rc == BLOCKDB_OK) {
        segment_finish(r->to, TAKE(top));
    }
    return rc;
}

static int write_revision(struct segments *segments, const struct segment_rewrite *rewrite,
                          const struct segment *from, struct error *err)
{
    struct segment_rewriting *w = &segments->rewriting;
    AUTO(rewriter_deinit)
    struct rewriter r = {
        .segments = segments,
        .rewrite = rewrite,
        .to = w->segment,
        .writer = &w->writer,
    };
    int rc = copy_blocks(&r, from, err);

    if (rc == BLOCKDB_OK && atomic_load_explicit(&from->top, memory_order_acquire) != NULL) {
        rc = finish(&r, err);
    }
    return rc < 0 ? rc : file_sync(w->segment->file, err);
}

/* Creates the file of the next revision and what publishing it takes. */
static int begin(struct segments *segments, const struct segment *from, struct error *err)
{
    struct segment_rewriting *w = &segments->rewriting;
    struct segment_header header = {
        .number = from->number,
        .revision = from->revision + 1,
        .first_seq = from->first_seq,
        .first_height = from->first_height,
    };
    AUTO(mem_free_ptr)
    char *path = segment_path(segments->dir, header.number, header.revision);
    struct error ignored;
    bool undefined = false;
    int rc;

    memcpy(header.ledger_id, segments->env.ledger_id, SEGMENT_LEDGER_ID_LEN);
    w->next = segments_next_list(segments);
    if (path == NULL || w->next == NULL) {
        return error_set_no_memory(err);
    }
    IGNORE_RESULT(os_unlink(segments->env.os, path, &ignored)); /* of an attempt that failed */
    rc = segment_create(&segments->env, &header, &w->segment, &undefined, err);
    if (rc < 0) {
        return rc;
    }
    rc = segment_writer_init(&w->writer, w->segment->file, SEGMENT_DATA_OFFSET,
                             segments->env.direct_io, err);
    w->writer.throttle = segments->throttle;
    w->writer.throttle_context = segments->throttle_context;
    return rc;
}

int segments_rewrite_begin(struct segments *segments, const struct segment_rewrite *rewrite,
                           struct segment_info *out_info, struct error *err)
{
    struct segment_rewriting *w = &segments->rewriting;
    const struct segment_list *list = segments_list(segments);
    struct segment *from;
    int rc;

    ASSERT(rewrite->count > 0 && w->segment == NULL && list->count > 0);
    w->index = segment_list_find(list, rewrite->seqs[0]);
    from = list->item[w->index].segment;
    ASSERT(rewrite->seqs[0] >= from->first_seq && rewrite->seqs[0] < segment_end_of(from).seq);
    rc = begin(segments, from, err);
    if (rc == BLOCKDB_OK) {
        rc = write_revision(segments, rewrite, from, err);
    }
    if (rc < 0) {
        segments_rewrite_abandon(segments, false);
        return rc;
    }
    ASSERT(segment_end_of(w->segment).seq == segment_end_of(from).seq);
    w->next->item[w->index].segment = w->segment;
    *out_info = segment_info_of(w->segment);
    return BLOCKDB_OK;
}

void segments_rewrite_abandon(struct segments *segments, bool keep_file)
{
    struct segment_rewriting *w = &segments->rewriting;
    struct error ignored;

    if (w->segment != NULL && !keep_file) {
        /* A file that stays is removed at the next opening. */
        IGNORE_RESULT(os_unlink(segments->env.os, w->segment->path, &ignored));
    }
    segment_writer_deinit(&w->writer);
    segment_unref(w->segment);
    mem_free(w->next);
    *w = (struct segment_rewriting){0};
}

static void wipe_caches(const struct segments *segments, uint64_t cache_file)
{
    if (segments->env.cache != NULL) {
        cache_wipe_file(segments->env.cache, cache_file);
    }
    if (segments->env.index_cache != NULL && segments->env.index_cache != segments->env.cache) {
        cache_erase_file(segments->env.index_cache, cache_file);
    }
}

int segments_rewrite_publish(struct segments *segments, struct error *err)
{
    struct segment_rewriting *w = &segments->rewriting;
    struct segment_list *old = atomic_load_explicit(&segments->list, memory_order_relaxed);
    struct segment *from = segment_ref(old->item[w->index].segment);
    bool is_active = atomic_load_explicit(&w->segment->active, memory_order_relaxed) != NULL;
    uint64_t end_seq = segment_end_of(w->segment).seq;
    int rc;

    atomic_store_explicit(&segments->list, TAKE(w->next), memory_order_release);
    if (is_active) {
        segment_writer_deinit(&segments->writer);
        segments->writer = w->writer;
        w->writer = (struct segment_writer){0};
        segments->dirty = false;
        atomic_store_explicit(&segments->durable_seq, end_seq, memory_order_release);
    }
    segment_writer_deinit(&w->writer);
    *w = (struct segment_rewriting){0};
    epoch_retire(segments->env.epoch, &old->retired, old, mem_free);
    epoch_retire(segments->env.epoch, &from->retired, from, segment_unref_fn);
    /* A reader of the old list may add its page to the cache until it leaves. */
    epoch_synchronize(segments->env.epoch);
    wipe_caches(segments, from->cache_file);
    rc = os_unlink(segments->env.os, from->path, err);
    if (rc == BLOCKDB_OK || rc == BLOCKDB_ENOTFOUND) {
        rc = os_sync_dir(segments->env.os, segments->dir, err);
    }
    segment_unref(from);
    epoch_synchronize(segments->env.epoch);
    (void)epoch_collect(segments->env.epoch); /* how many were freed does not matter */
    return rc;
}
