/* SPDX-License-Identifier: Apache-2.0 */
#include "store/identity.h"

#include "base/bytes.h"
#include "base/checksum.h"
#include "base/mem.h"

#include <inttypes.h>

#define MAGIC "BDBIDENT"
#define MAGIC_LEN 8
#define IDENTITY_BYTES 128
#define SUMMED_BYTES 120
#define RESERVED_OFFSET 64

static void encode(const struct identity *identity, uint8_t out[IDENTITY_BYTES])
{
    memset(out, 0, IDENTITY_BYTES);
    memcpy(out, MAGIC, MAGIC_LEN);
    put_le32(out + 8, IDENTITY_VERSION);
    put_le64(out + 16, identity->features_ignorable);
    put_le64(out + 24, identity->features_required);
    memcpy(out + 32, identity->ledger_id, LEDGER_ID_LEN);
    put_le64(out + 48, identity->epoch);
    put_le64(out + 56, identity->created_ms);
    put_le64(out + SUMMED_BYTES, checksum(out, SUMMED_BYTES, 0));
}

static bool reserved_is_zero(const uint8_t *bytes)
{
    size_t i;

    if (get_le32(bytes + 12) != 0) {
        return false;
    }
    for (i = RESERVED_OFFSET; i < SUMMED_BYTES; i++) {
        if (bytes[i] != 0) {
            return false;
        }
    }
    return true;
}

static int decode(struct slice bytes, const char *path, struct identity *out, struct error *err)
{
    struct reader r = reader_of(bytes);
    struct slice magic = reader_bytes(&r, MAGIC_LEN);
    struct identity identity = {0};
    uint32_t version;

    if (reader_ok(&r) && !slice_equal(magic, slice_of(MAGIC, MAGIC_LEN))) {
        return error_set(err, BLOCKDB_EFOREIGN,
                         "'%s' is not a file of BlockDB; choose another data directory", path);
    }
    version = reader_le32(&r);
    if (bytes.len == IDENTITY_BYTES && version > IDENTITY_VERSION) {
        return error_set(err, BLOCKDB_EVERSION,
                         "'%s' has format version %" PRIu32
                         ", this program knows up to %d: use a newer program",
                         path, version, IDENTITY_VERSION);
    }
    (void)reader_le32(&r);
    identity.features_ignorable = reader_le64(&r);
    identity.features_required = reader_le64(&r);
    reader_copy(&r, identity.ledger_id, LEDGER_ID_LEN);
    identity.epoch = reader_le64(&r);
    identity.created_ms = reader_le64(&r);
    if (bytes.len != IDENTITY_BYTES || version == 0 || !reserved_is_zero(bytes.data) ||
        get_le64(bytes.data + SUMMED_BYTES) != checksum(bytes.data, SUMMED_BYTES, 0)) {
        return error_set(err, BLOCKDB_ECORRUPT,
                         "'%s' is damaged at some of its %zu bytes from offset 0; put it back from "
                         "a backup of this database",
                         path, bytes.len);
    }
    if (identity.features_required != 0) {
        return error_set(err, BLOCKDB_EVERSION,
                         "'%s' needs features 0x%" PRIx64
                         " that this program does not know: use a newer program",
                         path, identity.features_required);
    }
    *out = identity;
    return BLOCKDB_OK;
}

int identity_load(struct os *os, const char *dir, struct identity *out, struct error *err)
{
    AUTO(buf_deinit) struct buf bytes = {0};
    AUTO(mem_free_ptr) char *path = path_join(dir, IDENTITY_NAME);
    int rc;

    if (path == NULL) {
        return error_set_no_memory(err);
    }
    /* A longer file is read far enough to tell whether it is foreign. */
    rc = os_read_file(os, path, (size_t)1 << 20, &bytes, err);
    if (rc == BLOCKDB_ELIMIT) {
        return error_set(err, BLOCKDB_EFOREIGN,
                         "'%s' is not a file of BlockDB: it is too large; choose another data "
                         "directory",
                         path);
    }
    if (rc < 0) {
        return rc;
    }
    return decode(buf_slice(&bytes), path, out, err);
}

int identity_replace(struct os *os, const char *dir, const struct identity *identity,
                     struct error *err)
{
    AUTO(mem_free_ptr) char *path = path_join(dir, IDENTITY_NAME);
    uint8_t bytes[IDENTITY_BYTES];

    if (path == NULL) {
        return error_set_no_memory(err);
    }
    encode(identity, bytes);
    return os_replace_file(os, path, slice_of(bytes, sizeof(bytes)), err);
}

int identity_create(struct os *os, const char *dir, struct identity *out, struct error *err)
{
    AUTO(mem_free_ptr) char *path = path_join(dir, IDENTITY_NAME);
    struct identity identity = {.created_ms = os_now_ms(os)};
    struct os_stat stat;
    int rc;

    if (path == NULL) {
        return error_set_no_memory(err);
    }
    rc = os_stat_path(os, path, &stat, err);
    if (rc == BLOCKDB_OK) {
        return error_set(err, BLOCKDB_EEXIST, "'%s' is there already", path);
    }
    if (rc != BLOCKDB_ENOTFOUND) {
        return rc;
    }
    rc = os_random(os, identity.ledger_id, LEDGER_ID_LEN, err);
    if (rc == BLOCKDB_OK) {
        rc = identity_replace(os, dir, &identity, err);
    }
    if (rc < 0) {
        return rc;
    }
    *out = identity;
    return BLOCKDB_OK;
}
