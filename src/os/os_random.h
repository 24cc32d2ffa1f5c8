/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random bytes of the real system, drawn ahead per thread so that a salt costs no system call.
 *
 * Bytes are wiped from the pool as they are handed out. After fork() the child drops what it
 * inherited (a handler registered with pthread_atfork() counts forks), so parent and child never
 * share a salt; a process made by a raw clone() system call is not noticed and must not be.
 *
 * Threads: any thread.
 */
#pragma once

#include "base/error.h"

#include <stddef.h>

/* Fills out from getrandom(). */
RESULT_MUST_BE_USED int os_random_real(void *out, size_t len, struct error *err);
