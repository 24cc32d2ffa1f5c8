/* SPDX-License-Identifier: Apache-2.0 */
#include "bin/cli/log_files.h"

#include "base/mem.h"
#include "ledger/bundle.h"
#include "ledger/merkle.h"
#include "os/os.h"

#include <stdio.h>
#include <string.h>

#define CHECKPOINT "checkpoint"
#define TILES "tile"
#define TEMPORARY ".tmp"
#define CHECKPOINT_MAX 1000000
/* 256 leaves of the longest kind. */
#define FILE_MAX (TILE_WIDTH * (2 + (size_t)LEAF_LEN_MAX))

/* The path of a tile; freed by the caller, NULL when out of memory. */
static char *file_path(const struct log_files *files, const struct tile *tile)
{
    char name[TILE_PATH_MAX];

    (void)tile_path(tile, name);
    return path_join(files->dir, name);
}

/* ---- The directory --------------------------------------------------------------------------- */

struct contents {
    bool has_log;
    bool has_other;
};

static int note_name(void *context, const char *name, bool is_dir)
{
    struct contents *contents = context;

    if (strcmp(name, is_dir ? TILES : CHECKPOINT) == 0) {
        contents->has_log = true;
    } else {
        contents->has_other = true;
    }
    return 0;
}

int log_files_prepare(const struct log_files *files, struct error *err)
{
    struct contents contents = {0};
    int rc = os_list(files->os, files->dir, note_name, &contents, err);

    if (rc == BLOCKDB_ENOTFOUND) {
        rc = os_make_dirs(files->os, files->dir, err);
        return rc < 0 ? rc : os_share(files->os, files->dir, err);
    }
    if (rc == BLOCKDB_OK && contents.has_other && !contents.has_log) {
        return error_set(err, BLOCKDB_EEXIST,
                         "'%s' has other things in it: name a new directory, or one that a log was "
                         "exported to",
                         files->dir);
    }
    return rc;
}

int log_files_checkpoint(const struct log_files *files, struct buf *out, struct error *err)
{
    AUTO(mem_free_ptr) char *path = path_join(files->dir, CHECKPOINT);

    if (path == NULL) {
        return error_set_no_memory(err);
    }
    return os_read_file(files->os, path, CHECKPOINT_MAX, out, err);
}

/* Writes a file from its beginning. */
static int write_file(const struct log_files *files, const char *path, struct slice bytes,
                      bool synced, struct error *err)
{
    AUTO(file_close_ptr) struct os_file *file = NULL;
    int rc = os_open(files->os, path, OS_WRITE | OS_CREATE | OS_TRUNCATE, &file, err);

    if (rc == BLOCKDB_OK) {
        rc = file_pwrite(file, bytes.data, bytes.len, 0, err);
    }
    if (rc == BLOCKDB_OK && synced) {
        rc = file_sync(file, err);
    }
    return rc < 0 ? rc : os_share(files->os, path, err);
}

int log_files_publish(const struct log_files *files, struct slice note, struct error *err)
{
    AUTO(mem_free_ptr) char *path = path_join(files->dir, CHECKPOINT);
    AUTO(mem_free_ptr) char *temporary = path_join(files->dir, CHECKPOINT TEMPORARY);
    int rc;

    if (path == NULL || temporary == NULL) {
        return error_set_no_memory(err);
    }
    rc = write_file(files, temporary, note, true, err);
    if (rc == BLOCKDB_OK) {
        rc = os_rename(files->os, temporary, path, err);
    }
    return rc < 0 ? rc : os_sync_dir(files->os, files->dir, err);
}

/* ---- Tiles ----------------------------------------------------------------------------------- */

/* Makes the directories between the log's and a file in it. */
static int make_parents(const struct log_files *files, char *path, struct error *err)
{
    char *at = path + strlen(files->dir);
    int rc = BLOCKDB_OK;

    while (rc == BLOCKDB_OK && (at = strchr(at + 1, '/')) != NULL) {
        *at = '\0';
        rc = os_mkdir(files->os, path, err);
        if (rc == BLOCKDB_EEXIST) {
            rc = BLOCKDB_OK; /* from before, or another thread was first */
        } else if (rc == BLOCKDB_OK) {
            rc = os_share(files->os, path, err);
        }
        *at = '/';
    }
    return rc;
}

int log_files_put(const struct log_files *files, const struct tile *tile, struct slice bytes,
                  struct error *err)
{
    AUTO(mem_free_ptr) char *path = file_path(files, tile);
    int rc;

    if (path == NULL) {
        return error_set_no_memory(err);
    }
    rc = write_file(files, path, bytes, false, err);
    if (rc == BLOCKDB_ENOTFOUND) {
        rc = make_parents(files, path, err);
        if (rc == BLOCKDB_OK) {
            rc = write_file(files, path, bytes, false, err);
        }
    }
    return rc;
}

/* Appends what a tile's file holds; nothing when there is none, or it is not whole. */
static int read_tile(const struct log_files *files, const struct tile *tile, struct buf *out,
                     struct error *err)
{
    AUTO(mem_free_ptr) char *path = file_path(files, tile);
    int rc;

    if (path == NULL) {
        return error_set_no_memory(err);
    }
    rc = os_read_file(files->os, path, FILE_MAX, out, err);
    if (rc == BLOCKDB_ENOTFOUND || rc == BLOCKDB_ELIMIT) {
        buf_reset(out);
        return BLOCKDB_OK;
    }
    return rc;
}

/* Whether a bundle has just the leaves of these hashes. */
static bool bundle_matches(struct slice bundle, const struct hash *hashes, unsigned width)
{
    struct reader r = reader_of(bundle);
    unsigned i;

    for (i = 0; i < width; i++) {
        struct slice leaf;
        struct hash hash;

        if (bundle_next(&r, &leaf) < 0) {
            return false;
        }
        merkle_leaf(leaf, &hash);
        if (!hash_equal(&hash, &hashes[i])) {
            return false;
        }
    }
    return reader_done(&r);
}

int log_files_have(const struct log_files *files, const struct tile *tile,
                   const struct hash *hashes, bool *out_have, struct error *err)
{
    AUTO(buf_deinit) struct buf bytes = {0};
    struct tile bundle = {.level = TILE_LEVEL_ENTRIES, .index = tile->index, .width = tile->width};
    size_t len = tile->width * sizeof(*hashes);
    int rc = read_tile(files, tile, &bytes, err);

    if (rc < 0) {
        return rc;
    }
    *out_have = bytes.len == len && memcmp(bytes.data, hashes, len) == 0;
    if (!*out_have || tile->level > 0) {
        return BLOCKDB_OK;
    }
    buf_reset(&bytes);
    rc = read_tile(files, &bundle, &bytes, err);
    *out_have = rc == BLOCKDB_OK && bundle_matches(buf_slice(&bytes), hashes, tile->width);
    return rc;
}

int log_files_sync(const struct log_files *files, const struct tile *tile, struct error *err)
{
    AUTO(mem_free_ptr) char *path = file_path(files, tile);
    AUTO(file_close_ptr) struct os_file *file = NULL;
    int rc;

    if (path == NULL) {
        return error_set_no_memory(err);
    }
    rc = os_open(files->os, path, OS_READ | OS_WRITE, &file, err);
    return rc < 0 ? rc : file_sync(file, err);
}

int log_files_sync_dir(const struct log_files *files, const struct tile *tile, struct error *err)
{
    AUTO(mem_free_ptr) char *path = file_path(files, tile);
    char *slash;
    int rc = BLOCKDB_OK;

    if (path == NULL) {
        return error_set_no_memory(err);
    }
    /* Up to the log's own directory, because all on the way may be new. */
    while (rc == BLOCKDB_OK && (slash = strrchr(path + strlen(files->dir), '/')) != NULL) {
        *slash = '\0';
        rc = os_sync_dir(files->os, path, err);
    }
    return rc;
}

/* ---- Partial tiles that are not needed any more ---------------------------------------------- */

struct removal {
    const struct log_files *files;
    const char *dir;
    struct error *err;
};

static int remove_name(void *context, const char *name, bool is_dir)
{
    const struct removal *removal = context;
    AUTO(mem_free_ptr) char *path = path_join(removal->dir, name);

    if (path == NULL) {
        return error_set_no_memory(removal->err);
    }
    /* What is no file was put there by somebody else; then the directory stays. */
    return is_dir ? BLOCKDB_OK : os_unlink(removal->files->os, path, removal->err);
}

int log_files_drop_partial(const struct log_files *files, const struct tile *tile,
                           struct error *err)
{
    struct tile full = {.level = tile->level, .index = tile->index, .width = TILE_WIDTH};
    char name[TILE_PATH_MAX + sizeof(".p")];
    AUTO(mem_free_ptr) char *dir = NULL;
    struct removal removal = {.files = files, .err = err};
    int rc;

    memcpy(name + tile_path(&full, name), ".p", sizeof(".p"));
    dir = path_join(files->dir, name);
    if (dir == NULL) {
        return error_set_no_memory(err);
    }
    removal.dir = dir;
    rc = os_list(files->os, dir, remove_name, &removal, err);
    if (rc == BLOCKDB_OK) {
        IGNORE_RESULT(os_rmdir(files->os, dir, NULL)); /* it may have something else in it */
    }
    return rc == BLOCKDB_ENOTFOUND ? BLOCKDB_OK : rc;
}
