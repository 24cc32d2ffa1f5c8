/* SPDX-License-Identifier: Apache-2.0 */
#include "base/epoch.h"

#include "base/assert.h"
#include "base/lock.h"
#include "base/mem.h"
#include "base/thread_index.h"

#include <sched.h>
#include <stdatomic.h>

#define CACHE_LINE_BYTES 64
#define FIRST_CHUNK_SLOTS 64
/* Chunk 0 and 1 hold 64 slots each, every later one twice as many as the one before. */
#define CHUNKS_MAX 11
#define COLLECT_BATCH 64
#define OUTSIDE 0 /* the value of a slot whose thread is not inside; epochs start at 1 */
#define SPINS_MAX 64
#define WAIT_NS 100000

_Static_assert(FIRST_CHUNK_SLOTS << (CHUNKS_MAX - 1) == THREAD_INDEX_MAX, "a slot per thread");

struct slot {
    _Alignas(CACHE_LINE_BYTES) _Atomic uint64_t entered_at;
    unsigned nesting; /* owner thread only */
};

/* First in, first out. */
struct link_list {
    struct epoch_link *first;
    struct epoch_link **last_next;
};

struct epoch {
    /* atomic, see the header */
    _Alignas(CACHE_LINE_BYTES) _Atomic uint64_t now;
    _Atomic uint64_t readers_without_slot;
    _Atomic(struct slot *) chunks[CHUNKS_MAX];
    /* atomic: pushed by retirers (release), taken whole by a collector (acquire) */
    _Alignas(CACHE_LINE_BYTES) _Atomic(struct epoch_link *) retired;
    atomic_size_t pending;       /* relaxed: a figure */
    atomic_size_t since_collect; /* relaxed: paces collecting */
    struct mutex mu;
    /* guarded by mu */
    struct link_list waiting; /* taken from retired, with their epochs, oldest first */
    struct cond never;        /* only for waiting a moment */
};

static void list_init(struct link_list *l)
{
    l->first = NULL;
    l->last_next = &l->first;
}

static unsigned chunk_of(unsigned index)
{
    return index < FIRST_CHUNK_SLOTS ? 0 : 32 - (unsigned)__builtin_clz(index / FIRST_CHUNK_SLOTS);
}

static unsigned chunk_first(unsigned chunk)
{
    return chunk == 0 ? 0 : FIRST_CHUNK_SLOTS << (chunk - 1);
}

static unsigned chunk_slots(unsigned chunk)
{
    return chunk == 0 ? FIRST_CHUNK_SLOTS : FIRST_CHUNK_SLOTS << (chunk - 1);
}

static struct slot *chunk_new(unsigned chunk)
{
    size_t len_bytes = chunk_slots(chunk) * sizeof(struct slot);
    struct slot *slots = mem_alloc_aligned(CACHE_LINE_BYTES, len_bytes);
    unsigned i;

    if (slots == NULL) {
        return NULL;
    }
    for (i = 0; i < chunk_slots(chunk); i++) {
        atomic_init(&slots[i].entered_at, OUTSIDE);
        slots[i].nesting = 0;
    }
    return slots;
}

/* Installs a chunk unless another thread was faster; NULL without memory. The exchange pairs with
 * the read-modify-write in chunk_inspect(). */
static __attribute__((noinline)) struct slot *chunk_install(struct epoch *e, unsigned chunk)
{
    struct slot *slots = chunk_new(chunk);
    struct slot *present = NULL;

    if (slots == NULL) {
        return NULL;
    }
    if (!atomic_compare_exchange_strong_explicit(&e->chunks[chunk], &present, slots,
                                                 memory_order_acq_rel, memory_order_acquire)) {
        mem_free(slots);
        return present;
    }
    return slots;
}

/* This thread's slot, or NULL when it has none and may not or cannot get one. */
static struct slot *own_slot(struct epoch *e, bool may_install)
{
    unsigned index = thread_index();
    unsigned chunk;
    struct slot *slots;

    if (__builtin_expect(index == THREAD_INDEX_NONE, 0)) {
        return NULL;
    }
    chunk = chunk_of(index);
    slots = atomic_load_explicit(&e->chunks[chunk], memory_order_acquire);
    if (__builtin_expect(slots == NULL, 0)) {
        slots = may_install ? chunk_install(e, chunk) : NULL;
    }
    return slots != NULL ? &slots[index - chunk_first(chunk)] : NULL;
}

struct epoch *epoch_new(void)
{
    struct epoch *e = mem_alloc_aligned(CACHE_LINE_BYTES, sizeof(*e));
    unsigned i;

    if (e == NULL) {
        return NULL;
    }
    atomic_init(&e->now, OUTSIDE + 1);
    atomic_init(&e->readers_without_slot, 0);
    for (i = 0; i < CHUNKS_MAX; i++) {
        atomic_init(&e->chunks[i], NULL);
    }
    atomic_init(&e->retired, NULL);
    atomic_init(&e->pending, 0);
    atomic_init(&e->since_collect, 0);
    mutex_init(&e->mu, LOCK_RANK_EPOCH);
    cond_init(&e->never);
    list_init(&e->waiting);
    return e;
}

void epoch_enter(struct epoch *e)
{
    struct slot *slot = own_slot(e, true);

    if (__builtin_expect(slot == NULL, 0)) {
        (void)atomic_fetch_add_explicit(&e->readers_without_slot, 1, memory_order_acq_rel);
        return;
    }
    if (slot->nesting++ == 0) {
        uint64_t now = atomic_load_explicit(&e->now, memory_order_acquire);

        (void)atomic_exchange_explicit(&slot->entered_at, now, memory_order_acq_rel);
    }
}

/* A section that was entered without a slot may find one now, not nested: then it was counted. */
void epoch_leave(struct epoch *e)
{
    struct slot *slot = own_slot(e, false);

    if (__builtin_expect(slot == NULL || slot->nesting == 0, 0)) {
        uint64_t before = atomic_fetch_sub_explicit(&e->readers_without_slot, 1,
                                                    memory_order_release);

        ASSERT(before > 0);
        return;
    }
    if (--slot->nesting == 0) {
        atomic_store_explicit(&slot->entered_at, OUTSIDE, memory_order_release);
    }
}

bool epoch_inside(struct epoch *e)
{
    struct slot *slot = own_slot(e, false);

    return (slot != NULL && slot->nesting > 0) ||
           atomic_load_explicit(&e->readers_without_slot, memory_order_relaxed) > 0;
}

/* The lowest epoch at which a reader inside now may have entered, or UINT64_MAX. Slots that look
 * empty are looked at again by a read-modify-write, which orders this with the next entry. */
static uint64_t chunk_inspect(_Atomic(struct slot *) *chunk, unsigned count)
{
    struct slot *slots = atomic_load_explicit(chunk, memory_order_acquire);
    uint64_t oldest = UINT64_MAX;
    unsigned i;

    if (slots == NULL) {
        /* Replaces NULL by NULL: a chunk installed later is ordered after this. */
        (void)atomic_compare_exchange_strong_explicit(chunk, &slots, NULL, memory_order_acq_rel,
                                                      memory_order_acquire);
    }
    for (i = 0; slots != NULL && i < count; i++) {
        uint64_t entered = atomic_load_explicit(&slots[i].entered_at, memory_order_acquire);

        if (entered == OUTSIDE) {
            entered = atomic_fetch_add_explicit(&slots[i].entered_at, 0, memory_order_acq_rel);
        }
        if (entered != OUTSIDE && entered < oldest) {
            oldest = entered;
        }
    }
    return oldest;
}

static uint64_t oldest_reader(struct epoch *e)
{
    uint64_t oldest = UINT64_MAX;
    unsigned i;

    if (atomic_fetch_add_explicit(&e->readers_without_slot, 0, memory_order_acq_rel) > 0) {
        return OUTSIDE;
    }
    for (i = 0; i < CHUNKS_MAX; i++) {
        uint64_t entered = chunk_inspect(&e->chunks[i], chunk_slots(i));

        oldest = entered < oldest ? entered : oldest;
    }
    return oldest;
}

void epoch_retire_later(struct epoch *e, struct epoch_link *link, void *object,
                        epoch_free_fn free_fn)
{
    struct epoch_link *head = atomic_load_explicit(&e->retired, memory_order_relaxed);

    link->object = object;
    link->free_fn = free_fn;
    (void)atomic_fetch_add_explicit(&e->pending, 1, memory_order_relaxed);
    (void)atomic_fetch_add_explicit(&e->since_collect, 1, memory_order_relaxed);
    do {
        link->next = head;
    } while (!atomic_compare_exchange_weak_explicit(&e->retired, &head, link, memory_order_release,
                                                    memory_order_relaxed));
}

void epoch_retire(struct epoch *e, struct epoch_link *link, void *object, epoch_free_fn free_fn)
{
    epoch_retire_later(e, link, object, free_fn);
    if (atomic_load_explicit(&e->since_collect, memory_order_relaxed) >= COLLECT_BATCH) {
        (void)epoch_collect(e);
    }
}

/* Moves what was retired to the waiting list, in order, tagged with the epoch it ends. */
static void take_retired_locked(struct epoch *e) REQUIRES(e->mu)
{
    struct epoch_link *newest = atomic_exchange_explicit(&e->retired, NULL, memory_order_acquire);
    struct epoch_link *oldest = NULL;
    struct epoch_link **end = e->waiting.last_next;
    uint64_t ended;

    if (newest == NULL) {
        return;
    }
    ended = atomic_fetch_add_explicit(&e->now, 1, memory_order_acq_rel);
    e->waiting.last_next = &newest->next;
    while (newest != NULL) {
        struct epoch_link *next = newest->next;

        newest->retired_at = ended;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    *end = oldest;
}

/* Cuts off the front of the waiting list: what ended before the oldest reader entered. */
static struct epoch_link *take_free_locked(struct epoch *e) REQUIRES(e->mu)
{
    struct epoch_link *first = e->waiting.first;
    struct epoch_link **end = &e->waiting.first;
    uint64_t oldest;

    if (first == NULL) {
        return NULL;
    }
    oldest = oldest_reader(e);
    while (*end != NULL && (*end)->retired_at < oldest) {
        end = &(*end)->next;
    }
    if (end == &e->waiting.first) {
        return NULL;
    }
    e->waiting.first = *end;
    *end = NULL;
    if (e->waiting.first == NULL) {
        e->waiting.last_next = &e->waiting.first;
    }
    return first;
}

size_t epoch_collect(struct epoch *e)
{
    struct epoch_link *link;
    size_t count = 0;

    atomic_store_explicit(&e->since_collect, 0, memory_order_relaxed);
    mutex_lock(&e->mu);
    take_retired_locked(e);
    link = take_free_locked(e);
    mutex_unlock(&e->mu);
    while (link != NULL) {
        struct epoch_link *next = link->next; /* the object, and link in it, may go now */

        link->free_fn(link->object);
        link = next;
        count++;
    }
    (void)atomic_fetch_sub_explicit(&e->pending, count, memory_order_relaxed);
    return count;
}

void epoch_synchronize(struct epoch *e)
{
    struct slot *own = own_slot(e, false);
    uint64_t ended = atomic_fetch_add_explicit(&e->now, 1, memory_order_acq_rel);
    unsigned spins = 0;

    ASSERT(own == NULL || own->nesting == 0);
    while (oldest_reader(e) <= ended) {
        if (spins++ < SPINS_MAX) {
            (void)sched_yield(); /* cannot fail on Linux */
            continue;
        }
        mutex_lock(&e->mu);
        (void)cond_wait_for(&e->never, &e->mu, WAIT_NS);
        mutex_unlock(&e->mu);
    }
}

size_t epoch_pending(struct epoch *e)
{
    return atomic_load_explicit(&e->pending, memory_order_relaxed);
}

void epoch_free(struct epoch *e)
{
    unsigned i;

    if (e == NULL) {
        return;
    }
    ASSERT(oldest_reader(e) == UINT64_MAX);
    while (epoch_pending(e) > 0) {
        (void)epoch_collect(e);
    }
    cond_deinit(&e->never);
    mutex_deinit(&e->mu);
    for (i = 0; i < CHUNKS_MAX; i++) {
        mem_free(atomic_load_explicit(&e->chunks[i], memory_order_relaxed));
    }
    mem_free(e);
}
