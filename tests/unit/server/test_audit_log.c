/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The audit log: form of the lines, what outsiders may put into them, files, failing disks, floods.
 */
#include "base/mem.h"
#include "os/os_crash.h"
#include "os/os_fault.h"
#include "server/audit_log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PATH "/audit.log"

struct fixture {
    struct os_crash *disk;
    struct os_fault *faults;
    struct logger main;
    struct buf lines; /* of the main log */
};

static void sink(void *context, const char *line, size_t len)
{
    struct fixture *f = context;

    assert_int_equal(buf_append(&f->lines, line, len), 0);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    const struct logger_options options = {
        .level = LOGGER_WARNING, .format = LOGGER_TEXT, .sink = sink, .sink_context = f};

    assert_non_null(f);
    f->disk = os_crash_new(1);
    f->faults = os_fault_new(os_crash_os(f->disk));
    logger_init(&f->main, &options);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    os_fault_free(f->faults);
    os_crash_free(f->disk);
    buf_deinit(&f->lines);
    free(f);
    return 0;
}

static struct audit_log *make(struct fixture *f, const char *path)
{
    struct audit_log *log = NULL;
    struct error err;

    assert_int_equal(audit_log_new(os_fault_os(f->faults), path, &f->main, &log, &err), 0);
    return log;
}

static void expect(const struct buf *text, const char *part)
{
    if (text->len == 0 || memmem(text->data, text->len, part, strlen(part)) == NULL) {
        fail_msg("'%s' is not in '%.*s'", part, (int)text->len, (const char *)text->data);
    }
}

static void read_file(struct fixture *f, const char *path, struct buf *out)
{
    struct error err;

    buf_reset(out);
    assert_int_equal(os_read_file(os_fault_os(f->faults), path, 1 << 20, out, &err), 0);
}

static const struct audit_event added = {.action = "user.add",
                                         .outcome = AUDIT_OK,
                                         .who = "ann",
                                         .address = "127.0.0.1",
                                         .target = "user/bob",
                                         .request = "r1"};

static void test_main_log(void **state)
{
    struct fixture *f = *state;
    struct audit_log *log = make(f, "");

    audit_write(log, &added);
    expect(&f->lines, "audit: action=user.add outcome=ok who=ann from=127.0.0.1 target=user/bob "
                      "request=r1\n");
    audit_log_free(log);
    audit_write(NULL, &added);
    audit_log_free(NULL);
}

/* Names that outsiders choose stay inside their quotes and on their line. */
static void test_hostile_text(void **state)
{
    struct fixture *f = *state;
    struct audit_log *log = make(f, "");
    char long_name[5000];
    const struct audit_event event = {.action = "login",
                                      .outcome = AUDIT_REFUSED,
                                      .who = "x\" outcome=ok\naction=user.add who=\"root",
                                      .address = "",
                                      .target = long_name};

    memset(long_name, 'a', sizeof long_name);
    long_name[sizeof long_name - 1] = '\0';
    audit_write(log, &event);
    expect(&f->lines, "who=\"x' outcome=ok\\x0aaction=user.add who='root\" from=\"\" target=");
    assert_int_equal(f->lines.data[f->lines.len - 1], '\n');
    assert_ptr_equal(memchr(f->lines.data, '\n', f->lines.len), f->lines.data + f->lines.len - 1);
    audit_log_free(log);
}

static void test_file(void **state)
{
    struct fixture *f = *state;
    struct audit_log *log = make(f, PATH);
    struct buf text = {0};
    struct error err;

    audit_write(log, &added);
    audit_write(log, &added);
    audit_log_free(log);
    log = make(f, PATH); /* appends */
    audit_write(log, &added);
    read_file(f, PATH, &text);
    expect(&text, "action=user.add");
    {
        size_t lines = 0;

        for (size_t i = 0; i < text.len; i++) {
            lines += text.data[i] == '\n';
        }
        assert_int_equal(lines, 3);
    }
    assert_int_equal(f->lines.len, 0);

    assert_int_equal(os_rename(os_fault_os(f->faults), PATH, PATH ".1", &err), 0);
    assert_int_equal(audit_log_reopen(log, &err), 0);
    audit_write(log, &added);
    {
        struct buf fresh = {0};

        read_file(f, PATH, &fresh);
        assert_true(fresh.len < text.len);
        expect(&fresh, "action=user.add");
        buf_deinit(&fresh);
    }
    buf_deinit(&text);
    audit_log_free(log);
}

static void test_lost_lines_are_told(void **state)
{
    struct fixture *f = *state;
    struct audit_log *log = make(f, PATH);

    os_fault_arm(f->faults,
                 &(struct os_fault_plan){.classes = OS_FAULT_WRITE, .nth = 1, .forever = true});
    audit_write(log, &added);
    audit_write(log, &added);
    assert_int_equal(audit_log_lost(log), 2);
    expect(&f->lines, "could not be written");
    audit_log_free(log);
}

static void test_floods_are_counted(void **state)
{
    struct fixture *f = *state;
    struct audit_log *log = make(f, "");
    const struct audit_event refused = {.action = "login", .outcome = AUDIT_REFUSED, .who = "x"};
    size_t lines = 0;

    for (int i = 0; i < 100000; i++) {
        audit_write(log, &refused);
    }
    for (size_t i = 0; i < f->lines.len; i++) {
        lines += f->lines.data[i] == '\n';
    }
    assert_true(lines >= AUDIT_REFUSALS_PER_SECOND);
    assert_true(lines < 20 * (AUDIT_REFUSALS_PER_SECOND + 1));
    audit_write(log, &added); /* what was done is always written */
    expect(&f->lines, "action=user.add");
    audit_log_free(log);
}

static bool fail_at(void *context)
{
    int *left = context;

    return (*left)-- == 0;
}

static void test_failures(void **state)
{
    struct fixture *f = *state;
    struct audit_log *log = NULL;
    struct error err;
    int rc = BLOCKDB_ENOMEM;

    assert_int_equal(
        audit_log_new(os_fault_os(f->faults), "/no/such/dir/log", &f->main, &log, &err),
        BLOCKDB_ENOTFOUND);
    for (int n = 0; rc == BLOCKDB_ENOMEM; n++) {
        int left = n;

        assert_true(n < 50);
        mem_set_fail_hook(fail_at, &left);
        rc = audit_log_new(os_fault_os(f->faults), PATH, &f->main, &log, &err);
        mem_set_fail_hook(NULL, NULL);
        assert_true((rc == BLOCKDB_OK) == (log != NULL));
    }
    assert_int_equal(rc, BLOCKDB_OK);
    audit_log_free(log);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_main_log), TEST(test_hostile_text),
        TEST(test_file),     TEST(test_lost_lines_are_told),
        TEST(test_failures), TEST(test_floods_are_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
