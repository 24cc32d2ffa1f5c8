/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The marker that says which ledger a WAL directory belongs to.
 *
 * Without it, a file system that is not mounted would look like a database without unsealed
 * entries.
 */
#include "base/mem.h"
#include "store/wal_priv.h"

#include <string.h>

static int read_marker(struct os *os, const char *path, uint8_t out_id[WAL_LEDGER_ID_BYTES],
                       struct error *err)
{
    AUTO(buf_deinit) struct buf bytes = {0};
    int rc;

    rc = os_read_file(os, path, WAL_MARKER_BYTES, &bytes, err);
    if (rc < 0 && rc != BLOCKDB_ELIMIT) {
        return rc;
    }
    rc = rc < 0 ? BLOCKDB_ECORRUPT : wal_marker_decode(buf_slice(&bytes), out_id);
    if (rc == BLOCKDB_EVERSION) {
        return error_set(err, rc, "WAL marker '%s' was written by a newer version", path);
    }
    if (rc < 0) {
        return error_set(err, rc, "WAL marker '%s' is damaged; restore it from a copy", path);
    }
    return BLOCKDB_OK;
}

int wal_check_marker(const struct wal *wal, struct error *err)
{
    uint8_t id[WAL_LEDGER_ID_BYTES];
    struct wal_path path;
    int rc;

    wal_path_name(wal, WAL_MARKER_NAME, &path);
    rc = read_marker(wal->os, path.text, id, err);
    if (rc == BLOCKDB_ENOTFOUND) {
        return error_set(err, BLOCKDB_EFOREIGN,
                         "'%s' is not there: '%s' is not the WAL directory of this database; is "
                         "its file system mounted, is wal_dir right?",
                         path.text, wal->dir);
    }
    if (rc < 0) {
        return rc;
    }
    if (memcmp(id, wal->ledger_id, WAL_LEDGER_ID_BYTES) != 0) {
        return error_set(err, BLOCKDB_EFOREIGN,
                         "'%s' names another ledger: '%s' is the WAL directory of another "
                         "database; is wal_dir right?",
                         path.text, wal->dir);
    }
    return BLOCKDB_OK;
}

static int refuse_segment(void *context, const char *name, bool is_dir)
{
    uint64_t number;

    (void)context;
    return !is_dir && wal_name_parse(name, &number) == WAL_NAME_LIVE ? BLOCKDB_EFOREIGN
                                                                     : BLOCKDB_OK;
}

int wal_create_dir(struct os *os, const char *dir, const uint8_t ledger_id[WAL_LEDGER_ID_BYTES],
                   struct error *err)
{
    AUTO(mem_free_ptr) char *path = path_join(dir, WAL_MARKER_NAME);
    uint8_t marker[WAL_MARKER_BYTES];
    uint8_t id[WAL_LEDGER_ID_BYTES];
    int rc;

    if (path == NULL) {
        return error_set_no_memory(err);
    }
    rc = os_make_dirs(os, dir, err);
    if (rc < 0) {
        return rc;
    }
    rc = read_marker(os, path, id, err);
    if (rc == 0 && memcmp(id, ledger_id, WAL_LEDGER_ID_BYTES) != 0) {
        return error_set(err, BLOCKDB_EFOREIGN,
                         "'%s' is the WAL directory of another database; choose another wal_dir",
                         dir);
    }
    if (rc != BLOCKDB_ENOTFOUND) {
        return rc;
    }
    rc = os_list(os, dir, refuse_segment, NULL, err);
    if (rc == BLOCKDB_EFOREIGN) {
        return error_set(err, rc,
                         "'%s' holds WAL segments but no marker; choose another wal_dir or move "
                         "them away",
                         dir);
    }
    if (rc < 0) {
        return rc;
    }
    wal_marker_encode(ledger_id, marker);
    return os_replace_file(os, path, slice_of(marker, sizeof(marker)), err);
}
