/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of an open table, shared by the files that make it up.
 *
 * Threads:   constant after table_open(), except the reference count.
 * Ownership: of struct table.
 */
#pragma once

#include "store/keyed_page.h"
#include "store/table.h"
#include "store/table_format.h"
#include "store/table_item.h"

#include <stdatomic.h>

struct table {
    atomic_uint refs;
    struct table_options options;
    struct os_file *file;
    uint64_t file_number;
    uint64_t file_bytes;
    uint64_t file_seed;
    struct table_properties properties;
    struct table_footer footer;
    struct page *top_page; /* resident */
    struct keyed_page top;
};

/* Reads and checks header and footer. */
RESULT_MUST_BE_USED int table_read_frame(const struct table *t, struct table_footer *out,
                                         struct error *err);

/* A piece of the file read ahead, for readers that go through it in order. */
struct table_window {
    bool fills_cache; /* pages read through it are put in their cache */
    uint8_t *data;
    size_t cap;
    uint64_t offset; /* in the file */
    size_t len;
};
/* len_bytes 0 makes a window that never holds anything. ENOMEM. */
RESULT_MUST_BE_USED int table_window_init(struct table_window *w, size_t len_bytes);
void table_window_deinit(struct table_window *w);

/* Sets err: `what` is wrong at offset. Returns ECORRUPT. */
int table_corrupt(const struct table *t, uint64_t offset, const char *what, struct error *err);

/* Reads the page, checks it (checksum, kind, and by kind everything that readers trust) and hands
 * it out with one reference, in no cache. window may be NULL. */
RESULT_MUST_BE_USED int table_page_load(const struct table *t, struct table_handle handle,
                                        enum table_page_kind kind, struct table_window *window,
                                        struct page **out, struct error *err);
/* Gives the page from the cache of its kind, loading it when missing. The caller is inside the
 * epoch; the page is borrowed until it leaves. */
RESULT_MUST_BE_USED int table_page_borrow(const struct table *t, struct table_handle handle,
                                          enum table_page_kind kind, struct page **out,
                                          struct error *err);
/* Gives the page with a reference of its own, from its cache when it is there. Enters the epoch by
 * itself. window may be NULL: then the page is read alone and put in its cache. */
RESULT_MUST_BE_USED int table_page_acquire(const struct table *t, struct table_handle handle,
                                           enum table_page_kind kind, struct table_window *window,
                                           struct page **out, struct error *err);

/* The page of a filter unit, of the filter's line. */
struct table_handle table_filter_unit(const struct table *t, uint64_t line);

/* Finds key's entry. Inside the epoch; out_page is borrowed, NULL when there is no such key. */
RESULT_MUST_BE_USED int table_find(const struct table *t, struct slice key, struct page **out_page,
                                   struct slice *out_body, struct error *err);

/* The older seqs of an item decoded from this page of the table; borrows the table, and the page
 * where they stand beside the item. */
struct version_list table_older_list(const struct table *t, const struct keyed_page *page,
                                     const struct table_item *item);
