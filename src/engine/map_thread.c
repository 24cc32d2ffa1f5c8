/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The map's thread: see map.h and map_priv.h.
 */
#include "base/mem.h"
#include "engine/db.h"
#include "engine/event.h"
#include "engine/map_priv.h"
#include "store/map_file.h"

#include <inttypes.h>

#define NS_PER_MS 1000000ULL
/* A database that is open for less than that does not load its map, unless it is asked for. */
#define REST_NS (100 * NS_PER_MS)
/* How long to wait for more blocks before some are applied. */
#define GATHER_NS (20 * NS_PER_MS)
/* After a failure that may pass. */
#define RETRY_NS (1000 * NS_PER_MS)
#define FAILURES_MAX 3

static void rest(struct map *m)
{
    mutex_lock(&m->mu);
    while (!m->stopped && !m->wanted && cond_wait_for(&m->changed, &m->mu, REST_NS)) {
        /* woken before the time is over: is it wanted now? */
    }
    if (m->phase == MAP_RESTING) {
        m->phase = MAP_BEHIND;
    }
    mutex_unlock(&m->mu);
}

/* ---- Following ------------------------------------------------------------------------------- */

static bool is_ready_locked(const struct map *m) REQUIRES(m->mu)
{
    return m->flush || m->stopped || m->filling.blocks >= MAP_BATCH_BLOCKS ||
           m->filling.updates.count >= MAP_BATCH_UPDATES;
}

/* Waits for blocks and takes them; false when there are none and it is to stop, or a block was
 * missed. */
static bool take_handed(struct map *m)
{
    struct map_handed taken;
    bool timed_out = false;

    mutex_lock(&m->mu);
    while (m->phase == MAP_FOLLOWING) {
        if (m->filling.blocks > 0 && (timed_out || is_ready_locked(m))) {
            break;
        }
        if (m->stopped) {
            break;
        }
        if (m->filling.blocks == 0) {
            cond_wait(&m->changed, &m->mu);
        } else {
            timed_out = !cond_wait_for(&m->changed, &m->mu, GATHER_NS);
        }
    }
    if (m->phase != MAP_FOLLOWING || m->filling.blocks == 0) {
        mutex_unlock(&m->mu);
        return false;
    }
    taken = m->filling;
    m->filling = m->working;
    m->filling.updates.count = 0;
    m->filling.blocks = 0;
    m->working = taken;
    m->flush = false;
    mutex_unlock(&m->mu);
    return true;
}

static int apply_handed(struct map *m, struct error *err)
{
    struct map_tree_batch batch = {
        .updates = m->working.updates.items,
        .count = m->working.updates.count,
        .size = m->working.size,
        .durable_size = sealer_sealed_seq(&m->db->sealer),
    };
    int rc;

    map_take_tree(m);
    rc = map_tree_apply(m->tree, &batch, err);
    mutex_lock(&m->mu);
    if (rc == BLOCKDB_OK) {
        m->done.size = batch.size;
        map_tree_root(m->tree, &m->done.root);
        map_note_state_locked(m);
        m->blocks_under_way -= m->working.blocks;
        m->entries_under_way -= batch.count;
    }
    mutex_unlock(&m->mu);
    if (rc == BLOCKDB_OK) {
        sealer_want(m->db, map_tree_waits_for(m->tree));
    }
    map_give_tree(m);
    return rc;
}

static int follow(struct map *m, struct error *err)
{
    int rc = BLOCKDB_OK;

    while (rc == BLOCKDB_OK && take_handed(m)) {
        rc = apply_handed(m, err);
    }
    mutex_lock(&m->mu);
    if (rc == BLOCKDB_OK && m->is_damaged) {
        *err = m->error;
        rc = m->error.code;
    }
    m->is_damaged = false;
    mutex_unlock(&m->mu);
    return rc;
}

/* ---- Failures -------------------------------------------------------------------------------- */

/* The tree is not to be used any more (TREE-3). */
static void drop_tree(struct map *m)
{
    map_take_tree(m);
    map_tree_free(m->tree);
    m->tree = NULL;
    mutex_lock(&m->mu);
    if (m->phase == MAP_FOLLOWING) {
        m->phase = MAP_BEHIND;
    }
    m->next_seq = 0;
    m->memory_bytes = 0;
    map_note_memory_locked(m);
    mutex_unlock(&m->mu);
    map_give_tree(m);
}

static void break_off(struct map *m, const struct error *err)
{
    event_tell(m->db, BLOCKDB_EVENT_WARNING, "map",
               "the map of newest versions has stopped, until the database is opened again; "
               "block headers repeat what the last one says of it: %s",
               err->message);
    mutex_lock(&m->mu);
    m->phase = MAP_BROKEN;
    m->error = *err;
    cond_broadcast(&m->changed);
    mutex_unlock(&m->mu);
}

static void wait_for_room(struct map *m)
{
    mutex_lock(&m->mu);
    if (!m->stopped) {
        (void)cond_wait_for(&m->changed, &m->mu, RETRY_NS); /* then it tries again anyway */
    }
    mutex_unlock(&m->mu);
}

static bool is_damage(int rc)
{
    return rc == BLOCKDB_ECORRUPT || rc == BLOCKDB_EVERSION || rc == BLOCKDB_EFOREIGN ||
           rc == BLOCKDB_ETAMPERED;
}

/* MAP-4: starts again, without the file where that may be at fault; or gives up. */
static void handle_failure(struct map *m, int rc, struct error *err)
{
    drop_tree(m);
    m->failures++;
    if (is_damage(rc) && m->file_is_blamed && m->failures <= FAILURES_MAX) {
        event_tell(m->db, BLOCKDB_EVENT_WARNING, "map",
                   "the map of newest versions is made again from the ledger: %s", err->message);
        rc = map_file_remove(m->db->os, m->dir, err);
        if (rc == BLOCKDB_OK) {
            return;
        }
    }
    if (rc == BLOCKDB_ENOSPC || rc == BLOCKDB_ENOMEM) {
        wait_for_room(m);
        return;
    }
    break_off(m, err);
}

/* ---- The thread ------------------------------------------------------------------------------ */

static bool goes_on(struct map *m)
{
    bool on;

    mutex_lock(&m->mu);
    on = !m->stopped && m->phase != MAP_BROKEN;
    mutex_unlock(&m->mu);
    return on;
}

/* What is cheap to keep is kept. A failure does no harm: the file is as it was, or made again. */
static void save(struct map *m)
{
    static const atomic_bool no_hurry;
    struct error err;

    map_take_tree(m);
    if (m->tree != NULL && !failure_is_set(&m->db->failure) &&
        map_tree_save(m->tree, sealer_sealed_seq(&m->db->sealer), MAP_SAVE_CHEAP, &no_hurry, &err) <
            0) {
        event_tell(m->db, BLOCKDB_EVENT_WARNING, "map",
                   "the map of newest versions was not saved: %s", err.message);
    }
    map_give_tree(m);
}

void map_main(void *arg)
{
    struct map *m = arg;
    struct error err;

    rest(m);
    while (goes_on(m)) {
        int rc = map_build(m, &err);

        if (rc == BLOCKDB_OK) {
            rc = follow(m, &err);
        }
        if (rc < 0) {
            handle_failure(m, rc, &err);
        }
    }
    save(m);
    mutex_lock(&m->mu);
    if (m->phase != MAP_BROKEN) {
        m->phase = MAP_ENDED;
    }
    cond_broadcast(&m->changed);
    mutex_unlock(&m->mu);
}
