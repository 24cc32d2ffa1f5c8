/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Power cuts at every operation between a request and its answer, and afterwards.
 *
 * A whole witness runs on a disk that loses its power. Whatever it answered with a cosignature must
 * still be there; and the cosignatures that left it, before and after the cut, must never
 * contradict each other, also when a fork is shown to the witness that came back.
 */
#include "common/test_env.h"

#include "base/mem.h"
#include "os/os_crash.h"
#include "server/witness.h"
#include "server/witness_store.h"
#include "witness_log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define DIR "/srv/witness"
#define STEP 3
#define STEPS 5
#define SEEDS_QUICK 4
#define SEEDS_LONG 40

struct run {
    struct os_crash *disk;
    struct signing_key cosigner;
    struct witness_log log;
    struct witness_log fork; /* differs from entry 4 on */
    struct witness_store *store;
    struct witness *witness;
    uint64_t answered; /* the size of the last head whose cosignature left */
};

static int open_run(struct run *r)
{
    struct verifier_key key = signing_key_verifier(&r->log.key);
    struct witness_options options = {.key = &r->cosigner, .keys = &key, .key_count = 1};
    struct error err;
    int rc = witness_store_open(os_crash_os(r->disk), DIR, &r->store, &err);

    if (rc < 0) {
        assert_true(os_crash_is_off(r->disk));
        return rc;
    }
    options.heads = witness_store_heads(r->store);
    assert_int_equal(witness_new(&options, &r->witness, &err), 0);
    return BLOCKDB_OK;
}

static void close_run(struct run *r)
{
    witness_free(r->witness);
    witness_store_close(r->store);
    r->witness = NULL;
    r->store = NULL;
}

static unsigned submit(struct run *r, const struct witness_log *log, uint64_t from, uint64_t to)
{
    AUTO(buf_deinit) struct buf body = {0};
    AUTO(witness_answer_deinit) struct witness_answer answer = {0};
    struct witness_request request = {
        .method = "POST", .path = "/add-checkpoint", .time_s = 1767225600};

    witness_log_request(log, from, to, &body);
    request.body = buf_slice(&body);
    (void)witness_answer(r->witness, &request, &answer, NULL);
    return answer.status;
}

static uint64_t stored(struct run *r)
{
    struct witness_heads heads = witness_store_heads(r->store);
    struct witness_head head;
    struct hash name;
    struct error err;

    witness_log_of(slice_of_text(WITNESS_LOG_ORIGIN), &name);
    assert_int_equal(heads.get(heads.context, &name, &head, NULL, &err), 0);
    assert_memory_equal(&head.root, &r->log.roots[head.size], sizeof(head.root));
    return head.size;
}

/* Lets the log grow until the power goes. */
static void grow(struct run *r, unsigned steps)
{
    unsigned i;

    for (i = 0; i < steps; i++) {
        uint64_t from = r->answered;
        unsigned status = submit(r, &r->log, from, from + STEP);

        if (status != 200) {
            assert_true(os_crash_is_off(r->disk));
            assert_int_equal(status, 500);
            return;
        }
        r->answered = from + STEP;
    }
}

/* After the cut: what was answered is there, at most the head under way beside it; a fork of what
 * is there is refused, and the log itself goes on. */
static void check_survivor(struct run *r)
{
    uint64_t size = stored(r);

    assert_true(size == r->answered || size == r->answered + STEP);
    if (size >= STEP * 2) {
        assert_int_equal(submit(r, &r->fork, size, size), 422);
        assert_int_equal(submit(r, &r->fork, size, size + 1), 422);
    }
    if (size > 0) {
        assert_int_equal(submit(r, &r->log, 0, size), 409);
    }
    r->answered = size;
    grow(r, 1);
    assert_int_equal(stored(r), size + STEP);
}

/* One life with a cut at the nth operation; false when it ended before. */
static bool cut_at(struct run *r, uint64_t nth, uint64_t seed)
{
    bool was_off;

    r->disk = os_crash_new(seed);
    r->answered = 0;
    os_crash_arm(r->disk, nth);
    if (open_run(r) == BLOCKDB_OK) {
        grow(r, STEPS);
        close_run(r);
    }
    was_off = os_crash_is_off(r->disk);
    assert_int_equal(os_crash_restart(r->disk, seed), 0);
    assert_int_equal(open_run(r), 0);
    check_survivor(r);
    close_run(r);
    /* And once more, between two operations. */
    assert_int_equal(os_crash_restart(r->disk, seed + 1), 0);
    assert_int_equal(open_run(r), 0);
    assert_int_equal(stored(r), r->answered);
    close_run(r);
    os_crash_free(r->disk);
    return was_off;
}

static void test_power(void **state)
{
    uint64_t first = test_seed();
    struct run r = {0};
    unsigned i;

    (void)state;
    witness_log_cosigner(&r.cosigner, "witness.example/w1", 1);
    witness_log_init(&r.log, WITNESS_LOG_ORIGIN, WITNESS_LOG_MAX);
    witness_log_init(&r.fork, WITNESS_LOG_ORIGIN, 4);
    for (i = 0; i < test_rounds(SEEDS_QUICK, SEEDS_LONG); i++) {
        uint64_t nth = 1;

        while (cut_at(&r, nth, first + i * 1000 + nth)) {
            nth++;
        }
        assert_true(nth > STEPS * 4);
    }
    signing_key_deinit(&r.cosigner);
    witness_log_deinit(&r.log);
    witness_log_deinit(&r.fork);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_power)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
