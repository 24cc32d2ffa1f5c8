/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine's sticky failure: the first failed write or sync ends its claim to be durable.
 *
 * From then on writes are refused with the first cause; reads go on. Nothing clears it but opening
 * the database again, which trusts only what is on disk.
 *
 * Threads: any thread.
 */
#pragma once

#include "base/error.h"
#include "base/lock.h"

#include <stdatomic.h>
#include <stdbool.h>

struct failure {
    atomic_bool failed; /* release after `first` is written, acquire before it is read */
    struct mutex mu;
    struct error first; /* guarded by mu until failed, constant afterwards */
};

void failure_init(struct failure *f);
void failure_deinit(struct failure *f);
/* Keeps the first error that is set; later ones change nothing. */
void failure_set(struct failure *f, const struct error *err);
static inline bool failure_is_set(struct failure *f)
{
    return atomic_load_explicit(&f->failed, memory_order_acquire);
}
/* BLOCKDB_OK, or EREADONLY with the first cause in its message. */
RESULT_MUST_BE_USED int failure_check(struct failure *f, struct error *err);
