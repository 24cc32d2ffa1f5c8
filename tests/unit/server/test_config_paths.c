/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths of a configuration that cannot be looked at: disks that fail, memory that is short, rights
 * that are missing. What is told of sound disks is in tests/integration/server/test_life.py.
 */
#include "base/mem.h"
#include "config/config.h"
#include "os/os_fault.h"
#include "server/config_paths.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define NOBODY 65534
#define PATH_KEYS 12

struct fixture {
    char dir[64];
    struct config *config;
    struct os_fault *faults;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    (void)snprintf(f->dir, sizeof(f->dir), "/tmp/blockdb-paths-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    assert_int_equal(chmod(f->dir, 0755), 0);
    f->config = config_new();
    assert_non_null(f->config);
    f->faults = os_fault_new(os_real());
    assert_non_null(f->faults);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    os_fault_free(f->faults);
    config_free(f->config);
    assert_int_equal(rmdir(f->dir), 0);
    free(f);
    return 0;
}

static void apply(struct fixture *f, const char *text)
{
    struct error err = {0};

    if (config_apply_text(f->config, slice_of_text(text), "x.toml", &err) < 0) {
        fail_msg("%s: %s", text, err.message);
    }
}

/* Each key that is a path, on a line of its own; those that must be there are directories. */
static void apply_all(struct fixture *f)
{
    char text[2048];

    (void)snprintf(text, sizeof(text),
                   "[database]\ndata_dir = \"%s/data\"\nwal_dir = \"%s/wal\"\n"
                   "[ledger]\nsigning_key_file = \"/dev/null\"\nwitness_policy_file = "
                   "\"/dev/null\"\n"
                   "[server]\nunix_socket = \"%s/socket\"\nbackup_dir = \"%s\"\n"
                   "[logging]\nfile = \"%s/log\"\n"
                   "[security]\ntls_cert = \"/dev/null\"\ntls_key = \"/dev/null\"\n"
                   "tls_ca = \"/dev/null\"\nadmin_token_file = \"/dev/null\"\n"
                   "audit_log_file = \"%s/audit\"\n",
                   f->dir, f->dir, f->dir, f->dir, f->dir, f->dir);
    apply(f, text);
}

/* Every look at a path fails once, and each time the key and its line are told. */
static void test_disk_fails(void **state)
{
    struct fixture *f = *state;
    struct error err = {0};
    uint64_t nth;

    apply_all(f);
    for (nth = 1;; nth++) {
        int rc;

        os_fault_arm(f->faults, &(struct os_fault_plan){.classes = OS_FAULT_ALL, .nth = nth});
        rc = config_paths_check(os_fault_os(f->faults), f->config, &err);
        if (!os_fault_fired(f->faults)) {
            assert_int_equal(rc, BLOCKDB_OK);
            break;
        }
        assert_int_equal(rc, BLOCKDB_EIO);
        assert_non_null(strstr(err.message, "injected failure"));
        assert_non_null(strstr(err.message, ": option "));
        assert_memory_equal(err.message, "x.toml:", strlen("x.toml:"));
    }
    assert_true(nth > PATH_KEYS); /* for files to be made their directory is looked at, too */
}

static unsigned allocations_left;

static bool fail_at_last(void *context)
{
    bool *fired = context;

    if (allocations_left-- == 0) {
        *fired = true;
        return true;
    }
    return false;
}

static void test_no_memory(void **state)
{
    struct fixture *f = *state;
    bool fired = true;
    unsigned nth;

    apply_all(f);
    for (nth = 0; fired; nth++) {
        struct error err = {0};
        int rc;

        fired = false;
        allocations_left = nth;
        mem_set_fail_hook(fail_at_last, &fired);
        rc = config_paths_check(os_fault_os(f->faults), f->config, &err);
        mem_set_fail_hook(NULL, NULL);
        assert_int_equal(rc, fired ? BLOCKDB_ENOMEM : BLOCKDB_OK);
        assert_int_equal(strncmp(err.message, "x.toml:", strlen("x.toml:")) == 0, fired);
    }
    assert_true(nth > 1);
}

/* Checks with the rights of nobody; the exit status tells. */
static int check_as_nobody(const struct fixture *f, const char *says)
{
    struct error err = {0};

    if (geteuid() == 0 && (setgid(NOBODY) < 0 || setuid(NOBODY) < 0)) {
        return 3;
    }
    if (config_paths_check(os_real(), f->config, &err) != BLOCKDB_EDENIED) {
        return 2;
    }
    return strstr(err.message, says) != NULL ? 0 : 1;
}

static void assert_denied(const struct fixture *f, const char *says)
{
    int status;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        _exit(check_as_nobody(f, says));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_no_rights(void **state)
{
    struct fixture *f = *state;
    char text[256];

    assert_int_equal(chmod(f->dir, 0555), 0);
    (void)snprintf(text, sizeof(text), "[server]\nbackup_dir = \"%s\"\n", f->dir);
    apply(f, text);
    assert_denied(f, "x.toml:2: option server.backup_dir");
    apply(f, "[server]\nbackup_dir = \"\"\n[logging]\nfile = \"/etc/passwd\"\n");
    assert_denied(f, "this process may not write it");
    (void)snprintf(text, sizeof(text), "[logging]\nfile = \"%s/log\"\n", f->dir);
    apply(f, text);
    assert_denied(f, "may not write in");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_disk_fails, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_rights, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
