/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Page: one checked, decompressed unit of a file in memory, counted by references.
 *
 * A page is one allocation: this head, then its bytes at a multiple of 64. Pages live in caches, in
 * cursors, or for one call only.
 *
 * PAGE-1  The bytes do not change once a second reference or a cache has the page.
 * PAGE-2  A page in a cache keeps the cache's reference until no reader inside the epoch can see
 * it.
 *
 * Threads:   page_ref(), page_unref() any thread; filling by its maker only.
 * Ownership: page_new() returns one reference.
 */
#pragma once

#include "base/bytes.h"
#include "base/epoch.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct page {
    uint8_t *data; /* len bytes, PAGE_DATA_AT behind this head */
    uint32_t len;
    atomic_uint refs;
    uint64_t file;   /* with offset: the name in a cache */
    uint64_t offset; /* in the file */
    /* Owned by the cache (store/cache.c). What a lookup touches is in the first 64 bytes. */
    _Atomic(struct page *) next_in_bucket;
    atomic_bool visited;
    uint8_t queue;
    bool wipe; /* overwrite the bytes before they are freed; set by who gives a reference back */
    uint32_t bucket;
    struct page *queue_prev;
    struct page *queue_next;
    struct epoch_link retired;
};

/* Where the bytes begin, so that they can be fetched before the head is read. */
#define PAGE_DATA_AT 128

/* A page with room for len bytes, unfilled, one reference; NULL when out of memory. */
struct page *page_new(uint64_t file, uint64_t offset, size_t len);
/* What a page of len bytes costs in memory. */
size_t page_charge(size_t len);
static inline struct slice page_slice(const struct page *page)
{
    return slice_of(page->data, page->len);
}
/* The caller must have a reference, or have the page from a cache inside the epoch. */
static inline struct page *page_ref(struct page *page)
{
    atomic_fetch_add_explicit(&page->refs, 1, memory_order_relaxed);
    return page;
}
/* NULL does nothing. */
void page_unref(struct page *page);
/* For AUTO(). */
void page_unref_ptr(struct page **page);
/* Gives the caller's reference back once all readers now inside the epoch have left it. At most
 * once for one page: by its cache, or by the caller when the page never was in a cache. The caller
 * holds no lock. */
void page_unref_later(struct page *page, struct epoch *epoch);
