/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Logs for tests of the audit, made entry by entry and written as static files, without the engine:
 * so that they can also be wrong in every way, with everything above recomputed.
 *
 * Failures end the program.
 *
 * Threads: one thread.
 */
#pragma once

#include "base/bytes.h"
#include "ledger/block_header.h"
#include "ledger/frontier.h"
#include "ledger/leaf.h"
#include "ledger/map_hash.h"
#include "ledger/signing_key.h"

#include <stdbool.h>

#define TEST_ORIGIN "example.org/log"

struct test_log {
    struct buf *leaves; /* encoded */
    struct hash *hashes;
    size_t count;
    size_t cap;
    uint64_t time_ms;
    struct frontier tree; /* of the hashes */
    bool with_map;        /* headers carry a map that lags by one block */

    /* Of the open block. */
    uint64_t block_first;
    uint64_t height;
    struct hash previous;
    uint64_t map_size; /* of the header before */
    struct hash map_root;
};

void test_log_init(struct test_log *log);
void test_log_deinit(struct test_log *log);

/* Appends one leaf; its time is the log's. */
void test_log_append(struct test_log *log, const struct leaf *leaf);
/* Takes over the bytes of the newest leaf, which were changed behind the log's back. */
void test_log_rehash(struct test_log *log, uint64_t seq);
/* Appends a put of key "key-<number>" as position of count in its batch. */
void test_log_put(struct test_log *log, unsigned number, unsigned position, unsigned count);
void test_log_delete(struct test_log *log, unsigned number);
void test_log_redact(struct test_log *log, uint64_t target);
void test_log_epoch(struct test_log *log, uint64_t epoch);
void test_log_config(struct test_log *log, const char *name);
/* Ends the block with its header. */
void test_log_seal(struct test_log *log);
/* The same after `change` (not NULL) has changed the header; a header must stay legal by itself. */
typedef void (*test_header_fn)(struct block_header *header);
void test_log_seal_as(struct test_log *log, test_header_fn change);
/* Appends `blocks` blocks of some puts, batches and deletes, the same for the same seed. */
void test_log_fill(struct test_log *log, unsigned blocks, uint64_t seed);

/* Makes entry seq hold the bytes of leaf, and all headers and epochs behind it anew so that they
 * fit: what a forger would do. */
void test_log_forge(struct test_log *log, uint64_t seq, const struct leaf *leaf);

void test_log_root(const struct test_log *log, size_t size, struct hash *out);

/* The key that signs for TEST_ORIGIN, and its vkey as text. */
void test_key_init(struct signing_key *out, uint8_t seed);
void test_key_text(const struct signing_key *key, char out[400]);

/* Writes the first `size` entries to dir, which is made, as export-log would, signed by key (NULL:
 * no checkpoint is written). */
void test_log_export(const struct test_log *log, size_t size, const char *dir,
                     const struct signing_key *key);
/* Writes only the checkpoint. */
void test_log_sign(const struct test_log *log, size_t size, const char *dir,
                   const struct signing_key *key);

/* Makes a directory of its own below /tmp. */
void test_make_dir(char out[64]);
void test_remove_dir(const char *dir);
