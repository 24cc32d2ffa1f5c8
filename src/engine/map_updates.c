/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/map_updates.h"

#include "base/mem.h"
#include "engine/db.h"
#include "ledger/redaction.h"

#include <inttypes.h>

#define PLACES_AT_ONCE 64

void map_updates_deinit(struct map_updates *u)
{
    mem_free(u->items);
    *u = (struct map_updates){0};
}

int map_updates_reserve(struct map_updates *u, size_t more)
{
    size_t cap = u->cap < 1024 ? 1024 : u->cap;
    struct map_update *items;

    if (u->count + more <= u->cap) {
        return BLOCKDB_OK;
    }
    while (cap < u->count + more) {
        cap *= 2;
    }
    items = mem_realloc(u->items, cap * sizeof(*items));
    if (items == NULL) {
        return BLOCKDB_ENOMEM;
    }
    u->items = items;
    u->cap = cap;
    return BLOCKDB_OK;
}

/* The update of a redaction whose target is a put; false when it is none. */
static bool redact_put(const struct record *target, uint64_t seq, struct map_update *out)
{
    if (target->kind != BLOCKDB_KIND_PUT) {
        return false;
    }
    out->kind = MAP_UPDATE_REDACT;
    out->seq = seq;
    map_place(target->collection, target->key, &out->place);
    return true;
}

/* A target that is in the ledger already. */
static int read_target(struct blockdb *db, uint64_t seq, struct map_update *out, bool *out_found,
                       struct error *err)
{
    struct segment_record stored = {0};
    struct record record;
    int rc = segments_read(db->segments, seq, &stored, err);

    if (rc < 0) {
        return rc == BLOCKDB_ENOTFOUND ? error_set(err, BLOCKDB_ECORRUPT,
                                                   "ledger '%s': entry %" PRIu64
                                                   ", which a redaction names, is missing",
                                                   db->ledger_dir, seq)
                                       : rc;
    }
    rc = record_parse(stored.bytes, &record);
    if (rc == BLOCKDB_OK) {
        *out_found = redact_put(&record, seq, out);
    }
    segment_record_release(&stored);
    if (rc < 0) {
        return error_set(err, rc, "ledger '%s': entry %" PRIu64 " is not a valid record",
                         db->ledger_dir, seq);
    }
    return tile_files_read(db->tiles, 0, seq, 1, out->entry.bytes, err);
}

static int add_redaction(struct blockdb *db, struct map_updates *u,
                         const struct map_entries *entries, const struct record *record,
                         struct error *err)
{
    struct map_update *out = &u->items[u->count];
    struct redaction redaction;
    uint64_t at;
    bool found = false;
    int rc = redaction_decode(record->value, &redaction);

    if (rc < 0) {
        return error_set(err, rc, "ledger '%s': a redaction cannot be decoded", db->ledger_dir);
    }
    *out = (struct map_update){0};
    at = redaction.target_seq - entries->first_seq;
    if (redaction.target_seq < entries->first_seq) {
        rc = read_target(db, redaction.target_seq, out, &found, err);
    } else if (at < entries->count) {
        found = redact_put(&entries->records[at], redaction.target_seq, out);
        out->entry = entries->leaves[at];
    }
    u->count += rc == BLOCKDB_OK && found;
    return rc;
}

/* Puts and deletes of some entries; their places are computed together. */
static int add_some(struct blockdb *db, struct map_updates *u, const struct map_entries *entries,
                    size_t from, struct error *err)
{
    struct map_place_job jobs[PLACES_AT_ONCE];
    size_t job_count = 0;
    size_t i;
    int rc = BLOCKDB_OK;

    for (i = from; rc == BLOCKDB_OK && i < entries->count && i < from + PLACES_AT_ONCE; i++) {
        const struct record *record = &entries->records[i];
        struct map_update *update = &u->items[u->count];

        if (record->kind == BLOCKDB_KIND_REDACT) {
            rc = add_redaction(db, u, entries, record, err);
        }
        if (kind_is_system(record->kind)) {
            continue;
        }
        *update = (struct map_update){
            .entry = entries->leaves[i],
            .seq = entries->first_seq + i,
            .kind = record->kind == BLOCKDB_KIND_DELETE ? MAP_UPDATE_DELETE : MAP_UPDATE_PUT,
        };
        jobs[job_count++] = (struct map_place_job){record->collection, record->key, &update->place};
        u->count++;
    }
    map_place_many(jobs, job_count);
    return rc;
}

int map_updates_add(struct blockdb *db, struct map_updates *u, const struct map_entries *entries,
                    struct error *err)
{
    size_t i;
    int rc = BLOCKDB_OK;

    if (map_updates_reserve(u, entries->count) < 0) {
        return error_set_no_memory(err);
    }
    for (i = 0; rc == BLOCKDB_OK && i < entries->count; i += PLACES_AT_ONCE) {
        rc = add_some(db, u, entries, i, err);
    }
    return rc;
}
