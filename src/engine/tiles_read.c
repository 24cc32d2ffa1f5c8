/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tiles and entry bundles, as C2SP tlog-tiles has them.
 *
 * Tiles are slices of the tile files. Bundles are not stored: their leaves are derived from the
 * records, page by page, and compared with the tile.
 */
#include "engine/db.h"
#include "engine/read.h"
#include "ledger/bundle.h"
#include "ledger/commitment.h"
#include "ledger/leaf.h"
#include "ledger/merkle.h"
#include "ledger/tile.h"

#include <blockdb/evidence.h>
#include <inttypes.h>

/* Records whose leaves are made together. */
#define GATHER_RECORDS 64

static int check_tile(struct blockdb *db, const struct tile *tile, struct error *err)
{
    uint64_t sealed = sealer_sealed_seq(&db->sealer);

    if (tile->width < 1 || tile->width > TILE_WIDTH || tile->level > TILE_LEVEL_MAX) {
        return error_set(err, BLOCKDB_EINVAL,
                         "there is no tile of level %u and width %u: levels are 0 to %d, widths 1 "
                         "to %d",
                         tile->level, tile->width, TILE_LEVEL_MAX, TILE_WIDTH);
    }
    if (tile_width_at(tile->level, tile->index, sealed) < tile->width) {
        return error_set(err, BLOCKDB_ENOTFOUND,
                         "tile %" PRIu64 " of level %u has no %u hashes yet; %" PRIu64
                         " entries are sealed",
                         tile->index, tile->level, tile->width, sealed);
    }
    return BLOCKDB_OK;
}

/* Reads hashes that the seal promises. */
static int read_hashes(struct blockdb *db, const struct tile *tile, uint8_t *out, struct error *err)
{
    int rc = tile_files_read(db->tiles, tile->level, tile->index * TILE_WIDTH, tile->width, out,
                             err);

    if (rc == BLOCKDB_ENOTFOUND) {
        return error_set(err, BLOCKDB_ECORRUPT,
                         "tiles of '%s': level %u ends within tile %" PRIu64
                         "; remove the tile folder to have all tiles made again",
                         db->tile_dir, tile->level, tile->index);
    }
    return rc;
}

int blockdb_tile_read(struct blockdb *db, unsigned level, uint64_t index, unsigned width,
                      uint8_t *out, struct blockdb_error *err)
{
    struct tile tile = {.level = level, .index = index, .width = width};
    int rc = check_tile(db, &tile, err);

    return rc < 0 ? rc : read_hashes(db, &tile, out, err);
}

/* ---- Bundles --------------------------------------------------------------------------------- */

/* A bundle being made. */
struct bundle_job {
    struct blockdb *db;
    struct hash expected[TILE_WIDTH]; /* the tile of level 0 */
    uint64_t first_seq;               /* of the bundle */
    struct buf bytes;

    /* Records of one page, borrowed. */
    size_t count;
    struct record records[GATHER_RECORDS];
    struct hash commitments[GATHER_RECORDS];
    struct hash hashes[GATHER_RECORDS];
};

static void compute_commitments(struct bundle_job *job)
{
    struct commitment_job jobs[GATHER_RECORDS];
    size_t n = 0;
    size_t i;

    for (i = 0; i < job->count; i++) {
        const struct record *r = &job->records[i];

        if (r->salt != NULL) {
            jobs[n++] = (struct commitment_job){
                .salt = r->salt, .value = r->value, .out = &job->commitments[i]};
        } else if (r->commitment != NULL) {
            job->commitments[i] = *r->commitment;
        }
    }
    commitment_compute_many(jobs, n);
}

/* Appends the leaves of the gathered records, the first of which is entry seq. */
static int append_leaves(struct bundle_job *job, uint64_t seq, struct error *err)
{
    size_t i;

    compute_commitments(job);
    leaf_hash_many(job->records, job->commitments, job->count, job->hashes);
    for (i = 0; i < job->count; i++) {
        struct leaf leaf = leaf_of_record(&job->records[i], &job->commitments[i]);

        if (!hash_equal(&job->hashes[i], &job->expected[seq + i - job->first_seq])) {
            return error_set(err, BLOCKDB_ETAMPERED,
                             "ledger '%s': entry %" PRIu64
                             " does not match its leaf in the Merkle tree; run verify",
                             job->db->ledger_dir, seq + i);
        }
        if (bundle_append(&job->bytes, &leaf) < 0) {
            return error_set_no_memory(err);
        }
    }
    job->count = 0;
    return BLOCKDB_OK;
}

/* Appends the leaves of the entries [seq, end) as far as they are in the loaded page; *out_seq: the
 * first that is not. */
static int append_page(struct bundle_job *job, const struct segment_page *page, uint64_t seq,
                       uint64_t end, uint64_t *out_seq, struct error *err)
{
    uint64_t page_end = page->first_seq + page->count;
    int rc = BLOCKDB_OK;

    if (page_end > end) {
        page_end = end;
    }
    while (rc == BLOCKDB_OK && seq < page_end) {
        uint64_t at = seq + job->count;

        rc = record_parse(segment_page_record(page, (uint32_t)(at - page->first_seq)),
                          &job->records[job->count]);
        if (rc < 0) {
            return error_set(err, rc, "ledger '%s': entry %" PRIu64 " is not a valid record",
                             job->db->ledger_dir, at);
        }
        job->count++;
        if (job->count == GATHER_RECORDS || at + 1 == page_end) {
            rc = append_leaves(job, seq, err);
            seq = at + 1;
        }
    }
    *out_seq = seq;
    return rc;
}

static int make_bundle(struct bundle_job *job, unsigned width, struct error *err)
{
    uint64_t end = job->first_seq + width;
    uint64_t seq = job->first_seq;
    int rc = BLOCKDB_OK;

    while (rc == BLOCKDB_OK && seq < end) {
        struct segment_record held = {0};

        rc = segments_read(job->db->segments, seq, &held, err);
        if (rc == BLOCKDB_ENOTFOUND) {
            return error_set(err, BLOCKDB_ECORRUPT, "ledger '%s': entry %" PRIu64 " is missing",
                             job->db->ledger_dir, seq);
        }
        if (rc == BLOCKDB_OK) {
            rc = append_page(job, &held.page, seq, end, &seq, err);
            segment_record_release(&held);
        }
    }
    return rc;
}

int blockdb_bundle_read(struct blockdb *db, uint64_t index, unsigned width,
                        struct blockdb_value *out_bundle, struct blockdb_error *err)
{
    struct tile tile = {.index = index, .width = width};
    struct bundle_job job;
    int rc = check_tile(db, &tile, err);

    if (rc < 0) {
        return rc;
    }
    job.db = db;
    job.first_seq = index * TILE_WIDTH;
    job.bytes = (struct buf){0};
    job.count = 0;
    rc = read_hashes(db, &tile, job.expected[0].bytes, err);
    if (rc == BLOCKDB_OK) {
        rc = make_bundle(&job, width, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = value_assign(out_bundle, buf_slice(&job.bytes), err);
    }
    buf_deinit(&job.bytes);
    return rc;
}
