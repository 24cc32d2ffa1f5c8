/* SPDX-License-Identifier: Apache-2.0 */
#include "bin/cli/cli.h"

#include "bin/cli/open.h"
#include "bin/cli/signals.h"
#include "config/config.h"
#include "os/os.h"

#include <blockdb/client.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define NS_PER_MS 1000000ULL
#define FIXED_FOR_ALL 7 /* options of a shell that no command of it may have */

enum exit_code exit_code_of(int status, bool checks_damage)
{
    switch ((enum blockdb_status)status) {
    case BLOCKDB_OK:
        return EXIT_OK;
    case BLOCKDB_ENOTFOUND:
        return EXIT_NOT_FOUND;
    case BLOCKDB_EINVAL:
        return EXIT_USAGE;
    case BLOCKDB_ECONFLICT:
    case BLOCKDB_EEXIST:
    case BLOCKDB_ESTALE:
        return EXIT_CONFLICT;
    case BLOCKDB_ETAMPERED:
        return EXIT_VERIFICATION;
    case BLOCKDB_ECORRUPT:
        return checks_damage ? EXIT_VERIFICATION : EXIT_FAILED;
    case BLOCKDB_EBUSY:
    case BLOCKDB_ETIMEDOUT:
    case BLOCKDB_EWOULDBLOCK:
        return EXIT_TIMEOUT;
    case BLOCKDB_EDENIED:
        return EXIT_DENIED;
    case BLOCKDB_ECANCELED:
        return EXIT_INTERRUPTED;
    case BLOCKDB_EIO:
    case BLOCKDB_ENOSPC:
    case BLOCKDB_ENOMEM:
    case BLOCKDB_EREADONLY:
    case BLOCKDB_ELIMIT:
    case BLOCKDB_EVERSION:
    case BLOCKDB_EFOREIGN:
    case BLOCKDB_ECLOSED:
    case BLOCKDB_EREDACTED:
    case BLOCKDB_EUNSUPPORTED:
        break;
    }
    return EXIT_FAILED;
}

bool cli_should_stop(const struct cli *cli)
{
    return signals_stop_asked() || out_failed(&cli->out);
}

int cli_stop_status(const struct cli *cli, struct error *err)
{
    (void)cli; /* a failed output is told by out_finish() */
    if (!signals_stop_asked()) {
        return BLOCKDB_OK;
    }
    return error_set(err, BLOCKDB_ECANCELED, "interrupted");
}

void cli_progress_init(struct cli *cli, struct progress *progress)
{
    bool draws = cli->stderr_terminal && !cli->in_shell;

    progress_init(progress, cli->os, cli->args.command->name, draws);
}

int cli_at_seq(struct cli *cli, uint64_t *out_seq, struct error *err)
{
    const char *at = args_value(&cli->args, "at");
    const char *as_of = args_value(&cli->args, "as-of");
    uint64_t time_ms;
    int rc;

    if (at != NULL && as_of != NULL) {
        return error_set(err, BLOCKDB_EINVAL, "options --at and --as-of exclude each other");
    }
    if (as_of == NULL) {
        *out_seq = args_u64(&cli->args, "at", BLOCKDB_SEQ_NONE);
        return BLOCKDB_OK;
    }
    rc = time_parse(as_of, &time_ms, err);
    if (rc < 0) {
        return error_wrap(err, rc, "option --as-of");
    }
    rc = cli->source->ops->seq_at_time(cli->source, time_ms, out_seq, err);
    if (rc == BLOCKDB_ENOTFOUND) {
        return error_set(err, rc, "the database had no entries at %s", as_of);
    }
    return rc;
}

/* Sets the form of the output: -o, --json, or what suits the command. */
static int choose_format(struct cli *cli, struct error *err)
{
    enum output_format usual = cli->args.command->prints_raw ? OUTPUT_RAW : OUTPUT_TABLE;

    cli->format = (enum output_format)args_choice(&cli->args, "output", usual);
    if (args_has(&cli->args, "output") && args_has(&cli->args, "json")) {
        return error_set(err, BLOCKDB_EINVAL, "options --json and --output exclude each other");
    }
    if (args_has(&cli->args, "json")) {
        cli->format = OUTPUT_JSON;
    }
    return BLOCKDB_OK;
}

/* Prints the failure of the running command, unless it is that nobody reads our output. */
static void report(struct cli *cli, int status, const struct error *err)
{
    const char *area = cli->args.command != NULL ? cli->args.command->name : "";

    if (status < 0 && !out_pipe_broken(&cli->out)) {
        message_error(&cli->messages, area, err->message);
    }
}

/* Closes the database; a failure counts when nothing failed before. */
static int close_db(struct cli *cli, int status, struct error *err)
{
    struct error close_err = {0};
    int rc;

    if (cli->source == NULL) {
        return status;
    }
    rc = cli_close(cli, &close_err);
    if (rc < 0 && status == BLOCKDB_OK) {
        *err = close_err;
        return rc;
    }
    return status;
}

int cli_failed_here(struct cli *cli, int status)
{
    cli->failed_here = status < 0;
    return status;
}

/* Whether the command works on something else than the open database: audit --log. */
static bool has_other_place(const struct args *args)
{
    const char *instead = args->command != NULL ? args->command->instead : NULL;

    return instead != NULL && args_has(args, instead);
}

static bool needs_database(const struct cli *cli)
{
    return command_open_of(&cli->args) != COMMAND_OPEN_NONE && cli->source == NULL &&
           !has_other_place(&cli->args);
}

/* How often the server has failed itself, and said so. */
static uint64_t server_failures(const struct cli *cli)
{
    struct blockdb_client_figures figures = {.size = sizeof(figures)};

    if (cli->source != NULL && cli->db == NULL) {
        blockdb_client_figures_get(source_client(cli->source), &figures);
    }
    return figures.failures;
}

void cli_connection_lost(struct cli *cli, const char *advice, struct error *err)
{
    size_t len = strlen(err->message);

    cli->lost_connection = true;
    if (strstr(err->message, "no connection") != NULL) {
        (void)snprintf(err->message + len, sizeof(err->message) - len, "; %s", advice);
    }
}

/* Opens what the command needs, runs it and writes its output. */
static int run_command(struct cli *cli, struct error *err)
{
    const struct command *command = cli->args.command;
    int rc = choose_format(cli, err);
    int finished;
    struct error out_err = {0};
    uint64_t failures = server_failures(cli);

    cli->lost_connection = false;
    cli->failed_here = false;
    if (rc == BLOCKDB_OK && needs_database(cli)) {
        rc = cli_open(cli, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = command->run(cli, err);
    }
    if (rc == BLOCKDB_EIO && cli->source != NULL && cli->db == NULL && !out_failed(&cli->out) &&
        !cli->failed_here && !has_other_place(&cli->args) && server_failures(cli) == failures) {
        cli_connection_lost(cli,
                            "is a server running there? --url names another one, --data-dir opens "
                            "a database without a server",
                            err);
    }
    finished = out_finish(&cli->out, &out_err);
    if (rc == BLOCKDB_OK && finished < 0) {
        *err = out_err;
        return finished;
    }
    return rc;
}

/* A directory with its own lifetime per line would make a shell a way to open many. */
static int check_shell_options(const struct args *args, struct error *err)
{
    /* The connection's come last: audit --log makes one of its own. */
    static const char *const fixed[] = {"data-dir", "config",     "set",      "wait",       "url",
                                        "no-pin",   "forget-pin", "profile",  "token-file", "user",
                                        "cacert",   "cert",       "cert-key", "insecure"};
    size_t count = has_other_place(args) ? FIXED_FOR_ALL : sizeof(fixed) / sizeof(fixed[0]);
    size_t i;

    for (i = 0; i < count; i++) {
        if (args_has(args, fixed[i])) {
            return error_set(err, BLOCKDB_EINVAL,
                             "option --%s cannot change inside a shell: give it to blockdb-cli",
                             fixed[i]);
        }
    }
    return BLOCKDB_OK;
}

/* Handles the options that need no command. True when one was there. */
static bool run_informative(struct cli *cli, int *out_status, struct error *err)
{
    if (args_has(&cli->args, "version")) {
        out_format(&cli->out, "blockdb-cli %s\n", blockdb_version());
    } else if (args_has(&cli->args, "help")) {
        *out_status = cmd_help(cli, err);
        return true;
    } else if (args_has(&cli->args, "print-default-config")) {
        out_note(&cli->out, config_print(cli->config, &cli->out.pending));
    } else {
        return false;
    }
    *out_status = BLOCKDB_OK;
    return true;
}

static enum exit_code exit_code(const struct cli *cli, int status)
{
    const struct command *command = cli->args.command;

    if (status == BLOCKDB_EIO && cli->lost_connection) {
        return EXIT_TIMEOUT;
    }
    return exit_code_of(status, command != NULL && command->checks_damage);
}

int cli_run_line(struct cli *cli, int argc, char *const *argv)
{
    struct args saved = cli->args;
    enum output_format saved_format = cli->format;
    struct error err = {0};
    enum exit_code code;
    int rc;

    rc = args_parse(&cli->args, argc, argv, &err);
    if (rc == BLOCKDB_OK) {
        rc = check_shell_options(&cli->args, &err);
    }
    if (rc == BLOCKDB_OK && !run_informative(cli, &rc, &err) && cli->args.command != NULL) {
        if (cli->args.command->run == cmd_shell) {
            rc = error_set(&err, BLOCKDB_EINVAL, "this is a shell already");
        } else {
            rc = run_command(cli, &err);
        }
    }
    if (rc == BLOCKDB_OK) {
        rc = out_finish(&cli->out, &err);
    }
    code = exit_code(cli, rc);
    report(cli, rc, &err);
    cli->args = saved;
    cli->format = saved_format;
    return (int)code;
}

/* A command line without a command: a shell where a person sits, else usage. */
static int no_command(struct cli *cli, struct error *err)
{
    if (isatty(STDIN_FILENO) && cli->stdout_terminal) {
        cli->args.command = command_find("shell");
        return BLOCKDB_OK;
    }
    return error_set(err, BLOCKDB_EINVAL,
                     "no command given: blockdb-cli [--url URL | --data-dir DIR] COMMAND ...; "
                     "--help lists the commands");
}

static int configure(struct cli *cli, char *const *environment, struct error *err)
{
    struct config_logging logging;
    int rc = cli_configure(cli, environment, err);

    if (rc == BLOCKDB_OK) {
        logging = config_logging(cli->config);
        rc = messages_configure(&cli->messages, &logging, err);
    }
    return rc == BLOCKDB_ENOTFOUND ? BLOCKDB_EIO : rc; /* a missing file is no missing key */
}

static int run_all(struct cli *cli, int argc, char *const *argv, char *const *environment,
                   struct error *err)
{
    int rc = args_parse(&cli->args, argc - 1, argv + 1, err);

    if (rc < 0 || run_informative(cli, &rc, err)) {
        return rc;
    }
    rc = configure(cli, environment, err);
    if (rc < 0) {
        return rc;
    }
    if (cli->args.command == NULL) {
        rc = no_command(cli, err);
    }
    return rc < 0 ? rc : run_command(cli, err);
}

static void detect_terminal(struct cli *cli)
{
    struct winsize size;

    cli->stdout_terminal = isatty(STDOUT_FILENO) == 1;
    cli->stderr_terminal = isatty(STDERR_FILENO) == 1;
    if (cli->stdout_terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) {
        cli->columns = size.ws_col;
    }
}

static bool wants_colour(const struct cli *cli, char *const *environment)
{
    for (; *environment != NULL; environment++) {
        /* https://no-color.org: any value but an empty one. */
        if (strncmp(*environment, "NO_COLOR=", 9) == 0 && (*environment)[9] != '\0') {
            return false;
        }
    }
    return cli->stderr_terminal;
}

int cli_main(int argc, char *const *argv, char *const *environment)
{
    struct cli cli = {.os = os_real(), .environment = environment};
    struct error err = {0};
    enum exit_code code;
    int rc;

    signals_start();
    detect_terminal(&cli);
    out_init(&cli.out, STDOUT_FILENO);
    messages_init(&cli.messages, cli.os, wants_colour(&cli, environment));
    cli.config = config_new();
    rc = cli.config != NULL ? run_all(&cli, argc, argv, environment, &err)
                            : error_set_no_memory(&err);
    rc = close_db(&cli, rc, &err);
    if (rc == BLOCKDB_OK) {
        rc = out_finish(&cli.out, &err);
    }
    code = exit_code(&cli, rc);
    report(&cli, rc, &err);
    messages_deinit(&cli.messages);
    out_deinit(&cli.out);
    config_free(cli.config);
    if (out_pipe_broken(&cli.out)) {
        signals_die_of_pipe();
    }
    return rc == BLOCKDB_OK ? cli.shell_code : (int)code;
}
