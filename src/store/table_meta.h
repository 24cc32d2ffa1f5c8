/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known about a table without opening it, and how tables are stacked by age: the manifest
 * records it, merges are chosen by it.
 *
 * LEVEL-1  For one key, every seq in a lower level is above every seq in a higher level.
 * LEVEL-2  Tables of level 0 cover disjoint ranges of seqs and may overlap in keys; newest first.
 * LEVEL-3  Tables of one higher level never overlap in keys; they are in key order, and together
 *          are one run.
 *
 * Threads:   immutable.
 * Ownership: keys are borrowed; the holder says from whom.
 */
#pragma once

#include "base/bytes.h"

#include <stdbool.h>
#include <stdint.h>

#define TABLE_LEVELS 7

struct table_meta {
    uint64_t number; /* names the file */
    uint32_t level;  /* below TABLE_LEVELS */
    uint64_t bytes;
    uint64_t key_count;
    uint64_t version_count; /* at least key_count */
    uint64_t first_seq;     /* lowest and highest seq of any version inside */
    uint64_t last_seq;
    struct slice first_key; /* not above last_key */
    struct slice last_key;
};

/* Whether the key range of a touches the range first..last, both inclusive. */
static inline bool table_meta_overlaps(const struct table_meta *a, struct slice first,
                                       struct slice last)
{
    return slice_compare(a->first_key, last) <= 0 && slice_compare(first, a->last_key) <= 0;
}
