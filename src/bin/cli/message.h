/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages for people on standard error, and events in the file that [logging] names.
 *
 * Errors always reach standard error. Notes do from [logging] level on. With [logging] format
 * "json" and no file, standard error gets the events in that form.
 *
 * Threads: one thread at a time; message_event() any thread.
 */
#pragma once

#include "base/error.h"
#include "base/logger.h"

#include <stdbool.h>
#include <stdio.h>

struct os;
struct config_logging;

struct messages {
    struct os *os;
    struct logger logger; /* writes to file, or JSON to standard error */
    FILE *file;           /* NULL: standard error */
    enum logger_level level;
    bool events; /* the logger is in use */
    bool colour;
};

/* Before the configuration is known. */
void messages_init(struct messages *m, struct os *os, bool colour);
/* Applies [logging]; opens the file. EIO, EDENIED ... when that fails. */
RESULT_MUST_BE_USED int messages_configure(struct messages *m, const struct config_logging *logging,
                                           struct error *err);
void messages_deinit(struct messages *m);

/* An error; `area` is the command or "". */
void message_error(struct messages *m, const char *area, const char *text);
/* What part `area` of the database tells. */
void message_event(struct messages *m, enum logger_level level, const char *area, const char *text);
/* A note of a level below error. */
void message_note(struct messages *m, enum logger_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
