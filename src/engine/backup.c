/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Backup and restore.
 *
 * A restore is a new epoch of the ledger, declared in it: whoever remembers a later head of the old
 * epoch can see that the database went back, and when.
 */
#include "base/mem.h"
#include "engine/copy.h"
#include "engine/db.h"
#include "engine/open.h"

#include <inttypes.h>

int blockdb_backup(struct blockdb *db, const char *dir, blockdb_progress_cb progress,
                   void *progress_arg, struct blockdb_error *err)
{
    struct copy_options options = {
        .dir = dir, .epoch = db->epoch_number, .progress = progress, .progress_arg = progress_arg};

    return copy_database(db, &options, err);
}

static int copy_backup(struct blockdb *backup, const char *new_dir, blockdb_progress_cb progress,
                       void *progress_arg, struct error *err)
{
    struct copy_options options = {.dir = new_dir,
                                   .epoch = backup->epoch_number + 1,
                                   .progress = progress,
                                   .progress_arg = progress_arg};

    if (atomic_load_explicit(&backup->acked_seq, memory_order_acquire) >
        sealer_sealed_seq(&backup->sealer)) {
        return error_set(err, BLOCKDB_EINVAL,
                         "'%s' is no backup but the directory of a database that was not closed; "
                         "open it once, or make a backup of it",
                         backup->dir);
    }
    return copy_database(backup, &options, err);
}

/* Opening declares the new epoch (declare.h). */
static int finish_restore(const char *new_dir, blockdb_progress_cb progress, void *progress_arg,
                          struct error *err)
{
    struct blockdb_verify_options verify = BLOCKDB_VERIFY_OPTIONS_INIT;
    struct blockdb *db = NULL;
    struct error later;
    int rc = db_open(os_real(), new_dir, NULL, 0, &db, err);
    int close_rc;

    if (rc < 0) {
        return rc;
    }
    verify.progress = progress;
    verify.progress_arg = progress_arg;
    rc = blockdb_verify(db, &verify, NULL, err);
    close_rc = blockdb_close(db, &later);
    if (rc == BLOCKDB_OK && close_rc < 0) {
        rc = error_set(err, close_rc, "%s", later.message);
    }
    return rc;
}

int blockdb_restore(const char *dir, const char *new_dir, blockdb_progress_cb progress,
                    void *progress_arg, struct blockdb_error *err)
{
    struct blockdb *backup = NULL;
    struct error ignored;
    int rc = db_open(os_real(), dir, NULL, BLOCKDB_OPEN_READ_ONLY, &backup, err);

    if (rc < 0) {
        return rc;
    }
    rc = copy_backup(backup, new_dir, progress, progress_arg, err);
    IGNORE_RESULT(blockdb_close(backup, &ignored)); /* it was only read */
    return rc < 0 ? rc : finish_restore(new_dir, progress, progress_arg, err);
}
