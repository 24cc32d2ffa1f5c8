/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast evidence is made: SHA-256 by itself, and everything that is hashed for one put.
 *
 * Usage: hash_bench [VALUE_BYTES [BLOCK_ENTRIES]]. One thread; each line is the median of RUNS
 * runs, in processor time, so that other work on the machine counts little.
 */
#include "base/bytes.h"
#include "base/mem.h"
#include "crypto/sha256_impl.h"
#include "ledger/commitment.h"
#include "ledger/frontier.h"
#include "ledger/leaf.h"
#include "ledger/merkle.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define RUNS 5
#define HASHES 1000
#define ROUNDS 200 /* of HASHES hashes, or of blocks, a run */
#define KEY_LEN 16

struct bench {
    size_t value_len;
    size_t count; /* entries of a block */
    uint8_t *values;
    uint8_t *keys;
    struct record *records;
    struct commitment_job *jobs;
    struct hash *commitments;
    struct hash *leaves;
    struct frontier tree;
    struct hash block_root;
    struct hash pairs[2 * HASHES];
    struct hash out[HASHES];
    struct sha256_job messages[HASHES];
};

typedef void (*bench_fn)(struct bench *b);

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Prints the median rate of fn, which does `things` of the bytes given at each call. */
static void measure(struct bench *b, const char *name, bench_fn fn, size_t things, size_t bytes)
{
    double seconds[RUNS];
    double median;

    for (int run = 0; run < RUNS; run++) {
        double start = now();

        for (int round = 0; round < ROUNDS; round++) {
            fn(b);
        }
        seconds[run] = now() - start;
    }
    qsort(seconds, RUNS, sizeof *seconds, compare);
    median = seconds[RUNS / 2] / ROUNDS / (double)things;
    printf("%-44s %8.2f M/s %8.1f ns %8.2f GB/s\n", name, 1e-6 / median, 1e9 * median,
           1e-9 * (double)bytes / median);
}

static void nodes_one_by_one(struct bench *b)
{
    for (size_t i = 0; i < HASHES; i++) {
        sha256_nodes(&b->pairs[2 * i], 1, &b->out[i]);
    }
}

static void nodes_interleaved(struct bench *b)
{
    sha256_nodes(b->pairs, HASHES, b->out);
}

static void nodes_portable(struct bench *b)
{
    sha256_portable.nodes(b->pairs, HASHES, b->out);
}

static void messages_one_by_one(struct bench *b)
{
    for (size_t i = 0; i < HASHES; i++) {
        sha256_many(&b->messages[i], 1);
    }
}

static void messages_interleaved(struct bench *b)
{
    sha256_many(b->messages, HASHES);
}

static void commitments(struct bench *b)
{
    commitment_compute_many(b->jobs, b->count);
}

static void commitments_one_by_one(struct bench *b)
{
    for (size_t i = 0; i < b->count; i++) {
        commitment_compute(b->jobs[i].salt, b->jobs[i].value, b->jobs[i].out);
    }
}

static void leaves(struct bench *b)
{
    leaf_hash_many(b->records, b->commitments, b->count, b->leaves);
}

static void tree(struct bench *b)
{
    frontier_append_many(&b->tree, b->leaves, b->count, NULL);
}

static void block_root(struct bench *b)
{
    merkle_root(b->leaves, b->count, &b->block_root);
}

static void everything(struct bench *b)
{
    commitments(b);
    leaves(b);
    tree(b);
    block_root(b);
}

static void *allocate(size_t count, size_t bytes)
{
    void *p = mem_calloc(count, bytes > 0 ? bytes : 1);

    if (p == NULL) {
        fprintf(stderr, "hash_bench: no memory for %zu items of %zu bytes; ask for less\n", count,
                bytes);
        exit(1);
    }
    return p;
}

static void prepare(struct bench *b)
{
    b->values = allocate(b->count, SALT_LEN + b->value_len);
    b->keys = allocate(b->count, KEY_LEN + 1);
    b->records = allocate(b->count, sizeof *b->records);
    b->jobs = allocate(b->count, sizeof *b->jobs);
    b->commitments = allocate(b->count, sizeof *b->commitments);
    b->leaves = allocate(b->count, sizeof *b->leaves);
    frontier_init(&b->tree);
    for (size_t i = 0; i < b->count; i++) {
        const uint8_t *salt = b->values + i * (SALT_LEN + b->value_len);
        struct slice value = slice_of(salt + SALT_LEN, b->value_len);
        char *key = (char *)b->keys + i * (KEY_LEN + 1);

        (void)snprintf(key, KEY_LEN + 1, "key:%012zu", i);
        b->jobs[i] = (struct commitment_job){salt, value, &b->commitments[i]};
        b->records[i] = (struct record){.kind = BLOCKDB_KIND_PUT,
                                        .batch_count = 1,
                                        .key = slice_of(key, KEY_LEN),
                                        .value_len = (uint32_t)b->value_len,
                                        .salt = salt,
                                        .value = value};
    }
    for (size_t i = 0; i < HASHES; i++) {
        const uint8_t *bytes = b->pairs[i].bytes;

        b->messages[i] = (struct sha256_job){bytes, 32, bytes, 100, &b->out[i]};
    }
}

static void release(struct bench *b)
{
    mem_free(b->values);
    mem_free(b->keys);
    mem_free(b->records);
    mem_free(b->jobs);
    mem_free(b->commitments);
    mem_free(b->leaves);
    mem_free(b);
}

int main(int argc, char **argv)
{
    struct bench *b = allocate(1, sizeof *b);

    b->value_len = argc > 1 ? strtoul(argv[1], NULL, 10) : 100;
    b->count = argc > 2 ? strtoul(argv[2], NULL, 10) : 1000;
    if (b->count == 0 || b->value_len > BLOCKDB_VALUE_MAX) {
        fprintf(stderr, "Usage: hash_bench [VALUE_BYTES [BLOCK_ENTRIES]]\n");
        mem_free(b);
        return 2;
    }
    prepare(b);
    printf("SHA-256: %s; values of %zu bytes, blocks of %zu entries\n", sha256_implementation(),
           b->value_len, b->count);
    measure(b, "node, 65 bytes, one by one", nodes_one_by_one, HASHES, 65);
    measure(b, "node, 65 bytes, interleaved", nodes_interleaved, HASHES, 65);
    measure(b, "node, 65 bytes, portable", nodes_portable, HASHES, 65);
    measure(b, "message of 132 bytes, one by one", messages_one_by_one, HASHES, 132);
    measure(b, "message of 132 bytes, interleaved", messages_interleaved, HASHES, 132);
    measure(b, "commitment, one by one", commitments_one_by_one, b->count, b->value_len);
    measure(b, "commitment, many", commitments, b->count, b->value_len);
    measure(b, "leaf", leaves, b->count, b->value_len);
    measure(b, "append to the tree", tree, b->count, b->value_len);
    measure(b, "block root", block_root, b->count, b->value_len);
    measure(b, "put: commitment, leaf, tree, block root", everything, b->count, b->value_len);
    release(b);
    return 0;
}
