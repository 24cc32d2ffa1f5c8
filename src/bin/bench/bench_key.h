/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A signing key for a run, in a file of the run's directory.
 *
 * Threads:   one thread.
 */
#pragma once

#include "base/error.h"
#include "ledger/verifier_key.h"

/* The origin of what is signed, and so the key's name. */
#define BENCH_ORIGIN "blockdb-bench"

struct os;

struct bench_key {
    char *path;
    char verifier[VERIFIER_KEY_TEXT_MAX + 1]; /* the public half */
};

/* Makes a random key in dir. EUNSUPPORTED: no libcrypto. *out is freed with bench_key_free(). */
RESULT_MUST_BE_USED int bench_key_new(struct os *os, const char *dir, struct bench_key **out,
                                      struct error *err);
/* The file stays. NULL does nothing. */
void bench_key_free(struct bench_key *key);
