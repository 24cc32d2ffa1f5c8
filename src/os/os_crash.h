/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file system in memory that can lose its power: keeps what is durable apart from what is not,
 * for the bytes of files and for the names in directories.
 *
 * The model, per cut; every choice comes from the seed:
 * CRASH-1  Nothing that was synced is ever lost: file_sync() makes all earlier writes and the
 *          length of that file durable, os_sync_dir() all earlier changes to the names of that
 *          directory. Neither does the other's work: a synced file whose name was never synced is
 *          gone when its name is.
 * CRASH-2  Of the writes to a file since its last sync any subset is there. Each is whole, absent,
 *          or torn: any subset of its 512-byte sectors (cut at multiples of 512 of the offset).
 * CRASH-3  The length grown by a write and its data arrive independently: with the length but
 *          without the data there are zeros; with the data but without the length it is cut off.
 * CRASH-4  An unsynced truncate holds or does not.
 * CRASH-5  Of the unsynced creates, links, renames, unlinks, mkdirs and rmdirs of a directory any
 *          subset is there; a rename inside one directory is atomic. A rename between directories
 * is an addition and a removal with separate fates, but the removal never holds alone. CRASH-6
 * preallocate, write_behind and advise promise nothing. CRASH-7  Locks and open files do not
 * survive; using an old open file fails with EIO. Now and then all unsynced changes hold, none
 * does, or a prefix in time does: so every cut between "nothing" and "everything" is met.
 *
 * The operation at which an armed cut falls fails with EIO but counts as begun: a write or a
 * rename may be there afterwards, a sync has not happened. From then on every file operation fails
 * with EIO until os_crash_restart().
 *
 * The wall clock stands still until the test moves it. The monotonic clock steps 1 us per
 * reading; os_sleep_ns() advances it and returns after a short real pause. Randomness
 * follows from the seed. Threads are real.
 *
 * Paths: split at '/', "." ignored, ".." refused; relative paths start at the root. The root
 * exists and is durable; everything else is made by the test (os_make_dirs()).
 *
 * Threads:   any thread; the os_crash_*() controls too, but cutting and copying are meaningful
 *            only when the test knows what its threads do.
 * Ownership: all files must be closed before os_crash_free(). Closing stays allowed after a cut.
 */
#pragma once

#include "os/os.h"

#define OS_CRASH_SECTOR_BYTES 512
#define OS_CRASH_START_MS 1767225600000ULL /* 2026-01-01T00:00:00Z */

struct os_crash;

/* An empty file system; the seed is that of os_random(). NULL when there is no memory. */
struct os_crash *os_crash_new(uint64_t seed);
void os_crash_free(struct os_crash *c);
struct os *os_crash_os(struct os_crash *c);

/* Cuts the power at the nth changing operation from now, 1 being the next; 0 never. Changing are
 * open (that creates or truncates), pwrite, sync, preallocate, truncate, mkdir, rename, link,
 * unlink, rmdir, sync_dir and lock. */
void os_crash_arm(struct os_crash *c, uint64_t nth);
/* How many changing operations there were since creation, copy or restart. */
uint64_t os_crash_operations(struct os_crash *c);
/* Cuts the power now. */
void os_crash_power_off(struct os_crash *c);
/* Whether the power is off. */
bool os_crash_is_off(struct os_crash *c);
/* Settles what survived, as the seed decides, and switches on again, with nothing armed. Also from
 * a running state (a cut between two operations). ENOMEM leaves c as it was. */
RESULT_MUST_BE_USED int os_crash_restart(struct os_crash *c, uint64_t seed);
/* The same into a new file system; c stays as it is, so one state can be cut in many ways. */
RESULT_MUST_BE_USED int os_crash_cut(struct os_crash *c, uint64_t seed, struct os_crash **out);
/* A copy in the same state, what is unsynced included, switched on, without open files and locks.
 */
RESULT_MUST_BE_USED int os_crash_copy(struct os_crash *c, struct os_crash **out);

/* The wall clock: sets it (also back), or advances it together with the monotonic clock. */
void os_crash_set_time(struct os_crash *c, uint64_t time_ms);
void os_crash_advance(struct os_crash *c, uint64_t ms);

/* The disk holds at most this many bytes of files (length or preallocation, whichever is
 * larger); a write beyond fails with ENOSPC and no effect. UINT64_MAX lifts the limit. */
void os_crash_set_capacity(struct os_crash *c, uint64_t max_bytes);
uint64_t os_crash_used_bytes(struct os_crash *c);

/* Damage: xors one byte of a file, in what is durable and what is not. ENOTFOUND, or EINVAL for
 * an offset beyond the end. */
RESULT_MUST_BE_USED int os_crash_flip(struct os_crash *c, const char *path, uint64_t offset,
                                      uint8_t mask, struct error *err);

/* One file, with its full path from the root ("/db/CURRENT"); non-zero stops with that code. */
typedef int (*os_crash_visit_fn)(void *context, const char *path, uint64_t len_bytes);
/* Visits all files below a directory ("/" for all): first its own, in bytewise order, then those of
 * its directories in the same way. Works also while the power is off. */
RESULT_MUST_BE_USED int os_crash_visit(struct os_crash *c, const char *path,
                                       os_crash_visit_fn visit, void *context, struct error *err);
