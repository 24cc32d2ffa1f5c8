/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Evidence of an embedded database: signed heads, proofs, tiles, redaction.
 *
 * What these functions hand out can be checked by anyone, without this library and without trust in
 * whoever runs the database: by blockdb/verify.h, by `blockdb-cli verify-proof` and `audit`, or by
 * any program that knows the formats of C2SP (signed-note, tlog-checkpoint, tlog-tiles,
 * tlog-proof). BlockDB's own formats are in docs/format/.
 *
 * Only what is durable and ends in a block header is ever signed or proven. A "size" is a number of
 * entries; the tree of that size has the entries 0 .. size - 1 as leaves.
 *
 * Errors, threads, ownership and `size` fields: as in blockdb/blockdb.h.
 */
#ifndef BLOCKDB_EVIDENCE_H
#define BLOCKDB_EVIDENCE_H

#include <blockdb/blockdb.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default) /* all that follows is public */

/* ---- Signed heads -------------------------------------------------------------------------- */

/* The name of the log in its heads: the option origin, by default "blockdb/" and the ledger's id,
 * and from epoch 1 on "/epoch-" and its number. Borrowed until close. */
const char *blockdb_origin(const struct blockdb *db);
/* The newest signed head with all signatures collected for it, a note in the form of C2SP
 * tlog-checkpoint (text, no zero at its end; version is not used). ENOTFOUND: none was signed. */
int blockdb_checkpoint_get(struct blockdb *db, struct blockdb_value *out_note,
                           struct blockdb_error *err);
/* Ends the open block, makes everything committed so far durable and signs the head that covers
 * it, or returns the newest signed head when it does already. EUNSUPPORTED: no signing key is
 * configured. ETAMPERED: the log is shorter than, or differs from, what was signed before; nothing
 * is signed then. EREADONLY. */
int blockdb_checkpoint_sign(struct blockdb *db, struct blockdb_value *out_note,
                            struct blockdb_error *err);
/* Adds signature lines, each ending in a newline, to the signed head of `size` entries, for
 * example cosignatures of witnesses. Lines that are there already are not added again. ENOTFOUND:
 * that head is not the newest any more. The caller has checked them; EINVAL only for what is no
 * signature line. */
int blockdb_checkpoint_cosign(struct blockdb *db, uint64_t size, const void *lines, size_t len,
                              struct blockdb_error *err);

/* ---- Tiles and entry bundles (C2SP tlog-tiles) --------------------------------------------- */

#define BLOCKDB_TILE_WIDTH 256
#define BLOCKDB_TILE_LEN (BLOCKDB_TILE_WIDTH * BLOCKDB_HASH_LEN)

/* Reads the first `width` hashes (1 to BLOCKDB_TILE_WIDTH) of tile `index` of a level into out,
 * width * BLOCKDB_HASH_LEN bytes. ENOTFOUND when the sealed log has not so many; EINVAL: there is
 * no such level or width. */
int blockdb_tile_read(struct blockdb *db, unsigned level, uint64_t index, unsigned width,
                      uint8_t *out, struct blockdb_error *err);
/* Builds the entry bundle of the first `width` entries of tile `index` of level 0. Errors as above;
 * ETAMPERED: an entry does not match its hash in the tile. */
int blockdb_bundle_read(struct blockdb *db, uint64_t index, unsigned width,
                        struct blockdb_value *out_bundle, struct blockdb_error *err);

/* ---- Proofs -------------------------------------------------------------------------------- */

#define BLOCKDB_PROOF_HASHES_MAX 65

/* The hashes of an RFC 6962 proof, in its order. */
struct blockdb_proof {
    size_t count;
    uint8_t hashes[BLOCKDB_PROOF_HASHES_MAX][BLOCKDB_HASH_LEN];
};

/* Proves that entry seq is in the tree of `size` entries. EINVAL unless seq < size; ENOTFOUND when
 * size is more than what is sealed. */
int blockdb_prove_inclusion(struct blockdb *db, uint64_t seq, uint64_t size,
                            struct blockdb_proof *out_proof, struct blockdb_error *err);
/* Proves that the tree of new_size entries continues that of old_size. EINVAL unless 0 < old_size
 * <= new_size. */
int blockdb_prove_consistency(struct blockdb *db, uint64_t old_size, uint64_t new_size,
                              struct blockdb_proof *out_proof, struct blockdb_error *err);
/* Proves that entry seq is in its block: the path to block_root of *out_block, in the tree of its
 * count leaves, from place seq - first_seq. ENOTFOUND when seq is not sealed; EINVAL: it is a
 * block's header, which is in no block. ETAMPERED: the ledger was changed. */
int blockdb_prove_in_block(struct blockdb *db, uint64_t seq, struct blockdb_block *out_block,
                           struct blockdb_proof *out_proof, struct blockdb_error *err);

struct blockdb_prove_options {
    size_t size;
    bool without_value;    /* prove the entry, do not disclose its value */
    bool with_history;     /* prove_key: every version's entry, and that there is no other */
    uint64_t range_offset; /* with range_len > 0: disclose only these bytes of a value that is */
    uint64_t range_len;    /* longer than 65536 bytes, widened to whole chunks of 16384;
                              all bytes: as without a range */
    bool with_block;       /* prove_entry: prove its block, too, and its place in that */
};
#define BLOCKDB_PROVE_OPTIONS_INIT                                                                 \
    {                                                                                              \
        .size = sizeof(struct blockdb_prove_options)                                               \
    }

/* Writes a proof file for entry seq: C2SP tlog-proof text against the newest signed head (signing
 * one first when that does not cover seq), with the entry, its value and salt in its extra
 * line; docs/format/proof.md. The proof of a redacted entry has the redaction in place of the
 * value. EINVAL: a range that the value does not have, or of a value that is not longer than 65536
 * bytes. EUNSUPPORTED: nothing is signed and no key is configured. options may be NULL. */
int blockdb_prove_entry(struct blockdb *db, uint64_t seq,
                        const struct blockdb_prove_options *options, struct blockdb_value *out_file,
                        struct blockdb_error *err);
/* The same for a key: proves its newest version, or that it has none, as of a head that covers all
 * its versions there are when this is called. Needs the option proof_map; EUNSUPPORTED without.
 * Others may write the key all the while; sealing then waits for the map until the head is signed.
 * EBUSY: the map is still being built; ask again. */
int blockdb_prove_key(struct blockdb *db, const void *key, size_t key_len,
                      const struct blockdb_prove_options *options, struct blockdb_value *out_file,
                      struct blockdb_error *err);

/* ---- Redaction ----------------------------------------------------------------------------- */

struct blockdb_redact_options {
    size_t size;
    unsigned reason_code;  /* 0 not said, 1 person asked, 2 legal order, 3 retention ended,
                              4 recorded in error, 5 other */
    const char *reason;    /* text of at most 1024 bytes, or NULL; it is public and for ever */
    const char *authority; /* what allows it, as reason */
    blockdb_progress_cb progress;
    void *progress_arg;
};
#define BLOCKDB_REDACT_OPTIONS_INIT                                                                \
    {                                                                                              \
        .size = sizeof(struct blockdb_redact_options)                                              \
    }

/* Appends a redaction of version seq of key, and erases value and salt of that version from every
 * file and memory of this database before it returns: WAL, memtables, tables, ledger, caches.
 * Backups and hard links made before are not reached. Reads of the version answer EREDACTED from
 * the moment the entry is visible; all proofs given before stay valid. ENOTFOUND: seq is no version
 * of key. EINVAL: it is a deletion. Redacting again appends nothing (*out_result is that of the
 * first time, with repeated set) and finishes what is left to erase. Waits for a verification or a
 * backup that runs. When the erasing is interrupted, also by progress (unit "steps"; ECANCELED) or
 * for lack of room, the version stays redacted, and it goes on at the next opening; reads that have
 * views from before are refused the value as well. docs/operate/redaction.md. */
int blockdb_redact(struct blockdb *db, const void *key, size_t key_len, uint64_t seq,
                   const struct blockdb_redact_options *options,
                   struct blockdb_write_result *out_result, struct blockdb_error *err);

/* A version to redact. */
struct blockdb_redact_target {
    const void *key;
    size_t key_len;
    uint64_t seq;
};
#define BLOCKDB_REDACT_MAX 4096

/* The same for 1 to BLOCKDB_REDACT_MAX versions, of one key or of several, with one reason. Either
 * all are redacted or, when one of them cannot be, none. Each file is written anew once, however
 * many of them it holds. *out_result tells the entries that were appended, one for each version, in
 * the order of their seqs; versions that were redacted before get none. When all of them were, it
 * is that of the first one, with repeated set. */
int blockdb_redact_many(struct blockdb *db, const struct blockdb_redact_target *targets,
                        size_t count, const struct blockdb_redact_options *options,
                        struct blockdb_write_result *out_result, struct blockdb_error *err);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif
#endif
