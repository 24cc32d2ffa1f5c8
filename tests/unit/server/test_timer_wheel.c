/* SPDX-License-Identifier: Apache-2.0 */
/* server/timer_wheel.h against a plain list of due times. */
#include "server/timer_wheel.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#define TIMERS 200
#define ROUNDS 20000

struct probe {
    struct loop_timer timer;
    uint64_t due; /* 0: not set */
    unsigned fired;
};

/* What callbacks see. */
static uint64_t now;

static void on_fire(struct loop_timer *timer)
{
    struct probe *probe = (struct probe *)(void *)timer;

    assert_true(probe->due != 0 && probe->due <= now);
    probe->due = 0;
    probe->fired++;
}

static void check_due(const struct probe *probes)
{
    int i;

    for (i = 0; i < TIMERS; i++) {
        assert_int_equal(loop_timer_is_set(&probes[i].timer), probes[i].due != 0);
        assert_true(probes[i].due == 0 || probes[i].due > now);
    }
}

static void test_against_model(void **state)
{
    static struct probe probes[TIMERS];
    struct timer_wheel *wheel = timer_wheel_new();
    unsigned seed = (unsigned)time(NULL);
    int i;

    (void)state;
    (void)printf("seed %u\n", seed);
    srand(seed);
    now = 1000;
    timer_wheel_start(wheel, now);
    for (i = 0; i < TIMERS; i++) {
        probes[i].timer.fire = on_fire;
    }
    for (i = 0; i < ROUNDS; i++) {
        struct probe *probe = &probes[rand() % TIMERS];
        uint64_t delay = (uint64_t)(rand() % (rand() % 8 == 0 ? 5000 : 300));

        switch (rand() % 4) {
        case 0:
            timer_wheel_cancel(wheel, &probe->timer);
            probe->due = 0;
            break;
        case 1:
            now += (uint64_t)(rand() % 64 == 0 ? rand() % 4000 : rand() % 5);
            timer_wheel_advance(wheel, now);
            check_due(probes);
            break;
        default:
            timer_wheel_set(wheel, &probe->timer, now + delay);
            probe->due = delay == 0 ? now + 1 : now + delay;
            break;
        }
    }
    now += 10000;
    timer_wheel_advance(wheel, now);
    check_due(probes);
    assert_true(timer_wheel_is_empty(wheel));
    timer_wheel_free(wheel);
}

/* A callback that cancels its neighbours of the same slot, and sets itself again. */
static struct probe neighbours[3];
static struct timer_wheel *shared;

static void on_fire_meddle(struct loop_timer *timer)
{
    int i;

    neighbours[0].fired++;
    for (i = 0; i < 3; i++) {
        timer_wheel_cancel(shared, &neighbours[i].timer);
    }
    timer_wheel_set(shared, timer, now + TIMER_WHEEL_SLOTS);
}

static void test_callbacks_may_meddle(void **state)
{
    int i;

    (void)state;
    shared = timer_wheel_new();
    now = 5;
    timer_wheel_start(shared, now);
    for (i = 0; i < 3; i++) {
        neighbours[i].timer.fire = on_fire_meddle;
        timer_wheel_set(shared, &neighbours[i].timer, now + 3);
    }
    now += 3;
    timer_wheel_advance(shared, now);
    assert_int_equal(neighbours[0].fired, 1);
    assert_false(timer_wheel_is_empty(shared));
    timer_wheel_advance(shared, now); /* the same tick again does nothing */
    assert_int_equal(neighbours[0].fired, 1);
    now += TIMER_WHEEL_SLOTS;
    timer_wheel_advance(shared, now);
    assert_int_equal(neighbours[0].fired, 2);
    timer_wheel_free(shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_model),
        cmocka_unit_test(test_callbacks_may_meddle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
