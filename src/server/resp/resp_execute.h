/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a command as it was sent to what runs it.
 *
 * Threads: the loop's thread.
 */
#pragma once

#include "base/bytes.h"

#include <stdbool.h>
#include <stddef.h>

struct resp_session;

/* Runs, queues or refuses one command of a session that is not busy with an operation. False: it
 * has to wait for writes under way, and is shown again when they are answered. */
bool resp_execute(struct resp_session *s, const struct slice *args, size_t arg_count);
