/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stored records: the vectors, REC-1 (one encoding) and REC-2 (redaction).
 */
#include "golden.h"
#include "ledger/commitment.h"
#include "ledger/record.h"
#include "samples.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define RECORD_TEST_MAX 8192
#define REDACT_SEQ 0x0102030405060708

static void assert_slice(struct slice got, struct slice want)
{
    assert_int_equal(got.len, want.len);
    if (want.len > 0) {
        assert_memory_equal(got.data, want.data, want.len);
    }
}

static void assert_record(const struct record *got, const struct record *want)
{
    assert_int_equal(got->kind, want->kind);
    assert_int_equal(got->flags, want->flags);
    assert_int_equal(got->batch_position, want->batch_position);
    assert_int_equal(got->batch_count, want->batch_count);
    assert_int_equal(got->collection, want->collection);
    assert_true(got->time_ms == want->time_ms);
    assert_slice(got->actor, want->actor);
    assert_int_equal(got->client_id != NULL, want->client_id != NULL);
    if (want->client_id != NULL) {
        assert_memory_equal(got->client_id, want->client_id, BLOCKDB_CLIENT_ID_LEN);
    }
    assert_true(got->request == want->request);
    assert_slice(got->key, want->key);
    assert_int_equal(got->value_len, want->value_len);
    assert_int_equal(got->salt != NULL, want->salt != NULL);
    if (want->salt != NULL) {
        assert_memory_equal(got->salt, want->salt, SALT_LEN);
    }
    assert_slice(got->value, want->value);
    assert_int_equal(got->commitment != NULL, want->commitment != NULL);
    if (want->commitment != NULL) {
        assert_memory_equal(got->commitment, want->commitment, SHA256_LEN);
    }
    assert_true(got->redact_seq == want->redact_seq);
}

static void vectors_both_ways(void **state)
{
    for (size_t i = 0; i < sample_count(); i++) {
        const struct sample *s = sample_at(i);
        uint8_t bytes[RECORD_TEST_MAX];
        char name[64];
        struct record parsed;
        struct slice want;

        (void)snprintf(name, sizeof name, "record.%s", s->name);
        want = golden(name);
        assert_int_equal(record_len(&s->record), want.len);
        record_encode(&s->record, bytes);
        assert_memory_equal(bytes, want.data, want.len);
        assert_int_equal(record_parse(want, &parsed), BLOCKDB_OK);
        assert_record(&parsed, &s->record);
    }
}

static void redacted_vectors(void **state)
{
    for (size_t i = 0; i < sample_count(); i++) {
        const struct sample *s = sample_at(i);
        uint8_t bytes[RECORD_TEST_MAX];
        struct hash commitment;
        struct record redacted;
        struct record again;
        struct record parsed;
        char name[64];
        struct slice want;

        if (s->record.kind != BLOCKDB_KIND_PUT) {
            continue;
        }
        (void)snprintf(name, sizeof name, "record.%s.redacted", s->name);
        want = golden(name);
        commitment_compute(s->record.salt, s->record.value, &commitment);
        redacted = record_redacted(&s->record, &commitment, REDACT_SEQ);
        assert_int_equal(record_len(&redacted), want.len);
        record_encode(&redacted, bytes);
        assert_memory_equal(bytes, want.data, want.len);
        assert_int_equal(record_parse(want, &parsed), BLOCKDB_OK);
        assert_record(&parsed, &redacted);
        again = record_redacted(&parsed, parsed.commitment, parsed.redact_seq);
        assert_record(&again, &redacted);
        assert_int_equal(commitment_verify(&parsed, &commitment), BLOCKDB_OK);
    }
}

static void patching_sets_what_the_commit_knows(void **state)
{
    struct record want = *sample("put_full");
    struct record got;
    uint8_t bytes[RECORD_TEST_MAX];

    record_encode(&want, bytes);
    want.time_ms = 0x0102030405060708;
    want.batch_position = 12;
    want.batch_count = 13;
    record_patch(bytes, want.time_ms, want.batch_position, want.batch_count);
    assert_int_equal(record_parse(slice_of(bytes, record_len(&want)), &got), BLOCKDB_OK);
    assert_record(&got, &want);
}

static void one_after_another(void **state)
{
    uint8_t bytes[2 * RECORD_TEST_MAX];
    const struct record *a = sample("put_full");
    const struct record *b = sample("delete");
    struct reader in;
    struct record got;

    record_encode(a, bytes);
    record_encode(b, bytes + record_len(a));
    in = reader_of(slice_of(bytes, record_len(a) + record_len(b)));
    assert_int_equal(record_read(&in, &got), BLOCKDB_OK);
    assert_record(&got, a);
    assert_int_equal(record_read(&in, &got), BLOCKDB_OK);
    assert_record(&got, b);
    assert_true(reader_done(&in));
    assert_int_equal(record_read(&in, &got), BLOCKDB_ECORRUPT);
}

/* Parses bytes; what is accepted must encode to the same bytes, and a refusal must not touch the
 * output. */
static int parse_strictly(const uint8_t *bytes, size_t len)
{
    struct record untouched;
    struct record r;
    uint8_t *again;
    int rc;

    memset(&r, 0xee, sizeof r);
    memset(&untouched, 0xee, sizeof untouched);
    rc = record_parse(slice_of(bytes, len), &r);
    if (rc < 0) {
        assert_memory_equal(&r, &untouched, sizeof r);
        return rc;
    }
    assert_int_equal(record_len(&r), len);
    again = malloc(len);
    assert_non_null(again);
    record_encode(&r, again);
    assert_memory_equal(again, bytes, len);
    free(again);
    return rc;
}

static void every_changed_byte_is_refused_or_canonical(void **state)
{
    for (size_t v = 0; v < golden_count("record."); v++) {
        const char *name = golden_name("record.", v);
        struct slice original = golden(name);
        uint8_t bytes[RECORD_TEST_MAX];
        size_t header = original.len < 600 ? original.len : 600;

        if (strstr(name, ".commitment") != NULL) {
            continue;
        }
        memcpy(bytes, original.data, original.len);
        for (size_t i = 0; i < header; i++) {
            for (unsigned value = 0; value < 256; value++) {
                bytes[i] = (uint8_t)value;
                (void)parse_strictly(bytes, original.len);
            }
            bytes[i] = original.data[i];
        }
    }
}

static void every_other_length_is_refused(void **state)
{
    for (size_t v = 0; v < golden_count("record."); v++) {
        struct slice original = golden(golden_name("record.", v));
        uint8_t bytes[RECORD_TEST_MAX] = {0};

        memcpy(bytes, original.data, original.len);
        for (size_t len = 0; len < original.len; len++) {
            assert_int_not_equal(parse_strictly(bytes, len), BLOCKDB_OK);
        }
        assert_int_not_equal(parse_strictly(bytes, original.len + 1), BLOCKDB_OK);
    }
}

/* Parses a vector with the byte at offset set to value. */
static int parse_with(const char *name, size_t offset, uint8_t value)
{
    struct slice original = golden(name);
    uint8_t bytes[RECORD_TEST_MAX];

    memcpy(bytes, original.data, original.len);
    bytes[offset] = value;
    return parse_strictly(bytes, original.len);
}

static void each_rule_of_the_header(void **state)
{
    assert_int_equal(parse_with("record.put", 0, 0), BLOCKDB_ECORRUPT);
    assert_int_equal(parse_with("record.put", 0, BLOCKDB_KIND_DELETE), BLOCKDB_ECORRUPT);
    assert_int_equal(parse_with("record.put", 0, BLOCKDB_KIND_EPOCH), BLOCKDB_ECORRUPT);
    assert_int_equal(parse_with("record.put", 0, 7), BLOCKDB_EVERSION);
    assert_int_equal(parse_with("record.put", 1, 2), BLOCKDB_EVERSION);
    assert_int_equal(parse_with("record.delete", 1, 1), BLOCKDB_ECORRUPT);
    assert_int_equal(parse_with("record.epoch", 1, 1), BLOCKDB_ECORRUPT);
    assert_int_equal(parse_with("record.put", 2, 0), BLOCKDB_ECORRUPT);
    assert_int_equal(parse_with("record.put_long", 2, 1), BLOCKDB_ECORRUPT);
    assert_int_equal(parse_with("record.delete", 4, 1), BLOCKDB_ECORRUPT);
    assert_int_equal(parse_with("record.epoch", 2, 1), BLOCKDB_ECORRUPT);
    assert_int_equal(parse_with("record.epoch", 6, 1), BLOCKDB_ECORRUPT);
    assert_int_equal(parse_with("record.put", 7, 0xff), BLOCKDB_ECORRUPT);
    assert_int_equal(parse_with("record.put", 16, 1), BLOCKDB_ECORRUPT);
    assert_int_equal(parse_with("record.put", 20, 0), BLOCKDB_ECORRUPT);
    assert_int_equal(parse_with("record.put", 29, 1), BLOCKDB_ECORRUPT);
    assert_int_equal(parse_with("record.put", 29, 24), BLOCKDB_ECORRUPT);
    assert_int_equal(parse_with("record.put", 30, 1), BLOCKDB_EVERSION);
    assert_int_equal(parse_with("record.put", 31, 1), BLOCKDB_EVERSION);
}

static void a_block_header_stands_alone(void **state)
{
    assert_int_equal(parse_with("header.0.record", 20, 1), BLOCKDB_OK);
    assert_int_equal(parse_with("header.0.record", 20, 2), BLOCKDB_ECORRUPT);
    assert_int_equal(parse_with("header.0.record", 24, 1), BLOCKDB_ECORRUPT);
    assert_int_equal(parse_with("header.0.record", 28, 1), BLOCKDB_ECORRUPT);
    assert_int_equal(parse_with("header.0.record", 29, 24), BLOCKDB_ECORRUPT);
    assert_int_equal(parse_with("header.0.record", 2, 1), BLOCKDB_ECORRUPT);
}

/* A record of a system kind with a payload of len bytes. */
static int parse_system(uint32_t len)
{
    struct record r = {.kind = BLOCKDB_KIND_CONFIG, .batch_count = 1, .value_len = len};
    uint8_t *bytes = malloc(RECORD_HEADER_LEN + len);
    int rc;

    assert_non_null(bytes);
    r.value = slice_of(sample_pattern(), len);
    record_encode(&r, bytes);
    rc = parse_strictly(bytes, RECORD_HEADER_LEN + len);
    free(bytes);
    return rc;
}

static void payloads_have_limits(void **state)
{
    assert_int_equal(parse_system(0), BLOCKDB_ECORRUPT);
    assert_int_equal(parse_system(1), BLOCKDB_OK);
    assert_int_equal(parse_system(SYSTEM_PAYLOAD_MAX), BLOCKDB_OK);
    assert_int_equal(parse_system(SYSTEM_PAYLOAD_MAX + 1), BLOCKDB_ECORRUPT);
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
        cmocka_unit_test(redacted_vectors),
        cmocka_unit_test(patching_sets_what_the_commit_knows),
        cmocka_unit_test(one_after_another),
        cmocka_unit_test(every_changed_byte_is_refused_or_canonical),
        cmocka_unit_test(every_other_length_is_refused),
        cmocka_unit_test(each_rule_of_the_header),
        cmocka_unit_test(a_block_header_stands_alone),
        cmocka_unit_test(payloads_have_limits),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
