/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a text stops being JSON. The fast parser only says that it does; this slow scan finds the
 * place for the message. It knows nothing of duplicate keys.
 *
 * Threads: immutable.
 */
#pragma once

#include "base/bytes.h"

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

struct json_fault {
    size_t offset;
    const char *what; /* for a person; static */
};

/* True when text is one JSON document of at most depth_max levels (as json_new()); else *out_fault
 * tells where it is not. */
bool json_locate_fault(struct slice text, unsigned depth_max, struct json_fault *out_fault);

#ifdef __cplusplus
}
#endif
