/* SPDX-License-Identifier: Apache-2.0 */
/* Completions, the man page and references, all from the command table; used by the build. */
#include "bin/cli/cli.h"
#include "config/config.h"

#include <stdio.h>
#include <string.h>

/* What may follow an option or a command, for completion. */
enum completes { COMPLETES_NOTHING, COMPLETES_FILE, COMPLETES_DIR, COMPLETES_WORDS };

static enum completes completes_what(const char *value)
{
    if (value == NULL) {
        return COMPLETES_NOTHING;
    }
    if (strstr(value, "DIR") != NULL) {
        return COMPLETES_DIR;
    }
    if (strstr(value, "FILE") != NULL || strcmp(value, "PATH") == 0) {
        return COMPLETES_FILE;
    }
    /* Choices are small letters between bars. */
    return strchr(value, '|') != NULL ? COMPLETES_WORDS : COMPLETES_NOTHING;
}

/* Prints the choices of "a|b|c" with spaces between. */
static void print_choices(struct out *out, const char *value)
{
    for (; *value != '\0' && *value != ' '; value++) {
        out_bytes(out, *value == '|' ? " " : value, 1);
    }
}

/* Prints text with what a shell's single quotes cannot hold escaped by `escape`. */
static void print_quoted(struct out *out, const char *text, const char *escape)
{
    for (; *text != '\0'; text++) {
        if (*text == '\'') {
            out_text(out, escape);
        } else {
            out_bytes(out, text, 1);
        }
    }
}

static void print_command_names(struct out *out)
{
    size_t i;
    bool first = true;

    for (i = 0; command_table[i] != NULL; i++) {
        if (!command_table[i]->hidden) {
            out_format(out, "%s%s", first ? "" : " ", command_table[i]->name);
            first = false;
        }
    }
}

static void print_option_names(struct out *out, const struct option_spec *options)
{
    for (; options->name != NULL; options++) {
        if (!options->hidden) {
            out_format(out, " --%s", options->name);
        }
    }
}

/* ---- bash ---------------------------------------------------------------------------------- */

static void bash_option_case(struct out *out, const struct option_spec *options)
{
    for (; options->name != NULL; options++) {
        enum completes what = completes_what(options->value);

        if (what == COMPLETES_NOTHING || options->hidden) {
            continue;
        }
        out_format(out, "    --%s", options->name);
        if (options->letter != 0) {
            out_format(out, " | -%c", options->letter);
        }
        out_text(out, ")\n        COMPREPLY=($(compgen ");
        if (what == COMPLETES_WORDS) {
            out_text(out, "-W \"");
            print_choices(out, options->value);
            out_text(out, "\"");
        } else {
            out_text(out, what == COMPLETES_DIR ? "-d" : "-f");
        }
        out_text(out, " -- \"$cur\"))\n        return\n        ;;\n");
    }
}

static void generate_bash(struct out *out)
{
    size_t i;

    out_text(out, "# bash completion of blockdb-cli; made by blockdb-cli generate bash.\n"
                  "_blockdb_cli()\n{\n"
                  "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
                  "    local command= word options=\n"
                  "    for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
                  "        case $word in\n        ");
    for (i = 0; command_table[i] != NULL; i++) {
        out_format(out, "%s%s", i > 0 ? " | " : "", command_table[i]->name);
    }
    out_text(out, ")\n            command=$word\n            break\n            ;;\n"
                  "        esac\n    done\n    case $prev in\n");
    bash_option_case(out, global_options);
    out_text(out,
             "    --format)\n        COMPREPLY=($(compgen -W \"jsonl csv lines\" -- \"$cur\"))\n"
             "        return\n        ;;\n    --durability)\n        COMPREPLY=($(compgen -W "
             "\"none interval group always\" -- \"$cur\"))\n        return\n        ;;\n"
             "    --to)\n        COMPREPLY=($(compgen -d -- \"$cur\"))\n        return\n"
             "        ;;\n    esac\n    case $command in\n");
    for (i = 0; command_table[i] != NULL; i++) {
        out_format(out, "    %s)\n        options=\"", command_table[i]->name);
        print_option_names(out, command_table[i]->options);
        out_text(out, "\"\n        ;;\n");
    }
    out_text(out, "    esac\n    if [[ $cur == -* ]]; then\n        COMPREPLY=($(compgen -W \"");
    print_option_names(out, global_options);
    out_text(out, " $options\" -- \"$cur\"))\n    elif [[ -z $command ]]; then\n"
                  "        COMPREPLY=($(compgen -W \"");
    print_command_names(out);
    out_text(out, "\" -- \"$cur\"))\n    else\n        COMPREPLY=($(compgen -f -- \"$cur\"))\n"
                  "    fi\n}\ncomplete -o filenames -F _blockdb_cli blockdb-cli\n");
}

/* ---- zsh ----------------------------------------------------------------------------------- */

/* One option in the words of _arguments. */
static void zsh_option(struct out *out, const struct option_spec *option)
{
    enum completes what = completes_what(option->value);

    out_format(out, "        '%s--%s%s[", option->repeatable ? "*" : "", option->name,
               option->value != NULL ? "=" : "");
    print_quoted(out, option->help, "'\\''");
    out_text(out, "]");
    if (option->value != NULL) {
        out_text(out, ":value:");
        if (what == COMPLETES_WORDS) {
            out_text(out, "(");
            print_choices(out, option->value);
            out_text(out, ")");
        } else {
            out_text(out, what == COMPLETES_DIR    ? "_directories"
                          : what == COMPLETES_FILE ? "_files"
                                                   : "");
        }
    }
    out_text(out, "' \\\n");
}

static void zsh_options(struct out *out, const struct option_spec *options)
{
    for (; options->name != NULL; options++) {
        if (!options->hidden) {
            zsh_option(out, options);
        }
    }
}

static void generate_zsh(struct out *out)
{
    size_t i;

    out_text(out, "#compdef blockdb-cli\n"
                  "# zsh completion of blockdb-cli; made by blockdb-cli generate zsh.\n"
                  "_blockdb_cli() {\n    local -a commands\n    commands=(\n");
    for (i = 0; command_table[i] != NULL; i++) {
        if (!command_table[i]->hidden) {
            out_format(out, "        '%s:", command_table[i]->name);
            print_quoted(out, command_table[i]->summary, "'\\''");
            out_text(out, "'\n");
        }
    }
    out_text(out, "    )\n    local -a globals\n    globals=( \\\n");
    zsh_options(out, global_options);
    out_text(out, "    )\n    local command=${words[(r)(");
    for (i = 0; command_table[i] != NULL; i++) {
        out_format(out, "%s%s", i > 0 ? "|" : "", command_table[i]->name);
    }
    out_text(out, ")]}\n    case $command in\n");
    for (i = 0; command_table[i] != NULL; i++) {
        out_format(out, "    %s)\n        _arguments $globals \\\n", command_table[i]->name);
        zsh_options(out, command_table[i]->options);
        out_text(out, "        '*:argument:_files'\n        ;;\n");
    }
    out_text(out, "    *)\n        _arguments $globals '1:command:{_describe command commands}'\n"
                  "        ;;\n    esac\n}\n_blockdb_cli \"$@\"\n");
}

/* ---- fish ---------------------------------------------------------------------------------- */

static void fish_options(struct out *out, const char *condition, const struct option_spec *options)
{
    for (; options->name != NULL; options++) {
        enum completes what = completes_what(options->value);

        if (options->hidden) {
            continue;
        }
        out_format(out, "complete -c blockdb-cli%s -l %s", condition, options->name);
        if (options->letter != 0) {
            out_format(out, " -s %c", options->letter);
        }
        if (what == COMPLETES_WORDS) {
            out_text(out, " -xa '");
            print_choices(out, options->value);
            out_text(out, "'");
        } else if (options->value != NULL) {
            out_text(out, what == COMPLETES_DIR    ? " -xa '(__fish_complete_directories)'"
                          : what == COMPLETES_FILE ? " -rF"
                                                   : " -x");
        }
        out_text(out, " -d '");
        print_quoted(out, options->help, "\\'");
        out_text(out, "'\n");
    }
}

static void generate_fish(struct out *out)
{
    char condition[96];
    size_t i;

    out_text(out, "# fish completion of blockdb-cli; made by blockdb-cli generate fish.\n");
    fish_options(out, "", global_options);
    for (i = 0; command_table[i] != NULL; i++) {
        const struct command *command = command_table[i];

        if (!command->hidden) {
            out_format(out, "complete -c blockdb-cli -n __fish_use_subcommand -a %s -d '",
                       command->name);
            print_quoted(out, command->summary, "\\'");
            out_text(out, "'\n");
        }
        (void)snprintf(condition, sizeof(condition), " -n '__fish_seen_subcommand_from %s'",
                       command->name);
        fish_options(out, condition, command->options);
    }
}

/* ---- man ----------------------------------------------------------------------------------- */

/* Prints text for troff: backslashes, leading dots and dashes escaped. */
static void man_text(struct out *out, const char *text)
{
    if (*text == '.' || *text == '\'') {
        out_text(out, "\\&");
    }
    for (; *text != '\0'; text++) {
        if (*text == '\\') {
            out_text(out, "\\e");
        } else if (*text == '-') {
            out_text(out, "\\-");
        } else {
            out_bytes(out, text, 1);
        }
    }
}

static void man_options(struct out *out, const struct option_spec *options)
{
    for (; options->name != NULL; options++) {
        if (options->hidden) {
            continue;
        }
        out_text(out, ".TP\n.B ");
        if (options->letter != 0) {
            out_format(out, "\\-%c, ", options->letter);
        }
        out_text(out, "\\-\\-");
        man_text(out, options->name);
        if (options->value != NULL) {
            out_text(out, " ");
            man_text(out, options->value);
        }
        out_text(out, "\n");
        man_text(out, options->help);
        out_text(out, "\n");
    }
}

static void man_command(struct out *out, const struct command *command)
{
    out_text(out, ".SS ");
    man_text(out, command->name);
    if (command->arguments[0] != '\0') {
        out_text(out, " ");
        man_text(out, command->arguments);
    }
    out_text(out, "\n");
    man_text(out, command->summary);
    out_text(out, ".\n");
    if (command->help[0] != '\0') {
        man_text(out, command->help);
        out_text(out, "\n");
    }
    man_options(out, command->options);
}

static void generate_man(struct out *out)
{
    size_t i;

    out_format(out, ".TH BLOCKDB\\-CLI 1 \"\" \"BlockDB %s\" \"User Commands\"\n",
               blockdb_version());
    out_text(out, ".SH NAME\nblockdb\\-cli \\- work with a BlockDB database\n.SH SYNOPSIS\n"
                  ".B blockdb\\-cli\n\\-\\-data\\-dir DIR COMMAND [ARGUMENT ...] [OPTION ...]\n"
                  ".SH DESCRIPTION\nBlockDB is an append\\-only, tamper\\-evident key\\-value "
                  "database. Data goes to standard output, messages to standard error.\n"
                  ".SH OPTIONS OF ALL COMMANDS\n");
    man_options(out, global_options);
    out_text(out, ".SH COMMANDS\n");
    for (i = 0; command_table[i] != NULL; i++) {
        if (!command_table[i]->hidden) {
            man_command(out, command_table[i]);
        }
    }
    out_text(out, ".SH EXIT STATUS\n0 ok, 1 failed, 2 usage, 3 not found, 4 conflict, 5 "
                  "verification failed, 6 connection or timeout, 7 not allowed, 130 interrupted.\n"
                  ".SH ENVIRONMENT\n.TP\n.B BLOCKDB_DATA_DIR\nas \\-\\-data\\-dir. Every key of "
                  "the configuration has such a variable.\n.TP\n.B NO_COLOR\nno colours, when not "
                  "empty.\n");
}

/* ---- The references of docs/operate -------------------------------------------------------- */

static void reference_options(struct out *out, const struct option_spec *options)
{
    for (; options->name != NULL; options++) {
        if (options->hidden) {
            continue;
        }
        out_text(out, "- `");
        if (options->letter != 0) {
            out_format(out, "-%c`, `", options->letter);
        }
        out_format(out, "--%s%s%s`: %s\n", options->name, options->value != NULL ? " " : "",
                   options->value != NULL ? options->value : "", options->help);
    }
}

static void generate_reference(struct out *out)
{
    size_t i;

    out_text(out, "### Options of all commands\n\n");
    reference_options(out, global_options);
    for (i = 0; command_table[i] != NULL; i++) {
        const struct command *command = command_table[i];

        if (command->hidden) {
            continue;
        }
        out_format(out, "\n### `%s%s%s`\n\n%c%s.", command->name,
                   command->arguments[0] != '\0' ? " " : "", command->arguments,
                   command->summary[0] - 'a' + 'A', command->summary + 1);
        out_format(out, "%s%s\n", command->help[0] != '\0' ? " " : "", command->help);
        if (command->options->name != NULL) {
            out_text(out, "\n");
            reference_options(out, command->options);
        }
    }
}

static void generate_config_reference(struct out *out)
{
    out_note(out, config_print_reference(&out->pending));
}

int cmd_generate(struct cli *cli, struct error *err)
{
    static const struct {
        const char *name;
        void (*generate)(struct out *out);
    } kinds[] = {
        {"bash", generate_bash},           {"zsh", generate_zsh},
        {"fish", generate_fish},           {"man", generate_man},
        {"reference", generate_reference}, {"config-reference", generate_config_reference},
    };
    size_t i;

    for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcmp(kinds[i].name, cli->args.positional[0]) == 0) {
            kinds[i].generate(&cli->out);
            return BLOCKDB_OK;
        }
    }
    return error_set(err, BLOCKDB_EINVAL, "'%.32s' is none of %s", cli->args.positional[0],
                     cli->args.command->arguments);
}
