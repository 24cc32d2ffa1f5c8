/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of blockdb-server's main thread share.
 *
 * Threads: main thread, but for what is atomic and the opening.
 */
#pragma once

#include "base/logger.h"
#include "bin/server/flags.h"
#include "bin/server/log_output.h"
#include "bin/server/notify.h"
#include "server/audit_log.h"

#include <stdatomic.h>

struct program {
    struct os *os;
    char *const *environment;
    struct flags flags;
    struct config *config; /* in force */
    struct log_output output;
    struct logger logger;  /* as [logging] says */
    struct logger notices; /* the same, but start, reload and stop are told at any level */
    struct notify notify;
    struct blockdb *db;
    struct faces *faces;
    struct server *server;

    /* of the thread that opens, until is_opened */
    int open_status;
    struct error open_error;
    atomic_bool is_opened;

    /* of program_watch() */
    uint64_t watched_ms;   /* when the manager was last told that all is well */
    uint64_t watched_mark; /* what the commit loop had done by then */
    bool is_unwritable;    /* as the log was told last */
};

/* Waits for a signal and returns its number; 0 when the time passed. */
int program_wait(uint64_t timeout_ms);
/* Reads the configuration again and takes over what it can, or nothing. */
void program_reload(struct program *p);
/* Tells the log when writes begin or cease to be refused, and the service manager that all is well,
 * when it is. Does not wait. */
void program_watch(struct program *p);
