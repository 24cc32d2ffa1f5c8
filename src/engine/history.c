/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Histories: the versions of one key, newest first.
 *
 * Each source that knows the key, newest source first, gives its seqs in descending order; together
 * they descend, because every seq of a newer source is above those of an older one. Memtables have
 * the records at hand, tables have seqs, and the ledger has the rest.
 *
 * Threads:   one at a time per history.
 * Ownership: a history holds a reference to the read state it began with.
 */
#include "base/mem.h"
#include "engine/db.h"
#include "engine/read.h"
#include "engine/view.h"

#include <inttypes.h>

struct blockdb_history {
    struct blockdb *db;
    struct read_state *state; /* owned reference */
    struct buf key;
    uint64_t limit_seq; /* inclusive */
    bool versions_only;
    bool done;

    /* The source being walked. */
    size_t memtable_index; /* up to memtable_count, then tables */
    bool memtable_open;
    struct memtable_versions memtable_versions;
    struct table_set_walk table_walk;
    bool table_open;
    struct version_cursor table_versions;

    /* Where it stands. */
    struct blockdb_version_info version;
    struct blockdb_value value;
};

static void history_open(struct blockdb_history *h, const struct blockdb_history_options *options)
{
    struct read_bound bound;

    h->state = db_read_state_ref(h->db);
    epoch_enter(h->db->epoch);
    bound = read_bound_of(h->db, options->view, BLOCKDB_SEQ_NONE);
    epoch_leave(h->db->epoch);
    h->limit_seq = bound.limit_seq;
    h->done = bound.is_empty || options->before_seq == 0;
    if (options->before_seq != BLOCKDB_SEQ_NONE && options->before_seq > 0 &&
        options->before_seq - 1 < h->limit_seq) {
        h->limit_seq = options->before_seq - 1;
    }
    h->versions_only = options->versions_only;
}

int blockdb_history_new(struct blockdb *db, const void *key, size_t key_len,
                        const struct blockdb_history_options *options,
                        struct blockdb_history **out_history, struct blockdb_error *err)
{
    static const struct blockdb_history_options everything = BLOCKDB_HISTORY_OPTIONS_INIT;
    struct blockdb_history *h;

    if (key_len == 0 || key_len > BLOCKDB_KEY_MAX) {
        return error_set(err, BLOCKDB_EINVAL, "a key of %zu bytes; keys have 1 to %d bytes",
                         key_len, BLOCKDB_KEY_MAX);
    }
    h = mem_calloc(1, sizeof(*h));
    if (h == NULL) {
        return error_set_no_memory(err);
    }
    h->db = db;
    if (buf_append(&h->key, key, key_len) < 0) {
        blockdb_history_free(h);
        return error_set_no_memory(err);
    }
    history_open(h, options != NULL ? options : &everything);
    *out_history = h;
    return BLOCKDB_OK;
}

void blockdb_history_free(struct blockdb_history *h)
{
    if (h == NULL) {
        return;
    }
    version_cursor_deinit(&h->table_versions);
    blockdb_value_deinit(&h->value);
    read_state_unref(h->state);
    buf_deinit(&h->key);
    mem_free(h);
}

/* The next version out of the memtables; false when they are through. */
static bool next_in_memtables(struct blockdb_history *h, struct memtable_version *out)
{
    while (h->memtable_index < h->state->memtable_count) {
        if (!h->memtable_open) {
            h->memtable_versions = memtable_versions_of(h->state->memtables[h->memtable_index],
                                                        buf_slice(&h->key), h->limit_seq);
            h->memtable_open = true;
        }
        if (memtable_versions_next(&h->memtable_versions, out)) {
            return true;
        }
        h->memtable_open = false;
        h->memtable_index++;
    }
    return false;
}

/* Opens the versions of the next table that may know the key. ENOTFOUND: there is none. */
static int open_next_table(struct blockdb_history *h, struct error *err)
{
    uint64_t before = h->limit_seq == UINT64_MAX ? VERSIONS_ALL : h->limit_seq + 1;
    struct table *table = table_set_walk_next(h->state->tables, &h->table_walk, buf_slice(&h->key));
    int rc;

    if (table == NULL) {
        return BLOCKDB_ENOTFOUND;
    }
    rc = table_versions(table, buf_slice(&h->key), before, &h->table_versions, err);
    h->table_open = rc == BLOCKDB_OK;
    return rc;
}

/* The next seq out of the tables. ENOTFOUND at the end. */
static int next_in_tables(struct blockdb_history *h, uint64_t *out_seq, struct error *err)
{
    for (;;) {
        int rc;

        if (!h->table_open) {
            rc = open_next_table(h, err);
            if (rc < 0) {
                return rc;
            }
        }
        rc = version_cursor_next(&h->table_versions, out_seq, err);
        if (rc != BLOCKDB_ENOTFOUND) {
            return rc;
        }
        version_cursor_deinit(&h->table_versions);
        h->table_open = false;
    }
}

static int load(struct blockdb_history *h, uint64_t seq, struct error *err)
{
    struct segment_record held = {0};
    struct record record;
    int rc = read_ledger_record(h->db, seq, &held, &record, err);

    if (rc == BLOCKDB_ENOTFOUND) {
        return error_set(err, BLOCKDB_ECORRUPT,
                         "ledger '%s': entry %" PRIu64 " is missing, a table names it",
                         h->db->ledger_dir, seq);
    }
    if (rc < 0) {
        return rc;
    }
    h->version = (struct blockdb_version_info){
        .seq = seq, .time_ms = record.time_ms, .kind = (enum blockdb_kind)record.kind};
    h->version.redacted = redact_hides(h->db, seq, &record);
    if (h->version.redacted) {
        h->value.len = 0;
    } else if (!h->versions_only) {
        rc = value_assign(&h->value, record.value, err);
    }
    segment_record_release(&held);
    return rc;
}

/* Takes over a version of a memtable. */
static int take_version(struct blockdb_history *h, const struct memtable_version *version,
                        struct error *err)
{
    bool redacted = false;
    int rc = BLOCKDB_OK;

    if (version->kind == BLOCKDB_KIND_PUT && redact_watches(&h->db->redactions, h->state)) {
        rc = redact_judge(h->db, h->state, version->seq, &redacted, err);
    }
    if (rc < 0) {
        return rc;
    }
    h->version = (struct blockdb_version_info){.seq = version->seq,
                                               .time_ms = version->time_ms,
                                               .kind = (enum blockdb_kind)version->kind,
                                               .redacted = redacted};
    if (redacted) {
        h->value.len = 0;
        return BLOCKDB_OK;
    }
    return h->versions_only ? BLOCKDB_OK : value_assign(&h->value, version->value, err);
}

int blockdb_history_next(struct blockdb_history *h, struct blockdb_error *err)
{
    struct memtable_version version;
    uint64_t seq = 0;
    int rc;

    if (h->done) {
        return BLOCKDB_ENOTFOUND;
    }
    if (next_in_memtables(h, &version)) {
        return take_version(h, &version, err);
    }
    rc = next_in_tables(h, &seq, err);
    if (rc == BLOCKDB_OK) {
        rc = load(h, seq, err);
    }
    h->done = rc < 0;
    return rc;
}

struct blockdb_version_info blockdb_history_version(const struct blockdb_history *h)
{
    return h->version;
}

const void *blockdb_history_value(const struct blockdb_history *h, size_t *out_len)
{
    *out_len = h->versions_only ? 0 : h->value.len;
    return h->value.data;
}
