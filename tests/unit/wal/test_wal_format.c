/* SPDX-License-Identifier: Apache-2.0 */
#include "wal_test.h"

#include "base/checksum.h"
#include "store/wal_format.h"

#include <string.h>

static const uint8_t id[WAL_LEDGER_ID_BYTES] = "0123456789abcde";

static void test_names(void **state)
{
    static const struct {
        const char *name;
        enum wal_name_kind kind;
        uint64_t number;
    } cases[] = {
        {"000001.wal", WAL_NAME_LIVE, 1},
        {"000042.wal.old", WAL_NAME_OLD, 42},
        {"1234567.wal", WAL_NAME_LIVE, 1234567},
        {"9999999999999999999.wal", WAL_NAME_LIVE, 9999999999999999999ULL},
        {"prepare.tmp", WAL_NAME_TEMP, 0},
        {"inline.tmp", WAL_NAME_TEMP, 0},
        {"99999999999999999999.wal", WAL_NAME_OTHER, 0},
        {"000000.wal", WAL_NAME_OTHER, 0},
        {"00001.wal", WAL_NAME_OTHER, 0},
        {"0000001.wal", WAL_NAME_OTHER, 0},
        {"000001.wal.tmp", WAL_NAME_OTHER, 0},
        {"000001.wal.old.old", WAL_NAME_OTHER, 0},
        {"000001", WAL_NAME_OTHER, 0},
        {"000001.WAL", WAL_NAME_OTHER, 0},
        {"x00001.wal", WAL_NAME_OTHER, 0},
        {"", WAL_NAME_OTHER, 0},
        {"WALDIR", WAL_NAME_OTHER, 0},
    };
    char name[WAL_NAME_BYTES_MAX];
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t number = 0;

        assert_int_equal(wal_name_parse(cases[i].name, &number), cases[i].kind);
        assert_int_equal(number, cases[i].number);
        if (cases[i].kind == WAL_NAME_LIVE) {
            wal_name_format(number, WAL_SUFFIX_LIVE, name);
            assert_string_equal(name, cases[i].name);
        }
    }
}

static void test_marker(void **state)
{
    uint8_t bytes[WAL_MARKER_BYTES];
    uint8_t out[WAL_LEDGER_ID_BYTES];
    size_t i;

    (void)state;
    wal_marker_encode(id, bytes);
    assert_int_equal(wal_marker_decode(slice_of(bytes, sizeof(bytes)), out), 0);
    assert_memory_equal(out, id, sizeof(id));
    assert_int_equal(wal_marker_decode(slice_of(bytes, 63), out), BLOCKDB_ECORRUPT);
    assert_int_equal(wal_marker_decode(slice_of(NULL, 0), out), BLOCKDB_ECORRUPT);
    /* With a good checksum each field still has its rules; only the id and what may be ignored
     * are free. */
    for (i = 0; i < WAL_MARKER_BYTES - 8; i++) {
        bool is_free = (i >= 12 && i < 16) || (i >= 24 && i < 40);
        int rc;

        bytes[i] ^= 0x80;
        put_le64(bytes + 56, checksum(bytes, 56, 0));
        rc = wal_marker_decode(slice_of(bytes, sizeof(bytes)), out);
        if ((i >= 8 && i < 12) || (i >= 16 && i < 20)) {
            assert_int_equal(rc, BLOCKDB_EVERSION);
        } else {
            assert_int_equal(rc, is_free ? 0 : BLOCKDB_ECORRUPT);
        }
        bytes[i] ^= 0x80;
    }
}

static void test_header(void **state)
{
    struct wal_header header = {.number = 0x1122334455667788,
                                .life = 0x99aabbccddeeff00,
                                .prepared_bytes = 1 << 26,
                                .recycled = true};
    struct wal_header out;
    uint8_t bytes[WAL_HEADER_BYTES];
    size_t i;

    (void)state;
    memcpy(header.ledger_id, id, sizeof(id));
    wal_header_encode(&header, bytes);
    assert_int_equal(wal_header_decode(slice_of(bytes, sizeof(bytes)), &out), 0);
    assert_memory_equal(out.ledger_id, id, sizeof(id));
    assert_int_equal(out.number, header.number);
    assert_int_equal(out.life, header.life);
    assert_int_equal(out.prepared_bytes, header.prepared_bytes);
    assert_true(out.recycled);
    assert_int_equal(wal_header_decode(slice_of(bytes, 4095), &out), BLOCKDB_ECORRUPT);
    for (i = 0; i < WAL_HEADER_BYTES - 8; i += i < 80 ? 1 : 63) {
        bool is_free = (i >= 12 && i < 16) || (i >= 24 && i < 64);
        int rc;

        bytes[i] ^= 0x80;
        assert_int_equal(wal_header_decode(slice_of(bytes, sizeof(bytes)), &out), BLOCKDB_ECORRUPT);
        put_le64(bytes + 4088, checksum(bytes, 4088, 0));
        rc = wal_header_decode(slice_of(bytes, sizeof(bytes)), &out);
        if ((i >= 8 && i < 12) || (i >= 16 && i < 20)) {
            assert_int_equal(rc, BLOCKDB_EVERSION);
        } else {
            assert_int_equal(rc, is_free ? 0 : BLOCKDB_ECORRUPT);
        }
        bytes[i] ^= 0x80;
        put_le64(bytes + 4088, checksum(bytes, 4088, 0));
    }
}

/* The seed follows from the page of the format alone. */
static void test_seed(void **state)
{
    struct wal_header header = {.number = 2, .life = 3};
    uint8_t bytes[32] = {0};
    uint64_t seed;

    (void)state;
    memcpy(header.ledger_id, id, sizeof(id));
    memcpy(bytes, id, sizeof(id));
    bytes[16] = 2;
    bytes[24] = 3;
    seed = wal_segment_seed(&header);
    assert_int_equal(seed, checksum(bytes, sizeof(bytes), 0));
    header.life++;
    assert_int_not_equal(wal_segment_seed(&header), seed);
    header.life--;
    header.number++;
    assert_int_not_equal(wal_segment_seed(&header), seed);
    header.number--;
    header.ledger_id[0]++;
    assert_int_not_equal(wal_segment_seed(&header), seed);
}

static void test_frame(void **state)
{
    const struct wal_frame_header header = {.kind = WAL_FRAME_DATA,
                                            .payload_len = 5,
                                            .first_seq = 10,
                                            .end_seq = 12,
                                            .synced_position = 99};
    struct wal_frame_header out;
    uint8_t frame[56];
    struct slice body = slice_of(frame + 48, 8);
    size_t i;

    (void)state;
    assert_int_equal(wal_frame_bytes(0), 48);
    assert_int_equal(wal_frame_bytes(5), 56);
    assert_int_equal(wal_frame_bytes(8), 56);
    assert_int_equal(wal_frame_bytes(9), 64);
    memset(frame, 0xee, sizeof(frame));
    wal_frame_seal(frame, &header, 1234);
    assert_int_equal(frame[53] | frame[54] | frame[55], 0);
    assert_true(wal_frame_decode(slice_of(frame, sizeof(frame)), 1234, &out));
    assert_int_equal(out.kind, WAL_FRAME_DATA);
    assert_int_equal(out.payload_len, 5);
    assert_int_equal(out.first_seq, 10);
    assert_int_equal(out.end_seq, 12);
    assert_int_equal(out.synced_position, 99);
    assert_true(wal_frame_body_is_good(&out, body, 1234));
    assert_false(wal_frame_body_is_good(&out, body, 1235));
    assert_false(wal_frame_body_is_good(&out, slice_of(frame + 48, 7), 1234));
    assert_false(wal_frame_decode(slice_of(frame, sizeof(frame)), 1235, &out));
    assert_false(wal_frame_decode(slice_of(frame, 47), 1234, &out));
    for (i = 0; i < 48; i++) {
        struct wal_frame_header ignored;

        frame[i] ^= 1;
        assert_false(wal_frame_decode(slice_of(frame, sizeof(frame)), 1234, &ignored));
        put_le32(frame, checksum32(frame + 4, 44, 1234));
        if ((i > 4 && i < 8) || (i >= 12 && i < 16)) { /* reserved */
            assert_false(wal_frame_decode(slice_of(frame, sizeof(frame)), 1234, &ignored));
        }
        frame[i] ^= i < 4 ? 0 : 1;
        put_le32(frame, checksum32(frame + 4, 44, 1234));
    }
    for (i = 48; i < 56; i++) {
        frame[i] ^= 1;
        assert_false(wal_frame_body_is_good(&out, body, 1234));
        if (i >= 53) { /* padding must be zero even with a good checksum */
            struct wal_frame_header forged = out;

            forged.body_checksum = checksum(frame + 48, 8, 1234);
            assert_false(wal_frame_body_is_good(&forged, body, 1234));
        }
        frame[i] ^= 1;
    }
}

static void test_frame_rules(void **state)
{
    struct wal_frame_header header = {.kind = WAL_FRAME_CLOSE, .first_seq = 3, .end_seq = 3};
    struct wal_frame_header out;
    uint8_t frame[48];

    (void)state;
    wal_frame_seal(frame, &header, 0);
    frame[4] = 0; /* kinds */
    put_le32(frame, checksum32(frame + 4, 44, 0));
    assert_false(wal_frame_decode(slice_of(frame, 48), 0, &out));
    frame[4] = 4;
    put_le32(frame, checksum32(frame + 4, 44, 0));
    assert_false(wal_frame_decode(slice_of(frame, 48), 0, &out));
    frame[4] = 3;
    put_le32(frame + 8, WAL_PAYLOAD_BYTES_MAX + 1);
    put_le32(frame, checksum32(frame + 4, 44, 0));
    assert_false(wal_frame_decode(slice_of(frame, 48), 0, &out));
    put_le32(frame + 8, 0);
    put_le64(frame + 24, 2); /* ends before it begins */
    put_le32(frame, checksum32(frame + 4, 44, 0));
    assert_false(wal_frame_decode(slice_of(frame, 48), 0, &out));
}

static void test_start(void **state)
{
    const struct wal_start start = {
        .position = 5, .previous_number = 6, .previous_end_seq = 1ULL << 63};
    struct wal_start out;
    uint8_t bytes[WAL_START_PAYLOAD_BYTES + 1] = {0};

    (void)state;
    wal_start_encode(&start, bytes);
    assert_true(wal_start_decode(slice_of(bytes, WAL_START_PAYLOAD_BYTES), &out));
    assert_memory_equal(&out, &start, sizeof(out));
    assert_false(wal_start_decode(slice_of(bytes, WAL_START_PAYLOAD_BYTES - 1), &out));
    assert_false(wal_start_decode(slice_of(bytes, WAL_START_PAYLOAD_BYTES + 1), &out));
    put_le64(bytes, WAL_POSITION_MAX + 1);
    assert_false(wal_start_decode(slice_of(bytes, WAL_START_PAYLOAD_BYTES), &out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),  cmocka_unit_test(test_marker),
        cmocka_unit_test(test_header), cmocka_unit_test(test_seed),
        cmocka_unit_test(test_frame),  cmocka_unit_test(test_frame_rules),
        cmocka_unit_test(test_start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
