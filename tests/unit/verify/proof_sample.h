/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small log made by hand, and proof files about it, right and wrong.
 *
 *   0 put alpha "one"        4 header, no map           8 redaction of 6
 *   1 put beta "two"         5 put gamma, 70000 bytes   9 put delta ""
 *   2 delete beta            6 put secret "hidden"     10 header, map of [0, 10)
 *   3 put alpha "three"      7 header, map of [0, 5)   11 put epsilon "late"
 *  12 redaction of 5        13 header, map of [0, 10)  14 header, map of [0, 14)
 *
 * Heads may be of 8, 11, 14 or 15 entries: the first and third have a gap, the others none.
 *
 * Threads: one thread.
 */
#pragma once

#include "base/bytes.h"
#include "crypto/sha256.h"
#include "ledger/block_header.h"
#include "ledger/evidence.h"
#include "ledger/leaf.h"
#include "ledger/map_proof.h"
#include "ledger/signing_key.h"

#include <blockdb/verify.h>

#define SAMPLE_ENTRIES 15
#define SAMPLE_ORIGIN "log.example/sample"
#define SAMPLE_BIG_LEN 70000
#define SAMPLE_VKEY_MAX 400

struct sample_entry {
    struct buf leaf;
    struct hash hash;
    uint8_t salt[SALT_LEN];
    struct slice value; /* puts */
};

/* What is wrong in the maps of a log whose owner lies, of the key alpha. */
enum sample_lie {
    SAMPLE_HONEST,
    SAMPLE_OTHER_KEY, /* its newest version is said to be an entry of beta */
    SAMPLE_DELETED,   /* its newest version is said to be a deletion */
};

struct sample {
    enum sample_lie lie;
    struct sample_entry entries[SAMPLE_ENTRIES];
    uint8_t big[SAMPLE_BIG_LEN];
    struct signing_key key;
    struct signing_key witness;
    char vkey[SAMPLE_VKEY_MAX];
    char witness_vkey[SAMPLE_VKEY_MAX];
};

/* What a file is to say; zeros are left out, but for seq and the head. */
struct sample_file {
    uint64_t head_size;
    uint64_t seq;
    bool with_value;
    bool with_block;
    bool with_key; /* KEY, MAP and, where it belongs, GAP */
    bool with_history;
    bool cosigned;
    uint32_t range_count; /* chunks of gamma, from range_first on */
    uint64_t range_first;
    uint64_t redaction; /* seq of the redact entry */
    const char *key;    /* with_key; NULL: that of the entry */
};

void sample_init(struct sample *s);
void sample_init_lying(struct sample *s, enum sample_lie lie);
void sample_deinit(struct sample *s);

/* The parts that a writer of proof files needs. */
void sample_root(const struct sample *s, uint64_t size, struct hash *out);
void sample_path(const struct sample *s, uint64_t seq, uint64_t size, struct proof *out);
void sample_note(const struct sample *s, uint64_t size, bool cosigned, struct buf *out);
/* The proof of the map of [0, map_size) for a key. */
void sample_map_proof(const struct sample *s, uint64_t map_size, const char *key,
                      struct map_proof *out);

/* Appends the evidence, or the whole file. */
void sample_evidence(const struct sample *s, const struct sample_file *file, struct buf *out);
void sample_write(const struct sample *s, const struct sample_file *file, struct buf *out);
/* Appends a file around evidence that was made elsewhere. */
void sample_wrap(const struct sample *s, const struct sample_file *file, struct slice evidence,
                 struct buf *out);
