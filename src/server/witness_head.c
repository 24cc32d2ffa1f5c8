/* SPDX-License-Identifier: Apache-2.0 */
#include "server/witness_head.h"

#include "base/assert.h"
#include "base/checksum.h"
#include "base/text.h"
#include "ledger/checkpoint.h"

#include <assert.h>
#include <inttypes.h>

#define MAGIC "BDBWHEAD"
#define MAGIC_LEN 8
#define VERSION_OFFSET 8
#define NOTE_LEN_OFFSET 12
#define RESERVED_OFFSET 32
#define CHECKSUM_LEN 8

static_assert(WITNESS_HEAD_NOTE_MAX <= NOTE_LEN_MAX, "a note that is stored can be parsed");

void witness_head_name(char out[WITNESS_HEAD_NAME_BYTES], const struct hash *log)
{
    text_format_hex(out, log->bytes, SHA256_LEN);
    memcpy(out + 2 * SHA256_LEN, WITNESS_HEAD_SUFFIX, sizeof(WITNESS_HEAD_SUFFIX));
}

bool witness_head_name_parse(const char *name, struct hash *out_log)
{
    char again[WITNESS_HEAD_NAME_BYTES];
    struct hash log;

    if (strlen(name) != WITNESS_HEAD_NAME_BYTES - 1 ||
        text_parse_hex(slice_of(name, (size_t)2 * SHA256_LEN), log.bytes, SHA256_LEN) < 0) {
        return false;
    }
    witness_head_name(again, &log);
    if (strcmp(again, name) != 0) {
        return false;
    }
    *out_log = log;
    return true;
}

int witness_head_of_note(struct slice note, const struct hash *log, struct witness_head *out,
                         struct error *err)
{
    struct checkpoint checkpoint;
    struct note parsed;
    struct hash named;
    int rc;

    if (note.len > WITNESS_HEAD_NOTE_MAX) {
        return error_set(err, BLOCKDB_ELIMIT, "the head's note has %zu bytes, more than %d",
                         note.len, WITNESS_HEAD_NOTE_MAX);
    }
    rc = checkpoint_parse_note(note, &parsed, &checkpoint, err);
    if (rc < 0) {
        return rc;
    }
    witness_log_of(checkpoint.origin, &named);
    if (memcmp(&named, log, sizeof(named)) != 0) {
        return error_set(err, BLOCKDB_ECORRUPT, "the head is that of another log, '%.*s'",
                         (int)checkpoint.origin.len, (const char *)checkpoint.origin.data);
    }
    *out = (struct witness_head){.size = checkpoint.size, .root = checkpoint.root};
    return BLOCKDB_OK;
}

int witness_head_encode(struct buf *out, struct slice note)
{
    uint8_t *at;

    ASSERT(note.len > 0);
    ASSERT(note.len <= WITNESS_HEAD_NOTE_MAX);
    if (buf_reserve(out, WITNESS_HEAD_HEADER_LEN + note.len + CHECKSUM_LEN) < 0) {
        return BLOCKDB_ENOMEM;
    }
    at = out->data + out->len;
    memset(at, 0, WITNESS_HEAD_HEADER_LEN);
    memcpy(at, MAGIC, MAGIC_LEN);
    put_le32(at + VERSION_OFFSET, WITNESS_HEAD_VERSION);
    put_le32(at + NOTE_LEN_OFFSET, (uint32_t)note.len);
    memcpy(at + WITNESS_HEAD_HEADER_LEN, note.data, note.len);
    put_le64(at + WITNESS_HEAD_HEADER_LEN + note.len,
             checksum(at, WITNESS_HEAD_HEADER_LEN + note.len, 0));
    out->len += WITNESS_HEAD_HEADER_LEN + note.len + CHECKSUM_LEN;
    return BLOCKDB_OK;
}

static int damaged(struct error *err, const char *path, size_t len)
{
    return error_set(err, BLOCKDB_ECORRUPT,
                     "'%s' is damaged at some of its %zu bytes from offset 0; do not put back an "
                     "older copy: a witness that forgot what it cosigned needs a new key",
                     path, len);
}

/* The fields in front of the note. */
struct header {
    uint32_t version;
    uint32_t note_len;
    uint64_t features_required;
    bool reserved_zero;
};

static struct header read_header(struct reader *r)
{
    static const uint8_t zeros[WITNESS_HEAD_HEADER_LEN - RESERVED_OFFSET];
    struct header header;
    struct slice reserved;

    header.version = reader_le32(r);
    header.note_len = reader_le32(r);
    (void)reader_le64(r); /* what may be ignored */
    header.features_required = reader_le64(r);
    reserved = reader_bytes(r, sizeof(zeros));
    header.reserved_zero = slice_equal(reserved, slice_of(zeros, sizeof(zeros)));
    return header;
}

static int newer(struct error *err, const char *path)
{
    return error_set(err, BLOCKDB_EVERSION, "'%s' was written by a newer program: use that", path);
}

int witness_head_decode(struct slice bytes, const struct hash *log, const char *path,
                        struct slice *out_note, struct witness_head *out, struct error *err)
{
    struct reader r = reader_of(bytes);
    struct slice magic = reader_bytes(&r, MAGIC_LEN);
    struct header header;
    struct slice note;
    uint64_t sum;
    int rc;

    if (reader_ok(&r) && !slice_equal(magic, slice_of(MAGIC, MAGIC_LEN))) {
        return error_set(err, BLOCKDB_EFOREIGN,
                         "'%s' is not the head of a witness; choose another directory", path);
    }
    header = read_header(&r);
    if (reader_ok(&r) && header.version > WITNESS_HEAD_VERSION) {
        return newer(err, path);
    }
    note = reader_bytes(&r, header.note_len);
    sum = reader_le64(&r);
    if (!reader_done(&r) || header.version == 0 || !header.reserved_zero || note.len == 0 ||
        note.len > WITNESS_HEAD_NOTE_MAX ||
        sum != checksum(bytes.data, WITNESS_HEAD_HEADER_LEN + note.len, 0)) {
        return damaged(err, path, bytes.len);
    }
    if (header.features_required != 0) {
        return newer(err, path);
    }
    rc = witness_head_of_note(note, log, out, err);
    if (rc < 0) {
        return error_wrap(err, rc, "'%s'", path);
    }
    *out_note = note;
    return BLOCKDB_OK;
}
