/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leaves of the map that were changed and are not in its file yet.
 *
 * Slots come from chunks and never move; each bucket of the tree has a list of its slots in the
 * order of places.
 *
 * Threads:   caller locks.
 * Ownership: owns its slots.
 */
#pragma once

#include "base/error.h"
#include "engine/map_record.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes that a changed leaf takes. */
#define MAP_DELTA_LEAF_BYTES sizeof(struct map_slot)

struct map_slot {
    struct map_record record;
    uint32_t next; /* 1 + number of the slot; 0: the last of its list */
};

struct map_delta {
    unsigned bits;
    uint32_t count;
    uint32_t *heads; /* one a bucket, like next */
    struct map_slot **chunks;
    size_t chunk_count;
};

/* An empty delta of 2^bits buckets. ENOMEM. */
RESULT_MUST_BE_USED int map_delta_init(struct map_delta *d, unsigned bits);
/* Frees everything; zeroed deltas are valid. */
void map_delta_deinit(struct map_delta *d);

/* The slot behind a reference that is not 0. */
struct map_slot *map_delta_slot(const struct map_delta *d, uint32_t ref);
/* The first slot of a bucket, or NULL; and the one behind a slot. */
struct map_slot *map_delta_first(const struct map_delta *d, uint32_t bucket);
struct map_slot *map_delta_next(const struct map_delta *d, const struct map_slot *slot);

/* For a row of buckets whose waits for memory are to overlap: first for all of them without, then
 * with the slot. A hint only. */
void map_delta_prefetch(const struct map_delta *d, uint32_t bucket, bool slot);

/* The record of a place, borrowed, or NULL. */
const struct map_record *map_delta_find(const struct map_delta *d, const struct hash *place);
/* Adds or replaces the record of its place. ENOMEM changes nothing. */
RESULT_MUST_BE_USED int map_delta_put(struct map_delta *d, const struct map_record *record);
/* Doubles the number of buckets. ENOMEM changes nothing. */
RESULT_MUST_BE_USED int map_delta_grow(struct map_delta *d);

size_t map_delta_bytes(const struct map_delta *d);
