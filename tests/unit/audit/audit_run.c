/* SPDX-License-Identifier: Apache-2.0 */
#include "audit_run.h"

#include "os/os.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

void audit_case_init(struct audit_case *c)
{
    memset(c, 0, sizeof(*c));
    test_make_dir(c->dir);
    (void)snprintf(c->log_dir, sizeof(c->log_dir), "%s/log", c->dir);
    (void)snprintf(c->state, sizeof(c->state), "%s/state", c->dir);
    test_log_init(&c->log);
    test_key_init(&c->key, 7);
    test_key_text(&c->key, c->key_text);
    c->options = (struct audit_options){
        .os = os_real(), .state_path = c->state, .key = c->key_text, .threads = 2};
}

void audit_case_deinit(struct audit_case *c)
{
    audit_report_deinit(&c->report);
    test_log_deinit(&c->log);
    signing_key_deinit(&c->key);
    test_remove_dir(c->dir);
}

void audit_case_export(struct audit_case *c, size_t size)
{
    test_log_export(&c->log, size, c->log_dir, &c->key);
}

void audit_case_clear(struct audit_case *c)
{
    test_remove_dir(c->log_dir);
}

int audit_case_run(struct audit_case *c)
{
    struct audit_source *source = NULL;
    int rc = audit_source_of_dir(c->options.os, c->log_dir, &source, &c->error);

    if (rc < 0) {
        return rc;
    }
    audit_report_deinit(&c->report);
    c->report = (struct audit_report){0};
    c->error = (struct error){0};
    c->options.source = source;
    rc = audit_run(&c->options, &c->report, &c->error);
    audit_source_free(source);
    return rc;
}

void audit_case_good(struct audit_case *c)
{
    int rc = audit_case_run(c);

    if (rc < 0) {
        print_error("%s\n", c->error.message);
    }
    assert_int_equal(rc, BLOCKDB_OK);
}

void audit_case_bad(struct audit_case *c, const char *part)
{
    int rc = audit_case_run(c);

    if (rc != BLOCKDB_ETAMPERED || strstr(c->error.message, part) == NULL) {
        print_error("wanted '%s', got %d: %s\n", part, rc, c->error.message);
    }
    assert_int_equal(rc, BLOCKDB_ETAMPERED);
    assert_non_null(strstr(c->error.message, part));
}

void audit_case_refuses(struct audit_case *c, const char *part)
{
    struct error ignored;

    IGNORE_RESULT(os_unlink(os_real(), c->state, &ignored)); /* mostly there is none */
    audit_case_clear(c);
    audit_case_export(c, c->log.count);
    audit_case_bad(c, part);
    assert_int_equal(os_stat_path(os_real(), c->state, &(struct os_stat){0}, &ignored),
                     BLOCKDB_ENOTFOUND); /* AUDIT-1 */
}
