/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Filter: a Bloom filter in lines of 64 bytes, so that a question costs one cache miss.
 *
 * The high half of a key's hash chooses the line, the low half the bits in it.
 *
 * Threads:   immutable once built; a builder belongs to one thread.
 * Format:    docs/format/table.md, "Filter"
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FILTER_LINE_BYTES 64
#define FILTER_BITS_PER_KEY_MAX 32
#define FILTER_PROBES_MAX 16
#define FILTER_PROBE_FACTOR 0x9E3779B9U
#define FILTER_BIT_SHIFT 23 /* leaves 9 bits: one of 512 */

/* The line of a hash among `lines`. */
static inline uint64_t filter_line(uint64_t hash, uint64_t lines)
{
    return (uint64_t)(((unsigned __int128)(hash >> 32) * lines) >> 32);
}

/* Whether all bits of hash are set in its line. */
static inline bool filter_line_has(const uint8_t *line, uint64_t hash, unsigned probes)
{
    uint32_t x = (uint32_t)hash;
    unsigned missing = 0;
    unsigned i;

    for (i = 0; i < probes; i++) {
        x *= FILTER_PROBE_FACTOR;
        missing |= ~(unsigned)line[x >> (FILTER_BIT_SHIFT + 3)] >> (x >> FILTER_BIT_SHIFT & 7);
    }
    return (missing & 1) == 0;
}

/* A filter on its way: sized for a number of keys that is known to be enough, and folded in the end
 * if far fewer came. */
struct filter {
    uint8_t *lines;
    uint64_t line_count;
    unsigned bits_per_key;
    unsigned probes;
    uint64_t key_count;
};

/* Makes room for keys_max keys. bits_per_key 0 makes a filter without lines. ENOMEM. */
RESULT_MUST_BE_USED int filter_init(struct filter *f, uint64_t keys_max, unsigned bits_per_key);
void filter_deinit(struct filter *f);
void filter_add(struct filter *f, uint64_t hash);
/* Halves the filter while that leaves it the bits per key asked for. */
void filter_finish(struct filter *f);
