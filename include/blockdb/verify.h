/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libblockdb-verify: checks what a BlockDB, or another C2SP transparency log, claims.
 *
 * For clients, auditors and bindings to other languages. Whoever checks needs the public key of the
 * log, or a policy that also names witnesses, and trusts nobody else: not the server, not the file
 * that a proof came in. The usual call is blockdb_verify_proof_file(); the rest are the parts it is
 * made of, for programs that follow a log.
 *
 *     const char *keys[] =
 * {"example.org/log+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"}; struct blockdb_trust
 * trust = BLOCKDB_TRUST_INIT; trust.keys = keys; trust.key_count = 1;
 *
 * Words: an *entry* is one record of the log, numbered by its *seq* from 0; its *leaf* is the
 * public record of it that the tree commits to, and holds the commitment to a value, never the
 * value; a *head*, or checkpoint, is the signed size and root of the tree. Formats are in
 * docs/format/.
 *
 * Errors:    each function returns 0 or a negative enum blockdb_status; err, where there is one,
 *            receives a sentence and may be NULL. On failure outputs are untouched, unless said
 *            otherwise.
 *                BLOCKDB_ETAMPERED     what was claimed is not proven: a signature, hash or
 *                                      commitment is wrong, or an expectation is not met
 *                BLOCKDB_ECORRUPT      the bytes have not the form they should have
 *                BLOCKDB_EVERSION      they may be right, but were written by a newer version
 *                BLOCKDB_ELIMIT        something is larger than anything genuine, or than scratch
 *                BLOCKDB_EINVAL        the caller's own arguments, keys or policy are wrong
 *                BLOCKDB_EUNSUPPORTED  signatures cannot be checked: libcrypto is missing, or a key
 *                                      is of an unknown type
 *            Only 0 means proven; no input makes a function crash or read outside of it.
 * Memory:    nothing is allocated (but by libcrypto, for itself, when it is loaded for the first
 *            signature); the stack needs 64 KiB. No file is read, no clock, no network.
 * Threads:   any thread; functions share nothing.
 * Ownership: inputs are borrowed for the call; outputs of type `struct blockdb_bytes`, and pointers
 *            in outputs, point into the inputs and live as long as those.
 * Structs that carry a `size` field: set it to sizeof the struct; the INIT macros do. Later
 * versions only append fields, so that programs built against an older header keep working.
 */
#ifndef BLOCKDB_VERIFY_H
#define BLOCKDB_VERIFY_H

#include <blockdb/status.h>
#include <blockdb/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default) /* all that follows is public */

/* len bytes at data, borrowed; data may be NULL when len is 0. */
struct blockdb_bytes {
    const uint8_t *data;
    size_t len;
};

/* ---- Whom to trust ------------------------------------------------------------------------- */

#define BLOCKDB_TRUST_KEYS_MAX 64

/* Keys are texts as C2SP signed-note writes them: NAME+ID+BASE64. */
struct blockdb_trust {
    size_t size;
    /* Keys of which at least one of type Ed25519 must have signed. While a key is being replaced a
     * log has two. Keys of witnesses (cosignature/v1) may be among them: they are not demanded, but
     * a wrong cosignature is refused. */
    const char *const *keys;
    size_t key_count;
    /* A tlog-policy, or NULL: must be fulfilled. It lists logs, witnesses and a quorum of these;
     * when it lists logs, keys may be empty. */
    const char *policy;
    size_t policy_len;
    /* The origin that heads must have. NULL: the name of the key that signed. */
    const char *origin;
};
#define BLOCKDB_TRUST_INIT                                                                         \
    {                                                                                              \
        .size = sizeof(struct blockdb_trust)                                                       \
    }

/* ---- Notes and heads ----------------------------------------------------------------------- */

/* A signed note that was verified. */
struct blockdb_note {
    struct blockdb_bytes text; /* what was signed, with its last newline */
    uint64_t signed_by;        /* bit i: key i */
    size_t signature_count;    /* all signatures on the note, those of unknown keys included */
};

/* Verifies a note (C2SP signed-note) of any text: at least one of the keys has signed it, and every
 * signature of these keys is valid. (Keys of witnesses sign heads only.) */
int blockdb_verify_note(const void *note, size_t len, const char *const *keys, size_t key_count,
                        struct blockdb_note *out_note, struct blockdb_error *err);

/* A signed head that was verified. */
struct blockdb_checkpoint {
    struct blockdb_bytes origin;
    uint64_t tree_size; /* entries */
    uint8_t root[BLOCKDB_HASH_LEN];
    uint64_t signed_by;       /* bit i: trust->keys[i] */
    size_t signature_count;   /* all signatures, those of unknown keys included */
    unsigned witness_count;   /* witnesses of the policy that cosigned */
    uint64_t witnesses;       /* bit i: witness i of the policy, in its order */
    uint64_t witnessed_s;     /* seconds since 1970 of the latest of these cosignatures, or 0 */
    bool is_policy_fulfilled; /* trust had a policy, and the head fulfils it */
};

/* Verifies a head (C2SP tlog-checkpoint) as trust demands. */
int blockdb_verify_checkpoint(const void *note, size_t len, const struct blockdb_trust *trust,
                              struct blockdb_checkpoint *out_head, struct blockdb_error *err);

/* ---- The tree (RFC 6962) ------------------------------------------------------------------- */

/* Hashes of a proof are joined: count * BLOCKDB_HASH_LEN bytes. */

/* The leaf hash of a leaf: SHA-256(0x00 || leaf). */
void blockdb_hash_leaf(const void *leaf, size_t len, uint8_t out_hash[BLOCKDB_HASH_LEN]);

struct blockdb_inclusion {
    uint64_t index; /* of the leaf */
    uint64_t tree_size;
    const uint8_t *leaf_hash;
    const uint8_t *root;
};
/* Whether a proof shows that a leaf is in a tree: 0 or ETAMPERED. */
int blockdb_verify_inclusion(const struct blockdb_inclusion *claim, const uint8_t *hashes,
                             size_t count);

struct blockdb_consistency {
    uint64_t old_size;
    uint64_t new_size;
    const uint8_t *old_root;
    const uint8_t *new_root;
};
/* Whether a proof shows that a tree continues an older one: 0 or ETAMPERED. Nothing can be shown
 * for old_size 0, and it is refused. */
int blockdb_verify_consistency(const struct blockdb_consistency *claim, const uint8_t *hashes,
                               size_t count);

/* A tree that grows: what is needed to append leaves and to know the root. Its fields are the
 * library's; it may be copied. */
struct blockdb_tree {
    uint64_t size;
    uint8_t peaks[64][BLOCKDB_HASH_LEN];
};
void blockdb_tree_init(struct blockdb_tree *tree);
void blockdb_tree_append(struct blockdb_tree *tree, const uint8_t leaf_hash[BLOCKDB_HASH_LEN]);
void blockdb_tree_root(const struct blockdb_tree *tree, uint8_t out_root[BLOCKDB_HASH_LEN]);

/* Takes the first leaf off *bundle, an entry bundle (C2SP tlog-tiles) or what is left of one, and
 * moves *bundle behind it. ENOTFOUND: nothing is left. ECORRUPT: it ends within a leaf. */
int blockdb_bundle_next(struct blockdb_bytes *bundle, struct blockdb_bytes *out_leaf);

/* ---- Entries and blocks -------------------------------------------------------------------- */

/* What the leaf of an entry says. */
struct blockdb_entry {
    enum blockdb_kind kind;
    uint32_t collection;
    uint64_t time_ms;             /* of the commit, since 1970 */
    uint32_t batch_position;      /* place in its batch, from 0 ... */
    uint32_t batch_count;         /* ... of so many entries that were committed together */
    struct blockdb_bytes actor;   /* who wrote, as authentication named them; may be empty */
    const uint8_t *client_id;     /* BLOCKDB_CLIENT_ID_LEN bytes of the request, or NULL */
    uint64_t request;             /* number of the client's request */
    struct blockdb_bytes key;     /* puts and deletions */
    uint64_t value_len;           /* of the value, or of the payload */
    const uint8_t *commitment;    /* puts: to the value, BLOCKDB_HASH_LEN bytes; else NULL */
    struct blockdb_bytes payload; /* other kinds: what they say */
};
/* Decodes a leaf (docs/format/entry.md). ECORRUPT, EVERSION. */
int blockdb_decode_entry(const void *leaf, size_t len, struct blockdb_entry *out_entry,
                         struct blockdb_error *err);

/* The header of a block, itself the entry tree_size of the log. */
struct blockdb_header {
    uint64_t height;
    uint64_t first_seq;
    uint64_t count;     /* entries of the block, without the header */
    uint64_t tree_size; /* first_seq + count: the seq of the header */
    uint64_t map_size;  /* entries that the map of newest versions reflects; 0: it says nothing */
    uint64_t time_ms;
    uint64_t term;
    uint8_t hash[BLOCKDB_HASH_LEN];       /* of this header: its leaf hash */
    uint8_t previous[BLOCKDB_HASH_LEN];   /* of the header before; zeros at height 0 */
    uint8_t block_root[BLOCKDB_HASH_LEN]; /* of the tree of this block's leaves alone */
    uint8_t tree_root[BLOCKDB_HASH_LEN];  /* of the tree of tree_size leaves */
    uint8_t map_root[BLOCKDB_HASH_LEN];
};
/* Decodes the leaf of a header. ECORRUPT also for an entry of another kind; EVERSION. */
int blockdb_decode_header(const void *leaf, size_t len, struct blockdb_header *out_header,
                          struct blockdb_error *err);
/* Whether next continues previous (NULL: next must be the first block): its height, its link, where
 * it starts, and that time, term and map do not go back. Both come from blockdb_decode_header().
 * ETAMPERED says what is wrong. */
int blockdb_verify_header_link(const struct blockdb_header *previous,
                               const struct blockdb_header *next, struct blockdb_error *err);

/* An order to erase a value: what the payload of a redact entry says. */
struct blockdb_redaction {
    uint64_t seq;     /* of the redact entry; BLOCKDB_SEQ_NONE from blockdb_decode_redaction() */
    uint64_t time_ms; /* of that entry; 0 from blockdb_decode_redaction() */
    struct blockdb_bytes actor; /* of that entry; empty from blockdb_decode_redaction() */
    uint64_t target_seq;        /* the entry whose value is erased */
    uint8_t target_leaf_hash[BLOCKDB_HASH_LEN];
    unsigned reason_code; /* 0 not said, 1 person asked, 2 legal order, 3 retention ended,
                             4 recorded in error, 5 other */
    struct blockdb_bytes reason;
    struct blockdb_bytes authority; /* what allows it */
};
/* Decodes the payload of an entry of kind redact. ECORRUPT, EVERSION. */
int blockdb_decode_redaction(const void *payload, size_t len,
                             struct blockdb_redaction *out_redaction, struct blockdb_error *err);

/* ---- Values -------------------------------------------------------------------------------- */

/* Whether a put's commitment is to this value with this salt (BLOCKDB_SALT_LEN bytes). ETAMPERED
 * says if the length or the bytes differ; EINVAL: the entry is no put. */
int blockdb_verify_value(const struct blockdb_entry *entry, const uint8_t *salt, const void *value,
                         size_t len, struct blockdb_error *err);

/* Longer values are committed to in chunks, which can be shown one by one. */
#define BLOCKDB_VALUE_WHOLE_MAX 65536
#define BLOCKDB_CHUNK_LEN 16384

struct blockdb_chunk {
    uint64_t index;             /* its bytes begin at index * BLOCKDB_CHUNK_LEN of the value */
    const uint8_t *salt;        /* BLOCKDB_SALT_LEN bytes, of this chunk alone */
    struct blockdb_bytes bytes; /* BLOCKDB_CHUNK_LEN, or what is left at the end of the value */
    const uint8_t *hashes;      /* its inclusion in the tree of all chunks */
    size_t hash_count;
};
/* Whether a chunk is a part of a put's value. ETAMPERED; EINVAL: the entry is no put, or its value
 * has no chunks. */
int blockdb_verify_chunk(const struct blockdb_entry *entry, const struct blockdb_chunk *chunk,
                         struct blockdb_error *err);

/* ---- The map of newest versions ------------------------------------------------------------ */

/* What the map says of a key: of all entries below the map_size of the header it was verified
 * against, and of no later ones. */
struct blockdb_map_result {
    bool is_present;        /* false: the key was never put or deleted; nothing below counts then */
    bool is_deleted;        /* the newest version is a deletion */
    bool is_redacted;       /* the value of the newest version was erased */
    uint64_t seq;           /* of the newest version */
    uint64_t version_count; /* puts and deletions */
    uint8_t leaf_hash[BLOCKDB_HASH_LEN]; /* of the entry that is the newest version */
    uint8_t chain[BLOCKDB_HASH_LEN];     /* over all versions: blockdb_history_link() */
};

struct blockdb_map_claim {
    const struct blockdb_header *header;
    uint32_t collection;
    struct blockdb_bytes key;
};
/* Verifies a proof (docs/format/map.md) against the map of a header. ETAMPERED; ECORRUPT; EINVAL:
 * the header has no map. */
int blockdb_verify_map(const struct blockdb_map_claim *claim, const void *proof, size_t len,
                       struct blockdb_map_result *out_result, struct blockdb_error *err);

/* The chain behind one more version of a key, in place. Starts with zeros; over all versions in the
 * order of seq it gives the chain of the map. */
void blockdb_history_link(uint8_t chain[BLOCKDB_HASH_LEN], uint64_t seq,
                          const uint8_t leaf_hash[BLOCKDB_HASH_LEN]);

/* ---- Proof files --------------------------------------------------------------------------- */

/* What a C2SP tlog-proof shows: that a leaf is in a signed head. */
struct blockdb_tlog_result {
    struct blockdb_checkpoint head;
    uint64_t index;             /* of the leaf */
    struct blockdb_bytes extra; /* base64 as it stands in the file, not verified; may be empty */
};
/* Verifies a tlog-proof of any log, for a leaf that the caller knows from elsewhere. */
int blockdb_verify_tlog_proof(const void *file, size_t len, const struct blockdb_trust *trust,
                              const uint8_t leaf_hash[BLOCKDB_HASH_LEN],
                              struct blockdb_tlog_result *out_result, struct blockdb_error *err);

/* A proof file of BlockDB. */
struct blockdb_proof_file {
    const void *text;
    size_t len;
    /* Memory of the caller where the evidence in the file is unpacked.
     * BLOCKDB_PROOF_SCRATCH_LEN(len) bytes are always enough. Must not overlap the text, and live
     * as long as the report. */
    void *scratch;
    size_t scratch_len;
};
#define BLOCKDB_PROOF_SCRATCH_LEN(len) ((len) / 4 * 3)

enum blockdb_require {
    BLOCKDB_REQUIRE_VALUE = 1 << 0,   /* the whole value is disclosed and proven, at once or
                                         in a range of all its chunks */
    BLOCKDB_REQUIRE_BLOCK = 1 << 1,   /* the block of the entry is proven */
    BLOCKDB_REQUIRE_NEWEST = 1 << 2,  /* the key's newest version, or absence, is proven */
    BLOCKDB_REQUIRE_HISTORY = 1 << 3, /* ... and all its versions are shown */
};

/* What the caller asked for, so that a genuine proof of something else is refused. Whoever asked
 * for a key sets `key`: a proof that it is absent is easily turned into one that another key is. */
struct blockdb_expectations {
    size_t size;
    uint64_t seq;    /* the entry; BLOCKDB_SEQ_NONE: any */
    const void *key; /* the key of the entry, or that is absent; NULL: any */
    size_t key_len;
    uint32_t collection; /* of the key */
    const void *value;   /* the value; must be disclosed whole. NULL: any. Not NULL with length 0:
                            the empty value */
    size_t value_len;
    unsigned require; /* enum blockdb_require */
    /* A head that was verified before under the same trust. When the file has the same (origin,
     * size and root), its signatures are not checked again; what the report says of signers is
     * copied from here. Its origin must still be there. NULL: none. */
    const struct blockdb_checkpoint *known_head;
};
#define BLOCKDB_EXPECTATIONS_INIT                                                                  \
    {                                                                                              \
        .size = sizeof(struct blockdb_expectations), .seq = BLOCKDB_SEQ_NONE                       \
    }

enum blockdb_value_state {
    BLOCKDB_VALUE_NOT_SHOWN = 0,
    BLOCKDB_VALUE_WHOLE = 1,
    BLOCKDB_VALUE_RANGE = 2, /* whole chunks of it: blockdb_proof_next_chunk() */
};

/* What is known of a key as of a head. */
enum blockdb_key_state {
    BLOCKDB_KEY_NOT_SHOWN = 0, /* the entry is in the log; whether it is the newest is not said */
    BLOCKDB_KEY_LIVE = 1,      /* the entry is a put, and the newest version of its key */
    BLOCKDB_KEY_DELETED = 2,   /* the entry is a deletion, and the newest version of its key */
    BLOCKDB_KEY_ABSENT = 3,    /* the key was never put or deleted */
};

/* Everything that a proof file proves; all of it was verified. Fields of what is not shown are
 * zero. */
struct blockdb_proof_report {
    size_t size;
    struct blockdb_checkpoint head;
    /* The entry; for an absent key the head's last block header. */
    uint64_t seq;
    struct blockdb_bytes leaf;
    uint8_t leaf_hash[BLOCKDB_HASH_LEN];
    struct blockdb_entry entry;
    /* The value of the entry. */
    enum blockdb_value_state value_state;
    struct blockdb_bytes value; /* when whole */
    uint64_t range_offset;      /* when a range */
    uint64_t range_len;
    struct blockdb_bytes range; /* for blockdb_proof_next_chunk() */
    /* The block of the entry, and the place in it, from 0. */
    bool has_block;
    struct blockdb_header block;
    uint64_t block_position;
    /* The key, when a statement about its newest version is proven. */
    enum blockdb_key_state key_state;
    uint32_t collection;
    struct blockdb_bytes key;
    uint64_t as_of_ms;            /* time of the head's last block header */
    uint64_t version_count;       /* puts and deletions of the key as of the head */
    bool is_redacted;             /* the map says that the value was erased */
    bool is_history_complete;     /* all versions are shown: blockdb_proof_next_version() */
    struct blockdb_bytes history; /* for blockdb_proof_next_version() */
    /* The entry that ordered the value of this one to be erased. */
    bool has_redaction;
    struct blockdb_redaction redaction;
};
#define BLOCKDB_PROOF_REPORT_INIT                                                                  \
    {                                                                                              \
        .size = sizeof(struct blockdb_proof_report)                                                \
    }

/* Verifies a proof file and tells what it proves. trust says whose signature counts; expect, which
 * may be NULL, what must be proven. The errors name line, section or hash. *out_report carries its
 * size already; it is untouched on failure, scratch is not. */
int blockdb_verify_proof_file(const struct blockdb_proof_file *file,
                              const struct blockdb_trust *trust,
                              const struct blockdb_expectations *expect,
                              struct blockdb_proof_report *out_report, struct blockdb_error *err);

/* One version of a key, from a complete history. */
struct blockdb_proof_version {
    uint64_t seq;
    struct blockdb_bytes leaf;
    struct blockdb_entry entry;
};
/* Takes the next version, the oldest first, off *history, a copy of report.history. False at the
 * end. */
bool blockdb_proof_next_version(struct blockdb_bytes *history,
                                struct blockdb_proof_version *out_version);
/* Takes the next piece of the value, from report.range_offset on, off *range, a copy of
 * report.range. False at the end. */
bool blockdb_proof_next_chunk(struct blockdb_bytes *range, struct blockdb_bytes *out_piece);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif
#endif
