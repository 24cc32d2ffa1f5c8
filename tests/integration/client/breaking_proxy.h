/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A proxy between a client and a server that breaks what a test says, once for each time it says
 * it.
 *
 * It understands as much of HTTP as it needs to know where a request and an answer end: lengths, no
 * chunks. All requests pass but the next ones that proxy_break() names.
 *
 * Threads: one for each connection; proxy_break() and the counters from any.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

enum proxy_act {
    PROXY_PASS,
    PROXY_CUT_BEFORE,  /* the request is read, and does not get to the server */
    PROXY_CUT_AFTER,   /* the server carries it out; the client sees nothing of the answer */
    PROXY_CUT_HALF,    /* ... sees half of it */
    PROXY_RESET_AFTER, /* as CUT_AFTER, and the connection is reset */
    PROXY_STALL,       /* as CUT_AFTER, but the connection stays open and silent */
    PROXY_SAY_503,     /* "503, Retry-After: 0" without asking the server */
    PROXY_SAY_502,     /* 502 after the server carried it out */
    PROXY_SAY_LEADER,  /* 421, which names the server itself */
    PROXY_SAY_MOVED,   /* 307, with the whole URL at the server itself */
    PROXY_DRIP,        /* passes, the answer in pieces of a few bytes */
};

struct proxy {
    unsigned server_port;
    unsigned port;
    char url[64];
    int fd;
    pthread_t thread;
    atomic_bool is_stopping;
    atomic_int act;        /* what happens to the next `left` requests */
    atomic_int left;       /* below 0: to all */
    atomic_uint requests;  /* seen */
    atomic_uint connected; /* connections made */
    atomic_uint open;      /* open now */
};

void proxy_start(struct proxy *p, unsigned server_port);
void proxy_stop(struct proxy *p);
/* The next `count` requests; below 0: all from now on. */
void proxy_break(struct proxy *p, enum proxy_act act, int count);
