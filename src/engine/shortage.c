/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/shortage.h"

#include "engine/db.h"

#define ASK_INTERVAL_NS 1000000000ULL

static unsigned bit_of(enum shortage_place place)
{
    return 1u << place;
}

void shortage_init(struct shortage *s)
{
    atomic_init(&s->places, 0);
    atomic_init(&s->asked_ns, 0);
    mutex_init(&s->mu, LOCK_RANK_LOGGER); /* a leaf: taken inside any other lock */
}

void shortage_deinit(struct shortage *s)
{
    mutex_deinit(&s->mu);
}

static bool is_short(struct shortage *s, enum shortage_place place)
{
    return (atomic_load_explicit(&s->places, memory_order_acquire) & bit_of(place)) != 0;
}

void shortage_note(struct shortage *s, enum shortage_place place, int rc, const struct error *err)
{
    if (rc == BLOCKDB_ENOSPC) {
        mutex_lock(&s->mu);
        s->causes[place] = *err;
        (void)atomic_fetch_or_explicit(&s->places, bit_of(place), memory_order_release);
        mutex_unlock(&s->mu);
    } else if (rc == BLOCKDB_OK && is_short(s, place)) {
        (void)atomic_fetch_and_explicit(&s->places, ~bit_of(place), memory_order_release);
    }
}

/* What nobody but writers tries: the next segment of the WAL. */
static void try_wal(struct blockdb *db)
{
    struct shortage *s = &db->shortage;
    uint64_t asked_ns = atomic_load_explicit(&s->asked_ns, memory_order_relaxed);
    uint64_t now_ns = os_monotonic_ns(db->os);

    if (wal_has_room(db->wal)) {
        shortage_note(s, SHORTAGE_WAL, BLOCKDB_OK, NULL);
    } else if ((asked_ns == 0 || now_ns - asked_ns >= ASK_INTERVAL_NS) &&
               atomic_compare_exchange_strong_explicit(
                   &s->asked_ns, &asked_ns, now_ns, memory_order_relaxed, memory_order_relaxed)) {
        wal_find_room(db->wal);
    }
}

int shortage_check(struct blockdb *db, struct error *err)
{
    struct shortage *s = &db->shortage;
    struct error cause = {0};
    int place;

    if (is_short(s, SHORTAGE_WAL)) {
        try_wal(db);
    }
    for (place = 0; place < SHORTAGE_PLACE_COUNT; place++) {
        if (is_short(s, (enum shortage_place)place)) {
            break;
        }
    }
    if (place == SHORTAGE_PLACE_COUNT) {
        return BLOCKDB_OK;
    }
    mutex_lock(&s->mu);
    cause = s->causes[place];
    mutex_unlock(&s->mu);
    return error_set(err, BLOCKDB_ENOSPC,
                     "there is no room (%s); free some, and writing goes on by itself",
                     cause.message);
}
