/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/commit.h"

#include "base/assert.h"
#include "base/mem.h"
#include "engine/commit_group.h"
#include "engine/db.h"
#include "engine/submission.h"

/* What may wait in the queue before submitters wait themselves. */
#define QUEUED_BYTES_MAX (64u * 1024 * 1024)
/* The longest that the committer waits for followers, however slow syncs are. */
#define FOLLOWERS_WAIT_MAX_NS 2000000
/* What a submitter commits itself: more takes longer than to hand it over. */
#define IN_PLACE_ENTRIES_MAX 32
#define IN_PLACE_BYTES_MAX (64u * 1024)

int commit_init(struct commit *c)
{
    *c = (struct commit){0};
    c->requests = request_table_new();
    if (c->requests == NULL) {
        return BLOCKDB_ENOMEM;
    }
    mutex_init(&c->mu, LOCK_RANK_COMMIT);
    mutex_init(&c->requests_mu, LOCK_RANK_MANIFEST);
    cond_init(&c->committer_wake);
    cond_init(&c->room);
    return BLOCKDB_OK;
}

void commit_deinit(struct commit *c)
{
    if (c->requests == NULL) {
        return;
    }
    cond_deinit(&c->room);
    cond_deinit(&c->committer_wake);
    mutex_deinit(&c->requests_mu);
    mutex_deinit(&c->mu);
    request_table_free(c->requests);
    mem_free(c->scratch);
}

static uint64_t request_bytes(const struct commit_request *request)
{
    return request->batch != NULL ? request->batch->records.len : 0;
}

/* What a request counts for where numbers of writers are compared: a batch may gather the writes of
 * many of them. */
static uint64_t request_weight(const struct commit_request *request)
{
    return request->batch != NULL && request->batch->count > 1 ? request->batch->count : 1;
}

static bool asks_alone(const struct commit_request *request)
{
    return request->durability == BLOCKDB_DURABILITY_ALWAYS;
}

/* Whether next may stand behind others in a group (COMMIT-4). A client's requests are judged one
 * after the other, so two of one client never share a group. */
static bool may_follow(const struct commit_request *group, const struct commit_request *next)
{
    const struct commit_request *r;

    if (asks_alone(next) || (next->batch != NULL && next->batch->condition_count > 0)) {
        return false;
    }
    if (next->client_id == NULL) {
        return true;
    }
    for (r = group; r != NULL && r != next; r = r->next) {
        if (r->client_id != NULL &&
            memcmp(r->client_id, next->client_id, BLOCKDB_CLIENT_ID_LEN) == 0) {
            return false;
        }
    }
    return true;
}

/* Takes the next group off the queue: a chain of at least one request. */
static struct commit_request *take_group_locked(struct commit *c) REQUIRES(c->mu)
{
    struct commit_request *group = c->head;
    struct commit_request *last = group;
    uint64_t bytes = request_bytes(group);
    uint64_t weight = request_weight(group);
    size_t count = 1;

    ASSERT(group != NULL);
    while (last->next != NULL && !asks_alone(group) && count < COMMIT_GROUP_REQUESTS_MAX &&
           bytes + request_bytes(last->next) <= COMMIT_GROUP_BYTES_MAX &&
           may_follow(group, last->next)) {
        last = last->next;
        bytes += request_bytes(last);
        weight += request_weight(last);
        count++;
    }
    c->head = last->next;
    if (c->head == NULL) {
        c->tail = NULL;
    }
    last->next = NULL;
    c->queued_bytes -= bytes;
    c->queued_weight -= weight;
    c->group_weight = weight;
    cond_broadcast(&c->room);
    return group;
}

/* Gives the lead to whoever is first now, or to nobody. */
static void hand_over_locked(struct commit *c) REQUIRES(c->mu)
{
    if (c->head == NULL) {
        c->leading = false;
        cond_broadcast(&c->room); /* for commit_stop() */
    } else if (c->head->cb == NULL) {
        c->head->promoted = true;
        waiter_wake(&c->head->waiter);
    } else {
        c->committer_lead = true;
        cond_signal(&c->committer_wake);
    }
}

/* Tells every request of the group its answer; own is the leader's. */
static void answer_group(struct blockdb *db, struct commit_request *group,
                         const struct commit_request *own)
{
    struct submission *done = NULL;
    uint64_t bytes = 0;

    while (group != NULL) {
        struct commit_request *next = group->next; /* a woken waiter's request is gone */

        bytes += request_bytes(group);
        if (group->cb != NULL) {
            struct submission *submission = submission_of_request(group);

            group->cb(group->cb_arg, group->status, &group->result, &group->error);
            submission->next = done;
            done = submission;
        } else if (group != own) {
            waiter_wake(&group->waiter);
        }
        group = next;
    }
    submission_free_all(&db->submissions, done);
    account_subtract(db, ACCOUNT_COMMIT_QUEUE, bytes);
}

/* Commits a group that is not in the queue; the caller leads. */
static void lead_group(struct blockdb *db, struct commit_request *group,
                       const struct commit_request *own)
{
    struct commit *c = &db->commit;

    commit_group_run(db, group);

    mutex_lock(&c->mu);
    hand_over_locked(c);
    mutex_unlock(&c->mu);
    notify_ring(db);
    answer_group(db, group, own);
}

/* Commits one group from the queue; the caller leads. */
static void lead(struct blockdb *db, const struct commit_request *own)
{
    struct commit *c = &db->commit;
    struct commit_request *group;

    mutex_lock(&c->mu);
    group = take_group_locked(c);
    mutex_unlock(&c->mu);
    lead_group(db, group, own);
}

/* Without looking at the caches: the leader does that for the group. */
static void hold_bytes(struct blockdb *db, const struct commit_request *request)
{
    atomic_fetch_add_explicit(&db->account.held[ACCOUNT_COMMIT_QUEUE], request_bytes(request),
                              memory_order_relaxed);
}

/* Whether the committer waits for what is queued now, and is to be woken: after the lock is given
 * back, because it would only wait for that otherwise. */
static bool enqueue_locked(struct blockdb *db, struct commit *c, struct commit_request *request)
    REQUIRES(c->mu)
{
    bool is_awaited;

    request->next = NULL;
    request->promoted = false;
    if (c->tail != NULL) {
        c->tail->next = request;
    } else {
        c->head = request;
    }
    c->tail = request;
    c->queued_bytes += request_bytes(request);
    c->queued_weight += request_weight(request);
    is_awaited = c->awaited_weight > 0 && c->queued_weight >= c->awaited_weight;
    if (is_awaited) {
        c->awaited_weight = 0;
    }
    hold_bytes(db, request);
    return is_awaited;
}

static int refuse_closed(struct error *err)
{
    return error_set(err, BLOCKDB_ECLOSED, "the database is being closed");
}

int commit_run(struct blockdb *db, struct commit_request *request)
{
    struct commit *c = &db->commit;
    bool lead_now;
    bool wake;

    waiter_init(&request->waiter);
    mutex_lock(&c->mu);
    if (c->stopped) {
        mutex_unlock(&c->mu);
        return refuse_closed(&request->error);
    }
    wake = enqueue_locked(db, c, request);
    lead_now = !c->leading;
    c->leading = true;
    mutex_unlock(&c->mu);

    if (wake) {
        cond_signal(&c->committer_wake);
    }
    if (!lead_now) {
        waiter_wait(&request->waiter);
        lead_now = request->promoted;
    }
    if (lead_now) {
        lead(db, request);
    }
    return request->status;
}

/* What is queued goes on whatever memory there is, so a queue that has something will get shorter.
 */
static bool is_full_locked(struct blockdb *db, const struct commit *c) REQUIRES(c->mu)
{
    uint64_t held = atomic_load_explicit(&db->account.held[ACCOUNT_COMMIT_QUEUE],
                                         memory_order_relaxed);

    return c->queued_bytes > QUEUED_BYTES_MAX ||
           (c->queued_bytes > 0 && !account_fits(db, account_group_bytes(held)));
}

static int refuse_full(struct error *err)
{
    return error_set(err, BLOCKDB_EWOULDBLOCK,
                     "too much waits to be committed, or memory is short; submit it again later");
}

/* Whether a request is of the kind that its submitter may commit. The table of clients' requests is
 * out: it is locked while it is saved. */
static bool may_be_in_place(const struct commit_request *request)
{
    const struct blockdb_batch *batch = request->batch;

    return request->in_place && request->durability < BLOCKDB_DURABILITY_GROUP &&
           request->client_id == NULL && batch->condition_count == 0 &&
           batch->count <= IN_PLACE_ENTRIES_MAX && batch->records.len <= IN_PLACE_BYTES_MAX;
}

/* Whether a group of this request alone commits without waiting; the caller leads. */
static bool leads_without_waiting(struct blockdb *db, const struct commit_request *request)
{
    uint64_t bytes = request_bytes(request) + COMMIT_MARKER_BYTES;

    return workers_has_room(db, bytes) && sealer_has_room(db) && !wal_append_waits(db->wal, bytes);
}

/* Commits a request that may be in place and is not queued; false when it would have to wait. The
 * caller leads, and no more when it is done. */
static bool commit_in_place(struct blockdb *db, struct commit_request *request)
{
    if (!leads_without_waiting(db, request)) {
        return false;
    }
    request->next = NULL;
    request->promoted = false;
    hold_bytes(db, request);
    lead_group(db, request, NULL);
    return true;
}

int commit_submit(struct blockdb *db, struct commit_request *request, bool no_wait,
                  struct error *err)
{
    struct commit *c = &db->commit;
    bool lead_now;
    bool wake;

    if (db->read_only) { /* there is no committer thread that could answer */
        return db_refuse_read_only(db, err);
    }
    mutex_lock(&c->mu);
    while (is_full_locked(db, c) && !c->stopped) {
        if (no_wait) {
            mutex_unlock(&c->mu);
            return refuse_full(err);
        }
        cond_wait(&c->room, &c->mu);
    }
    if (c->stopped) {
        mutex_unlock(&c->mu);
        return refuse_closed(err);
    }
    lead_now = !c->leading;
    c->leading = true;
    if (lead_now && may_be_in_place(request)) {
        mutex_unlock(&c->mu);
        if (commit_in_place(db, request)) {
            return BLOCKDB_OK;
        }
        mutex_lock(&c->mu);
    }
    wake = enqueue_locked(db, c, request) || lead_now;
    c->committer_lead = c->committer_lead || lead_now;
    mutex_unlock(&c->mu);
    if (wake) {
        cond_signal(&c->committer_wake);
    }
    return BLOCKDB_OK;
}

/* Waits for those that the last group answered; see above. */
static void await_followers_locked(struct blockdb *db, struct commit *c) REQUIRES(c->mu)
{
    uint64_t limit_ns = atomic_load_explicit(&c->sync_ns, memory_order_relaxed) / 2;
    uint64_t weight = c->group_weight;
    uint64_t now_ns;

    if (c->head->durability < BLOCKDB_DURABILITY_GROUP || asks_alone(c->head)) {
        return;
    }
    limit_ns = limit_ns < FOLLOWERS_WAIT_MAX_NS ? limit_ns : FOLLOWERS_WAIT_MAX_NS;
    now_ns = os_monotonic_ns(db->os);
    while (c->queued_weight < weight && !c->stopped && now_ns < c->answered_ns + limit_ns) {
        c->awaited_weight = weight;
        (void)cond_wait_for(&c->committer_wake, &c->mu, c->answered_ns + limit_ns - now_ns);
        now_ns = os_monotonic_ns(db->os);
    }
    c->awaited_weight = 0;
}

static void committer_main(void *arg)
{
    struct blockdb *db = arg;
    struct commit *c = &db->commit;

    mutex_lock(&c->mu);
    for (;;) {
        while (!c->committer_lead && !(c->stopped && !c->leading)) {
            cond_wait(&c->committer_wake, &c->mu);
        }
        if (!c->committer_lead) {
            break;
        }
        c->committer_lead = false;
        await_followers_locked(db, c);
        mutex_unlock(&c->mu);
        lead(db, NULL);
        mutex_lock(&c->mu);
        c->answered_ns = os_monotonic_ns(db->os);
    }
    mutex_unlock(&c->mu);
}

int commit_start(struct blockdb *db, struct error *err)
{
    return os_thread_start(db->os, "blockdb-commit", committer_main, db, &db->commit.committer,
                           err);
}

void commit_stop(struct blockdb *db)
{
    struct commit *c = &db->commit;

    mutex_lock(&c->mu);
    c->stopped = true;
    cond_broadcast(&c->room);
    while (c->leading) {
        cond_wait(&c->room, &c->mu);
    }
    cond_broadcast(&c->committer_wake);
    mutex_unlock(&c->mu);
    if (c->committer != NULL) {
        os_thread_join(db->os, c->committer);
        c->committer = NULL;
    }
}

/* What became visible behind the durable entries did so after since_ns. */
static void note_durable(struct blockdb *db, uint64_t durable, uint64_t since_ns)
{
    bool has_more = atomic_load_explicit(&db->acked_seq, memory_order_acquire) > durable;

    atomic_store_explicit(&db->unsynced_since_ns, has_more ? since_ns : 0, memory_order_relaxed);
}

int commit_sync(struct blockdb *db, struct error *err)
{
    uint64_t acked = atomic_load_explicit(&db->acked_seq, memory_order_acquire);
    uint64_t start_ns = os_monotonic_ns(db->os);
    struct error cause;
    int rc;

    /* What was published before this load is in the WAL before its end now. */
    rc = failure_check(&db->failure, err);
    if (rc < 0 || db->wal == NULL) {
        return rc;
    }
    rc = wal_sync(db->wal, wal_end_position(db->wal), &cause);
    if (rc < 0) {
        failure_set(&db->failure, &cause);
        return failure_check(&db->failure, err);
    }
    position_raise(&db->durable_seq, acked);
    note_durable(db, acked, start_ns);
    notify_ring(db);
    return BLOCKDB_OK;
}

int commit_seal(struct blockdb *db, struct error *err)
{
    struct commit_request request = {.seal = true, .durability = BLOCKDB_DURABILITY_NONE};
    int rc = commit_run(db, &request);

    if (rc < 0) {
        return error_set(err, rc, "%s", request.error.message);
    }
    return BLOCKDB_OK;
}

uint64_t commit_clock_behind_ms(const struct blockdb *db)
{
    uint64_t last_ms = atomic_load_explicit(&db->commit.last_time_ms, memory_order_relaxed);
    uint64_t now_ms = os_now_ms(db->os);

    return last_ms > now_ms ? last_ms - now_ms : 0;
}

enum blockdb_durability commit_durability(const struct blockdb *db, enum blockdb_durability asked)
{
    if (asked != BLOCKDB_DURABILITY_DEFAULT) {
        return asked;
    }
    switch (db->settings->wal_sync_mode) {
    case WAL_SYNC_NONE:
        return BLOCKDB_DURABILITY_NONE;
    case WAL_SYNC_INTERVAL:
        return BLOCKDB_DURABILITY_INTERVAL;
    case WAL_SYNC_GROUP:
        return BLOCKDB_DURABILITY_GROUP;
    case WAL_SYNC_ALWAYS:
        return BLOCKDB_DURABILITY_ALWAYS;
    }
    return BLOCKDB_DURABILITY_GROUP;
}
