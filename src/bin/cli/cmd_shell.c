/* SPDX-License-Identifier: Apache-2.0 */
/* shell: commands from a terminal or from standard input, on one open database. */
#include "base/mem.h"
#include "base/text.h"
#include "bin/cli/cli.h"
#include "bin/cli/complete.h"
#include "bin/cli/input.h"
#include "bin/cli/line_editor.h"
#include "bin/cli/signals.h"
#include "bin/cli/words.h"
#include "os/os.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HISTORY_NAME ".blockdb_history"
#define PROMPT "blockdb> "

struct shell {
    struct cli *cli;
    struct line_editor *editor; /* NULL: lines come from input */
    struct input input;
    struct words words;
    char *history_path;
    bool prompts; /* a person types without an editor */
    bool times;
};

/* Makes sure that the history, which holds keys and values, is readable to its owner only. */
static char *history_path_new(struct os *os)
{
    const char *home = getenv("HOME");
    struct os_file *file = NULL;
    char *path;

    if (home == NULL || home[0] == '\0') {
        return NULL;
    }
    path = path_join(home, HISTORY_NAME);
    if (path != NULL && os_open(os, path, OS_WRITE | OS_CREATE, &file, NULL) < 0) {
        mem_free(path);
        return NULL;
    }
    file_close(file);
    return path;
}

static int shell_start(struct shell *shell, struct error *err)
{
    struct line_editor_options options = {
        .prompt = PROMPT, .complete = shell_complete, .context = shell->cli};
    bool is_person = isatty(STDIN_FILENO) == 1 && shell->cli->stdout_terminal;

    if (is_person) {
        shell->history_path = history_path_new(shell->cli->os);
        options.history_path = shell->history_path;
        shell->editor = line_editor_new(&options);
        message_note(&shell->cli->messages, LOGGER_DEBUG, "line editor: %s",
                     shell->editor != NULL ? "libedit" : "none");
        (void)printf("blockdb-cli %s, database '%s'. Tab completes, help lists the commands, \\q "
                     "ends.\n",
                     blockdb_version(), shell->cli->open_name);
        (void)fflush(stdout);
    }
    shell->prompts = is_person && shell->editor == NULL;
    return input_open(&shell->input, shell->cli->os, "-", err);
}

static void shell_deinit(struct shell *shell)
{
    line_editor_free(shell->editor);
    input_close(&shell->input);
    words_deinit(&shell->words);
    mem_free(shell->history_path);
}

static int shell_read(struct shell *shell, struct slice *out, struct error *err)
{
    if (shell->editor != NULL) {
        return line_editor_read(shell->editor, out);
    }
    if (shell->prompts) {
        (void)fputs(PROMPT, stdout);
        (void)fflush(stdout);
    }
    return input_line(&shell->input, out, err);
}

/* Runs a command of the shell itself, such as \timing. */
static int run_own(struct shell *shell, struct error *err)
{
    const char *name = shell->words.argv[0];
    const char *argument = shell->words.argc > 1 ? shell->words.argv[1] : "";

    if (strcmp(name, "\\timing") == 0) {
        shell->times = argument[0] == '\0' ? !shell->times : strcmp(argument, "on") == 0;
        (void)fprintf(stderr, "timing is %s\n", shell->times ? "on" : "off");
        return BLOCKDB_OK;
    }
    if (strcmp(name, "\\?") == 0) {
        char help[] = "help";
        char *argv[] = {help};

        (void)cli_run_line(shell->cli, 1, argv); /* tells its failure itself */
        return BLOCKDB_OK;
    }
    return error_set(err, BLOCKDB_EINVAL,
                     "unknown shell command '%.32s': there are \\timing, \\? "
                     "and \\q",
                     name);
}

static void print_time(struct shell *shell, uint64_t start_ns)
{
    char time[TEXT_DURATION_BYTES];

    text_format_latency(time, os_monotonic_ns(shell->cli->os) - start_ns);
    (void)fprintf(stderr, "time: %s\n", time);
}

/* Runs one line; returns its exit code. */
static int run_line(struct shell *shell, struct slice line)
{
    struct error err = {0};
    uint64_t start_ns;
    int code;
    int rc = words_split(&shell->words, line, &err);

    if (rc == BLOCKDB_OK && (shell->words.argc == 0 || shell->words.argv[0][0] == '#')) {
        return EXIT_OK;
    }
    if (rc == BLOCKDB_OK && shell->words.argv[0][0] == '\\') {
        rc = run_own(shell, &err);
        shell->words.argc = 0;
    }
    if (rc < 0) {
        message_error(&shell->cli->messages, "", err.message);
        return EXIT_USAGE;
    }
    if (shell->words.argc == 0) {
        return EXIT_OK;
    }
    start_ns = os_monotonic_ns(shell->cli->os);
    code = cli_run_line(shell->cli, shell->words.argc, shell->words.argv);
    if (shell->times) {
        print_time(shell, start_ns);
    }
    return code;
}

static bool is_quit(struct slice line)
{
    static const char *const words[] = {"\\q", "\\quit", "quit", "exit"};
    size_t i;

    while (line.len > 0 && line.data[line.len - 1] == ' ') {
        line.len--;
    }
    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (slice_equal(line, slice_of_text(words[i]))) {
            return true;
        }
    }
    return false;
}

static int shell_loop(struct shell *shell, struct error *err)
{
    bool is_person = shell->editor != NULL || shell->prompts;

    while (!out_failed(&shell->cli->out)) {
        struct slice line;
        int code;
        int rc;

        if (is_person) {
            signals_reset();
        }
        rc = shell_read(shell, &line, err);
        if (rc == BLOCKDB_ECANCELED && is_person) {
            continue;
        }
        if (rc == BLOCKDB_ENOTFOUND || (rc == BLOCKDB_OK && is_quit(line))) {
            break;
        }
        if (rc < 0) {
            return rc;
        }
        code = run_line(shell, line);
        if (!is_person && shell->cli->shell_code == EXIT_OK) {
            shell->cli->shell_code = code;
        }
        if (!is_person && signals_stop_asked()) {
            return error_set(err, BLOCKDB_ECANCELED, "interrupted");
        }
    }
    return BLOCKDB_OK;
}

int cmd_shell(struct cli *cli, struct error *err)
{
    struct shell shell = {.cli = cli};
    int rc;

    cli->in_shell = true;
    rc = shell_start(&shell, err);
    if (rc == BLOCKDB_OK) {
        rc = shell_loop(&shell, err);
    }
    shell_deinit(&shell);
    cli->in_shell = false;
    return rc;
}
