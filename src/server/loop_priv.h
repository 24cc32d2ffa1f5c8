/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of a loop, for those of src/server that watch descriptors with it.
 *
 * Threads: as loop.h.
 */
#pragma once

#include "server/loop.h"

#include <stdatomic.h>
#include <uv.h>

struct timer_wheel;

struct loop {
    /* constant */
    struct os *os;
    unsigned index;
    struct os_thread *thread; /* of the owner: NULL when it does not run */

    /* loop thread only */
    uv_loop_t uv;
    uv_prepare_t prepare;
    uv_check_t check;
    uv_timer_t tick; /* runs while the wheel has timers */
    struct timer_wheel *wheel;
    struct loop_task *deferred;
    struct loop_task **deferred_tail;
    struct loop_local *local; /* owned; may be NULL */

    /* atomic: released by who posts, acquired by the loop */
    _Atomic(struct loop_task *) posted; /* newest first */
    atomic_bool is_stopping;
    /* atomic, in one order with `posted`: the loop waits, or looks at `posted` before it does */
    atomic_bool is_waiting;
    /* atomic, relaxed: thread_index() of the loop's thread, plus 1; compared with the caller's */
    atomic_uint thread_mark;

    /* loop thread only, but for the descriptor, an eventfd which any thread writes to: LOOP-2 */
    uv_poll_t wake;
    int wake_fd;
};
