/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The implementations of SHA-256, for this folder and its tests only: plain C, the SHA instructions
 * (one or two messages at a time), and these together with AVX-512 (sixteen messages at a time).
 *
 * Threads: immutable.
 */
#pragma once

#include "crypto/sha256.h"

#include <stdbool.h>

#define SHA256_WIDE 16     /* messages of blocks16() */
#define SHA256_WIDE_MIN 10 /* from so many on it is faster than blocks2() again and again */

/* The states of sixteen messages, word by word: words[w][i] is word w of message i. */
struct sha256_wide {
    _Alignas(64) uint32_t words[8][SHA256_WIDE];
};

struct sha256_impl {
    const char *name;
    /* Whether blocks2() is faster than calling blocks() twice. */
    bool interleaves;
    /* Takes count blocks of 64 bytes into state. */
    void (*blocks)(uint32_t state[8], const uint8_t *data, size_t count);
    /* The same for two messages of count blocks each; the states must be different ones. */
    void (*blocks2)(uint32_t *const state[2], const uint8_t *const data[2], size_t count);
    /* The same for sixteen messages; NULL where nothing is gained. */
    void (*blocks16)(struct sha256_wide *states, const uint8_t *const data[SHA256_WIDE],
                     size_t count);
    /* As sha256_nodes(). */
    void (*nodes)(const struct hash *pairs, size_t n, struct hash *out);
};

/* The round constants and the state before the first block; FIPS 180-4, 4.2.2 and 5.3.3. */
extern const uint32_t sha256_round_constants[64];
extern const uint32_t sha256_initial_state[8];

extern const struct sha256_impl sha256_portable;
/* NULL where the processor has no SHA instructions. */
const struct sha256_impl *sha256_ni(void);
/* NULL where it does not have both these and AVX-512. */
const struct sha256_impl *sha256_avx512(void);
/* The fastest one of those that work here. */
const struct sha256_impl *sha256_best(void);

/* The parts of sha256_ni(), for sha256_avx512(). */
void sha256_ni_blocks(uint32_t state[8], const uint8_t *data, size_t count);
void sha256_ni_blocks2(uint32_t *const state[2], const uint8_t *const data[2], size_t count);
void sha256_ni_nodes(const struct hash *pairs, size_t n, struct hash *out);

/* The public functions with a chosen implementation. */
void sha256_many_with(const struct sha256_impl *impl, const struct sha256_job *jobs, size_t n);

#define SHA256_PADDING_MIN 9 /* the end mark and the length */
/* Completes a message of message_len bytes whose last len bytes stand at staged; returns how many
 * blocks they make with the padding. There must be room for that. */
size_t sha256_pad(uint8_t *staged, size_t len, uint64_t message_len);

/* Writes a state as the hash it stands for. */
void sha256_state_encode(const uint32_t state[8], struct hash *out);

/* The states before the first block, and the hash that message i of them stands for. */
void sha256_wide_init(struct sha256_wide *states);
void sha256_wide_encode(const struct sha256_wide *states, unsigned i, struct hash *out);
