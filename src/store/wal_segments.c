/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making, recycling and retiring segment files.
 *
 * A segment is made in two steps. The body (zeros, or a recycled file) takes long and happens
 * aside. Finishing it is short and done by one party at a time: the file gets the next number, its
 * header, and its name; so the queue of prepared segments is always in order of number.
 *
 * A file carries the numbers of its lives in rising order, and each life draws a random number that
 * all its checksums depend on (WAL-6).
 */
#include "store/wal_priv.h"

#include "base/assert.h"
#include "base/mem.h"

#include <inttypes.h>
#include <string.h>

/* A file system keeps what was written at once in one large folio, and looks at all of a folio's
 * blocks at each small write into it: appending cost three times as much after large chunks. */
#define ZERO_CHUNK_BYTES (16u * 1024)
#define ZERO_SYNC_BYTES (4u * 1024 * 1024)
#define ERASE_WAIT_NS (10 * 1000000ULL)
#define PREPARED_MAX 2 /* recycled segments wait up to this many; new ones are made only for 1 */

/* Kept segments: programs that run for a moment leave short ones, whose bytes alone would let
 * thousands gather. */
#define OLD_FILES_MAX 256

enum job_kind {
    JOB_NONE,
    JOB_HINT,    /* start writing back unsynced frames */
    JOB_RECYCLE, /* turn a file into a prepared segment */
    JOB_REMOVE,  /* remove a file */
    JOB_CREATE,  /* prepare a new file ahead of need */
};

struct job {
    enum job_kind kind;
    struct wal_segment *segment; /* owned by the job; for HINT a reference */
    const char *suffix;          /* of the file's present name */
    uint64_t hint_begin;
    uint64_t hint_end;
    bool with_zeros; /* RECYCLE, CREATE: what the file lacks is written, not only reserved */
};

/* How one file is made. */
struct making {
    struct wal_segment *segment; /* taken over from the job, or new */
    const char *old_suffix;      /* NULL: a new file */
    const char *temp_name;
    uint64_t bytes;
    bool may_cancel; /* give up when the wal is stopping */
    bool with_zeros;
    bool recycled;
};

static bool is_stopping(struct wal *wal)
{
    bool stopping;

    mutex_lock(&wal->mu);
    stopping = wal->stopping;
    mutex_unlock(&wal->mu);
    return stopping;
}

/* Removes a name; that somebody was faster is fine. */
static int remove_name(struct wal *wal, const char *path, struct error *err)
{
    int rc = os_unlink(wal->os, path, err);

    return rc == BLOCKDB_ENOTFOUND ? BLOCKDB_OK : rc;
}

/* Gives the file to recycle its temporary name. When it is gone, a new one is made instead. */
static int move_aside(struct wal *wal, struct making *m, struct error *err)
{
    struct wal_path from;
    struct wal_path temp;
    int rc;

    if (m->old_suffix == NULL) {
        return BLOCKDB_OK;
    }
    wal_path_number(wal, m->segment->number, m->old_suffix, &from);
    wal_path_name(wal, m->temp_name, &temp);
    rc = os_rename(wal->os, from.text, temp.text, err);
    m->recycled = rc == 0;
    if (rc == BLOCKDB_ENOTFOUND) {
        return BLOCKDB_OK;
    }
    /* The old name must be gone for good before the file changes (WAL-7) and gets its next name:
     * else a power cut could leave one file under two names. */
    return rc < 0 ? rc : os_sync_dir(wal->os, wal->dir, err);
}

static int write_zeros(struct wal *wal, const struct making *m, uint64_t from, struct error *err)
{
    AUTO(mem_free_ptr) uint8_t *zeros = NULL;
    uint64_t at = from;

    if (from >= m->bytes) {
        return BLOCKDB_OK;
    }
    zeros = mem_alloc_aligned(OS_DIRECT_ALIGN, ZERO_CHUNK_BYTES);
    if (zeros == NULL) {
        return error_set_no_memory(err);
    }
    memset(zeros, 0, ZERO_CHUNK_BYTES);
    while (at < m->bytes) {
        uint64_t left = m->bytes - at;
        size_t len = left < ZERO_CHUNK_BYTES ? (size_t)left : ZERO_CHUNK_BYTES;
        int rc;

        if (m->may_cancel && is_stopping(wal)) {
            return error_set(err, BLOCKDB_ECANCELED, "the WAL in '%s' is being closed", wal->dir);
        }
        rc = file_pwrite(m->segment->file, zeros, len, at, err);
        if (rc < 0) {
            return rc;
        }
        at += len;
        /* In small portions, so that the syncs of commits never wait behind a whole segment. */
        rc = m->may_cancel && at % ZERO_SYNC_BYTES == 0 ? file_sync(m->segment->file, err) : 0;
        if (rc < 0) {
            return rc;
        }
    }
    return BLOCKDB_OK;
}

static int reserve_blocks(struct os_file *file, uint64_t bytes, struct error *err)
{
    int rc = file_preallocate(file, 0, bytes, err);

    /* Without support for it the file grows as it is written. */
    return rc == BLOCKDB_EUNSUPPORTED ? BLOCKDB_OK : rc;
}

/* Where zeros are wanted but do not pay, the file gets at least its room and length. */
static int reserve_length(struct os_file *file, uint64_t bytes, struct error *err)
{
    int rc = reserve_blocks(file, bytes, err);

    return rc < 0 ? rc : file_truncate(file, bytes, err);
}

/* Makes the body: a file of the wanted length under the temporary name. */
static int make_body(struct wal *wal, struct making *m, struct error *err)
{
    unsigned flags = OS_READ | OS_WRITE | OS_CREATE;
    struct wal_path temp;
    struct os_stat stat;
    int rc;

    wal_path_name(wal, m->temp_name, &temp);
    rc = os_open(wal->os, temp.text, m->recycled ? flags : flags | OS_TRUNCATE, &m->segment->file,
                 err);
    if (rc < 0) {
        return rc;
    }
    rc = file_stat(m->segment->file, &stat, err);
    if (rc < 0) {
        return rc;
    }
    if (stat.len_bytes > m->bytes) {
        rc = file_truncate(m->segment->file, m->bytes, err);
    } else if (m->with_zeros) {
        rc = write_zeros(wal, m, stat.len_bytes, err);
    } else if (wal->prewrite) {
        rc = reserve_length(m->segment->file, m->bytes, err);
    } else {
        rc = reserve_blocks(m->segment->file, m->bytes, err);
    }
    if (rc < 0) {
        return rc;
    }
    m->segment->file_bytes = m->bytes;
    /* The long sync happens here, so that finishing is short. */
    return m->may_cancel && wal->prewrite ? file_sync(m->segment->file, err) : BLOCKDB_OK;
}

static int write_header(struct wal *wal, struct making *m, struct error *err)
{
    AUTO(mem_free_ptr) uint8_t *page = mem_alloc_aligned(OS_DIRECT_ALIGN, WAL_HEADER_BYTES);
    struct wal_header header = {
        .number = m->segment->number,
        .prepared_bytes = m->bytes,
        .recycled = m->recycled,
    };
    int rc;

    if (page == NULL) {
        return error_set_no_memory(err);
    }
    memcpy(header.ledger_id, wal->ledger_id, WAL_LEDGER_ID_BYTES);
    rc = os_random(wal->os, &header.life, sizeof(header.life), err);
    if (rc < 0) {
        return rc;
    }
    m->segment->seed = wal_segment_seed(&header);
    wal_header_encode(&header, page);
    return file_pwrite(m->segment->file, page, WAL_HEADER_BYTES, 0, err);
}

/* Header, sync, name, sync of the directory: WAL-7. */
static int give_name(struct wal *wal, struct making *m, struct error *err)
{
    struct wal_path temp;
    struct wal_path path;
    int rc;

    rc = write_header(wal, m, err);
    if (rc < 0) {
        return rc;
    }
    rc = file_sync(m->segment->file, err);
    if (rc < 0) {
        return rc;
    }
    wal_path_name(wal, m->temp_name, &temp);
    wal_path_number(wal, m->segment->number, WAL_SUFFIX_LIVE, &path);
    rc = os_rename(wal->os, temp.text, path.text, err);
    if (rc < 0) {
        return rc;
    }
    file_renamed(m->segment->file, path.text);
    return os_sync_dir(wal->os, wal->dir, err);
}

/* Whether the file must be removed and not be used again (wal_rotate()). */
static bool is_marked(const struct wal *wal, const struct wal_segment *segment) REQUIRES(wal->mu)
{
    return segment->oldest < wal->erase_below;
}

/* Turns the body into a prepared segment; on success a queue owns it. */
static int finish(struct wal *wal, struct making *m, struct error *err)
{
    int rc;

    mutex_lock(&wal->mu);
    while (wal->finishing) {
        cond_wait(&wal->ready_cond, &wal->mu);
    }
    wal->finishing = true;
    m->segment->number = wal->next_number++;
    mutex_unlock(&wal->mu);

    rc = give_name(wal, m, err);

    mutex_lock(&wal->mu);
    wal->finishing = false;
    if (rc == 0) {
        m->segment->refs = 1;
        m->segment->oldest = m->recycled ? m->segment->oldest : m->segment->number;
        wal_queue_push(is_marked(wal, m->segment) ? &wal->leftover : &wal->prepared, m->segment);
        wal->stats.segments_recycled += m->recycled;
        wal->stats.segments_created += !m->recycled;
    }
    cond_broadcast(&wal->ready_cond);
    mutex_unlock(&wal->mu);
    return rc;
}

/* What cannot be removed now is removed at the next opening. */
static void discard_temp(struct wal *wal, const char *temp_name)
{
    struct wal_path temp;
    int ignored;

    wal_path_name(wal, temp_name, &temp);
    ignored = os_unlink(wal->os, temp.text, NULL);
    (void)ignored;
}

/* Makes a prepared segment; takes over m->segment in every case. */
static int make(struct wal *wal, struct making *m, struct error *err)
{
    int rc;

    if (m->segment == NULL) {
        m->segment = wal_segment_new(0);
        if (m->segment == NULL) {
            return error_set_no_memory(err);
        }
    }
    rc = move_aside(wal, m, err);
    if (rc == 0) {
        rc = make_body(wal, m, err);
    }
    if (rc == 0) {
        rc = finish(wal, m, err);
    }
    if (rc < 0) {
        wal_segment_free(m->segment);
        m->segment = NULL;
        discard_temp(wal, m->temp_name);
    }
    return rc;
}

/* An append needs a segment and none is there: a leftover if there is one, else a short new file,
 * so that the append waits little; each is twice as long as the one before. */
static int make_inline(struct wal *wal, struct error *err)
{
    struct making m = {
        .temp_name = WAL_TEMP_INLINE, .bytes = wal->segment_bytes, .with_zeros = wal->prewrite};
    int rc;

    mutex_lock(&wal->mu);
    m.segment = wal_queue_take(&wal->leftover, wal->erase_below, false);
    mutex_unlock(&wal->mu);
    if (m.segment != NULL) {
        m.old_suffix = WAL_SUFFIX_LIVE;
    }
    if (wal->prewrite) {
        uint64_t bytes = wal->inline_bytes;

        if (m.segment != NULL && m.segment->file_bytes > bytes) {
            bytes = m.segment->file_bytes;
        }
        m.bytes = bytes < wal->segment_bytes ? bytes : wal->segment_bytes;
        wal->inline_bytes = bytes * 2 < wal->segment_bytes ? bytes * 2 : wal->segment_bytes;
    }
    rc = make(wal, &m, err);
    if (rc == 0) {
        mutex_lock(&wal->mu);
        wal->stats.segments_inline++;
        mutex_unlock(&wal->mu);
    }
    return rc;
}

/* The first prepared segment, after those that are nearly ready; NULL when there is none. */
static struct wal_segment *pop_prepared(struct wal *wal)
{
    struct wal_segment *segment;

    mutex_lock(&wal->mu);
    while (wal->prepared.first == NULL && wal->finishing) {
        cond_wait(&wal->ready_cond, &wal->mu);
    }
    segment = wal_queue_pop(&wal->prepared);
    mutex_unlock(&wal->mu);
    return segment;
}

void wal_segments_untake(struct wal *wal, struct wal_segment *segment)
{
    mutex_lock(&wal->mu);
    segment->next = wal->prepared.first;
    wal->prepared.first = segment;
    if (wal->prepared.last == NULL) {
        wal->prepared.last = segment;
    }
    wal->prepared.count++;
    wal->prepared.bytes += segment->file_bytes;
    mutex_unlock(&wal->mu);
}

int wal_segments_take(struct wal *wal, uint64_t least_bytes, struct wal_segment **out,
                      struct error *err)
{
    struct wal_segment *segment = pop_prepared(wal);
    int rc;

    while (segment == NULL) {
        rc = make_inline(wal, err);
        if (rc < 0) {
            return wal_fail(wal, rc, err);
        }
        segment = pop_prepared(wal);
    }
    if (segment->file_bytes < least_bytes) {
        rc = reserve_blocks(segment->file, least_bytes, err);
        if (rc < 0) {
            wal_segments_untake(wal, segment);
            return wal_fail(wal, rc, err);
        }
        segment->file_bytes = least_bytes;
    }
    *out = segment;
    return BLOCKDB_OK;
}

/* What to do with a file that nobody needs any more. */
static enum job_kind fate(const struct wal *wal, const struct wal_segment *segment)
    REQUIRES(wal->mu)
{
    bool wanted = wal->prepared.count < PREPARED_MAX && !is_marked(wal, segment) &&
                  segment->file_bytes >= wal->segment_bytes;

    return wanted && !wal->stopping ? JOB_RECYCLE : JOB_REMOVE;
}

/* The removal of a marked file, if there is one. */
static struct job next_erasure(struct wal *wal) REQUIRES(wal->mu)
{
    struct job job = {.kind = JOB_NONE, .suffix = WAL_SUFFIX_OLD};

    if (wal->erase_below == 0) {
        return job;
    }
    job.segment = wal_queue_take(&wal->old, wal->erase_below, true);
    if (job.segment == NULL && wal->active != NULL) {
        job.segment = wal_queue_take(&wal->leftover, wal->erase_below, true);
        job.suffix = WAL_SUFFIX_LIVE;
    }
    job.kind = job.segment != NULL ? JOB_REMOVE : JOB_NONE;
    return job;
}

static struct job next_job(struct wal *wal) REQUIRES(wal->mu)
{
    struct job job = {.kind = JOB_NONE};

    if (wal->failure_code != 0) {
        return job;
    }
    if (wal->hint_wanted && wal->active != NULL) {
        wal->hint_wanted = false;
        wal->active->refs++;
        return (struct job){.kind = JOB_HINT,
                            .segment = wal->active,
                            .hint_begin = wal->hint_begin,
                            .hint_end = wal->hint_end};
    }
    job = next_erasure(wal);
    if (job.kind != JOB_NONE) {
        return job;
    }
    if (wal->old.bytes > wal->keep_bytes || wal->old.count > OLD_FILES_MAX) {
        job.segment = wal_queue_pop(&wal->old);
        job.suffix = WAL_SUFFIX_OLD;
        job.kind = fate(wal, job.segment);
    } else if (wal->leftover.first != NULL && wal->active != NULL) {
        job.segment = wal_queue_pop(&wal->leftover);
        job.suffix = WAL_SUFFIX_LIVE;
        job.kind = fate(wal, job.segment);
    } else if (wal->prepare_ahead && wal->prepared.count == 0 && wal->has_helper) {
        wal->prepare_ahead = false;
        job.kind = JOB_CREATE;
    }
    job.with_zeros = wal->zeros_pay;
    return job;
}

static int do_job(struct wal *wal, const struct job *job, struct error *err)
{
    struct making m = {.segment = job->segment,
                       .old_suffix = job->suffix,
                       .temp_name = WAL_TEMP_PREPARE,
                       .bytes = wal->segment_bytes,
                       .may_cancel = true,
                       .with_zeros = job->with_zeros};
    struct wal_path path;
    int rc;

    switch (job->kind) {
    case JOB_NONE:
        return BLOCKDB_OK;
    case JOB_HINT:
        rc = file_write_behind(job->segment->file, job->hint_begin, job->hint_end - job->hint_begin,
                               err);
        wal_segment_unref(wal, job->segment);
        return rc;
    case JOB_RECYCLE:
    case JOB_CREATE:
        return make(wal, &m, err);
    case JOB_REMOVE:
        wal_path_number(wal, job->segment->number, job->suffix, &path);
        wal_segment_free(job->segment);
        return remove_name(wal, path.text, err);
    }
    return BLOCKDB_OK;
}

void wal_segments_work(struct wal *wal)
{
    struct error err = {0};
    struct job job;
    int rc;

    do {
        mutex_lock(&wal->mu);
        job = next_job(wal);
        wal->worker_busy = job.kind != JOB_NONE;
        mutex_unlock(&wal->mu);

        rc = do_job(wal, &job, &err);
        mutex_lock(&wal->mu);
        wal->worker_busy = false;
        cond_broadcast(&wal->ready_cond);
        mutex_unlock(&wal->mu);
        if (rc < 0 && rc != BLOCKDB_ECANCELED) {
            /* A full disk is met again, and told, by the append that needs the segment. */
            (void)wal_fail(wal, rc, &err);
        }
    } while (job.kind != JOB_NONE && rc == 0);
}

void wal_segments_trim(struct wal *wal)
{
    mutex_lock(&wal->mu);
    wal->stopping = true; /* so that nothing is recycled any more */
    wal->prepare_ahead = false;
    wal->hint_wanted = false;
    mutex_unlock(&wal->mu);
    wal_segments_work(wal);
}

void wal_segments_helper(void *arg)
{
    struct wal *wal = arg;
    bool stopping = false;

    while (!stopping) {
        wal_segments_work(wal);
        mutex_lock(&wal->mu);
        while (!wal->stopping && !wal->work_wanted) {
            cond_wait(&wal->work_cond, &wal->mu);
        }
        wal->work_wanted = false;
        stopping = wal->stopping;
        mutex_unlock(&wal->mu);
    }
}

/* Whether the oldest live segment may go: its entries are all below seq, no sync uses its file, and
 * the next one has begun durably, so that the log still ends where it did whatever happens. */
static bool may_retire(const struct wal *wal, uint64_t seq) REQUIRES(wal->mu)
{
    const struct wal_segment *oldest = wal->live.first;

    return oldest != NULL && oldest->next != NULL && oldest->end_seq <= seq && oldest->refs == 0 &&
           oldest->next->start.position < wal_synced_position(wal);
}

static struct wal_queue take_retired(struct wal *wal, uint64_t seq)
{
    struct wal_queue retired = {0};

    mutex_lock(&wal->mu);
    while (may_retire(wal, seq)) {
        wal_queue_push(&retired, wal_queue_pop(&wal->live));
    }
    mutex_unlock(&wal->mu);
    return retired;
}

/* After a failure: what was not renamed is live again. */
static void put_back(struct wal *wal, struct wal_queue *retired)
{
    struct wal_segment *segment;
    struct wal_queue live = *retired;

    mutex_lock(&wal->mu);
    while ((segment = wal_queue_pop(&wal->live)) != NULL) {
        wal_queue_push(&live, segment);
    }
    wal->live = live;
    mutex_unlock(&wal->mu);
    *retired = (struct wal_queue){0};
}

static int rename_to_old(struct wal *wal, const struct wal_segment *segment, struct error *err)
{
    struct wal_path from;
    struct wal_path to;

    wal_path_number(wal, segment->number, WAL_SUFFIX_LIVE, &from);
    wal_path_number(wal, segment->number, WAL_SUFFIX_OLD, &to);
    return os_rename(wal->os, from.text, to.text, err);
}

/* Renames what stands in retired, moving it to the queue of old segments. */
static int make_old(struct wal *wal, struct wal_queue *retired, struct error *err)
{
    while (retired->first != NULL) {
        struct wal_segment *segment;
        int rc = rename_to_old(wal, retired->first, err);

        if (rc < 0) {
            return error_wrap(err, rc, "cannot retire a WAL segment");
        }
        segment = wal_queue_pop(retired);
        mutex_lock(&wal->mu);
        wal_queue_push(&wal->old, segment);
        wal->stats.segments_retired++;
        mutex_unlock(&wal->mu);
    }
    return BLOCKDB_OK;
}

int wal_retire(struct wal *wal, uint64_t seq, struct error *err)
{
    struct error local = {0};
    struct wal_queue retired;
    int rc;

    rc = wal_check_failed(wal, err);
    if (rc < 0) {
        return rc;
    }
    if (wal->read_only) {
        return error_set(err, BLOCKDB_EREADONLY, "the WAL in '%s' is opened read-only", wal->dir);
    }
    retired = take_retired(wal, seq);
    if (retired.first == NULL) {
        return BLOCKDB_OK;
    }
    err = err != NULL ? err : &local;
    rc = make_old(wal, &retired, err);
    if (rc == 0) {
        rc = os_sync_dir(wal->os, wal->dir, err);
    }
    if (rc < 0) {
        put_back(wal, &retired);
        return wal_fail(wal, rc, err);
    }
    if (!wal->has_helper) {
        wal_segments_work(wal);
        return BLOCKDB_OK;
    }
    mutex_lock(&wal->mu);
    wal->work_wanted = true;
    cond_signal(&wal->work_cond);
    mutex_unlock(&wal->mu);
    return BLOCKDB_OK;
}

static bool has_marked(const struct wal *wal, const struct wal_queue *q) REQUIRES(wal->mu)
{
    const struct wal_segment *segment = q->first;

    while (segment != NULL && !is_marked(wal, segment)) {
        segment = segment->next;
    }
    return segment != NULL;
}

/* Waits a moment for the helper; whether no marked file is left. */
static bool wait_erased(struct wal *wal)
{
    bool is_left;

    mutex_lock(&wal->mu);
    is_left = wal->worker_busy || has_marked(wal, &wal->live) || has_marked(wal, &wal->old) ||
              has_marked(wal, &wal->leftover) || has_marked(wal, &wal->prepared);
    if (is_left && wal->has_helper) {
        wal->work_wanted = true;
        cond_signal(&wal->work_cond);
        (void)cond_wait_for(&wal->ready_cond, &wal->mu, ERASE_WAIT_NS); /* looks again anyway */
    }
    mutex_unlock(&wal->mu);
    return !is_left;
}

int wal_erase(struct wal *wal, uint64_t seq, struct error *err)
{
    struct error local = {0};
    int rc;

    err = err != NULL ? err : &local;
    do {
        /* A segment that a sync was using retires at the next call. */
        rc = wal_retire(wal, seq, err);
        if (rc == BLOCKDB_OK && !wal->has_helper) {
            wal_segments_work(wal);
        }
    } while (rc == BLOCKDB_OK && !wait_erased(wal));
    if (rc == BLOCKDB_OK) {
        rc = os_sync_dir(wal->os, wal->dir, err);
        rc = rc < 0 ? wal_fail_for_good(wal, rc, err) : BLOCKDB_OK;
    }
    return rc;
}
