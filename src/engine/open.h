/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening a database on any implementation of the operating system; tests bring their own.
 */
#pragma once

#include "os/os.h"

#include <blockdb/blockdb.h>

/* blockdb_open() on os, which must outlive the database. */
RESULT_MUST_BE_USED int db_open(struct os *os, const char *dir,
                                const struct blockdb_options *options, unsigned flags,
                                struct blockdb **out_db, struct error *err);

/* blockdb_close(), which also tells the sealed head that it leaves on disk; size 0 when a database
 * that was only read has what a crash may not have made durable. */
RESULT_MUST_BE_USED int db_close(struct blockdb *db, struct blockdb_head *out_head,
                                 struct error *err);
