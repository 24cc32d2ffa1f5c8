/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flush and compact on demand; blocks and heads.
 */
#include "engine/db.h"
#include "engine/read.h"
#include "ledger/block_header.h"
#include "ledger/frontier.h"

#include <inttypes.h>

static int refuse_read_only(struct blockdb *db, struct error *err)
{
    if (db->read_only) {
        return db_refuse_read_only(db, err);
    }
    return BLOCKDB_OK;
}

/* The seq behind the newest version in a memtable, 0 when they are empty. */
static uint64_t unflushed_end(struct blockdb *db)
{
    const struct read_state *state;
    uint64_t end = 0;
    size_t i;

    epoch_enter(db->epoch);
    state = db_read_state(db);
    for (i = 0; end == 0 && i < state->memtable_count; i++) {
        if (memtable_version_count(state->memtables[i]) > 0) {
            end = memtable_last_seq(state->memtables[i]) + 1;
        }
    }
    epoch_leave(db->epoch);
    return end;
}

int blockdb_flush(struct blockdb *db, struct blockdb_error *err)
{
    struct commit_request request = {.freeze = true, .durability = BLOCKDB_DURABILITY_NONE};
    uint64_t end;
    int rc = refuse_read_only(db, err);

    if (rc < 0) {
        return rc;
    }
    end = unflushed_end(db);
    if (end == 0) {
        return BLOCKDB_OK;
    }
    rc = commit_run(db, &request);
    if (rc < 0) {
        return error_set(err, rc, "%s", request.error.message);
    }
    return workers_wait_flushed(db, end, err);
}

int blockdb_compact(struct blockdb *db, bool wait, blockdb_progress_cb progress, void *progress_arg,
                    struct blockdb_error *err)
{
    int rc = refuse_read_only(db, err);

    return rc < 0 ? rc : workers_compact(db, wait, progress, progress_arg, err);
}

static void block_of_header(const struct block_header *header, struct blockdb_block *out)
{
    struct hash hash;

    block_header_hash(header, &hash);
    *out = (struct blockdb_block){
        .height = header->height,
        .first_seq = header->first_seq,
        .count = header->count,
        .header_seq = header->tree_size,
        .time_ms = header->time_ms,
        .term = header->term,
    };
    memcpy(out->hash, hash.bytes, BLOCKDB_HASH_LEN);
    memcpy(out->previous_hash, header->previous.bytes, BLOCKDB_HASH_LEN);
    memcpy(out->block_root, header->block_root.bytes, BLOCKDB_HASH_LEN);
    memcpy(out->tree_root, header->tree_root.bytes, BLOCKDB_HASH_LEN);
}

int blockdb_block_get(struct blockdb *db, uint64_t height, struct blockdb_block *out_block,
                      struct blockdb_error *err)
{
    struct segment_block_info info;
    struct segment_record held = {0};
    struct record record;
    struct block_header header;
    int rc = segments_find_height(db->segments, height, &info, err);

    if (rc == BLOCKDB_ENOTFOUND) {
        return error_set(err, rc, "there is no block %" PRIu64 "; the ledger has %" PRIu64, height,
                         segments_end_height(db->segments));
    }
    if (rc < 0) {
        return rc;
    }
    rc = read_ledger_record(db, info.first_seq + info.count - 1, &held, &record, err);
    if (rc < 0) {
        return rc;
    }
    rc = block_header_of_record(&record, &header);
    segment_record_release(&held);
    if (rc < 0) {
        return error_set(err, rc,
                         "ledger segment %u of '%s', block at offset %" PRIu64
                         ": it does not end in a valid header",
                         info.number, db->ledger_dir, info.offset);
    }
    block_of_header(&header, out_block);
    return BLOCKDB_OK;
}

int blockdb_head_get(struct blockdb *db, struct blockdb_head *out_head, struct blockdb_error *err)
{
    struct tip tip;
    struct hash root;

    (void)err; /* the tip is in memory; later heads may come from files */
    sealer_tip(db, &tip);
    frontier_root(&tip.frontier, &root);
    out_head->size = tip_seq(&tip);
    out_head->block_count = tip.block_count;
    memcpy(out_head->root, root.bytes, BLOCKDB_HASH_LEN);
    return BLOCKDB_OK;
}
