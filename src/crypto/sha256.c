/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/sha256.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "crypto/sha256_impl.h"

#include <assert.h>
#include <stdatomic.h>

#define PADDING_MIN 9 /* the end mark and the length */
#define STAGED_LEN 256

static_assert(sizeof(struct hash) == SHA256_LEN, "hashes in an array are joined bytes");

const struct sha256_impl *sha256_best(void)
{
    /* Asking a processor that a hypervisor imitates takes microseconds, so the answer, which never
     * changes, is kept. Threads that race store the same pointer to constant data. */
    static _Atomic(const struct sha256_impl *) kept;
    const struct sha256_impl *impl = atomic_load_explicit(&kept, memory_order_relaxed);

    if (impl == NULL) {
        impl = sha256_ni();
        if (impl == NULL) {
            impl = &sha256_portable;
        }
        atomic_store_explicit(&kept, impl, memory_order_relaxed);
    }
    return impl;
}

const char *sha256_implementation(void)
{
    return sha256_best()->name;
}

void sha256_state_encode(const uint32_t state[8], struct hash *out)
{
    for (unsigned i = 0; i < 8; i++) {
        put_be32(out->bytes + 4 * i, state[i]);
    }
}

void sha256_init(struct sha256 *s)
{
    memcpy(s->state, sha256_initial_state, sizeof s->state);
    s->len_bytes = 0;
}

void sha256_update(struct sha256 *s, const void *data, size_t len)
{
    const struct sha256_impl *impl = sha256_best();
    const uint8_t *at = data;
    size_t pending = s->len_bytes % SHA256_BLOCK_LEN;

    s->len_bytes += len;
    if (pending > 0) {
        size_t room = SHA256_BLOCK_LEN - pending;
        size_t take = len < room ? len : room;

        if (take > 0) {
            memcpy(s->pending + pending, at, take);
        }
        if (take < room) {
            return;
        }
        impl->blocks(s->state, s->pending, 1);
        at += take;
        len -= take;
    }
    if (len >= SHA256_BLOCK_LEN) {
        impl->blocks(s->state, at, len / SHA256_BLOCK_LEN);
        at += len - len % SHA256_BLOCK_LEN;
        len %= SHA256_BLOCK_LEN;
    }
    if (len > 0) {
        memcpy(s->pending, at, len);
    }
}

/* Completes a message of message_len bytes whose last len bytes stand at staged; returns how many
 * blocks they make with the padding. There must be room for that. */
static size_t pad(uint8_t *staged, size_t len, uint64_t message_len)
{
    size_t blocks = (len + PADDING_MIN + SHA256_BLOCK_LEN - 1) / SHA256_BLOCK_LEN;
    size_t end = blocks * SHA256_BLOCK_LEN;

    staged[len] = 0x80;
    memset(staged + len + 1, 0, end - 8 - len - 1);
    put_be64(staged + end - 8, message_len * 8);
    return blocks;
}

void sha256_final(struct sha256 *s, struct hash *out)
{
    uint8_t last[2 * SHA256_BLOCK_LEN];
    size_t pending = s->len_bytes % SHA256_BLOCK_LEN;

    memcpy(last, s->pending, pending);
    sha256_best()->blocks(s->state, last, pad(last, pending, s->len_bytes));
    sha256_state_encode(s->state, out);
}

void sha256_once(const void *data, size_t len, struct hash *out)
{
    struct sha256_job job = {.body = data, .body_len = len, .out = out};

    sha256_many(&job, 1);
}

/* A message on its way: it is cut into runs of whole blocks, which lie either in the caller's
 * memory or, where head, body and padding meet, in the staging area. */
struct lane {
    struct hash *out;    /* NULL: the lane is idle */
    const uint8_t *at;   /* the run */
    size_t blocks;       /* left in it */
    const uint8_t *body; /* not yet in a run */
    size_t body_len;
    uint64_t message_len;
    bool padded;
    uint32_t state[8];
    uint8_t staged[STAGED_LEN];
};

/* Puts len bytes of the body into the staging area at offset. */
static void lane_stage(struct lane *lane, size_t offset, size_t len)
{
    if (len > 0) {
        memcpy(lane->staged + offset, lane->body, len);
        lane->body += len;
        lane->body_len -= len;
    }
    lane->at = lane->staged;
}

static void lane_stage_end(struct lane *lane, size_t offset)
{
    size_t len = lane->body_len;

    lane_stage(lane, offset, len);
    lane->blocks = pad(lane->staged, offset + len, lane->message_len);
    lane->padded = true;
}

static void lane_start(struct lane *lane, const struct sha256_job *job)
{
    size_t head_len = job->head_len;

    ASSERT(head_len <= SHA256_HEAD_MAX);
    lane->out = job->out;
    lane->body = job->body;
    lane->body_len = job->body_len;
    lane->message_len = (uint64_t)head_len + job->body_len;
    lane->padded = false;
    lane->blocks = 0;
    memcpy(lane->state, sha256_initial_state, sizeof lane->state);
    if (head_len > 0) {
        memcpy(lane->staged, job->head, head_len);
    }
    if (lane->message_len + PADDING_MIN <= STAGED_LEN) {
        lane_stage_end(lane, head_len);
    } else if (head_len > 0) {
        /* The body is longer than what fills up the head's last block. */
        lane->blocks = (head_len + SHA256_BLOCK_LEN - 1) / SHA256_BLOCK_LEN;
        lane_stage(lane, head_len, lane->blocks * SHA256_BLOCK_LEN - head_len);
    }
}

/* Finds the next run when the last is used up; false when the message is done. */
static bool lane_has_run(struct lane *lane)
{
    if (lane->blocks > 0) {
        return true;
    }
    if (lane->padded) {
        return false;
    }
    if (lane->body_len >= SHA256_BLOCK_LEN) {
        size_t len = lane->body_len - lane->body_len % SHA256_BLOCK_LEN;

        lane->at = lane->body;
        lane->blocks = len / SHA256_BLOCK_LEN;
        lane->body += len;
        lane->body_len -= len;
    } else {
        lane_stage_end(lane, 0);
    }
    return true;
}

static void lane_advance(struct lane *lane, size_t blocks)
{
    lane->at += blocks * SHA256_BLOCK_LEN;
    lane->blocks -= blocks;
}

static void lane_finish(struct lane *lane)
{
    sha256_state_encode(lane->state, lane->out);
    lane->out = NULL;
}

static void lane_run_alone(struct lane *lane, const struct sha256_impl *impl)
{
    while (lane_has_run(lane)) {
        impl->blocks(lane->state, lane->at, lane->blocks);
        lane_advance(lane, lane->blocks);
    }
    lane_finish(lane);
}

/* Works on both lanes until at least one message is done. */
static void lanes_run(struct lane lanes[2], const struct sha256_impl *impl)
{
    uint32_t *const states[2] = {lanes[0].state, lanes[1].state};

    while (lane_has_run(&lanes[0]) && lane_has_run(&lanes[1])) {
        const uint8_t *const at[2] = {lanes[0].at, lanes[1].at};
        size_t blocks = lanes[0].blocks < lanes[1].blocks ? lanes[0].blocks : lanes[1].blocks;

        impl->blocks2(states, at, blocks);
        lane_advance(&lanes[0], blocks);
        lane_advance(&lanes[1], blocks);
    }
    for (unsigned i = 0; i < 2; i++) {
        if (!lane_has_run(&lanes[i])) {
            lane_finish(&lanes[i]);
        }
    }
}

void sha256_many_with(const struct sha256_impl *impl, const struct sha256_job *jobs, size_t n)
{
    struct lane lanes[2];
    size_t next = 0;

    lanes[0].out = NULL;
    lanes[1].out = NULL;
    for (;;) {
        for (unsigned i = 0; i < 2 && next < n; i++) {
            if (lanes[i].out == NULL && (i == 0 || impl->interleaves)) {
                lane_start(&lanes[i], &jobs[next++]);
            }
        }
        if (lanes[0].out != NULL && lanes[1].out != NULL) {
            lanes_run(lanes, impl);
        } else if (lanes[0].out != NULL) {
            lane_run_alone(&lanes[0], impl);
        } else if (lanes[1].out != NULL) {
            lane_run_alone(&lanes[1], impl);
        } else {
            return;
        }
    }
}

void sha256_many(const struct sha256_job *jobs, size_t n)
{
    sha256_many_with(sha256_best(), jobs, n);
}

void sha256_nodes(const struct hash *pairs, size_t n, struct hash *out)
{
    sha256_best()->nodes(pairs, n, out);
}
