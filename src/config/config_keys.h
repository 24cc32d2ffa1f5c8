/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys of the configuration and where a mistyped one may have meant to go. For src/config only.
 *
 * Threads: immutable.
 */
#pragma once

#include "base/error.h"
#include "config/config.h"

#include <stdbool.h>

enum logging_key { LOGGING_LEVEL, LOGGING_FILE, LOGGING_FORMAT, LOGGING_KEY_COUNT };

/* The row of a key of [logging]. */
const struct config_key *logging_key_row(enum logging_key key);
/* The key of [logging] of that name, or LOGGING_KEY_COUNT. */
enum logging_key logging_key_find(const char *name);

/* Finds a key; false when there is none. out_key may be NULL. */
bool config_key_find(const char *section, const char *name, struct config_key *out_key);
/* Whether this build has keys in a table of that name. */
bool config_section_known(const char *section);
/* The program that reads a table which this build does not know, or NULL. Static. */
const char *config_section_owner(const char *section);

/* EINVAL: there is no such table; names who reads it, or the nearest one. */
int config_section_unknown(const char *section, struct error *err);
/* EINVAL: the table has no such key; names the nearest. */
int config_key_unknown(const char *section, const char *key, struct error *err);
