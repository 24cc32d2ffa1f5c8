/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A log as static files that any HTTP server can serve: the layout of C2SP tlog-tiles.
 *
 *   checkpoint                     the signed head
 *   tile/<L>/<N>[.p/<W>]           hashes of a level
 *   tile/entries/<N>[.p/<W>]       leaves
 *
 * LOGF-1  The checkpoint is replaced last, atomically, when all that it covers is on the disk.
 * LOGF-2  A full tile is written once. What a checkpoint covers is never written again.
 * LOGF-3  Files that a run left behind which did not get to its checkpoint are used only when they
 *         are what would be written.
 *
 * Files are made for others to read (modes 0644 and 0755).
 *
 * Threads:   several may write different tiles.
 * Ownership: borrows os and directory.
 * Format:    C2SP tlog-tiles
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "ledger/tile.h"

#include <stdbool.h>

struct os;

struct log_files {
    struct os *os;
    const char *dir;
};

/* Makes the directory, or accepts one that is empty or has a log in it. EEXIST: there is something
 * else in it. */
RESULT_MUST_BE_USED int log_files_prepare(const struct log_files *files, struct error *err);
/* Appends the checkpoint to out. ENOTFOUND: there is none. */
RESULT_MUST_BE_USED int log_files_checkpoint(const struct log_files *files, struct buf *out,
                                             struct error *err);
/* LOGF-1; all tiles were synced. */
RESULT_MUST_BE_USED int log_files_publish(const struct log_files *files, struct slice note,
                                          struct error *err);

/* Writes a tile of hashes or (TILE_LEVEL_ENTRIES) a bundle, with the directories that it needs. */
RESULT_MUST_BE_USED int log_files_put(const struct log_files *files, const struct tile *tile,
                                      struct slice bytes, struct error *err);
/* Whether a tile and, for level 0, the bundle beside it are there already with these hashes. What a
 * power cut left of them is not. */
RESULT_MUST_BE_USED int log_files_have(const struct log_files *files, const struct tile *tile,
                                       const struct hash *hashes, bool *out_have,
                                       struct error *err);
/* Makes a tile durable, and the names in its directory. */
RESULT_MUST_BE_USED int log_files_sync(const struct log_files *files, const struct tile *tile,
                                       struct error *err);
RESULT_MUST_BE_USED int log_files_sync_dir(const struct log_files *files, const struct tile *tile,
                                           struct error *err);
/* Removes the partial forms of a tile, of whatever widths. The full one exists. */
RESULT_MUST_BE_USED int log_files_drop_partial(const struct log_files *files,
                                               const struct tile *tile, struct error *err);
