/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trust: whether a head is signed as the caller demands.
 *
 * TRUST-1  A head without a trusted signature of a log is never accepted.
 * TRUST-2  A wrong signature of a key that the caller named refuses the head, whatever others say.
 * TRUST-3  A key speaks for the origin that is its name, unless the caller names another.
 *
 * Threads:   pure functions; any thread.
 * Ownership: borrows inputs for the call.
 */
#pragma once

#include "base/bytes.h"
#include "crypto/sha256.h"

#include <blockdb/verify.h>

/* Verifies the head in note_bytes. ETAMPERED, ECORRUPT, ELIMIT, EINVAL, EUNSUPPORTED, ENOMEM. */
RESULT_MUST_BE_USED int trust_check_head(const struct blockdb_trust *trust, struct slice note_bytes,
                                         struct blockdb_checkpoint *out, struct error *err);
/* The same for a head that may be one that was verified before (NULL: none was). */
RESULT_MUST_BE_USED int trust_check_head_again(const struct blockdb_trust *trust,
                                               const struct blockdb_checkpoint *known,
                                               struct slice note_bytes,
                                               struct blockdb_checkpoint *out, struct error *err);
