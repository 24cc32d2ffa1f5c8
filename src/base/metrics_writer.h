/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes metrics: as text in the exposition format of Prometheus 0.0.4, or as JSON.
 *
 * A family has a name, a type and a help text; its samples follow it. A histogram's samples are
 * made from figures of latency.h. Names follow the conventions of Prometheus: base units, _total
 * for counters, no ids in labels.
 *
 *   text  # HELP blockdb_gets_total Reads of one key.
 *         # TYPE blockdb_gets_total counter
 *         blockdb_gets_total{source="memtable"} 17
 *   JSON  {"blockdb_gets_total":{"type":"counter","help":"...","samples":
 *           [{"labels":{"source":"memtable"},"value":17}]}}
 *
 * A failure is sticky: the caller writes on and looks at metrics_finish() once.
 *
 * Threads:   caller locks.
 * Ownership: borrows the buf until finished; texts are borrowed for the call.
 */
#pragma once

#include "base/json_writer.h"
#include "base/latency.h"

#include <stdbool.h>

enum metrics_format { METRICS_TEXT, METRICS_JSON };
enum metrics_type { METRICS_COUNTER, METRICS_GAUGE, METRICS_HISTOGRAM };

#define METRICS_TEXT_TYPE "text/plain; version=0.0.4; charset=utf-8"
#define METRICS_LABELS_MAX 4

struct metrics_label {
    const char *name;
    const char *value;
};

/* Up to METRICS_LABELS_MAX labels; those behind the first NULL name do not count. */
struct metrics_labels {
    struct metrics_label at[METRICS_LABELS_MAX];
};

struct metrics_writer {
    enum metrics_format format;
    int status;
    struct buf *out;
    struct json_writer json;
    const char *family; /* borrowed until the next one */
    enum metrics_type type;
};

void metrics_begin(struct metrics_writer *w, enum metrics_format format, struct buf *out);
/* 0, or ENOMEM when something could not be written. */
RESULT_MUST_BE_USED int metrics_finish(struct metrics_writer *w);

/* Starts a family; name and help are static. */
void metrics_family(struct metrics_writer *w, enum metrics_type type, const char *name,
                    const char *help);
/* A sample of a counter or gauge. labels may be NULL. */
void metrics_u64(struct metrics_writer *w, const struct metrics_labels *labels, uint64_t value);
void metrics_double(struct metrics_writer *w, const struct metrics_labels *labels, double value);
/* Nanoseconds as seconds, exact to the nanosecond. */
void metrics_seconds(struct metrics_writer *w, const struct metrics_labels *labels,
                     uint64_t value_ns);
/* A sample of a histogram of durations: buckets, sum and count. labels: at most one less than
 * METRICS_LABELS_MAX. */
void metrics_latency(struct metrics_writer *w, const struct metrics_labels *labels,
                     const struct latency_figures *figures);

/* A family of one sample without labels. */
void metrics_counter(struct metrics_writer *w, const char *name, const char *help, uint64_t value);
void metrics_gauge(struct metrics_writer *w, const char *name, const char *help, uint64_t value);
