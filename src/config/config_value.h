/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of own keys: what people write, checked, in one canonical text. For src/config only.
 *
 * Numbers become digits in the key's unit, words of a list are separated by one space.
 *
 * Threads: any thread.
 */
#pragma once

#include "base/error.h"
#include "config/config.h"

/* Checks text against the row of its key and returns the canonical form, which the caller frees.
 * EINVAL says what the key accepts; ENOMEM. */
RESULT_MUST_BE_USED int config_value_parse(const struct config_key *row, const char *text,
                                           char **out_value, struct error *err);
/* The number of a canonical text, the position of a choice, 1 for true. */
uint64_t config_value_number(const struct config_key *row, const char *value);
