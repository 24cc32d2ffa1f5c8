/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/notify.h"

#include "engine/db.h"

void notify_init(struct notify *n)
{
    *n = (struct notify){0};
    mutex_init(&n->mu, LOCK_RANK_COMMIT);
    cond_init(&n->idle);
}

void notify_deinit(struct notify *n)
{
    cond_deinit(&n->idle);
    mutex_deinit(&n->mu);
}

void notify_ring(struct blockdb *db)
{
    struct notify *n = &db->notify;
    blockdb_commit_cb cb;
    void *arg;

    if (!atomic_load_explicit(&n->is_heard, memory_order_relaxed)) {
        return;
    }
    mutex_lock(&n->mu);
    if (n->ringing || n->cb == NULL) {
        n->again = true;
        mutex_unlock(&n->mu);
        return;
    }
    n->ringing = true;
    cb = n->cb;
    arg = n->arg;
    do {
        n->again = false;
        mutex_unlock(&n->mu);
        cb(arg, blockdb_seq_count(db), blockdb_durable_count(db));
        mutex_lock(&n->mu);
    } while (n->again);
    n->ringing = false;
    cond_broadcast(&n->idle);
    mutex_unlock(&n->mu);
}

void blockdb_set_commit_cb(struct blockdb *db, blockdb_commit_cb cb, void *arg)
{
    struct notify *n = &db->notify;

    mutex_lock(&n->mu);
    while (n->ringing) {
        cond_wait(&n->idle, &n->mu);
    }
    n->cb = cb;
    n->arg = arg;
    atomic_store_explicit(&n->is_heard, cb != NULL, memory_order_relaxed);
    mutex_unlock(&n->mu);
}

uint64_t blockdb_seq_count(const struct blockdb *db)
{
    return atomic_load_explicit(&db->acked_seq, memory_order_acquire);
}

uint64_t blockdb_durable_count(const struct blockdb *db)
{
    return atomic_load_explicit(&db->durable_seq, memory_order_acquire);
}
