/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include "base/assert.h"
#include "base/lock.h"
#include "base/mem.h"

#include <stdbool.h>
#include <string.h>

#define FIRST_CHUNK_BYTES ((size_t)4096)
#define LARGE_PIECE_BYTES (ARENA_CHUNK_BYTES / 4)

/* The memory handed out follows the header. */
struct arena_chunk {
    struct arena_chunk *next;
    size_t len_bytes; /* of the whole chunk */
};

_Static_assert(sizeof(struct arena_chunk) % ARENA_ALIGN == 0, "pieces start aligned");

struct arena_pool {
    /* constant */
    size_t max_bytes;
    struct mutex mu;
    /* guarded by mu */
    struct arena_chunk *chunks; /* each of ARENA_CHUNK_BYTES */
    atomic_size_t len_bytes;    /* changed under mu; accounts read it without */
};

struct arena_pool *arena_pool_new(size_t max_bytes)
{
    struct arena_pool *pool = mem_calloc(1, sizeof(*pool));

    if (pool == NULL) {
        return NULL;
    }
    pool->max_bytes = max_bytes;
    mutex_init(&pool->mu, LOCK_RANK_ARENA);
    return pool;
}

/* Chunks of full size are what memtables are made of: malloc would keep them when they are freed.
 */
static struct arena_chunk *alloc_chunk(size_t len_bytes)
{
    return len_bytes == ARENA_CHUNK_BYTES ? mem_map(len_bytes) : mem_alloc(len_bytes);
}

static void free_chunk(struct arena_chunk *chunk)
{
    if (chunk->len_bytes == ARENA_CHUNK_BYTES) {
        mem_unmap(chunk, chunk->len_bytes);
    } else {
        mem_free(chunk);
    }
}

static void free_chunks(struct arena_chunk *chunk)
{
    while (chunk != NULL) {
        struct arena_chunk *next = chunk->next;

        free_chunk(chunk);
        chunk = next;
    }
}

void arena_pool_free(struct arena_pool *pool)
{
    if (pool == NULL) {
        return;
    }
    free_chunks(pool->chunks);
    mutex_deinit(&pool->mu);
    mem_free(pool);
}

size_t arena_pool_bytes(struct arena_pool *pool)
{
    return atomic_load_explicit(&pool->len_bytes, memory_order_relaxed);
}

static void wipe_chunks(struct arena_chunk *chunk)
{
    for (; chunk != NULL; chunk = chunk->next) {
        explicit_bzero(chunk + 1, chunk->len_bytes - sizeof(*chunk));
    }
}

static struct arena_chunk *pool_take(struct arena_pool *pool)
{
    struct arena_chunk *chunk;

    mutex_lock(&pool->mu);
    chunk = pool->chunks;
    if (chunk != NULL) {
        pool->chunks = chunk->next;
        pool->len_bytes -= chunk->len_bytes;
    }
    mutex_unlock(&pool->mu);
    return chunk;
}

/* Keeps what fits of a list of chunks and returns the rest. */
static struct arena_chunk *pool_keep(struct arena_pool *pool, struct arena_chunk *chunk)
{
    struct arena_chunk *rest = NULL;

    mutex_lock(&pool->mu);
    while (chunk != NULL) {
        struct arena_chunk *next = chunk->next;
        bool fits = chunk->len_bytes == ARENA_CHUNK_BYTES &&
                    pool->max_bytes - pool->len_bytes >= ARENA_CHUNK_BYTES;
        struct arena_chunk **list = fits ? &pool->chunks : &rest;

        chunk->next = *list;
        *list = chunk;
        pool->len_bytes += fits ? chunk->len_bytes : 0;
        chunk = next;
    }
    mutex_unlock(&pool->mu);
    return rest;
}

void arena_pool_wipe(struct arena_pool *pool)
{
    struct arena_chunk *chunks;

    mutex_lock(&pool->mu);
    chunks = pool->chunks;
    pool->chunks = NULL;
    pool->len_bytes = 0;
    mutex_unlock(&pool->mu);
    wipe_chunks(chunks);
    free_chunks(pool_keep(pool, chunks));
}

void arena_init(struct arena *a, struct arena_pool *pool)
{
    *a = (struct arena){
        .pool = pool,
        .next_chunk_bytes = pool != NULL ? ARENA_CHUNK_BYTES : FIRST_CHUNK_BYTES,
    };
}

void arena_reset(struct arena *a)
{
    struct arena_chunk *chunks = a->chunks;

    if (atomic_load_explicit(&a->wipes, memory_order_relaxed)) {
        wipe_chunks(chunks);
    }
    if (a->pool != NULL && chunks != NULL) {
        chunks = pool_keep(a->pool, chunks);
    }
    free_chunks(chunks);
    arena_init(a, a->pool);
}

/* A new chunk with room for len bytes, entered into the arena. */
static struct arena_chunk *add_chunk(struct arena *a, size_t chunk_bytes)
{
    struct arena_chunk *chunk = NULL;

    if (a->pool != NULL && chunk_bytes == ARENA_CHUNK_BYTES) {
        chunk = pool_take(a->pool);
    }
    if (chunk == NULL) {
        chunk = alloc_chunk(chunk_bytes);
    }
    if (chunk == NULL) {
        return NULL;
    }
    chunk->len_bytes = chunk_bytes;
    chunk->next = a->chunks;
    a->chunks = chunk;
    (void)atomic_fetch_add_explicit(&a->total_bytes, chunk_bytes, memory_order_relaxed);
    return chunk;
}

void *arena_alloc_slow(struct arena *a, size_t len_bytes)
{
    struct arena_chunk *chunk;
    size_t len;
    size_t chunk_bytes = a->next_chunk_bytes;

    if (__builtin_add_overflow(len_bytes, ARENA_ALIGN - 1 + sizeof(*chunk), &len)) {
        return NULL;
    }
    len = (len_bytes > 0 ? len_bytes + ARENA_ALIGN - 1 : ARENA_ALIGN) & ~(size_t)(ARENA_ALIGN - 1);
    if (len <= (size_t)(a->end - a->at)) { /* zero bytes asked for */
        a->at += len;
        return a->at - len;
    }
    if (len > LARGE_PIECE_BYTES) {
        chunk = add_chunk(a, sizeof(*chunk) + len);
        return chunk != NULL ? chunk + 1 : NULL;
    }
    while (chunk_bytes - sizeof(*chunk) < len) {
        chunk_bytes *= 2;
    }
    chunk = add_chunk(a, chunk_bytes);
    if (chunk == NULL) {
        return NULL;
    }
    a->next_chunk_bytes = chunk_bytes < ARENA_CHUNK_BYTES ? chunk_bytes * 2 : ARENA_CHUNK_BYTES;
    a->at = (uint8_t *)(chunk + 1) + len;
    a->end = (uint8_t *)chunk + chunk_bytes;
    return chunk + 1;
}

void *arena_copy(struct arena *a, const void *data, size_t len_bytes)
{
    void *p = arena_alloc(a, len_bytes);

    if (p != NULL && len_bytes > 0) {
        memcpy(p, data, len_bytes);
    }
    return p;
}
