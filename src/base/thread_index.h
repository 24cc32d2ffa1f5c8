/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small number for each living thread, for per-thread slots that need no lock.
 *
 * A thread gets the lowest free number at its first call and gives it back when it ends, so
 * numbers stay dense. What a thread did before it ended happens before what the next owner of its
 * number does.
 *
 * Threads: any thread.
 */
#pragma once

#define THREAD_INDEX_MAX 65536        /* numbers are below this */
#define THREAD_INDEX_NONE 0xffffffffU /* more threads than numbers, or no memory */

/* Returns this thread's number, or THREAD_INDEX_NONE; a later call may then succeed. */
unsigned thread_index(void);
