/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the tiles and bundles of one tree size from a source, and checks their form.
 *
 * Keeps the tile that it read last of each level, which is what walking a log from front to back
 * and building proofs need. A partial tile that is gone is taken from the full one.
 *
 * READ-1  A tile that is handed out has exactly the hashes that it has in the tree of that size.
 *
 * Threads:   one thread.
 * Ownership: borrows the source; what it hands out is borrowed until the next call that reads of
 *            the same level, bundles being a level of their own.
 */
#pragma once

#include "audit/audit_source.h"
#include "ledger/proof.h"

#define AUDIT_LEVELS 8

struct audit_reader {
    struct audit_source *source;
    void *connection;
    uint64_t size; /* of the tree */
    struct buf bytes;
    struct buf bundle;
    uint64_t bytes_read;
    struct audit_tile *tiles[AUDIT_LEVELS]; /* the last of each level; NULL: none */
};

struct audit_tile {
    struct tile tile; /* as it was read: full when the partial one is gone */
    unsigned width;   /* hashes of it that the tree has */
    struct hash hashes[TILE_WIDTH];
};

/* Opens a connection of the source. */
RESULT_MUST_BE_USED int audit_reader_open(struct audit_reader *r, struct audit_source *source,
                                          uint64_t size, struct error *err);
/* A zeroed reader is fine. */
void audit_reader_close(struct audit_reader *r);

/* The tile that has hash `index` * TILE_WIDTH of a level. ETAMPERED: it is missing or has another
 * length than the size asks for; the message names it. */
RESULT_MUST_BE_USED int audit_reader_tile(struct audit_reader *r, unsigned level, uint64_t index,
                                          const struct audit_tile **out, struct error *err);

/* A bundle as it was read. */
struct audit_bundle {
    struct tile tile;
    unsigned width; /* entries of it that the tree has; more follow when it is_longer */
    bool is_longer;
    uint8_t *data; /* may be written to until the next bundle is read */
    size_t len;
};
/* The bundle of the entries from index * TILE_WIDTH on. ETAMPERED: it is missing. */
RESULT_MUST_BE_USED int audit_reader_bundle(struct audit_reader *r, uint64_t index,
                                            struct audit_bundle *out, struct error *err);

/* The hashes of the tree for ledger/proof.h. */
struct hash_source audit_reader_hashes(struct audit_reader *r);
/* The frontier of the tree of `size` leaves, at most the reader's size, from tiles. */
struct frontier;
RESULT_MUST_BE_USED int audit_reader_frontier(struct audit_reader *r, uint64_t size,
                                              struct frontier *out, struct error *err);
