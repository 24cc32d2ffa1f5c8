/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verification of tables against themselves and against the ledger: see verify.h.
 */
#include "base/mem.h"
#include "engine/db.h"
#include "engine/read.h"
#include "engine/verify.h"

#include <inttypes.h>

/* A part of a table being checked by one thread. */
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

int verify_tables_init(struct verify *v)
{
    uint32_t level;
    size_t i;

    v->tables = mem_calloc(table_set_count(v->state->tables), sizeof(*v->tables));
    if (v->tables == NULL) {
        return BLOCKDB_ENOMEM;
    }
    for (level = 0; level < TABLE_LEVELS; level++) {
        struct table_span span = table_set_level(v->state->tables, level);

        for (i = 0; i < span.count; i++) {
            struct verify_table *t = &v->tables[v->table_count++];

            t->table = span.tables[i];
            t->first_unit = v->table_units;
            t->parts = table_verification_parts(t->table);
            atomic_init(&t->parts_left, t->parts);
            v->table_units += t->parts;
        }
    }
    return BLOCKDB_OK;
}

void verify_tables_deinit(struct verify *v)
{
    size_t i;

    for (i = 0; i < v->table_count; i++) {
        table_verification_free(v->tables[i].verification);
    }
    mem_free(v->tables);
}

/* The table that the unit is a part of. */
static struct verify_table *table_of_unit(struct verify *v, uint64_t unit)
{
    size_t low = 0;
    size_t high = v->table_count;

    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;

        if (v->tables[middle].first_unit <= unit) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return &v->tables[low];
}

/* The verification of the table, which the first part to come begins. */
static int begin_table(struct verify *v, struct verify_table *t, struct table_verification **out,
                       struct error *err)
{
    int rc = BLOCKDB_OK;

    mutex_lock(&v->mu);
    if (t->verification == NULL) {
        rc = table_verification_new(t->table, &t->verification, err);
    }
    *out = t->verification;
    mutex_unlock(&v->mu);
    return rc;
}

/* All parts of the table are good. */
static int end_table(struct verify *v, struct verify_table *t, struct error *err)
{
    struct table_verification *verification;
    int rc;

    mutex_lock(&v->mu);
    verification = TAKE(t->verification);
    mutex_unlock(&v->mu);
    rc = table_verification_end(verification, err);
    table_verification_free(verification);
    if (rc == BLOCKDB_OK) {
        (void)atomic_fetch_add_explicit(&v->bytes_read, table_facts(t->table)->file_bytes,
                                        memory_order_relaxed);
    }
    return rc;
}

int verify_table_unit(struct verify *v, uint64_t unit, struct error *err)
{
    struct verify_table *t = table_of_unit(v, unit);
    struct table_check check = {.v = v};
    struct table_verification *verification = NULL;
    int rc = begin_table(v, t, &verification, err);

    if (rc == BLOCKDB_OK) {
        rc = table_verification_part(verification, (uint32_t)(unit - t->first_unit), visit_item,
                                     &check, err);
    }
    index_check_add(&v->index, &check.sums);
    if (rc < 0) {
        return rc;
    }
    /* Acquire and release: the last one sees what all others have added. */
    return atomic_fetch_sub_explicit(&t->parts_left, 1, memory_order_acq_rel) == 1
               ? end_table(v, t, err)
               : BLOCKDB_OK;
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
        l.path = table_path(v->tables[i].table);
        rc = table_verify(v->tables[i].table, locate_in_item, &l, err);
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
