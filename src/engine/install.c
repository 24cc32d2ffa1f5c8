/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/install.h"

#include "base/assert.h"
#include "base/mem.h"
#include "engine/db.h"

#define RETRY_NS (10 * 1000000ULL)

/* What both steps need, made before the first. */
struct prepared {
    struct table_meta *metas; /* for the manifest */
    struct table_set_add *adds;
    size_t count;
};

static void prepared_deinit(struct prepared *p)
{
    size_t i;

    for (i = 0; p->adds != NULL && i < p->count; i++) {
        table_unref(p->adds[i].table);
    }
    mem_free(p->adds);
    mem_free(p->metas);
}

static int open_added(struct blockdb *db, const struct install *install, size_t i,
                      struct prepared *p, struct error *err)
{
    struct table_options options;
    char name[TABLE_NAME_MAX];
    AUTO(mem_free_ptr) char *path = NULL;

    p->metas[i] = table_facts_meta(&install->add[i], install->level);
    p->adds[i].level = install->level;
    db_table_options(db, &options);
    table_name(install->add[i].file_number, name);
    path = path_join(db->dir, name);
    if (path == NULL) {
        return error_set_no_memory(err);
    }
    return table_open(&options, path, install->add[i].file_number, &p->adds[i].table, err);
}

/* Tables that move stay as they are, at another level. */
static void take_moved(struct blockdb *db, const struct install *install, size_t i,
                       struct prepared *p)
{
    struct read_state *state = db_read_state_ref(db);
    struct table *table = table_set_find(state->tables, install->remove[i], NULL);

    ASSERT(table != NULL); /* it is busy, so nobody else removes it */
    p->adds[i] = (struct table_set_add){.table = table_ref(table), .level = install->level};
    p->metas[i] = table_facts_meta(table_facts(table), install->level);
    read_state_unref(state);
}

static int prepare(struct blockdb *db, const struct install *install, struct prepared *p,
                   struct error *err)
{
    size_t i;

    p->count = install->move ? install->remove_count : install->add_count;
    p->metas = mem_calloc(p->count, sizeof(*p->metas));
    p->adds = mem_calloc(p->count, sizeof(*p->adds));
    if (p->metas == NULL || p->adds == NULL) {
        return error_set_no_memory(err);
    }
    for (i = 0; i < p->count; i++) {
        int rc = BLOCKDB_OK;

        if (install->move) {
            take_moved(db, install, i, p);
        } else {
            rc = open_added(db, install, i, p, err);
        }
        if (rc < 0) {
            return rc;
        }
    }
    return BLOCKDB_OK;
}

/* Gives readers the new tables; ENOMEM changes nothing. */
static int publish(struct blockdb *db, const struct install *install, const struct prepared *p)
{
    struct table_set_edit edit = {
        .remove = install->remove,
        .remove_count = install->remove_count,
        .add = p->adds,
        .add_count = p->count,
    };
    AUTO(table_set_unref_ptr) struct table_set *tables = NULL;
    struct read_state *state;
    size_t memtables;
    int rc;

    mutex_lock(&db->state_mu);
    state = atomic_load_explicit(&db->read_state, memory_order_relaxed);
    memtables = state->memtable_count - (install->is_flush ? 1 : 0);
    rc = table_set_apply(state->tables, &edit, &tables);
    ASSERT(rc == BLOCKDB_OK || rc == BLOCKDB_ENOMEM); /* the manifest took the same edit */
    if (rc == BLOCKDB_OK) {
        rc = db_publish_locked(db, state->memtables, memtables, tables);
    }
    mutex_unlock(&db->state_mu);
    return rc;
}

static void remove_file(struct blockdb *db, uint64_t number)
{
    char name[TABLE_NAME_MAX];
    AUTO(mem_free_ptr) char *path = NULL;
    struct error ignored;

    table_name(number, name);
    path = path_join(db->dir, name);
    /* A file that stays is removed at the next open. */
    if (path != NULL && os_unlink(db->os, path, &ignored) < 0) {
        event_tell(db, BLOCKDB_EVENT_WARNING, "merge", "%s", ignored.message);
    }
}

static void remove_replaced(struct blockdb *db, const struct install *install)
{
    struct workers *w = &db->workers;
    size_t i;

    for (i = 0; !install->move && i < install->remove_count; i++) {
        bool held;

        mutex_lock(&w->mu);
        /* Without memory for the note the file stays until the next open. */
        held = w->files_held > 0;
        if (held && buf_append_le64(&w->obsolete, install->remove[i]) < 0) {
            held = true;
        }
        mutex_unlock(&w->mu);
        if (!held) {
            remove_file(db, install->remove[i]);
        }
    }
}

static void remove_added(struct blockdb *db, const struct install *install)
{
    size_t i;

    for (i = 0; i < install->add_count; i++) {
        remove_file(db, install->add[i].file_number);
    }
}

int install_run(struct blockdb *db, struct install *install, struct error *err)
{
    AUTO(prepared_deinit) struct prepared p = {0};
    int rc = prepare(db, install, &p, err);

    if (rc == BLOCKDB_OK) {
        install->edit.add_tables = p.metas;
        install->edit.add_table_count = p.count;
        install->edit.remove_tables = install->remove;
        install->edit.remove_table_count = install->remove_count;
        rc = manifest_append(db->manifest, &install->edit, err);
    }
    if (rc < 0) {
        /* After a failed write or sync the edit may yet be found at the next open: then the files
         * must be there; if it is not, they are removed there. */
        if (rc != BLOCKDB_EIO && rc != BLOCKDB_EREADONLY) {
            remove_added(db, install);
        }
        return rc;
    }
    while (publish(db, install, &p) < 0) {
        os_sleep_ns(db->os, RETRY_NS); /* INSTALL-1 */
    }
    remove_replaced(db, install);
    (void)epoch_collect(db->epoch); /* how many were freed does not matter */
    return BLOCKDB_OK;
}

void workers_hold_files(struct blockdb *db)
{
    redact_hold_off(db); /* REDACT-2 */
    mutex_lock(&db->workers.mu);
    db->workers.files_held++;
    mutex_unlock(&db->workers.mu);
}

void workers_release_files(struct blockdb *db)
{
    struct workers *w = &db->workers;
    AUTO(buf_deinit) struct buf obsolete = {0};
    size_t i;

    mutex_lock(&w->mu);
    ASSERT(w->files_held > 0);
    w->files_held--;
    if (w->files_held == 0) {
        obsolete = w->obsolete;
        w->obsolete = (struct buf){0};
    }
    mutex_unlock(&w->mu);
    for (i = 0; i + 8 <= obsolete.len; i += 8) {
        remove_file(db, get_le64(obsolete.data + i));
    }
    redact_let_go(db);
}

static bool forget(void *db, uint64_t seq)
{
    return redact_is_pending(db, seq, NULL);
}

static uint64_t take_number(void *manifest)
{
    return manifest_take_file_number(manifest);
}

void install_merge_options(struct blockdb *db, struct merge_options *out)
{
    const struct settings *settings = db->settings;

    *out = (struct merge_options){
        .os = db->os,
        .dir = db->dir,
        .take_number = take_number,
        .take_number_arg = db->manifest,
        .inline_value_limit = settings->inline_value_limit,
        .page_bytes = settings->sstable_block_size,
        .index_bytes = settings->index_block_size,
        .filter_bits_per_key = settings->enable_bloom_filters
                                   ? (unsigned)settings->bloom_filter_bits_per_key
                                   : 0,
        .codec = db_codec(settings),
        .codec_level = (int)settings->compression_level,
        .write_buffer_bytes = settings->write_buffer_size,
        .direct_io = settings->enable_direct_io,
        .forget = forget,
        .forget_arg = db,
        .budget = db->io_budget,
        .cancelled = &db->workers.cancelled,
    };
    memcpy(out->ledger_id, db->ledger_id, LEDGER_ID_LEN);
}
