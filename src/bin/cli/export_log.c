/* SPDX-License-Identifier: Apache-2.0 */
#include "bin/cli/export_log.h"

#include "base/lock.h"
#include "base/mem.h"
#include "bin/cli/log_files.h"
#include "ledger/checkpoint.h"
#include "ledger/merkle.h"
#include "ledger/proof.h"
#include "os/os.h"

#include <blockdb/evidence.h>
#include <inttypes.h>
#include <stdatomic.h>

#define PROGRESS_NS (100 * 1000000ULL)
#define THREADS_USUAL 8
/* They wait for the disk, which does many at once in about the time of one. */
#define THREADS_SYNC 32
#define UNIT_TILES 50 /* of level 0, that a thread takes at once */
#define DIRECTORY_TILES 1000

/* A checkpoint without its text. */
struct head {
    uint64_t size;
    struct hash root;
};

/* What threads do with each level 0 tile. */
enum stage {
    STAGE_WRITE,
    STAGE_SYNC,
};

struct export_job {
    /* Constant while threads run. */
    const struct export_log_options *options;
    struct log_files files;
    struct head old; /* size 0: there was none */
    struct head head;
    uint64_t first_tile; /* of level 0 */
    uint64_t end_tile;
    enum stage stage;

    _Atomic uint64_t next_tile;
    atomic_bool stop;
    _Atomic uint64_t done_tiles;
    _Atomic uint64_t files_written;
    _Atomic uint64_t bytes_written;

    /* Guarded by mu. */
    struct mutex mu;
    struct cond idle;
    unsigned running;
    int status; /* of the first failure */
    struct error error;
};

/* ---- The directory's history ----------------------------------------------------------------- */

static int parse_head(struct slice bytes, struct slice *out_origin, struct head *out,
                      struct error *err)
{
    AUTO(mem_free_ptr) struct note *note = mem_alloc(sizeof(*note));
    struct checkpoint checkpoint;
    int rc;

    if (note == NULL) {
        return error_set_no_memory(err);
    }
    rc = checkpoint_parse_note(bytes, note, &checkpoint, err);
    if (rc == BLOCKDB_OK) {
        *out_origin = checkpoint.origin;
        *out = (struct head){.size = checkpoint.size, .root = checkpoint.root};
    }
    return rc;
}

/* EXPORT-1, of two heads of the same origin. */
static int check_growth(struct export_job *job, struct error *err)
{
    struct consistency claim = {.old_size = job->old.size,
                                .new_size = job->head.size,
                                .old_root = &job->old.root,
                                .new_root = &job->head.root};
    struct blockdb_proof proof;
    int rc;

    if (job->old.size == 0) {
        return BLOCKDB_OK;
    }
    if (job->old.size > job->head.size) {
        return error_set(err, BLOCKDB_ETAMPERED,
                         "'%s' has %" PRIu64 " entries of this log and the database only %" PRIu64
                         ": it was put back to an older state, or is not the one that was exported",
                         job->files.dir, job->old.size, job->head.size);
    }
    rc = blockdb_prove_consistency(job->options->db, job->old.size, job->head.size, &proof, err);
    if (rc < 0) {
        return rc;
    }
    rc = consistency_verify(&claim, (const struct hash *)(const void *)proof.hashes, proof.count);
    if (rc < 0) {
        return error_set(err, rc,
                         "the %" PRIu64 " entries in '%s' are not the first of the %" PRIu64
                         " in this database: one of the two has another history",
                         job->old.size, job->files.dir, job->head.size);
    }
    return BLOCKDB_OK;
}

static int load_heads(struct export_job *job, struct error *err)
{
    AUTO(buf_deinit) struct buf bytes = {0};
    struct slice origin = {0};
    struct slice old_origin = {0};
    int rc = parse_head(job->options->note, &origin, &job->head, err);

    if (rc < 0) {
        return rc;
    }
    rc = log_files_checkpoint(&job->files, &bytes, err);
    if (rc == BLOCKDB_ENOTFOUND) {
        return BLOCKDB_OK;
    }
    if (rc == BLOCKDB_OK) {
        rc = parse_head(buf_slice(&bytes), &old_origin, &job->old, err);
    }
    if (rc < 0) {
        return error_wrap(err, rc, "'%s/checkpoint'", job->files.dir);
    }
    if (!slice_equal(origin, old_origin)) {
        return error_set(
            err, BLOCKDB_EFOREIGN,
            "'%s' has the log '%.*s', this database has '%.*s': name another directory",
            job->files.dir, (int)old_origin.len, (const char *)old_origin.data, (int)origin.len,
            (const char *)origin.data);
    }
    return check_growth(job, err);
}

/* ---- Tiles ----------------------------------------------------------------------------------- */

static int put(struct export_job *job, const struct tile *tile, struct slice bytes,
               struct error *err)
{
    int rc = log_files_put(&job->files, tile, bytes, err);

    if (rc == BLOCKDB_OK) {
        (void)atomic_fetch_add_explicit(&job->files_written, 1, memory_order_relaxed);
        (void)atomic_fetch_add_explicit(&job->bytes_written, bytes.len, memory_order_relaxed);
    }
    return rc;
}

/* Writes the bundle beside a tile of level 0. */
static int put_bundle(struct export_job *job, const struct tile *tile, struct error *err)
{
    AUTO(blockdb_value_deinit) struct blockdb_value value = {0};
    struct tile bundle = {.level = TILE_LEVEL_ENTRIES, .index = tile->index, .width = tile->width};
    int rc = blockdb_bundle_read(job->options->db, tile->index, tile->width, &value, err);

    return rc < 0 ? rc : put(job, &bundle, slice_of(value.data, value.len), err);
}

/* Writes a tile, and the bundle beside it, unless they are there. */
static int write_tile(struct export_job *job, const struct tile *tile, struct error *err)
{
    struct hash hashes[TILE_WIDTH];
    bool have = false;
    int rc = blockdb_tile_read(job->options->db, tile->level, tile->index, tile->width,
                               hashes[0].bytes, err);

    if (rc == BLOCKDB_OK) {
        rc = log_files_have(&job->files, tile, hashes, &have, err);
    }
    if (rc == BLOCKDB_OK && !have && tile->level == 0) {
        rc = put_bundle(job, tile, err);
    }
    if (rc == BLOCKDB_OK && !have) {
        rc = put(job, tile, slice_of(hashes, tile->width * sizeof(hashes[0])), err);
    }
    return rc;
}

static int sync_tile(struct export_job *job, const struct tile *tile, struct error *err)
{
    struct tile bundle = {.level = TILE_LEVEL_ENTRIES, .index = tile->index, .width = tile->width};
    bool is_last = tile->index % DIRECTORY_TILES == DIRECTORY_TILES - 1 ||
                   tile->width < TILE_WIDTH || tile->index + 1 == job->end_tile;
    int rc = log_files_sync(&job->files, tile, err);

    if (rc == BLOCKDB_OK && tile->level == 0) {
        rc = log_files_sync(&job->files, &bundle, err);
    }
    if (rc == BLOCKDB_OK && is_last && tile->level == 0) {
        rc = log_files_sync_dir(&job->files, &bundle, err);
    }
    return rc == BLOCKDB_OK && (is_last || tile->level > 0)
               ? log_files_sync_dir(&job->files, tile, err)
               : rc;
}

static int do_tile(struct export_job *job, const struct tile *tile, struct error *err)
{
    switch (job->stage) {
    case STAGE_WRITE:
        return write_tile(job, tile, err);
    case STAGE_SYNC:
        return sync_tile(job, tile, err);
    }
    return BLOCKDB_OK;
}

/* ---- Threads --------------------------------------------------------------------------------- */

static void note_failure(struct export_job *job, int rc, const struct error *err)
{
    mutex_lock(&job->mu);
    if (job->status == BLOCKDB_OK) {
        job->status = rc;
        job->error = *err;
    }
    mutex_unlock(&job->mu);
    atomic_store_explicit(&job->stop, true, memory_order_relaxed);
}

static void do_unit(struct export_job *job, uint64_t first)
{
    uint64_t end = first + UNIT_TILES < job->end_tile ? first + UNIT_TILES : job->end_tile;
    struct error err;
    uint64_t i;

    for (i = first; i < end && !atomic_load_explicit(&job->stop, memory_order_relaxed); i++) {
        struct tile tile = {.index = i, .width = tile_width_at(0, i, job->head.size)};
        int rc = do_tile(job, &tile, &err);

        if (rc < 0) {
            note_failure(job, rc, &err);
        }
        (void)atomic_fetch_add_explicit(&job->done_tiles, 1, memory_order_relaxed);
    }
}

static void worker_main(void *arg)
{
    struct export_job *job = arg;
    uint64_t first = atomic_fetch_add_explicit(&job->next_tile, UNIT_TILES, memory_order_relaxed);

    while (first < job->end_tile && !atomic_load_explicit(&job->stop, memory_order_relaxed)) {
        do_unit(job, first);
        first = atomic_fetch_add_explicit(&job->next_tile, UNIT_TILES, memory_order_relaxed);
    }
    mutex_lock(&job->mu);
    job->running--;
    cond_signal(&job->idle);
    mutex_unlock(&job->mu);
}

static void report_progress(struct export_job *job)
{
    const struct export_log_options *options = job->options;
    uint64_t tiles = atomic_load_explicit(&job->done_tiles, memory_order_relaxed);
    bool writes = job->stage == STAGE_WRITE;
    uint64_t scale = writes ? TILE_WIDTH : 2; /* entries, or files */
    struct error err;

    if (options->progress != NULL &&
        !options->progress(options->progress_arg, writes ? "entries" : "files synced",
                           tiles * scale, (job->end_tile - job->first_tile) * scale)) {
        (void)error_set(&err, BLOCKDB_ECANCELED,
                        "interrupted; the next export to '%s' goes on from here", job->files.dir);
        note_failure(job, BLOCKDB_ECANCELED, &err);
    }
}

static void wait_for_workers(struct export_job *job)
{
    mutex_lock(&job->mu);
    while (job->running > 0) {
        if (!cond_wait_for(&job->idle, &job->mu, PROGRESS_NS)) {
            mutex_unlock(&job->mu);
            report_progress(job);
            mutex_lock(&job->mu);
        }
    }
    mutex_unlock(&job->mu);
}

static unsigned thread_count(const struct export_job *job)
{
    uint64_t units = (job->end_tile - job->first_tile + UNIT_TILES - 1) / UNIT_TILES;
    unsigned count = job->options->threads;

    if (job->stage == STAGE_SYNC) {
        count = THREADS_SYNC;
    } else if (count == 0) {
        count = os_processor_count();
        count = count < THREADS_USUAL ? count : THREADS_USUAL;
    }
    if (count > EXPORT_LOG_THREADS_MAX) {
        count = EXPORT_LOG_THREADS_MAX;
    }
    return units < count ? (unsigned)units : count;
}

/* Does the present stage with all tiles of level 0. */
static int run_threads(struct export_job *job, struct error *err)
{
    struct os_thread *threads[EXPORT_LOG_THREADS_MAX];
    unsigned wanted = thread_count(job);
    unsigned started = 0;
    struct error why;

    atomic_store_explicit(&job->next_tile, job->first_tile, memory_order_relaxed);
    atomic_store_explicit(&job->done_tiles, 0, memory_order_relaxed);
    job->running = wanted; /* no thread is there yet */
    while (started < wanted) {
        int rc = os_thread_start(job->options->os, "export", worker_main, job, &threads[started],
                                 &why);

        if (rc < 0) {
            note_failure(job, rc, &why);
            mutex_lock(&job->mu);
            job->running -= wanted - started;
            mutex_unlock(&job->mu);
            break;
        }
        started++;
    }
    wait_for_workers(job);
    while (started > 0) {
        os_thread_join(job->options->os, threads[--started]);
    }
    return job->status < 0 ? error_set(err, job->status, "%s", job->error.message) : BLOCKDB_OK;
}

/* Does the present stage with what is new above level 0, which is little. */
static int run_upper_levels(struct export_job *job, struct error *err)
{
    unsigned level;
    int rc = BLOCKDB_OK;

    for (level = 1; tile_hash_count(level, job->head.size) > 0; level++) {
        uint64_t index = tile_hash_count(level, job->old.size) / TILE_WIDTH;

        for (;; index++) {
            struct tile tile = {.level = level,
                                .index = index,
                                .width = tile_width_at(level, index, job->head.size)};

            if (rc < 0 || tile.width == 0) {
                break;
            }
            rc = do_tile(job, &tile, err);
        }
    }
    return rc;
}

/* ---- The whole ------------------------------------------------------------------------------- */

/* Removes partial tiles of the old head that are full now. */
static int drop_old_partials(struct export_job *job, struct error *err)
{
    unsigned level;
    int rc = BLOCKDB_OK;

    for (level = 0; rc == BLOCKDB_OK && tile_hash_count(level, job->old.size) > 0; level++) {
        struct tile tile = {.level = level,
                            .index = tile_hash_count(level, job->old.size) / TILE_WIDTH};

        if (tile_width_at(level, tile.index, job->head.size) < TILE_WIDTH) {
            continue;
        }
        rc = log_files_drop_partial(&job->files, &tile, err);
        if (rc == BLOCKDB_OK && level == 0) {
            tile.level = TILE_LEVEL_ENTRIES;
            rc = log_files_drop_partial(&job->files, &tile, err);
        }
    }
    return rc;
}

static int run(struct export_job *job, struct error *err)
{
    int rc = log_files_prepare(&job->files, err);

    if (rc == BLOCKDB_OK) {
        rc = load_heads(job, err);
    }
    job->first_tile = job->old.size / TILE_WIDTH;
    job->end_tile = (job->head.size + TILE_WIDTH - 1) / TILE_WIDTH;
    for (job->stage = STAGE_WRITE; rc == BLOCKDB_OK && job->stage <= STAGE_SYNC; job->stage++) {
        rc = run_threads(job, err);
        if (rc == BLOCKDB_OK) {
            rc = run_upper_levels(job, err);
        }
    }
    if (rc == BLOCKDB_OK) {
        rc = log_files_publish(&job->files, job->options->note, err);
    }
    return rc < 0 ? rc : drop_old_partials(job, err);
}

int export_log(const struct export_log_options *options, struct export_log_report *out_report,
               struct error *err)
{
    struct export_job *job = mem_calloc(1, sizeof(*job));
    int rc;

    if (job == NULL) {
        return error_set_no_memory(err);
    }
    job->options = options;
    job->files = (struct log_files){.os = options->os, .dir = options->dir};
    mutex_init(&job->mu, LOCK_RANK_PROGRAM);
    cond_init(&job->idle);
    rc = run(job, err);
    if (rc == BLOCKDB_OK) {
        *out_report = (struct export_log_report){
            .old_size = job->old.size,
            .size = job->head.size,
            .files_written = atomic_load_explicit(&job->files_written, memory_order_relaxed),
            .bytes_written = atomic_load_explicit(&job->bytes_written, memory_order_relaxed),
        };
        memcpy(out_report->root, job->head.root.bytes, BLOCKDB_HASH_LEN);
    }
    cond_deinit(&job->idle);
    mutex_deinit(&job->mu);
    mem_free(job);
    return rc;
}
