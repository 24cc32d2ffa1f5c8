/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memtable: the newest entries, sorted by key, in memory.
 *
 * A skiplist of keys; each key has a chain of versions, newest first. Links of the skiplist carry
 * the first 8 bytes of the key they lead to, so most steps of a search touch no other node. Each
 * version has a pointer back to the one before and a skew-binary jump pointer (Myers 1983), so the
 * newest version at or below a seq is found in logarithmic time among millions. A hash index beside
 * the skiplist finds single keys; the skiplist is for their order.
 *
 * Records lie in the memtable's own arena: the group that is written to the WAL is encoded in
 * memory from memtable_alloc() and then only pointed to.
 *
 * MEM-1  One thread inserts; any number read at the same time without a lock.
 * MEM-2  Seqs of one key are inserted in ascending order.
 * MEM-3  A reader with limit_seq L that learned of L from the inserter (acquire after release) sees
 *        every version with seq <= L and none above.
 * MEM-4  Nothing in a memtable moves or changes before its last reference is gone.
 * MEM-5  After memtable_reserve(), the reserved adds cannot fail.
 *
 * Threads:   memtable_alloc(), _reserve(), _add(): the one inserter. The rest: any thread that
 * holds a reference (or is inside an epoch that keeps one alive). Ownership: refcounted; copies
 * keys, points to records.
 */
#pragma once

#include "base/arena.h"
#include "base/bytes.h"
#include "base/error.h"
#include "store/cursor.h"
#include "store/versions.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MEMTABLE_KEY_BYTES_MAX 65535
#define MEMTABLE_COMMON_PREFIX_MAX 256

struct memtable;
struct memtable_node;
struct memtable_link;

struct memtable_options {
    struct arena_pool *pool; /* where chunks come from and go back to; borrowed, or NULL */
    /* Bytes that most keys are expected to begin with, of at most MEMTABLE_COMMON_PREFIX_MAX; more
     * are ignored. A hint that only speed depends on: what memtable_common_prefix() gave for the
     * memtable before. Copied. */
    struct slice common_prefix;
    /* Memory for an index of keys, which lookups ask first: about 11 bytes for each key that is
     * expected; 0: none. It does not count in memtable_bytes(), which tells of content. */
    size_t index_bytes;
    /* Grows by what the memtable takes, index included, and shrinks with its end; or NULL. */
    _Atomic uint64_t *account;
};

/* One version as inserted and as found. The slices are borrowed: on insert from memory that lives
 * as long as the memtable (memtable_alloc()), on a read from the memtable. */
struct memtable_version {
    uint64_t seq;
    uint64_t time_ms;
    uint8_t kind;        /* BLOCKDB_KIND_PUT or BLOCKDB_KIND_DELETE */
    struct slice value;  /* usually inside record; empty for a delete */
    struct slice record; /* the stored record; opaque, below 4 GiB */
};

/* Returns a memtable with one reference, NULL when out of memory. options may be NULL. */
struct memtable *memtable_new(const struct memtable_options *options);
struct memtable *memtable_ref(struct memtable *mt);
/* NULL does nothing. */
void memtable_unref(struct memtable *mt);
/* As an epoch_free_fn, and for AUTO(). */
void memtable_unref_fn(void *mt);
void memtable_unref_ptr(struct memtable **mt);

/* From now on the memory of mt is overwritten before it is given back. Any thread. */
void memtable_wipe_later(struct memtable *mt);

/* Takes len bytes (aligned to 8) that live as long as the memtable; NULL when out of memory. */
void *memtable_alloc(struct memtable *mt, size_t len) __attribute__((warn_unused_result));

/* Makes sure that the next `count` adds, of keys with key_bytes bytes in all, cannot fail (MEM-5);
 * memtable_alloc() takes nothing of it. ENOMEM changes nothing. */
RESULT_MUST_BE_USED int memtable_reserve(struct memtable *mt, size_t count, size_t key_bytes);

/* Inserts a version of key, which is copied (at most MEMTABLE_KEY_BYTES_MAX bytes). Seqs over all
 * keys must ascend. ENOMEM inserts nothing. */
RESULT_MUST_BE_USED int memtable_add(struct memtable *mt, struct slice key,
                                     const struct memtable_version *version);

/* Brings what the adds of these keys will look at near the processor, so that a group of them waits
 * less for memory. Changes nothing. The inserter. */
void memtable_prefetch(const struct memtable *mt, const struct slice *keys, size_t count);

/* Finds the newest version of key with seq <= limit_seq. */
bool memtable_get(const struct memtable *mt, struct slice key, uint64_t limit_seq,
                  struct memtable_version *out_version);

/* Bytes taken from the system; what memtable_size_limit is compared with. Any thread. */
size_t memtable_bytes(const struct memtable *mt);
/* Number of keys, and of versions over all keys. Any thread; exact for the inserter. */
uint64_t memtable_key_count(const struct memtable *mt);
uint64_t memtable_version_count(const struct memtable *mt);
/* Lowest and highest seq inside; UINT64_MAX and 0 while empty. Any thread. */
uint64_t memtable_first_seq(const struct memtable *mt);
uint64_t memtable_last_seq(const struct memtable *mt);
/* What all keys begin with, borrowed; empty while the memtable is. For the inserter, or anyone once
 * there are no more inserts. */
struct slice memtable_common_prefix(const struct memtable *mt);

/* Makes a cursor over the newest versions at or below limit_seq (VERSIONS_ALL: all). Keys that have
 * none are passed over. Items carry their value inline, and in `older` all lower seqs of the
 * memtable (cheap: nothing is copied). Borrows mt. ENOMEM. */
RESULT_MUST_BE_USED int memtable_cursor_new(const struct memtable *mt, uint64_t limit_seq,
                                            struct cursor **out_cursor);
/* The stored record of the item that a cursor of memtable_cursor_new() stands on. */
struct slice memtable_cursor_record(const struct cursor *c);

/* Walks the versions of one key, newest first. Plain memory; needs no release. */
struct memtable_versions {
    const void *at;
};
/* Stands on the newest version of key with seq <= limit_seq, if any. */
struct memtable_versions memtable_versions_of(const struct memtable *mt, struct slice key,
                                              uint64_t limit_seq);
/* Gives the version and moves to the next lower seq; false at the end. */
bool memtable_versions_next(struct memtable_versions *versions,
                            struct memtable_version *out_version);

/* Checks order, links and chains; aborts on a violation. The inserter, in tests. */
void memtable_check(const struct memtable *mt);
