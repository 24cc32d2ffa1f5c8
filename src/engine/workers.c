/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/workers.h"

#include "base/assert.h"
#include "base/mem.h"
#include "engine/commit_group.h"
#include "engine/db.h"
#include "engine/flush.h"
#include "engine/merges.h"

#define NS_PER_MS 1000000ULL
/* A step that found no room is tried again after so long. */
#define RETRY_NS (100 * NS_PER_MS)
/* Slowed-down writers get this many bytes a second at full pressure, and more below it. */
#define SLOW_BYTES_PER_S (4.0 * 1024 * 1024)
#define FAST_BYTES_PER_S (256.0 * 1024 * 1024)
/* Shorter sleeps are gathered, because a sleep costs more than it says; longer ones are cut. */
#define DELAY_MIN_NS (1 * NS_PER_MS)
#define DELAY_MAX_NS (20 * NS_PER_MS)

int workers_init(struct workers *w)
{
    *w = (struct workers){0};
    w->busy = mem_alloc(WORKERS_BUSY_MAX * sizeof(*w->busy));
    if (w->busy == NULL) {
        return BLOCKDB_ENOMEM;
    }
    mutex_init(&w->mu, LOCK_RANK_WORKERS);
    cond_init(&w->work);
    cond_init(&w->done);
    return BLOCKDB_OK;
}

void workers_deinit(struct workers *w)
{
    if (w->busy == NULL) {
        return;
    }
    cond_deinit(&w->done);
    cond_deinit(&w->work);
    mutex_deinit(&w->mu);
    buf_deinit(&w->obsolete);
    mem_free(w->busy);
    w->busy = NULL;
}

void workers_wake(struct blockdb *db)
{
    struct workers *w = &db->workers;

    mutex_lock(&w->mu);
    w->wake_count++;
    cond_broadcast(&w->work);
    cond_broadcast(&w->done);
    mutex_unlock(&w->mu);
}

/* ---- The threads --------------------------------------------------------------------------- */

/* Takes note of how a job ended; false when its thread should pause before the next. */
static bool job_ended_well(struct blockdb *db, int rc, const struct error *err)
{
    struct workers *w = &db->workers;
    bool is_short = rc == BLOCKDB_ENOSPC || rc == BLOCKDB_ENOMEM;

    if (rc < 0 && !is_short && rc != BLOCKDB_ECANCELED && rc != BLOCKDB_ECLOSED &&
        rc != BLOCKDB_ECORRUPT) {
        failure_set(&db->failure, err);
    }
    mutex_lock(&w->mu);
    w->is_short = is_short;
    if (is_short) {
        w->stall = *err;
    }
    if (rc == BLOCKDB_ECORRUPT) {
        w->merges_stopped = true; /* reads and verify name the damage; writing goes on */
    }
    cond_broadcast(&w->done);
    mutex_unlock(&w->mu);
    return rc == BLOCKDB_OK;
}

/* Waits for something to happen since `seen`, or a moment after a failure; false to stop. */
static bool wait_work(struct workers *w, uint64_t *seen, bool after_failure)
{
    bool go_on;

    mutex_lock(&w->mu);
    if (after_failure && !w->stopped) {
        (void)cond_wait_for(&w->work, &w->mu, RETRY_NS); /* then it tries again anyway */
    }
    while (!after_failure && *seen == w->wake_count && !w->stopped) {
        cond_wait(&w->work, &w->mu);
    }
    *seen = w->wake_count;
    go_on = !w->stopped;
    mutex_unlock(&w->mu);
    return go_on;
}

static void flusher_main(void *arg)
{
    struct blockdb *db = arg;
    uint64_t seen = UINT64_MAX;
    bool failed = false;

    while (wait_work(&db->workers, &seen, failed)) {
        struct error err;
        int rc = BLOCKDB_OK;

        while (rc == BLOCKDB_OK && !failure_is_set(&db->failure)) {
            rc = flush_oldest(db, FLUSH_RUNNING, &err);
            shortage_note(&db->shortage, SHORTAGE_TABLES, rc == BLOCKDB_ENOTFOUND ? BLOCKDB_OK : rc,
                          &err);
        }
        failed = rc < 0 && rc != BLOCKDB_ENOTFOUND && !job_ended_well(db, rc, &err);
        if (rc == BLOCKDB_ENOTFOUND) {
            failed = !job_ended_well(db, BLOCKDB_OK, NULL);
        }
    }
}

static void merger_main(void *arg)
{
    struct blockdb *db = arg;
    uint64_t seen = UINT64_MAX;
    bool failed = false;

    while (wait_work(&db->workers, &seen, failed)) {
        struct error err;
        int rc = BLOCKDB_OK;

        while (rc == BLOCKDB_OK && !failure_is_set(&db->failure)) {
            rc = merges_run_one(db, &err);
        }
        failed = rc < 0 && rc != BLOCKDB_ENOTFOUND && !job_ended_well(db, rc, &err);
    }
}

int workers_start(struct blockdb *db, struct error *err)
{
    struct workers *w = &db->workers;
    unsigned count = settings_compaction_threads(db->settings, os_processor_count());
    int rc = os_thread_start(db->os, "blockdb-flush", flusher_main, db, &w->flusher, err);

    if (count > WORKERS_MERGE_THREADS_MAX) {
        count = WORKERS_MERGE_THREADS_MAX;
    }
    while (rc == BLOCKDB_OK && w->merger_count < count) {
        rc = os_thread_start(db->os, "blockdb-merge", merger_main, db, &w->mergers[w->merger_count],
                             err);
        if (rc == BLOCKDB_OK) {
            w->merger_count++;
        }
    }
    return rc;
}

void workers_stop(struct blockdb *db)
{
    struct workers *w = &db->workers;

    atomic_store_explicit(&w->cancelled, true, memory_order_release);
    mutex_lock(&w->mu);
    w->stopped = true;
    cond_broadcast(&w->work);
    cond_broadcast(&w->done);
    mutex_unlock(&w->mu);
    if (w->flusher != NULL) {
        os_thread_join(db->os, w->flusher);
        w->flusher = NULL;
    }
    while (w->merger_count > 0) {
        os_thread_join(db->os, w->mergers[--w->merger_count]);
    }
}

/* ---- What writers ask for ------------------------------------------------------------------ */

static int refuse_locked(struct blockdb *db, struct workers *w, struct error *err) REQUIRES(w->mu)
{
    if (w->is_short) {
        return error_set(err, w->stall.code,
                         "memtables cannot be flushed (%s); writing resumes by itself when there "
                         "is room",
                         w->stall.message);
    }
    if (w->stopped) {
        return error_set(err, BLOCKDB_ECLOSED, "the database is being closed");
    }
    return failure_check(&db->failure, err);
}

static size_t memtable_count(struct blockdb *db)
{
    size_t count;

    epoch_enter(db->epoch);
    count = db_read_state(db)->memtable_count;
    epoch_leave(db->epoch);
    return count;
}

/* Waits until another memtable may be frozen. */
static int wait_for_flush(struct blockdb *db, struct error *err)
{
    struct workers *w = &db->workers;
    uint64_t since = os_monotonic_ns(db->os);
    int rc = BLOCKDB_OK;

    if (memtable_count(db) <= FROZEN_MEMTABLES_MAX) {
        return BLOCKDB_OK;
    }
    mutex_lock(&w->mu);
    while (memtable_count(db) > FROZEN_MEMTABLES_MAX) {
        rc = refuse_locked(db, w, err);
        if (rc < 0) {
            break;
        }
        (void)cond_wait_for(&w->done, &w->mu, RETRY_NS); /* looks again either way */
    }
    mutex_unlock(&w->mu);
    counter_add(&db->counters, COUNTER_STALL_MEMTABLES_NS, os_monotonic_ns(db->os) - since);
    return rc;
}

/* Puts a new memtable in front of the read state. */
static int replace_memtable(struct blockdb *db, struct error *err)
{
    AUTO(memtable_unref_ptr) struct memtable *fresh = NULL;
    struct memtable *memtables[READ_STATE_MEMTABLES_MAX];
    struct memtable_options options = {0};
    struct read_state *state;
    int rc;

    mutex_lock(&db->state_mu);
    state = atomic_load_explicit(&db->read_state, memory_order_relaxed);
    ASSERT(state->memtable_count < READ_STATE_MEMTABLES_MAX);
    options.pool = db->arena_pool;
    options.common_prefix = memtable_common_prefix(state->memtables[0]);
    options.index_bytes = db_memtable_index_bytes(db);
    options.account = &db->account.held[ACCOUNT_MEMTABLES];
    fresh = memtable_new(&options);
    if (fresh == NULL) {
        rc = BLOCKDB_ENOMEM;
    } else {
        memtables[0] = fresh;
        memcpy(memtables + 1, state->memtables, state->memtable_count * sizeof(*memtables));
        rc = db_publish_locked(db, memtables, state->memtable_count + 1, state->tables);
    }
    mutex_unlock(&db->state_mu);
    if (rc < 0) {
        return error_set_no_memory(err);
    }
    workers_wake(db);
    return BLOCKDB_OK;
}

static void slow_down(struct blockdb *db, size_t bytes)
{
    struct workers *w = &db->workers;
    double pressure = atomic_load_explicit(&w->pressure, memory_order_relaxed) / 1000.0;

    if (pressure <= 0) {
        w->delay_ns = 0;
        return;
    }
    w->delay_ns += (uint64_t)((double)bytes * 1e9 /
                              (SLOW_BYTES_PER_S + (1 - pressure) * FAST_BYTES_PER_S));
    if (w->delay_ns >= DELAY_MIN_NS) {
        uint64_t delay = w->delay_ns < DELAY_MAX_NS ? w->delay_ns : DELAY_MAX_NS;

        os_sleep_ns(db->os, delay);
        counter_add(&db->counters, COUNTER_SLOW_DOWN_NS, delay);
        w->delay_ns = 0;
    }
}

int workers_freeze(struct blockdb *db, struct error *err)
{
    struct memtable *mt = db_active_memtable(db);
    int rc;

    if (memtable_version_count(mt) == 0) {
        return BLOCKDB_OK;
    }
    /* The block ends here, or the flush would wait for an end that only the leader can give. */
    rc = commit_group_end_block(db, mt, err);
    if (rc == BLOCKDB_OK) {
        rc = wait_for_flush(db, err);
    }
    return rc < 0 ? rc : replace_memtable(db, err);
}

/* Waits until the frozen memtables are flushed, but not for more memory than that can free. */
static int wait_for_frozen(struct blockdb *db, uint64_t bytes, struct error *err)
{
    struct workers *w = &db->workers;
    int rc = BLOCKDB_OK;

    mutex_lock(&w->mu);
    while (memtable_count(db) > 1 && !account_fits(db, bytes)) {
        rc = refuse_locked(db, w, err);
        if (rc < 0) {
            break;
        }
        (void)cond_wait_for(&w->done, &w->mu, RETRY_NS); /* looks again either way */
    }
    mutex_unlock(&w->mu);
    return rc;
}

/* Has memory for a group: flushes everything, if need be, and then goes on in any case. */
static int wait_for_memory(struct blockdb *db, size_t group_bytes, struct error *err)
{
    uint64_t bytes = account_group_bytes(group_bytes);
    uint64_t since;
    int rc;

    if (account_fits(db, bytes)) {
        account_set(db, ACCOUNT_GROUP, bytes);
        return BLOCKDB_OK;
    }
    since = os_monotonic_ns(db->os);
    rc = wait_for_frozen(db, bytes, err);
    if (rc == BLOCKDB_OK && !account_fits(db, bytes)) {
        rc = workers_freeze(db, err);
        if (rc == BLOCKDB_OK) {
            rc = wait_for_frozen(db, bytes, err);
        }
    }
    account_set(db, ACCOUNT_GROUP, bytes);
    counter_add(&db->counters, COUNTER_STALL_MEMORY_NS, os_monotonic_ns(db->os) - since);
    return rc;
}

/* Whether the memtable takes so many bytes more. */
static bool fits(const struct blockdb *db, const struct memtable *mt, size_t bytes)
{
    return memtable_bytes(mt) + bytes <= db->settings->memtable_size_limit;
}

bool workers_has_room(struct blockdb *db, size_t bytes)
{
    return atomic_load_explicit(&db->workers.pressure, memory_order_relaxed) <= 0 &&
           account_fits(db, account_group_bytes(bytes)) && fits(db, db_active_memtable(db), bytes);
}

int workers_make_room(struct blockdb *db, size_t bytes, struct memtable **out_memtable,
                      struct error *err)
{
    struct memtable *mt;
    int rc;

    slow_down(db, bytes);
    rc = wait_for_memory(db, bytes, err);
    if (rc < 0) {
        return rc;
    }
    mt = db_active_memtable(db);
    if (!fits(db, mt, bytes)) {
        rc = workers_freeze(db, err);
        if (rc < 0) {
            return rc;
        }
    }
    *out_memtable = db_active_memtable(db);
    return BLOCKDB_OK;
}

int workers_wait_flushed(struct blockdb *db, uint64_t seq, struct error *err)
{
    struct workers *w = &db->workers;
    int rc = BLOCKDB_OK;

    mutex_lock(&w->mu);
    while (atomic_load_explicit(&db->flushed_seq, memory_order_acquire) < seq) {
        rc = refuse_locked(db, w, err);
        if (rc < 0) {
            break;
        }
        (void)cond_wait_for(&w->done, &w->mu, RETRY_NS); /* looks again either way */
    }
    mutex_unlock(&w->mu);
    return rc;
}

/* ---- Compaction on demand ------------------------------------------------------------------ */

static uint64_t all_keys(struct blockdb *db)
{
    struct read_state *state = db_read_state_ref(db);
    uint64_t keys = 0;
    uint32_t level;
    size_t i;

    for (level = 0; level < TABLE_LEVELS; level++) {
        struct table_span span = table_set_level(state->tables, level);

        for (i = 0; i < span.count; i++) {
            keys += table_facts(span.tables[i])->key_count;
        }
    }
    read_state_unref(state);
    return keys;
}

int workers_compact(struct blockdb *db, bool wait, blockdb_progress_cb progress, void *progress_arg,
                    struct error *err)
{
    struct workers *w = &db->workers;
    uint64_t total = all_keys(db);
    uint64_t before = atomic_load_explicit(&w->merged_keys, memory_order_relaxed);
    int rc = BLOCKDB_OK;

    mutex_lock(&w->mu);
    w->full_wanted = true;
    w->wake_count++;
    cond_broadcast(&w->work);
    while (wait && rc == BLOCKDB_OK && w->full_wanted) {
        if (w->merges_stopped) {
            rc = error_set(err, BLOCKDB_ECORRUPT,
                           "merging has stopped at a damaged table; run verify to find it");
            break;
        }
        rc = refuse_locked(db, w, err);
        if (rc < 0) {
            break;
        }
        (void)cond_wait_for(&w->done, &w->mu, RETRY_NS); /* looks again either way */
        if (progress != NULL) {
            uint64_t done = atomic_load_explicit(&w->merged_keys, memory_order_relaxed) - before;
            bool go_on;

            mutex_unlock(&w->mu);
            go_on = progress(progress_arg, "keys", done < total ? done : total, total);
            mutex_lock(&w->mu);
            if (!go_on) {
                w->full_wanted = false;
                rc = error_set(err, BLOCKDB_ECANCELED, "the compaction was cancelled");
            }
        }
    }
    mutex_unlock(&w->mu);
    return rc;
}
