/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server in memory, behind the table of a link's socket calls, and faults of these calls.
 *
 * Each request gets the answer of the first row whose method and path it begins with. Nothing waits
 * for anything, so that a loop over every n-th call is short, and always the same.
 *
 * Threads:   any; the server's memory is not that of base/mem.h, whose failures are the client's.
 */
#pragma once

#include "client/sockets.h"

#include <pthread.h>
#include <stddef.h>

#define MEMORY_LINKS 16
#define MEMORY_BYTES 65536
#define MEMORY_WRITES 32

struct memory_answer {
    const char *request; /* "GET /api/v1/get/" */
    const char *status;  /* "200 OK" */
    const char *body;
};

enum memory_fault {
    MEMORY_GOOD,
    MEMORY_FAIL,      /* the connection breaks, or there is none */
    MEMORY_END,       /* the server closes */
    MEMORY_INTERRUPT, /* EINTR, once */
    MEMORY_BLOCK,     /* not ready, once */
    MEMORY_SHORT,     /* one byte */
};

struct memory_link {
    int is_open;
    char in[MEMORY_BYTES];
    size_t in_len;
    char out[MEMORY_BYTES];
    size_t out_at, out_len;
};

struct memory_server {
    struct sockets base; /* first */
    pthread_mutex_t mu;
    const struct memory_answer *answers; /* the last has request NULL */
    struct memory_link links[MEMORY_LINKS];
    char writes[MEMORY_WRITES][128]; /* the different identities of writes */
    unsigned write_count;
    unsigned request_count;
    unsigned call_count;
    /* The call with this number, from 1, and when is_lasting all after it. */
    unsigned fault_at;
    enum memory_fault fault;
    int is_lasting;
};

struct memory_server *memory_server_new(const struct memory_answer *answers);
void memory_server_free(struct memory_server *s);
/* Forgets counts, and has call `at` fail; 0: none. */
void memory_server_plan(struct memory_server *s, enum memory_fault fault, unsigned at,
                        int is_lasting);
/* Links that were opened and not closed. */
unsigned memory_server_open_links(const struct memory_server *s);
