/* SPDX-License-Identifier: Apache-2.0 */
/* Replies of the Redis protocol, whole, in pieces, and wrong. */
#include "bin/bench/redis_link.h"

#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void check(const char *text, enum redis_kind kind, const char *body, int64_t number)
{
    struct redis_reply reply;
    struct error err;
    size_t len = strlen(text);
    size_t taken = 0;
    size_t i;

    for (i = 0; i < len; i++) { /* every beginning is incomplete, never wrong */
        assert_int_equal(redis_reply_parse(slice_of(text, i), &reply, &taken, &err), 0);
        assert_int_equal(taken, 0);
    }
    assert_int_equal(redis_reply_parse(slice_of_text(text), &reply, &taken, &err), 0);
    assert_int_equal(taken, len);
    assert_int_equal(reply.kind, kind);
    if (body != NULL) {
        assert_int_equal(reply.text.len, strlen(body));
        assert_memory_equal(reply.text.data, body, strlen(body));
    } else {
        assert_int_equal(reply.number, number);
    }
}

static void test_kinds(void **state)
{
    (void)state;
    check("+OK\r\n", REDIS_TEXT, "OK", 0);
    check("+\r\n", REDIS_TEXT, "", 0);
    check("-ERR no\r\n", REDIS_ERROR, "ERR no", 0);
    check(":12\r\n", REDIS_INTEGER, NULL, 12);
    check(":-12\r\n", REDIS_INTEGER, NULL, -12);
    check("$5\r\nhe\r\no\r\n", REDIS_BULK, "he\r\no", 0);
    check("$0\r\n\r\n", REDIS_BULK, "", 0);
    check("$-1\r\n", REDIS_NULL, NULL, -1);
    check("*-1\r\n", REDIS_NULL, NULL, -1);
    check("*3\r\n", REDIS_ARRAY, NULL, 3);
}

static void test_only_one_is_taken(void **state)
{
    struct redis_reply reply;
    struct error err;
    size_t taken;

    (void)state;
    assert_int_equal(redis_reply_parse(slice_of_text("+OK\r\n:1\r\n"), &reply, &taken, &err), 0);
    assert_int_equal(taken, 5);
    assert_int_equal(redis_reply_parse((struct slice){0}, &reply, &taken, &err), 0);
    assert_int_equal(taken, 0);
}

static void refuse(const char *text, int status)
{
    struct redis_reply reply;
    struct error err;
    size_t taken;

    assert_int_equal(redis_reply_parse(slice_of_text(text), &reply, &taken, &err), status);
}

static void test_wrong(void **state)
{
    (void)state;
    refuse("HTTP/1.1 400 Bad Request\r\n", BLOCKDB_EIO);
    refuse("+OK\n", BLOCKDB_EIO);
    refuse("\n", BLOCKDB_EIO);
    refuse("+\n", BLOCKDB_EIO);
    refuse(":\r\n", BLOCKDB_EIO);
    refuse(":-\r\n", BLOCKDB_EIO);
    refuse(":1x\r\n", BLOCKDB_EIO);
    refuse(":99999999999999999999\r\n", BLOCKDB_EIO);
    refuse("$2\r\nabcd\r\n", BLOCKDB_EIO);
    refuse("$67108865\r\n", BLOCKDB_ELIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_only_one_is_taken),
        cmocka_unit_test(test_wrong),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
