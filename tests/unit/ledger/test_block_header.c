/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Block headers: the vectors, HDR-1 to HDR-4, and the chain.
 */
#include "golden.h"
#include "ledger/block_header.h"
#include "ledger/leaf.h"
#include "ledger/merkle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define BLOCKS 3

/* Where the fields of the payload stand. */
enum {
    AT_VERSION = 0,
    AT_FLAGS = 2,
    AT_HEIGHT = 4,
    AT_PREVIOUS = 12,
    AT_FIRST_SEQ = 44,
    AT_COUNT = 52,
    AT_TREE_SIZE = 92,
    AT_MAP_SIZE = 132,
    AT_MAP_ROOT = 140,
};

static struct block_header header_at(unsigned height)
{
    struct block_header h;

    assert_int_equal(block_header_decode(golden_at("header.%llu", height), &h), BLOCKDB_OK);
    return h;
}

static void vectors_both_ways(void **state)
{
    for (unsigned height = 0; height < BLOCKS; height++) {
        struct block_header h = header_at(height);
        struct slice want = golden_at("header.%llu", height);
        struct slice want_record = golden_at("header.%llu.record", height);
        struct slice want_leaf = golden_at("header.%llu.leaf", height);
        struct hash want_hash = golden_hash_at("header.%llu.hash", height);
        uint8_t bytes[BLOCK_HEADER_RECORD_LEN];
        struct block_header again;
        struct record record;
        struct leaf leaf;
        struct hash hash;

        assert_int_equal(h.height, height);
        assert_true(h.time_ms == UINT64_C(1700000000123) + height);
        assert_int_equal(want.len, BLOCK_HEADER_LEN);
        block_header_encode(&h, bytes);
        assert_memory_equal(bytes, want.data, want.len);
        block_header_record(&h, bytes);
        assert_int_equal(want_record.len, BLOCK_HEADER_RECORD_LEN);
        assert_memory_equal(bytes, want_record.data, want_record.len);
        assert_int_equal(record_parse(want_record, &record), BLOCKDB_OK);
        assert_int_equal(block_header_of_record(&record, &again), BLOCKDB_OK);
        assert_memory_equal(&again, &h, sizeof h);
        leaf = leaf_of_record(&record, NULL);
        assert_int_equal(leaf_len(&leaf), want_leaf.len);
        block_header_hash(&h, &hash);
        assert_memory_equal(&hash, &want_hash, sizeof hash);
        leaf_hash(&record, NULL, &hash);
        assert_memory_equal(&hash, &want_hash, sizeof hash);
    }
}

/* The vectors' roots and sizes follow from the leaves under them. */
static void headers_tell_the_truth(void **state)
{
    struct slice tree = golden("header.tree");
    struct hash leaves[16];

    assert_int_equal(tree.len, 6 * SHA256_LEN);
    memcpy(leaves, tree.data, tree.len);
    for (unsigned height = 0; height < BLOCKS; height++) {
        struct block_header h = header_at(height);
        struct hash root;

        merkle_root(leaves + h.first_seq, h.count, &root);
        assert_memory_equal(&root, &h.block_root, sizeof root);
        merkle_root(leaves, h.tree_size, &root);
        assert_memory_equal(&root, &h.tree_root, sizeof root);
        block_header_hash(&h, &root);
        assert_memory_equal(&root, &leaves[h.tree_size], sizeof root);
    }
}

/* Decodes; what is accepted must encode to the same bytes, and a refusal must not touch the output.
 */
static int decode_strictly(const uint8_t *bytes, size_t len)
{
    struct block_header untouched;
    struct block_header h;
    uint8_t again[BLOCK_HEADER_LEN];
    int rc;

    memset(&h, 0xee, sizeof h);
    untouched = h;
    rc = block_header_decode(slice_of(bytes, len), &h);
    if (rc < 0) {
        assert_memory_equal(&h, &untouched, sizeof h);
    } else {
        assert_int_equal(len, sizeof again);
        block_header_encode(&h, again);
        assert_memory_equal(again, bytes, len);
    }
    return rc;
}

static void every_changed_byte_is_refused_or_canonical(void **state)
{
    for (unsigned height = 0; height < BLOCKS; height++) {
        struct slice original = golden_at("header.%llu", height);
        uint8_t bytes[BLOCK_HEADER_LEN];

        memcpy(bytes, original.data, sizeof bytes);
        for (size_t i = 0; i < sizeof bytes; i++) {
            for (unsigned value = 0; value < 256; value++) {
                bytes[i] = (uint8_t)value;
                (void)decode_strictly(bytes, sizeof bytes);
            }
            bytes[i] = original.data[i];
        }
    }
}

static void every_other_length_is_refused(void **state)
{
    struct slice original = golden("header.1");
    uint8_t bytes[BLOCK_HEADER_LEN + 1] = {0};

    memcpy(bytes, original.data, original.len);
    for (size_t len = 0; len <= sizeof bytes; len++) {
        if (len != BLOCK_HEADER_LEN) {
            assert_int_equal(decode_strictly(bytes, len), BLOCKDB_ECORRUPT);
        }
    }
}

/* Decodes the vector of a height with a byte set. */
static int decode_with(unsigned height, size_t offset, uint8_t value)
{
    struct slice original = golden_at("header.%llu", height);
    uint8_t bytes[BLOCK_HEADER_LEN];

    memcpy(bytes, original.data, sizeof bytes);
    bytes[offset] = value;
    return decode_strictly(bytes, sizeof bytes);
}

static void each_rule(void **state)
{
    assert_int_equal(decode_with(1, AT_VERSION + 1, 0), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_with(1, AT_VERSION + 1, 2), BLOCKDB_EVERSION);
    assert_int_equal(decode_with(1, AT_VERSION, 1), BLOCKDB_EVERSION);
    assert_int_equal(decode_with(1, AT_FLAGS, 1), BLOCKDB_EVERSION);
    assert_int_equal(decode_with(1, AT_FLAGS + 1, 1), BLOCKDB_EVERSION);
    /* HDR-1 */
    assert_int_equal(decode_with(1, AT_FIRST_SEQ + 7, 9), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_with(1, AT_COUNT + 7, 9), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_with(1, AT_TREE_SIZE + 7, 9), BLOCKDB_ECORRUPT);
    /* HDR-3 */
    assert_int_equal(decode_with(0, AT_HEIGHT + 7, 1), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_with(0, AT_PREVIOUS + 31, 1), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_with(1, AT_HEIGHT + 7, 0), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_with(1, AT_HEIGHT + 7, 3), BLOCKDB_OK);
    assert_int_equal(decode_with(1, AT_HEIGHT + 7, 4), BLOCKDB_ECORRUPT);
    /* HDR-4 */
    assert_int_equal(decode_with(0, AT_MAP_SIZE + 7, 1), BLOCKDB_OK);
    assert_int_equal(decode_with(0, AT_MAP_SIZE + 7, 3), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_with(0, AT_MAP_ROOT, 1), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_with(1, AT_MAP_SIZE + 7, 0), BLOCKDB_ECORRUPT);
}

static void sizes_do_not_overflow(void **state)
{
    uint8_t bytes[BLOCK_HEADER_LEN];

    memcpy(bytes, golden("header.1").data, sizeof bytes);
    memset(bytes + AT_FIRST_SEQ, 0xff, 8);
    memset(bytes + AT_COUNT, 0, 8);
    memset(bytes + AT_TREE_SIZE, 0xff, 8);
    assert_int_equal(decode_strictly(bytes, sizeof bytes), BLOCKDB_ECORRUPT);
    bytes[AT_FIRST_SEQ + 7] = 0xfe;
    bytes[AT_TREE_SIZE + 7] = 0xfe;
    assert_int_equal(decode_strictly(bytes, sizeof bytes), BLOCKDB_OK);
    bytes[AT_COUNT + 7] = 3;
    bytes[AT_TREE_SIZE + 7] = 1;
    memset(bytes + AT_TREE_SIZE, 0, 7);
    assert_int_equal(decode_strictly(bytes, sizeof bytes), BLOCKDB_ECORRUPT);
}

static void other_records_are_no_headers(void **state)
{
    struct slice bytes = golden("header.1.record");
    struct block_header h;
    struct record r;

    assert_int_equal(record_parse(bytes, &r), BLOCKDB_OK);
    r.time_ms++;
    assert_int_equal(block_header_of_record(&r, &h), BLOCKDB_ECORRUPT);
    r.time_ms--;
    r.value.len--;
    assert_int_equal(block_header_of_record(&r, &h), BLOCKDB_ECORRUPT);
    assert_int_equal(record_parse(golden("record.put"), &r), BLOCKDB_OK);
    assert_int_equal(block_header_of_record(&r, &h), BLOCKDB_ECORRUPT);
}

static void a_chain_follows(void **state)
{
    struct block_header first = header_at(0);
    struct block_header second = header_at(1);
    struct block_header third = header_at(2);
    struct error err;

    assert_int_equal(block_header_follows(NULL, &first, &err), BLOCKDB_OK);
    assert_int_equal(block_header_follows(&first, &second, &err), BLOCKDB_OK);
    assert_int_equal(block_header_follows(&second, &third, NULL), BLOCKDB_OK);
    assert_int_equal(block_header_follows(NULL, &second, &err), BLOCKDB_ETAMPERED);
    assert_non_null(strstr(err.message, "block 1"));
    assert_int_equal(block_header_follows(&first, &third, NULL), BLOCKDB_ETAMPERED);
    assert_int_equal(block_header_follows(&second, &first, NULL), BLOCKDB_ETAMPERED);
    assert_int_equal(block_header_follows(&first, &first, NULL), BLOCKDB_ETAMPERED);
}

/* Whether next, changed, still follows; the message must hold reason when it does not. */
static void assert_reason(const struct block_header *previous, const struct block_header *next,
                          const char *reason)
{
    struct error err = {0};

    assert_int_equal(block_header_follows(previous, next, &err), BLOCKDB_ETAMPERED);
    assert_int_equal(err.code, BLOCKDB_ETAMPERED);
    assert_non_null(strstr(err.message, reason));
}

static void each_link_is_checked(void **state)
{
    struct block_header previous = header_at(1);
    const struct block_header good = header_at(2);
    struct block_header next = good;

    next.height++;
    assert_reason(&previous, &next, "height");
    next = good;
    next.previous.bytes[0] ^= 1;
    assert_reason(&previous, &next, "links to another header");
    next = good;
    next.first_seq++;
    next.tree_size++;
    assert_reason(&previous, &next, "first entry");
    next = good;
    next.time_ms = previous.time_ms - 1;
    assert_reason(&previous, &next, "time");
    next = good;
    next.term--;
    assert_reason(&previous, &next, "term");
    next = good;
    next.map_size = previous.map_size - 1;
    assert_reason(&previous, &next, "map is smaller");
    next = good;
    next.map_size = previous.map_size;
    next.map_root.bytes[0] ^= 1;
    assert_reason(&previous, &next, "another root");
    previous.time_ms--;
    assert_reason(&previous, &good, "links to another header");
}

static int set_up(void **state)
{
    golden_open();
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
        cmocka_unit_test(headers_tell_the_truth),
        cmocka_unit_test(every_changed_byte_is_refused_or_canonical),
        cmocka_unit_test(every_other_length_is_refused),
        cmocka_unit_test(each_rule),
        cmocka_unit_test(sizes_do_not_overflow),
        cmocka_unit_test(other_records_are_no_headers),
        cmocka_unit_test(a_chain_follows),
        cmocka_unit_test(each_link_is_checked),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
