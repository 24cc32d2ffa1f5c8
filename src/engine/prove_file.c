/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/prove_file.h"

#include "base/mem.h"
#include "engine/db.h"
#include "engine/prove.h"
#include "engine/read.h"
#include "engine/redact.h"
#include "ledger/checkpoint.h"
#include "ledger/commitment.h"
#include "ledger/leaf.h"
#include "ledger/merkle.h"
#include "ledger/tlog_proof.h"

#include <inttypes.h>

void proof_file_init(struct proof_file *f, struct blockdb *db,
                     const struct blockdb_prove_options *options)
{
    static const struct blockdb_prove_options usual = BLOCKDB_PROVE_OPTIONS_INIT;

    *f = (struct proof_file){.db = db, .options = options != NULL ? options : &usual};
    proof_file_restart(f);
}

void proof_file_restart(struct proof_file *f)
{
    buf_reset(&f->extra);
    evidence_writer_init(&f->writer, &f->extra);
}

void proof_file_deinit(struct proof_file *f)
{
    blockdb_value_deinit(&f->head.note);
    proven_entry_deinit(&f->entry);
    buf_deinit(&f->extra);
}

/* ---- Entries and heads ----------------------------------------------------------------------- */

static int derive_leaf(struct proven_entry *entry)
{
    const struct record *record = &entry->record;
    struct leaf leaf;
    size_t len;

    if (record->salt != NULL) {
        commitment_compute(record->salt, record->value, &entry->commitment);
    } else if (record->commitment != NULL) {
        entry->commitment = *record->commitment;
    }
    leaf = leaf_of_record(record, &entry->commitment);
    len = leaf_len(&leaf);
    if (buf_reserve(&entry->leaf, len) < 0) {
        return BLOCKDB_ENOMEM;
    }
    leaf_encode(&leaf, entry->leaf.data);
    entry->leaf.len = len;
    merkle_leaf(buf_slice(&entry->leaf), &entry->hash);
    return BLOCKDB_OK;
}

int proven_entry_load(struct blockdb *db, uint64_t seq, struct proven_entry *out, struct error *err)
{
    int rc = read_ledger_record(db, seq, &out->held, &out->record, err);

    if (rc == BLOCKDB_ENOTFOUND) {
        return error_set(err, BLOCKDB_ECORRUPT, "ledger '%s': entry %" PRIu64 " is missing",
                         db->ledger_dir, seq);
    }
    if (rc < 0) {
        return rc;
    }
    segment_record_keep(&out->held);
    out->seq = seq;
    return derive_leaf(out) < 0 ? error_set_no_memory(err) : BLOCKDB_OK;
}

void proven_entry_deinit(struct proven_entry *entry)
{
    segment_record_release(&entry->held);
    buf_deinit(&entry->leaf);
    *entry = (struct proven_entry){0};
}

static int parse_head(struct proven_head *head, struct error *err)
{
    AUTO(mem_free_ptr) struct note *note = mem_alloc(sizeof(*note));
    struct checkpoint checkpoint;
    int rc;

    if (note == NULL) {
        return error_set_no_memory(err);
    }
    rc = checkpoint_parse_note(slice_of(head->note.data, head->note.len), note, &checkpoint, err);
    if (rc < 0) {
        return error_wrap(err, rc, "the signed head of this database");
    }
    head->size = checkpoint.size;
    head->root = checkpoint.root;
    return BLOCKDB_OK;
}

int proof_file_renew_head(struct proof_file *f, uint64_t seq, struct error *err)
{
    int rc = blockdb_checkpoint_sign(f->db, &f->head.note, err);

    if (rc == BLOCKDB_OK) {
        rc = parse_head(&f->head, err);
    }
    if (rc == BLOCKDB_OK && f->head.size <= seq) {
        return error_set(err, BLOCKDB_ENOTFOUND,
                         "entry %" PRIu64 " is not below the newest signed head, of %" PRIu64
                         " entries",
                         seq, f->head.size);
    }
    return rc < 0 ? rc : prove_check_size(f->db, f->head.size, err);
}

int proof_file_load_head(struct proof_file *f, uint64_t seq, struct error *err)
{
    int rc = blockdb_checkpoint_get(f->db, &f->head.note, err);

    if (rc == BLOCKDB_OK) {
        rc = parse_head(&f->head, err);
    }
    if (rc == BLOCKDB_ENOTFOUND || (rc == BLOCKDB_OK && f->head.size <= seq)) {
        return proof_file_renew_head(f, seq, err);
    }
    return rc < 0 ? rc : prove_check_size(f->db, f->head.size, err);
}

/* PROVE-2: the record does not say yet what is pending. */
static int judge_redaction(struct proof_file *f, struct error *err)
{
    const struct proven_entry *entry = &f->entry;

    f->is_hidden = (entry->record.flags & RECORD_REDACTED) != 0;
    if (f->is_hidden) {
        f->redact_seq = entry->record.redact_seq;
    } else {
        f->is_hidden = redact_is_pending(f->db, entry->seq, &f->redact_seq);
    }
    if (f->is_hidden && f->redact_seq == BLOCKDB_SEQ_NONE) {
        return error_set(err, BLOCKDB_EBUSY,
                         "entry %" PRIu64 " is being redacted at this moment; ask again",
                         entry->seq);
    }
    return BLOCKDB_OK;
}

int proof_file_load_entry(struct proof_file *f, uint64_t seq, struct error *err)
{
    int rc;

    proven_entry_deinit(&f->entry);
    rc = proven_entry_load(f->db, seq, &f->entry, err);
    if (rc == BLOCKDB_OK) {
        rc = judge_redaction(f, err);
    }
    if (rc == BLOCKDB_OK && f->is_hidden && f->redact_seq >= f->head.size) {
        rc = proof_file_load_head(f, f->redact_seq, err);
    }
    return rc;
}

int proof_file_prove(struct proof_file *f, const struct proven_entry *entry, struct proof *out,
                     struct error *err)
{
    struct inclusion claim = {
        .index = entry->seq, .size = f->head.size, .leaf = &entry->hash, .root = &f->head.root};
    struct subtree_reader reader;
    struct hash_source source;
    int rc;

    subtree_reader_init(&reader, f->db);
    source = subtree_source(&reader);
    rc = proof_inclusion(&source, entry->seq, f->head.size, out, err);
    if (rc == BLOCKDB_OK && inclusion_verify(&claim, out->hashes, out->count) < 0) {
        rc = error_set(err, BLOCKDB_ETAMPERED,
                       "ledger '%s': entry %" PRIu64 " is not in the signed head of %" PRIu64
                       " entries; run verify",
                       f->db->ledger_dir, entry->seq, f->head.size);
    }
    return rc;
}

/* ---- Sections -------------------------------------------------------------------------------- */

void proof_file_write_entry(struct proof_file *f)
{
    evidence_write_entry(&f->writer, buf_slice(&f->entry.leaf));
}

static int check_range(const struct proof_file *f, struct error *err)
{
    uint64_t len = f->entry.record.value.len;
    uint64_t offset = f->options->range_offset;

    if (len <= COMMITMENT_WHOLE_MAX) {
        return error_set(err, BLOCKDB_EINVAL,
                         "the value of entry %" PRIu64 " has %" PRIu64
                         " byte%s; parts can be proven of values longer than %u",
                         f->entry.seq, len, len == 1 ? "" : "s", COMMITMENT_WHOLE_MAX);
    }
    if (offset > len || f->options->range_len > len - offset) {
        return error_set(err, BLOCKDB_EINVAL,
                         "the value of entry %" PRIu64 " has %" PRIu64 " bytes; the range %" PRIu64
                         ":%" PRIu64 " ends beyond them",
                         f->entry.seq, len, offset, f->options->range_len);
    }
    return BLOCKDB_OK;
}

static struct slice chunk_of(struct slice value, uint64_t index)
{
    size_t at = (size_t)index * COMMITMENT_CHUNK_LEN;
    size_t left = value.len - at;

    return slice_of(value.data + at, left < COMMITMENT_CHUNK_LEN ? left : COMMITMENT_CHUNK_LEN);
}

/* Adds the chunks [first, end) with their paths; leaves are the hashes of all chunks. */
static int add_chunks(struct proof_file *f, struct hash *leaves, uint64_t first, uint64_t end,
                      struct error *err)
{
    struct slice value = f->entry.record.value;
    uint64_t count = commitment_chunk_count(value.len);
    struct hash_source source = prove_memory_source(leaves);
    uint64_t i;

    for (i = first; i < end; i++) {
        uint8_t salt[SALT_LEN];
        struct proof proof;
        int rc = proof_inclusion(&source, i, count, &proof, err);

        if (rc < 0) {
            return rc;
        }
        commitment_chunk_salt(f->entry.record.salt, i, salt);
        evidence_add_chunk(&f->writer, salt, chunk_of(value, i), hash_list_of_proof(&proof));
    }
    return BLOCKDB_OK;
}

static int write_range(struct proof_file *f, struct error *err)
{
    struct slice value = f->entry.record.value;
    uint64_t count = commitment_chunk_count(value.len);
    AUTO(mem_free_ptr) struct hash *leaves = NULL;
    uint64_t first = f->options->range_offset / COMMITMENT_CHUNK_LEN;
    uint64_t end = commitment_chunk_count(f->options->range_offset + f->options->range_len);
    uint64_t i;
    int rc = check_range(f, err);

    if (rc < 0) {
        return rc;
    }
    leaves = mem_alloc(count * sizeof(*leaves));
    if (leaves == NULL) {
        return error_set_no_memory(err);
    }
    for (i = 0; i < count; i++) {
        uint8_t salt[SALT_LEN];

        commitment_chunk_salt(f->entry.record.salt, i, salt);
        commitment_chunk_hash(salt, chunk_of(value, i), &leaves[i]);
    }
    evidence_begin_range(&f->writer, value.len, first, (uint32_t)(end - first));
    return add_chunks(f, leaves, first, end, err);
}

/* A range of all bytes says no more than the value, and takes more to check. */
static bool is_all(const struct blockdb_prove_options *options, size_t value_len)
{
    return options->range_offset == 0 && options->range_len == value_len &&
           value_len > COMMITMENT_WHOLE_MAX;
}

int proof_file_write_value(struct proof_file *f, struct error *err)
{
    const struct record *record = &f->entry.record;

    if (record->salt == NULL || f->is_hidden || f->options->without_value) {
        return BLOCKDB_OK;
    }
    if (f->options->range_len > 0 && !is_all(f->options, record->value.len)) {
        return write_range(f, err);
    }
    evidence_write_value(&f->writer, record->salt, record->value);
    return BLOCKDB_OK;
}

int proof_file_write_redaction(struct proof_file *f, struct error *err)
{
    struct proven_entry order = {0};
    struct evidence_redaction section;
    struct proof in_tree;
    int rc;

    if (!f->is_hidden) {
        return BLOCKDB_OK;
    }
    rc = redact_check_entry(f->db, f->entry.seq, &f->entry.hash, f->redact_seq, err);
    if (rc == BLOCKDB_OK) {
        rc = proven_entry_load(f->db, f->redact_seq, &order, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = proof_file_prove(f, &order, &in_tree, err);
    }
    if (rc == BLOCKDB_OK) {
        section = (struct evidence_redaction){
            .seq = order.seq,
            .leaf = buf_slice(&order.leaf),
            .in_tree = hash_list_of_proof(&in_tree),
        };
        evidence_write_redaction(&f->writer, &section);
    }
    proven_entry_deinit(&order);
    return rc;
}

int proof_file_finish(struct proof_file *f, struct blockdb_value *out_file, struct error *err)
{
    AUTO(buf_deinit) struct buf file = {0};
    struct proof proof;
    int rc = proof_file_prove(f, &f->entry, &proof, err);

    if (rc < 0) {
        return rc;
    }
    rc = evidence_writer_finish(&f->writer);
    if (rc < 0) {
        return error_set(err, rc, "the proof of entry %" PRIu64 " is too large", f->entry.seq);
    }
    if (tlog_proof_append(&file, buf_slice(&f->extra), f->entry.seq, &proof,
                          slice_of(f->head.note.data, f->head.note.len)) < 0) {
        return error_set_no_memory(err);
    }
    return value_assign(out_file, buf_slice(&file), err);
}
