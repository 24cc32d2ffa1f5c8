/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors inside the library: set once where the cause is known, wrapped once per layer.
 *
 * `struct error` is the public `struct blockdb_error`, so the border of the API copies nothing.
 *
 * Threads: an error object belongs to its caller.
 */
#pragma once

#include <blockdb/status.h>
#include <stdarg.h>

#define error blockdb_error /* `struct error` inside, `struct blockdb_error` outside */

#define RESULT_MUST_BE_USED __attribute__((warn_unused_result))

/* For the rare result that does not matter; a comment beside it says why. */
#define IGNORE_RESULT(call)                                                                        \
    do {                                                                                           \
        int ignored_ = (call);                                                                     \
        (void)ignored_;                                                                            \
    } while (0)

/* Fills err (may be NULL) and returns code. The message must say what, where, and what to do. */
int error_set(struct error *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts context in front of the message of err (may be NULL) and returns the code it holds.
 * Must only be called on an error that was set. */
int error_wrap(struct error *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Sets err for a failed system call: maps errno_value to EIO, ENOSPC, ENOTFOUND, EEXIST, EDENIED,
 * ENOMEM ... and appends the system's text. Returns the code. */
int error_set_errno(struct error *err, int errno_value, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The code for an allocation that failed; sets err (may be NULL) with a standing message. */
int error_set_no_memory(struct error *err);
