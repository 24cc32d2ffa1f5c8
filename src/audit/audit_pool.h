/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads that check stretches side by side, and hand them over in order.
 *
 * POOL-1  Stretches are handed over in the order of entries, each once, the failed one last.
 * POOL-2  At most a fixed number of stretches exists at a time, however large the log claims to be.
 *
 * Threads:   audit_pool_run() starts and ends its threads; both callbacks are called from the
 *            caller's.
 * Ownership: borrows everything for the call.
 */
#pragma once

#include "audit/audit_stretch.h"

struct os;

/* Takes the next stretch, borrowed for the call. An error stops everything. */
typedef int (*audit_pool_take_fn)(void *context, const struct stretch *s, struct error *err);

struct audit_pool_options {
    struct os *os;
    struct audit_source *source;
    const struct audit_head *head; /* entries up to its size are checked */
    const struct frontier *start;  /* from its size on; size below that of the head */
    bool wants_changes;
    unsigned threads; /* 0: one a processor */
    blockdb_progress_cb progress;
    void *progress_arg;
    audit_pool_take_fn take;
    void *take_context;
};

/* Returns the first failure of take, or ECANCELED when progress asked to stop, or what prevented
 * the work. */
RESULT_MUST_BE_USED int audit_pool_run(const struct audit_pool_options *options, struct error *err);
