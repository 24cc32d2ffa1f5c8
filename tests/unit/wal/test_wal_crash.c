/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Power cuts at every operation that changes the disk, recovery and further cuts after them.
 *
 * A model beside the WAL knows what was written, what was acknowledged as synced, and which session
 * wrote it; each recovery must give back exactly a prefix of what was written, with all that was
 * synced, and nothing of what an earlier recovery cut off.
 */
#include "common/test_env.h"
#include "wal_test.h"

#include "os/os_crash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEQS_MAX 4096
#define STEPS 40

struct model {
    struct os_crash *disk;
    struct wal *wal;
    struct wal_options options;
    uint64_t seed; /* for messages */
    uint64_t gap;
    uint64_t random;
    uint32_t session;
    uint32_t session_of[SEQS_MAX]; /* which session wrote the frame that begins at this seq */
    uint64_t end_seq;              /* behind the last frame given to wal_append() */
    uint64_t next_seq;             /* behind the last frame that it took */
    uint64_t synced_seq;
    uint64_t retired_seq;
    uint64_t position;
    uint64_t visited_end;
};

static uint64_t next_random(struct model *m)
{
    m->random ^= m->random << 13;
    m->random ^= m->random >> 7;
    m->random ^= m->random << 17;
    return m->random;
}

static void fill_payload(uint8_t *out, size_t len, uint64_t first_seq, uint32_t session)
{
    size_t i;

    for (i = 0; i < len; i++) {
        out[i] = (uint8_t)(first_seq * 13 + session * 101 + i);
    }
}

static int check_frame(void *context, uint64_t first_seq, uint64_t end_seq, struct slice payload,
                       struct error *err)
{
    struct model *m = context;
    AUTO(mem_free_ptr) uint8_t *expected = malloc(payload.len + 1);

    (void)err;
    assert_true(first_seq < SEQS_MAX && end_seq <= m->end_seq);
    assert_true(m->visited_end == UINT64_MAX || m->visited_end == first_seq);
    fill_payload(expected, payload.len, first_seq, m->session_of[first_seq]);
    assert_memory_equal(payload.data, expected, payload.len);
    m->visited_end = end_seq;
    return BLOCKDB_OK;
}

static int model_open(struct model *m)
{
    struct wal_recovery recovery;
    struct error err = {0};
    int rc;

    m->visited_end = UINT64_MAX;
    m->options.os = os_crash_os(m->disk);
    m->options.from_seq = m->retired_seq;
    rc = wal_open(&m->options, &recovery, &m->wal, &err);
    if (rc < 0) {
        if (!os_crash_is_off(m->disk)) {
            fail_msg("seed %d, gap %d: cannot open: %s", (int)m->seed, (int)m->gap, err.message);
        }
        return rc;
    }
    assert_true(recovery.end_seq >= m->synced_seq);
    assert_true(recovery.end_seq <= m->end_seq);
    m->end_seq = m->next_seq = m->synced_seq = recovery.end_seq;
    m->position = recovery.end_position;
    if (m->options.end_mark.kind != WAL_END_EXACT) {
        m->options.end_mark.kind = WAL_END_AT_LEAST;
        m->options.end_mark.position = recovery.end_position;
    }
    m->session++;
    return 0;
}

/* An exact mark is kept until the first append. */
static int forget_mark(void *context, struct error *err)
{
    struct model *m = context;

    (void)err;
    assert_int_equal(m->options.end_mark.kind, WAL_END_EXACT);
    assert_int_equal(m->options.end_mark.position, wal_end_position(m->wal));
    m->options.end_mark.kind = WAL_END_AT_LEAST;
    return BLOCKDB_OK;
}

static int model_append(struct model *m)
{
    uint64_t r = next_random(m);
    size_t len = r % 8 == 0 ? 20000 + r % 60000 : r % 700;
    AUTO(mem_free_ptr) uint8_t *payload = malloc(len + 1);
    struct slice part = slice_of(payload, len);
    struct wal_frame frame = {.parts = &part,
                              .part_count = 1,
                              .first_seq = m->next_seq,
                              .end_seq = m->next_seq + 1 + r % 3};
    int rc;

    m->session_of[frame.first_seq] = m->session;
    fill_payload(payload, len, frame.first_seq, m->session);
    m->end_seq = frame.end_seq;
    rc = wal_append(m->wal, &frame, &m->position, NULL);
    if (rc == 0) {
        m->next_seq = frame.end_seq;
    }
    return rc;
}

static int model_sync(struct model *m)
{
    int rc = wal_sync(m->wal, m->position, NULL);

    if (rc == 0) {
        m->synced_seq = m->next_seq;
    }
    return rc;
}

static int model_close(struct model *m)
{
    struct wal_end_mark mark;
    int rc = wal_close(m->wal, &mark, NULL);

    m->wal = NULL;
    if (rc == 0) {
        m->synced_seq = m->next_seq;
        m->options.end_mark = mark;
    }
    return rc;
}

/* The process dies, the machine does not: what was written is there, but not yet durable. What the
 * next opening finds must be durable from then on. */
static int model_kill(struct model *m)
{
    struct os_crash *copy = NULL;
    int rc;

    if (os_crash_is_off(m->disk)) {
        return BLOCKDB_EIO;
    }
    assert_int_equal(os_crash_copy(m->disk, &copy), 0);
    rc = wal_close(m->wal, NULL, NULL);
    (void)rc;
    m->wal = NULL;
    os_crash_free(m->disk);
    m->disk = copy;
    os_crash_arm(m->disk, m->gap);
    m->options.end_mark.kind = WAL_END_UNKNOWN;
    return model_open(m);
}

static int model_step(struct model *m)
{
    uint64_t r = next_random(m) % 16;
    int rc;

    if (r < 9) {
        return model_append(m);
    }
    if (r < 12) {
        return model_sync(m);
    }
    if (r < 14) {
        /* What is retired is durable elsewhere from now on, whatever becomes of the call. */
        m->retired_seq = m->synced_seq;
        return wal_retire(m->wal, m->retired_seq, NULL);
    }
    if (r < 15) {
        rc = model_close(m);
        return rc < 0 ? rc : model_open(m);
    }
    if (next_random(m) % 2 == 0) {
        return model_kill(m);
    }
    rc = wal_close(m->wal, NULL, NULL);
    m->wal = NULL;
    m->options.end_mark.kind = WAL_END_UNKNOWN; /* nobody kept it */
    if (rc == 0) {
        m->synced_seq = m->next_seq;
    }
    return rc < 0 ? rc : model_open(m);
}

static void model_deinit(struct model *m)
{
    int rc = wal_close(m->wal, NULL, NULL);

    (void)rc;
    os_crash_free(m->disk);
}

/* The power fails: what the wal still does changes nothing. */
static void model_lose_power(struct model *m, uint64_t seed)
{
    int rc;

    if (!os_crash_is_off(m->disk)) {
        os_crash_power_off(m->disk);
    }
    rc = wal_close(m->wal, NULL, NULL);
    (void)rc;
    m->wal = NULL;
    assert_int_equal(os_crash_restart(m->disk, seed), 0);
}

/* One history with cuts `gap` operations apart; false when no cut fell. */
static bool run(uint64_t seed, uint64_t gap, bool helper)
{
    struct model *m = calloc(1, sizeof(*m));
    uint64_t restarts = 0;
    int step;
    int rc;

    m->disk = os_crash_new(seed);
    assert_non_null(m->disk);
    m->seed = seed;
    m->gap = gap;
    m->random = seed * 0x9e3779b97f4a7c15ULL + 1;
    m->options.dir = "/db/wal";
    m->options.segment_bytes = WAL_SEGMENT_BYTES_MIN;
    m->options.prewrite = seed % 2 == 0;
    m->options.keep_bytes = seed % 3 == 0 ? 100000 : 0;
    m->options.helper_thread = helper;
    m->options.visit = check_frame;
    m->options.visit_context = m;
    m->options.on_first_append = forget_mark;
    m->options.first_append_context = m;
    assert_int_equal(
        wal_create_dir(os_crash_os(m->disk), m->options.dir, m->options.ledger_id, NULL), 0);
    os_crash_arm(m->disk, gap);
    rc = model_open(m);
    for (step = 0; step < STEPS; step++) {
        if (rc == 0) {
            rc = model_step(m);
        }
        if (rc < 0) {
            restarts++;
            model_lose_power(m, seed * 1000 + gap + restarts);
            if (restarts < 6) {
                os_crash_arm(m->disk, gap / restarts + 1);
            }
            rc = model_open(m);
        }
    }
    if (rc == 0) { /* a cut between two operations ends every history */
        model_lose_power(m, seed);
        assert_int_equal(model_open(m), 0);
    }
    model_deinit(m);
    free(m);
    return restarts > 0;
}

static void run_all(uint64_t first_seed, uint64_t seeds, bool helper)
{
    uint64_t seed;
    uint64_t gap;

    for (seed = first_seed; seed < first_seed + seeds; seed++) {
        for (gap = 1; run(seed, gap, helper); gap++) {
        }
        assert_true(gap > 10); /* the history is not trivial */
    }
}

static void test_cut_everywhere(void **state)
{
    (void)state;
    run_all(1, test_rounds(4, 40), false);
}

static void test_cut_with_helper(void **state)
{
    (void)state;
    run_all(101, test_rounds(1, 10), true);
}

static void test_random_histories(void **state)
{
    uint64_t seed = test_seed() % 1000000000;
    uint64_t runs = test_rounds(100, 3000);
    uint64_t i;

    (void)state;
    for (i = 0; i < runs; i++) {
        (void)run(seed + i, 1 + i * 7 % 120, false);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut_everywhere),
        cmocka_unit_test(test_cut_with_helper),
        cmocka_unit_test(test_random_histories),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
