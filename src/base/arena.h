/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arena: allocates by moving a pointer through large chunks, frees all at once.
 *
 * Memory never moves, so other threads may read what the owner has published to them. Chunks
 * start small and double up to ARENA_CHUNK_BYTES; with a pool they have that size at once. A
 * piece larger than a quarter of a chunk gets a chunk of its own.
 *
 * A pool keeps freed chunks for the next arena: fresh memory costs page faults, which are slow in
 * virtual machines.
 *
 * ARENA-1  arena_bytes() is the sum of the chunks taken from the system, not of the pieces.
 * ARENA-2  A failed arena_alloc() leaves the arena as it was.
 *
 * Threads:   one thread allocates at a time; arena_bytes() any thread; pools any thread.
 * Ownership: the arena owns its chunks and borrows the pool, which must outlive it.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARENA_CHUNK_BYTES ((size_t)1 << 20)
#define ARENA_ALIGN 8

struct arena_chunk;
struct arena_pool;

struct arena {
    /* owner only */
    struct arena_chunk *chunks; /* all of them, newest first */
    uint8_t *at;                /* free space of the current chunk */
    uint8_t *end;
    size_t next_chunk_bytes;
    struct arena_pool *pool; /* constant; may be NULL */
    atomic_bool wipes;       /* overwrite all chunks before they are given back */
    /* atomic, relaxed: a figure for accounts */
    atomic_size_t total_bytes;
};

/* A pool that keeps at most max_bytes of free chunks; NULL when there is no memory. */
struct arena_pool *arena_pool_new(size_t max_bytes);
/* Frees the kept chunks. No arena may use the pool any more. NULL is fine. */
void arena_pool_free(struct arena_pool *pool);
/* Overwrites all chunks that lie idle in the pool. */
void arena_pool_wipe(struct arena_pool *pool);
/* How many bytes lie idle in the pool now. */
size_t arena_pool_bytes(struct arena_pool *pool);

/* Starts an empty arena, which owns no memory yet. pool may be NULL. */
void arena_init(struct arena *a, struct arena_pool *pool);
/* From now on the arena's memory is overwritten before it is given back. Any thread. */
static inline void arena_wipe_later(struct arena *a)
{
    atomic_store_explicit(&a->wipes, true, memory_order_relaxed);
}
/* Lets an empty arena begin with memory of its owner's, aligned to ARENA_ALIGN, which stays in
 * place until the arena is reset. */
static inline void arena_lend(struct arena *a, void *memory, size_t len_bytes)
{
    a->at = (uint8_t *)memory;
    a->end = a->at + len_bytes;
}
/* Gives all chunks back; the arena is empty and usable again. */
void arena_reset(struct arena *a);
static inline void arena_deinit(struct arena *a)
{
    arena_reset(a);
}
/* The slow path of arena_alloc(): a new chunk. */
void *arena_alloc_slow(struct arena *a, size_t len_bytes) __attribute__((warn_unused_result));

/* len_bytes of uninitialised memory, aligned to ARENA_ALIGN, until the arena is reset; never
 * NULL for 0 bytes unless there is no memory. NULL when there is none. */
__attribute__((warn_unused_result)) static inline void *arena_alloc(struct arena *a,
                                                                    size_t len_bytes)
{
    size_t len = (len_bytes + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
    uint8_t *p = a->at;

    if (__builtin_expect(len >= len_bytes && len > 0 && len <= (size_t)(a->end - p), 1)) {
        a->at = p + len;
        return p;
    }
    return arena_alloc_slow(a, len_bytes);
}

/* A copy of len_bytes at data, or NULL. */
void *arena_copy(struct arena *a, const void *data, size_t len_bytes)
    __attribute__((warn_unused_result));

static inline size_t arena_bytes(const struct arena *a)
{
    return atomic_load_explicit(&a->total_bytes, memory_order_relaxed);
}
