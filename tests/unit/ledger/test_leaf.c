/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leaf entries: the vectors, LEAF-1 (one encoding), LEAF-2 (length), LEAF-3 (redaction).
 */
#include "golden.h"
#include "ledger/bundle.h"
#include "ledger/commitment.h"
#include "ledger/leaf.h"
#include "samples.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define LEAF_TEST_MAX 8192
#define RECORDS_MAX 50
#define REDACT_SEQ 77

/* The vector "leaf.<sample><suffix>". */
static struct slice leaf_vector(const struct sample *s, const char *suffix)
{
    char name[80];

    (void)snprintf(name, sizeof name, "leaf.%s%s", s->name, suffix);
    return golden(name);
}

/* The commitment of a put; zeros of anything else. */
static struct hash commitment_of(const struct record *r)
{
    struct hash commitment = {{0}};

    if (r->kind == BLOCKDB_KIND_PUT) {
        commitment_compute(r->salt, r->value, &commitment);
    }
    return commitment;
}

static void vectors_both_ways(void **state)
{
    for (size_t i = 0; i < sample_count(); i++) {
        const struct sample *s = sample_at(i);
        struct slice want = leaf_vector(s, "");
        struct hash commitment = commitment_of(&s->record);
        struct leaf leaf = leaf_of_record(&s->record, &commitment);
        uint8_t bytes[LEAF_TEST_MAX];
        uint8_t again[LEAF_TEST_MAX];
        struct leaf decoded;

        assert_int_equal(leaf_len(&leaf), want.len);
        leaf_encode(&leaf, bytes);
        assert_memory_equal(bytes, want.data, want.len);
        assert_int_equal(leaf_decode(want, &decoded), BLOCKDB_OK);
        assert_int_equal(decoded.kind, s->record.kind);
        assert_true(slice_equal(decoded.key, s->record.key));
        assert_true(slice_equal(decoded.actor, s->record.actor));
        assert_true(decoded.time_ms == s->record.time_ms);
        assert_true(decoded.value_len == s->record.value_len);
        assert_true(decoded.request == s->record.request);
        assert_int_equal(decoded.collection, s->record.collection);
        assert_int_equal(leaf_len(&decoded), want.len);
        leaf_encode(&decoded, again);
        assert_memory_equal(again, want.data, want.len);
    }
}

static void hashes_one_by_one(void **state)
{
    for (size_t i = 0; i < sample_count(); i++) {
        const struct sample *s = sample_at(i);
        struct slice want = leaf_vector(s, ".hash");
        struct hash commitment = commitment_of(&s->record);
        struct hash hash;

        leaf_hash(&s->record, &commitment, &hash);
        assert_memory_equal(&hash, want.data, sizeof hash);
        if (s->record.kind != BLOCKDB_KIND_PUT) {
            leaf_hash(&s->record, NULL, &hash);
            assert_memory_equal(&hash, want.data, sizeof hash);
        }
    }
}

static void redaction_changes_no_leaf(void **state)
{
    for (size_t i = 0; i < sample_count(); i++) {
        const struct sample *s = sample_at(i);
        struct hash commitment = commitment_of(&s->record);
        struct record redacted;
        struct hash hash;

        if (s->record.kind == BLOCKDB_KIND_PUT) {
            redacted = record_redacted(&s->record, &commitment, REDACT_SEQ);
            leaf_hash(&redacted, NULL, &hash);
            assert_memory_equal(&hash, leaf_vector(s, ".hash").data, sizeof hash);
        }
    }
}

static void hashes_together(void **state)
{
    struct record records[RECORDS_MAX] = {{0}};
    struct hash commitments[RECORDS_MAX] = {{{0}}};

    for (size_t n = 0; n <= RECORDS_MAX; n++) {
        struct hash out[RECORDS_MAX];

        for (size_t i = 0; i < n; i++) {
            records[i] = sample_at((i * 5 + n) % sample_count())->record;
            commitments[i] = commitment_of(&records[i]);
        }
        leaf_hash_many(records, commitments, n, out);
        for (size_t i = 0; i < n; i++) {
            const struct sample *s = sample_at((i * 5 + n) % sample_count());

            assert_memory_equal(&out[i], leaf_vector(s, ".hash").data, sizeof *out);
        }
        leaf_hash_many(records, commitments, n, commitments); /* in place */
        assert_memory_equal(commitments, out, n * sizeof *out);
    }
}

static void no_commitments_where_none_is_needed(void **state)
{
    struct record records[RECORDS_MAX];
    struct hash out[RECORDS_MAX];
    struct hash want;

    for (size_t i = 0; i < RECORDS_MAX; i++) {
        records[i] = *sample(i % 2 ? "delete" : "epoch");
    }
    leaf_hash_many(records, NULL, RECORDS_MAX, out);
    for (size_t i = 0; i < RECORDS_MAX; i++) {
        want = golden_hash(i % 2 ? "leaf.delete.hash" : "leaf.epoch.hash");
        assert_memory_equal(&out[i], &want, sizeof want);
    }
}

static void hashes_of_every_length(void **state)
{
    for (size_t len = 1; len < 600; len++) {
        struct hash commitment = {{0}};
        struct record r = {.kind = BLOCKDB_KIND_PUT, .batch_count = 1, .salt = sample_salt()};
        struct leaf leaf;
        uint8_t bytes[1 + LEAF_TEST_MAX] = {0};
        struct hash want;
        struct hash got;

        r.key = slice_of(sample_pattern(), len);
        leaf = leaf_of_record(&r, &commitment);
        leaf_encode(&leaf, bytes + 1);
        sha256_once(bytes, 1 + leaf_len(&leaf), &want);
        leaf_hash(&r, &commitment, &got);
        assert_memory_equal(&got, &want, sizeof got);
    }
}

/* Decodes bytes; what is accepted must encode to the same bytes, and a refusal must not touch the
 * output. */
static int decode_strictly(const uint8_t *bytes, size_t len)
{
    struct leaf untouched;
    struct leaf leaf;
    uint8_t *again;
    int rc;

    memset(&leaf, 0xee, sizeof leaf);
    memset(&untouched, 0xee, sizeof untouched);
    rc = leaf_decode(slice_of(bytes, len), &leaf);
    if (rc < 0) {
        assert_memory_equal(&leaf, &untouched, sizeof leaf);
        return rc;
    }
    assert_int_equal(leaf_len(&leaf), len);
    again = malloc(len);
    assert_non_null(again);
    leaf_encode(&leaf, again);
    assert_memory_equal(again, bytes, len);
    free(again);
    return rc;
}

static void every_changed_byte_is_refused_or_canonical(void **state)
{
    for (size_t s = 0; s < sample_count(); s++) {
        struct slice original = leaf_vector(sample_at(s), "");
        size_t front = original.len < 600 ? original.len : 600;
        uint8_t bytes[LEAF_TEST_MAX];

        memcpy(bytes, original.data, original.len);
        for (size_t i = 0; i < front; i++) {
            for (unsigned value = 0; value < 256; value++) {
                bytes[i] = (uint8_t)value;
                (void)decode_strictly(bytes, original.len);
            }
            bytes[i] = original.data[i];
        }
    }
}

static void every_other_length_is_refused(void **state)
{
    for (size_t s = 0; s < sample_count(); s++) {
        struct slice original = leaf_vector(sample_at(s), "");
        uint8_t bytes[LEAF_TEST_MAX] = {0};

        memcpy(bytes, original.data, original.len);
        for (size_t len = 0; len < original.len; len++) {
            assert_int_not_equal(decode_strictly(bytes, len), BLOCKDB_OK);
        }
        assert_int_not_equal(decode_strictly(bytes, original.len + 1), BLOCKDB_OK);
    }
}

/* Decodes a vector with the byte at offset set to value. */
static int decode_with(const char *name, size_t offset, uint8_t value)
{
    struct slice original = golden(name);
    uint8_t bytes[LEAF_TEST_MAX];

    memcpy(bytes, original.data, original.len);
    bytes[offset] = value;
    return decode_strictly(bytes, original.len);
}

static void each_rule_of_the_header(void **state)
{
    assert_int_equal(decode_with("leaf.put", 0, 0), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_with("leaf.put", 0, 2), BLOCKDB_EVERSION);
    assert_int_equal(decode_with("leaf.put", 1, 0), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_with("leaf.put", 1, 7), BLOCKDB_EVERSION);
    assert_int_equal(decode_with("leaf.put", 1, BLOCKDB_KIND_DELETE), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_with("leaf.put", 1, BLOCKDB_KIND_CONFIG), BLOCKDB_ECORRUPT);
    for (size_t i = 2; i < 6; i++) {
        assert_int_equal(decode_with("leaf.put", i, 1), BLOCKDB_EVERSION);
    }
    assert_int_equal(decode_with("leaf.put", 9, 1), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_with("leaf.put", 13, 0), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_with("leaf.put", 33, 6), BLOCKDB_OK);
    assert_int_equal(decode_with("leaf.delete", 33, 1), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_with("leaf.epoch", 26, 1), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_with("leaf.put", 35, 0), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_with("leaf.put", 34, 1), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_with("leaf.put_long", 35, 1), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_with("leaf.epoch", 35, 1), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_with("leaf.put", 37, 23), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_with("leaf.put", 37, 24), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_with("header.0.leaf", 13, 2), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_with("header.0.leaf", 17, 1), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_with("header.0.leaf", 36, 1), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_with("header.0.leaf", 37, 24), BLOCKDB_ECORRUPT);
}

static void the_longest_leaf_fits_a_bundle(void **state)
{
    struct leaf leaf = {
        .kind = BLOCKDB_KIND_CONFIG,
        .batch_count = 1,
        .value_len = SYSTEM_PAYLOAD_MAX,
        .client_id = sample_salt(),
        .actor = slice_of(sample_pattern(), RECORD_ACTOR_MAX),
        .payload = slice_of(sample_pattern(), SYSTEM_PAYLOAD_MAX),
    };
    struct buf bundle = {0};
    struct reader in;
    struct slice bytes;
    struct leaf decoded;

    assert_int_equal(bundle_append(&bundle, &leaf), BLOCKDB_OK);
    in = reader_of(buf_slice(&bundle));
    assert_int_equal(bundle_next(&in, &bytes), BLOCKDB_OK);
    assert_true(reader_done(&in));
    assert_int_equal(leaf_decode(bytes, &decoded), BLOCKDB_OK);
    assert_int_equal(decode_strictly(bytes.data, bytes.len), BLOCKDB_OK);
    buf_deinit(&bundle);

    assert_int_equal(LEAF_LEN_MAX, 64413);
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
        cmocka_unit_test(vectors_both_ways),
        cmocka_unit_test(hashes_one_by_one),
        cmocka_unit_test(redaction_changes_no_leaf),
        cmocka_unit_test(hashes_together),
        cmocka_unit_test(no_commitments_where_none_is_needed),
        cmocka_unit_test(hashes_of_every_length),
        cmocka_unit_test(every_changed_byte_is_refused_or_canonical),
        cmocka_unit_test(every_other_length_is_refused),
        cmocka_unit_test(each_rule_of_the_header),
        cmocka_unit_test(the_longest_leaf_fits_a_bundle),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
