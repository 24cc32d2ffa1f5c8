/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dataset: the keys and values of a benchmark, computed from their numbers.
 *
 * Key i is its number 2*i in hexadecimal; odd numbers are the keys that nobody wrote, so that they
 * lie between those that exist. A value is cut out of a pool of half compressible bytes at a place
 * that depends on key and generation, and starts with both, so that every value that is read can be
 * compared in full with what was written without remembering it.
 *
 * Threads:   immutable once made; any thread.
 * Ownership: owns the pool.
 */
#pragma once

#include "base/bytes.h"

#define DATASET_KEY_LEN_MIN 8
#define DATASET_KEY_LEN_MAX 256
#define DATASET_NUM_MAX (1ULL << 30)
#define DATASET_GENERATION_MAX 127

struct dataset {
    uint64_t num; /* keys that are written */
    size_t key_len;
    size_t value_len;
    uint64_t seed;
    unsigned half_bits; /* dataset_scatter() works on numbers of twice as many bits */
    uint8_t *pool;
};

/* Makes a dataset of num keys. num, key_len, value_len are within the limits above and
 * BLOCKDB_VALUE_MAX. ENOMEM. */
RESULT_MUST_BE_USED int dataset_init(struct dataset *data, uint64_t num, size_t key_len,
                                     size_t value_len, uint64_t seed);
void dataset_deinit(struct dataset *data);

/* Writes key i (key_len bytes) to out; missing: the key right after it that is never written. */
void dataset_key(const struct dataset *data, uint64_t i, bool missing, uint8_t *out);
/* Turns key i, as dataset_key() made it, into key i + 1. */
void dataset_key_advance(const struct dataset *data, uint8_t *key);
/* Writes the value of key i in one generation (value_len bytes) to out. */
void dataset_value(const struct dataset *data, uint64_t i, unsigned generation, uint8_t *out);
/* Whether value is that of key i in any generation that was written, compared in full. */
bool dataset_check(const struct dataset *data, uint64_t i, struct slice value);

/* A permutation of 0 .. num-1 that looks random. */
uint64_t dataset_scatter(const struct dataset *data, uint64_t i);

/* The next number of a generator whose state is *state (any value). */
uint64_t dataset_random(uint64_t *state);
/* A random key. */
uint64_t dataset_pick(const struct dataset *data, uint64_t *state);
/* A random key of a skewed distribution: half of the picks fall on 0.4 % of the keys, which lie
 * scattered among the others. */
uint64_t dataset_pick_hot(const struct dataset *data, uint64_t *state);
