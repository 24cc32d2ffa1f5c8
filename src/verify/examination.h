/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A proof file being examined: what was read of it, and what of that is proven so far.
 *
 * EXAM-1  What the report says was compared with the head's root, or follows from what was.
 * EXAM-2  Each section that is present is checked; one that fails fails the file.
 *
 * Threads:   caller locks.
 * Ownership: borrows the file, and the scratch that its evidence was unpacked to.
 * Format:    docs/format/proof.md
 */
#pragma once

#include "ledger/evidence.h"
#include "ledger/leaf.h"
#include "ledger/tlog_proof.h"

#include <blockdb/verify.h>

struct examination {
    struct tlog_proof text;
    struct evidence evidence;
    struct hash root; /* of the head */
    struct leaf leaf; /* of the entry */
    struct hash leaf_hash;
    struct blockdb_proof_report report;
};

/* The sections of the entry: ENTRY, VALUE, RANGE, BLOCK, REDACTION. The head was checked before.
 * ETAMPERED, ECORRUPT, EVERSION with section and reason. */
RESULT_MUST_BE_USED int examination_check_entry(struct examination *x, struct error *err);
/* Those of its key: KEY, MAP, GAP, HISTORY, when they are there. The entry was checked before. */
RESULT_MUST_BE_USED int examination_check_key(struct examination *x, struct error *err);

/* Whether the leaf with this hash is entry seq of the head. ETAMPERED names section and entry. */
RESULT_MUST_BE_USED int examination_check_path(const struct examination *x, enum evidence_tag tag,
                                               uint64_t seq, const struct hash *leaf,
                                               struct hash_list path, struct error *err);
