/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening and closing.
 *
 * Parts begin in the order of this file and end in the reverse one. Threads start last, when
 * everything they touch is there: sealer, workers, committer, ticker, heads. Closing seals and
 * syncs what is left, stops the threads, and leaves a mark that the WAL ends where it does.
 */
#include "engine/open.h"

#include "base/mem.h"
#include "base/text.h"
#include "engine/db.h"
#include "engine/declare.h"
#include "engine/flush.h"
#include "engine/map.h"
#include "engine/recover.h"
#include "engine/redact.h"
#include "store/identity.h"

#include <inttypes.h>
#include <stdio.h>

#define LOCK_NAME "LOCK"
/* Smaller memtables do without a pool, whose chunks are a large part of them. */
#define POOL_MEMTABLE_BYTES_MIN (16u * 1024 * 1024)
/* A larger memtable is flushed when closing, so that the next open need not read it back. */
#define CLOSE_FLUSH_BYTES (2u * 1024 * 1024)

/* ---- Names and directories ------------------------------------------------------------------- */

static int make_paths(struct blockdb *db, const char *dir, struct error *err)
{
    const char *wal_dir = db->settings->wal_dir;

    db->dir = mem_strdup(dir != NULL ? dir : db->settings->data_dir);
    if (db->dir != NULL) {
        db->wal_dir = wal_dir[0] != '\0' ? mem_strdup(wal_dir) : path_join(db->dir, "wal");
        db->ledger_dir = path_join(db->dir, "ledger");
    }
    if (db->ledger_dir != NULL) {
        db->tile_dir = path_join(db->ledger_dir, "tile");
    }
    if (db->wal_dir == NULL || db->tile_dir == NULL) {
        return error_set_no_memory(err);
    }
    return BLOCKDB_OK;
}

/* Makes the directory, or sees that there is a database in it: no file is put into any other. */
static int find_dir(struct blockdb *db, unsigned flags, struct error *err)
{
    AUTO(mem_free_ptr) char *identity = path_join(db->dir, IDENTITY_NAME);
    struct os_stat stat;
    int rc;

    if (identity == NULL) {
        return error_set_no_memory(err);
    }
    rc = os_stat_path(db->os, db->dir, &stat, err);
    if (rc == BLOCKDB_OK && !stat.is_dir) {
        return error_set(err, BLOCKDB_EFOREIGN, "'%s' is not a directory", db->dir);
    }
    if ((flags & BLOCKDB_OPEN_CREATE) != 0) {
        return rc == BLOCKDB_ENOTFOUND ? os_make_dirs(db->os, db->dir, err) : rc;
    }
    if (rc == BLOCKDB_OK) {
        rc = os_stat_path(db->os, identity, &stat, err);
    }
    if (rc == BLOCKDB_ENOTFOUND) {
        return error_set(err, rc,
                         "there is no database in '%s'; name another directory, or create "
                         "one there by writing to it",
                         db->dir);
    }
    return rc;
}

static int lock_dir(struct blockdb *db, unsigned flags, struct error *err)
{
    AUTO(mem_free_ptr) char *path = path_join(db->dir, LOCK_NAME);
    int rc = path != NULL ? find_dir(db, flags, err) : error_set_no_memory(err);

    if (rc < 0) {
        return rc;
    }
    rc = os_lock(db->os, path, &db->lock_file, err);
    if (rc == BLOCKDB_EBUSY) {
        return error_wrap(err, rc, "the database in '%s' is open in another process", db->dir);
    }
    return rc;
}

static int refuse_foreign(void *context, const char *name, bool is_dir)
{
    char *found = context;

    (void)is_dir;
    if (strcmp(name, LOCK_NAME) == 0 || strcmp(name, IDENTITY_NAME ".tmp") == 0) {
        return BLOCKDB_OK; /* what an interrupted creation leaves */
    }
    (void)snprintf(found, 256, "%s", name);
    return BLOCKDB_EFOREIGN;
}

/* A directory without IDENTITY becomes a database only when nothing else is in it. */
static int create_identity(struct blockdb *db, unsigned flags, struct identity *out,
                           struct error *err)
{
    char found[256] = "";
    int rc;

    if ((flags & BLOCKDB_OPEN_CREATE) == 0) {
        return error_set(err, BLOCKDB_ENOTFOUND, "there is no database in '%s'", db->dir);
    }
    rc = os_list(db->os, db->dir, refuse_foreign, found, err);
    if (rc == BLOCKDB_EFOREIGN) {
        return error_set(err, rc,
                         "'%s' has no IDENTITY file but holds '%s': it is not a database, or one "
                         "that was copied in part; choose an empty directory",
                         db->dir, found);
    }
    return rc < 0 ? rc : identity_create(db->os, db->dir, out, err);
}

static int load_identity(struct blockdb *db, unsigned flags, struct error *err)
{
    struct identity identity;
    int rc = identity_load(db->os, db->dir, &identity, err);
    size_t i;

    if (rc == BLOCKDB_ENOTFOUND) {
        rc = create_identity(db, flags, &identity, err);
    } else if (rc == BLOCKDB_OK && (flags & BLOCKDB_OPEN_EXCLUSIVE) != 0) {
        return error_set(err, BLOCKDB_EEXIST, "there is a database in '%s' already", db->dir);
    }
    if (rc < 0) {
        return rc;
    }
    memcpy(db->ledger_id, identity.ledger_id, LEDGER_ID_LEN);
    db->epoch_number = identity.epoch;
    for (i = 0; i < LEDGER_ID_LEN; i++) {
        (void)snprintf(db->ledger_id_text + 2 * i, 3, "%02x", identity.ledger_id[i]);
    }
    return BLOCKDB_OK;
}

/* ---- Memory ---------------------------------------------------------------------------------- */

static struct cache *new_cache(struct blockdb *db, uint64_t bytes, uint64_t page_bytes)
{
    struct cache_options options = {
        .epoch = db->epoch,
        .capacity_bytes = (size_t)bytes,
        .page_bytes = (size_t)page_bytes,
    };

    return cache_new(&options);
}

static int make_parts(struct blockdb *db, struct error *err)
{
    const struct settings *settings = db->settings;

    mutex_init(&db->state_mu, LOCK_RANK_ENGINE);
    failure_init(&db->failure);
    shortage_init(&db->shortage);
    ticker_init(&db->ticker);
    notify_init(&db->notify);
    account_init(&db->account, settings);
    submission_pool_init(&db->submissions);
    redactions_init(&db->redactions);
    db->epoch = epoch_new();
    if (db->epoch != NULL) {
        db->block_cache = new_cache(db, settings->block_cache_size, settings->sstable_block_size);
        db->index_cache = new_cache(db, settings->index_cache_size, settings->index_block_size);
        db->table_counters = table_counters_new();
        db->io_budget = io_budget_new(db->os, settings->io_budget);
    }
    if (settings->memtable_size_limit >= POOL_MEMTABLE_BYTES_MIN) {
        db->arena_pool = arena_pool_new(settings->memtable_size_limit);
    }
    if (db->block_cache == NULL || db->index_cache == NULL || db->table_counters == NULL ||
        db->io_budget == NULL || commit_init(&db->commit) < 0 || workers_init(&db->workers) < 0) {
        return error_set_no_memory(err);
    }
    return BLOCKDB_OK;
}

/* ---- What the manifest names ----------------------------------------------------------------- */

static bool has_suffix(const char *name, const char *suffix)
{
    size_t len = strlen(name);
    size_t suffix_len = strlen(suffix);

    return len >= suffix_len && strcmp(name + len - suffix_len, suffix) == 0;
}

static int refuse_data(void *context, const char *name, bool is_dir)
{
    (void)context;
    (void)is_dir;
    return has_suffix(name, ".sst") || has_suffix(name, ".blk") ? BLOCKDB_ECORRUPT : BLOCKDB_OK;
}

/* The rest of a creation: IDENTITY is there, the manifest is not. */
static int create_rest(struct blockdb *db, const struct manifest_open_options *options,
                       struct error *err)
{
    int rc = os_list(db->os, db->dir, refuse_data, NULL, err);

    if (rc == BLOCKDB_OK) {
        rc = os_make_dirs(db->os, db->tile_dir, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = os_list(db->os, db->ledger_dir, refuse_data, NULL, err);
    }
    if (rc == BLOCKDB_ECORRUPT) {
        return error_set(err, rc,
                         "'%s' holds data but no manifest (MANIFEST-*, CURRENT); restore it from "
                         "a backup",
                         db->dir);
    }
    if (rc == BLOCKDB_OK) {
        rc = wal_create_dir(db->os, db->wal_dir, db->ledger_id, err);
    }
    return rc < 0 ? rc : manifest_create(options, &db->manifest, err);
}

static int open_manifest(struct blockdb *db, struct error *err)
{
    struct manifest_open_options options = {
        .os = db->os, .dir = db->dir, .read_only = db->read_only};
    int rc;

    memcpy(options.ledger_id, db->ledger_id, LEDGER_ID_LEN);
    rc = manifest_open(&options, &db->manifest, err);
    if (rc == BLOCKDB_ENOTFOUND && !db->read_only) {
        rc = create_rest(db, &options, err);
    }
    return rc;
}

struct leftovers {
    struct blockdb *db;
    const struct manifest_state *state;
};

/* Removes a table file that the manifest does not name: an interrupted flush or merge left it. */
static int remove_leftover(void *context, const char *name, bool is_dir)
{
    struct leftovers *l = context;
    AUTO(mem_free_ptr) char *path = NULL;
    struct error ignored;
    uint64_t number;
    int used = 0;

    if (is_dir || sscanf(name, "%" SCNu64 ".sst%n", &number, &used) != 1 || name[used] != '\0' ||
        used == 0 || manifest_state_find(l->state, number) != NULL) {
        return BLOCKDB_OK;
    }
    path = path_join(l->db->dir, name);
    if (path != NULL && os_unlink(l->db->os, path, &ignored) < 0) {
        event_tell(l->db, BLOCKDB_EVENT_WARNING, "open", "%s", ignored.message);
    }
    return BLOCKDB_OK;
}

static int open_table(struct blockdb *db, const struct table_meta *meta, struct table **out,
                      struct error *err)
{
    struct table_options options;
    char name[TABLE_NAME_MAX];
    AUTO(mem_free_ptr) char *path = NULL;
    int rc;

    db_table_options(db, &options);
    table_name(meta->number, name);
    path = path_join(db->dir, name);
    if (path == NULL) {
        return error_set_no_memory(err);
    }
    rc = table_open(&options, path, meta->number, out, err);
    if (rc == BLOCKDB_ENOTFOUND) {
        return error_set(err, BLOCKDB_ECORRUPT,
                         "table '%s' is missing, the manifest names it; restore it from a backup",
                         path);
    }
    return rc;
}

static int open_tables(struct blockdb *db, const struct manifest_state *state,
                       struct table_set **out, struct error *err)
{
    AUTO(mem_free_ptr) struct table_set_add *adds = mem_calloc(state->table_count, sizeof(*adds));
    AUTO(table_set_unref_ptr) struct table_set *empty = table_set_new();
    struct table_set_edit edit = {.add = adds};
    size_t i;
    int rc = BLOCKDB_OK;

    if (adds == NULL || empty == NULL) {
        return error_set_no_memory(err);
    }
    for (i = 0; rc == BLOCKDB_OK && i < state->table_count; i++) {
        adds[i].level = state->tables[i].level;
        rc = open_table(db, &state->tables[i], &adds[i].table, err);
        edit.add_count += rc == BLOCKDB_OK;
    }
    if (rc == BLOCKDB_OK) {
        rc = table_set_apply(empty, &edit, out);
        if (rc < 0) {
            rc = error_set(err, rc, "the tables that the manifest of '%s' names do not fit",
                           db->dir);
        }
    }
    for (i = 0; i < edit.add_count; i++) {
        table_unref(adds[i].table);
    }
    return rc;
}

/* The first read state: an empty memtable before the tables. */
static int publish_tables(struct blockdb *db, const struct manifest_state *state, struct error *err)
{
    AUTO(table_set_unref_ptr) struct table_set *tables = NULL;
    struct memtable_options options = {
        .pool = db->arena_pool,
        .index_bytes = db_memtable_index_bytes(db),
        .account = &db->account.held[ACCOUNT_MEMTABLES],
    };
    AUTO(memtable_unref_ptr) struct memtable *mt = memtable_new(&options);
    int rc = open_tables(db, state, &tables, err);

    if (rc < 0) {
        return rc;
    }
    if (mt == NULL) {
        return error_set_no_memory(err);
    }
    mutex_lock(&db->state_mu);
    rc = db_publish_locked(db, &mt, 1, tables);
    mutex_unlock(&db->state_mu);
    return rc < 0 ? error_set_no_memory(err) : BLOCKDB_OK;
}

/* ---- Opening --------------------------------------------------------------------------------- */

static int start_threads(struct blockdb *db, struct error *err)
{
    int rc;

    if (db->read_only) {
        return BLOCKDB_OK;
    }
    rc = map_start(db, err);
    if (rc == BLOCKDB_OK) {
        rc = sealer_start(db, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = workers_start(db, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = commit_start(db, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = ticker_start(db, err);
    }
    if (rc == BLOCKDB_OK) {
        workers_tables_changed(db);
    }
    return rc;
}

static int open_steps(struct blockdb *db, const char *dir, unsigned flags, struct error *err)
{
    const struct manifest_state *state;
    struct leftovers leftovers = {.db = db};
    uint64_t declared_epoch = 0;
    int rc = make_paths(db, dir, err);

    if (rc == BLOCKDB_OK) {
        rc = make_parts(db, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = lock_dir(db, flags, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = load_identity(db, flags, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = open_manifest(db, err);
    }
    if (rc < 0) {
        return rc;
    }
    state = manifest_state(db->manifest);
    leftovers.state = state;
    if (!db->read_only) {
        rc = os_list(db->os, db->dir, remove_leftover, &leftovers, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = publish_tables(db, state, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = recover_run(db, state, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = heads_open(db, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = redact_load(db, state->redactions_from, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = map_open(db, err);
    }
    if (rc == BLOCKDB_OK) {
        declared_epoch = state->epoch; /* the state is not to be read beside appends */
        rc = start_threads(db, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = declare_epoch(db, declared_epoch, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = heads_start(db, err);
    }
    if (rc == BLOCKDB_OK) {
        redact_resume(db);
    }
    return rc;
}

static void stop_threads(struct blockdb *db)
{
    heads_stop(db);
    ticker_stop(db);
    if (db->commit.requests != NULL) {
        commit_stop(db);
    }
    if (db->has_seal_queue) {
        sealer_stop(db);
    }
    map_stop(db);
    if (db->workers.busy != NULL) {
        workers_stop(db);
    }
}

/* Frees everything; no thread runs any more. */
static void db_free(struct blockdb *db)
{
    struct read_state *state = atomic_load_explicit(&db->read_state, memory_order_acquire);

    read_state_unref(state);
    if (db->epoch != NULL) {
        (void)epoch_collect(
            db->epoch); /* what was retired lets go of tables before the caches go */
    }
    if (db->has_seal_queue) {
        seal_queue_deinit(&db->seal_queue);
    }
    sealer_deinit(&db->sealer);
    heads_close(db);
    map_close(db);
    tile_files_close(db->tiles);
    segments_close(db->segments);
    manifest_close(db->manifest);
    workers_deinit(&db->workers);
    commit_deinit(&db->commit);
    io_budget_free(db->io_budget);
    cache_free(db->index_cache);
    cache_free(db->block_cache);
    epoch_free(db->epoch);
    arena_pool_free(db->arena_pool);
    table_counters_free(db->table_counters);
    if (db->dir != NULL && db->tile_dir != NULL && db->wal_dir != NULL) {
        redactions_deinit(&db->redactions);
        ticker_deinit(&db->ticker);
        notify_deinit(&db->notify);
        account_deinit(&db->account);
        submission_pool_deinit(&db->submissions);
        shortage_deinit(&db->shortage);
        failure_deinit(&db->failure);
        mutex_deinit(&db->state_mu);
    }
    file_close(db->lock_file);
    mem_free(db->tile_dir);
    mem_free(db->ledger_dir);
    mem_free(db->wal_dir);
    mem_free(db->dir);
    blockdb_options_free(db->options);
    mem_free(db);
}

/* An open that failed leaves the files to the next one. */
static void abandon(struct blockdb *db)
{
    struct error ignored;

    if (db->dir != NULL && db->tile_dir != NULL && db->wal_dir != NULL) {
        stop_threads(db);
    }
    if (db->wal != NULL) {
        IGNORE_RESULT(wal_close(db->wal, NULL, &ignored));
    }
    db_free(db);
}

int db_open(struct os *os, const char *dir, const struct blockdb_options *options, unsigned flags,
            struct blockdb **out_db, struct error *err)
{
    struct blockdb *db = mem_alloc_aligned(64, sizeof(*db));
    int rc;

    if (db == NULL) {
        return error_set_no_memory(err);
    }
    memset(db, 0, sizeof(*db));
    db->os = os;
    db->read_only = (flags & BLOCKDB_OPEN_READ_ONLY) != 0;
    db->options = options_copy(options);
    if (db->options == NULL) {
        mem_free(db);
        return error_set_no_memory(err);
    }
    db->settings = options_settings(db->options);
    rc = settings_check(db->settings, NULL, err);
    if (rc == BLOCKDB_OK) {
        rc = open_steps(db, dir, flags, err);
    }
    if (rc < 0) {
        abandon(db);
        return rc;
    }
    *out_db = db;
    return BLOCKDB_OK;
}

int blockdb_open(const char *dir, const struct blockdb_options *options, unsigned flags,
                 struct blockdb **out_db, struct blockdb_error *err)
{
    return db_open(os_real(), dir, options, flags, out_db, err);
}

/* ---- Closing --------------------------------------------------------------------------------- */

static bool is_memtable_large(struct blockdb *db)
{
    bool is_large;

    epoch_enter(db->epoch);
    is_large = db_read_state(db)->memtable_count > 1 ||
               memtable_bytes(db_read_state(db)->memtables[0]) > CLOSE_FLUSH_BYTES;
    epoch_leave(db->epoch);
    return is_large;
}

/* Brings what is in memory into ledger and tables. */
static int settle(struct blockdb *db, struct error *err)
{
    int rc = commit_sync(db, err);

    if (rc == BLOCKDB_OK) {
        rc = sealer_seal_all(db, err);
    }
    if (rc == BLOCKDB_OK && is_memtable_large(db)) {
        rc = blockdb_flush(db, err);
    }
    return rc;
}

/* Whether the manifest says already what the edit of a closing says: nothing was written since. */
static bool is_marked(const struct manifest_state *state, const struct manifest_edit *edit)
{
    const struct manifest_sealed *sealed = &state->sealed;

    return state->wal.clean && state->wal.position == edit->wal.position &&
           state->wal.end_seq == edit->wal.end_seq && sealed->seq_count == edit->sealed.seq_count &&
           sealed->block_height == edit->sealed.block_height &&
           sealed->tree_size == edit->sealed.tree_size &&
           slice_equal(buf_slice(&state->frontier_bytes), edit->sealed.frontier) &&
           (!edit->set_dedupe || slice_equal(buf_slice(&state->dedupe), edit->dedupe));
}

/* Marks where the WAL ends. */
static int leave_mark(struct blockdb *db, const struct wal_end_mark *mark, struct error *err)
{
    AUTO(buf_deinit) struct buf requests = {0};
    uint8_t tip[TIP_LEN_MAX];
    struct manifest_edit edit = {
        .set_wal = true,
        .wal = {.position = mark->position, .end_seq = mark->end_seq, .clean = true},
    };

    if (flush_edit(db, &edit, tip, &requests) < 0) {
        return error_set_no_memory(err);
    }
    return is_marked(manifest_state(db->manifest), &edit)
               ? BLOCKDB_OK
               : manifest_append(db->manifest, &edit, err);
}

static int close_writable(struct blockdb *db, struct error *err)
{
    struct wal_end_mark mark;
    struct error later;
    int rc = settle(db, err);
    int wal_rc;

    stop_threads(db);
    wal_rc = wal_close(db->wal, &mark, &later);
    db->wal = NULL;
    if (wal_rc == BLOCKDB_OK && !failure_is_set(&db->failure)) {
        wal_rc = leave_mark(db, &mark, &later);
    }
    if (rc == BLOCKDB_OK && wal_rc < 0) {
        rc = error_set(err, wal_rc, "%s", later.message);
    }
    return rc;
}

int db_close(struct blockdb *db, struct blockdb_head *out_head, struct error *err)
{
    struct error ignored;
    int rc = BLOCKDB_OK;

    if (!db->read_only) {
        rc = close_writable(db, err);
    } else {
        stop_threads(db);
        IGNORE_RESULT(wal_close(db->wal, NULL, &ignored)); /* nothing was written to lose */
        db->wal = NULL;
    }
    IGNORE_RESULT(blockdb_head_get(db, out_head, &ignored)); /* it reads memory */
    if (db->read_only && tile_files_count(db->tiles, 0) < out_head->size) {
        *out_head = (struct blockdb_head){.size = 0};
    }
    db_free(db);
    return rc;
}

int blockdb_close(struct blockdb *db, struct blockdb_error *err)
{
    struct blockdb_head head;

    return db != NULL ? db_close(db, &head, err) : BLOCKDB_OK;
}
