/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An audit of a log whose tiles and head are made to fit whatever the bundle says, so that every
 * check behind the hashes is reached; and of a state file whose checksum is made to fit.
 *
 * Input: a byte that chooses, then the bytes of a bundle or of a state.
 */
#include "audit/audit_join.h"
#include "audit/audit_state.h"
#include "base/assert.h"
#include "base/checksum.h"
#include "base/mem.h"
#include "ledger/bundle.h"
#include "ledger/merkle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- A log of one bundle in memory --------------------------------------------------------- */

struct memory_source {
    struct audit_source base;
    struct slice bundle;
    size_t count;
    struct hash hashes[TILE_WIDTH];
};

static int memory_connect(struct audit_source *source, void **out_connection, struct error *err)
{
    (void)source;
    (void)err;
    *out_connection = NULL;
    return BLOCKDB_OK;
}

static void memory_disconnect(struct audit_source *source, void *connection)
{
    (void)source;
    (void)connection;
}

static int memory_checkpoint(struct audit_source *source, void *connection, struct buf *out,
                             bool *out_is_signed, struct error *err)
{
    (void)source;
    (void)connection;
    (void)out;
    (void)out_is_signed;
    return error_set(err, BLOCKDB_ENOTFOUND, "there is none");
}

static int memory_tile(struct audit_source *source, void *connection, const struct tile *tile,
                       struct buf *out, struct error *err)
{
    struct memory_source *m = (struct memory_source *)source;
    struct hash root;

    (void)connection;
    buf_reset(out);
    if (tile->level == TILE_LEVEL_ENTRIES) {
        return buf_append_slice(out, m->bundle) < 0 ? error_set_no_memory(err) : BLOCKDB_OK;
    }
    if (tile->level == 0) {
        return buf_append(out, m->hashes, m->count * sizeof(root)) < 0 ? error_set_no_memory(err)
                                                                       : BLOCKDB_OK;
    }
    merkle_root(m->hashes, m->count, &root);
    return buf_append(out, &root, sizeof(root)) < 0 ? error_set_no_memory(err) : BLOCKDB_OK;
}

static const struct audit_source_ops memory_ops = {
    .connect = memory_connect,
    .disconnect = memory_disconnect,
    .read_checkpoint = memory_checkpoint,
    .read_tile = memory_tile,
};

static void make_source(struct memory_source *m, struct slice bundle)
{
    static char place[] = "memory";
    struct reader in = reader_of(bundle);
    struct slice leaf;

    *m = (struct memory_source){.base = {.ops = &memory_ops, .place = place}, .bundle = bundle};
    while (m->count < TILE_WIDTH && bundle_next(&in, &leaf) == BLOCKDB_OK) {
        merkle_leaf(leaf, &m->hashes[m->count++]);
    }
}

/* ---- The targets --------------------------------------------------------------------------- */

static void join(const struct memory_source *m, const struct stretch *s,
                 const struct audit_head *head)
{
    struct audit_state start = {0};
    struct audit_join j;
    struct error err;

    if (audit_join_init(&j, &m->base, &start, true) < 0) {
        return;
    }
    if (audit_join_add(&j, s, &err) == BLOCKDB_OK &&
        audit_join_finish(&j, head, &err) == BLOCKDB_OK) {
        ASSERT(j.sealed.size == m->count && j.counts.blocks >= 1);
    }
    audit_join_deinit(&j);
}

static void try_log(struct slice in)
{
    struct memory_source m;
    struct audit_head head = {0};
    struct stretch_checker *checker = NULL;
    struct stretch s = {.wants_changes = true};
    _Atomic uint64_t progress = 0;
    atomic_bool stop = false;
    struct error err;

    make_source(&m, in);
    if (m.count == 0) {
        return;
    }
    head.size = m.count;
    merkle_root(m.hashes, m.count, &head.root);
    if (stretch_checker_new(&m.base, &head, &checker, &err) < 0) {
        return;
    }
    s.end = m.count;
    (void)stretch_check(checker, &s, NULL, &progress, &stop);
    join(&m, &s, &head);
    stretch_deinit(&s);
    stretch_checker_free(checker);
}

static void try_state(struct slice in)
{
    AUTO(audit_state_deinit) struct audit_state state = {0};
    AUTO(buf_deinit) struct buf bytes = {0};
    AUTO(buf_deinit) struct buf again = {0};

    if (in.len < 24 || buf_append_slice(&bytes, in) < 0) {
        return;
    }
    put_le32(bytes.data + 12, (uint32_t)bytes.len);
    put_le64(bytes.data + bytes.len - 8, checksum(bytes.data, bytes.len - 8, 0));
    if (audit_state_decode(buf_slice(&bytes), &state, NULL) == BLOCKDB_OK &&
        audit_state_encode(&state, &again) == BLOCKDB_OK) {
        ASSERT(again.len == bytes.len);
        ASSERT(memcmp(again.data + 32, bytes.data + 32, bytes.len - 40) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0 && data[0] % 2 == 0) {
        try_log(slice_of(data + 1, size - 1));
    } else if (size > 0) {
        try_state(slice_of(data + 1, size - 1));
    }
    return 0;
}
