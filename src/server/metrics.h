/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metrics of a server: who has figures registers here, and /metrics writes them all.
 *
 * METRICS-1  Sources are registered before the server starts; from then on the list is constant.
 * METRICS-2  A page is written in the order of registration; families of one source stay together.
 *
 * Threads:   register: before the start; write: any thread.
 * Ownership: borrows what sources are called with, which outlives it.
 */
#pragma once

#include "base/metrics_writer.h"

struct blockdb;
struct metrics;
struct request_metrics;

#define METRICS_SOURCES_MAX 16

/* Writes the families of one source; any thread, must not block on a disk for long. */
typedef void (*metrics_source_fn)(void *arg, struct metrics_writer *w);

RESULT_MUST_BE_USED int metrics_new(struct metrics **out);
/* NULL is fine. */
void metrics_free(struct metrics *m);

/* At most METRICS_SOURCES_MAX, which is asserted. */
void metrics_register(struct metrics *m, metrics_source_fn write, void *arg);
/* The requests of one protocol as a source. */
void metrics_register_requests(struct metrics *m, struct request_metrics *requests);
/* What the engine of db counts (metrics_engine.c). */
void metrics_register_engine(struct metrics *m, struct blockdb *db);
/* blockdb_build_info and process_* (metrics_process.c). */
void metrics_register_process(struct metrics *m);

/* Appends a page of all sources to out. ENOMEM. */
RESULT_MUST_BE_USED int metrics_write(const struct metrics *m, enum metrics_format format,
                                      struct buf *out);
