/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which command lines the front of blockdb-cli takes itself.
 *
 *     blockdb-cli [--url URL] put KEY VALUE | get KEY | delete KEY
 *
 * with a VALUE that stands for itself, a single plain http URL of localhost or an IPv4 address, and
 * no BLOCKDB_ variable in the environment but BLOCKDB_URL. Whatever differs is not wrong: it is for
 * the whole program, which also tells what is wrong.
 *
 * Threads:   immutable.
 * Ownership: a line borrows the arguments and the environment.
 */
#pragma once

#include <stdbool.h>

enum front_command { FRONT_PUT, FRONT_GET, FRONT_DELETE };

struct front_line {
    enum front_command command;
    const char *url; /* NULL: the one of a profile, else the usual one */
    const char *key;
    const char *value; /* of a put, else NULL */
};

/* Reads a command line, arguments and environment as in main(). False: it is not for the front. */
bool front_line_read(struct front_line *out, int argc, char *const *argv, char *const *environment);
