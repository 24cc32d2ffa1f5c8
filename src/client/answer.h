/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The answer to an HTTP/1.1 request, parsed as its bytes come in, from a server that is not
 * trusted.
 *
 *     answer_reset(a, ..);
 *     do {
 *         room = answer_room(a, &len)        where the next bytes go
 *         n = receive(room, len)
 *         answer_received(a, n), or answer_ended(a) when the server closed
 *     } while (!answer_is_done(a));
 *
 * Informational answers (1xx) are passed over. The body is taken by its length, its chunks, or up
 * to the end of the connection, whatever the head says; a head that says two things is refused, for
 * then nobody knows where the next answer begins.
 *
 * ANSWER-1  A head takes at most ANSWER_HEAD_MAX bytes, a body what answer_reset() was told; what
 *           the server announces is not allocated before it comes.
 * ANSWER-2  After a failure, or an answer that does not say where it ends, the connection is not
 *           used again (keeps_alive is false).
 *
 * Threads:   one thread at a time.
 * Ownership: an answer owns its bytes; slices of it live until the next reset or receive.
 */
#pragma once

#include "base/bytes.h"

#include <stdbool.h>

#define ANSWER_HEAD_MAX ((size_t)32 << 10)
#define ANSWER_HEADER_MAX 512 /* of a header's value that is kept */
#define ANSWER_NO_RETRY UINT32_MAX

enum answer_state {
    ANSWER_HEAD,
    ANSWER_BODY,       /* of a known length */
    ANSWER_CHUNK_HEAD, /* the line before a chunk */
    ANSWER_CHUNK,
    ANSWER_CHUNK_END, /* the line end after a chunk */
    ANSWER_TRAILER,   /* lines after the last chunk */
    ANSWER_TO_END,    /* until the server closes */
    ANSWER_DONE,
};

/* A zeroed one is valid and owns nothing. */
struct answer {
    enum answer_state state;
    struct buf raw;         /* received and not yet understood */
    size_t raw_at;          /* of it, what was understood already */
    struct buf body;        /* decoded */
    size_t body_max;        /* ANSWER-1 */
    uint64_t body_left;     /* of the length or of the chunk */
    size_t trailer_len;     /* seen so far */
    unsigned informational; /* 1xx answers seen */
    bool is_head_only;      /* it answers a HEAD request */

    /* What the head says; valid once the state is past ANSWER_HEAD. */
    int status; /* 200 to 599 */
    bool keeps_alive;
    bool has_length;
    bool is_chunked;
    uint64_t length;
    uint32_t retry_after_s;           /* ANSWER_NO_RETRY: not said */
    char content_type[128];           /* cut when longer, "" when there is none */
    bool is_gzip;                     /* Content-Encoding: the body is compressed */
    bool is_coded;                    /* ... in some other way */
    char leader[ANSWER_HEADER_MAX];   /* Blockdb-Leader */
    char location[ANSWER_HEADER_MAX]; /* Location */
};

/* Makes a ready for the next answer; keeps its memory. */
void answer_reset(struct answer *a, size_t body_max, bool is_head_only);
void answer_deinit(struct answer *a);

/* Where the next bytes may be put, *out_len of them (above 0); NULL when out of memory. */
void *answer_room(struct answer *a, size_t *out_len);
/* Takes the len bytes that were put there. EIO: this is no HTTP, or ambiguous. ELIMIT: ANSWER-1.
 * ENOMEM. */
RESULT_MUST_BE_USED int answer_received(struct answer *a, size_t len, struct error *err);
/* The server closed. EIO: in the middle of the answer. */
RESULT_MUST_BE_USED int answer_ended(struct answer *a, struct error *err);

static inline bool answer_is_done(const struct answer *a)
{
    return a->state == ANSWER_DONE;
}
static inline bool answer_has_head(const struct answer *a)
{
    return a->state != ANSWER_HEAD;
}
/* Whether nothing of an answer came yet. */
bool answer_is_untouched(const struct answer *a);
static inline struct slice answer_body(const struct answer *a)
{
    return buf_slice(&a->body);
}
/* Drops the first len bytes of the body: for answers that never end. */
void answer_drop(struct answer *a, size_t len);
