/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ticker.h"

#include "engine/db.h"
#include "engine/event.h"

#include <inttypes.h>

#define NS_PER_MS 1000000ULL
/* How often it looks: a quarter of the shorter interval, within these bounds. */
#define PERIOD_MIN_MS 1
#define PERIOD_MAX_MS 250
#define MS_PER_S 1000
#define CLOCK_TOLERANCE_MS 1000 /* so much a clock is put back without a word */

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

/* A clock that was ahead and is put right leaves entries of the future, whose time all others get
 * until it has come. */
static void watch_clock(struct blockdb *db)
{
    uint64_t behind_ms = commit_clock_behind_ms(db);
    bool is_behind = behind_ms > CLOCK_TOLERANCE_MS;

    if (is_behind && !db->ticker.clock_told) {
        event_tell(db, BLOCKDB_EVENT_WARNING, "clock",
                   "the clock is %" PRIu64 " s behind the newest entry: until it has caught up, "
                   "new entries get that one's time; check the clock and how it is kept",
                   behind_ms / MS_PER_S);
    } else if (behind_ms == 0 && db->ticker.clock_told) {
        event_tell(db, BLOCKDB_EVENT_INFO, "clock", "the clock has caught up with the entries");
        is_behind = false;
    } else {
        return;
    }
    db->ticker.clock_told = is_behind;
}

static void tick(struct blockdb *db, uint64_t *last_sync_ns)
{
    uint64_t now_ns = os_monotonic_ns(db->os);
    struct error err;

    watch_clock(db);
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
