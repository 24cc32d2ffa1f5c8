/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Real threads, for every implementation of struct os.
 *
 * New threads block all signals but those of faults and profilers, so that a program's handlers run
 * on the program's own threads.
 *
 * Threads: any thread.
 */
#pragma once

#include "os/os.h"

/* As os_ops.thread_start and thread_join say; os is not used and may be NULL. */
RESULT_MUST_BE_USED int os_thread_start_real(struct os *os, const char *name, os_thread_fn fn,
                                             void *arg, struct os_thread **out, struct error *err);
void os_thread_join_real(struct os *os, struct os_thread *thread);
