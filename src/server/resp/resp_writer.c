/* SPDX-License-Identifier: Apache-2.0 */
#include "server/resp/resp_writer.h"

#include <stdarg.h>
#include <stdio.h>

#define HEAD_BYTES_MAX 24 /* a letter, a number of 64 bits and its sign, the end of the line */
#define LINE_BYTES_MAX 1200

static void append(struct resp_writer *w, const void *data, size_t len)
{
    if (!w->failed && buf_append(w->out, data, len) < 0) {
        w->failed = true;
    }
}

/* Writes the digits of value so that they end before `end`; returns where they start. */
static char *write_digits(char *end, uint64_t value)
{
    do {
        *--end = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    return end;
}

/* Writes "<letter><number>\r\n" into the end of line; returns where it starts. */
static char *format_head(char line[HEAD_BYTES_MAX], char letter, int64_t number)
{
    char *end = line + HEAD_BYTES_MAX - 2;
    char *at;

    end[0] = '\r';
    end[1] = '\n';
    at = write_digits(end, number < 0 ? 0 - (uint64_t)number : (uint64_t)number);
    if (number < 0) {
        *--at = '-';
    }
    *--at = letter;
    return at;
}

static void append_head(struct resp_writer *w, char letter, int64_t number)
{
    char line[HEAD_BYTES_MAX];
    const char *at = format_head(line, letter, number);

    append(w, at, (size_t)(line + HEAD_BYTES_MAX - at));
}

void resp_write_ok(struct resp_writer *w)
{
    append(w, "+OK\r\n", 5);
}

/* Appends a line of text from outside: what is not printable becomes a question mark. */
static void append_line(struct resp_writer *w, char letter, const char *text)
{
    char line[LINE_BYTES_MAX];
    size_t len = 0;

    line[len++] = letter;
    for (; *text != '\0' && len < sizeof(line) - 2; text++) {
        uint8_t c = (uint8_t)*text;

        line[len++] = c < 0x20 || c == 0x7f ? '?' : (char)c;
    }
    line[len++] = '\r';
    line[len++] = '\n';
    append(w, line, len);
}

void resp_write_simple(struct resp_writer *w, const char *text)
{
    append_line(w, '+', text);
}

void resp_write_integer(struct resp_writer *w, int64_t value)
{
    append_head(w, ':', value);
}

void resp_write_bulk(struct resp_writer *w, struct slice bytes)
{
    char line[HEAD_BYTES_MAX];
    const char *at = format_head(line, '$', (int64_t)bytes.len);
    size_t head_len = (size_t)(line + HEAD_BYTES_MAX - at);
    uint8_t *to;

    if (w->failed || buf_reserve(w->out, head_len + bytes.len + 2) < 0) {
        w->failed = true;
        return;
    }
    to = w->out->data + w->out->len;
    memcpy(to, at, head_len);
    if (bytes.len > 0) {
        memcpy(to + head_len, bytes.data, bytes.len);
    }
    to[head_len + bytes.len] = '\r';
    to[head_len + bytes.len + 1] = '\n';
    w->out->len += head_len + bytes.len + 2;
}

void resp_write_text(struct resp_writer *w, const char *text)
{
    resp_write_bulk(w, slice_of_text(text));
}

void resp_write_null(struct resp_writer *w)
{
    append(w, w->version == 3 ? "_\r\n" : "$-1\r\n", w->version == 3 ? 3 : 5);
}

void resp_write_null_array(struct resp_writer *w)
{
    append(w, w->version == 3 ? "_\r\n" : "*-1\r\n", w->version == 3 ? 3 : 5);
}

void resp_write_bool(struct resp_writer *w, bool value)
{
    if (w->version == 3) {
        append(w, value ? "#t\r\n" : "#f\r\n", 4);
    } else {
        resp_write_integer(w, value);
    }
}

void resp_write_verbatim(struct resp_writer *w, struct slice text)
{
    if (w->version != 3) {
        resp_write_bulk(w, text);
        return;
    }
    append_head(w, '=', (int64_t)text.len + 4);
    append(w, "txt:", 4);
    append(w, text.data, text.len);
    append(w, "\r\n", 2);
}

void resp_write_array(struct resp_writer *w, size_t count)
{
    append_head(w, '*', (int64_t)count);
}

void resp_write_map(struct resp_writer *w, size_t count)
{
    if (w->version == 3) {
        append_head(w, '%', (int64_t)count);
    } else {
        append_head(w, '*', 2 * (int64_t)count);
    }
}

void resp_write_set(struct resp_writer *w, size_t count)
{
    append_head(w, w->version == 3 ? '~' : '*', (int64_t)count);
}

void resp_write_raw(struct resp_writer *w, struct slice replies)
{
    append(w, replies.data, replies.len);
}

void resp_write_error(struct resp_writer *w, const char *code, const char *format, ...)
{
    char message[LINE_BYTES_MAX];
    char line[LINE_BYTES_MAX];
    va_list args;

    w->has_error = true;
    va_start(args, format);
    (void)vsnprintf(message, sizeof(message), format, args); /* what is too long is cut */
    va_end(args);
    (void)snprintf(line, sizeof(line), "%s %s", code, message);
    append_line(w, '-', line);
}

static const char *code_of(int status)
{
    switch (status) {
    case BLOCKDB_EREADONLY:
        return "READONLY";
    case BLOCKDB_EDENIED:
        return "NOPERM";
    case BLOCKDB_EREDACTED:
        return "REDACTED";
    case BLOCKDB_EWOULDBLOCK:
    case BLOCKDB_EBUSY:
        return "BUSY";
    case BLOCKDB_ENOMEM:
        return "OOM";
    case BLOCKDB_ECORRUPT:
        return "CORRUPT";
    case BLOCKDB_ETAMPERED:
        return "TAMPERED";
    default:
        return "ERR";
    }
}

void resp_write_status(struct resp_writer *w, int status, const struct error *err)
{
    const char *message = err != NULL && err->message[0] != '\0' ? err->message : NULL;

    if (message == NULL && status == BLOCKDB_EWOULDBLOCK) {
        message = "the server has too much to do; send the command again in a moment";
    } else if (message == NULL && status == BLOCKDB_EREDACTED) {
        message = "the value was erased; its proofs remain";
    } else if (message == NULL && status == BLOCKDB_ENOMEM) {
        message = "the server has no memory for this command; send it again later";
    } else if (message == NULL) {
        message = blockdb_status_name(status);
    }
    resp_write_error(w, code_of(status), "%s", message);
}
