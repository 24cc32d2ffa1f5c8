/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Patterns of keys as Redis has them: `*` any bytes, `?` one byte, `[a-c]` and `[^a]` one of a set,
 * `\` takes the next byte as it is.
 *
 * Threads: immutable.
 */
#pragma once

#include "base/bytes.h"

#include <stdbool.h>

/* In time proportional to the product of the lengths at worst. */
bool resp_glob_matches(struct slice pattern, struct slice text);
/* Appends what every match begins with. ENOMEM. */
RESULT_MUST_BE_USED int resp_glob_prefix(struct slice pattern, struct buf *out);
