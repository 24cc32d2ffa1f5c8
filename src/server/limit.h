/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rate limits: a bucket of tokens for each principal, and for each address, in each class of work.
 *
 * A bucket holds at most `burst` tokens and gains `rate` a second; a request takes one or more, and
 * waits (429, "ERR rate limit") when there are too few. The table has a fixed size: a bucket is
 * found by a keyed hash of whom it is for, in a set of eight; when the set is full, the bucket that
 * was asked for longest ago makes room.
 *
 * LIMIT-1  Memory is fixed when the table is made; no name, however many, makes it grow.
 * LIMIT-2  Nobody who does not know the key of the process can choose names that share a set.
 * LIMIT-3  A refused request takes nothing.
 * LIMIT-4  A class whose rate is 0 has no limit and costs no lock.
 *
 * Threads:   any thread; locks of a shard are held for some tens of nanoseconds.
 * Ownership: copies what it needs.
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct os;
struct limit;

/* What is limited on its own. */
enum limit_class {
    LIMIT_READ,
    LIMIT_WRITE,
    LIMIT_ADMIN,
    LIMIT_FAILURE, /* failed attempts to authenticate */
    LIMIT_CLASS_COUNT,
};

/* For whom a bucket counts. */
enum limit_subject {
    LIMIT_PRINCIPAL, /* by name: of a user or token, tried or real */
    LIMIT_ADDRESS,   /* by an address as text, without port */
    LIMIT_SUBJECT_COUNT,
};

/* per_minute 0: no limit. burst 0 is taken as 1. */
struct limit_rate {
    uint32_t per_minute;
    uint32_t burst;
};

struct limit_rates {
    struct limit_rate of[LIMIT_SUBJECT_COUNT][LIMIT_CLASS_COUNT];
};

#define LIMIT_BUCKETS_DEFAULT 65536

/* Makes a table of at least bucket_count buckets (0: the default). os gives the key, for the call.
 * ENOMEM, EIO. */
RESULT_MUST_BE_USED int limit_new(struct os *os, const struct limit_rates *rates,
                                  size_t bucket_count, struct limit **out, struct error *err);
/* NULL does nothing. */
void limit_free(struct limit *limit);
void limit_free_ptr(struct limit **limit);

/* Other rates from now on; buckets keep what they hold, at most the new burst. */
void limit_set_rates(struct limit *limit, const struct limit_rates *rates);

/* Whether any class of this subject has a rate: one relaxed load. */
bool limit_is_on(const struct limit *limit, enum limit_subject subject, enum limit_class class);

/* For whom, in which class, and when. */
struct limit_key {
    enum limit_subject subject;
    enum limit_class class;
    struct slice name; /* borrowed; an IPv6 address counts as its first 64 bits */
    uint64_t now_ms;   /* monotonic */
};

/* Takes `cost` tokens; a cost above the burst counts as the burst. False when there are too few:
 * nothing was taken, and *out_wait_ms is when there will be enough. */
bool limit_take(struct limit *limit, const struct limit_key *key, uint32_t cost,
                uint32_t *out_wait_ms);
/* Whether a token is there, without taking it. */
bool limit_peek(struct limit *limit, const struct limit_key *key, uint32_t *out_wait_ms);
/* Gives back one token that was taken. */
void limit_give(struct limit *limit, const struct limit_key *key);

/* Milliseconds as the whole seconds of Retry-After: rounded up, at least 1. */
uint32_t limit_retry_after(uint32_t wait_ms);
