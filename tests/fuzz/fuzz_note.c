/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Notes, verifier keys and signing keys: what is accepted is made of the same bytes, and signatures
 * can be looked at whatever they are. The first byte says which.
 */
#include "base/assert.h"
#include "base/mem.h"
#include "ledger/cosignature.h"
#include "ledger/signing_key.h"
#include "ledger/verifier_key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char log_key[] =
    "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx";
static const char witness_key[] =
    "witness.example/w1+468d99bb+BHm1Vi6P5lT5QHixEuipi6eQH4U65pW+1+DjkQutBJZk";

/* A line that is written again from its parts is the same line. */
static void try_line(const struct note_signature *signature)
{
    AUTO(buf_deinit) struct buf again = {0};
    uint8_t bytes[NOTE_SIGNATURE_LEN_MAX];
    size_t len;

    ASSERT(note_name_valid(signature->name));
    if (note_signature_bytes(signature, bytes, &len) < 0) {
        return;
    }
    ASSERT(note_append_signature(&again, signature->name, signature->key_id,
                                 slice_of(bytes, len)) == BLOCKDB_OK);
    ASSERT(again.len == signature->line.len + 1);
    ASSERT(memcmp(again.data, signature->line.data, signature->line.len) == 0);
}

static void try_verify(const struct note *note, const char *key_text)
{
    struct verifier_key key;
    int rc;

    ASSERT(verifier_key_parse(slice_of_text(key_text), &key, NULL) == BLOCKDB_OK);
    rc = note_verify(note, &key, NULL);
    ASSERT(rc == BLOCKDB_OK || rc == BLOCKDB_ENOTFOUND || rc == BLOCKDB_ETAMPERED);
}

static void try_note(struct slice in)
{
    static struct note note;
    struct error err;

    if (note_parse(in, &note, &err) < 0) {
        return;
    }
    ASSERT(note.text.len + 1 + note.signatures.len == in.len);
    ASSERT(note.text.data == in.data);
    ASSERT(note.text.data[note.text.len - 1] == '\n');
    ASSERT(note.count >= 1 && note.count <= NOTE_SIGNATURES_MAX);
    for (size_t i = 0; i < note.count; i++) {
        try_line(&note.list[i]);
    }
    try_verify(&note, log_key);
    try_verify(&note, witness_key);
}

static void try_verifier_key(struct slice in)
{
    AUTO(buf_deinit) struct buf again = {0};
    struct verifier_key key;
    struct error err;

    if (verifier_key_parse(in, &key, &err) == BLOCKDB_OK) {
        ASSERT(verifier_key_append(&again, &key) == BLOCKDB_OK);
        ASSERT(slice_equal(buf_slice(&again), in));
    }
}

static void try_signing_key(struct slice in)
{
    AUTO(signing_key_deinit) struct signing_key key = {0};
    char again[SIGNING_KEY_TEXT_MAX];
    struct error err;
    size_t len;

    if (signing_key_parse(in, &key, &err) == BLOCKDB_OK) {
        len = signing_key_format(&key, again);
        ASSERT(len == in.len || (len + 1 == in.len && in.data[len] == '\n'));
        ASSERT(memcmp(again, in.data, len) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const tries[])(struct slice) = {try_note, try_verifier_key, try_signing_key};

    if (size > 0) {
        tries[data[0] % (sizeof tries / sizeof *tries)](slice_of(data + 1, size - 1));
    }
    return 0;
}
