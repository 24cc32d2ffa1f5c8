/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Payloads of redact, epoch and config entries, and entry bundles: vectors, one encoding, limits.
 */
#include "base/mem.h"
#include "golden.h"
#include "ledger/bundle.h"
#include "ledger/commitment.h"
#include "ledger/config_entry.h"
#include "ledger/epoch_entry.h"
#include "ledger/merkle.h"
#include "ledger/redaction.h"
#include "samples.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define PAYLOAD_MAX 4096

typedef int (*decode_fn)(const uint8_t *bytes, size_t len);

/* The three decoders; what is accepted must encode to the same bytes, and a refusal must not touch
 * the output. */

static int decode_redaction(const uint8_t *bytes, size_t len)
{
    struct redaction untouched;
    struct redaction r;
    uint8_t again[PAYLOAD_MAX];
    int rc;

    memset(&r, 0xee, sizeof r);
    memset(&untouched, 0xee, sizeof untouched);
    rc = redaction_decode(slice_of(bytes, len), &r);
    if (rc < 0) {
        assert_memory_equal(&r, &untouched, sizeof r);
        return rc;
    }
    assert_int_equal(redaction_len(&r), len);
    redaction_encode(&r, again);
    assert_memory_equal(again, bytes, len);
    return rc;
}

static int decode_epoch(const uint8_t *bytes, size_t len)
{
    struct epoch_entry untouched;
    struct epoch_entry e;
    uint8_t again[PAYLOAD_MAX];
    int rc;

    memset(&e, 0xee, sizeof e);
    memset(&untouched, 0xee, sizeof untouched);
    rc = epoch_entry_decode(slice_of(bytes, len), &e);
    if (rc < 0) {
        assert_memory_equal(&e, &untouched, sizeof e);
        return rc;
    }
    assert_int_equal(epoch_entry_len(&e), len);
    epoch_entry_encode(&e, again);
    assert_memory_equal(again, bytes, len);
    return rc;
}

static int decode_config(const uint8_t *bytes, size_t len)
{
    static struct config_item items[CONFIG_ITEMS_MAX];
    AUTO(buf_deinit) struct buf again = {0};
    struct reader in = {0};
    size_t count = 4711;
    int rc = config_entry_decode(slice_of(bytes, len), &in, &count);

    if (rc < 0) {
        assert_int_equal(count, 4711);
        assert_null(in.at);
        return rc;
    }
    for (size_t i = 0; i < count; i++) {
        items[i] = config_entry_next(&in);
    }
    assert_true(reader_done(&in));
    assert_int_equal(config_entry_append(&again, items, count), BLOCKDB_OK);
    assert_true(slice_equal(buf_slice(&again), slice_of(bytes, len)));
    return rc;
}

static const struct {
    const char *vector;
    decode_fn decode;
} payloads[] = {
    {"redact.payload", decode_redaction},
    {"redact.empty", decode_redaction},
    {"epoch.payload", decode_epoch},
    {"config.payload", decode_config},
};

#define PAYLOADS (sizeof payloads / sizeof *payloads)

static void vectors(void **state)
{
    struct hash root;
    struct hash x;
    struct redaction r;
    struct epoch_entry e;

    for (size_t i = 0; i < PAYLOADS; i++) {
        struct slice bytes = golden(payloads[i].vector);

        assert_int_equal(payloads[i].decode(bytes.data, bytes.len), BLOCKDB_OK);
    }
    merkle_leaf(slice_of_text("x"), &x);
    sha256_once("root", 4, &root);
    assert_int_equal(redaction_decode(golden("redact.payload"), &r), BLOCKDB_OK);
    assert_int_equal(r.scope, REDACTION_VALUE);
    assert_int_equal(r.reason_code, REDACTION_LEGAL_ORDER);
    assert_int_equal(r.target_seq, 5);
    assert_memory_equal(&r.target_leaf, &x, sizeof x);
    assert_true(slice_equal(r.reason, slice_of_text("asked")));
    assert_true(slice_equal(r.authority, slice_of_text("case 7")));
    assert_int_equal(epoch_entry_decode(golden("epoch.payload"), &e), BLOCKDB_OK);
    assert_int_equal(e.cause, EPOCH_RESTORE);
    assert_int_equal(e.epoch, 1);
    assert_int_equal(e.tree_size, 1234);
    assert_memory_equal(&e.tree_root, &root, sizeof root);
    assert_true(slice_equal(e.note, slice_of_text("restored")));
}

static void config_items(void **state)
{
    struct reader in;
    struct config_item item;
    size_t count;

    assert_int_equal(config_entry_decode(golden("config.payload"), &in, &count), BLOCKDB_OK);
    assert_int_equal(count, 2);
    item = config_entry_next(&in);
    assert_true(slice_equal(item.name, slice_of_text("key")));
    assert_int_equal(item.value.len, 0);
    item = config_entry_next(&in);
    assert_true(slice_equal(item.name, slice_of_text("member/1")));
    assert_true(slice_equal(item.value, slice_of_text("10.0.0.1:8081")));
}

static void every_changed_byte_is_refused_or_canonical(void **state)
{
    for (size_t p = 0; p < PAYLOADS; p++) {
        struct slice original = golden(payloads[p].vector);
        uint8_t bytes[PAYLOAD_MAX];

        memcpy(bytes, original.data, original.len);
        for (size_t i = 0; i < original.len; i++) {
            for (unsigned value = 0; value < 256; value++) {
                bytes[i] = (uint8_t)value;
                (void)payloads[p].decode(bytes, original.len);
            }
            bytes[i] = original.data[i];
        }
    }
}

static void every_other_length_is_refused(void **state)
{
    for (size_t p = 0; p < PAYLOADS; p++) {
        struct slice original = golden(payloads[p].vector);
        uint8_t bytes[PAYLOAD_MAX] = {0};

        memcpy(bytes, original.data, original.len);
        for (size_t len = 0; len <= original.len + 1; len++) {
            if (len != original.len) {
                assert_int_equal(payloads[p].decode(bytes, len), BLOCKDB_ECORRUPT);
            }
        }
    }
}

/* Decodes payload p with a byte set. */
static int decode_with(size_t p, size_t offset, uint8_t value)
{
    struct slice original = golden(payloads[p].vector);
    uint8_t bytes[PAYLOAD_MAX];

    memcpy(bytes, original.data, original.len);
    bytes[offset] = value;
    return payloads[p].decode(bytes, original.len);
}

static void each_rule(void **state)
{
    for (size_t p = 0; p < PAYLOADS; p++) {
        assert_int_equal(decode_with(p, 0, 0), BLOCKDB_ECORRUPT);
        assert_int_equal(decode_with(p, 0, 2), BLOCKDB_EVERSION);
    }
    assert_int_equal(decode_with(0, 1, 0), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_with(0, 1, 2), BLOCKDB_EVERSION);
    assert_int_equal(decode_with(0, 2, 0xff), BLOCKDB_OK);
    assert_int_equal(decode_with(2, 1, 0), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_with(2, 1, 3), BLOCKDB_OK);
    assert_int_equal(decode_with(2, 1, 4), BLOCKDB_EVERSION);
    assert_int_equal(decode_with(2, 2, 1), BLOCKDB_EVERSION);
    assert_int_equal(decode_with(2, 11, 0), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_with(3, 1, 1), BLOCKDB_EVERSION);
    assert_int_equal(decode_with(3, 3, 0), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_with(3, 2, 0xff), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_with(3, 3, 1), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_with(3, 3, 3), BLOCKDB_ECORRUPT);
    assert_int_equal(decode_with(3, 6, 'z'), BLOCKDB_ECORRUPT); /* names no longer ascend */
}

static void texts_have_limits(void **state)
{
    struct slice longest = slice_of(sample_pattern(), REDACTION_TEXT_MAX);
    struct redaction r = {.scope = REDACTION_VALUE, .reason = longest, .authority = longest};
    struct epoch_entry e = {.cause = EPOCH_OTHER, .epoch = 1, .note = longest};
    uint8_t bytes[PAYLOAD_MAX] = {0};

    redaction_encode(&r, bytes);
    assert_int_equal(redaction_len(&r), REDACTION_LEN_MAX);
    assert_int_equal(decode_redaction(bytes, REDACTION_LEN_MAX), BLOCKDB_OK);
    put_be16(bytes + 44, REDACTION_TEXT_MAX + 1);
    memmove(bytes + 47, bytes + 46, sizeof bytes - 47);
    assert_int_equal(decode_redaction(bytes, REDACTION_LEN_MAX + 1), BLOCKDB_ECORRUPT);
    put_be16(bytes + 44, 0);
    put_be16(bytes + 46, REDACTION_TEXT_MAX + 1);
    assert_int_equal(decode_redaction(bytes, 48 + REDACTION_TEXT_MAX + 1), BLOCKDB_ECORRUPT);

    e.note.len = 0;
    epoch_entry_encode(&e, bytes);
    assert_int_equal(decode_epoch(bytes, epoch_entry_len(&e)), BLOCKDB_OK);
    e.note = longest;
    epoch_entry_encode(&e, bytes);
    assert_int_equal(epoch_entry_len(&e), EPOCH_ENTRY_LEN_MAX);
    assert_int_equal(decode_epoch(bytes, EPOCH_ENTRY_LEN_MAX), BLOCKDB_OK);
    put_be16(bytes + 52, EPOCH_NOTE_MAX + 1);
    assert_int_equal(decode_epoch(bytes, EPOCH_ENTRY_LEN_MAX + 1), BLOCKDB_ECORRUPT);
}

/* Appends one config item with name and value of these lengths. */
static int append_item(size_t name_len, size_t value_len, struct buf *out)
{
    struct config_item item = {slice_of(sample_pattern() + 1, name_len),
                               slice_of(sample_pattern(), value_len)};

    return config_entry_append(out, &item, 1);
}

static void config_limits(void **state)
{
    static struct config_item items[CONFIG_ITEMS_MAX + 1];
    static char names[CONFIG_ITEMS_MAX + 1][8];
    AUTO(buf_deinit) struct buf out = {0};

    assert_int_equal(append_item(0, 1, &out), BLOCKDB_EINVAL);
    assert_int_equal(append_item(CONFIG_NAME_MAX + 1, 1, &out), BLOCKDB_EINVAL);
    assert_int_equal(append_item(10, SYSTEM_PAYLOAD_MAX - 17, &out), BLOCKDB_ELIMIT);
    assert_int_equal(append_item(10, SYSTEM_PAYLOAD_MAX + 1, &out), BLOCKDB_ELIMIT);
    assert_int_equal(config_entry_append(&out, items, 0), BLOCKDB_EINVAL);
    assert_int_equal(out.len, 0);
    assert_int_equal(append_item(10, SYSTEM_PAYLOAD_MAX - 18, &out), BLOCKDB_OK);
    assert_int_equal(out.len, SYSTEM_PAYLOAD_MAX);
    assert_int_equal(decode_config(out.data, out.len), BLOCKDB_OK);
    put_be16(out.data + 4 + 2 + 10, SYSTEM_PAYLOAD_MAX - 17); /* a value longer by one */
    assert_int_equal(buf_append_u8(&out, 0), BLOCKDB_OK);
    assert_int_equal(decode_config(out.data, out.len), BLOCKDB_ECORRUPT);
    buf_reset(&out);
    assert_int_equal(append_item(CONFIG_NAME_MAX, 0, &out), BLOCKDB_OK);
    assert_int_equal(decode_config(out.data, out.len), BLOCKDB_OK);

    for (size_t i = 0; i <= CONFIG_ITEMS_MAX; i++) {
        (void)snprintf(names[i], sizeof names[i], "n%04zu", i);
        items[i].name = slice_of_text(names[i]);
    }
    buf_reset(&out);
    assert_int_equal(config_entry_append(&out, items, CONFIG_ITEMS_MAX + 1), BLOCKDB_EINVAL);
    assert_int_equal(config_entry_append(&out, items, CONFIG_ITEMS_MAX), BLOCKDB_OK);
    assert_int_equal(decode_config(out.data, out.len), BLOCKDB_OK);
    items[7].name = items[6].name;
    assert_int_equal(config_entry_append(&out, items, 10), BLOCKDB_EINVAL);
}

static struct leaf sample_leaf(size_t i, struct hash *commitment)
{
    const struct record *r = &sample_at(i)->record;

    if (r->kind == BLOCKDB_KIND_PUT) {
        commitment_compute(r->salt, r->value, commitment);
    }
    return leaf_of_record(r, commitment);
}

static void bundles(void **state)
{
    AUTO(buf_deinit) struct buf bundle = {0};
    struct slice want = golden("bundle.entries");
    struct reader in;

    for (size_t i = 0; i < sample_count(); i++) {
        struct hash commitment;
        struct leaf leaf = sample_leaf(i, &commitment);

        assert_int_equal(bundle_append(&bundle, &leaf), BLOCKDB_OK);
    }
    assert_true(slice_equal(buf_slice(&bundle), want));
    in = reader_of(want);
    for (size_t i = 0; i < sample_count(); i++) {
        struct slice bytes;
        struct leaf leaf;

        assert_int_equal(bundle_next(&in, &bytes), BLOCKDB_OK);
        assert_int_equal(leaf_decode(bytes, &leaf), BLOCKDB_OK);
        assert_int_equal(leaf.kind, sample_at(i)->record.kind);
    }
    assert_true(reader_done(&in));
}

static void broken_bundles(void **state)
{
    static uint8_t long_leaf[2 + 65535] = {0xff, 0xff};
    struct slice whole = golden("bundle.entries");
    struct slice first = slice_of(whole.data, 2u + get_be16(whole.data));
    uint8_t short_leaf[2 + LEAF_HEADER_LEN - 1] = {0, LEAF_HEADER_LEN - 1};
    struct slice leaf = {0};
    struct reader in;

    for (size_t len = 0; len < first.len; len++) {
        in = reader_of(slice_of(first.data, len));
        assert_int_equal(bundle_next(&in, &leaf), BLOCKDB_ECORRUPT);
        assert_null(leaf.data);
    }
    in = reader_of(slice_of(short_leaf, sizeof short_leaf));
    assert_int_equal(bundle_next(&in, &leaf), BLOCKDB_ECORRUPT);
    in = reader_of(slice_of(long_leaf, sizeof long_leaf));
    assert_int_equal(bundle_next(&in, &leaf), BLOCKDB_ECORRUPT);
}

static bool always_fail(void *context)
{
    return true;
}

static void without_memory_nothing_changes(void **state)
{
    AUTO(buf_deinit) struct buf out = {0};
    struct hash commitment;
    struct leaf leaf = sample_leaf(0, &commitment);

    mem_set_fail_hook(always_fail, NULL);
    assert_int_equal(bundle_append(&out, &leaf), BLOCKDB_ENOMEM);
    assert_int_equal(append_item(3, 3, &out), BLOCKDB_ENOMEM);
    mem_set_fail_hook(NULL, NULL);
    assert_int_equal(out.len, 0);
    assert_int_equal(append_item(3, 3, &out), BLOCKDB_OK);
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
        cmocka_unit_test(config_items),
        cmocka_unit_test(every_changed_byte_is_refused_or_canonical),
        cmocka_unit_test(every_other_length_is_refused),
        cmocka_unit_test(each_rule),
        cmocka_unit_test(texts_have_limits),
        cmocka_unit_test(config_limits),
        cmocka_unit_test(bundles),
        cmocka_unit_test(broken_bundles),
        cmocka_unit_test(without_memory_nothing_changes),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
