/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A waiter: one thread sleeps until another wakes it, once.
 *
 * Group commit wakes each writer of a group on its own. A condition variable per group would make
 * all of them fight for one mutex; a waiter is one word and one futex call, and no lock.
 *
 * WAITER-1  waiter_wake() is the waker's last touch of what the waiter protects: the sleeper may
 *           free the waiter as soon as waiter_wait() returns.
 *
 * Threads: one sleeper, one waker.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

struct waiter {
    _Atomic uint32_t state;
};

/* Makes it ready for one wait. */
void waiter_init(struct waiter *w);
/* Returns once waiter_wake() was called; everything the waker wrote before is visible then. */
void waiter_wait(struct waiter *w);
void waiter_wake(struct waiter *w);
