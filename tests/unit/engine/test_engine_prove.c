/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proof files of a database that signs: each must verify with the key alone and prove what was
 * asked for, after everything that may happen to a database; and where something is wrong there
 * must be no file.
 */
#include "base/mem.h"
#include "common/test_env.h"
#include "engine/db.h"
#include "engine_fixture.h"
#include "ledger/signing_key.h"
#include "os/os_crash.h"
#include "os/os_fault.h"

#include <blockdb/evidence.h>
#include <blockdb/verify.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define ORIGIN "example.org/log"
#define KEY_FILE "/signing.key"
#define CHUNK 16384

static uint64_t seed;
static uint64_t rng;
static char vkey[VERIFIER_KEY_TEXT_MAX + 1];

static const struct fixture_option signing[] = {{"blockchain_batch_size", "7"},
                                                {"block_interval", "1h"},
                                                {"head_interval", "1h"},
                                                {"signing_key_file", KEY_FILE},
                                                {"origin", ORIGIN},
                                                {"proof_map", "true"},
                                                {"enable_direct_io", "false"},
                                                {NULL, NULL}};

static uint64_t pick(uint64_t below)
{
    rng = rng * 6364136223846793005u + 1442695040888963407u;
    return (rng >> 33) % below;
}

/* Writes the key's file and notes its public half. */
static void make_key(struct os *os)
{
    static const uint8_t secret[ED25519_SEED_LEN] = "any thirty-two bytes will do her";
    AUTO(buf_deinit) struct buf text = {0};
    struct signing_key key = {0};
    struct verifier_key verifier;
    char file[SIGNING_KEY_TEXT_MAX + 1];
    struct error err;
    size_t len;

    fixture_must(signing_key_init(&key, slice_of_text(ORIGIN), KEY_TYPE_ED25519, secret, &err),
                 &err);
    len = signing_key_format(&key, file);
    file[len++] = '\n';
    fixture_must(os_replace_file(os, KEY_FILE, slice_of(file, len), &err), &err);
    verifier = signing_key_verifier(&key);
    assert_int_equal(verifier_key_append(&text, &verifier), BLOCKDB_OK);
    memcpy(vkey, text.data, text.len);
    vkey[text.len] = '\0';
    signing_key_deinit(&key);
}

static struct blockdb *open_signing(struct os *os)
{
    make_key(os);
    return fixture_open(os, "/db", signing, BLOCKDB_OPEN_CREATE);
}

/* What a file proves; it must verify. Borrows file and scratch. */
static struct blockdb_proof_report judge(const struct blockdb_value *file, struct buf *scratch)
{
    struct blockdb_proof_report report = BLOCKDB_PROOF_REPORT_INIT;
    struct blockdb_trust trust = BLOCKDB_TRUST_INIT;
    const char *keys[] = {vkey};
    struct blockdb_proof_file proof = {.text = file->data, .len = file->len};
    struct error err;

    buf_reset(scratch);
    assert_int_equal(buf_reserve(scratch, BLOCKDB_PROOF_SCRATCH_LEN(file->len)), BLOCKDB_OK);
    proof.scratch = scratch->data;
    proof.scratch_len = BLOCKDB_PROOF_SCRATCH_LEN(file->len);
    trust.keys = keys;
    trust.key_count = 1;
    trust.origin = ORIGIN;
    fixture_must(blockdb_verify_proof_file(&proof, &trust, NULL, &report, &err), &err);
    return report;
}

static int try_entry(struct blockdb *db, uint64_t seq, const struct blockdb_prove_options *options,
                     struct error *err)
{
    AUTO(blockdb_value_deinit) struct blockdb_value file = {0};
    AUTO(buf_deinit) struct buf scratch = {0};
    int rc = blockdb_prove_entry(db, seq, options, &file, err);

    if (rc == BLOCKDB_OK) {
        struct blockdb_proof_report report = judge(&file, &scratch);

        assert_int_equal(report.seq, seq);
        assert_true(options != NULL && options->with_block
                        ? report.has_block || report.entry.kind == BLOCKDB_KIND_BLOCK_HEADER
                        : !report.has_block);
    }
    return rc;
}

static uint64_t put(struct blockdb *db, const char *key, const void *value, size_t len)
{
    struct blockdb_write_result result;
    struct error err;

    fixture_must(blockdb_put(db, key, strlen(key), value, len, NULL, &result, &err), &err);
    return result.first_seq;
}

/* Puts and deletes of `count` keys; values begin with their key. */
static void fill(struct blockdb *db, unsigned count)
{
    struct error err;
    unsigned i;

    for (i = 0; i < count; i++) {
        char key[32];

        (void)snprintf(key, sizeof(key), "key%u", (unsigned)pick(40));
        if (pick(5) == 0) {
            fixture_must(blockdb_delete(db, key, strlen(key), NULL, NULL, &err), &err);
        } else {
            (void)put(db, key, key, strlen(key));
        }
    }
}

static uint64_t entry_count(struct blockdb *db)
{
    return fixture_stats(db).acked_seq;
}

/* ---- Entries ------------------------------------------------------------------------------- */

static void test_all_entries(void **state)
{
    struct blockdb_prove_options with_block = BLOCKDB_PROVE_OPTIONS_INIT;
    struct os_crash *disk = os_crash_new(seed);
    struct blockdb *db = open_signing(os_crash_os(disk));
    struct error err;
    uint64_t seq;

    (void)state;
    with_block.with_block = true;
    fill(db, 60);
    assert_int_equal(try_entry(db, entry_count(db), NULL, &err), BLOCKDB_ENOTFOUND);
    for (seq = 0; seq < entry_count(db); seq++) {
        fixture_must(try_entry(db, seq, NULL, &err), &err);
        fixture_must(try_entry(db, seq, &with_block, &err), &err);
    }
    fixture_close(db);
    os_crash_free(disk);
}

static void test_value_or_not(void **state)
{
    struct blockdb_prove_options options = BLOCKDB_PROVE_OPTIONS_INIT;
    AUTO(blockdb_value_deinit) struct blockdb_value file = {0};
    AUTO(buf_deinit) struct buf scratch = {0};
    struct os_crash *disk = os_crash_new(seed);
    struct blockdb *db = open_signing(os_crash_os(disk));
    struct blockdb_proof_report report;
    struct error err;
    uint8_t value[100];
    uint64_t seq;

    (void)state;
    memset(value, 'v', sizeof(value));
    seq = put(db, "a key", value, sizeof(value));
    fixture_must(blockdb_prove_entry(db, seq, NULL, &file, &err), &err);
    assert_true(file.len < 2048);
    report = judge(&file, &scratch);
    assert_int_equal(report.value_state, BLOCKDB_VALUE_WHOLE);
    assert_int_equal(report.value.len, sizeof(value));
    assert_memory_equal(report.value.data, value, sizeof(value));
    assert_memory_equal(report.entry.key.data, "a key", 5);
    options.without_value = true;
    fixture_must(blockdb_prove_entry(db, seq, &options, &file, &err), &err);
    report = judge(&file, &scratch);
    assert_int_equal(report.value_state, BLOCKDB_VALUE_NOT_SHOWN);
    fixture_close(db);
    os_crash_free(disk);
}

/* What a range discloses is the right part of the value, and covers what was asked for. */
static void check_range(struct blockdb *db, uint64_t seq, const uint8_t *value,
                        const struct blockdb_prove_options *options)
{
    AUTO(blockdb_value_deinit) struct blockdb_value file = {0};
    AUTO(buf_deinit) struct buf scratch = {0};
    struct blockdb_proof_report report;
    struct blockdb_bytes piece;
    struct error err;
    uint64_t at;

    fixture_must(blockdb_prove_entry(db, seq, options, &file, &err), &err);
    report = judge(&file, &scratch);
    assert_int_equal(report.value_state, BLOCKDB_VALUE_RANGE);
    assert_true(report.range_offset <= options->range_offset &&
                options->range_offset - report.range_offset < CHUNK);
    assert_true(report.range_offset + report.range_len >=
                options->range_offset + options->range_len);
    assert_true(report.range_len < options->range_len + 2 * CHUNK);
    at = report.range_offset;
    while (blockdb_proof_next_chunk(&report.range, &piece)) {
        assert_memory_equal(piece.data, value + at, piece.len);
        at += piece.len;
    }
    assert_int_equal(at, report.range_offset + report.range_len);
}

static void test_ranges(void **state)
{
    static const size_t sizes[] = {65537, 65536 + CHUNK, 5 * CHUNK + 1, 200000};
    struct os_crash *disk = os_crash_new(seed);
    struct blockdb *db = open_signing(os_crash_os(disk));
    uint8_t *value = mem_alloc(200000);
    struct error err;
    unsigned i;
    unsigned round;

    (void)state;
    assert_non_null(value);
    for (i = 0; i < 200000; i++) {
        value[i] = (uint8_t)(i * 31 % 251);
    }
    for (i = 0; i < 4; i++) {
        uint64_t seq = put(db, "large", value, sizes[i]);
        struct blockdb_prove_options options = BLOCKDB_PROVE_OPTIONS_INIT;

        for (round = 0; round < 8; round++) {
            options.range_offset = pick(sizes[i]);
            options.range_len = 1 + pick(sizes[i] - options.range_offset);
            check_range(db, seq, value, &options);
        }
        options.range_len = sizes[i] - options.range_offset + 1;
        assert_int_equal(try_entry(db, seq, &options, &err), BLOCKDB_EINVAL);
        options.range_offset = 1;
        options.range_len = sizes[i];
        assert_int_equal(try_entry(db, seq, &options, &err), BLOCKDB_EINVAL);
        options.range_offset = UINT64_MAX;
        assert_int_equal(try_entry(db, seq, &options, &err), BLOCKDB_EINVAL);
        fixture_must(try_entry(db, seq, NULL, &err), &err);
    }
    i = (unsigned)put(db, "small", value, 65536);
    assert_int_equal(try_entry(db, i,
                               &(struct blockdb_prove_options){
                                   .size = sizeof(struct blockdb_prove_options), .range_len = 1},
                               &err),
                     BLOCKDB_EINVAL);
    mem_free(value);
    fixture_close(db);
    os_crash_free(disk);
}

static void test_redacted(void **state)
{
    struct blockdb_redact_options why = BLOCKDB_REDACT_OPTIONS_INIT;
    AUTO(blockdb_value_deinit) struct blockdb_value before = {0};
    AUTO(blockdb_value_deinit) struct blockdb_value after = {0};
    AUTO(buf_deinit) struct buf scratch = {0};
    struct os_crash *disk = os_crash_new(seed);
    struct blockdb *db = open_signing(os_crash_os(disk));
    struct blockdb_proof_report report;
    struct error err;
    uint64_t seq;

    (void)state;
    fill(db, 20);
    seq = put(db, "person", "name and address", 16);
    fill(db, 20);
    fixture_must(blockdb_prove_entry(db, seq, NULL, &before, &err), &err);
    why.reason_code = 1;
    why.reason = "asked for it";
    fixture_must(blockdb_redact(db, "person", 6, seq, &why, NULL, &err), &err);
    fixture_must(blockdb_prove_entry(db, seq, NULL, &after, &err), &err);
    report = judge(&after, &scratch);
    assert_int_equal(report.value_state, BLOCKDB_VALUE_NOT_SHOWN);
    assert_true(report.has_redaction);
    assert_int_equal(report.redaction.target_seq, seq);
    assert_int_equal(report.redaction.reason_code, 1);
    report = judge(&before, &scratch); /* stays valid for who kept it */
    assert_int_equal(report.value_state, BLOCKDB_VALUE_WHOLE);
    fixture_close(db);
    os_crash_free(disk);
}

/* A redaction changes no leaf. */
static void test_bundle_of_redacted(void **state)
{
    AUTO(blockdb_value_deinit) struct blockdb_value before = {0};
    AUTO(blockdb_value_deinit) struct blockdb_value after = {0};
    struct os_crash *disk = os_crash_new(seed);
    struct blockdb *db = open_signing(os_crash_os(disk));
    struct error err;
    uint64_t seq;

    (void)state;
    fill(db, 20);
    seq = put(db, "person", "name and address", 16);
    fixture_must(sealer_seal_all(db, &err), &err);
    fixture_must(blockdb_bundle_read(db, 0, (unsigned)seq + 1, &before, &err), &err);
    fixture_must(blockdb_redact(db, "person", 6, seq, NULL, NULL, &err), &err);
    fixture_must(blockdb_bundle_read(db, 0, (unsigned)seq + 1, &after, &err), &err);
    assert_int_equal(before.len, after.len);
    assert_memory_equal(before.data, after.data, after.len);
    fixture_close(db);
    os_crash_free(disk);
}

/* ---- Keys ---------------------------------------------------------------------------------- */

/* Proves a key; what the file says of it must be what the database says. */
static int try_key(struct blockdb *db, const char *key, const struct blockdb_prove_options *options,
                   struct error *err)
{
    AUTO(blockdb_value_deinit) struct blockdb_value file = {0};
    AUTO(blockdb_value_deinit) struct blockdb_value value = {0};
    AUTO(buf_deinit) struct buf scratch = {0};
    struct blockdb_proof_report report;
    int rc = blockdb_prove_key(db, key, strlen(key), options, &file, err);
    int got;

    if (rc < 0) {
        return rc;
    }
    report = judge(&file, &scratch);
    got = blockdb_get(db, key, strlen(key), NULL, &value, err);
    assert_int_equal(report.key.len, strlen(key));
    assert_memory_equal(report.key.data, key, strlen(key));
    if (value.version.kind == 0) {
        assert_int_equal(report.key_state, BLOCKDB_KEY_ABSENT);
        return BLOCKDB_OK;
    }
    assert_int_equal(report.seq, value.version.seq);
    assert_int_equal(report.key_state,
                     got == BLOCKDB_ENOTFOUND ? BLOCKDB_KEY_DELETED : BLOCKDB_KEY_LIVE);
    assert_int_equal(report.has_redaction, got == BLOCKDB_EREDACTED);
    if (got == BLOCKDB_OK) {
        assert_int_equal(report.value_state, BLOCKDB_VALUE_WHOLE);
        assert_int_equal(report.value.len, value.len);
        assert_memory_equal(report.value.data, value.data, value.len);
    }
    if (options != NULL && options->with_history) {
        struct blockdb_proof_version version;
        uint64_t count = 0;

        assert_true(report.is_history_complete);
        while (blockdb_proof_next_version(&report.history, &version)) {
            count++;
        }
        assert_int_equal(count, report.version_count);
        assert_int_equal(version.seq, report.seq);
    }
    return BLOCKDB_OK;
}

static void check_keys(struct blockdb *db)
{
    struct blockdb_prove_options history = BLOCKDB_PROVE_OPTIONS_INIT;
    struct error err;
    unsigned i;

    history.with_history = true;
    for (i = 0; i < 45; i++) { /* the last ones were never put */
        char key[32];

        (void)snprintf(key, sizeof(key), "key%u", i);
        fixture_must(try_key(db, key, i % 2 == 0 ? &history : NULL, &err), &err);
    }
}

static void test_keys(void **state)
{
    struct blockdb_redact_options why = BLOCKDB_REDACT_OPTIONS_INIT;
    struct os_crash *disk = os_crash_new(seed);
    struct blockdb *db = open_signing(os_crash_os(disk));
    struct error err;
    unsigned round;
    uint64_t seq;

    (void)state;
    for (round = 0; round < test_rounds(4, 40); round++) {
        fill(db, 50);
        check_keys(db);
    }
    seq = put(db, "key7", "name and address", 16);
    fixture_must(try_key(db, "key7", NULL, &err), &err);
    fixture_must(blockdb_redact(db, "key7", 4, seq, &why, NULL, &err), &err);
    fixture_must(try_key(db, "key7", NULL, &err), &err);
    assert_int_equal(try_key(db, "", NULL, &err), BLOCKDB_EINVAL);
    fixture_close(db);
    db = open_signing(os_crash_os(disk)); /* the map begins anew, or from its file */
    check_keys(db);
    fixture_close(db);
    os_crash_free(disk);
}

/* ---- Keys that others write all the time ---------------------------------------------------- */

#define HOT_PROOFS 8
#define HOT_WRITERS 2

struct writer {
    struct blockdb *db;
    atomic_bool *stop;
    pthread_t thread;
    unsigned number;
};

static void *write_hot_key(void *arg)
{
    const struct writer *w = arg;
    unsigned i;

    for (i = 0; !atomic_load(w->stop); i++) {
        char other[32];

        (void)put(w->db, "hot", "value", 5);
        (void)snprintf(other, sizeof(other), "other%u-%u", w->number, i % 1000);
        (void)put(w->db, other, "x", 1);
    }
    return NULL;
}

static void test_a_hot_key_is_proven(void **state)
{
    struct os_crash *disk = os_crash_new(seed);
    struct blockdb *db = open_signing(os_crash_os(disk));
    struct writer writers[HOT_WRITERS];
    atomic_bool stop = false;
    uint64_t last = 0;
    unsigned i;

    (void)state;
    (void)put(db, "hot", "first", 5);
    for (i = 0; i < HOT_WRITERS; i++) {
        writers[i] = (struct writer){.db = db, .stop = &stop, .number = i};
        assert_int_equal(pthread_create(&writers[i].thread, NULL, write_hot_key, &writers[i]), 0);
    }
    for (i = 0; i < test_rounds(HOT_PROOFS, 100 * HOT_PROOFS); i++) {
        AUTO(blockdb_value_deinit) struct blockdb_value file = {0};
        AUTO(buf_deinit) struct buf scratch = {0};
        struct blockdb_proof_report report;
        struct error err;

        fixture_must(blockdb_prove_key(db, "hot", 3, NULL, &file, &err), &err);
        report = judge(&file, &scratch);
        assert_int_equal(report.key_state, BLOCKDB_KEY_LIVE);
        assert_true(report.seq >= last);
        last = report.seq;
    }
    atomic_store(&stop, true);
    for (i = 0; i < HOT_WRITERS; i++) {
        assert_int_equal(pthread_join(writers[i].thread, NULL), 0);
    }
    fixture_close(db);
    os_crash_free(disk);
}

static void test_keys_without_a_map(void **state)
{
    static const struct fixture_option no_map[] = {
        {"blockchain_batch_size", "7"}, {"block_interval", "1h"},
        {"signing_key_file", KEY_FILE}, {"origin", ORIGIN},
        {"proof_map", "false"},         {NULL, NULL}};
    struct os_crash *disk = os_crash_new(seed);
    struct blockdb *db;
    struct error err;

    (void)state;
    make_key(os_crash_os(disk));
    db = fixture_open(os_crash_os(disk), "/db", no_map, BLOCKDB_OPEN_CREATE);
    fill(db, 10);
    assert_int_equal(try_key(db, "key1", NULL, &err), BLOCKDB_EUNSUPPORTED);
    assert_non_null(strstr(err.message, "proof_map"));
    fixture_close(db);
    os_crash_free(disk);
}

/* ---- Power cuts and failures ---------------------------------------------------------------- */

static void test_after_a_power_cut(void **state)
{
    unsigned round;

    (void)state;
    for (round = 0; round < test_rounds(4, 60); round++) {
        AUTO(blockdb_value_deinit) struct blockdb_value before = {0};
        AUTO(buf_deinit) struct buf scratch = {0};
        struct os_crash *disk = os_crash_new(seed + round);
        struct blockdb *db = open_signing(os_crash_os(disk));
        struct blockdb_proof_report report;
        struct error err;
        uint64_t seq;

        fill(db, 10 + (unsigned)pick(60));
        seq = pick(entry_count(db));
        fixture_must(blockdb_prove_entry(db, seq, NULL, &before, &err), &err);
        fill(db, (unsigned)pick(20));
        os_crash_power_off(disk);
        (void)blockdb_close(db, &err);
        assert_int_equal(os_crash_restart(disk, seed * 5 + round), BLOCKDB_OK);
        db = open_signing(os_crash_os(disk));
        report = judge(&before, &scratch);
        assert_true(report.head.tree_size <= entry_count(db)); /* what was signed was durable */
        fill(db, 5);
        for (seq = 0; seq < entry_count(db); seq += 1 + pick(9)) {
            fixture_must(try_entry(db, seq, NULL, &err), &err);
        }
        fixture_close(db);
        os_crash_free(disk);
    }
}

static void test_damage_gives_no_proof(void **state)
{
    struct os_crash *disk = os_crash_new(seed);
    struct blockdb *db = open_signing(os_crash_os(disk));
    struct error err;

    (void)state;
    fill(db, 40);
    fixture_must(try_entry(db, 30, NULL, &err), &err);
    fixture_close(db);
    assert_int_equal(
        os_crash_flip(disk, "/db/ledger/tile/0/000000.tiles", 4096 + 32 * 9 + 5, 0x01, &err),
        BLOCKDB_OK);
    db = fixture_open(os_crash_os(disk), "/db", signing, BLOCKDB_OPEN_READ_ONLY);
    assert_int_equal(try_entry(db, 8, NULL, &err), BLOCKDB_ETAMPERED); /* its neighbour */
    assert_int_equal(try_entry(db, 9, NULL, &err), BLOCKDB_ETAMPERED);
    fixture_close(db);
    os_crash_free(disk);
}

static const struct fixture_option no_key[] = {
    {"blockchain_batch_size", "7"}, {"block_interval", "1h"}, {NULL, NULL}};

static void test_without_a_key(void **state)
{
    struct os_crash *disk = os_crash_new(seed);
    struct blockdb *db = fixture_open(os_crash_os(disk), "/db", no_key, BLOCKDB_OPEN_CREATE);
    struct error err;

    (void)state;
    fill(db, 10);
    assert_int_equal(try_entry(db, 3, NULL, &err), BLOCKDB_EUNSUPPORTED);
    assert_true(strlen(err.message) > 0);
    fixture_close(db);
    os_crash_free(disk);
}

static void test_reads_fail(void **state)
{
    struct blockdb_prove_options with_block = BLOCKDB_PROVE_OPTIONS_INIT;
    struct os_crash *disk = os_crash_new(seed);
    struct os_fault *fault = os_fault_new(os_crash_os(disk));
    struct os_fault_plan plan = {.classes = OS_FAULT_READ, .nth = 1};
    struct blockdb *db = open_signing(os_fault_os(fault));
    struct error err;
    bool fired = true;

    (void)state;
    with_block.with_block = true;
    fill(db, 60);
    fixture_must(try_entry(db, 50, &with_block, &err), &err); /* signs */
    fixture_close(db);
    for (; fired; plan.nth++) {
        /* Each time with empty caches. */
        db = fixture_open(os_fault_os(fault), "/db", signing, BLOCKDB_OPEN_READ_ONLY);
        os_fault_arm(fault, &plan);
        if (try_entry(db, 50, &with_block, &err) < 0) {
            assert_int_equal(err.code, BLOCKDB_EIO);
        }
        fired = os_fault_fired(fault);
        os_fault_arm(fault, NULL);
        fixture_must(try_entry(db, 50, &with_block, &err), &err);
        fixture_close(db);
    }
    assert_true(plan.nth > 3);
    os_fault_free(fault);
    os_crash_free(disk);
}

static _Atomic int64_t allocations_left;

static bool fail_allocation(void *context)
{
    (void)context;
    return atomic_fetch_sub(&allocations_left, 1) == 1;
}

static void test_allocations_fail(void **state)
{
    struct blockdb_prove_options with_block = BLOCKDB_PROVE_OPTIONS_INIT;
    struct os_crash *disk = os_crash_new(seed);
    struct blockdb *db = open_signing(os_crash_os(disk));
    struct error err;
    int64_t nth;
    bool fired = true;

    (void)state;
    with_block.with_block = true;
    fill(db, 60);
    fixture_must(try_entry(db, 50, &with_block, &err), &err);
    fixture_close(db);
    for (nth = 1; fired; nth++) {
        AUTO(blockdb_value_deinit) struct blockdb_value file = {0};
        int rc;

        db = fixture_open(os_crash_os(disk), "/db", signing, BLOCKDB_OPEN_READ_ONLY);
        atomic_store(&allocations_left, nth);
        mem_set_fail_hook(fail_allocation, NULL);
        rc = blockdb_prove_entry(db, 50, &with_block, &file, &err);
        mem_set_fail_hook(NULL, NULL);
        fired = atomic_load(&allocations_left) <= 0;
        assert_true(rc == BLOCKDB_OK || rc == BLOCKDB_ENOMEM);
        fixture_must(try_entry(db, 50, &with_block, &err), &err);
        fixture_close(db);
    }
    assert_true(nth > 5);
    os_crash_free(disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_entries),
        cmocka_unit_test(test_value_or_not),
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_redacted),
        cmocka_unit_test(test_bundle_of_redacted),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_keys_without_a_map),
        cmocka_unit_test(test_a_hot_key_is_proven),
        cmocka_unit_test(test_after_a_power_cut),
        cmocka_unit_test(test_damage_gives_no_proof),
        cmocka_unit_test(test_without_a_key),
        cmocka_unit_test(test_reads_fail),
        cmocka_unit_test(test_allocations_fail),
    };

    seed = test_seed();
    rng = seed;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
