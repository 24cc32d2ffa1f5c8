/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server on the loopback that gives prepared answers, byte by byte as a test wants them.
 *
 * Request i, counted over all connections, gets answer i; after the last answer nothing is said any
 * more. A connection stays open after an answer until the client or the server is stopped.
 *
 * Threads: one thread of its own; fields that tests read only after canned_server_stop().
 */
#pragma once

#include "os/os.h"

#include <stdatomic.h>

#define CANNED_REQUESTS_MAX 16
#define CANNED_REQUEST_LEN_MAX 20000

struct canned_answer {
    const char *bytes; /* NULL: none, and the connection is closed */
    size_t len;        /* 0: strlen(bytes) */
    bool close;        /* close after it */
    bool reset;        /* ... so that the client sees a reset */
    unsigned pause_ms; /* wait before it */
};

struct canned_server {
    const struct canned_answer *answers;
    size_t answer_count;
    int fd;
    char url[80]; /* "http://127.0.0.1:port" */
    struct os_thread *thread;
    atomic_bool is_stopping;
    size_t connection_count;
    size_t request_count;
    char requests[CANNED_REQUESTS_MAX][CANNED_REQUEST_LEN_MAX + 1];
};

struct canned_server *canned_server_start(const struct canned_answer *answers, size_t count);
/* Ends the thread; the server can still be looked at. */
void canned_server_stop(struct canned_server *s);
void canned_server_free(struct canned_server *s);
