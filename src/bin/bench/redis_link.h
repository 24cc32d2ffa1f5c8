/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection by the Redis protocol, version 2: commands out, replies in.
 *
 * Commands are collected and leave together with redis_link_send(); replies come in the order of
 * the commands. A failure leaves the connection good for redis_link_close() alone.
 *
 * Threads:   one thread at a time.
 * Ownership: owns its socket and buffers.
 */
#pragma once

#include "base/bytes.h"
#include "client/link.h"

#define REDIS_REPLY_BYTES_MAX (64u * 1024 * 1024)

enum redis_kind {
    REDIS_TEXT,
    REDIS_ERROR,
    REDIS_INTEGER,
    REDIS_BULK,
    REDIS_NULL,
    REDIS_ARRAY, /* its items follow as replies of their own */
};

struct redis_reply {
    enum redis_kind kind;
    struct slice text; /* text, error, bulk: borrowed until the next call on the link */
    int64_t number;    /* integer; items of an array */
};

struct redis_link {
    struct link link;
    struct buf out;
    uint8_t *in;
    size_t in_cap;
    size_t in_at; /* what lies before was taken */
    size_t in_len;
    uint64_t timeout_ms;
};

/* Connects to url's host and port. As link_open(). */
RESULT_MUST_BE_USED int redis_link_open(struct redis_link *r, const struct url *url,
                                        struct error *err);
/* A zeroed one, whose link is LINK_CLOSED, is fine. */
void redis_link_close(struct redis_link *r);

/* Begins a command of count words, each of which redis_link_word() adds. ENOMEM. */
RESULT_MUST_BE_USED int redis_link_command(struct redis_link *r, size_t count);
RESULT_MUST_BE_USED int redis_link_word(struct redis_link *r, struct slice word);
/* The same for a whole command. */
RESULT_MUST_BE_USED int redis_link_words(struct redis_link *r, const struct slice *words,
                                         size_t count);
/* Sends what was collected. EIO, ETIMEDOUT. */
RESULT_MUST_BE_USED int redis_link_send(struct redis_link *r, struct error *err);
/* Waits for the next reply. EIO: the server is gone, or it does not speak the protocol; ETIMEDOUT;
 * ELIMIT. An error of the server is a reply, and no failure here. */
RESULT_MUST_BE_USED int redis_link_reply(struct redis_link *r, struct redis_reply *out,
                                         struct error *err);

/* One reply of len bytes at data, for tests and for redis_link_reply(): how long it is with its
 * header (*out_len), 0 when it is not complete. EIO: not the protocol; ELIMIT. */
RESULT_MUST_BE_USED int redis_reply_parse(struct slice data, struct redis_reply *out,
                                          size_t *out_len, struct error *err);
