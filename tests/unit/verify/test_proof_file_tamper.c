/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proof files that were changed: every byte, every section. What is still accepted claims nothing
 * but what the genuine file claims.
 */
#include "base/mem.h"
#include "common/test_env.h"
#include "verify_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define KINDS 6
#define SECTIONS_MAX 12

static struct sample sample;
static struct verify_case test;

static const struct sample_file kinds[KINDS] = {
    {.head_size = 14, .seq = 0, .with_value = true, .with_block = true, .cosigned = true},
    {.head_size = 8, .seq = 5, .range_first = 4, .range_count = 1},
    {.head_size = 14,
     .seq = 3,
     .with_value = true,
     .with_block = true,
     .with_key = true,
     .with_history = true,
     .key = "alpha"},
    {.head_size = 11, .seq = 2, .with_key = true, .key = "beta"},
    {.head_size = 14, .seq = 13, .with_key = true, .key = "nobody"},
    {.head_size = 11, .seq = 6, .with_key = true, .redaction = 8, .key = "secret"},
};

static int setup(void **state)
{
    sample_init(&sample);
    case_init(&test, &sample);
    return 0;
}

static int teardown(void **state)
{
    case_deinit(&test);
    sample_deinit(&sample);
    return 0;
}

/* Everything that a report claims, in one row of bytes. */
static void claims_of(const struct blockdb_proof_report *r, struct buf *out)
{
    struct blockdb_proof_report plain = *r;
    const struct blockdb_bytes parts[] = {r->head.origin, r->leaf,    r->value,           r->range,
                                          r->key,         r->history, r->redaction.reason};

    buf_reset(out);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        assert_int_equal(buf_append_be64(out, parts[i].len), 0);
        assert_int_equal(buf_append(out, parts[i].data, parts[i].len), 0);
    }
    assert_int_equal(buf_append(out, plain.head.root, SHA256_LEN), 0);
    assert_int_equal(
        buf_appendf(out, "%zu %zu %zu %d %zu %d %d %zu %d %d %zu %zu", (size_t)plain.head.tree_size,
                    (size_t)plain.head.signed_by, (size_t)plain.seq, (int)plain.value_state,
                    (size_t)plain.range_offset, plain.has_block, (int)plain.key_state,
                    (size_t)plain.version_count, plain.is_redacted, plain.has_redaction,
                    (size_t)plain.redaction.seq, (size_t)plain.block.height),
        0);
}

/* A changed file is refused, or claims the same as before. Returns whether it was accepted. */
static bool refused_or_same(struct slice text, const struct buf *claims)
{
    AUTO(buf_deinit) struct buf now = {0};
    int rc = case_verify(&test, text);

    if (rc < 0) {
        assert_int_not_equal(test.err.message[0], '\0');
        return false;
    }
    claims_of(&test.report, &now);
    assert_true(slice_equal(buf_slice(&now), buf_slice(claims)));
    return true;
}

/* A proof that one key is absent may be changed into one that another is, which is true as well:
 * the caller must say which key was asked for. */
static void expect_key(const char *key)
{
    test.expect.key = key;
    test.expect.key_len = key != NULL ? strlen(key) : 0;
}

static void every_byte(void **state)
{
    for (size_t k = 0; k < KINDS; k++) {
        AUTO(buf_deinit) struct buf text = {0};
        AUTO(buf_deinit) struct buf claims = {0};
        size_t accepted = 0;

        expect_key(kinds[k].key);
        sample_write(&sample, &kinds[k], &text);
        assert_int_equal(case_verify(&test, buf_slice(&text)), 0);
        claims_of(&test.report, &claims);
        for (size_t i = 0; i < text.len; i++) {
            text.data[i] ^= 1;
            accepted += refused_or_same(buf_slice(&text), &claims);
            text.data[i] ^= 1;
        }
        /* Only what a witness says that nobody asked about may change. */
        assert_true(kinds[k].cosigned || accepted == 0);
    }
    expect_key(NULL);
}

static void every_length(void **state)
{
    const size_t step = test_is_long() ? 1 : 7;

    for (size_t k = 0; k < KINDS; k++) {
        AUTO(buf_deinit) struct buf text = {0};
        AUTO(buf_deinit) struct buf claims = {0};

        sample_write(&sample, &kinds[k], &text);
        assert_int_equal(case_verify(&test, buf_slice(&text)), 0);
        claims_of(&test.report, &claims);
        for (size_t len = 0; len < text.len; len += step) {
            bool accepted = refused_or_same(slice_of(text.data, len), &claims);

            assert_true(!accepted || kinds[k].cosigned);
        }
        assert_int_equal(buf_append_u8(&text, '\n'), 0);
        assert_false(refused_or_same(buf_slice(&text), &claims));
    }
}

/* ---- Sections -------------------------------------------------------------------------------- */

struct cut {
    size_t count;
    struct slice sections[SECTIONS_MAX]; /* tag, length and content */
    unsigned tags[SECTIONS_MAX];
};

static void cut_sections(struct slice evidence, struct cut *out)
{
    struct reader in = reader_of(evidence);

    out->count = 0;
    (void)reader_bytes(&in, EVIDENCE_HEADER_LEN);
    while (reader_left(&in) > 0) {
        const uint8_t *start = in.at;

        out->tags[out->count] = reader_be16(&in);
        (void)reader_bytes(&in, reader_be32(&in));
        out->sections[out->count++] = slice_of(start, (size_t)(in.at - start));
    }
    assert_true(reader_ok(&in));
}

static int verify_sections(const struct sample_file *file, const struct cut *cut)
{
    AUTO(buf_deinit) struct buf bytes = {0};
    AUTO(buf_deinit) struct buf text = {0};

    assert_int_equal(buf_append(&bytes, "BDBPROOF\0\1", EVIDENCE_HEADER_LEN), 0);
    for (size_t i = 0; i < cut->count; i++) {
        assert_int_equal(buf_append_slice(&bytes, cut->sections[i]), 0);
    }
    sample_wrap(&sample, file, buf_slice(&bytes), &text);
    return case_verify(&test, buf_slice(&text));
}

/* Without a section the file is refused, or does not claim what the section is for. */
static void check_dropped(unsigned tag, int rc)
{
    const struct blockdb_proof_report *r = &test.report;

    switch ((enum evidence_tag)tag) {
    case EVIDENCE_ENTRY:
    case EVIDENCE_KEY:
    case EVIDENCE_MAP:
    case EVIDENCE_GAP:
        assert_true(rc == BLOCKDB_ECORRUPT || rc == BLOCKDB_ETAMPERED);
        return;
    case EVIDENCE_VALUE:
    case EVIDENCE_RANGE:
        assert_int_equal(rc, 0);
        assert_int_equal(r->value_state, BLOCKDB_VALUE_NOT_SHOWN);
        return;
    case EVIDENCE_BLOCK:
        assert_int_equal(rc, 0);
        assert_false(r->has_block);
        return;
    case EVIDENCE_HISTORY:
        assert_int_equal(rc, 0);
        assert_false(r->is_history_complete);
        return;
    case EVIDENCE_REDACTION:
        assert_int_equal(rc, 0);
        assert_false(r->has_redaction);
        return;
    }
}

static void remove_at(struct cut *cut, size_t i)
{
    cut->count--;
    memmove(&cut->sections[i], &cut->sections[i + 1], (cut->count - i) * sizeof cut->sections[0]);
}

static void every_section(void **state)
{
    for (size_t k = 0; k < KINDS; k++) {
        AUTO(buf_deinit) struct buf bytes = {0};
        struct cut genuine;

        sample_evidence(&sample, &kinds[k], &bytes);
        cut_sections(buf_slice(&bytes), &genuine);
        assert_int_equal(verify_sections(&kinds[k], &genuine), 0);
        for (size_t i = 0; i < genuine.count; i++) {
            struct cut changed = genuine;

            remove_at(&changed, i);
            check_dropped(genuine.tags[i], verify_sections(&kinds[k], &changed));
            changed = genuine; /* told twice */
            changed.sections[changed.count++] = changed.sections[i];
            assert_int_equal(verify_sections(&kinds[k], &changed), BLOCKDB_ECORRUPT);
            if (i + 1 < genuine.count) { /* in another order */
                changed = genuine;
                changed.sections[i] = genuine.sections[i + 1];
                changed.sections[i + 1] = genuine.sections[i];
                assert_int_equal(verify_sections(&kinds[k], &changed), BLOCKDB_ECORRUPT);
            }
        }
    }
}

/* A section with a byte less or more at its end, its length made to fit. */
static void section_lengths(void **state)
{
    for (size_t k = 0; k < KINDS; k++) {
        AUTO(buf_deinit) struct buf bytes = {0};
        struct cut genuine;

        sample_evidence(&sample, &kinds[k], &bytes);
        cut_sections(buf_slice(&bytes), &genuine);
        for (size_t i = 0; i < genuine.count * 2; i++) {
            AUTO(buf_deinit) struct buf section = {0};
            struct cut changed = genuine;

            assert_int_equal(buf_append_slice(&section, genuine.sections[i / 2]), 0);
            if (i % 2 == 0) {
                section.len--;
            } else {
                assert_int_equal(buf_append_u8(&section, 0), 0);
            }
            put_be32(section.data + 2, (uint32_t)(section.len - 6));
            changed.sections[i / 2] = buf_slice(&section);
            assert_true(verify_sections(&kinds[k], &changed) < 0);
        }
    }
}

/* Sections of one file in another that is about another entry or head. */
static void sections_of_other_files(void **state)
{
    for (size_t k = 0; k < KINDS; k++) {
        for (size_t other = 0; other < KINDS; other++) {
            AUTO(buf_deinit) struct buf bytes = {0};
            AUTO(buf_deinit) struct buf text = {0};

            if (kinds[other].seq == kinds[k].seq && kinds[other].head_size == kinds[k].head_size) {
                continue;
            }
            sample_evidence(&sample, &kinds[k], &bytes);
            sample_wrap(&sample, &kinds[other], buf_slice(&bytes), &text);
            assert_int_equal(case_verify(&test, buf_slice(&text)), BLOCKDB_ETAMPERED);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte),
        cmocka_unit_test(every_length),
        cmocka_unit_test(every_section),
        cmocka_unit_test(section_lengths),
        cmocka_unit_test(sections_of_other_files),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
