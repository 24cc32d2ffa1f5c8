/* SPDX-License-Identifier: Apache-2.0 */
#include "base/lock.h"

#include "base/assert.h"

#include <errno.h>
#include <stddef.h>
#include <time.h>

#define NS_PER_S 1000000000ULL

#ifdef BLOCKDB_DEBUG
#define HELD_MAX 16
static __thread const struct mutex *held[HELD_MAX];
static __thread int held_count;

static void held_push(const struct mutex *mu)
{
    int i;

    for (i = 0; i < held_count; i++) {
        ASSERT(held[i]->rank < mu->rank);
    }
    ASSERT(held_count < HELD_MAX);
    held[held_count++] = mu;
}

static void held_pop(const struct mutex *mu)
{
    int i;

    for (i = held_count - 1; i >= 0; i--) {
        if (held[i] == mu) {
            for (; i + 1 < held_count; i++) {
                held[i] = held[i + 1];
            }
            held_count--;
            return;
        }
    }
    ASSERT(!"unlocked a mutex that this thread does not hold");
}
#else
static inline void held_push(const struct mutex *mu)
{
    (void)mu;
}

static inline void held_pop(const struct mutex *mu)
{
    (void)mu;
}
#endif

bool mutex_held(const struct mutex *mu)
{
#ifdef BLOCKDB_DEBUG
    int i;

    for (i = 0; i < held_count; i++) {
        if (held[i] == mu) {
            return true;
        }
    }
    return false;
#else
    (void)mu;
    return true;
#endif
}

void mutex_init(struct mutex *mu, enum lock_rank rank)
{
    ASSERT(pthread_mutex_init(&mu->handle, NULL) == 0);
    mu->rank = (int)rank;
}

void mutex_deinit(struct mutex *mu)
{
    ASSERT(pthread_mutex_destroy(&mu->handle) == 0);
}

void mutex_lock(struct mutex *mu) NO_THREAD_SAFETY_ANALYSIS
{
    held_push(mu);
    ASSERT(pthread_mutex_lock(&mu->handle) == 0);
}

void mutex_unlock(struct mutex *mu) NO_THREAD_SAFETY_ANALYSIS
{
    held_pop(mu);
    ASSERT(pthread_mutex_unlock(&mu->handle) == 0);
}

void cond_init(struct cond *cond)
{
    pthread_condattr_t attr;

    ASSERT(pthread_condattr_init(&attr) == 0);
    ASSERT(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
    ASSERT(pthread_cond_init(&cond->handle, &attr) == 0);
    (void)pthread_condattr_destroy(&attr); /* cannot fail for an initialised attribute */
}

void cond_deinit(struct cond *cond)
{
    ASSERT(pthread_cond_destroy(&cond->handle) == 0);
}

void cond_wait(struct cond *cond, struct mutex *mu)
{
    held_pop(mu);
    ASSERT(pthread_cond_wait(&cond->handle, &mu->handle) == 0);
    held_push(mu);
}

bool cond_wait_for(struct cond *cond, struct mutex *mu, uint64_t timeout_ns)
{
    struct timespec until;
    int rc;

    ASSERT(clock_gettime(CLOCK_MONOTONIC, &until) == 0);
    until.tv_sec += (time_t)(timeout_ns / NS_PER_S);
    until.tv_nsec += (long)(timeout_ns % NS_PER_S);
    if (until.tv_nsec >= (long)NS_PER_S) {
        until.tv_sec++;
        until.tv_nsec -= (long)NS_PER_S;
    }
    held_pop(mu);
    rc = pthread_cond_timedwait(&cond->handle, &mu->handle, &until);
    held_push(mu);
    ASSERT(rc == 0 || rc == ETIMEDOUT);
    return rc == 0;
}

void cond_signal(struct cond *cond)
{
    ASSERT(pthread_cond_signal(&cond->handle) == 0);
}

void cond_broadcast(struct cond *cond)
{
    ASSERT(pthread_cond_broadcast(&cond->handle) == 0);
}
