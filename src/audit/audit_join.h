/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Joins checked stretches in order: what each claimed about the entries before it is compared with
 * what those came to.
 *
 * JOIN-1  After a stretch was joined, everything before its end fits together; only the root of the
 *         head, compared at the end, says that it is the log of that head.
 *
 * Threads:   one thread.
 * Ownership: owns its map; a stretch may be freed once joined.
 */
#pragma once

#include "audit/audit.h"
#include "audit/audit_stretch.h"

struct audit_join {
    const struct audit_source *source; /* for messages */

    /* Behind the last entry that was joined. */
    struct frontier frontier;
    struct frontier block; /* of the leaves behind the last header */
    struct entry_order order;
    struct audit_counts counts;
    uint64_t epoch;
    bool has_header;
    struct block_header last_header;

    /* Behind the last header that was joined: where an audit can go on. */
    struct frontier sealed;
    struct audit_counts sealed_counts;
    uint64_t sealed_epoch;

    struct audit_map *map;      /* NULL: not checked */
    struct map_change *pending; /* changes that no header has covered yet */
    size_t pending_begin;       /* those before are applied */
    size_t pending_count;
    size_t pending_cap;
    uint64_t map_size; /* entries that are applied */
    bool has_map;      /* a header carried one */
};

/* Starts at the position of a state (all zero: at 0). with_map only at 0. ENOMEM. */
RESULT_MUST_BE_USED int audit_join_init(struct audit_join *j, const struct audit_source *source,
                                        const struct audit_state *state, bool with_map);
void audit_join_deinit(struct audit_join *j);

/* Joins the stretch that begins where the last one ended, whether it failed or not: when it did,
 * what it found good before is joined first, for an earlier failure counts. ETAMPERED and the
 * stretch's own failure name the block where that is known. */
RESULT_MUST_BE_USED int audit_join_add(struct audit_join *j, const struct stretch *s,
                                       struct error *err);
/* After the last stretch: whether all of it is the log of that head. */
RESULT_MUST_BE_USED int audit_join_finish(struct audit_join *j, const struct audit_head *head,
                                          struct error *err);
