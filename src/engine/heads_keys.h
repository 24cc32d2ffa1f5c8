/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys that sign heads: those in the file that the option signing_key_file names, and the
 * public ones of signers elsewhere, which the option signer_key names.
 *
 * The file has one key a line, as blockdb-cli keygen writes it; all of them sign. For a rotation
 * the new key is added, and the old one is removed when everybody knows the new one. Reading the
 * file needs no libcrypto, so a program that signs nothing does not load it.
 *
 * HKEYS-1  A file that others than its owner may read is refused.
 * HKEYS-2  All keys in the file have the name of the log, its origin. Those of signers elsewhere
 *          may have names of their own.
 * HKEYS-3  No two of all these keys have the same id.
 *
 * Threads:   caller locks.
 * Ownership: owns copies of all it has; deinit wipes them.
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "ledger/signing_key.h"
#include "ledger/verifier_key.h"
#include "os/os.h"

#include <stdbool.h>

#define HEADS_KEYS_MAX 4
#define HEADS_SIGNERS_MAX 4

/* Zeroed: no keys. */
struct heads_keys {
    char *path;
    struct buf text; /* of the file, until the keys are made of it; secret */
    size_t count;
    uint32_t ids[HEADS_KEYS_MAX]; /* as the file tells them */
    struct signing_key keys[HEADS_KEYS_MAX];
    bool is_loaded;    /* keys are made */
    char *signer_text; /* that signers borrow */
    size_t signer_count;
    struct verifier_key signers[HEADS_SIGNERS_MAX];
};

/* Reads a file and checks its form. EDENIED: HKEYS-1. EINVAL: it is no file of keys, or HKEYS-2;
 * ENOTFOUND. On failure *keys is to be deinited, too. */
RESULT_MUST_BE_USED int heads_keys_read(struct heads_keys *keys, struct os *os, const char *path,
                                        const char *origin, struct error *err);
/* Parses the verifier keys of signers elsewhere, with spaces between, behind heads_keys_read().
 * EINVAL: it is none, one too many, or HKEYS-3. On failure *keys is to be deinited, too. */
RESULT_MUST_BE_USED int heads_keys_add_signers(struct heads_keys *keys, const char *text,
                                               struct error *err);
void heads_keys_deinit(struct heads_keys *keys);

/* Makes the keys. EUNSUPPORTED: no libcrypto. EINVAL: the file's keys are none. */
RESULT_MUST_BE_USED int heads_keys_load(struct heads_keys *keys, struct error *err);

/* Checks signature lines that signers elsewhere printed for the text of a head: each is of a key of
 * theirs, there is one at least, and all are valid. EINVAL: they are not; what tells it. ENOMEM,
 * EUNSUPPORTED. */
RESULT_MUST_BE_USED int heads_keys_check_lines(const struct heads_keys *keys, struct slice text,
                                               struct slice lines, struct error *err);

/* Whether lines of verifier keys name exactly these keys; without libcrypto, by their ids. */
bool heads_keys_are(const struct heads_keys *keys, struct slice lines);
/* Appends the lines of their verifier keys. They are loaded. ENOMEM. */
RESULT_MUST_BE_USED int heads_keys_append(const struct heads_keys *keys, struct buf *out);
/* Appends the payload of the config entry that puts on record which keys replace those of lines:
 * "signing_key/<id>" with the verifier key, or with nothing for one that is gone. They are loaded,
 * and there is a difference. ENOMEM leaves out unchanged. */
RESULT_MUST_BE_USED int heads_keys_change(const struct heads_keys *keys, struct slice lines,
                                          struct buf *out);
