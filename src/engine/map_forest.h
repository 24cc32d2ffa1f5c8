/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The roots of many small tries at once: nodes of all of them that wait for nothing more are hashed
 * together, because the hash of one alone leaves the processor idle.
 *
 * Threads:   caller locks.
 * Ownership: owns its scratch memory; borrows the leaves until map_forest_finish().
 */
#pragma once

#include "base/error.h"
#include "engine/map_record.h"

#include <stddef.h>
#include <stdint.h>

struct map_forest {
    size_t cap;   /* nodes that fit */
    size_t count; /* nodes to hash */
    struct map_node_job *jobs;
    struct map_node_job *ordered;
    uint16_t *heights; /* of each node above the leaves */
    struct hash *hashes;
    size_t root_cap;
    size_t root_count;
    const struct hash **roots; /* one a trie, in the order they were added; NULL: empty */
};

/* A zeroed forest is valid and empty. */
void map_forest_deinit(struct map_forest *f);
/* Forgets all tries and makes room for some with so many leaves together. ENOMEM. */
RESULT_MUST_BE_USED int map_forest_begin(struct map_forest *f, size_t tries, size_t leaves);
/* Adds the trie over n leaves in the order of their places, all different. */
void map_forest_add(struct map_forest *f, const struct map_record *const *leaves, size_t n);
/* Hashes all nodes; then roots are valid until the next begin. */
void map_forest_finish(struct map_forest *f);
