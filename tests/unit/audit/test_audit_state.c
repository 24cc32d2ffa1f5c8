/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state file of an audit: encoding, damage, replacement.
 */
#include "audit/audit_state.h"

#include "base/checksum.h"
#include "base/mem.h"
#include "ledger/checkpoint.h"
#include "ledger/merkle.h"
#include "os/os.h"
#include "os/os_fault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void make_head(struct audit_head *head, const char *origin, uint64_t size, uint8_t byte)
{
    struct checkpoint checkpoint = {.origin = slice_of_text(origin), .size = size};

    memset(checkpoint.root.bytes, byte, SHA256_LEN);
    *head = (struct audit_head){.size = size, .root = checkpoint.root};
    assert_int_equal(checkpoint_append(&head->note, &checkpoint), 0);
}

/* Two heads, and a position between them. */
static void make_state(struct audit_state *state)
{
    audit_state_init(state);
    make_head(&state->head, "example.org/log", 1000, 1);
    make_head(&state->seen, "example.org/log", 5000, 2);
    assert_int_equal(buf_appendf(&state->seen.note, "\n\u2014 name AAAA\n"), 0);
    state->frontier.size = 1301;
    for (unsigned h = 0; h < FRONTIER_PEAKS_MAX; h++) {
        if ((state->frontier.size >> h & 1) != 0) {
            memset(state->frontier.peaks[h].bytes, (int)h + 1, SHA256_LEN);
        }
    }
    state->last_header = (struct block_header){
        .height = 12, .first_seq = 1290, .count = 10, .tree_size = 1300, .time_ms = 77};
    state->counts = (struct audit_counts){
        .blocks = 13, .puts = 1200, .deletes = 85, .redactions = 1, .epochs = 1, .configs = 1};
    state->epoch = 3;
}

static void test_round_trip(void **unused)
{
    struct audit_state state;
    struct audit_state again = {0};
    struct buf bytes = {0};
    struct buf more = {0};

    (void)unused;
    make_state(&state);
    assert_int_equal(audit_state_encode(&state, &bytes), 0);
    assert_int_equal(audit_state_decode(buf_slice(&bytes), &again, NULL), 0);
    assert_int_equal(again.frontier.size, 1301);
    assert_int_equal(again.head.size, 1000);
    assert_int_equal(again.seen.size, 5000);
    assert_int_equal(again.counts.puts, 1200);
    assert_int_equal(again.last_header.height, 12);
    assert_int_equal(again.epoch, 3);
    assert_true(slice_equal(audit_head_origin(&again.head), slice_of_text("example.org/log")));
    assert_int_equal(audit_state_encode(&again, &more), 0);
    assert_true(slice_equal(buf_slice(&bytes), buf_slice(&more)));
    buf_deinit(&bytes);
    buf_deinit(&more);
    audit_state_deinit(&state);
    audit_state_deinit(&again);
}

/* Each byte, with the checksum as it was and made anew: never another state. */
static void test_damage(void **unused)
{
    struct audit_state state;
    struct buf good = {0};

    (void)unused;
    make_state(&state);
    assert_int_equal(audit_state_encode(&state, &good), 0);
    for (size_t at = 0; at < good.len; at++) {
        for (unsigned fixed = 0; fixed < 2; fixed++) {
            struct audit_state out = {0};
            struct buf bytes = {0};
            struct error err;
            size_t end = good.len - 8;

            assert_int_equal(buf_append_slice(&bytes, buf_slice(&good)), 0);
            bytes.data[at] ^= 0x10;
            if (fixed) {
                put_le64(bytes.data + end, checksum(bytes.data, end, 0));
            }
            if (audit_state_decode(buf_slice(&bytes), &out, &err) == 0) {
                assert_true(fixed); /* a number or a hash that may as well be so */
            } else {
                assert_int_equal(out.frontier.size, 0);
            }
            audit_state_deinit(&out);
            buf_deinit(&bytes);
        }
    }
    for (size_t len = 0; len < good.len; len++) {
        struct audit_state out = {0};

        assert_true(audit_state_decode(slice_of(good.data, len), &out, NULL) < 0);
    }
    buf_deinit(&good);
    audit_state_deinit(&state);
}

static int code_of(struct buf *bytes)
{
    struct audit_state out = {0};
    size_t end = bytes->len - 8;
    int rc;

    put_le64(bytes->data + end, checksum(bytes->data, end, 0));
    rc = audit_state_decode(buf_slice(bytes), &out, NULL);
    audit_state_deinit(&out);
    return rc;
}

static void test_versions(void **unused)
{
    struct audit_state state;
    struct buf bytes = {0};

    (void)unused;
    make_state(&state);
    assert_int_equal(audit_state_encode(&state, &bytes), 0);
    bytes.data[16] = 1; /* a feature that may be ignored */
    assert_int_equal(code_of(&bytes), BLOCKDB_OK);
    bytes.data[24] = 1;
    assert_int_equal(code_of(&bytes), BLOCKDB_EVERSION);
    bytes.data[24] = 0;
    bytes.data[8] = 2;
    assert_int_equal(code_of(&bytes), BLOCKDB_EVERSION);
    bytes.data[8] = 0;
    assert_int_equal(code_of(&bytes), BLOCKDB_ECORRUPT);
    bytes.data[8] = 1;
    bytes.data[0] = 'X';
    assert_int_equal(code_of(&bytes), BLOCKDB_EFOREIGN);
    buf_deinit(&bytes);
    audit_state_deinit(&state);
}

typedef void (*change_fn)(struct audit_state *state);

static void no_position(struct audit_state *s)
{
    s->frontier.size = 900; /* before the head */
}

static void position_behind(struct audit_state *s)
{
    s->seen.size = 1301;
}

static void other_header(struct audit_state *s)
{
    s->last_header.count++;
    s->last_header.tree_size++;
}

static void other_count(struct audit_state *s)
{
    s->counts.puts++;
}

static void other_height(struct audit_state *s)
{
    s->last_header.height++;
}

static void seen_smaller(struct audit_state *s)
{
    audit_head_deinit(&s->seen);
    make_head(&s->seen, "example.org/log", 1000, 3);
}

static void other_origin(struct audit_state *s)
{
    audit_head_deinit(&s->seen);
    make_head(&s->seen, "example.org/other", 6000, 3);
}

static void other_root(struct audit_state *s)
{
    s->head.root.bytes[0]++;
}

static void test_contradictions(void **unused)
{
    static const change_fn changes[] = {no_position,  position_behind, other_header, other_count,
                                        other_height, seen_smaller,    other_origin, other_root};

    (void)unused;
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        struct audit_state state;
        struct audit_state out = {0};
        struct buf bytes = {0};

        make_state(&state);
        changes[i](&state);
        assert_int_equal(audit_state_encode(&state, &bytes), 0);
        assert_int_equal(audit_state_decode(buf_slice(&bytes), &out, NULL), BLOCKDB_ECORRUPT);
        buf_deinit(&bytes);
        audit_state_deinit(&state);
    }
}

static bool fail_nth(void *context)
{
    unsigned *left = context;

    return *left > 0 && --*left == 0;
}

static void test_allocation_failures(void **unused)
{
    struct audit_state state;
    struct buf good = {0};

    (void)unused;
    make_state(&state);
    assert_int_equal(audit_state_encode(&state, &good), 0);
    for (unsigned n = 1; n < 10; n++) {
        struct audit_state out = {0};
        struct audit_head copy = {0};
        struct buf bytes = {0};
        unsigned left = n;
        int rc;

        mem_set_fail_hook(fail_nth, &left);
        rc = audit_state_decode(buf_slice(&good), &out, NULL);
        if (rc == 0) {
            rc = audit_state_encode(&out, &bytes);
        }
        if (rc == 0) {
            rc = audit_head_copy(&copy, &out.head);
        }
        mem_set_fail_hook(NULL, NULL);
        assert_int_equal(rc, left == 0 ? BLOCKDB_ENOMEM : BLOCKDB_OK);
        audit_head_deinit(&copy);
        buf_deinit(&bytes);
        audit_state_deinit(&out);
    }
    buf_deinit(&good);
    audit_state_deinit(&state);
}

/* STATE-3: whatever fails, the file is the old state or the new one. */
static void test_replacement(void **unused)
{
    char dir[] = "/tmp/blockdb-state-XXXXXX";
    char path[64];
    struct os_fault *fault = os_fault_new(os_real());
    struct audit_state state;

    (void)unused;
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof(path), "%s/state", dir);
    make_state(&state);
    assert_int_equal(audit_state_store(os_real(), path, &state, NULL), 0);
    for (unsigned n = 1;; n++) {
        struct audit_state out = {0};
        struct error err;
        int rc;

        state.epoch = 3 + n;
        os_fault_arm(fault, &(struct os_fault_plan){.classes = OS_FAULT_ALL, .nth = n});
        rc = audit_state_store(os_fault_os(fault), path, &state, &err);
        assert_int_equal(audit_state_load(os_real(), path, &out, &err), 0);
        assert_true(out.epoch == 3 + n || (rc < 0 && out.epoch < 3 + n));
        audit_state_deinit(&out);
        if (!os_fault_fired(fault)) {
            assert_int_equal(rc, 0);
            break;
        }
    }
    assert_int_equal(os_unlink(os_real(), path, NULL), 0);
    assert_int_equal(audit_state_load(os_real(), path, &state, NULL), BLOCKDB_ENOTFOUND);
    audit_state_deinit(&state);
    os_fault_free(fault);
    IGNORE_RESULT(os_rmdir(os_real(), dir, NULL)); /* may hold what a failure left */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_contradictions),
        cmocka_unit_test(test_allocation_failures),
        cmocka_unit_test(test_replacement),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
