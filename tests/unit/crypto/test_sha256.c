/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256: each implementation against the standard's vectors and against OpenSSL.
 */
#include "base/bytes.h"
#include "common/test_env.h"
#include "crypto/sha256_impl.h"

#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define BYTES 40000
#define LENGTHS 301
#define JOBS_MAX 50

static uint8_t bytes[BYTES];

/* A small generator, so that a printed seed repeats a run. */
static uint64_t random_state;

static uint64_t random_below(uint64_t limit)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (random_state >> 33) % limit;
}

/* Those that this processor has; the portable one stands in for others. */
#define IMPLEMENTATIONS 3

static const struct sha256_impl *implementation(unsigned i)
{
    const struct sha256_impl *impl = NULL;

    if (i > 0) {
        impl = i == 1 ? sha256_ni() : sha256_avx512();
    }
    return impl != NULL ? impl : &sha256_portable;
}

static struct hash reference(const void *data, size_t len)
{
    struct hash out;

    assert_int_equal(EVP_Digest(data, len, out.bytes, NULL, EVP_sha256(), NULL), 1);
    return out;
}

static void assert_hash(const struct hash *got, const struct hash *want)
{
    assert_memory_equal(got, want, sizeof *got);
}

static void standard_vectors(void **state)
{
    static const struct {
        const char *message;
        uint32_t words[8];
    } vectors[] = {
        {"abc",
         {0xba7816bf, 0x8f01cfea, 0x414140de, 0x5dae2223, 0xb00361a3, 0x96177a9c, 0xb410ff61,
          0xf20015ad}},
        {"",
         {0xe3b0c442, 0x98fc1c14, 0x9afbf4c8, 0x996fb924, 0x27ae41e4, 0x649b934c, 0xa495991b,
          0x7852b855}},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         {0x248d6a61, 0xd20638b8, 0xe5c02693, 0x0c3e6039, 0xa33ce459, 0x64ff2167, 0xf6ecedd4,
          0x19db06c1}},
    };

    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        struct hash want;
        struct hash got;

        sha256_state_encode(vectors[i].words, &want);
        sha256_once(vectors[i].message, strlen(vectors[i].message), &got);
        assert_hash(&got, &want);
    }
}

static void every_length_once(void **state)
{
    for (unsigned impl = 0; impl < IMPLEMENTATIONS; impl++) {
        for (size_t len = 0; len < LENGTHS; len++) {
            struct hash want = reference(bytes, len);
            struct hash got;
            struct sha256_job job = {NULL, 0, bytes, len, &got};

            sha256_many_with(implementation(impl), &job, 1);
            assert_hash(&got, &want);
        }
    }
}

static void every_length_at_every_split(void **state)
{
    for (size_t len = 0; len < LENGTHS; len++) {
        struct hash want = reference(bytes, len);

        for (size_t split = 0; split <= len && split <= 128; split++) {
            struct hash got[2];
            struct sha256_job jobs[2] = {
                {bytes, split, bytes + split, len - split, &got[0]},
                {bytes, 0, bytes, len, &got[1]},
            };
            struct sha256 s;

            sha256_many(jobs, 2);
            assert_hash(&got[0], &want);
            assert_hash(&got[1], &want);
            sha256_init(&s);
            sha256_update(&s, bytes, split);
            sha256_update(&s, bytes + split, len - split);
            sha256_final(&s, &got[0]);
            assert_hash(&got[0], &want);
        }
    }
}

static void streams_of_random_pieces(void **state)
{
    for (int round = 0; round < 300; round++) {
        size_t len = random_below(BYTES);
        struct hash want = reference(bytes, len);
        struct hash got;
        struct sha256 s;
        size_t done = 0;

        sha256_init(&s);
        while (done < len) {
            size_t piece = random_below(200) * (random_below(4) == 0 ? 20 : 1);

            piece = piece < len - done ? piece : len - done;
            sha256_update(&s, piece > 0 ? bytes + done : NULL, piece);
            done += piece;
        }
        sha256_final(&s, &got);
        assert_hash(&got, &want);
    }
}

static void many_of_random_lengths(void **state)
{
    for (int round = 0; round < 2000; round++) {
        struct sha256_job jobs[JOBS_MAX];
        struct hash out[JOBS_MAX];
        size_t count = random_below(JOBS_MAX + 1);

        for (size_t i = 0; i < count; i++) {
            size_t head = random_below(2) ? random_below(129) : 0;
            size_t body = random_below(random_below(8) == 0 ? 5000 : 200);
            const uint8_t *at = bytes + random_below(BYTES - 6000);

            jobs[i] = (struct sha256_job){at, head, at + head, body, &out[i]};
        }
        sha256_many_with(implementation(round % IMPLEMENTATIONS), jobs, count);
        for (size_t i = 0; i < count; i++) {
            struct hash want = reference(jobs[i].head, jobs[i].head_len + jobs[i].body_len);

            assert_hash(&out[i], &want);
        }
    }
}

static struct hash reference_node(const struct hash *pair)
{
    uint8_t message[1 + 2 * SHA256_LEN] = {0x01};

    memcpy(message + 1, pair, 2 * sizeof *pair);
    return reference(message, sizeof message);
}

static void nodes_apart_and_in_place(void **state)
{
    enum { NODES = 33 };

    for (unsigned impl = 0; impl < IMPLEMENTATIONS; impl++) {
        for (size_t n = 0; n <= NODES; n++) {
            for (int place = 0; place < 3; place++) {
                struct hash pairs[2 * NODES + 1];
                struct hash apart[NODES + 1];
                struct hash want[NODES];
                struct hash *out = place == 0 ? apart : place == 1 ? pairs : pairs + 1;

                memcpy(pairs, bytes + 64 * n, sizeof pairs);
                for (size_t i = 0; i < n; i++) {
                    want[i] = reference_node(&pairs[2 * i]);
                }
                implementation(impl)->nodes(pairs, n, out);
                assert_memory_equal(out, want, n * sizeof *want);
            }
        }
    }
}

static void unaligned_input(void **state)
{
    for (size_t offset = 0; offset < 64; offset++) {
        struct hash want = reference(bytes + offset, 1000);
        struct hash got;

        sha256_once(bytes + offset, 1000, &got);
        assert_hash(&got, &want);
    }
}

static void both_lanes_of_each_implementation(void **state)
{
    for (unsigned impl = 0; impl < IMPLEMENTATIONS; impl++) {
        for (size_t blocks = 0; blocks < 10; blocks++) {
            uint32_t a[8];
            uint32_t b[8];
            uint32_t want_a[8];
            uint32_t want_b[8];
            uint32_t *const states[2] = {a, b};
            const uint8_t *const data[2] = {bytes + 3, bytes + 2000};

            memcpy(a, sha256_initial_state, sizeof a);
            memcpy(b, bytes, sizeof b);
            memcpy(want_a, a, sizeof a);
            memcpy(want_b, b, sizeof b);
            implementation(impl)->blocks2(states, data, blocks);
            sha256_portable.blocks(want_a, data[0], blocks);
            sha256_portable.blocks(want_b, data[1], blocks);
            assert_memory_equal(a, want_a, sizeof a);
            assert_memory_equal(b, want_b, sizeof b);
        }
    }
}

static void sixteen_side_by_side(void **state)
{
    for (unsigned impl = 0; impl < IMPLEMENTATIONS; impl++) {
        if (implementation(impl)->blocks16 == NULL) {
            continue;
        }
        for (size_t blocks = 0; blocks < 10; blocks++) {
            const uint8_t *data[SHA256_WIDE];
            struct sha256_wide states;

            sha256_wide_init(&states);
            for (unsigned i = 0; i < SHA256_WIDE; i++) {
                data[i] = bytes + 1000 * i + i;
            }
            implementation(impl)->blocks16(&states, data, blocks);
            for (unsigned i = 0; i < SHA256_WIDE; i++) {
                uint32_t words[8];
                struct hash want;
                struct hash got;

                memcpy(words, sha256_initial_state, sizeof words);
                sha256_portable.blocks(words, data[i], blocks);
                sha256_state_encode(words, &want);
                sha256_wide_encode(&states, i, &got);
                assert_hash(&got, &want);
            }
        }
    }
}

static void implementation_has_a_name(void **state)
{
    const struct sha256_impl *want = sha256_avx512();

    if (want == NULL) {
        want = sha256_ni() != NULL ? sha256_ni() : &sha256_portable;
    }
    assert_string_equal(sha256_portable.name, "portable");
    assert_string_equal(sha256_implementation(), want->name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(standard_vectors),
        cmocka_unit_test(every_length_once),
        cmocka_unit_test(every_length_at_every_split),
        cmocka_unit_test(streams_of_random_pieces),
        cmocka_unit_test(many_of_random_lengths),
        cmocka_unit_test(nodes_apart_and_in_place),
        cmocka_unit_test(unaligned_input),
        cmocka_unit_test(both_lanes_of_each_implementation),
        cmocka_unit_test(sixteen_side_by_side),
        cmocka_unit_test(implementation_has_a_name),
    };

    random_state = test_seed();
    for (size_t i = 0; i < BYTES; i++) {
        bytes[i] = (uint8_t)random_below(256);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
