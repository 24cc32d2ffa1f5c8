/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers of HTTP: good ones in all forms and in pieces of every length, bad ones refused.
 */
#include "base/mem.h"
#include "client/answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define BODY_MAX 1000

/* Gives bytes in pieces of at most `step`; stops at the first failure. */
static int feed(struct answer *a, const char *bytes, size_t len, size_t step)
{
    size_t at = 0;

    while (at < len) {
        size_t room = 0;
        void *to = answer_room(a, &room);
        size_t n = len - at < step ? len - at : step;
        struct error err;
        int rc;

        if (to == NULL) {
            return BLOCKDB_ENOMEM;
        }
        n = n < room ? n : room;
        memcpy(to, bytes + at, n);
        rc = answer_received(a, n, &err);
        if (rc < 0) {
            assert_false(a->keeps_alive && answer_is_done(a));
            return rc;
        }
        at += n;
    }
    return 0;
}

struct good {
    const char *bytes;
    const char *body;
    int status;
    bool keeps_alive;
    bool ends; /* the server closes after it */
    bool is_head_only;
};

static const struct good goods[] = {
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello", 200, true, false, false},
    {"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "", 200, true, false, false},
    {"HTTP/1.1 204 No Content\r\n\r\n", "", 204, true, false, false},
    {"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", "", 200, true, false, true},
    {"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", "hi", 200, false, false, false},
    {"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi", "hi", 200, true,
     false, false},
    {"HTTP/1.1 404 x\r\nConnection: x, close\r\nContent-Length: 2\r\n\r\nno", "no", 404, false,
     false, false},
    {"HTTP/1.1 200 OK\r\n\r\nuntil the end", "until the end", 200, false, true, false},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n"
     "Trailer: t\r\n\r\n",
     "abc0123456789", 200, true, false, false},
    {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 x\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\n"
     "Content-Length: 1\r\nContent-Length: 1\r\n\r\n!",
     "!", 200, true, false, false},
    {"HTTP/1.1 200 OK\nContent-Length: 1\n\n!", "!", 200, true, false, false},
};

static void test_good(void **state)
{
    size_t i;
    size_t step;

    (void)state;
    for (i = 0; i < sizeof(goods) / sizeof(goods[0]); i++) {
        size_t len = strlen(goods[i].bytes);

        for (step = 1; step <= len; step++) {
            AUTO(answer_deinit) struct answer a = {0};
            struct error err;

            answer_reset(&a, BODY_MAX, goods[i].is_head_only);
            assert_int_equal(feed(&a, goods[i].bytes, len, step), 0);
            assert_int_equal(answer_is_done(&a), !goods[i].ends);
            if (goods[i].ends) {
                assert_int_equal(answer_ended(&a, &err), 0);
                assert_true(answer_is_done(&a));
            }
            assert_int_equal(a.status, goods[i].status);
            assert_int_equal(a.keeps_alive, goods[i].keeps_alive);
            assert_true(slice_equal(answer_body(&a), slice_of_text(goods[i].body)));
        }
    }
}

/* Without its last byte none of them is complete, wherever it is cut. */
static void test_cut(void **state)
{
    size_t i;
    size_t len;

    (void)state;
    for (i = 0; i < sizeof(goods) / sizeof(goods[0]); i++) {
        for (len = 0; !goods[i].ends && len < strlen(goods[i].bytes); len++) {
            AUTO(answer_deinit) struct answer a = {0};
            struct error err;

            answer_reset(&a, BODY_MAX, goods[i].is_head_only);
            assert_int_equal(feed(&a, goods[i].bytes, len, len + 1), 0);
            assert_false(answer_is_done(&a));
            assert_int_equal(answer_is_untouched(&a), len == 0);
            assert_int_equal(answer_ended(&a, &err), BLOCKDB_EIO);
        }
    }
}

static void test_headers(void **state)
{
    static const char bytes[] = "HTTP/1.1 421 Elsewhere\r\nblockdb-LEADER:  http://n2:8080 \r\n"
                                "Location: /x\r\nRetry-After: 7\r\nContent-Type: text/plain\r\n"
                                "Content-Length: 0\r\n\r\n";
    AUTO(answer_deinit) struct answer a = {0};

    (void)state;
    answer_reset(&a, BODY_MAX, false);
    assert_int_equal(a.retry_after_s, ANSWER_NO_RETRY);
    assert_int_equal(feed(&a, bytes, sizeof(bytes) - 1, 7), 0);
    assert_true(answer_is_done(&a));
    assert_string_equal(a.leader, "http://n2:8080");
    assert_string_equal(a.location, "/x");
    assert_string_equal(a.content_type, "text/plain");
    assert_int_equal(a.retry_after_s, 7);
    answer_reset(&a, BODY_MAX, false);
    assert_string_equal(a.leader, "");
}

static void test_bad(void **state)
{
    static const struct {
        const char *bytes;
        int rc;
    } bads[] = {
        {"HTTP/2 200 OK\r\n\r\n", BLOCKDB_EIO},
        {"HTTP/1.1 2000 OK\r\n\r\n", BLOCKDB_EIO},
        {"HTTP/1.1 099 OK\r\n\r\n", BLOCKDB_EIO},
        {"HTTP/1.1 700 OK\r\n\r\n", BLOCKDB_EIO},
        {"\r\n\r\n", BLOCKDB_EIO},
        {"SSH-2.0-OpenSSH\r\n\r\n", BLOCKDB_EIO},
        {"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", BLOCKDB_EIO},
        {"HTTP/1.1 200 OK\r\n: x\r\n\r\n", BLOCKDB_EIO},
        {"HTTP/1.1 200 OK\r\nA b: x\r\n\r\n", BLOCKDB_EIO},
        {"HTTP/1.1 200 OK\r\nA: x\r\n folded\r\n\r\n", BLOCKDB_EIO},
        {"HTTP/1.1 200 OK\r\nA: \x01\r\n\r\n", BLOCKDB_EIO},
        {"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", BLOCKDB_EIO},
        {"HTTP/1.1 200 OK\r\nContent-Length: 1 2\r\n\r\n", BLOCKDB_EIO},
        {"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", BLOCKDB_EIO},
        {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", BLOCKDB_EIO},
        {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", BLOCKDB_EIO},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", BLOCKDB_EIO},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", BLOCKDB_EIO},
        {"HTTP/1.1 101 Switching\r\n\r\n", BLOCKDB_EIO},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n", BLOCKDB_EIO},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", BLOCKDB_EIO},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", BLOCKDB_EIO},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1111111111111111\r\n", BLOCKDB_EIO},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7ffffffffffffff\r\nx", 0},
        {"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\nx", BLOCKDB_ELIMIT},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(bads) / sizeof(bads[0]); i++) {
        size_t step;

        for (step = 1; step <= 64; step *= 8) {
            AUTO(answer_deinit) struct answer a = {0};

            answer_reset(&a, BODY_MAX, false);
            assert_int_equal(feed(&a, bads[i].bytes, strlen(bads[i].bytes), step), bads[i].rc);
            assert_false(answer_is_done(&a) && a.keeps_alive);
        }
    }
}

/* What comes without end is refused while it is still small. */
static void test_endless(void **state)
{
    static const char *const starts[] = {
        "HTTP/1.1 200 OK\r\nA: ",
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffff\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: ",
    };
    char filler[1024];
    size_t i;
    unsigned n;

    (void)state;
    memset(filler, 'a', sizeof(filler));
    for (i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        AUTO(answer_deinit) struct answer a = {0};
        int rc;

        answer_reset(&a, BODY_MAX, false);
        rc = feed(&a, starts[i], strlen(starts[i]), 100);
        for (n = 0; n < 1000 && rc == 0; n++) {
            rc = feed(&a, filler, sizeof(filler), sizeof(filler));
        }
        assert_true(rc < 0 && n < 100);
    }
}

static void test_interim_without_end(void **state)
{
    static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\n";
    AUTO(answer_deinit) struct answer a = {0};
    unsigned n;
    int rc = 0;

    (void)state;
    answer_reset(&a, BODY_MAX, false);
    for (n = 0; n < 1000 && rc == 0; n++) {
        rc = feed(&a, interim, sizeof(interim) - 1, 100);
    }
    assert_int_equal(rc, BLOCKDB_EIO);
}

/* More than the answer: it is complete, and the connection is not used again. */
static void test_surplus(void **state)
{
    static const char bytes[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\n";
    AUTO(answer_deinit) struct answer a = {0};

    (void)state;
    answer_reset(&a, BODY_MAX, false);
    assert_int_equal(feed(&a, bytes, sizeof(bytes) - 1, 1000), 0);
    assert_true(answer_is_done(&a));
    assert_false(a.keeps_alive);
    assert_true(slice_equal(answer_body(&a), slice_of_text("hi")));
}

struct nth {
    unsigned left;
};

static bool fail_nth(void *context)
{
    struct nth *n = context;

    return n->left-- == 0;
}

static void test_short_memory(void **state)
{
    unsigned i;
    int rc = BLOCKDB_ENOMEM;

    (void)state;
    for (i = 0; rc == BLOCKDB_ENOMEM; i++) {
        AUTO(answer_deinit) struct answer a = {0};
        struct nth nth = {.left = i};

        answer_reset(&a, BODY_MAX, false);
        mem_set_fail_hook(fail_nth, &nth);
        rc = feed(&a, goods[8].bytes, strlen(goods[8].bytes), 11);
        mem_set_fail_hook(NULL, NULL);
        assert_true(rc == 0 || rc == BLOCKDB_ENOMEM);
    }
    assert_true(i > 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),    cmocka_unit_test(test_cut),
        cmocka_unit_test(test_headers), cmocka_unit_test(test_bad),
        cmocka_unit_test(test_endless), cmocka_unit_test(test_interim_without_end),
        cmocka_unit_test(test_surplus), cmocka_unit_test(test_short_memory),
    };

    return cmocka_run_group_tests_name("answer", tests, NULL, NULL);
}
