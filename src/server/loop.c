/* SPDX-License-Identifier: Apache-2.0 */
#include "server/loop.h"

#include "base/assert.h"
#include "base/mem.h"
#include "base/thread_index.h"
#include "os/os.h"
#include "server/loop_priv.h"
#include "server/timer_wheel.h"

#include <errno.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define THREAD_NAME_BYTES 16
#define TURN_ROUNDS 2

/* ---- Tasks --------------------------------------------------------------------------------- */

/* Ends the waiting of the loop, the current or the next one. libuv's own uv_async_t would have the
 * loop spin while who woke it is still on the way back from its system call, and on few processors
 * that is when the loop has just taken its place. */
static void wake(struct loop *loop)
{
    (void)eventfd_write(loop->wake_fd, 1); /* fails only when it is set already */
}

void loop_post(struct loop *loop, struct loop_task *task)
{
    struct loop_task *head = atomic_load_explicit(&loop->posted, memory_order_relaxed);

    do {
        task->next = head;
    } while (!atomic_compare_exchange_weak_explicit(&loop->posted, &head, task,
                                                    memory_order_seq_cst, memory_order_relaxed));
    if (head == NULL && atomic_load_explicit(&loop->is_waiting, memory_order_seq_cst)) {
        wake(loop);
    }
}

void loop_defer(struct loop *loop, struct loop_task *task)
{
    task->next = NULL;
    *loop->deferred_tail = task;
    loop->deferred_tail = &task->next;
}

/* Takes everything that was posted, in the order in which it came. */
static struct loop_task *posted_take(struct loop *loop)
{
    struct loop_task *newest;
    struct loop_task *oldest = NULL;

    if (atomic_load_explicit(&loop->posted, memory_order_relaxed) == NULL) {
        return NULL;
    }
    newest = atomic_exchange_explicit(&loop->posted, NULL, memory_order_acquire);
    while (newest != NULL) {
        struct loop_task *next = newest->next;

        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

static void run_posted(struct loop *loop)
{
    struct loop_task *task = posted_take(loop);

    while (task != NULL) {
        struct loop_task *next = task->next;

        task->run(task);
        task = next;
    }
}

static void run_deferred(struct loop *loop)
{
    while (loop->deferred != NULL) {
        struct loop_task *task = loop->deferred;

        loop->deferred = task->next;
        if (loop->deferred == NULL) {
            loop->deferred_tail = &loop->deferred;
        }
        task->run(task);
    }
}

/* Before the loop waits: what timers and closed handles have deferred. */
static void on_prepare(uv_prepare_t *handle)
{
    struct loop *loop = handle->data;

    run_deferred(loop);
    /* Who posts, and sees that the loop does not wait, has posted before this looks. */
    atomic_store_explicit(&loop->is_waiting, true, memory_order_seq_cst);
    if (atomic_load_explicit(&loop->posted, memory_order_seq_cst) != NULL) {
        wake(loop);
    }
}

/* After all ready sockets. What is deferred may have an answer at once, which leaves in this turn.
 */
static void on_check(uv_check_t *handle)
{
    struct loop *loop = handle->data;

    atomic_store_explicit(&loop->is_waiting, false, memory_order_relaxed);
    for (unsigned round = 0; round < TURN_ROUNDS; round++) {
        run_posted(loop);
        run_deferred(loop);
    }
}

/* Only ends the waiting; on_check() does the work. */
static void on_wake(uv_poll_t *handle, int status, int events)
{
    struct loop *loop = handle->data;
    eventfd_t ignored;

    (void)status;
    (void)events;
    (void)eventfd_read(loop->wake_fd, &ignored);
    if (atomic_load_explicit(&loop->is_stopping, memory_order_acquire)) {
        uv_unref((uv_handle_t *)&loop->wake);
    }
}

/* ---- Timers -------------------------------------------------------------------------------- */

static uint64_t tick_now(const struct loop *loop)
{
    return uv_now(&loop->uv) / LOOP_TICK_MS;
}

static void on_tick(uv_timer_t *handle)
{
    struct loop *loop = handle->data;

    timer_wheel_advance(loop->wheel, tick_now(loop));
    if (timer_wheel_is_empty(loop->wheel)) {
        (void)uv_timer_stop(&loop->tick);
    }
}

void loop_timer_set(struct loop *loop, struct loop_timer *timer, uint64_t delay_ms)
{
    uint64_t due_ms;

    ASSERT(delay_ms <= LOOP_DELAY_MS_MAX);
    due_ms = uv_now(&loop->uv) + delay_ms;
    if (timer_wheel_is_empty(loop->wheel)) {
        timer_wheel_start(loop->wheel, tick_now(loop));
        (void)uv_timer_start(&loop->tick, on_tick, LOOP_TICK_MS, LOOP_TICK_MS);
    }
    timer_wheel_set(loop->wheel, timer, (due_ms + LOOP_TICK_MS - 1) / LOOP_TICK_MS);
}

void loop_timer_cancel(struct loop *loop, struct loop_timer *timer)
{
    timer_wheel_cancel(loop->wheel, timer);
}

uint64_t loop_now_ms(const struct loop *loop)
{
    return uv_now(&loop->uv);
}

unsigned loop_index(const struct loop *loop)
{
    return loop->index;
}

bool loop_is_current(const struct loop *loop)
{
    return atomic_load_explicit(&loop->thread_mark, memory_order_relaxed) == thread_index() + 1;
}

/* ---- Life ---------------------------------------------------------------------------------- */

static void handles_init(struct loop *loop)
{
    /* These only link handles into the loop; none can fail. */
    (void)uv_timer_init(&loop->uv, &loop->tick);
    (void)uv_prepare_init(&loop->uv, &loop->prepare);
    (void)uv_check_init(&loop->uv, &loop->check);
    loop->tick.data = loop;
    loop->prepare.data = loop;
    loop->check.data = loop;
    loop->wake.data = loop;
    (void)uv_poll_start(&loop->wake, UV_READABLE, on_wake);
    (void)uv_prepare_start(&loop->prepare, on_prepare);
    (void)uv_check_start(&loop->check, on_check);
    uv_unref((uv_handle_t *)&loop->tick);
    uv_unref((uv_handle_t *)&loop->prepare);
    uv_unref((uv_handle_t *)&loop->check);
}

/* The libuv loop, and the descriptor that wakes it. Returns an error of libuv. */
static int watch_init(struct loop *loop)
{
    int rc;

    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->wake_fd < 0) {
        return -errno;
    }
    rc = uv_loop_init(&loop->uv);
    if (rc == 0) {
        rc = uv_poll_init(&loop->uv, &loop->wake, loop->wake_fd);
        if (rc != 0) {
            (void)uv_loop_close(&loop->uv);
        }
    }
    if (rc != 0) {
        (void)close(loop->wake_fd);
    }
    return rc;
}

int loop_new(struct os *os, unsigned index, struct loop **out, struct error *err)
{
    struct loop *loop = mem_calloc(1, sizeof(*loop));
    int rc;

    if (loop == NULL) {
        return error_set_no_memory(err);
    }
    loop->wheel = timer_wheel_new();
    if (loop->wheel == NULL) {
        mem_free(loop);
        return error_set_no_memory(err);
    }
    loop->os = os;
    loop->index = index;
    loop->deferred_tail = &loop->deferred;
    rc = watch_init(loop);
    if (rc != 0) {
        timer_wheel_free(loop->wheel);
        mem_free(loop);
        return error_set_errno(err, -rc, "cannot create event loop %u", index);
    }
    handles_init(loop);
    *out = loop;
    return BLOCKDB_OK;
}

void loop_run(struct loop *loop)
{
    atomic_store_explicit(&loop->thread_mark, thread_index() + 1, memory_order_relaxed);
    do {
        (void)uv_run(&loop->uv, UV_RUN_DEFAULT);
        run_posted(loop);
        run_deferred(loop);
    } while (uv_loop_alive(&loop->uv) ||
             atomic_load_explicit(&loop->posted, memory_order_relaxed) != NULL);
}

static void thread_main(void *arg)
{
    struct loop *loop = arg;

    loop_run(loop);
}

int loop_start(struct loop *loop, struct error *err)
{
    char name[THREAD_NAME_BYTES];

    (void)snprintf(name, sizeof(name), "worker-%u", loop->index);
    return os_thread_start(loop->os, name, thread_main, loop, &loop->thread, err);
}

void loop_stop_soon(struct loop *loop)
{
    atomic_store_explicit(&loop->is_stopping, true, memory_order_release);
    wake(loop);
}

void loop_stop(struct loop *loop)
{
    if (loop == NULL || loop->thread == NULL) {
        return;
    }
    loop_stop_soon(loop);
    os_thread_join(loop->os, loop->thread);
    loop->thread = NULL;
}

void loop_free(struct loop *loop)
{
    int rc;

    if (loop == NULL) {
        return;
    }
    ASSERT(loop->thread == NULL);
    if (loop->local != NULL) {
        loop->local->free(loop->local);
    }
    uv_close((uv_handle_t *)&loop->wake, NULL);
    uv_close((uv_handle_t *)&loop->tick, NULL);
    uv_close((uv_handle_t *)&loop->prepare, NULL);
    uv_close((uv_handle_t *)&loop->check, NULL);
    (void)uv_run(&loop->uv, UV_RUN_DEFAULT);
    rc = uv_loop_close(&loop->uv);
    ASSERT(rc == 0); /* EBUSY: somebody still watches a descriptor */
    (void)close(loop->wake_fd);
    timer_wheel_free(loop->wheel);
    mem_free(loop);
}

struct loop_local *loop_local(const struct loop *loop)
{
    return loop->local;
}

void loop_set_local(struct loop *loop, struct loop_local *local)
{
    ASSERT(loop->local == NULL);
    loop->local = local;
}
