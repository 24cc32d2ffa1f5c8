/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proof files of entries: see prove_file.h.
 */
#include "engine/db.h"
#include "engine/prove.h"
#include "engine/prove_file.h"

#include <inttypes.h>

/* The block of the entry. A header needs none: it is what proves a block. */
static int write_block(struct proof_file *f, struct error *err)
{
    struct proven_entry header = {0};
    struct evidence_block section;
    struct blockdb_block block;
    struct proof in_block;
    struct proof in_tree;
    int rc;

    if (!f->options->with_block || f->entry.record.kind == BLOCKDB_KIND_BLOCK_HEADER) {
        return BLOCKDB_OK;
    }
    rc = prove_block_path(f->db, f->entry.seq, &block, &in_block, err);
    if (rc == BLOCKDB_OK) {
        rc = proven_entry_load(f->db, block.header_seq, &header, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = proof_file_prove(f, &header, &in_tree, err);
    }
    if (rc == BLOCKDB_OK) {
        section = (struct evidence_block){
            .header = buf_slice(&header.leaf),
            .header_seq = block.header_seq,
            .in_block = hash_list_of_proof(&in_block),
            .in_tree = hash_list_of_proof(&in_tree),
        };
        evidence_write_block(&f->writer, &section);
    }
    proven_entry_deinit(&header);
    return rc;
}

static int make_file(struct proof_file *f, uint64_t seq, struct blockdb_value *out_file,
                     struct error *err)
{
    int rc = proof_file_load_head(f, seq, err);

    if (rc == BLOCKDB_OK) {
        rc = proof_file_load_entry(f, seq, err);
    }
    if (rc < 0) {
        return rc;
    }
    proof_file_write_entry(f);
    rc = proof_file_write_value(f, err);
    if (rc == BLOCKDB_OK) {
        rc = write_block(f, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = proof_file_write_redaction(f, err);
    }
    return rc < 0 ? rc : proof_file_finish(f, out_file, err);
}

int blockdb_prove_entry(struct blockdb *db, uint64_t seq,
                        const struct blockdb_prove_options *options, struct blockdb_value *out_file,
                        struct blockdb_error *err)
{
    uint64_t count = atomic_load_explicit(&db->acked_seq, memory_order_acquire);
    struct proof_file f;
    int rc;

    if (seq >= count) {
        return error_set(err, BLOCKDB_ENOTFOUND,
                         "there is no entry %" PRIu64 "; the ledger has %" PRIu64, seq, count);
    }
    proof_file_init(&f, db, options);
    rc = make_file(&f, seq, out_file, err);
    proof_file_deinit(&f);
    return rc;
}
