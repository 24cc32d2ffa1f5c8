/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policies: every rule of their text, POL-1 and POL-2, and heads measured by them.
 */
#include "base/mem.h"
#include "c2sp.h"
#include "ledger/cosignature.h"
#include "ledger/policy.h"
#include "ledger/signing_key.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define LOG_LINE "log " LOG_VKEY "\n"
#define WITNESS_A "witness a " WITNESS_VKEY "\n"

static struct policy policy; /* large; each test parses into them */
static struct note note;

static int parse(const char *text)
{
    return policy_parse(slice_of_text(text), &policy, NULL);
}

static void assert_text(struct slice got, const char *want)
{
    assert_int_equal(got.len, strlen(want));
    assert_memory_equal(got.data, want, got.len);
}

/* The key of a number, of the name w<number>; the caller deinits it. */
static struct signing_key numbered_key(unsigned number, enum key_type type)
{
    uint8_t seed[ED25519_SEED_LEN] = {0};
    struct signing_key key = {0};
    char name[16];

    put_le32(seed, number);
    (void)snprintf(name, sizeof name, "w%u", number);
    assert_int_equal(signing_key_init(&key, slice_of_text(name), type, seed, NULL), BLOCKDB_OK);
    return key;
}

/* Appends "<before><verifier key of the number>\n". */
static void append_key(struct buf *out, const char *before, unsigned number, enum key_type type)
{
    AUTO(signing_key_deinit) struct signing_key key = numbered_key(number, type);
    struct verifier_key verifier = signing_key_verifier(&key);

    assert_int_equal(buf_appendf(out, "%s", before), BLOCKDB_OK);
    assert_int_equal(verifier_key_append(out, &verifier), BLOCKDB_OK);
    assert_int_equal(buf_appendf(out, "\n"), BLOCKDB_OK);
}

/* Appends count witnesses n0 n1 ... with the keys of their numbers. */
static void append_witnesses(struct buf *out, unsigned count)
{
    char before[32];

    for (unsigned i = 0; i < count; i++) {
        (void)snprintf(before, sizeof before, "witness n%u ", i);
        append_key(out, before, i, KEY_TYPE_COSIGNATURE);
    }
}

/* Parses count witnesses and what follows. */
static int parse_with_witnesses(struct buf *text, unsigned count, const char *more)
{
    buf_reset(text);
    append_witnesses(text, count);
    assert_int_equal(buf_appendf(text, "%s", more), BLOCKDB_OK);
    return policy_parse(buf_slice(text), &policy, NULL);
}

static void the_smallest(void **state)
{
    assert_int_equal(parse("quorum none\n"), BLOCKDB_OK);
    assert_int_equal(policy.log_count + policy.witness_count + policy.group_count, 0);
    assert_int_equal(policy.quorum, POLICY_QUORUM_NONE);
    assert_true(policy_quorum_met(&policy, 0));
}

static void what_is_parsed(void **state)
{
    assert_int_equal(parse("# comment\n"
                           "\n"
                           " \t \n"
                           "  # another \xff\xe2\x84\xaa\n"
                           "log " LOG_VKEY " https://example.com/log\n"
                           "\tlog\t" PETER_VKEY " \t \n"
                           "witness \xe2\x84\xaa " WITNESS_VKEY " https://w.example/\xc3\xa9\n"
                           "group all all \xe2\x84\xaa\n"
                           "quorum all\n"),
                     BLOCKDB_OK);
    assert_int_equal(policy.log_count, 2);
    assert_text(policy.logs[0].key.name, LOG_ORIGIN);
    assert_text(policy.logs[0].url, "https://example.com/log");
    assert_text(policy.logs[1].url, "");
    assert_int_equal(policy.witness_count, 1);
    assert_text(policy.witnesses[0].name, "\xe2\x84\xaa");
    assert_text(policy.witnesses[0].key.name, WITNESS_NAME);
    assert_text(policy.witnesses[0].url, "https://w.example/\xc3\xa9");
    assert_int_equal(policy.group_count, 1);
    assert_text(policy.groups[0].name, "all");
    assert_int_equal(policy.groups[0].threshold, 1);
    assert_int_equal(policy.groups[0].witnesses, 1);
    assert_int_equal(policy.quorum, POLICY_QUORUM_GROUP);
    assert_int_equal(policy.quorum_index, 0);
}

static void groups_of_groups(void **state)
{
    AUTO(buf_deinit) struct buf text = {0};

    assert_int_equal(parse_with_witnesses(&text, 6,
                                          "group X 2 n0 n1 n2\n"
                                          "group Y any n3 n4 n5\n"
                                          "group both all X Y\n"
                                          "quorum both\n"),
                     BLOCKDB_OK);
    for (uint64_t set = 0; set < 64; set++) {
        bool want = __builtin_popcountll(set & 7) >= 2 && (set & 0x38) != 0;

        assert_int_equal(policy_quorum_met(&policy, set), want);
    }
    assert_int_equal(parse_with_witnesses(&text, 3, "group G all n0 n2\nquorum n1\n"), BLOCKDB_OK);
    assert_int_equal(policy.quorum, POLICY_QUORUM_WITNESS);
    for (uint64_t set = 0; set < 8; set++) {
        assert_int_equal(policy_quorum_met(&policy, set), (set & 2) != 0);
    }
    assert_int_equal(
        parse_with_witnesses(&text, 4, "group A 1 n0 n1\ngroup B 2 n2 A n3\nquorum B\n"),
        BLOCKDB_OK);
    for (uint64_t set = 0; set < 16; set++) {
        bool want = ((set & 3) != 0) + ((set >> 2) & 1) + ((set >> 3) & 1) >= 2;

        assert_int_equal(policy_quorum_met(&policy, set), want);
    }
}

static void what_is_refused(void **state)
{
    static const struct {
        const char *text;
        const char *message;
    } cases[] = {
        {"", "quorum"},
        {"\n", "quorum"},
        {LOG_LINE, "quorum"},
        {"quorum none", "line 1"},
        {LOG_LINE "quorum none\n# cut", "line 3"},
        {"quorum none\nquorum none\n", "line 2"},
        {"quorum\n", "line 1"},
        {"quorum none none\n", "line 1"},
        {"quorum unknown\n", "'unknown'"},
        {"Quorum none\n", "line 1"},
        {"quorumnone\n", "line 1"},
        {"nonsense\n", "line 1"},
        {"quorum none\r\n", "line 1"},
        {"\n\nquorum\vnone\n", "line 3"},
        {"#\x7f\nquorum none\n", "line 1"},
        {"#\x1b\nquorum none\n", "line 1"},
        {"log\nquorum none\n", "key is missing"},
        {"log " WITNESS_VKEY "\nquorum none\n", "0x01"},
        {"log " OTHER_VKEY "\nquorum none\n", "0x65"},
        {"log " LONG_VKEY "\nquorum none\n", "line 1"},
        {"log " LOG_VKEY " url more\nquorum none\n", "URL"},
        {LOG_LINE LOG_LINE "quorum none\n", "line 2"},
        {"witness\nquorum none\n", "name is missing"},
        {"witness a\nquorum none\n", "key is missing"},
        {"witness none " WITNESS_VKEY "\nquorum none\n", "reserved"},
        {"witness a " WITNESS_VKEY_NOTE "\nquorum none\n", "0x04"},
        {"witness a " WITNESS_VKEY " url more\nquorum none\n", "URL"},
        {WITNESS_A "witness b " WITNESS_VKEY "\nquorum none\n", "public key"},
        {WITNESS_A WITNESS_A "quorum none\n", "defined twice"},
        {"quorum a\n" WITNESS_A, "'a'"},
        {"group\nquorum none\n", "name is missing"},
        {"group g\nquorum none\n", "no members"},
        {"group g any\nquorum none\n", "no members"},
        {"group none any a\nquorum none\n", "reserved"},
        {"group g any a\n" WITNESS_A "quorum none\n", "'a'"},
        {"group g any g\nquorum none\n", "'g'"},
        {WITNESS_A "group g any none\nquorum none\n", "'none'"},
        {WITNESS_A "group a any a\nquorum none\n", "defined twice"},
        {WITNESS_A "group g any a a\nquorum none\n", "member of a group already"},
        {WITNESS_A "group g any a\ngroup h any a\nquorum none\n", "member of a group already"},
        {WITNESS_A "group g any a\ngroup h any g\ngroup i any g\nquorum i\n", "already"},
        {WITNESS_A "group g 0 a\nquorum g\n", "between 1"},
        {WITNESS_A "group g 2 a\nquorum g\n", "between 1"},
        {WITNESS_A "group g 01 a\nquorum g\n", "all, any"},
        {WITNESS_A "group g +1 a\nquorum g\n", "all, any"},
        {WITNESS_A "group g -1 a\nquorum g\n", "all, any"},
        {WITNESS_A "group g 0x1 a\nquorum g\n", "all, any"},
        {WITNESS_A "group g 18446744073709551617 a\nquorum g\n", "all, any"},
        {WITNESS_A "group g ALL a\nquorum g\n", "all, any"},
        {WITNESS_A "group g a\nquorum g\n", "no members"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error err;
        int rc = policy_parse(slice_of_text(cases[i].text), &policy, &err);

        if ((rc != BLOCKDB_EINVAL && rc != BLOCKDB_EUNSUPPORTED) ||
            strstr(err.message, cases[i].message) == NULL) {
            fail_msg("%d: %s\n%s", rc, rc < 0 ? err.message : "", cases[i].text);
        }
    }
    assert_int_equal(policy_parse(slice_of("quorum\0none\n", 12), &policy, NULL), BLOCKDB_EINVAL);
    assert_int_equal(policy_parse(slice_of(NULL, 0), &policy, NULL), BLOCKDB_EINVAL);
}

static void names_are_bytes(void **state)
{
    AUTO(buf_deinit) struct buf text = {0};

    append_key(&text, "witness K ", 1, KEY_TYPE_COSIGNATURE);
    append_key(&text, "witness k ", 2, KEY_TYPE_COSIGNATURE);
    append_key(&text, "witness \xe2\x84\xaa ", 3, KEY_TYPE_COSIGNATURE);
    append_key(&text, "witness \xff ", 4, KEY_TYPE_COSIGNATURE);
    assert_int_equal(buf_appendf(&text, "quorum \xff\n"), BLOCKDB_OK);
    assert_int_equal(policy_parse(buf_slice(&text), &policy, NULL), BLOCKDB_OK);
    assert_int_equal(policy.quorum_index, 3);
}

/* One key may be that of a log and that of a witness: what they sign differs. */
static void a_log_that_is_a_witness(void **state)
{
    AUTO(buf_deinit) struct buf text = {0};

    append_key(&text, "log ", 1, KEY_TYPE_ED25519);
    append_key(&text, "witness n ", 1, KEY_TYPE_COSIGNATURE);
    assert_int_equal(buf_appendf(&text, "quorum n\n"), BLOCKDB_OK);
    assert_int_equal(policy_parse(buf_slice(&text), &policy, NULL), BLOCKDB_OK);
}

static void the_maxima(void **state)
{
    AUTO(buf_deinit) struct buf text = {0};
    size_t end;

    append_witnesses(&text, POLICY_WITNESSES_MAX);
    for (unsigned i = 0; i < POLICY_LOGS_MAX; i++) {
        append_key(&text, "log ", i, KEY_TYPE_ED25519);
    }
    for (unsigned i = 0; i < POLICY_GROUPS_MAX; i++) {
        assert_int_equal(buf_appendf(&text, "group g%u all n%u", i, i), BLOCKDB_OK);
        assert_int_equal(i == 0 ? buf_appendf(&text, "\n") : buf_appendf(&text, " g%u\n", i - 1),
                         BLOCKDB_OK);
    }
    end = text.len;
    assert_int_equal(buf_appendf(&text, "quorum g%d\n", POLICY_GROUPS_MAX - 1), BLOCKDB_OK);
    assert_int_equal(policy_parse(buf_slice(&text), &policy, NULL), BLOCKDB_OK);
    assert_true(policy_quorum_met(&policy, UINT64_MAX));
    for (unsigned i = 0; i < 64; i++) {
        assert_false(policy_quorum_met(&policy, ~((uint64_t)1 << i)));
    }
    text.len = end;
    append_key(&text, "log ", 1000, KEY_TYPE_ED25519);
    assert_int_equal(policy_parse(buf_slice(&text), &policy, NULL), BLOCKDB_ELIMIT);
    text.len = end;
    append_key(&text, "witness more ", 1000, KEY_TYPE_COSIGNATURE);
    assert_int_equal(policy_parse(buf_slice(&text), &policy, NULL), BLOCKDB_ELIMIT);
    text.len = end;
    assert_int_equal(buf_appendf(&text, "group more any g%d\n", POLICY_GROUPS_MAX - 1), BLOCKDB_OK);
    assert_int_equal(policy_parse(buf_slice(&text), &policy, NULL), BLOCKDB_ELIMIT);
    buf_reset(&text);
    assert_int_equal(buf_append_zeros(&text, POLICY_TEXT_MAX + 1), BLOCKDB_OK);
    assert_int_equal(policy_parse(buf_slice(&text), &policy, NULL), BLOCKDB_ELIMIT);
}

/* Evaluates a policy on a head. */
static int evaluate(const char *policy_text, const char *head, struct policy_result *out)
{
    struct checkpoint checkpoint;

    assert_int_equal(parse(policy_text), BLOCKDB_OK);
    assert_int_equal(checkpoint_parse_note(slice_of_text(head), &note, &checkpoint, NULL),
                     BLOCKDB_OK);
    return policy_evaluate(&policy, &note, &checkpoint, out, NULL);
}

static int check(const char *policy_text, const char *head)
{
    struct checkpoint checkpoint;
    struct policy_result result;
    struct error err;
    int rc;

    assert_int_equal(parse(policy_text), BLOCKDB_OK);
    assert_int_equal(checkpoint_parse_note(slice_of_text(head), &note, &checkpoint, NULL),
                     BLOCKDB_OK);
    rc = policy_check(&policy, &note, &checkpoint, &result, &err);
    assert_true(rc == BLOCKDB_OK || strlen(err.message) > 0);
    return rc;
}

static void published_heads(void **state)
{
    struct policy_result result;

    assert_int_equal(evaluate(LOG_LINE WITNESS_A "quorum a\n", COSIGNED_NOTE_15, &result),
                     BLOCKDB_OK);
    assert_ptr_equal(result.log, &policy.logs[0]);
    assert_int_equal(result.witnesses, 1);
    assert_int_equal(result.witness_count, 1);
    assert_int_equal(result.times_s[0], WITNESS_TIME);
    assert_true(result.quorum_met);
    assert_int_equal(check(LOG_LINE WITNESS_A "quorum a\n", COSIGNED_NOTE_15), BLOCKDB_OK);
    assert_int_equal(check(WITNESS_A "quorum a\n", COSIGNED_NOTE_15), BLOCKDB_OK);
    assert_int_equal(check("quorum none\n", COSIGNED_NOTE_15), BLOCKDB_OK);

    assert_int_equal(evaluate(LOG_LINE WITNESS_A "quorum a\n", LOG_NOTE_15, &result), BLOCKDB_OK);
    assert_non_null(result.log);
    assert_int_equal(result.witnesses, 0);
    assert_false(result.quorum_met);
    assert_int_equal(check(LOG_LINE WITNESS_A "quorum a\n", LOG_NOTE_15), BLOCKDB_ETAMPERED);
    assert_int_equal(check(LOG_LINE WITNESS_A "quorum none\n", LOG_NOTE_15), BLOCKDB_OK);

    assert_int_equal(
        evaluate("log " PETER_VKEY "\n" WITNESS_A "quorum a\n", COSIGNED_NOTE_15, &result),
        BLOCKDB_OK);
    assert_null(result.log);
    assert_true(result.quorum_met);
    assert_int_equal(check("log " PETER_VKEY "\nquorum none\n", COSIGNED_NOTE_15),
                     BLOCKDB_ETAMPERED);
}

/* POL-2: who signs for a log must bear the name of its origin. */
static void a_log_of_another_origin(void **state)
{
    struct policy_result result;

    assert_int_equal(
        evaluate("log " SUMDB_VKEY "\nquorum none\n", SUMDB_TEXT "\n" SUMDB_LINE, &result),
        BLOCKDB_OK);
    assert_null(result.log);
}

static void signatures_that_fail(void **state)
{
    static const char two_logs[] = LOG_LINE "log " PETER_VKEY "\nquorum none\n";
    struct policy_result result = {.witness_count = 77};

    assert_int_equal(evaluate(LOG_LINE "quorum none\n", LOG_TEXT_15 "\n" LOG_LINE_8, &result),
                     BLOCKDB_ETAMPERED);
    assert_int_equal(evaluate(LOG_LINE WITNESS_A "quorum none\n",
                              LOG_TEXT_8 "\n" LOG_LINE_8 WITNESS_LINE, &result),
                     BLOCKDB_ETAMPERED);
    assert_int_equal(evaluate(two_logs, LOG_NOTE_15 PETER_LINE, &result), BLOCKDB_ETAMPERED);
    assert_int_equal(result.witness_count, 77);
    /* Nobody asked about this one. */
    assert_int_equal(
        evaluate(LOG_LINE "quorum none\n", LOG_TEXT_8 "\n" LOG_LINE_8 WITNESS_LINE, &result),
        BLOCKDB_OK);
}

/* Two of three witnesses, in every combination. */
static void a_quorum_of_cosignatures(void **state)
{
    AUTO(buf_deinit) struct buf text = {0};
    struct checkpoint checkpoint;

    assert_int_equal(parse_with_witnesses(&text, 3, LOG_LINE "group g 2 n0 n1 n2\nquorum g\n"),
                     BLOCKDB_OK);
    for (unsigned set = 0; set < 8; set++) {
        AUTO(buf_deinit) struct buf head = {0};
        struct policy_result result;

        assert_int_equal(buf_appendf(&head, "%s", LOG_NOTE_15), BLOCKDB_OK);
        for (unsigned i = 0; i < 3; i++) {
            AUTO(signing_key_deinit)
            struct signing_key key = numbered_key(i, KEY_TYPE_COSIGNATURE);

            if ((set >> i & 1) != 0) {
                assert_int_equal(
                    cosignature_sign(&head, &key, slice_of_text(LOG_TEXT_15), 100 + i, NULL),
                    BLOCKDB_OK);
            }
        }
        assert_int_equal(checkpoint_parse_note(buf_slice(&head), &note, &checkpoint, NULL),
                         BLOCKDB_OK);
        assert_int_equal(policy_evaluate(&policy, &note, &checkpoint, &result, NULL), BLOCKDB_OK);
        assert_int_equal(result.witnesses, set);
        assert_int_equal(result.witness_count, __builtin_popcount(set));
        assert_int_equal(result.quorum_met, __builtin_popcount(set) >= 2);
        assert_int_equal(result.times_s[2], (set & 4) != 0 ? 102 : 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_smallest),
        cmocka_unit_test(what_is_parsed),
        cmocka_unit_test(groups_of_groups),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(names_are_bytes),
        cmocka_unit_test(a_log_that_is_a_witness),
        cmocka_unit_test(the_maxima),
        cmocka_unit_test(published_heads),
        cmocka_unit_test(a_log_of_another_origin),
        cmocka_unit_test(signatures_that_fail),
        cmocka_unit_test(a_quorum_of_cosignatures),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
