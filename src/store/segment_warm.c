/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Warming: pages of a block enter the cache as the block is written.
 *
 * A page that is read soon would be loaded, checked and unpacked again, and its values hashed, all
 * of which was done a moment ago. A page that is not read passes through the small queue of the
 * cache and does no harm.
 */
#include "base/epoch.h"
#include "store/cache.h"
#include "store/page.h"
#include "store/segment_priv.h"

/* Without memory the page is simply not kept. */
static void warm_page(struct segments *segments, const struct segment *segment,
                      const struct segment_block *block, uint32_t first, uint32_t count,
                      uint64_t offset)
{
    const struct slice *records = block->records + first;
    uint64_t records_len = 0;
    struct page *page;
    uint32_t i;

    for (i = 0; i < count; i++) {
        records_len += records[i].len;
    }
    if (records_len <= segments->warm_record_bytes * count) {
        return;
    }
    page = page_new(segment->cache_file, offset,
                    segment_unpacked_records_len(count, (uint32_t)records_len));
    if (page != NULL) {
        segment_unpacked_of_records(records, count, block->first_seq + first, (uint32_t)records_len,
                                    page->data);
        cache_add(segments->env.cache, page);
    }
}

void segment_warm_block(struct segments *segments, const struct segment *segment,
                        const struct segment_block *block, const struct segment_frame *frame,
                        const uint8_t *directory, uint64_t offset)
{
    uint32_t first = 0;
    uint32_t i;

    if (segments->warm_record_bytes == 0 || segments->env.cache == NULL) {
        return;
    }
    offset += segment_frame_head_len(frame->page_count);
    epoch_enter(segments->env.epoch);
    for (i = 0; i < frame->page_count; i++) {
        struct segment_directory_entry entry = segment_directory_at(directory, i);

        warm_page(segments, segment, block, first, entry.record_count, offset);
        first += entry.record_count;
        offset += entry.extent;
    }
    epoch_leave(segments->env.epoch);
}
