/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Splits what a client of the Redis protocol sent into commands.
 *
 * A command is an array of bulk strings ("*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"), or one line of words
 * ("GET k\n"), in which words may be quoted. The parser borrows the input and copies nothing; of a
 * command that is not complete it remembers how far it came, so that each byte is looked at once
 * however small the pieces are.
 *
 *   resp_parser_next(input from the start of a command) --> MORE: again with more behind it
 *                                                       --> COMMAND, EMPTY: drop *out_used bytes
 *                                                       --> REFUSED: answer `problem`, close
 *
 * PARSER-1  The result does not depend on how the bytes were cut into pieces.
 * PARSER-2  Memory grows with the bytes received, not with lengths announced.
 * PARSER-3  After REFUSED nothing is parsed any more.
 *
 * Threads:   caller locks.
 * Ownership: the parser owns what it knows of an incomplete command, the table of arguments the
 *            words of a line; arguments of an array borrow the input.
 */
#pragma once

#include "base/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RESP_PARSER_INLINE_SPANS 6

/* What a command may be at most. */
struct resp_parser_limits {
    uint32_t args_max;
    uint32_t bulk_max;
    uint32_t inline_max;
    uint32_t command_max;
};

enum resp_parsed {
    RESP_PARSED_MORE,    /* the command is not complete */
    RESP_PARSED_COMMAND, /* out_command is there */
    RESP_PARSED_EMPTY,   /* an empty line or array: no command, no answer */
    RESP_PARSED_REFUSED, /* it is none, or too large: see problem */
};

/* A place in the input, from the start of the command. */
struct resp_span {
    uint32_t at;
    uint32_t len;
};

/* A zeroed parser is at the start of a command. */
struct resp_parser {
    const char *problem; /* after REFUSED: static text for the client, ENOMEM included */

    /* Private. */
    size_t at;           /* how far the command was parsed */
    uint32_t args_left;  /* arguments still to come */
    uint32_t span_count; /* arguments that were found */
    uint32_t span_cap;   /* 0: those in `few` */
    uint32_t bulk_len;   /* of the argument that is being received */
    bool in_array;       /* the head of an array was read */
    bool in_bulk;        /* the head of a bulk string was read */
    struct resp_span few[RESP_PARSER_INLINE_SPANS];
    struct resp_span *many; /* owned */
};

/* Where arguments are put; grows. All parsers of a thread may share one. */
struct resp_args {
    struct slice *items;
    size_t count;
    size_t cap;
    struct buf words; /* of a line, without its quotes */
};
void resp_args_deinit(struct resp_args *args);
/* Makes room for count arguments. ENOMEM leaves args unchanged. */
RESULT_MUST_BE_USED int resp_args_reserve(struct resp_args *args, size_t count);

void resp_parser_deinit(struct resp_parser *p);
/* Parses one command at the start of input, of which what was shown before is the beginning.
 * COMMAND: args has count >= 1 arguments, which live as long as input and until the next call;
 * *out_used bytes are done with. EMPTY: *out_used. */
enum resp_parsed resp_parser_next(struct resp_parser *p, const struct resp_parser_limits *limits,
                                  struct slice input, struct resp_args *args, size_t *out_used);
