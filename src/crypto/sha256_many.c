/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many messages at once: one after the other, two interleaved, or sixteen side by side, whatever
 * the implementation has and the number of messages makes worth while.
 */
#include "base/assert.h"
#include "base/bytes.h"
#include "crypto/sha256_impl.h"

#define STAGED_LEN 256

/* A message on its way: it is cut into runs of whole blocks, which lie either in the caller's
 * memory or, where head, body and padding meet, in the staging area. */
struct lane {
    struct hash *out;    /* NULL: the message is done */
    const uint8_t *at;   /* the run */
    size_t blocks;       /* left in it */
    const uint8_t *body; /* not yet in a run */
    size_t body_len;
    uint64_t message_len;
    bool padded;
    uint32_t state[8]; /* not while it is one of many */
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
    lane->blocks = sha256_pad(lane->staged, offset + len, lane->message_len);
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
    if (lane->message_len + SHA256_PADDING_MIN <= STAGED_LEN) {
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

static void run_alone(struct lane *lane, const struct sha256_impl *impl)
{
    while (lane_has_run(lane)) {
        impl->blocks(lane->state, lane->at, lane->blocks);
        lane_advance(lane, lane->blocks);
    }
    lane_finish(lane);
}

/* Works on both until at least one is done. */
static void run_pair(struct lane *a, struct lane *b, const struct sha256_impl *impl)
{
    uint32_t *const states[2] = {a->state, b->state};

    while (lane_has_run(a) && lane_has_run(b)) {
        const uint8_t *const at[2] = {a->at, b->at};
        size_t blocks = a->blocks < b->blocks ? a->blocks : b->blocks;

        impl->blocks2(states, at, blocks);
        lane_advance(a, blocks);
        lane_advance(b, blocks);
    }
    if (!lane_has_run(a)) {
        lane_finish(a);
    }
    if (!lane_has_run(b)) {
        lane_finish(b);
    }
}

/* Finishes messages that were started, not more than two at a time. */
static void run_narrow(struct lane *const *lanes, size_t count, const struct sha256_impl *impl)
{
    struct lane *waiting = NULL;

    for (size_t i = 0; i < count; i++) {
        if (!impl->interleaves) {
            run_alone(lanes[i], impl);
        } else if (waiting == NULL) {
            waiting = lanes[i];
        } else {
            run_pair(waiting, lanes[i], impl);
            if (waiting->out == NULL) {
                waiting = lanes[i]->out != NULL ? lanes[i] : NULL;
            }
        }
    }
    if (waiting != NULL) {
        run_alone(waiting, impl);
    }
}

/* Messages side by side. */
struct wide {
    struct lane lanes[SHA256_WIDE];
    struct sha256_wide states;
    const uint8_t *at[SHA256_WIDE];
    size_t active; /* lanes with a message */
};

static void wide_start(struct wide *wide, unsigned i, const struct sha256_job *job)
{
    lane_start(&wide->lanes[i], job);
    for (unsigned w = 0; w < 8; w++) {
        wide->states.words[w][i] = sha256_initial_state[w];
    }
    wide->active++;
}

/* Takes from every message as many blocks as the shortest run has, and ends those that are done. */
static void wide_step(struct wide *wide, const struct sha256_impl *impl)
{
    const uint8_t *any = NULL;
    size_t blocks = SIZE_MAX;

    for (unsigned i = 0; i < SHA256_WIDE; i++) {
        struct lane *lane = &wide->lanes[i];

        wide->at[i] = lane->out != NULL && lane_has_run(lane) ? lane->at : NULL;
        if (wide->at[i] != NULL) {
            any = lane->at;
            blocks = lane->blocks < blocks ? lane->blocks : blocks;
        }
    }
    for (unsigned i = 0; i < SHA256_WIDE; i++) {
        wide->at[i] = wide->at[i] != NULL ? wide->at[i] : any; /* what comes of it is not used */
    }
    impl->blocks16(&wide->states, wide->at, blocks);
    for (unsigned i = 0; i < SHA256_WIDE; i++) {
        struct lane *lane = &wide->lanes[i];

        if (lane->out == NULL) {
            continue;
        }
        lane_advance(lane, blocks);
        if (!lane_has_run(lane)) {
            sha256_wide_encode(&wide->states, i, lane->out);
            lane->out = NULL;
            wide->active--;
        }
    }
}

/* Points to the messages that are still active, each of which gets its state back. */
static size_t wide_leave(struct wide *wide, struct lane *out_lanes[SHA256_WIDE])
{
    size_t count = 0;

    for (unsigned i = 0; i < SHA256_WIDE; i++) {
        struct lane *lane = &wide->lanes[i];

        if (lane->out == NULL) {
            continue;
        }
        for (unsigned w = 0; w < 8; w++) {
            lane->state[w] = wide->states.words[w][i];
        }
        out_lanes[count++] = lane;
    }
    return count;
}

/* Sixteen at a time as long as there are enough, the others two at a time. */
static void many_wide(const struct sha256_impl *impl, const struct sha256_job *jobs, size_t n)
{
    struct lane *rest[SHA256_WIDE];
    struct wide wide;
    size_t next = 0;

    wide.active = 0;
    for (unsigned i = 0; i < SHA256_WIDE; i++) {
        wide.lanes[i].out = NULL;
    }
    for (;;) {
        for (unsigned i = 0; i < SHA256_WIDE && next < n; i++) {
            if (wide.lanes[i].out == NULL) {
                wide_start(&wide, i, &jobs[next++]);
            }
        }
        if (wide.active < SHA256_WIDE_MIN) {
            break;
        }
        wide_step(&wide, impl);
    }
    run_narrow(rest, wide_leave(&wide, rest), impl);
}

static void many_narrow(const struct sha256_impl *impl, const struct sha256_job *jobs, size_t n)
{
    struct lane lanes[SHA256_WIDE_MIN];
    struct lane *started[SHA256_WIDE_MIN];

    for (size_t i = 0; i < n; i += SHA256_WIDE_MIN) {
        size_t count = n - i < SHA256_WIDE_MIN ? n - i : SHA256_WIDE_MIN;

        for (size_t j = 0; j < count; j++) {
            lane_start(&lanes[j], &jobs[i + j]);
            started[j] = &lanes[j];
        }
        run_narrow(started, count, impl);
    }
}

void sha256_many_with(const struct sha256_impl *impl, const struct sha256_job *jobs, size_t n)
{
    if (impl->blocks16 != NULL && n >= SHA256_WIDE_MIN) {
        many_wide(impl, jobs, n);
    } else {
        many_narrow(impl, jobs, n);
    }
}
