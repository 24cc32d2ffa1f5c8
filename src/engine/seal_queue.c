/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/seal_queue.h"

#include "base/assert.h"
#include "base/mem.h"

/* Chunks kept for reuse beyond what is reserved: 16 hold 16 k entries in under 1 MiB. */
#define SPARE_CHUNKS_MAX 16

void seal_queue_init(struct seal_queue *q, uint64_t first_seq)
{
    *q = (struct seal_queue){.first_seq = first_seq, .end_seq = first_seq, .head_seq = first_seq};
    mutex_init(&q->mu, LOCK_RANK_SEAL);
    cond_init(&q->block_ready);
    cond_init(&q->popped);
}

/* Chunks came from the system, or went back to it. */
static void note_chunks(struct seal_queue *q, int count)
{
    if (q->account != NULL) {
        atomic_fetch_add_explicit(q->account,
                                  (uint64_t)(count * (int64_t)sizeof(struct seal_chunk)),
                                  memory_order_relaxed);
    }
}

static void chunks_free(struct seal_chunk *chunk)
{
    while (chunk != NULL) {
        struct seal_chunk *next = chunk->next;

        mem_free(chunk);
        chunk = next;
    }
}

void seal_queue_deinit(struct seal_queue *q)
{
    chunks_free(q->head);
    chunks_free(q->spare);
    cond_deinit(&q->popped);
    cond_deinit(&q->block_ready);
    mutex_deinit(&q->mu);
}

int seal_queue_reserve(struct seal_queue *q, size_t count)
{
    int rc = BLOCKDB_OK;

    mutex_lock(&q->mu);
    while (q->spare_entries < count) {
        struct seal_chunk *chunk = mem_alloc(sizeof(*chunk));

        if (chunk == NULL) {
            rc = BLOCKDB_ENOMEM;
            break;
        }
        chunk->next = q->spare;
        q->spare = chunk;
        q->spare_entries += SEAL_CHUNK_ENTRIES;
        note_chunks(q, 1);
    }
    mutex_unlock(&q->mu);
    return rc;
}

/* The place of the next entry; moves a spare chunk to the tail where needed. */
static struct seal_entry *next_place_locked(struct seal_queue *q) REQUIRES(q->mu)
{
    uint64_t index = (q->end_seq - q->head_seq) % SEAL_CHUNK_ENTRIES;
    struct seal_chunk *chunk = q->tail;

    if (chunk == NULL || index == 0) {
        chunk = q->spare;
        ASSERT(chunk != NULL);
        q->spare = chunk->next;
        chunk->next = NULL;
        if (q->tail == NULL) {
            q->head = chunk;
            q->head_seq = q->end_seq;
            index = 0;
        } else {
            q->tail->next = chunk;
        }
        q->tail = chunk;
    }
    q->spare_entries--;
    return &chunk->entries[index];
}

void seal_queue_push(struct seal_queue *q, const struct seal_entry *entries, size_t count)
{
    bool has_header = false;
    size_t i;

    mutex_lock(&q->mu);
    ASSERT(q->spare_entries >= count);
    for (i = 0; i < count; i++) {
        *next_place_locked(q) = entries[i];
        q->end_seq++;
        q->bytes += entries[i].record_len;
        if (entries[i].is_header) {
            q->header_count++;
            has_header = true;
        }
    }
    if (has_header) {
        cond_signal(&q->block_ready);
    }
    mutex_unlock(&q->mu);
}

/* Walks from the front: chunk and index of entry first_seq. */
static struct seal_chunk *front_locked(const struct seal_queue *q, size_t *out_index)
    REQUIRES(q->mu)
{
    *out_index = (size_t)(q->first_seq - q->head_seq);
    return q->head;
}

static uint64_t block_len_locked(const struct seal_queue *q) REQUIRES(q->mu)
{
    size_t index;
    struct seal_chunk *chunk = front_locked(q, &index);
    uint64_t len = 0;

    for (;;) {
        if (index == SEAL_CHUNK_ENTRIES) {
            chunk = chunk->next;
            index = 0;
        }
        ASSERT(chunk != NULL);
        len++;
        if (chunk->entries[index].is_header) {
            return len;
        }
        index++;
    }
}

uint64_t seal_queue_wait_block(struct seal_queue *q, uint64_t timeout_ns)
{
    uint64_t len = 0;

    mutex_lock(&q->mu);
    while (q->header_count == 0 && !q->stopped && !q->poked) {
        if (!cond_wait_for(&q->block_ready, &q->mu, timeout_ns)) {
            break;
        }
    }
    q->poked = false;
    if (q->header_count > 0) {
        len = block_len_locked(q);
    }
    mutex_unlock(&q->mu);
    return len;
}

uint64_t seal_queue_blocks(struct seal_queue *q)
{
    uint64_t count;

    mutex_lock(&q->mu);
    count = q->header_count;
    mutex_unlock(&q->mu);
    return count;
}

void seal_queue_peek(struct seal_queue *q, struct seal_entry *out, size_t count)
{
    struct seal_chunk *chunk;
    size_t index;
    size_t i;

    mutex_lock(&q->mu);
    ASSERT(count <= q->end_seq - q->first_seq);
    chunk = front_locked(q, &index);
    for (i = 0; i < count; i++) {
        if (index == SEAL_CHUNK_ENTRIES) {
            chunk = chunk->next;
            index = 0;
        }
        out[i] = chunk->entries[index++];
    }
    mutex_unlock(&q->mu);
}

/* Moves the first chunk to the spare ones, or frees it when there are enough. */
static void recycle_head_locked(struct seal_queue *q) REQUIRES(q->mu)
{
    struct seal_chunk *chunk = q->head;

    q->head = chunk->next;
    if (q->head == NULL) {
        /* The room left in the tail goes with it. */
        q->spare_entries -= (size_t)(SEAL_CHUNK_ENTRIES - (q->end_seq - q->head_seq));
        q->tail = NULL;
        q->head_seq = q->end_seq;
    } else {
        q->head_seq += SEAL_CHUNK_ENTRIES;
    }
    if (q->spare_entries < SPARE_CHUNKS_MAX * SEAL_CHUNK_ENTRIES) {
        chunk->next = q->spare;
        q->spare = chunk;
        q->spare_entries += SEAL_CHUNK_ENTRIES;
    } else {
        mem_free(chunk);
        note_chunks(q, -1);
    }
}

void seal_queue_pop(struct seal_queue *q, size_t count)
{
    struct seal_chunk *chunk;
    size_t index;
    size_t i;

    mutex_lock(&q->mu);
    ASSERT(count <= q->end_seq - q->first_seq);
    chunk = front_locked(q, &index);
    for (i = 0; i < count; i++) {
        q->bytes -= chunk->entries[index].record_len;
        q->header_count -= chunk->entries[index].is_header;
        q->first_seq++;
        index++;
        if (index == SEAL_CHUNK_ENTRIES) {
            recycle_head_locked(q);
            chunk = q->head;
            index = 0;
        }
    }
    cond_broadcast(&q->popped);
    mutex_unlock(&q->mu);
}

void seal_queue_stop(struct seal_queue *q)
{
    mutex_lock(&q->mu);
    q->stopped = true;
    cond_broadcast(&q->block_ready);
    cond_broadcast(&q->popped);
    mutex_unlock(&q->mu);
}

void seal_queue_poke(struct seal_queue *q)
{
    mutex_lock(&q->mu);
    q->poked = true;
    cond_signal(&q->block_ready);
    mutex_unlock(&q->mu);
}

bool seal_queue_wait_room(struct seal_queue *q, uint64_t max_bytes, uint64_t timeout_ns)
{
    bool has_room;

    mutex_lock(&q->mu);
    if (q->bytes > max_bytes && q->header_count > 0 && !q->stopped) {
        (void)cond_wait_for(&q->popped, &q->mu, timeout_ns); /* judged below, however it ended */
    }
    has_room = q->bytes <= max_bytes || q->header_count == 0 || q->stopped;
    mutex_unlock(&q->mu);
    return has_room;
}

int seal_queue_copy(struct seal_queue *q, uint64_t seq, struct buf *out)
{
    int rc = BLOCKDB_ENOTFOUND;

    mutex_lock(&q->mu);
    if (seq >= q->first_seq && seq < q->end_seq) {
        uint64_t index = seq - q->head_seq;
        struct seal_chunk *chunk = q->head;

        for (; index >= SEAL_CHUNK_ENTRIES; index -= SEAL_CHUNK_ENTRIES) {
            chunk = chunk->next;
        }
        rc = buf_append(out, chunk->entries[index].record, chunk->entries[index].record_len);
    }
    mutex_unlock(&q->mu);
    return rc;
}

uint64_t seal_queue_bytes(struct seal_queue *q)
{
    uint64_t bytes;

    mutex_lock(&q->mu);
    bytes = q->bytes;
    mutex_unlock(&q->mu);
    return bytes;
}
