/* SPDX-License-Identifier: Apache-2.0 */
#include "store/manifest_log.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>

#define NAME_START "MANIFEST-"
#define NAME_START_LEN 9

void manifest_name(uint64_t number, char *out)
{
    (void)snprintf(out, MANIFEST_NAME_MAX, NAME_START "%06" PRIu64, number);
}

bool manifest_name_parse(struct slice name, uint64_t *out_number)
{
    char again[MANIFEST_NAME_MAX];
    uint64_t number = 0;
    size_t i;

    if (name.len <= NAME_START_LEN || name.len >= sizeof(again) ||
        memcmp(name.data, NAME_START, NAME_START_LEN) != 0) {
        return false;
    }
    for (i = NAME_START_LEN; i < name.len; i++) {
        if (name.data[i] < '0' || name.data[i] > '9') {
            return false;
        }
        number = number * 10 + (name.data[i] - '0');
    }
    manifest_name(number, again); /* one spelling a number; an overflow does not come back */
    if (!slice_equal(name, slice_of_text(again))) {
        return false;
    }
    *out_number = number;
    return true;
}

void manifest_log_deinit(struct manifest_log *log)
{
    manifest_state_deinit(&log->state);
}

static int corrupt(const char *path, uint64_t offset, const char *what, struct error *err)
{
    return error_set(err, BLOCKDB_ECORRUPT,
                     "manifest '%s': %s at offset %" PRIu64
                     "; restore the database directory from a backup",
                     path, what, offset);
}

/* Applies the edit in payload, which stands at `offset`. */
static int apply_payload(struct manifest_log *log, struct slice payload, uint64_t offset,
                         const char *path, struct manifest_edit_owned *owned, struct error *err)
{
    struct error why = {0};
    int rc = manifest_edit_decode(payload, owned, &why);

    if (rc == BLOCKDB_OK) {
        rc = manifest_state_apply(&log->state, &owned->edit, &why);
    }
    if (rc == BLOCKDB_EINVAL || rc == BLOCKDB_ECORRUPT) {
        return corrupt(path, offset, why.message, err);
    }
    return rc < 0 ? error_set(err, rc, "manifest '%s': %s", path, why.message) : BLOCKDB_OK;
}

static int apply_record(struct manifest_log *log, struct slice payload, const char *path,
                        manifest_visit_fn visit, void *arg, struct error *err)
{
    AUTO(manifest_edit_owned_deinit) struct manifest_edit_owned owned = {0};
    int rc = apply_payload(log, payload, log->end, path, &owned, err);

    if (rc == BLOCKDB_OK && visit != NULL) {
        rc = visit(arg, log->end, &owned.edit);
    }
    if (rc < 0) {
        return rc;
    }
    log->edit_count++;
    log->end += MANIFEST_RECORD_HEAD_BYTES + payload.len;
    if (log->edit_count == 1) {
        log->snapshot_end = log->end;
    }
    return BLOCKDB_OK;
}

/* Whether what is behind log->end may be there: nothing, or the torn tail of a record that was
 * never synced. */
static int check_tail(const struct manifest_log *log, struct slice bytes, const char *path,
                      struct error *err)
{
    struct reader r = reader_of(slice_of(bytes.data + log->end, bytes.len - log->end));
    uint64_t next;

    if (log->end < log->head.synced) {
        return corrupt(path, log->end,
                       log->file_bytes < log->head.synced ? "the file ends too early, a record"
                                                          : "damaged record",
                       err);
    }
    (void)reader_le64(&r);
    next = log->end + MANIFEST_RECORD_HEAD_BYTES + reader_le32(&r);
    if (reader_ok(&r) && next < bytes.len &&
        manifest_record_payload(slice_of(bytes.data + next, bytes.len - next), log->head.number,
                                next)
                .len > 0) {
        return corrupt(path, log->end, "damaged record with a whole one behind it,", err);
    }
    return BLOCKDB_OK;
}

int manifest_log_parse(struct slice bytes, const char *path, manifest_visit_fn visit, void *arg,
                       struct manifest_log *out, struct error *err)
{
    AUTO(manifest_log_deinit) struct manifest_log log = {0};
    int rc = manifest_head_decode(bytes, path, &log.head, err);

    if (rc < 0) {
        return rc;
    }
    manifest_state_init(&log.state);
    log.end = MANIFEST_HEAD_BYTES;
    log.snapshot_end = MANIFEST_HEAD_BYTES;
    log.file_bytes = bytes.len;
    for (;;) {
        struct slice left = slice_of(bytes.data + log.end, bytes.len - log.end);
        struct slice payload = manifest_record_payload(left, log.head.number, log.end);

        if (payload.len == 0) {
            break;
        }
        rc = apply_record(&log, payload, path, visit, arg, err);
        if (rc < 0) {
            return rc;
        }
    }
    rc = check_tail(&log, bytes, path, err);
    if (rc < 0) {
        return rc;
    }
    *out = log;
    log = (struct manifest_log){0};
    return BLOCKDB_OK;
}

int manifest_log_read(struct os *os, const char *path, manifest_visit_fn visit, void *arg,
                      struct manifest_log *out, struct error *err)
{
    AUTO(buf_deinit) struct buf bytes = {0};
    int rc = os_read_file(os, path, MANIFEST_FILE_BYTES_MAX, &bytes, err);

    if (rc < 0) {
        return rc;
    }
    return manifest_log_parse(buf_slice(&bytes), path, visit, arg, out, err);
}

int manifest_inspect(struct os *os, const char *path, manifest_visit_fn visit, void *arg,
                     struct manifest_info *out, struct error *err)
{
    AUTO(manifest_log_deinit) struct manifest_log log = {0};
    int rc = manifest_log_read(os, path, visit, arg, &log, err);

    if (rc < 0) {
        return rc;
    }
    *out = (struct manifest_info){
        .number = log.head.number,
        .edit_count = log.edit_count,
        .bytes = log.end,
        .torn_bytes = log.file_bytes - log.end,
    };
    memcpy(out->ledger_id, log.head.ledger_id, LEDGER_ID_LEN);
    return BLOCKDB_OK;
}
