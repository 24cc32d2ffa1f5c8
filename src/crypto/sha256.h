/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 (FIPS 180-4): one message, a stream, or many messages at once.
 *
 * Three implementations stand behind one face, chosen at run time: plain C, the SHA instructions of
 * x86-64, and these together with AVX-512. With the SHA instructions, sha256_many() and
 * sha256_nodes() work on two messages at the same time, because one message alone waits for the
 * latency of each round; with AVX-512 on sixteen, as long as there are ten or more. No library is
 * loaded for hashing, so programs start quickly.
 *
 * Threads:   any thread; a `struct sha256` belongs to one.
 * Ownership: borrows inputs for the call.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define SHA256_LEN 32
#define SHA256_BLOCK_LEN 64
#define SHA256_HEAD_MAX 128

/* A hash as a value: assignable, and an array of them is the joined bytes. */
struct hash {
    uint8_t bytes[SHA256_LEN];
};

/* A message that arrives in pieces. */
struct sha256 {
    uint32_t state[8];
    uint64_t len_bytes; /* hashed or pending so far */
    uint8_t pending[SHA256_BLOCK_LEN];
};

void sha256_init(struct sha256 *s);
/* data may be NULL when len is 0. */
void sha256_update(struct sha256 *s, const void *data, size_t len);
/* s must be initialised again before the next use. */
void sha256_final(struct sha256 *s, struct hash *out);

/* The hash of len bytes at data. */
void sha256_once(const void *data, size_t len, struct hash *out);

/* One message of sha256_many(): head, at most SHA256_HEAD_MAX bytes, followed by body; either may
 * be empty, and then NULL. */
struct sha256_job {
    const void *head;
    size_t head_len;
    const void *body;
    size_t body_len;
    struct hash *out;
};

/* Hashes n messages. Outputs must not overlap any input. Fastest when there are sixteen or more,
 * and neighbours in the array have about the same length. */
void sha256_many(const struct sha256_job *jobs, size_t n);

/* out[i] = SHA-256(0x01 || pairs[2i] || pairs[2i + 1]) for i < n: the inner nodes of RFC 6962.
 * out may be apart from the 2n pairs, or equal to pairs, or to pairs + 1. */
void sha256_nodes(const struct hash *pairs, size_t n, struct hash *out);

/* The implementation in use: "avx512", "sha-ni" or "portable". Static. */
const char *sha256_implementation(void);
