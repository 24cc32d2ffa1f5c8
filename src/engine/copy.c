/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/copy.h"

#include "base/mem.h"
#include "engine/db.h"
#include "engine/flush.h"
#include "engine/segment_edit.h"
#include "store/identity.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct copy {
    struct blockdb *db;
    const struct copy_options *options;
    struct read_state *state;
    char *ledger_dir;
    char *tile_dir;
    char *wal_dir;
    uint64_t files_done;
    uint64_t files_total;
    uint64_t sealed_seq; /* where the copy's ledger ends at least */

    /* What the new manifest will say. */
    struct table_meta *tables;
    size_t table_count;
    struct manifest_segment *segments;
    size_t segment_count;
    uint64_t flushed_seq;
    uint64_t last_number;
};

static int step_progress(struct copy *c, struct error *err)
{
    c->files_done++;
    if (c->files_total < c->files_done) {
        c->files_total = c->files_done; /* the source grew since they were counted */
    }
    if (c->options->progress != NULL &&
        !c->options->progress(c->options->progress_arg, "files", c->files_done, c->files_total)) {
        return error_set(err, BLOCKDB_ECANCELED, "the copy into '%s' was cancelled; remove it",
                         c->options->dir);
    }
    return BLOCKDB_OK;
}

/* Makes `name` of from_dir appear in to_dir. */
static int copy_file(struct copy *c, const char *from_dir, const char *to_dir, const char *name,
                     bool may_link, struct error *err)
{
    AUTO(mem_free_ptr) char *from = path_join(from_dir, name);
    AUTO(mem_free_ptr) char *to = path_join(to_dir, name);
    struct error ignored;
    int rc;

    if (from == NULL || to == NULL) {
        return error_set_no_memory(err);
    }
    if (may_link && os_link(c->db->os, from, to, &ignored) == BLOCKDB_OK) {
        return step_progress(c, err);
    }
    rc = os_copy_file(c->db->os, from, to, err);
    return rc < 0 ? rc : step_progress(c, err);
}

static int refuse_any(void *context, const char *name, bool is_dir)
{
    (void)context;
    (void)name;
    (void)is_dir;
    return BLOCKDB_EEXIST;
}

static int make_dirs(struct copy *c, struct error *err)
{
    struct os *os = c->db->os;
    int rc;

    c->ledger_dir = path_join(c->options->dir, "ledger");
    c->wal_dir = path_join(c->options->dir, "wal");
    c->tile_dir = c->ledger_dir != NULL ? path_join(c->ledger_dir, "tile") : NULL;
    if (c->tile_dir == NULL || c->wal_dir == NULL) {
        return error_set_no_memory(err);
    }
    rc = os_make_dirs(os, c->options->dir, err);
    if (rc == BLOCKDB_OK) {
        rc = os_list(os, c->options->dir, refuse_any, NULL, err);
        if (rc == BLOCKDB_EEXIST) {
            return error_set(err, rc, "'%s' is not empty; name a new directory", c->options->dir);
        }
    }
    return rc < 0 ? rc : os_make_dirs(os, c->tile_dir, err);
}

/* ---- Tables, segments, tiles
 * --------------------------------------------------------------------- */

static int copy_table(struct copy *c, struct table *table, uint32_t level, struct error *err)
{
    const struct table_facts *facts = table_facts(table);
    char name[TABLE_NAME_MAX];

    c->tables[c->table_count++] = table_facts_meta(facts, level);
    if (facts->seq_max + 1 > c->flushed_seq) {
        c->flushed_seq = facts->seq_max + 1;
    }
    if (facts->file_number > c->last_number) {
        c->last_number = facts->file_number;
    }
    table_name(facts->file_number, name);
    return copy_file(c, c->db->dir, c->options->dir, name, true, err);
}

static int copy_tables(struct copy *c, struct error *err)
{
    uint32_t level;
    size_t i;
    int rc = BLOCKDB_OK;

    c->tables = mem_calloc(table_set_count(c->state->tables), sizeof(*c->tables));
    if (c->tables == NULL) {
        return error_set_no_memory(err);
    }
    for (level = 0; level < TABLE_LEVELS; level++) {
        struct table_span span = table_set_level(c->state->tables, level);

        for (i = 0; rc == BLOCKDB_OK && i < span.count; i++) {
            rc = copy_table(c, span.tables[i], level, err);
        }
    }
    return rc;
}

static int copy_segments(struct copy *c, struct error *err)
{
    struct segments_stats stats;
    struct segment_info info;
    uint32_t i;
    int rc = BLOCKDB_OK;

    segments_get_stats(c->db->segments, &stats);
    c->segments = mem_calloc(stats.segments, sizeof(*c->segments));
    if (c->segments == NULL) {
        return error_set_no_memory(err);
    }
    for (i = 0; rc == BLOCKDB_OK && i < stats.segments && segments_info(c->db->segments, i, &info);
         i++) {
        char name[SEGMENT_NAME_MAX];

        c->segments[c->segment_count++] = segment_to_manifest(&info);
        segment_name(info.number, info.revision, name);
        rc = copy_file(c, c->db->ledger_dir, c->ledger_dir, name, info.finished, err);
    }
    return rc;
}

/* The files of one level of tiles. Only those that were full at the sealed point are linked: the
 * copy, whose ledger may end there, writes into the others, whatever the source has put in them
 * since. */
struct tile_level {
    struct copy *c;
    const char *from;
    const char *to;
    uint64_t hashes; /* of this level at the sealed point */
    struct error *err;
};

static int visit_tile_file(void *context, const char *name, bool is_dir)
{
    struct tile_level *l = context;
    uint64_t full_files = l->hashes / TILE_FILE_HASHES_DEFAULT;

    if (is_dir) {
        return BLOCKDB_OK;
    }
    return copy_file(l->c, l->from, l->to, name, strtoull(name, NULL, 10) < full_files, l->err);
}

static int visit_tile_level(void *context, const char *name, bool is_dir)
{
    struct tile_level *outer = context;
    AUTO(mem_free_ptr) char *from = path_join(outer->from, name);
    AUTO(mem_free_ptr) char *to = path_join(outer->to, name);
    struct tile_level level = {.c = outer->c, .from = from, .to = to, .err = outer->err};
    struct os *os = outer->c->db->os;
    unsigned long number = strtoul(name, NULL, 10);
    int rc;

    if (!is_dir || number >= TILE_LEVELS) {
        return BLOCKDB_OK;
    }
    level.hashes = outer->hashes >> (8 * number); /* TILE_HASHES of a level make one of the next */
    if (from == NULL || to == NULL) {
        return error_set_no_memory(outer->err);
    }
    rc = os_make_dirs(os, to, outer->err);
    if (rc == BLOCKDB_OK) {
        rc = os_list(os, from, visit_tile_file, &level, outer->err);
    }
    return rc < 0 ? rc : os_sync_dir(os, to, outer->err);
}

static int copy_tiles(struct copy *c, struct error *err)
{
    struct tile_level outer = {
        .c = c, .from = c->db->tile_dir, .to = c->tile_dir, .hashes = c->sealed_seq, .err = err};

    return os_list(c->db->os, c->db->tile_dir, visit_tile_level, &outer, err);
}

/* ---- Manifest and identity
 * ----------------------------------------------------------------------- */

/* The sealed point of a database that may not write is the one its manifest has. */
static int sealed_edit(struct copy *c, struct manifest_edit *edit, uint8_t *tip,
                       struct buf *requests)
{
    const struct manifest_state *state;

    if (!c->db->read_only) {
        int rc = flush_edit(c->db, edit, tip, requests);

        edit->set_wal = false; /* the copy's WAL begins empty */
        c->sealed_seq = edit->sealed.seq_count;
        return rc;
    }
    state = manifest_state(c->db->manifest);
    edit->set_sealed = state->frontier_bytes.len > 0;
    edit->sealed = state->sealed;
    edit->sealed.frontier = buf_slice(&state->frontier_bytes);
    c->sealed_seq = edit->sealed.seq_count;
    edit->set_dedupe = state->dedupe.len > 0;
    edit->dedupe = buf_slice(&state->dedupe);
    edit->dedupe_seq = state->dedupe_seq;
    return BLOCKDB_OK;
}

static int write_manifest(struct copy *c, const struct manifest_edit *sealed, struct error *err)
{
    struct manifest_open_options options = {.os = c->db->os, .dir = c->options->dir};
    AUTO(manifest_close_ptr) struct manifest *manifest = NULL;
    struct manifest_edit edit = *sealed;
    int rc;

    memcpy(options.ledger_id, c->db->ledger_id, LEDGER_ID_LEN);
    rc = manifest_create(&options, &manifest, err);
    if (rc < 0) {
        return rc;
    }
    while (manifest_take_file_number(manifest) < c->last_number) {
        /* new tables of the copy get numbers above those it has */
    }
    edit.add_tables = c->tables;
    edit.add_table_count = c->table_count;
    edit.put_segments = c->segments;
    edit.put_segment_count = c->segment_count;
    edit.set_flushed = true;
    edit.flushed_seq = c->flushed_seq;
    /* What the ledger has declared; where IDENTITY is ahead, the first opening declares it. */
    edit.epoch = c->db->read_only ? manifest_state(c->db->manifest)->epoch : c->db->epoch_number;
    edit.set_epoch = edit.epoch > 0;
    edit.redactions_from = redact_pending_from(c->db);
    edit.set_redactions = edit.redactions_from != BLOCKDB_SEQ_NONE;
    return manifest_append(manifest, &edit, err);
}

static int write_identity(struct copy *c, struct error *err)
{
    struct identity identity;
    int rc = identity_load(c->db->os, c->db->dir, &identity, err);

    if (rc < 0) {
        return rc;
    }
    if (identity.epoch != c->options->epoch) { /* it begins a log with a name of its own */
        identity.features_ignorable &= ~IDENTITY_HAS_HEADS;
    }
    identity.epoch = c->options->epoch;
    rc = identity_replace(c->db->os, c->options->dir, &identity, err);
    return rc < 0 ? rc : os_sync_dir(c->db->os, c->options->dir, err);
}

static int count_files(void *context, const char *name, bool is_dir)
{
    struct copy *c = context;

    (void)name;
    c->files_total += is_dir ? 0 : 1;
    return BLOCKDB_OK;
}

static int count_tile_level(void *context, const char *name, bool is_dir)
{
    struct copy *c = context;
    AUTO(mem_free_ptr) char *level = path_join(c->db->tile_dir, name);
    struct error ignored;

    if (is_dir && level != NULL) {
        (void)!os_list(c->db->os, level, count_files, c, &ignored); /* it is only an estimate */
    }
    return BLOCKDB_OK;
}

/* What progress is measured against; tables are known by then. */
static int count_all_files(struct copy *c, struct error *err)
{
    int rc = os_list(c->db->os, c->db->ledger_dir, count_files, c, err);

    c->files_total += table_set_count(c->state->tables);
    return rc < 0 ? rc : os_list(c->db->os, c->db->tile_dir, count_tile_level, c, err);
}

static int copy_steps(struct copy *c, struct error *err)
{
    AUTO(buf_deinit) struct buf requests = {0};
    uint8_t tip[TIP_LEN_MAX];
    struct manifest_edit sealed = {0};
    int rc = make_dirs(c, err);

    if (rc == BLOCKDB_OK) {
        rc = sealer_seal_all(c->db, err);
    }
    if (rc < 0) {
        return rc;
    }
    c->state = db_read_state_ref(c->db);
    rc = count_all_files(c, err);
    if (rc < 0) {
        return rc;
    }
    /* Heads first: what is signed is sealed, so the sealed point that is read later covers it. */
    if (c->options->epoch == c->db->epoch_number) {
        rc = heads_copy(c->db, c->ledger_dir, err);
    }
    if (rc < 0) {
        return rc;
    }
    /* The sealed point first: files that are copied later hold at least as much. */
    if (sealed_edit(c, &sealed, tip, &requests) < 0) {
        return error_set_no_memory(err);
    }
    rc = copy_tables(c, err);
    if (rc == BLOCKDB_OK) {
        rc = copy_segments(c, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = copy_tiles(c, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = os_sync_dir(c->db->os, c->ledger_dir, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = wal_create_dir(c->db->os, c->wal_dir, c->db->ledger_id, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = write_manifest(c, &sealed, err);
    }
    return rc < 0 ? rc : write_identity(c, err);
}

int copy_database(struct blockdb *db, const struct copy_options *options, struct error *err)
{
    struct copy c = {.db = db, .options = options};
    int rc;

    workers_hold_files(db);
    rc = copy_steps(&c, err);
    workers_release_files(db);
    read_state_unref(c.state);
    mem_free(c.tables);
    mem_free(c.segments);
    mem_free(c.ledger_dir);
    mem_free(c.tile_dir);
    mem_free(c.wal_dir);
    return rc;
}
