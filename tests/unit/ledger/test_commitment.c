/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Value commitments: the vectors, the parts for range proofs, and that each input bit counts.
 */
#include "golden.h"
#include "ledger/commitment.h"
#include "ledger/merkle.h"
#include "ledger/proof.h"
#include "samples.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define PREFIX "commitment."
#define JOBS_MAX 40
#define REDACT_SEQ 77

static const size_t lengths[] = {0,     1,     23,    24,    87,    88,     100,
                                 16384, 65535, 65536, 65537, 81920, 100000, 1048576};
#define LENGTHS (sizeof lengths / sizeof *lengths)

static struct slice value_of(size_t len)
{
    return slice_of(sample_pattern(), len);
}

static void vectors(void **state)
{
    for (size_t i = 0; i < LENGTHS; i++) {
        struct hash want = golden_hash_at(PREFIX "%llu", lengths[i]);
        struct hash got;

        commitment_compute(sample_salt(), value_of(lengths[i]), &got);
        assert_memory_equal(&got, &want, sizeof got);
    }
}

static void many_together(void **state)
{
    for (size_t n = 0; n <= JOBS_MAX; n++) {
        struct commitment_job jobs[JOBS_MAX] = {{0}};
        struct hash out[JOBS_MAX];

        for (size_t i = 0; i < n; i++) {
            size_t len = lengths[(i + n) % (LENGTHS - 1)];

            jobs[i] = (struct commitment_job){sample_salt(), value_of(len), &out[i]};
        }
        commitment_compute_many(jobs, n);
        for (size_t i = 0; i < n; i++) {
            struct hash want = golden_hash_at(PREFIX "%llu", lengths[(i + n) % (LENGTHS - 1)]);

            assert_memory_equal(&out[i], &want, sizeof want);
        }
    }
}

static void chunk_salts(void **state)
{
    static const uint64_t indexes[] = {0, 1, 63, UINT64_C(1) << 40};

    for (size_t i = 0; i < sizeof indexes / sizeof *indexes; i++) {
        struct slice want = golden_at(PREFIX "chunk_salt.%llu", indexes[i]);
        uint8_t got[SALT_LEN];

        commitment_chunk_salt(sample_salt(), indexes[i], got);
        assert_int_equal(want.len, SALT_LEN);
        assert_memory_equal(got, want.data, SALT_LEN);
    }
}

static void chunks_are_counted(void **state)
{
    assert_int_equal(commitment_chunk_count(65537), 5);
    assert_int_equal(commitment_chunk_count(81920), 5);
    assert_int_equal(commitment_chunk_count(81921), 6);
    assert_int_equal(commitment_chunk_count(1048576), 64);
    assert_true(commitment_chunk_count(UINT64_MAX) == UINT64_C(1) << 50);
}

/* The chunk hashes of a value give its commitment, and one chunk with a proof gives it too. */
static void chunks_prove_a_range(void **state)
{
    enum { CHUNKS = 7 };
    struct slice value = value_of(100000);
    struct hash want = golden_hash_at(PREFIX "%llu", 100000);
    struct hash leaves[CHUNKS];
    struct hash left;
    struct hash root;
    struct hash got;
    struct inclusion claim = {CHUNKS - 1, CHUNKS, &leaves[CHUNKS - 1], &root};
    struct hash proof[2];

    assert_int_equal(commitment_chunk_count(value.len), CHUNKS);
    for (size_t i = 0; i < CHUNKS; i++) {
        size_t begin = i * COMMITMENT_CHUNK_LEN;
        size_t left_over = value.len - begin;
        size_t len = left_over < COMMITMENT_CHUNK_LEN ? left_over : COMMITMENT_CHUNK_LEN;
        uint8_t chunk_salt[SALT_LEN];

        commitment_chunk_salt(sample_salt(), i, chunk_salt);
        commitment_chunk_hash(chunk_salt, slice_of(value.data + begin, len), &leaves[i]);
    }
    merkle_root(leaves, CHUNKS, &root);
    commitment_of_chunk_root(value.len, &root, &got);
    assert_memory_equal(&got, &want, sizeof got);

    merkle_root(leaves, 4, &left);
    merkle_node(&leaves[4], &leaves[5], &proof[0]);
    proof[1] = left;
    assert_int_equal(inclusion_verify(&claim, proof, 2), BLOCKDB_OK);
}

static void salt_length_and_value_count(void **state)
{
    static const size_t cases[] = {40, 70000};

    for (size_t i = 0; i < 2; i++) {
        static uint8_t value[70001];
        uint8_t salt[SALT_LEN];
        struct hash before;
        struct hash after;

        memcpy(salt, sample_salt(), sizeof salt);
        memcpy(value, sample_pattern(), sizeof value);
        commitment_compute(salt, slice_of(value, cases[i]), &before);
        commitment_compute(salt, slice_of(value, cases[i] + 1), &after);
        assert_memory_not_equal(&before, &after, sizeof before);
        for (size_t byte = 0; byte < SALT_LEN; byte++) {
            salt[byte] ^= 1;
            commitment_compute(salt, slice_of(value, cases[i]), &after);
            assert_memory_not_equal(&before, &after, sizeof before);
            salt[byte] ^= 1;
        }
        for (size_t byte = 0; byte < cases[i]; byte += i == 0 ? 1 : 9999) {
            value[byte] ^= 0x80;
            commitment_compute(salt, slice_of(value, cases[i]), &after);
            assert_memory_not_equal(&before, &after, sizeof before);
            value[byte] ^= 0x80;
        }
    }
}

static void verification(void **state)
{
    struct record r = *sample("put_full");
    struct hash commitment;
    struct record redacted;

    commitment_compute(r.salt, r.value, &commitment);
    assert_int_equal(commitment_verify(&r, &commitment), BLOCKDB_OK);
    redacted = record_redacted(&r, &commitment, REDACT_SEQ);
    assert_int_equal(commitment_verify(&redacted, &commitment), BLOCKDB_OK);
    commitment.bytes[31] ^= 1;
    assert_int_equal(commitment_verify(&r, &commitment), BLOCKDB_ETAMPERED);
    r.value.len--;
    commitment.bytes[31] ^= 1;
    assert_int_equal(commitment_verify(&r, &commitment), BLOCKDB_ETAMPERED);
}

static int set_up(void **state)
{
    golden_open();
    samples_init();
    return 0;
}

static int tear_down(void **state)
{
    golden_close();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors),
        cmocka_unit_test(many_together),
        cmocka_unit_test(chunk_salts),
        cmocka_unit_test(chunks_are_counted),
        cmocka_unit_test(chunks_prove_a_range),
        cmocka_unit_test(salt_length_and_value_count),
        cmocka_unit_test(verification),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
