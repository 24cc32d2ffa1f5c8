/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seal queue: committed entries, in seq order without gaps, that wait to be sealed into blocks.
 *
 * The committer pushes, the sealer consumes whole blocks. Entries borrow their record bytes from
 * the memtable that holds them.
 *
 * SEALQ-1  The bytes of an entry stay valid while it is in the queue: a memtable is released only
 *          after its flush, and a flush waits until its entries are sealed and popped.
 * SEALQ-2  A push after a successful reserve cannot fail, so a group that is in the WAL is always
 *          in the queue as well.
 *
 * Threads:   one pusher at a time, one consumer, any number of copiers.
 * Ownership: borrows record bytes; owns its chunks.
 */
#pragma once

#include "base/bytes.h"
#include "base/lock.h"
#include "crypto/sha256.h"

#include <blockdb/blockdb.h>
#include <stdatomic.h>

#define SEAL_CHUNK_ENTRIES 1024

/* One committed entry. A header entry marks the end of a block; its record has no payload yet. */
struct seal_entry {
    const uint8_t *record;
    uint32_t record_len;
    bool is_header;
    bool has_commitment;    /* else the sealer makes it, where there is a value */
    struct hash commitment; /* of the value; zeros where there is none */
};

struct seal_chunk {
    struct seal_chunk *next;
    struct seal_entry entries[SEAL_CHUNK_ENTRIES];
};

struct seal_queue {
    struct mutex mu;
    struct cond block_ready; /* a header entry was pushed, or the queue was stopped */
    struct cond popped;

    /* Guarded by mu. */
    uint64_t first_seq; /* the oldest entry here */
    uint64_t end_seq;   /* one past the newest */
    uint64_t head_seq;  /* seq of entries[0] of the first chunk */
    uint64_t bytes;     /* of the records here */
    uint64_t header_count;
    struct seal_chunk *head;
    struct seal_chunk *tail;
    struct seal_chunk *spare; /* reserved or recycled chunks */
    size_t spare_entries;     /* room in tail and spare together */
    bool poked;
    bool stopped;

    _Atomic uint64_t *account; /* constant; grows and shrinks with the chunks; or NULL */
};

void seal_queue_init(struct seal_queue *q, uint64_t first_seq);
void seal_queue_deinit(struct seal_queue *q);

/* Makes sure that the next count entries can be pushed. ENOMEM. Pusher only. */
RESULT_MUST_BE_USED int seal_queue_reserve(struct seal_queue *q, size_t count);
/* Appends entries with the seqs that follow. Needs a reserve. Pusher only. */
void seal_queue_push(struct seal_queue *q, const struct seal_entry *entries, size_t count);

/* Waits until a whole block is there and returns its number of entries, header included; 0 when
 * stopped and no block is left, when poked, or when timeout_ns has passed. Consumer only. */
uint64_t seal_queue_wait_block(struct seal_queue *q, uint64_t timeout_ns);
/* Copies count entries from the front without removing them. Consumer only. */
void seal_queue_peek(struct seal_queue *q, struct seal_entry *out, size_t count);
/* How many whole blocks are there. */
uint64_t seal_queue_blocks(struct seal_queue *q);
/* Removes count entries from the front. Consumer only. */
void seal_queue_pop(struct seal_queue *q, size_t count);
/* Lets waiters go; what is queued can still be taken. */
void seal_queue_stop(struct seal_queue *q);
/* Makes the consumer's wait, the current or the next one, return at once. */
void seal_queue_poke(struct seal_queue *q);

/* Waits at most timeout_ns for the queue to hold no more than max_bytes; whether it does. A queue
 * without a whole block is taken to have room: nothing could be popped from it. */
bool seal_queue_wait_room(struct seal_queue *q, uint64_t max_bytes, uint64_t timeout_ns);
/* Appends the record of entry seq to out; ENOTFOUND when it is not (or no longer) here. */
RESULT_MUST_BE_USED int seal_queue_copy(struct seal_queue *q, uint64_t seq, struct buf *out);
uint64_t seal_queue_bytes(struct seal_queue *q);
