/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/sha256.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "crypto/sha256_impl.h"

#include <assert.h>
#include <stdatomic.h>

static_assert(sizeof(struct hash) == SHA256_LEN, "hashes in an array are joined bytes");

const struct sha256_impl *sha256_best(void)
{
    /* Asking a processor that a hypervisor imitates takes microseconds, so the answer, which never
     * changes, is kept. Threads that race store the same pointer to constant data. */
    static _Atomic(const struct sha256_impl *) kept;
    const struct sha256_impl *impl = atomic_load_explicit(&kept, memory_order_relaxed);

    if (impl == NULL) {
        impl = sha256_avx512();
        if (impl == NULL) {
            impl = sha256_ni();
        }
        if (impl == NULL) {
            impl = &sha256_portable;
        }
        atomic_store_explicit(&kept, impl, memory_order_relaxed);
    }
    return impl;
}

const char *sha256_implementation(void)
{
    return sha256_best()->name;
}

void sha256_state_encode(const uint32_t state[8], struct hash *out)
{
    for (unsigned i = 0; i < 8; i++) {
        put_be32(out->bytes + 4 * i, state[i]);
    }
}

void sha256_wide_init(struct sha256_wide *states)
{
    for (unsigned w = 0; w < 8; w++) {
        for (unsigned i = 0; i < SHA256_WIDE; i++) {
            states->words[w][i] = sha256_initial_state[w];
        }
    }
}

void sha256_wide_encode(const struct sha256_wide *states, unsigned i, struct hash *out)
{
    for (unsigned w = 0; w < 8; w++) {
        put_be32(out->bytes + 4 * w, states->words[w][i]);
    }
}

void sha256_init(struct sha256 *s)
{
    memcpy(s->state, sha256_initial_state, sizeof s->state);
    s->len_bytes = 0;
}

void sha256_update(struct sha256 *s, const void *data, size_t len)
{
    const struct sha256_impl *impl = sha256_best();
    const uint8_t *at = data;
    size_t pending = s->len_bytes % SHA256_BLOCK_LEN;

    s->len_bytes += len;
    if (pending > 0) {
        size_t room = SHA256_BLOCK_LEN - pending;
        size_t take = len < room ? len : room;

        if (take > 0) {
            memcpy(s->pending + pending, at, take);
        }
        if (take < room) {
            return;
        }
        impl->blocks(s->state, s->pending, 1);
        at += take;
        len -= take;
    }
    if (len >= SHA256_BLOCK_LEN) {
        impl->blocks(s->state, at, len / SHA256_BLOCK_LEN);
        at += len - len % SHA256_BLOCK_LEN;
        len %= SHA256_BLOCK_LEN;
    }
    if (len > 0) {
        memcpy(s->pending, at, len);
    }
}

size_t sha256_pad(uint8_t *staged, size_t len, uint64_t message_len)
{
    size_t blocks = (len + SHA256_PADDING_MIN + SHA256_BLOCK_LEN - 1) / SHA256_BLOCK_LEN;
    size_t end = blocks * SHA256_BLOCK_LEN;

    staged[len] = 0x80;
    memset(staged + len + 1, 0, end - 8 - len - 1);
    put_be64(staged + end - 8, message_len * 8);
    return blocks;
}

void sha256_final(struct sha256 *s, struct hash *out)
{
    uint8_t last[2 * SHA256_BLOCK_LEN];
    size_t pending = s->len_bytes % SHA256_BLOCK_LEN;

    memcpy(last, s->pending, pending);
    sha256_best()->blocks(s->state, last, sha256_pad(last, pending, s->len_bytes));
    sha256_state_encode(s->state, out);
}

void sha256_once(const void *data, size_t len, struct hash *out)
{
    struct sha256_job job = {.body = data, .body_len = len, .out = out};

    sha256_many(&job, 1);
}

void sha256_many(const struct sha256_job *jobs, size_t n)
{
    sha256_many_with(sha256_best(), jobs, n);
}

void sha256_nodes(const struct hash *pairs, size_t n, struct hash *out)
{
    sha256_best()->nodes(pairs, n, out);
}
