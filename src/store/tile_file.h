/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tile files: one append-only sequence of 32-byte hashes per level.
 *
 * Level 0 holds leaf hashes, level L + 1 the roots of full 256-hash tiles of level L; what the
 * hashes mean is the caller's business. A level is a row of files `<dir>/<L>/000000.tiles`, each a
 * header page and room for TILE_FILE_HASHES hashes, so that hash i, and each C2SP tile of 256
 * hashes (8 KiB), is a contiguous slice at a computable offset.
 *
 * TILE-1  Hashes [0, count) of a level never change, but by tile_files_truncate().
 * TILE-2  A hash is readable once its append returned, durable once a later sync returned.
 * TILE-3  How many hashes count is not written in the files: the caller knows it from the blocks.
 *         What the files hold beyond is ignored and overwritten.
 * TILE-4  A failed append leaves the counts as they were. A failed sync, and a failed write other
 *         than for lack of space, makes the tiles read-only for good (sticky).
 * TILE-5  Hashes carry no checksums: they are recomputed or proven against signed roots by those
 *         who use them. Headers do.
 *
 * Threads:   append, truncate, sync: one thread at a time (the sealer), truncate without readers.
 *            Reads and counts: any thread, also beside the appender.
 * Ownership: borrows os, cache and epoch until tile_files_close(); copies the directory name.
 * Format:    docs/format/tiles.md
 */
#pragma once

#include "base/error.h"
#include "os/os.h"

#include <stdbool.h>
#include <stdint.h>

#define TILE_HASH_LEN 32
#define TILE_HASHES 256 /* in one full tile */
#define TILE_BYTES (TILE_HASH_LEN * TILE_HASHES)
#define TILE_LEVELS 8 /* 256^8 covers every seq */
#define TILE_FILE_HASHES_DEFAULT (1u << 20)
#define TILE_LEDGER_ID_LEN 16

struct cache;
struct epoch;
struct tile_files;

struct tile_files_options {
    struct os *os;
    const char *dir; /* must exist; "<ledger>/tile" */
    uint8_t ledger_id[TILE_LEDGER_ID_LEN];
    struct epoch *epoch; /* of the cache */
    struct cache *cache; /* keeps full tiles; NULL: none */
    bool read_only;
    uint32_t file_hashes; /* capacity of a file, a multiple of TILE_HASHES; 0: the default. Files
                             that exist must have been made with the same */
    uint64_t counts[TILE_LEVELS]; /* how many hashes of each level are known to be there */
};

/* Opens all levels. ECORRUPT: a file is missing, too short for its count, or has a damaged header,
 * with path and offset. EFOREIGN: another ledger's file. EVERSION, EINVAL. */
RESULT_MUST_BE_USED int tile_files_open(const struct tile_files_options *options,
                                        struct tile_files **out_tiles, struct error *err);
/* Frees everything and syncs nothing; NULL does nothing. */
void tile_files_close(struct tile_files *tiles);

/* Appends n hashes of TILE_HASH_LEN bytes each to a level; creates its files as needed.
 * ENOSPC, ENOMEM: nothing was appended, and the call may be repeated. Else TILE-4. */
RESULT_MUST_BE_USED int tile_files_append(struct tile_files *tiles, unsigned level,
                                          const uint8_t *hashes, uint64_t n, struct error *err);
/* Forgets the hashes from n on; for recovery, while nobody reads. More than count: EINVAL. */
RESULT_MUST_BE_USED int tile_files_truncate(struct tile_files *tiles, unsigned level, uint64_t n,
                                            struct error *err);
/* Makes all appended hashes durable; syncs only the files written since the last sync. */
RESULT_MUST_BE_USED int tile_files_sync(struct tile_files *tiles, struct error *err);

/* How many hashes a level has. */
uint64_t tile_files_count(const struct tile_files *tiles, unsigned level);
/* Copies hashes [index, index + n) of a level to out (n * TILE_HASH_LEN bytes). The newest tile of
 * each level is in memory, full tiles come through the cache. ENOTFOUND (no message): not all of
 * them exist. ECORRUPT, EIO. */
RESULT_MUST_BE_USED int tile_files_read(struct tile_files *tiles, unsigned level, uint64_t index,
                                        uint64_t n, uint8_t *out, struct error *err);
/* Reads the whole range from disk in large pieces, past the cache: for sequential use. */
RESULT_MUST_BE_USED int tile_files_read_range(struct tile_files *tiles, unsigned level,
                                              uint64_t index, uint64_t n, uint8_t *out,
                                              struct error *err);

struct tile_files_stats {
    uint64_t files;
    uint64_t appended_hashes; /* since the open, as below */
    uint64_t tile_reads;      /* cache misses */
};
void tile_files_get_stats(const struct tile_files *tiles, struct tile_files_stats *out);
