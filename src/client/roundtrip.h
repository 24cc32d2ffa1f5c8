/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A round trip: one request on an open link, and its answer.
 *
 * All that speaks HTTP here goes through it: the library's calls (ask.h) and the plain requests of
 * audits and witnesses (http.h).
 *
 * Threads:   one thread at a time.
 * Ownership: borrows all of it for the call.
 */
#pragma once

#include "client/answer.h"
#include "client/link.h"

struct roundtrip {
    struct link *link;
    struct answer *answer; /* reset before */
    struct slice head;
    struct slice body;
    bool head_only; /* return when the head of the answer is there */
};

/* Sends and receives. A server that refuses a request may answer and close before it has read all
 * of it: that answer counts. EIO, ETIMEDOUT, ELIMIT, ENOMEM as link.h and answer.h say; the link is
 * only good for link_close() then, and when the answer does not keep it alive. */
RESULT_MUST_BE_USED int roundtrip_run(const struct roundtrip *r, uint64_t deadline_ns,
                                      struct error *err);
/* The second half: receives until the answer, or only its head, is complete. */
RESULT_MUST_BE_USED int roundtrip_receive(const struct roundtrip *r, uint64_t deadline_ns,
                                          struct error *err);
