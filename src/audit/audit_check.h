/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the two halves of checking a stretch share: tiles (audit_stretch.c) and entries
 * (audit_entry.c).
 *
 * Threads:   one thread.
 * Ownership: a checker owns its readers and borrows everything else.
 */
#pragma once

#include "audit/audit_stretch.h"
#include "ledger/leaf.h"
#include "ledger/map_hash.h"

struct stretch_checker {
    struct audit_reader reader;
    struct audit_reader lookup; /* for entries elsewhere, which redactions name */
    const struct audit_head *head;
    struct stretch *stretch;

    /* The bundle that is being checked. */
    struct audit_bundle bundle;
    uint64_t first_seq;  /* of the bundle */
    uint32_t end_offset; /* behind its last entry */
    size_t run_begin;    /* entries from here on are not in the trees yet */
    size_t change_begin; /* changes of the stretch from here on have no key yet */
    uint32_t offsets[TILE_WIDTH];
    struct slice leaves[TILE_WIDTH];
    struct hash hashes[TILE_WIDTH];
    struct sha256_job jobs[TILE_WIDTH];
    struct map_place_job places[TILE_WIDTH]; /* of the changes without a key, in order */
};

/* Judges entry i of the bundle, whose hash is that of its tile. */
RESULT_MUST_BE_USED int entry_check(struct stretch_checker *c, size_t i);
/* Fills in the key hashes of the changes that the bundle's entries made. */
void entry_hash_keys(struct stretch_checker *c);
/* Sets the stretch's error, naming the place of entry i. Returns ETAMPERED. */
RESULT_MUST_BE_USED int entry_wrong(struct stretch_checker *c, size_t i, const char *what);

/* Appends the leaves of the bundle before entry i to the trees, as far as they are not there. */
RESULT_MUST_BE_USED int stretch_end_run(struct stretch_checker *c, size_t i);
