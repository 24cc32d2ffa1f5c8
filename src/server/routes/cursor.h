/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cursors of scans: where the next page begins and which view it belongs to, as text for a URL.
 *
 * CURSOR-1  A cursor says which scan it is of; with other bounds it is refused, not misread.
 *
 * Threads:   pure functions.
 * Ownership: texts and keys are in the caller's arena.
 */
#pragma once

#include "base/arena.h"
#include "base/bytes.h"

#include <stdbool.h>
#include <stdint.h>

/* The bounds of a scan. */
struct cursor_scan {
    struct slice prefix;
    struct slice start;
    struct slice end;
    bool reverse;
};

struct cursor {
    uint64_t at_seq;
    struct slice last_key; /* the next page begins behind it */
};

/* ENOMEM. The text has letters, digits, '-' and '_' only. */
RESULT_MUST_BE_USED int cursor_encode(const struct cursor *cursor, const struct cursor_scan *scan,
                                      struct arena *arena, struct slice *out_text);
/* EINVAL: it is no cursor, or one of another scan. ENOMEM. */
RESULT_MUST_BE_USED int cursor_decode(struct slice text, const struct cursor_scan *scan,
                                      struct arena *arena, struct cursor *out, struct error *err);
