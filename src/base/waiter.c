/* SPDX-License-Identifier: Apache-2.0 */
#include "base/waiter.h"

#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

enum waiter_state {
    WAITER_IDLE,
    WAITER_SLEEPING,
    WAITER_WOKEN,
};

void waiter_init(struct waiter *w)
{
    atomic_init(&w->state, WAITER_IDLE);
}

void waiter_wait(struct waiter *w)
{
    uint32_t state = WAITER_IDLE;

    if (!atomic_compare_exchange_strong_explicit(&w->state, &state, WAITER_SLEEPING,
                                                 memory_order_acquire, memory_order_acquire)) {
        return; /* woken before it slept */
    }
    while (atomic_load_explicit(&w->state, memory_order_acquire) != WAITER_WOKEN) {
        /* Returns at once when the state has changed; errors are spurious wake-ups. */
        (void)syscall(SYS_futex, &w->state, FUTEX_WAIT_PRIVATE, WAITER_SLEEPING, NULL, NULL, 0);
    }
}

void waiter_wake(struct waiter *w)
{
    uint32_t before = atomic_exchange_explicit(&w->state, (uint32_t)WAITER_WOKEN,
                                               memory_order_acq_rel);

    if (before == WAITER_SLEEPING) {
        /* The sleeper may be gone already; a futex address is only compared, never read for us. */
        (void)syscall(SYS_futex, &w->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    }
}
