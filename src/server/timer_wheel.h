/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A wheel of timers: setting, moving and cancelling take constant time.
 *
 * Time is counted in ticks. A timer hangs in the slot of its tick modulo the number of slots. One
 * that is moved to later stays where it is until its slot comes by, so that a deadline which each
 * request pushes on costs one store.
 *
 * WHEEL-1  A timer hangs in a slot that is visited no later than its due tick.
 *
 * Threads:   one thread.
 * Ownership: borrows timers while they are set.
 */
#pragma once

#include "server/loop.h"

#include <stdbool.h>
#include <stdint.h>

#define TIMER_WHEEL_SLOTS 1024

struct timer_wheel;

struct timer_wheel *timer_wheel_new(void);
/* Timers that are set are forgotten. NULL is fine. */
void timer_wheel_free(struct timer_wheel *wheel);
/* An empty wheel begins to turn at that tick. */
void timer_wheel_start(struct timer_wheel *wheel, uint64_t now_tick);
bool timer_wheel_is_empty(const struct timer_wheel *wheel);
/* Starts or moves a timer; a tick that has passed is the next one. */
void timer_wheel_set(struct timer_wheel *wheel, struct loop_timer *timer, uint64_t due_tick);
void timer_wheel_cancel(struct timer_wheel *wheel, struct loop_timer *timer);
/* Turns the wheel to now_tick and fires what is due by then. Timers that are set meanwhile wait for
 * the next call. */
void timer_wheel_advance(struct timer_wheel *wheel, uint64_t now_tick);
