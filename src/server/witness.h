/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A witness of logs (C2SP tlog-witness): cosigns heads that continue what it cosigned before.
 *
 * Everything that is decided is decided here: a request goes in, a status and a body come out. How
 * requests arrive, and how heads are stored, is the affair of others.
 *
 *   POST <prefix>/add-checkpoint                 submission
 *   GET  <prefix>/<hex of SHA-256 of the origin>/checkpoint    the newest cosigned head of a log
 *
 *   200  cosigned            400  malformed, or the old size is above the new one
 *   403  no signature of the log's key, or a wrong one         404  the log is not known
 *   409  the old size is not the newest; the body is the newest
 *   422  not a continuation  405, 413  method, length          500  a failure of this witness
 *
 * WIT-1  A cosignature leaves only when the head is durable in the store.
 * WIT-2  For one log no two cosigned heads contradict each other: each continues all earlier ones.
 * WIT-3  Nothing but the body, the store and the time decides; an answer needs bounded memory.
 *
 * Threads:   immutable after witness_new(); requests may run at the same time.
 * Ownership: copies keys' names and the signing key is borrowed until witness_free().
 * Format:    docs/format/notes.md
 */
#pragma once

#include "base/bytes.h"
#include "crypto/sha256.h"
#include "ledger/signing_key.h"
#include "ledger/verifier_key.h"

#define WITNESS_KEYS_MAX 1024
#define WITNESS_PREFIX_LEN_MAX 255

/* The newest head of a log: of size 0 when nothing was ever cosigned. */
struct witness_head {
    uint64_t size;
    struct hash root;
};

/* Where heads are kept. A log is named by the SHA-256 of its origin. */
struct witness_heads {
    /* The newest head; out_note (NULL: not wanted) gets its note, nothing when nothing was ever
     * cosigned. Any failure leaves both as they were. */
    int (*get)(void *context, const struct hash *log, struct witness_head *out,
               struct buf *out_note, struct error *err);
    /* Makes `note` the newest head, durably, if old_size is the newest's size. ECONFLICT when it is
     * not: *out_size is that of the newest. The note is that of a checkpoint of this log whose
     * size is not below old_size. After any other failure the newest head is unknown to the caller
     * and nothing was promised to anybody. */
    int (*advance)(void *context, const struct hash *log, uint64_t old_size, struct slice note,
                   uint64_t *out_size, struct error *err);
    void *context;
};

struct witness_options {
    const struct signing_key *key;   /* of type cosignature */
    const struct verifier_key *keys; /* of logs; of several keys of one name each may sign */
    size_t key_count;                /* 1 to WITNESS_KEYS_MAX */
    const char *prefix;              /* of paths: "" or "/witness"; NULL: "" */
    struct witness_heads heads;
};

struct witness;

/* EINVAL: a key of the wrong type, no or too many keys, or a prefix that does not begin with a
 * slash or ends in one; ENOMEM. */
RESULT_MUST_BE_USED int witness_new(const struct witness_options *options, struct witness **out,
                                    struct error *err);
void witness_free(struct witness *w);
/* For AUTO(witness_free_ptr). */
void witness_free_ptr(struct witness **w);

struct witness_request {
    const char *method;
    const char *path; /* without query */
    struct slice body;
    uint64_t time_s; /* now, in seconds since 1970 */
};

/* A zeroed answer is valid to deinit. */
struct witness_answer {
    unsigned status;
    const char *content_type; /* static */
    struct slice body;        /* of `owned`, or static */
    struct buf owned;
};

/* Answers a request; *out is overwritten. Returns 0 for every answer that is not a failure of this
 * witness, else the code of that failure, with status 500. err, also of a refusal, is what an
 * operator should read; it is left alone for status 200, and for 404 of a path. */
int witness_answer(const struct witness *w, const struct witness_request *request,
                   struct witness_answer *out, struct error *err);
void witness_answer_deinit(struct witness_answer *answer);

/* Whether requests of this method and path have a body that is worth reading. */
bool witness_wants_body(const struct witness *w, const char *method, const char *path);
/* The SHA-256 of an origin. */
void witness_log_of(struct slice origin, struct hash *out);
