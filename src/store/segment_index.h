/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The index of a growing segment: entries of one fixed length in chunks that are already the
 * partitions of the finished file.
 *
 * One thread appends, any number read: an entry below the published count never changes and never
 * moves. Only the directory of chunks is replaced when it is full, and the old one is retired.
 *
 * SEGINDEX-1  Entries are written before the count that covers them is published.
 * SEGINDEX-2  The directory that covers a count is published before that count.
 *
 * Threads:   reserve, append, publish: one thread. count and chunk: any thread inside the epoch.
 * Ownership: owns chunks and directory; borrows the epoch.
 */
#pragma once

#include "base/epoch.h"
#include "base/error.h"
#include "store/segment_format.h"

#include <stdatomic.h>
#include <stdint.h>

struct segment_chunks;

struct segment_index {
    /* constant after init */
    struct epoch *epoch;
    uint32_t entry_len;
    uint32_t per_chunk;
    /* appender only */
    uint64_t filled; /* entries written; published or about to be */
    /* atomic: release by the appender, acquire by readers */
    _Atomic(struct segment_chunks *) chunks;
    atomic_uint_least64_t count;
};

/* entry_len divides SEGMENT_PARTITION_ROOM. */
void segment_index_init(struct segment_index *index, uint32_t entry_len, struct epoch *epoch);
/* No reader may be left. A zeroed index is fine. */
void segment_index_deinit(struct segment_index *index);
/* Makes room for n more entries; ENOMEM leaves everything as it is. */
RESULT_MUST_BE_USED int segment_index_reserve(struct segment_index *index, uint64_t n);
/* Where the next entry goes; it must have been reserved, and counts as written. */
uint8_t *segment_index_append(struct segment_index *index);
/* Shows readers everything appended. */
void segment_index_publish(struct segment_index *index);

/* The published count; an entry is below it. */
static inline uint64_t segment_index_count(const struct segment_index *index)
{
    return atomic_load_explicit(&index->count, memory_order_acquire);
}
/* Chunk i of those that hold entries below a count read before: a partition without its seal. */
const uint8_t *segment_index_chunk(const struct segment_index *index, uint64_t i);
static inline uint64_t segment_index_chunk_count(const struct segment_index *index, uint64_t count)
{
    return (count + index->per_chunk - 1) / index->per_chunk;
}
