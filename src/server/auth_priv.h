/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What auth.c (table, thread, settings) and auth_check.c (attempts) share.
 *
 * Readers of table and policy are inside the epoch; both are replaced by whoever holds `changing`.
 *
 * Threads: as struct auth says.
 */
#pragma once

#include "base/epoch.h"
#include "base/lock.h"
#include "crypto/sha256.h"
#include "server/auth.h"
#include "server/auth_cache.h"
#include "server/auth_table.h"

#include <stdatomic.h>

/* Settings in force; immutable, freed through the epoch. */
struct auth_policy {
    struct epoch_link link;
    bool enabled;
    bool metrics_open;
    bool health_open;
    bool has_bootstrap;
    enum auth_tls_users tls_users;
    uint32_t cache_ms;
    const struct principal *anonymous; /* NULL: none */
    const struct principal *bootstrap;
    struct hash bootstrap_hash; /* SHA-256 of the token in the file */
};

enum auth_lane_name { AUTH_STRANGERS, AUTH_FAMILIAR, AUTH_LANE_COUNT };

/* Jobs that wait, in the order in which they came. */
struct auth_lane {
    struct auth_job *first;
    struct auth_job *last;
    unsigned waiting;
};

struct auth {
    /* constant */
    struct os *os;
    struct blockdb *db;
    struct limit *limit;
    struct audit_log *audit;
    struct logger *logger;
    struct epoch *epoch;
    struct auth_cache *cache;    /* names and passwords */
    struct auth_cache *familiar; /* names and the addresses from which they came in */
    struct os_thread *thread;

    /* atomic: published with release, read with acquire inside the epoch */
    struct auth_table *_Atomic table;
    struct auth_policy *_Atomic policy;
    atomic_uint_fast64_t generation;
    atomic_bool unavailable;

    /* atomic, relaxed: figures */
    atomic_uint_fast64_t accepted, refused, limited, verified, cache_hits;

    struct mutex mu;
    struct cond wake;   /* the thread: something is to do */
    struct cond looked; /* those who wait for the users to be read */
    /* guarded by mu */
    struct auth_lane lanes[AUTH_LANE_COUNT];
    unsigned familiar_in_a_row; /* went before strangers */
    bool stopping;
    uint64_t look_asked; /* numbers of looks at the users: wanted, and finished */
    uint64_t look_done;
    int look_status;
    struct error look_error;

    /* thread of auth only */
    uint64_t seen_count; /* entries of the database at the last look */
    uint64_t looked_ns;
};

/* The current ones; inside the epoch. */
static inline struct auth_table *auth_current_table(const struct auth *auth)
{
    return atomic_load_explicit(&auth->table, memory_order_acquire);
}
static inline struct auth_policy *auth_current_policy(const struct auth *auth)
{
    return atomic_load_explicit(&auth->policy, memory_order_acquire);
}

/* Decides about the password of a job: takes long. */
void auth_verify(struct auth *auth, struct auth_job *job);
/* Queues a job whose password was copied. False: the queue is full or auth stops. */
bool auth_queue(struct auth *auth, struct auth_job *job);
/* Wipes and frees the password of a job. */
void auth_job_forget(struct auth_job *job);
