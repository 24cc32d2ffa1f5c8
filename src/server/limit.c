/* SPDX-License-Identifier: Apache-2.0 */
#include "server/limit.h"

#include "base/assert.h"
#include "base/checksum.h"
#include "base/lock.h"
#include "base/mem.h"
#include "os/os.h"

#include <arpa/inet.h>
#include <stdatomic.h>

#define SHARD_COUNT 16
#define WAYS 8
#define NAME_LEN_MAX 256
/* A token is this many parts, so that a rate a minute needs no fractions of a millisecond. */
#define PARTS 60000

/* Tokens are counted as what is missing to a full bucket, so that a zeroed one is full. */
struct bucket {
    uint64_t mark;    /* hash of whom and what it is for; 0: unused */
    uint64_t missing; /* parts, at time `at_ms` */
    uint64_t at_ms;
};

struct shard {
    struct mutex mu;
    struct bucket *buckets; /* guarded by mu; sets of WAYS */
};

struct limit {
    /* constant */
    size_t set_count; /* of a shard, a power of two */
    uint64_t key[2];
    /* atomic, relaxed: a new rate reaches other threads soon. per_minute << 32 | burst */
    _Atomic uint64_t rates[LIMIT_SUBJECT_COUNT][LIMIT_CLASS_COUNT];
    struct shard shards[SHARD_COUNT];
};

static uint64_t pack(struct limit_rate rate)
{
    uint32_t burst = rate.burst > 0 ? rate.burst : 1;

    return (uint64_t)rate.per_minute << 32 | burst;
}

static struct limit_rate rate_of(const struct limit *limit, enum limit_subject subject,
                                 enum limit_class class)
{
    uint64_t packed = atomic_load_explicit(&limit->rates[subject][class], memory_order_relaxed);

    return (struct limit_rate){.per_minute = (uint32_t)(packed >> 32), .burst = (uint32_t)packed};
}

void limit_set_rates(struct limit *limit, const struct limit_rates *rates)
{
    for (unsigned subject = 0; subject < LIMIT_SUBJECT_COUNT; subject++) {
        for (unsigned class = 0; class < LIMIT_CLASS_COUNT; class ++) {
            atomic_store_explicit(&limit->rates[subject][class], pack(rates->of[subject][class]),
                                  memory_order_relaxed);
        }
    }
}

static int make_shards(struct limit *limit)
{
    for (unsigned i = 0; i < SHARD_COUNT; i++) {
        struct shard *shard = &limit->shards[i];

        mutex_init(&shard->mu, LOCK_RANK_AUTH);
        shard->buckets = mem_calloc(limit->set_count * WAYS, sizeof(struct bucket));
        if (shard->buckets == NULL) {
            return BLOCKDB_ENOMEM;
        }
    }
    return BLOCKDB_OK;
}

int limit_new(struct os *os, const struct limit_rates *rates, size_t bucket_count,
              struct limit **out, struct error *err)
{
    AUTO(limit_free_ptr) struct limit *limit = mem_calloc(1, sizeof *limit);
    size_t wanted = bucket_count > 0 ? bucket_count : LIMIT_BUCKETS_DEFAULT;
    int rc;

    if (limit == NULL) {
        return error_set_no_memory(err);
    }
    limit->set_count = 1;
    while (limit->set_count * WAYS * SHARD_COUNT < wanted) {
        limit->set_count *= 2;
    }
    limit_set_rates(limit, rates);
    if (make_shards(limit) < 0) {
        return error_set_no_memory(err);
    }
    rc = os_random(os, limit->key, sizeof limit->key, err);
    if (rc < 0) {
        return rc;
    }
    *out = TAKE(limit);
    return BLOCKDB_OK;
}

void limit_free(struct limit *limit)
{
    if (limit == NULL) {
        return;
    }
    for (unsigned i = 0; i < SHARD_COUNT; i++) {
        if (limit->shards[i].mu.rank != 0) {
            mutex_deinit(&limit->shards[i].mu);
        }
        mem_free(limit->shards[i].buckets);
    }
    mem_free(limit);
}

void limit_free_ptr(struct limit **limit)
{
    limit_free(*limit);
}

bool limit_is_on(const struct limit *limit, enum limit_subject subject, enum limit_class class)
{
    return rate_of(limit, subject, class).per_minute > 0;
}

/* Writes what a bucket is for; returns its length. An IPv6 address counts by its network: whoever
 * has one has 2^64 of them. */
static size_t describe(uint8_t out[NAME_LEN_MAX + 2], const struct limit_key *key)
{
    struct slice name = key->name;
    size_t len = name.len < NAME_LEN_MAX ? name.len : NAME_LEN_MAX;
    char *text = (char *)out + 2;
    struct in6_addr address;

    out[0] = (uint8_t)key->subject;
    out[1] = (uint8_t)key->class;
    if (len > 0) {
        memcpy(text, name.data, len);
    }
    if (key->subject == LIMIT_ADDRESS && len < NAME_LEN_MAX) {
        text[len] = '\0';
        if (inet_pton(AF_INET6, text, &address) == 1 && !IN6_IS_ADDR_V4MAPPED(&address)) {
            memcpy(text, &address, 8);
            return 2 + 8;
        }
    }
    return 2 + len;
}

/* The bucket as of now_ms: what was missing has been refilled in part. */
static void refill(struct bucket *bucket, struct limit_rate rate, uint64_t now_ms)
{
    uint64_t full = (uint64_t)rate.burst * PARTS;
    uint64_t passed = now_ms > bucket->at_ms ? now_ms - bucket->at_ms : 0;
    uint64_t gained;

    if (bucket->missing > full) {
        bucket->missing = full; /* the burst was made smaller */
    }
    if (__builtin_mul_overflow(passed, (uint64_t)rate.per_minute, &gained) ||
        gained > bucket->missing) {
        gained = bucket->missing;
    }
    bucket->missing -= gained;
    bucket->at_ms = now_ms > bucket->at_ms ? now_ms : bucket->at_ms;
}

/* The bucket of a mark, or the one of its set that makes room for it. */
static struct bucket *find(struct bucket *set, uint64_t mark, uint64_t now_ms)
{
    struct bucket *oldest = &set[0];

    for (unsigned i = 0; i < WAYS; i++) {
        struct bucket *b = &set[i];

        if (b->mark == mark) {
            return b;
        }
        if (b->mark == 0 || (oldest->mark != 0 && b->at_ms < oldest->at_ms)) {
            oldest = b;
        }
    }
    *oldest = (struct bucket){.mark = mark, .missing = 0, .at_ms = now_ms};
    return oldest;
}

/* The set in which the bucket of a key stands, of the shard *out_shard, and its mark. */
static struct bucket *set_of(struct limit *limit, const struct limit_key *key,
                             struct shard **out_shard, uint64_t *out_mark)
{
    uint8_t what[NAME_LEN_MAX + 2];
    size_t len = describe(what, key);
    uint64_t place = checksum(what, len, limit->key[1]);

    *out_mark = checksum(what, len, limit->key[0]) | 1; /* never 0 */
    *out_shard = &limit->shards[place % SHARD_COUNT];
    return &(*out_shard)->buckets[(place / SHARD_COUNT & (limit->set_count - 1)) * WAYS];
}

enum movement { MOVE_TAKE, MOVE_PEEK, MOVE_GIVE };

static bool move(struct limit *limit, const struct limit_key *key, enum movement movement,
                 uint32_t cost_tokens, uint32_t *out_wait_ms)
{
    struct limit_rate rate = rate_of(limit, key->subject, key->class);
    uint64_t full = (uint64_t)rate.burst * PARTS;
    uint64_t cost = (uint64_t)cost_tokens * PARTS;
    uint64_t lacking = 0;
    uint64_t mark;
    struct shard *shard;
    struct bucket *bucket;

    if (rate.per_minute == 0) {
        return true;
    }
    cost = cost < full ? cost : full;
    bucket = set_of(limit, key, &shard, &mark);

    mutex_lock(&shard->mu);
    bucket = find(bucket, mark, key->now_ms);
    refill(bucket, rate, key->now_ms);
    if (movement == MOVE_GIVE) {
        bucket->missing -= cost < bucket->missing ? cost : bucket->missing;
    } else if (bucket->missing + cost > full) {
        lacking = bucket->missing + cost - full;
    } else if (movement == MOVE_TAKE) {
        bucket->missing += cost;
    }
    mutex_unlock(&shard->mu);

    if (lacking > 0) {
        uint64_t wait = (lacking + rate.per_minute - 1) / rate.per_minute;

        *out_wait_ms = wait < UINT32_MAX ? (uint32_t)wait : UINT32_MAX;
    }
    return lacking == 0;
}

bool limit_take(struct limit *limit, const struct limit_key *key, uint32_t cost,
                uint32_t *out_wait_ms)
{
    return move(limit, key, MOVE_TAKE, cost, out_wait_ms);
}

bool limit_peek(struct limit *limit, const struct limit_key *key, uint32_t *out_wait_ms)
{
    return move(limit, key, MOVE_PEEK, 1, out_wait_ms);
}

void limit_give(struct limit *limit, const struct limit_key *key)
{
    uint32_t unused;

    (void)move(limit, key, MOVE_GIVE, 1, &unused); /* giving is never refused */
}

uint32_t limit_retry_after(uint32_t wait_ms)
{
    uint32_t seconds = wait_ms / 1000 + (wait_ms % 1000 != 0);

    return seconds > 0 ? seconds : 1;
}
