/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Notes: published ones, NOTE-1 to NOTE-3, and everything that is no note.
 */
#include "base/mem.h"
#include "c2sp.h"
#include "ledger/note.h"
#include "ledger/signing_key.h"
#include "ledger/verifier_key.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct note note; /* large; each test parses into it */

static int parse(const char *text)
{
    return note_parse(slice_of_text(text), &note, NULL);
}

static struct verifier_key key_of(const char *text)
{
    struct verifier_key key;

    assert_int_equal(verifier_key_parse(slice_of_text(text), &key, NULL), BLOCKDB_OK);
    return key;
}

static int verify(const char *text, const char *key_text)
{
    struct verifier_key key = key_of(key_text);

    assert_int_equal(parse(text), BLOCKDB_OK);
    return note_verify(&note, &key, NULL);
}

static void assert_text(struct slice got, const char *want)
{
    assert_int_equal(got.len, strlen(want));
    assert_memory_equal(got.data, want, got.len);
}

static void published_notes(void **state)
{
    assert_int_equal(verify(FOO_NOTE, FOO_VKEY), BLOCKDB_OK);
    assert_text(note.text, "This is an example message.\n");
    assert_int_equal(note.count, 1);
    assert_text(note.list[0].name, "example.com/foo");
    assert_int_equal(note.list[0].key_id, 0x530d903a);
    assert_int_equal(verify(CRYPTOGRAPHY_TEXT "\n" PETER_LINE ENOCH_LINE, PETER_VKEY), BLOCKDB_OK);
    assert_text(note.text, CRYPTOGRAPHY_TEXT);
    assert_text(note.signatures, PETER_LINE ENOCH_LINE);
    assert_int_equal(note.count, 2);
    assert_int_equal(verify(CRYPTOGRAPHY_TEXT "\n" PETER_LINE ENOCH_LINE, ENOCH_VKEY), BLOCKDB_OK);
    assert_int_equal(verify(SUMDB_TEXT "\n" SUMDB_LINE, SUMDB_VKEY), BLOCKDB_OK);
    assert_int_equal(verify(LOG_TEXT_0 "\n" LOG_LINE_0, LOG_VKEY), BLOCKDB_OK);
    assert_int_equal(verify(LOG_TEXT_8 "\n" LOG_LINE_8, LOG_VKEY), BLOCKDB_OK);
    assert_int_equal(verify(COSIGNED_NOTE_15, LOG_VKEY), BLOCKDB_OK);
    assert_int_equal(verify(COSIGNED_NOTE_15, WITNESS_VKEY), BLOCKDB_OK);
}

/* The same signature under another origin is none, although texts have shown it as an example. */
static void a_signature_of_another_text(void **state)
{
    static const char copied[] =
        "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/"
        "Xajj7h2fB2MPA3j2jxq2I=\n\n" DASH
        "example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/"
        "Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n";
    struct verifier_key key = key_of(SUMDB_VKEY);

    key.name = slice_of_text("example.com/behind-the-sofa");
    assert_int_equal(parse(copied), BLOCKDB_OK);
    assert_int_equal(note_verify(&note, &key, NULL), BLOCKDB_ETAMPERED);
}

static void signing_gives_the_published_lines(void **state)
{
    static const char *const cases[][3] = {
        {PETER_SKEY, CRYPTOGRAPHY_TEXT, PETER_LINE},
        {LOG_SKEY, LOG_TEXT_0, LOG_LINE_0},
        {LOG_SKEY, LOG_TEXT_8, LOG_LINE_8},
        {LOG_SKEY, LOG_TEXT_15, LOG_LINE_15},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        AUTO(signing_key_deinit) struct signing_key key = {0};
        AUTO(buf_deinit) struct buf out = {0};

        assert_int_equal(signing_key_parse(slice_of_text(cases[i][0]), &key, NULL), BLOCKDB_OK);
        assert_int_equal(note_sign(&out, &key, slice_of_text(cases[i][1]), NULL), BLOCKDB_OK);
        assert_text(buf_slice(&out), cases[i][2]);
    }
}

static void texts_that_cannot_be_signed(void **state)
{
    static const char *const texts[] = {"", "no newline", "a\r\n", "a\tb\n", "\xff\n", "a\n\x7f"};
    AUTO(signing_key_deinit) struct signing_key key = {0};
    AUTO(signing_key_deinit) struct signing_key witness = {0};
    AUTO(buf_deinit) struct buf out = {0};
    uint8_t seed[ED25519_SEED_LEN] = {1};

    assert_int_equal(signing_key_parse(slice_of_text(LOG_SKEY), &key, NULL), BLOCKDB_OK);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_int_equal(note_sign(&out, &key, slice_of_text(texts[i]), NULL), BLOCKDB_EINVAL);
    }
    assert_int_equal(
        signing_key_init(&witness, slice_of_text("w"), KEY_TYPE_COSIGNATURE, seed, NULL),
        BLOCKDB_OK);
    assert_int_equal(note_sign(&out, &witness, slice_of_text("a\n"), NULL), BLOCKDB_EINVAL);
    assert_int_equal(out.len, 0);
}

static void the_last_empty_line_separates(void **state)
{
    assert_int_equal(parse("a\n\nb\n\n\n" PETER_LINE), BLOCKDB_OK);
    assert_text(note.text, "a\n\nb\n\n");
    assert_int_equal(parse("a\n\n" PETER_LINE "\n" ENOCH_LINE), BLOCKDB_OK);
    assert_text(note.text, "a\n\n" PETER_LINE);
    assert_int_equal(note.count, 1);
    assert_int_equal(parse("\n\n" PETER_LINE), BLOCKDB_OK);
    assert_text(note.text, "\n");
}

static void malformed_notes(void **state)
{
    static const char *const notes[] = {
        "",
        "\n",
        "\n\n",
        "a",
        "a\n",
        "a\n\n",
        CRYPTOGRAPHY_TEXT,
        CRYPTOGRAPHY_TEXT "\n",
        CRYPTOGRAPHY_TEXT PETER_LINE,
        "\n" PETER_LINE,
        PETER_LINE,
        "a\n\n" PETER_LINE "x",
        "a\n\n" PETER_LINE "Unexpected line.\n",
        "a\n\n" PETER_LINE "\n",
        "a\n\n" PETER_LINE "\n\n",
        "a\r\n\r\n" PETER_LINE,
        "a\t\n\n" PETER_LINE,
        "a\x1f\n\n" PETER_LINE,
        "\x01" CRYPTOGRAPHY_TEXT "\n" PETER_LINE,
        "\xff" CRYPTOGRAPHY_TEXT "\n" PETER_LINE,
        "\xc0\x80\n\n" PETER_LINE,
        "a\n\n" DASH "name\n",
        "a\n\n" DASH "name \n",
        "a\n\n" DASH "name QUJDRA==\n",             /* a key ID and no signature */
        "a\n\n" DASH "name QUJD\n",                 /* less */
        "a\n\n" DASH "name QUJDREU\n",              /* no padding */
        "a\n\n" DASH "name QUJDREU= \n",            /* a space behind */
        "a\n\n" DASH "name QUJDREV=\n",             /* bits behind the last byte */
        "a\n\n" DASH "name QUJDR-U=\n",             /* another alphabet */
        "a\n\n" DASH " name QUJDREU=\n",            /* an empty name */
        "a\n\n" DASH "bad name QUJDREU=\n",         /* two words */
        "a\n\n" DASH "na+me QUJDREU=\n",            /* a plus */
        "a\n\n" DASH "na\xc2\xa0me QUJDREU=\n",     /* a space that does not break */
        "a\n\n" DASH "na\xe3\x80\x80me QUJDREU=\n", /* an ideographic one */
        "a\n\n" DASH "na\xe2\x80\xa8me QUJDREU=\n", /* a separator of lines */
        "a\n\n" DASH "na\xc2\x85me QUJDREU=\n",     /* a next line */
        "a\n\n- name QUJDREU=\n",
        "a\n\n\xe2\x80\x93 name QUJDREU=\n", /* an en dash */
        "a\n\n\xe2\x80\x94name QUJDREU=\n",
        "a\n\n " DASH "name QUJDREU=\n",
    };

    for (size_t i = 0; i < sizeof notes / sizeof *notes; i++) {
        if (parse(notes[i]) != BLOCKDB_ECORRUPT) {
            fail_msg("accepted: %s", notes[i]);
        }
    }
    assert_int_equal(parse("a\n\n" DASH "name QUJDREU=\n"), BLOCKDB_OK);
    assert_int_equal(
        note_parse(slice_of("a\0\n\n" PETER_LINE, sizeof "a\0\n\n" PETER_LINE - 1), &note, NULL),
        BLOCKDB_ECORRUPT);
    assert_int_equal(note_parse(slice_of(NULL, 0), &note, NULL), BLOCKDB_ECORRUPT);
}

static void errors_name_the_line(void **state)
{
    struct error err;

    assert_int_equal(note_parse(slice_of_text("a\nb\n\n" PETER_LINE "no\n"), &note, &err),
                     BLOCKDB_ECORRUPT);
    assert_non_null(strstr(err.message, "line 5"));
    assert_int_equal(note_parse(slice_of_text("a\nb\rc\n\n" PETER_LINE), &note, &err),
                     BLOCKDB_ECORRUPT);
    assert_non_null(strstr(err.message, "line 2"));
    assert_non_null(strstr(err.message, "0x0d"));
}

static void names_of_keys(void **state)
{
    static const char *const good[] = {
        "a", "example.com/log", "\xc3\xa9", "a-b_c:d", "\xe2\x80\x94", "\xf0\x9f\x98\x80", "\x7f"};
    static const char *const bad[] = {"",
                                      " ",
                                      "a b",
                                      "a+b",
                                      "a\n",
                                      "\ta",
                                      "a\x1f",
                                      "\x01",
                                      "\xff",
                                      "a\xc2",
                                      "\xc2\x85",
                                      "\xc2\xa0",
                                      "\xe1\x9a\x80",
                                      "\xe2\x80\x80",
                                      "\xe2\x80\x8a",
                                      "\xe2\x80\xa8",
                                      "\xe2\x80\xa9",
                                      "\xe2\x80\xaf",
                                      "\xe2\x81\x9f",
                                      "\xe3\x80\x80"};

    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(note_name_valid(slice_of_text(good[i])));
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(note_name_valid(slice_of_text(bad[i])));
    }
    assert_false(note_name_valid(slice_of("a\0b", 3)));
}

static void the_maxima(void **state)
{
    AUTO(buf_deinit) struct buf text = {0};

    assert_int_equal(buf_appendf(&text, "a\n\n"), BLOCKDB_OK);
    for (int i = 0; i < NOTE_SIGNATURES_MAX; i++) {
        assert_int_equal(buf_appendf(&text, "%sname%d QUJDREU=\n", DASH, i), BLOCKDB_OK);
    }
    assert_int_equal(note_parse(buf_slice(&text), &note, NULL), BLOCKDB_OK);
    assert_int_equal(note.count, NOTE_SIGNATURES_MAX);
    assert_int_equal(buf_appendf(&text, "%slast QUJDREU=\n", DASH), BLOCKDB_OK);
    assert_int_equal(note_parse(buf_slice(&text), &note, NULL), BLOCKDB_ELIMIT);
    buf_reset(&text);
    assert_int_equal(buf_append_zeros(&text, NOTE_LEN_MAX + 1), BLOCKDB_OK);
    assert_int_equal(note_parse(buf_slice(&text), &note, NULL), BLOCKDB_ELIMIT);
}

/* NOTE-2 and NOTE-3: who is unknown is ignored, who is known must be right, each time. */
static void known_and_unknown_keys(void **state)
{
    static const char other_text[] = "other\n\n" PETER_LINE;
    static const char both[] = "other\n\n" PETER_LINE ENOCH_LINE;

    assert_int_equal(verify(other_text, PETER_VKEY), BLOCKDB_ETAMPERED);
    assert_int_equal(verify(other_text, ENOCH_VKEY), BLOCKDB_ENOTFOUND);
    assert_int_equal(verify(both, FOO_VKEY), BLOCKDB_ENOTFOUND);
    /* The name of one and the ID of the other. */
    assert_int_equal(
        verify(CRYPTOGRAPHY_TEXT "\n" DASH "PeterNeumann rwz+eEE=\n" PETER_LINE, PETER_VKEY),
        BLOCKDB_OK);
    assert_int_equal(verify(CRYPTOGRAPHY_TEXT "\n" DASH "EnochRoot x08go0E=\n", PETER_VKEY),
                     BLOCKDB_ENOTFOUND);
    /* Too short, too long, and right beside wrong. */
    assert_int_equal(verify(CRYPTOGRAPHY_TEXT "\n" DASH "PeterNeumann x08go0E=\n", PETER_VKEY),
                     BLOCKDB_ETAMPERED);
    assert_int_equal(verify(CRYPTOGRAPHY_TEXT "\n" PETER_LINE PETER_LINE, PETER_VKEY), BLOCKDB_OK);
    assert_int_equal(
        verify(CRYPTOGRAPHY_TEXT "\n" PETER_LINE DASH "PeterNeumann x08go0E=\n", PETER_VKEY),
        BLOCKDB_ETAMPERED);
}

static void a_signature_longer_than_any(void **state)
{
    AUTO(buf_deinit) struct buf text = {0};
    struct verifier_key key = key_of(PETER_VKEY);
    uint8_t bytes[NOTE_SIGNATURE_LEN_MAX];
    size_t len;

    assert_int_equal(buf_appendf(&text, "a\n\n%sPeterNeumann x08go%s", DASH, ""), BLOCKDB_OK);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(buf_appendf(&text, "%s", i == 0 ? "0E" : "AAAA"), BLOCKDB_OK);
    }
    assert_int_equal(buf_appendf(&text, "A\n"), BLOCKDB_OK);
    assert_int_equal(note_parse(buf_slice(&text), &note, NULL), BLOCKDB_OK);
    assert_int_equal(note_signature_bytes(&note.list[0], bytes, &len), BLOCKDB_ELIMIT);
    assert_int_equal(note_verify(&note, &key, NULL), BLOCKDB_ETAMPERED);
}

static void every_changed_byte(void **state)
{
    char text[] = CRYPTOGRAPHY_TEXT "\n" PETER_LINE;
    struct verifier_key key = key_of(PETER_VKEY);

    for (size_t i = 0; i < sizeof text - 1; i++) {
        for (int bit = 0; bit < 8; bit++) {
            text[i] = (char)(text[i] ^ 1 << bit);
            assert_true(parse(text) < 0 || note_verify(&note, &key, NULL) < 0);
            text[i] = (char)(text[i] ^ 1 << bit);
        }
    }
    assert_int_equal(verify(text, PETER_VKEY), BLOCKDB_OK);
    for (size_t len = 0; len < sizeof text - 1; len++) {
        assert_int_not_equal(note_parse(slice_of(text, len), &note, NULL), BLOCKDB_OK);
    }
}

static bool fail_nth(void *context)
{
    int *left = context;

    return --*left == 0;
}

static void short_of_memory(void **state)
{
    AUTO(signing_key_deinit) struct signing_key key = {0};
    int rc = BLOCKDB_ENOMEM;

    assert_int_equal(signing_key_parse(slice_of_text(PETER_SKEY), &key, NULL), BLOCKDB_OK);
    for (int n = 1; rc == BLOCKDB_ENOMEM; n++) {
        AUTO(buf_deinit) struct buf out = {0};
        int left = n;

        mem_set_fail_hook(fail_nth, &left);
        rc = note_sign(&out, &key, slice_of_text(CRYPTOGRAPHY_TEXT), NULL);
        mem_set_fail_hook(NULL, NULL);
        assert_int_equal(out.len > 0, rc == BLOCKDB_OK);
    }
    assert_int_equal(rc, BLOCKDB_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_notes),
        cmocka_unit_test(a_signature_of_another_text),
        cmocka_unit_test(signing_gives_the_published_lines),
        cmocka_unit_test(texts_that_cannot_be_signed),
        cmocka_unit_test(the_last_empty_line_separates),
        cmocka_unit_test(malformed_notes),
        cmocka_unit_test(errors_name_the_line),
        cmocka_unit_test(names_of_keys),
        cmocka_unit_test(the_maxima),
        cmocka_unit_test(known_and_unknown_keys),
        cmocka_unit_test(a_signature_longer_than_any),
        cmocka_unit_test(every_changed_byte),
        cmocka_unit_test(short_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
