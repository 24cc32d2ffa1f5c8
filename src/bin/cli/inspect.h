/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prints the content of single files of the store, without opening a database.
 *
 * Damage does not keep the rest from being printed where the file allows it; it is then the result
 * (ECORRUPT, ETAMPERED), with path and offset.
 *
 * Threads: one thread.
 */
#pragma once

#include "base/error.h"

struct cli;

/* Each frame of NUMBER.wal or NUMBER.wal.old. */
int inspect_wal(struct cli *cli, const char *path, struct error *err);
/* Properties of NUMBER.sst; reads and checks the whole file. */
int inspect_table(struct cli *cli, const char *path, struct error *err);
/* Each edit of MANIFEST-NUMBER. */
int inspect_manifest(struct cli *cli, const char *path, struct error *err);
/* Each block of NUMBER.blk. */
int inspect_segment(struct cli *cli, const char *path, struct error *err);
