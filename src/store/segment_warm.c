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

/* The records of one page of a block. */
struct page_records {
    const struct slice *records;
    uint32_t count;
    uint32_t len_bytes; /* together */
    uint64_t first_seq;
};

static struct page_records take_records(const struct segment_block *block, uint32_t first,
                                        uint32_t count)
{
    struct page_records taken = {
        .records = block->records + first,
        .count = count,
        .first_seq = block->first_seq + first,
    };
    uint32_t i;

    for (i = 0; i < count; i++) {
        taken.len_bytes += (uint32_t)taken.records[i].len;
    }
    return taken;
}

/* Without memory the page is simply not kept. */
static void warm_page(struct segments *segments, const struct segment *segment,
                      const struct page_records *records, uint64_t offset)
{
    struct page *page = page_new(segment->cache_file, offset,
                                 segment_unpacked_records_len(records->count, records->len_bytes));

    if (page != NULL) {
        segment_unpacked_of_records(records->records, records->count, records->first_seq,
                                    records->len_bytes, page->data);
        cache_add(segments->env.cache, page);
    }
}

void segment_warm_block(struct segments *segments, const struct segment_written *written)
{
    uint64_t offset = written->offset + segment_frame_head_len(written->page_count);
    uint32_t first = 0;
    uint32_t i;

    if (segments->warm_record_bytes == 0 || segments->env.cache == NULL) {
        return;
    }
    epoch_enter(segments->env.epoch);
    for (i = 0; i < written->page_count; i++) {
        struct segment_directory_entry entry = segment_directory_at(written->directory, i);
        struct page_records records = take_records(written->block, first, entry.record_count);

        if (records.len_bytes > segments->warm_record_bytes * records.count) {
            warm_page(segments, written->segment, &records, offset);
        }
        first += entry.record_count;
        offset += entry.extent;
    }
    epoch_leave(segments->env.epoch);
}
