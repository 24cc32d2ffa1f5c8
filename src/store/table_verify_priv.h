/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of the verification of a table: walks over parts of the file, each in its order, and
 * what they add up to.
 *
 * Threads:   a verifier belongs to one thread; a verification to all, see its fields.
 * Ownership: a verifier is of one call, and borrows the verification.
 */
#pragma once

#include "base/lock.h"
#include "store/filter.h"
#include "store/table_priv.h"

#define TABLE_VERIFIER_HASHES 512

struct table_verification {
    struct table *t; /* constant */
    struct mutex mu;
    /* Guarded by mu; only read at the end. */
    struct filter filter;         /* built anew from the keys */
    struct table_properties seen; /* counted in the parts that ended */
};

struct table_verifier {
    struct table_verification *whole;
    const struct table *t;
    table_visit_fn visit;
    void *arg;
    struct table_window window;
    uint64_t expect;              /* where the next page must begin */
    struct table_properties seen; /* counted on the way */
    struct buf separator;         /* of the data page before; empty at first */
    struct page *partition;
    struct page *data;
    struct keyed_iter it; /* over data */
    /* Of keys that are not in the filter yet. */
    uint64_t hashes[TABLE_VERIFIER_HASHES];
    size_t hash_count;
    /* Links of the data page at hand. */
    uint32_t link_next;  /* links below were met */
    struct page *shared; /* the version page linked last, or NULL */
    uint32_t shared_link;
    size_t shared_at; /* its bytes up to here belong to items */
};

/* Passes over the page that must come next in the file; it was loaded ahead of its turn. */
RESULT_MUST_BE_USED int table_verifier_pass(struct table_verifier *v, struct table_handle handle,
                                            struct error *err);
/* Loads the page that must come next in the file. */
RESULT_MUST_BE_USED int table_verifier_take(struct table_verifier *v, struct table_handle handle,
                                            enum table_page_kind kind, struct page **out,
                                            struct error *err);
/* Checks partition i of the index, and the data pages in front of it that it names. */
RESULT_MUST_BE_USED int table_verifier_partition(struct table_verifier *v, uint32_t i,
                                                 struct error *err);
/* Checks the older seqs of the item, and the pages where they are. */
RESULT_MUST_BE_USED int table_verifier_older(struct table_verifier *v,
                                             const struct table_item *item, struct error *err);
/* All links of the data page must have been met, all their bytes used. */
RESULT_MUST_BE_USED int table_verifier_end_links(struct table_verifier *v, struct error *err);
