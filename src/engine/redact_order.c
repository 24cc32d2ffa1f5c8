/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ordering a redaction: the target is judged, made pending, and the entry appended.
 */
#include "base/mem.h"
#include "engine/db.h"
#include "engine/read.h"
#include "engine/redact_priv.h"
#include "ledger/commitment.h"
#include "ledger/leaf.h"
#include "ledger/redaction.h"

#include <inttypes.h>
#include <string.h>

/* What is redacted, and why. */
struct order {
    struct slice key;
    uint64_t seq;
    const struct blockdb_redact_options *options;
    struct hash leaf; /* of the target */
};

/* The bytes of a record that may be secret. */
static void secret_deinit(struct buf *bytes)
{
    if (bytes->cap > 0) {
        explicit_bzero(bytes->data, bytes->cap);
    }
    buf_deinit(bytes);
}

/* Appends the record of entry seq, sealed or not, to out. ENOTFOUND without message. */
static int copy_record(struct blockdb *db, uint64_t seq, struct buf *out, struct error *err)
{
    struct segment_record held = {0};
    struct record record;
    int rc;

    /* A block is readable in the ledger before it leaves the queue: one of the two has it. */
    rc = seal_queue_copy(&db->seal_queue, seq, out);
    if (rc == BLOCKDB_ENOMEM) {
        return error_set_no_memory(err);
    }
    if (rc != BLOCKDB_ENOTFOUND) {
        return rc;
    }
    rc = read_ledger_record(db, seq, &held, &record, err);
    if (rc == BLOCKDB_OK) {
        rc = buf_append_slice(out, held.bytes) < 0 ? error_set_no_memory(err) : BLOCKDB_OK;
        segment_record_release(&held);
    }
    return rc;
}

static int not_a_version(const struct order *o, struct error *err)
{
    return error_set(err, BLOCKDB_ENOTFOUND,
                     "entry %" PRIu64
                     " is no version of key '%.*s'; `history` lists the versions of a key",
                     o->seq, (int)(o->key.len < 64 ? o->key.len : 64), (const char *)o->key.data);
}

/* Judges the target and computes its leaf hash. *out_redact_seq: BLOCKDB_SEQ_NONE, or the entry
 * that redacts it already. */
static int judge_target(struct blockdb *db, struct order *o, uint64_t *out_redact_seq,
                        struct error *err)
{
    AUTO(secret_deinit) struct buf bytes = {0};
    struct hash commitment = {0};
    struct record record;
    int rc = BLOCKDB_ENOTFOUND;

    if (o->seq < atomic_load_explicit(&db->acked_seq, memory_order_acquire)) {
        rc = copy_record(db, o->seq, &bytes, err);
    }
    if (rc == BLOCKDB_ENOTFOUND || (rc == BLOCKDB_OK && bytes.len < RECORD_HEADER_LEN)) {
        return not_a_version(o, err);
    }
    if (rc == BLOCKDB_OK && record_parse(buf_slice(&bytes), &record) < 0) {
        rc = error_set(err, BLOCKDB_ECORRUPT, "ledger '%s': entry %" PRIu64 " is no valid record",
                       db->ledger_dir, o->seq);
    }
    if (rc < 0) {
        return rc;
    }
    if (kind_is_system(record.kind) || !slice_equal(record.key, o->key)) {
        return not_a_version(o, err);
    }
    if (record.kind == BLOCKDB_KIND_DELETE) {
        return error_set(err, BLOCKDB_EINVAL,
                         "entry %" PRIu64 " is a deletion: there is no value to redact", o->seq);
    }
    *out_redact_seq = BLOCKDB_SEQ_NONE;
    if ((record.flags & RECORD_REDACTED) != 0) {
        *out_redact_seq = record.redact_seq;
    } else {
        commitment_compute(record.salt, record.value, &commitment);
        (void)redact_is_pending(db, o->seq, out_redact_seq);
    }
    leaf_hash(&record, &commitment, &o->leaf);
    return BLOCKDB_OK;
}

static struct slice text_of(const char *text)
{
    return slice_of(text, text != NULL ? strlen(text) : 0);
}

static int append_entry(struct blockdb *db, const struct order *o,
                        struct blockdb_write_result *out_result, struct error *err)
{
    AUTO(batch_deinit) struct blockdb_batch batch;
    struct blockdb_write_options options = BLOCKDB_WRITE_OPTIONS_INIT;
    struct redaction redaction = {
        .scope = REDACTION_VALUE,
        .reason_code = (uint16_t)o->options->reason_code,
        .target_seq = o->seq,
        .target_leaf = o->leaf,
        .reason = text_of(o->options->reason),
        .authority = text_of(o->options->authority),
    };
    uint8_t payload[REDACTION_LEN_MAX];
    int rc;

    batch_init(&batch, db);
    redaction_encode(&redaction, payload);
    rc = batch_add_system(&batch, BLOCKDB_KIND_REDACT, slice_of(payload, redaction_len(&redaction)),
                          err);
    options.durability = BLOCKDB_DURABILITY_GROUP;
    return rc < 0 ? rc : blockdb_write(db, &batch, &options, out_result, err);
}

/* REDACT-1. */
static int note_beginning(struct blockdb *db, struct error *err)
{
    struct redactions *r = &db->redactions;
    struct manifest_edit edit = {.set_redactions = true};
    int rc;

    if (redact_pending_from(db) != BLOCKDB_SEQ_NONE) {
        return BLOCKDB_OK;
    }
    edit.redactions_from = atomic_load_explicit(&db->acked_seq, memory_order_acquire);
    rc = manifest_append(db->manifest, &edit, err);
    if (rc == BLOCKDB_OK) {
        mutex_lock(&r->mu);
        r->from = edit.redactions_from;
        mutex_unlock(&r->mu);
    } else if (rc == BLOCKDB_EIO) {
        failure_set(&db->failure, err);
    }
    return rc;
}

static void name_entry(struct redaction_list *list, uint64_t target_seq, uint64_t redact_seq)
{
    size_t i;

    for (i = 0; i < list->count; i++) {
        if (list->pairs[i].target_seq == target_seq) {
            list->pairs[i].redact_seq = redact_seq;
        }
    }
}

/* Makes the target pending and appends the entry; readers refuse the value from here on. */
static int order_redaction(struct blockdb *db, const struct order *o,
                           struct blockdb_write_result *out_result, struct error *err)
{
    const struct redaction_list *before = atomic_load_explicit(&db->redactions.pending,
                                                               memory_order_relaxed);
    struct redaction_pair pair = {.target_seq = o->seq, .redact_seq = BLOCKDB_SEQ_NONE};
    /* All of them now, so that nothing can fail behind the commit. */
    AUTO(mem_free_ptr) struct redaction_list *undo = redact_list_with(before, NULL);
    AUTO(mem_free_ptr) struct redaction_list *ordered = redact_list_with(before, &pair);
    AUTO(mem_free_ptr) struct redaction_list *done = redact_list_with(before, &pair);
    int rc;

    if (undo == NULL || ordered == NULL || done == NULL) {
        return error_set_no_memory(err);
    }
    if (done->count > REDACT_PENDING_MAX) {
        return error_set(err, BLOCKDB_ELIMIT,
                         "%d redactions could not be finished; mend what hinders the first of "
                         "them, then redact it again",
                         REDACT_PENDING_MAX);
    }
    rc = note_beginning(db, err);
    if (rc < 0) {
        return rc;
    }
    redact_set_pending(db, TAKE(ordered));
    rc = append_entry(db, o, out_result, err);
    if (rc < 0) {
        redact_set_pending(db, TAKE(undo));
        return rc;
    }
    name_entry(done, o->seq, out_result->first_seq);
    redact_set_pending(db, TAKE(done));
    return BLOCKDB_OK;
}

/* The answer to who redacts again. */
static int answer_again(struct blockdb *db, uint64_t redact_seq,
                        struct blockdb_write_result *out_result, struct error *err)
{
    AUTO(buf_deinit) struct buf bytes = {0};
    struct record record = {0};
    int rc = copy_record(db, redact_seq, &bytes, err);

    if (rc == BLOCKDB_OK && record_parse(buf_slice(&bytes), &record) < 0) {
        rc = BLOCKDB_ENOTFOUND;
    }
    if (rc == BLOCKDB_ENOTFOUND) {
        return error_set(err, BLOCKDB_ETAMPERED,
                         "ledger '%s': entry %" PRIu64
                         ", which another entry names as its redaction, is missing",
                         db->ledger_dir, redact_seq);
    }
    *out_result = (struct blockdb_write_result){
        .first_seq = redact_seq, .count = 1, .time_ms = record.time_ms, .repeated = true};
    return rc;
}

/* By who is busy. */
static int redact(struct blockdb *db, struct order *o, struct blockdb_write_result *out_result,
                  struct error *err)
{
    uint64_t redact_seq = BLOCKDB_SEQ_NONE;
    int rc = judge_target(db, o, &redact_seq, err);

    if (rc < 0) {
        return rc;
    }
    if (redact_seq == BLOCKDB_SEQ_NONE) {
        rc = order_redaction(db, o, out_result, err);
    } else {
        rc = answer_again(db, redact_seq, out_result, err);
    }
    return rc < 0 ? rc : redact_erase(db, o->options, err);
}

static int check_options(struct blockdb *db, struct slice key,
                         const struct blockdb_redact_options *options, struct error *err)
{
    if (db->read_only) {
        return error_set(err, BLOCKDB_EREADONLY, "'%s' was opened read-only", db->dir);
    }
    if (key.len == 0 || key.len > BLOCKDB_KEY_MAX) {
        return error_set(err, BLOCKDB_EINVAL, "a key of %zu bytes; keys have 1 to %d bytes",
                         key.len, BLOCKDB_KEY_MAX);
    }
    if (options->reason_code > UINT16_MAX || text_of(options->reason).len > REDACTION_TEXT_MAX ||
        text_of(options->authority).len > REDACTION_TEXT_MAX) {
        return error_set(err, BLOCKDB_EINVAL,
                         "reason and authority have at most %d bytes each, a reason code is at "
                         "most %d",
                         REDACTION_TEXT_MAX, UINT16_MAX);
    }
    return failure_check(&db->failure, err);
}

int blockdb_redact(struct blockdb *db, const void *key, size_t key_len, uint64_t seq,
                   const struct blockdb_redact_options *options,
                   struct blockdb_write_result *out_result, struct blockdb_error *err)
{
    static const struct blockdb_redact_options nothing_said = BLOCKDB_REDACT_OPTIONS_INIT;
    struct blockdb_write_result result = {0};
    struct order order = {
        .key = slice_of(key, key_len),
        .seq = seq,
        .options = options != NULL ? options : &nothing_said,
    };
    int rc = check_options(db, order.key, order.options, err);

    if (rc < 0) {
        return rc;
    }
    redact_become_busy(db);
    rc = redact(db, &order, &result, err);
    redact_become_idle(db);
    if (rc == BLOCKDB_OK && out_result != NULL) {
        *out_result = result;
    }
    return rc;
}
