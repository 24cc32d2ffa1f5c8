/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where sealing and the map meet: see map.h.
 */
#include "base/assert.h"
#include "engine/db.h"
#include "engine/map_priv.h"

/* A map that lacks no more than that is waited for, so that it gets to follow. */
#define NEAR_ENTRIES 65536

static bool can_go_on_locked(const struct map *m) REQUIRES(m->mu)
{
    return !m->stopped && (m->phase == MAP_FOLLOWING || m->phase == MAP_BEHIND);
}

/* Waits until the map is ready for the block, if that is soon; whether it is. */
static bool meet(struct map *m, uint64_t first_seq)
{
    bool ready;

    mutex_lock(&m->mu);
    if (m->phase == MAP_FOLLOWING && m->next_seq < first_seq) {
        m->phase = MAP_BEHIND; /* a block was sealed before it followed */
        cond_broadcast(&m->changed);
    }
    while (can_go_on_locked(m) && m->phase == MAP_BEHIND && m->next_seq > 0 &&
           m->next_seq < first_seq && first_seq - m->next_seq <= NEAR_ENTRIES) {
        cond_wait(&m->changed, &m->mu);
    }
    ready = m->phase == MAP_FOLLOWING && m->next_seq == first_seq;
    mutex_unlock(&m->mu);
    return ready;
}

/* Puts the block behind those that wait. Without memory the map must read it from the ledger. */
static void hand_over(struct map *m, const struct map_block *block)
{
    struct map_updates *to = &m->filling.updates;

    mutex_lock(&m->mu);
    if (m->phase != MAP_FOLLOWING || map_updates_reserve(to, m->sealing.count) < 0) {
        if (m->phase == MAP_FOLLOWING) {
            m->phase = MAP_BEHIND;
        }
        cond_broadcast(&m->changed);
        mutex_unlock(&m->mu);
        return;
    }
    if (m->sealing.count > 0) {
        memcpy(to->items + to->count, m->sealing.items,
               m->sealing.count * sizeof(*m->sealing.items));
    }
    to->count += m->sealing.count;
    m->filling.blocks++;
    m->filling.size = block->first_seq + block->count;
    m->blocks_under_way++;
    m->entries_under_way += m->sealing.count;
    m->next_seq = block->first_seq + block->count + 1;
    cond_broadcast(&m->changed);
    mutex_unlock(&m->mu);
}

/* Makes the updates of a block the map is ready for, and hands them over. */
static void hand_block(struct map *m, const struct map_block *block)
{
    struct map_entries entries = {block->records, block->leaves, block->count, block->first_seq};
    struct error err;

    m->sealing.count = 0;
    if (map_updates_add(m->db, &m->sealing, &entries, &err) < 0) {
        /* The map's thread meets the same and judges it. */
        mutex_lock(&m->mu);
        if (m->phase == MAP_FOLLOWING) {
            m->phase = MAP_BEHIND;
        }
        cond_broadcast(&m->changed);
        mutex_unlock(&m->mu);
        return;
    }
    hand_over(m, block);
}

static bool lags_locked(const struct map *m, const struct map_block *block) REQUIRES(m->mu)
{
    if (!block->more_wait || m->keepers_up > 0) {
        return m->done.size < block->first_seq + block->count;
    }
    return m->blocks_under_way > MAP_LAG_BLOCKS ||
           (m->blocks_under_way > 1 && m->entries_under_way > MAP_LAG_ENTRIES);
}

void map_keep_up(struct blockdb *db)
{
    struct map *m = db->map;

    if (m != NULL) {
        mutex_lock(&m->mu);
        m->keepers_up++;
        mutex_unlock(&m->mu);
    }
}

void map_let_lag(struct blockdb *db)
{
    struct map *m = db->map;

    if (m != NULL) {
        mutex_lock(&m->mu);
        ASSERT(m->keepers_up > 0);
        m->keepers_up--;
        mutex_unlock(&m->mu);
    }
}

void map_seal(struct blockdb *db, const struct map_block *block, struct map_statement *out)
{
    struct map *m = db->map;
    uint64_t tree_size = block->first_seq + block->count;

    *out = block->last;
    if (m == NULL) {
        return;
    }
    if (meet(m, block->first_seq)) {
        hand_block(m, block);
    }
    mutex_lock(&m->mu);
    /* A map that starts again meanwhile has forgotten the block, and reads it later. */
    while (!m->stopped && m->phase == MAP_FOLLOWING && m->next_seq == tree_size + 1 &&
           lags_locked(m, block)) {
        m->flush = true;
        cond_broadcast(&m->changed);
        cond_wait(&m->changed, &m->mu);
    }
    if (m->phase == MAP_FOLLOWING && m->done.size > block->last.size && m->done.size <= tree_size) {
        *out = m->done;
    }
    mutex_unlock(&m->mu);
}
