/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scans: the live keys of a range in order, forwards or backwards.
 *
 * A merging cursor walks memtables and tables; deletions are passed over; values that are not
 * inline are read from the ledger, several together (scan_ahead.h).
 *
 * Threads:   one at a time per iterator.
 * Ownership: an iterator holds a reference to the read state it began with.
 */
#include "base/mem.h"
#include "engine/db.h"
#include "engine/read.h"
#include "engine/scan_ahead.h"
#include "engine/view.h"
#include "store/merging_cursor.h"

struct blockdb_iter {
    struct blockdb *db;
    struct read_state *state; /* owned reference */
    struct cursor *cursor;
    struct slice start; /* borrowed, as the prefix */
    struct slice end;
    struct slice prefix;
    struct buf prefix_end; /* the first key behind the prefix; empty: there is none */
    bool has_end;
    bool reverse;
    bool keys_only;
    bool started;
    bool is_empty; /* nothing was visible */

    /* Where it stands: on an item of ahead, or on the cursor's, whose value may be in held. */
    bool is_on_item;
    struct scan_position at;
    struct segment_record held;
    struct scan_ahead ahead;
};

/* Sets prefix_end to the smallest key above all keys with the prefix. */
static int make_prefix_end(struct blockdb_iter *iter)
{
    struct buf *end = &iter->prefix_end;

    if (buf_append_slice(end, iter->prefix) < 0) {
        return BLOCKDB_ENOMEM;
    }
    while (end->len > 0 && end->data[end->len - 1] == 0xff) {
        end->len--;
    }
    if (end->len > 0) {
        end->data[end->len - 1]++;
    }
    return BLOCKDB_OK;
}

/* Narrows start and end to the prefix. */
static int apply_prefix(struct blockdb_iter *iter)
{
    struct slice prefix_end;

    if (iter->prefix.len == 0) {
        return BLOCKDB_OK;
    }
    if (make_prefix_end(iter) < 0) {
        return BLOCKDB_ENOMEM;
    }
    if (slice_compare(iter->start, iter->prefix) < 0) {
        iter->start = iter->prefix;
    }
    prefix_end = buf_slice(&iter->prefix_end);
    if (prefix_end.len > 0 && (!iter->has_end || slice_compare(prefix_end, iter->end) < 0)) {
        iter->end = prefix_end;
        iter->has_end = true;
    }
    return BLOCKDB_OK;
}

static int open_cursor(struct blockdb_iter *iter, uint64_t limit_seq, struct error *err)
{
    size_t memtable_count = iter->state->memtable_count;
    size_t count = memtable_count + table_set_source_count(iter->state->tables);
    AUTO(mem_free_ptr) struct cursor **sources = mem_calloc(count, sizeof(struct cursor *));
    size_t i;
    int rc = BLOCKDB_OK;

    if (sources == NULL) {
        return error_set_no_memory(err);
    }
    for (i = 0; i < memtable_count && rc == BLOCKDB_OK; i++) {
        rc = memtable_cursor_new(iter->state->memtables[i], limit_seq, &sources[i]);
        if (rc < 0) {
            rc = error_set_no_memory(err);
        }
    }
    if (rc == BLOCKDB_OK) {
        rc = table_set_cursors(iter->state->tables, NULL, sources + memtable_count, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = merging_cursor_new(sources, count, limit_seq, &iter->cursor);
        if (rc < 0) {
            rc = error_set_no_memory(err);
        }
    }
    if (rc < 0) {
        for (i = 0; i < count; i++) {
            cursor_free(sources[i]);
        }
    }
    return rc;
}

static int iter_open(struct blockdb_iter *iter, const struct blockdb_scan_options *options,
                     struct error *err)
{
    struct read_bound bound;

    iter->state = db_read_state_ref(iter->db);
    epoch_enter(iter->db->epoch);
    bound = read_bound_of(iter->db, options->view, options->at_seq);
    epoch_leave(iter->db->epoch);
    iter->is_empty = bound.is_empty;
    iter->reverse = options->reverse;
    iter->keys_only = options->keys_only;
    iter->prefix = slice_of(options->prefix, options->prefix_len);
    iter->start = slice_of(options->start, options->start_len);
    iter->end = slice_of(options->end, options->end_len);
    iter->has_end = options->end != NULL;
    if (apply_prefix(iter) < 0) {
        return error_set_no_memory(err);
    }
    return open_cursor(iter, bound.limit_seq, err);
}

int blockdb_iter_new(struct blockdb *db, const struct blockdb_scan_options *options,
                     struct blockdb_iter **out_iter, struct blockdb_error *err)
{
    static const struct blockdb_scan_options everything = BLOCKDB_SCAN_OPTIONS_INIT;
    struct blockdb_iter *iter = mem_calloc(1, sizeof(*iter));
    int rc;

    if (iter == NULL) {
        return error_set_no_memory(err);
    }
    iter->db = db;
    account_add(db, ACCOUNT_WORK, ACCOUNT_SCAN_BYTES);
    rc = iter_open(iter, options != NULL ? options : &everything, err);
    if (rc < 0) {
        blockdb_iter_free(iter);
        return rc;
    }
    counter_add(&db->counters, COUNTER_SCANS, 1);
    *out_iter = iter;
    return BLOCKDB_OK;
}

void blockdb_iter_free(struct blockdb_iter *iter)
{
    if (iter == NULL) {
        return;
    }
    account_subtract(iter->db, ACCOUNT_WORK, ACCOUNT_SCAN_BYTES);
    segment_record_release(&iter->held);
    scan_ahead_deinit(&iter->ahead);
    cursor_free(iter->cursor);
    read_state_unref(iter->state);
    buf_deinit(&iter->prefix_end);
    mem_free(iter);
}

static int move_to_first(struct blockdb_iter *iter, struct error *err)
{
    if (!iter->reverse) {
        return iter->start.len > 0 ? cursor_seek(iter->cursor, iter->start, err)
                                   : cursor_seek_first(iter->cursor, err);
    }
    return iter->has_end ? cursor_seek_before(iter->cursor, iter->end, err)
                         : cursor_seek_last(iter->cursor, err);
}

static int step(struct blockdb_iter *iter, struct error *err)
{
    if (!iter->started) {
        iter->started = true;
        return move_to_first(iter, err);
    }
    if (!cursor_valid(iter->cursor)) {
        return BLOCKDB_OK; /* at its end it stays */
    }
    return iter->reverse ? cursor_prev(iter->cursor, err) : cursor_next(iter->cursor, err);
}

static bool in_range(const struct blockdb_iter *iter, struct slice key)
{
    if (iter->reverse) {
        return slice_compare(key, iter->start) >= 0;
    }
    return !iter->has_end || slice_compare(key, iter->end) < 0;
}

/* Whether the cursor stands on an item of the range. */
static bool is_inside(const struct blockdb_iter *iter)
{
    return cursor_valid(iter->cursor) && in_range(iter, cursor_item(iter->cursor)->key);
}

/* Whether the value of an item has to come from the ledger. */
static bool is_in_ledger(const struct blockdb_iter *iter, const struct item *item)
{
    return item->kind == 0 ||
           (item->kind == BLOCKDB_KIND_PUT && !item->value_inline && !iter->keys_only);
}

/* Reads what the item does not say from the ledger. */
static int resolve(struct blockdb_iter *iter, const struct item *item, struct error *err)
{
    struct record record;
    int rc = read_ledger_record(iter->db, item->seq, &iter->held, &record, err);

    if (rc == BLOCKDB_ENOTFOUND) {
        return error_set(err, BLOCKDB_ECORRUPT,
                         "ledger '%s': an entry that a table names is missing",
                         iter->db->ledger_dir);
    }
    if (rc < 0) {
        return rc;
    }
    segment_record_keep(&iter->held);
    iter->at.version.kind = (enum blockdb_kind)record.kind;
    iter->at.version.time_ms = record.time_ms;
    iter->at.version.redacted = redact_hides(iter->db, item->seq, &record);
    iter->at.value = iter->at.version.redacted ? (struct slice){0} : record.value;
    return BLOCKDB_OK;
}

/* Takes over the item under the cursor. ENOTFOUND: it is a deletion. */
static int take_item(struct blockdb_iter *iter, struct error *err)
{
    const struct item *item = cursor_item(iter->cursor);
    int rc = BLOCKDB_OK;

    iter->at = (struct scan_position){
        .key = item->key,
        .value = item->value_inline ? item->value : (struct slice){0},
        .version = {.seq = item->seq,
                    .time_ms = item->time_ms,
                    .kind = (enum blockdb_kind)item->kind},
    };
    if (is_in_ledger(iter, item)) {
        scan_ahead_widen(&iter->ahead);
        rc = resolve(iter, item, err);
    } else if (item->value_inline && redact_watches(&iter->db->redactions, iter->state)) {
        rc = redact_judge(iter->db, iter->state, item->seq, &iter->at.version.redacted, err);
        iter->at.value = iter->at.version.redacted ? (struct slice){0} : iter->at.value;
    }
    if (rc == BLOCKDB_OK && iter->at.version.kind == BLOCKDB_KIND_DELETE) {
        return BLOCKDB_ENOTFOUND;
    }
    return rc;
}

/* From where the cursor stands to the next live key. */
static int settle(struct blockdb_iter *iter, struct error *err)
{
    int rc = BLOCKDB_ENOTFOUND;

    iter->is_on_item = false;
    while (rc == BLOCKDB_ENOTFOUND) {
        segment_record_release(&iter->held);
        if (!is_inside(iter)) {
            return BLOCKDB_ENOTFOUND;
        }
        rc = take_item(iter, err);
        if (rc == BLOCKDB_ENOTFOUND) {
            int step_rc = step(iter, err);

            if (step_rc < 0) {
                return step_rc;
            }
        }
    }
    iter->is_on_item = rc == BLOCKDB_OK;
    return rc;
}

/* Takes a window of items behind the cursor. */
static int fill_ahead(struct blockdb_iter *iter, struct error *err)
{
    struct scan_ahead *ahead = &iter->ahead;
    bool met_ledger = false;

    scan_ahead_clear(ahead);
    while (ahead->count < ahead->window) {
        int rc = step(iter, err);

        if (rc < 0) {
            return rc;
        }
        if (!is_inside(iter)) {
            break;
        }
        if (cursor_item(iter->cursor)->kind == BLOCKDB_KIND_DELETE) {
            continue;
        }
        met_ledger = met_ledger || is_in_ledger(iter, cursor_item(iter->cursor));
        if (scan_ahead_add(ahead, cursor_item(iter->cursor)) < 0) {
            return error_set_no_memory(err);
        }
    }
    scan_ahead_read(ahead, iter->db);
    if (met_ledger) {
        scan_ahead_widen(ahead);
    } else {
        ahead->window = 0;
    }
    return BLOCKDB_OK;
}

/* The next item of those read ahead; ENOTFOUND when the range is through. */
static int next_ahead(struct blockdb_iter *iter, struct error *err)
{
    int rc = BLOCKDB_ENOTFOUND;

    iter->is_on_item = false;
    while (rc == BLOCKDB_ENOTFOUND) {
        if (!scan_ahead_has_next(&iter->ahead)) {
            rc = fill_ahead(iter, err);
            if (rc < 0 || !scan_ahead_has_next(&iter->ahead)) {
                return rc < 0 ? rc : BLOCKDB_ENOTFOUND;
            }
        }
        rc = scan_ahead_take(&iter->ahead, iter->db, iter->state, &iter->at, err);
    }
    iter->is_on_item = rc == BLOCKDB_OK;
    return rc;
}

int blockdb_iter_next(struct blockdb_iter *iter, struct blockdb_error *err)
{
    int rc;

    if (iter->is_empty || (iter->started && !iter->is_on_item)) {
        return BLOCKDB_ENOTFOUND;
    }
    if (scan_ahead_has_next(&iter->ahead) || iter->ahead.window > 0) {
        return next_ahead(iter, err);
    }
    rc = step(iter, err);
    if (rc < 0) {
        iter->is_on_item = false;
        return rc;
    }
    return settle(iter, err);
}

int blockdb_iter_seek(struct blockdb_iter *iter, const void *key, size_t key_len,
                      struct blockdb_error *err)
{
    struct slice target = slice_of(key, key_len);
    int rc;

    if (iter->is_empty) {
        return BLOCKDB_ENOTFOUND;
    }
    iter->started = true;
    iter->is_on_item = false;
    scan_ahead_reset(&iter->ahead);
    if (!iter->reverse) {
        if (slice_compare(target, iter->start) < 0) {
            target = iter->start;
        }
        rc = cursor_seek(iter->cursor, target, err);
    } else if (iter->has_end && slice_compare(target, iter->end) >= 0) {
        rc = cursor_seek_before(iter->cursor, iter->end, err);
    } else {
        /* The last key not above target: the target itself, or the one before it. */
        rc = cursor_seek(iter->cursor, target, err);
        if (rc == BLOCKDB_OK &&
            !(cursor_valid(iter->cursor) && slice_equal(cursor_item(iter->cursor)->key, target))) {
            rc = cursor_seek_before(iter->cursor, target, err);
        }
    }
    return rc < 0 ? rc : settle(iter, err);
}

const void *blockdb_iter_key(const struct blockdb_iter *iter, size_t *out_len)
{
    *out_len = iter->at.key.len;
    return iter->at.key.data;
}

const void *blockdb_iter_value(const struct blockdb_iter *iter, size_t *out_len)
{
    *out_len = iter->keys_only ? 0 : iter->at.value.len;
    return iter->at.value.data;
}

struct blockdb_version_info blockdb_iter_version(const struct blockdb_iter *iter)
{
    return iter->at.version;
}
