/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One log in one directory with one state file, audited again and again: what tests of the audit
 * share.
 *
 * Threads: one thread.
 */
#pragma once

#include "audit/audit.h"
#include "audit_log.h"

struct audit_case {
    char dir[64]; /* made and removed */
    char log_dir[80];
    char state[80];
    struct test_log log;
    struct signing_key key;
    char key_text[400];
    struct audit_options options; /* for the next run; the source is set by it */
    struct audit_report report;   /* of the last run */
    struct error error;
};

/* Makes an empty case. */
void audit_case_init(struct audit_case *c);
void audit_case_deinit(struct audit_case *c);
/* Writes the first size entries and the checkpoint. */
void audit_case_export(struct audit_case *c, size_t size);
/* Removes what was written, so that another log can be. */
void audit_case_clear(struct audit_case *c);
/* Audits; returns the status. */
int audit_case_run(struct audit_case *c);
/* Audits; an error fails the test. */
void audit_case_good(struct audit_case *c);
/* Audits, and demands ETAMPERED with a message that has `part` in it. */
void audit_case_bad(struct audit_case *c, const char *part);
/* Writes all of the log, signed, with no state, and demands the same. */
void audit_case_refuses(struct audit_case *c, const char *part);
