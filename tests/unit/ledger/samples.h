/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The entries of the vectors, as records: the same that entries() in tools/ledger_vectors.py makes.
 */
#pragma once

#include "ledger/record.h"

struct sample {
    const char *name; /* "put": vectors record.put, leaf.put ... */
    struct record record;
};

/* Fills the samples before use; all they borrow is static. */
void samples_init(void);
size_t sample_count(void);
const struct sample *sample_at(size_t i);
/* The one of a name; ends the program when there is none. */
const struct record *sample(const char *name);

/* Bytes i mod 251, of any length up to 2 MiB; static. */
const uint8_t *sample_pattern(void);
/* Bytes 160 + i. */
const uint8_t *sample_salt(void);
