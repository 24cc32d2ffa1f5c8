/* SPDX-License-Identifier: Apache-2.0 */
/* The part of config.h that reads environment variables. */
#include "base/mem.h"
#include "base/text.h"
#include "config/config.h"
#include "config/config_keys.h"

#include <stdio.h>
#include <string.h>

#define PREFIX "BLOCKDB_"
#define VARIABLE_MAX 80
#define KEYS_MAX 256

/* "BLOCKDB_DATA_DIR" for data_dir of [database], "BLOCKDB_LOGGING_LEVEL" for level of [logging]. */
static void variable_name(const struct config_key *key, char out[VARIABLE_MAX])
{
    bool is_database = strcmp(key->section, "database") == 0;
    char *p;

    (void)snprintf(out, VARIABLE_MAX, "%s%s%s%s", PREFIX, is_database ? "" : key->section,
                   is_database ? "" : "_", key->name);
    for (p = out; *p != '\0'; p++) {
        if (*p >= 'a' && *p <= 'z') {
            *p = (char)(*p - 'a' + 'A');
        }
    }
}

/* EINVAL when variable is no key but nearly one. */
static int variable_check_unknown(const char *variable, struct error *err)
{
    char names[KEYS_MAX][VARIABLE_MAX];
    const char *words[KEYS_MAX];
    const char *nearest;
    size_t count = config_key_count();
    size_t i;

    count = count < KEYS_MAX ? count : KEYS_MAX;
    for (i = 0; i < count; i++) {
        struct config_key key = config_key_at(i);

        variable_name(&key, names[i]);
        words[i] = names[i] + strlen(PREFIX); /* the prefix would make all of them near */
    }
    nearest = text_nearest(variable + strlen(PREFIX), words, count);
    if (nearest == NULL) {
        return BLOCKDB_OK;
    }
    return error_set(err, BLOCKDB_EINVAL,
                     "environment variable '%.80s' is unknown: did you mean '%s%s'?", variable,
                     PREFIX, nearest);
}

/* Variables that blockdb-cli reads itself. To look for keys near them would be a good part of what
 * its start costs. */
static bool is_of_the_command_line(const char *variable)
{
    static const char *const names[] = {"URL", "PROFILE", "TOKEN", "TOKEN_FILE", "PASSWORD", "PIN"};
    size_t i;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(variable + strlen(PREFIX), names[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* Variables that Kubernetes sets in every container beside a service named "blockdb":
 * BLOCKDB_SERVICE_HOST, BLOCKDB_PORT_8080_TCP and so on. They are near keys of [server]. */
static bool is_of_a_platform(const char *variable)
{
    static const char *const fronts[] = {"SERVICE", "PORT"};
    size_t i;

    variable += strlen(PREFIX);
    for (i = 0; i < sizeof(fronts) / sizeof(fronts[0]); i++) {
        size_t len = strlen(fronts[i]);

        if (strncmp(variable, fronts[i], len) == 0 &&
            (variable[len] == '\0' || variable[len] == '_')) {
            return true;
        }
    }
    return false;
}

/* Applies the key whose variable has that name. */
static int variable_apply(struct config *config, const char *variable, const char *value,
                          struct error *err)
{
    size_t i;

    for (i = 0; i < config_key_count(); i++) {
        struct config_key key = config_key_at(i);
        char name[VARIABLE_MAX];
        int rc;

        variable_name(&key, name);
        if (strcmp(name, variable) != 0) {
            continue;
        }
        (void)snprintf(name, sizeof(name), "%s.%s", key.section, key.name);
        rc = config_set(config, name, value, err);
        return rc < 0 ? error_wrap(err, rc, "environment variable %s", variable) : rc;
    }
    return is_of_a_platform(variable) ? BLOCKDB_OK : variable_check_unknown(variable, err);
}

int config_apply_environment(struct config *config, char *const *environment, struct error *err)
{
    for (; *environment != NULL; environment++) {
        const char *equals = strchr(*environment, '=');
        AUTO(mem_free_ptr) char *variable = NULL;
        int rc;

        if (equals == NULL || strncmp(*environment, PREFIX, strlen(PREFIX)) != 0) {
            continue;
        }
        variable = mem_strdup(*environment);
        if (variable == NULL) {
            return error_set_no_memory(err);
        }
        variable[equals - *environment] = '\0';
        if (is_of_the_command_line(variable)) {
            continue;
        }
        rc = variable_apply(config, variable, equals + 1, err);
        if (rc < 0) {
            return rc;
        }
    }
    return BLOCKDB_OK;
}
