/* SPDX-License-Identifier: Apache-2.0 */
#include "server/timer_wheel.h"

#include "base/mem.h"

struct timer_wheel {
    struct loop_timer *slots[TIMER_WHEEL_SLOTS];
    uint64_t now_tick; /* every slot up to this tick was visited */
    uint64_t count;
};

struct timer_wheel *timer_wheel_new(void)
{
    return mem_calloc(1, sizeof(struct timer_wheel));
}

void timer_wheel_free(struct timer_wheel *wheel)
{
    mem_free(wheel);
}

void timer_wheel_start(struct timer_wheel *wheel, uint64_t now_tick)
{
    wheel->now_tick = now_tick;
}

bool timer_wheel_is_empty(const struct timer_wheel *wheel)
{
    return wheel->count == 0;
}

static void link_into(struct loop_timer **slot, struct loop_timer *timer)
{
    timer->next = *slot;
    timer->link = slot;
    if (*slot != NULL) {
        (*slot)->link = &timer->next;
    }
    *slot = timer;
}

static void unlink_from(struct loop_timer *timer)
{
    *timer->link = timer->next;
    if (timer->next != NULL) {
        timer->next->link = timer->link;
    }
    timer->next = NULL;
    timer->link = NULL;
}

void timer_wheel_set(struct timer_wheel *wheel, struct loop_timer *timer, uint64_t due_tick)
{
    if (due_tick <= wheel->now_tick) {
        due_tick = wheel->now_tick + 1;
    }
    if (timer->link != NULL && due_tick >= timer->due_tick) {
        timer->due_tick = due_tick; /* WHEEL-1: its slot comes by before that */
        return;
    }
    timer_wheel_cancel(wheel, timer);
    timer->due_tick = due_tick;
    link_into(&wheel->slots[due_tick % TIMER_WHEEL_SLOTS], timer);
    wheel->count++;
}

void timer_wheel_cancel(struct timer_wheel *wheel, struct loop_timer *timer)
{
    if (timer->link == NULL) {
        return;
    }
    unlink_from(timer);
    wheel->count--;
}

/* Fires what is due in one slot and hangs the rest where it belongs. */
static void visit(struct timer_wheel *wheel, struct loop_timer **slot)
{
    struct loop_timer *list = *slot;

    /* Callbacks may cancel any timer of the list and set others into the slot. */
    *slot = NULL;
    if (list != NULL) {
        list->link = &list;
    }
    while (list != NULL) {
        struct loop_timer *timer = list;

        unlink_from(timer);
        if (timer->due_tick > wheel->now_tick) {
            link_into(&wheel->slots[timer->due_tick % TIMER_WHEEL_SLOTS], timer);
        } else {
            wheel->count--;
            timer->fire(timer);
        }
    }
}

void timer_wheel_advance(struct timer_wheel *wheel, uint64_t now_tick)
{
    uint64_t tick = wheel->now_tick + 1;

    if (now_tick < tick) {
        return;
    }
    /* One round visits every slot; after a long pause more rounds would find nothing. */
    if (now_tick - tick >= TIMER_WHEEL_SLOTS) {
        tick = now_tick - TIMER_WHEEL_SLOTS + 1;
    }
    wheel->now_tick = now_tick;
    for (; tick <= now_tick; tick++) {
        visit(wheel, &wheel->slots[tick % TIMER_WHEEL_SLOTS]);
    }
}
