/* SPDX-License-Identifier: Apache-2.0 */
#include "bin/bench/targets.h"

#include "base/json_writer.h"
#include "base/mem.h"
#include "base/text.h"
#include "bin/bench/trial.h"

#include <stdio.h>
#include <stdlib.h>

#define THREADS 10
#define LOAD_PART 0.5 /* of the peak, for latencies */
#define CELL_BYTES 160
#define STEPS_MAX (1ULL << 40) /* the time ends each run */
#define NS_PER_S 1e9

enum run_kind { RUN_WRITE_PEAK, RUN_WRITE_HALF, RUN_READ_PEAK, RUN_READ_HALF, RUNS };

static const struct {
    const char *workload;
    bool is_half; /* of what the run before reached */
} runs[RUNS] = {
    [RUN_WRITE_PEAK] = {"overwrite", false},
    [RUN_WRITE_HALF] = {"overwrite", true},
    [RUN_READ_PEAK] = {"readrandom", false},
    [RUN_READ_HALF] = {"readrandom", true},
};

/* Where a server spends time, as it counts it; parts of the same second may overlap. */
static const struct {
    const char *metric;
    const char *what;
} shares[] = {
    {"blockdb_wal_fsync_duration_seconds_sum", "syncs of the write-ahead log"},
    {"blockdb_block_seal_duration_seconds_sum", "sealing blocks"},
    {"blockdb_flush_duration_seconds_sum", "writing memtables"},
    {"blockdb_compaction_duration_seconds_sum", "merging tables"},
    {"blockdb_write_stall_seconds_total", "writers held back"},
    {"process_cpu_seconds_total", "processors"},
};
#define SHARES (sizeof(shares) / sizeof(shares[0]))

/* What one run measured. */
struct measure {
    double ops_per_s;
    struct latency latency;
    uint64_t missed;
    uint64_t peak_bytes;
    const char *cause; /* the largest share of time; NULL: not told */
    double cause_part; /* of the time that passed */
    double others_cores;
};

enum verdict { VERDICT_PASS, VERDICT_FAIL, VERDICT_NONE };

struct row {
    const char *metric;
    const char *target;
    unsigned nodes;
    enum verdict verdict;
    char measured[CELL_BYTES];
    const struct measure *from; /* NULL: not measured */
};
#define ROWS_MAX 10

/* ---- Measuring ----------------------------------------------------------------------------- */

double targets_metric(struct slice text, const char *name)
{
    size_t name_len = strlen(name);
    size_t at = 0;

    while (at < text.len) {
        const uint8_t *end = memchr(text.data + at, '\n', text.len - at);
        size_t len = end != NULL ? (size_t)(end - text.data) - at : text.len - at;
        char number[64];

        if (len > name_len + 1 && memcmp(text.data + at, name, name_len) == 0 &&
            text.data[at + name_len] == ' ') {
            size_t digits = len - name_len - 1;

            digits = digits < sizeof(number) - 1 ? digits : sizeof(number) - 1;
            memcpy(number, text.data + at + name_len + 1, digits);
            number[digits] = '\0';
            return strtod(number, NULL);
        }
        at += len + 1;
    }
    return 0;
}

/* Reads the server's metrics; one that does not tell them has none. */
static void read_metrics(struct trial *trial, struct buf *out)
{
    struct error ignored; /* they only explain */

    buf_reset(out);
    if (trial->engine->metrics == NULL || trial->engine->metrics(trial->db, out, &ignored) < 0) {
        buf_reset(out);
    }
}

static void find_cause(struct measure *m, struct slice before, struct slice after, double seconds)
{
    double most = 0;
    size_t i;

    for (i = 0; i < SHARES && after.len > 0 && seconds > 0; i++) {
        double spent = targets_metric(after, shares[i].metric) -
                       targets_metric(before, shares[i].metric);

        if (spent > most) {
            most = spent;
            m->cause = shares[i].what;
            m->cause_part = spent / seconds;
        }
    }
    if (m->peak_bytes == 0) { /* on another machine */
        m->peak_bytes = (uint64_t)targets_metric(after, "process_resident_memory_bytes");
    }
}

static int run_one(struct trial *trial, enum run_kind kind, struct measure *measures,
                   struct error *err)
{
    AUTO(buf_deinit) struct buf before = {0};
    AUTO(buf_deinit) struct buf after = {0};
    struct measure *m = &measures[kind];
    struct plan_item item = {
        .threads = THREADS, .steps = STEPS_MAX, .duration_ms = trial->plan->duration_ms};
    const struct result *result;
    int rc = workload_find(runs[kind].workload, strlen(runs[kind].workload), &item.workload, err);

    if (rc < 0) {
        return rc;
    }
    if (runs[kind].is_half) {
        item.rate = measures[kind - 1].ops_per_s * LOAD_PART;
    }
    rc = trial_prepare(trial, item.workload, err);
    if (rc < 0) {
        return rc;
    }
    read_metrics(trial, &before);
    rc = trial_run_item(trial, &item, err);
    if (rc < 0) {
        return rc;
    }
    read_metrics(trial, &after);
    result = &trial->results->items[trial->results->count - 1];
    *m = (struct measure){.ops_per_s = result_ops_per_s(result),
                          .latency = result->latency,
                          .missed = result->missed,
                          .peak_bytes = result->peak_bytes,
                          .others_cores = result->others_cores};
    find_cause(m, buf_slice(&before), buf_slice(&after), (double)result->elapsed_ns / NS_PER_S);
    return BLOCKDB_OK;
}

static int measure_all(const struct targets_job *job, struct measure measures[RUNS],
                       struct error *err)
{
    struct results results = {0};
    struct trial trial = {.os = job->os,
                          .plan = job->plan,
                          .data = job->data,
                          .engine = job->plan->engines[0],
                          .results = &results,
                          .round = 1};
    int rc = trial_begin(&trial, job->dir, err);
    unsigned i;

    for (i = 0; rc == BLOCKDB_OK && i < RUNS; i++) {
        rc = run_one(&trial, (enum run_kind)i, measures, err);
    }
    rc = trial_end(&trial, rc, err);
    results_deinit(&results);
    return rc;
}

/* ---- Judging ------------------------------------------------------------------------------- */

static struct row *add_row(struct row *rows, size_t *count, const char *metric, const char *target)
{
    struct row *row = &rows[(*count)++];

    *row = (struct row){.metric = metric, .target = target, .nodes = 1, .verdict = VERDICT_NONE};
    (void)snprintf(row->measured, sizeof(row->measured), "not measured: standing alone");
    return row;
}

static void judge(struct row *row, const struct measure *from, bool is_met)
{
    row->from = from;
    row->verdict = is_met ? VERDICT_PASS : VERDICT_FAIL;
}

/* A latency is met by its p99, when all that was due began. */
static void judge_latency(struct row *row, const struct measure *m, uint64_t limit_ns)
{
    char p50[TEXT_DURATION_BYTES];
    char p99[TEXT_DURATION_BYTES];

    text_format_latency(p50, m->latency.p50_ns);
    text_format_latency(p99, m->latency.p99_ns);
    (void)snprintf(row->measured, sizeof(row->measured), "p50 %s, p99 %s at %.0f ops/s%s", p50, p99,
                   m->ops_per_s, m->missed > 0 ? ", which it did not keep up with" : "");
    judge(row, m, m->latency.p99_ns < limit_ns && m->missed == 0);
}

static size_t judge_all(const struct measure measures[RUNS], struct row rows[ROWS_MAX])
{
    static const char *const cluster[][2] = {{"Write throughput", ">= 150 ops/s"},
                                             {"Read latency (p99)", "< 10 ms"},
                                             {"Write latency (p99)", "< 50 ms"},
                                             {"Memory usage", "< 1 GiB a node"},
                                             {"Consensus latency", "< 20 ms"}};
    const struct measure *writes = &measures[RUN_WRITE_PEAK];
    const struct measure *largest = writes;
    char size[TEXT_SIZE_BYTES];
    struct row *row;
    size_t count = 0;
    size_t i;

    row = add_row(rows, &count, "Write throughput", ">= 200 ops/s");
    (void)snprintf(row->measured, sizeof(row->measured), "%.0f ops/s", writes->ops_per_s);
    judge(row, writes, writes->ops_per_s >= 200);
    judge_latency(add_row(rows, &count, "Read latency (p99)", "< 5 ms"), &measures[RUN_READ_HALF],
                  5000000);
    judge_latency(add_row(rows, &count, "Write latency (p99)", "< 20 ms"),
                  &measures[RUN_WRITE_HALF], 20000000);
    for (i = 1; i < RUNS; i++) {
        largest = measures[i].peak_bytes > largest->peak_bytes ? &measures[i] : largest;
    }
    row = add_row(rows, &count, "Memory usage", "< 1 GiB");
    text_format_size_short(size, largest->peak_bytes);
    if (largest->peak_bytes > 0) {
        (void)snprintf(row->measured, sizeof(row->measured), "%s", size);
        judge(row, largest, largest->peak_bytes < 1ULL << 30);
    } else {
        (void)snprintf(row->measured, sizeof(row->measured), "not measured: the server tells none");
    }
    for (i = 0; i < sizeof(cluster) / sizeof(cluster[0]); i++) {
        add_row(rows, &count, cluster[i][0], cluster[i][1])->nodes = 3;
    }
    return count;
}

/* ---- Printing ------------------------------------------------------------------------------ */

static const char *verdict_name(enum verdict verdict)
{
    switch (verdict) {
    case VERDICT_PASS:
        return "PASS";
    case VERDICT_FAIL:
        return "FAIL";
    case VERDICT_NONE:
        break;
    }
    return "-";
}

static void print_table(struct out *out, const struct row *rows, size_t count)
{
    size_t i;

    out_format(out, "%-6s%-21s%-16s%-8s%s\n", "nodes", "metric", "target", "verdict", "measured");
    for (i = 0; i < count; i++) {
        const struct row *row = &rows[i];

        out_format(out, "%-6u%-21s%-16s%-8s%s", row->nodes, row->metric, row->target,
                   verdict_name(row->verdict), row->measured);
        if (row->verdict == VERDICT_FAIL && row->from->cause != NULL) {
            out_format(out, "; most time: %s, %.0f %% of the run", row->from->cause,
                       100 * row->from->cause_part);
        }
        if (row->verdict == VERDICT_FAIL && row->from->others_cores > RESULT_NOISE_CORES) {
            out_format(out, "; other processes used %.1f processors", row->from->others_cores);
        }
        out_text(out, "\n");
    }
}

static void number(struct json_writer *w, const char *key, double value)
{
    json_writer_key(w, key);
    json_writer_double(w, value);
}

static void print_row_json(struct json_writer *w, const struct row *row)
{
    json_writer_begin_object(w);
    json_writer_member_u64(w, "nodes", row->nodes);
    json_writer_member_text(w, "metric", row->metric);
    json_writer_member_text(w, "target", row->target);
    json_writer_member_text(w, "verdict", verdict_name(row->verdict));
    json_writer_member_text(w, "measured", row->measured);
    if (row->from != NULL) {
        number(w, "ops_per_s", row->from->ops_per_s);
        json_writer_member_u64(w, "p50_ns", row->from->latency.p50_ns);
        json_writer_member_u64(w, "p99_ns", row->from->latency.p99_ns);
        json_writer_member_u64(w, "p99.9_ns", row->from->latency.p999_ns);
        json_writer_member_u64(w, "peak_memory_bytes", row->from->peak_bytes);
        number(w, "others_cores", row->from->others_cores);
    }
    if (row->from != NULL && row->from->cause != NULL) {
        json_writer_member_text(w, "most_time", row->from->cause);
        number(w, "most_time_part", row->from->cause_part);
    }
    json_writer_end_object(w);
}

static void print_json(struct out *out, const struct row *rows, size_t count, bool passed)
{
    struct json_writer w;
    size_t i;

    json_writer_init(&w, &out->pending);
    json_writer_begin_object(&w);
    json_writer_member_text(&w, "version", blockdb_version());
    json_writer_member_text(&w, "verdict", passed ? "PASS" : "FAIL");
    json_writer_key(&w, "targets");
    json_writer_begin_array(&w);
    for (i = 0; i < count; i++) {
        print_row_json(&w, &rows[i]);
    }
    json_writer_end_array(&w);
    json_writer_end_object(&w);
    out_note(out, json_writer_finish(&w));
    out_text(out, "\n");
}

int targets_run(const struct targets_job *job, struct out *out, bool *out_passed, struct error *err)
{
    struct measure measures[RUNS] = {0};
    struct row rows[ROWS_MAX];
    bool passed = true;
    size_t count;
    size_t i;
    int rc = measure_all(job, measures, err);

    if (rc < 0) {
        return rc;
    }
    count = judge_all(measures, rows);
    for (i = 0; i < count; i++) {
        passed = passed && rows[i].verdict != VERDICT_FAIL;
    }
    if (job->plan->json) {
        print_json(out, rows, count, passed);
    } else {
        print_table(out, rows, count);
    }
    *out_passed = passed;
    return out_finish(out, err);
}
