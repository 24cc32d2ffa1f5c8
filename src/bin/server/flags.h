/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line of blockdb-server.
 *
 * Threads:   one thread.
 * Ownership: borrows argv.
 */
#pragma once

#include "base/error.h"

#include <stdbool.h>

struct config;
struct os;

#define FLAGS_PAIRS_MAX 256

enum server_command {
    COMMAND_SERVE,
    COMMAND_CHECK_CONFIG,
    COMMAND_PRINT_CONFIG,
    COMMAND_PRINT_DEFAULT_CONFIG,
    COMMAND_VERSION,
    COMMAND_HELP,
};

struct flags {
    enum server_command command;
    const char *port_file; /* NULL: none */
    /* In the order in which they were given. */
    const char *configs[FLAGS_PAIRS_MAX];
    unsigned config_count;
    const char *sets[FLAGS_PAIRS_MAX]; /* "name=value" */
    unsigned set_count;
    const char *data_dir;
    const char *host;
    const char *port;
};

/* argv without the program's name. EINVAL says what is wrong. */
RESULT_MUST_BE_USED int flags_parse(struct flags *flags, int argc, char *const *argv,
                                    struct error *err);
/* A configuration from files, environment and flags, in this order. */
RESULT_MUST_BE_USED int flags_configure(const struct flags *flags, struct os *os,
                                        char *const *environment, struct config **out,
                                        struct error *err);
/* The help text. */
const char *flags_help(void);
