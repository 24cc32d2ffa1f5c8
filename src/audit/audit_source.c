/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/audit_source.h"

#include "base/mem.h"

#include <stdio.h>

void audit_source_free(struct audit_source *source)
{
    if (source != NULL) {
        mem_free(source->place);
        source->ops->free(source);
    }
}

void audit_source_free_ptr(struct audit_source **source)
{
    audit_source_free(*source);
}

void audit_source_name(const struct audit_source *source, const struct tile *tile,
                       char out[AUDIT_NAME_MAX])
{
    const char *what = tile->level == TILE_LEVEL_ENTRIES ? "bundle" : "tile";
    size_t len = strlen(source->place);
    const char *slash = len > 0 && source->place[len - 1] == '/' ? "" : "/";
    char path[TILE_PATH_MAX];

    (void)tile_path(tile, path);
    (void)snprintf(out, AUDIT_NAME_MAX, "%s '%.400s%s%s'", what, source->place, slash, path);
}
