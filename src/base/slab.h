/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slabs: blocks of up to 64 KiB, cut from runs of memory that the system gives and gets back.
 *
 * Caches at their limit free as many pages as they take, but other threads free than allocate, and
 * of other sizes. malloc keeps the memory of groups of threads apart and returns it seldom, so that
 * a process held twice what its caches did. Here all threads share, lengths are rounded up a
 * little to make few sizes, a slab (1 MiB) has blocks of one size, and a slab whose blocks are all
 * free goes back to the system; each size keeps one for the next block. (The idea of slabs is that
 * of Bonwick, 1994.)
 *
 * SLAB-1  A slab stands at a multiple of its length, so a block finds its slab by its address.
 * SLAB-2  A block is free or in use, and a slab knows how many of its blocks are in use.
 *
 * Longer blocks come from malloc; so do all in builds with debug checks, where sanitizers are to
 * see every use after free.
 *
 * Threads: any thread; a mutex for each size.
 */
#pragma once

#include <stddef.h>

#define SLAB_ALIGN 64
#define SLAB_BLOCK_MAX ((size_t)64 * 1024)

/* A block of at least len bytes at a multiple of SLAB_ALIGN; NULL when out of memory. */
void *slab_alloc(size_t len);
/* Takes a block back; len as it was allocated with. NULL does nothing. */
void slab_free(void *block, size_t len);
/* The memory that a block of len bytes takes. */
size_t slab_block_bytes(size_t len);
/* The memory of all slabs now. */
size_t slab_mapped_bytes(void);
