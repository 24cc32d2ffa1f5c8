/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/read.h"

#include "base/mem.h"
#include "engine/db.h"
#include "engine/view.h"
#include "ledger/commitment.h"
#include "ledger/leaf.h"
#include "ledger/merkle.h"

#include <inttypes.h>

/* Records whose evidence is checked together when a page is loaded. */
#define CHECK_RECORDS 64

/* What a lookup found. The slice is borrowed until the caller leaves the epoch. */
struct found {
    struct blockdb_version_info version;
    bool has_value;   /* value is the value; else it is in the ledger */
    bool is_resolved; /* kind and time are known */
    bool in_memtable;
    struct slice value;
};

void blockdb_value_deinit(struct blockdb_value *value)
{
    mem_free(value->data);
    *value = (struct blockdb_value){0};
}

int value_assign(struct blockdb_value *value, struct slice bytes, struct error *err)
{
    if (bytes.len > value->cap || value->data == NULL) {
        uint8_t *data = mem_alloc(bytes.len);

        if (data == NULL) {
            return error_set_no_memory(err);
        }
        mem_free(value->data);
        value->data = data;
        value->cap = bytes.len;
    }
    if (bytes.len > 0) {
        memcpy(value->data, bytes.data, bytes.len);
    }
    value->len = bytes.len;
    return BLOCKDB_OK;
}

int read_not_found(struct error *err)
{
    static const char message[] = "the key has no value";

    if (err != NULL) {
        err->code = BLOCKDB_ENOTFOUND;
        memcpy(err->message, message, sizeof(message));
    }
    return BLOCKDB_ENOTFOUND;
}

int read_redacted(uint64_t seq, struct error *err)
{
    return error_set(err, BLOCKDB_EREDACTED,
                     "the value of entry %" PRIu64 " was redacted; its proofs remain", seq);
}

struct read_bound read_bound_of(struct blockdb *db, const struct blockdb_view *view,
                                uint64_t at_seq)
{
    struct read_bound bound;
    uint64_t count;

    /* The state first: what is acknowledged later than that load is newer than this read. */
    bound.state = db_read_state(db);
    count = view != NULL ? view->seq_count
                         : atomic_load_explicit(&db->acked_seq, memory_order_acquire);
    bound.is_empty = count == 0;
    bound.limit_seq = count > 0 ? count - 1 : 0;
    if (at_seq < bound.limit_seq) {
        bound.limit_seq = at_seq;
    }
    return bound;
}

static bool find_in_memtables(struct blockdb *db, const struct read_bound *bound, struct slice key,
                              struct found *out)
{
    struct memtable_version version;
    size_t i;

    for (i = 0; i < bound->state->memtable_count; i++) {
        if (memtable_get(bound->state->memtables[i], key, bound->limit_seq, &version)) {
            *out = (struct found){
                .version = {.seq = version.seq,
                            .time_ms = version.time_ms,
                            .kind = (enum blockdb_kind)version.kind},
                .has_value = true,
                .is_resolved = true,
                .in_memtable = true,
                .value = version.value,
            };
            counter_add(&db->counters, COUNTER_MEMTABLE_HITS, 1);
            return true;
        }
    }
    return false;
}

/* Inside the epoch. ENOTFOUND without message. */
static int find(struct blockdb *db, const struct read_bound *bound, struct slice key,
                struct found *out, struct error *err)
{
    struct table_hit hit;
    int rc;

    if (bound->is_empty) {
        return BLOCKDB_ENOTFOUND;
    }
    if (find_in_memtables(db, bound, key, out)) {
        return BLOCKDB_OK;
    }
    rc = table_set_get(bound->state->tables, key, bound->limit_seq, &hit, err);
    if (rc < 0) {
        return rc;
    }
    if (!hit.found) {
        return BLOCKDB_ENOTFOUND;
    }
    counter_add(&db->counters, COUNTER_TABLE_HITS, 1);
    *out = (struct found){
        .version = {.seq = hit.seq},
        .has_value = hit.newest && (hit.value_inline || hit.kind == BLOCKDB_KIND_DELETE),
        .is_resolved = hit.newest,
    };
    if (hit.newest) {
        out->version.time_ms = hit.time_ms;
        out->version.kind = (enum blockdb_kind)hit.kind;
        out->value = hit.value_inline ? hit.value : (struct slice){0};
    }
    return BLOCKDB_OK;
}

int read_ledger_record(struct blockdb *db, uint64_t seq, struct segment_record *out_held,
                       struct record *out_record, struct error *err)
{
    int rc = segments_read(db->segments, seq, out_held, err);

    if (rc < 0) {
        return rc;
    }
    counter_add(&db->counters, COUNTER_LEDGER_READS, 1);
    rc = record_parse(out_held->bytes, out_record);
    if (rc < 0) {
        segment_record_release(out_held);
        return error_set(err, rc, "ledger '%s': entry %" PRIu64 " is not a valid record",
                         db->ledger_dir, seq);
    }
    return BLOCKDB_OK;
}

/* Completes found from the ledger and copies the value, when wanted. */
static int load_from_ledger(struct blockdb *db, struct found *found, struct blockdb_value *value,
                            struct error *err)
{
    struct segment_record held = {0};
    struct record record;
    int rc = read_ledger_record(db, found->version.seq, &held, &record, err);

    if (rc == BLOCKDB_ENOTFOUND) {
        return error_set(err, BLOCKDB_ECORRUPT,
                         "ledger '%s': entry %" PRIu64 " is missing, a table names it",
                         db->ledger_dir, found->version.seq);
    }
    if (rc < 0) {
        return rc;
    }
    found->version.kind = (enum blockdb_kind)record.kind;
    found->version.time_ms = record.time_ms;
    if (redact_hides(db, found->version.seq, &record)) {
        found->version.redacted = true;
        rc = value != NULL ? read_redacted(found->version.seq, err) : BLOCKDB_OK;
    } else if (value != NULL) {
        rc = value_assign(value, record.value, err);
    }
    segment_record_release(&held);
    return rc;
}

int read_newest_version(struct blockdb *db, struct slice key, struct blockdb_version_info *out,
                        struct error *err)
{
    struct read_bound bound;
    struct found found;
    int rc;

    epoch_enter(db->epoch);
    bound = read_bound_of(db, NULL, BLOCKDB_SEQ_NONE);
    rc = find(db, &bound, key, &found, err);
    if (rc == BLOCKDB_OK && !found.is_resolved) {
        rc = load_from_ledger(db, &found, NULL, err);
    }
    epoch_leave(db->epoch);
    if (rc == BLOCKDB_OK) {
        *out = found.version;
    }
    return rc;
}

/* Whether a value that a memtable or table has was redacted since. */
static int judge_value(struct blockdb *db, const struct read_bound *bound, struct found *found,
                       struct error *err)
{
    bool redacted = false;
    int rc;

    if (!found->has_value || found->version.kind != BLOCKDB_KIND_PUT ||
        !redact_watches(&db->redactions, bound->state)) {
        return BLOCKDB_OK;
    }
    rc = redact_judge(db, bound->state, found->version.seq, &redacted, err);
    if (rc == BLOCKDB_OK && redacted) {
        found->version.redacted = true;
        rc = read_redacted(found->version.seq, err);
    }
    return rc;
}

/* One get on its way. */
struct lookup {
    struct read_bound bound;
    struct slice key;
    struct found found;
};

/* Inside the epoch. */
static int get(struct blockdb *db, struct lookup *lookup, struct blockdb_value *value,
               struct error *err)
{
    struct found *found = &lookup->found;
    int rc = find(db, &lookup->bound, lookup->key, found, err);

    if (rc == BLOCKDB_ENOTFOUND) {
        value->version = (struct blockdb_version_info){.seq = BLOCKDB_SEQ_NONE};
        return read_not_found(err);
    }
    if (rc < 0) {
        return rc;
    }
    rc = judge_value(db, &lookup->bound, found, err);
    if (rc < 0) {
        /* told below */
    } else if (!found->has_value) {
        rc = load_from_ledger(db, found, value, err);
    } else if (found->version.kind == BLOCKDB_KIND_PUT) {
        rc = value_assign(value, found->value, err);
    }
    if (rc < 0 && rc != BLOCKDB_EREDACTED) {
        return rc;
    }
    value->version = found->version;
    if (rc == BLOCKDB_EREDACTED) {
        value->len = 0;
    }
    if (found->version.kind == BLOCKDB_KIND_DELETE) {
        return read_not_found(err);
    }
    return rc;
}

/* One counter a get; gets and gets_found are sums of them. */
static void count_get(struct blockdb *db, int rc, bool in_memtable,
                      const struct os_read_scope *scope)
{
    enum counter which = COUNTER_GETS_CACHE;

    if (rc == BLOCKDB_EWOULDBLOCK) {
        which = COUNTER_GETS_WOULD_BLOCK;
    } else if (rc < 0) {
        which = COUNTER_GETS_MISSED;
    } else if (scope->device_reads > 0) {
        which = COUNTER_GETS_DISK;
    } else if (scope->cached_reads > 0) {
        which = COUNTER_GETS_PAGE_CACHE;
    } else if (in_memtable) {
        which = COUNTER_GETS_MEMTABLE;
    }
    counter_add(&db->counters, which, 1);
}

/* The field is younger than the struct. */
static bool asks_cached_only(const struct blockdb_read_options *options)
{
    return options->size > offsetof(struct blockdb_read_options, cached_only) &&
           options->cached_only;
}

static int check_key(size_t key_len, struct error *err)
{
    if (key_len == 0 || key_len > BLOCKDB_KEY_MAX) {
        return error_set(err, BLOCKDB_EINVAL, "a key of %zu bytes; keys have 1 to %d bytes",
                         key_len, BLOCKDB_KEY_MAX);
    }
    return BLOCKDB_OK;
}

int blockdb_get(struct blockdb *db, const void *key, size_t key_len,
                const struct blockdb_read_options *options, struct blockdb_value *value,
                struct blockdb_error *err)
{
    struct lookup lookup = {.key = slice_of(key, key_len)};
    struct os_read_scope scope = {0};
    int rc = check_key(key_len, err);

    if (rc < 0) {
        return rc;
    }
    scope.no_wait = options != NULL && asks_cached_only(options);
    os_read_scope_enter(&scope);
    epoch_enter(db->epoch);
    lookup.bound = read_bound_of(db, options != NULL ? options->view : NULL,
                                 options != NULL ? options->at_seq : BLOCKDB_SEQ_NONE);
    rc = get(db, &lookup, value, err);
    epoch_leave(db->epoch);
    os_read_scope_leave();
    count_get(db, rc, lookup.found.in_memtable, &scope);
    return rc;
}

/* ---- Entries by seq ------------------------------------------------------------------------ */

/* Fills key and value (each may be NULL) from a record. */
static int fill_entry(struct blockdb *db, uint64_t seq, const struct record *record,
                      struct blockdb_value *key, struct blockdb_value *value, struct error *err)
{
    struct blockdb_version_info version = {
        .seq = seq,
        .time_ms = record->time_ms,
        .kind = (enum blockdb_kind)record->kind,
        .redacted = redact_hides(db, seq, record),
    };
    int rc = BLOCKDB_OK;

    if (key != NULL) {
        rc = value_assign(key, record->key, err);
        key->version = version;
    }
    if (rc == BLOCKDB_OK && value != NULL) {
        rc = value_assign(value, version.redacted ? (struct slice){0} : record->value, err);
        value->version = version;
    }
    if (rc == BLOCKDB_OK && version.redacted) {
        rc = read_redacted(seq, err);
    }
    return rc;
}

/* An entry that is committed and not yet in the ledger. ENOTFOUND without message. */
static int get_unsealed(struct blockdb *db, uint64_t seq, struct blockdb_value *key,
                        struct blockdb_value *value, struct error *err)
{
    AUTO(buf_deinit) struct buf bytes = {0};
    struct record record;
    int rc = seal_queue_copy(&db->seal_queue, seq, &bytes);

    if (rc == BLOCKDB_ENOMEM) {
        return error_set_no_memory(err);
    }
    if (rc < 0) {
        return rc;
    }
    if (bytes.len < RECORD_HEADER_LEN) {
        /* A block marker: its header is not made yet, its time is known. */
        record = (struct record){.kind = BLOCKDB_KIND_BLOCK_HEADER,
                                 .time_ms = get_le64(bytes.data)};
        return fill_entry(db, seq, &record, key, value, err);
    }
    rc = record_parse(buf_slice(&bytes), &record);
    if (rc < 0) {
        return error_set(err, rc, "entry %" PRIu64 " cannot be parsed in memory", seq);
    }
    return fill_entry(db, seq, &record, key, value, err);
}

static int get_sealed(struct blockdb *db, uint64_t seq, struct blockdb_value *key,
                      struct blockdb_value *value, struct error *err)
{
    struct segment_record held = {0};
    struct record record;
    int rc = read_ledger_record(db, seq, &held, &record, err);

    if (rc == BLOCKDB_OK) {
        rc = fill_entry(db, seq, &record, key, value, err);
        segment_record_release(&held);
    }
    return rc;
}

int blockdb_get_entry(struct blockdb *db, uint64_t seq, struct blockdb_value *key,
                      struct blockdb_value *value, struct blockdb_error *err)
{
    uint64_t count = atomic_load_explicit(&db->acked_seq, memory_order_acquire);
    int rc;

    if (seq >= count) {
        return error_set(err, BLOCKDB_ENOTFOUND,
                         "there is no entry %" PRIu64 "; the ledger has %" PRIu64, seq, count);
    }
    /* A block is readable in the ledger before it leaves the queue: one of the two has it. */
    rc = get_unsealed(db, seq, key, value, err);
    if (rc == BLOCKDB_ENOTFOUND) {
        rc = get_sealed(db, seq, key, value, err);
    }
    if (rc == BLOCKDB_ENOTFOUND) {
        rc = error_set(err, BLOCKDB_ECORRUPT, "ledger '%s': entry %" PRIu64 " is missing",
                       db->ledger_dir, seq);
    }
    return rc;
}

static int entry_time(struct blockdb *db, uint64_t seq, uint64_t *out_time_ms, struct error *err)
{
    AUTO(blockdb_value_deinit) struct blockdb_value key = {0};
    int rc = blockdb_get_entry(db, seq, &key, NULL, err);

    if (rc < 0 && rc != BLOCKDB_EREDACTED) {
        return rc;
    }
    *out_time_ms = key.version.time_ms;
    return BLOCKDB_OK;
}

int blockdb_seq_at_time(struct blockdb *db, uint64_t time_ms, uint64_t *out_seq,
                        struct blockdb_error *err)
{
    uint64_t low = 0; /* entries before are not after time_ms */
    uint64_t high = atomic_load_explicit(&db->acked_seq, memory_order_acquire);

    /* Times never go back along the log, so it can be halved. */
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        uint64_t middle_ms = 0;
        int rc = entry_time(db, middle, &middle_ms, err);

        if (rc < 0) {
            return rc;
        }
        if (middle_ms <= time_ms) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == 0) {
        return error_set(err, BLOCKDB_ENOTFOUND, "the first entry is later than that time");
    }
    *out_seq = low - 1;
    return BLOCKDB_OK;
}

/* ---- Checking what was loaded ---------------------------------------------------------------- */

static int check_records(struct blockdb *db, const struct segment_page *page, uint32_t first,
                         uint32_t count, struct error *err)
{
    struct record records[CHECK_RECORDS];
    struct hash commitments[CHECK_RECORDS];
    struct hash expected[CHECK_RECORDS];
    uint32_t i;
    int rc;

    rc = tile_files_read(db->tiles, 0, page->first_seq + first, count, expected[0].bytes, err);
    if (rc < 0) {
        return rc;
    }
    for (i = 0; i < count; i++) {
        rc = record_parse(segment_page_record(page, first + i), &records[i]);
        if (rc < 0) {
            return error_set(err, rc, "ledger '%s': entry %" PRIu64 " is not a valid record",
                             db->ledger_dir, page->first_seq + first + i);
        }
        if (records[i].salt != NULL) {
            commitment_compute(records[i].salt, records[i].value, &commitments[i]);
        } else if (records[i].commitment != NULL) {
            commitments[i] = *records[i].commitment;
        }
    }
    leaf_hash_many(records, commitments, count, commitments);
    for (i = 0; i < count; i++) {
        if (!hash_equal(&commitments[i], &expected[i])) {
            return error_set(err, BLOCKDB_ETAMPERED,
                             "ledger '%s': entry %" PRIu64
                             " does not match its leaf in the Merkle tree; run verify",
                             db->ledger_dir, page->first_seq + first + i);
        }
    }
    return BLOCKDB_OK;
}

int read_check_page(void *context, const struct segment_page *page, struct error *err)
{
    struct blockdb *db = context;
    uint64_t tile_count = tile_files_count(db->tiles, 0);
    uint32_t first;

    /* A block is readable a moment before its leaves are in the tiles; it was written from memory
     * just now, and every later load checks it. */
    if (page->first_seq + page->count > tile_count) {
        return BLOCKDB_OK;
    }
    for (first = 0; first < page->count; first += CHECK_RECORDS) {
        uint32_t left = page->count - first;
        int rc = check_records(db, page, first, left < CHECK_RECORDS ? left : CHECK_RECORDS, err);

        if (rc < 0) {
            return rc;
        }
    }
    return BLOCKDB_OK;
}
