/* SPDX-License-Identifier: Apache-2.0 */
/*
 * URLs of servers: what is taken apart, what is refused, and percent-encoding.
 */
#include "base/mem.h"
#include "client/url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_good(void **state)
{
    static const struct {
        const char *text, *whole, *host;
    } rows[] = {
        {"http://127.0.0.1:8080", "http://127.0.0.1:8080", "127.0.0.1:8080"},
        {"http://Host-1.example", "http://Host-1.example:80", "Host-1.example"},
        {"HTTPS://h", "https://h:443", "h"},
        {"https://h:8443/", "https://h:8443", "h:8443"},
        {"http://h/db/a/", "http://h:80/db/a", "h"},
        {"http://[::1]:90/x", "http://[::1]:90/x", "[::1]:90"},
        {"https://[fe80::1%eth0]", "https://[fe80::1%eth0]:443", "[fe80::1%eth0]"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        AUTO(buf_deinit) struct buf whole = {0};
        AUTO(buf_deinit) struct buf host = {0};
        struct url url;
        struct error err;

        assert_int_equal(url_parse(slice_of_text(rows[i].text), &url, &err), 0);
        assert_int_equal(url_append(&whole, &url), 0);
        assert_int_equal(url_append_host(&host, &url), 0);
        assert_true(slice_equal(buf_slice(&whole), slice_of_text(rows[i].whole)));
        assert_true(slice_equal(buf_slice(&host), slice_of_text(rows[i].host)));
        assert_true(url_same_server(&url, &url));
    }
}

static void test_bad(void **state)
{
    static const char *const rows[] = {
        "",
        "http://",
        "http:/h",
        "ftp://h",
        "h:80",
        "http://:80",
        "http://h:",
        "http://h:0",
        "http://h:65536",
        "http://h:8o",
        "http://user@h",
        "http://user:secret@h",
        "http://h/a?b",
        "http://h/a#b",
        "http://h/a b",
        "http://[::1",
        "http://[::1]x",
        "http://[]",
        "http://h\r\n",
        "http://h_\x80",
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct url url = {.port = 7};
        struct error err = {0};

        assert_int_equal(url_parse(slice_of_text(rows[i]), &url, &err), BLOCKDB_EINVAL);
        assert_int_equal(url.port, 7);
        assert_null(strstr(err.message, "secret"));
    }
}

static void test_encoding(void **state)
{
    AUTO(buf_deinit) struct buf out = {0};

    (void)state;
    assert_int_equal(url_append_encoded(&out, slice_of("a:b/c d\0%\xC3\xA9?&+~", 15)), 0);
    assert_true(slice_equal(buf_slice(&out), slice_of_text("a:b%2Fc%20d%00%25%C3%A9%3F%26%2B~")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_encoding),
    };

    return cmocka_run_group_tests_name("url", tests, NULL, NULL);
}
