/* SPDX-License-Identifier: Apache-2.0 */
/* help and --help: everything is read from the command table. */
#include "bin/cli/cli.h"

#include <stdio.h>
#include <string.h>

#define COLUMNS 96
#define NAME_COLUMNS 14
#define OPTION_COLUMNS 30

/* Prints text from column `indent`, broken between words. */
static void print_wrapped(struct out *out, const char *text, size_t indent)
{
    size_t width = COLUMNS - indent;

    while (*text != '\0') {
        size_t len = strlen(text);

        if (len > width) {
            len = width;
            while (len > 0 && text[len] != ' ') {
                len--;
            }
            len = len > 0 ? len : strcspn(text, " ");
        }
        out_bytes(out, text, len);
        text += len;
        text += strspn(text, " ");
        if (*text != '\0') {
            out_format(out, "\n%*s", (int)indent, "");
        }
    }
    out_text(out, "\n");
}

static void print_options(struct out *out, const struct option_spec *options)
{
    for (; options->name != NULL; options++) {
        char text[96];
        char letter[5] = "";

        if (options->hidden) {
            continue;
        }
        if (options->letter != 0) {
            (void)snprintf(letter, sizeof(letter), "-%c, ", options->letter);
        }
        (void)snprintf(text, sizeof(text), "%s--%s%s%s", letter, options->name,
                       options->value != NULL ? " " : "",
                       options->value != NULL ? options->value : "");
        if (strlen(text) > OPTION_COLUMNS - 2) {
            out_format(out, "  %s\n%*s", text, OPTION_COLUMNS + 2, "");
        } else {
            out_format(out, "  %-*s", OPTION_COLUMNS, text);
        }
        print_wrapped(out, options->help, OPTION_COLUMNS + 2);
    }
}

static void print_command_help(struct out *out, const struct command *command)
{
    out_format(out, "usage: blockdb-cli [--data-dir DIR] %s%s%s [OPTION ...]\n\n", command->name,
               command->arguments[0] != '\0' ? " " : "", command->arguments);
    out_format(out, "%s: ", command->name);
    print_wrapped(out, command->summary, 0);
    if (command->help[0] != '\0') {
        out_text(out, "\n");
        print_wrapped(out, command->help, 0);
    }
    if (command->options->name != NULL) {
        out_text(out, "\nOptions:\n");
        print_options(out, command->options);
    }
    out_text(out, "\nblockdb-cli --help lists the options that all commands take.\n");
}

static void print_all_help(struct out *out)
{
    size_t i;

    out_text(
        out,
        "usage: blockdb-cli [--url URL | --data-dir DIR] COMMAND [ARGUMENT ...] [OPTION ...]\n\n"
        "BlockDB: an append-only, tamper-evident key-value database.\n\nCommands:\n");
    for (i = 0; command_table[i] != NULL; i++) {
        const struct command *command = command_table[i];

        if (!command->hidden) {
            out_format(out, "  %-*s", NAME_COLUMNS, command->name);
            print_wrapped(out, command->summary, NAME_COLUMNS + 2);
        }
    }
    out_text(out, "\nOptions of all commands:\n");
    print_options(out, global_options);
    out_text(out, "\nExit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 conflict, 5 verification "
                  "failed,\n6 connection or timeout, 7 not allowed, 130 interrupted.\n"
                  "blockdb-cli COMMAND --help tells more about a command.\n");
}

int cmd_help(struct cli *cli, struct error *err)
{
    const struct command *command = cli->args.command;

    if (command != NULL && command->run == cmd_help) {
        command = NULL;
        if (cli->args.positional_count > 0) {
            command = command_find(cli->args.positional[0]);
            if (command == NULL) {
                return command_unknown(cli->args.positional[0], err);
            }
        }
    }
    if (command != NULL) {
        print_command_help(&cli->out, command);
    } else {
        print_all_help(&cli->out);
    }
    return BLOCKDB_OK;
}
