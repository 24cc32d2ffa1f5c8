/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asking: one call of the library, from its first attempt to its last.
 *
 *     ask_begin(&ask, client, ..)     takes a slot
 *     fill ask.slot->target, ->body   and the fields
 *     ask_run(&ask, ..)               sends, retries, follows the leader
 *     read ask.slot->answer
 *     ask_end(&ask)                   gives the slot back
 *
 * What becomes of an attempt:
 *
 *     answered            2xx, or a refusal that is final     the call ends
 *     moved               421, 307, 308 with a node's URL     at once to that node, HOPS_MAX times
 *     refused for now     429, 502, 503, 504                  wait (Retry-After), next node
 *     not arrived         no connection                       wait, next node
 *     uncertain           broken, late, or cut off            the same, if it may be repeated
 *
 * 502, 504 and the 503 TimedOut are uncertain as well: what asked may have been carried out.
 * What takes as long as it takes in the server is_long: it has a limit of its own, after which it
 * is not sent again.
 *
 * ASK-1  What may not be repeated is sent again only when it certainly did not arrive.
 * ASK-2  All attempts of a write carry the same id and number.
 *
 * Threads:   one thread; asks of different slots are independent.
 * Ownership: borrows the client; an ask owns its slot until ask_end().
 */
#pragma once

#include "client/client_priv.h"

struct ask {
    struct blockdb_client *client;
    struct slot *slot;
    uint64_t deadline_ns; /* of waiting for the slot */

    const char *method;
    const char *content_type; /* of slot->body; NULL: no body */
    const char *accept;       /* NULL: JSON */
    const struct slice *body; /* instead of slot->body; NULL: that */
    bool repeatable;
    bool is_long;             /* long_timeout_ms counts, not request_timeout_ms */
    const uint8_t *client_id; /* of a write; NULL: it is none */
    uint64_t request;

    bool is_short;     /* of memory, while the path was made */
    unsigned endpoint; /* the one that answered */
    unsigned attempts; /* made so far */
};

/* Takes a slot. method is static. GET and HEAD are repeatable from the start. */
RESULT_MUST_BE_USED int ask_begin(struct ask *ask, struct blockdb_client *client,
                                  const char *method, struct error *err);
/* For AUTO(ask_end). */
void ask_end(struct ask *ask);

/* Appends to the path and query that are asked for. Memory that is short is told by ask_run(), and
 * nothing is sent. */
void ask_path(struct ask *ask, const char *text);
void ask_path_u64(struct ask *ask, uint64_t value);
void ask_path_encoded(struct ask *ask, struct slice bytes);
/* Appends "?name=" or "&name=". */
void ask_parameter(struct ask *ask, const char *name);
void ask_parameter_u64(struct ask *ask, const char *name, uint64_t value);
void ask_parameter_text(struct ask *ask, const char *name, struct slice value);

/* Makes the ask a write under the identity of its slot, or of options (may be NULL). */
void ask_number(struct ask *ask, const struct blockdb_write_options *options);

/* Sends until there is an answer, whatever its status; then slot->answer is complete. Errors are
 * those of the connection; err has the URL. */
RESULT_MUST_BE_USED int ask_run_any(struct ask *ask, struct error *err);
/* The error that an answer of the server stands for, which is counted when it is the server's own
 * failure. */
RESULT_MUST_BE_USED int ask_refusal(struct ask *ask, struct error *err);
/* As ask_run_any(), and the error that an answer other than 2xx stands for. */
RESULT_MUST_BE_USED int ask_run(struct ask *ask, struct error *err);

/* Sends a head as ask_run() would, on a link of the caller's own: for answers that never end. The
 * head of the answer was read when it returns 0. */
RESULT_MUST_BE_USED int ask_stream(struct ask *ask, unsigned endpoint, struct link *link,
                                   struct error *err);
