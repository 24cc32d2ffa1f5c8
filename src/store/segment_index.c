/* SPDX-License-Identifier: Apache-2.0 */
#include "store/segment_index.h"

#include "base/assert.h"
#include "base/mem.h"

#define CHUNKS_CAPACITY_MIN 16

struct segment_chunks {
    struct epoch_link retired;
    uint64_t count; /* chunks allocated; appender only */
    uint64_t capacity;
    uint8_t *chunk[];
};

void segment_index_init(struct segment_index *index, uint32_t entry_len, struct epoch *epoch)
{
    ASSERT(SEGMENT_PARTITION_ROOM % entry_len == 0);
    index->epoch = epoch;
    index->entry_len = entry_len;
    index->per_chunk = SEGMENT_PARTITION_ROOM / entry_len;
    index->filled = 0;
    atomic_init(&index->chunks, NULL);
    atomic_init(&index->count, 0);
}

void segment_index_deinit(struct segment_index *index)
{
    struct segment_chunks *chunks = atomic_load_explicit(&index->chunks, memory_order_acquire);
    uint64_t i;

    for (i = 0; chunks != NULL && i < chunks->count; i++) {
        mem_free(chunks->chunk[i]);
    }
    mem_free(chunks);
    atomic_store_explicit(&index->chunks, NULL, memory_order_relaxed);
}

/* A directory with room for `need` chunks takes the place of the present one. */
static int grow_directory(struct segment_index *index, uint64_t need)
{
    struct segment_chunks *old = atomic_load_explicit(&index->chunks, memory_order_relaxed);
    struct segment_chunks *bigger;
    uint64_t capacity = old != NULL ? old->capacity * 2 : CHUNKS_CAPACITY_MIN;

    capacity = capacity < need ? need : capacity;
    bigger = mem_alloc(sizeof(*bigger) + capacity * sizeof(bigger->chunk[0]));
    if (bigger == NULL) {
        return BLOCKDB_ENOMEM;
    }
    bigger->capacity = capacity;
    bigger->count = old != NULL ? old->count : 0;
    if (old != NULL) {
        memcpy(bigger->chunk, old->chunk, old->count * sizeof(old->chunk[0]));
    }
    atomic_store_explicit(&index->chunks, bigger, memory_order_release);
    if (old != NULL) {
        epoch_retire(index->epoch, &old->retired, old, mem_free);
    }
    return BLOCKDB_OK;
}

int segment_index_reserve(struct segment_index *index, uint64_t n)
{
    uint64_t need = segment_index_chunk_count(index, index->filled + n);
    struct segment_chunks *chunks = atomic_load_explicit(&index->chunks, memory_order_relaxed);

    if (chunks == NULL || chunks->capacity < need) {
        if (grow_directory(index, need) < 0) {
            return BLOCKDB_ENOMEM;
        }
        chunks = atomic_load_explicit(&index->chunks, memory_order_relaxed);
    }
    while (chunks->count < need) {
        uint8_t *chunk = mem_calloc(1, SEGMENT_UNIT);

        if (chunk == NULL) {
            return BLOCKDB_ENOMEM;
        }
        chunks->chunk[chunks->count++] = chunk;
    }
    return BLOCKDB_OK;
}

uint8_t *segment_index_append(struct segment_index *index)
{
    struct segment_chunks *chunks = atomic_load_explicit(&index->chunks, memory_order_relaxed);
    uint64_t chunk = index->filled / index->per_chunk;
    uint64_t at = index->filled % index->per_chunk;

    ASSERT(chunks != NULL && chunk < chunks->count);
    index->filled++;
    return chunks->chunk[chunk] + SEGMENT_PARTITION_HEAD_LEN + at * index->entry_len;
}

void segment_index_publish(struct segment_index *index)
{
    atomic_store_explicit(&index->count, index->filled, memory_order_release);
}

const uint8_t *segment_index_chunk(const struct segment_index *index, uint64_t i)
{
    const struct segment_chunks *chunks = atomic_load_explicit(&index->chunks,
                                                               memory_order_acquire);

    return chunks->chunk[i];
}
