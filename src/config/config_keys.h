/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys of the configuration and where a mistyped one may have meant to go. For src/config only.
 *
 * The keys of [database] and [ledger] are the engine's; those of programs ("own" keys) stand in
 * keys_<section>.inc, a line each.
 *
 * Threads: immutable.
 */
#pragma once

#include "base/error.h"
#include "config/config.h"

#include <stdbool.h>
#include <stddef.h>

#define CONFIG_OWN_KEYS_MAX 128

/* Own keys: how many, and the row of each. */
size_t config_own_count(void);
const struct config_key *config_own_row(size_t index);
/* The own key of that name, or config_own_count(). */
size_t config_own_find(const char *section, const char *name);

/* Finds a key; false when there is none. out_key may be NULL. */
bool config_key_find(const char *section, const char *name, struct config_key *out_key);
/* Whether there are keys in a table of that name. */
bool config_section_known(const char *section);

/* EINVAL: there is no such table; names the nearest one. */
int config_section_unknown(const char *section, struct error *err);
/* EINVAL: the table has no such key; names the nearest. */
int config_key_unknown(const char *section, const char *key, struct error *err);
/* EINVAL: a key stands in no table; names the one where it belongs. */
int config_key_outside(const char *key, struct error *err);
