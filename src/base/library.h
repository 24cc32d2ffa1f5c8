/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared libraries that are loaded when they are first needed, not when a program starts.
 *
 * A user of a library describes it once: by which names the system may know it, which Debian
 * package has it, and which functions are wanted. The first call loads it and finds all of them;
 * later calls find the result. What failed is tried again by the next call.
 *
 * LIB-1  A library that was loaded stays loaded until the process ends.
 * LIB-2  Either all functions of a description were found, or the library counts as missing.
 *
 * Threads:   any thread; loading takes no lock, and of two threads that load at once one gives way.
 * Ownership: borrows descriptions for ever: they are constants.
 */
#pragma once

#include "base/error.h"

#include <stddef.h>

#define LIBRARY_COUNT_MAX 8    /* descriptions in one process */
#define LIBRARY_SYMBOLS_MAX 64 /* functions of one description */

struct library {
    const char *name;           /* for people: "OpenSSL's libcrypto" */
    const char *package;        /* the Debian package that has it: "libssl3" */
    const char *const *sonames; /* tried in this order; NULL after the last */
    const char *const *symbols; /* the functions' names */
    size_t symbol_count;        /* at most LIBRARY_SYMBOLS_MAX */
};

/* A member for a function of the library in a struct that lists them in the order of symbols, for
 * library_load() to fill. */
#define LIBRARY_FUNCTION(name) __typeof__(name) *name

/* Fills out_functions, an array or struct of symbol_count pointers and nothing else, with the
 * addresses of the functions, in order. EUNSUPPORTED when none of the names is there or a function
 * is not: the error names library and package; ENOMEM. On failure *out_functions is untouched. */
RESULT_MUST_BE_USED int library_load(const struct library *library, void *out_functions,
                                     struct error *err);
