/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Databases on disks in memory in which nothing happens by itself: neither flush, merge, block nor
 * sync, unless an option or the test asks for it. So the effect of one option can be seen alone.
 *
 * Threads: main thread of a test program.
 */
#pragma once

#include "engine_fixture.h"
#include "os/os_crash.h"

/* Of the disks and of what is put; set by main(). */
extern uint64_t world_seed;

/* A database of its own on a disk of its own. */
struct world {
    struct os_crash *disk;
    struct os *os;
    struct blockdb *db;
    uint64_t step_ms; /* the clock moves so far with each look in comes_true() */
};

/* Opens the database with the quiet options, then those of the list (NULL: none), then this one. */
void world_open(struct world *w, const char *name, const char *value,
                const struct fixture_option *more);
/* The same on a new disk. */
void world_new(struct world *w, const char *name, const char *value,
               const struct fixture_option *more);
void world_free(struct world *w);

/* Puts of `len` bytes that compress a little; key i is "key<i>" with six digits. */
void world_put_many(struct blockdb *db, unsigned first, unsigned count, size_t len);
/* Gets of <prefix><i> for all i below count; each must return `expected`. */
void world_get_many(struct blockdb *db, const char *prefix, unsigned count, int expected);
void world_flush(struct blockdb *db);
/* Waits until the statistics fulfil something that other threads see to; false: they never do. */
bool world_comes_true(struct world *w, bool (*is_true)(const struct blockdb_stats *));

struct world_files {
    const char *part;
    unsigned files;
    uint64_t longest;
};
/* The files on the disk whose path contains part. */
struct world_files world_files_with(struct world *w, const char *part);
