/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leveled logger: one line of text or JSON per event, handed to a sink.
 *
 * Library layers return errors; only who handles an error logs it. A line is built on the stack,
 * so logging works without memory, and is passed to the sink in one call without any lock held.
 *
 *   text  2026-01-31T12:00:00.000Z warning engine: merge is behind by 12 tables
 *   JSON  {"time":"...","level":"warning","area":"engine","message":"merge is behind ..."}
 *
 * Control characters in a message are escaped in both forms, so one event is always one line.
 *
 * Threads: any thread, if the sink is; logger_set_level() any thread.
 */
#pragma once

#include "base/error.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOGGER_LINE_BYTES_MAX 4096 /* longer lines end in "..." */

enum logger_level {
    LOGGER_DEBUG,
    LOGGER_INFO,
    LOGGER_WARNING,
    LOGGER_ERROR,
    LOGGER_NOTHING, /* as a threshold only */
};

enum logger_format {
    LOGGER_TEXT,
    LOGGER_JSON,
};

/* Gets one whole line that ends in a line feed; must not fail, must accept several threads (one
 * write() to a descriptor opened for appending does). */
typedef void (*logger_sink_fn)(void *context, const char *line, size_t len);
/* Milliseconds since 1970. */
typedef uint64_t (*logger_clock_fn)(void *context);

struct logger_options {
    enum logger_level level; /* events below are dropped */
    enum logger_format format;
    logger_sink_fn sink;
    void *sink_context;
    logger_clock_fn clock; /* NULL: lines carry no time */
    void *clock_context;
};

struct logger {
    /* constant */
    enum logger_format format;
    logger_sink_fn sink;
    void *sink_context;
    logger_clock_fn clock;
    void *clock_context;
    /* atomic, relaxed: a change reaches other threads soon */
    int level;
};

void logger_init(struct logger *l, const struct logger_options *options);
void logger_set_level(struct logger *l, enum logger_level level);
/* Whether an event of that level would be written; false for a NULL logger. */
bool logger_enabled(const struct logger *l, enum logger_level level);
/* Writes one event; a NULL logger drops it. `area` names the part that speaks. */
void logger_write(struct logger *l, enum logger_level level, const char *area, const char *format,
                  ...) __attribute__((format(printf, 4, 5)));
void logger_vwrite(struct logger *l, enum logger_level level, const char *area, const char *format,
                   va_list args) __attribute__((format(printf, 4, 0)));
/* "debug", "info", "warning", "error", "nothing". */
const char *logger_level_name(enum logger_level level);
RESULT_MUST_BE_USED int logger_level_parse(const char *name, enum logger_level *out_level);
