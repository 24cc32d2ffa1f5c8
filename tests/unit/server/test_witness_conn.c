/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes to a witness and back: the same answers however the bytes come, refusals, limits, and any
 * allocation that fails.
 */
#include "server/witness_conn.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int get(void *context, const struct hash *log, struct witness_head *out,
               struct buf *out_note, struct error *err)
{
    (void)context;
    (void)log;
    (void)out;
    (void)out_note;
    return error_set(err, BLOCKDB_ENOTFOUND, "nothing was seen");
}

static struct witness *witness;

static int setup(void **state)
{
    static const uint8_t seed[ED25519_SEED_LEN] = {1};
    static struct signing_key key;
    static struct verifier_key log;
    struct witness_options options = {.key = &key, .keys = &log, .key_count = 1};

    (void)state;
    options.heads.get = get;
    assert_int_equal(signing_key_init(&key, slice_of_text("w"), KEY_TYPE_COSIGNATURE, seed, NULL),
                     0);
    assert_int_equal(
        verifier_key_parse(slice_of_text("example.com/log/testdata+33d7b496+"
                                         "AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"),
                           &log, NULL),
        0);
    return witness_new(&options, &witness, NULL);
}

static int teardown(void **state)
{
    (void)state;
    witness_free(witness);
    return 0;
}

/* Feeds text, step bytes at a time; its answers are in out, zero-terminated. */
static int feed(const char *text, size_t step, bool closes, struct buf *out)
{
    struct witness_conn c = {.witness = witness, .os = os_real()};
    size_t len = strlen(text);
    int rc = 0;

    for (size_t at = 0; at < len && rc == 0; at += step) {
        rc = witness_conn_feed(&c, slice_of(text + at, len - at < step ? len - at : step), closes);
    }
    if (rc == 0) {
        rc = buf_append_slice(out, witness_conn_output(&c));
        witness_conn_sent(&c, witness_conn_output(&c).len);
        assert_int_equal(witness_conn_output(&c).len, 0);
    }
    witness_conn_deinit(&c);
    return rc == 0 ? buf_append_u8(out, 0) : rc;
}

static unsigned count(const struct buf *out, const char *part)
{
    unsigned n = 0;

    for (const char *at = strstr((const char *)out->data, part); at != NULL;
         at = strstr(at + 1, part)) {
        n++;
    }
    return n;
}

struct vector {
    const char *text;
    const char *part; /* of the answers */
    unsigned answers;
};

static const struct vector vectors[] = {
    {"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404 ", 1},
    {"\r\nGET /a HTTP/1.0\r\n\r\nGET /b HTTP/1.0\r\n\r\n", "Connection: close", 1},
    {"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "Connection: keep-alive", 1},
    {"GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n", "404", 2},
    {"POST /add-checkpoint HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nold", "400", 1},
    {"POST /add-checkpoint HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
     "3\r\nold\r\n0\r\n\r\nGET /a HTTP/1.1\r\nHost: x\r\n\r\n",
     "404", 2},
    {"POST /add-checkpoint HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nx", "400", 1},
    {"POST /add-checkpoint HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n10001\r\n",
     "413", 1},
    {"POST /add-checkpoint HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\n", "413", 1},
    {"POST /add-checkpoint HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n"
     "\r\nold",
     "100 Continue", 2},
    {"GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", "400", 1},
    {"GET / HTTP/1.1\nHost: x\n\n", "400", 1},
};

static void test_answers(void **state)
{
    static const size_t steps[] = {1, 7, 100000};

    (void)state;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        for (size_t s = 0; s < sizeof(steps) / sizeof(steps[0]); s++) {
            AUTO(buf_deinit) struct buf out = {0};

            assert_int_equal(feed(vectors[i].text, steps[s], false, &out), 0);
            if (count(&out, "HTTP/1.1 ") != vectors[i].answers) {
                print_error("%s\n-> %s\n", vectors[i].text, (const char *)out.data);
            }
            assert_int_equal(count(&out, "HTTP/1.1 "), vectors[i].answers);
            assert_true(count(&out, vectors[i].part) > 0);
        }
    }
}

static void test_limits(void **state)
{
    static char text[WITNESS_HEAD_MAX + 100];
    AUTO(buf_deinit) struct buf out = {0};
    AUTO(buf_deinit) struct buf closing = {0};

    (void)state;
    memset(text, 'a', sizeof(text) - 1);
    memcpy(text, "GET /", 5);
    assert_int_equal(feed(text, 1000, false, &out), 0);
    assert_int_equal(count(&out, "HTTP/1.1 431 "), 1);
    assert_int_equal(feed("GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /a", 1000, true, &closing), 0);
    assert_int_equal(count(&closing, "Connection: close"), 1);
}

static bool is_spent(void *context)
{
    int *left = context;

    return (*left)-- == 0;
}

static void test_short_memory(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        int rc = BLOCKDB_ENOMEM;

        for (int n = 0; rc != 0 && n < 100; n++) {
            AUTO(buf_deinit) struct buf out = {0};
            int left = n;

            mem_set_fail_hook(is_spent, &left);
            rc = feed(vectors[i].text, 100000, false, &out);
            mem_set_fail_hook(NULL, NULL);
            assert_true(rc == 0 || rc == BLOCKDB_ENOMEM);
        }
        assert_int_equal(rc, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_short_memory),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
