/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stretch: a run of tiles of a log, checked without knowing what stands before it.
 *
 * What can be judged inside is judged inside: every entry against its leaf hash, its one encoding,
 * batches and times, tiles of all levels that it completes, blocks from the second header on, and
 * the tree's root in every header. What begins or ends outside is handed on to audit_join.h: where
 * batches and times stand at both ends, the leaf hashes before the first header, the leaves behind
 * the last one.
 *
 * STRETCH-1  The frontier that a stretch begins with is only a claim of the tiles; the join
 * compares it with what the entries before gave. STRETCH-2  Entries before a failure were found
 * good, and are handed on.
 *
 * Threads:   a checker and its stretch belong to one thread.
 * Ownership: a stretch owns its lists.
 */
#pragma once

#include "audit/audit.h"
#include "audit/audit_map.h"
#include "audit/audit_reader.h"
#include "audit/audit_state.h"

#include <stdatomic.h>
#include <stdbool.h>

#define STRETCH_TILES 64
#define STRETCH_ENTRIES ((uint64_t)STRETCH_TILES * TILE_WIDTH)

/* Where batches and times stand between two entries. */
struct entry_order {
    uint64_t time_ms; /* of the entry before */
    uint32_t next;    /* position that the next entry must have in its batch; 0: a new batch */
    uint32_t count;   /* of the batch, unless next is 0 */
};

struct stretch {
    uint64_t begin; /* entries [begin, end) */
    uint64_t end;
    bool wants_changes;

    /* What it came to. */
    int status;
    struct error error;
    struct frontier before;  /* of the tree of begin leaves: STRETCH-1 */
    struct frontier after;   /* of the tree of end leaves */
    struct entry_order from; /* what the first entry says it continues; its own time */
    struct entry_order to;
    bool first_is_header;
    uint64_t entries; /* checked */
    uint64_t bytes_hashed;
    uint64_t bytes_read;
    struct audit_counts counts;
    uint64_t first_epoch; /* 0: none */
    uint64_t last_epoch;

    struct hash *leading; /* leaves before the first header; all when there is none */
    size_t leading_count;
    size_t leading_cap;
    bool has_header;
    struct block_header first_header;
    uint32_t first_header_offset; /* in its bundle */
    struct block_header last_header;
    struct frontier trailing; /* of the leaves behind the last header, as a tree of their own */
    struct frontier sealed;   /* of the log's tree right behind the last header */
    struct audit_counts sealed_counts;
    uint64_t sealed_epoch; /* 0: none in this stretch before the last header */

    struct map_change *changes; /* to the map of newest versions, in order */
    size_t change_count;
    size_t change_cap;
    struct map_claim *claims; /* what its headers say of the map, in order */
    size_t claim_count;
    size_t claim_cap;
    struct audit_config *configs; /* at most AUDIT_CONFIGS_MAX of all */
    size_t config_count;
    size_t config_cap;
};

/* One thread's means. */
struct stretch_checker;

/* Opens the connections of a thread. head is that of the whole log; borrowed. */
RESULT_MUST_BE_USED int stretch_checker_new(struct audit_source *source,
                                            const struct audit_head *head,
                                            struct stretch_checker **out, struct error *err);
void stretch_checker_free(struct stretch_checker *c);

/* Checks entries [begin, end) of the stretch, all else of which is zero: begin is anywhere, end is
 * at the end of a tile or of the log. start is the frontier at begin, or NULL to take it from the
 * tiles. Adds to *progress as it goes and gives up (ECANCELED) when *stop is set. Returns
 * s->status; the message is in s->error. */
int stretch_check(struct stretch_checker *c, struct stretch *s, const struct frontier *start,
                  _Atomic uint64_t *progress, const atomic_bool *stop);
void stretch_deinit(struct stretch *s);
