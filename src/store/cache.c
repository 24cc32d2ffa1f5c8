/* SPDX-License-Identifier: Apache-2.0 */
#include "store/cache.h"

#include "base/assert.h"
#include "base/lock.h"
#include "base/mem.h"
#include "base/thread_index.h"

#define SHARDS_MAX 16
#define SHARD_BYTES_MIN ((size_t)4 << 20) /* smaller shards would keep no larger pages */
#define PAGE_BYTES_DEFAULT 4096
#define BUCKETS_MIN 64
#define SMALL_QUEUE_DIVISOR 10
#define PAGE_CHARGE_DIVISOR 8 /* CACHE-3 */
#define SECOND_CHANCES_MAX 64 /* for one insertion: it must end, whatever readers do */
#define STRIPES 32
#define CACHE_LINE 64

enum queue_name { QUEUE_SMALL, QUEUE_MAIN, QUEUE_COUNT };

/* First in, first out: pages enter at head and are looked at from tail. */
struct queue {
    struct page *head;
    struct page *tail;
    size_t bytes;
};

struct shard {
    struct mutex mu;
    /* Constant after cache_new(). */
    size_t table_bytes;
    uint32_t bucket_mask;
    _Atomic(struct page *) *buckets; /* chains change under mu, readers follow them without */
    /* Guarded by mu. */
    size_t capacity;  /* for pages: the tables above are paid already */
    uint32_t *ghosts; /* marks of names evicted from the small queue, by their hash */
    struct queue queues[QUEUE_COUNT];
    uint64_t page_count;
    uint64_t inserts;
    uint64_t evictions;
} __attribute__((aligned(CACHE_LINE)));

/* Counters of the lookup path, one line for some threads. */
struct stripe {
    atomic_uint_fast64_t hits;
    atomic_uint_fast64_t misses;
} __attribute__((aligned(CACHE_LINE)));

struct cache {
    struct epoch *epoch;
    size_t capacity;
    _Atomic uint64_t used; /* relaxed: pages and tables of all shards */
    unsigned shard_count;  /* 0: off */
    unsigned shard_shift;
    struct shard *shards;
    struct stripe stripes[STRIPES];
};

static uint64_t name_hash(uint64_t file, uint64_t offset)
{
    uint64_t h = (offset ^ (file * 0x9E3779B97F4A7C15U)) * 0xD6E8FEB86659FD93U;

    h ^= h >> 32;
    return h * 0xD6E8FEB86659FD93U;
}

static struct shard *shard_of(struct cache *cache, uint64_t hash)
{
    return &cache->shards[cache->shard_count == 1 ? 0 : hash >> cache->shard_shift];
}

static uint32_t bucket_of(const struct shard *shard, uint64_t hash)
{
    return (uint32_t)(hash >> 16) & shard->bucket_mask;
}

static size_t power_of_two_below(size_t n)
{
    size_t p = 1;

    while (p <= n / 2) {
        p *= 2;
    }
    return p;
}

static size_t used_bytes(const struct shard *shard)
{
    return shard->queues[QUEUE_SMALL].bytes + shard->queues[QUEUE_MAIN].bytes;
}

/* ---- Making and freeing --------------------------------------------------------------------- */

static int shard_init(struct shard *shard, size_t bytes, size_t page_bytes)
{
    size_t buckets = power_of_two_below(bytes / page_charge(page_bytes) + BUCKETS_MIN);

    mutex_init(&shard->mu, LOCK_RANK_CACHE);
    shard->bucket_mask = (uint32_t)(buckets - 1);
    shard->buckets = mem_calloc(buckets, sizeof(*shard->buckets));
    shard->ghosts = mem_calloc(buckets, sizeof(*shard->ghosts));
    shard->table_bytes = buckets * (sizeof(*shard->buckets) + sizeof(*shard->ghosts));
    if (shard->table_bytes > bytes) {
        shard->table_bytes = bytes;
    }
    shard->capacity = bytes - shard->table_bytes;
    return shard->buckets != NULL && shard->ghosts != NULL ? BLOCKDB_OK : BLOCKDB_ENOMEM;
}

static unsigned choose_shards(const struct cache_options *options)
{
    size_t shards = options->shard_count;

    if (shards == 0) {
        shards = power_of_two_below(options->capacity_bytes / SHARD_BYTES_MIN);
        shards = shards > SHARDS_MAX ? SHARDS_MAX : shards;
    }
    ASSERT((shards & (shards - 1)) == 0);
    return (unsigned)shards;
}

static int add_shards(struct cache *cache, const struct cache_options *options)
{
    size_t page_bytes = options->page_bytes > 0 ? options->page_bytes : PAGE_BYTES_DEFAULT;
    unsigned count = choose_shards(options);
    unsigned i;

    cache->shards = mem_alloc_aligned(CACHE_LINE, count * sizeof(*cache->shards));
    if (cache->shards == NULL) {
        return BLOCKDB_ENOMEM;
    }
    memset(cache->shards, 0, count * sizeof(*cache->shards));
    cache->shard_shift = 64;
    for (i = count; i > 1; i /= 2) {
        cache->shard_shift--;
    }
    for (i = 0; i < count; i++) {
        cache->shard_count++; /* so that cache_free() knows this one */
        if (shard_init(&cache->shards[i], options->capacity_bytes / count, page_bytes) < 0) {
            return BLOCKDB_ENOMEM;
        }
        cache->used += cache->shards[i].table_bytes;
    }
    return BLOCKDB_OK;
}

struct cache *cache_new(const struct cache_options *options)
{
    struct cache *cache = mem_alloc_aligned(CACHE_LINE, sizeof(*cache));

    if (cache == NULL) {
        return NULL;
    }
    memset(cache, 0, sizeof(*cache));
    cache->epoch = options->epoch;
    cache->capacity = options->capacity_bytes;
    if (options->capacity_bytes > 0 && add_shards(cache, options) < 0) {
        cache_free(cache);
        return NULL;
    }
    return cache;
}

static void shard_deinit(struct shard *shard)
{
    unsigned q;

    for (q = 0; q < QUEUE_COUNT; q++) {
        struct page *page = shard->queues[q].head;

        while (page != NULL) {
            struct page *next = page->queue_next;

            page_unref(page);
            page = next;
        }
    }
    mem_free(shard->buckets);
    mem_free(shard->ghosts);
    mutex_deinit(&shard->mu);
}

void cache_free(struct cache *cache)
{
    unsigned i;

    if (cache == NULL) {
        return;
    }
    for (i = 0; i < cache->shard_count; i++) {
        shard_deinit(&cache->shards[i]);
    }
    mem_free(cache->shards);
    mem_free(cache);
}

/* ---- Looking up ----------------------------------------------------------------------------- */

static struct page *find(const struct shard *shard, uint32_t bucket, uint64_t file, uint64_t offset)
{
    struct page *page = atomic_load_explicit(&shard->buckets[bucket], memory_order_acquire);

    /* Nearly always this is the page: its first bytes come along with its head. */
    __builtin_prefetch((const void *)((uintptr_t)page + PAGE_DATA_AT));
    __builtin_prefetch((const void *)((uintptr_t)page + PAGE_DATA_AT + CACHE_LINE));
    while (page != NULL && (page->offset != offset || page->file != file)) {
        page = atomic_load_explicit(&page->next_in_bucket, memory_order_acquire);
    }
    return page;
}

struct page *cache_lookup(struct cache *cache, uint64_t file, uint64_t offset)
{
    struct stripe *stripe = &cache->stripes[thread_index() % STRIPES];
    struct page *page = NULL;

    DASSERT(epoch_inside(cache->epoch));
    if (cache->shard_count > 0) {
        uint64_t hash = name_hash(file, offset);
        const struct shard *shard = shard_of(cache, hash);

        page = find(shard, bucket_of(shard, hash), file, offset);
    }
    if (page == NULL) {
        atomic_fetch_add_explicit(&stripe->misses, 1, memory_order_relaxed);
        return NULL;
    }
    atomic_fetch_add_explicit(&stripe->hits, 1, memory_order_relaxed);
    if (!atomic_load_explicit(&page->visited, memory_order_relaxed)) {
        atomic_store_explicit(&page->visited, true, memory_order_relaxed);
    }
    return page;
}

void cache_prefetch_bucket(struct cache *cache, uint64_t file, uint64_t offset)
{
    if (cache->shard_count > 0) {
        uint64_t hash = name_hash(file, offset);
        const struct shard *shard = shard_of(cache, hash);

        __builtin_prefetch(&shard->buckets[bucket_of(shard, hash)]);
    }
}

void cache_prefetch_page(struct cache *cache, uint64_t file, uint64_t offset)
{
    if (cache->shard_count > 0) {
        uint64_t hash = name_hash(file, offset);
        const struct shard *shard = shard_of(cache, hash);
        const struct page *page = atomic_load_explicit(&shard->buckets[bucket_of(shard, hash)],
                                                       memory_order_acquire);

        __builtin_prefetch(page);
        __builtin_prefetch((const void *)((uintptr_t)page + PAGE_DATA_AT));
    }
}

/* ---- Queues and chains, all under the shard's mutex ----------------------------------------- */

static void queue_push(struct shard *shard, struct page *page, enum queue_name name)
{
    struct queue *queue = &shard->queues[name];

    page->queue = (uint8_t)name;
    page->queue_prev = NULL;
    page->queue_next = queue->head;
    if (queue->head != NULL) {
        queue->head->queue_prev = page;
    } else {
        queue->tail = page;
    }
    queue->head = page;
    queue->bytes += page_charge(page->len);
}

static void queue_remove(struct shard *shard, struct page *page)
{
    struct queue *queue = &shard->queues[page->queue];

    if (page->queue_prev != NULL) {
        page->queue_prev->queue_next = page->queue_next;
    } else {
        queue->head = page->queue_next;
    }
    if (page->queue_next != NULL) {
        page->queue_next->queue_prev = page->queue_prev;
    } else {
        queue->tail = page->queue_prev;
    }
    queue->bytes -= page_charge(page->len);
}

/* Takes page out of its chain; readers that stand on it still find the rest through it. */
static void chain_remove(struct shard *shard, struct page *page)
{
    _Atomic(struct page *) *link = &shard->buckets[page->bucket];
    struct page *at = atomic_load_explicit(link, memory_order_relaxed);

    while (at != page) {
        link = &at->next_in_bucket;
        at = atomic_load_explicit(link, memory_order_relaxed);
    }
    atomic_store_explicit(link, atomic_load_explicit(&page->next_in_bucket, memory_order_relaxed),
                          memory_order_release);
}

/* Takes page out of the cache and puts it in front of *victims, to be freed without the lock. */
static void drop(struct shard *shard, struct page *page, struct page **victims)
{
    queue_remove(shard, page);
    chain_remove(shard, page);
    shard->page_count--;
    page->queue_next = *victims;
    *victims = page;
}

static uint32_t ghost_mark(uint64_t hash)
{
    return (uint32_t)hash | 1; /* never 0, which means empty */
}

static void ghost_remember(struct shard *shard, const struct page *page)
{
    shard->ghosts[page->bucket] = ghost_mark(name_hash(page->file, page->offset));
}

static bool ghost_take(struct shard *shard, uint32_t bucket, uint64_t hash)
{
    if (shard->ghosts[bucket] != ghost_mark(hash)) {
        return false;
    }
    shard->ghosts[bucket] = 0;
    return true;
}

/* Looks at the oldest page of a queue: evicts it, or lets a visited one go on. */
static void evict_step(struct shard *shard, enum queue_name name, unsigned *chances,
                       struct page **victims)
{
    struct page *page = shard->queues[name].tail;

    if (*chances > 0 && atomic_load_explicit(&page->visited, memory_order_relaxed)) {
        (*chances)--;
        atomic_store_explicit(&page->visited, false, memory_order_relaxed);
        queue_remove(shard, page);
        queue_push(shard, page, QUEUE_MAIN);
        return;
    }
    if (name == QUEUE_SMALL) {
        ghost_remember(shard, page);
    }
    shard->evictions++;
    drop(shard, page, victims);
}

static void make_room(struct shard *shard, size_t charge, struct page **victims)
{
    unsigned chances = SECOND_CHANCES_MAX;

    while (used_bytes(shard) + charge > shard->capacity) {
        bool small_first = shard->queues[QUEUE_MAIN].tail == NULL ||
                           (shard->queues[QUEUE_SMALL].tail != NULL &&
                            shard->queues[QUEUE_SMALL].bytes >
                                shard->capacity / SMALL_QUEUE_DIVISOR);

        evict_step(shard, small_first ? QUEUE_SMALL : QUEUE_MAIN, &chances, victims);
    }
}

/* A shard held so much before and holds so much now. */
static void note_used(struct cache *cache, size_t before, size_t now)
{
    if (now != before) {
        atomic_fetch_add_explicit(&cache->used, (uint64_t)now - before, memory_order_relaxed);
    }
}

/* ---- Adding and erasing --------------------------------------------------------------------- */

static void unref_victims(struct cache *cache, struct page *victims, bool wipe)
{
    while (victims != NULL) {
        struct page *next = victims->queue_next;

        victims->wipe = victims->wipe || wipe;
        page_unref_later(victims, cache->epoch);
        victims = next;
    }
}

/* Returns whether the page was kept. */
static bool insert_locked(struct shard *shard, struct page *page, uint64_t hash,
                          struct page **victims)
{
    uint32_t bucket = bucket_of(shard, hash);
    bool returns;

    if (find(shard, bucket, page->file, page->offset) != NULL) {
        return false;
    }
    returns = ghost_take(shard, bucket, hash);
    make_room(shard, page_charge(page->len), victims);
    page->bucket = bucket;
    queue_push(shard, page, returns ? QUEUE_MAIN : QUEUE_SMALL);
    atomic_store_explicit(&page->next_in_bucket,
                          atomic_load_explicit(&shard->buckets[bucket], memory_order_relaxed),
                          memory_order_relaxed);
    atomic_store_explicit(&shard->buckets[bucket], page, memory_order_release);
    shard->page_count++;
    shard->inserts++;
    return true;
}

void cache_add(struct cache *cache, struct page *page)
{
    uint64_t hash = name_hash(page->file, page->offset);
    struct page *victims = NULL;
    struct shard *shard;
    bool kept = false;

    DASSERT(epoch_inside(cache->epoch));
    if (cache->shard_count > 0) {
        size_t before;

        shard = shard_of(cache, hash);
        mutex_lock(&shard->mu);
        before = used_bytes(shard);
        if (page_charge(page->len) <= shard->capacity / PAGE_CHARGE_DIVISOR) {
            kept = insert_locked(shard, page, hash, &victims);
        }
        note_used(cache, before, used_bytes(shard));
        mutex_unlock(&shard->mu);
    }
    if (!kept) {
        page_unref_later(page, cache->epoch);
    }
    unref_victims(cache, victims, false);
}

/* Which files' pages to drop. */
struct choice {
    cache_match_fn match; /* NULL: file */
    void *arg;
    uint64_t file;
};

/* Takes all chosen pages out of one queue. */
static void erase_from(struct shard *shard, enum queue_name name, const struct choice *choice,
                       struct page **victims)
{
    struct page *page = shard->queues[name].head;

    while (page != NULL) {
        struct page *next = page->queue_next;

        if (choice->match != NULL ? choice->match(choice->arg, page->file)
                                  : page->file == choice->file) {
            drop(shard, page, victims);
        }
        page = next;
    }
}

static void erase(struct cache *cache, const struct choice *choice, bool wipe)
{
    unsigned i;

    for (i = 0; i < cache->shard_count; i++) {
        struct shard *shard = &cache->shards[i];
        struct page *victims = NULL;

        size_t before;

        mutex_lock(&shard->mu);
        before = used_bytes(shard);
        erase_from(shard, QUEUE_SMALL, choice, &victims);
        erase_from(shard, QUEUE_MAIN, choice, &victims);
        note_used(cache, before, used_bytes(shard));
        mutex_unlock(&shard->mu);
        unref_victims(cache, victims, wipe);
    }
}

void cache_erase_file(struct cache *cache, uint64_t file)
{
    erase(cache, &(struct choice){.file = file}, false);
}

void cache_wipe_file(struct cache *cache, uint64_t file)
{
    erase(cache, &(struct choice){.file = file}, true);
}

void cache_wipe_matching(struct cache *cache, cache_match_fn match, void *arg)
{
    erase(cache, &(struct choice){.match = match, .arg = arg}, true);
}

void cache_resize(struct cache *cache, size_t capacity_bytes)
{
    unsigned i;

    ASSERT(capacity_bytes <= cache->capacity);
    for (i = 0; i < cache->shard_count; i++) {
        struct shard *shard = &cache->shards[i];
        size_t bytes = capacity_bytes / cache->shard_count;
        struct page *victims = NULL;
        size_t before;

        mutex_lock(&shard->mu);
        before = used_bytes(shard);
        shard->capacity = bytes > shard->table_bytes ? bytes - shard->table_bytes : 0;
        make_room(shard, 0, &victims);
        note_used(cache, before, used_bytes(shard));
        mutex_unlock(&shard->mu);
        unref_victims(cache, victims, false);
    }
}

uint64_t cache_used_bytes(const struct cache *cache)
{
    return atomic_load_explicit(&cache->used, memory_order_relaxed);
}

/* ---- Watching ------------------------------------------------------------------------------- */

void cache_stats_get(struct cache *cache, struct cache_stats *out)
{
    unsigned i;

    *out = (struct cache_stats){.capacity_bytes = cache->capacity};
    for (i = 0; i < STRIPES; i++) {
        out->hits += atomic_load_explicit(&cache->stripes[i].hits, memory_order_relaxed);
        out->misses += atomic_load_explicit(&cache->stripes[i].misses, memory_order_relaxed);
    }
    for (i = 0; i < cache->shard_count; i++) {
        struct shard *shard = &cache->shards[i];

        mutex_lock(&shard->mu);
        out->inserts += shard->inserts;
        out->evictions += shard->evictions;
        out->page_count += shard->page_count;
        out->used_bytes += used_bytes(shard) + shard->table_bytes;
        mutex_unlock(&shard->mu);
    }
}

static void check_shard(struct shard *shard)
{
    uint64_t queued = 0;
    uint64_t chained = 0;
    size_t bytes = 0;
    unsigned q;
    uint32_t b;

    for (q = 0; q < QUEUE_COUNT; q++) {
        const struct page *page;
        const struct page *before = NULL;

        for (page = shard->queues[q].head; page != NULL; page = page->queue_next) {
            ASSERT(page->queue == q);
            ASSERT(page->queue_prev == before);
            bytes += page_charge(page->len);
            queued++;
            before = page;
        }
        ASSERT(shard->queues[q].tail == before);
    }
    for (b = 0; b <= shard->bucket_mask; b++) {
        const struct page *page = atomic_load_explicit(&shard->buckets[b], memory_order_relaxed);

        for (; page != NULL;
             page = atomic_load_explicit(&page->next_in_bucket, memory_order_relaxed)) {
            ASSERT(page->bucket == b);
            chained++;
        }
    }
    ASSERT(queued == shard->page_count);
    ASSERT(chained == shard->page_count);
    ASSERT(bytes == used_bytes(shard));
    ASSERT(bytes <= shard->capacity);
}

void cache_check(struct cache *cache)
{
    unsigned i;

    for (i = 0; i < cache->shard_count; i++) {
        mutex_lock(&cache->shards[i].mu);
        check_shard(&cache->shards[i]);
        mutex_unlock(&cache->shards[i].mu);
    }
}
