/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Account: who holds how much memory, and what gives way when it gets scarce (memory_limit).
 *
 * Each part that takes memory by size says how much it holds. The caches have what the others
 * leave: they shrink as others grow, down to an eighth of their configured sizes, and may grow back
 * later. When even that is not enough, writers wait for a flush, asynchronous submitters wait for
 * room or are refused, and no second merge starts beside a first. Nothing waits for memory that
 * only itself could give back.
 *
 *   part                         says what it holds       when memory is scarce
 *   caches                       store/cache.h            give way at once
 *   memtables and their filters  each for itself          writers wait for the flush
 *   queue of commits             commit.c                 submitters wait, once something is queued
 *   queue to be sealed           seal_queue.c             writers wait for it anyway
 *   map of newest versions       map_thread.c             merges its delta into the file by itself
 *   merge, flush, verify, scan   account_add()            one merge at a time; the rest goes on
 *
 * ACCOUNT-1  With all but caches below memory_limit less the floor of the caches, the sum is not
 *            above memory_limit.
 * ACCOUNT-2  One merge, one flush and one group of commits always go on, so that memory comes free.
 *
 * Threads:   any thread.
 * Ownership: part of the database.
 */
#pragma once

#include "base/arena.h"
#include "base/lock.h"
#include "engine/options.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum account_use {
    ACCOUNT_MEMTABLES,
    ACCOUNT_COMMIT_QUEUE,
    ACCOUNT_SEAL_QUEUE,
    ACCOUNT_MAP,
    ACCOUNT_WORK,
    ACCOUNT_GROUP, /* set aside for the group being committed, not held yet */
    ACCOUNT_USE_COUNT,
};

/* What one scan, and one thread that verifies, are taken to hold. */
#define ACCOUNT_SCAN_BYTES (64u * 1024)
#define ACCOUNT_VERIFY_BYTES (4u * 1024 * 1024)

/* What a group with so many bytes of records may come to take in the memtable: the records, nodes
 * and entries of small ones, and a chunk for each of the two. */
static inline uint64_t account_group_bytes(uint64_t record_bytes)
{
    return 2 * record_bytes + 2 * ARENA_CHUNK_BYTES;
}

struct account {
    /* Constant after init. */
    uint64_t limit;
    uint64_t block_cache_bytes; /* as configured */
    uint64_t index_cache_bytes;

    /* Atomic, relaxed: sums. */
    _Atomic uint64_t held[ACCOUNT_USE_COUNT];
    _Atomic uint64_t cache_room; /* what the caches may hold together now; changed under mu */
    _Atomic uint64_t peak;

    struct mutex mu; /* one changes the room of the caches at a time */
};

void account_init(struct account *a, const struct settings *settings);
void account_deinit(struct account *a);

/* A part holds so many bytes more, or fewer. Caches give way where they must. */
void account_add(struct blockdb *db, enum account_use use, uint64_t bytes);
void account_subtract(struct blockdb *db, enum account_use use, uint64_t bytes);
/* A part that only one thread measures at a time holds so much now. */
void account_set(struct blockdb *db, enum account_use use, uint64_t bytes);

/* What is held now, caches included. */
uint64_t account_used(struct blockdb *db);
/* Whether so many bytes more would fit if the caches gave way. */
bool account_fits(struct blockdb *db, uint64_t more);
/* Makes the caches leave room for what is held and so many bytes more, or lets them grow again. */
void account_adapt(struct blockdb *db, uint64_t more);
