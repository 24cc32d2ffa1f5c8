/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The form of evidence: writer and decoder, EVI-1 to EVI-3, every prefix, every failed allocation.
 */
#include "base/mem.h"
#include "proof_sample.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct sample sample;

static const struct sample_file everything = {.head_size = 14,
                                              .seq = 3,
                                              .with_value = true,
                                              .with_block = true,
                                              .with_key = true,
                                              .with_history = true,
                                              .redaction = 8,
                                              .key = "alpha"};

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

static void round_trip(void **state)
{
    AUTO(buf_deinit) struct buf bytes = {0};
    struct evidence e;
    struct slice leaf;
    struct evidence_version version;
    struct reader list;

    sample_evidence(&sample, &everything, &bytes);
    assert_int_equal(evidence_decode(buf_slice(&bytes), &e, NULL), 0);
    assert_int_equal(e.present, 0x3f6); /* all but RANGE */
    assert_true(slice_equal(e.entry, buf_slice(&sample.entries[3].leaf)));
    assert_true(slice_equal(e.value, slice_of_text("three")));
    assert_memory_equal(e.salt, sample.entries[3].salt, SALT_LEN);
    assert_int_equal(e.block.header_seq, 4);
    assert_int_equal(e.block.in_block.count, 2);
    assert_true(slice_equal(e.key, slice_of_text("alpha")));
    assert_int_equal(e.gap.leaf_count, 4);
    assert_int_equal(e.gap.peaks.count, 2);
    list = e.gap.leaves;
    for (uint64_t seq = 10; seq < 14; seq++) {
        assert_true(evidence_next_leaf(&list, &leaf));
        assert_true(slice_equal(leaf, buf_slice(&sample.entries[seq].leaf)));
    }
    assert_false(evidence_next_leaf(&list, &leaf));
    assert_int_equal(e.history.version_count, 2);
    list = e.history.versions;
    assert_true(evidence_next_version(&list, &version));
    assert_int_equal(version.seq, 0);
    assert_true(evidence_next_version(&list, &version));
    assert_int_equal(version.seq, 3);
    assert_false(evidence_next_version(&list, &version));
    assert_int_equal(e.redaction.seq, 8);
}

static void ranges(void **state)
{
    const struct sample_file file = {.head_size = 8, .seq = 5, .range_first = 3, .range_count = 2};
    AUTO(buf_deinit) struct buf bytes = {0};
    struct evidence_chunk chunk;
    struct reader list;
    struct evidence e;

    sample_evidence(&sample, &file, &bytes);
    assert_int_equal(evidence_decode(buf_slice(&bytes), &e, NULL), 0);
    assert_int_equal(e.range.value_len, SAMPLE_BIG_LEN);
    assert_int_equal(e.range.first_chunk, 3);
    assert_int_equal(e.range.chunk_count, 2);
    list = e.range.chunks;
    assert_true(evidence_next_chunk(&list, &chunk));
    assert_int_equal(chunk.bytes.len, 16384);
    assert_true(evidence_next_chunk(&list, &chunk));
    assert_int_equal(chunk.bytes.len, SAMPLE_BIG_LEN - 4 * 16384);
    assert_false(evidence_next_chunk(&list, &chunk));
}

/* No prefix is evidence, unless it ends where a section does and is allowed to be alone. */
static void every_prefix(void **state)
{
    AUTO(buf_deinit) struct buf bytes = {0};
    unsigned accepted = 0;
    struct evidence e;

    sample_evidence(&sample, &everything, &bytes);
    for (size_t len = 0; len < bytes.len; len++) {
        AUTO(mem_free_ptr) uint8_t *copy = mem_alloc(len + 1); /* so that ASan sees its end */
        int rc;

        assert_non_null(copy);
        memcpy(copy, bytes.data, len);
        rc = evidence_decode(slice_of(copy, len), &e, NULL);
        assert_true(rc == BLOCKDB_OK || rc == BLOCKDB_ECORRUPT);
        accepted += rc == BLOCKDB_OK;
    }
    /* ENTRY; VALUE; BLOCK; KEY with MAP; GAP; HISTORY. */
    assert_int_equal(accepted, 6);
}

static int decode(const char *hex_tail, size_t len)
{
    uint8_t bytes[128] = "BDBPROOF\0\1";
    struct evidence e;

    memcpy(bytes + EVIDENCE_HEADER_LEN, hex_tail, len);
    return evidence_decode(slice_of(bytes, EVIDENCE_HEADER_LEN + len), &e, NULL);
}

#define DECODE(tail) decode(tail, sizeof(tail) - 1)
#define ENTRY "\0\1\0\0\0\1x"

static void forms(void **state)
{
    struct evidence e;

    assert_int_equal(DECODE(""), BLOCKDB_ECORRUPT);
    assert_int_equal(DECODE(ENTRY), BLOCKDB_OK);
    assert_int_equal(DECODE(ENTRY ENTRY), BLOCKDB_ECORRUPT);
    assert_int_equal(DECODE(ENTRY "\0\0\0\0\0\0"), BLOCKDB_ECORRUPT);
    assert_int_equal(DECODE(ENTRY "\0\xa\0\0\0\0"), BLOCKDB_EVERSION);
    assert_int_equal(DECODE(ENTRY "\x80\0\0\0\0\0"), BLOCKDB_OK);
    assert_int_equal(DECODE(ENTRY "\x80\0\0\0\0\2x"), BLOCKDB_ECORRUPT);
    assert_int_equal(DECODE(ENTRY "\x80\1\0\0\0\0\x80\0\0\0\0\0"), BLOCKDB_ECORRUPT);
    assert_int_equal(DECODE(ENTRY "\0\5\0\0\0\5\0\0\0\0k"), BLOCKDB_ECORRUPT); /* KEY alone */
    assert_int_equal(DECODE(ENTRY "\0\5\0\0\0\4\0\0\0\0"), BLOCKDB_ECORRUPT);  /* no key */
    assert_int_equal(DECODE(ENTRY "\0\2\0\0\0\1s"), BLOCKDB_ECORRUPT);         /* no salt */
    assert_int_equal(DECODE(ENTRY "\0\7\0\0\0\1\0"), BLOCKDB_ECORRUPT);        /* empty GAP */
    assert_int_equal(DECODE(ENTRY "\0\7\0\0\0\4\0\0\1x"), BLOCKDB_ECORRUPT);   /* GAP alone */
    assert_int_equal(DECODE(ENTRY "\0\7\0\0\0\1\x41"), BLOCKDB_ECORRUPT);      /* 65 peaks */
    assert_int_equal(DECODE(ENTRY "\0\x8\0\0\0\0"), BLOCKDB_ECORRUPT);         /* no version */
    assert_int_equal(evidence_decode(slice_of_text("BDBPROOX"), &e, NULL), BLOCKDB_ECORRUPT);
    assert_int_equal(evidence_decode(slice_of("BDBPROOF\0\0", 10), &e, NULL), BLOCKDB_ECORRUPT);
    assert_int_equal(evidence_decode(slice_of("BDBPROOF\0\2", 10), &e, NULL), BLOCKDB_EVERSION);
    assert_string_equal(evidence_tag_name(EVIDENCE_GAP), "GAP");
}

static void gap_frontiers(void **state)
{
    struct evidence_gap gap = {.peaks = {&sample.entries[0].hash, 1}};
    struct frontier tree;

    assert_int_equal(evidence_gap_frontier(&gap, 8, &tree), 0);
    assert_int_equal(tree.size, 8);
    assert_memory_equal(&tree.peaks[3], &sample.entries[0].hash, SHA256_LEN);
    assert_int_equal(evidence_gap_frontier(&gap, 9, &tree), BLOCKDB_ECORRUPT);
    assert_int_equal(evidence_gap_frontier(&gap, 0, &tree), BLOCKDB_ECORRUPT);
}

static bool fail_at(void *context)
{
    unsigned *left = context;

    return (*left)-- == 0;
}

/* A writer that runs out of memory leaves the buf as it was. */
static void every_allocation_fails(void **state)
{
    unsigned n = 0;
    int rc = BLOCKDB_ENOMEM;

    while (rc == BLOCKDB_ENOMEM) {
        AUTO(buf_deinit) struct buf out = {0};
        struct evidence_writer w;
        unsigned left = n++;

        assert_int_equal(buf_append(&out, "before", 6), 0);
        mem_set_fail_hook(fail_at, &left);
        evidence_writer_init(&w, &out);
        evidence_write_entry(&w, buf_slice(&sample.entries[5].leaf));
        evidence_write_value(&w, sample.entries[5].salt, sample.entries[5].value);
        rc = evidence_writer_finish(&w);
        mem_set_fail_hook(NULL, NULL);
        assert_true(rc == BLOCKDB_OK || rc == BLOCKDB_ENOMEM);
        assert_true(rc == BLOCKDB_OK || out.len == 6);
    }
    assert_true(n > 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),    cmocka_unit_test(ranges),
        cmocka_unit_test(every_prefix),  cmocka_unit_test(forms),
        cmocka_unit_test(gap_frontiers), cmocka_unit_test(every_allocation_fails),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
