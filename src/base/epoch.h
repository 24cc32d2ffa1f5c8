/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Epoch-based reclamation: readers follow pointers without locks or counts, and what a writer
 * unlinked is freed only when no reader can still hold it.
 *
 * A reader calls epoch_enter(), loads pointers from atomics (acquire), uses what they point to, and
 * calls epoch_leave(). A writer first makes an object unreachable, then retires it.
 *
 * EPOCH-1  An object's free function runs only after every reader that was inside when the object
 *          was retired has left.
 * EPOCH-2  enter and leave write only the thread's own cache line.
 * EPOCH-3  Neither entering nor retiring can fail; without memory for a slot, readers are counted
 *          in one shared place and nothing is freed while one of them is inside.
 * EPOCH-4  Objects are freed in the order in which they were retired.
 *
 * Why it is right: every slot holds 0 (outside) or the value of the global epoch at entry. A
 * reader enters by an exchange (acquire, release), and a collector inspects a slot it finds empty
 * by another read-modify-write, so the two are ordered on the slot itself. Either the reader's
 * exchange is later: then it synchronises with the collector, and so the reader sees that the
 * object is unlinked; or it is earlier: then the collector sees it inside and keeps what was
 * retired up to that epoch, until the release store of leave, which the collector acquires before
 * it frees. A reader whose epoch is above the object's has read the increment that followed
 * the unlinking, so it cannot have found the object either. No fences are needed.
 *
 * Threads:   any thread. A thread must leave as often as it entered before it ends.
 * Ownership: a retired object belongs to the epoch until its free function gets it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct epoch;

typedef void (*epoch_free_fn)(void *object);

/* Embedded in each object that may be retired; no initialisation needed. */
struct epoch_link {
    struct epoch_link *next;
    void *object;
    epoch_free_fn free_fn;
    uint64_t retired_at;
};

/* One per database. NULL when there is no memory. */
struct epoch *epoch_new(void);
/* Runs all pending free functions. No thread may be inside or enter any more. NULL is fine. */
void epoch_free(struct epoch *e);

/* Enters a read section; sections may nest, the outermost counts. */
void epoch_enter(struct epoch *e);
void epoch_leave(struct epoch *e);
/* Whether this thread is inside; for assertions. */
bool epoch_inside(struct epoch *e);

/* Hands object over: free_fn(object) runs once no reader can hold it. The object must be
 * unreachable already; link lies inside it (or lives as long). Runs the free functions of what is
 * old enough when enough has gathered, so the caller holds no lock that they take. */
void epoch_retire(struct epoch *e, struct epoch_link *link, void *object, epoch_free_fn free_fn);
/* The same, but never runs a free function: for callers that hold locks. */
void epoch_retire_later(struct epoch *e, struct epoch_link *link, void *object,
                        epoch_free_fn free_fn);
/* Runs the free functions of what no reader can hold any more; returns how many ran. */
size_t epoch_collect(struct epoch *e);
/* Waits until every reader that is inside now has left. The caller must be outside. */
void epoch_synchronize(struct epoch *e);
/* How many retired objects wait; a snapshot. */
size_t epoch_pending(struct epoch *e);
