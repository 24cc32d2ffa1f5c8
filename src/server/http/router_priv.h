/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a pattern is made of; for router*.c only.
 *
 * Threads: pure functions; any thread.
 */
#pragma once

#include "server/http/router.h"

/* Takes the text between a leading slash and the next one, or the end. False: nothing is left. */
bool route_segment_take(struct slice *path, struct slice *out);
/* "{name}" or "{name...}". */
bool route_segment_is_param(struct slice segment);
/* "{name...}", which takes the rest of a path. */
bool route_segment_is_rest(struct slice segment);
