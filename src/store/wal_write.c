/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Appending and syncing.
 *
 * A frame is put together in the staging buffer, behind the start frame when it opens a segment,
 * and goes out with one write.
 */
#include "base/assert.h"
#include "base/mem.h"
#include "store/wal_priv.h"

#include <inttypes.h>
#include <string.h>

#define STAGING_BYTES_MIN (64u * 1024)
#define STAGING_BYTES_KEPT (4u * 1024 * 1024) /* a larger buffer is freed after its use */
/* So much may stand unsynced before write-back is started. */
#define HINT_BYTES (4u * 1024 * 1024)
/* So many syncs of that quarter make it worth writing the next segment twice. */
#define SYNCS_FOR_ZEROS 16
/* The next segment is prepared when a quarter of this one is written. */
#define PREPARE_AHEAD_DIVISOR 4

/* Room for one frame and a start frame before it. */
static int reserve_staging(struct wal *wal, uint64_t frame_bytes, struct error *err)
{
    size_t cap = (size_t)frame_bytes + WAL_START_FRAME_BYTES;
    uint8_t *staging;

    if (cap <= wal->staging_cap) {
        return BLOCKDB_OK;
    }
    cap = cap < STAGING_BYTES_MIN ? STAGING_BYTES_MIN : cap + cap / 4;
    staging = mem_alloc_aligned(OS_DIRECT_ALIGN, cap);
    if (staging == NULL) {
        return error_set_no_memory(err);
    }
    mem_free(wal->staging);
    wal->staging = staging;
    wal->staging_cap = cap;
    return BLOCKDB_OK;
}

static void release_staging(struct wal *wal)
{
    if (wal->staging_cap > STAGING_BYTES_KEPT) {
        mem_free(wal->staging);
        wal->staging = NULL;
        wal->staging_cap = 0;
    }
}

/* Everything needed to write one frame. */
struct pending {
    const struct wal_frame *frame; /* NULL for a closing frame */
    uint64_t payload_len;
    uint64_t frame_bytes;
    struct wal_segment *segment;
    bool opens_segment;   /* a start frame goes before it */
    bool resumes_segment; /* the first frame behind a closing frame */
    uint64_t offset;      /* of the first byte to write */
};

static size_t stage_start(struct wal *wal, const struct pending *p)
{
    uint64_t first_seq = p->frame->first_seq;
    struct wal_start start = {.position = wal_end_position(wal), .previous_end_seq = first_seq};
    struct wal_frame_header header = {
        .kind = WAL_FRAME_START,
        .payload_len = WAL_START_PAYLOAD_BYTES,
        .first_seq = first_seq,
        .end_seq = first_seq,
        .synced_position = wal_synced_position(wal),
    };

    mutex_lock(&wal->mu);
    if (wal->live.last != NULL) {
        start.previous_number = wal->live.last->number;
        start.previous_end_seq = wal->live.last->end_seq;
    }
    mutex_unlock(&wal->mu);
    wal_start_encode(&start, wal->staging + WAL_FRAME_HEADER_BYTES);
    wal_frame_seal(wal->staging, &header, p->segment->seed + p->offset);
    return WAL_START_FRAME_BYTES;
}

static void stage_frame(const struct wal *wal, const struct pending *p, size_t at)
{
    struct wal_frame_header header = {
        .kind = p->frame != NULL ? WAL_FRAME_DATA : WAL_FRAME_CLOSE,
        .payload_len = (uint32_t)p->payload_len,
        .first_seq = p->frame != NULL ? p->frame->first_seq : wal->end_seq,
        .end_seq = p->frame != NULL ? p->frame->end_seq : wal->end_seq,
        .synced_position = wal_synced_position(wal),
    };
    uint8_t *to = wal->staging + at + WAL_FRAME_HEADER_BYTES;
    size_t i;

    for (i = 0; p->frame != NULL && i < p->frame->part_count; i++) {
        struct slice part = p->frame->parts[i];

        if (part.len > 0) {
            memcpy(to, part.data, part.len);
            to += part.len;
        }
    }
    wal_frame_seal(wal->staging + at, &header, p->segment->seed + p->offset + at);
}

/* Whether it is time to make the next segment, or to start writing back. */
static void call_helper(struct wal *wal) REQUIRES(wal->mu)
{
    const struct wal_segment *active = wal->active;
    uint64_t synced_offset;

    if (!wal->has_helper) {
        return;
    }
    if (wal->prepared.count == 0 && !wal->prepare_asked &&
        wal->offset - wal->begin_offset >= active->file_bytes / PREPARE_AHEAD_DIVISOR) {
        wal->prepare_asked = true;
        wal->prepare_ahead = true;
        wal->zeros_pay = wal->prewrite && wal->stats.syncs - wal->syncs_before >= SYNCS_FOR_ZEROS;
        wal->work_wanted = true;
    }
    if (wal->offset >= wal->hint_offset + HINT_BYTES) {
        synced_offset = wal->offset - (wal_end_position(wal) - wal_synced_position(wal));
        wal->hint_begin = wal->hint_offset > synced_offset ? wal->hint_offset : synced_offset;
        wal->hint_end = wal->offset;
        wal->hint_offset = wal->offset;
        wal->hint_wanted = wal->hint_begin < wal->hint_end;
        wal->work_wanted = wal->work_wanted || wal->hint_wanted;
    }
    if (wal->work_wanted) {
        cond_signal(&wal->work_cond);
    }
}

/* The frame is written: makes it visible to syncs. */
static void note_written(struct wal *wal, const struct pending *p, uint64_t written_bytes)
{
    struct wal_segment *left = NULL;

    mutex_lock(&wal->mu);
    if (p->opens_segment) {
        p->segment->start.position = wal_end_position(wal);
        wal_queue_push(&wal->live, p->segment);
    }
    if (p->opens_segment || p->resumes_segment) {
        left = wal->active;
        wal->active = p->segment;
        wal->closed = NULL;
        wal->begin_offset = p->opens_segment ? 0 : p->offset;
        wal->hint_offset = wal->begin_offset;
        wal->hint_wanted = false; /* it was for the segment before */
        wal->prepare_asked = false;
        wal->syncs_before = wal->stats.syncs;
    }
    wal->offset = p->offset + written_bytes;
    if (p->frame != NULL) {
        wal->end_seq = p->frame->end_seq;
        wal->stats.frames++;
    }
    p->segment->end_seq = wal->end_seq;
    wal->stats.appended_bytes += written_bytes;
    wal->stats.payload_bytes += p->payload_len;
    atomic_store_explicit(&wal->end_position, wal_end_position(wal) + written_bytes,
                          memory_order_release);
    call_helper(wal);
    mutex_unlock(&wal->mu);
    if (left != NULL) {
        wal_segment_unref(wal, left);
    }
}

static int write_staged(struct wal *wal, struct pending *p, struct error *err)
{
    size_t at = p->opens_segment ? stage_start(wal, p) : 0;
    int rc;

    stage_frame(wal, p, at);
    rc = file_pwrite(p->segment->file, wal->staging, at + p->frame_bytes, p->offset, err);
    if (rc < 0) {
        if (p->opens_segment) {
            wal_segments_untake(wal, p->segment);
        }
        return wal_fail_for_good(wal, rc, err);
    }
    note_written(wal, p, at + p->frame_bytes);
    return BLOCKDB_OK;
}

/* Whether the frame fits behind what the segment holds. A segment always keeps room for a closing
 * frame. */
static bool has_room_for(const struct wal *wal, const struct wal_segment *segment,
                         const struct pending *p)
{
    return segment != NULL && !wal->rotating &&
           wal->offset + p->frame_bytes + WAL_CLOSE_FRAME_BYTES <= segment->file_bytes;
}

bool wal_append_waits(const struct wal *wal, uint64_t payload_bytes)
{
    struct pending p = {.frame_bytes = wal_frame_bytes(payload_bytes)};

    return wal->mark_is_exact || !has_room_for(wal, wal->active, &p) ||
           atomic_load_explicit(&wal->syncs_running, memory_order_relaxed) > 0;
}

/* Opens the closed segment again, to go on behind its closing frame. */
static int resume_closed(struct wal *wal, struct pending *p, struct error *err)
{
    struct os_file *file = NULL;
    struct wal_path path;
    int rc;

    wal_path_number(wal, wal->closed->number, WAL_SUFFIX_LIVE, &path);
    rc = os_open(wal->os, path.text, OS_READ | OS_WRITE, &file, err);
    if (rc < 0) {
        return wal_fail(wal, rc, err);
    }
    mutex_lock(&wal->mu);
    wal->closed->file = file;
    wal->closed->refs = 1;
    mutex_unlock(&wal->mu);
    p->segment = wal->closed;
    p->offset = wal->offset;
    p->resumes_segment = true;
    return BLOCKDB_OK;
}

/* Finds the segment for the frame. */
static int find_room(struct wal *wal, struct pending *p, struct error *err)
{
    uint64_t least = WAL_HEADER_BYTES + WAL_START_FRAME_BYTES + p->frame_bytes +
                     WAL_CLOSE_FRAME_BYTES;
    int rc;

    if (has_room_for(wal, wal->active, p)) {
        p->segment = wal->active;
        p->offset = wal->offset;
        return BLOCKDB_OK;
    }
    if (has_room_for(wal, wal->closed, p) && p->frame->first_seq == wal->end_seq) {
        return resume_closed(wal, p, err);
    }
    rc = wal_segments_take(wal, least, &p->segment, err);
    if (rc < 0) {
        return rc;
    }
    p->opens_segment = true;
    p->offset = WAL_HEADER_BYTES;
    rc = wal_sync(wal, wal_end_position(wal), err); /* WAL-4 */
    if (rc < 0) {
        wal_segments_untake(wal, p->segment);
    }
    return rc;
}

static int check_frame(const struct wal *wal, const struct wal_frame *frame,
                       uint64_t *out_payload_len, struct error *err)
{
    uint64_t payload_len = 0;
    size_t i;

    if (wal->read_only) {
        return error_set(err, BLOCKDB_EREADONLY, "the WAL in '%s' is opened read-only", wal->dir);
    }
    ASSERT(frame->first_seq <= frame->end_seq);
    ASSERT(wal->active != NULL ? frame->first_seq == wal->end_seq
                               : frame->first_seq >= wal->end_seq);
    for (i = 0; i < frame->part_count; i++) {
        payload_len += frame->parts[i].len;
        if (payload_len > WAL_PAYLOAD_BYTES_MAX) {
            return error_set(err, BLOCKDB_ELIMIT,
                             "a commit group of more than %u bytes does not fit into the WAL; "
                             "write smaller batches",
                             WAL_PAYLOAD_BYTES_MAX);
        }
    }
    *out_payload_len = payload_len;
    return BLOCKDB_OK;
}

/* An EXACT mark ends before the log grows. */
static int end_exact_mark(struct wal *wal, struct error *err)
{
    int rc = BLOCKDB_OK;

    if (wal->mark_is_exact && wal->on_first_append != NULL) {
        rc = wal->on_first_append(wal->first_append_context, err);
    }
    if (rc < 0) {
        return wal_fail(wal, rc, err);
    }
    wal->mark_is_exact = false;
    return BLOCKDB_OK;
}

int wal_append(struct wal *wal, const struct wal_frame *frame, uint64_t *out_position,
               struct error *err)
{
    struct pending p = {.frame = frame};
    struct error local = {0};
    int rc;

    err = err != NULL ? err : &local;
    rc = check_frame(wal, frame, &p.payload_len, err);
    if (rc == 0) {
        rc = wal_check_failed(wal, err);
    }
    if (rc < 0) {
        return rc;
    }
    p.frame_bytes = wal_frame_bytes(p.payload_len);
    rc = reserve_staging(wal, p.frame_bytes, err);
    if (rc == 0) {
        rc = end_exact_mark(wal, err);
    }
    if (rc < 0) {
        return rc;
    }
    rc = find_room(wal, &p, err);
    if (rc == 0) {
        rc = write_staged(wal, &p, err);
    }
    release_staging(wal);
    if (rc == 0) {
        *out_position = wal_end_position(wal);
    }
    return rc;
}

/* From now on no file that exists is used again. */
static void mark_all(struct wal *wal)
{
    struct wal_segment *segment;

    mutex_lock(&wal->mu);
    wal->erase_below = wal->next_number;
    while ((segment = wal_queue_take(&wal->prepared, wal->erase_below, true)) != NULL) {
        wal_queue_push(&wal->leftover, segment);
    }
    mutex_unlock(&wal->mu);
}

int wal_rotate(struct wal *wal, uint64_t seq, struct error *err)
{
    struct wal_frame frame = {.first_seq = seq, .end_seq = seq};
    uint64_t position = 0;
    int rc;

    mark_all(wal);
    if (wal->staging_cap > 0) {
        explicit_bzero(wal->staging, wal->staging_cap);
    }
    wal->rotating = true;
    rc = wal_append(wal, &frame, &position, err);
    wal->rotating = false;
    return rc < 0 ? rc : wal_sync(wal, position, err);
}

/* The active segment with a reference, and how far it is written; NULL when nothing was appended,
 * and then nothing is unsynced. */
static struct wal_segment *ref_active(struct wal *wal, uint64_t *out_end)
{
    struct wal_segment *segment;

    mutex_lock(&wal->mu);
    segment = wal->active;
    if (segment != NULL) {
        segment->refs++;
    }
    *out_end = wal_end_position(wal);
    mutex_unlock(&wal->mu);
    return segment;
}

static void note_synced(struct wal *wal, uint64_t position)
{
    mutex_lock(&wal->mu);
    wal->stats.syncs++;
    if (wal_synced_position(wal) < position) {
        atomic_store_explicit(&wal->synced_position, position, memory_order_release);
    }
    mutex_unlock(&wal->mu);
}

int wal_sync(struct wal *wal, uint64_t position, struct error *err)
{
    struct error local = {0};
    struct wal_segment *segment;
    uint64_t start_ns;
    uint64_t end;
    int rc;

    ASSERT(position <= wal_end_position(wal));
    if (position <= wal_synced_position(wal)) {
        return BLOCKDB_OK;
    }
    err = err != NULL ? err : &local;
    rc = wal_check_failed(wal, err);
    if (rc < 0) {
        return rc;
    }
    segment = ref_active(wal, &end);
    ASSERT(segment != NULL);
    /* All segments before the active one are synced (WAL-4), so this one covers the position. */
    start_ns = os_monotonic_ns(wal->os);
    atomic_fetch_add_explicit(&wal->syncs_running, 1, memory_order_relaxed);
    rc = file_sync(segment->file, err);
    atomic_fetch_sub_explicit(&wal->syncs_running, 1, memory_order_relaxed);
    if (rc == 0) {
        latency_record(&wal->sync_latency, os_monotonic_ns(wal->os) - start_ns);
        note_synced(wal, end);
    } else {
        rc = wal_fail_for_good(wal, rc, err);
    }
    wal_segment_unref(wal, segment);
    return rc;
}

int wal_write_close(struct wal *wal, struct error *err)
{
    struct pending p = {.frame_bytes = WAL_CLOSE_FRAME_BYTES, .segment = wal->active};
    int rc;

    rc = wal_check_failed(wal, err);
    if (rc < 0 || wal->active == NULL) {
        return rc;
    }
    rc = reserve_staging(wal, p.frame_bytes, err);
    if (rc < 0) {
        return rc;
    }
    p.offset = wal->offset;
    rc = write_staged(wal, &p, err);
    return rc < 0 ? rc : wal_sync(wal, wal_end_position(wal), err);
}
