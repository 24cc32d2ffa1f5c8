/* SPDX-License-Identifier: Apache-2.0 */
#include "bin/bench/trial.h"

#include "base/mem.h"
#include "bin/bench/bench_key.h"
#include "bin/bench/crew.h"
#include "bin/bench/hdr_log.h"
#include "bin/cli/signals.h"
#include "os/os.h"

#include <inttypes.h>
#include <stdio.h>

#define NS_PER_MS 1000000ULL
#define SETTLE_POLL_NS (50 * NS_PER_MS)
#define SETTLE_QUIET_NS (2 * NS_PER_MS) /* less processor time than this in a poll is rest */
#define SETTLE_QUIET_POLLS 2
#define SETTLE_MAX_NS (120 * 1000 * NS_PER_MS)
#define SYNCED_DURATION_NS (3000 * NS_PER_MS)
#define LOAD_BATCH 1000
#define LOAD_BATCH_BYTES (4ULL * 1024 * 1024) /* servers limit requests */
#define SCANS_PER_READS 10

/* ---- The database -------------------------------------------------------------------------- */

int trial_open(struct trial *trial, struct error *err)
{
    const struct plan *plan = trial->plan;
    struct bench_setup setup = {
        .dir = trial->dir,
        .cache_bytes = plan->cache_bytes,
        .write_buffer_bytes = plan->write_buffer_bytes,
        .compression = plan->compression,
        .bloom_bits = (unsigned)plan->bloom_bits,
        .key_len = plan->key_len,
        .value_len = plan->value_len,
        .num = plan->num,
        .set = plan->set,
        .set_count = plan->set_count,
        .signing_key_file = trial->key != NULL ? trial->key->path : NULL,
        .signing_key_text = trial->key != NULL ? trial->key->verifier : NULL,
        .url = plan->url,
        .redis = plan->redis,
        .server = plan->server,
        .token_file = plan->token_file,
        .durability = plan->durability,
    };
    int rc = trial->engine->open(&setup, &trial->db, err);

    return rc < 0 ? error_wrap(err, rc, "%s", trial->engine->name) : BLOCKDB_OK;
}

int trial_close(struct trial *trial, struct error *err)
{
    void *db = TAKE(trial->db);
    int rc;

    if (db == NULL) {
        return BLOCKDB_OK;
    }
    rc = trial->engine->close(db, err);
    return rc < 0 ? error_wrap(err, rc, "%s", trial->engine->name) : BLOCKDB_OK;
}

/* Replaces the database by an empty one. */
static int start_empty(struct trial *trial, struct error *err)
{
    int rc = trial_close(trial, err);

    trial->state = TRIAL_CLOSED;
    bench_key_free(TAKE(trial->key)); /* its file goes with the rest */
    if (rc == 0) {
        rc = disk_remove(trial->os, trial->dir, err);
    }
    if (rc == 0) {
        rc = os_mkdir(trial->os, trial->dir, err);
    }
    if (rc == 0) {
        rc = trial_open(trial, err);
    }
    if (rc == 0) {
        trial->state = TRIAL_EMPTY;
    }
    return rc;
}

/* The number of entries, 0 for engines that do not number them. */
static int read_seq_count(struct trial *trial, uint64_t *out, struct error *err)
{
    void *session;
    int rc;

    *out = 0;
    if (trial->engine->seq_count == NULL) {
        return BLOCKDB_OK;
    }
    rc = trial->engine->session_new(trial->db, &session, err);
    if (rc == 0) {
        rc = trial->engine->seq_count(session, out, err);
        trial->engine->session_free(session);
    }
    return rc;
}

static int read_sealed_count(struct trial *trial, uint64_t *out, struct error *err)
{
    void *session;
    int rc = trial->engine->session_new(trial->db, &session, err);

    if (rc == 0) {
        rc = trial->engine->sealed_count(session, out, err);
        trial->engine->session_free(session);
    }
    return rc;
}

/* ---- Work in the background ---------------------------------------------------------------- */

/* The process that is looked at. */
static int64_t process_of(const struct trial *trial)
{
    return trial->engine->process != NULL ? trial->engine->process(trial->db) : METER_SELF;
}

/* Waits until the process hardly uses the processor; *out_last: when it last did. */
static int settle(struct trial *trial, struct meter *out_last, struct error *err)
{
    struct meter last;
    struct meter start;
    unsigned quiet = 0;

    meter_read(trial->os, process_of(trial), &start);
    last = start;
    *out_last = start;
    while (quiet < SETTLE_QUIET_POLLS && last.time_ns - start.time_ns < SETTLE_MAX_NS) {
        struct meter now;

        if (signals_stop_asked()) {
            return error_set(err, BLOCKDB_ECANCELED, "stopped");
        }
        os_sleep_ns(trial->os, SETTLE_POLL_NS);
        meter_read(trial->os, process_of(trial), &now);
        if (now.cpu_ns - last.cpu_ns < SETTLE_QUIET_NS) {
            quiet++;
        } else {
            quiet = 0;
            *out_last = now;
        }
        last = now;
    }
    return BLOCKDB_OK;
}

/* ---- Preparation --------------------------------------------------------------------------- */

static void describe(const struct trial *trial, const char *what, char *out, size_t out_cap)
{
    (void)snprintf(out, out_cap, "%s %s", trial->engine->name, what);
}

/* What all jobs of this trial share. */
static void job_init(struct trial *trial, const struct workload *workload, struct crew_job *job)
{
    *job = (struct crew_job){
        .os = trial->os,
        .db = trial->db,
        .threads = 1,
        .pattern =
            {
                .engine = trial->engine,
                .data = trial->data,
                .workload = workload,
                .durability = trial->engine->is_remote ? trial->plan->durability
                                                       : BLOCKDB_DURABILITY_NONE,
                .batch = 1,
                .generation = trial->generation,
                .random = trial->plan->seed + 1000003ULL * trial->round,
            },
    };
}

static void next_generation(struct trial *trial)
{
    trial->generation = trial->generation % DATASET_GENERATION_MAX + 1;
}

static unsigned load_batch(const struct plan *plan)
{
    uint64_t fitting = LOAD_BATCH_BYTES / (plan->key_len + plan->value_len);

    return fitting < 1 ? 1 : fitting < LOAD_BATCH ? (unsigned)fitting : LOAD_BATCH;
}

/* Writes every key once more, as fast as it goes and unmeasured. */
static int load(struct trial *trial, struct error *err)
{
    AUTO(mem_free_ptr) struct crew_outcome *outcomes = mem_alloc(CREW_PARTS * sizeof(*outcomes));
    const struct workload *workload;
    struct crew_job job;
    char title[64];
    int rc = workload_find("fillbatch", strlen("fillbatch"), &workload, err);

    if (rc < 0) {
        return rc;
    }
    if (outcomes == NULL) {
        return error_set_no_memory(err);
    }
    next_generation(trial);
    describe(trial, "load", title, sizeof(title));
    job_init(trial, workload, &job);
    job.title = title;
    job.pattern.batch = load_batch(trial->plan);
    job.steps = (trial->plan->num + job.pattern.batch - 1) / job.pattern.batch;
    return crew_run(&job, outcomes, err);
}

/* Notes that all keys exist now. */
static int note_keys(struct trial *trial, struct error *err)
{
    uint64_t seq_count;
    int rc = read_seq_count(trial, &seq_count, err);

    if (rc == 0) {
        trial->seq_low = seq_count > 0 ? seq_count - 1 : 0;
        trial->state = TRIAL_KEYS;
    }
    return rc;
}

/* WORKLOAD-1 */
static int prepare(struct trial *trial, enum workload_need need, struct error *err)
{
    int rc = BLOCKDB_OK;

    if (need == WORKLOAD_EMPTY) {
        return trial->state == TRIAL_EMPTY ? BLOCKDB_OK : start_empty(trial, err);
    }
    if (trial->state < TRIAL_KEYS) {
        rc = trial->state == TRIAL_EMPTY ? BLOCKDB_OK : start_empty(trial, err);
        if (rc == 0) {
            rc = load(trial, err);
        }
        if (rc == 0) {
            rc = note_keys(trial, err);
        }
    }
    if (rc == 0 && need == WORKLOAD_VERSIONS && trial->state < TRIAL_VERSIONS) {
        rc = load(trial, err);
        if (rc == 0) {
            trial->state = TRIAL_VERSIONS;
        }
    }
    return rc;
}

/* Opens the database again with a key, unless it has one. */
static int prepare_key(struct trial *trial, struct error *err)
{
    int rc = BLOCKDB_OK;

    if (trial->key == NULL) {
        rc = trial_close(trial, err);
        if (rc == 0) {
            rc = bench_key_new(trial->os, trial->dir, &trial->key, err);
        }
        if (rc == 0) {
            rc = trial_open(trial, err);
        }
    }
    return rc;
}

/* ---- Measuring ----------------------------------------------------------------------------- */

/* What counters of BlockDB grew by; amounts that are no counters stay as they are after. */
static void stats_subtract(struct blockdb_stats *after, const struct blockdb_stats *before)
{
    after->commit_groups -= before->commit_groups;
    after->wal_syncs -= before->wal_syncs;
    after->wal_bytes_written -= before->wal_bytes_written;
    after->ledger_bytes_written -= before->ledger_bytes_written;
    after->table_bytes_written -= before->table_bytes_written;
    after->merge_bytes_read -= before->merge_bytes_read;
    after->merge_bytes_written -= before->merge_bytes_written;
    after->user_bytes_written -= before->user_bytes_written;
    after->flushes -= before->flushes;
    after->merges -= before->merges;
    after->stall_ns -= before->stall_ns;
    after->slow_down_ns -= before->slow_down_ns;
    after->block_cache_hits -= before->block_cache_hits;
    after->block_cache_misses -= before->block_cache_misses;
    after->index_cache_hits -= before->index_cache_hits;
    after->index_cache_misses -= before->index_cache_misses;
    after->filter_checks -= before->filter_checks;
    after->filter_negatives -= before->filter_negatives;
    after->filter_false_positives -= before->filter_false_positives;
    after->memtable_hits -= before->memtable_hits;
    after->table_hits -= before->table_hits;
    after->ledger_reads -= before->ledger_reads;
}

static int read_stats(struct trial *trial, struct blockdb_stats *out, struct error *err)
{
    *out = (struct blockdb_stats)BLOCKDB_STATS_INIT;
    return trial->engine->stats != NULL ? trial->engine->stats(trial->db, out, err) : BLOCKDB_OK;
}

/* Fills in what was used up between two readings and what there is now. */
static void account(struct result *result, int64_t process, const struct meter *before,
                    const struct meter *after, const struct meter *settled)
{
    uint64_t elapsed_ns = after->time_ns - before->time_ns;
    uint64_t busy_ns = after->machine_busy_ns - before->machine_busy_ns;
    uint64_t ours_ns = after->self_cpu_ns - before->self_cpu_ns;

    result->cpu_ns = after->cpu_ns - before->cpu_ns;
    result->settle_ns = settled->time_ns - after->time_ns;
    result->settle_cpu_ns = settled->cpu_ns - after->cpu_ns;
    result->written_bytes = settled->written_bytes - before->written_bytes;
    result->peak_bytes = meter_peak_bytes(process);
    ours_ns += process != METER_SELF ? result->cpu_ns : 0;
    if (elapsed_ns > 0 && busy_ns > ours_ns && process != METER_NONE) {
        result->others_cores = (double)(busy_ns - ours_ns) / (double)elapsed_ns;
    }
}

/* Steps a second: a batch of --batch entries is one, and so are --pipeline commands. */
static double step_rate(const struct trial *trial, const struct plan_item *item)
{
    double rate = item->rate > 0 ? item->rate : (double)trial->plan->rate;

    if (item->workload->pipelined) {
        return rate / (double)trial->plan->pipeline;
    }
    return item->workload->batched ? rate / (double)trial->plan->batch : rate;
}

static int job_make(struct trial *trial, const struct plan_item *item, struct crew_job *job,
                    struct error *err)
{
    const struct workload *workload = item->workload;
    const struct plan *plan = trial->plan;
    uint64_t seq_count = 0;
    int rc = BLOCKDB_OK;

    if (workload->writes || workload->behind != NULL || workload->mixes) {
        next_generation(trial);
    }
    job_init(trial, workload, job);
    job->threads = item->threads;
    job->steps = workload->writes ? plan->num : plan->reads;
    if (workload->batched) {
        job->pattern.batch = (unsigned)plan->batch;
        job->steps = (plan->num + plan->batch - 1) / plan->batch;
    }
    if (workload->pipelined) {
        job->pattern.batch = (unsigned)plan->pipeline;
        job->steps = (job->steps + plan->pipeline - 1) / plan->pipeline;
    }
    if (workload->scans) {
        job->steps = (plan->reads + SCANS_PER_READS - 1) / SCANS_PER_READS;
    }
    if (item->steps > 0) {
        job->steps = item->steps;
    }
    if (workload->mixes) {
        job->pattern.mix = &trial->mix;
        mix_reset(&trial->mix, plan->num);
    }
    job->duration_ns = (item->duration_ms > 0 ? item->duration_ms : plan->duration_ms) * NS_PER_MS;
    job->rate = step_rate(trial, item);
    job->pattern.durability = plan->durability;
    if (workload->synced) {
        if (!bench_is_synced(plan->durability)) {
            job->pattern.durability = BLOCKDB_DURABILITY_GROUP;
        }
        if (job->duration_ns == 0) {
            job->duration_ns = SYNCED_DURATION_NS;
        }
    }
    if (workload->proves) {
        rc = read_sealed_count(trial, &seq_count, err);
        job->pattern.seq_high = seq_count > 0 ? seq_count - 1 : 0;
    }
    if (workload->need == WORKLOAD_VERSIONS) {
        rc = read_seq_count(trial, &seq_count, err);
        job->pattern.seq_low = trial->seq_low;
        job->pattern.seq_high = seq_count > 0 ? seq_count - 1 : 0;
    }
    return rc;
}

static void outcome_to_result(const struct crew_outcome *outcome, struct result *result)
{
    bool is_many = result->workload->batched || result->workload->pipelined;

    result->ops = is_many ? outcome->entries : outcome->steps;
    result->entries = outcome->entries;
    result->user_bytes = outcome->bytes;
    result->elapsed_ns = outcome->elapsed_ns;
    result->late = outcome->late;
    result->missed = outcome->missed;
    latency_of(&outcome->latency, &result->latency);
}

/* "redis ycsb-a/reads, 16 threads, round 1" */
static int log_histogram(struct trial *trial, const struct result *result,
                         const struct histogram *h)
{
    char title[128];

    (void)snprintf(title, sizeof(title), "%s %s%s%s, %u thread%s, round %u", trial->engine->name,
                   result->workload->name, result->part[0] != '\0' ? "/" : "", result->part,
                   result->threads, result->threads == 1 ? "" : "s", result->round);
    return trial->histograms != NULL ? hdr_log_append(trial->histograms, title, h) : BLOCKDB_OK;
}

/* Reads that are all that was done are told as the whole. */
static bool is_part_told(const struct crew_outcome *outcomes, unsigned part)
{
    return outcomes[part].steps > 0 && (part != CREW_READS || outcomes[CREW_WRITES].steps > 0);
}

/* Turns what a crew did into results, one for each part of it. */
static int fill_results(struct trial *trial, const struct crew_outcome *outcomes,
                        struct result results[CREW_PARTS], struct error *err)
{
    unsigned i;
    int rc = BLOCKDB_OK;

    for (i = 0; i < CREW_PARTS && rc == BLOCKDB_OK; i++) {
        if (is_part_told(outcomes, i) || i == CREW_ALL) {
            outcome_to_result(&outcomes[i], &results[i]);
        }
        if (is_part_told(outcomes, i)) {
            rc = log_histogram(trial, &results[i], &outcomes[i].latency);
        }
    }
    return rc < 0 ? error_set_no_memory(err) : BLOCKDB_OK;
}

/* The state in which a workload of threads leaves the database. */
static int note_state(struct trial *trial, const struct result *result, struct error *err)
{
    if (result->workload->grows) {
        trial->state = TRIAL_PARTIAL; /* others expect the keys of the dataset and no more */
        return BLOCKDB_OK;
    }
    if (result->workload->need != WORKLOAD_EMPTY) {
        return BLOCKDB_OK;
    }
    if (result->entries == trial->plan->num) {
        return note_keys(trial, err);
    }
    trial->state = TRIAL_PARTIAL;
    return BLOCKDB_OK;
}

/* Runs threads; fills the results of all parts that there are. */
static int run_threads(struct trial *trial, const struct plan_item *item,
                       struct result results[CREW_PARTS], struct error *err)
{
    AUTO(mem_free_ptr) struct crew_outcome *outcomes = mem_alloc(CREW_PARTS * sizeof(*outcomes));
    struct crew_job job;
    char title[64];
    int rc;

    if (outcomes == NULL) {
        return error_set_no_memory(err);
    }
    rc = job_make(trial, item, &job, err);
    if (rc < 0) {
        return rc;
    }
    describe(trial, item->workload->name, title, sizeof(title));
    job.title = title;
    rc = crew_run(&job, outcomes, err);
    if (rc == 0) {
        rc = fill_results(trial, outcomes, results, err);
    }
    results[CREW_ALL].rate = item->rate > 0 ? item->rate : (double)trial->plan->rate;
    return rc < 0 ? rc : note_state(trial, &results[CREW_ALL], err);
}

static int add_results(struct trial *trial, const struct result results[CREW_PARTS],
                       struct error *err)
{
    int rc = results_add(trial->results, &results[CREW_ALL]);
    unsigned i;

    for (i = CREW_ALL + 1; rc == 0 && i < CREW_PARTS; i++) {
        if (results[i].ops > 0 || (i == CREW_BEHIND && results[i].workload->behind != NULL)) {
            rc = results_add(trial->results, &results[i]);
        }
    }
    return rc < 0 ? error_set_no_memory(err) : BLOCKDB_OK;
}

static int measure(struct trial *trial, const struct plan_item *item,
                   struct result results[CREW_PARTS], struct error *err)
{
    struct result *result = &results[CREW_ALL];
    struct blockdb_stats stats_before;
    struct meter before;
    struct meter after;
    struct meter settled;
    int rc = settle(trial, &settled, err); /* WORKLOAD-2 */

    if (rc == 0) {
        rc = read_stats(trial, &stats_before, err);
    }
    if (rc < 0) {
        return rc;
    }
    meter_reset_peak(process_of(trial));
    meter_read(trial->os, process_of(trial), &before);
    rc = item->workload->whole != NULL ? item->workload->whole(trial, result, err)
                                       : run_threads(trial, item, results, err);
    meter_read(trial->os, process_of(trial), &after);
    if (rc == 0) {
        rc = settle(trial, &settled, err);
    }
    if (rc < 0) {
        return rc;
    }
    account(result, process_of(trial), &before, &after, &settled);
    result->has_stats = trial->engine->stats != NULL && item->workload->step != NULL;
    rc = read_stats(trial, &result->stats, err);
    if (rc == 0 && result->has_stats) {
        stats_subtract(&result->stats, &stats_before);
    }
    return rc < 0 ? rc : disk_usage_read(trial->os, trial->dir, &result->disk, err);
}

int trial_prepare(struct trial *trial, const struct workload *workload, struct error *err)
{
    int rc = prepare(trial, workload->need, err);

    return rc == 0 && workload->signs ? prepare_key(trial, err) : rc;
}

int trial_run_item(struct trial *trial, const struct plan_item *item, struct error *err)
{
    static const char *const parts[CREW_PARTS] = {[CREW_ALL] = "",
                                                  [CREW_BEHIND] = "writer",
                                                  [CREW_READS] = "reads",
                                                  [CREW_WRITES] = "writes"};
    struct result results[CREW_PARTS];
    unsigned i;
    int rc;

    for (i = 0; i < CREW_PARTS; i++) {
        results[i] = (struct result){
            .engine = trial->engine,
            .workload = item->workload,
            .part = parts[i],
            .threads = item->threads,
            .round = trial->round,
        };
    }
    if (!workload_fits(item->workload, trial->engine)) {
        return BLOCKDB_OK;
    }
    rc = trial_prepare(trial, item->workload, err);
    if (rc == 0) {
        rc = measure(trial, item, results, err);
    }
    if (rc == 0) {
        rc = add_results(trial, results, err);
    }
    return rc < 0 ? error_wrap(err, rc, "%s of %s", item->workload->name, trial->engine->name)
                  : BLOCKDB_OK;
}

int trial_end(struct trial *trial, int rc, struct error *err)
{
    struct error later = {0};
    int closed = trial_close(trial, &later);

    if (rc == 0 && closed < 0) {
        rc = error_set(err, closed, "%s", later.message);
    }
    if (!trial->plan->keep && trial->dir != NULL) {
        int removed = disk_remove(trial->os, trial->dir, &later);

        if (rc == 0 && removed < 0) {
            rc = error_set(err, removed, "%s", later.message);
        }
    }
    bench_key_free(TAKE(trial->key));
    mem_free(TAKE(trial->dir));
    mix_deinit(&trial->mix);
    return rc;
}

int trial_begin(struct trial *trial, const char *dir, struct error *err)
{
    int rc;

    trial->dir = path_join(dir, trial->engine->name);
    if (trial->dir == NULL) {
        return error_set_no_memory(err);
    }
    rc = mix_init(&trial->mix);
    return rc < 0 ? error_set_no_memory(err) : start_empty(trial, err);
}

int trial_run(struct trial *trial, const char *dir, struct error *err)
{
    unsigned i;
    int rc = trial_begin(trial, dir, err);

    for (i = 0; rc == 0 && i < trial->plan->item_count; i++) {
        rc = trial_run_item(trial, &trial->plan->items[i], err);
    }
    return trial_end(trial, rc, err);
}
