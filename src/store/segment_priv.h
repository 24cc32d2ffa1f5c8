/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the segments share: the chain, and what its appender works with.
 *
 * Threads: see store/segment.h; each group of fields says who may use it.
 */
#pragma once

#include "store/segment.h"
#include "store/segment_file.h"
#include "store/segment_pack.h"
#include "store/segment_writer.h"

#include <stdatomic.h>

struct segment_list_item {
    uint64_t first_seq; /* as in the segment; here so that a search stays in few cache lines */
    struct segment *segment;
};

/* All segments in order; replaced as a whole when one is added, the old list is retired. */
struct segment_list {
    struct epoch_link retired;
    uint32_t count;
    struct segment_list_item item[];
};

/* A rewriting between begin and publish. */
struct segment_rewriting {
    struct segment *segment;      /* the new revision, owned; NULL: none is going on */
    struct segment_list *next;    /* with it in its place, owned */
    struct segment_writer writer; /* of an active segment */
    uint32_t index;               /* in the list */
};

struct segments {
    /* constant after open */
    struct segment_env env;
    char *dir;
    uint64_t segment_bytes;
    segment_load_fn on_load;
    void *on_load_context;
    uint64_t warm_record_bytes;
    segment_throttle_fn throttle;
    void *throttle_context;

    /* atomic: release by the appender, acquire by readers inside the epoch; never NULL */
    _Atomic(struct segment_list *) list;
    atomic_uint_least64_t durable_seq;

    /* appender only */
    struct segment_packer packer;
    struct buf image;             /* the block being written */
    struct segment_writer writer; /* of the active segment */
    bool dirty;                   /* something was written since the last sync */
    bool failed;                  /* SEG-7 */
    struct error failure;
    struct segment_info finished; /* finished but not yet reported; number 0: none */
    struct segment_rewriting rewriting;

    /* counters; atomic, relaxed: each is true on its own */
    atomic_uint_least64_t appended_blocks;
    atomic_uint_least64_t appended_records;
    atomic_uint_least64_t appended_pages;
    atomic_uint_least64_t appended_raw_bytes;
    atomic_uint_least64_t appended_stored_bytes;
    atomic_uint_least64_t page_reads;
};

/* A block that was just written. */
struct segment_written {
    const struct segment *segment;
    const struct segment_block *block;
    const uint8_t *directory; /* of its frame */
    uint32_t page_count;
    uint64_t offset; /* of its frame in the file */
};
/* Puts pages of a block that was just written into the cache. Appender only, outside the epoch. */
void segment_warm_block(struct segments *segments, const struct segment_written *written);

/* The list as of now, inside the epoch. */
static inline const struct segment_list *segments_list(const struct segments *segments)
{
    return atomic_load_explicit(&segments->list, memory_order_acquire);
}
/* The last segment, or NULL; inside the epoch, or the appender. */
static inline struct segment *segments_last(const struct segments *segments)
{
    const struct segment_list *list = segments_list(segments);

    return list->count > 0 ? list->item[list->count - 1].segment : NULL;
}
/* The index of the segment whose range seq falls into, as far as first seqs tell; the list is not
 * empty and seq not below its first. */
uint32_t segment_list_find(const struct segment_list *list, uint64_t seq);
/* What the manifest should know of a segment. */
struct segment_info segment_info_of(const struct segment *segment);
/* Publishes the list with one segment more, which takes its place in it. next has room for it. */
void segments_publish_list(struct segments *segments, struct segment_list *next,
                           struct segment *added);
/* A copy of the list with room for one more; NULL when out of memory. */
struct segment_list *segments_next_list(const struct segments *segments);
