/* SPDX-License-Identifier: Apache-2.0 */
/* Commands that answer, fail, print too much, or never end. */
#include "base/mem.h"
#include "os/os.h"
#include "os/os_process.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static int run(const char *command, const char *input, uint64_t timeout_ms, struct buf *out,
               struct error *err)
{
    struct process_options options = {.command = command,
                                      .input = slice_of_text(input),
                                      .output_max = 1000,
                                      .timeout_ms = timeout_ms};

    return process_run(&options, out, err);
}

static void test_it_answers(void **state)
{
    AUTO(buf_deinit) struct buf out = {0};
    struct error err;

    (void)state;
    assert_int_equal(run("cat; printf more", "text\n", 60000, &out, &err), BLOCKDB_OK);
    assert_true(slice_equal(buf_slice(&out), slice_of_text("text\nmore")));
    buf_reset(&out);
    assert_int_equal(run("true", "it is not read", 60000, &out, &err), BLOCKDB_OK);
    assert_int_equal(out.len, 0);
    /* What closes its output may end later. */
    assert_int_equal(run("exec >&-; sleep 0.05", "", 60000, &out, &err), BLOCKDB_OK);
    /* Input that can be opened by name, as openssl does. */
    assert_int_equal(run("cat /dev/stdin", "by name", 60000, &out, &err), BLOCKDB_OK);
    assert_true(slice_equal(buf_slice(&out), slice_of_text("by name")));
}

static void test_it_fails(void **state)
{
    AUTO(buf_deinit) struct buf out = {0};
    struct error err;

    (void)state;
    assert_int_equal(run("exit 3", "", 60000, &out, &err), BLOCKDB_EIO);
    assert_non_null(strstr(err.message, "exit code 3"));
    assert_int_equal(run("kill -9 $$", "", 60000, &out, &err), BLOCKDB_EIO);
    assert_non_null(strstr(err.message, "signal 9"));
    assert_int_equal(run("yes", "", 60000, &out, &err), BLOCKDB_ELIMIT);
}

static void test_it_is_ended(void **state)
{
    AUTO(buf_deinit) struct buf out = {0};
    struct error err;
    uint64_t start_ns = os_monotonic_ns(os_real());

    (void)state;
    assert_int_equal(run("sleep 600 & sleep 600", "", 50, &out, &err), BLOCKDB_ETIMEDOUT);
    assert_int_equal(run("exec >&-; sleep 600", "", 50, &out, &err), BLOCKDB_ETIMEDOUT);
    assert_true(os_monotonic_ns(os_real()) - start_ns < 300000000000ULL);
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

static void test_survives_short_memory(void **state)
{
    struct countdown c = {0};
    unsigned n = 0;

    (void)state;
    do {
        AUTO(buf_deinit) struct buf out = {0};
        struct error err;
        int rc;

        c = (struct countdown){.left = ++n};
        mem_set_fail_hook(fail_nth, &c);
        rc = run("cat", "text", 60000, &out, &err);
        mem_set_fail_hook(NULL, NULL);
        assert_int_equal(rc, c.fired ? BLOCKDB_ENOMEM : BLOCKDB_OK);
    } while (c.fired);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_answers),
        cmocka_unit_test(test_it_fails),
        cmocka_unit_test(test_it_is_ended),
        cmocka_unit_test(test_survives_short_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
