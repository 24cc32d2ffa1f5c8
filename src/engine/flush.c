/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/flush.h"

#include "base/mem.h"
#include "engine/db.h"
#include "engine/install.h"

/* The oldest frozen memtable, with a reference; NULL when there is none. */
static struct memtable *oldest_frozen(struct blockdb *db)
{
    struct memtable *mt = NULL;
    const struct read_state *state;

    epoch_enter(db->epoch);
    state = db_read_state(db);
    if (state->memtable_count > 1) {
        mt = memtable_ref(state->memtables[state->memtable_count - 1]);
    }
    epoch_leave(db->epoch);
    return mt;
}

int flush_edit(struct blockdb *db, struct manifest_edit *edit, uint8_t *out_tip,
               struct buf *out_requests)
{
    struct commit *c = &db->commit;
    struct tip tip;
    int rc;

    sealer_tip(db, &tip);
    edit->set_sealed = true;
    edit->sealed = (struct manifest_sealed){
        .seq_count = tip_seq(&tip),
        .block_height = tip.block_count,
        .tree_size = tip.frontier.size,
        .frontier = slice_of(out_tip, tip_encode(&tip, out_tip)),
    };
    if (db->wal != NULL && !edit->set_wal) {
        /* So that damage below is not taken for a torn tail (WAL-3). */
        edit->set_wal = true;
        edit->wal = (struct manifest_wal){.position = wal_synced_position(db->wal)};
    }
    mutex_lock(&c->requests_mu);
    rc = request_table_count(c->requests) > 0 ? request_table_encode(c->requests, out_requests)
                                              : BLOCKDB_OK;
    mutex_unlock(&c->requests_mu);
    if (rc == BLOCKDB_OK && out_requests->len > 0) {
        edit->set_dedupe = true;
        edit->dedupe = buf_slice(out_requests);
        edit->dedupe_seq = tip_seq(&tip);
    }
    return rc;
}

static int write_table(struct blockdb *db, const struct memtable *mt, struct merge_result *result,
                       struct error *err)
{
    struct merge_options options;
    uint64_t bytes;
    int rc;

    install_merge_options(db, &options);
    bytes = merge_memory_bytes(&options, 0, memtable_bytes(mt));
    account_add(db, ACCOUNT_WORK, bytes);
    rc = merge_flush(&options, mt, result, err);
    account_subtract(db, ACCOUNT_WORK, bytes);
    return rc;
}

static int flush_memtable(struct blockdb *db, const struct memtable *mt, enum flush_when when,
                          struct error *err)
{
    AUTO(merge_result_deinit) struct merge_result result = {0};
    AUTO(buf_deinit) struct buf requests = {0};
    uint8_t tip[TIP_LEN_MAX];
    uint64_t end_seq = memtable_last_seq(mt) + 1;
    struct install install = {.is_flush = true};
    int rc = when == FLUSH_RUNNING ? sealer_wait(db, end_seq, err) : BLOCKDB_OK;

    if (rc == BLOCKDB_OK) {
        rc = write_table(db, mt, &result, err);
    }
    if (rc < 0) {
        return rc;
    }
    if (flush_edit(db, &install.edit, tip, &requests) < 0) {
        return error_set_no_memory(err);
    }
    install.add = result.tables;
    install.add_count = result.table_count;
    install.edit.set_flushed = true;
    install.edit.flushed_seq = end_seq;
    rc = install_run(db, &install, err);
    if (rc == BLOCKDB_OK) {
        position_raise(&db->flushed_seq, end_seq);
        counter_add(&db->counters, COUNTER_FLUSHES, 1);
        counter_add(&db->counters, COUNTER_FLUSH_BYTES, result.bytes);
        counter_add(&db->counters, COUNTER_TABLE_BYTES_WRITTEN, result.bytes);
    }
    return rc;
}

int flush_oldest(struct blockdb *db, enum flush_when when, struct error *err)
{
    AUTO(memtable_unref_ptr) struct memtable *mt = oldest_frozen(db);
    uint64_t start_ns;
    int rc;

    if (mt == NULL) {
        return BLOCKDB_ENOTFOUND;
    }
    start_ns = os_monotonic_ns(db->os);
    rc = flush_memtable(db, mt, when, err);
    if (rc == BLOCKDB_ENOTFOUND) { /* to our callers that means that nothing is to be done */
        return error_wrap(err, BLOCKDB_EIO, "cannot flush, a file or folder is gone");
    }
    if (rc == BLOCKDB_OK) {
        latency_record(&db->latencies.flush, os_monotonic_ns(db->os) - start_ns);
        workers_tables_changed(db);
    }
    return rc;
}
