/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Audits of good logs, of damaged ones, and of logs that contradict what they were.
 */
#include "audit_run.h"

#include "audit/audit_state.h"
#include "base/mem.h"
#include "common/test_env.h"
#include "ledger/checkpoint.h"
#include "ledger/merkle.h"
#include "ledger/note.h"
#include "ledger/tile.h"
#include "os/os.h"
#include "os/os_fault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* ---- Good logs ----------------------------------------------------------------------------- */

static void test_small_logs(void **state)
{
    (void)state;
    for (unsigned blocks = 0; blocks <= 6; blocks++) {
        struct audit_case c;

        audit_case_init(&c);
        c.log.with_map = true;
        test_log_fill(&c.log, blocks, blocks);
        audit_case_export(&c, c.log.count);
        audit_case_good(&c);
        assert_int_equal(c.report.size, c.log.count);
        assert_int_equal(c.report.entries, c.log.count);
        assert_int_equal(c.report.counts.blocks, blocks);
        assert_int_equal(c.report.trust, AUDIT_SIGNED);
        assert_int_equal(c.report.map, blocks > 1 ? AUDIT_MAP_CHECKED : AUDIT_MAP_NONE);
        assert_string_equal(c.report.origin, TEST_ORIGIN);
        /* Once more: nothing is new. */
        audit_case_good(&c);
        assert_int_equal(c.report.entries, 0);
        assert_true(c.report.is_grown);
        audit_case_deinit(&c);
    }
}

static void test_all_kinds(void **state)
{
    struct audit_case c;

    (void)state;
    audit_case_init(&c);
    c.log.with_map = true;
    test_log_fill(&c.log, 3, 1);
    test_log_put(&c.log, 500, 0, 1);
    test_log_redact(&c.log, c.log.count - 1); /* the newest version of its key */
    test_log_epoch(&c.log, 1);
    test_log_seal(&c.log);
    test_log_epoch(&c.log, 3);
    test_log_config(&c.log, "key/1");
    test_log_seal(&c.log);
    test_log_seal(&c.log);
    test_log_seal(&c.log);
    audit_case_export(&c, c.log.count);
    audit_case_good(&c);
    assert_int_equal(c.report.counts.redactions, 1);
    assert_int_equal(c.report.counts.epochs, 2);
    assert_int_equal(c.report.counts.configs, 1);
    assert_int_equal(c.report.epoch, 3);
    assert_int_equal(c.report.config_count, 1);
    assert_string_equal(c.report.configs[0].name, "key/1");
    assert_int_equal(c.report.map, AUDIT_MAP_CHECKED);
    audit_case_deinit(&c);
}

/* Many stretches and two levels of tiles, by one thread and by several. */
static void test_large_log(void **state)
{
    struct audit_case c;

    (void)state;
    audit_case_init(&c);
    while (c.log.count < 70000) {
        for (unsigned i = 0; i < 999; i++) {
            test_log_put(&c.log, i, i % 3, 3);
        }
        test_log_seal(&c.log);
    }
    audit_case_export(&c, c.log.count);
    for (unsigned threads = 1; threads <= 3; threads++) {
        struct error ignored;

        IGNORE_RESULT(os_unlink(os_real(), c.state, &ignored)); /* the first time there is none */
        c.options.threads = threads;
        audit_case_good(&c);
        assert_int_equal(c.report.entries, c.log.count);
    }
    audit_case_deinit(&c);
}

static void test_growth(void **state)
{
    struct audit_case c;
    size_t before = 0;

    (void)state;
    audit_case_init(&c);
    for (unsigned round = 0; round < 12; round++) {
        test_log_fill(&c.log, 1 + round * 3, round);
        audit_case_export(&c, c.log.count);
        audit_case_good(&c);
        assert_int_equal(c.report.from, before);
        assert_int_equal(c.report.entries, c.log.count - before);
        assert_int_equal(c.report.counts.blocks, c.log.height);
        before = c.log.count;
        if (round % 4 == 3) {
            c.options.is_full = true;
            audit_case_good(&c);
            assert_int_equal(c.report.entries, c.log.count);
            c.options.is_full = false;
        }
    }
    audit_case_deinit(&c);
}

/* A log of many blocks in which a block spans more than a stretch. */
static void test_long_block(void **state)
{
    struct audit_case c;

    (void)state;
    audit_case_init(&c);
    test_log_fill(&c.log, 2, 3);
    for (unsigned i = 0; i < 40000; i++) {
        test_log_put(&c.log, i % 50, i % 40000, 40000); /* one batch */
    }
    test_log_seal(&c.log);
    audit_case_export(&c, c.log.count);
    audit_case_good(&c);
    assert_int_equal(c.report.counts.blocks, 3);
    audit_case_deinit(&c);
}

/* ---- Damage -------------------------------------------------------------------------------- */

struct flip {
    struct audit_case *c;
    const char *dir;
    uint64_t random;
    unsigned files;
    unsigned flips;
};

/* Flips bytes of one file, one at a time: each must be refused, and then the log is good again. */
static void flip_file(struct flip *flip, const char *path)
{
    struct buf bytes = {0};
    unsigned rounds = test_rounds(3, 200);

    assert_int_equal(os_read_file(os_real(), path, 1 << 24, &bytes, NULL), 0);
    for (unsigned i = 0; i < rounds; i++) {
        struct os_file *file = NULL;
        uint64_t at;
        uint8_t wrong;

        flip->random = flip->random * 6364136223846793005u + 1442695040888963407u;
        at = (flip->random >> 16) % bytes.len;
        wrong = bytes.data[at] ^ (uint8_t)(1u << (flip->random >> 60) % 8);
        assert_int_equal(os_open(os_real(), path, OS_WRITE, &file, NULL), 0);
        assert_int_equal(file_pwrite(file, &wrong, 1, at, NULL), 0);
        if (audit_case_run(flip->c) == BLOCKDB_OK) {
            print_error("byte %llu of %s\n", (unsigned long long)at, path);
            fail();
        }
        assert_int_equal(file_pwrite(file, bytes.data + at, 1, at, NULL), 0);
        file_close(file);
        flip->flips++;
    }
    buf_deinit(&bytes);
    flip->files++;
}

static int flip_one(void *context, const char *name, bool is_dir)
{
    struct flip *flip = context;
    struct flip below = *flip;
    char *path = path_join(flip->dir, name);

    if (is_dir) {
        below.dir = path;
        assert_int_equal(os_list(os_real(), path, flip_one, &below, NULL), 0);
        below.dir = flip->dir;
        *flip = below;
    } else {
        flip_file(flip, path);
    }
    mem_free(path);
    return 0;
}

static void test_flipped_bytes(void **state)
{
    struct audit_case c;
    struct flip flip = {.c = &c, .random = test_seed()};

    (void)state;
    audit_case_init(&c);
    test_log_fill(&c.log, 60, 5);
    assert_true(c.log.count > 512);
    audit_case_export(&c, c.log.count);
    flip.dir = c.log_dir;
    assert_int_equal(os_list(os_real(), c.log_dir, flip_one, &flip, NULL), 0);
    assert_true(flip.files >= 8);
    audit_case_good(&c);
    audit_case_deinit(&c);
}

static void remove_tile(struct audit_case *c, unsigned level, uint64_t index)
{
    struct tile tile = {level, tile_width_at(level, index, c->log.count), index};
    char name[TILE_PATH_MAX];
    char *path;

    (void)tile_path(&tile, name);
    path = path_join(c->log_dir, name);
    assert_int_equal(os_unlink(os_real(), path, NULL), 0);
    mem_free(path);
}

static void test_missing_files(void **state)
{
    static const unsigned levels[] = {0, 1, TILE_LEVEL_ENTRIES, 0, TILE_LEVEL_ENTRIES};
    static const uint64_t indexes[] = {1, 0, 1, 2, 2};

    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        struct audit_case c;

        audit_case_init(&c);
        test_log_fill(&c.log, 60, 5);
        audit_case_export(&c, c.log.count);
        remove_tile(&c, levels[i], indexes[i]);
        audit_case_bad(&c, "is missing");
        audit_case_deinit(&c);
    }
}

/* The head is older than the files: partial tiles have become full ones. */
static void test_partial_falls_back(void **state)
{
    struct audit_case c;
    size_t size;

    (void)state;
    audit_case_init(&c);
    test_log_fill(&c.log, 20, 5);
    size = c.log.count;
    audit_case_export(&c, size);
    remove_tile(&c, 0, size / TILE_WIDTH);
    remove_tile(&c, TILE_LEVEL_ENTRIES, size / TILE_WIDTH);
    test_log_fill(&c.log, 60, 6);
    assert_true(c.log.count / TILE_WIDTH > size / TILE_WIDTH && size % TILE_WIDTH != 0);
    audit_case_export(&c, c.log.count);
    test_log_sign(&c.log, size, c.log_dir, &c.key);
    audit_case_good(&c);
    assert_int_equal(c.report.size, size);
    audit_case_deinit(&c);
}

/* ---- Forgeries ----------------------------------------------------------------------------- */

static void forge(struct audit_case *c, uint64_t seq)
{
    struct hash commitment = {{1, 2, 3}};
    struct leaf leaf;

    assert_int_equal(leaf_decode(buf_slice(&c->log.leaves[seq]), &leaf), 0);
    assert_int_equal(leaf.kind, BLOCKDB_KIND_PUT);
    leaf.commitment = &commitment;
    leaf.key = slice_of_text("forged");
    leaf.actor = slice_of_text("nobody");
    test_log_forge(&c->log, seq, &leaf);
}

/* The seq of the first put behind a seq. */
static uint64_t put_behind(const struct test_log *log, uint64_t seq)
{
    struct leaf leaf;

    do {
        seq++;
        assert_int_equal(leaf_decode(buf_slice(&log->leaves[seq]), &leaf), 0);
    } while (leaf.kind != BLOCKDB_KIND_PUT);
    return seq;
}

static bool fork_is_told(const struct audit_case *c)
{
    struct buf text = {0};
    bool good = c->report.fork_path[0] != '\0' &&
                os_read_file(os_real(), c->report.fork_path, 1 << 20, &text, NULL) == 0 &&
                slice_has_prefix(buf_slice(&text), slice_of_text("blockdb.org/fork@v1\nreason "));

    buf_deinit(&text);
    return good;
}

static void test_forged(void **state)
{
    struct audit_case c;
    struct signing_key other;
    size_t size;

    (void)state;
    audit_case_init(&c);
    test_key_init(&other, 8);
    test_log_fill(&c.log, 60, 5);
    size = c.log.count;
    audit_case_export(&c, size);
    audit_case_good(&c);

    /* All recomputed, but the head is the true one. */
    forge(&c, put_behind(&c.log, 100));
    test_log_export(&c.log, size, c.log_dir, NULL);
    c.options.is_full = true;
    audit_case_bad(&c, "have the root");
    c.options.is_full = false;
    /* Signed by another key. */
    test_log_sign(&c.log, size, c.log_dir, &other);
    audit_case_bad(&c, "not signed by the key");
    /* Signed by the log's key: what is remembered says otherwise. */
    test_log_sign(&c.log, size, c.log_dir, &c.key);
    audit_case_bad(&c, "is another than it was");
    assert_true(fork_is_told(&c));
    /* The same behind which the forged log goes on. */
    test_log_fill(&c.log, 30, 6);
    audit_case_export(&c, c.log.count);
    audit_case_bad(&c, "is another than it was");
    assert_true(fork_is_told(&c));
    /* Somebody who remembers nothing cannot know. */
    assert_int_equal(os_unlink(os_real(), c.state, NULL), 0);
    audit_case_good(&c);
    signing_key_deinit(&other);
    audit_case_deinit(&c);
}

/* Only entries behind the remembered head are forged, and the head is signed: a log may say what it
 * likes. But the entries must be those of the head. */
static void test_forged_later(void **state)
{
    struct audit_case c;
    size_t size;

    (void)state;
    audit_case_init(&c);
    test_log_fill(&c.log, 40, 5);
    audit_case_export(&c, c.log.count);
    audit_case_good(&c);
    size = c.log.count;
    test_log_fill(&c.log, 40, 6);
    audit_case_export(&c, c.log.count);
    forge(&c, put_behind(&c.log, size + 50));
    test_log_export(&c.log, c.log.count, c.log_dir, NULL);
    audit_case_bad(&c, "do not lead to the head");
    assert_true(fork_is_told(&c));
    audit_case_deinit(&c);
}

static void test_shorter(void **state)
{
    struct audit_case c;
    size_t size;

    (void)state;
    audit_case_init(&c);
    test_log_fill(&c.log, 40, 5);
    size = c.log.count;
    test_log_fill(&c.log, 1, 6);
    audit_case_export(&c, c.log.count);
    audit_case_good(&c);
    test_log_sign(&c.log, size, c.log_dir, &c.key);
    audit_case_bad(&c, "is shorter than it was");
    assert_true(fork_is_told(&c));
    audit_case_deinit(&c);
}

/* ---- Heads --------------------------------------------------------------------------------- */

static void write_head(struct audit_case *c, uint64_t size)
{
    struct test_log log = c->log;
    struct checkpoint checkpoint = {.origin = slice_of_text(TEST_ORIGIN), .size = size};
    struct buf note = {0};
    struct os_file *file = NULL;
    char *path = path_join(c->log_dir, "checkpoint");
    size_t len;

    (void)log;
    assert_int_equal(checkpoint_append(&note, &checkpoint), 0);
    len = note.len;
    assert_int_equal(buf_append_u8(&note, '\n'), 0);
    assert_int_equal(note_sign(&note, &c->key, slice_of(note.data, len), NULL), 0);
    assert_int_equal(os_open(os_real(), path, OS_WRITE | OS_CREATE | OS_TRUNCATE, &file, NULL), 0);
    assert_int_equal(file_pwrite(file, note.data, note.len, 0, NULL), 0);
    file_close(file);
    buf_deinit(&note);
    mem_free(path);
}

static void test_hostile_sizes(void **state)
{
    static const uint64_t sizes[] = {UINT64_MAX,        UINT64_MAX - 255,
                                     UINT64_C(1) << 63, (UINT64_C(1) << 63) + 1,
                                     UINT64_C(1) << 40, 1000};
    struct audit_case c;

    (void)state;
    audit_case_init(&c);
    test_log_fill(&c.log, 20, 5);
    audit_case_export(&c, c.log.count);
    for (unsigned i = 0; i < 6; i++) {
        write_head(&c, sizes[i]);
        assert_int_equal(audit_case_run(&c), BLOCKDB_ETAMPERED);
    }
    audit_case_deinit(&c);
}

static void test_keys(void **state)
{
    struct audit_case c;

    (void)state;
    audit_case_init(&c);
    test_log_fill(&c.log, 2, 5);
    audit_case_export(&c, c.log.count);
    c.options.key = NULL;
    assert_int_equal(audit_case_run(&c), BLOCKDB_EINVAL);
    c.options.key = "nonsense";
    assert_int_equal(audit_case_run(&c), BLOCKDB_EINVAL);
    c.options.key = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    assert_int_equal(audit_case_run(&c), BLOCKDB_EINVAL); /* of another log */
    c.options.key = c.key_text;
    audit_case_good(&c);
    audit_case_clear(&c);
    assert_int_equal(audit_case_run(&c), BLOCKDB_EFOREIGN);
    audit_case_deinit(&c);
}

static void test_policies(void **state)
{
    struct audit_case c;
    struct buf text = {0};
    struct slice policy;

    (void)state;
    audit_case_init(&c);
    test_log_fill(&c.log, 2, 5);
    audit_case_export(&c, c.log.count);
    c.options.key = NULL;
    c.options.policy = &policy;
    assert_int_equal(buf_appendf(&text, "log %s\nquorum none\n", c.key_text), 0);
    policy = buf_slice(&text);
    audit_case_good(&c);
    assert_int_equal(c.report.trust, AUDIT_SIGNED);
    buf_reset(&text);
    assert_int_equal(
        buf_appendf(&text,
                    "log %s\nwitness w witness.example/w1+468d99bb+BHm1Vi6P5lT5QHixEuip"
                    "i6eQH4U65pW+1+DjkQutBJZk\nquorum w\n",
                    c.key_text),
        0);
    policy = buf_slice(&text);
    audit_case_bad(&c, "");
    policy = slice_of_text("quorum none\n");
    assert_int_equal(audit_case_run(&c), BLOCKDB_EINVAL); /* no log is named */
    c.options.key = c.key_text;
    audit_case_good(&c);
    buf_deinit(&text);
    audit_case_deinit(&c);
}

/* ---- Interruption -------------------------------------------------------------------------- */

struct interruption {
    unsigned calls;
    unsigned until;
};

static bool interrupt(void *arg, const char *unit, uint64_t done, uint64_t total)
{
    struct interruption *i = arg;

    assert_string_equal(unit, "entries");
    assert_true(done <= total);
    return ++i->calls < i->until;
}

static void test_interrupted(void **state)
{
    struct audit_case c;
    struct interruption interruption = {.until = 2};
    uint64_t from = 0;
    unsigned runs = 0;

    (void)state;
    audit_case_init(&c);
    while (c.log.count < 50000) {
        for (unsigned i = 0; i < 500; i++) {
            test_log_put(&c.log, i, 0, 1);
        }
        test_log_seal(&c.log);
    }
    audit_case_export(&c, c.log.count);
    c.options.progress = interrupt;
    c.options.progress_arg = &interruption;
    c.options.threads = 1;
    while (audit_case_run(&c) == BLOCKDB_ECANCELED) {
        assert_true(c.report.from >= from);
        from = c.report.from;
        interruption = (struct interruption){.until = 2 + runs};
        runs++;
        assert_true(runs < 100);
    }
    assert_true(runs >= 1);
    assert_true(c.report.from > 0); /* it went on */
    assert_int_equal(c.report.counts.blocks, c.log.height);
    audit_case_good(&c);
    assert_int_equal(c.report.entries, 0);
    audit_case_deinit(&c);
}

/* What an interrupted audit came to is no proof: the head must still fit. */
static void test_interrupted_then_forged(void **state)
{
    struct audit_case c;
    struct interruption interruption = {.until = 2};

    (void)state;
    audit_case_init(&c);
    while (c.log.count < 50000) {
        for (unsigned i = 0; i < 500; i++) {
            test_log_put(&c.log, i, 0, 1);
        }
        test_log_seal(&c.log);
    }
    audit_case_export(&c, c.log.count);
    c.options.progress = interrupt;
    c.options.progress_arg = &interruption;
    c.options.threads = 1;
    assert_int_equal(audit_case_run(&c), BLOCKDB_ECANCELED);
    c.options.progress = NULL;
    assert_int_equal(os_stat_path(os_real(), c.state, &(struct os_stat){0}, NULL), 0);
    forge(&c, put_behind(&c.log, 10));
    audit_case_export(&c, c.log.count);
    audit_case_bad(&c, "is another than it was"); /* the head was seen */
    audit_case_deinit(&c);
}

/* ---- Failures of the system ---------------------------------------------------------------- */

struct countdown {
    unsigned left;
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

static void test_allocation_failures(void **state)
{
    struct audit_case c;

    (void)state;
    audit_case_init(&c);
    c.log.with_map = true;
    test_log_fill(&c.log, 12, 5);
    test_log_config(&c.log, "a");
    test_log_redact(&c.log, put_behind(&c.log, 3));
    test_log_seal(&c.log);
    audit_case_export(&c, c.log.count);
    c.options.threads = 1;
    for (unsigned n = 1;; n++) {
        struct countdown countdown = {.left = n};
        int rc;

        mem_set_fail_hook(fail_nth, &countdown);
        rc = audit_case_run(&c);
        mem_set_fail_hook(NULL, NULL);
        if (!countdown.fired) {
            assert_int_equal(rc, BLOCKDB_OK);
            break;
        }
        if (rc == BLOCKDB_OK) { /* what failed was only wanted, not needed */
            assert_int_equal(os_unlink(os_real(), c.state, NULL), 0);
            continue;
        }
        assert_int_equal(rc, BLOCKDB_ENOMEM);
        assert_true(n < 10000);
    }
    audit_case_deinit(&c);
}

static void test_io_failures(void **state)
{
    struct os_fault *fault = os_fault_new(os_real());
    struct audit_case c;

    (void)state;
    audit_case_init(&c);
    test_log_fill(&c.log, 30, 5);
    audit_case_export(&c, c.log.count);
    c.options.os = os_fault_os(fault);
    c.options.threads = 1;
    for (unsigned n = 1;; n++) {
        struct error ignored;
        int rc;

        os_fault_arm(fault, &(struct os_fault_plan){.classes = OS_FAULT_ALL, .nth = n});
        rc = audit_case_run(&c);
        if (!os_fault_fired(fault)) {
            assert_int_equal(rc, BLOCKDB_OK);
            break;
        }
        IGNORE_RESULT(os_unlink(os_real(), c.state, &ignored)); /* written or not */
        assert_true(n < 10000);
    }
    audit_case_deinit(&c);
    os_fault_free(fault);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_logs),
        cmocka_unit_test(test_all_kinds),
        cmocka_unit_test(test_large_log),
        cmocka_unit_test(test_growth),
        cmocka_unit_test(test_long_block),
        cmocka_unit_test(test_flipped_bytes),
        cmocka_unit_test(test_missing_files),
        cmocka_unit_test(test_partial_falls_back),
        cmocka_unit_test(test_forged),
        cmocka_unit_test(test_forged_later),
        cmocka_unit_test(test_shorter),
        cmocka_unit_test(test_hostile_sizes),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_policies),
        cmocka_unit_test(test_interrupted),
        cmocka_unit_test(test_interrupted_then_forged),
        cmocka_unit_test(test_allocation_failures),
        cmocka_unit_test(test_io_failures),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
