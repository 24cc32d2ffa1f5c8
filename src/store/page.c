/* SPDX-License-Identifier: Apache-2.0 */
#include "store/page.h"

#include "base/assert.h"
#include "base/mem.h"

#define PAGE_DATA_ALIGN 64
#define MALLOC_OVERHEAD 16 /* what an allocator adds to a block, about */

/* Where the bytes begin in the allocation. */
static const size_t data_at = (sizeof(struct page) + PAGE_DATA_ALIGN - 1) &
                              ~(size_t)(PAGE_DATA_ALIGN - 1);

struct page *page_new(uint64_t file, uint64_t offset, size_t len)
{
    struct page *page;

    ASSERT(len <= UINT32_MAX);
    page = mem_alloc_aligned(PAGE_DATA_ALIGN, data_at + len);
    if (page == NULL) {
        return NULL;
    }
    *page = (struct page){
        .data = (uint8_t *)page + data_at, .len = (uint32_t)len, .file = file, .offset = offset};
    atomic_init(&page->refs, 1);
    return page;
}

size_t page_charge(size_t len)
{
    return (data_at + len + MALLOC_OVERHEAD + PAGE_DATA_ALIGN - 1) & ~(size_t)(PAGE_DATA_ALIGN - 1);
}

void page_unref(struct page *page)
{
    if (page != NULL && atomic_fetch_sub_explicit(&page->refs, 1, memory_order_acq_rel) == 1) {
        mem_free(page);
    }
}

void page_unref_ptr(struct page **page)
{
    page_unref(*page);
}

static void unref_retired(void *object)
{
    page_unref(object);
}

void page_unref_later(struct page *page, struct epoch *epoch)
{
    epoch_retire(epoch, &page->retired, page, unref_retired);
}
