/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the two halves of asking share: ask.c builds what is sent, ask_run.c sends it.
 *
 * Threads:   one thread.
 * Ownership: as ask.h.
 */
#pragma once

#include "client/ask.h"

/* The body that is sent; borrowed from the ask. */
struct slice ask_body(const struct ask *ask);
/* Writes the head of the request to a server into slot->head. ENOMEM. */
RESULT_MUST_BE_USED int ask_head_build(const struct ask *ask, const struct url *url);
