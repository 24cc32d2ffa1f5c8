/* SPDX-License-Identifier: Apache-2.0 */
#include "store/page.h"

#include "base/assert.h"
#include "base/slab.h"

#include <string.h>

_Static_assert(sizeof(struct page) <= PAGE_DATA_AT && PAGE_DATA_AT % SLAB_ALIGN == 0,
               "the bytes follow the head, aligned");
_Static_assert(offsetof(struct page, queue_prev) <= SLAB_ALIGN, "lookups touch one line");

struct page *page_new(uint64_t file, uint64_t offset, size_t len)
{
    struct page *page;

    ASSERT(len <= UINT32_MAX);
    page = slab_alloc(PAGE_DATA_AT + len);
    if (page == NULL) {
        return NULL;
    }
    *page = (struct page){.data = (uint8_t *)page + PAGE_DATA_AT,
                          .len = (uint32_t)len,
                          .file = file,
                          .offset = offset};
    atomic_init(&page->refs, 1);
    return page;
}

size_t page_charge(size_t len)
{
    return slab_block_bytes(PAGE_DATA_AT + len);
}

void page_unref(struct page *page)
{
    if (page != NULL && atomic_fetch_sub_explicit(&page->refs, 1, memory_order_acq_rel) == 1) {
        if (page->wipe) {
            explicit_bzero(page->data, page->len);
        }
        slab_free(page, PAGE_DATA_AT + page->len);
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
