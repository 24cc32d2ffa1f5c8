/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the commands for users and tokens share: actions by name, and roles in options and output.
 *
 * Threads: one thread.
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "bin/cli/args.h"
#include "server/role.h"

#include <stdbool.h>
#include <stddef.h>

struct cli;

/* One action: `user add NAME`. */
struct security_action {
    const char *name;
    int (*run)(struct cli *cli, const char *subject, struct error *err);
    const char *subject_name; /* in messages; NULL: "NAME" */
    bool needs_subject;
};

/* Runs the action that the first argument names on the second. EINVAL: there is none of that name,
 * with the nearest, or the second argument is missing or too much. */
RESULT_MUST_BE_USED int security_action_run(struct cli *cli, const struct security_action *actions,
                                            size_t count, struct error *err);

/* Adds the values of the options --role. Errors of role_list_add(). */
RESULT_MUST_BE_USED int grants_read(const struct args *args, struct role_list *out,
                                    struct error *err);
/* Appends the roles with a space between two, and a zero byte. ENOMEM. */
RESULT_MUST_BE_USED int grants_join(const struct role_list *roles, struct buf *out);
