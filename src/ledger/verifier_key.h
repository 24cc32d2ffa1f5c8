/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verifier keys (C2SP signed-note): "<name>+<key ID>+<base64 of type and public key>".
 *
 * VKEY-1  A key that was parsed has the ID that its name, type and public key give; others are
 *         refused.
 *
 * Threads:   pure functions; any thread.
 * Ownership: a `struct verifier_key` borrows its name.
 * Format:    docs/format/notes.md
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "crypto/ed25519.h"
#include "ledger/note.h"

/* Name, two '+', eight digits, base64 of 33 bytes; no zero at the end. */
#define VERIFIER_KEY_TEXT_MAX (NOTE_NAME_MAX + 2 + 8 + 44)

/* What a key signs; the first byte of its encoding. Others are refused. */
enum key_type {
    KEY_TYPE_ED25519 = 0x01,     /* the text of the note */
    KEY_TYPE_COSIGNATURE = 0x04, /* a time and the text: ledger/cosignature.h */
};

struct verifier_key {
    struct slice name; /* at most NOTE_NAME_MAX bytes */
    uint32_t id;
    enum key_type type;
    uint8_t public_key[ED25519_PUBLIC_LEN];
};

/* The ID that SHA-256 gives for a name, type and public key. */
uint32_t verifier_key_id(struct slice name, enum key_type type,
                         const uint8_t public_key[ED25519_PUBLIC_LEN]);
/* Parses a key that takes up all of text; *out borrows it. EINVAL: no such key, or its ID does not
 * fit. EUNSUPPORTED: of another type. On failure *out is untouched. */
RESULT_MUST_BE_USED int verifier_key_parse(struct slice text, struct verifier_key *out,
                                           struct error *err);
/* Appends the text of a key. ENOMEM leaves out unchanged. */
RESULT_MUST_BE_USED int verifier_key_append(struct buf *out, const struct verifier_key *key);
/* Whether both are the same key for the same use under the same name. */
bool verifier_key_equal(const struct verifier_key *a, const struct verifier_key *b);
