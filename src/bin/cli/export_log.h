/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exporting a log: brings the static files of a directory (log_files.h) up to a signed head.
 *
 * Only what is new since the checkpoint in the directory is written, by several threads. A run that
 * was cut short is continued: what it left is used where it is right (LOGF-3).
 *
 * EXPORT-1  A directory is extended only if its checkpoint has the same origin and its tree is the
 *           beginning of this one.
 *
 * Threads:   one that calls, and its own.
 * Ownership: borrows everything for the call.
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"

#include <blockdb/blockdb.h>

struct os;

#define EXPORT_LOG_THREADS_MAX 64

struct export_log_options {
    struct os *os;
    struct blockdb *db;
    const char *dir;
    struct slice note;            /* the signed head */
    unsigned threads;             /* 0: one a processor, 8 at most */
    blockdb_progress_cb progress; /* NULL: none; ECANCELED when it returns false */
    void *progress_arg;
};

struct export_log_report {
    uint64_t old_size; /* of the checkpoint that was there; 0: none */
    uint64_t size;
    uint64_t files_written;
    uint64_t bytes_written;
    uint8_t root[BLOCKDB_HASH_LEN];
};

/* EFOREIGN: the directory belongs to another log. ETAMPERED: its history is another one, or longer
 * than the database's. EEXIST: it has other things in it. EIO, ENOSPC ... of files. */
RESULT_MUST_BE_USED int export_log(const struct export_log_options *options,
                                   struct export_log_report *out_report, struct error *err);
