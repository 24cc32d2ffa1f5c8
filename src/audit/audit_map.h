/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The map of newest versions, replayed in memory from the entries of a log.
 *
 * A compressed binary trie over the hashes of keys. Nodes that changes touched are marked, and the
 * root is computed from the marked ones only, a whole level of nodes at a time.
 *
 * MAP-A  Memory is about AUDIT_MAP_BYTES_PER_KEY for each key that was ever written, deleted keys
 *        included, in chunks that are never moved.
 *
 * Threads:   one thread.
 * Ownership: copies what it is given.
 * Format:    docs/format/map.md
 */
#pragma once

#include "base/error.h"
#include "crypto/sha256.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AUDIT_MAP_BYTES_PER_KEY 170

/* What one entry does to the map. */
struct map_change {
    struct hash key;  /* of the key that is touched */
    struct hash leaf; /* leaf hash: of the entry; of the target, for a redaction */
    uint64_t seq;     /* of the entry */
    uint64_t target;  /* the entry whose value is erased, for a redaction */
    uint8_t kind;     /* put, delete or redact */
};

/* What a header says: the map that reflects the first `size` entries has this root. */
struct map_claim {
    uint64_t header_seq;
    uint64_t size;
    struct hash root;
};

struct audit_map;

/* ENOMEM. */
RESULT_MUST_BE_USED int audit_map_new(struct audit_map **out);
void audit_map_free(struct audit_map *m);

/* Applies changes in the order of their seqs. ENOMEM; ELIMIT: more keys than there are numbers for.
 * After a failure the map is good for nothing but being freed. */
RESULT_MUST_BE_USED int audit_map_apply(struct audit_map *m, const struct map_change *changes,
                                        size_t count);
/* The root over all that was applied. ENOMEM. */
RESULT_MUST_BE_USED int audit_map_root(struct audit_map *m, struct hash *out);
uint64_t audit_map_key_count(const struct audit_map *m);
/* Bytes that were given to SHA-256 so far. */
uint64_t audit_map_bytes_hashed(const struct audit_map *m);
