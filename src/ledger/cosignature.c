/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger/cosignature.h"

#include "ledger/checkpoint.h"
#include "ledger/signing_key.h"
#include "ledger/verifier_key.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#define TIME_LEN 8
#define HEAD_LEN_MAX 64 /* both lines in front of the text, and a zero */

static_assert(TIME_LEN + ED25519_SIGNATURE_LEN == NOTE_SIGNATURE_LEN_MAX,
              "a cosignature is the longest signature");

/* What is signed. */
struct message {
    size_t len;
    char bytes[HEAD_LEN_MAX + CHECKPOINT_TEXT_MAX];
};

/* Builds the message; the errors of checkpoint_parse() when text is no checkpoint (COSIG-1). */
static int build(struct slice text, uint64_t time_s, struct message *out, struct error *err)
{
    struct checkpoint checkpoint;
    int rc = checkpoint_parse(text, &checkpoint, err);

    if (rc < 0) {
        return rc;
    }
    out->len = (size_t)snprintf(out->bytes, HEAD_LEN_MAX, "cosignature/v1\ntime %" PRIu64 "\n",
                                time_s);
    memcpy(out->bytes + out->len, text.data, text.len);
    out->len += text.len;
    return BLOCKDB_OK;
}

int cosignature_sign(struct buf *out, const struct signing_key *key, struct slice text,
                     uint64_t time_s, struct error *err)
{
    uint8_t signature[NOTE_SIGNATURE_LEN_MAX];
    struct message message;
    int rc;

    if (key->type != KEY_TYPE_COSIGNATURE) {
        return error_set(err, BLOCKDB_EINVAL,
                         "the key of '%.*s' is not for cosignatures; make one that is",
                         (int)key->name_len, key->name);
    }
    if (time_s > COSIGNATURE_TIME_MAX) {
        return error_set(err, BLOCKDB_EINVAL, "a cosignature cannot have the time %" PRIu64,
                         time_s);
    }
    if (build(text, time_s, &message, err) < 0) {
        return error_wrap(err, BLOCKDB_EINVAL, "only checkpoints can be cosigned");
    }
    put_be64(signature, time_s);
    rc = ed25519_sign(&key->signer, slice_of(message.bytes, message.len), signature + TIME_LEN,
                      err);
    if (rc < 0) {
        return rc;
    }
    if (note_append_signature(out, slice_of(key->name, key->name_len), key->id,
                              slice_of(signature, sizeof signature)) < 0) {
        return error_set_no_memory(err);
    }
    return BLOCKDB_OK;
}

int cosignature_verify_one(const struct note_signature *signature, const struct verifier_key *key,
                           struct slice text, uint64_t *out_time_s, struct error *err)
{
    uint8_t bytes[NOTE_SIGNATURE_LEN_MAX];
    struct message message;
    uint64_t time_s;
    size_t len;
    int rc;

    if (note_signature_bytes(signature, bytes, &len) < 0 || len != sizeof bytes) {
        return error_set(err, BLOCKDB_ETAMPERED, "the cosignature has not the length of one");
    }
    time_s = get_be64(bytes);
    if (time_s > COSIGNATURE_TIME_MAX) {
        return error_set(err, BLOCKDB_ETAMPERED, "the time %" PRIu64 " of the cosignature is none",
                         time_s);
    }
    if (build(text, time_s, &message, err) < 0) {
        return error_wrap(err, BLOCKDB_ETAMPERED, "only checkpoints can be cosigned");
    }
    rc = ed25519_verify(key->public_key, slice_of(message.bytes, message.len), bytes + TIME_LEN,
                        err);
    if (rc == BLOCKDB_OK) {
        *out_time_s = time_s;
    }
    return rc;
}

int cosignature_verify(const struct note *note, const struct verifier_key *key,
                       uint64_t *out_time_s, struct error *err)
{
    const struct note_signature *signature;
    uint64_t latest_s = 0;
    bool found = false;
    size_t at = 0;

    while ((signature = note_find(note, key, &at)) != NULL) {
        uint64_t time_s;
        int rc = cosignature_verify_one(signature, key, note->text, &time_s, err);

        if (rc < 0) {
            return error_wrap(err, rc, "cosignature of '%.*s' (key %08x)", (int)key->name.len,
                              (const char *)key->name.data, key->id);
        }
        latest_s = time_s > latest_s ? time_s : latest_s;
        found = true;
    }
    if (!found) {
        return error_set(err, BLOCKDB_ENOTFOUND, "the head has no cosignature of '%.*s' (key %08x)",
                         (int)key->name.len, (const char *)key->name.data, key->id);
    }
    *out_time_s = latest_s;
    return BLOCKDB_OK;
}
