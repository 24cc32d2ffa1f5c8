/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Care with secret bytes: comparing without telling where they differ, and wiping.
 *
 * Threads: immutable.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Whether len bytes are equal, in a time that depends on len only. */
bool secret_equal(const void *a, const void *b, size_t len);

/* Overwrites len bytes with zeros in a way the compiler may not leave out. */
void secret_wipe(void *p, size_t len);
