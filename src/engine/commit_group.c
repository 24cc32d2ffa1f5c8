/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/commit_group.h"

#include "base/assert.h"
#include "base/mem.h"
#include "engine/db.h"
#include "engine/read.h"
#include "ledger/record.h"

#include <inttypes.h>

#define SYNC_MEAN_OF 8
/* Entries whose places in the memtable are looked for together. */
#define ENTERED_TOGETHER 64

/* What one group needs and has; lives on the leader's stack. */
struct group {
    struct blockdb *db;
    struct commit_request *requests;
    struct memtable *memtable; /* borrowed: the active one */
    uint64_t time_ms;
    size_t entry_count;  /* records of accepted requests */
    size_t marker_count; /* block ends */
    size_t record_bytes; /* of the payload, without markers */
    size_t key_bytes;
    bool wants_sync;
    bool wants_freeze;
    bool wants_rotate;
    bool has_requests; /* of clients that number them */
    bool end_block;    /* the open block ends behind all requests, if it has entries */

    /* Filled while encoding. */
    uint8_t *payload;
    size_t payload_len;
    size_t seal_count; /* entries and markers in commit.scratch */
    uint64_t next_seq;
    uint64_t block_entries; /* of the open block behind the group */
    uint64_t block_bytes;
    uint64_t position; /* in the WAL */
};

static void answer_error(struct commit_request *request, int status, const struct error *err)
{
    request->status = status;
    request->error = *err;
    request->accepted = false;
}

static void answer_all(struct group *g, int status, const struct error *err)
{
    struct commit_request *r;

    for (r = g->requests; r != NULL; r = r->next) {
        if (r->accepted) {
            answer_error(r, status, err);
        }
    }
}

/* ---- Judging ------------------------------------------------------------------------------- */

static int check_condition(struct blockdb *db, const struct blockdb_batch *batch,
                           const struct condition *condition, struct error *err)
{
    struct slice key = condition_key(batch, condition);
    struct blockdb_version_info found = {0};
    int rc = read_newest_version(db, key, &found, err);
    int shown = (int)(key.len < 64 ? key.len : 64);

    if (rc < 0 && rc != BLOCKDB_ENOTFOUND) {
        return rc;
    }
    switch (condition->kind) {
    case CONDITION_ABSENT:
        if (rc == BLOCKDB_OK && found.kind == BLOCKDB_KIND_PUT) {
            return error_set(err, BLOCKDB_ECONFLICT,
                             "key '%.*s' exists already (entry %" PRIu64 "); nothing was written",
                             shown, (const char *)key.data, found.seq);
        }
        return BLOCKDB_OK;
    case CONDITION_SEQ:
        if (rc == BLOCKDB_ENOTFOUND || found.seq != condition->seq) {
            return error_set(err, BLOCKDB_ECONFLICT,
                             "the newest version of key '%.*s' is not entry %" PRIu64
                             "; nothing was written, read it again and retry",
                             shown, (const char *)key.data, condition->seq);
        }
        return BLOCKDB_OK;
    }
    return BLOCKDB_OK;
}

static int check_conditions(struct blockdb *db, const struct blockdb_batch *batch,
                            struct error *err)
{
    size_t i;

    for (i = 0; i < batch->condition_count; i++) {
        int rc = check_condition(db, batch, &batch->conditions[i], err);

        if (rc < 0) {
            return rc;
        }
    }
    return BLOCKDB_OK;
}

/* Answers a repeated or stale request; true when the request needs no append. */
static bool answer_repeat(struct blockdb *db, struct commit_request *request)
{
    const struct request_answer *last;

    if (request->client_id == NULL) {
        return false;
    }
    last = request_table_find(db->commit.requests, request->client_id);
    if (last == NULL || last->request < request->request) {
        return false;
    }
    if (last->request > request->request) {
        request->status = error_set(&request->error, BLOCKDB_ESTALE,
                                    "request %" PRIu64
                                    " is older than the client's last one, %" PRIu64
                                    "; numbers of one client must grow",
                                    request->request, last->request);
        return true;
    }
    request->result = (struct blockdb_write_result){
        .first_seq = last->first_seq,
        .count = last->count,
        .time_ms = last->time_ms,
        .repeated = true,
    };
    return true;
}

/* Decides whether a request takes part, and answers it when it does not. */
static void judge(struct group *g, struct commit_request *request)
{
    struct error err;
    int rc;

    request->status = BLOCKDB_OK;
    request->accepted = false;
    if (request->durability >= BLOCKDB_DURABILITY_GROUP) {
        g->wants_sync = true;
    }
    if (answer_repeat(g->db, request)) {
        return;
    }
    if (request->batch != NULL && request->batch->condition_count > 0) {
        rc = check_conditions(g->db, request->batch, &err);
        if (rc < 0) {
            answer_error(request, rc, &err);
            return;
        }
    }
    request->accepted = true;
    g->wants_freeze = g->wants_freeze || request->freeze;
    g->wants_rotate = g->wants_rotate || request->rotate;
    g->has_requests = g->has_requests || request->client_id != NULL;
    if (request->batch != NULL) {
        g->entry_count += request->batch->count;
        g->record_bytes += request->batch->records.len;
        g->key_bytes += request->batch->key_bytes;
    }
}

/* Whether the open block ends behind this request. */
static bool block_ends(const struct group *g, const struct commit_request *request)
{
    if (g->block_entries == 0) {
        return request->seal_empty;
    }
    return request->seal || g->block_entries >= g->db->settings->blockchain_batch_size ||
           g->block_bytes >= BLOCK_BYTES_MAX;
}

static void block_count(struct group *g, const struct commit_request *request)
{
    if (request->batch != NULL) {
        g->block_entries += request->batch->count;
        g->block_bytes += request->batch->records.len;
    }
}

static void block_start(struct group *g)
{
    g->block_entries = 0;
    g->block_bytes = 0;
}

static bool group_ends_block(const struct group *g)
{
    return g->end_block && g->block_entries > 0;
}

static void plan_blocks(struct group *g)
{
    const struct commit_request *r;

    g->block_entries = g->db->commit.block_entries;
    g->block_bytes = g->db->commit.block_bytes;
    for (r = g->requests; r != NULL; r = r->next) {
        if (r->accepted) {
            block_count(g, r);
            if (block_ends(g, r)) {
                g->marker_count++;
                block_start(g);
            }
        }
    }
    g->marker_count += group_ends_block(g);
}

/* ---- Reserving and encoding ---------------------------------------------------------------- */

/* COMMIT-3. */
static int reserve(struct group *g, struct error *err)
{
    struct commit *c = &g->db->commit;
    size_t seal_count = g->entry_count + g->marker_count;

    g->payload_len = g->record_bytes + g->marker_count * COMMIT_MARKER_BYTES;
    g->payload = memtable_alloc(g->memtable, g->payload_len);
    if (g->payload == NULL || memtable_reserve(g->memtable, g->entry_count, g->key_bytes) < 0 ||
        seal_queue_reserve(&g->db->seal_queue, seal_count) < 0) {
        return error_set_no_memory(err);
    }
    if (seal_count > c->scratch_cap) {
        struct seal_entry *scratch = mem_realloc(c->scratch, seal_count * sizeof(*scratch));

        if (scratch == NULL) {
            return error_set_no_memory(err);
        }
        c->scratch = scratch;
        c->scratch_cap = seal_count;
    }
    return BLOCKDB_OK;
}

static void encode_marker(struct group *g, uint8_t *place)
{
    group_marker_encode(g->time_ms, place);
    g->db->commit.scratch[g->seal_count++] = (struct seal_entry){
        .record = place + GROUP_ITEM_HEADER_LEN,
        .record_len = GROUP_MARKER_LEN,
        .is_header = true,
    };
    g->next_seq++;
}

/* Copies the records of a batch to place and completes them. */
static void encode_batch(struct group *g, const struct blockdb_batch *batch, uint8_t *place)
{
    struct seal_entry *out = g->db->commit.scratch + g->seal_count;
    size_t i;

    memcpy(place, batch->records.data, batch->records.len);
    for (i = 0; i < batch->count; i++) {
        const struct batch_entry *entry = &batch->entries[i];

        record_patch(place + entry->offset, g->time_ms, (uint32_t)i, (uint32_t)batch->count);
        out[i] = (struct seal_entry){
            .record = place + entry->offset,
            .record_len = entry->len,
            .has_commitment = i < batch->hashed_count,
            .commitment = entry->commitment,
        };
    }
    g->seal_count += batch->count;
    g->next_seq += batch->count;
}

static void encode(struct group *g)
{
    struct commit *c = &g->db->commit;
    uint8_t *place = g->payload;
    struct commit_request *r;

    g->next_seq = c->next_seq;
    g->block_entries = c->block_entries;
    g->block_bytes = c->block_bytes;
    for (r = g->requests; r != NULL; r = r->next) {
        if (!r->accepted) {
            continue;
        }
        r->result = (struct blockdb_write_result){
            .first_seq = g->next_seq,
            .count = r->batch != NULL ? r->batch->count : 0,
            .time_ms = g->time_ms,
        };
        if (r->batch != NULL && r->batch->count > 0) {
            encode_batch(g, r->batch, place);
            place += r->batch->records.len;
        }
        block_count(g, r);
        if (block_ends(g, r)) {
            encode_marker(g, place);
            place += COMMIT_MARKER_BYTES;
            block_start(g);
        }
    }
    if (group_ends_block(g)) {
        encode_marker(g, place);
        place += COMMIT_MARKER_BYTES;
        block_start(g);
    }
    ASSERT(place == g->payload + g->payload_len);
}

/* ---- Appending and publishing -------------------------------------------------------------- */

/* A repeated request that asked for a sync was not answered by what is in memory alone. */
static void answer_repeats(struct group *g, int status, const struct error *err)
{
    struct commit_request *r;

    for (r = g->requests; r != NULL; r = r->next) {
        if (!r->accepted && r->status == BLOCKDB_OK && r->durability >= BLOCKDB_DURABILITY_GROUP) {
            answer_error(r, status, err);
        }
    }
}

/* ENOSPC and ENOMEM leave everything as it was; any other failure is the end of writing. */
static int append(struct group *g, struct error *err)
{
    struct slice part = slice_of(g->payload, g->payload_len);
    struct wal_frame frame = {
        .parts = &part,
        .part_count = 1,
        .first_seq = g->db->commit.next_seq,
        .end_seq = g->next_seq,
    };
    int rc = wal_append(g->db->wal, &frame, &g->position, err);

    shortage_note(&g->db->shortage, SHORTAGE_WAL, rc, err);
    if (rc < 0 && rc != BLOCKDB_ENOSPC && rc != BLOCKDB_ENOMEM) {
        failure_set(&g->db->failure, err);
    }
    return rc;
}

/* Keeps a mean of the last few syncs. */
static void note_sync(struct commit *c, uint64_t duration_ns)
{
    uint64_t mean = atomic_load_explicit(&c->sync_ns, memory_order_relaxed);

    atomic_store_explicit(&c->sync_ns, mean - mean / SYNC_MEAN_OF + duration_ns / SYNC_MEAN_OF,
                          memory_order_relaxed);
}

static int sync_group(struct group *g, struct error *err)
{
    uint64_t start_ns = os_monotonic_ns(g->db->os);
    int rc = wal_sync(g->db->wal, g->position, err);

    note_sync(&g->db->commit, os_monotonic_ns(g->db->os) - start_ns);
    if (rc < 0) {
        failure_set(&g->db->failure, err);
        answer_repeats(g, rc, err);
    }
    return rc;
}

/* Enters up to ENTERED_TOGETHER entries, of which the first has this seq. */
static void enter_some(struct group *g, const struct seal_entry *entries, size_t count,
                       uint64_t first_seq)
{
    struct memtable_version versions[ENTERED_TOGETHER];
    struct slice keys[ENTERED_TOGETHER];
    size_t n = 0;
    size_t i;
    int rc;

    for (i = 0; i < count; i++) {
        struct slice bytes = slice_of(entries[i].record, entries[i].record_len);
        struct record record;

        if (entries[i].is_header) {
            continue;
        }
        rc = record_parse(bytes, &record);
        ASSERT(rc == BLOCKDB_OK); /* we encoded it */
        if (kind_is_system(record.kind)) {
            continue; /* it has no key */
        }
        keys[n] = record.key;
        versions[n++] = (struct memtable_version){
            .seq = first_seq + i,
            .time_ms = record.time_ms,
            .kind = record.kind,
            .value = record.value,
            .record = bytes,
        };
    }
    memtable_prefetch(g->memtable, keys, n);
    for (i = 0; i < n; i++) {
        rc = memtable_add(g->memtable, keys[i], &versions[i]);
        ASSERT(rc == BLOCKDB_OK); /* reserved */
    }
}

static void enter_memtable(struct group *g)
{
    const struct seal_entry *entries = g->db->commit.scratch;
    size_t i;

    for (i = 0; i < g->seal_count; i += ENTERED_TOGETHER) {
        size_t left = g->seal_count - i;

        enter_some(g, entries + i, left < ENTERED_TOGETHER ? left : ENTERED_TOGETHER,
                   g->db->commit.next_seq + i);
    }
}

static void note_requests(struct group *g)
{
    struct commit *c = &g->db->commit;
    struct commit_request *r;

    mutex_lock(&c->requests_mu);
    for (r = g->requests; r != NULL; r = r->next) {
        if (r->accepted && r->client_id != NULL && r->result.count > 0) {
            struct request_answer answer = {
                .request = r->request,
                .first_seq = r->result.first_seq,
                .count = r->result.count,
                .time_ms = r->result.time_ms,
            };

            request_table_record(c->requests, r->client_id, &answer);
        }
    }
    mutex_unlock(&c->requests_mu);
}

static void count_group(struct group *g)
{
    struct counters *counters = &g->db->counters;
    uint64_t puts = 0;
    uint64_t entries = 0;
    uint64_t batches = 0;
    uint64_t bytes = 0;
    const struct commit_request *r;

    for (r = g->requests; r != NULL; r = r->next) {
        if (r->accepted && r->batch != NULL && r->batch->count > 0) {
            puts += r->batch->put_count;
            entries += r->batch->count;
            bytes += r->batch->user_bytes;
            batches++;
        }
    }
    counter_add(counters, COUNTER_PUTS, puts);
    counter_add(counters, COUNTER_DELETES, entries - puts);
    counter_add(counters, COUNTER_BATCHES, batches);
    counter_add(counters, COUNTER_USER_BYTES, bytes);
    counter_add(counters, COUNTER_COMMIT_GROUPS, 1);
}

static void publish(struct group *g)
{
    struct blockdb *db = g->db;
    struct commit *c = &db->commit;
    uint64_t opened = atomic_load_explicit(&c->block_opened_ns, memory_order_relaxed);

    enter_memtable(g);
    if (g->has_requests) {
        note_requests(g);
    }
    seal_queue_push(&db->seal_queue, c->scratch, g->seal_count);
    c->next_seq = g->next_seq;
    atomic_store_explicit(&c->last_time_ms, g->time_ms, memory_order_relaxed);
    c->block_entries = g->block_entries;
    c->block_bytes = g->block_bytes;
    if (g->block_entries == 0) {
        atomic_store_explicit(&c->block_opened_ns, 0, memory_order_relaxed);
    } else if (opened == 0 || g->marker_count > 0) {
        atomic_store_explicit(&c->block_opened_ns, os_monotonic_ns(db->os), memory_order_relaxed);
    }
    atomic_store_explicit(&db->acked_seq, g->next_seq, memory_order_release); /* DB-1 */
    if (g->wants_sync) {
        position_raise(&db->durable_seq, g->next_seq);
        atomic_store_explicit(&db->unsynced_since_ns, 0, memory_order_relaxed);
    } else if (atomic_load_explicit(&db->unsynced_since_ns, memory_order_relaxed) == 0) {
        atomic_store_explicit(&db->unsynced_since_ns, os_monotonic_ns(db->os),
                              memory_order_relaxed);
    }
    count_group(g);
}

/* A failure concerns only those who asked for it: what the others wrote is committed. */
static void freeze(struct group *g)
{
    struct commit_request *r;
    struct error err;
    int rc = workers_freeze(g->db, &err);

    for (r = g->requests; rc < 0 && r != NULL; r = r->next) {
        if (r->freeze) {
            answer_error(r, rc, &err);
        }
    }
}

/* As freeze(). */
static void rotate(struct group *g)
{
    struct commit_request *r;
    struct error err;
    int rc = wal_rotate(g->db->wal, g->db->commit.next_seq, &err);

    shortage_note(&g->db->shortage, SHORTAGE_WAL, rc, &err);
    if (rc < 0 && rc != BLOCKDB_ENOSPC && rc != BLOCKDB_ENOMEM) {
        failure_set(&g->db->failure, &err);
    }
    for (r = g->requests; rc < 0 && r != NULL; r = r->next) {
        if (r->rotate) {
            answer_error(r, rc, &err);
        }
    }
}

/* Everything for the accepted requests; on failure none of them happened. */
static int commit_accepted(struct group *g, struct error *err)
{
    int rc = workers_make_room(g->db, g->record_bytes, &g->memtable, err);

    if (rc < 0) {
        return rc;
    }
    plan_blocks(g); /* now, because making room may have ended the open block */
    if (g->entry_count + g->marker_count > 0) {
        rc = sealer_make_room(g->db, err);
        if (rc < 0) {
            return rc;
        }
        rc = reserve(g, err);
        if (rc < 0) {
            return rc;
        }
        encode(g);
        rc = append(g, err);
        if (rc < 0) {
            return rc;
        }
    } else {
        g->next_seq = g->db->commit.next_seq;
        g->position = wal_end_position(g->db->wal);
        encode(g);
    }
    if (g->wants_sync) {
        rc = sync_group(g, err);
        if (rc < 0) {
            return rc;
        }
    }
    publish(g);
    if (g->wants_freeze) {
        freeze(g);
    }
    if (g->wants_rotate) {
        rotate(g);
    }
    return BLOCKDB_OK;
}

int commit_group_end_block(struct blockdb *db, struct memtable *memtable, struct error *err)
{
    struct group g = {
        .db = db,
        .memtable = memtable,
        .time_ms = atomic_load_explicit(&db->commit.last_time_ms, memory_order_relaxed),
        .end_block = true,
    };
    int rc;

    plan_blocks(&g);
    if (g.marker_count == 0) {
        return BLOCKDB_OK;
    }
    rc = reserve(&g, err);
    if (rc == BLOCKDB_OK) {
        encode(&g);
        rc = append(&g, err);
    }
    if (rc == BLOCKDB_OK) {
        publish(&g);
    }
    return rc;
}

static int writable(struct blockdb *db, struct error *err)
{
    if (db->read_only) {
        return db_refuse_read_only(db, err);
    }
    return failure_check(&db->failure, err);
}

/* The clock's, but for one that went back: the ledger's time does not. */
static uint64_t time_of_group(const struct blockdb *db)
{
    uint64_t last_ms = atomic_load_explicit(&db->commit.last_time_ms, memory_order_relaxed);
    uint64_t now_ms = os_now_ms(db->os);

    return now_ms > last_ms ? now_ms : last_ms;
}

void commit_group_run(struct blockdb *db, struct commit_request *requests)
{
    struct group g = {.db = db, .requests = requests};
    uint64_t start_ns = os_monotonic_ns(db->os);
    struct error err;
    struct commit_request *r;
    int rc = writable(db, &err);

    for (r = requests; r != NULL; r = r->next) {
        if (rc < 0) {
            answer_error(r, rc, &err);
        } else {
            judge(&g, r);
        }
    }
    if (rc < 0) {
        return;
    }
    g.time_ms = time_of_group(db);
    rc = commit_accepted(&g, &err);
    if (rc < 0) {
        answer_all(&g, rc, &err);
    }
    atomic_store_explicit(&db->account.held[ACCOUNT_GROUP], 0, memory_order_relaxed);
    latency_record_alone(&db->commit.group_latency, os_monotonic_ns(db->os) - start_ns);
}
