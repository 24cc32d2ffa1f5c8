/* SPDX-License-Identifier: Apache-2.0 */
#include "os/os_thread.h"

#include "base/assert.h"
#include "base/mem.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>

#define THREAD_NAME_BYTES 16 /* the kernel's limit, with the terminating zero */

struct os_thread {
    pthread_t handle;
    os_thread_fn fn;
    void *arg;
    char name[THREAD_NAME_BYTES];
};

static void *thread_main(void *arg)
{
    struct os_thread *thread = arg;

    (void)pthread_setname_np(pthread_self(), thread->name); /* a name is only a help */
    thread->fn(thread->arg);
    return NULL;
}

/* The signals that a thread of ours must not handle for the program. */
static void blocked_signals(sigset_t *out)
{
    static const int kept[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS, SIGPROF};
    size_t i;

    (void)sigfillset(out);
    for (i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
        (void)sigdelset(out, kept[i]);
    }
}

int os_thread_start_real(struct os *os, const char *name, os_thread_fn fn, void *arg,
                         struct os_thread **out, struct error *err)
{
    struct os_thread *thread = mem_calloc(1, sizeof(*thread));
    sigset_t blocked;
    sigset_t before;
    int failure;

    (void)os;
    if (thread == NULL) {
        return error_set_no_memory(err);
    }
    thread->fn = fn;
    thread->arg = arg;
    (void)snprintf(thread->name, sizeof(thread->name), "%s", name);
    blocked_signals(&blocked);
    ASSERT(pthread_sigmask(SIG_BLOCK, &blocked, &before) == 0);
    failure = pthread_create(&thread->handle, NULL, thread_main, thread);
    ASSERT(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    if (failure != 0) {
        mem_free(thread);
        return error_set_errno(err, failure,
                               "cannot start thread '%s'; raise the limit of processes", name);
    }
    *out = thread;
    return BLOCKDB_OK;
}

void os_thread_join_real(struct os *os, struct os_thread *thread)
{
    (void)os;
    ASSERT(pthread_join(thread->handle, NULL) == 0);
    mem_free(thread);
}
