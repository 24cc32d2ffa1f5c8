/* SPDX-License-Identifier: Apache-2.0 */
#include "bin/cli/secret_input.h"

#include "base/mem.h"
#include "bin/cli/cli.h"
#include "bin/cli/input.h"
#include "crypto/secret.h"
#include "os/os.h"

#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define LINE_BYTES_MAX 4096
#define OTHERS 077

void secret_input_deinit(struct buf *secret)
{
    secret_wipe(secret->data, secret->cap);
    buf_deinit(secret);
}

static void input_wipe(struct input *in)
{
    secret_wipe(in->window.data, in->window.cap);
    input_close(in);
}

/* The first line of a file, "-" for standard input. */
static int read_line(struct cli *cli, const char *path, struct buf *out, struct error *err)
{
    AUTO(input_wipe) struct input in = {0};
    struct slice line;
    int rc = input_open(&in, cli->os, path, err);

    if (rc < 0) {
        in = (struct input){0};
        return rc;
    }
    rc = input_line(&in, &line, err);
    if (rc == BLOCKDB_ENOTFOUND || (rc == BLOCKDB_OK && line.len == 0)) {
        return error_set(err, BLOCKDB_EINVAL, "there is no password in %s",
                         strcmp(path, "-") == 0 ? "standard input" : path);
    }
    if (rc == BLOCKDB_OK && buf_append_slice(out, line) < 0) {
        rc = error_set_no_memory(err);
    }
    return rc;
}

static int read_file(struct cli *cli, const char *path, struct buf *out, struct error *err)
{
    struct os_stat stat;
    int rc = os_stat_path(cli->os, path, &stat, err);

    if (rc == BLOCKDB_OK && (!stat.is_own || (stat.mode & OTHERS) != 0)) {
        return error_set(err, BLOCKDB_EDENIED,
                         "'%s' can be read by others than you: chmod 600 it, and choose another "
                         "password if it was so before",
                         path);
    }
    return rc < 0 ? rc : read_line(cli, path, out, err);
}

int secret_input_ask(const char *prompt, const char *name, struct buf *out, struct error *err)
{
    char line[LINE_BYTES_MAX];
    struct termios shown;
    struct termios hidden;
    const char *read;
    size_t len;
    int rc = BLOCKDB_OK;

    if (tcgetattr(STDIN_FILENO, &shown) != 0) {
        return error_set(err, BLOCKDB_EIO,
                         "the terminal cannot be made to hide a password: use "
                         "--password-file");
    }
    hidden = shown;
    hidden.c_lflag &= ~(tcflag_t)ECHO;
    /* Before the prompt: what is typed after it must not be dropped. At worst it is shown. */
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
    (void)fprintf(stderr, "%s %s: ", prompt, name);
    (void)fflush(stderr);
    read = fgets(line, sizeof line, stdin);
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
    (void)fputc('\n', stderr);
    if (read == NULL) {
        return error_set(err, BLOCKDB_ECANCELED, "no password was given; nothing was changed");
    }
    len = strcspn(line, "\r\n");
    if (len == 0) {
        rc = error_set(err, BLOCKDB_EINVAL, "the password is empty; nothing was changed");
    } else if (buf_append(out, line, len) < 0) {
        rc = error_set_no_memory(err);
    }
    secret_wipe(line, sizeof line);
    return rc;
}

static int ask_twice(const char *name, struct buf *out, struct error *err)
{
    AUTO(secret_input_deinit) struct buf again = {0};
    int rc = secret_input_ask("New password of", name, out, err);

    if (rc == BLOCKDB_OK) {
        rc = secret_input_ask("The same again, of", name, &again, err);
    }
    if (rc == BLOCKDB_OK && !slice_equal(buf_slice(out), buf_slice(&again))) {
        rc = error_set(err, BLOCKDB_EINVAL, "the two passwords differ; nothing was changed");
    }
    return rc;
}

int secret_input_password(struct cli *cli, const char *name, struct buf *out, struct error *err)
{
    const char *path = args_value(&cli->args, "password-file");

    if (path != NULL && strcmp(path, "-") != 0) {
        return read_file(cli, path, out, err);
    }
    if (path != NULL || isatty(STDIN_FILENO) != 1) {
        return read_line(cli, "-", out, err);
    }
    return ask_twice(name, out, err);
}

int secret_input_old_password(struct cli *cli, struct buf *out, struct error *err)
{
    const char *path = args_value(&cli->args, "old-password-file");

    if (path != NULL) {
        return read_file(cli, path, out, err);
    }
    if (isatty(STDIN_FILENO) != 1) {
        return error_set(err, BLOCKDB_EINVAL,
                         "option --old-password-file is missing: there is no terminal to ask for "
                         "the old password on");
    }
    return secret_input_ask("Old password of", "yours", out, err);
}
