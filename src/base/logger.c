/* SPDX-License-Identifier: Apache-2.0 */
#include "base/logger.h"

#include "base/assert.h"
#include "base/json_writer.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

#define MESSAGE_BYTES_MAX 3072
/* What must fit after a message that was cut: dots, quote, brace, line feed. */
#define TAIL_BYTES 8
#define CUT_MARK "..."

static const char *const level_names[] = {"debug", "info", "warning", "error", "nothing"};

/* A line under construction; what does not fit is dropped and marked. */
struct line {
    char text[LOGGER_LINE_BYTES_MAX];
    size_t len;
    bool cut;
};

const char *logger_level_name(enum logger_level level)
{
    ASSERT((size_t)level < sizeof(level_names) / sizeof(level_names[0]));
    return level_names[level];
}

int logger_level_parse(const char *name, enum logger_level *out_level)
{
    size_t i;

    for (i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++) {
        if (strcmp(name, level_names[i]) == 0) {
            *out_level = (enum logger_level)i;
            return BLOCKDB_OK;
        }
    }
    return BLOCKDB_EINVAL;
}

void logger_init(struct logger *l, const struct logger_options *options)
{
    ASSERT(options->sink != NULL);
    *l = (struct logger){
        .format = options->format,
        .sink = options->sink,
        .sink_context = options->sink_context,
        .clock = options->clock,
        .clock_context = options->clock_context,
        .level = (int)options->level,
    };
}

void logger_set_level(struct logger *l, enum logger_level level)
{
    __atomic_store_n(&l->level, (int)level, __ATOMIC_RELAXED);
}

bool logger_enabled(const struct logger *l, enum logger_level level)
{
    return l != NULL && (int)level >= __atomic_load_n(&l->level, __ATOMIC_RELAXED);
}

static void put(struct line *line, const char *text, size_t len)
{
    if (line->cut || len > sizeof(line->text) - TAIL_BYTES - line->len) {
        line->cut = true;
        return;
    }
    memcpy(line->text + line->len, text, len);
    line->len += len;
}

static void put_text(struct line *line, const char *text)
{
    put(line, text, strlen(text));
}

/* Characters that would break a line, or a JSON string, as JSON writes them. In lines of text,
 * quotes and backslashes stay as they are. */
static void put_escaped(struct line *line, const char *text, bool keep_quotes)
{
    struct slice left = slice_of_text(text);

    while (left.len > 0 && !line->cut) {
        char escaped[JSON_ESCAPE_BYTES_MAX];
        size_t used;
        size_t len = json_escape_one(left, escaped, &used);
        bool is_quote = left.data[0] == '"' || left.data[0] == '\\';

        if (keep_quotes && is_quote) {
            put(line, (const char *)left.data, 1);
        } else {
            put(line, escaped, len);
        }
        left = slice_of(left.data + used, left.len - used);
    }
}

/* Ends the message, marked if it was cut; there is always room for that. */
static void finish(struct line *line, const char *closing)
{
    if (line->cut) {
        line->cut = false;
        memcpy(line->text + line->len, CUT_MARK, strlen(CUT_MARK));
        line->len += strlen(CUT_MARK);
    }
    memcpy(line->text + line->len, closing, strlen(closing));
    line->len += strlen(closing);
}

static void build_text(struct line *line, const char *time, const char *level, const char *area,
                       const char *message)
{
    put_text(line, time);
    put_text(line, time[0] != '\0' ? " " : "");
    put_text(line, level);
    put_text(line, " ");
    put_escaped(line, area, true);
    put_text(line, ": ");
    put_escaped(line, message, true);
    finish(line, "\n");
}

static void build_json(struct line *line, const char *time, const char *level, const char *area,
                       const char *message)
{
    put_text(line, "{");
    if (time[0] != '\0') {
        put_text(line, "\"time\":\"");
        put_text(line, time);
        put_text(line, "\",");
    }
    put_text(line, "\"level\":\"");
    put_text(line, level);
    put_text(line, "\",\"area\":\"");
    put_escaped(line, area, false);
    put_text(line, "\",\"message\":\"");
    put_escaped(line, message, false);
    finish(line, "\"}\n");
}

void logger_vwrite(struct logger *l, enum logger_level level, const char *area, const char *format,
                   va_list args)
{
    struct line line = {.len = 0};
    char time[TEXT_TIME_BYTES] = "";
    char message[MESSAGE_BYTES_MAX];
    int len;

    if (!logger_enabled(l, level)) {
        return;
    }
    len = vsnprintf(message, sizeof(message), format, args);
    if (len < 0) {
        return; /* a format that cannot be printed; there is nobody to tell */
    }
    if ((size_t)len >= sizeof(message)) {
        memcpy(message + sizeof(message) - sizeof(CUT_MARK), CUT_MARK, sizeof(CUT_MARK));
    }
    if (l->clock != NULL) {
        text_format_time(time, l->clock(l->clock_context));
    }
    if (l->format == LOGGER_JSON) {
        build_json(&line, time, logger_level_name(level), area, message);
    } else {
        build_text(&line, time, logger_level_name(level), area, message);
    }
    l->sink(l->sink_context, line.text, line.len);
}

void logger_write(struct logger *l, enum logger_level level, const char *area, const char *format,
                  ...)
{
    va_list args;

    va_start(args, format);
    logger_vwrite(l, level, area, format, args);
    va_end(args);
}
