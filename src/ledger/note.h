/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signed notes (C2SP signed-note): text, an empty line, signature lines.
 *
 * A parsed note borrows the bytes it was parsed from. That a note was parsed says nothing about
 * its signatures: note_verify() does.
 *
 * NOTE-1  The text ends before the last empty line and is what is signed, with its last newline.
 * NOTE-2  A signature whose name and key ID are those of a known key must be valid, else the whole
 *         note is refused; signatures of others are ignored.
 * NOTE-3  A key name alone, or a key ID alone, says nothing.
 *
 * Threads:   pure functions; any thread.
 * Ownership: a `struct note` borrows its bytes.
 * Format:    docs/format/notes.md
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"

#define NOTE_LEN_MAX 1000000
#define NOTE_SIGNATURES_MAX 100
#define NOTE_NAME_MAX 255 /* of keys that we know; names of others have no limit of their own */
#define NOTE_KEY_ID_LEN 4
/* The longest signature that can be looked at: a timestamp and Ed25519. */
#define NOTE_SIGNATURE_LEN_MAX 72

struct signing_key;
struct verifier_key;

/* One signature line: "<em dash> <name> <base64 of key ID and signature>". */
struct note_signature {
    struct slice line; /* all of it, without its newline */
    struct slice name;
    struct slice base64; /* well-formed */
    uint32_t key_id;
};

struct note {
    struct slice text;       /* with its last newline */
    struct slice signatures; /* the signature lines */
    size_t count;            /* at least 1 */
    struct note_signature list[NOTE_SIGNATURES_MAX];
};

/* Whether text can be the name of a key: not empty, UTF-8, without control characters, without
 * Unicode space and without '+'. */
bool note_name_valid(struct slice name);

/* Parses a note that takes up all of bytes. ECORRUPT with the line that is wrong; ELIMIT beyond
 * NOTE_LEN_MAX or NOTE_SIGNATURES_MAX. On failure *out has no meaning. */
RESULT_MUST_BE_USED int note_parse(struct slice bytes, struct note *out, struct error *err);
/* Parses the line (without newline) of one signature. EINVAL. On failure *out is untouched. */
RESULT_MUST_BE_USED int note_signature_parse(struct slice line, struct note_signature *out);
/* Copies what follows the key ID to out. ELIMIT: longer than NOTE_SIGNATURE_LEN_MAX. */
RESULT_MUST_BE_USED int note_signature_bytes(const struct note_signature *signature,
                                             uint8_t out[NOTE_SIGNATURE_LEN_MAX], size_t *out_len);
/* The next signature with the key's name and ID at or behind *at, which is moved behind it; NULL
 * when there is none. Start with 0. */
const struct note_signature *note_find(const struct note *note, const struct verifier_key *key,
                                       size_t *at);

/* Verifies all signatures of a key on the note. 0: there is at least one, and all are valid.
 * ENOTFOUND: there is none. ETAMPERED: one is not valid. A key of type cosignature is verified as
 * by cosignature_verify(). EUNSUPPORTED without libcrypto; ENOMEM. */
RESULT_MUST_BE_USED int note_verify(const struct note *note, const struct verifier_key *key,
                                    struct error *err);

/* Appends a signature line of a signer over text, which must be as it stands in a note, newline
 * included. The key is of type Ed25519. EINVAL: the text cannot be that of a note. ENOMEM,
 * EUNSUPPORTED. On failure out is unchanged. A note is text, "\n" and such lines. */
RESULT_MUST_BE_USED int note_sign(struct buf *out, const struct signing_key *key, struct slice text,
                                  struct error *err);
/* Appends a signature line made elsewhere. ENOMEM leaves out unchanged. The name is valid. */
RESULT_MUST_BE_USED int note_append_signature(struct buf *out, struct slice name, uint32_t key_id,
                                              struct slice signature);
