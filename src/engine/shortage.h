/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shortage: which parts of a database found no room on their disk at their last try.
 *
 * Sealer and flusher try again by themselves; the WAL is tried by writers, and while one of them
 * was refused also by its own helper, whenever somebody asks. So the answer heals without a write:
 * a load balancer that sends none while the answer is bad still gets a good one when there is room.
 *
 * SHORT-1  What is said was found by trying, never by looking at free space: quotas and reserves
 *          count.
 *
 * Threads: any thread.
 */
#pragma once

#include "base/error.h"
#include "base/lock.h"

#include <stdatomic.h>
#include <stdbool.h>

struct blockdb;

enum shortage_place { SHORTAGE_WAL, SHORTAGE_TABLES, SHORTAGE_LEDGER, SHORTAGE_PLACE_COUNT };

struct shortage {
    atomic_uint places;        /* bit p: place p is short; release after its cause is written */
    _Atomic uint64_t asked_ns; /* when the WAL was last asked to try again; relaxed */
    struct mutex mu;
    struct error causes[SHORTAGE_PLACE_COUNT]; /* guarded by mu */
};

void shortage_init(struct shortage *s);
void shortage_deinit(struct shortage *s);
/* A try at that place ended with rc: ENOSPC (err says what of) begins a shortage, success ends it,
 * and any other failure says nothing about room. */
void shortage_note(struct shortage *s, enum shortage_place place, int rc, const struct error *err);
/* BLOCKDB_OK, or ENOSPC with the cause. Never waits for a disk; asks the WAL's helper to try again,
 * at most once a second. */
RESULT_MUST_BE_USED int shortage_check(struct blockdb *db, struct error *err);
