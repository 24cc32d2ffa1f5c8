/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mutexes with a rank, and condition variables.
 *
 * A thread may lock a mutex only of a higher rank than all it holds; debug builds abort otherwise.
 * A mutex is never held across disk, network or a callback of the user.
 *
 * Threads: any thread, once initialised.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#if defined(__clang__)
#define CAPABILITY(name) __attribute__((capability(name)))
#define REQUIRES(...) __attribute__((requires_capability(__VA_ARGS__)))
#define EXCLUDES(...) __attribute__((locks_excluded(__VA_ARGS__)))
#define ACQUIRE(...) __attribute__((acquire_capability(__VA_ARGS__)))
#define RELEASE(...) __attribute__((release_capability(__VA_ARGS__)))
#define NO_THREAD_SAFETY_ANALYSIS __attribute__((no_thread_safety_analysis))
#else
#define CAPABILITY(name)
#define REQUIRES(...)
#define EXCLUDES(...)
#define ACQUIRE(...)
#define RELEASE(...)
#define NO_THREAD_SAFETY_ANALYSIS
#endif

/* The order in which locks may be taken, lowest first; see docs/threading.md. */
enum lock_rank {
    LOCK_RANK_PROGRAM = 5,       /* what programs lock outside of any call into the engine */
    LOCK_RANK_CLIENT = 7,        /* the pool of libblockdb-client */
    LOCK_RANK_SERVER = 8,        /* what a server keeps beside its databases */
    LOCK_RANK_AUTH = 9,          /* limits, verified passwords, the queue of passwords */
    LOCK_RANK_ENGINE_ADMIN = 10, /* one backup, verify, close at a time */
    LOCK_RANK_COMMIT = 20,       /* the commit queue */
    LOCK_RANK_SEAL = 30,         /* the queue of committed, unsealed groups */
    LOCK_RANK_ENGINE = 40,       /* the engine's current set of memtables and tables */
    LOCK_RANK_MANIFEST = 50,     /* manifest edits */
    LOCK_RANK_WORKERS = 60,      /* the pool that flushes and merges */
    LOCK_RANK_WAL = 70,          /* segment hand-over and the prewriter */
    LOCK_RANK_SEGMENT = 80,      /* ledger segments */
    LOCK_RANK_MAP = 85,          /* the map of newest versions */
    LOCK_RANK_TABLE = 90,        /* what the parts of a verification add up to */
    LOCK_RANK_CACHE = 100,       /* one shard of a cache */
    LOCK_RANK_IO_BUDGET = 110,
    LOCK_RANK_EPOCH = 120,
    LOCK_RANK_ARENA = 125, /* the free chunks of a pool */
    LOCK_RANK_SLAB = 128,  /* the slabs of one size */
    LOCK_RANK_LOGGER = 130,
    LOCK_RANK_OS = 140, /* test implementations of struct os */
};

struct CAPABILITY("mutex") mutex {
    pthread_mutex_t handle;
    int rank;
};

/* For a mutex that lives as long as the process and is never initialised. */
#define MUTEX_STATIC(lock_rank)                                                                    \
    {                                                                                              \
        .handle = PTHREAD_MUTEX_INITIALIZER, .rank = (lock_rank)                                   \
    }

struct cond {
    pthread_cond_t handle;
};

void mutex_init(struct mutex *mu, enum lock_rank rank);
void mutex_deinit(struct mutex *mu);
void mutex_lock(struct mutex *mu) ACQUIRE(*mu);
void mutex_unlock(struct mutex *mu) RELEASE(*mu);
/* True in debug builds only when this thread holds mu; always true in release builds. */
bool mutex_held(const struct mutex *mu);

void cond_init(struct cond *cond);
void cond_deinit(struct cond *cond);
void cond_wait(struct cond *cond, struct mutex *mu) REQUIRES(*mu);
/* Waits at most timeout_ns of monotonic time; false when that time passed. */
bool cond_wait_for(struct cond *cond, struct mutex *mu, uint64_t timeout_ns) REQUIRES(*mu);
void cond_signal(struct cond *cond);
void cond_broadcast(struct cond *cond);
