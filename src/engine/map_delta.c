/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/map_delta.h"

#include "base/assert.h"
#include "base/mem.h"

#define CHUNK_SLOTS 4096

int map_delta_init(struct map_delta *d, unsigned bits)
{
    *d = (struct map_delta){.bits = bits};
    d->heads = mem_calloc((size_t)1 << bits, sizeof(*d->heads));
    return d->heads != NULL ? BLOCKDB_OK : BLOCKDB_ENOMEM;
}

void map_delta_deinit(struct map_delta *d)
{
    size_t i;

    for (i = 0; i < d->chunk_count; i++) {
        mem_free(d->chunks[i]);
    }
    mem_free(d->chunks);
    mem_free(d->heads);
    *d = (struct map_delta){0};
}

struct map_slot *map_delta_slot(const struct map_delta *d, uint32_t ref)
{
    DASSERT(ref > 0 && ref <= d->count);
    return &d->chunks[(ref - 1) / CHUNK_SLOTS][(ref - 1) % CHUNK_SLOTS];
}

struct map_slot *map_delta_first(const struct map_delta *d, uint32_t bucket)
{
    uint32_t ref = d->heads != NULL ? d->heads[bucket] : 0;

    return ref != 0 ? map_delta_slot(d, ref) : NULL;
}

struct map_slot *map_delta_next(const struct map_delta *d, const struct map_slot *slot)
{
    return slot->next != 0 ? map_delta_slot(d, slot->next) : NULL;
}

static int compare(const struct map_slot *slot, const struct hash *place)
{
    return map_record_compare(&slot->record, place);
}

void map_delta_prefetch(const struct map_delta *d, uint32_t bucket, bool slot)
{
    if (d->heads == NULL) {
        return;
    }
    if (!slot) {
        __builtin_prefetch(&d->heads[bucket]);
    } else if (d->heads[bucket] != 0) {
        const struct map_slot *first = map_delta_slot(d, d->heads[bucket]);

        __builtin_prefetch(first);
        __builtin_prefetch(&first->next);
    }
}

/* The link that leads to the first slot of the bucket that is not before place. */
static uint32_t *find_link(const struct map_delta *d, const struct hash *place)
{
    uint32_t *link = &d->heads[map_prefix(place, d->bits)];

    while (*link != 0) {
        struct map_slot *slot = map_delta_slot(d, *link);

        if (compare(slot, place) >= 0) {
            break;
        }
        link = &slot->next;
    }
    return link;
}

const struct map_record *map_delta_find(const struct map_delta *d, const struct hash *place)
{
    uint32_t ref = d->heads != NULL ? *find_link(d, place) : 0;
    struct map_slot *slot;

    if (ref == 0) {
        return NULL;
    }
    slot = map_delta_slot(d, ref);
    return compare(slot, place) == 0 ? &slot->record : NULL;
}

static int add_chunk(struct map_delta *d)
{
    struct map_slot **chunks = mem_realloc(d->chunks,
                                           (d->chunk_count + 1) * sizeof(struct map_slot *));
    struct map_slot *chunk;

    if (chunks == NULL) {
        return BLOCKDB_ENOMEM;
    }
    d->chunks = chunks;
    chunk = mem_alloc(CHUNK_SLOTS * sizeof(*chunk));
    if (chunk == NULL) {
        return BLOCKDB_ENOMEM;
    }
    d->chunks[d->chunk_count++] = chunk;
    return BLOCKDB_OK;
}

int map_delta_put(struct map_delta *d, const struct map_record *record)
{
    const struct hash *place = map_record_place(record);
    uint32_t *link = find_link(d, place);
    struct map_slot *slot;

    if (*link != 0) {
        slot = map_delta_slot(d, *link);
        if (compare(slot, place) == 0) {
            slot->record = *record;
            return BLOCKDB_OK;
        }
    }
    if (d->count == d->chunk_count * CHUNK_SLOTS && add_chunk(d) < 0) {
        return BLOCKDB_ENOMEM;
    }
    d->count++;
    slot = map_delta_slot(d, d->count);
    slot->record = *record;
    slot->next = *link;
    *link = d->count;
    return BLOCKDB_OK;
}

int map_delta_grow(struct map_delta *d)
{
    size_t count = (size_t)1 << d->bits;
    uint32_t *heads = mem_calloc(2 * count, sizeof(*heads));
    size_t i;

    if (heads == NULL) {
        return BLOCKDB_ENOMEM;
    }
    for (i = 0; i < count; i++) {
        uint32_t ref = d->heads[i];
        uint32_t *tails[2] = {&heads[2 * i], &heads[2 * i + 1]};

        while (ref != 0) {
            struct map_slot *slot = map_delta_slot(d, ref);
            unsigned side = map_bit(map_record_place(&slot->record), d->bits);
            uint32_t next = slot->next;

            *tails[side] = ref;
            slot->next = 0;
            tails[side] = &slot->next;
            ref = next;
        }
    }
    mem_free(d->heads);
    d->heads = heads;
    d->bits++;
    return BLOCKDB_OK;
}

size_t map_delta_bytes(const struct map_delta *d)
{
    size_t heads = d->heads != NULL ? ((size_t)1 << d->bits) * sizeof(*d->heads) : 0;

    return heads + d->chunk_count * CHUNK_SLOTS * sizeof(struct map_slot);
}
