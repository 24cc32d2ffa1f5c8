/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/account.h"

#include "engine/db.h"

/* The caches keep this part of their configured sizes whatever happens. */
#define CACHE_FLOOR_DIVISOR 8
/* Room that comes free is given back to the caches in steps of this part of them, not byte by byte.
 */
#define CACHE_STEP_DIVISOR 32

void account_init(struct account *a, const struct settings *settings)
{
    *a = (struct account){
        .limit = settings_memory_limit(settings),
        .block_cache_bytes = settings->block_cache_size,
        .index_cache_bytes = settings->index_cache_size,
    };
    atomic_init(&a->cache_room, a->block_cache_bytes + a->index_cache_bytes);
    mutex_init(&a->mu, LOCK_RANK_WORKERS);
}

void account_deinit(struct account *a)
{
    mutex_deinit(&a->mu);
}

static uint64_t caches_configured(const struct account *a)
{
    return a->block_cache_bytes + a->index_cache_bytes;
}

static uint64_t held(struct blockdb *db, enum account_use use)
{
    return atomic_load_explicit(&db->account.held[use], memory_order_relaxed);
}

/* All but the caches. */
static uint64_t others_of(struct blockdb *db)
{
    uint64_t sum = db->arena_pool != NULL ? arena_pool_bytes(db->arena_pool) : 0;
    unsigned use;

    for (use = 0; use < ACCOUNT_USE_COUNT; use++) {
        sum += held(db, (enum account_use)use);
    }
    return sum;
}

uint64_t account_used(struct blockdb *db)
{
    return others_of(db) - held(db, ACCOUNT_GROUP) + cache_used_bytes(db->block_cache) +
           cache_used_bytes(db->index_cache);
}

bool account_fits(struct blockdb *db, uint64_t more)
{
    const struct account *a = &db->account;

    return others_of(db) + more + caches_configured(a) / CACHE_FLOOR_DIVISOR <= a->limit;
}

/* What the caches may hold together when the others hold so much. */
static uint64_t room_beside(const struct account *a, uint64_t others)
{
    uint64_t configured = caches_configured(a);
    uint64_t floor = configured / CACHE_FLOOR_DIVISOR;
    uint64_t room = a->limit > others ? a->limit - others : 0;

    if (room > configured) {
        return configured;
    }
    return room > floor ? room : floor;
}

/* Both caches get the same share of their configured sizes. */
static void resize_caches(struct blockdb *db, uint64_t room)
{
    const struct account *a = &db->account;
    double share = (double)room / (double)caches_configured(a);

    cache_resize(db->block_cache, (size_t)((double)a->block_cache_bytes * share));
    cache_resize(db->index_cache, (size_t)((double)a->index_cache_bytes * share));
}

static void note_peak(struct blockdb *db)
{
    struct account *a = &db->account;
    uint64_t used = account_used(db);
    uint64_t peak = atomic_load_explicit(&a->peak, memory_order_relaxed);

    while (used > peak && !atomic_compare_exchange_weak_explicit(
                              &a->peak, &peak, used, memory_order_relaxed, memory_order_relaxed)) {
        /* peak was reloaded */
    }
}

void account_adapt(struct blockdb *db, uint64_t more)
{
    struct account *a = &db->account;
    uint64_t configured = caches_configured(a);
    uint64_t room = room_beside(a, others_of(db) + more);
    uint64_t now = atomic_load_explicit(&a->cache_room, memory_order_relaxed);

    if (room < now ||
        (room > now && (room == configured || room - now >= configured / CACHE_STEP_DIVISOR))) {
        mutex_lock(&a->mu);
        room = room_beside(a, others_of(db) + more); /* others may have been here meanwhile */
        resize_caches(db, room);
        atomic_store_explicit(&a->cache_room, room, memory_order_relaxed);
        mutex_unlock(&a->mu);
    }
    note_peak(db);
}

void account_add(struct blockdb *db, enum account_use use, uint64_t bytes)
{
    account_adapt(db, bytes);
    atomic_fetch_add_explicit(&db->account.held[use], bytes, memory_order_relaxed);
    note_peak(db);
}

void account_subtract(struct blockdb *db, enum account_use use, uint64_t bytes)
{
    atomic_fetch_sub_explicit(&db->account.held[use], bytes, memory_order_relaxed);
}

void account_set(struct blockdb *db, enum account_use use, uint64_t bytes)
{
    atomic_store_explicit(&db->account.held[use], bytes, memory_order_relaxed);
    account_adapt(db, 0);
}
