/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small log that tests show to a witness, and forks of it.
 *
 * Leaf i is the text "entry <i>", from fork_at on "other <i>": two logs share what lies before.
 *
 * Threads: the functions that take a const log, any thread.
 */
#pragma once

#include "base/bytes.h"
#include "ledger/proof.h"
#include "ledger/signing_key.h"

#define WITNESS_LOG_MAX 200
#define WITNESS_LOG_ORIGIN "log.example/one"

struct witness_log {
    struct signing_key key;
    struct hash leaves[WITNESS_LOG_MAX];
    struct hash roots[WITNESS_LOG_MAX + 1];
};

/* fork_at WITNESS_LOG_MAX: no fork. Equal origins have equal keys. */
void witness_log_init(struct witness_log *log, const char *origin, uint64_t fork_at);
void witness_log_deinit(struct witness_log *log);
/* Appends the signed head of `size` entries. */
void witness_log_note(const struct witness_log *log, uint64_t size, struct buf *out);
/* As in struct witness_submission; context is the log. */
int witness_log_prove(void *context, uint64_t old_size, uint64_t new_size, struct proof *out,
                      struct error *err);
/* Appends the body of a request. */
void witness_log_request(const struct witness_log *log, uint64_t old_size, uint64_t new_size,
                         struct buf *out);

/* The key of a witness of tests: of the seed of vector V6 when number is 1. */
void witness_log_cosigner(struct signing_key *out, const char *name, uint8_t number);
