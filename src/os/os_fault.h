/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An operating system that fails on demand: wraps another one and fails its n-th operation.
 *
 * Operations fall into classes; a plan names the classes that count, the number of the operation
 * that fails, and how. A test runs its body with n = 1, 2, ... until os_fault_fired() is false:
 * then every operation has failed once.
 *
 *   for (n = 1;; n++) {
 *       os_fault_arm(f, &(struct os_fault_plan){.classes = OS_FAULT_ALL, .nth = n});
 *       rc = body(os_fault_os(f));
 *       if (!os_fault_fired(f)) break;
 *   }
 *
 * A failed operation has no effect, with these exceptions, which model real disks:
 * - a failed write leaves the first half of its bytes (rounded down) written when `partial` is set;
 * - a read with `partial` set succeeds with half of its bytes, as if the file ended there (OS-2);
 * - a failed sync leaves the data unsynced in the wrapped implementation.
 * Messages name the path and say "injected".
 *
 * Threads:   any thread.
 * Ownership: borrows the wrapped os, which must outlive it. Files opened through it must be closed
 *            before os_fault_free().
 */
#pragma once

#include "os/os.h"

enum os_fault_class {
    OS_FAULT_OPEN = 1 << 0,
    OS_FAULT_READ = 1 << 1,
    OS_FAULT_WRITE = 1 << 2,
    OS_FAULT_SYNC = 1 << 3, /* of files */
    OS_FAULT_SYNC_DIR = 1 << 4,
    OS_FAULT_RENAME = 1 << 5,
    OS_FAULT_LINK = 1 << 6,
    OS_FAULT_UNLINK = 1 << 7,
    OS_FAULT_DIR = 1 << 8, /* mkdir, rmdir, share */
    OS_FAULT_LIST = 1 << 9,
    OS_FAULT_STAT = 1 << 10, /* of files and paths, and free_space */
    OS_FAULT_PREALLOCATE = 1 << 11,
    OS_FAULT_TRUNCATE = 1 << 12,
    OS_FAULT_WRITE_BEHIND = 1 << 13,
    OS_FAULT_LOCK = 1 << 14,
    OS_FAULT_RANDOM = 1 << 15,
    OS_FAULT_THREAD = 1 << 16,
    OS_FAULT_ALL = (1 << 17) - 1,
    /* Not among ALL, for it is no failure: a read of the page cache that finds nothing there. */
    OS_FAULT_READ_CACHED = 1 << 17,
    /* What changes the disk. */
    OS_FAULT_CHANGES = OS_FAULT_OPEN | OS_FAULT_WRITE | OS_FAULT_SYNC | OS_FAULT_SYNC_DIR |
                       OS_FAULT_RENAME | OS_FAULT_LINK | OS_FAULT_UNLINK | OS_FAULT_DIR |
                       OS_FAULT_PREALLOCATE | OS_FAULT_TRUNCATE,
};

struct os_fault_plan {
    unsigned classes;      /* which operations count and may fail */
    uint64_t nth;          /* the first to fail, from 1; 0 never */
    bool forever;          /* all later ones fail too, else only that one */
    bool partial;          /* reads and writes do half */
    int code;              /* 0 means BLOCKDB_EIO */
    const char *path_part; /* NULL, or only paths that contain this text count; borrowed */
};

struct os_fault;

/* NULL when there is no memory. Nothing is armed. */
struct os_fault *os_fault_new(struct os *inner);
void os_fault_free(struct os_fault *f);
struct os *os_fault_os(struct os_fault *f);

/* Sets the plan and counts from zero again; NULL only counts (all classes). */
void os_fault_arm(struct os_fault *f, const struct os_fault_plan *plan);
/* How many operations counted since arming, the failed ones included. */
uint64_t os_fault_seen(struct os_fault *f);
/* Whether an operation was failed since arming. */
bool os_fault_fired(struct os_fault *f);
