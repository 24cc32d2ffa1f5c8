/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table [security] as its users want it: settings of auth, rates, and what must hold before a
 * server may listen.
 *
 * Threads:   caller locks.
 * Ownership: texts are borrowed from the config.
 */
#pragma once

#include "base/error.h"
#include "server/auth.h"
#include "server/limit.h"

#include <stdbool.h>

struct config;

struct auth_config {
    struct auth_settings auth;
    struct limit_rates rates;
    const char *audit_log_file;
    bool insecure;
};

/* Reads and checks [security]. EINVAL names keys that do not fit together. */
RESULT_MUST_BE_USED int auth_config_read(const struct config *config, struct auth_config *out,
                                         struct error *err);

/* EDENIED when a server that listens on `address` (as text, for the message), which is or is not on
 * loopback, would let everybody in: neither enable_auth nor insecure is set. */
RESULT_MUST_BE_USED int auth_check_exposure(const struct auth_config *config, const char *address,
                                            bool is_loopback, struct error *err);
/* What an operator should be warned of at start, or NULL: passwords without TLS, or nobody is asked
 * who he is. Static. */
const char *auth_exposure_warning(bool is_enabled, bool is_loopback, bool has_tls);
