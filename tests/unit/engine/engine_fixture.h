/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What tests of a whole database share: opening with given options, and functions that end the
 * program with a message when something fails, in whatever thread.
 *
 * Threads: any; a database as its header says.
 */
#pragma once

#include "base/error.h"
#include "os/os.h"

#include <blockdb/blockdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fixture_option {
    const char *name; /* NULL ends a list */
    const char *value;
};

/* Ends the program with a message. */
void fixture_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
/* Ends the program with the message of err unless rc is 0. */
void fixture_must(int rc, const struct error *err);

/* Options that make flushes, merges and rotations happen with little data, then those of the list
 * (NULL: none). The caller frees them. */
struct blockdb_options *fixture_options(const struct fixture_option *list);
/* Opens with these options; an error ends the program. */
struct blockdb *fixture_open(struct os *os, const char *dir, const struct fixture_option *list,
                             unsigned flags);
void fixture_close(struct blockdb *db);

void fixture_put(struct blockdb *db, const char *key, const void *value, size_t len);
/* Verifies everything; returns the number of entries. */
uint64_t fixture_verify(struct blockdb *db);
struct blockdb_stats fixture_stats(struct blockdb *db);

/* Makes a directory of its own below /tmp on the real file system; out has 64 bytes. */
void fixture_make_dir(char *out);
/* Removes a directory and all in it. */
void fixture_remove_dir(const char *dir);
