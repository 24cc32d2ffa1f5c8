/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IDENTITY: which ledger a data directory belongs to, and in what format it is written.
 *
 * IDENT-1  The ledger id never changes; the epoch only grows, when a backup is restored.
 *
 * Threads: any thread; two writers of one directory are kept apart by LOCK.
 * Format:  docs/format/identity.md
 */
#pragma once

#include "base/error.h"
#include "os/os.h"

#include <stdint.h>

#define IDENTITY_NAME "IDENTITY"
#define IDENTITY_VERSION 1
#define LEDGER_ID_LEN 16

/* Bits of features_ignorable. */
#define IDENTITY_HAS_HEADS 1ULL /* heads were signed: ledger/heads must be there */

struct identity {
    uint8_t ledger_id[LEDGER_ID_LEN];
    uint64_t epoch;
    uint64_t created_ms;
    uint64_t features_ignorable; /* what an older program may ignore */
    uint64_t features_required;  /* what a program must know; none are defined yet */
};

/* Makes a new identity in dir: random id, epoch 0, durable on return. EEXIST when dir has one;
 * EIO, ENOSPC, ENOMEM. */
RESULT_MUST_BE_USED int identity_create(struct os *os, const char *dir, struct identity *out,
                                        struct error *err);
/* Reads it. ENOTFOUND; EFOREIGN: not a file of BlockDB; ECORRUPT; EVERSION: written by a newer
 * version, or with a required feature this one does not know. */
RESULT_MUST_BE_USED int identity_load(struct os *os, const char *dir, struct identity *out,
                                      struct error *err);
/* Replaces it, atomically and durably. */
RESULT_MUST_BE_USED int identity_replace(struct os *os, const char *dir,
                                         const struct identity *identity, struct error *err);
