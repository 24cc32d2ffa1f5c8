/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the two halves of parsing answers share: answer_head.c knows heads, answer.c what is around
 * and behind them.
 *
 * Threads:   one thread at a time.
 * Ownership: as answer.h.
 */
#pragma once

#include "client/answer.h"

/* Forgets what a head said. */
void answer_head_reset(struct answer *a);
/* The length of the head that bytes begin with, its empty line included; 0: it is not all there. */
size_t answer_head_len(struct slice bytes);
/* Takes a whole head; sets the state for what follows it. EIO: it is none, or ambiguous. */
RESULT_MUST_BE_USED int answer_head_parse(struct answer *a, struct slice head, struct error *err);
/* Cuts the first line off *rest, without its end; false when there is no whole line. */
bool answer_take_line(struct slice *rest, struct slice *out);
/* EIO, and the connection is of no use any more. */
RESULT_MUST_BE_USED int answer_senseless(struct answer *a, const char *what, struct error *err);
