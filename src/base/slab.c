/* SPDX-License-Identifier: Apache-2.0 */
#include "base/slab.h"

#include "base/assert.h"
#include "base/lock.h"
#include "base/mem.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define SLAB_BYTES ((size_t)1024 * 1024)
#define FINE_STEP 256
#define FINE_MAX ((size_t)8 * 1024)
#define COARSE_STEP 1024
#define FINE_SIZES (FINE_MAX / FINE_STEP)
#define SIZES (FINE_SIZES + (SLAB_BLOCK_MAX - FINE_MAX) / COARSE_STEP)

/* The beginning of a free block. */
struct free_block {
    struct free_block *next;
};

/* The head of a slab; its blocks follow. */
struct slab {
    struct slab *next; /* in the list of its size, when it has a free block */
    struct slab *prev;
    struct free_block *free;
    size_t fresh; /* offset of what was never handed out */
    unsigned used;
};

/* The slabs of one size that have a free block. */
struct shelf {
    struct mutex mu;
    struct slab *first;
    bool has_empty; /* one of them has nothing in use */
};

static struct shelf shelves[SIZES] = {[0 ... SIZES - 1] = {.mu = MUTEX_STATIC(LOCK_RANK_SLAB)}};
static _Atomic size_t mapped_bytes;

_Static_assert(sizeof(struct slab) <= SLAB_ALIGN, "blocks begin aligned");

size_t slab_block_bytes(size_t len)
{
    size_t step = len <= FINE_MAX ? FINE_STEP : COARSE_STEP;

    return len <= SLAB_BLOCK_MAX ? (len + step - 1) / step * step : len;
}

size_t slab_mapped_bytes(void)
{
    return atomic_load_explicit(&mapped_bytes, memory_order_relaxed);
}

static bool is_sliced(size_t len)
{
#ifdef BLOCKDB_DEBUG
    return false;
#else
    return len > 0 && len <= SLAB_BLOCK_MAX;
#endif
}

static struct shelf *shelf_of(size_t len)
{
    if (len <= FINE_MAX) {
        return &shelves[(len - 1) / FINE_STEP];
    }
    return &shelves[FINE_SIZES + (len - FINE_MAX - 1) / COARSE_STEP];
}

static bool is_full(const struct slab *slab, size_t block_bytes)
{
    return slab->free == NULL && slab->fresh + block_bytes > SLAB_BYTES;
}

static void link_first(struct shelf *shelf, struct slab *slab)
{
    slab->prev = NULL;
    slab->next = shelf->first;
    if (slab->next != NULL) {
        slab->next->prev = slab;
    }
    shelf->first = slab;
}

static void unlink_slab(struct shelf *shelf, struct slab *slab)
{
    if (slab->prev != NULL) {
        slab->prev->next = slab->next;
    } else {
        shelf->first = slab->next;
    }
    if (slab->next != NULL) {
        slab->next->prev = slab->prev;
    }
}

static struct slab *slab_new(void)
{
    struct slab *slab = mem_map(SLAB_BYTES);

    if (slab != NULL) {
        slab->fresh = SLAB_ALIGN;
        (void)atomic_fetch_add_explicit(&mapped_bytes, SLAB_BYTES, memory_order_relaxed);
    }
    return slab;
}

static void *take_block(struct shelf *shelf, struct slab *slab, size_t block_bytes)
{
    void *block = slab->free;

    if (block != NULL) {
        slab->free = slab->free->next;
    } else {
        block = (uint8_t *)slab + slab->fresh;
        slab->fresh += block_bytes;
    }
    if (slab->used++ == 0) {
        shelf->has_empty = false;
    }
    if (is_full(slab, block_bytes)) {
        unlink_slab(shelf, slab);
    }
    return block;
}

void *slab_alloc(size_t len)
{
    size_t block_bytes = slab_block_bytes(len);
    struct shelf *shelf;
    struct slab *slab;
    void *block = NULL;

    if (!is_sliced(len)) {
        return mem_alloc_aligned(SLAB_ALIGN, block_bytes);
    }
    if (mem_is_to_fail()) {
        return NULL;
    }
    shelf = shelf_of(len);
    mutex_lock(&shelf->mu);
    slab = shelf->first;
    if (slab == NULL) {
        slab = slab_new();
        if (slab != NULL) {
            link_first(shelf, slab);
        }
    }
    if (slab != NULL) {
        block = take_block(shelf, slab, block_bytes);
    }
    mutex_unlock(&shelf->mu);
    return block;
}

/* Puts a block back; returns the slab when it is to be given back to the system. */
static struct slab *put_block(struct shelf *shelf, struct slab *slab, void *block,
                              size_t block_bytes)
{
    struct free_block *freed = block;

    ASSERT(slab->used > 0);
    if (is_full(slab, block_bytes)) {
        link_first(shelf, slab);
    }
    freed->next = slab->free;
    slab->free = freed;
    if (--slab->used > 0) {
        return NULL;
    }
    if (!shelf->has_empty) {
        shelf->has_empty = true;
        return NULL;
    }
    unlink_slab(shelf, slab);
    return slab;
}

void slab_free(void *block, size_t len)
{
    struct shelf *shelf;
    struct slab *done;

    if (!is_sliced(len)) {
        mem_free(block);
        return;
    }
    if (block == NULL) {
        return;
    }
    shelf = shelf_of(len);
    mutex_lock(&shelf->mu);
    done = put_block(shelf, (struct slab *)((uintptr_t)block & ~(uintptr_t)(SLAB_BYTES - 1)), block,
                     slab_block_bytes(len));
    mutex_unlock(&shelf->mu);
    if (done != NULL) {
        (void)atomic_fetch_sub_explicit(&mapped_bytes, SLAB_BYTES, memory_order_relaxed);
        mem_unmap(done, SLAB_BYTES);
    }
}
