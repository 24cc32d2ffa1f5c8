/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static mem_fail_fn fail_hook;
static void *fail_context;

void mem_set_fail_hook(mem_fail_fn hook, void *context)
{
    fail_context = context;
    fail_hook = hook;
}

/* Whether an allocation of that length must fail: no object is larger than PTRDIFF_MAX. */
static inline bool must_fail(size_t len_bytes)
{
    return __builtin_expect(len_bytes > PTRDIFF_MAX, 0) ||
           (__builtin_expect(fail_hook != NULL, 0) && fail_hook(fail_context));
}

bool mem_is_to_fail(void)
{
    return must_fail(0);
}

void *mem_alloc(size_t len_bytes)
{
    if (must_fail(len_bytes)) {
        return NULL;
    }
    return malloc(len_bytes > 0 ? len_bytes : 1);
}

void *mem_calloc(size_t count, size_t item_bytes)
{
    if (must_fail(0)) { /* calloc() checks the product itself */
        return NULL;
    }
    return calloc(count > 0 ? count : 1, item_bytes > 0 ? item_bytes : 1);
}

void *mem_realloc(void *p, size_t len_bytes)
{
    if (must_fail(len_bytes)) {
        return NULL;
    }
    return realloc(p, len_bytes > 0 ? len_bytes : 1);
}

void *mem_alloc_aligned(size_t alignment_bytes, size_t len_bytes)
{
    void *p = NULL;

    if (must_fail(len_bytes)) {
        return NULL;
    }
    if (alignment_bytes < sizeof(void *)) {
        alignment_bytes = sizeof(void *);
    }
    if (posix_memalign(&p, alignment_bytes, len_bytes > 0 ? len_bytes : 1) != 0) {
        return NULL;
    }
    return p;
}

void mem_free(void *p)
{
    free(p);
}

#ifdef BLOCKDB_DEBUG /* sanitizers see more of what malloc gives */

void *mem_map(size_t len_bytes)
{
    void *p = mem_alloc_aligned(len_bytes, len_bytes);

    if (p != NULL) {
        memset(p, 0, len_bytes);
    }
    return p;
}

void mem_unmap(void *p, size_t len_bytes)
{
    (void)len_bytes;
    mem_free(p);
}

#else

/* Unmapping fails only for what is no mapping. */
static void unmap(uint8_t *p, size_t len_bytes)
{
    if (len_bytes > 0) {
        (void)munmap(p, len_bytes);
    }
}

void *mem_map(size_t len_bytes)
{
    uint8_t *p;
    size_t before;

    if (must_fail(2 * len_bytes)) {
        return NULL;
    }
    p = mmap(NULL, 2 * len_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) {
        return NULL;
    }
    before = -(uintptr_t)p & (len_bytes - 1);
    unmap(p, before);
    unmap(p + before + len_bytes, len_bytes - before);
    return p + before;
}

void mem_unmap(void *p, size_t len_bytes)
{
    if (p != NULL) {
        unmap(p, len_bytes);
    }
}

#endif

char *mem_strdup(const char *text)
{
    size_t len = strlen(text) + 1;
    char *copy = mem_alloc(len);

    if (copy != NULL) {
        memcpy(copy, text, len);
    }
    return copy;
}

void mem_free_ptr(void *p)
{
    mem_free(*(void **)p);
}
