/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/audit_state.h"

#include "audit/audit_source.h"
#include "base/checksum.h"
#include "base/mem.h"
#include "ledger/checkpoint.h"
#include "ledger/merkle.h"
#include "os/os.h"

#include <assert.h>

#define STATE_MAGIC "BDBAUDIT"
#define STATE_MAGIC_LEN 8
#define STATE_VERSION 1
#define STATE_LOG_ID_LEN 16
#define STATE_FIXED_LEN 396
#define STATE_CHECKSUM_LEN 8
#define STATE_LEN_MAX ((size_t)1 << 20)

static_assert(STATE_FIXED_LEN + FRONTIER_PEAKS_MAX * SHA256_LEN + 2 * AUDIT_NOTE_LEN_MAX +
                      STATE_CHECKSUM_LEN <=
                  STATE_LEN_MAX,
              "a state fits its file");

/* ---- Heads --------------------------------------------------------------------------------- */

void audit_head_deinit(struct audit_head *head)
{
    buf_deinit(&head->note);
    *head = (struct audit_head){0};
}

int audit_head_copy(struct audit_head *to, const struct audit_head *from)
{
    struct buf note = {0};
    int rc = buf_append_slice(&note, buf_slice(&from->note));

    if (rc < 0) {
        return rc;
    }
    buf_deinit(&to->note);
    *to = (struct audit_head){.note = note, .size = from->size, .root = from->root};
    return BLOCKDB_OK;
}

struct slice audit_head_origin(const struct audit_head *head)
{
    const uint8_t *end = head->note.len > 0 ? memchr(head->note.data, '\n', head->note.len) : NULL;

    return end != NULL ? slice_of(head->note.data, (size_t)(end - head->note.data))
                       : (struct slice){0};
}

/* ---- States -------------------------------------------------------------------------------- */

void audit_state_init(struct audit_state *state)
{
    *state = (struct audit_state){0};
}

void audit_state_deinit(struct audit_state *state)
{
    audit_head_deinit(&state->head);
    audit_head_deinit(&state->seen);
}

/* The newer of the two heads that knows the origin. */
static const struct audit_head *any_head(const struct audit_state *state)
{
    return state->head.note.len > 0 ? &state->head : &state->seen;
}

static void log_id(const struct audit_state *state, uint8_t out[STATE_LOG_ID_LEN])
{
    struct slice origin = audit_head_origin(any_head(state));
    struct hash hash = {{0}};

    if (origin.len > 0) {
        sha256_once(origin.data, origin.len, &hash);
    }
    memcpy(out, hash.bytes, STATE_LOG_ID_LEN);
}

/* ---- Bytes --------------------------------------------------------------------------------- */

static uint8_t *put_number(uint8_t *at, uint64_t number)
{
    put_le64(at, number);
    return at + 8;
}

static uint8_t *put_bytes(uint8_t *at, const void *bytes, size_t len)
{
    if (len > 0) {
        memcpy(at, bytes, len);
    }
    return at + len;
}

static uint8_t *put_counts(uint8_t *at, const struct audit_counts *counts)
{
    at = put_number(at, counts->blocks);
    at = put_number(at, counts->puts);
    at = put_number(at, counts->deletes);
    at = put_number(at, counts->redactions);
    at = put_number(at, counts->epochs);
    return put_number(at, counts->configs);
}

static uint8_t *put_head(uint8_t *at, const struct audit_head *head)
{
    at = put_number(at, head->size);
    return put_bytes(at, head->root.bytes, SHA256_LEN);
}

/* Writes all but the checksum; returns where that goes. */
static uint8_t *encode_fields(const struct audit_state *state, size_t len, uint8_t *at)
{
    uint8_t frontier[FRONTIER_LEN_MAX];

    memset(at, 0, STATE_FIXED_LEN);
    at = put_bytes(at, STATE_MAGIC, STATE_MAGIC_LEN);
    put_le32(at, STATE_VERSION);
    put_le32(at + 4, (uint32_t)len);
    at += 8 + 16; /* no features */
    log_id(state, at);
    at += STATE_LOG_ID_LEN;
    at = put_head(at, &state->head);
    at = put_head(at, &state->seen);
    at = put_number(at, state->frontier.size);
    at = put_number(at, state->epoch);
    at = put_counts(at, &state->counts);
    put_le32(at, (uint32_t)state->head.note.len);
    put_le32(at + 4, (uint32_t)state->seen.note.len);
    at += 16;
    if (state->frontier.size > 0) {
        block_header_encode(&state->last_header, at);
    }
    at += BLOCK_HEADER_LEN;
    frontier_encode(&state->frontier, frontier);
    at = put_bytes(at, frontier + 8, frontier_len(&state->frontier) - 8);
    at = put_bytes(at, state->head.note.data, state->head.note.len);
    return put_bytes(at, state->seen.note.data, state->seen.note.len);
}

int audit_state_encode(const struct audit_state *state, struct buf *out)
{
    size_t len = STATE_FIXED_LEN + frontier_len(&state->frontier) - 8 + state->head.note.len +
                 state->seen.note.len + STATE_CHECKSUM_LEN;
    uint8_t *start;
    uint8_t *end;
    int rc = buf_reserve(out, len);

    if (rc < 0) {
        return rc;
    }
    start = out->data + out->len;
    end = encode_fields(state, len, start);
    put_le64(end, checksum(start, len - STATE_CHECKSUM_LEN, 0));
    out->len += len;
    return BLOCKDB_OK;
}

static void read_counts(struct reader *in, struct audit_counts *out)
{
    out->blocks = reader_le64(in);
    out->puts = reader_le64(in);
    out->deletes = reader_le64(in);
    out->redactions = reader_le64(in);
    out->epochs = reader_le64(in);
    out->configs = reader_le64(in);
}

static bool all_zero(struct slice bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        if (bytes.data[i] != 0) {
            return false;
        }
    }
    return true;
}

/* Whether a note says what stands beside it, and comes from this log. */
static bool head_is_sound(const struct audit_head *head, struct slice origin)
{
    const uint8_t *at = head->note.data;
    size_t len = 0;
    unsigned lines = 0;
    struct checkpoint checkpoint;

    if (head->note.len == 0) {
        return head->size == 0 && hash_is_zero(&head->root);
    }
    /* The text ends before the first empty line, if there is one. */
    while (len < head->note.len && !(lines > 0 && at[len] == '\n' && at[len - 1] == '\n')) {
        lines += at[len++] == '\n';
    }
    if (checkpoint_parse(slice_of(at, len), &checkpoint, NULL) < 0) {
        return false;
    }
    return checkpoint.size == head->size && hash_equal(&checkpoint.root, &head->root) &&
           slice_equal(checkpoint.origin, origin);
}

/* STATE-1, STATE-2, and what the page says of the rest. */
static bool state_is_sound(const struct audit_state *state, const uint8_t id[STATE_LOG_ID_LEN])
{
    struct slice origin = audit_head_origin(any_head(state));
    uint64_t position = state->frontier.size;
    const struct audit_counts *counts = &state->counts;
    uint64_t sum = counts->blocks + counts->puts + counts->deletes + counts->redactions +
                   counts->epochs + counts->configs;
    uint8_t expected[STATE_LOG_ID_LEN];

    log_id(state, expected);
    if (memcmp(id, expected, STATE_LOG_ID_LEN) != 0 || sum != position ||
        position < state->head.size || !head_is_sound(&state->head, origin) ||
        !head_is_sound(&state->seen, origin)) {
        return false;
    }
    if (state->seen.note.len > 0
            ? state->seen.size <= state->head.size || position > state->seen.size
            : position != state->head.size) {
        return false;
    }
    return position == 0 || (state->last_header.tree_size == position - 1 &&
                             state->last_header.height + 1 == counts->blocks);
}

/* Reads what follows the fixed part. */
static int read_variable(struct reader *in, uint32_t head_len, uint32_t seen_len,
                         struct audit_state *out)
{
    struct slice note;

    for (unsigned h = FRONTIER_PEAKS_MAX; h-- > 0;) {
        if ((out->frontier.size >> h & 1) != 0) {
            reader_copy(in, out->frontier.peaks[h].bytes, SHA256_LEN);
        }
    }
    note = reader_bytes(in, head_len);
    if (buf_append_slice(&out->head.note, note) < 0) {
        return BLOCKDB_ENOMEM;
    }
    note = reader_bytes(in, seen_len);
    if (buf_append_slice(&out->seen.note, note) < 0) {
        return BLOCKDB_ENOMEM;
    }
    return reader_done(in) && head_len <= AUDIT_NOTE_LEN_MAX && seen_len <= AUDIT_NOTE_LEN_MAX
               ? BLOCKDB_OK
               : BLOCKDB_ECORRUPT;
}

/* Reads everything behind the length; the checksum was right. */
static int read_fields(struct reader *in, struct audit_state *out)
{
    uint64_t must_refuse;
    uint8_t id[STATE_LOG_ID_LEN];
    uint32_t head_len;
    uint32_t seen_len;
    struct slice header;
    bool header_is_good;
    int rc;

    (void)reader_le64(in); /* features that may be ignored */
    must_refuse = reader_le64(in);
    if (must_refuse != 0) {
        return BLOCKDB_EVERSION;
    }
    reader_copy(in, id, sizeof(id));
    out->head.size = reader_le64(in);
    reader_copy(in, out->head.root.bytes, SHA256_LEN);
    out->seen.size = reader_le64(in);
    reader_copy(in, out->seen.root.bytes, SHA256_LEN);
    out->frontier.size = reader_le64(in);
    out->epoch = reader_le64(in);
    read_counts(in, &out->counts);
    head_len = reader_le32(in);
    seen_len = reader_le32(in);
    if (reader_le64(in) != 0) {
        return BLOCKDB_ECORRUPT;
    }
    header = reader_bytes(in, BLOCK_HEADER_LEN);
    header_is_good = out->frontier.size > 0
                         ? block_header_decode(header, &out->last_header) == BLOCKDB_OK
                         : all_zero(header);
    rc = read_variable(in, head_len, seen_len, out);
    if (rc == BLOCKDB_OK && (!header_is_good || !state_is_sound(out, id))) {
        rc = BLOCKDB_ECORRUPT;
    }
    return rc;
}

/* Magic, version, length, checksum. */
static int check_frame(struct slice bytes, struct error *err)
{
    struct reader in = reader_of(bytes);
    struct slice magic = reader_bytes(&in, STATE_MAGIC_LEN);
    uint32_t version = reader_le32(&in);
    uint32_t len = reader_le32(&in);

    if (magic.len == STATE_MAGIC_LEN && memcmp(magic.data, STATE_MAGIC, STATE_MAGIC_LEN) != 0) {
        return error_set(err, BLOCKDB_EFOREIGN, "it is no state of an audit; name another --state");
    }
    if (reader_ok(&in) && version > STATE_VERSION) {
        return error_set(err, BLOCKDB_EVERSION,
                         "it was written by a newer version (format %u); upgrade this program",
                         version);
    }
    if (bytes.len < STATE_FIXED_LEN + STATE_CHECKSUM_LEN || version != STATE_VERSION ||
        len != bytes.len) {
        return error_set(err, BLOCKDB_ECORRUPT,
                         "its length or version is wrong; take a copy of it from a backup");
    }
    len -= STATE_CHECKSUM_LEN;
    if (get_le64(bytes.data + len) != checksum(bytes.data, len, 0)) {
        return error_set(err, BLOCKDB_ECORRUPT,
                         "checksum mismatch at offset %u; take a copy of it from a backup", len);
    }
    return BLOCKDB_OK;
}

int audit_state_decode(struct slice bytes, struct audit_state *out, struct error *err)
{
    AUTO(audit_state_deinit) struct audit_state state = {0};
    struct reader in;
    int rc = check_frame(bytes, err);

    if (rc < 0) {
        return rc;
    }
    in = reader_of(slice_of(bytes.data + 16, bytes.len - 16 - STATE_CHECKSUM_LEN));
    rc = read_fields(&in, &state);
    if (rc == BLOCKDB_ENOMEM) {
        return error_set_no_memory(err);
    }
    if (rc == BLOCKDB_EVERSION) {
        return error_set(err, rc, "it uses features of a newer version; upgrade this program");
    }
    if (rc < 0) {
        return error_set(err, rc,
                         "its fields contradict each other; take a copy of it from a backup");
    }
    audit_state_deinit(out);
    *out = state;
    state = (struct audit_state){0};
    return BLOCKDB_OK;
}

/* ---- Files --------------------------------------------------------------------------------- */

int audit_state_load(struct os *os, const char *path, struct audit_state *out, struct error *err)
{
    AUTO(buf_deinit) struct buf bytes = {0};
    int rc = os_read_file(os, path, STATE_LEN_MAX, &bytes, err);

    if (rc < 0) {
        return rc;
    }
    rc = audit_state_decode(buf_slice(&bytes), out, err);
    return rc < 0 ? error_wrap(err, rc, "audit state '%s'", path) : BLOCKDB_OK;
}

int audit_state_store(struct os *os, const char *path, const struct audit_state *state,
                      struct error *err)
{
    AUTO(buf_deinit) struct buf bytes = {0};
    int rc;

    if (audit_state_encode(state, &bytes) < 0) {
        return error_set_no_memory(err);
    }
    rc = os_replace_file(os, path, buf_slice(&bytes), err);
    return rc < 0 ? error_wrap(err, rc, "audit state '%s' could not be written", path) : rc;
}
