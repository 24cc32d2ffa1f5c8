/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checkpoints and cosignatures: published ones, COSIG-1, and everything that is none.
 */
#include "base/base64.h"
#include "base/mem.h"
#include "base/text.h"
#include "c2sp.h"
#include "ledger/checkpoint.h"
#include "ledger/cosignature.h"
#include "ledger/merkle.h"
#include "ledger/signing_key.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct note note;

static void assert_text(struct slice got, const char *want)
{
    assert_int_equal(got.len, strlen(want));
    assert_memory_equal(got.data, want, got.len);
}

static struct verifier_key key_of(const char *text)
{
    struct verifier_key key;

    assert_int_equal(verifier_key_parse(slice_of_text(text), &key, NULL), BLOCKDB_OK);
    return key;
}

/* The signing key of the witness of c2sp.h; the caller deinits it. */
static struct signing_key witness_key(void)
{
    struct signing_key key = {0};
    uint8_t seed[ED25519_SEED_LEN];

    for (size_t i = 0; i < sizeof seed; i++) {
        seed[i] = (uint8_t)(i + 1);
    }
    assert_int_equal(
        signing_key_init(&key, slice_of_text(WITNESS_NAME), KEY_TYPE_COSIGNATURE, seed, NULL),
        BLOCKDB_OK);
    return key;
}

static void both_ways(void **state)
{
    static const char *const texts[] = {LOG_TEXT_0, LOG_TEXT_8, LOG_TEXT_15, SUMDB_TEXT};
    struct checkpoint checkpoint;
    struct hash empty;

    for (size_t i = 0; i < 3; i++) {
        AUTO(buf_deinit) struct buf out = {0};

        assert_int_equal(checkpoint_parse(slice_of_text(texts[i]), &checkpoint, NULL), BLOCKDB_OK);
        assert_text(checkpoint.origin, LOG_ORIGIN);
        assert_int_equal(checkpoint.extensions.len, 0);
        assert_int_equal(checkpoint_append(&out, &checkpoint), BLOCKDB_OK);
        assert_text(buf_slice(&out), texts[i]);
    }
    assert_int_equal(checkpoint.size, 15);
    assert_int_equal(checkpoint_parse(slice_of_text(SUMDB_TEXT), &checkpoint, NULL), BLOCKDB_OK);
    assert_text(checkpoint.origin, "go.sum database tree");
    assert_int_equal(checkpoint.size, 35225469);
    assert_int_equal(checkpoint_parse(slice_of_text(LOG_TEXT_0), &checkpoint, NULL), BLOCKDB_OK);
    merkle_empty_root(&empty);
    assert_true(hash_equal(&checkpoint.root, &empty));
}

static void further_lines_are_tolerated(void **state)
{
    struct checkpoint checkpoint;
    struct checkpoint plain;

    assert_int_equal(checkpoint_parse(slice_of_text(LOG_TEXT_15 "one\ntwo\n"), &checkpoint, NULL),
                     BLOCKDB_OK);
    assert_text(checkpoint.extensions, "one\ntwo\n");
    assert_int_equal(checkpoint_parse(slice_of_text(LOG_TEXT_15), &plain, NULL), BLOCKDB_OK);
    assert_true(checkpoint_equal(&checkpoint, &plain));
}

static void malformed_checkpoints(void **state)
{
    static const struct {
        const char *text;
        const char *line;
    } cases[] = {
        {"", "line 1"},
        {"\n", "line 1"},
        {"origin", "line 1"},
        {"\n15\n" LOG_ROOT_15 "\n", "line 1"},
        {"o\n", "line 2"},
        {"o\n15", "line 2"},
        {"o\n\n" LOG_ROOT_15 "\n", "line 2"},
        {"o\n015\n" LOG_ROOT_15 "\n", "line 2"},
        {"o\n00\n" LOG_ROOT_15 "\n", "line 2"},
        {"o\n-1\n" LOG_ROOT_15 "\n", "line 2"},
        {"o\n+1\n" LOG_ROOT_15 "\n", "line 2"},
        {"o\n1 \n" LOG_ROOT_15 "\n", "line 2"},
        {"o\n0x1\n" LOG_ROOT_15 "\n", "line 2"},
        {"o\n18446744073709551616\n" LOG_ROOT_15 "\n", "line 2"},
        {"o\n15\n", "line 3"},
        {"o\n15\n\n", "line 3"},
        {"o\n15\n" LOG_ROOT_15, "line 3"},
        {"o\n15\n" LOG_ROOT_15 " \n", "line 3"},
        {"o\n15\nrKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383c==\n", "line 3"},
        {"o\n15\nrKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383ct=\n", "line 3"},
        {"o\n15\nrKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cvL\n", "line 3"},
        {"o\n15\nrKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383A==\n", "line 3"},
        {"o\n15\n" LOG_ROOT_15 "\n\n", "line 4"},
        {"o\n15\n" LOG_ROOT_15 "\nx\n\n", "line 5"},
        {"o\n15\n" LOG_ROOT_15 "\nx\n\ny\n", "line 5"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct checkpoint checkpoint = {.size = 77};
        struct error err;

        assert_int_equal(checkpoint_parse(slice_of_text(cases[i].text), &checkpoint, &err),
                         BLOCKDB_ECORRUPT);
        assert_non_null(strstr(err.message, cases[i].line));
        assert_int_equal(checkpoint.size, 77);
    }
}

static void the_maximum(void **state)
{
    AUTO(buf_deinit) struct buf text = {0};
    struct checkpoint checkpoint;

    assert_int_equal(buf_appendf(&text, "%s%*s\n", LOG_TEXT_15,
                                 CHECKPOINT_TEXT_MAX - (int)strlen(LOG_TEXT_15) - 1, "x"),
                     BLOCKDB_OK);
    assert_int_equal(text.len, CHECKPOINT_TEXT_MAX);
    assert_int_equal(checkpoint_parse(buf_slice(&text), &checkpoint, NULL), BLOCKDB_OK);
    assert_int_equal(buf_appendf(&text, "x\n"), BLOCKDB_OK);
    assert_int_equal(checkpoint_parse(buf_slice(&text), &checkpoint, NULL), BLOCKDB_ELIMIT);
}

static void origins_that_are_not_written(void **state)
{
    static const char *const origins[] = {"", "go.sum database tree", "a+b", "a\nb"};
    AUTO(buf_deinit) struct buf out = {0};
    struct checkpoint checkpoint = {.size = UINT64_MAX};
    char origin[NOTE_NAME_MAX + 1];

    for (size_t i = 0; i < sizeof origins / sizeof *origins; i++) {
        checkpoint.origin = slice_of_text(origins[i]);
        assert_int_equal(checkpoint_append(&out, &checkpoint), BLOCKDB_EINVAL);
    }
    memset(origin, 'o', sizeof origin);
    checkpoint.origin = slice_of(origin, sizeof origin);
    assert_int_equal(checkpoint_append(&out, &checkpoint), BLOCKDB_EINVAL);
    assert_int_equal(out.len, 0);
    checkpoint.origin.len--;
    assert_int_equal(checkpoint_append(&out, &checkpoint), BLOCKDB_OK);
    assert_int_equal(checkpoint_parse(buf_slice(&out), &checkpoint, NULL), BLOCKDB_OK);
    assert_true(checkpoint.size == UINT64_MAX);
}

static void whole_notes(void **state)
{
    struct checkpoint checkpoint;

    assert_int_equal(
        checkpoint_parse_note(slice_of_text(COSIGNED_NOTE_15), &note, &checkpoint, NULL),
        BLOCKDB_OK);
    assert_int_equal(note.count, 2);
    assert_int_equal(checkpoint.size, 15);
    assert_int_equal(checkpoint_parse_note(slice_of_text(FOO_NOTE), &note, &checkpoint, NULL),
                     BLOCKDB_ECORRUPT);
    assert_int_equal(checkpoint_parse_note(slice_of_text(LOG_TEXT_15), &note, &checkpoint, NULL),
                     BLOCKDB_ECORRUPT);
}

static void equal_checkpoints(void **state)
{
    struct checkpoint a;
    struct checkpoint b;

    assert_int_equal(checkpoint_parse(slice_of_text(LOG_TEXT_15), &a, NULL), BLOCKDB_OK);
    b = a;
    assert_true(checkpoint_equal(&a, &b));
    b.size++;
    assert_false(checkpoint_equal(&a, &b));
    b = a;
    b.root.bytes[0] ^= 1;
    assert_false(checkpoint_equal(&a, &b));
    b = a;
    b.origin.len--;
    assert_false(checkpoint_equal(&a, &b));
}

static void the_cosignature_of_the_witness(void **state)
{
    static const char signed_bytes_hash[] =
        "542e962db3fd6d61855c4320ffb32806bffa826f966fd405a4e53cbb520579ba";
    static const char signed_bytes[] = "cosignature/v1\ntime 1679315147\n" LOG_TEXT_15;
    AUTO(signing_key_deinit) struct signing_key key = witness_key();
    AUTO(buf_deinit) struct buf out = {0};
    struct verifier_key verifier = key_of(WITNESS_VKEY);
    char hex[2 * SHA256_LEN + 1];
    struct hash hash;
    uint64_t time_s = 0;

    sha256_once(signed_bytes, sizeof signed_bytes - 1, &hash);
    text_format_hex(hex, hash.bytes, sizeof hash.bytes);
    assert_string_equal(hex, signed_bytes_hash);
    assert_int_equal(cosignature_sign(&out, &key, slice_of_text(LOG_TEXT_15), WITNESS_TIME, NULL),
                     BLOCKDB_OK);
    assert_text(buf_slice(&out), WITNESS_LINE);
    assert_int_equal(note_parse(slice_of_text(COSIGNED_NOTE_15), &note, NULL), BLOCKDB_OK);
    assert_int_equal(cosignature_verify(&note, &verifier, &time_s, NULL), BLOCKDB_OK);
    assert_int_equal(time_s, WITNESS_TIME);
    /* The same key in the other form signs notes, and has not signed this one. */
    verifier = key_of(WITNESS_VKEY_NOTE);
    assert_int_equal(note_verify(&note, &verifier, NULL), BLOCKDB_ENOTFOUND);
}

/* Puts a note together of text and the line of a cosignature over signed_text, changed by change.
 */
static int verify_changed(const char *text, void (*change)(uint8_t *bytes), uint64_t *out_time_s)
{
    AUTO(buf_deinit) struct buf bytes = {0};
    struct verifier_key verifier = key_of(WITNESS_VKEY);
    struct note_signature line;
    uint8_t signature[NOTE_SIGNATURE_LEN_MAX];
    size_t len;

    assert_int_equal(note_signature_parse(slice_of(WITNESS_LINE, sizeof WITNESS_LINE - 2), &line),
                     BLOCKDB_OK);
    assert_int_equal(note_signature_bytes(&line, signature, &len), BLOCKDB_OK);
    assert_int_equal(len, sizeof signature);
    change(signature);
    assert_int_equal(buf_appendf(&bytes, "%s\n", text), BLOCKDB_OK);
    assert_int_equal(
        note_append_signature(&bytes, verifier.name, verifier.id, slice_of(signature, len)),
        BLOCKDB_OK);
    assert_int_equal(note_parse(buf_slice(&bytes), &note, NULL), BLOCKDB_OK);
    return cosignature_verify(&note, &verifier, out_time_s, NULL);
}

static void change_nothing(uint8_t *bytes)
{
}

static void change_time(uint8_t *bytes)
{
    bytes[7] ^= 1;
}

static void change_time_sign(uint8_t *bytes)
{
    bytes[0] ^= 0x80;
}

static void change_signature(uint8_t *bytes)
{
    bytes[71] ^= 1;
}

static void changed_cosignatures(void **state)
{
    uint64_t time_s = 77;

    assert_int_equal(verify_changed(LOG_TEXT_15, change_time, &time_s), BLOCKDB_ETAMPERED);
    assert_int_equal(verify_changed(LOG_TEXT_15, change_time_sign, &time_s), BLOCKDB_ETAMPERED);
    assert_int_equal(verify_changed(LOG_TEXT_15, change_signature, &time_s), BLOCKDB_ETAMPERED);
    assert_int_equal(verify_changed(LOG_TEXT_8, change_nothing, &time_s), BLOCKDB_ETAMPERED);
    assert_int_equal(verify_changed(LOG_TEXT_15 "extension\n", change_nothing, &time_s),
                     BLOCKDB_ETAMPERED);
    assert_int_equal(verify_changed("no checkpoint\n", change_nothing, &time_s), BLOCKDB_ETAMPERED);
    assert_int_equal(time_s, 77);
    assert_int_equal(verify_changed(LOG_TEXT_15, change_nothing, &time_s), BLOCKDB_OK);
    assert_int_equal(time_s, WITNESS_TIME);
}

/* An Ed25519 signature without a time is no cosignature, nor the other way round. */
static void signatures_of_the_other_kind(void **state)
{
    AUTO(buf_deinit) struct buf bytes = {0};
    struct verifier_key verifier = key_of(WITNESS_VKEY);
    uint8_t signature[ED25519_SIGNATURE_LEN] = {0};
    uint64_t time_s;

    assert_int_equal(buf_appendf(&bytes, "%s\n", LOG_TEXT_15), BLOCKDB_OK);
    assert_int_equal(note_append_signature(&bytes, verifier.name, verifier.id,
                                           slice_of(signature, sizeof signature)),
                     BLOCKDB_OK);
    assert_int_equal(note_parse(buf_slice(&bytes), &note, NULL), BLOCKDB_OK);
    assert_int_equal(cosignature_verify(&note, &verifier, &time_s, NULL), BLOCKDB_ETAMPERED);
}

static void several_cosignatures_of_one_witness(void **state)
{
    AUTO(signing_key_deinit) struct signing_key key = witness_key();
    AUTO(buf_deinit) struct buf bytes = {0};
    struct verifier_key verifier = key_of(WITNESS_VKEY);
    struct slice text = slice_of_text(LOG_TEXT_15);
    uint64_t time_s = 0;

    assert_int_equal(buf_appendf(&bytes, "%s\n", LOG_TEXT_15), BLOCKDB_OK);
    assert_int_equal(cosignature_sign(&bytes, &key, text, 5, NULL), BLOCKDB_OK);
    assert_int_equal(cosignature_sign(&bytes, &key, text, COSIGNATURE_TIME_MAX, NULL), BLOCKDB_OK);
    assert_int_equal(cosignature_sign(&bytes, &key, text, 0, NULL), BLOCKDB_OK);
    assert_int_equal(note_parse(buf_slice(&bytes), &note, NULL), BLOCKDB_OK);
    assert_int_equal(cosignature_verify(&note, &verifier, &time_s, NULL), BLOCKDB_OK);
    assert_true(time_s == COSIGNATURE_TIME_MAX);
}

static void what_cannot_be_cosigned(void **state)
{
    AUTO(signing_key_deinit) struct signing_key key = witness_key();
    AUTO(signing_key_deinit) struct signing_key log = {0};
    AUTO(buf_deinit) struct buf out = {0};
    struct slice text = slice_of_text(LOG_TEXT_15);

    assert_int_equal(signing_key_parse(slice_of_text(LOG_SKEY), &log, NULL), BLOCKDB_OK);
    assert_int_equal(cosignature_sign(&out, &log, text, 1, NULL), BLOCKDB_EINVAL);
    assert_int_equal(cosignature_sign(&out, &key, text, COSIGNATURE_TIME_MAX + 1, NULL),
                     BLOCKDB_EINVAL);
    assert_int_equal(cosignature_sign(&out, &key, slice_of_text(CRYPTOGRAPHY_TEXT), 1, NULL),
                     BLOCKDB_EINVAL);
    assert_int_equal(out.len, 0);
}

static bool fail_nth(void *context)
{
    int *left = context;

    return --*left == 0;
}

static void short_of_memory(void **state)
{
    AUTO(signing_key_deinit) struct signing_key key = witness_key();
    struct checkpoint checkpoint;
    int rc = BLOCKDB_ENOMEM;
    int n;

    assert_int_equal(checkpoint_parse(slice_of_text(LOG_TEXT_15), &checkpoint, NULL), BLOCKDB_OK);
    for (n = 1; rc == BLOCKDB_ENOMEM; n++) {
        AUTO(buf_deinit) struct buf out = {0};
        size_t len = 0;
        int left = n;

        mem_set_fail_hook(fail_nth, &left);
        rc = checkpoint_append(&out, &checkpoint);
        if (rc == BLOCKDB_OK) {
            len = out.len;
            rc = cosignature_sign(&out, &key, slice_of_text(LOG_TEXT_15), WITNESS_TIME, NULL);
        }
        mem_set_fail_hook(NULL, NULL);
        assert_int_equal(out.len == len, rc == BLOCKDB_ENOMEM);
    }
    assert_int_equal(rc, BLOCKDB_OK);
    assert_true(n > 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ways),
        cmocka_unit_test(further_lines_are_tolerated),
        cmocka_unit_test(malformed_checkpoints),
        cmocka_unit_test(the_maximum),
        cmocka_unit_test(origins_that_are_not_written),
        cmocka_unit_test(whole_notes),
        cmocka_unit_test(equal_checkpoints),
        cmocka_unit_test(the_cosignature_of_the_witness),
        cmocka_unit_test(changed_cosignatures),
        cmocka_unit_test(signatures_of_the_other_kind),
        cmocka_unit_test(several_cosignatures_of_one_witness),
        cmocka_unit_test(what_cannot_be_cosigned),
        cmocka_unit_test(short_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
