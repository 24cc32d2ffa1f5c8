/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values against the commitments in leaves: whole, or some chunks of them.
 *
 * Threads:   pure functions; any thread.
 * Ownership: borrows inputs for the call.
 */
#pragma once

#include "base/bytes.h"
#include "crypto/sha256.h"
#include "ledger/evidence.h"
#include "ledger/leaf.h"

/* What the leaf of a put commits to. */
struct value_claim {
    uint64_t len;
    const struct hash *commitment;
};

/* The claim of a leaf. ETAMPERED: it is no put. */
RESULT_MUST_BE_USED int value_claim_of(const struct leaf *leaf, struct value_claim *out,
                                       struct error *err);
/* salt: SALT_LEN bytes. ETAMPERED. */
RESULT_MUST_BE_USED int value_check(const struct value_claim *claim, const uint8_t *salt,
                                    struct slice value, struct error *err);
/* One chunk, at a place of its value. ETAMPERED. */
RESULT_MUST_BE_USED int value_check_chunk(const struct value_claim *claim, uint64_t index,
                                          const struct evidence_chunk *chunk, struct error *err);
