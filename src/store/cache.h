/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cache: pages of files by (file, offset), bounded in bytes.
 *
 * A hash table in shards. Looking up takes no lock and writes nothing shared, except that the first
 * hit since the last eviction round sets the page's visited flag. Adding and evicting lock a shard.
 * Each shard keeps two queues: new pages enter the small one (a tenth of the bytes), pages seen
 * again there move to the main one, where a visited page gets another round. Names evicted from the
 * small queue are remembered for a while and enter the main queue directly when they come back. So
 * a scan over everything passes through the small queue and leaves the main one alone.
 *
 * CACHE-1  The charges of all pages in the cache never exceed its capacity, which also pays for
 *          the hash table itself and the remembered names.
 * CACHE-2  A page once seen in the cache stays readable until the reader leaves the epoch.
 * CACHE-3  A page larger than an eighth of a shard is never kept.
 *
 * Evicted pages that a reader may still see are out of the account; the epoch bounds how long.
 * Files that share a cache need different numbers: whoever has two numberings sets a high bit.
 *
 * Threads:   any thread; lookups and cache_add() inside the epoch.
 * Ownership: borrows the epoch. The cache has a reference to each page in it.
 */
#pragma once

#include "base/epoch.h"
#include "store/page.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cache;

struct cache_options {
    struct epoch *epoch;   /* borrowed; all lookups happen inside it */
    size_t capacity_bytes; /* 0: off, nothing is ever kept */
    unsigned shard_count;  /* a power of two; 0: chosen from the capacity */
    size_t page_bytes;     /* what pages are expected to have; 0: 4096. Sizes the hash table */
};

/* Counters since cache_new(), approximate while threads run. */
struct cache_stats {
    uint64_t hits;
    uint64_t misses;
    uint64_t inserts;
    uint64_t evictions;
    uint64_t page_count;
    uint64_t used_bytes; /* charges of pages and of the cache's own tables; <= capacity_bytes */
    uint64_t capacity_bytes;
};

/* NULL when out of memory. */
struct cache *cache_new(const struct cache_options *options);
/* No reader may be inside any more. Pages referenced elsewhere live on. NULL does nothing. */
void cache_free(struct cache *cache);

/* The page, borrowed until the caller leaves the epoch (page_ref() to keep it longer), or NULL.
 * Counts a hit or a miss. */
struct page *cache_lookup(struct cache *cache, uint64_t file, uint64_t offset);
/* For a row of lookups whose waits for memory are to overlap: first for all of them the one, then
 * for all the other, then the lookups. Inside the epoch; hints only. */
void cache_prefetch_bucket(struct cache *cache, uint64_t file, uint64_t offset);
void cache_prefetch_page(struct cache *cache, uint64_t file, uint64_t offset);
/* Puts a filled page, by its own file and offset, and takes the caller's reference. The page stays
 * readable for the caller until it leaves the epoch, kept or not. When the name is there already
 * the cache keeps the one it has. Never fails: at worst the page is not kept. */
void cache_add(struct cache *cache, struct page *page);
/* Drops all pages of a file. Costs a walk over the whole cache. */
void cache_erase_file(struct cache *cache, uint64_t file);
/* The same, and their bytes are overwritten before the memory is given back. */
void cache_wipe_file(struct cache *cache, uint64_t file);
/* The same for all files that match; called with a shard locked. */
typedef bool (*cache_match_fn)(void *arg, uint64_t file);
void cache_wipe_matching(struct cache *cache, cache_match_fn match, void *arg);
/* Lets the cache hold at most so many bytes from now on, at most what it was made with; what does
 * not fit is evicted at once. The tables by which pages are found stay. */
void cache_resize(struct cache *cache, size_t capacity_bytes);
/* What it holds now, tables included; no lock. */
uint64_t cache_used_bytes(const struct cache *cache);
void cache_stats_get(struct cache *cache, struct cache_stats *out);

/* Checks the structure of all shards; aborts when broken. For tests. */
void cache_check(struct cache *cache);
