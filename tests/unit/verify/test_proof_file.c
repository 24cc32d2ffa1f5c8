/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proof files: what each section proves, whom to trust, what may be expected, and statements that
 * are wrong in themselves though every signature is right.
 */
#include "base/mem.h"
#include "ledger/merkle.h"
#include "verify_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct sample sample;
static struct verify_case test;

static int setup(void **state)
{
    sample_init(&sample);
    return 0;
}

static int teardown(void **state)
{
    sample_deinit(&sample);
    return 0;
}

static int begin(void **state)
{
    case_init(&test, &sample);
    return 0;
}

static int end(void **state)
{
    case_deinit(&test);
    return 0;
}

/* Writes a file and verifies it; what the report borrows lives until the next call. */
static int verify(const struct sample_file *file)
{
    static struct buf text;

    buf_deinit(&text);
    text = (struct buf){0};
    sample_write(&sample, file, &text);
    return case_verify(&test, buf_slice(&text));
}

static void assert_bytes(struct blockdb_bytes got, const char *want)
{
    assert_int_equal(got.len, strlen(want));
    assert_memory_equal(got.data, want, got.len);
}

/* The reason, somewhere in the message. */
static void assert_refused(const struct sample_file *file, const char *reason)
{
    assert_int_equal(verify(file), BLOCKDB_ETAMPERED);
    assert_non_null(strstr(test.err.message, reason));
}

/* ---- What holds ------------------------------------------------------------------------------ */

static void entry_and_value(void **state)
{
    const struct sample_file file = {
        .head_size = 14, .seq = 0, .with_value = true, .with_block = true};
    const struct blockdb_proof_report *r = &test.report;

    assert_int_equal(verify(&file), 0);
    assert_bytes(r->head.origin, SAMPLE_ORIGIN);
    assert_int_equal(r->head.tree_size, 14);
    assert_int_equal(r->head.signed_by, 1);
    assert_int_equal(r->seq, 0);
    assert_int_equal(r->entry.kind, BLOCKDB_KIND_PUT);
    assert_bytes(r->entry.key, "alpha");
    assert_bytes(r->entry.actor, "tester");
    assert_memory_equal(r->leaf_hash, sample.entries[0].hash.bytes, SHA256_LEN);
    assert_int_equal(r->value_state, BLOCKDB_VALUE_WHOLE);
    assert_bytes(r->value, "one");
    assert_true(r->has_block);
    assert_int_equal(r->block.height, 0);
    assert_int_equal(r->block.tree_size, 4);
    assert_int_equal(r->block_position, 0);
    assert_int_equal(r->key_state, BLOCKDB_KEY_NOT_SHOWN);
    assert_false(r->has_redaction);
}

static void every_entry(void **state)
{
    for (uint64_t seq = 0; seq < 14; seq++) {
        const struct sample_file file = {.head_size = 14, .seq = seq};

        assert_int_equal(verify(&file), 0);
        assert_int_equal(test.report.seq, seq);
    }
}

static void range(void **state)
{
    const struct sample_file file = {.head_size = 8, .seq = 5, .range_first = 2, .range_count = 3};
    struct blockdb_bytes rest;
    struct blockdb_bytes piece;
    uint64_t at = (uint64_t)2 * BLOCKDB_CHUNK_LEN;

    assert_int_equal(verify(&file), 0);
    assert_int_equal(test.report.value_state, BLOCKDB_VALUE_RANGE);
    assert_int_equal(test.report.range_offset, at);
    assert_int_equal(test.report.range_len, SAMPLE_BIG_LEN - at);
    rest = test.report.range;
    while (blockdb_proof_next_chunk(&rest, &piece)) {
        assert_memory_equal(piece.data, sample.big + at, piece.len);
        at += piece.len;
    }
    assert_int_equal(at, SAMPLE_BIG_LEN);
}

/* All chunks of a value are the value. */
static void range_of_all(void **state)
{
    const struct sample_file file = {.head_size = 8, .seq = 5, .range_count = 5};
    const struct sample_file short_of_it = {.head_size = 8, .seq = 5, .range_count = 4};
    uint8_t *other = mem_alloc(SAMPLE_BIG_LEN + 1);

    assert_non_null(other);
    memcpy(other, sample.big, SAMPLE_BIG_LEN);
    other[SAMPLE_BIG_LEN] = 0;
    test.expect.require = BLOCKDB_REQUIRE_VALUE;
    assert_int_equal(verify(&file), 0);
    assert_int_equal(test.report.value_state, BLOCKDB_VALUE_RANGE);
    assert_refused(&short_of_it, "a part");
    test.expect.value = other;
    test.expect.value_len = SAMPLE_BIG_LEN;
    assert_int_equal(verify(&file), 0);
    test.expect.value_len = SAMPLE_BIG_LEN - 1;
    assert_refused(&file, "another value");
    test.expect.value_len = SAMPLE_BIG_LEN + 1;
    assert_refused(&file, "another value");
    other[SAMPLE_BIG_LEN - 1] ^= 1;
    test.expect.value_len = SAMPLE_BIG_LEN;
    assert_refused(&file, "another value");
    mem_free(other);
}

static void large_value(void **state)
{
    const struct sample_file file = {.head_size = 8, .seq = 5, .with_value = true};

    assert_int_equal(verify(&file), 0);
    assert_int_equal(test.report.value.len, SAMPLE_BIG_LEN);
}

static void newest_with_history(void **state)
{
    const uint64_t heads[] = {8, 11, 14};
    struct sample_file file = {.seq = 3,
                               .with_value = true,
                               .with_block = true,
                               .with_key = true,
                               .with_history = true,
                               .key = "alpha"};
    struct blockdb_proof_version version;
    struct blockdb_bytes history;

    for (size_t i = 0; i < 3; i++) {
        file.head_size = heads[i];
        assert_int_equal(verify(&file), 0);
        assert_int_equal(test.report.key_state, BLOCKDB_KEY_LIVE);
        assert_bytes(test.report.key, "alpha");
        assert_int_equal(test.report.version_count, 2);
        assert_int_equal(test.report.as_of_ms, 1700000000000 + heads[i] - 1);
        assert_true(test.report.is_history_complete);
        history = test.report.history;
        assert_true(blockdb_proof_next_version(&history, &version));
        assert_int_equal(version.seq, 0);
        assert_bytes(version.entry.key, "alpha");
        assert_true(blockdb_proof_next_version(&history, &version));
        assert_int_equal(version.seq, 3);
        assert_false(blockdb_proof_next_version(&history, &version));
    }
}

static void deleted(void **state)
{
    const struct sample_file file = {
        .head_size = 11, .seq = 2, .with_key = true, .with_history = true, .key = "beta"};

    assert_int_equal(verify(&file), 0);
    assert_int_equal(test.report.key_state, BLOCKDB_KEY_DELETED);
    assert_int_equal(test.report.version_count, 2);
}

static void absent(void **state)
{
    const char *keys[] = {"nobody", "alph", "alphaa", "zzz", "0"};

    for (size_t i = 0; i < 5; i++) {
        const struct sample_file file = {
            .head_size = 14, .seq = 13, .with_key = true, .key = keys[i]};

        assert_int_equal(verify(&file), 0);
        assert_int_equal(test.report.key_state, BLOCKDB_KEY_ABSENT);
        assert_bytes(test.report.key, keys[i]);
        assert_int_equal(test.report.entry.kind, BLOCKDB_KIND_BLOCK_HEADER);
    }
}

static void redacted(void **state)
{
    const struct sample_file file = {
        .head_size = 11, .seq = 6, .with_key = true, .redaction = 8, .key = "secret"};

    assert_int_equal(verify(&file), 0);
    assert_true(test.report.is_redacted);
    assert_true(test.report.has_redaction);
    assert_int_equal(test.report.redaction.seq, 8);
    assert_int_equal(test.report.redaction.target_seq, 6);
    assert_int_equal(test.report.redaction.reason_code, 2);
    assert_bytes(test.report.redaction.reason, "asked to forget");
    assert_bytes(test.report.redaction.authority, "case 17");
    assert_int_equal(test.report.value_state, BLOCKDB_VALUE_NOT_SHOWN);
}

/* ---- Trust ----------------------------------------------------------------------------------- */

static void whom_to_trust(void **state)
{
    const struct sample_file file = {.head_size = 14, .seq = 0, .cosigned = true};
    char policy[1000];

    test.trust.key_count = 0;
    assert_int_equal(verify(&file), BLOCKDB_EINVAL);
    test.trust.key_count = 1;
    test.trust.origin = SAMPLE_ORIGIN "/epoch-1";
    assert_refused(&file, "is of the log");
    test.trust.origin = NULL;
    test.keys[0] = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    assert_refused(&file, "none of the trusted keys");
    test.keys[1] = sample.vkey;
    test.trust.key_count = 2;
    assert_int_equal(verify(&file), 0);
    assert_int_equal(test.report.head.signed_by, 2);
    snprintf(policy, sizeof policy, "log %s\nwitness w %s\nquorum w\n", sample.vkey,
             sample.witness_vkey);
    test.trust.key_count = 0;
    test.trust.policy = policy;
    test.trust.policy_len = strlen(policy);
    assert_int_equal(verify(&file), 0);
    assert_true(test.report.head.is_policy_fulfilled);
    assert_int_equal(test.report.head.witness_count, 1);
}

static void known_head(void **state)
{
    struct sample_file file = {.head_size = 14, .seq = 0, .with_value = true};
    struct blockdb_checkpoint known;

    assert_int_equal(verify(&file), 0);
    known = test.report.head;
    known.origin = (struct blockdb_bytes){(const uint8_t *)SAMPLE_ORIGIN, strlen(SAMPLE_ORIGIN)};
    test.expect.known_head = &known;
    test.keys[0] = "not looked at";
    file.seq = 3;
    assert_int_equal(verify(&file), 0);
    assert_int_equal(test.report.head.signed_by, 1);
    file.head_size = 11;
    assert_int_equal(verify(&file), BLOCKDB_EINVAL);
}

/* ---- Expectations ---------------------------------------------------------------------------- */

static void what_is_expected(void **state)
{
    const struct sample_file file = {
        .head_size = 14, .seq = 3, .with_value = true, .with_key = true, .key = "alpha"};

    test.expect.key = "alpha";
    test.expect.key_len = 5;
    test.expect.value = "three";
    test.expect.value_len = 5;
    test.expect.seq = 3;
    test.expect.require = BLOCKDB_REQUIRE_NEWEST | BLOCKDB_REQUIRE_VALUE;
    assert_int_equal(verify(&file), 0);
    test.expect.seq = 0;
    assert_refused(&file, "not of entry 0");
    test.expect.seq = 3;
    test.expect.value_len = 4;
    assert_refused(&file, "another value");
    test.expect.value = NULL;
    test.expect.key_len = 4;
    assert_refused(&file, "another key");
    test.expect.key_len = 5;
    test.expect.collection = 1;
    assert_refused(&file, "another key");
    test.expect.collection = 0;
    test.expect.require = BLOCKDB_REQUIRE_BLOCK;
    assert_refused(&file, "block");
    test.expect.require = BLOCKDB_REQUIRE_HISTORY;
    assert_refused(&file, "all versions");
}

static void what_is_expected_of_others(void **state)
{
    const struct sample_file entry = {.head_size = 14, .seq = 0};
    const struct sample_file header = {.head_size = 14, .seq = 4};
    const struct sample_file part = {.head_size = 8, .seq = 5, .range_count = 4};
    const struct sample_file gone = {.head_size = 14, .seq = 13, .with_key = true, .key = "nobody"};
    const struct sample_file empty = {.head_size = 14, .seq = 9, .with_value = true};

    test.expect.require = BLOCKDB_REQUIRE_NEWEST;
    assert_refused(&entry, "newest");
    test.expect.require = BLOCKDB_REQUIRE_VALUE;
    assert_refused(&entry, "no value");
    assert_refused(&part, "a part");
    test.expect.require = BLOCKDB_REQUIRE_NEWEST | BLOCKDB_REQUIRE_HISTORY;
    test.expect.key = "nobody";
    test.expect.key_len = 6;
    assert_int_equal(verify(&gone), 0);
    test.expect.require = 0;
    assert_refused(&header, "without a key");
    test.expect.key = NULL;
    test.expect.value = "";
    assert_int_equal(verify(&empty), 0);
}

/* ---- Wrong in themselves --------------------------------------------------------------------- */

static void stale_or_foreign_entries(void **state)
{
    struct sample_file file = {.head_size = 14, .seq = 0, .with_key = true, .key = "alpha"};

    assert_refused(&file, "another entry as the newest"); /* a stale version */
    file.key = "beta";
    assert_refused(&file, "another entry");
    file.key = "nobody"; /* absent, told with an entry */
    assert_refused(&file, "yet the file is about entry");
    file.seq = 13; /* the last header, told with a key that is there */
    file.key = "alpha";
    assert_refused(&file, "another entry");
    file.key = "nobody";
    file.redaction = 12;
    assert_refused(&file, "section REDACTION");
}

static void what_the_gap_changes(void **state)
{
    struct sample_file file = {.head_size = 14, .seq = 13, .with_key = true, .key = "epsilon"};

    assert_refused(&file, "entry 11 changes the key"); /* not absent: put behind the map */
    file.seq = 5;
    file.key = "gamma";
    assert_refused(&file, "entry 12 changes the key"); /* redacted behind the map */
}

static void values_of_others(void **state)
{
    const struct sample_file file = {.head_size = 14, .seq = 0, .with_value = true};
    AUTO(buf_deinit) struct buf bytes = {0};
    AUTO(buf_deinit) struct buf text = {0};
    struct evidence_writer w;

    evidence_writer_init(&w, &bytes);
    evidence_write_entry(&w, buf_slice(&sample.entries[0].leaf));
    evidence_write_value(&w, sample.entries[3].salt, slice_of_text("thr"));
    assert_int_equal(evidence_writer_finish(&w), 0);
    sample_wrap(&sample, &file, buf_slice(&bytes), &text);
    assert_int_equal(case_verify(&test, buf_slice(&text)), BLOCKDB_ETAMPERED);
    assert_non_null(strstr(test.err.message, "section VALUE"));
}

/* A deletion and a header have no value that could be shown or erased. */
static void sections_of_other_kinds(void **state)
{
    struct sample_file file = {.head_size = 14, .seq = 2, .with_value = true};

    assert_refused(&file, "no put");
    file.seq = 4;
    assert_refused(&file, "no put");
    file = (struct sample_file){.head_size = 14, .seq = 3, .redaction = 8};
    assert_refused(&file, "not its target");
    file = (struct sample_file){.head_size = 14, .seq = 2, .redaction = 8};
    assert_refused(&file, "no value that could be erased");
    file = (struct sample_file){.head_size = 14, .seq = 9, .redaction = 8};
    assert_refused(&file, "is later than it");
}

/* Blocks that do not hold the entry: the next one, for a header and for what is before it. */
static void other_blocks(void **state)
{
    const uint64_t seqs[] = {0, 7};
    const uint64_t headers[] = {7, 10};

    for (size_t i = 0; i < 2; i++) {
        const struct sample_file file = {.head_size = 14, .seq = seqs[i]};
        AUTO(buf_deinit) struct buf bytes = {0};
        AUTO(buf_deinit) struct buf text = {0};
        struct evidence_block block = {.header = buf_slice(&sample.entries[headers[i]].leaf),
                                       .header_seq = headers[i]};
        struct evidence_writer w;
        struct proof path;

        sample_path(&sample, headers[i], 14, &path);
        block.in_tree = hash_list_of_proof(&path);
        evidence_writer_init(&w, &bytes);
        evidence_write_entry(&w, buf_slice(&sample.entries[seqs[i]].leaf));
        evidence_write_block(&w, &block);
        assert_int_equal(evidence_writer_finish(&w), 0);
        sample_wrap(&sample, &file, buf_slice(&bytes), &text);
        assert_int_equal(case_verify(&test, buf_slice(&text)), BLOCKDB_ETAMPERED);
        assert_non_null(strstr(test.err.message, "does not hold entry"));
    }
}

static void headers_without_a_map(void **state)
{
    /* The head of five entries ends in a header that says nothing of a map. */
    AUTO(buf_deinit) struct buf bytes = {0};
    AUTO(buf_deinit) struct buf text = {0};
    const struct sample_file file = {.head_size = 5, .seq = 3};
    struct evidence_map map = {.header = buf_slice(&sample.entries[4].leaf),
                               .map_proof = slice_of("\0", 1)};
    struct evidence_writer w;
    struct proof path;

    sample_path(&sample, 4, 5, &path);
    map.in_tree = hash_list_of_proof(&path);
    evidence_writer_init(&w, &bytes);
    evidence_write_entry(&w, buf_slice(&sample.entries[3].leaf));
    evidence_write_key(&w, 0, slice_of_text("alpha"));
    evidence_write_map(&w, &map);
    assert_int_equal(evidence_writer_finish(&w), 0);
    sample_wrap(&sample, &file, buf_slice(&bytes), &text);
    assert_int_equal(case_verify(&test, buf_slice(&text)), BLOCKDB_ETAMPERED);
    assert_non_null(strstr(test.err.message, "nothing of a map"));
}

/* Versions of alpha that are missing, in another order, told twice, or of another key. */
static void histories(void **state)
{
    static const uint64_t lists[][3] = {{3, 0, 0}, {3, 0, 2}, {0, 0, 2}, {0, 3, 3}, {1, 3, 2}};
    static const size_t counts[] = {1, 2, 2, 3, 2};
    const struct sample_file file = {.head_size = 11, .seq = 3, .with_key = true, .key = "alpha"};

    for (size_t i = 0; i < 5; i++) {
        AUTO(buf_deinit) struct buf bytes = {0};
        AUTO(buf_deinit) struct buf text = {0};
        struct evidence_writer w;
        size_t len;

        sample_evidence(&sample, &file, &bytes);
        len = bytes.len;
        /* The section is made by a writer of its own and moved behind the others. */
        evidence_writer_init(&w, &bytes);
        evidence_write_entry(&w, slice_of("", 0));
        evidence_write_key(&w, 0, slice_of_text("k"));
        evidence_write_map(&w, &(struct evidence_map){.header = slice_of_text("h")});
        evidence_begin_history(&w);
        for (size_t k = 0; k < counts[i]; k++) {
            evidence_add_version(&w, lists[i][k], buf_slice(&sample.entries[lists[i][k]].leaf));
        }
        assert_int_equal(evidence_writer_finish(&w), 0);
        /* Header 10, ENTRY 6, KEY 6 + 5, MAP 6 + 4. */
        memmove(bytes.data + len, bytes.data + len + 37, bytes.len - len - 37);
        bytes.len -= 37;
        sample_wrap(&sample, &file, buf_slice(&bytes), &text);
        assert_int_equal(case_verify(&test, buf_slice(&text)), BLOCKDB_ETAMPERED);
        assert_non_null(strstr(test.err.message, "section HISTORY"));
    }
}

/* The map may be signed and wrong; the entry itself tells of what key and kind it is. */
static void lying_maps(void **state)
{
    static const enum sample_lie lies[] = {SAMPLE_OTHER_KEY, SAMPLE_DELETED};
    static const char *const reasons[] = {"not of that key", "do not agree whether it is deleted"};
    const uint64_t seqs[] = {1, 3};

    for (size_t i = 0; i < 2; i++) {
        const struct sample_file file = {
            .head_size = 11, .seq = seqs[i], .with_key = true, .key = "alpha"};
        AUTO(buf_deinit) struct buf text = {0};
        struct sample liar;

        sample_init_lying(&liar, lies[i]);
        sample_write(&liar, &file, &text);
        assert_int_equal(case_verify(&test, buf_slice(&text)), BLOCKDB_ETAMPERED);
        assert_non_null(strstr(test.err.message, reasons[i]));
        sample_deinit(&liar);
    }
}

/* A gap with fewer leaves, with more, and with other peaks than the tree of map_size leaves. */
static void other_gaps(void **state)
{
    static const uint64_t counts[] = {3, 5, 4};
    const struct sample_file file = {.head_size = 14, .seq = 3, .with_key = true, .key = "alpha"};
    AUTO(buf_deinit) struct buf genuine = {0};
    struct evidence e;

    sample_evidence(&sample, &file, &genuine);
    assert_int_equal(evidence_decode(buf_slice(&genuine), &e, NULL), 0);
    for (size_t i = 0; i < 3; i++) {
        AUTO(buf_deinit) struct buf bytes = {0};
        AUTO(buf_deinit) struct buf text = {0};
        struct evidence_writer w;
        struct frontier tree;

        assert_int_equal(evidence_gap_frontier(&e.gap, 10, &tree), 0);
        tree.size = i == 2 ? 2 : 10;
        evidence_writer_init(&w, &bytes);
        evidence_write_entry(&w, e.entry);
        evidence_write_key(&w, e.collection, e.key);
        evidence_write_map(&w, &e.map);
        evidence_begin_gap(&w, &tree);
        for (uint64_t k = 0; k < counts[i]; k++) {
            evidence_add_gap_leaf(&w, buf_slice(&sample.entries[k < 4 ? 10 + k : 13].leaf));
        }
        assert_int_equal(evidence_writer_finish(&w), 0);
        sample_wrap(&sample, &file, buf_slice(&bytes), &text);
        assert_int_equal(case_verify(&test, buf_slice(&text)), BLOCKDB_ETAMPERED);
        assert_non_null(strstr(test.err.message, "are not what is between"));
    }
}

/* ---- Limits ---------------------------------------------------------------------------------- */

static bool fail_always(void *context)
{
    return true;
}

static void nothing_is_allocated(void **state)
{
    struct sample_file file = {.head_size = 14,
                               .seq = 3,
                               .with_value = true,
                               .with_block = true,
                               .with_key = true,
                               .with_history = true,
                               .key = "alpha"};
    AUTO(buf_deinit) struct buf text = {0};
    int rc;

    sample_write(&sample, &file, &text);
    mem_set_fail_hook(fail_always, NULL);
    rc = case_verify(&test, buf_slice(&text));
    mem_set_fail_hook(NULL, NULL);
    assert_int_equal(rc, 0);
}

static void scratch_and_sizes(void **state)
{
    const struct sample_file file = {.head_size = 14, .seq = 3, .with_value = true};
    AUTO(buf_deinit) struct buf text = {0};
    struct blockdb_proof_file call = {.scratch = test.scratch};
    struct blockdb_proof_report small = {.size = offsetof(struct blockdb_proof_report, leaf)};

    sample_write(&sample, &file, &text);
    call.text = text.data;
    call.len = text.len;
    test.trust.keys = test.keys;
    call.scratch_len = 10;
    assert_int_equal(blockdb_verify_proof_file(&call, &test.trust, NULL, &small, NULL),
                     BLOCKDB_ELIMIT);
    call.scratch_len = BLOCKDB_PROOF_SCRATCH_LEN(text.len);
    assert_int_equal(blockdb_verify_proof_file(&call, &test.trust, NULL, &small, NULL), 0);
    assert_int_equal(small.seq, 3);
    assert_int_equal(small.leaf.len, 0); /* behind what the caller knows */
    small.size = 0;
    assert_int_equal(blockdb_verify_proof_file(&call, &test.trust, NULL, &small, NULL),
                     BLOCKDB_EINVAL);
}

static void without_evidence(void **state)
{
    const struct sample_file file = {.head_size = 14, .seq = 3};
    AUTO(buf_deinit) struct buf text = {0};

    sample_wrap(&sample, &file, slice_of(NULL, 0), &text);
    assert_int_equal(case_verify(&test, buf_slice(&text)), BLOCKDB_ECORRUPT);
    buf_reset(&text);
    sample_wrap(&sample, &file, slice_of("something", 9), &text);
    assert_int_equal(case_verify(&test, buf_slice(&text)), BLOCKDB_ECORRUPT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(entry_and_value),
        TEST(every_entry),
        TEST(range),
        TEST(range_of_all),
        TEST(large_value),
        TEST(newest_with_history),
        TEST(deleted),
        TEST(absent),
        TEST(redacted),
        TEST(whom_to_trust),
        TEST(known_head),
        TEST(what_is_expected),
        TEST(what_is_expected_of_others),
        TEST(stale_or_foreign_entries),
        TEST(what_the_gap_changes),
        TEST(values_of_others),
        TEST(sections_of_other_kinds),
        TEST(other_blocks),
        TEST(headers_without_a_map),
        TEST(histories),
        TEST(lying_maps),
        TEST(other_gaps),
        TEST(nothing_is_allocated),
        TEST(scratch_and_sizes),
        TEST(without_evidence),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
