/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What tests of the ledger segments share: a disk in memory, a chain of segments on it, the
 * manifest's list of them, and records that follow from their seq alone, so that the model is one
 * number.
 *
 * Threads:   those of the test.
 * Ownership: a fixture owns everything in it.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/epoch.h"
#include "os/os_crash.h"
#include "os/os_fault.h"
#include "store/cache.h"
#include "store/codec.h"
#include "store/segment.h"

#define FIXTURE_DIR "/ledger"
#define FIXTURE_KNOWN_MAX 256

struct fixture {
    struct os_crash *crash;
    struct os_fault *fault;
    struct os *os; /* failing over crashing */
    struct epoch *epoch;
    struct cache *cache;
    struct segments *segments; /* NULL while closed */
    struct segments_options options;
    struct segments_recovery recovery;
    /* the manifest */
    struct segment_info known[FIXTURE_KNOWN_MAX];
    uint32_t known_count;
    uint64_t trusted_seq;
    /* the model */
    uint64_t seed;
    size_t record_max; /* of ordinary records */
    uint64_t next_seq;
    uint64_t next_height;
};

/* A fixture with an empty ledger, closed. */
void fixture_init(struct fixture *f, uint64_t seed);
void fixture_deinit(struct fixture *f);
/* Opens with options, known and trusted_seq as they are in f. */
int fixture_open(struct fixture *f, struct error *err);
void fixture_close(struct fixture *f);
/* Closes and opens, trusting trusted_seq; must succeed. */
void fixture_reopen(struct fixture *f, uint64_t trusted_seq);

/* Appends record seq to out. */
void fixture_record(const struct fixture *f, uint64_t seq, struct buf *out);
/* Appends the next block, of count records, rotating before when due. Advances the model only on
 * success. */
int fixture_append(struct fixture *f, uint32_t count, struct error *err);
/* The same; must succeed. */
void fixture_append_ok(struct fixture *f, uint32_t count);
/* Rotates and enters the outcome into the manifest. */
int fixture_rotate(struct fixture *f, struct error *err);
/* The time of block `height`. */
uint64_t fixture_time(uint64_t height);

/* Reads one record and compares it with the model. */
void fixture_expect(struct fixture *f, uint64_t seq);
/* Scans [from, to) and compares everything; returns how many records there were. */
uint64_t fixture_expect_scan(struct fixture *f, uint64_t from, uint64_t to);
/* Reads every byte of all blocks, and of segment `number` what is beside them. */
int fixture_check(struct fixture *f, uint32_t number, struct error *err);
/* Everything: each record, by read and scan; nothing beyond; each segment checks. */
void fixture_expect_all(struct fixture *f);

/* xorshift: the next number of *state. */
uint64_t fixture_random(uint64_t *state);
/* The seed of this run: SEGMENT_TEST_SEED of the environment, else the clock; printed. */
uint64_t fixture_seed(const char *test);

/* Makes the nth allocation from now fail; 0 stops. */
void fixture_fail_alloc(uint64_t nth);
/* Whether an allocation failed since the last call of fixture_fail_alloc() with nth > 0. */
bool fixture_alloc_failed(void);
