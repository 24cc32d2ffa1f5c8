/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Appending to the chain of segments: blocks, rotation, syncs, and what may fail in them.
 */
#include "store/segment.h"

#include "base/mem.h"
#include "store/segment_priv.h"

#include <inttypes.h>

/* A block's buffer above this is given back at once. */
#define IMAGE_KEEP_BYTES ((size_t)8 * 1024 * 1024)

/* ---- Failures ------------------------------------------------------------------------------- */

/* EREADONLY once the segments have failed for good, or were opened so. */
static int check_writable(const struct segments *segments, struct error *err)
{
    if (segments->env.read_only) {
        return error_set(err, BLOCKDB_EREADONLY, "ledger '%s' was opened read-only", segments->dir);
    }
    if (segments->failed) {
        return error_set(err, BLOCKDB_EREADONLY,
                         "ledger '%s' takes no more writes after an earlier failure (%s); repair "
                         "the cause and restart",
                         segments->dir, segments->failure.message);
    }
    return BLOCKDB_OK;
}

/* Remembers a failure for good (SEG-7) and returns its code. */
static int fail(struct segments *segments, int rc, const struct error *why, struct error *err)
{
    segments->failed = true;
    segments->failure = *why;
    return error_set(err, rc, "%s", why->message);
}

/* Writes to the active segment; keeps it usable when only room was missing. */
static int write_active(struct segments *segments, struct slice bytes, struct error *err)
{
    struct error why = {0};
    int rc = segment_writer_append(&segments->writer, bytes, &why);

    if (rc == BLOCKDB_OK) {
        segments->dirty = true;
        return BLOCKDB_OK;
    }
    if (segments->writer.undefined) {
        return fail(segments, rc, &why, err);
    }
    return error_set(err, rc, "%s", why.message);
}

/* Syncs the active segment, whatever was written. */
static int sync_active(struct segments *segments, struct segment *active, struct error *err)
{
    struct error why = {0};
    int rc = file_sync(active->file, &why);

    if (rc < 0) {
        return fail(segments, rc, &why, err);
    }
    segments->dirty = false;
    atomic_store_explicit(&segments->durable_seq, segment_end_of(active).seq, memory_order_release);
    return BLOCKDB_OK;
}

/* The active segment of the appender, or NULL. */
static struct segment *active_segment(const struct segments *segments)
{
    struct segment *last = segments_last(segments);

    if (last == NULL || atomic_load_explicit(&last->active, memory_order_relaxed) == NULL) {
        return NULL;
    }
    return last;
}

/* ---- Blocks --------------------------------------------------------------------------------- */

/* Whether block comes next in segment, and a segment can hold it. */
static int check_next(const struct segment *segment, const struct segment_block *block,
                      struct error *err)
{
    const struct segment_active *active = atomic_load_explicit(&segment->active,
                                                               memory_order_relaxed);
    struct segment_end end = segment_end_of(segment);

    if (block->first_seq != end.seq || block->height != end.height) {
        return error_set(err, BLOCKDB_EINVAL,
                         "block %" PRIu64 " from seq %" PRIu64 " is not the next one, which is "
                         "block %" PRIu64 " from seq %" PRIu64,
                         block->height, block->first_seq, end.height, end.seq);
    }
    if (block->time_min_ms < active->time_min_ms || block->time_max_ms < block->time_min_ms) {
        return error_set(
            err, BLOCKDB_EINVAL,
            "block %" PRIu64 ": its time goes back from %" PRIu64 " to %" PRIu64 " to %" PRIu64,
            block->height, active->time_min_ms, block->time_min_ms, block->time_max_ms);
    }
    return BLOCKDB_OK;
}

/* Whether a segment can grow by a block: counts and offsets in its index are limited. */
static bool fits(const struct segment *segment, uint64_t records, uint64_t len_bytes)
{
    struct segment_end end = segment_end_of(segment);

    return end.seq - segment->first_seq + records <= SEGMENT_RECORDS_MAX &&
           end.offset + len_bytes <= SEGMENT_DATA_END_MAX;
}

static void count_block(struct segments *segments, const struct segment_frame *frame,
                        uint64_t stored)
{
    atomic_fetch_add_explicit(&segments->appended_blocks, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&segments->appended_records, frame->record_count,
                              memory_order_relaxed);
    atomic_fetch_add_explicit(&segments->appended_pages, frame->page_count, memory_order_relaxed);
    atomic_fetch_add_explicit(&segments->appended_raw_bytes, frame->records_len,
                              memory_order_relaxed);
    atomic_fetch_add_explicit(&segments->appended_stored_bytes, stored, memory_order_relaxed);
}

/* Packs the block and writes it to the segment. */
static int append_to(struct segments *segments, struct segment *segment,
                     const struct segment_block *block, struct error *err)
{
    struct segment_active *active = atomic_load_explicit(&segment->active, memory_order_relaxed);
    struct segment_place place = segment_place_at(segment, segment_end_of(segment).offset);
    struct segment_frame frame;
    int rc = segment_pack_plan(block, &frame, err);

    if (rc < 0) {
        return rc;
    }
    buf_reset(&segments->image);
    if (segment_index_block_reserve(active, frame.page_count) < 0 ||
        segment_pack(&segments->packer, block, &place, &frame, &segments->image) < 0) {
        return error_set_no_memory(err);
    }
    if (!fits(segment, block->count, segments->image.len)) {
        return error_set(err, BLOCKDB_ELIMIT,
                         "segment '%s' cannot hold block %" PRIu64 ": rotate first", segment->path,
                         block->height);
    }
    rc = write_active(segments, buf_slice(&segments->image), err);
    if (rc < 0) {
        return rc;
    }
    segment_index_block(segment, &frame, segments->image.data + SEGMENT_FRAME_LEN, place.offset);
    count_block(segments, &frame, segments->image.len);
    segment_warm_block(segments, &(struct segment_written){
                                     .segment = segment,
                                     .block = block,
                                     .directory = segments->image.data + SEGMENT_FRAME_LEN,
                                     .page_count = frame.page_count,
                                     .offset = place.offset,
                                 });
    return BLOCKDB_OK;
}

int segments_append_block(struct segments *segments, const struct segment_block *block,
                          struct error *err)
{
    struct segment *segment = active_segment(segments);
    int rc = check_writable(segments, err);

    if (rc < 0) {
        return rc;
    }
    if (segment == NULL) {
        return error_set(err, BLOCKDB_EINVAL, "ledger '%s' has no active segment: rotate first",
                         segments->dir);
    }
    rc = check_next(segment, block, err);
    if (rc == BLOCKDB_OK) {
        rc = append_to(segments, segment, block, err);
    }
    if (segments->image.cap > IMAGE_KEEP_BYTES) {
        buf_deinit(&segments->image);
    }
    return rc;
}

int segments_sync(struct segments *segments, struct error *err)
{
    int rc = check_writable(segments, err);

    if (rc < 0 || !segments->dirty) {
        return rc;
    }
    return sync_active(segments, active_segment(segments), err);
}

/* ---- Rotation ------------------------------------------------------------------------------- */

bool segments_should_rotate(const struct segments *segments, uint64_t len_bytes)
{
    struct segment *active = active_segment(segments);
    uint64_t end;

    if (active == NULL) {
        return true;
    }
    end = segment_end_of(active).offset;
    return end > SEGMENT_DATA_OFFSET &&
           (end + len_bytes > segments->segment_bytes ||
            !fits(active, SEGMENT_BLOCK_RECORDS_MAX, 2ull * SEGMENT_BLOCK_BYTES_MAX));
}

/* Makes the active segment a finished one and remembers to report it. */
static int finish_active(struct segments *segments, struct segment *active, struct error *err)
{
    AUTO(buf_deinit) struct buf image = {0};
    AUTO(mem_free_ptr) struct segment_top *top = NULL;
    int rc;

    if (segment_end_of(active).seq == active->first_seq) {
        return error_set(err, BLOCKDB_EINVAL,
                         "segment '%s' has no block yet: there is nothing to rotate", active->path);
    }
    if (segment_finish_image(active, &image, &top) < 0) {
        return error_set_no_memory(err);
    }
    rc = write_active(segments, buf_slice(&image), err);
    if (rc == BLOCKDB_OK) {
        rc = sync_active(segments, active, err);
    }
    if (rc < 0) {
        return rc;
    }
    segment_finish(active, TAKE(top));
    segment_writer_deinit(&segments->writer);
    segments->finished = segment_info_of(active);
    return BLOCKDB_OK;
}

/* When the last block before a new segment started; blocks in it must not start earlier. */
static int last_time(struct segments *segments, uint64_t *out_time_ms, struct error *err)
{
    const struct segment *last = segments_last(segments);
    struct segment_block_info info = {0};
    int rc = BLOCKDB_OK;

    if (last != NULL) {
        epoch_enter(segments->env.epoch);
        rc = segment_block_at(last, segment_end_of(last).height - last->first_height - 1, &info,
                              err);
        epoch_leave(segments->env.epoch);
    }
    if (rc == BLOCKDB_OK) {
        *out_time_ms = info.time_min_ms;
    }
    return rc;
}

/* Creates the next segment, makes it the active one. */
static int add_segment(struct segments *segments, const struct segment_header *header,
                       struct error *err)
{
    AUTO(mem_free_ptr) struct segment_list *next = segments_next_list(segments);
    struct segment_writer writer;
    struct segment *segment = NULL;
    struct error why = {0};
    uint64_t time_min_ms = 0;
    bool undefined = false;
    int rc;

    if (next == NULL) {
        return error_set_no_memory(err);
    }
    rc = last_time(segments, &time_min_ms, err);
    if (rc < 0) {
        return rc;
    }
    rc = segment_writer_init(&writer, NULL, SEGMENT_DATA_OFFSET, segments->env.direct_io, err);
    if (rc < 0) {
        return rc;
    }
    rc = segment_create(&segments->env, header, &segment, &undefined, &why);
    if (rc < 0) {
        segment_writer_deinit(&writer);
        return undefined ? fail(segments, rc, &why, err) : error_set(err, rc, "%s", why.message);
    }
    writer.file = segment->file;
    writer.throttle = segments->throttle;
    writer.throttle_context = segments->throttle_context;
    segments->writer = writer;
    atomic_load_explicit(&segment->active, memory_order_relaxed)->time_min_ms = time_min_ms;
    segments_publish_list(segments, TAKE(next), segment);
    return BLOCKDB_OK;
}

int segments_rotate(struct segments *segments, uint64_t first_seq, uint64_t first_height,
                    struct segment_info *out_finished, struct segment_info *out_new,
                    struct error *err)
{
    struct segment *last = segments_last(segments);
    struct segment_header header = {.number = 1};
    struct segment_end end = {.seq = first_seq, .height = first_height};
    int rc = check_writable(segments, err);

    if (rc < 0) {
        return rc;
    }
    if (last != NULL) {
        end = segment_end_of(last);
        header.number = last->number + 1;
    }
    if (end.seq != first_seq || end.height != first_height || header.number == 0) {
        return error_set(err, BLOCKDB_EINVAL,
                         "a segment from seq %" PRIu64 ", height %" PRIu64
                         " does not follow the last, which ends with seq %" PRIu64
                         ", height %" PRIu64,
                         first_seq, first_height, end.seq, end.height);
    }
    memcpy(header.ledger_id, segments->env.ledger_id, SEGMENT_LEDGER_ID_LEN);
    header.first_seq = first_seq;
    header.first_height = first_height;
    if (active_segment(segments) != NULL) {
        rc = finish_active(segments, last, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = add_segment(segments, &header, err);
    }
    if (rc < 0) {
        return rc;
    }
    if (out_finished != NULL) {
        *out_finished = segments->finished;
    }
    segments->finished = (struct segment_info){0};
    *out_new = segment_info_of(segments_last(segments));
    return BLOCKDB_OK;
}
