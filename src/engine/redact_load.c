/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an interrupted redaction left: found in the log when the database is opened, and finished.
 */
#include "base/mem.h"
#include "engine/db.h"
#include "engine/event.h"
#include "engine/redact_priv.h"
#include "ledger/redaction.h"

#include <inttypes.h>

/* Takes note of entry seq if it is a redaction. */
static int visit_record(struct blockdb *db, uint64_t seq, struct slice bytes, struct error *err)
{
    struct redaction_pair pair = {.redact_seq = seq};
    struct redaction_list *list;
    struct redaction redaction;
    struct record record;
    int rc;

    if (bytes.len < RECORD_HEADER_LEN) {
        return BLOCKDB_OK; /* the end of a block that is not sealed yet */
    }
    rc = record_parse(bytes, &record);
    if (rc == BLOCKDB_OK && record.kind != BLOCKDB_KIND_REDACT) {
        return BLOCKDB_OK;
    }
    if (rc == BLOCKDB_OK) {
        rc = redaction_decode(record.value, &redaction);
    }
    if (rc == BLOCKDB_OK && redaction.target_seq >= seq) {
        rc = BLOCKDB_ETAMPERED;
    }
    if (rc < 0) {
        return error_set(err, rc, "ledger '%s': entry %" PRIu64 " is not a valid redaction",
                         db->ledger_dir, seq);
    }
    pair.target_seq = redaction.target_seq;
    if (redact_is_pending(db, pair.target_seq, NULL)) {
        return BLOCKDB_OK; /* the first one counts */
    }
    list = redact_list_with(atomic_load_explicit(&db->redactions.pending, memory_order_relaxed),
                            &pair, 1);
    if (list == NULL) {
        return error_set_no_memory(err);
    }
    redact_set_pending(db, list);
    return BLOCKDB_OK;
}

static int scan_ledger(struct blockdb *db, uint64_t from, struct error *err)
{
    struct segment_scan *scan = NULL;
    struct segment_scan_entry entry;
    int rc = segments_scan(db->segments, from, BLOCKDB_SEQ_NONE, &scan, err);

    while (rc == BLOCKDB_OK) {
        rc = segment_scan_next(scan, &entry, err);
        if (rc == BLOCKDB_OK) {
            rc = visit_record(db, entry.seq, entry.record, err);
        }
    }
    segment_scan_free(scan);
    return rc == BLOCKDB_ENOTFOUND ? BLOCKDB_OK : rc;
}

/* What only the WAL had. */
static int scan_queue(struct blockdb *db, uint64_t from, struct error *err)
{
    AUTO(buf_deinit) struct buf bytes = {0};
    uint64_t end = atomic_load_explicit(&db->acked_seq, memory_order_acquire);
    uint64_t seq;
    int rc = BLOCKDB_OK;

    for (seq = from; rc == BLOCKDB_OK && seq < end; seq++) {
        buf_reset(&bytes);
        rc = seal_queue_copy(&db->seal_queue, seq, &bytes);
        if (rc == BLOCKDB_ENOMEM) {
            return error_set_no_memory(err);
        }
        if (rc == BLOCKDB_OK) {
            rc = visit_record(db, seq, buf_slice(&bytes), err);
        } else {
            rc = BLOCKDB_OK; /* it is in the ledger */
        }
    }
    return rc;
}

int redact_load(struct blockdb *db, uint64_t from, struct error *err)
{
    uint64_t sealed = segments_end_seq(db->segments);
    int rc;

    db->redactions.from = from; /* no other thread runs yet */
    if (from == BLOCKDB_SEQ_NONE) {
        return BLOCKDB_OK;
    }
    rc = scan_ledger(db, from, err);
    return rc < 0 ? rc : scan_queue(db, from > sealed ? from : sealed, err);
}

void redact_resume(struct blockdb *db)
{
    static const struct blockdb_redact_options nothing_said = BLOCKDB_REDACT_OPTIONS_INIT;
    struct error err;

    if (db->read_only || redact_pending_from(db) == BLOCKDB_SEQ_NONE) {
        return;
    }
    redact_become_busy(db);
    if (atomic_load_explicit(&db->redactions.pending, memory_order_relaxed) != NULL) {
        event_tell(db, BLOCKDB_EVENT_INFO, "redact",
                   "a redaction was interrupted; what it left is being erased");
    }
    if (redact_erase(db, &nothing_said, &err) < 0) {
        event_tell(db, BLOCKDB_EVENT_WARNING, "redact",
                   "a redaction that was interrupted could not be finished (%s); its value "
                   "cannot be read; mend the cause, then redact it again or open the database "
                   "again",
                   err.message);
    }
    redact_become_idle(db);
}
