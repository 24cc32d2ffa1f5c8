/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From entries of the log to updates of the map.
 *
 * Threads:   any thread; a list belongs to one.
 * Ownership: a list owns its memory.
 */
#pragma once

#include "base/error.h"
#include "crypto/sha256.h"
#include "engine/map_tree.h"
#include "ledger/record.h"

#include <blockdb/blockdb.h>

struct map_updates {
    struct map_update *items;
    size_t count;
    size_t cap;
};

/* A run of entries; borrowed. */
struct map_entries {
    const struct record *records;
    const struct hash *leaves; /* their leaf hashes; those of system kinds need not be there */
    size_t count;
    uint64_t first_seq;
};

void map_updates_deinit(struct map_updates *u);
/* Makes room for so many more. ENOMEM changes nothing. */
RESULT_MUST_BE_USED int map_updates_reserve(struct map_updates *u, size_t more);
/* Appends what the entries do to the map. The target of a redaction before them is read from the
 * ledger. ENOMEM; errors of reading. */
RESULT_MUST_BE_USED int map_updates_add(struct blockdb *db, struct map_updates *u,
                                        const struct map_entries *entries, struct error *err);
