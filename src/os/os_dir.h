/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists real directories. All names are gathered and the directory is closed before the first
 * visit, so a visitor may change it.
 *
 * Threads: any thread.
 */
#pragma once

#include "os/os.h"

/* As os_ops.list says; os is not used and may be NULL. */
RESULT_MUST_BE_USED int os_dir_list(struct os *os, const char *path, os_list_fn visit,
                                    void *context, struct error *err);
