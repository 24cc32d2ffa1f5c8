/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tells the service manager how the program is doing (sd_notify, by hand).
 *
 * Without NOTIFY_SOCKET in the environment nothing is told, and nothing fails.
 *
 * Threads:   one thread.
 * Ownership: a notify owns its socket.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct os;

struct notify {
    struct os *os;
    int fd; /* -1: nobody listens */
    /* Half of the time in which the manager wants a sign of life; 0: it wants none. */
    uint64_t watchdog_ms;
};

void notify_open(struct notify *notify, struct os *os);
void notify_close(struct notify *notify);
/* Sends lines of "NAME=value". */
void notify_send(const struct notify *notify, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* What the program is doing, for people. */
void notify_status(const struct notify *notify, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* RELOADING=1 with the time that the manager wants beside it. */
void notify_reloading(const struct notify *notify);
