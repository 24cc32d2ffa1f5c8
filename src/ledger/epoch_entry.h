/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The payload of an epoch entry: a declared break in the life of the ledger, such as a restore.
 *
 * Threads:   pure functions; any thread.
 * Ownership: a `struct epoch_entry` borrows its note.
 * Format:    docs/format/entry.md
 */
#pragma once

#include "base/bytes.h"
#include "crypto/sha256.h"

#define EPOCH_NOTE_MAX 1024
#define EPOCH_ENTRY_LEN_MAX (54 + EPOCH_NOTE_MAX)

enum epoch_cause {
    EPOCH_RESTORE = 1,       /* from a backup */
    EPOCH_LOST_MAJORITY = 2, /* an operator went on without a majority of the cluster */
    EPOCH_OTHER = 3,
};

struct epoch_entry {
    uint8_t cause;         /* enum epoch_cause */
    uint64_t epoch;        /* that begins here; at least 1 */
    uint64_t tree_size;    /* entries kept: the seq of this entry */
    struct hash tree_root; /* of the tree of that size */
    struct slice note;     /* at most EPOCH_NOTE_MAX bytes */
};

size_t epoch_entry_len(const struct epoch_entry *entry);
/* Writes epoch_entry_len() bytes to out. */
void epoch_entry_encode(const struct epoch_entry *entry, uint8_t *out);
/* Decodes a payload. ECORRUPT: no such payload. EVERSION: of a newer version. On failure *out is
 * untouched. */
RESULT_MUST_BE_USED int epoch_entry_decode(struct slice payload, struct epoch_entry *out);
