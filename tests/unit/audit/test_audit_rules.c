/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Logs that are signed and whose tiles are right, but whose entries break a rule: each rule alone.
 */
#include "audit_run.h"

#include "ledger/epoch_entry.h"
#include "ledger/redaction.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* Begins a case with a few good blocks, more than a stretch of them when `far`. */
static void start(struct audit_case *c, bool far)
{
    audit_case_init(c);
    test_log_fill(&c->log, 4, 11);
    test_log_put(&c->log, 1, 0, 1);
    if (far) { /* what follows is then judged by the join alone */
        while (c->log.count < 16384) {
            test_log_put(&c->log, (unsigned)c->log.count, 0, 1);
        }
    }
}

static void refuse(struct audit_case *c, const char *part)
{
    test_log_seal(&c->log);
    audit_case_refuses(c, part);
    audit_case_deinit(c);
}

static void put_raw(struct test_log *log, uint64_t time_ms, uint32_t position, uint32_t count)
{
    static const struct hash commitment = {{9}};
    struct leaf leaf = {.kind = BLOCKDB_KIND_PUT,
                        .batch_position = position,
                        .batch_count = count,
                        .time_ms = time_ms,
                        .key = slice_of_text("raw"),
                        .commitment = &commitment};

    test_log_append(log, &leaf);
}

static void append_raw(struct test_log *log, uint8_t kind, struct slice payload)
{
    struct leaf leaf = {.kind = kind,
                        .batch_count = 1,
                        .time_ms = log->time_ms,
                        .value_len = payload.len,
                        .payload = payload};

    test_log_append(log, &leaf);
}

static void test_times(void **state)
{
    (void)state;
    for (unsigned far = 0; far < 2; far++) {
        struct audit_case c;

        start(&c, far);
        put_raw(&c.log, c.log.time_ms - 1, 0, 1);
        refuse(&c, "its time is before");
    }
}

static void test_batches(void **state)
{
    /* Position and count of two entries behind a whole batch. */
    static const uint32_t wrong[][4] = {{1, 2, 0, 1}, {0, 2, 0, 1}, {0, 3, 2, 3}, {0, 2, 1, 3}};

    (void)state;
    for (unsigned far = 0; far < 2; far++) {
        for (unsigned i = 0; i < 4; i++) {
            struct audit_case c;

            start(&c, far);
            put_raw(&c.log, c.log.time_ms, wrong[i][0], wrong[i][1]);
            put_raw(&c.log, c.log.time_ms, wrong[i][2], wrong[i][3]);
            refuse(&c, "its batch is not whole");
        }
    }
}

/* A batch may not go on behind a header, nor end with the log. */
static void test_batch_across_blocks(void **state)
{
    (void)state;
    for (unsigned far = 0; far < 2; far++) {
        struct audit_case c;

        start(&c, far);
        put_raw(&c.log, c.log.time_ms, 0, 2);
        test_log_seal(&c.log);
        put_raw(&c.log, c.log.time_ms, 1, 2);
        refuse(&c, "its batch is not whole");
    }
}

/* A batch that goes on exactly behind a border between stretches. */
static void test_batch_across_stretches(void **state)
{
    static const struct {
        uint32_t position, count;
    } next[] = {{0, 1}, {2, 3}, {1, 2}};

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct audit_case c;

        start(&c, false);
        while (c.log.count < 16383) {
            test_log_put(&c.log, (unsigned)c.log.count, 0, 1);
        }
        put_raw(&c.log, c.log.time_ms, 0, 3);
        put_raw(&c.log, c.log.time_ms, next[i].position, next[i].count);
        refuse(&c, "entry 16384: its batch is not whole");
    }
}

static void test_time_across_stretches(void **state)
{
    struct audit_case c;

    (void)state;
    start(&c, true);
    put_raw(&c.log, 1, 0, 1);
    refuse(&c, "entry 16384: its time is before");
}

/* ---- Headers ------------------------------------------------------------------------------- */

static void change_height(struct block_header *h)
{
    h->height++;
}

static void change_previous(struct block_header *h)
{
    h->previous.bytes[3] ^= 1;
}

static void change_first(struct block_header *h)
{
    h->first_seq++;
    h->count--;
}

static void change_block_root(struct block_header *h)
{
    h->block_root.bytes[31] ^= 0x80;
}

static void change_tree_size(struct block_header *h)
{
    h->tree_size--;
    h->count--;
}

static void change_tree_root(struct block_header *h)
{
    h->tree_root.bytes[0] ^= 1;
}

static void change_map(struct block_header *h)
{
    h->map_size = 1;
    h->map_root.bytes[0] = 1;
}

static void raise_term(struct block_header *h)
{
    h->term = 5;
}

static void test_headers(void **state)
{
    static const struct {
        test_header_fn change;
        const char *part;
    } cases[] = {
        {change_height, "height is not one more"},
        {change_previous, "links to another header"},
        {change_first, "not the one after the header"},
        {change_block_root, "do not match its root"},
        {change_tree_size, "does not match the size and root"},
        {change_tree_root, "does not match the size and root"},
        {change_map, "map of 1 entries"},
    };

    (void)state;
    for (unsigned far = 0; far < 2; far++) {
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
            struct audit_case c;

            start(&c, far);
            test_log_seal_as(&c.log, cases[i].change);
            refuse(&c, cases[i].part);
        }
    }
}

static void test_term_goes_back(void **state)
{
    struct audit_case c;

    (void)state;
    start(&c, false);
    test_log_seal_as(&c.log, raise_term);
    refuse(&c, "its term is lower");
}

/* The first header of the log. */
static void test_first_header(void **state)
{
    struct audit_case c;

    (void)state;
    audit_case_init(&c);
    test_log_put(&c.log, 1, 0, 1);
    c.log.height = 1; /* as if a block before were missing */
    c.log.block_first = 1;
    refuse(&c, "block 0");
}

static void test_not_sealed(void **state)
{
    struct audit_case c;

    (void)state;
    start(&c, false);
    audit_case_refuses(&c, "is not a block header");
    audit_case_deinit(&c);
}

static void test_bad_header_payload(void **state)
{
    static const uint8_t zeros[BLOCK_HEADER_LEN];
    struct audit_case c;

    (void)state;
    start(&c, false);
    append_raw(&c.log, BLOCKDB_KIND_BLOCK_HEADER, slice_of(zeros, sizeof(zeros)));
    refuse(&c, "not a valid block header");
}

/* ---- Other kinds --------------------------------------------------------------------------- */

static void redact(struct test_log *log, uint64_t target, const struct hash *leaf)
{
    uint8_t payload[REDACTION_LEN_MAX];
    struct redaction redaction = {
        .scope = REDACTION_VALUE, .target_seq = target, .target_leaf = *leaf};

    redaction_encode(&redaction, payload);
    append_raw(log, BLOCKDB_KIND_REDACT, slice_of(payload, redaction_len(&redaction)));
}

static void test_redactions(void **state)
{
    struct hash wrong = {{1}};
    struct audit_case c;

    (void)state;
    start(&c, false);
    redact(&c.log, c.log.count, &wrong);
    refuse(&c, "does not come before it");
    start(&c, false);
    redact(&c.log, UINT64_MAX, &wrong);
    refuse(&c, "does not come before it");
    start(&c, false);
    redact(&c.log, c.log.count - 1, &wrong);
    refuse(&c, "names another leaf hash");
    start(&c, false);
    test_log_delete(&c.log, 1);
    redact(&c.log, c.log.count - 1, &c.log.hashes[c.log.count - 1]);
    refuse(&c, "is not a put");
    start(&c, false);
    append_raw(&c.log, BLOCKDB_KIND_REDACT, slice_of_text("nonsense"));
    refuse(&c, "not a valid redaction");
}

static void test_epochs(void **state)
{
    struct epoch_entry entry = {.cause = EPOCH_RESTORE, .epoch = 1, .tree_size = 3};
    uint8_t payload[EPOCH_ENTRY_LEN_MAX];
    struct audit_case c;

    (void)state;
    start(&c, false);
    epoch_entry_encode(&entry, payload);
    append_raw(&c.log, BLOCKDB_KIND_EPOCH, slice_of(payload, epoch_entry_len(&entry)));
    refuse(&c, "behind another log");
    start(&c, false);
    append_raw(&c.log, BLOCKDB_KIND_EPOCH, slice_of_text("nonsense"));
    refuse(&c, "not a valid declaration");
    for (unsigned far = 0; far < 2; far++) {
        start(&c, false);
        test_log_epoch(&c.log, 2);
        while (far && c.log.count < 16384) {
            test_log_put(&c.log, (unsigned)c.log.count, 0, 1);
        }
        test_log_epoch(&c.log, 2);
        refuse(&c, "not above the one before");
    }
}

static void test_configs(void **state)
{
    struct audit_case c;

    (void)state;
    start(&c, false);
    append_raw(&c.log, BLOCKDB_KIND_CONFIG, slice_of_text("nonsense"));
    refuse(&c, "valid settings");
}

static void test_unknown_entries(void **state)
{
    struct audit_case c;

    (void)state;
    start(&c, false);
    put_raw(&c.log, c.log.time_ms, 0, 1);
    c.log.leaves[c.log.count - 1].data[0] = 2; /* a version of the future */
    test_log_rehash(&c.log, c.log.count - 1);
    refuse(&c, "newer version");
}

/* An entry whose hash is right, but which has not the one encoding. */
static void test_two_encodings(void **state)
{
    struct audit_case c;
    struct buf *leaf;

    (void)state;
    start(&c, false);
    put_raw(&c.log, c.log.time_ms, 0, 1);
    leaf = &c.log.leaves[c.log.count - 1];
    assert_int_equal(buf_append_u8(leaf, 0), 0); /* a byte too many */
    test_log_rehash(&c.log, c.log.count - 1);
    refuse(&c, "not an entry of BlockDB");
    start(&c, false);
    put_raw(&c.log, c.log.time_ms, 0, 1);
    c.log.leaves[c.log.count - 1].data[3] = 1; /* a flag */
    test_log_rehash(&c.log, c.log.count - 1);
    refuse(&c, "newer version");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_batches),
        cmocka_unit_test(test_batch_across_blocks),
        cmocka_unit_test(test_batch_across_stretches),
        cmocka_unit_test(test_time_across_stretches),
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_term_goes_back),
        cmocka_unit_test(test_first_header),
        cmocka_unit_test(test_not_sealed),
        cmocka_unit_test(test_bad_header_payload),
        cmocka_unit_test(test_redactions),
        cmocka_unit_test(test_epochs),
        cmocka_unit_test(test_configs),
        cmocka_unit_test(test_unknown_entries),
        cmocka_unit_test(test_two_encodings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
