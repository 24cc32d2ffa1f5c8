/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loads many changes: packs them into batches and lets the engine commit some while the next is
 * filled.
 *
 * LOADER-1  Batches are submitted in order; after the first failure none is submitted any more.
 * LOADER-2  At most LOADER_BATCHES_MAX batches wait, so memory is bounded.
 *
 * Threads: one thread at a time; the engine's threads report back through `mu`.
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "base/lock.h"
#include "bin/cli/source.h"

#include <blockdb/blockdb.h>
#include <stdint.h>

#define LOADER_BATCHES_MAX 4
#define LOADER_ENTRIES_MAX 10000
#define LOADER_BYTES_MAX ((size_t)4 * 1024 * 1024)

struct loader {
    struct source *source;
    enum blockdb_durability durability;
    struct source_batch *batch; /* being filled; NULL: none yet */
    struct mutex mu;
    struct cond done;
    /* guarded by mu */
    unsigned waiting;  /* batches submitted and not answered */
    int status;        /* the first failure */
    struct error err;  /* its message */
    uint64_t entries;  /* committed */
    uint64_t last_seq; /* of them, BLOCKDB_SEQ_NONE before the first */
};

void loader_init(struct loader *loader, struct source *source, enum blockdb_durability durability);
/* Waits for what was submitted; drops what was not. */
void loader_deinit(struct loader *loader);

/* Adds a put, or a deletion. The failure may be that of an earlier batch. */
RESULT_MUST_BE_USED int loader_put(struct loader *loader, struct slice key, struct slice value,
                                   struct error *err);
RESULT_MUST_BE_USED int loader_delete(struct loader *loader, struct slice key, struct error *err);
/* Submits the rest and waits until everything is committed. */
RESULT_MUST_BE_USED int loader_finish(struct loader *loader, struct error *err);
