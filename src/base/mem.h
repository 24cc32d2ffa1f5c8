/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only way to allocate memory.
 *
 * Tests replace the hook to make the n-th allocation fail; everything in the engine must survive
 * that with its state unchanged.
 *
 * Threads: any thread. mem_set_fail_hook() only while no other thread allocates.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Each returns NULL when memory is short. mem_free(NULL) does nothing. */
void *mem_alloc(size_t len_bytes) __attribute__((malloc, warn_unused_result));
void *mem_calloc(size_t count, size_t item_bytes) __attribute__((malloc, warn_unused_result));
void *mem_realloc(void *p, size_t len_bytes) __attribute__((warn_unused_result));
/* alignment_bytes is a power of two. Freed with mem_free(). */
void *mem_alloc_aligned(size_t alignment_bytes, size_t len_bytes)
    __attribute__((malloc, warn_unused_result));
void mem_free(void *p);
/* For blocks of a MiB or more that come and go: memory straight from the system, which gets it back
 * at once, whatever malloc would keep. len_bytes is a power of two and the block stands at a
 * multiple of it. Zeroed. */
void *mem_map(size_t len_bytes);
/* len_bytes as it was mapped with; NULL does nothing. */
void mem_unmap(void *p, size_t len_bytes);

/* Returns a copy of text that the caller frees, or NULL. */
char *mem_strdup(const char *text) __attribute__((malloc, warn_unused_result));

/* Called before each allocation; returning true makes that allocation fail. NULL removes it. */
typedef bool (*mem_fail_fn)(void *context);
void mem_set_fail_hook(mem_fail_fn hook, void *context);
/* For allocators that serve from what they have: whether the hook makes this allocation fail. */
bool mem_is_to_fail(void);

/* Cleanup attribute: `AUTO(buf_deinit) struct buf b = {0};` runs buf_deinit(&b) at scope exit. */
#define AUTO(deinit) __attribute__((cleanup(deinit)))

/* Hands out an owned pointer and forgets it, so that AUTO has nothing to free. */
#define TAKE(p)                                                                                    \
    ({                                                                                             \
        __typeof__(p) taken_ = (p);                                                                \
        (p) = NULL;                                                                                \
        taken_;                                                                                    \
    })

/* For AUTO on a plain pointer: frees what *(void **)p points to. */
void mem_free_ptr(void *p);
