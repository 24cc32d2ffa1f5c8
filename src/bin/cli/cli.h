/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run of blockdb-cli: what commands share.
 *
 * CLI-1  Data goes to standard output, messages to standard error.
 * CLI-2  Whatever happens, an open database is closed before the process ends.
 * CLI-3  Exit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 conflict, 5 verification failed,
 *        6 connection or timeout, 7 not allowed, 130 interrupted.
 *
 * Threads: one thread.
 */
#pragma once

#include "base/error.h"
#include "bin/cli/args.h"
#include "bin/cli/message.h"
#include "bin/cli/out.h"
#include "bin/cli/pin.h"
#include "bin/cli/print.h"
#include "bin/cli/progress.h"
#include "bin/cli/source.h"

#include <blockdb/blockdb.h>
#include <stdbool.h>

struct os;
struct config;

enum exit_code {
    EXIT_OK = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_NOT_FOUND = 3,
    EXIT_CONFLICT = 4,
    EXIT_VERIFICATION = 5,
    EXIT_TIMEOUT = 6,
    EXIT_DENIED = 7,
    EXIT_INTERRUPTED = 130,
};

struct cli {
    struct os *os;
    struct config *config;
    struct args args; /* of the command that runs */
    struct messages messages;
    struct out out;
    enum output_format format;
    struct source *source; /* NULL: not open */
    struct blockdb *db;    /* of a source that is a directory, else NULL */
    const char *open_name; /* the directory or URL, for the shell's prompt */
    struct pin pin;        /* of the open database's log */
    char *const *environment;
    bool lost_connection; /* the command failed because its server was not there */
    bool failed_here;     /* the command failed for a file of its user */
    bool in_shell;
    int shell_code; /* of the first command that failed in a shell without a person */
    bool stdout_terminal;
    bool stderr_terminal;
    size_t columns; /* of the terminal on standard output, 0: none */
};

/* Runs the command line argv[1 ..] and returns the exit code. environment as in main(). */
int cli_main(int argc, char *const *argv, char *const *environment);

/* Runs one command of a shell: words without a program name. Returns its exit code. */
int cli_run_line(struct cli *cli, int argc, char *const *argv);

/* The exit code for a status; for commands that check evidence any damage is a failed
 * verification. */
enum exit_code exit_code_of(int status, bool checks_damage);

/* Returns status, and remembers that a failure is of a file of the user's, not of the server. */
int cli_failed_here(struct cli *cli, int status);

/* Remembers that the command fails because its server is not there, which has an exit code of its
 * own, and adds the advice to the message when there was no connection at all. */
void cli_connection_lost(struct cli *cli, const char *advice, struct error *err);

/* Whether a loop over many things should end: Ctrl-C, or nobody reads the output. */
bool cli_should_stop(const struct cli *cli);
/* What such a loop returns then: ECANCELED after Ctrl-C, else 0. */
int cli_stop_status(const struct cli *cli, struct error *err);

/* A progress display for the running command. */
void cli_progress_init(struct cli *cli, struct progress *progress);

/* The seq that --at or --as-of ask for, BLOCKDB_SEQ_NONE without them. ENOTFOUND when there was
 * nothing yet at that time. */
RESULT_MUST_BE_USED int cli_at_seq(struct cli *cli, uint64_t *out_seq, struct error *err);
