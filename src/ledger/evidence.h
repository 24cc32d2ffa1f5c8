/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The evidence in the extra line of a proof file: what a tlog-proof alone does not say.
 *
 * A sequence of sections, each with a tag and a length. The writer appends them to a buf; the
 * decoder checks the form of all of them and borrows their parts. Whether any of it is true is not
 * decided here: hashes are compared by verify/.
 *
 * EVI-1  Tags ascend strictly, so that one content has one encoding.
 * EVI-2  What evidence_decode() accepted has a known form to its last byte: iterating its lists
 *        cannot fail.
 * EVI-3  Sections that need each other come together: KEY with MAP, GAP and HISTORY only with MAP;
 *        VALUE and RANGE exclude each other; ENTRY is always there.
 *
 * Threads:   pure functions; a writer belongs to one thread.
 * Ownership: the writer borrows the buf until finished and copies what it is given; a decoded
 *            `struct evidence` borrows the bytes.
 * Format:    docs/format/proof.md
 */
#pragma once

#include "base/bytes.h"
#include "crypto/sha256.h"
#include "ledger/frontier.h"
#include "ledger/proof.h"
#include "ledger/record.h"

#define EVIDENCE_MAGIC "BDBPROOF"
#define EVIDENCE_VERSION 1
/* Magic and version. */
#define EVIDENCE_HEADER_LEN 10
#define EVIDENCE_HASHES_MAX 64
/* Tags with this bit may be skipped by readers that do not know them. */
#define EVIDENCE_MAY_IGNORE 0x8000u

enum evidence_tag {
    EVIDENCE_ENTRY = 1,
    EVIDENCE_VALUE = 2,
    EVIDENCE_RANGE = 3,
    EVIDENCE_BLOCK = 4,
    EVIDENCE_KEY = 5,
    EVIDENCE_MAP = 6,
    EVIDENCE_GAP = 7,
    EVIDENCE_HISTORY = 8,
    EVIDENCE_REDACTION = 9,
};

/* Borrowed hashes, at most EVIDENCE_HASHES_MAX. */
struct hash_list {
    const struct hash *hashes;
    size_t count;
};

static inline struct hash_list hash_list_of_proof(const struct proof *proof)
{
    return (struct hash_list){proof->hashes, proof->count};
}

/* The block that an entry is in. */
struct evidence_block {
    struct slice header; /* leaf of the block's header */
    uint64_t header_seq;
    struct hash_list in_block; /* from the entry to block_root */
    struct hash_list in_tree;  /* from the header to the root of the head */
};

/* What the map of newest versions says, and the header that commits to the map. */
struct evidence_map {
    struct slice header;      /* leaf of the last header, entry size - 1 of the head */
    struct hash_list in_tree; /* from it to the root of the head */
    struct slice map_proof;   /* ledger/map_proof.h; empty when map_size is 0 */
};

struct evidence_redaction {
    uint64_t seq;      /* of the redact entry */
    struct slice leaf; /* of it */
    struct hash_list in_tree;
};

/* Whether these sections (bit t: section t) may stand in one file: EVI-3. */
bool evidence_sections_fit(uint32_t present);

/* ---- Writing ------------------------------------------------------------------------------- */

/* Appends evidence to a buf. Sections come in the order of their tags, each at most once, in
 * combinations that EVI-3 allows; anything else is our own bug and asserted. A failure is sticky:
 * the caller writes on and looks at evidence_writer_finish() once. */
struct evidence_writer {
    struct buf *out;
    size_t start;     /* length of out before */
    size_t section;   /* where the length field of the open section is; 0: none is open */
    uint32_t present; /* bit t: section t was begun */
    uint16_t tag;     /* of the newest section */
    int status;
};

void evidence_writer_init(struct evidence_writer *w, struct buf *out);
/* 0; ENOMEM, or ELIMIT when a section is over 4 GiB: then out is as it was before. */
RESULT_MUST_BE_USED int evidence_writer_finish(struct evidence_writer *w);

void evidence_write_entry(struct evidence_writer *w, struct slice leaf);
/* salt: SALT_LEN bytes. */
void evidence_write_value(struct evidence_writer *w, const uint8_t *salt, struct slice value);
/* A range of a chunked value of value_len bytes: chunks first_chunk and following, which are added
 * in order by evidence_add_chunk(); exactly count of them. */
void evidence_begin_range(struct evidence_writer *w, uint64_t value_len, uint64_t first_chunk,
                          uint32_t count);
/* chunk_salt: SALT_LEN bytes. in_value leads from the chunk to the root of all chunks. */
void evidence_add_chunk(struct evidence_writer *w, const uint8_t *chunk_salt, struct slice chunk,
                        struct hash_list in_value);
void evidence_write_block(struct evidence_writer *w, const struct evidence_block *block);
void evidence_write_key(struct evidence_writer *w, uint32_t collection, struct slice key);
void evidence_write_map(struct evidence_writer *w, const struct evidence_map *map);
/* covered is the frontier of the tree of map_size leaves; the leaves [map_size, size) follow by
 * evidence_add_gap_leaf(). Leave the section out when map_size is size - 1. */
void evidence_begin_gap(struct evidence_writer *w, const struct frontier *covered);
void evidence_add_gap_leaf(struct evidence_writer *w, struct slice leaf);
/* All versions of the key below map_size, oldest first, by evidence_add_version(). */
void evidence_begin_history(struct evidence_writer *w);
void evidence_add_version(struct evidence_writer *w, uint64_t seq, struct slice leaf);
void evidence_write_redaction(struct evidence_writer *w,
                              const struct evidence_redaction *redaction);

/* ---- Reading ------------------------------------------------------------------------------- */

struct evidence_range {
    uint64_t value_len;
    uint64_t first_chunk;
    uint32_t chunk_count;
    struct reader chunks; /* for evidence_next_chunk(); copy it to iterate */
};

struct evidence_chunk {
    const uint8_t *salt; /* SALT_LEN bytes, of this chunk */
    struct slice bytes;
    struct hash_list in_value;
};

struct evidence_gap {
    struct hash_list peaks; /* of the tree of map_size leaves, largest first */
    uint64_t leaf_count;
    struct reader leaves; /* for evidence_next_leaf(); copy it to iterate */
};

struct evidence_history {
    uint64_t version_count;
    struct reader versions; /* for evidence_next_version(); copy it to iterate */
};

struct evidence_version {
    uint64_t seq;
    struct slice leaf;
};

/* Fields of sections that are not present are zero. */
struct evidence {
    uint32_t present; /* bit t: section t (enum evidence_tag) */
    struct slice entry;
    const uint8_t *salt; /* SALT_LEN bytes; of VALUE */
    struct slice value;
    struct evidence_range range;
    struct evidence_block block;
    uint32_t collection; /* of KEY */
    struct slice key;
    struct evidence_map map;
    struct evidence_gap gap;
    struct evidence_history history;
    struct evidence_redaction redaction;
};

/* Decodes evidence that takes up all of bytes. ECORRUPT names the section and its offset; EVERSION:
 * of a newer version. *out is untouched on failure. */
RESULT_MUST_BE_USED int evidence_decode(struct slice bytes, struct evidence *out,
                                        struct error *err);

static inline bool evidence_has(const struct evidence *e, enum evidence_tag tag)
{
    return (e->present >> tag & 1) != 0;
}

/* The name of a section as the format page writes it: "GAP". Static. */
const char *evidence_tag_name(enum evidence_tag tag);

/* Each takes the next item from a copy of the list's reader; false at the end. */
bool evidence_next_chunk(struct reader *chunks, struct evidence_chunk *out);
bool evidence_next_leaf(struct reader *leaves, struct slice *out);
bool evidence_next_version(struct reader *versions, struct evidence_version *out);

/* The frontier of the tree of map_size leaves that a gap begins with. ECORRUPT when the number of
 * peaks is not the number of bits set in map_size; *out is untouched then. */
RESULT_MUST_BE_USED int evidence_gap_frontier(const struct evidence_gap *gap, uint64_t map_size,
                                              struct frontier *out);
