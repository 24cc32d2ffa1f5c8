/* SPDX-License-Identifier: Apache-2.0 */
#include "witness_log.h"

#include "base/mem.h"
#include "ledger/checkpoint.h"
#include "ledger/frontier.h"
#include "ledger/merkle.h"
#include "wire/add_checkpoint.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

void witness_log_init(struct witness_log *log, const char *origin, uint64_t fork_at)
{
    uint8_t seed[ED25519_SEED_LEN];
    struct frontier frontier;
    struct error err;
    size_t i;

    memset(seed, origin[strlen(origin) - 1], sizeof(seed));
    assert_int_equal(
        signing_key_init(&log->key, slice_of_text(origin), KEY_TYPE_ED25519, seed, &err), 0);
    frontier_init(&frontier);
    frontier_root(&frontier, &log->roots[0]);
    for (i = 0; i < WITNESS_LOG_MAX; i++) {
        char leaf[32];
        int len = snprintf(leaf, sizeof(leaf), "%s %zu", i < fork_at ? "entry" : "other", i);

        merkle_leaf(slice_of(leaf, (size_t)len), &log->leaves[i]);
        frontier_append(&frontier, &log->leaves[i]);
        frontier_root(&frontier, &log->roots[i + 1]);
    }
}

void witness_log_deinit(struct witness_log *log)
{
    signing_key_deinit(&log->key);
}

void witness_log_note(const struct witness_log *log, uint64_t size, struct buf *out)
{
    struct checkpoint checkpoint = {.origin = slice_of(log->key.name, log->key.name_len),
                                    .size = size,
                                    .root = log->roots[size]};
    AUTO(buf_deinit) struct buf text = {0};
    struct error err;

    assert_int_equal(checkpoint_append(&text, &checkpoint), 0);
    assert_int_equal(buf_append_slice(out, buf_slice(&text)), 0);
    assert_int_equal(buf_append_u8(out, '\n'), 0);
    assert_int_equal(note_sign(out, &log->key, buf_slice(&text), &err), 0);
}

static int read_leaves(void *context, unsigned level, uint64_t index, size_t count,
                       struct hash *out, struct error *err)
{
    const struct witness_log *log = context;

    (void)err;
    assert_int_equal(level, 0);
    assert_true(index + count <= WITNESS_LOG_MAX);
    memcpy(out, &log->leaves[index], count * sizeof(*out));
    return BLOCKDB_OK;
}

int witness_log_prove(void *context, uint64_t old_size, uint64_t new_size, struct proof *out,
                      struct error *err)
{
    struct hash_source source = {.read = read_leaves, .context = context};

    return proof_consistency(&source, old_size, new_size, out, err);
}

void witness_log_request(const struct witness_log *log, uint64_t old_size, uint64_t new_size,
                         struct buf *out)
{
    AUTO(buf_deinit) struct buf note = {0};
    struct add_checkpoint request = {.old_size = old_size};
    struct proof proof = {0};
    struct error err;

    witness_log_note(log, new_size, &note);
    if (old_size > 0 && old_size < new_size) {
        assert_int_equal(
            witness_log_prove((void *)(uintptr_t)log, old_size, new_size, &proof, &err), 0);
    }
    request.note = buf_slice(&note);
    request.proof_count = proof.count;
    memcpy(request.proof, proof.hashes, proof.count * sizeof(proof.hashes[0]));
    assert_int_equal(add_checkpoint_append(out, &request), 0);
}

void witness_log_cosigner(struct signing_key *out, const char *name, uint8_t number)
{
    uint8_t seed[ED25519_SEED_LEN];
    struct error err;
    size_t i;

    for (i = 0; i < sizeof(seed); i++) {
        seed[i] = (uint8_t)(number + i);
    }
    assert_int_equal(signing_key_init(out, slice_of_text(name), KEY_TYPE_COSIGNATURE, seed, &err),
                     0);
}
