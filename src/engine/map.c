/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/map.h"

#include "base/mem.h"
#include "engine/db.h"
#include "engine/map_priv.h"
#include "ledger/merkle.h"

#include <inttypes.h>

#define DIR_NAME "map"

/* ---- Life ------------------------------------------------------------------------------------ */

int map_open(struct blockdb *db, struct error *err)
{
    struct map *m;

    if (db->read_only || !db->settings->proof_map) {
        return BLOCKDB_OK;
    }
    m = mem_calloc(1, sizeof(*m));
    if (m == NULL) {
        return error_set_no_memory(err);
    }
    m->dir = path_join(db->ledger_dir, DIR_NAME);
    if (m->dir == NULL) {
        mem_free(m);
        return error_set_no_memory(err);
    }
    m->db = db;
    mutex_init(&m->mu, LOCK_RANK_MAP);
    cond_init(&m->changed);
    db->map = m;
    return BLOCKDB_OK;
}

int map_start(struct blockdb *db, struct error *err)
{
    if (db->map == NULL) {
        return BLOCKDB_OK;
    }
    return os_thread_start(db->os, "blockdb-map", map_main, db->map, &db->map->thread, err);
}

void map_stop(struct blockdb *db)
{
    struct map *m = db->map;

    if (m == NULL || m->thread == NULL) {
        return;
    }
    atomic_store_explicit(&m->hurry, true, memory_order_relaxed);
    mutex_lock(&m->mu);
    m->stopped = true;
    cond_broadcast(&m->changed);
    mutex_unlock(&m->mu);
    os_thread_join(db->os, m->thread);
    m->thread = NULL;
}

void map_close(struct blockdb *db)
{
    struct map *m = db->map;

    if (m == NULL) {
        return;
    }
    map_tree_free(m->tree);
    map_updates_deinit(&m->filling.updates);
    map_updates_deinit(&m->working.updates);
    map_updates_deinit(&m->sealing);
    cond_deinit(&m->changed);
    mutex_deinit(&m->mu);
    mem_free(m->dir);
    mem_free(m);
    db->map = NULL;
}

/* ---- The tree -------------------------------------------------------------------------------- */

void map_take_tree(struct map *m)
{
    mutex_lock(&m->mu);
    while (m->in_use) {
        cond_wait(&m->changed, &m->mu);
    }
    m->in_use = true;
    mutex_unlock(&m->mu);
}

void map_give_tree(struct map *m)
{
    mutex_lock(&m->mu);
    m->in_use = false;
    cond_broadcast(&m->changed);
    mutex_unlock(&m->mu);
}

void map_note_memory_locked(struct map *m)
{
    /* Without looking at the caches: the next group of commits does. */
    atomic_store_explicit(&m->db->account.held[ACCOUNT_MAP], m->memory_bytes, memory_order_relaxed);
}

void map_note_state_locked(struct map *m)
{
    m->leaf_count = map_tree_leaf_count(m->tree);
    m->memory_bytes = map_tree_bytes(m->tree);
    map_note_memory_locked(m);
    m->file_bytes = map_tree_file_bytes(m->tree);
}

/* ---- Asking ---------------------------------------------------------------------------------- */

static int refuse_without_map(const struct blockdb *db, struct error *err)
{
    if (db->read_only) {
        return error_set(err, BLOCKDB_EUNSUPPORTED,
                         "the map of newest versions is not there in a database that was opened "
                         "read-only; open it for writing");
    }
    return error_set(err, BLOCKDB_EUNSUPPORTED,
                     "the option proof_map is off: without it nobody can prove which version of a "
                     "key is the newest; set proof_map = true in [ledger]");
}

static int refuse_locked(struct map *m, struct error *err) REQUIRES(m->mu)
{
    uint64_t sealed = sealer_sealed_seq(&m->db->sealer);

    if (m->phase == MAP_BROKEN) {
        return error_set(err, BLOCKDB_EUNSUPPORTED, "the map of newest versions has stopped: %s",
                         m->error.message);
    }
    if (m->stopped || m->phase == MAP_ENDED) {
        return error_set(err, BLOCKDB_ECLOSED, "the database is being closed");
    }
    return error_set(err, BLOCKDB_EBUSY,
                     "the map of newest versions is being built: it has %" PRIu64 " of %" PRIu64
                     " entries; try again later",
                     m->next_seq < sealed ? m->next_seq : sealed, sealed);
}

/* Takes the tree, if there is one that follows. */
static int take_following(struct map *m, struct error *err)
{
    int rc = BLOCKDB_OK;

    mutex_lock(&m->mu);
    m->wanted = true;
    cond_broadcast(&m->changed);
    while (m->phase == MAP_FOLLOWING && m->in_use) {
        cond_wait(&m->changed, &m->mu);
    }
    if (m->phase != MAP_FOLLOWING || m->tree == NULL) {
        rc = refuse_locked(m, err);
    } else {
        m->in_use = true;
    }
    mutex_unlock(&m->mu);
    return rc;
}

/* What a proof found damaged is made again by the map's thread. */
static int note_damage(struct map *m, struct error *err)
{
    mutex_lock(&m->mu);
    if (m->phase == MAP_FOLLOWING) {
        m->phase = MAP_BEHIND;
        m->is_damaged = true;
        m->error = *err;
    }
    cond_broadcast(&m->changed);
    mutex_unlock(&m->mu);
    return error_set(err, BLOCKDB_EBUSY,
                     "the file of the map of newest versions is damaged and is being made again; "
                     "try again later");
}

static int prove_with_tree(struct map *m, const struct hash *root, const struct hash *place,
                           struct map_proof *out, struct error *err)
{
    int rc = map_tree_prove(m->tree, root, place, out, err);

    if (rc == BLOCKDB_ENOTFOUND) {
        return error_set(err, BLOCKDB_EBUSY,
                         "the map of newest versions is past the state that this block header "
                         "tells; use a newer one");
    }
    if (rc == BLOCKDB_ECORRUPT) {
        return note_damage(m, err);
    }
    if (rc == BLOCKDB_OK && !out->is_empty) {
        rc = tile_files_read(m->db->tiles, 0, out->leaf.seq, 1, out->leaf.entry.bytes, err);
    }
    if (rc == BLOCKDB_ENOTFOUND) {
        return error_set(err, BLOCKDB_EBUSY,
                         "the newest version of the key is not in the ledger yet; try again");
    }
    return rc;
}

int map_prove(struct blockdb *db, const struct block_header *header, uint32_t collection,
              struct slice key, struct map_proof *out, struct error *err)
{
    struct map *m = db->map;
    struct hash place;
    int rc;

    if (m == NULL) {
        return refuse_without_map(db, err);
    }
    if (header->map_size == 0) {
        return error_set(err, BLOCKDB_EBUSY,
                         "block %" PRIu64 " tells nothing of the map of newest versions; use a "
                         "newer one",
                         header->height);
    }
    map_place(collection, key, &place);
    rc = take_following(m, err);
    if (rc < 0) {
        return rc;
    }
    rc = prove_with_tree(m, &header->map_root, &place, out, err);
    map_give_tree(m);
    return rc;
}

int map_wait(struct blockdb *db, uint64_t timeout_ns, struct error *err)
{
    struct map *m = db->map;
    uint64_t target = sealer_sealed_seq(&db->sealer);
    bool in_time = true;
    bool there;
    int rc = BLOCKDB_OK;

    if (m == NULL) {
        return refuse_without_map(db, err);
    }
    mutex_lock(&m->mu);
    m->wanted = true;
    for (;;) {
        if (m->phase == MAP_FOLLOWING && m->next_seq < target) {
            m->phase = MAP_BEHIND;
        }
        there = m->phase == MAP_FOLLOWING && m->blocks_under_way == 0;
        if (there || !in_time || m->stopped || m->phase == MAP_BROKEN || m->phase == MAP_ENDED) {
            break;
        }
        m->flush = m->phase == MAP_FOLLOWING;
        cond_broadcast(&m->changed);
        in_time = cond_wait_for(&m->changed, &m->mu, timeout_ns);
    }
    if (!there) {
        rc = refuse_locked(m, err);
    }
    mutex_unlock(&m->mu);
    return rc;
}

/* Whether the newest durable header tells what the map is now. */
static bool is_told(struct blockdb *db)
{
    struct map *m = db->map;
    struct tip tip;
    bool told;

    sealer_tip(db, &tip);
    mutex_lock(&m->mu);
    told = tip.block_count > 0 && tip.last.map_size > 0 &&
           hash_equal(&tip.last.map_root, &m->done.root);
    mutex_unlock(&m->mu);
    return told;
}

int map_renew(struct blockdb *db, uint64_t timeout_ns, struct error *err)
{
    int rc = sealer_seal_all(db, err);

    if (rc == BLOCKDB_OK) {
        rc = map_wait(db, timeout_ns, err);
    }
    if (rc < 0 || is_told(db)) {
        return rc;
    }
    return sealer_seal_empty(db, err);
}

void map_get_stats(struct blockdb *db, struct map_stats *out)
{
    struct map *m = db->map;
    uint64_t sealed = sealer_sealed_seq(&db->sealer);
    uint64_t size;

    *out = (struct map_stats){0};
    if (m == NULL) {
        return;
    }
    mutex_lock(&m->mu);
    size = m->phase == MAP_FOLLOWING ? m->done.size : m->next_seq;
    *out = (struct map_stats){
        .size = size,
        .lag_entries = sealed > size + 1 ? sealed - size - 1 : 0,
        .key_count = m->leaf_count,
        .file_bytes = m->file_bytes,
        .memory_bytes = m->memory_bytes,
    };
    mutex_unlock(&m->mu);
}
