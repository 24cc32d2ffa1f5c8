/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ticker.h"

#include "engine/db.h"

#define NS_PER_MS 1000000ULL
/* How often it looks: a quarter of the shorter interval, within these bounds. */
#define PERIOD_MIN_MS 1
#define PERIOD_MAX_MS 250

void ticker_init(struct ticker *t)
{
    *t = (struct ticker){0};
    mutex_init(&t->mu, LOCK_RANK_WORKERS);
    cond_init(&t->wake);
}

void ticker_deinit(struct ticker *t)
{
    cond_deinit(&t->wake);
    mutex_deinit(&t->mu);
}

static uint64_t period_ms(const struct settings *settings)
{
    uint64_t shorter = settings->block_interval < settings->wal_sync_interval
                           ? settings->block_interval
                           : settings->wal_sync_interval;
    uint64_t period = shorter / 4;

    if (period < PERIOD_MIN_MS) {
        return PERIOD_MIN_MS;
    }
    return period > PERIOD_MAX_MS ? PERIOD_MAX_MS : period;
}

static bool block_is_due(struct blockdb *db)
{
    uint64_t opened = atomic_load_explicit(&db->commit.block_opened_ns, memory_order_relaxed);

    return opened != 0 &&
           os_monotonic_ns(db->os) - opened >= db->settings->block_interval * NS_PER_MS;
}

static bool sync_is_due(struct blockdb *db, uint64_t last_sync_ns, uint64_t now_ns)
{
    uint64_t within_ms = db->settings->wal_sync_interval - period_ms(db->settings);

    if (db->settings->wal_sync_mode == WAL_SYNC_NONE ||
        now_ns - last_sync_ns < within_ms * NS_PER_MS) {
        return false;
    }
    return atomic_load_explicit(&db->durable_seq, memory_order_acquire) <
           atomic_load_explicit(&db->acked_seq, memory_order_acquire);
}

static void tick(struct blockdb *db, uint64_t *last_sync_ns)
{
    uint64_t now_ns = os_monotonic_ns(db->os);
    struct error err;

    if (failure_is_set(&db->failure)) {
        return;
    }
    /* A failure of either is kept by the engine, and every later write tells it. */
    if (sync_is_due(db, *last_sync_ns, now_ns)) {
        *last_sync_ns = now_ns;
        if (commit_sync(db, &err) < 0) {
            return;
        }
    }
    if (block_is_due(db) && commit_seal(db, &err) < 0) {
        return;
    }
}

static void ticker_main(void *arg)
{
    struct blockdb *db = arg;
    struct ticker *t = &db->ticker;
    uint64_t period_ns = period_ms(db->settings) * NS_PER_MS;
    uint64_t last_sync_ns = os_monotonic_ns(db->os);

    mutex_lock(&t->mu);
    while (!t->stopped) {
        (void)cond_wait_for(&t->wake, &t->mu, period_ns); /* woken or not, it looks */
        if (!t->stopped) {
            mutex_unlock(&t->mu);
            tick(db, &last_sync_ns);
            mutex_lock(&t->mu);
        }
    }
    mutex_unlock(&t->mu);
}

int ticker_start(struct blockdb *db, struct error *err)
{
    return os_thread_start(db->os, "blockdb-ticker", ticker_main, db, &db->ticker.thread, err);
}

void ticker_stop(struct blockdb *db)
{
    struct ticker *t = &db->ticker;

    mutex_lock(&t->mu);
    t->stopped = true;
    cond_signal(&t->wake);
    mutex_unlock(&t->mu);
    if (t->thread != NULL) {
        os_thread_join(db->os, t->thread);
        t->thread = NULL;
    }
}
