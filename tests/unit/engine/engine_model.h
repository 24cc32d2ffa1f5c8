/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A model of a database, and random operations on both: what a read must return is known exactly.
 *
 * Threads: main thread of a test program.
 */
#pragma once

#include "base/error.h"

#include <blockdb/blockdb.h>
#include <stdbool.h>
#include <stdint.h>

#define MODEL_KEYS 200
#define MODEL_VERSIONS_MAX 20000
#define MODEL_BATCH_MAX 8

struct model_version {
    uint32_t key;
    uint64_t seq;
    bool is_put;
    uint32_t value_seed; /* value bytes follow from it */
    uint32_t value_len;
};

struct model {
    struct model_version versions[MODEL_VERSIONS_MAX]; /* in order of seq */
    uint32_t count;
    uint64_t rng;
    struct model_version pending[MODEL_BATCH_MAX]; /* of the last write, whatever became of it */
    uint32_t pending_count;
};

void model_init(struct model *m, uint64_t seed);
uint32_t model_random(struct model *m, uint32_t below);
/* The text of a key; out has 64 bytes. Returns its length. */
size_t model_key(uint32_t key, char *out);
/* Fills out with the value; out has room for value_len bytes. */
void model_value(const struct model_version *v, uint8_t *out);
/* The newest version of key with seq <= at, or NULL. */
const struct model_version *model_find(const struct model *m, uint32_t key, uint64_t at);

/* Options that make everything happen with little data. */
struct blockdb_options *model_options(const char *strategy, const char *sync_mode);

/* Writes one random batch of puts and deletes to both. Returns the status of the database; the
 * model changes only when it is 0. */
int model_write(struct model *m, struct blockdb *db, struct error *err);
/* Checks gets of all keys, at the newest state and at random seqs; a scan both ways; a history. */
void model_check(struct model *m, struct blockdb *db);
/* After a crash: every version of the model must be in the database; behind them it may have the
 * pending write, whole, which the model then takes over, and nothing else. Returns how many entries
 * were taken over. */
uint32_t model_reconcile(struct model *m, struct blockdb *db);
