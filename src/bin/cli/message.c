/* SPDX-License-Identifier: Apache-2.0 */
#include "bin/cli/message.h"

#include "config/config.h"
#include "os/os.h"

#include <errno.h>
#include <stdarg.h>

#define RED "\x1b[1;31m"
#define PLAIN "\x1b[0m"

static void sink(void *context, const char *line, size_t len)
{
    const struct messages *m = context;
    FILE *to = m->file != NULL ? m->file : stderr;

    (void)fwrite(line, 1, len, to); /* there is nobody left to tell */
    (void)fflush(to);
}

static uint64_t now(void *context)
{
    return os_now_ms(context);
}

void messages_init(struct messages *m, struct os *os, bool colour)
{
    *m = (struct messages){.os = os, .level = LOGGER_WARNING, .colour = colour};
}

int messages_configure(struct messages *m, const struct config_logging *logging, struct error *err)
{
    struct logger_options options = {.level = logging->level,
                                     .format = logging->format,
                                     .sink = sink,
                                     .sink_context = m,
                                     .clock = now,
                                     .clock_context = m->os};

    m->level = logging->level;
    if (logging->file[0] != '\0') {
        m->file = fopen(logging->file, "ae");
        if (m->file == NULL) {
            return error_set_errno(err, errno, "cannot append to '%s', the file of [logging]",
                                   logging->file);
        }
    }
    m->events = m->file != NULL || logging->format == LOGGER_JSON;
    logger_init(&m->logger, &options);
    return BLOCKDB_OK;
}

void messages_deinit(struct messages *m)
{
    if (m->file != NULL) {
        (void)fclose(m->file); /* each line was flushed */
        m->file = NULL;
    }
}

/* Whether people still have to be told on standard error. */
static bool speaks_plainly(const struct messages *m)
{
    return !m->events || m->file != NULL;
}

void message_error(struct messages *m, const char *area, const char *text)
{
    if (m->events) {
        logger_write(&m->logger, LOGGER_ERROR, area[0] != '\0' ? area : "cli", "%s", text);
    }
    if (speaks_plainly(m)) {
        (void)fprintf(stderr, "%sblockdb-cli:%s %s%s%s\n", m->colour ? RED : "",
                      m->colour ? PLAIN : "", area, area[0] != '\0' ? ": " : "", text);
    }
}

void message_event(struct messages *m, enum logger_level level, const char *area, const char *text)
{
    if (m->events) {
        logger_write(&m->logger, level, area, "%s", text);
    }
    if (speaks_plainly(m) && level >= m->level) {
        (void)fprintf(stderr, "blockdb-cli: %s%s%s\n", area, area[0] != '\0' ? ": " : "", text);
    }
}

void message_note(struct messages *m, enum logger_level level, const char *format, ...)
{
    char text[1024];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (m->events) {
        logger_write(&m->logger, level, "cli", "%s", text);
    }
    if (speaks_plainly(m) && level >= m->level) {
        (void)fprintf(stderr, "blockdb-cli: %s\n", text);
    }
}
