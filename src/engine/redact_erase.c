/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Erasing what is pending: the steps of redact.h. Each can be done again at any time, so a step
 * that fails, or a power cut, leaves nothing but work for the next attempt.
 */
#include "base/assert.h"
#include "base/mem.h"
#include "engine/db.h"
#include "engine/merges.h"
#include "engine/read.h"
#include "engine/redact_priv.h"
#include "engine/segment_edit.h"
#include "ledger/commitment.h"
#include "ledger/leaf.h"
#include "ledger/merkle.h"
#include "ledger/redaction.h"

#include <inttypes.h>

/* One erasing. */
struct erasure {
    struct blockdb *db;
    const struct redaction_list *list; /* borrowed: only who is busy replaces it */
    uint64_t *seqs;                    /* of the targets, ascending */
};

int redact_progress(const struct blockdb_redact_options *options, unsigned steps_done,
                    struct error *err)
{
    if (options->progress != NULL &&
        !options->progress(options->progress_arg, "steps", steps_done, REDACT_STEPS)) {
        return error_set(err, BLOCKDB_ECANCELED,
                         "erasing was interrupted; the value is redacted and cannot be read, "
                         "redact it again, or open the database again, to finish erasing it");
    }
    return BLOCKDB_OK;
}

/* ---- WAL and memtables ----------------------------------------------------------------------- */

/* Begins a fresh WAL file, then waits until all before it is in the ledger: others may have written
 * into the old file up to that moment. */
static int rotate_and_seal(struct blockdb *db, struct error *err)
{
    struct commit_request request = {.rotate = true, .durability = BLOCKDB_DURABILITY_GROUP};
    int rc = commit_run(db, &request);

    if (rc < 0) {
        return error_set(err, rc, "%s", request.error.message);
    }
    rc = failure_check(&db->failure, err);
    return rc < 0 ? rc : sealer_seal_all(db, err);
}

/* Flushes memtables that hold a target, and has their memory wiped. */
static int flush_memtables(const struct erasure *e, struct error *err)
{
    struct read_state *state = db_read_state_ref(e->db);
    bool is_wanted = false;
    size_t i;
    size_t k;

    for (i = 0; i < state->memtable_count; i++) {
        struct memtable *mt = state->memtables[i];

        /* Each of them may have been given memory that held a target before. */
        memtable_wipe_later(mt);
        for (k = 0; k < e->list->count; k++) {
            is_wanted = is_wanted || (e->seqs[k] >= memtable_first_seq(mt) &&
                                      e->seqs[k] <= memtable_last_seq(mt));
        }
    }
    read_state_unref(state);
    return is_wanted ? blockdb_flush(e->db, err) : BLOCKDB_OK;
}

/* ---- Tables ---------------------------------------------------------------------------------- */

/* The number of a table in force that has the value of entry seq inline; 0 when there is none. */
static int find_inline(struct blockdb *db, struct slice key, uint64_t seq, uint64_t *out_number,
                       struct error *err)
{
    struct read_state *state = db_read_state_ref(db);
    struct table_set_walk walk = {0};
    uint64_t hash = table_key_hash(key);
    struct table *table;
    int rc = BLOCKDB_OK;

    *out_number = 0;
    epoch_enter(db->epoch);
    while (rc == BLOCKDB_OK && *out_number == 0 &&
           (table = table_set_walk_next(state->tables, &walk, key)) != NULL) {
        struct table_hit hit = {0};

        rc = table_get(table, key, hash, BLOCKDB_SEQ_NONE, &hit, err);
        if (rc == BLOCKDB_OK && hit.found && hit.newest && hit.seq == seq && hit.value_inline) {
            *out_number = table_facts(table)->file_number;
        }
    }
    epoch_leave(db->epoch);
    read_state_unref(state);
    return rc;
}

/* That a table's file could not be removed was only logged. */
static int check_removed(struct blockdb *db, uint64_t number, struct error *err)
{
    char name[TABLE_NAME_MAX];
    AUTO(mem_free_ptr) char *path = NULL;
    struct os_stat stat;
    int rc;

    table_name(number, name);
    path = path_join(db->dir, name);
    if (path == NULL) {
        return error_set_no_memory(err);
    }
    rc = os_stat_path(db->os, path, &stat, err);
    if (rc == BLOCKDB_OK) {
        return error_set(err, BLOCKDB_EIO,
                         "table '%s' holds a redacted value and cannot be removed; remove what "
                         "hinders it and redact again",
                         path);
    }
    return rc == BLOCKDB_ENOTFOUND ? BLOCKDB_OK : rc;
}

static int erase_from_tables(struct blockdb *db, struct slice key, uint64_t seq, struct error *err)
{
    uint64_t number = 0;
    int rc;

    /* A merge may have carried the value into a new table meanwhile: looks until there is none. */
    do {
        rc = find_inline(db, key, seq, &number, err);
        if (rc == BLOCKDB_OK && number != 0) {
            rc = merges_rewrite_table(db, number, err);
        }
        if (rc == BLOCKDB_OK && number != 0) {
            rc = check_removed(db, number, err);
        }
    } while (rc == BLOCKDB_OK && number != 0);
    return rc;
}

/* The key of a sealed entry, appended to out. */
static int copy_key(struct blockdb *db, uint64_t seq, struct buf *out, struct error *err)
{
    struct segment_record held = {0};
    struct record record;
    int rc = read_ledger_record(db, seq, &held, &record, err);

    if (rc == BLOCKDB_ENOTFOUND) {
        return error_set(err, BLOCKDB_ECORRUPT, "ledger '%s': entry %" PRIu64 " is missing",
                         db->ledger_dir, seq);
    }
    if (rc < 0) {
        return rc;
    }
    if (record.kind != BLOCKDB_KIND_PUT) {
        rc = error_set(err, BLOCKDB_ETAMPERED,
                       "ledger '%s': entry %" PRIu64 " is redacted by an entry, but is no put",
                       db->ledger_dir, seq);
    } else if (buf_append_slice(out, record.key) < 0) {
        rc = error_set_no_memory(err);
    }
    segment_record_release(&held);
    return rc;
}

static int erase_tables(const struct erasure *e, struct error *err)
{
    AUTO(buf_deinit) struct buf key = {0};
    size_t i;
    int rc = BLOCKDB_OK;

    for (i = 0; rc == BLOCKDB_OK && i < e->list->count; i++) {
        buf_reset(&key);
        rc = copy_key(e->db, e->seqs[i], &key, err);
        if (rc == BLOCKDB_OK) {
            rc = erase_from_tables(e->db, buf_slice(&key), e->seqs[i], err);
        }
    }
    return rc < 0 ? rc : os_sync_dir(e->db->os, e->db->dir, err);
}

/* ---- The ledger, on the sealer's thread ------------------------------------------------------ */

/* The record must be the one the tree has, or the redaction would cover up a change. */
static int check_leaf(struct blockdb *db, uint64_t seq, const struct record *record,
                      const struct hash *commitment, struct error *err)
{
    struct hash made;
    struct hash stored;
    int rc = tile_files_read(db->tiles, 0, seq, 1, stored.bytes, err);

    if (rc < 0) {
        return rc;
    }
    leaf_hash(record, commitment, &made);
    if (!hash_equal(&made, &stored)) {
        return error_set(err, BLOCKDB_ETAMPERED,
                         "ledger '%s': entry %" PRIu64
                         " does not match its leaf in the Merkle tree; it is not redacted, run "
                         "verify",
                         db->ledger_dir, seq);
    }
    return BLOCKDB_OK;
}

static uint64_t redact_seq_of(const struct redaction_list *list, uint64_t target_seq)
{
    size_t low = 0;
    size_t high = list->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (list->pairs[middle].target_seq < target_seq) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    ASSERT(low < list->count && list->pairs[low].target_seq == target_seq);
    return list->pairs[low].redact_seq;
}

static int replace_record(void *context, uint64_t seq, struct slice bytes, struct buf *out,
                          struct error *err)
{
    const struct erasure *e = context;
    struct record record;
    struct record redacted;
    struct hash commitment = {0};
    int rc = record_parse(bytes, &record);

    if (rc < 0 || record.kind != BLOCKDB_KIND_PUT) {
        return error_set(err, BLOCKDB_ECORRUPT,
                         "ledger '%s': entry %" PRIu64 " is no record of a put", e->db->ledger_dir,
                         seq);
    }
    redacted = record;
    if ((record.flags & RECORD_REDACTED) == 0) {
        commitment_compute(record.salt, record.value, &commitment);
        rc = check_leaf(e->db, seq, &record, &commitment, err);
        if (rc < 0) {
            return rc;
        }
        redacted = record_redacted(&record, &commitment, redact_seq_of(e->list, seq));
    }
    if (buf_reserve(out, record_len(&redacted)) < 0) {
        return error_set_no_memory(err);
    }
    record_encode(&redacted, out->data + out->len);
    out->len += record_len(&redacted);
    return BLOCKDB_OK;
}

/* Rewrites the segment of the first of count seqs. */
static int rewrite_segment(const struct erasure *e, size_t first, struct error *err)
{
    struct blockdb *db = e->db;
    struct segment_rewrite rewrite = {
        .seqs = e->seqs + first,
        .count = e->list->count - first,
        .replace = replace_record,
        .context = (void *)(uintptr_t)e,
    };
    struct manifest_segment segment;
    struct manifest_edit edit = {.put_segments = &segment, .put_segment_count = 1};
    struct segment_info info;
    int rc = segments_rewrite_begin(db->segments, &rewrite, &info, err);

    if (rc < 0) {
        return rc;
    }
    segment = segment_to_manifest(&info);
    rc = manifest_append(db->manifest, &edit, err);
    if (rc < 0) {
        /* After a failed write or sync the edit may yet be found at the next open. */
        segments_rewrite_abandon(db->segments, rc == BLOCKDB_EIO || rc == BLOCKDB_EREADONLY);
        return rc;
    }
    return segments_rewrite_publish(db->segments, err);
}

static int is_erased(struct blockdb *db, uint64_t seq, bool *out, struct error *err)
{
    struct segment_record held = {0};
    struct record record;
    int rc = read_ledger_record(db, seq, &held, &record, err);

    if (rc == BLOCKDB_OK) {
        *out = (record.flags & RECORD_REDACTED) != 0;
        segment_record_release(&held);
    }
    return rc;
}

static int erase_ledger(struct blockdb *db, void *arg, struct error *err)
{
    const struct erasure *e = arg;
    size_t i = 0;
    int rc = BLOCKDB_OK;

    while (rc == BLOCKDB_OK && i < e->list->count) {
        bool erased = false;

        rc = is_erased(db, e->seqs[i], &erased, err);
        if (rc == BLOCKDB_OK && erased) {
            i++;
        } else if (rc == BLOCKDB_OK) {
            rc = rewrite_segment(e, i, err);
        }
    }
    if (rc == BLOCKDB_OK) {
        rc = wal_erase(db->wal, sealer_sealed_seq(&db->sealer), err);
    }
    if (rc == BLOCKDB_EIO) {
        failure_set(&db->failure, err);
    }
    return rc;
}

/* ---- The end --------------------------------------------------------------------------------- */

static bool is_table_out_of_force(void *state, uint64_t file)
{
    const struct read_state *s = state;

    return file <= UINT32_MAX && table_set_find(s->tables, file, NULL) == NULL;
}

/* Tables that merges replaced, now or before, may still have pages in the cache. */
static void wipe_memory(struct blockdb *db)
{
    struct read_state *state = db_read_state_ref(db);

    epoch_synchronize(db->epoch);
    (void)epoch_collect(db->epoch); /* memtables that were flushed */
    cache_wipe_matching(db->block_cache, is_table_out_of_force, state);
    if (db->arena_pool != NULL) {
        arena_pool_wipe(db->arena_pool);
    }
    read_state_unref(state);
    epoch_synchronize(db->epoch);
    (void)epoch_collect(db->epoch);
}

/* Makes every state that was given out so far an old one: what scans have read ahead in it was read
 * before. */
static int renew_state(struct blockdb *db, struct error *err)
{
    const struct read_state *state;
    int rc;

    mutex_lock(&db->state_mu);
    state = atomic_load_explicit(&db->read_state, memory_order_relaxed);
    rc = db_publish_locked(db, state->memtables, state->memtable_count, state->tables);
    mutex_unlock(&db->state_mu);
    return rc < 0 ? error_set_no_memory(err) : BLOCKDB_OK;
}

/* Nothing is pending any more. */
static int finish(struct blockdb *db, struct error *err)
{
    struct redactions *r = &db->redactions;
    struct manifest_edit edit = {.set_redactions = true, .redactions_from = BLOCKDB_SEQ_NONE};
    int rc = renew_state(db, err);

    if (rc == BLOCKDB_OK) {
        rc = manifest_append(db->manifest, &edit, err);
    }
    if (rc < 0) {
        if (rc == BLOCKDB_EIO) {
            failure_set(&db->failure, err);
        }
        return rc;
    }
    epoch_enter(db->epoch);
    atomic_store_explicit(&r->erased_serial, db_read_state(db)->serial, memory_order_release);
    epoch_leave(db->epoch);
    mutex_lock(&r->mu);
    r->from = BLOCKDB_SEQ_NONE;
    mutex_unlock(&r->mu);
    redact_set_pending(db, NULL); /* behind the serial: see redact_judge() */
    return BLOCKDB_OK;
}

static int erase_steps(const struct erasure *e, const struct blockdb_redact_options *options,
                       struct error *err)
{
    struct blockdb *db = e->db;
    unsigned step;
    int rc = BLOCKDB_OK;

    for (step = 0; rc == BLOCKDB_OK && step < REDACT_STEPS; step++) {
        rc = redact_progress(options, step, err);
        if (rc < 0) {
            break;
        }
        switch (step) {
        case 0:
            rc = rotate_and_seal(db, err);
            break;
        case 1:
            rc = flush_memtables(e, err);
            break;
        case 2:
            rc = erase_tables(e, err);
            break;
        case 3:
            rc = sealer_run(db, erase_ledger, (void *)(uintptr_t)e, err);
            break;
        case 4:
            wipe_memory(db);
            break;
        default:
            rc = finish(db, err);
            break;
        }
    }
    return rc;
}

int redact_erase(struct blockdb *db, const struct blockdb_redact_options *options,
                 struct error *err)
{
    AUTO(mem_free_ptr) uint64_t *seqs = NULL;
    struct erasure e = {
        .db = db,
        .list = atomic_load_explicit(&db->redactions.pending, memory_order_relaxed),
    };
    size_t i;
    int rc;

    if (e.list == NULL) {
        return redact_pending_from(db) == BLOCKDB_SEQ_NONE ? BLOCKDB_OK : finish(db, err);
    }
    seqs = mem_calloc(e.list->count, sizeof(*seqs));
    if (seqs == NULL) {
        return error_set_no_memory(err);
    }
    for (i = 0; i < e.list->count; i++) {
        seqs[i] = e.list->pairs[i].target_seq;
    }
    e.seqs = seqs;
    rc = redact_begin_erasing(db, options, err);
    if (rc < 0) {
        return rc;
    }
    rc = erase_steps(&e, options, err);
    redact_end_erasing(db);
    return rc;
}
