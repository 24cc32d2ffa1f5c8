/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The form of words that have one: origins of web pages, hosts with ports, names of nodes. For
 * src/config only.
 *
 * Threads: any thread.
 */
#pragma once

#include "base/error.h"
#include "config/config.h"

/* Checks each word of a tidy value (one space between two words) of a key whose words have a form;
 * values of all other keys pass. EINVAL names the word and what to write. */
RESULT_MUST_BE_USED int config_form_check(const struct config_key *row, const char *value,
                                          struct error *err);
