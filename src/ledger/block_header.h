/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Block headers: what seals a run of entries, and links to the header before.
 *
 * A header is itself an entry of the log, of kind block header, right behind the entries of its
 * block. Its hash, by which the next header links to it, is the RFC 6962 leaf hash of that entry:
 * chain and tree name a header by the same 32 bytes.
 *
 * HDR-1  tree_size = first_seq + count = the seq of the header's own entry.
 * HDR-2  The entry of a header has the header's time, batch position 0 of 1, and nothing else.
 * HDR-3  Height 0 starts at seq 0 with previous all zeros; every other follows its predecessor.
 * HDR-4  map_size <= tree_size; with map_size 0 the map_root is all zeros.
 *
 * Threads:   pure functions; any thread.
 * Ownership: a plain value.
 * Format:    docs/format/block-header.md
 */
#pragma once

#include "base/bytes.h"
#include "crypto/sha256.h"
#include "ledger/record.h"

#define BLOCK_HEADER_VERSION 1
#define BLOCK_HEADER_LEN 188
/* Of its stored record. */
#define BLOCK_HEADER_RECORD_LEN (RECORD_HEADER_LEN + BLOCK_HEADER_LEN)

struct block_header {
    uint64_t height;
    uint64_t first_seq;
    uint64_t count; /* entries of the block, without the header; may be 0 */
    uint64_t tree_size;
    uint64_t map_size; /* entries that the map covers; 0: no map */
    uint64_t time_ms;
    uint64_t term;          /* of the consensus engine; 0 standing alone */
    struct hash previous;   /* hash of the header before */
    struct hash block_root; /* RFC 6962 root over the leaves of the block alone */
    struct hash tree_root;  /* of the tree of tree_size leaves */
    struct hash map_root;
};

/* Writes BLOCK_HEADER_LEN bytes, the payload of its entry. */
void block_header_encode(const struct block_header *h, uint8_t *out);
/* Decodes a payload. ECORRUPT when it is none or breaks HDR-1, 3 or 4; EVERSION when newer. *out is
 * untouched on failure. */
RESULT_MUST_BE_USED int block_header_decode(struct slice payload, struct block_header *out);

/* Writes BLOCK_HEADER_RECORD_LEN bytes, its stored record. */
void block_header_record(const struct block_header *h, uint8_t *out);
/* The header in a parsed record. ECORRUPT also when the record is of another kind or breaks HDR-2.
 */
RESULT_MUST_BE_USED int block_header_of_record(const struct record *r, struct block_header *out);

/* The hash of the header: the leaf hash of its entry. */
void block_header_hash(const struct block_header *h, struct hash *out);

/* Whether next continues previous (NULL: next must be the first): height, link, first_seq, time,
 * term and map_size that do not go back, and one map_root for one map_size. ETAMPERED with the
 * reason in err. */
RESULT_MUST_BE_USED int block_header_follows(const struct block_header *previous,
                                             const struct block_header *next, struct error *err);
