/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file of a head: byte by byte, every byte changed, every length, every refusal.
 */
#include "base/checksum.h"
#include "base/mem.h"
#include "server/witness_head.h"
#include "witness_log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct fixture {
    struct witness_log log;
    struct hash name;
    struct buf note;
    struct buf file;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    witness_log_init(&f->log, WITNESS_LOG_ORIGIN, WITNESS_LOG_MAX);
    witness_log_of(slice_of_text(WITNESS_LOG_ORIGIN), &f->name);
    witness_log_note(&f->log, 7, &f->note);
    assert_int_equal(witness_head_encode(&f->file, buf_slice(&f->note)), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    witness_log_deinit(&f->log);
    buf_deinit(&f->note);
    buf_deinit(&f->file);
    free(f);
    return 0;
}

static int decode(const struct fixture *f, struct slice bytes)
{
    struct witness_head head = {.size = 99};
    struct slice note = {0};
    struct error err;
    int rc = witness_head_decode(bytes, &f->name, "/w/x.head", &note, &head, &err);

    if (rc == BLOCKDB_OK) {
        assert_true(slice_equal(note, buf_slice(&f->note)));
        assert_int_equal(head.size, 7);
        assert_memory_equal(&head.root, &f->log.roots[7], sizeof(head.root));
    } else {
        assert_non_null(strstr(err.message, "/w/x.head"));
        assert_int_equal(head.size, 99);
        assert_null(note.data);
    }
    return rc;
}

/* Renews the checksum, as someone would who changes bytes on purpose. */
static void seal(struct buf *file)
{
    put_le64(file->data + file->len - 8, checksum(file->data, file->len - 8, 0));
}

static void test_bytes(void **state)
{
    const struct fixture *f = *state;
    const uint8_t *p = f->file.data;
    size_t len = f->note.len;
    size_t i;

    assert_int_equal(f->file.len, 48 + len + 8);
    assert_memory_equal(p, "BDBWHEAD", 8);
    assert_int_equal(get_le32(p + 8), 1);
    assert_int_equal(get_le32(p + 12), len);
    for (i = 16; i < 48; i++) {
        assert_int_equal(p[i], 0);
    }
    assert_memory_equal(p + 48, f->note.data, len);
    assert_true(get_le64(p + 48 + len) == checksum(p, 48 + len, 0));
    assert_int_equal(decode(f, buf_slice(&f->file)), 0);
}

static void test_damage(void **state)
{
    struct fixture *f = *state;
    size_t i;

    for (i = 0; i < f->file.len; i++) {
        int rc;

        assert_true(decode(f, slice_of(f->file.data, i)) < 0);
        f->file.data[i] ^= 0x10;
        rc = decode(f, buf_slice(&f->file));
        f->file.data[i] ^= 0x10;
        assert_true(rc == (i < 8    ? BLOCKDB_EFOREIGN
                           : i < 12 ? BLOCKDB_EVERSION
                                    : BLOCKDB_ECORRUPT));
    }
    assert_int_equal(buf_append_u8(&f->file, 0), 0);
    assert_int_equal(decode(f, buf_slice(&f->file)), BLOCKDB_ECORRUPT);
}

static int decode_changed(struct fixture *f, size_t at, uint8_t to)
{
    uint8_t before = f->file.data[at];
    int rc;

    f->file.data[at] = to;
    seal(&f->file);
    rc = decode(f, buf_slice(&f->file));
    f->file.data[at] = before;
    seal(&f->file);
    return rc;
}

static void test_fields(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(decode_changed(f, 8, 0), BLOCKDB_ECORRUPT);    /* version 0 */
    assert_int_equal(decode_changed(f, 8, 2), BLOCKDB_EVERSION);    /* a newer one */
    assert_int_equal(decode_changed(f, 16, 1), BLOCKDB_OK);         /* may ignore */
    assert_int_equal(decode_changed(f, 24, 1), BLOCKDB_EVERSION);   /* must refuse */
    assert_int_equal(decode_changed(f, 40, 1), BLOCKDB_ECORRUPT);   /* reserved */
    assert_int_equal(decode_changed(f, 12, 1), BLOCKDB_ECORRUPT);   /* another length */
    assert_int_equal(decode_changed(f, 48, 'x'), BLOCKDB_ECORRUPT); /* another log */
    assert_int_equal(decode_changed(f, 48 + strlen(WITNESS_LOG_ORIGIN) + 1, 'x'),
                     BLOCKDB_ECORRUPT); /* no checkpoint */
}

static void test_names(void **state)
{
    const struct fixture *f = *state;
    char name[WITNESS_HEAD_NAME_BYTES];
    char changed[WITNESS_HEAD_NAME_BYTES + 1];
    struct hash log = {{1}};

    witness_head_name(name, &f->name);
    assert_int_equal(strlen(name), 64 + 5);
    assert_true(witness_head_name_parse(name, &log));
    assert_memory_equal(&log, &f->name, sizeof(log));
    assert_false(witness_head_name_parse("", &log));
    assert_false(witness_head_name_parse("LOCK", &log));
    memcpy(changed, name, sizeof(name));
    changed[0] = 'G';
    assert_false(witness_head_name_parse(changed, &log));
    memset(changed, 'A', 64); /* capitals */
    assert_false(witness_head_name_parse(changed, &log));
    memcpy(changed, name, sizeof(name));
    changed[68] = 'x';
    assert_false(witness_head_name_parse(changed, &log));
    (void)snprintf(changed, sizeof(changed), "%s~", name);
    assert_false(witness_head_name_parse(changed, &log));
}

static void test_note(void **state)
{
    const struct fixture *f = *state;
    AUTO(buf_deinit) struct buf longer = {0};
    struct witness_head head = {.size = 99};
    struct hash other = {{1}};
    struct error err;

    assert_int_equal(witness_head_of_note(buf_slice(&f->note), &f->name, &head, &err), 0);
    assert_int_equal(head.size, 7);
    head.size = 99;
    assert_int_equal(witness_head_of_note(buf_slice(&f->note), &other, &head, &err),
                     BLOCKDB_ECORRUPT);
    assert_int_equal(buf_append_zeros(&longer, WITNESS_HEAD_NOTE_MAX + 1), 0);
    assert_int_equal(witness_head_of_note(buf_slice(&longer), &f->name, &head, &err),
                     BLOCKDB_ELIMIT);
    assert_int_equal(head.size, 99);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_bytes), TEST(test_damage), TEST(test_fields), TEST(test_names), TEST(test_note),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
