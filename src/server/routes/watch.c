/* SPDX-License-Identifier: Apache-2.0 */
#include "server/routes/watch.h"

#include "base/assert.h"
#include "base/mem.h"

#include <stdatomic.h>
#include <stddef.h>

#define LOOPS_MAX 256          /* as many as a server has workers at most */
#define RETRY_MS 100           /* when the pool had no room */
#define KEPT_BYTES_MAX (16384) /* of one entry's memory between two chunks */

/* One entry of a chunk; its memory is used again. */
struct chunk_entry {
    struct blockdb_value key;
    struct blockdb_value value;
};

struct watch_hub {
    struct watch *watch;
    struct loop *loop;
    atomic_bool is_posted; /* wake is on its way */
    struct loop_task wake;

    /* The loop's thread. */
    struct watcher *first;
    struct watcher **last;
    struct loop_timer beat;
    struct loop_timer retry;
    bool is_reading; /* the pool has call and the chunk */
    struct call call;

    /* The chunk; the pool's thread while it reads. */
    uint64_t from;
    uint64_t end; /* read up to here at most */
    size_t count;
    struct chunk_entry entries[WATCH_CHUNK_ENTRIES];
    struct buf text;
    struct buf text_base64;
};

struct watch {
    struct blockdb *db;
    atomic_uint_least64_t count;
    _Atomic(struct watch_hub *) hubs[LOOPS_MAX]; /* released when complete */
};

int watch_new(struct blockdb *db, struct watch **out)
{
    struct watch *watch = mem_calloc(1, sizeof(*watch));

    if (watch == NULL) {
        return BLOCKDB_ENOMEM;
    }
    watch->db = db;
    *out = watch;
    return BLOCKDB_OK;
}

/* Frees what entries hold beyond kept_max. */
static void chunk_trim(struct watch_hub *hub, size_t kept_max)
{
    size_t i;

    for (i = 0; i < WATCH_CHUNK_ENTRIES; i++) {
        struct chunk_entry *e = &hub->entries[i];

        if (e->value.cap > kept_max) {
            blockdb_value_deinit(&e->value);
            e->value = (struct blockdb_value){0};
        }
        if (e->key.cap > kept_max) {
            blockdb_value_deinit(&e->key);
            e->key = (struct blockdb_value){0};
        }
    }
    if (hub->text.cap > kept_max) {
        buf_deinit(&hub->text);
    }
    if (hub->text_base64.cap > kept_max) {
        buf_deinit(&hub->text_base64);
    }
}

void watch_free(struct watch *watch)
{
    size_t i;

    if (watch == NULL) {
        return;
    }
    for (i = 0; i < LOOPS_MAX; i++) {
        struct watch_hub *hub = atomic_load_explicit(&watch->hubs[i], memory_order_acquire);

        if (hub != NULL) {
            ASSERT(hub->first == NULL);
            chunk_trim(hub, 0);
            call_deinit(&hub->call);
            mem_free(hub);
        }
    }
    mem_free(watch);
}

uint64_t watch_count(const struct watch *watch)
{
    return atomic_load_explicit(&watch->count, memory_order_relaxed);
}

void watch_notice(struct watch *watch)
{
    size_t i;

    /* A watcher that joins is counted before it looks at the log; the log grew before we look at
     * the count: one of the two sees the other. */
    atomic_thread_fence(memory_order_seq_cst);
    if (watch_count(watch) == 0) {
        return;
    }
    for (i = 0; i < LOOPS_MAX; i++) {
        struct watch_hub *hub = atomic_load_explicit(&watch->hubs[i], memory_order_acquire);

        if (hub != NULL && !atomic_exchange_explicit(&hub->is_posted, true, memory_order_acq_rel)) {
            loop_post(hub->loop, &hub->wake);
        }
    }
}

/* ---- Reading a chunk ----------------------------------------------------------------------- */

/* On the pool. */
static int read_chunk(struct call *call, struct blockdb *db, struct error *err)
{
    struct watch_hub *hub = (struct watch_hub *)(void *)((char *)call -
                                                         offsetof(struct watch_hub, call));
    size_t bytes = 0;

    hub->count = 0;
    while (hub->count < WATCH_CHUNK_ENTRIES && hub->from + hub->count < hub->end &&
           bytes < WATCH_CHUNK_BYTES) {
        struct chunk_entry *e = &hub->entries[hub->count];
        int rc = blockdb_get_entry(db, hub->from + hub->count, &e->key, &e->value, err);

        if (rc == BLOCKDB_EREDACTED) {
            e->value.version.redacted = true;
            e->value.len = 0;
        } else if (rc < 0) {
            /* What was read is shown first; the next turn fails. */
            return hub->count > 0 ? BLOCKDB_OK : rc;
        }
        bytes += e->key.len + e->value.len;
        hub->count++;
    }
    return BLOCKDB_OK;
}

/* ---- Showing it ---------------------------------------------------------------------------- */

static void unlink_watcher(struct watcher *w)
{
    struct watch_hub *hub = w->hub;

    *w->link = w->next;
    if (w->next != NULL) {
        w->next->link = w->link;
    } else {
        hub->last = w->link;
    }
    w->next = NULL;
    w->link = NULL;
}

static void link_last(struct watch_hub *hub, struct watcher *w)
{
    w->next = NULL;
    w->link = hub->last;
    *hub->last = w;
    hub->last = &w->next;
}

static void show_entry(struct watch_hub *hub, const struct watch_entry *entry)
{
    struct watcher *w;

    for (w = hub->first; w != NULL; w = w->next) {
        if (w->is_paused || w->next_seq != entry->version.seq) {
            continue;
        }
        w->next_seq++;
        w->is_shown = true;
        w->is_paused = !w->show(w, entry);
    }
}

static void show_chunk(struct watch_hub *hub)
{
    size_t i;

    for (i = 0; i < hub->count; i++) {
        const struct chunk_entry *e = &hub->entries[i];
        const struct watch_entry entry = {
            .key = slice_of(e->key.data, e->key.len),
            .value = slice_of(e->value.data, e->value.len),
            .version = e->value.version,
            .text = &hub->text,
            .text_base64 = &hub->text_base64,
        };

        buf_reset(&hub->text);
        buf_reset(&hub->text_base64);
        show_entry(hub, &entry);
    }
    chunk_trim(hub, KEPT_BYTES_MAX);
}

static bool wants_more(const struct watcher *w, uint64_t end)
{
    return !w->is_paused && w->next_seq < end;
}

/* Tells those who wait for the chunk that it cannot be read. */
static void fail_waiting(struct watch_hub *hub, const struct error *err)
{
    struct watcher *w = hub->first;

    while (w != NULL) {
        struct watcher *next = w->next;

        if (wants_more(w, hub->end) && w->next_seq >= hub->from) {
            watch_leave(w);
            w->failed(w, err);
        }
        w = next;
    }
}

/* ---- Turns --------------------------------------------------------------------------------- */

static void step(struct watch_hub *hub);

static void read_done(struct call *call)
{
    struct watch_hub *hub = (struct watch_hub *)(void *)((char *)call -
                                                         offsetof(struct watch_hub, call));

    hub->is_reading = false;
    if (call->status == BLOCKDB_OK) {
        show_chunk(hub);
    } else {
        fail_waiting(hub, &call->error);
    }
    if (hub->first == NULL) {
        chunk_trim(hub, 0);
    }
    step(hub);
}

/* The next watcher in turn that wants to be shown more; it goes to the end of the line. */
static struct watcher *take_turn(struct watch_hub *hub, uint64_t end)
{
    struct watcher *w;

    for (w = hub->first; w != NULL && !wants_more(w, end); w = w->next) {
    }
    if (w != NULL) {
        unlink_watcher(w);
        link_last(hub, w);
    }
    return w;
}

static void step(struct watch_hub *hub)
{
    uint64_t end = blockdb_durable_count(hub->watch->db);
    struct watcher *w;

    if (hub->is_reading) {
        return;
    }
    w = take_turn(hub, end);
    if (w == NULL) {
        return;
    }
    hub->from = w->next_seq;
    hub->end = end;
    hub->is_reading = true;
    call_reset(&hub->call, principal_everyone());
    if (dispatch_run(&hub->call, POOL_READ, read_chunk) == CALL_DONE) {
        hub->is_reading = false;
        loop_timer_set(hub->loop, &hub->retry, RETRY_MS);
    }
}

static void on_wake(struct loop_task *task)
{
    struct watch_hub *hub = (struct watch_hub *)(void *)((char *)task -
                                                         offsetof(struct watch_hub, wake));

    /* Cleared first: what is committed from now on posts again. */
    atomic_store_explicit(&hub->is_posted, false, memory_order_seq_cst);
    step(hub);
}

static void on_retry(struct loop_timer *timer)
{
    step((struct watch_hub *)(void *)((char *)timer - offsetof(struct watch_hub, retry)));
}

static void on_beat(struct loop_timer *timer)
{
    struct watch_hub *hub = (struct watch_hub *)(void *)((char *)timer -
                                                         offsetof(struct watch_hub, beat));
    struct watcher *w = hub->first;

    while (w != NULL) {
        struct watcher *next = w->next;
        bool is_idle = !w->is_shown && !w->is_paused;

        w->is_shown = false;
        w->beat(w, is_idle);
        w = next;
    }
    if (hub->first != NULL) {
        loop_timer_set(hub->loop, &hub->beat, WATCH_BEAT_MS);
    }
}

/* ---- Watchers ------------------------------------------------------------------------------ */

static struct watch_hub *hub_new(struct watch *watch, struct dispatch *dispatch, struct loop *loop)
{
    struct watch_hub *hub = mem_calloc(1, sizeof(*hub));

    if (hub != NULL) {
        hub->watch = watch;
        hub->loop = loop;
        hub->last = &hub->first;
        hub->wake.run = on_wake;
        hub->beat.fire = on_beat;
        hub->retry.fire = on_retry;
        call_init(&hub->call, dispatch, loop, principal_everyone(), read_done);
        atomic_store_explicit(&watch->hubs[loop_index(loop)], hub, memory_order_release);
    }
    return hub;
}

int watch_join(struct watch *watch, struct dispatch *dispatch, struct loop *loop, struct watcher *w)
{
    struct watch_hub *hub;

    ASSERT(loop_index(loop) < LOOPS_MAX);
    hub = atomic_load_explicit(&watch->hubs[loop_index(loop)], memory_order_relaxed);
    if (hub == NULL) {
        hub = hub_new(watch, dispatch, loop);
    }
    if (hub == NULL) {
        return BLOCKDB_ENOMEM;
    }
    if (hub->first == NULL) {
        loop_timer_set(loop, &hub->beat, WATCH_BEAT_MS);
    }
    w->hub = hub;
    w->is_paused = false;
    w->is_shown = false;
    link_last(hub, w);
    /* Counted before the log is looked at: who commits later sees the count and wakes us. */
    atomic_fetch_add_explicit(&watch->count, 1, memory_order_seq_cst);
    step(hub);
    return BLOCKDB_OK;
}

void watch_leave(struct watcher *w)
{
    struct watch_hub *hub = w->hub;

    unlink_watcher(w);
    atomic_fetch_sub_explicit(&hub->watch->count, 1, memory_order_relaxed);
    if (hub->first == NULL) {
        loop_timer_cancel(hub->loop, &hub->beat);
        loop_timer_cancel(hub->loop, &hub->retry);
    }
}

void watch_resume(struct watcher *w)
{
    w->is_paused = false;
    step(w->hub);
}
