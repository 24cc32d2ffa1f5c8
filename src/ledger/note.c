/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger/note.h"

#include "base/assert.h"
#include "base/base64.h"
#include "base/lines.h"
#include "base/utf8.h"
#include "ledger/cosignature.h"
#include "ledger/signing_key.h"
#include "ledger/verifier_key.h"

static const char line_start[] = "\xe2\x80\x94 "; /* an em dash and a space */

static struct slice signature_start(void)
{
    return slice_of(line_start, sizeof line_start - 1);
}

/* The code point of a character that is well-formed and len bytes long. */
static uint32_t code_point(const uint8_t *p, size_t len)
{
    static const uint8_t masks[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t point = p[0] & masks[len];
    size_t i;

    for (i = 1; i < len; i++) {
        point = point << 6 | (p[i] & 0x3f);
    }
    return point;
}

/* White_Space of Unicode. */
static bool is_space(uint32_t point)
{
    return (point >= 0x09 && point <= 0x0d) || point == 0x20 || point == 0x85 || point == 0xa0 ||
           point == 0x1680 || (point >= 0x2000 && point <= 0x200a) || point == 0x2028 ||
           point == 0x2029 || point == 0x202f || point == 0x205f || point == 0x3000;
}

bool note_name_valid(struct slice name)
{
    size_t at = 0;

    while (at < name.len) {
        size_t len = utf8_character_len(slice_of(name.data + at, name.len - at));
        uint32_t point = len > 0 ? code_point(name.data + at, len) : 0;

        if (point < 0x20 || point == '+' || is_space(point)) {
            return false;
        }
        at += len;
    }
    return name.len > 0;
}

int note_signature_parse(struct slice line, struct note_signature *out)
{
    struct note_signature signature = {.line = line};
    struct slice left = line;
    uint8_t id[6];
    size_t len;

    if (!slice_has_prefix(line, signature_start())) {
        return BLOCKDB_EINVAL;
    }
    left = slice_of(line.data + sizeof line_start - 1, line.len - (sizeof line_start - 1));
    if (!slice_take_until(&left, ' ', &signature.name) || !note_name_valid(signature.name) ||
        base64_check(left, &len) < 0 || len <= NOTE_KEY_ID_LEN ||
        /* Eight characters stand for the key ID and two bytes more, or less where it ends. */
        base64_decode(slice_of(left.data, 8), id, len < sizeof id ? len : sizeof id) < 0) {
        return BLOCKDB_EINVAL;
    }
    signature.base64 = left;
    signature.key_id = get_be32(id);
    *out = signature;
    return BLOCKDB_OK;
}

int note_signature_bytes(const struct note_signature *signature,
                         uint8_t out[NOTE_SIGNATURE_LEN_MAX], size_t *out_len)
{
    uint8_t bytes[NOTE_KEY_ID_LEN + NOTE_SIGNATURE_LEN_MAX];
    size_t len;

    if (base64_check(signature->base64, &len) < 0 || len > sizeof bytes ||
        base64_decode(signature->base64, bytes, len) < 0) {
        return BLOCKDB_ELIMIT;
    }
    *out_len = len - NOTE_KEY_ID_LEN;
    memcpy(out, bytes + NOTE_KEY_ID_LEN, *out_len);
    return BLOCKDB_OK;
}

static size_t count_newlines(struct slice text)
{
    size_t count = 0;
    size_t i;

    for (i = 0; i < text.len; i++) {
        count += text.data[i] == '\n';
    }
    return count;
}

static int check_characters(struct slice bytes, struct error *err)
{
    size_t line = 1;
    size_t i;

    if (!utf8_valid(bytes)) {
        return error_set(err, BLOCKDB_ECORRUPT, "the note is not UTF-8 text");
    }
    for (i = 0; i < bytes.len; i++) {
        if (bytes.data[i] < 0x20 && bytes.data[i] != '\n') {
            return error_set(err, BLOCKDB_ECORRUPT,
                             "line %zu of the note has the control character 0x%02x", line,
                             bytes.data[i]);
        }
        line += bytes.data[i] == '\n';
    }
    return BLOCKDB_OK;
}

/* Cuts bytes at the last empty line; false when there is none. */
static bool split(struct slice bytes, struct note *out)
{
    size_t at = bytes.len;

    while (at >= 2 && (bytes.data[at - 1] != '\n' || bytes.data[at - 2] != '\n')) {
        at--;
    }
    if (at < 2) {
        return false;
    }
    out->text = slice_of(bytes.data, at - 1);
    out->signatures = slice_of(bytes.data + at, bytes.len - at);
    return true;
}

static int parse_signatures(struct note *note, struct error *err)
{
    struct lines lines = {.left = note->signatures, .number = count_newlines(note->text) + 1};
    struct slice line;

    while (lines_left(&lines)) {
        if (!lines_next(&lines, &line)) {
            return error_set(err, BLOCKDB_ECORRUPT, "the last line of the note is not complete");
        }
        if (note->count == NOTE_SIGNATURES_MAX) {
            return error_set(err, BLOCKDB_ELIMIT, "the note has more than %d signatures",
                             NOTE_SIGNATURES_MAX);
        }
        if (note_signature_parse(line, &note->list[note->count]) < 0) {
            return error_set(err, BLOCKDB_ECORRUPT,
                             "line %zu of the note is no signature: a dash (U+2014), a key name "
                             "and base64 must stand there",
                             lines.number);
        }
        note->count++;
    }
    if (note->count == 0) {
        return error_set(err, BLOCKDB_ECORRUPT, "the note has no signature");
    }
    return BLOCKDB_OK;
}

int note_parse(struct slice bytes, struct note *out, struct error *err)
{
    int rc;

    if (bytes.len > NOTE_LEN_MAX) {
        return error_set(err, BLOCKDB_ELIMIT, "the note is longer than %d bytes", NOTE_LEN_MAX);
    }
    rc = check_characters(bytes, err);
    if (rc < 0) {
        return rc;
    }
    out->count = 0;
    if (!split(bytes, out)) {
        return error_set(err, BLOCKDB_ECORRUPT,
                         "the note has no empty line between text and signatures");
    }
    return parse_signatures(out, err);
}

const struct note_signature *note_find(const struct note *note, const struct verifier_key *key,
                                       size_t *at)
{
    while (*at < note->count) {
        const struct note_signature *signature = &note->list[(*at)++];

        if (signature->key_id == key->id && slice_equal(signature->name, key->name)) {
            return signature;
        }
    }
    return NULL;
}

static int verify_ed25519(const struct note_signature *signature, const struct verifier_key *key,
                          struct slice text, struct error *err)
{
    uint8_t bytes[NOTE_SIGNATURE_LEN_MAX];
    size_t len;

    if (note_signature_bytes(signature, bytes, &len) < 0 || len != ED25519_SIGNATURE_LEN) {
        return error_set(err, BLOCKDB_ETAMPERED, "the signature has not the length of one");
    }
    return ed25519_verify(key->public_key, text, bytes, err);
}

int note_verify(const struct note *note, const struct verifier_key *key, struct error *err)
{
    const struct note_signature *signature;
    bool found = false;
    size_t at = 0;
    uint64_t time_s;

    if (key->type == KEY_TYPE_COSIGNATURE) {
        return cosignature_verify(note, key, &time_s, err);
    }
    while ((signature = note_find(note, key, &at)) != NULL) {
        int rc = verify_ed25519(signature, key, note->text, err);

        if (rc < 0) {
            return error_wrap(err, rc, "signature of '%.*s' (key %08x)", (int)key->name.len,
                              (const char *)key->name.data, key->id);
        }
        found = true;
    }
    if (!found) {
        return error_set(err, BLOCKDB_ENOTFOUND, "the note has no signature of '%.*s' (key %08x)",
                         (int)key->name.len, (const char *)key->name.data, key->id);
    }
    return BLOCKDB_OK;
}

/* Whether text can be that of a note. */
static bool text_valid(struct slice text)
{
    return text.len > 0 && text.len < NOTE_LEN_MAX && text.data[text.len - 1] == '\n' &&
           check_characters(text, NULL) == BLOCKDB_OK;
}

int note_sign(struct buf *out, const struct signing_key *key, struct slice text, struct error *err)
{
    uint8_t signature[ED25519_SIGNATURE_LEN];
    int rc;

    if (key->type != KEY_TYPE_ED25519) {
        return error_set(err, BLOCKDB_EINVAL,
                         "the key of '%.*s' is for cosignatures, not for heads; use another one",
                         (int)key->name_len, key->name);
    }
    if (!text_valid(text)) {
        return error_set(err, BLOCKDB_EINVAL,
                         "the text to sign is not UTF-8 lines that each end in a newline");
    }
    rc = ed25519_sign(&key->signer, text, signature, err);
    if (rc < 0) {
        return rc;
    }
    if (note_append_signature(out, slice_of(key->name, key->name_len), key->id,
                              slice_of(signature, sizeof signature)) < 0) {
        return error_set_no_memory(err);
    }
    return BLOCKDB_OK;
}

int note_append_signature(struct buf *out, struct slice name, uint32_t key_id,
                          struct slice signature)
{
    uint8_t bytes[NOTE_KEY_ID_LEN + NOTE_SIGNATURE_LEN_MAX];
    size_t start = out->len;
    struct slice whole = slice_of(bytes, NOTE_KEY_ID_LEN + signature.len);

    ASSERT(signature.len > 0 && signature.len <= NOTE_SIGNATURE_LEN_MAX);
    put_be32(bytes, key_id);
    memcpy(bytes + NOTE_KEY_ID_LEN, signature.data, signature.len);
    if (buf_append_slice(out, signature_start()) < 0 || buf_append_slice(out, name) < 0 ||
        buf_append_u8(out, ' ') < 0 || base64_append(out, whole) < 0 ||
        buf_append_u8(out, '\n') < 0) {
        out->len = start;
        return BLOCKDB_ENOMEM;
    }
    return BLOCKDB_OK;
}
