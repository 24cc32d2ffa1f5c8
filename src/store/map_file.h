/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Map file: the leaves of the map of newest versions at one size of the log, in buckets.
 *
 * Leaves are records of MAP_FILE_LEAF_LEN bytes that begin with their place; what else they mean is
 * the caller's business. Places are hashes, so the highest bits of a place make buckets of about
 * the same size, and where a bucket lies follows from the counts of those before it.
 *
 * MAPF-1  A file is written once, from front to back, under a temporary name, and takes its name
 *         only when it is complete and synced. So a power cut leaves the old file or the new one.
 * MAPF-2  Every byte is covered by a checksum, seeded with a random number of the file: no part of
 *         an earlier file passes for one of this.
 *
 * Threads:   a reader: any thread, immutable. A writer: one thread.
 * Ownership: readers and writers borrow the os.
 * Format:    docs/format/map.md, "File"
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "os/os.h"

#include <stdint.h>

#define MAP_FILE_NAME "leaves.map"
#define MAP_FILE_TEMPORARY_NAME "leaves.map.tmp"
#define MAP_FILE_BITS_MAX 24
#define MAP_FILE_LEDGER_ID_LEN 16
#define MAP_FILE_HASH_LEN 32

/* A leaf: place, leaf hash, chain, seq, versions and flags. */
#define MAP_FILE_LEAF_HASH 32
#define MAP_FILE_LEAF_CHAIN 64
#define MAP_FILE_LEAF_SEQ 96
#define MAP_FILE_LEAF_VERSIONS 104
#define MAP_FILE_LEAF_LEN 112

struct map_file;
struct map_file_writer;

/* What a map file says of itself. */
struct map_file_info {
    unsigned bits;     /* there are 2^bits buckets */
    uint64_t map_size; /* entries that the leaves reflect */
    uint64_t leaf_count;
    uint64_t len_bytes;
    uint8_t root[MAP_FILE_HASH_LEN];
    uint8_t anchor[MAP_FILE_HASH_LEN]; /* what tells this history from others; the caller's */
};

/* Opens <dir>/leaves.map and checks all of it but the buckets. *out_roots receives the roots of the
 * 2^bits buckets, MAP_FILE_HASH_LEN bytes each, zeros for an empty one; the caller frees them.
 * ENOTFOUND: there is none. ECORRUPT with path and offset, EVERSION, EFOREIGN: not usable. */
RESULT_MUST_BE_USED int map_file_open(struct os *os, const char *dir, const uint8_t *ledger_id,
                                      struct map_file **out, uint8_t **out_roots,
                                      struct error *err);
/* NULL does nothing. */
void map_file_close(struct map_file *file);
const struct map_file_info *map_file_info(const struct map_file *file);
/* How many leaves a bucket has. */
uint32_t map_file_count(const struct map_file *file, uint32_t bucket);
/* Appends the leaves of a bucket to out. ECORRUPT with path and offset when its checksum is wrong;
 * EIO, ENOMEM. */
RESULT_MUST_BE_USED int map_file_read(const struct map_file *file, uint32_t bucket, struct buf *out,
                                      struct error *err);

/* Begins <dir>/leaves.map.tmp; the directory must exist. What has that name is overwritten. */
RESULT_MUST_BE_USED int map_file_writer_new(struct os *os, const char *dir,
                                            const uint8_t *ledger_id, unsigned bits,
                                            struct map_file_writer **out, struct error *err);
/* Frees the writer; an unfinished file is removed. NULL does nothing. */
void map_file_writer_free(struct map_file_writer *w);
/* Appends the next bucket. root has MAP_FILE_HASH_LEN bytes. After a failure the writer is good for
 * nothing but being freed. */
RESULT_MUST_BE_USED int map_file_writer_add(struct map_file_writer *w, struct slice leaves,
                                            const uint8_t *root, struct error *err);
/* After the last bucket: writes what is left, and syncs (MAPF-1). Of info, map_size, root and
 * anchor count. */
RESULT_MUST_BE_USED int map_file_writer_finish(struct map_file_writer *w,
                                               const struct map_file_info *info, struct error *err);
/* Gives the finished file its name, in place of the one before. */
RESULT_MUST_BE_USED int map_file_writer_publish(struct map_file_writer *w, struct error *err);

/* Removes both names where they are there. */
RESULT_MUST_BE_USED int map_file_remove(struct os *os, const char *dir, struct error *err);
