/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The figures of struct blockdb_stats by name: what stats prints, and what a server's answer has.
 *
 * Threads: immutable.
 */
#pragma once

#include "base/bytes.h"
#include "bin/cli/print.h"

#include <blockdb/blockdb.h>

/* What a figure is called, and how it is shown to people. */
struct stat_row {
    const char *name;
    enum field_type type;
    size_t offset;
    const char *heading;
};

#define STAT_ROWS_MAX 128

/* All rows, *out_count of them, at most STAT_ROWS_MAX. */
const struct stat_row *stat_rows_all(size_t *out_count);
uint64_t stat_row_get(const struct stat_row *row, const struct blockdb_stats *stats);
void stat_row_set(const struct stat_row *row, struct blockdb_stats *stats, uint64_t value);
/* The row of that name, or NULL. */
const struct stat_row *stat_row_find(struct slice name);
