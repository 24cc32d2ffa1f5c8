/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON output: texts that any reader takes back as the same bytes.
 *
 * Threads: caller locks the buf.
 */
#pragma once

#include "base/bytes.h"

/* Appends text as a JSON string with its quotes. Quotes, backslashes and control characters are
 * escaped, DEL and all above ASCII is copied. text must be valid UTF-8. ENOMEM leaves out
 * unchanged. */
RESULT_MUST_BE_USED int json_append_text(struct buf *out, struct slice text);
