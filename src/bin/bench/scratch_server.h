/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A blockdb-server of our own, on free ports of the loopback, with its files in one directory.
 *
 * SCRATCH-1  It is stopped when scratch_server_stop() returns, by force after a while.
 *
 * It is in a process group of its own, so that Ctrl-C reaches only the one who measures.
 *
 * Threads:   one thread at a time.
 */
#pragma once

#include "base/error.h"

#include <stdint.h>

struct os;

struct scratch_server_options {
    const char *program;       /* NULL: blockdb-server beside this program */
    const char *dir;           /* exists; the database is data below it */
    const char *wal_sync_mode; /* NULL: the server's default */
    const char *const *set;    /* "name=value", set_count */
    unsigned set_count;
};

struct scratch_server {
    struct os *os;
    int64_t process; /* 0: not running */
    uint16_t port;
    uint16_t redis_port; /* 0: off */
};

/* Starts the server and waits until it is ready. ENOTFOUND: there is no such program; EIO: it
 * ended, with the last line of its log; ETIMEDOUT. Nothing runs after a failure. */
RESULT_MUST_BE_USED int scratch_server_start(struct scratch_server *server, struct os *os,
                                             const struct scratch_server_options *options,
                                             struct error *err);
/* Stops it without draining. EIO: it failed at that, or had to be killed. */
RESULT_MUST_BE_USED int scratch_server_stop(struct scratch_server *server, struct error *err);
