/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of a table builder, shared by the files that make it up.
 *
 * Threads:   caller locks.
 * Ownership: of struct table_builder.
 */
#pragma once

#include "store/filter.h"
#include "store/keyed_page.h"
#include "store/keyed_page_builder.h"
#include "store/table_builder.h"
#include "store/table_format.h"
#include "store/table_item.h"

struct table_builder {
    struct os *os;
    char *path;
    bool created;
    int failure; /* the code of the first failed add */
    uint64_t file_seed;
    struct file_writer *writer;
    struct compressor *compressor;
    struct filter filter;
    struct keyed_page_builder data;
    struct keyed_page_builder partition;
    struct keyed_page_builder top;
    struct table_properties properties;
    /* Kept for reuse. */
    struct buf separator; /* of the last data page */
    struct buf body;      /* of one item */
    struct buf raw;       /* of one page */
    struct buf stored;    /* of one page */
    /* Older seqs; see table_builder_versions.c. */
    struct buf run;         /* of the item at hand, without its first seq */
    uint64_t run_first;     /* that first seq */
    uint64_t run_last;      /* the lowest so far */
    uint32_t run_count;     /* seqs in the run, the first included */
    struct buf shared_runs; /* the version page on its way, of several items */
    struct buf directory;   /* of the item at hand, when its runs fill pages */
};

/* Compresses and writes one page. */
RESULT_MUST_BE_USED int table_builder_write_page(struct table_builder *b, struct slice raw,
                                                 enum table_page_kind kind,
                                                 struct table_handle *out, struct error *err);
/* Puts the older seqs of item where they belong and tells out where that is. out->run borrows until
 * the next item. */
RESULT_MUST_BE_USED int table_builder_write_older(struct table_builder *b, const struct item *item,
                                                  struct table_item *out, struct error *err);
/* Writes the version page on its way, if any, and links it to the data page. */
RESULT_MUST_BE_USED int table_builder_close_shared_runs(struct table_builder *b, struct error *err);
