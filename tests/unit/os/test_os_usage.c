/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the process has taken is told by the system, so only what this test changes is compared.
 */
#include "os/os_usage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static void test_usage_is_told(void **state)
{
    struct os_usage before;
    struct os_usage after;
    struct rlimit limit;
    int fd;

    os_usage_get(&before);
    assert_true(before.resident_bytes > 0);
    assert_true(before.virtual_bytes >= before.resident_bytes);
    assert_true(before.thread_count >= 1);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(before.open_files_max, limit.rlim_cur);
    assert_true(before.start_time_ms <= (uint64_t)time(NULL) * 1000 + 2000);
    assert_true(before.start_time_ms + 3600000 > (uint64_t)time(NULL) * 1000);

    fd = dup(0);
    assert_true(fd >= 0);
    os_usage_get(&after);
    assert_int_equal(after.open_files, before.open_files + 1);
    assert_true(after.cpu_ns >= before.cpu_ns);
    assert_int_equal(close(fd), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_usage_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
