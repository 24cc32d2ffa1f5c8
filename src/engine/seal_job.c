/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/seal_job.h"

#include "base/assert.h"
#include "base/mem.h"
#include "engine/db.h"
#include "engine/map.h"
#include "engine/segment_edit.h"
#include "ledger/commitment.h"

#include <inttypes.h>

#define COMMITMENTS_AT_ONCE 64

struct seal_job *seal_job_new(void)
{
    return mem_calloc(1, sizeof(struct seal_job));
}

void seal_job_free(struct seal_job *job)
{
    if (job == NULL) {
        return;
    }
    mem_free(job->entries);
    mem_free(job->records);
    mem_free(job->slices);
    mem_free(job->commitments);
    mem_free(job->leaves);
    mem_free(job->tiles);
    mem_free(job);
}

/* Replaces an array by a larger one; its content is not kept. */
static int array_grow(void *array_ptr, size_t count, size_t item_bytes)
{
    void **array = array_ptr;
    void *grown = mem_alloc(count * item_bytes);

    if (grown == NULL) {
        return BLOCKDB_ENOMEM;
    }
    mem_free(*array);
    *array = grown;
    return BLOCKDB_OK;
}

static int reserve(struct seal_job *job, size_t count, size_t tile_count)
{
    if (count > job->cap) {
        size_t cap = count + count / 4;

        job->cap = 0; /* until all arrays have grown */
        if (array_grow(&job->entries, cap, sizeof(*job->entries)) < 0 ||
            array_grow(&job->records, cap, sizeof(*job->records)) < 0 ||
            array_grow(&job->slices, cap, sizeof(*job->slices)) < 0 ||
            array_grow(&job->commitments, cap, sizeof(*job->commitments)) < 0 ||
            array_grow(&job->leaves, cap, sizeof(*job->leaves)) < 0) {
            return BLOCKDB_ENOMEM;
        }
        job->cap = cap;
    }
    if (tile_count > job->tile_cap) {
        job->tile_cap = 0;
        if (array_grow(&job->tiles, tile_count, sizeof(*job->tiles)) < 0) {
            return BLOCKDB_ENOMEM;
        }
        job->tile_cap = tile_count;
    }
    return BLOCKDB_OK;
}

/* What the arrays take counts as part of the queue. */
static void note_memory(struct seal_job *job, struct blockdb *db)
{
    uint64_t now = job->cap *
                   (sizeof(*job->entries) + sizeof(*job->records) + sizeof(*job->slices) +
                    sizeof(*job->commitments) + sizeof(*job->leaves));

    if (now != job->noted_bytes) {
        account_add(db, ACCOUNT_SEAL_QUEUE, now - job->noted_bytes); /* they only grow */
        job->noted_bytes = now;
    }
}

/* Parses the entries before the header. */
static int parse_entries(struct seal_job *job, struct error *err)
{
    size_t i;

    job->bytes = BLOCK_HEADER_RECORD_LEN;
    for (i = 0; i + 1 < job->count; i++) {
        const struct seal_entry *entry = &job->entries[i];
        int rc;

        job->slices[i] = slice_of(entry->record, entry->record_len);
        job->bytes += entry->record_len;
        rc = record_parse(job->slices[i], &job->records[i]);
        if (rc < 0) {
            return error_set(err, rc, "a committed record of %u bytes cannot be parsed in memory",
                             entry->record_len);
        }
    }
    return BLOCKDB_OK;
}

/* The commitments that came with the entries, and those that were left to be made here. */
static void gather_commitments(struct seal_job *job)
{
    struct commitment_job missing[COMMITMENTS_AT_ONCE];
    size_t count = 0;
    size_t i;

    for (i = 0; i + 1 < job->count; i++) {
        const struct record *record = &job->records[i];

        job->commitments[i] = (struct hash){0};
        if (job->entries[i].has_commitment) {
            job->commitments[i] = job->entries[i].commitment;
        } else if (record->salt != NULL) {
            missing[count++] = (struct commitment_job){
                .salt = record->salt, .value = record->value, .out = &job->commitments[i]};
        } else if (record->commitment != NULL) {
            job->commitments[i] = *record->commitment;
        }
        if (count == COMMITMENTS_AT_ONCE) {
            commitment_compute_many(missing, count);
            count = 0;
        }
    }
    commitment_compute_many(missing, count);
}

/* What the header is to say of the map. */
static struct map_statement ask_map(struct seal_job *job, struct blockdb *db, const struct tip *tip)
{
    struct map_block block = {
        .records = job->records,
        .leaves = job->leaves,
        .count = job->count - 1,
        .first_seq = tip_seq(tip),
        .last = map_statement_of(&tip->last), /* zeros before the first block */
        .more_wait = seal_queue_blocks(&db->seal_queue) > 1,
    };
    struct map_statement statement;

    map_seal(db, &block, &statement);
    return statement;
}

int seal_job_begin(struct seal_job *job, struct blockdb *db, size_t count, const struct tip *tip,
                   struct error *err)
{
    size_t n = count - 1;
    struct tip_block block = {.count = n};
    struct map_statement map;
    int rc;

    job->tile_count = tip_tile_count(tip, n);
    if (reserve(job, count, job->tile_count) < 0) {
        return error_set_no_memory(err);
    }
    note_memory(job, db);
    job->count = count;
    seal_queue_peek(&db->seal_queue, job->entries, count);
    ASSERT(job->entries[n].is_header);
    rc = parse_entries(job, err);
    if (rc < 0) {
        return rc;
    }
    block.time_ms = get_le64(job->entries[n].record);
    job->time_min_ms = n > 0 ? job->records[0].time_ms : block.time_ms;
    gather_commitments(job);
    leaf_hash_many(job->records, job->commitments, n, job->leaves);
    map = ask_map(job, db, tip);
    block.leaves = job->leaves;
    block.map_size = map.size;
    block.map_root = map.root;
    job->tip = *tip;
    tip_seal(&job->tip, &block, job->tiles);
    job->header = job->tip.last;
    job->leaves[n] = job->tip.last_hash;
    block_header_record(&job->header, job->header_record);
    job->slices[n] = slice_of(job->header_record, BLOCK_HEADER_RECORD_LEN);
    job->step = SEAL_STEP_ROTATE;
    job->tile_level = 1;
    return BLOCKDB_OK;
}

static int step_rotate(struct seal_job *job, struct blockdb *db, struct error *err)
{
    int rc;

    if (!segments_should_rotate(db->segments, job->bytes)) {
        job->step = SEAL_STEP_APPEND;
        return BLOCKDB_OK;
    }
    rc = segments_rotate(db->segments, job->header.first_seq, job->header.height, &job->finished,
                         &job->opened, err);
    if (rc == BLOCKDB_OK) {
        job->step = SEAL_STEP_MANIFEST;
    }
    return rc;
}

static int step_manifest(struct seal_job *job, struct blockdb *db, struct error *err)
{
    struct manifest_segment segments[2];
    struct manifest_edit edit = {.put_segments = segments};
    int rc;

    if (job->finished.number != 0) {
        segments[edit.put_segment_count++] = segment_to_manifest(&job->finished);
    }
    segments[edit.put_segment_count++] = segment_to_manifest(&job->opened);
    rc = manifest_append(db->manifest, &edit, err);
    if (rc == BLOCKDB_OK) {
        job->step = SEAL_STEP_APPEND;
    }
    return rc;
}

static int step_append(struct seal_job *job, struct blockdb *db, struct error *err)
{
    struct segment_block block = {
        .height = job->header.height,
        .first_seq = job->header.first_seq,
        .time_min_ms = job->time_min_ms,
        .time_max_ms = job->header.time_ms,
        .records = job->slices,
        .count = (uint32_t)job->count,
    };
    int rc = segments_append_block(db->segments, &block, err);

    if (rc == BLOCKDB_OK) {
        job->step = SEAL_STEP_LEAVES;
    }
    return rc;
}

static int step_leaves(struct seal_job *job, struct blockdb *db, struct error *err)
{
    int rc = tile_files_append(db->tiles, 0, job->leaves[0].bytes, job->count, err);

    if (rc == BLOCKDB_OK) {
        job->step = SEAL_STEP_TILES;
    }
    return rc;
}

/* Appends the hashes of one level above 0; they are few: one for 256 entries. */
static int append_tile_level(struct seal_job *job, struct blockdb *db, struct error *err)
{
    size_t i;

    for (i = 0; i < job->tile_count; i++) {
        uint64_t next = tile_files_count(db->tiles, (unsigned)job->tile_level);
        int rc;

        if (job->tiles[i].level != job->tile_level || job->tiles[i].index < next) {
            continue; /* of another level, or appended before the disk was full */
        }
        rc = tile_files_append(db->tiles, (unsigned)job->tile_level, job->tiles[i].hash.bytes, 1,
                               err);
        if (rc < 0) {
            return rc;
        }
    }
    return BLOCKDB_OK;
}

static int step_tiles(struct seal_job *job, struct blockdb *db, struct error *err)
{
    for (; job->tile_level < TILE_LEVELS; job->tile_level++) {
        int rc = append_tile_level(job, db, err);

        if (rc < 0) {
            return rc;
        }
    }
    job->step = SEAL_STEP_DONE;
    return BLOCKDB_OK;
}

int seal_job_write(struct seal_job *job, struct blockdb *db, struct error *err)
{
    int rc = BLOCKDB_OK;

    while (rc == BLOCKDB_OK && job->step != SEAL_STEP_DONE) {
        switch (job->step) {
        case SEAL_STEP_ROTATE:
            rc = step_rotate(job, db, err);
            break;
        case SEAL_STEP_MANIFEST:
            rc = step_manifest(job, db, err);
            break;
        case SEAL_STEP_APPEND:
            rc = step_append(job, db, err);
            break;
        case SEAL_STEP_LEAVES:
            rc = step_leaves(job, db, err);
            break;
        case SEAL_STEP_TILES:
            rc = step_tiles(job, db, err);
            break;
        case SEAL_STEP_DONE:
            break;
        }
    }
    return rc;
}
