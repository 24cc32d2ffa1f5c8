/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/sealer.h"

#include "base/assert.h"
#include "engine/db.h"
#include "engine/seal_job.h"

#define NS_PER_MS 1000000ULL
/* Blocks are synced when so much has gathered, or after so long. */
#define SYNC_BYTES (32u * 1024 * 1024)
#define SYNC_INTERVAL_NS (1000 * NS_PER_MS)
/* How long to wait before a step that found no room is tried again. */
#define RETRY_NS (100 * NS_PER_MS)

void sealer_start_at(struct sealer *s, const struct tip *tip)
{
    s->durable = *tip;
    s->tip = *tip;
    atomic_store_explicit(&s->sealed_seq, tip_seq(tip), memory_order_release);
}

int sealer_init(struct sealer *s, const struct tip *tip)
{
    *s = (struct sealer){0};
    sealer_start_at(s, tip);
    s->job = seal_job_new();
    if (s->job == NULL) {
        return BLOCKDB_ENOMEM;
    }
    mutex_init(&s->mu, LOCK_RANK_SEGMENT);
    cond_init(&s->advanced);
    return BLOCKDB_OK;
}

void sealer_deinit(struct sealer *s)
{
    if (s->job == NULL) {
        return;
    }
    cond_deinit(&s->advanced);
    mutex_deinit(&s->mu);
    seal_job_free(s->job);
    s->job = NULL;
}

static bool is_shortage(int rc)
{
    return rc == BLOCKDB_ENOSPC || rc == BLOCKDB_ENOMEM;
}

/* Tells waiters that the sealer cannot go on now, or (err NULL) that it can again. */
static void note_shortage(struct sealer *s, const struct error *err)
{
    mutex_lock(&s->mu);
    s->is_short = err != NULL;
    if (err != NULL) {
        s->stall = *err;
        cond_broadcast(&s->advanced);
    }
    mutex_unlock(&s->mu);
}

/* Sleeps a little; false when the sealer is to stop. */
static bool wait_retry(struct sealer *s)
{
    bool go_on;

    mutex_lock(&s->mu);
    if (!s->stopped) {
        (void)cond_wait_for(&s->advanced, &s->mu, RETRY_NS); /* then it tries again anyway */
    }
    go_on = !s->stopped;
    mutex_unlock(&s->mu);
    return go_on;
}

/* Lets everybody who waits see the engine's failure; nothing is sealed any more. */
static void give_up(struct blockdb *db)
{
    struct sealer *s = &db->sealer;

    mutex_lock(&s->mu);
    cond_broadcast(&s->advanced);
    while (!s->stopped) {
        cond_wait(&s->advanced, &s->mu);
    }
    mutex_unlock(&s->mu);
}

/* SEAL-1. */
static int make_durable(struct blockdb *db, struct error *err)
{
    struct sealer *s = &db->sealer;
    int rc = segments_sync(db->segments, err);

    if (rc == BLOCKDB_OK) {
        rc = tile_files_sync(db->tiles, err);
    }
    if (rc < 0) {
        return rc;
    }
    s->unsynced_bytes = 0;
    s->last_sync_ns = os_monotonic_ns(db->os);
    mutex_lock(&s->mu);
    s->durable = s->tip;
    atomic_store_explicit(&s->sealed_seq, tip_seq(&s->tip), memory_order_release);
    cond_broadcast(&s->advanced);
    mutex_unlock(&s->mu);
    position_raise(&db->durable_seq, tip_seq(&s->tip));
    notify_ring(db);
    rc = wal_retire(db->wal, tip_seq(&s->tip), err);
    return is_shortage(rc) ? BLOCKDB_OK : rc; /* retiring can wait for the next time */
}

static bool sync_is_due(struct blockdb *db)
{
    struct sealer *s = &db->sealer;
    uint64_t wanted;

    if (s->unsynced_bytes == 0) {
        return false;
    }
    if (s->unsynced_bytes >= SYNC_BYTES ||
        os_monotonic_ns(db->os) - s->last_sync_ns >= SYNC_INTERVAL_NS) {
        return true;
    }
    mutex_lock(&s->mu);
    wanted = s->wanted_seq;
    mutex_unlock(&s->mu);
    return wanted > sealer_sealed_seq(s) && wanted <= tip_seq(&s->tip);
}

/* Seals the block of count entries at the front of the queue, waiting for room as long as it
 * takes; ECANCELED when it is to stop meanwhile. */
static int seal_block(struct blockdb *db, size_t count, struct error *err)
{
    struct sealer *s = &db->sealer;
    uint64_t start_ns = os_monotonic_ns(db->os);
    bool begun = false;
    int rc;

    for (;;) {
        rc = begun ? BLOCKDB_OK : seal_job_begin(s->job, db, count, &s->tip, err);
        if (rc == BLOCKDB_OK) {
            begun = true;
            rc = seal_job_write(s->job, db, err);
        }
        shortage_note(&db->shortage, SHORTAGE_LEDGER, rc, err);
        if (!is_shortage(rc)) {
            break;
        }
        note_shortage(s, err);
        if (!wait_retry(s)) {
            return error_set(err, BLOCKDB_ECANCELED, "stopped while waiting for room");
        }
    }
    if (rc == BLOCKDB_OK) {
        note_shortage(s, NULL);
        s->tip = s->job->tip;
        s->unsynced_bytes += s->job->bytes;
        seal_queue_pop(&db->seal_queue, count);
        counter_add(&db->counters, COUNTER_BLOCKS_SEALED, 1);
        counter_add(&db->counters, COUNTER_ENTRIES_SEALED, count);
        latency_record_alone(&db->latencies.block_seal, os_monotonic_ns(db->os) - start_ns);
    }
    return rc;
}

static bool is_stopped(struct sealer *s)
{
    bool stopped;

    mutex_lock(&s->mu);
    stopped = s->stopped;
    mutex_unlock(&s->mu);
    return stopped;
}

static void run_errand(struct blockdb *db)
{
    struct sealer *s = &db->sealer;
    struct sealer_errand *errand;

    mutex_lock(&s->mu);
    errand = s->errand;
    s->on_errand = errand != NULL;
    mutex_unlock(&s->mu);
    if (errand == NULL) {
        return;
    }
    errand->status = errand->run(db, errand->arg, &errand->error);
    mutex_lock(&s->mu);
    errand->is_done = true;
    s->errand = NULL;
    s->on_errand = false;
    cond_broadcast(&s->advanced);
    mutex_unlock(&s->mu);
}

static void sealer_main(void *arg)
{
    struct blockdb *db = arg;
    struct sealer *s = &db->sealer;
    struct error err;
    uint64_t count;
    bool stopped;
    int rc = BLOCKDB_OK;

    do {
        count = seal_queue_wait_block(&db->seal_queue, SYNC_INTERVAL_NS);
        stopped = is_stopped(s);
        if (failure_is_set(&db->failure)) {
            give_up(db);
            return;
        }
        if (count > 0) {
            rc = seal_block(db, (size_t)count, &err);
        }
        if (rc == BLOCKDB_OK && (sync_is_due(db) || (stopped && s->unsynced_bytes > 0))) {
            rc = make_durable(db, &err);
        }
        if (rc == BLOCKDB_OK) {
            run_errand(db);
        }
    } while (rc == BLOCKDB_OK && !(stopped && count == 0));
    if (rc < 0 && rc != BLOCKDB_ECANCELED) {
        failure_set(&db->failure, &err);
        give_up(db);
    }
}

int sealer_start(struct blockdb *db, struct error *err)
{
    db->sealer.last_sync_ns = os_monotonic_ns(db->os);
    return os_thread_start(db->os, "blockdb-seal", sealer_main, db, &db->sealer.thread, err);
}

void sealer_stop(struct blockdb *db)
{
    struct sealer *s = &db->sealer;

    mutex_lock(&s->mu);
    s->stopped = true;
    cond_broadcast(&s->advanced);
    mutex_unlock(&s->mu);
    seal_queue_stop(&db->seal_queue);
    if (s->thread != NULL) {
        os_thread_join(db->os, s->thread);
        s->thread = NULL;
    }
}

static int refuse_short_locked(struct sealer *s, struct error *err) REQUIRES(s->mu)
{
    return error_set(err, s->stall.code,
                     "the ledger has no room for more blocks (%s); writing resumes by itself when "
                     "there is room",
                     s->stall.message);
}

void sealer_want(struct blockdb *db, uint64_t seq)
{
    struct sealer *s = &db->sealer;

    if (sealer_sealed_seq(s) >= seq) {
        return;
    }
    mutex_lock(&s->mu);
    if (s->wanted_seq < seq) {
        s->wanted_seq = seq;
    }
    mutex_unlock(&s->mu);
    seal_queue_poke(&db->seal_queue);
}

int sealer_wait(struct blockdb *db, uint64_t seq, struct error *err)
{
    struct sealer *s = &db->sealer;
    int rc = BLOCKDB_OK;

    if (sealer_sealed_seq(s) >= seq) {
        return BLOCKDB_OK;
    }
    sealer_want(db, seq);
    mutex_lock(&s->mu);
    while (rc == BLOCKDB_OK && sealer_sealed_seq(s) < seq) {
        if (failure_is_set(&db->failure)) {
            rc = failure_check(&db->failure, err);
        } else if (s->is_short) {
            rc = refuse_short_locked(s, err);
        } else if (s->stopped) {
            rc = error_set(err, BLOCKDB_ECLOSED, "the database is being closed");
        } else {
            cond_wait(&s->advanced, &s->mu);
        }
    }
    mutex_unlock(&s->mu);
    return rc;
}

/* Waits for the answer to an errand, or takes it back. */
static int wait_errand_locked(struct blockdb *db, struct sealer *s,
                              const struct sealer_errand *errand, struct error *err) REQUIRES(s->mu)
{
    int rc = BLOCKDB_OK;

    while (!errand->is_done && rc == BLOCKDB_OK) {
        if (!s->on_errand && failure_is_set(&db->failure)) {
            rc = failure_check(&db->failure, err);
        } else if (!s->on_errand && s->is_short) {
            rc = refuse_short_locked(s, err);
        } else if (!s->on_errand && s->stopped) {
            rc = error_set(err, BLOCKDB_ECLOSED, "the database is being closed");
        } else {
            (void)cond_wait_for(&s->advanced, &s->mu, RETRY_NS); /* looks again anyway */
        }
    }
    if (errand->is_done) {
        return errand->status < 0 ? error_set(err, errand->status, "%s", errand->error.message)
                                  : BLOCKDB_OK;
    }
    s->errand = NULL;
    return rc;
}

int sealer_run(struct blockdb *db, sealer_errand_fn fn, void *arg, struct error *err)
{
    struct sealer *s = &db->sealer;
    struct sealer_errand errand = {.run = fn, .arg = arg};
    int rc;

    mutex_lock(&s->mu);
    ASSERT(s->errand == NULL);
    s->errand = &errand;
    mutex_unlock(&s->mu);
    seal_queue_poke(&db->seal_queue);
    mutex_lock(&s->mu);
    rc = wait_errand_locked(db, s, &errand, err);
    mutex_unlock(&s->mu);
    return rc;
}

int sealer_seal_all(struct blockdb *db, struct error *err)
{
    /* Before the block ends: what others write behind it may stay in an open block for long. */
    uint64_t acked = atomic_load_explicit(&db->acked_seq, memory_order_acquire);
    int rc;

    if (db->read_only || failure_is_set(&db->failure)) {
        return BLOCKDB_OK;
    }
    rc = commit_seal(db, err);
    return rc < 0 ? rc : sealer_wait(db, acked, err);
}

int sealer_seal_empty(struct blockdb *db, struct error *err)
{
    struct commit_request request = {
        .seal = true, .seal_empty = true, .durability = BLOCKDB_DURABILITY_NONE};
    /* The block that ends now has this entry or, being empty, this header. */
    uint64_t seq = atomic_load_explicit(&db->acked_seq, memory_order_acquire);
    int rc = commit_run(db, &request);

    if (rc < 0) {
        return error_set(err, rc, "%s", request.error.message);
    }
    return sealer_wait(db, seq + 1, err);
}

bool sealer_has_room(struct blockdb *db)
{
    return seal_queue_bytes(&db->seal_queue) <= SEAL_QUEUE_BYTES_MAX;
}

int sealer_make_room(struct blockdb *db, struct error *err)
{
    struct sealer *s = &db->sealer;
    uint64_t start_ns = 0;
    int rc = BLOCKDB_OK;

    if (!sealer_has_room(db)) {
        start_ns = os_monotonic_ns(db->os);
    }
    do {
        mutex_lock(&s->mu);
        if (s->is_short) {
            rc = refuse_short_locked(s, err);
        }
        mutex_unlock(&s->mu);
        if (rc == BLOCKDB_OK) {
            rc = failure_check(&db->failure, err);
        }
    } while (rc == BLOCKDB_OK &&
             !seal_queue_wait_room(&db->seal_queue, SEAL_QUEUE_BYTES_MAX, RETRY_NS));
    if (start_ns > 0) {
        counter_add(&db->counters, COUNTER_STALL_SEAL_QUEUE_NS, os_monotonic_ns(db->os) - start_ns);
    }
    return rc;
}

void sealer_tip(struct blockdb *db, struct tip *out)
{
    struct sealer *s = &db->sealer;

    mutex_lock(&s->mu);
    *out = s->durable;
    mutex_unlock(&s->mu);
}
