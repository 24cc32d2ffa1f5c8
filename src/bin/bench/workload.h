/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workloads: what is done to an engine, by how many threads,.
 *
 * A workload is a step that each thread repeats until its share of the operations or the time is
 * used up; or, for what is one operation, a whole. Each value that a step reads is compared in full
 * with what was written; a difference ends the run with ECORRUPT.
 *
 * WORKLOAD-1  A workload starts from the state it needs: an empty database, all keys, or all keys
 *             with versions. What is missing is loaded before, unmeasured.
 * WORKLOAD-2  It starts when the engine's work in the background has come to rest.
 *
 * Threads:   the table is immutable; a worker belongs to its thread.
 * Ownership: workers own their buffers and borrow all else.
 */
#pragma once

#include "base/histogram.h"
#include "bin/bench/bench_engine.h"
#include "bin/bench/dataset.h"

struct mix;
struct trial;
struct result;

enum workload_need {
    WORKLOAD_EMPTY,    /* a new database */
    WORKLOAD_KEYS,     /* all keys of the dataset */
    WORKLOAD_VERSIONS, /* and a second round of values over them */
};

/* One thread of a workload. */
struct worker {
    const struct bench_engine *engine;
    void *session;
    const struct dataset *data;
    const struct workload *workload;
    enum blockdb_durability durability;
    unsigned batch;      /* entries of a batch, 1 unless the workload writes batches */
    unsigned generation; /* of the values it writes */
    uint64_t random;
    struct mix *mix;   /* of workloads that mix, shared by their workers */
    uint64_t seq_low;  /* as-of reads: every key exists at seq_low .. seq_high */
    uint64_t seq_high; /* proofs: the last sealed entry */

    /* Kept by the step. */
    uint64_t entries;
    uint64_t bytes;  /* of keys and values that went in or came out */
    uint64_t replay; /* reads that are pipelined: random when their keys were chosen */
    bool wrote;      /* workloads that mix: whether the last step wrote */

    /* Scratch of the step. */
    uint8_t *buffer; /* batch keys and values */
    struct bench_pair *pairs;
    uint8_t scanned_key[DATASET_KEY_LEN_MAX];
    uint64_t expected;   /* scans: the next key's number; history: the key's */
    uint64_t scan_limit; /* scans of a workload that grows: no key lies here or beyond */
    struct buf files;    /* proof files, back to back */
    struct buf ends;     /* where each ends: size_t */
};

typedef int (*workload_step_fn)(struct worker *w, uint64_t n, struct error *err);

struct workload {
    const char *name;
    const char *help;
    enum workload_need need;
    bool writes;             /* its operations are entries of the database, num of them */
    bool synced;             /* acknowledged durably unless --durability asks for more */
    bool batched;            /* a step writes one batch */
    bool pipelined;          /* a step sends --pipeline commands at once */
    bool scans;              /* a step reads many entries: a tenth of the reads */
    bool proves;             /* of sealed entries */
    bool signs;              /* needs a signed head */
    bool mixes;              /* its steps are reads and writes, reported apart, too */
    bool grows;              /* adds keys to those of the dataset */
    workload_step_fn step;   /* NULL: whole */
    workload_step_fn behind; /* what one more thread does as long as the others go on */
    int (*whole)(struct trial *trial, struct result *result, struct error *err);
};

const struct workload *workload_table(size_t *out_count);
/* EINVAL names the nearest known workload. */
RESULT_MUST_BE_USED int workload_find(const char *name, size_t name_len,
                                      const struct workload **out, struct error *err);
/* Whether the engine has all that the workload calls. */
bool workload_fits(const struct workload *workload, const struct bench_engine *engine);

/* Buffers for a worker's steps. ENOMEM. */
RESULT_MUST_BE_USED int worker_init(struct worker *w, struct error *err);
void worker_deinit(struct worker *w);

/* For steps, here and elsewhere. Keys go by their numbers; all count what they did. */
/* Makes the worker's first pair that of key i, in the generation it writes. */
void worker_fill_pair(struct worker *w, uint64_t i);
/* Makes the key alone, of pair `slot`. */
void worker_fill_key(struct worker *w, unsigned slot, uint64_t i);
/* Makes pairs of the scattered keys from n * batch on; how many there are. */
unsigned worker_fill_batch(struct worker *w, uint64_t n);
RESULT_MUST_BE_USED int worker_put(struct worker *w, uint64_t i, struct error *err);
/* Reads key i and judges the value. */
RESULT_MUST_BE_USED int worker_get(struct worker *w, uint64_t i, struct error *err);
/* Judges what a read of key i, which exists, gave: ECORRUPT unless it is a value of key i. */
RESULT_MUST_BE_USED int worker_judge(struct worker *w, uint64_t i, int rc, struct slice value,
                                     struct error *err);
/* ECORRUPT with a message: key i "is missing". */
int worker_wrong(struct worker *w, uint64_t i, const char *what, struct error *err);
/* Counts one entry that went in or came out. */
void worker_count(struct worker *w);
