/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One block on its way into the ledger: hashed, then written step by step.
 *
 * Each step either happens or leaves everything as it was, and the job remembers how far it came,
 * so that after a full disk it goes on where it stopped. The job's memory is reused from block to
 * block.
 *
 * JOB-1  Nothing is written before the whole block is hashed.
 * JOB-2  A segment is in the manifest before it receives a block (SEG-6).
 *
 * Threads:   the sealer's.
 * Ownership: borrows the records of the block until it is done.
 */
#pragma once

#include "engine/seal_queue.h"
#include "engine/tip.h"
#include "ledger/leaf.h"
#include "store/segment.h"

#include <blockdb/blockdb.h>

enum seal_step {
    SEAL_STEP_ROTATE,   /* begin a new segment where the old one is full */
    SEAL_STEP_MANIFEST, /* name it */
    SEAL_STEP_APPEND,   /* the block */
    SEAL_STEP_LEAVES,   /* hashes of level 0 */
    SEAL_STEP_TILES,    /* and above */
    SEAL_STEP_DONE,
};

struct seal_job {
    enum seal_step step;
    size_t tile_level;    /* the next to write in SEAL_STEP_TILES */
    size_t cap;           /* of the arrays below, in entries with the header */
    uint64_t noted_bytes; /* of the arrays, in the account */
    size_t count;         /* entries of this block with its header */
    uint64_t bytes;       /* of its records */
    uint64_t time_min_ms;
    struct seal_entry *entries;
    struct record *records;
    struct slice *slices;
    struct hash *commitments;
    struct hash *leaves;
    struct tile_hash *tiles;
    size_t tile_count;
    size_t tile_cap;
    struct block_header header;
    uint8_t header_record[BLOCK_HEADER_RECORD_LEN];
    struct tip tip; /* behind this block */
    struct segment_info finished;
    struct segment_info opened;
};

struct seal_job *seal_job_new(void);
void seal_job_free(struct seal_job *job);

/* Takes the count entries at the front of the seal queue, hashes them, hands them to the map and
 * makes the header that follows tip. ENOMEM. ECORRUPT when a record cannot be parsed. */
RESULT_MUST_BE_USED int seal_job_begin(struct seal_job *job, struct blockdb *db, size_t count,
                                       const struct tip *tip, struct error *err);
/* Takes the steps that are left. ENOSPC and ENOMEM: call again later. */
RESULT_MUST_BE_USED int seal_job_write(struct seal_job *job, struct blockdb *db, struct error *err);
