/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/verify.h"

#include "base/mem.h"
#include "engine/db.h"
#include "engine/heads.h"
#include "ledger/merkle.h"

#include <inttypes.h>

#define PROGRESS_NS (200 * 1000000ULL)

/* ---- What to verify
 * ------------------------------------------------------------------------------ */

static int height_of_seq(struct verify *v, uint64_t seq, uint64_t *out_height, struct error *err)
{
    struct segment_block_info info;
    int rc = segments_find_seq(v->db->segments, seq, &info, err);

    if (rc == BLOCKDB_OK) {
        *out_height = info.height;
    }
    return rc;
}

static int choose_blocks(struct verify *v, const struct blockdb_verify_options *options,
                         struct error *err)
{
    uint64_t size = tip_seq(&v->tip);
    uint64_t height = 0;
    int rc;

    v->end_height = v->tip.block_count;
    if (size == 0) {
        return BLOCKDB_OK;
    }
    if (options->from_seq >= size || options->from_seq > options->to_seq) {
        return error_set(err, BLOCKDB_EINVAL,
                         "there is nothing to verify from entry %" PRIu64 " to %" PRIu64
                         "; the ledger has %" PRIu64 " sealed entries",
                         options->from_seq, options->to_seq, size);
    }
    rc = height_of_seq(v, options->from_seq, &v->first_height, err);
    if (rc == BLOCKDB_OK && options->to_seq < size - 1) {
        rc = height_of_seq(v, options->to_seq, &height, err);
        v->end_height = height + 1;
    }
    return rc;
}

static int choose_sample(struct verify *v, double percent, struct error *err)
{
    if (percent < 0 || percent > 100) {
        return error_set(err, BLOCKDB_EINVAL, "a sample of %g percent; it must be 0 to 100",
                         percent);
    }
    v->sample = UINT64_MAX;
    if (percent > 0 && percent < 100) {
        v->sample = (uint64_t)(percent / 100 * 18446744073709551615.0);
    }
    return os_random(v->db->os, &v->sample_key, sizeof(v->sample_key), err);
}

static int collect_tables(struct verify *v, struct error *err)
{
    uint64_t secret[2];
    uint64_t end_seq = 0;
    size_t i;
    int rc;

    if (verify_tables_init(v) < 0) {
        return error_set_no_memory(err);
    }
    for (i = 0; i < v->table_count; i++) {
        uint64_t last = table_facts(v->tables[i].table)->seq_max;

        end_seq = last + 1 > end_seq ? last + 1 : end_seq;
    }
    if (!v->is_whole || end_seq > tip_seq(&v->tip)) {
        return BLOCKDB_OK; /* a part of the ledger cannot be compared with whole tables */
    }
    rc = os_random(v->db->os, secret, sizeof(secret), err);
    if (rc == BLOCKDB_OK && index_check_init(&v->index, secret, end_seq) < 0) {
        rc = error_set_no_memory(err);
    }
    if (rc == BLOCKDB_OK) {
        v->index_bytes = end_seq / 4; /* two bits an entry */
        account_add(v->db, ACCOUNT_WORK, v->index_bytes);
    }
    return rc;
}

static int prepare(struct verify *v, const struct blockdb_verify_options *options,
                   struct error *err)
{
    int rc = sealer_seal_all(v->db, err);

    if (rc < 0) {
        return rc;
    }
    v->state = db_read_state_ref(v->db);
    sealer_tip(v->db, &v->tip);
    rc = choose_blocks(v, options, err);
    if (rc == BLOCKDB_OK) {
        rc = choose_sample(v, options->sample_percent, err);
    }
    v->is_whole = v->first_height == 0 && v->end_height == v->tip.block_count &&
                  v->sample == UINT64_MAX;
    return rc < 0 ? rc : collect_tables(v, err);
}

/* ---- Threads --------------------------------------------------------------------------------- */

static uint64_t units_of_stage(const struct verify *v)
{
    switch (v->stage) {
    case VERIFY_TABLES:
        return v->table_units;
    case VERIFY_BLOCKS:
        return verify_blocks_units(v);
    case VERIFY_FILES: {
        struct segments_stats stats;

        segments_get_stats(v->db->segments, &stats);
        return v->is_whole ? stats.segments : 0;
    }
    case VERIFY_DONE:
        return 0;
    }
    return 0;
}

static int check_file(struct verify *v, uint64_t unit, struct error *err)
{
    struct segment_info info;

    if (!segments_info(v->db->segments, (uint32_t)unit, &info)) {
        return BLOCKDB_OK;
    }
    return segments_check_frame(v->db->segments, info.number, err);
}

static int run_unit(struct verify *v, uint64_t unit, struct error *err)
{
    switch (v->stage) {
    case VERIFY_TABLES:
        return verify_table_unit(v, unit, err);
    case VERIFY_BLOCKS:
        return verify_blocks_unit(v, unit, err);
    case VERIFY_FILES:
        return check_file(v, unit, err);
    case VERIFY_DONE:
        break;
    }
    return BLOCKDB_OK;
}

static void note_failure(struct verify *v, int rc, const struct error *err)
{
    mutex_lock(&v->mu);
    if (v->status == BLOCKDB_OK) {
        v->status = rc;
        v->error = *err;
    }
    mutex_unlock(&v->mu);
    atomic_store_explicit(&v->stop, true, memory_order_relaxed);
}

static void worker_main(void *arg)
{
    struct verify *v = arg;
    struct error err;

    while (!atomic_load_explicit(&v->stop, memory_order_relaxed)) {
        uint64_t unit = atomic_fetch_add_explicit(&v->next_unit, 1, memory_order_relaxed);
        int rc;

        if (unit >= v->unit_count) {
            break;
        }
        rc = run_unit(v, unit, &err);
        if (rc < 0) {
            note_failure(v, rc, &err);
        }
    }
    mutex_lock(&v->mu);
    v->running--;
    cond_signal(&v->idle);
    mutex_unlock(&v->mu);
}

static void report_progress(struct verify *v, const struct blockdb_verify_options *options)
{
    uint64_t done = atomic_load_explicit(&v->entries, memory_order_relaxed);
    struct error err;

    if (options->progress != NULL && !options->progress(options->progress_arg, "entries", done,
                                                        v->is_whole ? tip_seq(&v->tip) : 0)) {
        (void)error_set(&err, BLOCKDB_ECANCELED, "verification was cancelled");
        note_failure(v, BLOCKDB_ECANCELED, &err);
    }
}

static unsigned thread_count(const struct blockdb_verify_options *options, uint64_t units)
{
    unsigned count = options->threads > 0 ? options->threads : os_processor_count();

    if (count > VERIFY_THREADS_MAX) {
        count = VERIFY_THREADS_MAX;
    }
    return units < count ? (unsigned)units : count;
}

/* Runs all units of the current stage. */
static void run_stage(struct verify *v, const struct blockdb_verify_options *options)
{
    struct os_thread *threads[VERIFY_THREADS_MAX];
    unsigned wanted;
    unsigned started = 0;
    struct error err;

    v->unit_count = units_of_stage(v);
    atomic_store_explicit(&v->next_unit, 0, memory_order_relaxed);
    wanted = thread_count(options, v->unit_count);
    while (started < wanted) {
        int rc;

        mutex_lock(&v->mu);
        v->running++;
        mutex_unlock(&v->mu);
        rc = os_thread_start(v->db->os, "blockdb-verify", worker_main, v, &threads[started], &err);
        if (rc < 0) {
            mutex_lock(&v->mu);
            v->running--;
            mutex_unlock(&v->mu);
            note_failure(v, rc, &err);
            break;
        }
        started++;
        account_add(v->db, ACCOUNT_WORK, ACCOUNT_VERIFY_BYTES);
    }
    mutex_lock(&v->mu);
    while (v->running > 0) {
        if (!cond_wait_for(&v->idle, &v->mu, PROGRESS_NS)) {
            mutex_unlock(&v->mu);
            report_progress(v, options);
            mutex_lock(&v->mu);
        }
    }
    mutex_unlock(&v->mu);
    while (started > 0) {
        os_thread_join(v->db->os, threads[--started]);
        account_subtract(v->db, ACCOUNT_WORK, ACCOUNT_VERIFY_BYTES);
    }
}

/* ---- The whole
 * ------------------------------------------------------------------------------------ */

static int check_root(struct verify *v, struct hash *out_root, struct error *err)
{
    struct frontier frontier;
    struct hash expected;
    int rc = verify_frontier(v->db, tip_seq(&v->tip), &frontier, err);

    if (rc < 0) {
        return rc;
    }
    frontier_root(&frontier, out_root);
    frontier_root(&v->tip.frontier, &expected);
    if (!hash_equal(out_root, &expected)) {
        return error_set(err, BLOCKDB_ETAMPERED,
                         "the root of all %" PRIu64
                         " entries is not the one that this database sealed",
                         tip_seq(&v->tip));
    }
    return BLOCKDB_OK;
}

static int run(struct verify *v, const struct blockdb_verify_options *options,
               struct hash *out_root, struct error *err)
{
    for (v->stage = VERIFY_TABLES; v->stage != VERIFY_DONE; v->stage++) {
        run_stage(v, options);
        if (v->status < 0) {
            return error_set(err, v->status, "%s", v->error.message);
        }
    }
    if (v->index.is_on && !index_check_matches(&v->index)) {
        return verify_index_locate(v, err);
    }
    return v->is_whole ? check_root(v, out_root, err) : BLOCKDB_OK;
}

static void fill_report(struct verify *v, const struct hash *root,
                        struct blockdb_verify_report *out)
{
    struct segments_stats segments;
    struct tile_files_stats tiles;

    segments_get_stats(v->db->segments, &segments);
    tile_files_get_stats(v->db->tiles, &tiles);
    *out = (struct blockdb_verify_report){
        .entries = atomic_load_explicit(&v->entries, memory_order_relaxed),
        .blocks = atomic_load_explicit(&v->blocks, memory_order_relaxed),
        .bytes_hashed = atomic_load_explicit(&v->bytes_hashed, memory_order_relaxed),
        .bytes_read = atomic_load_explicit(&v->bytes_read, memory_order_relaxed),
        .redactions = atomic_load_explicit(&v->redactions, memory_order_relaxed),
        .files = v->table_count + segments.segments + tiles.files,
        .size = v->is_whole ? tip_seq(&v->tip) : 0,
    };
    memcpy(out->root, root->bytes, BLOCKDB_HASH_LEN);
}

int blockdb_verify(struct blockdb *db, const struct blockdb_verify_options *options,
                   struct blockdb_verify_report *out_report, struct blockdb_error *err)
{
    static const struct blockdb_verify_options everything = BLOCKDB_VERIFY_OPTIONS_INIT;
    struct verify *v = mem_calloc(1, sizeof(*v));
    struct hash root = {0};
    int rc;

    if (v == NULL) {
        return error_set_no_memory(err);
    }
    if (options == NULL) {
        options = &everything;
    }
    v->db = db;
    mutex_init(&v->mu, LOCK_RANK_ENGINE_ADMIN);
    cond_init(&v->idle);
    workers_hold_files(db);
    rc = prepare(v, options, err);
    if (rc == BLOCKDB_OK) {
        rc = run(v, options, &root, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = heads_verify(db, err); /* last: what is wrong with the log itself is told first */
    }
    if (v->state != NULL && out_report != NULL) {
        fill_report(v, &root, out_report);
    }
    workers_release_files(db);
    index_check_deinit(&v->index);
    account_subtract(db, ACCOUNT_WORK, v->index_bytes);
    verify_tables_deinit(v);
    read_state_unref(v->state);
    cond_deinit(&v->idle);
    mutex_deinit(&v->mu);
    mem_free(v);
    return rc;
}
