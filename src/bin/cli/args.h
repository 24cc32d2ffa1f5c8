/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arguments of one command line, checked against the command table.
 *
 * Options may stand anywhere; "--" ends them. A word such as -5 is an argument, not an option.
 *
 * Threads:   one thread at a time.
 * Ownership: borrows argv.
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "bin/cli/command.h"

#include <blockdb/blockdb.h>
#include <stdbool.h>
#include <stdint.h>

#define ARGS_OPTIONS_MAX 64
#define ARGS_POSITIONAL_MAX 4

struct args {
    const struct command *command; /* NULL when the line names none */
    const char *positional[ARGS_POSITIONAL_MAX];
    unsigned positional_count;
    struct {
        const struct option_spec *spec;
        const char *value; /* NULL for a switch */
    } options[ARGS_OPTIONS_MAX];
    unsigned option_count;
};

/* Parses argv[0 .. argc-1], which holds no program name. EINVAL says what is wrong and what was
 * perhaps meant. Values of options that are numbers, durations or choices are checked, so that a
 * mistake is told before a database is opened. With --help or --version the number of arguments is
 * not checked. */
RESULT_MUST_BE_USED int args_parse(struct args *args, int argc, char *const *argv,
                                   struct error *err);

bool args_has(const struct args *args, const char *name);
/* The n-th value of an option, from 0; NULL when there are not that many. */
const char *args_value_at(const struct args *args, const char *name, unsigned n);
/* The last value of an option, or NULL. */
const char *args_value(const struct args *args, const char *name);

/* The value of an option that is a number (N, SEQ or HEIGHT); fallback when it is absent. */
uint64_t args_u64(const struct args *args, const char *name, uint64_t fallback);
/* A number as text: an argument called `what` in messages. */
RESULT_MUST_BE_USED int argument_number(const char *text, const char *what, uint64_t *out,
                                        struct error *err);
/* RFC 3339, or milliseconds since 1970. */
RESULT_MUST_BE_USED int time_parse(const char *text, uint64_t *out_ms, struct error *err);
/* Which of its choices "a|b|c" an option has, from 0; fallback when it is absent. */
unsigned args_choice(const struct args *args, const char *name, unsigned fallback);
/* The option --durability; DEFAULT when absent. */
enum blockdb_durability args_durability(const struct args *args);
