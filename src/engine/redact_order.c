/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ordering redactions: the targets are judged, made pending together, and their entries appended in
 * one batch. So what follows, the erasing, goes over each file once, however many they are.
 */
#include "base/mem.h"
#include "engine/db.h"
#include "engine/read.h"
#include "engine/redact_priv.h"
#include "ledger/commitment.h"
#include "ledger/leaf.h"
#include "ledger/redaction.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* One target. */
struct order {
    struct slice key;
    uint64_t seq;
    struct hash leaf;    /* of the target */
    uint64_t redact_seq; /* the entry that redacts it already; BLOCKDB_SEQ_NONE: none does */
};

/* What is redacted, and why. */
struct orders {
    const struct blockdb_redact_options *options;
    struct order *list; /* ascending by seq */
    size_t count;
    struct redaction_pair *fresh; /* those that no entry redacts yet, ascending */
    size_t fresh_count;
};

static void orders_deinit(struct orders *orders)
{
    mem_free(orders->list);
    mem_free(orders->fresh);
}

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

/* Judges the target and computes its leaf hash. */
static int judge_target(struct blockdb *db, struct order *o, struct error *err)
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
    o->redact_seq = BLOCKDB_SEQ_NONE;
    if ((record.flags & RECORD_REDACTED) != 0) {
        o->redact_seq = record.redact_seq;
    } else {
        commitment_compute(record.salt, record.value, &commitment);
        (void)redact_is_pending(db, o->seq, &o->redact_seq);
    }
    leaf_hash(&record, &commitment, &o->leaf);
    return BLOCKDB_OK;
}

static struct slice text_of(const char *text)
{
    return slice_of(text, text != NULL ? strlen(text) : 0);
}

static int add_entry(struct blockdb_batch *batch, const struct order *o,
                     const struct blockdb_redact_options *options, struct error *err)
{
    struct redaction redaction = {
        .scope = REDACTION_VALUE,
        .reason_code = (uint16_t)options->reason_code,
        .target_seq = o->seq,
        .target_leaf = o->leaf,
        .reason = text_of(options->reason),
        .authority = text_of(options->authority),
    };
    uint8_t payload[REDACTION_LEN_MAX];

    redaction_encode(&redaction, payload);
    return batch_add_system(batch, BLOCKDB_KIND_REDACT,
                            slice_of(payload, redaction_len(&redaction)), err);
}

/* The entries of all that are fresh, in the order of their targets. */
static int append_entries(struct blockdb *db, const struct orders *orders,
                          struct blockdb_write_result *out_result, struct error *err)
{
    AUTO(batch_deinit) struct blockdb_batch batch;
    struct blockdb_write_options options = BLOCKDB_WRITE_OPTIONS_INIT;
    size_t i;
    int rc = BLOCKDB_OK;

    batch_init(&batch, db);
    for (i = 0; rc == BLOCKDB_OK && i < orders->count; i++) {
        if (orders->list[i].redact_seq == BLOCKDB_SEQ_NONE) {
            rc = add_entry(&batch, &orders->list[i], orders->options, err);
        }
    }
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

/* The fresh ones are redacted by the entries from first_seq on. */
static void name_entries(struct redaction_list *list, const struct orders *orders,
                         uint64_t first_seq)
{
    size_t k = 0;
    size_t i;

    for (i = 0; i < list->count && k < orders->fresh_count; i++) {
        if (list->pairs[i].target_seq == orders->fresh[k].target_seq) {
            list->pairs[i].redact_seq = first_seq + k++;
        }
    }
}

/* Makes the fresh ones pending and appends their entries; readers refuse the values from here on.
 */
static int order_redactions(struct blockdb *db, const struct orders *orders,
                            struct blockdb_write_result *out_result, struct error *err)
{
    const struct redaction_list *before = atomic_load_explicit(&db->redactions.pending,
                                                               memory_order_relaxed);
    size_t n = orders->fresh_count;
    /* All of them now, so that nothing can fail behind the commit. */
    AUTO(mem_free_ptr) struct redaction_list *undo = redact_list_with(before, NULL, 0);
    AUTO(mem_free_ptr) struct redaction_list *ordered = redact_list_with(before, orders->fresh, n);
    AUTO(mem_free_ptr) struct redaction_list *done = redact_list_with(before, orders->fresh, n);
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
    rc = append_entries(db, orders, out_result, err);
    if (rc < 0) {
        redact_set_pending(db, TAKE(undo));
        return rc;
    }
    name_entries(done, orders, out_result->first_seq);
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
static int redact(struct blockdb *db, struct orders *orders,
                  struct blockdb_write_result *out_result, struct error *err)
{
    size_t i;
    int rc = BLOCKDB_OK;

    for (i = 0; rc == BLOCKDB_OK && i < orders->count; i++) {
        struct order *o = &orders->list[i];

        rc = judge_target(db, o, err);
        if (rc == BLOCKDB_OK && o->redact_seq == BLOCKDB_SEQ_NONE) {
            orders->fresh[orders->fresh_count++] = (struct redaction_pair){
                .target_seq = o->seq, .redact_seq = BLOCKDB_SEQ_NONE};
        }
    }
    if (rc < 0) {
        return rc;
    }
    rc = orders->fresh_count > 0 ? order_redactions(db, orders, out_result, err)
                                 : answer_again(db, orders->list[0].redact_seq, out_result, err);
    return rc < 0 ? rc : redact_erase(db, orders->options, err);
}

static int order_compare(const void *a, const void *b)
{
    uint64_t left = ((const struct order *)a)->seq;
    uint64_t right = ((const struct order *)b)->seq;

    return (left > right) - (left < right);
}

/* Copies the targets in order. One that is named twice counts once. */
static int take_targets(struct orders *orders, const struct blockdb_redact_target *targets,
                        size_t count, struct error *err)
{
    size_t i;
    size_t kept = 0;

    orders->list = mem_calloc(count, sizeof(*orders->list));
    orders->fresh = mem_calloc(count, sizeof(*orders->fresh));
    if (orders->list == NULL || orders->fresh == NULL) {
        return error_set_no_memory(err);
    }
    for (i = 0; i < count; i++) {
        orders->list[i] = (struct order){.key = slice_of(targets[i].key, targets[i].key_len),
                                         .seq = targets[i].seq};
    }
    qsort(orders->list, count, sizeof(*orders->list), order_compare);
    for (i = 0; i < count; i++) {
        const struct order *last = kept > 0 ? &orders->list[kept - 1] : NULL;

        if (last == NULL || last->seq != orders->list[i].seq ||
            !slice_equal(last->key, orders->list[i].key)) {
            orders->list[kept++] = orders->list[i];
        }
    }
    orders->count = kept;
    return BLOCKDB_OK;
}

static int check_options(struct blockdb *db, const struct blockdb_redact_options *options,
                         struct error *err)
{
    if (db->read_only) {
        return error_set(err, BLOCKDB_EREADONLY, "'%s' was opened read-only", db->dir);
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

static int check_targets(const struct blockdb_redact_target *targets, size_t count,
                         struct error *err)
{
    size_t i;

    if (count == 0 || count > BLOCKDB_REDACT_MAX) {
        return error_set(err, BLOCKDB_EINVAL, "%zu versions to redact at once; it can be 1 to %d",
                         count, BLOCKDB_REDACT_MAX);
    }
    for (i = 0; i < count; i++) {
        if (targets[i].key_len == 0 || targets[i].key_len > BLOCKDB_KEY_MAX) {
            return error_set(err, BLOCKDB_EINVAL, "a key of %zu bytes; keys have 1 to %d bytes",
                             targets[i].key_len, BLOCKDB_KEY_MAX);
        }
    }
    return BLOCKDB_OK;
}

int blockdb_redact_many(struct blockdb *db, const struct blockdb_redact_target *targets,
                        size_t count, const struct blockdb_redact_options *options,
                        struct blockdb_write_result *out_result, struct blockdb_error *err)
{
    static const struct blockdb_redact_options nothing_said = BLOCKDB_REDACT_OPTIONS_INIT;
    AUTO(orders_deinit)
    struct orders orders = {.options = options != NULL ? options : &nothing_said};
    struct blockdb_write_result result = {0};
    int rc = check_options(db, orders.options, err);

    if (rc == BLOCKDB_OK) {
        rc = check_targets(targets, count, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = take_targets(&orders, targets, count, err);
    }
    if (rc < 0) {
        return rc;
    }
    redact_become_busy(db);
    rc = redact(db, &orders, &result, err);
    redact_become_idle(db);
    if (rc == BLOCKDB_OK && out_result != NULL) {
        *out_result = result;
    }
    return rc;
}

int blockdb_redact(struct blockdb *db, const void *key, size_t key_len, uint64_t seq,
                   const struct blockdb_redact_options *options,
                   struct blockdb_write_result *out_result, struct blockdb_error *err)
{
    const struct blockdb_redact_target target = {.key = key, .key_len = key_len, .seq = seq};

    return blockdb_redact_many(db, &target, 1, options, out_result, err);
}
