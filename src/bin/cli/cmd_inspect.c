/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inspect: what one file of a database holds, for people who look into damage.
 *
 * The only place above the engine that looks into files of the store; nothing is changed.
 */
#include "bin/cli/cli.h"
#include "bin/cli/inspect.h"

#include <string.h>

int cmd_inspect(struct cli *cli, struct error *err)
{
    static const struct {
        const char *name;
        int (*inspect)(struct cli *cli, const char *path, struct error *err);
    } kinds[] = {
        {"wal", inspect_wal},
        {"sst", inspect_table},
        {"manifest", inspect_manifest},
        {"segment", inspect_segment},
    };
    const char *kind = cli->args.positional[0];
    size_t i;

    for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcmp(kinds[i].name, kind) == 0) {
            int rc = kinds[i].inspect(cli, cli->args.positional[1], err);

            /* A missing file is no missing key. */
            return rc == BLOCKDB_ENOTFOUND ? BLOCKDB_EIO : rc;
        }
    }
    return error_set(err, BLOCKDB_EINVAL, "'%.32s' must be wal, sst, manifest or segment", kind);
}
