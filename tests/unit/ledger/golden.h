/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vectors of tests/golden/ledger_vectors.hex, by name. Errors end the test program.
 */
#pragma once

#include "base/bytes.h"
#include "crypto/sha256.h"

/* Reads the file; golden_close() frees it. */
void golden_open(void);
void golden_close(void);
/* The bytes of a vector, borrowed until golden_close(). */
struct slice golden(const char *name);
/* The bytes of a vector that is a hash. */
struct hash golden_hash(const char *name);
/* The same with a number put into the name by printf. */
struct slice golden_at(const char *format, unsigned long long number);
struct hash golden_hash_at(const char *format, unsigned long long number);

/* How many vectors have a name that starts with prefix, and the i-th of them: its name, borrowed,
 * and its bytes. */
size_t golden_count(const char *prefix);
const char *golden_name(const char *prefix, size_t i);
