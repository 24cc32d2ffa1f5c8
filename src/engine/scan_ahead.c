/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/scan_ahead.h"

#include "base/assert.h"
#include "engine/db.h"
#include "engine/read.h"

#include <inttypes.h>

#define WINDOW_FIRST 4
#define WINDOW_GROWTH 4

static void release_items(struct scan_ahead *ahead)
{
    size_t i;

    for (i = 0; i < ahead->count; i++) {
        segment_record_release(&ahead->items[i].held);
    }
    ahead->count = 0;
    ahead->next = 0;
    buf_reset(&ahead->bytes);
}

void scan_ahead_deinit(struct scan_ahead *ahead)
{
    release_items(ahead);
    buf_deinit(&ahead->bytes);
}

void scan_ahead_reset(struct scan_ahead *ahead)
{
    release_items(ahead);
    ahead->window = 0;
}

void scan_ahead_clear(struct scan_ahead *ahead)
{
    ASSERT(!scan_ahead_has_next(ahead));
    release_items(ahead);
}

void scan_ahead_widen(struct scan_ahead *ahead)
{
    size_t wider = ahead->window == 0 ? WINDOW_FIRST : ahead->window * WINDOW_GROWTH;

    ahead->window = wider < SCAN_AHEAD_MAX ? wider : SCAN_AHEAD_MAX;
}

int scan_ahead_add(struct scan_ahead *ahead, const struct item *item)
{
    struct slice value = item->value_inline ? item->value : (struct slice){0};
    struct scan_ahead_item *out = &ahead->items[ahead->count];

    ASSERT(ahead->count < SCAN_AHEAD_MAX);
    if (buf_reserve(&ahead->bytes, item->key.len + value.len) < 0) {
        return BLOCKDB_ENOMEM;
    }
    *out = (struct scan_ahead_item){
        .version = {.seq = item->seq,
                    .time_ms = item->time_ms,
                    .kind = (enum blockdb_kind)item->kind},
        .key_offset = (uint32_t)ahead->bytes.len,
        .key_len = (uint32_t)item->key.len,
        .value_offset = (uint32_t)(ahead->bytes.len + item->key.len),
        .value_len = (uint32_t)value.len,
        /* Kind 0: only the seq is known. */
        .in_ledger = item->kind == 0 || (item->kind == BLOCKDB_KIND_PUT && !item->value_inline),
    };
    memcpy(ahead->bytes.data + ahead->bytes.len, item->key.data, item->key.len);
    ahead->bytes.len += item->key.len;
    if (value.len > 0) {
        memcpy(ahead->bytes.data + ahead->bytes.len, value.data, value.len);
        ahead->bytes.len += value.len;
    }
    ahead->count++;
    return BLOCKDB_OK;
}

void scan_ahead_read(struct scan_ahead *ahead, struct blockdb *db)
{
    uint64_t seqs[SCAN_AHEAD_MAX];
    struct segment_record records[SCAN_AHEAD_MAX];
    struct error ignored;
    size_t wanted = 0;
    size_t read = 0;
    size_t i;

    for (i = 0; i < ahead->count; i++) {
        if (ahead->items[i].in_ledger) {
            seqs[wanted++] = ahead->items[i].version.seq;
        }
    }
    /* What cannot be read together is read, or refused, one by one when it is taken (AHEAD-1). */
    if (wanted == 0 || segments_read_many(db->segments, seqs, wanted, records, &ignored) < 0) {
        return;
    }
    counter_add(&db->counters, COUNTER_LEDGER_READS, wanted);
    for (i = 0; i < ahead->count; i++) {
        if (ahead->items[i].in_ledger) {
            ahead->items[i].held = records[read++];
            ahead->items[i].is_read = true;
        }
    }
}

/* Completes an item from its record. */
static int resolve(struct blockdb *db, struct scan_ahead_item *item, struct slice *out_value,
                   struct error *err)
{
    struct record record;
    int rc;

    if (item->is_read) {
        rc = record_parse(item->held.bytes, &record);
    } else {
        rc = read_ledger_record(db, item->version.seq, &item->held, &record, err);
        if (rc == BLOCKDB_OK) {
            segment_record_keep(&item->held);
        }
    }
    if (rc == BLOCKDB_ENOTFOUND || (rc < 0 && item->is_read)) {
        return error_set(err, BLOCKDB_ECORRUPT,
                         "ledger '%s': entry %" PRIu64
                         " is missing or no valid record, a table names it",
                         db->ledger_dir, item->version.seq);
    }
    if (rc < 0) {
        return rc;
    }
    item->version.kind = (enum blockdb_kind)record.kind;
    item->version.time_ms = record.time_ms;
    item->version.redacted = redact_hides(db, item->version.seq, &record);
    *out_value = item->version.redacted ? (struct slice){0} : record.value;
    return BLOCKDB_OK;
}

int scan_ahead_take(struct scan_ahead *ahead, struct blockdb *db, const struct read_state *state,
                    struct scan_position *out, struct error *err)
{
    struct scan_ahead_item *item = &ahead->items[ahead->next];
    struct slice value = slice_of(ahead->bytes.data + item->value_offset, item->value_len);
    int rc = BLOCKDB_OK;

    ASSERT(scan_ahead_has_next(ahead));
    ahead->next++;
    if (item->in_ledger) {
        rc = resolve(db, item, &value, err);
    }
    /* An old state's values, and what was read ahead in it, are from before. */
    if (rc == BLOCKDB_OK && !item->version.redacted && item->version.kind == BLOCKDB_KIND_PUT &&
        redact_watches(&db->redactions, state)) {
        rc = redact_judge(db, state, item->version.seq, &item->version.redacted, err);
        value = item->version.redacted ? (struct slice){0} : value;
    }
    if (rc == BLOCKDB_OK && item->version.kind == BLOCKDB_KIND_DELETE) {
        return BLOCKDB_ENOTFOUND;
    }
    if (rc < 0) {
        return rc;
    }
    *out = (struct scan_position){
        .key = slice_of(ahead->bytes.data + item->key_offset, item->key_len),
        .value = value,
        .version = item->version,
    };
    return BLOCKDB_OK;
}
