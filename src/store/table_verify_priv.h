/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of table_verify(): one walk over the file, in its order.
 *
 * Threads:   one thread.
 * Ownership: of the call.
 */
#pragma once

#include "store/filter.h"
#include "store/table_priv.h"

struct table_verifier {
    const struct table *t;
    table_visit_fn visit;
    void *arg;
    struct table_window window;
    uint64_t expect;              /* where the next page must begin */
    struct table_properties seen; /* counted on the way */
    struct filter filter;         /* built anew from the keys */
    struct buf separator;         /* of the data page before; empty at first */
    struct page *partition;
    struct page *data;
    struct keyed_iter it; /* over data */
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
/* Checks the older seqs of the item, and the pages where they are. */
RESULT_MUST_BE_USED int table_verifier_older(struct table_verifier *v,
                                             const struct table_item *item, struct error *err);
/* All links of the data page must have been met, all their bytes used. */
RESULT_MUST_BE_USED int table_verifier_end_links(struct table_verifier *v, struct error *err);
