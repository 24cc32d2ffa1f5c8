/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file of signed heads: whatever happens to disk and power, what was signed is remembered.
 */
#include "base/mem.h"
#include "common/test_env.h"
#include "engine/heads_file.h"
#include "ledger/checkpoint.h"
#include "ledger/merkle.h"
#include "os/os_crash.h"
#include "os/os_fault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define DIR "/ledger"
#define PATH DIR "/" HEADS_FILE_NAME
#define HEADS 4

static uint64_t seed;

static struct heads_file_options options_of(struct os *os)
{
    struct heads_file_options options = {.os = os, .dir = DIR, .id = {.epoch = 3}};

    memset(options.id.ledger_id, 7, LEDGER_ID_LEN);
    return options;
}

static struct hash root_of(uint64_t size)
{
    struct hash root;

    memset(root.bytes, (int)size, SHA256_LEN);
    return root;
}

/* A note of that head, of a signer whose signature is nonsense: the file does not look at it. */
static void make_note(uint64_t size, unsigned lines, struct buf *out)
{
    static const uint8_t signature[64];
    struct checkpoint checkpoint = {
        .origin = slice_of_text("log"), .size = size, .root = root_of(size)};
    unsigned i;

    buf_reset(out);
    assert_int_equal(checkpoint_append(out, &checkpoint), BLOCKDB_OK);
    assert_int_equal(buf_append_u8(out, '\n'), BLOCKDB_OK);
    for (i = 0; i < lines; i++) {
        assert_int_equal(note_append_signature(out, slice_of_text("log"), i,
                                               slice_of(signature, sizeof(signature))),
                         BLOCKDB_OK);
    }
}

/* What a run got done before something failed. */
struct done {
    bool created;
    uint64_t intended; /* the last size whose intent was said to be kept */
    uint64_t shown;    /* ... and whose note was */
};

/* Opens or creates the file and signs heads of 10, 20, 30 and 40 entries. */
static int run(struct os *os, struct done *done, struct error *err)
{
    struct heads_file_options options = options_of(os);
    struct heads_file *file = NULL;
    uint64_t cut;
    uint64_t size;
    int rc = heads_file_open(&options, &file, &cut, err);

    if (rc == BLOCKDB_ENOTFOUND) {
        rc = heads_file_create(&options, &file, err);
    }
    if (rc < 0) {
        return rc;
    }
    done->created = true;
    for (size = 10; rc == BLOCKDB_OK && size <= 10 * HEADS; size += 10) {
        AUTO(buf_deinit) struct buf note = {0};
        struct hash root = root_of(size);

        rc = heads_file_intend(file, size, &root, err);
        if (rc == BLOCKDB_OK) {
            done->intended = size;
            make_note(size, 2, &note);
            rc = heads_file_publish(file, buf_slice(&note), err);
        }
        if (rc == BLOCKDB_OK) {
            done->shown = size;
        }
    }
    heads_file_close(file);
    return rc;
}

static struct os_crash *new_disk(void)
{
    struct os_crash *disk = os_crash_new(seed);
    struct error err;

    assert_non_null(disk);
    assert_int_equal(os_make_dirs(os_crash_os(disk), DIR, &err), BLOCKDB_OK);
    return disk;
}

/* What a reopened file must know after that run. */
static void check_after(struct os *os, const struct done *done)
{
    struct heads_file_options options = options_of(os);
    const struct heads_state *state;
    struct heads_file *file = NULL;
    struct error err = {0};
    struct hash root;
    uint64_t cut;
    int rc = heads_file_open(&options, &file, &cut, &err);

    if (rc == BLOCKDB_ENOTFOUND) {
        assert_false(done->created);
        return;
    }
    if (rc < 0) {
        fail_msg("%s", err.message);
    }
    state = heads_file_state(file);
    assert_true(state->size >= done->intended);
    root = root_of(state->size);
    assert_true(!state->has_intent || hash_equal(&root, &state->root));
    assert_true(state->note_size >= done->shown);
    assert_true(state->note_size <= state->size);
    root = root_of(99);
    if (state->has_intent) {
        assert_int_equal(heads_file_intend(file, state->size, &root, &err), BLOCKDB_ETAMPERED);
        assert_int_equal(heads_file_intend(file, state->size - 1, &root, &err), BLOCKDB_ETAMPERED);
    }
    heads_file_close(file);
}

static void it_remembers(void **state)
{
    struct os_crash *disk = new_disk();
    struct heads_file_options options = options_of(os_crash_os(disk));
    AUTO(buf_deinit) struct buf note = {0};
    struct heads_file *file;
    struct done done = {0};
    struct error err;
    uint64_t cut;

    (void)state;
    assert_int_equal(run(options.os, &done, &err), BLOCKDB_OK);
    assert_int_equal(heads_file_open(&options, &file, &cut, &err), BLOCKDB_OK);
    assert_int_equal(cut, 0);
    assert_int_equal(heads_file_state(file)->size, 40);
    make_note(40, 2, &note);
    assert_true(slice_equal(buf_slice(&heads_file_state(file)->note), buf_slice(&note)));
    assert_int_equal(heads_file_record_keys(file, slice_of_text("a\n"), &err), BLOCKDB_OK);
    make_note(40, 3, &note); /* cosigned */
    assert_int_equal(heads_file_publish(file, buf_slice(&note), &err), BLOCKDB_OK);
    heads_file_close(file);
    assert_int_equal(heads_file_open(&options, &file, &cut, &err), BLOCKDB_OK);
    assert_true(slice_equal(buf_slice(&heads_file_state(file)->note), buf_slice(&note)));
    assert_true(slice_equal(buf_slice(&heads_file_state(file)->keys), slice_of_text("a\n")));
    heads_file_close(file);
    options.id.epoch++;
    assert_int_equal(heads_file_open(&options, &file, &cut, &err), BLOCKDB_EFOREIGN);
    os_crash_free(disk);
}

static void it_stays_small(void **state)
{
    struct os_crash *disk = new_disk();
    struct heads_file_options options = options_of(os_crash_os(disk));
    struct heads_file *file;
    struct os_stat stat;
    struct error err;
    uint64_t size;
    uint64_t cut;

    (void)state;
    assert_int_equal(heads_file_create(&options, &file, &err), BLOCKDB_OK);
    assert_int_equal(heads_file_record_keys(file, slice_of_text("a\n"), &err), BLOCKDB_OK);
    for (size = 1; size < 200; size++) {
        AUTO(buf_deinit) struct buf note = {0};
        struct hash root = root_of(size);

        make_note(size, 60, &note);
        assert_int_equal(heads_file_intend(file, size, &root, &err), BLOCKDB_OK);
        assert_int_equal(heads_file_publish(file, buf_slice(&note), &err), BLOCKDB_OK);
        assert_int_equal(os_stat_path(options.os, PATH, &stat, &err), BLOCKDB_OK);
        assert_true(stat.len_bytes <= HEADS_FILE_ROLL_BYTES);
    }
    heads_file_close(file);
    assert_int_equal(heads_file_open(&options, &file, &cut, &err), BLOCKDB_OK);
    assert_int_equal(heads_file_state(file)->size, 199);
    assert_int_equal(heads_file_state(file)->note_size, 199);
    assert_int_equal(heads_file_state(file)->keys.len, 2);
    heads_file_close(file);
    os_crash_free(disk);
}

static void a_note_has_a_limit(void **state)
{
    static uint8_t large[HEADS_FILE_BODY_MAX];
    struct os_crash *disk = new_disk();
    struct heads_file_options options = options_of(os_crash_os(disk));
    struct heads_file *file;
    struct error err;

    (void)state;
    assert_int_equal(heads_file_create(&options, &file, &err), BLOCKDB_OK);
    assert_int_equal(heads_file_publish(file, slice_of(large, sizeof(large)), &err),
                     BLOCKDB_ELIMIT);
    heads_file_close(file);
    options.read_only = true;
    {
        uint64_t cut;

        assert_int_equal(heads_file_open(&options, &file, &cut, &err), BLOCKDB_OK);
        assert_int_equal(heads_file_record_keys(file, slice_of_text("a\n"), &err),
                         BLOCKDB_EREADONLY);
        heads_file_close(file);
    }
    os_crash_free(disk);
}

static void every_failed_operation_is_survived(void **state)
{
    static const unsigned classes[] = {OS_FAULT_ALL, OS_FAULT_WRITE, OS_FAULT_SYNC};
    unsigned c;

    (void)state;
    for (c = 0; c < 6; c++) {
        uint64_t n;

        for (n = 1;; n++) {
            struct os_crash *disk = new_disk();
            struct os_fault *fault = os_fault_new(os_crash_os(disk));
            struct os_fault_plan plan = {.classes = classes[c % 3], .nth = n, .partial = c >= 3};
            struct done done = {0};
            struct error err;
            bool fired;

            assert_non_null(fault);
            os_fault_arm(fault, &plan);
            (void)!run(os_fault_os(fault), &done, &err); /* it fails or not */
            fired = os_fault_fired(fault);
            os_fault_arm(fault, NULL);
            check_after(os_crash_os(disk), &done);
            os_fault_free(fault);
            os_crash_free(disk);
            if (!fired) {
                break;
            }
        }
    }
}

static void lack_of_space_passes(void **state)
{
    struct os_crash *disk = new_disk();
    struct heads_file_options options = options_of(os_crash_os(disk));
    AUTO(buf_deinit) struct buf note = {0};
    struct heads_file *file;
    struct hash root = root_of(5);
    struct error err;

    (void)state;
    assert_int_equal(heads_file_create(&options, &file, &err), BLOCKDB_OK);
    os_crash_set_capacity(disk, os_crash_used_bytes(disk));
    assert_int_equal(heads_file_intend(file, 5, &root, &err), BLOCKDB_ENOSPC);
    assert_false(heads_file_state(file)->has_intent);
    os_crash_set_capacity(disk, UINT64_MAX);
    assert_int_equal(heads_file_intend(file, 5, &root, &err), BLOCKDB_OK);
    make_note(5, 1, &note);
    assert_int_equal(heads_file_publish(file, buf_slice(&note), &err), BLOCKDB_OK);
    heads_file_close(file);
    os_crash_free(disk);
}

static void every_power_cut_is_survived(void **state)
{
    unsigned rounds = test_rounds(8, 200);
    unsigned r;

    (void)state;
    for (r = 0; r < rounds; r++) {
        uint64_t n;

        for (n = 1;; n++) {
            struct os_crash *disk = new_disk();
            struct done done = {0};
            struct error err;
            bool is_off;

            os_crash_arm(disk, n);
            (void)!run(os_crash_os(disk), &done, &err); /* it fails or not */
            is_off = os_crash_is_off(disk);
            assert_int_equal(os_crash_restart(disk, seed + r * 1000 + n), BLOCKDB_OK);
            check_after(os_crash_os(disk), &done);
            os_crash_free(disk);
            if (!is_off) {
                break;
            }
        }
    }
}

static void read_file(struct os_crash *disk, struct buf *out)
{
    struct error err;

    buf_reset(out);
    assert_int_equal(os_read_file(os_crash_os(disk), PATH, 1 << 20, out, &err), BLOCKDB_OK);
}

/* Whatever byte is changed: the file is refused, or the head that was shown is still known. */
static void every_changed_byte_is_survived(void **state)
{
    struct os_crash *disk = new_disk();
    struct heads_file_options options = options_of(os_crash_os(disk));
    AUTO(buf_deinit) struct buf bytes = {0};
    struct done done = {0};
    struct error err = {0};
    size_t refused = 0;
    size_t i;

    (void)state;
    assert_int_equal(run(options.os, &done, &err), BLOCKDB_OK);
    read_file(disk, &bytes);
    for (i = 0; i < bytes.len; i++) {
        struct heads_state found = {0};
        struct hash root = root_of(40);
        uint64_t len;
        int rc;

        bytes.data[i] ^= 0x10;
        rc = heads_file_decode(buf_slice(&bytes), &options.id, "heads", &found, &len, &err);
        bytes.data[i] ^= 0x10;
        if (rc < 0) {
            assert_true(rc == BLOCKDB_ECORRUPT || rc == BLOCKDB_EFOREIGN || rc == BLOCKDB_EVERSION);
            refused++;
            continue;
        }
        assert_int_equal(found.size, 40);
        assert_true(hash_equal(&root, &found.root));
        heads_state_deinit(&found);
    }
    assert_true(refused > bytes.len / 2);
    os_crash_free(disk);
}

/* Wherever the file ends: what is whole counts, the rest is cut off. */
static void every_torn_end_is_cut(void **state)
{
    struct os_crash *disk = new_disk();
    struct heads_file_options options = options_of(os_crash_os(disk));
    AUTO(buf_deinit) struct buf bytes = {0};
    struct done done = {0};
    struct error err = {0};
    uint64_t last = 0;
    size_t n;

    (void)state;
    assert_int_equal(run(options.os, &done, &err), BLOCKDB_OK);
    read_file(disk, &bytes);
    for (n = 0; n < bytes.len; n++) {
        struct heads_state found = {0};
        uint64_t len;
        int rc = heads_file_decode(slice_of(bytes.data, n), &options.id, "heads", &found, &len,
                                   &err);

        if (n < HEADS_FILE_HEADER_LEN) {
            assert_int_equal(rc, BLOCKDB_ECORRUPT);
            continue;
        }
        assert_int_equal(rc, BLOCKDB_OK);
        assert_true(len <= n && found.size >= last && found.note_size <= found.size);
        last = found.size;
        heads_state_deinit(&found);
    }
    /* After the cut the file goes on. */
    {
        struct heads_file *file;
        struct os_file *raw;
        uint64_t cut;

        assert_int_equal(os_open(options.os, PATH, OS_READ | OS_WRITE, &raw, &err), BLOCKDB_OK);
        assert_int_equal(file_truncate(raw, bytes.len - 3, &err), BLOCKDB_OK);
        file_close(raw);
        assert_int_equal(heads_file_open(&options, &file, &cut, &err), BLOCKDB_OK);
        assert_true(cut > 0);
        assert_int_equal(heads_file_state(file)->note_size, 30);
        heads_file_close(file);
        assert_int_equal(heads_file_open(&options, &file, &cut, &err), BLOCKDB_OK);
        assert_int_equal(cut, 0);
        assert_int_equal(heads_file_state(file)->size, 40);
        assert_int_equal(heads_file_state(file)->note_size, 30);
        heads_file_close(file);
    }
    os_crash_free(disk);
}

struct countdown {
    unsigned left;
    bool fired;
};

static bool fail_nth(void *context)
{
    struct countdown *c = context;

    if (c->left > 0 && --c->left == 0) {
        c->fired = true;
        return true;
    }
    return false;
}

static void every_lack_of_memory_is_survived(void **state)
{
    struct countdown c = {0};
    unsigned n = 0;

    (void)state;
    do {
        struct os_crash *disk = new_disk();
        struct done done = {0};
        struct error err;

        c = (struct countdown){.left = ++n};
        mem_set_fail_hook(fail_nth, &c);
        {
            struct heads_file_options options = options_of(os_crash_os(disk));
            struct heads_file *file = NULL;
            struct hash root = root_of(5);
            int rc = heads_file_create(&options, &file, &err);

            if (rc == BLOCKDB_OK) {
                done.created = true;
                rc = heads_file_intend(file, 5, &root, &err);
                done.intended = rc == BLOCKDB_OK ? 5 : 0;
                heads_file_close(file);
            }
            assert_true(rc == BLOCKDB_OK || rc == BLOCKDB_ENOMEM);
        }
        mem_set_fail_hook(NULL, NULL);
        check_after(os_crash_os(disk), &done);
        os_crash_free(disk);
    } while (c.fired);
    assert_true(n > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_remembers),
        cmocka_unit_test(it_stays_small),
        cmocka_unit_test(a_note_has_a_limit),
        cmocka_unit_test(every_failed_operation_is_survived),
        cmocka_unit_test(lack_of_space_passes),
        cmocka_unit_test(every_power_cut_is_survived),
        cmocka_unit_test(every_changed_byte_is_survived),
        cmocka_unit_test(every_torn_end_is_cut),
        cmocka_unit_test(every_lack_of_memory_is_survived),
    };

    seed = test_seed();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
