/* SPDX-License-Identifier: Apache-2.0 */
/* Every allocation and every operation of the system fails, one after the other. */
#include "wal_test.h"

#include "os/os_fault.h"

#include <stdlib.h>
#include <string.h>

struct countdown {
    uint64_t left;
    bool fired;
};

static bool fail_nth(void *context)
{
    struct countdown *c = context;

    if (c->left == 0) {
        return false;
    }
    c->left--;
    c->fired = c->fired || c->left == 0;
    return c->left == 0;
}

/* Appends, syncs, retires, closes and opens again; stops at the first failure. *acked_seq is what
 * was synced, *written_seq what may be there. */
struct scenario {
    uint64_t acked_seq;
    uint64_t written_seq;
    uint64_t retired_seq;
};

static int append(struct wal *wal, struct scenario *s, uint64_t *seq, size_t len)
{
    AUTO(mem_free_ptr) uint8_t *payload = calloc(1, len + 1);
    struct slice part = slice_of(payload, len);
    struct wal_frame frame = {
        .parts = &part, .part_count = 1, .first_seq = *seq, .end_seq = *seq + 1};
    struct error err = {0};
    uint64_t position;
    int rc;

    s->written_seq = *seq + 1;
    rc = wal_append(wal, &frame, &position, &err);
    if (rc < 0) {
        assert_int_equal(err.code, rc);
        assert_true(strlen(err.message) > 10);
        return rc;
    }
    (*seq)++;
    return BLOCKDB_OK;
}

/* A failure of the disk is final (WAL-8): everything that would change something fails too. */
static void check_final(struct wal *wal, int code, uint64_t seq)
{
    struct slice part = slice_of("x", 1);
    struct wal_frame frame = {.parts = &part, .part_count = 1, .first_seq = seq, .end_seq = seq};
    struct error err = {0};
    uint64_t position;

    if (code == BLOCKDB_ENOMEM || code == BLOCKDB_ENOSPC) {
        return;
    }
    assert_int_equal(wal_append(wal, &frame, &position, &err), code);
    assert_int_equal(wal_retire(wal, seq, &err), code);
    if (wal_synced_position(wal) < wal_end_position(wal)) {
        assert_int_equal(wal_sync(wal, wal_end_position(wal), &err), code);
    }
    assert_int_equal(wal_close(wal, NULL, &err), code);
}

static int run_session(const struct wal_options *options, struct scenario *s)
{
    struct wal_recovery recovery;
    struct error err = {0};
    struct wal *wal = NULL;
    uint64_t seq;
    size_t i;
    int rc;

    rc = wal_open(options, &recovery, &wal, &err);
    if (rc < 0) {
        assert_null(wal);
        return rc;
    }
    seq = recovery.end_seq;
    for (i = 0; rc == 0 && i < 12; i++) {
        rc = append(wal, s, &seq, 15000);
        if (rc == 0 && i % 3 == 2) {
            rc = wal_sync(wal, wal_end_position(wal), &err);
            s->acked_seq = rc == 0 ? seq : s->acked_seq;
        }
        if (rc == 0 && i % 6 == 5) {
            s->retired_seq = s->acked_seq;
            rc = wal_retire(wal, s->retired_seq, &err);
        }
    }
    if (rc < 0) {
        bool closed = rc != BLOCKDB_ENOMEM && rc != BLOCKDB_ENOSPC;
        int ignored;

        check_final(wal, rc, seq);
        if (!closed) {
            ignored = wal_close(wal, NULL, NULL);
            (void)ignored;
        }
        return rc;
    }
    rc = wal_close(wal, NULL, &err);
    s->acked_seq = rc == 0 ? seq : s->acked_seq;
    return rc;
}

static int run_scenario(struct wal_options *options, struct scenario *s)
{
    int rc = wal_create_dir(options->os, options->dir, options->ledger_id, NULL);

    if (rc == 0) {
        rc = run_session(options, s);
    }
    if (rc == 0) {
        options->from_seq = s->retired_seq;
        rc = run_session(options, s);
    }
    return rc;
}

/* Without faults: everything acknowledged is there. */
static void check_afterwards(struct wal_options options, const struct scenario *s)
{
    struct wal_recovery recovery;
    struct error err = {0};
    struct wal *wal = NULL;
    int rc;

    rc = wal_create_dir(options.os, options.dir, options.ledger_id, &err);
    assert_int_equal(rc, 0);
    options.from_seq = s->retired_seq;
    rc = wal_open(&options, &recovery, &wal, &err);
    if (rc < 0) {
        fail_msg("cannot open: %s", err.message);
    }
    assert_true(recovery.end_seq >= s->acked_seq && recovery.end_seq <= s->written_seq);
    assert_int_equal(wal_close(wal, NULL, &err), 0);
}

static struct wal_options options_for(struct os *os, int variant)
{
    struct wal_options options = {.os = os,
                                  .dir = "/a/wal",
                                  .segment_bytes = WAL_SEGMENT_BYTES_MIN,
                                  .keep_bytes = (variant & 2) != 0 ? 100000 : 0,
                                  .prewrite = (variant & 1) != 0};

    return options;
}

static void test_allocations(void **state)
{
    int variant;

    (void)state;
    for (variant = 0; variant < 4; variant++) {
        struct countdown c = {.fired = true};
        uint64_t n;

        for (n = 1; c.fired; n++) {
            struct os_crash *disk = os_crash_new(n);
            struct scenario s = {0};
            struct wal_options options = options_for(os_crash_os(disk), variant);
            int rc;

            c = (struct countdown){.left = n};
            mem_set_fail_hook(fail_nth, &c);
            rc = run_scenario(&options, &s);
            mem_set_fail_hook(NULL, NULL);
            assert_true(rc == 0 || c.fired);
            check_afterwards(options, &s);
            os_crash_free(disk);
        }
        assert_true(n > 100);
    }
}

static void run_with_fault(struct os_fault_plan plan, int variant, bool *out_fired)
{
    struct os_crash *disk = os_crash_new(plan.nth);
    struct os_fault *fault = os_fault_new(os_crash_os(disk));
    struct scenario s = {0};
    struct wal_options options = options_for(os_fault_os(fault), variant);
    int rc;

    os_fault_arm(fault, &plan);
    rc = run_scenario(&options, &s);
    *out_fired = os_fault_fired(fault);
    assert_true(*out_fired || rc == 0);
    os_fault_arm(fault, NULL);
    check_afterwards(options, &s);
    os_fault_free(fault);
    os_crash_free(disk);
}

static void test_operations(void **state)
{
    static const int codes[] = {BLOCKDB_EIO, BLOCKDB_ENOSPC};
    static const int variants[] = {0, 1, 3, 6, 8, 13, 14}; /* bits: see below and options_for() */
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(variants) / sizeof(variants[0]); i++) {
        int variant = variants[i];
        struct os_fault_plan plan = {.classes = OS_FAULT_ALL & ~(unsigned)OS_FAULT_THREAD,
                                     .forever = (variant & 4) != 0,
                                     .partial = (variant & 8) != 0};
        bool fired = true;

        plan.code = codes[variant & 1];
        for (plan.nth = 1; fired; plan.nth++) {
            run_with_fault(plan, variant, &fired);
        }
        assert_true(plan.nth > 60);
    }
}

/* A sync fails once and would then succeed: it must not be tried again. */
static void test_sync_is_not_retried(void **state)
{
    struct wal_fixture f;
    struct os_fault *fault;
    uint64_t before;

    (void)state;
    wal_fixture_init_memory(&f);
    fault = os_fault_new(f.os);
    f.options.os = os_fault_os(fault);
    assert_int_equal(wal_fixture_open(&f, NULL), 0);
    wal_fixture_fill(&f, 2, 100);
    os_fault_arm(fault, &(struct os_fault_plan){.classes = OS_FAULT_SYNC, .nth = 1});
    assert_int_equal(wal_sync(f.wal, f.position, &f.err), BLOCKDB_EIO);
    before = os_fault_seen(fault);
    assert_int_equal(wal_sync(f.wal, f.position, &f.err), BLOCKDB_EIO);
    assert_int_equal(wal_fixture_append(&f, 1, 10), BLOCKDB_EIO);
    assert_non_null(strstr(f.err.message, "injected"));
    assert_int_equal(wal_fixture_close(&f), BLOCKDB_EIO);
    assert_int_equal(os_fault_seen(fault), before);
    os_fault_free(fault);
    wal_fixture_deinit(&f);
}

/* A full disk where there should be room: final, and not called ENOSPC. */
static void test_write_meets_full_disk(void **state)
{
    struct wal_fixture f;
    struct os_fault *fault;
    int class;

    (void)state;
    for (class = 0; class < 2; class ++) {
        struct os_fault_plan plan = {.classes = class == 0 ? OS_FAULT_WRITE : OS_FAULT_SYNC,
                                     .nth = 1,
                                     .partial = true,
                                     .code = BLOCKDB_ENOSPC};
        int rc;

        wal_fixture_init_memory(&f);
        fault = os_fault_new(f.os);
        f.options.os = os_fault_os(fault);
        assert_int_equal(wal_fixture_open(&f, NULL), 0);
        wal_fixture_fill(&f, 2, 100);
        os_fault_arm(fault, &plan);
        rc = wal_fixture_append(&f, 1, 100);
        if (rc == 0) {
            rc = wal_sync(f.wal, f.position, &f.err);
        }
        assert_int_equal(rc, BLOCKDB_EIO);
        assert_int_equal(f.err.code, BLOCKDB_EIO);
        assert_int_equal(wal_fixture_append(&f, 1, 100), BLOCKDB_EIO);
        assert_int_equal(wal_fixture_close(&f), BLOCKDB_EIO);
        os_fault_free(fault);
        wal_fixture_deinit(&f);
    }
}

/* Disk full: the append fails with nothing written, and works again when there is space. */
static void test_disk_full(void **state)
{
    struct wal_fixture f;
    struct wal_seen seen;
    int prewrite;

    (void)state;
    for (prewrite = 0; prewrite < 2; prewrite++) {
        uint64_t end;
        uint64_t position;
        int rc = 0;

        wal_fixture_init_memory(&f);
        f.options.prewrite = prewrite == 1;
        assert_int_equal(wal_fixture_open(&f, NULL), 0);
        os_crash_set_capacity(f.disk, 5 * WAL_SEGMENT_BYTES_MIN);
        while (rc == 0) {
            rc = wal_fixture_append(&f, 1, 1000);
        }
        assert_int_equal(rc, BLOCKDB_ENOSPC);
        assert_true(f.seq > 200);
        end = f.seq;
        position = wal_end_position(f.wal);
        assert_int_equal(wal_fixture_append(&f, 1, 1000), BLOCKDB_ENOSPC);
        assert_int_equal(wal_fixture_append(&f, 1, 200000), BLOCKDB_ENOSPC);
        assert_int_equal(wal_end_position(f.wal), position);
        assert_int_equal(test_count_files(&f, ".tmp"), 0);
        assert_int_equal(wal_sync(f.wal, position, &f.err), 0);
        /* Retiring makes space too. */
        assert_int_equal(wal_retire(f.wal, end - 1, &f.err), 0);
        assert_int_equal(wal_fixture_append(&f, 1, 1000), 0);
        os_crash_set_capacity(f.disk, UINT64_MAX);
        assert_int_equal(wal_fixture_append(&f, 1, 200000), 0);
        assert_int_equal(wal_fixture_close(&f), 0);
        f.options.from_seq = end - 1;
        assert_int_equal(wal_fixture_open(&f, &seen), 0);
        assert_int_equal(seen.end_seq, end + 2);
        wal_fixture_deinit(&f);
    }
}

/* The closing sync fails: the close says so and leaves no mark. */
static void test_close_cannot_sync(void **state)
{
    struct wal_fixture f;
    struct os_fault *fault;

    (void)state;
    wal_fixture_init_memory(&f);
    fault = os_fault_new(f.os);
    f.options.os = os_fault_os(fault);
    assert_int_equal(wal_fixture_open(&f, NULL), 0);
    wal_fixture_fill(&f, 2, 100);
    os_fault_arm(fault, &(struct os_fault_plan){.classes = OS_FAULT_SYNC, .nth = 1});
    assert_int_equal(wal_fixture_close(&f), BLOCKDB_EIO);
    assert_int_equal(f.options.end_mark.kind, WAL_END_UNKNOWN);
    os_fault_arm(fault, NULL);
    assert_int_equal(wal_fixture_open(&f, NULL), 0);
    assert_int_equal(wal_fixture_close(&f), 0);
    os_fault_free(fault);
    wal_fixture_deinit(&f);
}

/* The keeper of the end mark. */
struct keeper {
    int answer;
    int calls;
};

static int forget(void *context, struct error *err)
{
    struct keeper *keeper = context;

    keeper->calls++;
    return keeper->answer < 0 ? error_set(err, keeper->answer, "it cannot forget the mark") : 0;
}

/* Before the first append an exact mark is forgotten, once; else nothing is written. */
static void test_exact_mark_is_forgotten(void **state)
{
    struct keeper keeper = {.answer = BLOCKDB_ENOSPC};
    struct wal_fixture f;
    struct wal_seen seen;

    (void)state;
    wal_fixture_init_memory(&f);
    f.options.on_first_append = forget;
    f.options.first_append_context = &keeper;
    assert_int_equal(wal_fixture_open(&f, NULL), 0);
    wal_fixture_fill(&f, 2, 100);
    assert_int_equal(wal_fixture_close(&f), 0);
    assert_int_equal(keeper.calls, 0); /* there was no exact mark */

    assert_int_equal(wal_fixture_open(&f, NULL), 0);
    assert_int_equal(wal_fixture_append(&f, 1, 100), BLOCKDB_ENOSPC);
    assert_int_equal(wal_fixture_append(&f, 1, 100), BLOCKDB_ENOSPC);
    assert_int_equal(wal_fixture_close(&f), 0);
    assert_int_equal(wal_fixture_open(&f, &seen), 0); /* the exact mark holds still */
    assert_int_equal(seen.frames, 2);
    keeper = (struct keeper){0};
    wal_fixture_fill(&f, 2, 100);
    assert_int_equal(keeper.calls, 1);
    assert_int_equal(wal_fixture_close(&f), 0);

    keeper.answer = BLOCKDB_EIO;
    assert_int_equal(wal_fixture_open(&f, NULL), 0);
    assert_int_equal(wal_fixture_append(&f, 1, 100), BLOCKDB_EIO);
    keeper.answer = 0;
    assert_int_equal(wal_fixture_append(&f, 1, 100), BLOCKDB_EIO); /* WAL-8 */
    assert_int_equal(wal_fixture_close(&f), BLOCKDB_EIO);
    assert_int_equal(wal_fixture_open(&f, &seen), 0);
    assert_int_equal(seen.frames, 4);
    wal_fixture_deinit(&f);
}

/* The closed segment cannot be opened again: the append fails, and nothing was written. */
static void test_cannot_resume(void **state)
{
    struct wal_fixture f;
    struct os_fault *fault;

    (void)state;
    wal_fixture_init_memory(&f);
    fault = os_fault_new(f.os);
    f.options.os = os_fault_os(fault);
    f.options.prewrite = true;
    assert_int_equal(wal_fixture_open(&f, NULL), 0);
    wal_fixture_fill(&f, 2, 100);
    assert_int_equal(wal_fixture_close(&f), 0);
    assert_int_equal(wal_fixture_open(&f, NULL), 0);
    os_fault_arm(fault, &(struct os_fault_plan){.classes = OS_FAULT_OPEN, .nth = 1});
    assert_int_equal(wal_fixture_append(&f, 1, 100), BLOCKDB_EIO);
    assert_int_equal(wal_fixture_close(&f), BLOCKDB_EIO);
    os_fault_arm(fault, NULL);
    assert_int_equal(wal_fixture_open(&f, NULL), 0); /* the exact mark holds still */
    os_fault_free(fault);
    wal_fixture_deinit(&f);
}

/* The helper starts writing back what stands unsynced; when that fails, the wal has failed. */
static void test_write_behind(void **state)
{
    struct wal_fixture f;
    struct os_fault *fault;
    int rc = 0;
    int i;

    (void)state;
    wal_fixture_init_memory(&f);
    fault = os_fault_new(f.os);
    f.options.os = os_fault_os(fault);
    f.options.helper_thread = true;
    f.options.segment_bytes = 64 << 20;
    assert_int_equal(wal_fixture_open(&f, NULL), 0);
    os_fault_arm(fault, &(struct os_fault_plan){.classes = OS_FAULT_WRITE_BEHIND, .nth = 2});
    for (i = 0; rc == 0 && i < 10000; i++) {
        rc = wal_fixture_append(&f, 1, i < 30 ? 1 << 20 : 10);
        os_sleep_ns(os_real(), 100000);
    }
    assert_int_equal(rc, BLOCKDB_EIO);
    assert_int_equal(wal_fixture_close(&f), BLOCKDB_EIO);
    os_fault_free(fault);
    wal_fixture_deinit(&f);
}

static void test_helper_cannot_start(void **state)
{
    struct wal_fixture f;
    struct os_fault *fault;

    (void)state;
    wal_fixture_init_memory(&f);
    fault = os_fault_new(f.os);
    f.options.os = os_fault_os(fault);
    f.options.helper_thread = true;
    os_fault_arm(fault, &(struct os_fault_plan){.classes = OS_FAULT_THREAD, .nth = 1});
    assert_int_equal(wal_fixture_open(&f, NULL), BLOCKDB_EIO);
    assert_null(f.wal);
    os_fault_arm(fault, NULL);
    assert_int_equal(wal_fixture_open(&f, NULL), 0);
    assert_int_equal(wal_fixture_close(&f), 0);
    os_fault_free(fault);
    wal_fixture_deinit(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_allocations),         cmocka_unit_test(test_operations),
        cmocka_unit_test(test_sync_is_not_retried), cmocka_unit_test(test_write_meets_full_disk),
        cmocka_unit_test(test_disk_full),           cmocka_unit_test(test_close_cannot_sync),
        cmocka_unit_test(test_write_behind),        cmocka_unit_test(test_helper_cannot_start),
        cmocka_unit_test(test_cannot_resume),       cmocka_unit_test(test_exact_mark_is_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
