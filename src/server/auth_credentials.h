/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What clients show, as bytes: the header Authorization, and the names in certificates.
 *
 * Threads:   pure functions; any thread.
 * Ownership: slices borrow from the input, or from the struct they are in.
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "server/auth.h"
#include "server/principal.h"

#define AUTH_BASIC_BYTES_MAX (PRINCIPAL_NAME_MAX + 1 + AUTH_PASSWORD_MAX)

enum auth_scheme { AUTH_BASIC, AUTH_BEARER };

/* A header that was parsed; holds a secret until auth_header_wipe(). */
struct auth_header {
    enum auth_scheme scheme;
    struct slice name;   /* AUTH_BASIC */
    struct slice secret; /* password or token */
    uint8_t bytes[AUTH_BASIC_BYTES_MAX];
};

/* Parses "Basic ..." or "Bearer ...", schemes in any case. EINVAL: *out_fault says, for a person
 * and without the value, what is wrong; static. */
RESULT_MUST_BE_USED int auth_header_parse(struct slice value, struct auth_header *out,
                                          const char **out_fault);
void auth_header_wipe(struct auth_header *header);

/* The name in a certificate that a rule takes for that of a user; empty when there is none. */
struct slice auth_certified_name(enum auth_tls_users rule, const struct auth_client *client);
