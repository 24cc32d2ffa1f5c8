/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What commands of one operation have written so far, for those that run after them.
 *
 * Threads:   caller locks.
 * Ownership: lives in an arena; borrows keys and values, which live as long.
 */
#pragma once

#include "base/arena.h"
#include "base/bytes.h"

#include <stdbool.h>

struct resp_overlay_entry {
    struct resp_overlay_entry *next;
    uint64_t hash;
    struct slice key;
    struct slice value;
    bool is_deleted;
};

/* A zeroed overlay is empty. */
struct resp_overlay {
    struct resp_overlay_entry **buckets;
    size_t bucket_count; /* a power of two, or 0 */
    size_t count;
};

/* Sets what key is now; value is ignored when it is deleted. ENOMEM leaves it as it was. */
RESULT_MUST_BE_USED int resp_overlay_set(struct resp_overlay *o, struct arena *arena,
                                         struct slice key, struct slice value, bool is_deleted);
/* NULL: nobody wrote key. */
const struct resp_overlay_entry *resp_overlay_find(const struct resp_overlay *o, struct slice key);
