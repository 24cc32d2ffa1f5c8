/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What tests of signed heads share: keys that follow from a number, and databases that sign.
 *
 * Threads: main thread of a test program.
 */
#pragma once

#include "engine_world.h"
#include "ledger/checkpoint.h"
#include "ledger/signing_key.h"

#define ORIGIN "example.com/log"
#define KEY_PATH "/key"
#define HEADS_PATH "/db/ledger/heads"

/* One key, and no head that nobody asks for. */
extern const struct fixture_option heads_test_options[];

/* The key of a number, by the name ORIGIN. To be deinited. */
struct signing_key heads_test_key(uint8_t number);
/* Writes the file of keys first .. last. */
void heads_test_write_keys(struct os *os, const char *path, uint8_t first, uint8_t last);
/* Whether the note has a good signature of a key; a bad one ends the test. */
bool heads_test_signed_by(const struct blockdb_value *value, uint8_t number);
/* What the note says; borrowed from it, and until the next call. */
struct checkpoint heads_test_checkpoint(const struct blockdb_value *value);

/* A database that signs with key 1. */
void heads_test_world(struct world *w);
void heads_test_reopen(struct world *w);
/* Asks for a head. */
void heads_test_sign(struct world *w, struct blockdb_value *out);
