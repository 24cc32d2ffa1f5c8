/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A new manifest comes into force in five steps, each durable before the next: its bytes, its name,
 * the bytes of CURRENT.tmp, its renaming to CURRENT, the name CURRENT. Up to the renaming, lack of
 * space or memory only means that the old one stays; from there on nobody knows which of the two a
 * power cut would leave, so any failure is final.
 */
#include "base/mem.h"
#include "store/manifest_priv.h"

static int encode_snapshot(const struct manifest *m, uint64_t number, struct buf *out,
                           struct error *err)
{
    struct manifest_head head = {.number = number};
    struct manifest_edit edit;
    int rc = buf_append_zeros(out, MANIFEST_HEAD_BYTES);

    if (rc == BLOCKDB_OK && m->number != 0) { /* a new database has nothing to record */
        manifest_state_as_edit(&m->state, &edit);
        rc = manifest_record_encode(&edit, number, MANIFEST_HEAD_BYTES, out);
    }
    if (rc == BLOCKDB_ELIMIT) {
        return error_set(err, rc, "the state in '%s' is too large for a manifest", m->dir);
    }
    if (rc < 0) {
        return error_set_no_memory(err);
    }
    memcpy(head.ledger_id, m->ledger_id, LEDGER_ID_LEN);
    head.synced = out->len;
    manifest_head_encode(&head, out->data);
    return BLOCKDB_OK;
}

/* Writes and syncs a new file. A lack of space or memory is not final. */
static int write_file(struct manifest *m, const char *path, struct slice bytes,
                      struct os_file **out, struct error *err)
{
    AUTO(file_close_ptr) struct os_file *file = NULL;
    int rc = os_open(m->os, path, OS_READ | OS_WRITE | OS_CREATE | OS_TRUNCATE, &file, err);

    if (rc < 0) {
        return rc;
    }
    rc = file_pwrite(file, bytes.data, bytes.len, 0, err);
    if (rc < 0) {
        return rc == BLOCKDB_ENOSPC || rc == BLOCKDB_ENOMEM ? rc : manifest_fail(m, rc, err);
    }
    rc = file_sync(file, err);
    if (rc < 0) {
        return manifest_fail(m, rc, err);
    }
    *out = TAKE(file);
    return BLOCKDB_OK;
}

static int sync_names(struct manifest *m, struct error *err)
{
    int rc = os_sync_dir(m->os, m->dir, err);

    return rc < 0 ? manifest_fail(m, rc, err) : BLOCKDB_OK;
}

static int point_current(struct manifest *m, uint64_t number, struct error *err)
{
    AUTO(file_close_ptr) struct os_file *file = NULL;
    char text[MANIFEST_NAME_MAX + 1];
    size_t len;
    int rc;

    manifest_name(number, text);
    len = strlen(text);
    text[len++] = '\n';
    rc = write_file(m, m->current_tmp_path, slice_of(text, len), &file, err);
    if (rc < 0) {
        return rc;
    }
    rc = os_rename(m->os, m->current_tmp_path, m->current_path, err);
    if (rc < 0) {
        return manifest_fail(m, rc, err);
    }
    return sync_names(m, err);
}

/* Makes the file at path, complete and durable, the one in force. */
static int bring_into_force(struct manifest *m, const char *path, uint64_t number,
                            struct slice bytes, struct error *err)
{
    AUTO(file_close_ptr) struct os_file *file = NULL;
    int rc = write_file(m, path, bytes, &file, err);

    if (rc == BLOCKDB_OK) {
        rc = sync_names(m, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = point_current(m, number, err);
    }
    if (rc < 0) {
        return rc;
    }
    file_close(m->file);
    m->file = TAKE(file);
    return BLOCKDB_OK;
}

uint64_t manifest_roll_point(const struct manifest *m, uint64_t snapshot_end)
{
    uint64_t records = MANIFEST_ROLL_GROWTH * (snapshot_end - MANIFEST_HEAD_BYTES);

    return MANIFEST_HEAD_BYTES + (records > m->roll_bytes ? records : m->roll_bytes);
}

int manifest_roll(struct manifest *m, struct error *err)
{
    uint64_t old_number = m->number;
    AUTO(mem_free_ptr) char *path = manifest_path(m, old_number + 1);
    AUTO(buf_deinit) struct buf bytes = {0};
    int rc;

    if (path == NULL) {
        return error_set_no_memory(err);
    }
    rc = encode_snapshot(m, old_number + 1, &bytes, err);
    if (rc < 0) {
        return rc;
    }
    rc = bring_into_force(m, path, old_number + 1, buf_slice(&bytes), err);
    if (rc < 0) {
        if (m->failure.code == BLOCKDB_OK) { /* else CURRENT may name it */
            manifest_remove(m, old_number + 1);
        }
        return rc;
    }
    mutex_lock(&m->mu);
    m->number = old_number + 1;
    m->end = bytes.len;
    mutex_unlock(&m->mu);
    m->mark = 1;
    m->roll_at = manifest_roll_point(m, m->end);
    if (old_number != 0) {
        manifest_remove(m, old_number);
    }
    return BLOCKDB_OK;
}
