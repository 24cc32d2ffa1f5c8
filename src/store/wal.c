/* SPDX-License-Identifier: Apache-2.0 */
#include "store/wal.h"

#include "base/assert.h"
#include "base/mem.h"
#include "store/wal_priv.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define INLINE_BYTES_FIRST (64u * 1024)

/* Paths. */

void wal_path_name(const struct wal *wal, const char *name, struct wal_path *out)
{
    int len = snprintf(out->text, sizeof(out->text), "%s/%s", wal->dir, name);

    ASSERT(len > 0 && (size_t)len < sizeof(out->text)); /* wal_open() checked the directory */
}

void wal_path_number(const struct wal *wal, uint64_t number, const char *suffix,
                     struct wal_path *out)
{
    char name[WAL_NAME_BYTES_MAX];

    wal_name_format(number, suffix, name);
    wal_path_name(wal, name, out);
}

/* Segments and queues. */

struct wal_segment *wal_segment_new(uint64_t number)
{
    struct wal_segment *segment = mem_calloc(1, sizeof(*segment));

    if (segment != NULL) {
        segment->number = number;
    }
    return segment;
}

void wal_segment_free(struct wal_segment *segment)
{
    if (segment != NULL) {
        file_close(segment->file);
        mem_free(segment);
    }
}

void wal_segment_unref(struct wal *wal, struct wal_segment *segment)
{
    struct os_file *file = NULL;

    mutex_lock(&wal->mu);
    ASSERT(segment->refs > 0);
    segment->refs--;
    if (segment->refs == 0) {
        file = TAKE(segment->file);
    }
    mutex_unlock(&wal->mu);
    file_close(file);
}

void wal_queue_push(struct wal_queue *q, struct wal_segment *segment)
{
    segment->next = NULL;
    if (q->last != NULL) {
        q->last->next = segment;
    } else {
        q->first = segment;
    }
    q->last = segment;
    q->count++;
    q->bytes += segment->file_bytes;
}

struct wal_segment *wal_queue_pop(struct wal_queue *q)
{
    struct wal_segment *segment = q->first;

    if (segment == NULL) {
        return NULL;
    }
    q->first = segment->next;
    if (q->first == NULL) {
        q->last = NULL;
    }
    segment->next = NULL;
    q->count--;
    q->bytes -= segment->file_bytes;
    return segment;
}

struct wal_segment *wal_queue_take(struct wal_queue *q, uint64_t erase_below, bool marked)
{
    struct wal_queue rest = {0};
    struct wal_segment *taken = NULL;
    struct wal_segment *segment;

    while ((segment = wal_queue_pop(q)) != NULL) {
        if (taken == NULL && (segment->oldest < erase_below) == marked) {
            taken = segment;
        } else {
            wal_queue_push(&rest, segment);
        }
    }
    *q = rest;
    return taken;
}

void wal_queue_deinit(struct wal_queue *q)
{
    struct wal_segment *segment;

    while ((segment = wal_queue_pop(q)) != NULL) {
        wal_segment_free(segment);
    }
}

/* Failures. */

int wal_fail_for_good(struct wal *wal, int code, struct error *err)
{
    ASSERT(code < 0);
    if (code != BLOCKDB_EIO && code != BLOCKDB_ECORRUPT) {
        code = BLOCKDB_EIO;
        err->code = code;
    }
    mutex_lock(&wal->mu);
    if (wal->failure_code == 0) {
        wal->failure_code = code;
        wal->failure = *err;
    }
    mutex_unlock(&wal->mu);
    return code;
}

int wal_fail(struct wal *wal, int code, struct error *err)
{
    bool is_retryable = code == BLOCKDB_ENOSPC || code == BLOCKDB_ENOMEM;

    return is_retryable ? code : wal_fail_for_good(wal, code, err);
}

int wal_check_failed(struct wal *wal, struct error *err)
{
    int code;

    mutex_lock(&wal->mu);
    code = wal->failure_code;
    if (code != 0) {
        (void)error_set(err, code,
                        "the WAL in '%s' failed before and takes nothing more until it is opened "
                        "again: %s",
                        wal->dir, wal->failure.message);
    }
    mutex_unlock(&wal->mu);
    return code;
}

/* Opening and closing. */

static void wal_free(struct wal *wal)
{
    if (wal == NULL) {
        return;
    }
    wal_queue_deinit(&wal->live);
    wal_queue_deinit(&wal->prepared);
    wal_queue_deinit(&wal->old);
    wal_queue_deinit(&wal->leftover);
    cond_deinit(&wal->work_cond);
    cond_deinit(&wal->ready_cond);
    mutex_deinit(&wal->mu);
    mem_free(wal->staging);
    mem_free(wal->dir);
    mem_free(wal);
}

static void wal_free_ptr(struct wal **wal)
{
    wal_free(*wal);
}

static struct wal *wal_new(const struct wal_options *options)
{
    struct wal *wal = mem_calloc(1, sizeof(*wal));

    if (wal == NULL) {
        return NULL;
    }
    mutex_init(&wal->mu, LOCK_RANK_WAL);
    cond_init(&wal->work_cond);
    cond_init(&wal->ready_cond);
    wal->os = options->os;
    wal->dir = mem_strdup(options->dir);
    wal->segment_bytes = options->segment_bytes < WAL_SEGMENT_BYTES_MIN ? WAL_SEGMENT_BYTES_MIN
                                                                        : options->segment_bytes;
    wal->segment_bytes = (wal->segment_bytes + WAL_HEADER_BYTES - 1) / WAL_HEADER_BYTES *
                         WAL_HEADER_BYTES;
    wal->inline_bytes = wal->segment_bytes < INLINE_BYTES_FIRST ? wal->segment_bytes
                                                                : INLINE_BYTES_FIRST;
    wal->keep_bytes = options->keep_bytes;
    wal->prewrite = options->prewrite;
    wal->read_only = options->read_only;
    wal->on_first_append = options->on_first_append;
    wal->first_append_context = options->first_append_context;
    wal->mark_is_exact = options->end_mark.kind == WAL_END_EXACT;
    memcpy(wal->ledger_id, options->ledger_id, WAL_LEDGER_ID_BYTES);
    if (wal->dir == NULL) {
        wal_free(wal);
        return NULL;
    }
    return wal;
}

/* What a crash left half made. */
static int remove_temps(const struct wal *wal, struct error *err)
{
    static const char *const names[] = {WAL_TEMP_PREPARE, WAL_TEMP_INLINE};
    size_t i;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct wal_path path;
        int rc;

        wal_path_name(wal, names[i], &path);
        rc = os_unlink(wal->os, path.text, err);
        if (rc < 0 && rc != BLOCKDB_ENOTFOUND) {
            return rc;
        }
    }
    return BLOCKDB_OK;
}

int wal_open(const struct wal_options *options, struct wal_recovery *out_recovery,
             struct wal **out_wal, struct error *err)
{
    AUTO(wal_free_ptr) struct wal *wal = NULL;
    struct wal_recovery recovery;
    int rc;

    if (strlen(options->dir) + 1 + WAL_NAME_BYTES_MAX > WAL_PATH_BYTES_MAX) {
        return error_set(err, BLOCKDB_EINVAL, "the path of the WAL directory is too long");
    }
    wal = wal_new(options);
    if (wal == NULL) {
        return error_set_no_memory(err);
    }
    rc = wal_check_marker(wal, err);
    if (rc < 0) {
        return rc;
    }
    rc = wal_recover(wal, options, &recovery, err);
    if (rc < 0) {
        return rc;
    }
    if (!wal->read_only) {
        rc = remove_temps(wal, err);
        if (rc < 0) {
            return rc;
        }
    }
    if (options->helper_thread && !wal->read_only) {
        wal->has_helper = true;
        rc = os_thread_start(wal->os, "wal", wal_segments_helper, wal, &wal->helper, err);
        if (rc < 0) {
            return rc;
        }
    }
    if (out_recovery != NULL) {
        *out_recovery = recovery;
    }
    *out_wal = TAKE(wal);
    return BLOCKDB_OK;
}

static void stop_helper(struct wal *wal)
{
    mutex_lock(&wal->mu);
    wal->stopping = true;
    cond_signal(&wal->work_cond);
    mutex_unlock(&wal->mu);
    if (wal->helper != NULL) {
        os_thread_join(wal->os, wal->helper);
    }
}

int wal_close(struct wal *wal, struct wal_end_mark *out_mark, struct error *err)
{
    AUTO(wal_free_ptr) struct wal *closing = wal;
    struct error local = {0};
    int rc = BLOCKDB_OK;

    if (closing == NULL) {
        return BLOCKDB_OK;
    }
    err = err != NULL ? err : &local;
    if (!wal->read_only) {
        rc = wal_write_close(wal, err);
    }
    stop_helper(wal);
    if (rc < 0) {
        return rc;
    }
    if (!wal->read_only) {
        wal_segments_trim(wal);
        rc = wal_check_failed(wal, err);
    }
    if (rc == 0 && out_mark != NULL) {
        *out_mark = (struct wal_end_mark){
            .kind = WAL_END_EXACT, .position = wal_end_position(wal), .end_seq = wal->end_seq};
    }
    return rc;
}

/* Getters. */

uint64_t wal_synced_position(const struct wal *wal)
{
    return atomic_load_explicit(&wal->synced_position, memory_order_acquire);
}

uint64_t wal_end_position(const struct wal *wal)
{
    return atomic_load_explicit(&wal->end_position, memory_order_acquire);
}

const struct latency *wal_sync_latency(const struct wal *wal)
{
    return &wal->sync_latency;
}

bool wal_has_room(struct wal *wal)
{
    bool has_room;

    mutex_lock(&wal->mu);
    has_room = wal->prepared.first != NULL;
    mutex_unlock(&wal->mu);
    return has_room;
}

void wal_find_room(struct wal *wal)
{
    mutex_lock(&wal->mu);
    wal->prepare_ahead = true;
    wal->work_wanted = true;
    cond_signal(&wal->work_cond);
    mutex_unlock(&wal->mu);
}

void wal_get_stats(struct wal *wal, struct wal_stats *out)
{
    mutex_lock(&wal->mu);
    *out = wal->stats;
    out->live_bytes = wal->live.bytes;
    out->prepared_bytes = wal->prepared.bytes + wal->leftover.bytes;
    out->old_bytes = wal->old.bytes;
    mutex_unlock(&wal->mu);
}
