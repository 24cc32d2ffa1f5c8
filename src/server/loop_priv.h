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
    /* atomic, relaxed: thread_index() of the loop's thread, plus 1; compared with the caller's */
    atomic_uint thread_mark;

    /* any thread: uv_async_send() */
    uv_async_t wake;
};
