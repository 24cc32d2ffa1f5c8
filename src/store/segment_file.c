/* SPDX-License-Identifier: Apache-2.0 */
#include "store/segment_file.h"

#include "base/assert.h"
#include "base/checksum.h"
#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>

/* Keeps names of segments in caches apart from those of tables, which are small numbers. */
#define CACHE_FILE_BASE (1ull << 62)
/* Revisions of one segment have names of their own, for more rewritings than there will be. */
#define CACHE_REVISION_SHIFT 32
#define CACHE_REVISION_MASK ((1u << 30) - 1)

void segment_name(uint32_t number, uint32_t revision, char *out)
{
    if (revision == 0) {
        (void)snprintf(out, SEGMENT_NAME_MAX, "%06" PRIu32 ".blk", number);
    } else {
        (void)snprintf(out, SEGMENT_NAME_MAX, "%06" PRIu32 "-%" PRIu32 ".blk", number, revision);
    }
}

char *segment_path(const char *dir, uint32_t number, uint32_t revision)
{
    char name[SEGMENT_NAME_MAX];

    segment_name(number, revision, name);
    return path_join(dir, name);
}

struct segment *segment_ref(struct segment *segment)
{
    (void)atomic_fetch_add_explicit(&segment->refs, 1, memory_order_relaxed);
    return segment;
}

void segment_unref(struct segment *segment)
{
    if (segment != NULL &&
        atomic_fetch_sub_explicit(&segment->refs, 1, memory_order_acq_rel) == 1) {
        segment_free(segment);
    }
}

void segment_unref_ptr(struct segment **segment)
{
    segment_unref(*segment);
}

void segment_unref_fn(void *segment)
{
    segment_unref(segment);
}

void segment_free(struct segment *segment)
{
    struct segment_active *active;

    if (segment == NULL) {
        return;
    }
    active = atomic_load_explicit(&segment->active, memory_order_acquire);
    if (active != NULL) {
        segment_index_deinit(&active->pages);
        segment_index_deinit(&active->blocks);
        mem_free(active);
    }
    mem_free(atomic_load_explicit(&segment->top, memory_order_acquire));
    file_close(segment->file);
    mem_free(segment->path);
    mem_free(segment);
}

void segment_free_ptr(struct segment **segment)
{
    segment_free(*segment);
}

static struct segment_active *active_new(struct epoch *epoch)
{
    struct segment_active *active = mem_calloc(1, sizeof(*active));

    if (active != NULL) {
        segment_index_init(&active->pages, SEGMENT_PAGE_ENTRY_LEN, epoch);
        segment_index_init(&active->blocks, SEGMENT_BLOCK_ENTRY_LEN, epoch);
    }
    return active;
}

static void active_free(void *object)
{
    struct segment_active *active = object;

    segment_index_deinit(&active->pages);
    segment_index_deinit(&active->blocks);
    mem_free(active);
}

struct segment *segment_new(const struct segment_env *env, const struct segment_header *header,
                            bool finished)
{
    AUTO(segment_free_ptr) struct segment *segment = mem_calloc(1, sizeof(*segment));
    struct segment_active *active;

    if (segment == NULL) {
        return NULL;
    }
    atomic_init(&segment->refs, 1);
    segment->env = env;
    segment->number = header->number;
    segment->revision = header->revision;
    segment->first_seq = header->first_seq;
    segment->first_height = header->first_height;
    segment->seed = segment_seed(env->ledger_id, header->number);
    segment->cache_file = CACHE_FILE_BASE + header->number +
                          ((uint64_t)(header->revision & CACHE_REVISION_MASK)
                           << CACHE_REVISION_SHIFT);
    segment->end_seq = header->first_seq;
    segment->end_height = header->first_height;
    segment->data_end = SEGMENT_DATA_OFFSET;
    segment->path = segment_path(env->dir, header->number, header->revision);
    if (segment->path == NULL) {
        return NULL;
    }
    if (!finished) {
        active = active_new(env->epoch);
        if (active == NULL) {
            return NULL;
        }
        atomic_init(&segment->active, active);
    }
    return TAKE(segment);
}

static unsigned open_flags(const struct segment_env *env, bool writable)
{
    return OS_READ | (writable ? OS_WRITE : 0u) | (env->direct_io ? OS_DIRECT : 0u);
}

/* Writes and syncs the header of a new file, and syncs the directory. */
static int write_header(struct segment *segment, const struct segment_header *header,
                        struct error *err)
{
    uint8_t *page = mem_alloc_aligned(OS_DIRECT_ALIGN, SEGMENT_UNIT);
    int rc;

    if (page == NULL) {
        return error_set_no_memory(err);
    }
    segment_header_encode(header, page);
    rc = file_pwrite(segment->file, page, SEGMENT_UNIT, 0, err);
    mem_free(page);
    if (rc == BLOCKDB_OK) {
        rc = file_sync(segment->file, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = os_sync_dir(segment->env->os, segment->env->dir, err);
    }
    return rc;
}

int segment_create(const struct segment_env *env, const struct segment_header *header,
                   struct segment **out, bool *out_undefined, struct error *err)
{
    AUTO(segment_free_ptr) struct segment *segment = segment_new(env, header, false);
    int rc;

    if (segment == NULL) {
        return error_set_no_memory(err);
    }
    rc = os_open(env->os, segment->path, open_flags(env, true) | OS_CREATE | OS_EXCLUSIVE,
                 &segment->file, err);
    if (rc < 0) {
        *out_undefined = rc != BLOCKDB_ENOSPC && rc != BLOCKDB_ENOMEM;
        return rc;
    }
    rc = write_header(segment, header, err);
    if (rc < 0) {
        bool removed = os_unlink(env->os, segment->path, NULL) == BLOCKDB_OK;

        *out_undefined = !removed || (rc != BLOCKDB_ENOSPC && rc != BLOCKDB_ENOMEM);
        return rc;
    }
    *out = TAKE(segment);
    return BLOCKDB_OK;
}

/* ---- Opening -------------------------------------------------------------------------------- */

int segment_check_header(const struct segment *segment, struct segment_header *out,
                         struct error *err)
{
    AUTO(buf_deinit) struct buf page = {0};
    struct segment_header header;
    int rc;

    if (buf_append_zeros(&page, SEGMENT_UNIT) < 0) {
        return error_set_no_memory(err);
    }
    rc = segment_pread(segment, 0, page.data, SEGMENT_UNIT, err);
    if (rc == BLOCKDB_OK) {
        rc = segment_header_decode(page.data, segment->path, &header, err);
    }
    if (rc < 0) {
        return rc;
    }
    if (memcmp(header.ledger_id, segment->env->ledger_id, SEGMENT_LEDGER_ID_LEN) != 0) {
        return error_set(err, BLOCKDB_EFOREIGN,
                         "segment '%s' belongs to another ledger; put back the file of this one",
                         segment->path);
    }
    if (header.number != segment->number || header.revision != segment->revision ||
        header.first_seq != segment->first_seq ||
        (segment->first_height != SEGMENT_HEIGHT_UNKNOWN &&
         header.first_height != segment->first_height)) {
        return error_set(err, BLOCKDB_ECORRUPT,
                         "segment '%s': at offset 0: the header is that of segment %" PRIu32
                         " from seq %" PRIu64 ", the manifest expects segment %" PRIu32
                         " from seq %" PRIu64 "; restore the file from a backup or another node",
                         segment->path, header.number, header.first_seq, segment->number,
                         segment->first_seq);
    }
    *out = header;
    return BLOCKDB_OK;
}

static int read_footer(const struct segment *segment, const struct segment_info *info,
                       struct segment_footer *out, struct error *err)
{
    AUTO(buf_deinit) struct buf page = {0};
    struct os_stat stat;
    struct segment_place place;
    int rc = file_stat(segment->file, &stat, err);

    if (rc < 0) {
        return rc;
    }
    if (stat.len_bytes != info->len_bytes || stat.len_bytes < 2 * SEGMENT_UNIT) {
        return error_set(err, BLOCKDB_ECORRUPT,
                         "segment '%s' is %" PRIu64 " bytes long, the manifest says %" PRIu64
                         "; restore the file from a backup or another node",
                         segment->path, stat.len_bytes, info->len_bytes);
    }
    if (buf_append_zeros(&page, SEGMENT_UNIT) < 0) {
        return error_set_no_memory(err);
    }
    place = segment_place_at(segment, stat.len_bytes - SEGMENT_UNIT);
    rc = segment_pread(segment, place.offset, page.data, SEGMENT_UNIT, err);
    if (rc == BLOCKDB_OK) {
        rc = segment_footer_decode(page.data, &place, out, err);
    }
    if (rc < 0) {
        return rc;
    }
    if (out->number != segment->number || out->first_seq != segment->first_seq ||
        out->first_height != segment->first_height || out->end_seq != info->end_seq ||
        (info->end_height != SEGMENT_HEIGHT_UNKNOWN && out->end_height != info->end_height)) {
        return error_set(err, BLOCKDB_ECORRUPT,
                         "segment '%s': at offset %" PRIu64
                         ": the footer does not agree with the manifest; restore the file from a "
                         "backup or another node",
                         segment->path, place.offset);
    }
    return BLOCKDB_OK;
}

/* Reads what a finished segment keeps in memory. */
static int open_finished(struct segment *segment, const struct segment_info *info,
                         struct error *err)
{
    AUTO(mem_free_ptr) struct segment_top *top = NULL;
    struct segment_footer footer;
    uint64_t offset;
    uint64_t len;
    int rc = read_footer(segment, info, &footer, err);

    if (rc < 0) {
        return rc;
    }
    offset = segment_top_offset(&footer);
    len = segment_top_len(&footer);
    top = mem_alloc(sizeof(*top) + len);
    if (top == NULL) {
        return error_set_no_memory(err);
    }
    top->footer = footer;
    rc = segment_pread(segment, offset, top->bytes, len, err);
    if (rc < 0) {
        return rc;
    }
    if (checksum(top->bytes, len, segment->seed + offset) != footer.top_checksum) {
        return error_set(err, BLOCKDB_ECORRUPT,
                         "segment '%s': at offset %" PRIu64
                         ": checksum mismatch in the top index; restore the file from a backup or "
                         "another node",
                         segment->path, offset);
    }
    segment_end_publish(segment,
                        &(struct segment_end){footer.end_seq, footer.end_height, footer.data_end});
    atomic_store_explicit(&segment->top, TAKE(top), memory_order_release);
    return BLOCKDB_OK;
}

int segment_open(const struct segment_env *env, const struct segment_info *info,
                 struct segment **out, struct error *err)
{
    struct segment_header header = {
        .number = info->number,
        .revision = info->revision,
        .first_seq = info->first_seq,
        .first_height = info->first_height,
    };
    AUTO(segment_free_ptr) struct segment *segment = segment_new(env, &header, info->finished);
    bool writable = !info->finished && !env->read_only;
    int rc;

    if (segment == NULL) {
        return error_set_no_memory(err);
    }
    rc = os_open(env->os, segment->path, open_flags(env, writable), &segment->file, err);
    if (rc == BLOCKDB_ENOTFOUND) {
        return error_set(err, BLOCKDB_ECORRUPT,
                         "segment '%s' is missing; restore the file from a backup or another node",
                         segment->path);
    }
    if (rc == BLOCKDB_OK) {
        rc = segment_check_header(segment, &header, err);
    }
    if (rc == BLOCKDB_OK) {
        segment->first_height = header.first_height;
        segment->end_height = header.first_height;
    }
    if (rc == BLOCKDB_OK && info->finished) {
        rc = open_finished(segment, info, err);
    }
    if (rc < 0) {
        return rc;
    }
    *out = TAKE(segment);
    return BLOCKDB_OK;
}

int segment_pread(const struct segment *segment, uint64_t offset, void *out, size_t len,
                  struct error *err)
{
    AUTO(mem_free_ptr) uint8_t *aligned = NULL;
    uint64_t start = offset / OS_DIRECT_ALIGN * OS_DIRECT_ALIGN;
    size_t before = (size_t)(offset - start);
    size_t want;
    size_t got;
    int rc;

    if (!segment->env->direct_io) {
        return file_pread_full(segment->file, out, len, offset, err);
    }
    want = (size_t)segment_align(before + len, OS_DIRECT_ALIGN);
    aligned = mem_alloc_aligned(OS_DIRECT_ALIGN, want);
    if (aligned == NULL) {
        return error_set_no_memory(err);
    }
    rc = file_pread(segment->file, aligned, want, start, &got, err);
    if (rc < 0) {
        return rc;
    }
    if (got < before + len) {
        return error_set(err, BLOCKDB_ECORRUPT,
                         "segment '%s': the file ends at offset %" PRIu64 ", bytes up to %" PRIu64
                         " are missing; restore the file from a backup "
                         "or another node",
                         segment->path, start + got, offset + len);
    }
    memcpy(out, aligned + before, len);
    return BLOCKDB_OK;
}

/* ---- The index of an active segment --------------------------------------------------------- */

int segment_index_block_reserve(struct segment_active *active, uint32_t page_count)
{
    if (segment_index_reserve(&active->pages, page_count) < 0) {
        return BLOCKDB_ENOMEM;
    }
    return segment_index_reserve(&active->blocks, 1);
}

void segment_index_block(struct segment *segment, const struct segment_frame *frame,
                         const uint8_t *directory, uint64_t offset)
{
    struct segment_active *active = atomic_load_explicit(&segment->active, memory_order_relaxed);
    struct segment_block_entry block = {
        .time_min_ms = frame->time_min_ms,
        .time_max_ms = frame->time_max_ms,
        .seq_delta = (uint32_t)(frame->first_seq - segment->first_seq),
        .offset = offset,
    };
    struct segment_page_entry page = {
        .seq_delta = block.seq_delta,
        .offset = offset + segment_frame_head_len(frame->page_count),
    };
    uint32_t i;

    for (i = 0; i < frame->page_count; i++) {
        struct segment_directory_entry entry = segment_directory_at(directory, i);

        page.extent = entry.extent;
        segment_page_entry_encode(&page, segment_index_append(&active->pages));
        page.seq_delta += entry.record_count;
        page.offset += entry.extent;
    }
    segment_block_entry_encode(&block, segment_index_append(&active->blocks));
    active->records_len += frame->records_len;
    active->time_min_ms = frame->time_min_ms;
    segment_index_publish(&active->pages);
    segment_index_publish(&active->blocks);
    segment_end_publish(segment,
                        &(struct segment_end){.seq = frame->first_seq + frame->record_count,
                                              .height = frame->height + 1,
                                              .offset = page.offset});
}

struct segment_end segment_end_of(const struct segment *segment)
{
    struct segment_end end;
    uint64_t before;
    uint64_t after;

    do {
        before = atomic_load_explicit(&segment->changes, memory_order_acquire);
        end.seq = atomic_load_explicit(&segment->end_seq, memory_order_acquire);
        end.height = atomic_load_explicit(&segment->end_height, memory_order_acquire);
        end.offset = atomic_load_explicit(&segment->data_end, memory_order_acquire);
        after = atomic_load_explicit(&segment->changes, memory_order_relaxed);
    } while (before != after || before % 2 != 0);
    return end;
}

void segment_end_publish(struct segment *segment, const struct segment_end *end)
{
    uint64_t changes = atomic_load_explicit(&segment->changes, memory_order_relaxed);

    /* A reader that sees one of the new numbers also sees the odd count stored before it. */
    atomic_store_explicit(&segment->changes, changes + 1, memory_order_relaxed);
    atomic_store_explicit(&segment->data_end, end->offset, memory_order_release);
    atomic_store_explicit(&segment->end_height, end->height, memory_order_release);
    atomic_store_explicit(&segment->end_seq, end->seq, memory_order_release);
    atomic_store_explicit(&segment->changes, changes + 2, memory_order_release);
}

/* ---- Finishing ------------------------------------------------------------------------------ */

/* Appends the chunks of an index as sealed partitions; place.offset is where image begins. */
static int append_partitions(const struct segment_index *index, struct segment_place place,
                             struct buf *image)
{
    uint64_t count = segment_index_count(index);
    uint64_t base = place.offset;
    uint32_t i;

    for (i = 0; (uint64_t)i * index->per_chunk < count; i++) {
        uint64_t left = count - (uint64_t)i * index->per_chunk;
        uint32_t in_chunk = left < index->per_chunk ? (uint32_t)left : index->per_chunk;

        place.offset = base + image->len;
        if (buf_append(image, segment_index_chunk(index, i), SEGMENT_UNIT) < 0) {
            return BLOCKDB_ENOMEM;
        }
        segment_partition_seal(image->data + image->len - SEGMENT_UNIT, in_chunk, i, &place);
    }
    return BLOCKDB_OK;
}

/* Fills the top index from the first entries of all chunks. */
static void fill_top(const struct segment_active *active, struct segment_top *top)
{
    const struct segment_footer *footer = &top->footer;
    uint8_t *at = top->bytes;
    uint32_t i;

    memset(at, 0, segment_top_len(footer));
    for (i = 0; i < footer->block_partitions; i++, at += SEGMENT_TOP_BLOCK_LEN) {
        struct segment_block_entry first = segment_block_entry_decode(
            segment_index_chunk(&active->blocks, i) + SEGMENT_PARTITION_HEAD_LEN);

        put_le64(at, first.time_min_ms);
        put_le32(at + 8, first.seq_delta);
    }
    for (i = 0; i < footer->page_partitions; i++, at += SEGMENT_TOP_PAGE_LEN) {
        struct segment_page_entry first = segment_page_entry_decode(
            segment_index_chunk(&active->pages, i) + SEGMENT_PARTITION_HEAD_LEN);

        put_le32(at, first.seq_delta);
    }
}

static struct segment_footer make_footer(const struct segment *segment,
                                         const struct segment_active *active)
{
    uint64_t pages = segment_index_count(&active->pages);
    uint64_t blocks = segment_index_count(&active->blocks);
    struct segment_end end = segment_end_of(segment);

    return (struct segment_footer){
        .number = segment->number,
        .first_seq = segment->first_seq,
        .end_seq = end.seq,
        .first_height = segment->first_height,
        .end_height = end.height,
        .data_end = end.offset,
        .page_count = pages,
        .records_len = active->records_len,
        .page_partitions = (uint32_t)segment_index_chunk_count(&active->pages, pages),
        .block_partitions = (uint32_t)segment_index_chunk_count(&active->blocks, blocks),
    };
}

int segment_finish_image(const struct segment *segment, struct buf *out_image,
                         struct segment_top **out_top)
{
    const struct segment_active *active = atomic_load_explicit(&segment->active,
                                                               memory_order_relaxed);
    struct segment_footer footer = make_footer(segment, active);
    AUTO(mem_free_ptr) struct segment_top *top = mem_alloc(sizeof(*top) + segment_top_len(&footer));
    struct segment_place place = segment_place_at(segment, footer.data_end);
    uint64_t gap = segment_page_index_offset(&footer) - footer.data_end;

    if (top == NULL) {
        return BLOCKDB_ENOMEM;
    }
    top->footer = footer;
    fill_top(active, top);
    top->footer.top_checksum = checksum(top->bytes, segment_top_len(&footer),
                                        segment->seed + segment_top_offset(&footer));
    if (buf_append_zeros(out_image, gap) < 0 ||
        append_partitions(&active->pages, place, out_image) < 0 ||
        append_partitions(&active->blocks, place, out_image) < 0 ||
        buf_append(out_image, top->bytes, segment_top_len(&footer)) < 0 ||
        buf_append_zeros(out_image, SEGMENT_UNIT) < 0) {
        return BLOCKDB_ENOMEM;
    }
    place.offset = segment_footer_offset(&footer);
    segment_footer_encode(&top->footer, &place, out_image->data + out_image->len - SEGMENT_UNIT);
    ASSERT(footer.data_end + out_image->len == place.offset + SEGMENT_UNIT);
    *out_top = TAKE(top);
    return BLOCKDB_OK;
}

void segment_finish(struct segment *segment, struct segment_top *top)
{
    struct segment_active *active = atomic_load_explicit(&segment->active, memory_order_relaxed);

    atomic_store_explicit(&segment->top, top, memory_order_release);
    atomic_store_explicit(&segment->active, NULL, memory_order_release);
    epoch_retire(segment->env->epoch, &active->retired, active, active_free);
}
