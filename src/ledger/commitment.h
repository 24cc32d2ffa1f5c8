/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Value commitments: 32 bytes in the leaf that stand for a value, and say nothing without its salt.
 *
 * Small values are hashed whole. Values above COMMITMENT_WHOLE_MAX are cut into chunks, each with a
 * salt of its own derived from the value's, and the commitment covers the RFC 6962 root over the
 * chunks: a range can be proven by its chunks alone, and such a proof gives no handle for guessing
 * the others after the salt was erased.
 *
 * COM-1  The commitment is a function of salt and value only.
 * COM-2  Every input begins with a tag of its own or an RFC 6962 prefix: no two uses share an
 * input.
 *
 * Threads:   pure functions; any thread.
 * Ownership: borrows inputs for the call.
 * Format:    docs/format/commitment.md
 */
#pragma once

#include "base/bytes.h"
#include "ledger/record.h"

#define COMMITMENT_WHOLE_MAX 65536u /* longer values are committed to in chunks */
#define COMMITMENT_CHUNK_LEN 16384u

/* The commitment to value under salt (SALT_LEN bytes). */
void commitment_compute(const uint8_t *salt, struct slice value, struct hash *out);

/* One value of commitment_compute_many(). */
struct commitment_job {
    const uint8_t *salt;
    struct slice value;
    struct hash *out;
};
/* The same for n values; faster than one by one. */
void commitment_compute_many(const struct commitment_job *jobs, size_t n);

/* Whether the put r matches the commitment; a redacted put matches by its own. ETAMPERED if not. */
RESULT_MUST_BE_USED int commitment_verify(const struct record *r, const struct hash *commitment);

/* The parts of a chunked commitment, for range proofs. A value of len_bytes above
 * COMMITMENT_WHOLE_MAX has commitment_chunk_count() chunks, all but the last of
 * COMMITMENT_CHUNK_LEN bytes. */
uint64_t commitment_chunk_count(uint64_t len_bytes);
/* The salt of chunk index: SALT_LEN bytes at out_chunk_salt. */
void commitment_chunk_salt(const uint8_t *salt, uint64_t index, uint8_t *out_chunk_salt);
/* The RFC 6962 leaf hash of a chunk. */
void commitment_chunk_hash(const uint8_t *chunk_salt, struct slice chunk, struct hash *out);
/* The commitment over the root of all chunk hashes. */
void commitment_of_chunk_root(uint64_t len_bytes, const struct hash *chunk_root, struct hash *out);
