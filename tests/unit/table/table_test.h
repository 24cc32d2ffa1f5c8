/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of tables share: random items, a directory, an environment of epoch and caches.
 *
 * Threads: one thread, except where a test says so.
 */
#pragma once

#include "base/epoch.h"
#include "os/os.h"
#include "store/cache.h"
#include "store/table.h"
#include "store/table_builder.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- Randomness ---- */

struct rng {
    uint64_t state;
};
/* From the environment variable TEST_SEED, else from the clock; printed. */
struct rng rng_start(void);
uint64_t rng_next(struct rng *r);
/* Below n; n > 0. */
uint64_t rng_below(struct rng *r, uint64_t n);

/* ---- Items ---- */

struct sample {
    struct item item; /* older is an array list over `older` */
    uint8_t *key;
    uint8_t *value;
    uint64_t *older;
};

struct samples {
    struct sample *at; /* in key order */
    size_t count;
};

struct sample_options {
    size_t count;
    size_t key_len_max;   /* at most 4096 */
    size_t value_len_max; /* of inline values */
    size_t long_list;     /* one of 20 keys has about so many older seqs; 0 none */
    bool one_prefix;      /* all keys begin alike */
};

/* Random items with distinct keys; aborts the test without memory. */
struct samples samples_new(struct rng *r, const struct sample_options *options);
void samples_free(struct samples *s);
/* The index of the first sample with key >= key. */
size_t samples_rank(const struct samples *s, struct slice key);

/* ---- Environment ---- */

struct env {
    char dir[64];
    char path[96];
    struct epoch *epoch;
    struct cache *block_cache;
    struct cache *index_cache;
    struct table_counters *counters;
    struct table_options open; /* to open path */
    struct table_builder_options build;
};

#define ENV_FILE_NUMBER 17

/* A directory under /tmp and caches of cache_bytes each; values are set for a small table. */
void env_init(struct env *env, size_t cache_bytes);
/* Removes the directory. */
void env_deinit(struct env *env);
/* Gives the environment fresh caches. */
void env_renew_caches(struct env *env, size_t cache_bytes);
/* Builds samples into env->path; 0 or what failed first. */
int env_build(struct env *env, const struct samples *s, struct error *err);
int env_open(struct env *env, struct table **out, struct error *err);

/* ---- Comparisons: assert ---- */

void check_item(const struct item *got, const struct item *want);
/* Every sample is found, with its as-of states, and keys around it are not. */
void check_gets(struct env *env, struct table *table, const struct samples *s, struct rng *r);
