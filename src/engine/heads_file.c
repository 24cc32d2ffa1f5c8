/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/heads_file.h"

#include "base/checksum.h"
#include "base/mem.h"
#include "ledger/checkpoint.h"
#include "ledger/merkle.h"

#include <inttypes.h>

#define MAGIC "BDBHEADS"
#define MAGIC_LEN 8
#define VERSION 1
#define SUMMED_BYTES 88
#define RESERVED_OFFSET 56

#define MARK "BHr1"
#define MARK_LEN 4
#define RECORD_HEAD_LEN 16
#define RECORD_SUM_LEN 8
#define HEAD_BODY_LEN (8 + SHA256_LEN) /* size and root */

/* Larger than anything the file can have grown to. */
#define FILE_BYTES_MAX (1024u * 1024)

enum record_kind { RECORD_INTENT = 1, RECORD_NOTE = 2, RECORD_KEYS = 3 };

struct heads_file {
    struct os *os;
    char *path;
    struct os_file *file;
    struct heads_file_id id;
    struct heads_state state;
    uint64_t len_bytes; /* where the next record begins */
    bool read_only;
    bool failed;
    struct error first; /* with failed */
};

void heads_state_deinit(struct heads_state *state)
{
    buf_deinit(&state->note);
    buf_deinit(&state->keys);
}

/* ---- Encoding ------------------------------------------------------------------------------ */

static int append_header(struct buf *out, const struct heads_file_id *id)
{
    uint8_t bytes[HEADS_FILE_HEADER_LEN] = {0};

    memcpy(bytes, MAGIC, MAGIC_LEN);
    put_le32(bytes + 8, VERSION);
    memcpy(bytes + 32, id->ledger_id, LEDGER_ID_LEN);
    put_le64(bytes + 48, id->epoch);
    put_le64(bytes + SUMMED_BYTES, checksum(bytes, SUMMED_BYTES, 0));
    return buf_append(out, bytes, sizeof(bytes));
}

/* Appends a record whose body is two parts to out; offset is where out will lie in the file. */
static int append_record(struct buf *out, uint64_t offset, enum record_kind kind, struct slice head,
                         struct slice rest)
{
    size_t start = out->len;
    size_t body_len = head.len + rest.len;
    uint8_t bytes[RECORD_HEAD_LEN] = {0};

    if (buf_reserve(out, RECORD_HEAD_LEN + body_len + RECORD_SUM_LEN) < 0) {
        return BLOCKDB_ENOMEM;
    }
    memcpy(bytes, MARK, MARK_LEN);
    bytes[4] = (uint8_t)kind;
    put_le32(bytes + 8, (uint32_t)body_len);
    /* Room was reserved, nothing below fails. */
    IGNORE_RESULT(buf_append(out, bytes, sizeof(bytes)));
    IGNORE_RESULT(buf_append_slice(out, head));
    IGNORE_RESULT(buf_append_slice(out, rest));
    IGNORE_RESULT(
        buf_append_le64(out, checksum(out->data + start, out->len - start, offset + start)));
    return BLOCKDB_OK;
}

static struct slice encode_head(uint64_t size, const struct hash *root, uint8_t out[HEAD_BODY_LEN])
{
    put_le64(out, size);
    memcpy(out + 8, root->bytes, SHA256_LEN);
    return slice_of(out, HEAD_BODY_LEN);
}

/* ---- Decoding ------------------------------------------------------------------------------ */

static int damaged(const char *name, uint64_t offset, const char *what, struct error *err)
{
    return error_set(err, BLOCKDB_ECORRUPT,
                     "'%s' is damaged at offset %" PRIu64
                     ": %s; put the file back from a backup of this directory, or restore a backup",
                     name, offset, what);
}

static bool is_zero(const uint8_t *bytes, size_t len)
{
    size_t i;

    for (i = 0; i < len; i++) {
        if (bytes[i] != 0) {
            return false;
        }
    }
    return true;
}

static int decode_header(struct slice bytes, const struct heads_file_id *id, const char *name,
                         struct error *err)
{
    const uint8_t *p = bytes.data;

    if (bytes.len < HEADS_FILE_HEADER_LEN) {
        return damaged(name, bytes.len, "the header ends early", err);
    }
    if (memcmp(p, MAGIC, MAGIC_LEN) != 0) {
        return error_set(err, BLOCKDB_EFOREIGN, "'%s' is no file of signed heads", name);
    }
    if (get_le64(p + SUMMED_BYTES) != checksum(p, SUMMED_BYTES, 0)) {
        return damaged(name, 0, "the header's checksum does not fit", err);
    }
    if (get_le32(p + 8) != VERSION || get_le64(p + 24) != 0) {
        return error_set(err, BLOCKDB_EVERSION,
                         "'%s' has format version %" PRIu32 " and needs features 0x%" PRIx64
                         ": use a newer program",
                         name, get_le32(p + 8), get_le64(p + 24));
    }
    if (get_le32(p + 12) != 0 || !is_zero(p + RESERVED_OFFSET, SUMMED_BYTES - RESERVED_OFFSET)) {
        return damaged(name, 0, "reserved bytes are not zero", err);
    }
    if (memcmp(p + 32, id->ledger_id, LEDGER_ID_LEN) != 0 || get_le64(p + 48) != id->epoch) {
        return error_set(err, BLOCKDB_EFOREIGN,
                         "'%s' belongs to another ledger or epoch; put back the file of this "
                         "directory",
                         name);
    }
    return BLOCKDB_OK;
}

/* The length of the whole record at the front of bytes, which lie at offset; 0 when there is none.
 */
static size_t record_len(struct slice bytes, uint64_t offset)
{
    size_t len;
    size_t body_len;

    if (bytes.len < RECORD_HEAD_LEN + RECORD_SUM_LEN || memcmp(bytes.data, MARK, MARK_LEN) != 0) {
        return 0;
    }
    body_len = get_le32(bytes.data + 8);
    len = RECORD_HEAD_LEN + body_len;
    if (body_len > HEADS_FILE_BODY_MAX || bytes.len < len + RECORD_SUM_LEN ||
        get_le64(bytes.data + len) != checksum(bytes.data, len, offset)) {
        return 0;
    }
    return len + RECORD_SUM_LEN;
}

static bool has_record_behind(struct slice bytes, uint64_t offset)
{
    uint64_t at;

    for (at = offset + 1; at < bytes.len; at++) {
        if (record_len(slice_of(bytes.data + at, bytes.len - at), at) > 0) {
            return true;
        }
    }
    return false;
}

/* Takes size and root off the front of a body. */
static bool take_head(struct reader *body, uint64_t *out_size, struct hash *out_root)
{
    *out_size = reader_le64(body);
    reader_copy(body, out_root->bytes, SHA256_LEN);
    return reader_ok(body);
}

static const char *apply_intent(struct heads_state *state, struct reader *body)
{
    uint64_t size;
    struct hash root;

    if (!take_head(body, &size, &root) || !reader_done(body)) {
        return "an intent has another length";
    }
    if (state->has_intent &&
        (size < state->size || (size == state->size && !hash_equal(&root, &state->root)))) {
        return "an intent contradicts the one before it";
    }
    state->has_intent = true;
    state->size = size;
    state->root = root;
    return NULL;
}

/* Whether text is a note with a checkpoint of that size and root. */
static bool note_fits(struct slice text, uint64_t size, const struct hash *root)
{
    struct checkpoint checkpoint;
    struct note note;

    return checkpoint_parse_note(text, &note, &checkpoint, NULL) == BLOCKDB_OK &&
           checkpoint.size == size && hash_equal(&checkpoint.root, root);
}

static const char *apply_note(struct heads_state *state, struct reader *body)
{
    uint64_t size;
    struct hash root;
    struct slice text;

    if (!take_head(body, &size, &root)) {
        return "a note has no size and root";
    }
    text = reader_bytes(body, reader_left(body));
    if (!state->has_intent || size != state->size || !hash_equal(&root, &state->root)) {
        return "a note is not that of the intent before it";
    }
    if (!note_fits(text, size, &root)) {
        return "a note is not a checkpoint of its size and root";
    }
    buf_reset(&state->note);
    if (buf_append_slice(&state->note, text) < 0) {
        return "";
    }
    state->note_size = size;
    state->note_root = root;
    return NULL;
}

/* Applies a whole record. NULL, or what is wrong with it; "" for lack of memory. */
static const char *apply(struct heads_state *state, struct slice record)
{
    struct reader body = reader_of(
        slice_of(record.data + RECORD_HEAD_LEN, record.len - RECORD_HEAD_LEN - RECORD_SUM_LEN));

    if (!is_zero(record.data + 5, 3) || get_le32(record.data + 12) != 0) {
        return "reserved bytes are not zero";
    }
    switch (record.data[4]) {
    case RECORD_INTENT:
        return apply_intent(state, &body);
    case RECORD_NOTE:
        return apply_note(state, &body);
    case RECORD_KEYS:
        buf_reset(&state->keys);
        return buf_append_slice(&state->keys, reader_bytes(&body, reader_left(&body))) < 0 ? ""
                                                                                           : NULL;
    default:
        return "a record is of an unknown kind";
    }
}

int heads_file_decode(struct slice bytes, const struct heads_file_id *id, const char *name,
                      struct heads_state *out, uint64_t *out_len, struct error *err)
{
    AUTO(heads_state_deinit) struct heads_state state = {0};
    uint64_t at = HEADS_FILE_HEADER_LEN;
    int rc = decode_header(bytes, id, name, err);

    if (rc < 0) {
        return rc;
    }
    while (at < bytes.len) {
        struct slice left = slice_of(bytes.data + at, bytes.len - at);
        const char *wrong;

        left.len = record_len(left, at);
        if (left.len == 0 && has_record_behind(bytes, at)) {
            return damaged(name, at, "a record's checksum does not fit", err);
        }
        if (left.len == 0) {
            break;
        }
        wrong = apply(&state, left);
        if (wrong != NULL) {
            return wrong[0] == '\0' ? error_set_no_memory(err) : damaged(name, at, wrong, err);
        }
        at += left.len;
    }
    *out = state;
    state = (struct heads_state){0};
    *out_len = at;
    return BLOCKDB_OK;
}

/* ---- The file ------------------------------------------------------------------------------ */

static struct heads_file *file_new(const struct heads_file_options *options)
{
    struct heads_file *file = mem_calloc(1, sizeof(*file));

    if (file == NULL) {
        return NULL;
    }
    file->os = options->os;
    file->id = options->id;
    file->read_only = options->read_only;
    file->path = path_join(options->dir, HEADS_FILE_NAME);
    if (file->path == NULL) {
        mem_free(file);
        return NULL;
    }
    return file;
}

void heads_file_close(struct heads_file *file)
{
    if (file == NULL) {
        return;
    }
    file_close(file->file);
    heads_state_deinit(&file->state);
    mem_free(file->path);
    mem_free(file);
}

static void close_ptr(struct heads_file **file)
{
    heads_file_close(*file);
}

/* Appends a file with the newest records alone. */
static int append_newest(struct buf *out, const struct heads_file *file)
{
    const struct heads_state *state = &file->state;
    struct slice none = {0};
    uint8_t head[HEAD_BODY_LEN];
    int rc = append_header(out, &file->id);

    if (rc == BLOCKDB_OK && state->keys.len > 0) {
        rc = append_record(out, 0, RECORD_KEYS, none, buf_slice(&state->keys));
    }
    if (rc == BLOCKDB_OK && state->note.len > 0) {
        struct slice of = encode_head(state->note_size, &state->note_root, head);

        rc = append_record(out, 0, RECORD_INTENT, of, none);
        if (rc == BLOCKDB_OK) {
            rc = append_record(out, 0, RECORD_NOTE, of, buf_slice(&state->note));
        }
    }
    /* Behind a note of the same head it says nothing new, but is there. */
    if (rc == BLOCKDB_OK && state->has_intent) {
        rc = append_record(out, 0, RECORD_INTENT, encode_head(state->size, &state->root, head),
                           none);
    }
    return rc;
}

/* Replaces the file by its newest records, durable on return; the state stays. */
static int rewrite(struct heads_file *file, struct error *err)
{
    AUTO(buf_deinit) struct buf bytes = {0};
    int rc;

    if (append_newest(&bytes, file) < 0) {
        return error_set_no_memory(err);
    }
    file_close(TAKE(file->file));
    rc = os_replace_file(file->os, file->path, buf_slice(&bytes), err);
    if (rc == BLOCKDB_OK) {
        file->len_bytes = bytes.len;
    }
    return rc;
}

int heads_file_create(const struct heads_file_options *options, struct heads_file **out,
                      struct error *err)
{
    AUTO(close_ptr) struct heads_file *file = file_new(options);
    int rc;

    if (file == NULL) {
        return error_set_no_memory(err);
    }
    rc = rewrite(file, err);
    if (rc < 0) {
        return rc;
    }
    *out = TAKE(file);
    return BLOCKDB_OK;
}

int heads_file_open(const struct heads_file_options *options, struct heads_file **out,
                    uint64_t *out_cut_bytes, struct error *err)
{
    AUTO(close_ptr) struct heads_file *file = file_new(options);
    AUTO(buf_deinit) struct buf bytes = {0};
    int rc;

    if (file == NULL) {
        return error_set_no_memory(err);
    }
    rc = os_read_file(file->os, file->path, FILE_BYTES_MAX, &bytes, err);
    if (rc == BLOCKDB_ELIMIT) {
        return damaged(file->path, FILE_BYTES_MAX, "it is longer than it can be", err);
    }
    if (rc == BLOCKDB_OK) {
        rc = heads_file_decode(buf_slice(&bytes), &file->id, file->path, &file->state,
                               &file->len_bytes, err);
    }
    if (rc < 0) {
        return rc;
    }
    *out_cut_bytes = bytes.len - file->len_bytes;
    /* What stays of a torn record must not lie behind the next one. */
    if (*out_cut_bytes > 0 && !file->read_only) {
        rc = rewrite(file, err);
    }
    if (rc < 0) {
        return rc;
    }
    *out = TAKE(file);
    return BLOCKDB_OK;
}

const struct heads_state *heads_file_state(const struct heads_file *file)
{
    return &file->state;
}

/* HEADSF-4. */
static int fail(struct heads_file *file, int rc, const struct error *err)
{
    if (rc != BLOCKDB_ENOMEM && rc != BLOCKDB_ENOSPC) {
        file->failed = true;
        file->first = *err;
    }
    return rc;
}

static int check_writable(const struct heads_file *file, struct error *err)
{
    if (file->read_only) {
        return error_set(err, BLOCKDB_EREADONLY, "'%s' was opened read-only", file->path);
    }
    if (file->failed) {
        return error_set(err, BLOCKDB_EREADONLY,
                         "no head is signed since a write failed (%.300s); open the database again",
                         file->first.message);
    }
    return BLOCKDB_OK;
}

/* Opens for appending, and first drops all but the newest records when there are many. */
static int make_room(struct heads_file *file, size_t len, struct error *err)
{
    int rc = BLOCKDB_OK;

    if (file->len_bytes + len > HEADS_FILE_ROLL_BYTES) {
        rc = rewrite(file, err);
    }
    if (rc == BLOCKDB_OK && file->file == NULL) {
        rc = os_open(file->os, file->path, OS_READ | OS_WRITE, &file->file, err);
    }
    return rc;
}

/* Writes a record and syncs it. */
static int append(struct heads_file *file, enum record_kind kind, struct slice head,
                  struct slice rest, struct error *err)
{
    AUTO(buf_deinit) struct buf bytes = {0};
    int rc = check_writable(file, err);

    if (rc < 0) {
        return rc;
    }
    rc = make_room(file, RECORD_HEAD_LEN + head.len + rest.len + RECORD_SUM_LEN, err);
    if (rc < 0) {
        return fail(file, rc, err);
    }
    if (append_record(&bytes, file->len_bytes, kind, head, rest) < 0) {
        return error_set_no_memory(err);
    }
    rc = file_pwrite(file->file, bytes.data, bytes.len, file->len_bytes, err);
    if (rc == BLOCKDB_OK) {
        rc = file_sync(file->file, err);
        rc = rc == BLOCKDB_ENOSPC ? BLOCKDB_EIO : rc; /* what a sync lost is not known */
    }
    if (rc < 0) { /* for lack of space: the next record overwrites what there is of this one */
        return fail(file, rc, err);
    }
    file->len_bytes += bytes.len;
    return BLOCKDB_OK;
}

int heads_file_intend(struct heads_file *file, uint64_t size, const struct hash *root,
                      struct error *err)
{
    struct heads_state *state = &file->state;
    uint8_t body[HEAD_BODY_LEN];
    int rc;

    if (state->has_intent && size == state->size && hash_equal(root, &state->root)) {
        return check_writable(file, err);
    }
    if (state->has_intent && size <= state->size) {
        return error_set(err, BLOCKDB_ETAMPERED,
                         "a head of %" PRIu64 " entries was signed before; one of %" PRIu64
                         " entries with another history is not",
                         state->size, size);
    }
    rc = append(file, RECORD_INTENT, encode_head(size, root, body), (struct slice){0}, err);
    if (rc < 0) {
        return rc;
    }
    state->has_intent = true;
    state->size = size;
    state->root = *root;
    return BLOCKDB_OK;
}

/* Writes the record of text and keeps text in *at; nothing changes on failure. */
static int append_text(struct heads_file *file, enum record_kind kind, struct slice head,
                       struct slice text, struct buf *at, struct error *err)
{
    AUTO(buf_deinit) struct buf copy = {0};
    int rc;

    if (head.len + text.len > HEADS_FILE_BODY_MAX) {
        return error_set(err, BLOCKDB_ELIMIT, "%zu bytes are more than '%s' keeps in a record (%u)",
                         text.len, file->path, HEADS_FILE_BODY_MAX);
    }
    if (buf_append_slice(&copy, text) < 0) {
        return error_set_no_memory(err);
    }
    rc = append(file, kind, head, text, err);
    if (rc < 0) {
        return rc;
    }
    buf_deinit(at);
    *at = copy;
    copy = (struct buf){0};
    return BLOCKDB_OK;
}

int heads_file_publish(struct heads_file *file, struct slice note, struct error *err)
{
    struct heads_state *state = &file->state;
    uint8_t body[HEAD_BODY_LEN];
    int rc = append_text(file, RECORD_NOTE, encode_head(state->size, &state->root, body), note,
                         &state->note, err);

    if (rc == BLOCKDB_OK) {
        state->note_size = state->size;
        state->note_root = state->root;
    }
    return rc;
}

int heads_file_record_keys(struct heads_file *file, struct slice keys, struct error *err)
{
    return append_text(file, RECORD_KEYS, (struct slice){0}, keys, &file->state.keys, err);
}
