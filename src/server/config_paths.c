/* SPDX-License-Identifier: Apache-2.0 */
#include "server/config_paths.h"

#include "base/mem.h"
#include "config/config.h"
#include "os/os.h"

#include <stdbool.h>
#include <stddef.h>

enum path_use {
    PATH_READ,  /* a file that is there */
    PATH_WRITE, /* a file that is written, made if need be in a directory that is there */
    PATH_FILL,  /* a directory that is there and takes files */
    PATH_MAKE,  /* a directory that is made if need be */
};

struct path_key {
    const char *name;
    enum path_use use;
};

static const struct path_key path_keys[] = {
    {"database.data_dir", PATH_MAKE},
    {"database.wal_dir", PATH_MAKE},
    {"ledger.signing_key_file", PATH_READ},
    {"ledger.witness_policy_file", PATH_READ},
    {"server.unix_socket", PATH_WRITE},
    {"server.backup_dir", PATH_FILL},
    {"logging.file", PATH_WRITE},
    {"security.tls_cert", PATH_READ},
    {"security.tls_key", PATH_READ},
    {"security.tls_ca", PATH_READ},
    {"security.admin_token_file", PATH_READ},
    {"security.audit_log_file", PATH_WRITE},
};

/* Whether path is there; *out says what it is. A path that cannot be looked at is an error. */
static int look(struct os *os, const char *path, bool *out_exists, struct os_stat *out,
                struct error *err)
{
    int rc = os_stat_path(os, path, out, err);

    *out_exists = rc == BLOCKDB_OK;
    return rc == BLOCKDB_ENOTFOUND ? BLOCKDB_OK : rc;
}

static int check_read(struct os *os, const char *path, struct error *err)
{
    struct os_stat stat;
    bool exists;
    int rc = look(os, path, &exists, &stat, err);

    if (rc < 0) {
        return rc;
    }
    if (!exists) {
        return error_set(err, BLOCKDB_ENOTFOUND,
                         "there is no such file: name one that exists, or leave the key empty");
    }
    return stat.is_dir ? error_set(err, BLOCKDB_EINVAL, "is a directory: name a file") : BLOCKDB_OK;
}

static int check_fill(struct os *os, const char *path, struct error *err)
{
    struct os_stat stat;
    bool exists;
    int rc = look(os, path, &exists, &stat, err);

    if (rc < 0) {
        return rc;
    }
    if (!exists) {
        return error_set(err, BLOCKDB_ENOTFOUND,
                         "there is no directory '%s': make it, or name one that exists", path);
    }
    if (!stat.is_dir) {
        return error_set(err, BLOCKDB_EINVAL, "'%s' is not a directory: name one", path);
    }
    return os_may_write(path) ? BLOCKDB_OK
                              : error_set(err, BLOCKDB_EDENIED,
                                          "this process may not write in '%s': give it the right "
                                          "to, or name another directory",
                                          path);
}

static int check_write(struct os *os, const char *path, struct error *err)
{
    AUTO(mem_free_ptr) char *dir = NULL;
    struct os_stat stat;
    bool exists;
    int rc = look(os, path, &exists, &stat, err);

    if (rc < 0) {
        return rc;
    }
    if (exists && stat.is_dir) {
        return error_set(err, BLOCKDB_EINVAL, "is a directory: name a file in it");
    }
    if (exists) {
        return os_may_write(path) ? BLOCKDB_OK
                                  : error_set(err, BLOCKDB_EDENIED,
                                              "this process may not write it: give it the right "
                                              "to, or name another file");
    }
    dir = path_dir(path);
    return dir != NULL ? check_fill(os, dir, err) : error_set_no_memory(err);
}

static int check_make(struct os *os, const char *path, struct error *err)
{
    struct os_stat stat;
    bool exists;
    int rc = look(os, path, &exists, &stat, err);

    return rc == BLOCKDB_OK && exists && !stat.is_dir
               ? error_set(err, BLOCKDB_EINVAL,
                           "is not a directory: name one, or a path where one "
                           "can be made")
               : rc;
}

static int check_path(struct os *os, enum path_use use, const char *path, struct error *err)
{
    switch (use) {
    case PATH_READ:
        return check_read(os, path, err);
    case PATH_WRITE:
        return check_write(os, path, err);
    case PATH_FILL:
        return check_fill(os, path, err);
    case PATH_MAKE:
        break;
    }
    return check_make(os, path, err);
}

int config_paths_check(struct os *os, const struct config *config, struct error *err)
{
    size_t i;

    for (i = 0; i < sizeof(path_keys) / sizeof(path_keys[0]); i++) {
        const char *name = path_keys[i].name;
        const char *path = config_get(config, name);
        const char *where = config_where(config, name);
        int rc = path[0] == '\0' ? BLOCKDB_OK : check_path(os, path_keys[i].use, path, err);

        if (rc < 0) {
            return error_wrap(err, rc, "%s%soption %s = '%s'", where, where[0] != '\0' ? ": " : "",
                              name, path);
        }
    }
    return BLOCKDB_OK;
}
