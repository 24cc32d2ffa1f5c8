/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of the command table for users, tokens and roles. */
#include "bin/cli/args.h"
#include "bin/cli/command.h"

#include <string.h>

static bool is_action(const struct args *args, const char *action)
{
    return args->positional_count > 0 && strcmp(args->positional[0], action) == 0;
}

static enum command_open user_open(const struct args *args)
{
    if (is_action(args, "add")) {
        return COMMAND_OPEN_CREATE;
    }
    return is_action(args, "list") || is_action(args, "show") ? COMMAND_OPEN_READ
                                                              : COMMAND_OPEN_WRITE;
}

static enum command_open token_open(const struct args *args)
{
    if (is_action(args, "generate")) {
        return COMMAND_OPEN_NONE;
    }
    return is_action(args, "list") ? COMMAND_OPEN_READ : COMMAND_OPEN_WRITE;
}

static const struct option_spec user_options[] = {
    {.name = "role",
     .value = "ROLE[:PREFIX]",
     .help = "what the user may do, see role list; with a prefix, on keys that begin with it",
     .repeatable = true},
    {.name = "password-file",
     .value = "FILE",
     .help = "take the password from the first line of FILE, - for standard input"},
    {.name = "old-password-file",
     .value = "FILE",
     .help = "passwd without NAME: take the old password from the first line of FILE"},
    {.name = "no-password", .help = "no password lets the user in, only a certificate"},
    {.name = "disable", .help = "set: refuse the user from now on"},
    {.name = "enable", .help = "set: let the user in again"},
    {0},
};

const struct command user_command = {
    .name = "user",
    .arguments = "add|list|show|set|remove|passwd [NAME]",
    .summary = "add, change and remove the users of a server",
    .help =
        "Users are kept in the database itself, and each change of one is an entry of its "
        "log. A password is asked for on the terminal, or read from standard input or a file, "
        "never taken from the command line. `passwd` without NAME changes the password of who asks "
        "a server, who shows the old one; with NAME an admin sets one. `set` replaces all roles by "
        "those given. The "
        "first admin is added before the server is started for the first time: blockdb-cli "
        "--data-dir DIR user add admin --role admin.",
    .options = user_options,
    .arguments_min = 1,
    .arguments_max = 2,
    .open = COMMAND_OPEN_WRITE,
    .open_for = user_open,
    .run = cmd_user,
};

static const struct option_spec token_options[] = {
    {.name = "role",
     .value = "ROLE[:PREFIX]",
     .help = "create: what its owner may do, see role list; with a prefix, on keys that begin "
             "with it",
     .repeatable = true},
    {.name = "expires",
     .value = "WHEN",
     .help = "create: when it ends, 90d from now or 2027-01-31T12:00:00Z; never without this"},
    {0},
};

const struct command token_command = {
    .name = "token",
    .arguments = "create|list|revoke|generate [NAME|ID]",
    .summary = "make, list and revoke tokens that programs use in place of passwords",
    .help = "`create NAME` prints the token once; only its SHA-256 is kept. `revoke ID` takes the "
            "16 digits behind `bdb_`. `generate` prints a token that is in no database, for the "
            "admin_token_file of [security].",
    .options = token_options,
    .arguments_min = 1,
    .arguments_max = 2,
    .open = COMMAND_OPEN_WRITE,
    .open_for = token_open,
    .run = cmd_token,
};

static const struct option_spec role_options[] = {{0}};

const struct command role_command = {
    .name = "role",
    .arguments = "list",
    .summary = "list the roles that users and tokens may have",
    .help = "",
    .options = role_options,
    .arguments_min = 0,
    .arguments_max = 1,
    .open = COMMAND_OPEN_NONE,
    .run = cmd_role,
};
