/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proof files of keys: the newest version, or that there is none, by the map of newest versions.
 *
 * The header of the newest signed head says what the map was at some size not far before; the
 * leaves from there on, the gap, are shown, so that whoever verifies sees that they do not touch
 * the key. Where they do, or the map is past that state, a newer header is needed: sealing keeps
 * step with the map while a new head is signed, so that its header tells of its own block.
 */
#include "base/mem.h"
#include "engine/db.h"
#include "engine/map.h"
#include "engine/prove_file.h"
#include "engine/read.h"
#include "engine/verify.h"
#include "ledger/block_header.h"
#include "ledger/map_hash.h"
#include "ledger/map_proof.h"
#include "ledger/merkle.h"
#include "ledger/redaction.h"

#include <inttypes.h>

/* How often a newer head is asked for: writers may touch the key again each time. */
#define ATTEMPTS 4
#define MAP_WAIT_NS (10 * 1000000000ULL)
#define COLLECTION 0

struct key_proof {
    struct proof_file file;
    struct slice key;
    struct proven_entry header; /* the last entry of the head */
    struct map_statement map;
    struct map_proof proof;
    enum map_answer answer;
};

static void key_proof_deinit(struct key_proof *k)
{
    proof_file_deinit(&k->file);
    proven_entry_deinit(&k->header);
}

/* ---- What is proven -------------------------------------------------------------------------- */

/* A head that covers the newest version there is now; a fresh one, with what the map knows now,
 * when an attempt has failed before. */
static int load_head(struct key_proof *k, bool fresh, struct error *err)
{
    struct blockdb_version_info newest = {0};
    int rc;

    if (fresh) {
        map_keep_up(k->file.db);
        rc = map_renew(k->file.db, MAP_WAIT_NS, err);
        if (rc == BLOCKDB_OK) {
            rc = proof_file_renew_head(&k->file, 0, err);
        }
        map_let_lag(k->file.db);
        return rc;
    }
    rc = read_newest_version(k->file.db, k->key, &newest, err);
    if (rc < 0 && rc != BLOCKDB_ENOTFOUND) {
        return rc;
    }
    return proof_file_load_head(&k->file, newest.seq, err);
}

static int load_header(struct key_proof *k, struct error *err)
{
    struct block_header header;
    int rc;

    proven_entry_deinit(&k->header);
    rc = proven_entry_load(k->file.db, k->file.head.size - 1, &k->header, err);
    if (rc < 0) {
        return rc;
    }
    rc = block_header_of_record(&k->header.record, &header);
    if (rc < 0) {
        return error_set(err, BLOCKDB_ETAMPERED,
                         "ledger '%s': entry %" PRIu64 ", the last of the signed head, is no block "
                         "header; run verify",
                         k->file.db->ledger_dir, k->header.seq);
    }
    k->map = map_statement_of(&header);
    return map_prove(k->file.db, &header, COLLECTION, k->key, &k->proof, err);
}

/* Head, header, what the map says, and the entry that the file is about. EBUSY: a newer head is
 * needed. */
static int load(struct key_proof *k, bool fresh, struct error *err)
{
    struct proof_file *f = &k->file;
    struct hash place;
    uint64_t size;
    int rc = load_head(k, fresh, err);

    if (rc == BLOCKDB_OK) {
        rc = load_header(k, err);
    }
    if (rc < 0) {
        return rc;
    }
    map_place(COLLECTION, k->key, &place);
    if (map_proof_verify(&k->proof, &k->map.root, &place, &k->answer) < 0) {
        return error_set(err, BLOCKDB_ETAMPERED,
                         "the map of newest versions in '%s' does not match header %" PRIu64
                         "; remove the folder map in there while the database is closed",
                         f->db->ledger_dir, k->header.seq);
    }
    size = f->head.size;
    rc = proof_file_load_entry(f, k->answer == MAP_PRESENT ? k->proof.leaf.seq : size - 1, err);
    if (rc == BLOCKDB_OK && f->head.size != size) {
        return error_set(err, BLOCKDB_EBUSY, "the key's newest version was redacted just now");
    }
    return rc;
}

/* ---- Sections -------------------------------------------------------------------------------- */

static int write_map(struct key_proof *k, struct error *err)
{
    uint8_t *bytes = mem_alloc(MAP_PROOF_LEN_MAX);
    struct evidence_map section;
    struct proof in_tree;
    int rc;

    if (bytes == NULL) {
        return error_set_no_memory(err);
    }
    rc = proof_file_prove(&k->file, &k->header, &in_tree, err);
    if (rc == BLOCKDB_OK) {
        map_proof_encode(&k->proof, bytes);
        section = (struct evidence_map){
            .header = buf_slice(&k->header.leaf),
            .in_tree = hash_list_of_proof(&in_tree),
            .map_proof = slice_of(bytes, map_proof_len(&k->proof)),
        };
        evidence_write_map(&k->file.writer, &section);
    }
    mem_free(bytes);
    return rc;
}

/* Whether an entry behind the map changes what it says of the key. */
static bool touches_key(const struct key_proof *k, const struct record *record)
{
    struct redaction redaction;

    if (record->kind == BLOCKDB_KIND_REDACT) {
        return k->answer == MAP_PRESENT && redaction_decode(record->value, &redaction) == 0 &&
               redaction.target_seq == k->proof.leaf.seq;
    }
    return record->collection == COLLECTION && slice_equal(record->key, k->key);
}

/* Adds the leaf of entry seq to the gap and to the tree. */
static int add_gap_entry(struct key_proof *k, uint64_t seq, struct frontier *tree,
                         struct error *err)
{
    struct proven_entry entry = {0};
    int rc = proven_entry_load(k->file.db, seq, &entry, err);

    if (rc == BLOCKDB_OK && touches_key(k, &entry.record)) {
        rc = error_set(err, BLOCKDB_EBUSY,
                       "entry %" PRIu64 " of the key is not yet in the map of newest versions; ask "
                       "again",
                       seq);
    }
    if (rc == BLOCKDB_OK) {
        evidence_add_gap_leaf(&k->file.writer, buf_slice(&entry.leaf));
        frontier_append(tree, &entry.hash);
    }
    proven_entry_deinit(&entry);
    return rc;
}

static int write_gap(struct key_proof *k, struct error *err)
{
    struct proof_file *f = &k->file;
    struct frontier tree;
    struct hash root;
    uint64_t seq;
    int rc;

    if (k->map.size == f->head.size - 1) {
        return BLOCKDB_OK; /* the header alone, which is told anyway */
    }
    rc = verify_frontier(f->db, k->map.size, &tree, err);
    if (rc < 0) {
        return rc;
    }
    evidence_begin_gap(&f->writer, &tree);
    for (seq = k->map.size; rc == BLOCKDB_OK && seq < f->head.size; seq++) {
        rc = add_gap_entry(k, seq, &tree, err);
    }
    if (rc < 0) {
        return rc;
    }
    frontier_root(&tree, &root);
    if (!hash_equal(&root, &f->head.root)) {
        return error_set(err, BLOCKDB_ETAMPERED,
                         "ledger '%s': the entries from %" PRIu64
                         " on do not lead to the signed head of %" PRIu64 " entries; run verify",
                         f->db->ledger_dir, k->map.size, f->head.size);
    }
    return BLOCKDB_OK;
}

/* The seqs of all versions below the map's size, newest first, as many as the map counts. */
static int list_versions(struct key_proof *k, uint64_t *seqs, uint64_t *out_count,
                         struct error *err)
{
    struct blockdb_history_options options = BLOCKDB_HISTORY_OPTIONS_INIT;
    struct blockdb_history *history = NULL;
    uint64_t count = 0;
    int rc;

    options.before_seq = k->map.size;
    options.versions_only = true;
    rc = blockdb_history_new(k->file.db, k->key.data, k->key.len, &options, &history, err);
    while (rc == BLOCKDB_OK) {
        rc = blockdb_history_next(history, err);
        if (rc == BLOCKDB_OK && count < k->proof.leaf.versions) {
            seqs[count] = blockdb_history_version(history).seq;
        }
        count += rc == BLOCKDB_OK;
    }
    blockdb_history_free(history);
    *out_count = count;
    return rc == BLOCKDB_ENOTFOUND ? BLOCKDB_OK : rc;
}

static int add_versions(struct key_proof *k, const uint64_t *seqs, uint64_t count,
                        struct hash *chain, struct error *err)
{
    int rc = BLOCKDB_OK;

    evidence_begin_history(&k->file.writer);
    while (rc == BLOCKDB_OK && count > 0) {
        struct proven_entry entry = {0};

        rc = proven_entry_load(k->file.db, seqs[--count], &entry, err);
        if (rc == BLOCKDB_OK) {
            evidence_add_version(&k->file.writer, entry.seq, buf_slice(&entry.leaf));
            map_chain(chain, entry.seq, &entry.hash, chain);
        }
        proven_entry_deinit(&entry);
    }
    return rc;
}

static int write_history(struct key_proof *k, struct error *err)
{
    AUTO(mem_free_ptr) uint64_t *seqs = NULL;
    uint64_t versions = k->proof.leaf.versions;
    struct hash chain = {0};
    uint64_t count;
    int rc;

    if (!k->file.options->with_history || k->answer != MAP_PRESENT) {
        return BLOCKDB_OK;
    }
    seqs = mem_calloc(versions, sizeof(*seqs));
    if (seqs == NULL) {
        return error_set_no_memory(err);
    }
    rc = list_versions(k, seqs, &count, err);
    if (rc == BLOCKDB_OK && count == versions) {
        rc = add_versions(k, seqs, count, &chain, err);
    }
    if (rc == BLOCKDB_OK && (count != versions || !hash_equal(&chain, &k->proof.leaf.chain))) {
        return error_set(err, BLOCKDB_ETAMPERED,
                         "the tables of '%s' know other versions of the key than the %" PRIu64
                         " that the map of newest versions counts; run verify",
                         k->file.db->dir, versions);
    }
    return rc;
}

static int write_sections(struct key_proof *k, struct error *err)
{
    struct proof_file *f = &k->file;
    int rc;

    proof_file_restart(f);
    proof_file_write_entry(f);
    rc = k->answer == MAP_PRESENT ? proof_file_write_value(f, err) : BLOCKDB_OK;
    if (rc == BLOCKDB_OK) {
        evidence_write_key(&f->writer, COLLECTION, k->key);
        rc = write_map(k, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = write_gap(k, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = write_history(k, err);
    }
    return rc < 0 ? rc : proof_file_write_redaction(f, err);
}

/* ---- The file -------------------------------------------------------------------------------- */

static int make_file(struct key_proof *k, struct blockdb_value *out_file, struct error *err)
{
    unsigned attempt = 0;
    int rc;

    do {
        rc = load(k, attempt > 0, err);
        if (rc == BLOCKDB_OK) {
            rc = write_sections(k, err);
        }
    } while (rc == BLOCKDB_EBUSY && ++attempt < ATTEMPTS);
    return rc < 0 ? rc : proof_file_finish(&k->file, out_file, err);
}

int blockdb_prove_key(struct blockdb *db, const void *key, size_t key_len,
                      const struct blockdb_prove_options *options, struct blockdb_value *out_file,
                      struct blockdb_error *err)
{
    struct key_proof *k;
    int rc;

    if (key_len == 0 || key_len > BLOCKDB_KEY_MAX) {
        return error_set(err, BLOCKDB_EINVAL, "a key of %zu bytes; keys have 1 to %d bytes",
                         key_len, BLOCKDB_KEY_MAX);
    }
    k = mem_calloc(1, sizeof(*k));
    if (k == NULL) {
        return error_set_no_memory(err);
    }
    k->key = slice_of(key, key_len);
    proof_file_init(&k->file, db, options);
    rc = make_file(k, out_file, err);
    key_proof_deinit(k);
    mem_free(k);
    return rc;
}
