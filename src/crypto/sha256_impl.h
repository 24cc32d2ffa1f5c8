/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two implementations of SHA-256, for sha256.c and its tests only.
 *
 * Threads: immutable.
 */
#pragma once

#include "crypto/sha256.h"

#include <stdbool.h>

struct sha256_impl {
    const char *name;
    /* Whether blocks2() is faster than calling blocks() twice. */
    bool interleaves;
    /* Takes count blocks of 64 bytes into state. */
    void (*blocks)(uint32_t state[8], const uint8_t *data, size_t count);
    /* The same for two messages of count blocks each; the states must be different ones. */
    void (*blocks2)(uint32_t *const state[2], const uint8_t *const data[2], size_t count);
    /* As sha256_nodes(). */
    void (*nodes)(const struct hash *pairs, size_t n, struct hash *out);
};

/* The round constants and the state before the first block; FIPS 180-4, 4.2.2 and 5.3.3. */
extern const uint32_t sha256_round_constants[64];
extern const uint32_t sha256_initial_state[8];

extern const struct sha256_impl sha256_portable;
/* NULL where the processor has no SHA instructions. */
const struct sha256_impl *sha256_ni(void);
/* The faster one of those that work here. */
const struct sha256_impl *sha256_best(void);

/* The public functions with a chosen implementation. */
void sha256_many_with(const struct sha256_impl *impl, const struct sha256_job *jobs, size_t n);

/* Writes a state as the hash it stands for. */
void sha256_state_encode(const uint32_t state[8], struct hash *out);
