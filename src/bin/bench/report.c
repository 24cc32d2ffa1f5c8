/* SPDX-License-Identifier: Apache-2.0 */
#include "bin/bench/report.h"

#include "base/text.h"

#include <stdio.h>

#define CELL_MAX 40
#define MB 1e6

/* "12.3 M", "456 k", "78.9": three digits. */
static void format_rate(char out[CELL_MAX], double value)
{
    const char *unit = "";

    if (value >= 1e6) {
        value /= 1e6;
        unit = " M";
    } else if (value >= 1e4) {
        value /= 1e3;
        unit = " k";
    }
    (void)snprintf(out, CELL_MAX, "%.*f%s", value >= 100 ? 0 : value >= 10 ? 1 : 2, value, unit);
}

/* "readrandom", "fillsync:16", "readwhilewriting/writer" */
static void format_row_name(char out[CELL_MAX], const struct result *r)
{
    int len = snprintf(out, CELL_MAX, "%s", r->workload->name);

    if (r->threads > 1) {
        len += snprintf(out + len, CELL_MAX - (size_t)len, ":%u", r->threads);
    }
    if (r->part[0] != '\0') {
        (void)snprintf(out + len, CELL_MAX - (size_t)len, "/%s", r->part);
    }
}

void report_print_header(struct out *out)
{
    out_format(out, "%-9s%-24s%9s%8s%10s%10s%10s%10s%10s%10s%9s%9s%8s\n", "engine", "workload",
               "ops/s", "MB/s", "p50", "p90", "p99", "p99.9", "p99.99", "max", "CPU us", "WA",
               "rest");
}

void report_print_result(struct out *out, const struct result *r)
{
    const uint64_t latencies[] = {r->latency.p50_ns,  r->latency.p90_ns,   r->latency.p99_ns,
                                  r->latency.p999_ns, r->latency.p9999_ns, r->latency.max_ns};
    double seconds = (double)r->elapsed_ns / 1e9;
    char text[CELL_MAX];
    size_t i;

    format_row_name(text, r);
    out_format(out, "%-9s%-24s", r->engine->name, text);
    format_rate(text, result_ops_per_s(r));
    out_format(out, "%9s%8.1f", text, seconds > 0 ? (double)r->user_bytes / MB / seconds : 0);
    for (i = 0; i < sizeof(latencies) / sizeof(latencies[0]); i++) {
        text_format_latency(text, latencies[i]);
        out_format(out, "%10s", text);
    }
    if (r->part[0] != '\0') {
        out_text(out, "\n"); /* what the process used is told with the whole */
        return;
    }
    out_format(out, "%9.2f",
               r->ops > 0 ? (double)(r->cpu_ns + r->settle_cpu_ns) / 1e3 / (double)r->ops : 0);
    out_format(out, "%9.2f%6.1f s%s", result_write_amplification(r), (double)r->settle_ns / 1e9,
               r->others_cores > RESULT_NOISE_CORES ? "  (other processes were busy)" : "");
    if (r->rate > 0) {
        out_format(out, "  (%.0f/s were due; %llu began late, %llu not at all)", r->rate,
                   (unsigned long long)r->late, (unsigned long long)r->missed);
    }
    out_text(out, "\n");
}

/* The last result of an engine, or NULL. */
static const struct result *last_result(const struct results *results,
                                        const struct bench_engine *engine)
{
    size_t i = results->count;

    while (i-- > 0) {
        if (results->items[i].engine == engine && results->items[i].part[0] == '\0') {
            return &results->items[i];
        }
    }
    return NULL;
}

static void print_size(struct out *out, const char *name, uint64_t bytes)
{
    char size[TEXT_SIZE_BYTES];

    text_format_size_short(size, bytes);
    out_format(out, "%s %s", name, size);
}

void report_print_space(struct out *out, const struct report *report)
{
    const struct plan *plan = report->plan;
    uint64_t user_bytes = plan->num * (plan->key_len + plan->value_len);
    unsigned i;

    for (i = 0; i < plan->engine_count; i++) {
        const struct result *r = last_result(report->results, plan->engines[i]);

        if (r == NULL || (r->engine->is_remote && r->peak_bytes == 0)) {
            continue; /* nothing ran, or nothing is known of a server elsewhere */
        }
        out_format(out, "\n%s after %s: ", r->engine->title, r->workload->name);
        print_size(out, "on disk", r->disk.total);
        if (!r->engine->is_peer) {
            print_size(out, " (WAL", r->disk.wal);
            print_size(out, ", ledger", r->disk.ledger);
            print_size(out, ", tables", r->disk.tables);
            print_size(out, ", tiles", r->disk.tiles);
            out_text(out, ")");
        }
        print_size(out, "; one round of keys and values is", user_bytes);
        print_size(out, "; memory at most", r->peak_bytes);
        out_text(out, "\n");
    }
}

static void print_comparison_row(struct out *out, const struct report *report,
                                 const struct result *row)
{
    const struct plan *plan = report->plan;
    struct summary first;
    struct summary s;
    char text[CELL_MAX];
    unsigned i;

    format_row_name(text, row);
    out_format(out, "| %s |", text);
    results_summarise(report->results, row, plan->engines[0], &first);
    for (i = 0; i < plan->engine_count; i++) {
        results_summarise(report->results, row, plan->engines[i], &s);
        format_rate(text, s.ops_per_s);
        out_format(out, " %s%s |", s.rounds > 0 ? text : "-",
                   s.others_cores > RESULT_NOISE_CORES ? " *" : "");
    }
    for (i = 1; i < plan->engine_count; i++) {
        results_summarise(report->results, row, plan->engines[i], &s);
        if (s.rounds > 0 && first.rounds > 0 && s.ops_per_s > 0) {
            out_format(out, " %.2f |", first.ops_per_s / s.ops_per_s);
        } else {
            out_text(out, " - |");
        }
    }
    out_text(out, "\n");
}

/* One more figure of each engine, below the table of rates. */
static void print_detail_row(struct out *out, const struct report *report, const struct result *row)
{
    const struct plan *plan = report->plan;
    char name[CELL_MAX];
    unsigned i;

    format_row_name(name, row);
    out_format(out, "| %s |", name);
    for (i = 0; i < plan->engine_count; i++) {
        struct summary s;
        char p50[CELL_MAX];
        char p99[CELL_MAX];

        results_summarise(report->results, row, plan->engines[i], &s);
        if (s.rounds == 0) {
            out_text(out, " - |");
            continue;
        }
        text_format_latency(p50, (uint64_t)s.p50_ns);
        text_format_latency(p99, (uint64_t)s.p99_ns);
        out_format(out, " %s / %s", p50, p99);
        if (row->part[0] == '\0') { /* else it is told with the other part */
            out_format(out, " / %.1f", s.cpu_ns_per_op / 1e3);
        }
        out_text(out, " |");
    }
    out_text(out, "\n");
}

static void print_table_head(struct out *out, const struct plan *plan, bool with_ratios)
{
    unsigned i;

    out_text(out, "| workload |");
    for (i = 0; i < plan->engine_count; i++) {
        out_format(out, " %s |", plan->engines[i]->title);
    }
    for (i = 1; with_ratios && i < plan->engine_count; i++) {
        out_format(out, " / %s |", plan->engines[i]->title);
    }
    out_text(out, "\n|---|");
    for (i = 0; i < plan->engine_count + (with_ratios ? plan->engine_count - 1 : 0); i++) {
        out_text(out, "--:|");
    }
    out_text(out, "\n");
}

void report_print_comparison(struct out *out, const struct report *report)
{
    const struct plan *plan = report->plan;
    size_t i;

    out_format(out,
               "\n%llu keys of %llu B, values of %llu B; medians of %llu rounds, operations a "
               "second; the last columns are %s divided by the other engine.\n\n",
               (unsigned long long)plan->num, (unsigned long long)plan->key_len,
               (unsigned long long)plan->value_len, (unsigned long long)plan->rounds,
               plan->engines[0]->title);
    print_table_head(out, plan, true);
    for (i = 0; i < report->results->count; i++) {
        if (results_starts_row(report->results, i)) {
            print_comparison_row(out, report, &report->results->items[i]);
        }
    }
    out_text(out, "\n\\* in some round other processes used more than a quarter of a processor.\n"
                  "\nLatency p50 / p99 and processor time an operation, with what ran in the "
                  "background after it (us).\n\n");
    print_table_head(out, plan, false);
    for (i = 0; i < report->results->count; i++) {
        if (results_starts_row(report->results, i)) {
            print_detail_row(out, report, &report->results->items[i]);
        }
    }
}
