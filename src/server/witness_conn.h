/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection to a witness: bytes of HTTP go in, a request comes out, bytes of its answer go back.
 *
 * It knows no socket: whoever has one feeds what was received and sends what is there. Heads are
 * read by http/request.h, so a witness is as strict as the server.
 *
 * WCONN-1  One request is answered at a time, in order.
 * WCONN-2  After a malformed request nothing more is read.
 *
 * Threads:   caller locks.
 * Ownership: owns its buffers; borrows the witness, the clock and the logger for its lifetime.
 */
#pragma once

#include "base/logger.h"
#include "os/os.h"
#include "server/http/chunked.h"
#include "server/witness.h"

#define WITNESS_HEAD_MAX 16384
#define WITNESS_PATH_MAX 255
#define WITNESS_METHOD_MAX 15

struct witness_conn {
    const struct witness *witness;
    struct os *os;
    struct logger *logger; /* may be NULL */

    struct buf in; /* received and not understood yet */
    size_t searched;
    struct buf out; /* to be sent, from out_sent on */
    size_t out_sent;
    bool is_last; /* close when all is sent */

    /* The request whose body is arriving. */
    bool in_body;
    bool is_chunked;
    bool keeps;
    unsigned minor_version;
    uint64_t left;
    struct chunked chunked;
    struct buf body;
    char method[WITNESS_METHOD_MAX + 1];
    char path[WITNESS_PATH_MAX + 1];
};

/* Frees the buffers; zeroed memory is fine. */
void witness_conn_deinit(struct witness_conn *c);
/* Takes what was received; answers what has become whole. Answering may wait for a disk. closes:
 * answers say that the connection ends. ENOMEM: close it. */
RESULT_MUST_BE_USED int witness_conn_feed(struct witness_conn *c, struct slice bytes, bool closes);
/* What is to be sent; empty: nothing. */
struct slice witness_conn_output(const struct witness_conn *c);
/* len bytes of it were sent. */
void witness_conn_sent(struct witness_conn *c, size_t len);
/* Whether a request has begun that is not answered. */
bool witness_conn_is_busy(const struct witness_conn *c);
