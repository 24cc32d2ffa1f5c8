/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP with short memory: whichever allocation fails, the client gets an answer or an end, and the
 * next client gets all.
 */
#include "base/mem.h"
#include "http_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char out[1 << 20];

struct budget {
    atomic_int left;
};

static bool is_spent(void *context)
{
    struct budget *b = context;

    return atomic_fetch_sub(&b->left, 1) == 1;
}

static void test_short_memory(void **state)
{
    static const char *const requests[] = {
        "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "GET /large/20000 HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n",
        "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /stream/end HTTP/1.1\r\nHost: x\r\n\r\n",
    };
    const struct http_limits limits = HTTP_LIMITS_INIT;
    static struct http_fixture f;
    struct budget b;

    (void)state;
    http_fixture_start(&f, &limits);
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        for (int n = 2; n < 14; n++) { /* the first is the connection's own */
            int fd = http_fixture_connect(&f);

            atomic_store(&b.left, n - 1);
            mem_set_fail_hook(is_spent, &b);
            http_fixture_say(fd, requests[i]);
            http_fixture_half_close(fd);
            http_fixture_read_all(fd, out, sizeof(out));
            mem_set_fail_hook(NULL, NULL);
            (void)close(fd);
        }
        http_fixture_ask(&f, requests[i], out, sizeof(out));
        assert_memory_equal(out, "HTTP/1.1 ", 9);
    }
    http_fixture_stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_short_memory)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
