/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Assertions for our own bugs, never for bytes from outside.
 *
 * ASSERT is always compiled in; DASSERT only where BLOCKDB_DEBUG is defined.
 */
#pragma once

/* Prints where and what, then aborts. */
void assert_failed(const char *file, int line, const char *condition) __attribute__((noreturn));

#define ASSERT(condition) ((condition) ? (void)0 : assert_failed(__FILE__, __LINE__, #condition))

#ifdef BLOCKDB_DEBUG
#define DASSERT(condition) ASSERT(condition)
#else
#define DASSERT(condition) ((void)sizeof(condition))
#endif
