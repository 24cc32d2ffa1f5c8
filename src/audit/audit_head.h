/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The head that a log shows: fetched, its signatures checked, and compared with one that is
 * remembered.
 *
 * Threads:   one thread.
 * Ownership: as struct audit_head.
 */
#pragma once

#include "audit/audit.h"
#include "audit/audit_reader.h"

/* Fetches the newest head of the options' source and checks its signatures by the options' key and
 * policy. ETAMPERED: they do not hold. EINVAL: key or policy are none, or the key is of another
 * log. EFOREIGN: there is no log. *out is zeroed before. */
RESULT_MUST_BE_USED int audit_head_fetch(const struct audit_options *options,
                                         struct audit_head *out, enum audit_trust *out_trust,
                                         struct error *err);

/* How a head stands to an older one. */
enum audit_growth {
    GROWTH_OK,      /* the same, or proven to continue it */
    GROWTH_UNKNOWN, /* the tiles do not prove it, nor do they fit the head itself */
    GROWTH_SHORTER,
    GROWTH_OTHER, /* another root at the same size, or no consistency with what fits the head */
};

/* Compares by the sizes and by a consistency proof out of the log's tiles. r is open at now->size.
 * Unreadable tiles are GROWTH_UNKNOWN, for reading all entries says more. */
enum audit_growth audit_head_compare(struct audit_reader *r, const struct audit_head *before,
                                     const struct audit_head *now);

/* Writes evidence that the log contradicts a head that is remembered, next to the state file; its
 * path into out_path (a cut one is empty). `reason` is one line. */
RESULT_MUST_BE_USED int audit_fork_write(const struct audit_options *options,
                                         const struct audit_head *before,
                                         const struct audit_head *now, const char *reason,
                                         char out_path[512], struct error *err);
