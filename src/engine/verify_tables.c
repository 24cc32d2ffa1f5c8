/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verification of tables against themselves and against the ledger: see verify.h.
 */
#include "base/mem.h"
#include "engine/db.h"
#include "engine/read.h"
#include "engine/verify.h"

#include <inttypes.h>

/* One table being checked by one thread. */
struct table_check {
    struct verify *v;
    struct index_sums sums;
};

static int visit_item(void *arg, const struct item *item, struct error *err)
{
    struct table_check *c = arg;

    if (atomic_load_explicit(&c->v->stop, memory_order_relaxed)) {
        return error_set(err, BLOCKDB_ECANCELED, "stopped");
    }
    return c->v->index.is_on ? index_check_item(&c->v->index, item, &c->sums, err) : BLOCKDB_OK;
}

int verify_table_unit(struct verify *v, uint64_t unit, struct error *err)
{
    struct table_check check = {.v = v};
    struct table *table = v->tables[unit];
    int rc = table_verify(table, visit_item, &check, err);

    index_check_add(&v->index, &check.sums);
    if (rc == BLOCKDB_OK) {
        (void)atomic_fetch_add_explicit(&v->bytes_read, table_facts(table)->file_bytes,
                                        memory_order_relaxed);
    }
    return rc;
}

/* ---- Where the sums differ ------------------------------------------------------------------- */

struct locate {
    struct verify *v;
    const char *path; /* of the table at hand */
};

static int mismatch(const struct locate *l, struct slice key, uint64_t seq, const char *what,
                    struct error *err)
{
    return error_set(err, BLOCKDB_ETAMPERED,
                     "table '%s', key '%.*s': %s (entry %" PRIu64 " of the ledger)", l->path,
                     (int)(key.len < 64 ? key.len : 64), (const char *)key.data, what, seq);
}

static int compare_version(const struct locate *l, struct slice key, uint64_t seq,
                           const struct item *newest, struct error *err)
{
    struct segment_record held = {0};
    struct record record;
    int rc = read_ledger_record(l->v->db, seq, &held, &record, err);

    if (rc == BLOCKDB_ENOTFOUND) {
        return mismatch(l, key, seq, "it names an entry that does not exist", err);
    }
    if (rc < 0) {
        return rc;
    }
    if (!slice_equal(record.key, key)) {
        rc = mismatch(l, key, seq, "it names an entry of another key", err);
    } else if (newest != NULL &&
               (newest->kind != record.kind || newest->time_ms != record.time_ms ||
                newest->value_len != record.value_len)) {
        rc = mismatch(l, key, seq, "kind, time or length differ from the entry", err);
    } else if (newest != NULL && newest->value_inline &&
               !slice_equal(newest->value, record.value)) {
        rc = mismatch(l, key, seq, "the value differs from the entry", err);
    }
    segment_record_release(&held);
    return rc;
}

static int locate_in_item(void *arg, const struct item *item, struct error *err)
{
    const struct locate *l = arg;
    AUTO(version_cursor_deinit) struct version_cursor cursor = {0};
    uint64_t seq = 0;
    int rc = compare_version(l, item->key, item->seq, item, err);

    if (rc == BLOCKDB_OK) {
        rc = version_cursor_init(&cursor, &item->older, VERSIONS_ALL, err);
    }
    while (rc == BLOCKDB_OK) {
        rc = version_cursor_next(&cursor, &seq, err);
        if (rc == BLOCKDB_OK) {
            rc = compare_version(l, item->key, seq, NULL, err);
        }
    }
    return rc == BLOCKDB_ENOTFOUND ? BLOCKDB_OK : rc;
}

/* Every entry of the ledger must be found through the tables. */
static int locate_missing(struct verify *v, struct error *err)
{
    struct segment_scan *scan = NULL;
    struct segment_scan_entry entry;
    int rc = segments_scan(v->db->segments, 0, v->index.end_seq, &scan, err);

    while (rc == BLOCKDB_OK) {
        struct record record;
        struct table_hit hit = {0};

        rc = segment_scan_next(scan, &entry, err);
        if (rc < 0 || record_parse(entry.record, &record) < 0 || kind_is_system(record.kind)) {
            continue;
        }
        epoch_enter(v->db->epoch);
        rc = table_set_get(v->state->tables, record.key, entry.seq, &hit, err);
        epoch_leave(v->db->epoch);
        if (rc == BLOCKDB_OK && (!hit.found || hit.seq != entry.seq)) {
            rc = error_set(err, BLOCKDB_ETAMPERED,
                           "the tables do not know entry %" PRIu64
                           " (ledger segment '%s', page at offset %" PRIu64 ", key '%.*s')",
                           entry.seq, entry.path, entry.page_offset,
                           (int)(record.key.len < 64 ? record.key.len : 64),
                           (const char *)record.key.data);
        }
    }
    segment_scan_free(scan);
    return rc == BLOCKDB_ENOTFOUND ? BLOCKDB_OK : rc;
}

int verify_index_locate(struct verify *v, struct error *err)
{
    struct locate l = {.v = v};
    size_t i;
    int rc = BLOCKDB_OK;

    for (i = 0; rc == BLOCKDB_OK && i < v->table_count; i++) {
        l.path = table_path(v->tables[i]);
        rc = table_verify(v->tables[i], locate_in_item, &l, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = locate_missing(v, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = error_set(err, BLOCKDB_ETAMPERED,
                       "the tables of '%s' and the ledger do not hold the same versions",
                       v->db->dir);
    }
    return rc;
}
