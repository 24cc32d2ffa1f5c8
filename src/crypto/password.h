/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Password hashes: Argon2id (RFC 9106), by libsodium, which is loaded when first needed.
 *
 * A hash is text in the usual form, "$argon2id$v=19$m=65536,t=2,p=1$salt$hash"; it names its own
 * cost, so that hashes made with another cost still verify. Making or verifying one takes some 100
 * ms and 64 MiB: never on a thread that must not wait.
 *
 * PASS-1  A hash whose cost is above PASSWORD_MEMORY_MAX_KIB or PASSWORD_PASSES_MAX, or that is of
 *         another form, is refused before any work is done.
 *
 * Threads: any thread.
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"

#define PASSWORD_HASH_BYTES 128 /* with the terminating zero */
#define PASSWORD_MEMORY_KIB 65536
#define PASSWORD_PASSES 2
#define PASSWORD_MEMORY_MAX_KIB 262144
#define PASSWORD_PASSES_MAX 16

/* A hash of the usual cost that no password has: what is verified where there is no user. */
extern const char password_no_hash[];

/* 0 when passwords can be hashed and verified here; EUNSUPPORTED when libsodium is missing. */
RESULT_MUST_BE_USED int password_ready(struct error *err);
/* Writes the hash of a password under a new salt. EUNSUPPORTED when libsodium is missing; ENOMEM.
 * On failure out is untouched. */
RESULT_MUST_BE_USED int password_hash(struct slice password, char out[PASSWORD_HASH_BYTES],
                                      struct error *err);
/* 0 when hash is the password's. EDENIED when it is not; EINVAL as PASS-1 says; EUNSUPPORTED,
 * ENOMEM. */
RESULT_MUST_BE_USED int password_verify(const char *hash, struct slice password, struct error *err);
/* 0 when a hash is of the form and within the limits of PASS-1, else EINVAL. */
RESULT_MUST_BE_USED int password_hash_check(const char *hash);
