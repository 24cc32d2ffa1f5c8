/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The map of newest versions of an open database: kept beside sealing, told in block headers,
 * proven on request.
 *
 * A thread of its own keeps it. While it is *behind* (after opening, or when the option was just
 * turned on) it reads the ledger. Once it has what is sealed it *follows*: the sealer hands over
 * each block before it writes it, and puts the newest finished state into the header. A sealer that
 * has no other block waiting lets the map finish first, so the last header before a pause covers
 * its own block; under load headers repeat an older state, of at most MAP_LAG_BLOCKS blocks and
 * about MAP_LAG_ENTRIES entries before.
 *
 * MAP-1  A header's map_size and map_root are a true statement about the entries below map_size,
 *        and map_size is never less than in the header before. While the map is behind, off, or
 *        broken, headers repeat the last statement.
 * MAP-2  A map that was rebuilt passes the last header's map_size with that header's map_root, or
 *        is not used.
 * MAP-3  The files hold the state at one size, all of whose entries are durable in the ledger.
 *        What they do not hold is read from the ledger again; damaged files are removed, and made
 *        anew from it.
 * MAP-4  A failure of the map never fails the database: the map stops, or starts again.
 *
 * Threads:   a thread of its own; map_seal() the sealer's; the others any thread.
 * Ownership: part of the database.
 * Format:    docs/format/map.md
 */
#pragma once

#include "base/error.h"
#include "crypto/sha256.h"
#include "ledger/block_header.h"
#include "ledger/map_proof.h"
#include "ledger/record.h"

#include <blockdb/blockdb.h>

/* How far headers may lag behind while the map follows. */
#define MAP_LAG_BLOCKS 16
#define MAP_LAG_ENTRIES 32768
/* Memory that it may take. */
#define MAP_BYTES_MAX (240ull * 1024 * 1024)

struct map;

/* What a header says of the map. */
struct map_statement {
    uint64_t size;
    struct hash root; /* zeros with size 0 */
};

/* The statement of a header. */
static inline struct map_statement map_statement_of(const struct block_header *header)
{
    return (struct map_statement){.size = header->map_size, .root = header->map_root};
}

/* Makes the map where the option asks for it, before the threads of the database start. ENOMEM. */
RESULT_MUST_BE_USED int map_open(struct blockdb *db, struct error *err);
/* Starts its thread. */
RESULT_MUST_BE_USED int map_start(struct blockdb *db, struct error *err);
/* Writes what is cheap to write to the file and ends the thread; after the sealer has ended. */
void map_stop(struct blockdb *db);
void map_close(struct blockdb *db);

/* A block on its way into the ledger; all borrowed for the call. */
struct map_block {
    const struct record *records; /* of its entries, without the header */
    const struct hash *leaves;
    size_t count;
    uint64_t first_seq;
    struct map_statement last; /* what the header before says */
    bool more_wait;            /* other blocks wait to be sealed */
};

/* Hands a block over and says what its header is to say. May be repeated for the same block. Waits
 * for the map where it lags too far behind, or nothing else is to be done (MAP-1). */
void map_seal(struct blockdb *db, const struct map_block *block, struct map_statement *out);

struct map_stats {
    uint64_t size;        /* entries that the map reflects */
    uint64_t lag_entries; /* sealed entries that it does not */
    uint64_t key_count;
    uint64_t file_bytes;
    uint64_t memory_bytes;
};
/* Zeros without a map. */
void map_get_stats(struct blockdb *db, struct map_stats *out);

/* Proves what a key is in the map as a header says it: the header of the newest signed head, say.
 * EBUSY: the map is still being built, or is past that state already: try a newer header, after
 * map_wait() or map_renew(). EUNSUPPORTED: the option proof_map is off, or the map is broken; err
 * says which. EIO, ECORRUPT, ENOMEM. */
RESULT_MUST_BE_USED int map_prove(struct blockdb *db, const struct block_header *header,
                                  uint32_t collection, struct slice key, struct map_proof *out,
                                  struct error *err);
/* Waits at most timeout_ns until the map has all that is sealed. EBUSY when it still has not, with
 * how far it is; EUNSUPPORTED as above; ECLOSED. */
RESULT_MUST_BE_USED int map_wait(struct blockdb *db, uint64_t timeout_ns, struct error *err);
/* Waits as map_wait(), and sees that the newest durable header tells a state that can be proven:
 * where it does not, seals an empty block. After that a newly signed head does. Errors also those
 * of sealer_seal_all(). */
RESULT_MUST_BE_USED int map_renew(struct blockdb *db, uint64_t timeout_ns, struct error *err);
/* From now on, until map_let_lag() was called as often, each header that is sealed tells the map of
 * its own block: the sealer waits for the map even when more blocks wait for it. So a head that is
 * signed meanwhile proves the newest version of a key, however often that is written. */
void map_keep_up(struct blockdb *db);
void map_let_lag(struct blockdb *db);
