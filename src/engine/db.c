/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/db.h"

#include "base/assert.h"

struct read_state *db_read_state_ref(struct blockdb *db)
{
    struct read_state *state;

    epoch_enter(db->epoch);
    state = read_state_ref(db_read_state(db));
    epoch_leave(db->epoch);
    return state;
}

struct memtable *db_active_memtable(struct blockdb *db)
{
    struct memtable *mt;

    epoch_enter(db->epoch);
    mt = db_read_state(db)->memtables[0];
    epoch_leave(db->epoch);
    return mt;
}

int db_publish_locked(struct blockdb *db, struct memtable *const *memtables, size_t count,
                      struct table_set *tables)
{
    struct read_state *fresh = read_state_new(memtables, count, tables);
    struct read_state *old;

    ASSERT(mutex_held(&db->state_mu));
    if (fresh == NULL) {
        return BLOCKDB_ENOMEM;
    }
    old = atomic_load_explicit(&db->read_state, memory_order_relaxed);
    fresh->serial = old != NULL ? old->serial + 1 : 0;
    atomic_store_explicit(&db->read_state, fresh, memory_order_release);
    if (old != NULL) {
        epoch_retire_later(db->epoch, &old->retired, old, read_state_unref_fn);
    }
    return BLOCKDB_OK;
}

int db_refuse_read_only(const struct blockdb *db, struct error *err)
{
    if (heads_forbid_writing(db, err)) {
        return BLOCKDB_EREADONLY;
    }
    return error_set(err, BLOCKDB_EREADONLY, "'%s' was opened read-only", db->dir);
}

void db_table_options(const struct blockdb *db, struct table_options *out)
{
    *out = (struct table_options){
        .os = db->os,
        .epoch = db->epoch,
        .block_cache = db->block_cache,
        .index_cache = db->index_cache,
        .counters = db->table_counters,
        .direct_io = db->settings->enable_direct_io,
    };
    memcpy(out->ledger_id, db->ledger_id, LEDGER_ID_LEN);
}

enum codec db_codec(const struct settings *settings)
{
    switch (settings->compression_type) {
    case COMPRESSION_NONE:
        return CODEC_NONE;
    case COMPRESSION_SNAPPY:
        return CODEC_SNAPPY;
    case COMPRESSION_LZ4:
        return CODEC_LZ4;
    case COMPRESSION_ZSTD:
        return CODEC_ZSTD;
    }
    return CODEC_NONE;
}

void position_raise(_Atomic uint64_t *position, uint64_t value)
{
    uint64_t now = atomic_load_explicit(position, memory_order_relaxed);

    while (now < value && !atomic_compare_exchange_weak_explicit(
                              position, &now, value, memory_order_release, memory_order_relaxed)) {
        /* now was reloaded */
    }
}

const char *blockdb_option_in_force(const struct blockdb *db, const char *name)
{
    return blockdb_options_get(db->options, name);
}

const char *blockdb_ledger_id(const struct blockdb *db)
{
    return db->ledger_id_text;
}

uint64_t blockdb_epoch(const struct blockdb *db)
{
    return db->epoch_number;
}

int blockdb_write_check(struct blockdb *db, struct error *err)
{
    int rc;

    if (db->read_only) {
        return db_refuse_read_only(db, err);
    }
    rc = failure_check(&db->failure, err);
    return rc < 0 ? rc : shortage_check(db, err);
}
