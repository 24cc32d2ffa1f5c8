/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The payload of a redact entry: which value is to be erased everywhere, and why.
 *
 * Threads:   pure functions; any thread.
 * Ownership: a `struct redaction` borrows its texts.
 * Format:    docs/format/entry.md
 */
#pragma once

#include "base/bytes.h"
#include "crypto/sha256.h"

#define REDACTION_TEXT_MAX 1024
#define REDACTION_LEN_MAX (48 + 2 * REDACTION_TEXT_MAX)

enum redaction_scope {
    REDACTION_VALUE = 1, /* value and salt */
};

/* Numbers beyond these are kept as they are. */
enum redaction_reason {
    REDACTION_NOT_SAID = 0,
    REDACTION_PERSON_ASKED = 1,
    REDACTION_LEGAL_ORDER = 2,
    REDACTION_RETENTION_ENDED = 3,
    REDACTION_RECORDED_IN_ERROR = 4,
    REDACTION_OTHER = 5,
};

struct redaction {
    uint8_t scope; /* enum redaction_scope */
    uint16_t reason_code;
    uint64_t target_seq;
    struct hash target_leaf; /* the leaf hash of that entry */
    struct slice reason;     /* at most REDACTION_TEXT_MAX bytes, as authority */
    struct slice authority;  /* what allows it */
};

size_t redaction_len(const struct redaction *redaction);
/* Writes redaction_len() bytes to out. */
void redaction_encode(const struct redaction *redaction, uint8_t *out);
/* Decodes a payload. ECORRUPT: no such payload. EVERSION: of a newer version. On failure *out is
 * untouched. */
RESULT_MUST_BE_USED int redaction_decode(struct slice payload, struct redaction *out);
