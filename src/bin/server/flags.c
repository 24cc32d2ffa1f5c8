/* SPDX-License-Identifier: Apache-2.0 */
#include "bin/server/flags.h"

#include "base/mem.h"
#include "base/text.h"
#include "config/config.h"
#include "os/os.h"

#include <stddef.h>
#include <string.h>

static const char help[] =
    "Usage: blockdb-server [OPTION]...\n"
    "Serves a BlockDB database by HTTP and by the Redis protocol, in the foreground.\n"
    "\n"
    "  --config PATH           read a TOML file, or the *.toml files of a directory; repeatable\n"
    "  --data-dir DIR          directory of the database, made when it is missing\n"
    "  --host ADDRESS          names or addresses to listen on\n"
    "  --port PORT             port of HTTP; 0: one that is free\n"
    "  --set NAME=VALUE        set any key: --set server.max_connections=5000; repeatable\n"
    "  --port-file FILE        write the ports in use to FILE when ready: HTTP, then Redis\n"
    "  --check-config          check the configuration: exit 0 good, 1 cannot work, 2 wrong\n"
    "  --print-config          print the configuration in force and exit\n"
    "  --print-default-config  print all keys with their defaults and exit\n"
    "  --version               print the version and exit\n"
    "  --help                  print this text and exit\n"
    "\n"
    "Signals: SIGTERM drains and stops, SIGINT stops without draining, a second one at once;\n"
    "SIGHUP reloads the configuration, SIGUSR1 reopens log files.\n";

const char *flags_help(void)
{
    return help;
}

/* A flag of the table: a switch that chooses a command, or one with a value. */
struct flag {
    const char *name;
    bool takes_value;
    enum server_command command; /* of a switch */
    size_t offset;               /* in struct flags, of a single value; 0: see value_add() */
};

static const struct flag table[] = {
    {"--config", true, COMMAND_SERVE, 0},
    {"--set", true, COMMAND_SERVE, 0},
    {"--data-dir", true, COMMAND_SERVE, offsetof(struct flags, data_dir)},
    {"--host", true, COMMAND_SERVE, offsetof(struct flags, host)},
    {"--port", true, COMMAND_SERVE, offsetof(struct flags, port)},
    {"--port-file", true, COMMAND_SERVE, offsetof(struct flags, port_file)},
    {"--check-config", false, COMMAND_CHECK_CONFIG, 0},
    {"--print-config", false, COMMAND_PRINT_CONFIG, 0},
    {"--print-default-config", false, COMMAND_PRINT_DEFAULT_CONFIG, 0},
    {"--version", false, COMMAND_VERSION, 0},
    {"--help", false, COMMAND_HELP, 0},
};
#define TABLE_COUNT (sizeof(table) / sizeof(table[0]))

static int unknown(const char *word, struct error *err)
{
    const char *names[TABLE_COUNT];
    const char *nearest;
    size_t i;

    for (i = 0; i < TABLE_COUNT; i++) {
        names[i] = table[i].name;
    }
    nearest = text_nearest(word, names, TABLE_COUNT);
    if (nearest != NULL) {
        return error_set(err, BLOCKDB_EINVAL, "unknown option '%.64s': did you mean '%s'?", word,
                         nearest);
    }
    return error_set(err, BLOCKDB_EINVAL, "unknown option '%.64s': see blockdb-server --help",
                     word);
}

/* Finds the flag of a word, which may hold its value after '='. */
static const struct flag *flag_find(const char *word, const char **out_value)
{
    size_t len = strcspn(word, "=");
    size_t i;

    for (i = 0; i < TABLE_COUNT; i++) {
        if (strlen(table[i].name) == len && memcmp(table[i].name, word, len) == 0) {
            *out_value = word[len] == '=' ? word + len + 1 : NULL;
            return &table[i];
        }
    }
    return NULL;
}

static int value_add(struct flags *flags, const struct flag *flag, const char *value,
                     struct error *err)
{
    bool is_config = strcmp(flag->name, "--config") == 0;
    unsigned *count = is_config ? &flags->config_count : &flags->set_count;

    if (flag->offset != 0) {
        *(const char **)(void *)((char *)flags + flag->offset) = value;
        return BLOCKDB_OK;
    }
    if (*count == FLAGS_PAIRS_MAX) {
        return error_set(err, BLOCKDB_EINVAL, "option %s is given more than %d times", flag->name,
                         FLAGS_PAIRS_MAX);
    }
    (is_config ? flags->configs : flags->sets)[(*count)++] = value;
    return BLOCKDB_OK;
}

int flags_parse(struct flags *flags, int argc, char *const *argv, struct error *err)
{
    int i;

    *flags = (struct flags){0};
    for (i = 0; i < argc; i++) {
        const char *value = NULL;
        const struct flag *flag = flag_find(argv[i], &value);
        int rc = BLOCKDB_OK;

        if (flag == NULL) {
            return unknown(argv[i], err);
        }
        if (!flag->takes_value) {
            if (value != NULL) {
                return error_set(err, BLOCKDB_EINVAL, "option %s takes no value", flag->name);
            }
            flags->command = flag->command;
            continue;
        }
        if (value == NULL && i + 1 < argc) {
            value = argv[++i];
        }
        if (value == NULL) {
            return error_set(err, BLOCKDB_EINVAL, "option %s needs a value", flag->name);
        }
        rc = value_add(flags, flag, value, err);
        if (rc < 0) {
            return rc;
        }
    }
    return BLOCKDB_OK;
}

/* ---- Configuration ------------------------------------------------------------------------- */

static int apply_set(struct config *config, const char *assignment, struct error *err)
{
    const char *equals = strchr(assignment, '=');
    AUTO(mem_free_ptr) char *name = NULL;
    int rc;

    if (equals == NULL) {
        return error_set(err, BLOCKDB_EINVAL,
                         "option --set: '%.64s' must be NAME=VALUE, such as server.port=8081",
                         assignment);
    }
    name = mem_strdup(assignment);
    if (name == NULL) {
        return error_set_no_memory(err);
    }
    name[equals - assignment] = '\0';
    rc = config_set(config, name, equals + 1, err);
    return rc < 0 ? error_wrap(err, rc, "option --set") : rc;
}

/* Applies one flag that stands for a key. */
static int apply_named(struct config *config, const char *flag, const char *key, const char *value,
                       struct error *err)
{
    int rc = value != NULL ? config_set(config, key, value, err) : BLOCKDB_OK;

    return rc < 0 ? error_wrap(err, rc, "option %s", flag) : rc;
}

static int apply_flags(const struct flags *flags, struct config *config, struct error *err)
{
    unsigned i;
    int rc = BLOCKDB_OK;

    for (i = 0; rc == BLOCKDB_OK && i < flags->set_count; i++) {
        rc = apply_set(config, flags->sets[i], err);
    }
    if (rc == BLOCKDB_OK) {
        rc = apply_named(config, "--data-dir", "database.data_dir", flags->data_dir, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = apply_named(config, "--host", "server.host", flags->host, err);
    }
    return rc == BLOCKDB_OK ? apply_named(config, "--port", "server.port", flags->port, err) : rc;
}

int flags_configure(const struct flags *flags, struct os *os, char *const *environment,
                    struct config **out, struct error *err)
{
    AUTO(config_free_ptr) struct config *config = config_new();
    unsigned i;
    int rc = BLOCKDB_OK;

    if (config == NULL) {
        return error_set_no_memory(err);
    }
    for (i = 0; rc == BLOCKDB_OK && i < flags->config_count; i++) {
        rc = config_apply_path(config, os, flags->configs[i], err);
    }
    if (rc == BLOCKDB_OK) {
        rc = config_apply_environment(config, environment, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = apply_flags(flags, config, err);
    }
    if (rc == BLOCKDB_OK) {
        *out = TAKE(config);
    }
    return rc;
}
