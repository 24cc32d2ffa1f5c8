/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/merges.h"

#include "base/assert.h"
#include "base/mem.h"
#include "engine/db.h"
#include "engine/install.h"

/* A second merge begins only where so much would fit. */
#define MERGE_BYTES_LEAST (16u << 20)
#define RETRY_NS (100 * 1000000ULL)

struct merge_policy workers_policy(const struct blockdb *db)
{
    struct merge_policy policy = {.threshold = (uint32_t)db->settings->compaction_threshold};

    switch (db->settings->compaction_strategy) {
    case COMPACTION_SIZE_TIERED:
        policy.strategy = MERGE_SIZE_TIERED;
        break;
    case COMPACTION_LEVELED:
        policy.strategy = MERGE_LEVELED;
        break;
    }
    return policy;
}

void workers_tables_changed(struct blockdb *db)
{
    struct merge_policy policy = workers_policy(db);
    struct read_state *state = db_read_state_ref(db);
    AUTO(mem_free_ptr) struct merge_table *tables = NULL;
    size_t count = 0;

    /* Without memory the last figure stays. */
    if (merge_tables_of_set(state->tables, NULL, 0, &tables, &count) == BLOCKDB_OK) {
        double pressure = merge_policy_pressure(&policy, tables, count);

        atomic_store_explicit(&db->workers.pressure, (unsigned)(pressure * 1000),
                              memory_order_relaxed);
    }
    read_state_unref(state);
    workers_wake(db);
}

/* Picks under the lock, so that no two threads pick the same tables. */
static int pick_locked(struct blockdb *db, struct workers *w, struct read_state *state,
                       struct merge_job *job) REQUIRES(w->mu)
{
    struct merge_policy policy = workers_policy(db);
    AUTO(mem_free_ptr) struct merge_table *tables = NULL;
    size_t count = 0;
    int rc = merge_tables_of_set(state->tables, w->busy, w->busy_count, &tables, &count);

    if (rc < 0) {
        return rc;
    }
    if (w->full_wanted) {
        rc = merge_policy_pick_full(&policy, tables, count, job);
        if (rc == BLOCKDB_ENOTFOUND) {
            w->full_wanted = false;
            cond_broadcast(&w->done);
        }
        return rc == BLOCKDB_EBUSY ? BLOCKDB_ENOTFOUND : rc;
    }
    return merge_policy_pick(&policy, tables, count, job);
}

/* On success *out_state, a reference, holds the tables of the job. */
static int take_job(struct blockdb *db, struct read_state **out_state, struct merge_job *job)
{
    struct workers *w = &db->workers;
    struct read_state *state;
    int rc = BLOCKDB_ENOTFOUND;

    mutex_lock(&w->mu);
    /* Loaded under the lock: a job publishes before its tables cease to be busy, so a table that
     * is here and not busy is in force. */
    state = db_read_state_ref(db);
    if (!w->stopped && !w->merges_stopped &&
        (w->running_merges == 0 || account_fits(db, MERGE_BYTES_LEAST))) { /* ACCOUNT-2 */
        rc = pick_locked(db, w, state, job);
    }
    if (rc == BLOCKDB_OK && w->busy_count + job->number_count > WORKERS_BUSY_MAX) {
        merge_job_deinit(job);
        rc = BLOCKDB_ENOTFOUND;
    }
    if (rc == BLOCKDB_OK) {
        memcpy(w->busy + w->busy_count, job->numbers, job->number_count * sizeof(*job->numbers));
        w->busy_count += job->number_count;
        w->running_merges++;
    }
    mutex_unlock(&w->mu);
    *out_state = state;
    return rc;
}

static void give_back_job(struct blockdb *db, const struct merge_job *job)
{
    struct workers *w = &db->workers;
    size_t i;
    size_t k;

    mutex_lock(&w->mu);
    for (i = 0; i < job->number_count; i++) {
        for (k = 0; k < w->busy_count; k++) {
            if (w->busy[k] == job->numbers[i]) {
                w->busy[k] = w->busy[--w->busy_count];
                break;
            }
        }
    }
    w->running_merges--;
    w->wake_count++;
    cond_broadcast(&w->work);
    cond_broadcast(&w->done);
    mutex_unlock(&w->mu);
}

/* Finds the open tables of the job and lays them out run by run. */
static void collect_inputs(const struct read_state *state, const struct merge_job *job,
                           struct table **tables, struct merge_input *inputs)
{
    size_t i;

    for (i = 0; i < job->number_count; i++) {
        tables[i] = table_set_find(state->tables, job->numbers[i], NULL);
        ASSERT(tables[i] != NULL); /* the job was picked from this state */
    }
    for (i = 0; i < job->run_count; i++) {
        inputs[i] = (struct merge_input){.tables = tables + job->runs[i].first,
                                         .count = job->runs[i].count};
    }
}

/* A merge needs the items of its tables alone, and makes filters anew. That one was damaged would
 * be forgotten with its file, although the disk that did it stays. */
static int check_filters(struct blockdb *db, struct table *const *tables, size_t count,
                         struct error *err)
{
    size_t i;

    for (i = 0; i < count; i++) {
        int rc = table_check_filter(tables[i], err);

        if (rc == BLOCKDB_ECORRUPT || rc == BLOCKDB_EIO) {
            event_tell(db, BLOCKDB_EVENT_WARNING, "merge",
                       "a filter is damaged and is made anew from the keys; check the disk: %s",
                       err->message);
        } else if (rc < 0) {
            return rc;
        }
    }
    return BLOCKDB_OK;
}

static int rewrite(struct blockdb *db, const struct read_state *state, const struct merge_job *job,
                   struct merge_result *result, struct error *err)
{
    AUTO(mem_free_ptr) struct table **tables = mem_calloc(job->number_count, sizeof(*tables));
    AUTO(mem_free_ptr) struct merge_input *inputs = mem_calloc(job->run_count, sizeof(*inputs));
    struct merge_options options;
    uint64_t bytes;
    int rc;

    if (tables == NULL || inputs == NULL) {
        return error_set_no_memory(err);
    }
    collect_inputs(state, job, tables, inputs);
    rc = check_filters(db, tables, job->number_count, err);
    if (rc < 0) {
        return rc;
    }
    install_merge_options(db, &options);
    options.level = job->target_level;
    options.table_bytes_max = job->table_bytes_max;
    options.progress_keys = &db->workers.merged_keys;
    bytes = merge_memory_bytes(&options, job->run_count, job->bytes);
    account_add(db, ACCOUNT_WORK, bytes);
    rc = merge_tables(&options, inputs, job->run_count, result, err);
    account_subtract(db, ACCOUNT_WORK, bytes);
    return rc;
}

static int run_job(struct blockdb *db, const struct read_state *state, const struct merge_job *job,
                   struct error *err)
{
    AUTO(merge_result_deinit) struct merge_result result = {0};
    struct install install = {
        .remove = job->numbers,
        .remove_count = job->number_count,
        .move = job->move,
        .level = job->target_level,
    };
    uint64_t start_ns = os_monotonic_ns(db->os);
    int rc = job->move ? BLOCKDB_OK : rewrite(db, state, job, &result, err);

    if (rc < 0) {
        return rc;
    }
    install.add = result.tables;
    install.add_count = result.table_count;
    rc = install_run(db, &install, err);
    if (rc == BLOCKDB_OK && !job->move) {
        latency_record(&db->latencies.merge, os_monotonic_ns(db->os) - start_ns);
        counter_add(&db->counters, COUNTER_MERGES, 1);
        counter_add(&db->counters, COUNTER_MERGE_BYTES_READ, job->bytes);
        counter_add(&db->counters, COUNTER_MERGE_BYTES_WRITTEN, result.bytes);
        counter_add(&db->counters, COUNTER_TABLE_BYTES_WRITTEN, result.bytes);
    }
    return rc;
}

int merges_run_one(struct blockdb *db, struct error *err)
{
    struct read_state *state = NULL;
    struct merge_job job = {0};
    int rc = take_job(db, &state, &job);

    if (rc == BLOCKDB_OK) {
        rc = run_job(db, state, &job, err);
        give_back_job(db, &job);
        merge_job_deinit(&job);
        if (rc == BLOCKDB_OK) {
            workers_tables_changed(db);
        } else if (rc == BLOCKDB_ENOTFOUND) { /* to our callers: nothing to do */
            rc = error_wrap(err, BLOCKDB_EIO, "cannot merge, a file or folder is gone");
        }
    } else if (rc == BLOCKDB_ENOMEM) {
        rc = error_set_no_memory(err);
    }
    read_state_unref(state);
    return rc;
}

static bool is_busy_locked(const struct workers *w, uint64_t number) REQUIRES(w->mu)
{
    size_t i;

    for (i = 0; i < w->busy_count; i++) {
        if (w->busy[i] == number) {
            return true;
        }
    }
    return false;
}

/* Makes a job of one table that is in force and in no other job. ENOTFOUND: it is not in force. */
static int take_table(struct blockdb *db, struct merge_job *job, struct read_state **out_state,
                      struct error *err)
{
    struct workers *w = &db->workers;
    uint64_t number = job->numbers[0];
    const struct table *table;
    bool is_waiting;

    mutex_lock(&w->mu);
    do {
        read_state_unref(*out_state);
        *out_state = db_read_state_ref(db);
        table = table_set_find((*out_state)->tables, number, &job->target_level);
        is_waiting = table != NULL && !w->stopped &&
                     (is_busy_locked(w, number) || w->busy_count == WORKERS_BUSY_MAX);
        if (is_waiting) {
            (void)cond_wait_for(&w->done, &w->mu, RETRY_NS); /* looks again anyway */
        }
    } while (is_waiting);
    if (table == NULL || w->stopped) {
        mutex_unlock(&w->mu);
        return table == NULL ? BLOCKDB_ENOTFOUND
                             : error_set(err, BLOCKDB_ECLOSED, "the database is being closed");
    }
    w->busy[w->busy_count++] = number;
    w->running_merges++;
    mutex_unlock(&w->mu);
    job->bytes = table_facts(table)->file_bytes;
    return BLOCKDB_OK;
}

int merges_rewrite_table(struct blockdb *db, uint64_t number, struct error *err)
{
    struct merge_job_run run = {.count = 1};
    struct merge_job job = {
        .numbers = &number,
        .number_count = 1,
        .runs = &run,
        .run_count = 1,
    };
    struct read_state *state = NULL;
    int rc = take_table(db, &job, &state, err);

    if (rc == BLOCKDB_OK) {
        rc = run_job(db, state, &job, err);
        give_back_job(db, &job);
        if (rc == BLOCKDB_OK) {
            workers_tables_changed(db);
        } else if (rc == BLOCKDB_EIO || rc == BLOCKDB_EREADONLY) {
            failure_set(&db->failure, err);
        }
    }
    read_state_unref(state);
    return rc == BLOCKDB_ENOTFOUND ? BLOCKDB_OK : rc;
}
