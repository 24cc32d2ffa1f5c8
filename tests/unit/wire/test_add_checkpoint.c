/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The request and answers of add-checkpoint: one form, limits, every malformed line, no memory.
 */
#include "base/mem.h"
#include "wire/add_checkpoint.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define HASH_1 "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n"
#define NOTE "log\n1\nx\n\nsignature\n"

static int decode(const char *text, struct add_checkpoint *out, struct error *err)
{
    return add_checkpoint_decode(slice_of_text(text), out, err);
}

static void test_form(void **state)
{
    static const char text[] = "old 20852014\n" HASH_1 HASH_1 "\n" NOTE;
    AUTO(buf_deinit) struct buf again = {0};
    struct add_checkpoint request;
    struct error err;

    (void)state;
    assert_int_equal(decode(text, &request, &err), 0);
    assert_int_equal(request.old_size, 20852014);
    assert_int_equal(request.proof_count, 2);
    assert_int_equal(request.proof[1].bytes[0], 0x3e);
    assert_true(slice_equal(request.note, slice_of_text(NOTE)));
    assert_int_equal(add_checkpoint_append(&again, &request), 0);
    assert_true(slice_equal(buf_slice(&again), slice_of_text(text)));

    assert_int_equal(decode("old 0\n\n", &request, &err), 0);
    assert_int_equal(request.note.len, 0);
    assert_int_equal(decode("old 18446744073709551615\n\n" NOTE, &request, &err), 0);
    assert_true(request.old_size == UINT64_MAX);
}

static void test_malformed(void **state)
{
    static const struct {
        const char *text;
        const char *line; /* that the message names */
    } cases[] = {
        {"", "line 1"},
        {"old 1", "line 1"},
        {"\n", "line 1"},
        {"new 1\n\n", "line 1"},
        {"old\n\n", "line 1"},
        {"old \n\n", "line 1"},
        {"old  1\n\n", "line 1"},
        {"old 01\n\n", "line 1"},
        {"old -1\n\n", "line 1"},
        {"old +1\n\n", "line 1"},
        {"old 1 \n\n", "line 1"},
        {"old 1\r\n\r\n", "line 1"},
        {"Old 1\n\n", "line 1"},
        {"old 18446744073709551616\n\n", "line 1"},
        {"old 1\n", "line 2"},
        {"old 1\n" HASH_1, "line 3"},
        {"old 1\nx", "line 2"},
        {"old 1\nAAAA\n\n", "line 2"},
        {"old 1\n" HASH_1 "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkax=\n\n", "line 3"},
        {"old 1\n" HASH_1 "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw\n\n", "line 3"},
        {"old 1\n PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n\n", "line 2"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct add_checkpoint request;
        struct error err = {0};

        assert_int_equal(decode(cases[i].text, &request, &err), BLOCKDB_ECORRUPT);
        if (strstr(err.message, cases[i].line) == NULL) {
            fail_msg("case %zu: %s", i, err.message);
        }
    }
}

static void test_limits(void **state)
{
    AUTO(buf_deinit) struct buf text = {0};
    struct add_checkpoint request = {0};
    struct error err;
    size_t i;

    (void)state;
    assert_int_equal(buf_appendf(&text, "old 1\n"), 0);
    for (i = 0; i < ADD_CHECKPOINT_HASHES_MAX; i++) {
        assert_int_equal(buf_appendf(&text, HASH_1), 0);
    }
    assert_int_equal(buf_appendf(&text, "\n" NOTE), 0);
    assert_int_equal(add_checkpoint_decode(buf_slice(&text), &request, &err), 0);
    assert_int_equal(request.proof_count, ADD_CHECKPOINT_HASHES_MAX);

    request.proof_count++;
    buf_reset(&text);
    assert_int_equal(add_checkpoint_append(&text, &request), BLOCKDB_EINVAL);
    assert_int_equal(text.len, 0);
    assert_int_equal(buf_appendf(&text, "old 1\n"), 0);
    for (i = 0; i <= ADD_CHECKPOINT_HASHES_MAX; i++) {
        assert_int_equal(buf_appendf(&text, HASH_1), 0);
    }
    assert_int_equal(buf_appendf(&text, "\n" NOTE), 0);
    assert_int_equal(add_checkpoint_decode(buf_slice(&text), &request, &err), BLOCKDB_ECORRUPT);

    /* The longest note fits exactly. */
    buf_reset(&text);
    assert_int_equal(buf_appendf(&text, "old 0\n\n"), 0);
    assert_int_equal(buf_append_zeros(&text, ADD_CHECKPOINT_LEN_MAX - text.len), 0);
    assert_int_equal(add_checkpoint_decode(buf_slice(&text), &request, &err), 0);
    assert_int_equal(buf_append_u8(&text, 0), 0);
    assert_int_equal(add_checkpoint_decode(buf_slice(&text), &request, &err), BLOCKDB_ELIMIT);
    request.note = slice_of(text.data, ADD_CHECKPOINT_LEN_MAX - strlen("old 0\n\n"));
    request.old_size = 10; /* one digit more than fits */
    {
        AUTO(buf_deinit) struct buf out = {0};

        assert_int_equal(add_checkpoint_append(&out, &request), BLOCKDB_ELIMIT);
        request.note = buf_slice(&text);
        assert_int_equal(add_checkpoint_append(&out, &request), BLOCKDB_ELIMIT);
        assert_int_equal(out.len, 0);
    }
}

static void test_size(void **state)
{
    static const char *const wrong[] = {"", "1", "\n", "01\n", "1\n\n", " 1\n", "-1\n", "1\r\n"};
    char text[ADD_CHECKPOINT_SIZE_LEN_MAX + 1];
    uint64_t size = 7;
    size_t len;
    size_t i;

    (void)state;
    len = add_checkpoint_size_format(text, UINT64_MAX);
    assert_int_equal(len, ADD_CHECKPOINT_SIZE_LEN_MAX);
    assert_int_equal(add_checkpoint_size_parse(slice_of(text, len), &size), 0);
    assert_true(size == UINT64_MAX);
    len = add_checkpoint_size_format(text, 0);
    assert_true(slice_equal(slice_of(text, len), slice_of_text("0\n")));
    for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(add_checkpoint_size_parse(slice_of_text(wrong[i]), &size), BLOCKDB_EINVAL);
    }
    assert_true(size == UINT64_MAX);
}

static bool fail_nth(void *context)
{
    size_t *left = context;

    return --*left == 0;
}

static void test_no_memory(void **state)
{
    struct add_checkpoint request = {.old_size = 1, .note = slice_of_text(NOTE), .proof_count = 63};
    int rc = BLOCKDB_ENOMEM;
    size_t n;

    (void)state;
    for (n = 1; rc == BLOCKDB_ENOMEM; n++) {
        AUTO(buf_deinit) struct buf out = {0};
        size_t left = n;

        mem_set_fail_hook(fail_nth, &left);
        rc = add_checkpoint_append(&out, &request);
        mem_set_fail_hook(NULL, NULL);
        assert_true(rc == BLOCKDB_OK || out.len == 0);
    }
    assert_int_equal(rc, 0);
    assert_true(n > 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_form),      cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_limits),    cmocka_unit_test(test_size),
        cmocka_unit_test(test_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
