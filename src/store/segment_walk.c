/* SPDX-License-Identifier: Apache-2.0 */
#include "store/segment_walk.h"

#include "base/assert.h"
#include "base/checksum.h"
#include "base/mem.h"
#include "store/segment_pack.h"

#include <inttypes.h>

#define WINDOW_BYTES_DEFAULT ((size_t)512 * 1024)

void segment_walk_init(struct segment_walk *walk, const struct segment *segment, uint64_t offset,
                       uint64_t seq, uint64_t height)
{
    *walk = (struct segment_walk){
        .segment = segment,
        .limit = segment_end_of(segment).offset,
        .window_bytes = WINDOW_BYTES_DEFAULT,
        .next_offset = offset,
        .seq = seq,
        .height = height,
    };
}

void segment_walk_deinit(struct segment_walk *walk)
{
    buf_deinit(&walk->directory);
    buf_deinit(&walk->sums);
    buf_deinit(&walk->page);
    mem_free(walk->window);
    *walk = (struct segment_walk){0};
}

/* Makes the window hold at least len bytes. */
static int grow_window(struct segment_walk *walk, size_t len)
{
    uint8_t *bigger;

    if (len <= walk->window_cap) {
        return BLOCKDB_OK;
    }
    bigger = mem_alloc(len);
    if (bigger == NULL) {
        return BLOCKDB_ENOMEM;
    }
    mem_free(walk->window);
    walk->window = bigger;
    walk->window_cap = len;
    walk->window_len = 0;
    return BLOCKDB_OK;
}

/* Borrows len bytes at offset, which do not reach beyond the limit, until the next fetch. */
static int fetch(struct segment_walk *walk, uint64_t offset, size_t len, const uint8_t **out,
                 struct error *err)
{
    uint64_t room = walk->limit - offset;
    size_t want = len > walk->window_bytes ? len : walk->window_bytes;
    int rc;

    ASSERT(offset <= walk->limit && len <= room);
    if (offset < walk->window_offset || offset + len > walk->window_offset + walk->window_len) {
        want = want < room ? want : (size_t)room;
        if (grow_window(walk, want) < 0) {
            return error_set_no_memory(err);
        }
        walk->window_len = 0;
        rc = segment_pread(walk->segment, offset, walk->window, want, err);
        if (rc == BLOCKDB_ECORRUPT && walk->measured) {
            return error_set(err, BLOCKDB_EIO,
                             "segment '%s': bytes at offset %" PRIu64
                             " could be read only in part; is another program changing the file?",
                             walk->segment->path, offset);
        }
        if (rc < 0) {
            return rc;
        }
        walk->window_offset = offset;
        walk->window_len = want;
    }
    *out = walk->window + (offset - walk->window_offset);
    return BLOCKDB_OK;
}

static int corrupt(const struct segment_walk *walk, uint64_t offset, const char *what,
                   struct error *err)
{
    return error_set(err, BLOCKDB_ECORRUPT,
                     "segment '%s': at offset %" PRIu64 ": %s; restore the file from a backup or "
                     "another node",
                     walk->segment->path, offset, what);
}

/* Reads and checks the frame head at next_offset; its directory replaces the present one. */
static int read_head(struct segment_walk *walk, struct segment_frame *out, struct error *err)
{
    uint64_t offset = walk->next_offset;
    struct segment_place place = segment_place_at(walk->segment, offset);
    struct segment_frame frame;
    const uint8_t *bytes;
    size_t head_len;
    int rc;

    if (walk->limit - offset < SEGMENT_FRAME_LEN) {
        return corrupt(walk, offset, "the file ends within the frame head of a block", err);
    }
    rc = fetch(walk, offset, SEGMENT_FRAME_LEN, &bytes, err);
    if (rc == BLOCKDB_OK) {
        rc = segment_frame_decode(bytes, walk->limit - offset, &place, &frame, err);
    }
    if (rc < 0) {
        return rc;
    }
    head_len = (size_t)segment_frame_head_len(frame.page_count);
    rc = fetch(walk, offset, head_len, &bytes, err);
    if (rc == BLOCKDB_OK) {
        rc = segment_frame_check(&frame, bytes, &place, err);
    }
    if (rc < 0) {
        return rc;
    }
    if (frame.first_seq != walk->seq || frame.height != walk->height ||
        frame.time_min_ms < walk->time_ms) {
        return corrupt(walk, offset, "a block does not follow the one before", err);
    }
    buf_reset(&walk->directory);
    if (buf_append(&walk->directory, bytes + SEGMENT_FRAME_LEN, head_len - SEGMENT_FRAME_LEN) < 0) {
        return error_set_no_memory(err);
    }
    *out = frame;
    return BLOCKDB_OK;
}

int segment_walk_block(struct segment_walk *walk, struct error *err)
{
    struct segment_frame frame;
    int rc;

    if (walk->next_offset == walk->limit) {
        return BLOCKDB_ENOTFOUND;
    }
    rc = read_head(walk, &frame, err);
    if (rc < 0) {
        return rc;
    }
    walk->frame = frame;
    walk->offset = walk->next_offset;
    walk->page_i = 0;
    walk->page_offset = walk->offset + segment_frame_head_len(frame.page_count);
    walk->page_seq = frame.first_seq;
    walk->whole = true;
    buf_reset(&walk->sums);
    walk->next_offset = walk->page_offset + frame.pages_len;
    walk->seq += frame.record_count;
    walk->height++;
    walk->time_ms = frame.time_min_ms;
    return BLOCKDB_OK;
}

uint32_t segment_walk_page_records(const struct segment_walk *walk)
{
    if (walk->page_i == walk->frame.page_count) {
        return 0;
    }
    return segment_directory_at(walk->directory.data, walk->page_i).record_count;
}

static void step_page(struct segment_walk *walk)
{
    struct segment_directory_entry entry = segment_directory_at(walk->directory.data, walk->page_i);

    walk->page_i++;
    walk->page_offset += entry.extent;
    walk->page_seq += entry.record_count;
}

void segment_walk_skip_page(struct segment_walk *walk)
{
    ASSERT(walk->page_i < walk->frame.page_count);
    walk->whole = false;
    step_page(walk);
}

/* Once all pages of a block were read: whether they are those it was sealed with. */
static int check_sum(const struct segment_walk *walk, struct error *err)
{
    uint64_t sum;

    if (!walk->whole || walk->page_i < walk->frame.page_count) {
        return BLOCKDB_OK;
    }
    sum = checksum(walk->sums.data, walk->sums.len, walk->segment->seed + walk->offset);
    if (sum != walk->frame.pages_sum) {
        return corrupt(walk, walk->offset, "the pages of a block are not those it was sealed with",
                       err);
    }
    return BLOCKDB_OK;
}

int segment_walk_page(struct segment_walk *walk, struct segment_page *out, struct error *err)
{
    struct segment_place place = segment_place_at(walk->segment, walk->page_offset);
    struct segment_directory_entry entry;
    struct segment_page_head head;
    const uint8_t *bytes = NULL; /* gcc cannot see that fetch() fails below 0 only */
    int rc;

    if (walk->page_i == walk->frame.page_count) {
        return BLOCKDB_ENOTFOUND;
    }
    entry = segment_directory_at(walk->directory.data, walk->page_i);
    rc = fetch(walk, walk->page_offset, entry.extent, &bytes, err);
    if (rc == BLOCKDB_OK) {
        rc = segment_page_decode(bytes, entry.extent, &place, &head, err);
    }
    if (rc < 0) {
        return rc;
    }
    if (head.first_seq != walk->page_seq || head.record_count != entry.record_count) {
        return corrupt(walk, walk->page_offset, "a page is not the one its block expects", err);
    }
    buf_reset(&walk->page);
    if (buf_reserve(&walk->page, segment_unpacked_len(&head)) < 0 ||
        buf_append_le64(&walk->sums, head.checksum) < 0) {
        return error_set_no_memory(err);
    }
    rc = segment_unpack(&head, bytes, &place, walk->page.data, err);
    if (rc < 0) {
        return rc;
    }
    walk->head = head;
    walk->extent = slice_of(bytes, entry.extent);
    step_page(walk);
    rc = check_sum(walk, err);
    if (rc == BLOCKDB_OK) {
        *out = segment_page_view(walk->page.data);
    }
    return rc;
}
