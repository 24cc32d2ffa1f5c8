/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proof files: their form, and everything that is none. What they prove is in test_golden_log.c.
 */
#include "base/base64.h"
#include "base/mem.h"
#include "c2sp.h"
#include "ledger/tlog_proof.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define FIRST "c2sp.org/tlog-proof@v1\n"
#define HASH LOG_ROOT_15 "\n"

static void the_parts(void **state)
{
    struct tlog_proof proof;

    assert_int_equal(tlog_proof_parse(slice_of_text(PROOF_FILE), &proof, NULL), BLOCKDB_OK);
    assert_int_equal(proof.extra.len, 0);
    assert_int_equal(proof.index, 6);
    assert_int_equal(proof.proof.count, 4);
    assert_true(slice_equal(proof.note, slice_of_text(COSIGNED_NOTE_15)));
    assert_int_equal(
        tlog_proof_parse(slice_of_text(FIRST "extra YWJj\nindex 0\n\nnote"), &proof, NULL),
        BLOCKDB_OK);
    assert_true(slice_equal(proof.extra, slice_of_text("YWJj")));
    assert_int_equal(proof.index, 0);
    assert_int_equal(proof.proof.count, 0);
    assert_true(slice_equal(proof.note, slice_of_text("note")));
}

static void both_ways(void **state)
{
    AUTO(buf_deinit) struct buf file = {0};
    struct proof hashes = {.count = PROOF_HASHES_MAX};
    struct tlog_proof proof;
    uint8_t extra[3];

    for (size_t i = 0; i < PROOF_HASHES_MAX; i++) {
        memset(hashes.hashes[i].bytes, (int)i, SHA256_LEN);
    }
    assert_int_equal(tlog_proof_append(&file, slice_of_text("abc"), UINT64_MAX, &hashes,
                                       slice_of_text(LOG_NOTE_15)),
                     BLOCKDB_OK);
    assert_int_equal(tlog_proof_parse(buf_slice(&file), &proof, NULL), BLOCKDB_OK);
    assert_true(proof.index == UINT64_MAX);
    assert_int_equal(proof.proof.count, hashes.count);
    assert_memory_equal(proof.proof.hashes, hashes.hashes, sizeof hashes.hashes);
    assert_true(slice_equal(proof.note, slice_of_text(LOG_NOTE_15)));
    assert_int_equal(base64_decode(proof.extra, extra, sizeof extra), BLOCKDB_OK);
    assert_memory_equal(extra, "abc", 3);
}

static void malformed_proofs(void **state)
{
    static const struct {
        const char *text;
        const char *message;
    } cases[] = {
        {"", "first line"},
        {"c2sp.org/tlog-proof@v1", "first line"},
        {"c2sp.org/tlog-proof@v2\nindex 0\n\nnote", "first line"},
        {" " FIRST "index 0\n\nnote", "first line"},
        {"c2sp.org/tlog-proof@v1\r\nindex 0\n\nnote", "first line"},
        {"\n" FIRST "index 0\n\nnote", "first line"},
        {FIRST, "line 1"},
        {FIRST "index 0", "line 1"},
        {FIRST "index 0\n", "line 2"},
        {FIRST "index 0\n\n", "line 3"},
        {FIRST "\nindex 0\n\nnote", "line 2"},
        {FIRST "index\n\nnote", "line 2"},
        {FIRST "index \n\nnote", "line 2"},
        {FIRST "index  0\n\nnote", "line 2"},
        {FIRST "index 00\n\nnote", "line 2"},
        {FIRST "index 06\n\nnote", "line 2"},
        {FIRST "index -1\n\nnote", "line 2"},
        {FIRST "index 0 \n\nnote", "line 2"},
        {FIRST "index 0\r\n\nnote", "line 2"},
        {FIRST "index 18446744073709551616\n\nnote", "line 2"},
        {FIRST "Index 0\n\nnote", "line 2"},
        {FIRST "index\t0\n\nnote", "line 2"},
        {FIRST "extra\nindex 0\n\nnote", "line 2"},
        {FIRST "extra \nindex 0\n\nnote", "line 2"},
        {FIRST "extra YWJ\nindex 0\n\nnote", "line 2"},
        {FIRST "extra YWJj \nindex 0\n\nnote", "line 2"},
        {FIRST "extra YW-j\nindex 0\n\nnote", "line 2"},
        {FIRST "extra YWJj\n", "line 2"},
        {FIRST "extra YWJj\nextra YWJj\nindex 0\n\nnote", "line 3"},
        {FIRST "extra YWJj\n\nindex 0\n\nnote", "line 3"},
        {FIRST "index 0\nextra YWJj\n\nnote", "line 3"},
        {FIRST "index 0\nindex 0\n\nnote", "line 3"},
        {FIRST "index 0\n" HASH, "line 3"},
        {FIRST "index 0\n" HASH LOG_ROOT_15, "line 3"},
        {FIRST "index 0\nYWJj\n\nnote", "line 3"},
        {FIRST "index 0\n" HASH " \n\nnote", "line 4"},
        {FIRST "index 0\n" HASH "rKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cvL\n\nn", "line 4"},
        {FIRST "index 0\n" HASH "rKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383ct=\n\nn", "line 4"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tlog_proof proof;
        struct error err;

        if (tlog_proof_parse(slice_of_text(cases[i].text), &proof, &err) != BLOCKDB_ECORRUPT ||
            strstr(err.message, cases[i].message) == NULL) {
            fail_msg("%s\n%s", err.message, cases[i].text);
        }
    }
}

static void too_many_hashes(void **state)
{
    AUTO(buf_deinit) struct buf file = {0};
    struct tlog_proof proof;

    assert_int_equal(buf_appendf(&file, FIRST "index 0\n"), BLOCKDB_OK);
    for (int i = 0; i <= PROOF_HASHES_MAX; i++) {
        assert_int_equal(buf_appendf(&file, HASH), BLOCKDB_OK);
    }
    assert_int_equal(buf_appendf(&file, "\nnote"), BLOCKDB_OK);
    assert_int_equal(tlog_proof_parse(buf_slice(&file), &proof, NULL), BLOCKDB_ELIMIT);
}

static bool fail_nth(void *context)
{
    int *left = context;

    return --*left == 0;
}

static void short_of_memory(void **state)
{
    AUTO(buf_deinit) struct buf note = {0};
    struct proof hashes = {.count = PROOF_HASHES_MAX};
    int rc = BLOCKDB_ENOMEM;
    int n;

    assert_int_equal(buf_append_zeros(&note, 10000), BLOCKDB_OK);
    for (n = 1; rc == BLOCKDB_ENOMEM; n++) {
        AUTO(buf_deinit) struct buf file = {0};
        int left;

        assert_int_equal(buf_append_u8(&file, 'x'), BLOCKDB_OK);
        left = n;
        mem_set_fail_hook(fail_nth, &left);
        rc = tlog_proof_append(&file, slice_of_text("extra"), 1, &hashes, buf_slice(&note));
        mem_set_fail_hook(NULL, NULL);
        assert_int_equal(file.len == 1, rc == BLOCKDB_ENOMEM);
    }
    assert_int_equal(rc, BLOCKDB_OK);
    assert_true(n > 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_parts),        cmocka_unit_test(both_ways),
        cmocka_unit_test(malformed_proofs), cmocka_unit_test(too_many_hashes),
        cmocka_unit_test(short_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
