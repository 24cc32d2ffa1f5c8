/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of a redaction, as the server reads it.
 *
 * Format:    docs/operate/http.md
 * Threads:   caller locks.
 * Ownership: borrows all.
 */
#pragma once

#include "base/bytes.h"

#include <blockdb/evidence.h>

/* Appends the request for count versions to out; options may be NULL. ENOMEM. */
RESULT_MUST_BE_USED int redact_body(const struct blockdb_redact_target *targets, size_t count,
                                    const struct blockdb_redact_options *options, struct buf *out);
