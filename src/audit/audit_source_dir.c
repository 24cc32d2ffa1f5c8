/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A log as static files in a directory: see audit_source.h.
 */
#include "audit/audit_source.h"
#include "base/mem.h"
#include "ledger/leaf.h"
#include "os/os.h"

#include <stdio.h>

#define BUNDLE_LEN_MAX ((size_t)TILE_WIDTH * (2 + LEAF_LEN_MAX))

struct dir_source {
    struct audit_source base;
    struct os *os;
};

static int dir_connect(struct audit_source *source, void **out_connection, struct error *err)
{
    (void)source;
    (void)err;
    *out_connection = NULL;
    return BLOCKDB_OK;
}

static void dir_disconnect(struct audit_source *source, void *connection)
{
    (void)source;
    (void)connection;
}

static int read_file(struct audit_source *source, const char *name, size_t len_max, struct buf *out,
                     struct error *err)
{
    struct dir_source *dir = (struct dir_source *)source;
    char path[OS_PATH_MAX];
    int len = snprintf(path, sizeof(path), "%s/%s", source->place, name);

    if (len < 0 || (size_t)len >= sizeof(path)) {
        return error_set(err, BLOCKDB_EINVAL, "the path '%.200s...' is too long", source->place);
    }
    buf_reset(out);
    return os_read_file(dir->os, path, len_max, out, err);
}

static int dir_read_checkpoint(struct audit_source *source, void *connection, struct buf *out,
                               bool *out_is_signed, struct error *err)
{
    (void)connection;
    *out_is_signed = true;
    return read_file(source, "checkpoint", AUDIT_NOTE_LEN_MAX, out, err);
}

static int dir_read_tile(struct audit_source *source, void *connection, const struct tile *tile,
                         struct buf *out, struct error *err)
{
    char path[TILE_PATH_MAX];
    size_t len_max = tile->level == TILE_LEVEL_ENTRIES ? BUNDLE_LEN_MAX : TILE_LEN;

    (void)connection;
    (void)tile_path(tile, path);
    return read_file(source, path, len_max, out, err);
}

static void dir_free(struct audit_source *source)
{
    mem_free(source);
}

static const struct audit_source_ops dir_ops = {
    .connect = dir_connect,
    .disconnect = dir_disconnect,
    .read_checkpoint = dir_read_checkpoint,
    .read_tile = dir_read_tile,
    .free = dir_free,
};

int audit_source_of_dir(struct os *os, const char *dir, struct audit_source **out,
                        struct error *err)
{
    struct dir_source *source = mem_calloc(1, sizeof(*source));
    char *place = mem_strdup(dir);

    if (source == NULL || place == NULL) {
        mem_free(source);
        mem_free(place);
        return error_set_no_memory(err);
    }
    source->base = (struct audit_source){.ops = &dir_ops, .place = place};
    source->os = os;
    *out = &source->base;
    return BLOCKDB_OK;
}
