/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/redact.h"

#include "base/assert.h"
#include "base/mem.h"
#include "engine/db.h"
#include "engine/read.h"
#include "engine/redact_priv.h"
#include "ledger/merkle.h"
#include "ledger/redaction.h"

#include <inttypes.h>

#define WAIT_NS (100 * 1000000ULL)

/* ---- What is pending ------------------------------------------------------------------------- */

void redactions_init(struct redactions *r)
{
    *r = (struct redactions){.from = BLOCKDB_SEQ_NONE};
    mutex_init(&r->mu, LOCK_RANK_ENGINE_ADMIN);
    cond_init(&r->idle);
}

void redactions_deinit(struct redactions *r)
{
    mem_free(atomic_load_explicit(&r->pending, memory_order_acquire));
    cond_deinit(&r->idle);
    mutex_deinit(&r->mu);
}

void redact_set_pending(struct blockdb *db, struct redaction_list *list)
{
    struct redactions *r = &db->redactions;
    struct redaction_list *old = atomic_load_explicit(&r->pending, memory_order_relaxed);
    uint64_t watch = UINT64_MAX;

    if (list != NULL && list->count == 0) {
        mem_free(list);
        list = NULL;
    }
    if (list == NULL) {
        watch = atomic_load_explicit(&r->erased_serial, memory_order_relaxed);
    }
    atomic_store_explicit(&r->pending, list, memory_order_release);
    atomic_store_explicit(&r->watch, watch, memory_order_release);
    if (old != NULL) {
        epoch_retire(db->epoch, &old->retired, old, mem_free);
    }
}

struct redaction_list *redact_list_with(const struct redaction_list *list,
                                        const struct redaction_pair *pairs, size_t count)
{
    size_t old_count = list != NULL ? list->count : 0;
    struct redaction_list *next = mem_alloc(sizeof(*next) + (old_count + count) * sizeof(*pairs));
    size_t i = 0;
    size_t k = 0;

    if (next == NULL) {
        return NULL;
    }
    next->count = 0;
    while (i < old_count || k < count) {
        bool is_new = k < count &&
                      (i == old_count || pairs[k].target_seq <= list->pairs[i].target_seq);

        if (is_new) {
            i += i < old_count && list->pairs[i].target_seq == pairs[k].target_seq;
        }
        next->pairs[next->count++] = is_new ? pairs[k++] : list->pairs[i++];
    }
    return next;
}

bool redact_is_pending(struct blockdb *db, uint64_t seq, uint64_t *out_redact_seq)
{
    const struct redaction_list *list;
    bool is_pending = false;

    if (atomic_load_explicit(&db->redactions.pending, memory_order_acquire) == NULL) {
        return false;
    }
    epoch_enter(db->epoch);
    list = atomic_load_explicit(&db->redactions.pending, memory_order_acquire);
    if (list != NULL) {
        size_t low = 0;
        size_t high = list->count;

        while (low < high) {
            size_t middle = low + (high - low) / 2;

            if (list->pairs[middle].target_seq < seq) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        is_pending = low < list->count && list->pairs[low].target_seq == seq;
        if (is_pending && out_redact_seq != NULL) {
            *out_redact_seq = list->pairs[low].redact_seq;
        }
    }
    epoch_leave(db->epoch);
    return is_pending;
}

int redact_judge(struct blockdb *db, const struct read_state *state, uint64_t seq,
                 bool *out_redacted, struct error *err)
{
    struct segment_record held = {0};
    struct record record;
    int rc;

    *out_redacted = redact_is_pending(db, seq, NULL);
    /* Behind the look at the list: what left it before is in the ledger now. */
    if (*out_redacted || state->serial >= atomic_load_explicit(&db->redactions.erased_serial,
                                                               memory_order_acquire)) {
        return BLOCKDB_OK;
    }
    rc = read_ledger_record(db, seq, &held, &record, err);
    if (rc == BLOCKDB_ENOTFOUND) {
        return BLOCKDB_OK; /* not sealed: nothing of it was ever erased */
    }
    if (rc == BLOCKDB_OK) {
        *out_redacted = (record.flags & RECORD_REDACTED) != 0;
        segment_record_release(&held);
    }
    return rc;
}

uint64_t redact_pending_from(struct blockdb *db)
{
    uint64_t from;

    mutex_lock(&db->redactions.mu);
    from = db->redactions.from;
    mutex_unlock(&db->redactions.mu);
    return from;
}

/* ---- For proofs and verification ------------------------------------------------------------- */

int redact_find(struct blockdb *db, uint64_t seq, uint64_t *out_redact_seq, struct error *err)
{
    struct segment_record held = {0};
    struct record record;
    uint64_t pending_seq = BLOCKDB_SEQ_NONE;
    int rc;

    if (redact_is_pending(db, seq, &pending_seq)) {
        *out_redact_seq = pending_seq;
        return pending_seq != BLOCKDB_SEQ_NONE ? BLOCKDB_OK : BLOCKDB_ENOTFOUND;
    }
    rc = read_ledger_record(db, seq, &held, &record, err);
    if (rc < 0) {
        return rc;
    }
    rc = BLOCKDB_ENOTFOUND;
    if ((record.flags & RECORD_REDACTED) != 0) {
        *out_redact_seq = record.redact_seq;
        rc = BLOCKDB_OK;
    }
    segment_record_release(&held);
    return rc;
}

static int no_such_redaction(struct blockdb *db, uint64_t seq, uint64_t redact_seq,
                             struct error *err)
{
    return error_set(err, BLOCKDB_ETAMPERED,
                     "ledger '%s': entry %" PRIu64 " is marked as redacted by entry %" PRIu64
                     ", which is no redaction of it",
                     db->ledger_dir, seq, redact_seq);
}

int redact_check_entry(struct blockdb *db, uint64_t seq, const struct hash *leaf,
                       uint64_t redact_seq, struct error *err)
{
    struct segment_record held = {0};
    struct record record;
    struct redaction redaction;
    int rc;

    if (redact_seq <= seq) {
        return no_such_redaction(db, seq, redact_seq, err);
    }
    rc = read_ledger_record(db, redact_seq, &held, &record, err);
    if (rc == BLOCKDB_ENOTFOUND) {
        return no_such_redaction(db, seq, redact_seq, err);
    }
    if (rc < 0) {
        return rc;
    }
    if (record.kind != BLOCKDB_KIND_REDACT || redaction_decode(record.value, &redaction) < 0 ||
        redaction.target_seq != seq || !hash_equal(&redaction.target_leaf, leaf)) {
        rc = no_such_redaction(db, seq, redact_seq, err);
    }
    segment_record_release(&held);
    return rc;
}

/* ---- One at a time --------------------------------------------------------------------------- */

void redact_become_busy(struct blockdb *db)
{
    struct redactions *r = &db->redactions;

    mutex_lock(&r->mu);
    while (r->busy) {
        cond_wait(&r->idle, &r->mu);
    }
    r->busy = true;
    mutex_unlock(&r->mu);
}

void redact_become_idle(struct blockdb *db)
{
    struct redactions *r = &db->redactions;

    mutex_lock(&r->mu);
    r->busy = false;
    cond_broadcast(&r->idle);
    mutex_unlock(&r->mu);
}

/* ---- Files that others read one after the other (REDACT-2) ----------------------------------- */

void redact_hold_off(struct blockdb *db)
{
    struct redactions *r = &db->redactions;

    mutex_lock(&r->mu);
    while (r->erasing) {
        cond_wait(&r->idle, &r->mu);
    }
    r->holders++;
    mutex_unlock(&r->mu);
}

void redact_let_go(struct blockdb *db)
{
    struct redactions *r = &db->redactions;

    mutex_lock(&r->mu);
    ASSERT(r->holders > 0);
    r->holders--;
    cond_broadcast(&r->idle);
    mutex_unlock(&r->mu);
}

int redact_begin_erasing(struct blockdb *db, const struct blockdb_redact_options *options,
                         struct error *err)
{
    struct redactions *r = &db->redactions;
    int rc = BLOCKDB_OK;

    mutex_lock(&r->mu);
    ASSERT(r->busy && !r->erasing);
    r->erasing = true; /* whoever comes now waits */
    while (rc == BLOCKDB_OK && r->holders > 0) {
        (void)cond_wait_for(&r->idle, &r->mu, WAIT_NS); /* looks again anyway */
        mutex_unlock(&r->mu);
        rc = redact_progress(options, 0, err);
        mutex_lock(&r->mu);
    }
    mutex_unlock(&r->mu);
    if (rc < 0) {
        redact_end_erasing(db);
    }
    return rc;
}

void redact_end_erasing(struct blockdb *db)
{
    struct redactions *r = &db->redactions;

    mutex_lock(&r->mu);
    r->erasing = false;
    cond_broadcast(&r->idle);
    mutex_unlock(&r->mu);
}
