/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command table: all that help, parsing, completions and man pages know of a command.
 *
 * Threads: immutable.
 */
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

struct args;
struct cli;

/* One option; a table of them ends with a NULL name. */
struct option_spec {
    const char *name;  /* without the dashes */
    const char *value; /* what follows, "FILE", "DIR", "table|json"; NULL for a switch */
    const char *help;
    char letter; /* 0: none */
    bool repeatable;
    bool hidden;
};

/* How a command wants the database. */
enum command_open {
    COMMAND_OPEN_NONE,   /* not at all */
    COMMAND_OPEN_READ,   /* read-only, must exist */
    COMMAND_OPEN_WRITE,  /* must exist */
    COMMAND_OPEN_CREATE, /* created when missing */
};

struct command {
    const char *name;
    const char *arguments; /* "KEY VALUE|-|@FILE" */
    const char *summary;   /* one line, no full stop */
    const char *help;      /* paragraphs; may be "" */
    const struct option_spec *options;
    unsigned arguments_min;
    unsigned arguments_max;
    enum command_open open;
    enum command_open (*open_for)(const struct args *args); /* NULL: always as `open` says */
    const char *instead;    /* option that names something else to read than a database, or NULL */
    const char *only_local; /* why a server cannot do it, or NULL */
    bool prints_raw;        /* -o raw is the default */
    bool checks_damage;     /* damage found is a failed verification: exit code 5 */
    bool hidden;
    /* Returns 0 or a negative code with err set. */
    int (*run)(struct cli *cli, struct error *err);
};

/* All commands, in the order of the help, and the options that each of them takes. */
extern const struct command *const command_table[];
extern const struct option_spec global_options[];

/* Rows that have a file of their own. */
extern const struct command watch_command;
extern const struct command cluster_command;
extern const struct command user_command;
extern const struct command token_command;
extern const struct command role_command;

/* How the command of these arguments wants the database. */
enum command_open command_open_of(const struct args *args);

/* The command of that name, or NULL. */
const struct command *command_find(const char *name);
/* EINVAL: no such command; names the nearest, and for planned ones when they come. */
int command_unknown(const char *name, struct error *err);
/* The option of a table by its name (len bytes), or by its letter; NULL when there is none. */
const struct option_spec *option_find(const struct option_spec *options, const char *name,
                                      size_t len);
const struct option_spec *option_find_letter(const struct option_spec *options, char letter);

int cmd_put(struct cli *cli, struct error *err);
int cmd_get(struct cli *cli, struct error *err);
int cmd_delete(struct cli *cli, struct error *err);
int cmd_redact(struct cli *cli, struct error *err);
int cmd_history(struct cli *cli, struct error *err);
int cmd_scan(struct cli *cli, struct error *err);
int cmd_batch(struct cli *cli, struct error *err);
int cmd_import(struct cli *cli, struct error *err);
int cmd_export(struct cli *cli, struct error *err);
int cmd_stats(struct cli *cli, struct error *err);
int cmd_compact(struct cli *cli, struct error *err);
int cmd_flush(struct cli *cli, struct error *err);
int cmd_verify(struct cli *cli, struct error *err);
int cmd_blocks(struct cli *cli, struct error *err);
int cmd_block(struct cli *cli, struct error *err);
int cmd_audit(struct cli *cli, struct error *err);
int cmd_keygen(struct cli *cli, struct error *err);
int cmd_checkpoint(struct cli *cli, struct error *err);
int cmd_witness(struct cli *cli, struct error *err);
int cmd_verify_proof(struct cli *cli, struct error *err);
int cmd_prove(struct cli *cli, struct error *err);
int cmd_export_log(struct cli *cli, struct error *err);
int cmd_backup(struct cli *cli, struct error *err);
int cmd_restore(struct cli *cli, struct error *err);
int cmd_inspect(struct cli *cli, struct error *err);
int cmd_watch(struct cli *cli, struct error *err);
int cmd_cluster(struct cli *cli, struct error *err);
int cmd_user(struct cli *cli, struct error *err);
int cmd_token(struct cli *cli, struct error *err);
int cmd_role(struct cli *cli, struct error *err);
int cmd_shell(struct cli *cli, struct error *err);
int cmd_help(struct cli *cli, struct error *err);
int cmd_generate(struct cli *cli, struct error *err);
