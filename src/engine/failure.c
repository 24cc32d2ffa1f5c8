/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/failure.h"

void failure_init(struct failure *f)
{
    atomic_init(&f->failed, false);
    mutex_init(&f->mu, LOCK_RANK_LOGGER); /* a leaf: taken inside any other lock */
    f->first = (struct error){0};
}

void failure_deinit(struct failure *f)
{
    mutex_deinit(&f->mu);
}

void failure_set(struct failure *f, const struct error *err)
{
    mutex_lock(&f->mu);
    if (!failure_is_set(f)) {
        f->first = *err;
        atomic_store_explicit(&f->failed, true, memory_order_release);
    }
    mutex_unlock(&f->mu);
}

int failure_check(struct failure *f, struct error *err)
{
    if (!failure_is_set(f)) {
        return BLOCKDB_OK;
    }
    return error_set(err, BLOCKDB_EREADONLY,
                     "the database is read-only since a write failed (%s); reads go on, close it, "
                     "mend the cause, and open it again",
                     f->first.message);
}
