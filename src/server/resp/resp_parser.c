/* SPDX-License-Identifier: Apache-2.0 */
#include "server/resp/resp_parser.h"

#include "base/assert.h"
#include "base/mem.h"

#define NUMBER_CHARS_MAX 10 /* of a length; more digits are never within a limit */
#define ARGS_CAP_MIN 16

void resp_args_deinit(struct resp_args *args)
{
    mem_free(args->items);
    buf_deinit(&args->words);
    *args = (struct resp_args){0};
}

int resp_args_reserve(struct resp_args *args, size_t count)
{
    struct slice *items;
    size_t cap;

    if (count <= args->cap) {
        return BLOCKDB_OK;
    }
    cap = args->cap * 2 > count ? args->cap * 2 : count;
    cap = cap < ARGS_CAP_MIN ? ARGS_CAP_MIN : cap;
    items = mem_realloc(args->items, cap * sizeof(*items));
    if (items == NULL) {
        return BLOCKDB_ENOMEM;
    }
    args->items = items;
    args->cap = cap;
    return BLOCKDB_OK;
}

void resp_parser_deinit(struct resp_parser *p)
{
    mem_free(p->many);
    *p = (struct resp_parser){0};
}

static enum resp_parsed refuse(struct resp_parser *p, const char *problem)
{
    p->problem = problem;
    return RESP_PARSED_REFUSED;
}

/* The next command starts with nothing known; a large table is not kept for it. */
static void start_over(struct resp_parser *p)
{
    if (p->span_cap > 0) {
        mem_free(p->many);
        p->many = NULL;
        p->span_cap = 0;
    }
    p->at = 0;
    p->args_left = 0;
    p->span_count = 0;
    p->in_array = false;
    p->in_bulk = false;
}

static struct resp_span *spans_of(struct resp_parser *p)
{
    return p->span_cap > 0 ? p->many : p->few;
}

static int add_span(struct resp_parser *p, size_t at, size_t len)
{
    uint32_t cap = p->span_cap > 0 ? p->span_cap : RESP_PARSER_INLINE_SPANS;

    if (p->span_count == cap) {
        struct resp_span *many = mem_realloc(p->many, 2 * (size_t)cap * sizeof(*many));

        if (many == NULL) {
            return BLOCKDB_ENOMEM;
        }
        if (p->span_cap == 0) {
            memcpy(many, p->few, sizeof(p->few));
        }
        p->many = many;
        p->span_cap = 2 * cap;
    }
    spans_of(p)[p->span_count++] = (struct resp_span){(uint32_t)at, (uint32_t)len};
    return BLOCKDB_OK;
}

/* What reading "<letter><number>\r\n" came to. */
enum line_state {
    LINE_MORE,
    LINE_WRONG,
    LINE_NUMBER,
};

/* Reads the number between the letter at p->at and the end of its line. It may be negative, which
 * *out_number shows as -1, whatever it was. */
static enum line_state read_number(struct resp_parser *p, struct slice input, int64_t *out_number)
{
    const uint8_t *s = input.data + p->at + 1;
    size_t left = input.len - p->at - 1;
    bool negative = left > 0 && s[0] == '-';
    size_t i = negative ? 1 : 0;
    size_t digits = 0;
    int64_t number = 0;

    for (; i < left && s[i] >= '0' && s[i] <= '9'; i++, digits++) {
        if (digits == NUMBER_CHARS_MAX) {
            return LINE_WRONG;
        }
        number = number * 10 + (s[i] - '0');
    }
    if (i == left || (s[i] == '\r' && i + 1 == left)) {
        return LINE_MORE;
    }
    if (digits == 0 || s[i] != '\r' || s[i + 1] != '\n') {
        return LINE_WRONG;
    }
    p->at += 1 + i + 2;
    *out_number = negative ? -1 : number;
    return LINE_NUMBER;
}

/* Reads the head of an array; COMMAND means that there are arguments to come. */
static enum resp_parsed read_array_head(struct resp_parser *p,
                                        const struct resp_parser_limits *limits, struct slice input)
{
    int64_t count = 0;

    switch (read_number(p, input, &count)) {
    case LINE_MORE:
        return RESP_PARSED_MORE;
    case LINE_WRONG:
        return refuse(p, "Protocol error: invalid multibulk length");
    case LINE_NUMBER:
        break;
    }
    if (count > limits->args_max) {
        return refuse(p, limits->command_max > limits->inline_max
                             ? "Protocol error: invalid multibulk length: too many arguments"
                             : "Protocol error: unauthenticated multibulk length");
    }
    if (count <= 0) {
        return RESP_PARSED_EMPTY;
    }
    p->in_array = true;
    p->args_left = (uint32_t)count;
    return RESP_PARSED_COMMAND;
}

/* Reads the head of a bulk string, as read_array_head(). */
static enum resp_parsed read_bulk_head(struct resp_parser *p,
                                       const struct resp_parser_limits *limits, struct slice input)
{
    int64_t len = 0;

    if (input.data[p->at] != '$') {
        return refuse(p, "Protocol error: expected '$', the head of a bulk string");
    }
    switch (read_number(p, input, &len)) {
    case LINE_MORE:
        return RESP_PARSED_MORE;
    case LINE_WRONG:
        return refuse(p, "Protocol error: invalid bulk length");
    case LINE_NUMBER:
        break;
    }
    if (len < 0 || len > limits->bulk_max) {
        return refuse(p, limits->command_max > limits->inline_max
                             ? "Protocol error: invalid bulk length: a value has at most 16777216 "
                               "bytes"
                             : "Protocol error: unauthenticated bulk length");
    }
    if (p->at + (size_t)len + 2 > limits->command_max) {
        return refuse(p, "Protocol error: the command is too long");
    }
    p->in_bulk = true;
    p->bulk_len = (uint32_t)len;
    return RESP_PARSED_COMMAND;
}

static enum resp_parsed read_bulk_body(struct resp_parser *p, struct slice input)
{
    const uint8_t *end;

    if (input.len - p->at < (size_t)p->bulk_len + 2) {
        return RESP_PARSED_MORE;
    }
    end = input.data + p->at + p->bulk_len;
    if (end[0] != '\r' || end[1] != '\n') {
        return refuse(p, "Protocol error: a bulk string is longer than its length says");
    }
    if (add_span(p, p->at, p->bulk_len) < 0) {
        return refuse(p, "the server has no memory for this command");
    }
    p->at += (size_t)p->bulk_len + 2;
    p->in_bulk = false;
    p->args_left--;
    return RESP_PARSED_COMMAND;
}

/* Reads what there is of an array whose head was read. */
static enum resp_parsed read_array(struct resp_parser *p, const struct resp_parser_limits *limits,
                                   struct slice input)
{
    enum resp_parsed parsed;

    while (p->args_left > 0) {
        if (p->at == input.len) {
            return RESP_PARSED_MORE;
        }
        if (!p->in_bulk) {
            parsed = read_bulk_head(p, limits, input);
            if (parsed != RESP_PARSED_COMMAND) {
                return parsed;
            }
        }
        parsed = read_bulk_body(p, input);
        if (parsed != RESP_PARSED_COMMAND) {
            return parsed;
        }
    }
    return RESP_PARSED_COMMAND;
}

/* ---- Lines --------------------------------------------------------------------------------- */

static bool is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static uint8_t escaped(uint8_t c)
{
    switch (c) {
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'b':
        return '\b';
    case 'a':
        return '\a';
    default:
        return c;
    }
}

/* One character of a quoted word: writes it to *out, returns how many bytes of the line it took. */
static size_t read_quoted(const uint8_t *s, size_t left, uint8_t quote, uint8_t *out)
{
    *out = s[0];
    if (s[0] != '\\' || left < 2) {
        return 1;
    }
    if (quote == '\'') {
        *out = s[1] == '\'' ? '\'' : '\\';
        return s[1] == '\'' ? 2 : 1;
    }
    if (s[1] == 'x' && left >= 4 && hex_value(s[2]) >= 0 && hex_value(s[3]) >= 0) {
        *out = (uint8_t)(hex_value(s[2]) * 16 + hex_value(s[3]));
        return 4;
    }
    *out = escaped(s[1]);
    return 2;
}

/* Appends the word at the start of line, without its quotes, to words; returns how many bytes it
 * took, 0 for quotes that are not closed or are closed inside a word. The words have room. */
static size_t read_word(struct buf *words, struct slice line)
{
    uint8_t quote = 0;
    size_t i = 0;

    while (i < line.len) {
        uint8_t c = line.data[i];

        if (quote == 0 && is_space(c)) {
            return i;
        }
        if (quote == 0 && (c == '"' || c == '\'')) {
            quote = c;
            i++;
        } else if (quote != 0 && c == quote) {
            i++;
            return i == line.len || is_space(line.data[i]) ? i : 0;
        } else if (quote != 0) {
            i += read_quoted(line.data + i, line.len - i, quote, &c);
            words->data[words->len++] = c;
        } else {
            words->data[words->len++] = c;
            i++;
        }
    }
    return quote == 0 ? i : 0;
}

/* Splits a line into words; their spans are places in `words`. */
static enum resp_parsed split_line(struct resp_parser *p, const struct resp_parser_limits *limits,
                                   struct slice line, struct buf *words)
{
    buf_reset(words);
    if (buf_reserve(words, line.len) < 0) {
        return refuse(p, "the server has no memory for this command");
    }
    while (line.len > 0) {
        size_t at = words->len;
        size_t used;

        if (is_space(line.data[0])) {
            line = slice_of(line.data + 1, line.len - 1);
            continue;
        }
        if (p->span_count == limits->args_max) {
            return refuse(p, "Protocol error: too many arguments");
        }
        used = read_word(words, line);
        if (used == 0) {
            return refuse(p, "Protocol error: unbalanced quotes in request");
        }
        if (add_span(p, at, words->len - at) < 0) {
            return refuse(p, "the server has no memory for this command");
        }
        line = slice_of(line.data + used, line.len - used);
    }
    return p->span_count > 0 ? RESP_PARSED_COMMAND : RESP_PARSED_EMPTY;
}

static enum resp_parsed read_line(struct resp_parser *p, const struct resp_parser_limits *limits,
                                  struct slice input, struct buf *words)
{
    const uint8_t *from = input.data + p->at;
    const uint8_t *end = memchr(from, '\n', input.len - p->at);
    size_t len = end != NULL ? (size_t)(end - input.data) : input.len;

    if (len > limits->inline_max) {
        return refuse(p, "Protocol error: too big inline request");
    }
    p->at = len;
    if (end == NULL) {
        return RESP_PARSED_MORE;
    }
    p->at = len + 1;
    if (len > 0 && input.data[len - 1] == '\r') {
        len--;
    }
    return split_line(p, limits, slice_of(input.data, len), words);
}

/* ---- Both ---------------------------------------------------------------------------------- */

/* Hands the arguments out; base is what their spans are places in. */
static enum resp_parsed hand_out(struct resp_parser *p, struct resp_args *args, const uint8_t *base,
                                 size_t *out_used)
{
    const struct resp_span *spans = spans_of(p);

    if (resp_args_reserve(args, p->span_count) < 0) {
        return refuse(p, "the server has no memory for this command");
    }
    for (uint32_t i = 0; i < p->span_count; i++) {
        args->items[i] = slice_of(base + spans[i].at, spans[i].len);
    }
    args->count = p->span_count;
    *out_used = p->at;
    start_over(p);
    return RESP_PARSED_COMMAND;
}

static enum resp_parsed skip(struct resp_parser *p, size_t *out_used)
{
    *out_used = p->at;
    start_over(p);
    return RESP_PARSED_EMPTY;
}

enum resp_parsed resp_parser_next(struct resp_parser *p, const struct resp_parser_limits *limits,
                                  struct slice input, struct resp_args *args, size_t *out_used)
{
    const uint8_t *base = input.data;
    enum resp_parsed parsed = RESP_PARSED_COMMAND;

    if (p->problem != NULL) {
        return RESP_PARSED_REFUSED;
    }
    DASSERT(p->at <= input.len);
    if (input.len == 0) {
        return RESP_PARSED_MORE;
    }
    if (input.data[0] != '*') {
        parsed = read_line(p, limits, input, &args->words);
        base = args->words.data;
    } else {
        if (!p->in_array) {
            parsed = read_array_head(p, limits, input);
        }
        if (parsed == RESP_PARSED_COMMAND) {
            parsed = read_array(p, limits, input);
        }
    }
    switch (parsed) {
    case RESP_PARSED_COMMAND:
        return hand_out(p, args, base, out_used);
    case RESP_PARSED_EMPTY:
        return skip(p, out_used);
    case RESP_PARSED_MORE:
    case RESP_PARSED_REFUSED:
        break;
    }
    return parsed;
}
