/* SPDX-License-Identifier: Apache-2.0 */
/* Appending edits; see manifest_priv.h for who may touch what. */
#include "store/manifest.h"

#include "base/assert.h"
#include "base/mem.h"
#include "store/manifest_priv.h"

const struct manifest_state *manifest_state(const struct manifest *m)
{
    return &m->state;
}

uint64_t manifest_take_file_number(struct manifest *m)
{
    return atomic_fetch_add_explicit(&m->next_file_number, 1, memory_order_relaxed);
}

uint64_t manifest_number(struct manifest *m)
{
    uint64_t number;

    mutex_lock(&m->mu);
    number = m->number;
    mutex_unlock(&m->mu);
    return number;
}

uint64_t manifest_bytes(struct manifest *m)
{
    uint64_t end;

    mutex_lock(&m->mu);
    end = m->end;
    mutex_unlock(&m->mu);
    return end;
}

int manifest_fail(struct manifest *m, int rc, const struct error *err)
{
    m->failure = *err;
    m->failure.code = rc;
    return rc;
}

/* Writes and syncs a record. Lack of space is undone, all else is final. */
static int write_record(struct manifest *m, struct slice record, struct error *err)
{
    int rc = file_pwrite(m->file, record.data, record.len, m->end, err);

    if (rc == BLOCKDB_ENOSPC) {
        struct error undo = {0};
        int undo_rc = file_truncate(m->file, m->end, &undo);

        return undo_rc < 0 ? manifest_fail(m, undo_rc, &undo) : rc;
    }
    if (rc == BLOCKDB_OK) {
        rc = file_sync(m->file, err);
    }
    if (rc < 0) {
        return manifest_fail(m, rc, err);
    }
    mutex_lock(&m->mu);
    m->end += record.len;
    mutex_unlock(&m->mu);
    return BLOCKDB_OK;
}

/* Writes the other mark. The edit it covers is durable already, so a failure concerns later ones.
 */
static void write_mark(struct manifest *m)
{
    uint8_t bytes[MANIFEST_MARK_BYTES];
    unsigned mark = 1 - m->mark;
    struct error why = {0};
    int rc;

    manifest_mark_encode(m->number, m->end, bytes);
    rc = file_pwrite(m->file, bytes, sizeof(bytes),
                     MANIFEST_MARK_OFFSET + (uint64_t)mark * MANIFEST_MARK_BYTES, &why);
    if (rc == BLOCKDB_OK) {
        m->mark = mark;
    } else if (rc != BLOCKDB_ENOSPC) {
        (void)manifest_fail(m, rc, &why);
    }
}

static void roll_when_large(struct manifest *m)
{
    struct error why = {0};

    if (m->end > m->roll_at && m->failure.code == BLOCKDB_OK && manifest_roll(m, &why) < 0) {
        m->roll_at = m->end + m->roll_bytes; /* not again at once */
    }
}

static int append(struct manifest *m, const struct manifest_edit *edit, struct error *err)
{
    AUTO(buf_deinit) struct buf record = {0};
    struct manifest_change change;
    int rc = manifest_change_init(&change, &m->state, edit, err);

    if (rc < 0) {
        return rc;
    }
    rc = manifest_record_encode(edit, m->number, m->end, &record);
    if (rc == BLOCKDB_ELIMIT) {
        rc = error_set(err, rc, "an edit of the manifest in '%s' is too large", m->dir);
    } else if (rc < 0) {
        rc = error_set_no_memory(err);
    } else {
        rc = write_record(m, buf_slice(&record), err);
    }
    if (rc < 0) {
        manifest_change_deinit(&change);
        return rc;
    }
    manifest_change_apply(&change, &m->state);
    write_mark(m);
    roll_when_large(m);
    return BLOCKDB_OK;
}

static int check_writable(const struct manifest *m, struct error *err)
{
    if (m->read_only) {
        return error_set(err, BLOCKDB_EREADONLY, "the manifest in '%s' was opened read-only",
                         m->dir);
    }
    if (m->failure.code != BLOCKDB_OK) {
        return error_set(err, m->failure.code,
                         "the manifest takes no more edits, as one failed before: %s; see to the "
                         "disk, then open the database again",
                         m->failure.message);
    }
    return BLOCKDB_OK;
}

int manifest_append(struct manifest *m, const struct manifest_edit *edit, struct error *err)
{
    struct manifest_edit full = *edit;
    struct error local;
    int rc;

    err = err != NULL ? err : &local;
    ASSERT(edit->next_file_number == 0);
    mutex_lock(&m->mu);
    while (m->busy) {
        cond_wait(&m->idle, &m->mu);
    }
    m->busy = true;
    mutex_unlock(&m->mu);

    full.next_file_number = atomic_load_explicit(&m->next_file_number, memory_order_relaxed);
    rc = check_writable(m, err);
    if (rc == BLOCKDB_OK) {
        rc = append(m, &full, err);
    }

    mutex_lock(&m->mu);
    m->busy = false;
    cond_signal(&m->idle);
    mutex_unlock(&m->mu);
    return rc;
}
