/* SPDX-License-Identifier: Apache-2.0 */
#include "bin/cli/environment.h"

#include "os/os.h"

#include <stdbool.h>
#include <string.h>

const char *environment_value(char *const *environment, const char *name)
{
    size_t len = strlen(name);
    char *const *e;

    for (e = environment; *e != NULL; e++) {
        if (strncmp(*e, name, len) == 0 && (*e)[len] == '=') {
            return *e + len + 1;
        }
    }
    return NULL;
}

int environment_profiles_path(char *const *environment, char **out)
{
    const char *base = environment_value(environment, "XDG_CONFIG_HOME");
    const char *home = environment_value(environment, "HOME");
    bool has_base = base != NULL && base[0] == '/';

    if (!has_base && (home == NULL || home[0] != '/')) {
        *out = NULL;
        return BLOCKDB_OK;
    }
    *out = path_join(has_base ? base : home,
                     has_base ? "blockdb/profiles.toml" : ".config/blockdb/profiles.toml");
    return *out != NULL ? BLOCKDB_OK : BLOCKDB_ENOMEM;
}
