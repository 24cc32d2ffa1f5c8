/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Passwords that were verified a moment ago, so that HTTP Basic need not hash anew each time.
 *
 * What is kept is a MAC of name and password under a key that the process draws at its start and
 * tells nobody, with the stamp of the user's password hash: a user whose password changed has
 * another stamp, so nothing old is found.
 *
 * ACACHE-1  A hit means: this name and this password were verified, against the password hash with
 *           this stamp, less than the time to live ago.
 * ACACHE-2  No password and no unkeyed hash of one is kept.
 *
 * Threads:   any thread.
 * Ownership: copies; wiped when freed.
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "crypto/sha256.h"

#include <stdbool.h>
#include <stdint.h>

struct auth_cache;
struct os;

#define AUTH_CACHE_ENTRIES 4096

/* EIO, ENOMEM. */
RESULT_MUST_BE_USED int auth_cache_new(struct os *os, struct auth_cache **out, struct error *err);
/* NULL does nothing. */
void auth_cache_free(struct auth_cache *cache);

/* The MAC of a credential. */
void auth_cache_tag(const struct auth_cache *cache, struct slice name, struct slice password,
                    struct hash *out);
/* Whether ACACHE-1 holds at the monotonic time now_ms. */
bool auth_cache_has(struct auth_cache *cache, const struct hash *tag, uint64_t stamp,
                    uint64_t now_ms);
/* Remembers a verified credential until the monotonic time until_ms. */
void auth_cache_put(struct auth_cache *cache, const struct hash *tag, uint64_t stamp,
                    uint64_t until_ms);
/* Forgets everything. */
void auth_cache_clear(struct auth_cache *cache);
