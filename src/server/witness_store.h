/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a witness remembers: the newest cosigned head of each log, one file each.
 *
 * WSTORE-1  A head is visible, and witness_store_advance() returns 0, only when it is durable.
 * WSTORE-2  Of several advances from one size, exactly one succeeds; the others get ECONFLICT with
 *           the size that is stored by then.
 * WSTORE-3  The size of a log never shrinks, and the root of one size never changes.
 * WSTORE-4  After a failed write nothing is stored any more; every further advance gets EREADONLY
 *           with the first cause, until the store is opened anew. Only when there was no memory or
 *           no space for the new head, and so the old one certainly stands, the store goes on.
 *
 * Threads:   any thread.
 * Ownership: borrows the os for its lifetime; copies heads.
 * Format:    docs/format/witness.md
 */
#pragma once

#include "base/bytes.h"
#include "crypto/sha256.h"
#include "os/os.h"
#include "server/witness.h"

#define WITNESS_STORE_HEADS_MAX 4096

struct witness_store;

/* Opens or makes the store in dir, alone (EBUSY while another process has it), and reads all heads.
 * ECORRUPT, EFOREIGN, EVERSION name the file; ELIMIT: more than WITNESS_STORE_HEADS_MAX; EIO,
 * EDENIED, ENOMEM. */
RESULT_MUST_BE_USED int witness_store_open(struct os *os, const char *dir,
                                           struct witness_store **out, struct error *err);
/* No other call may be under way. NULL does nothing. */
void witness_store_close(struct witness_store *s);
/* For AUTO(witness_store_close_ptr). */
void witness_store_close_ptr(struct witness_store **s);

/* The store as the decision logic sees it; see struct witness_heads for what the calls return. */
struct witness_heads witness_store_heads(struct witness_store *s);

/* Whether WSTORE-4 applies, and why. */
bool witness_store_failed(struct witness_store *s, struct error *out_cause);
