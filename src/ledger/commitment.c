/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger/commitment.h"

#include "base/assert.h"
#include "base/with_evidence.h"
#include "crypto/hmac.h"
#include "crypto/secret.h"
#include "ledger/frontier.h"

#define TAG_LEN 8
#define TAG_WHOLE "bdb:val1"
#define TAG_CHUNKED "bdb:big1"
#define HEAD_LEN (TAG_LEN + SALT_LEN + 8)
#define CHUNK_HEAD_LEN (1 + SALT_LEN)
#define JOBS_AT_ONCE 64

/* Writes what is hashed in front of a value of the first form. */
static void encode_head(const uint8_t *salt, uint64_t value_len, uint8_t out[HEAD_LEN])
{
    memcpy(out, TAG_WHOLE, TAG_LEN);
    memcpy(out + TAG_LEN, salt, SALT_LEN);
    put_be64(out + TAG_LEN + SALT_LEN, value_len);
}

static void encode_chunk_head(const uint8_t *chunk_salt, uint8_t out[CHUNK_HEAD_LEN])
{
    out[0] = 0x00; /* an RFC 6962 leaf */
    memcpy(out + 1, chunk_salt, SALT_LEN);
}

uint64_t commitment_chunk_count(uint64_t len_bytes)
{
    return len_bytes / COMMITMENT_CHUNK_LEN + (len_bytes % COMMITMENT_CHUNK_LEN != 0);
}

static void derive_chunk_salt(const struct hmac_key *key, uint64_t index, uint8_t *out)
{
    uint8_t message[8];
    struct hash mac;

    put_be64(message, index);
    hmac_sha256(key, message, sizeof message, &mac);
    memcpy(out, mac.bytes, SALT_LEN);
    secret_wipe(&mac, sizeof mac);
}

void commitment_chunk_salt(const uint8_t *salt, uint64_t index, uint8_t *out_chunk_salt)
{
    struct hmac_key key;

    hmac_key_init(&key, salt, SALT_LEN);
    derive_chunk_salt(&key, index, out_chunk_salt);
    hmac_key_deinit(&key);
}

void commitment_chunk_hash(const uint8_t *chunk_salt, struct slice chunk, struct hash *out)
{
    uint8_t head[CHUNK_HEAD_LEN];
    struct sha256_job job = {head, sizeof head, chunk.data, chunk.len, out};

    encode_chunk_head(chunk_salt, head);
    sha256_many(&job, 1);
}

void commitment_of_chunk_root(uint64_t len_bytes, const struct hash *chunk_root, struct hash *out)
{
    uint8_t message[TAG_LEN + 8 + SHA256_LEN];

    memcpy(message, TAG_CHUNKED, TAG_LEN);
    put_be64(message + TAG_LEN, len_bytes);
    memcpy(message + TAG_LEN + 8, chunk_root->bytes, SHA256_LEN);
    sha256_once(message, sizeof message, out);
}

/* Appends to f the leaves of the chunks of rest, the first of which is chunk first. */
static void append_chunks(struct frontier *f, const struct hmac_key *key, uint64_t first,
                          struct slice rest)
{
    uint8_t heads[JOBS_AT_ONCE][CHUNK_HEAD_LEN];
    struct sha256_job jobs[JOBS_AT_ONCE];
    struct hash hashes[JOBS_AT_ONCE];
    size_t n = 0;

    while (n < JOBS_AT_ONCE && rest.len > 0) {
        size_t len = rest.len < COMMITMENT_CHUNK_LEN ? rest.len : COMMITMENT_CHUNK_LEN;
        uint8_t chunk_salt[SALT_LEN];

        derive_chunk_salt(key, first + n, chunk_salt);
        encode_chunk_head(chunk_salt, heads[n]);
        jobs[n] = (struct sha256_job){heads[n], CHUNK_HEAD_LEN, rest.data, len, &hashes[n]};
        rest = slice_of(rest.data + len, rest.len - len);
        n++;
    }
    sha256_many(jobs, n);
    frontier_append_many(f, hashes, n, NULL);
    secret_wipe(heads, sizeof heads);
}

static void compute_chunked(const uint8_t *salt, struct slice value, struct hash *out)
{
    const size_t step = (size_t)JOBS_AT_ONCE * COMMITMENT_CHUNK_LEN;
    struct hmac_key key;
    struct frontier f;
    struct hash root;

    hmac_key_init(&key, salt, SALT_LEN);
    frontier_init(&f);
    for (size_t done = 0; done < value.len; done += step) {
        size_t left = value.len - done;

        append_chunks(&f, &key, done / COMMITMENT_CHUNK_LEN,
                      slice_of(value.data + done, left < step ? left : step));
    }
    hmac_key_deinit(&key);
    frontier_root(&f, &root);
    commitment_of_chunk_root(value.len, &root, out);
}

/* Computes at most JOBS_AT_ONCE commitments. */
static void compute_some(const struct commitment_job *jobs, size_t n)
{
    uint8_t heads[JOBS_AT_ONCE][HEAD_LEN];
    struct sha256_job whole[JOBS_AT_ONCE];
    size_t whole_count = 0;

    if (!WITH_EVIDENCE) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        struct slice value = jobs[i].value;

        if (value.len > COMMITMENT_WHOLE_MAX) {
            compute_chunked(jobs[i].salt, value, jobs[i].out);
            continue;
        }
        encode_head(jobs[i].salt, value.len, heads[whole_count]);
        whole[whole_count] = (struct sha256_job){heads[whole_count], HEAD_LEN, value.data,
                                                 value.len, jobs[i].out};
        whole_count++;
    }
    sha256_many(whole, whole_count);
}

void commitment_compute_many(const struct commitment_job *jobs, size_t n)
{
    for (size_t i = 0; i < n; i += JOBS_AT_ONCE) {
        compute_some(jobs + i, n - i < JOBS_AT_ONCE ? n - i : JOBS_AT_ONCE);
    }
}

void commitment_compute(const uint8_t *salt, struct slice value, struct hash *out)
{
    struct commitment_job job = {.salt = salt, .value = value, .out = out};

    compute_some(&job, 1);
}

int commitment_verify(const struct record *r, const struct hash *commitment)
{
    struct hash computed;

    ASSERT(r->kind == BLOCKDB_KIND_PUT);
    if (r->flags & RECORD_REDACTED) {
        computed = *r->commitment;
    } else {
        commitment_compute(r->salt, r->value, &computed);
    }
    return memcmp(&computed, commitment, sizeof computed) == 0 ? BLOCKDB_OK : BLOCKDB_ETAMPERED;
}
