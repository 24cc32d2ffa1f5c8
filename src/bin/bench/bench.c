/* SPDX-License-Identifier: Apache-2.0 */
#include "bin/bench/bench.h"

#include "base/mem.h"
#include "base/text.h"
#include "bin/bench/plan.h"
#include "bin/bench/report.h"
#include "bin/bench/targets.h"
#include "bin/bench/trial.h"
#include "bin/bench/whole.h"
#include "bin/cli/signals.h"
#include "os/os.h"

#include <stdio.h>
#include <unistd.h>

#define DIR_RANDOM_BYTES 6

enum bench_exit {
    BENCH_EXIT_OK = 0,
    BENCH_EXIT_FAILED = 1,
    BENCH_EXIT_USAGE = 2,
    BENCH_EXIT_INTERRUPTED = 130,
};

struct bench {
    struct os *os;
    const struct plan *plan;
    struct dataset data;
    struct results results;
    struct out out;
    struct buf histograms;
    struct out rows; /* each result at once: standard error in a comparison, else output */
    char *dir;       /* made by this run */
};

/* Makes a directory of our own below the one that --db names. */
static int make_dir(struct bench *bench, struct error *err)
{
    uint8_t random[DIR_RANDOM_BYTES];
    char hex[2 * DIR_RANDOM_BYTES + 1];
    char name[sizeof("blockdb-bench.") + 2 * DIR_RANDOM_BYTES];
    int rc = os_random(bench->os, random, sizeof(random), err);

    if (rc < 0) {
        return rc;
    }
    text_format_hex(hex, random, sizeof(random));
    (void)snprintf(name, sizeof(name), "blockdb-bench.%s", hex);
    bench->dir = path_join(bench->plan->db, name);
    if (bench->dir == NULL) {
        return error_set_no_memory(err);
    }
    rc = os_make_dirs(bench->os, bench->dir, err);
    return rc < 0 ? error_wrap(err, rc, "--db '%s'", bench->plan->db) : BLOCKDB_OK;
}

static int init(struct bench *bench, const struct plan *plan, struct error *err)
{
    int rc;

    *bench = (struct bench){.os = os_real(), .plan = plan};
    out_init(&bench->out, STDOUT_FILENO);
    out_init(&bench->rows, plan->compare ? STDERR_FILENO : STDOUT_FILENO);
    rc = dataset_init(&bench->data, plan->num, plan->key_len, plan->value_len, plan->seed);
    if (rc < 0) {
        return error_set_no_memory(err);
    }
    return make_dir(bench, err);
}

static void deinit(struct bench *bench)
{
    if (bench->dir != NULL && bench->plan->keep) {
        (void)fprintf(stderr, "kept: %s\n", bench->dir);
    } else if (bench->dir != NULL) {
        IGNORE_RESULT(disk_remove(bench->os, bench->dir, NULL)); /* nobody needs it any more */
    }
    mem_free(bench->dir);
    results_deinit(&bench->results);
    dataset_deinit(&bench->data);
    out_deinit(&bench->out);
    out_deinit(&bench->rows);
    buf_deinit(&bench->histograms);
}

/* Prints the results from the first-th on. */
static int print_new(struct bench *bench, size_t first, struct error *err)
{
    size_t i;

    if (bench->plan->json) {
        return BLOCKDB_OK;
    }
    for (i = first; i < bench->results.count; i++) {
        report_print_result(&bench->rows, &bench->results.items[i]);
    }
    return out_finish(&bench->rows, err);
}

/* All engines in turns; each round begins with another one, for the machine may change. */
static int run_rounds(struct bench *bench, struct error *err)
{
    const struct plan *plan = bench->plan;
    unsigned round;
    unsigned i;

    if (!plan->json) {
        report_print_header(&bench->rows);
    }
    for (round = 1; round <= plan->rounds; round++) {
        for (i = 0; i < plan->engine_count; i++) {
            size_t first = bench->results.count;
            struct trial trial = {
                .os = bench->os,
                .plan = plan,
                .data = &bench->data,
                .engine = plan->engines[(i + round - 1) % plan->engine_count],
                .results = &bench->results,
                .round = round,
                .histograms = plan->histogram != NULL ? &bench->histograms : NULL,
            };
            int rc = trial_run(&trial, bench->dir, err);

            if (rc == 0) {
                rc = print_new(bench, first, err);
            }
            if (rc < 0) {
                return rc;
            }
        }
    }
    return bench->results.count > 0
               ? BLOCKDB_OK
               : error_set(err, BLOCKDB_EINVAL,
                           "nothing was measured: no engine of this run has any of the workloads; "
                           "--help lists them");
}

/* Writes the report as JSON to a file of its own. */
static int write_json_file(struct bench *bench, const struct report *report, struct error *err)
{
    struct out json;
    int rc;

    out_init(&json, STDOUT_FILENO); /* nothing is written there: only its buffer is used */
    report_print_json(&json, report);
    rc = out_failed(&json)
             ? error_set_no_memory(err)
             : os_replace_file(bench->os, bench->plan->json_file, buf_slice(&json.pending), err);
    out_deinit(&json);
    return rc < 0 ? error_wrap(err, rc, "--json-file") : BLOCKDB_OK;
}

static int write_histograms(struct bench *bench, struct error *err)
{
    int rc = BLOCKDB_OK;

    if (bench->plan->histogram != NULL) {
        rc = os_replace_file(bench->os, bench->plan->histogram, buf_slice(&bench->histograms), err);
    }
    return rc < 0 ? error_wrap(err, rc, "--histogram") : BLOCKDB_OK;
}

static int print_report(struct bench *bench, const struct report *report, struct error *err)
{
    if (bench->plan->json) {
        report_print_json(&bench->out, report);
    } else {
        if (bench->plan->compare) {
            report_print_comparison(&bench->out, report);
        }
        report_print_space(&bench->out, report);
    }
    return out_finish(&bench->out, err);
}

static int run(const struct plan *plan, struct error *err)
{
    struct bench bench;
    int rc = init(&bench, plan, err);

    if (rc == 0) {
        struct report report = {
            .plan = plan, .results = &bench.results, .time_ms = os_now_ms(bench.os)};

        rc = run_rounds(&bench, err);
        if (rc == 0) {
            rc = print_report(&bench, &report, err);
        }
        if (rc == 0) {
            rc = write_histograms(&bench, err);
        }
        if (rc == 0 && plan->json_file != NULL) {
            rc = write_json_file(&bench, &report, err);
        }
    }
    deinit(&bench);
    return rc;
}

/* *out_passed: whether the server meets all targets that could be measured. */
static int run_targets(const struct plan *plan, bool *out_passed, struct error *err)
{
    struct bench bench;
    int rc = init(&bench, plan, err);

    if (rc == 0) {
        struct targets_job job = {
            .os = bench.os, .plan = plan, .data = &bench.data, .dir = bench.dir};

        rc = targets_run(&job, &bench.out, out_passed, err);
    }
    deinit(&bench);
    return rc;
}

/* Does what the command asks for. */
static int execute(const struct plan *plan, bool *out_passed, struct error *err)
{
    *out_passed = true;
    if (plan->crash_child != NULL) {
        return whole_crash(plan, err);
    }
    return plan->targets ? run_targets(plan, out_passed, err) : run(plan, err);
}

int bench_main(int argc, char **argv)
{
    struct plan plan;
    struct error err = {0};
    bool passed;
    int rc = plan_parse(&plan, argc, argv, &err);

    if (rc < 0) {
        (void)fprintf(stderr, "blockdb-bench: %s\n", err.message);
        return BENCH_EXIT_USAGE;
    }
    if (plan.help) {
        plan_print_help();
        return BENCH_EXIT_OK;
    }
    if (plan.version) {
        (void)printf("blockdb-bench %s\n", blockdb_version());
        return BENCH_EXIT_OK;
    }
    signals_start();
    rc = execute(&plan, &passed, &err);
    if (rc == BLOCKDB_ECANCELED) {
        return BENCH_EXIT_INTERRUPTED;
    }
    if (rc < 0) {
        (void)fprintf(stderr, "blockdb-bench: %s\n", err.message);
        return rc == BLOCKDB_EINVAL ? BENCH_EXIT_USAGE : BENCH_EXIT_FAILED;
    }
    return passed ? BENCH_EXIT_OK : BENCH_EXIT_FAILED;
}
