/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Published notes, heads, trees and proofs through the public face, and its parts one by one.
 */
#include "base/base64.h"
#include "base/text.h"
#include "c2sp.h"
#include "proof_sample.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const char *const sumdb_keys[] = {SUMDB_VKEY};
static const char *const log_keys[] = {LOG_VKEY};
static const char *const log_and_witness[] = {LOG_VKEY, WITNESS_VKEY};

static struct blockdb_trust trust_of(const char *const *keys, size_t count)
{
    struct blockdb_trust trust = BLOCKDB_TRUST_INIT;

    trust.keys = keys;
    trust.key_count = count;
    return trust;
}

static int note(const char *text, const char *key, struct blockdb_note *out)
{
    return blockdb_verify_note(text, strlen(text), &key, 1, out, NULL);
}

static int head(const char *text, const struct blockdb_trust *trust, struct blockdb_checkpoint *out)
{
    return blockdb_verify_checkpoint(text, strlen(text), trust, out, NULL);
}

static void assert_hash(const uint8_t *got, const char *base64)
{
    struct hash want;

    assert_int_equal(base64_decode(slice_of_text(base64), &want, sizeof want), 0);
    assert_memory_equal(got, &want, sizeof want);
}

static void assert_hex(const void *got, const char *hex)
{
    uint8_t want[SHA256_LEN];

    assert_int_equal(text_parse_hex(slice_of_text(hex), want, sizeof want), 0);
    assert_memory_equal(got, want, sizeof want);
}

/* V1 and V2 */
static void notes(void **state)
{
    static const char two[] = CRYPTOGRAPHY_TEXT "\n" PETER_LINE ENOCH_LINE;
    const char *keys[] = {FOO_VKEY, PETER_VKEY, ENOCH_VKEY};
    struct blockdb_note out = {0};
    char changed[sizeof two];

    assert_int_equal(note(FOO_NOTE, FOO_VKEY, &out), 0);
    assert_int_equal(out.text.len, strlen("This is an example message.\n"));
    assert_int_equal(out.signed_by, 1);
    assert_int_equal(blockdb_verify_note(two, strlen(two), keys, 3, &out, NULL), 0);
    assert_int_equal(out.signed_by, 6);
    assert_int_equal(out.signature_count, 2);
    assert_int_equal(note(two, FOO_VKEY, &out), BLOCKDB_ETAMPERED);
    assert_int_equal(note(two, LONG_VKEY, &out), BLOCKDB_EINVAL);
    assert_int_equal(note("no note\n", FOO_VKEY, &out), BLOCKDB_ECORRUPT);
    assert_int_equal(blockdb_verify_note(two, strlen(two), NULL, 0, &out, NULL), BLOCKDB_ETAMPERED);
    assert_int_equal(blockdb_verify_note(two, strlen(two), keys, 65, &out, NULL), BLOCKDB_EINVAL);
    assert_int_equal(blockdb_verify_note(two, strlen(two), NULL, 1, &out, NULL), BLOCKDB_EINVAL);
    keys[0] = NULL;
    assert_int_equal(blockdb_verify_note(two, strlen(two), keys, 1, &out, NULL), BLOCKDB_EINVAL);
    memcpy(changed, two, sizeof two);
    changed[3] ^= 1;
    assert_int_equal(note(changed, PETER_VKEY, &out), BLOCKDB_ETAMPERED);
}

/* V3: the origin is not the name of the key. */
static void sumdb(void **state)
{
    struct blockdb_trust trust = trust_of(sumdb_keys, 1);
    struct blockdb_checkpoint out;

    assert_int_equal(head(SUMDB_TEXT "\n" SUMDB_LINE, &trust, &out), BLOCKDB_ETAMPERED);
    trust.origin = "go.sum database tree";
    assert_int_equal(head(SUMDB_TEXT "\n" SUMDB_LINE, &trust, &out), 0);
    assert_int_equal(out.tree_size, 35225469);
    assert_hash(out.root, "vt5T6GaLCXvyHFl9VUvvItR43XZxfLgftEcTyO3eJCQ=");
    trust.origin = "another tree";
    assert_int_equal(head(SUMDB_TEXT "\n" SUMDB_LINE, &trust, &out), BLOCKDB_ETAMPERED);
}

/* V4: Tessera's log of fifteen leaves. */
static void tessera(void **state)
{
    static const char *const words[] = {"one",    "two",   "three",    "four",    "five",
                                        "six",    "seven", "eit",      "nain",    "ten",
                                        "ileven", "twelf", "threeten", "fourten", "fivten"};
    static const char *const inclusion_6[] = {"ThcgoV2DYcK+VCxBUDWAlNxmLy2r7dq7dK7+OlgQKWs=",
                                              "ycRkkNklus5eMVRUvkD1pK321vMrA+jjOiZKU8aOcY4=",
                                              "zY1lN35vrXYAPixXSd59LsU29xUJtuW4o2dNNg5Y2Co=",
                                              "5jLpqTgjsBDSEX6SgZiRnbTMdTuRd8bQ5tSsAOxe0Ks="};
    struct blockdb_trust trust = trust_of(log_keys, 1);
    struct blockdb_checkpoint at_15;
    struct blockdb_checkpoint at_8;
    struct blockdb_checkpoint mixed;
    struct blockdb_tree tree;
    uint8_t leaf[SHA256_LEN];
    uint8_t root[SHA256_LEN];
    struct hash path[4];
    struct blockdb_inclusion claim = {6, 15, leaf, at_15.root};
    struct blockdb_consistency grows = {8, 15, at_8.root, at_15.root};

    assert_int_equal(head(LOG_NOTE_15, &trust, &at_15), 0);
    assert_int_equal(head(LOG_TEXT_8 "\n" LOG_LINE_8, &trust, &at_8), 0);
    assert_int_equal(head(LOG_TEXT_8 "\n" LOG_LINE_15, &trust, &mixed), BLOCKDB_ETAMPERED);
    blockdb_tree_init(&tree);
    for (size_t i = 0; i < 15; i++) {
        if (i == 0) {
            blockdb_tree_root(&tree, root);
            assert_hash(root, LOG_ROOT_0);
        }
        if (i == 8) {
            blockdb_tree_root(&tree, root);
            assert_memory_equal(root, at_8.root, sizeof root);
        }
        blockdb_hash_leaf(words[i], strlen(words[i]), leaf);
        blockdb_tree_append(&tree, leaf);
    }
    blockdb_tree_root(&tree, root);
    assert_memory_equal(root, at_15.root, sizeof root);

    blockdb_hash_leaf("seven", 5, leaf);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(base64_decode(slice_of_text(inclusion_6[i]), &path[i], SHA256_LEN), 0);
    }
    assert_int_equal(blockdb_verify_inclusion(&claim, path[0].bytes, 4), 0);
    assert_int_equal(blockdb_verify_inclusion(&claim, path[0].bytes, 3), BLOCKDB_ETAMPERED);
    claim.index = 7;
    assert_int_equal(blockdb_verify_inclusion(&claim, path[0].bytes, 4), BLOCKDB_ETAMPERED);
    /* From 8 to 15 the proof is the root of the seven on the right. */
    assert_int_equal(blockdb_verify_consistency(&grows, path[3].bytes, 1), 0);
    grows.old_size = 0;
    assert_int_equal(blockdb_verify_consistency(&grows, path[3].bytes, 1), BLOCKDB_ETAMPERED);
}

static void consistency(void **state)
{
    static const char *const hashes[] = {
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"};
    static const char root_6[] = "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef";
    static const char root_8[] = "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328";
    uint8_t roots[2][SHA256_LEN];
    struct blockdb_consistency claim = {6, 8, roots[0], roots[1]};
    struct hash path[3];

    assert_int_equal(text_parse_hex(slice_of_text(root_6), roots[0], SHA256_LEN), 0);
    assert_int_equal(text_parse_hex(slice_of_text(root_8), roots[1], SHA256_LEN), 0);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(text_parse_hex(slice_of_text(hashes[i]), &path[i], SHA256_LEN), 0);
    }
    assert_int_equal(blockdb_verify_consistency(&claim, path[0].bytes, 3), 0);
    assert_int_equal(blockdb_verify_consistency(&claim, path[0].bytes, 2), BLOCKDB_ETAMPERED);
    claim = (struct blockdb_consistency){8, 6, roots[1], roots[0]};
    assert_int_equal(blockdb_verify_consistency(&claim, path[0].bytes, 3), BLOCKDB_ETAMPERED);
}

/* V5: "entry <i>" and a newline. */
static void large_tree(void **state)
{
    struct blockdb_tree tree;
    uint8_t hash[SHA256_LEN];
    char text[32];

    blockdb_tree_init(&tree);
    for (uint64_t i = 0; i < 70000; i++) {
        int len = snprintf(text, sizeof text, "entry %" PRIu64 "\n", i);

        if (i == 257) {
            blockdb_tree_root(&tree, hash);
            assert_hex(hash, "07adb6e064fa4292183642fad51e8c0a7ac6885ce550c077c9343de62b57adc0");
        }
        blockdb_hash_leaf(text, (size_t)len, hash);
        blockdb_tree_append(&tree, hash);
    }
    blockdb_tree_root(&tree, hash);
    assert_hex(hash, "3f246524734d4d3856875ac2164044e1a75a7c872de76acfd4b26dac09b5bdc0");
}

/* V6: a cosignature, demanded by a policy or merely known. */
static void cosigned(void **state)
{
    static const char policy[] = "log " LOG_VKEY "\nwitness w " WITNESS_VKEY "\nquorum w\n";
    static const char no_log[] = "witness w " WITNESS_VKEY "\nquorum w\n";
    struct blockdb_trust trust = trust_of(log_and_witness, 2);
    struct blockdb_checkpoint out;

    assert_int_equal(head(COSIGNED_NOTE_15, &trust, &out), 0);
    assert_int_equal(out.signed_by, 3);
    assert_false(out.is_policy_fulfilled);
    assert_int_equal(head(LOG_NOTE_15, &trust, &out), 0);
    assert_int_equal(out.signed_by, 1);
    trust.keys = &log_and_witness[1];
    trust.key_count = 1;
    assert_int_equal(head(COSIGNED_NOTE_15, &trust, &out), BLOCKDB_EINVAL);

    trust = trust_of(NULL, 0);
    trust.policy = policy;
    trust.policy_len = strlen(policy);
    assert_int_equal(head(COSIGNED_NOTE_15, &trust, &out), 0);
    assert_true(out.is_policy_fulfilled);
    assert_int_equal(out.witness_count, 1);
    assert_int_equal(out.witnesses, 1);
    assert_int_equal(out.witnessed_s, WITNESS_TIME);
    assert_int_equal(head(LOG_NOTE_15, &trust, &out), BLOCKDB_ETAMPERED);
    trust.policy = no_log;
    trust.policy_len = strlen(no_log);
    assert_int_equal(head(COSIGNED_NOTE_15, &trust, &out), BLOCKDB_EINVAL);
    trust.keys = log_keys;
    trust.key_count = 1;
    assert_int_equal(head(COSIGNED_NOTE_15, &trust, &out), 0);
    trust.policy_len--;
    assert_int_equal(head(COSIGNED_NOTE_15, &trust, &out), BLOCKDB_EINVAL);
}

/* V7: a proof file without evidence of BlockDB. */
static void plain_proof(void **state)
{
    struct blockdb_trust trust = trust_of(log_keys, 1);
    struct blockdb_tlog_result out;
    uint8_t leaf[SHA256_LEN];
    char changed[sizeof PROOF_FILE];

    blockdb_hash_leaf("seven", 5, leaf);
    assert_int_equal(
        blockdb_verify_tlog_proof(PROOF_FILE, strlen(PROOF_FILE), &trust, leaf, &out, NULL), 0);
    assert_int_equal(out.index, 6);
    assert_int_equal(out.head.tree_size, 15);
    assert_int_equal(out.extra.len, 0);
    for (size_t i = 0; i < strlen(PROOF_FILE); i++) {
        memcpy(changed, PROOF_FILE, sizeof changed);
        changed[i] ^= 1;
        /* The last line is of a witness that is not among the keys. */
        if (blockdb_verify_tlog_proof(changed, strlen(PROOF_FILE), &trust, leaf, &out, NULL) == 0) {
            assert_true(i > strlen(PROOF_FILE) - strlen(WITNESS_LINE));
        }
    }
    blockdb_hash_leaf("eight", 5, leaf);
    assert_int_equal(
        blockdb_verify_tlog_proof(PROOF_FILE, strlen(PROOF_FILE), &trust, leaf, &out, NULL),
        BLOCKDB_ETAMPERED);
}

static void structs_of_other_versions(void **state)
{
    struct {
        struct blockdb_trust trust;
        uint64_t more;
    } newer = {.trust = trust_of(log_keys, 1)};
    struct blockdb_trust none = {0};
    struct blockdb_checkpoint out;

    newer.trust.size = sizeof newer;
    assert_int_equal(head(LOG_NOTE_15, &newer.trust, &out), 0);
    newer.more = 1;
    assert_int_equal(head(LOG_NOTE_15, &newer.trust, &out), BLOCKDB_EINVAL);
    assert_int_equal(head(LOG_NOTE_15, &none, &out), BLOCKDB_EINVAL);
}

/* ---- Parts of the sample log ----------------------------------------------------------------- */

static struct sample sample;

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

static int decode_header(uint64_t seq, struct blockdb_header *out)
{
    const struct buf *leaf = &sample.entries[seq].leaf;

    return blockdb_decode_header(leaf->data, leaf->len, out, NULL);
}

static void headers(void **state)
{
    struct blockdb_header first;
    struct blockdb_header second;
    struct blockdb_header third;

    assert_int_equal(decode_header(4, &first), 0);
    assert_int_equal(decode_header(7, &second), 0);
    assert_int_equal(decode_header(10, &third), 0);
    assert_int_equal(decode_header(3, &third), BLOCKDB_ECORRUPT);
    assert_int_equal(second.height, 1);
    assert_int_equal(second.map_size, 5);
    assert_int_equal(blockdb_verify_header_link(NULL, &first, NULL), 0);
    assert_int_equal(blockdb_verify_header_link(&first, &second, NULL), 0);
    assert_int_equal(blockdb_verify_header_link(NULL, &second, NULL), BLOCKDB_ETAMPERED);
    assert_int_equal(blockdb_verify_header_link(&first, &third, NULL), BLOCKDB_ETAMPERED);
}

static void entries(void **state)
{
    const struct buf *leaf = &sample.entries[0].leaf;
    struct blockdb_redaction redaction;
    struct blockdb_entry entry;
    uint8_t newer[64];

    assert_int_equal(blockdb_decode_entry(leaf->data, leaf->len, &entry, NULL), 0);
    assert_int_equal(entry.kind, BLOCKDB_KIND_PUT);
    assert_memory_equal(entry.key.data, "alpha", 5);
    assert_int_equal(blockdb_verify_value(&entry, sample.entries[0].salt, "one", 3, NULL), 0);
    assert_int_equal(blockdb_verify_value(&entry, sample.entries[0].salt, "One", 3, NULL),
                     BLOCKDB_ETAMPERED);
    assert_int_equal(blockdb_verify_value(&entry, sample.entries[0].salt, "on", 2, NULL),
                     BLOCKDB_ETAMPERED);
    assert_int_equal(blockdb_decode_entry(leaf->data, leaf->len - 1, &entry, NULL),
                     BLOCKDB_ECORRUPT);
    memset(newer, 0, sizeof newer);
    newer[0] = 2;
    assert_int_equal(blockdb_decode_entry(newer, sizeof newer, &entry, NULL), BLOCKDB_EVERSION);

    leaf = &sample.entries[8].leaf;
    assert_int_equal(blockdb_decode_entry(leaf->data, leaf->len, &entry, NULL), 0);
    assert_int_equal(blockdb_verify_value(&entry, sample.entries[0].salt, "", 0, NULL),
                     BLOCKDB_EINVAL);
    assert_int_equal(
        blockdb_decode_redaction(entry.payload.data, entry.payload.len, &redaction, NULL), 0);
    assert_int_equal(redaction.target_seq, 6);
    assert_int_equal(redaction.seq, BLOCKDB_SEQ_NONE);
    assert_int_equal(
        blockdb_decode_redaction(entry.payload.data, entry.payload.len - 1, &redaction, NULL),
        BLOCKDB_ECORRUPT);
    assert_int_equal(blockdb_decode_redaction(newer, sizeof newer, &redaction, NULL),
                     BLOCKDB_ECORRUPT);
}

static void chunks(void **state)
{
    const struct sample_file file = {.head_size = 8, .seq = 5, .range_first = 3, .range_count = 1};
    const struct buf *leaf = &sample.entries[5].leaf;
    struct buf bytes = {0};
    struct blockdb_entry entry;
    struct evidence_chunk shown;
    struct blockdb_chunk chunk;
    struct evidence e;

    sample_evidence(&sample, &file, &bytes);
    assert_int_equal(evidence_decode(buf_slice(&bytes), &e, NULL), 0);
    assert_true(evidence_next_chunk(&e.range.chunks, &shown));
    assert_int_equal(blockdb_decode_entry(leaf->data, leaf->len, &entry, NULL), 0);
    chunk = (struct blockdb_chunk){.index = 3,
                                   .salt = shown.salt,
                                   .bytes = {shown.bytes.data, shown.bytes.len},
                                   .hashes = shown.in_value.hashes->bytes,
                                   .hash_count = shown.in_value.count};
    assert_int_equal(blockdb_verify_chunk(&entry, &chunk, NULL), 0);
    chunk.hash_count--;
    assert_int_equal(blockdb_verify_chunk(&entry, &chunk, NULL), BLOCKDB_ETAMPERED);
    chunk.hash_count++;
    for (uint64_t index = 0; index < 6; index++) {
        chunk.index = index;
        assert_int_equal(blockdb_verify_chunk(&entry, &chunk, NULL),
                         index == 3 ? 0 : BLOCKDB_ETAMPERED);
    }
    chunk.index = UINT64_MAX;
    assert_int_equal(blockdb_verify_chunk(&entry, &chunk, NULL), BLOCKDB_ETAMPERED);
    leaf = &sample.entries[0].leaf;
    assert_int_equal(blockdb_decode_entry(leaf->data, leaf->len, &entry, NULL), 0);
    assert_int_equal(blockdb_verify_chunk(&entry, &chunk, NULL), BLOCKDB_EINVAL);
    leaf = &sample.entries[2].leaf;
    assert_int_equal(blockdb_decode_entry(leaf->data, leaf->len, &entry, NULL), 0);
    assert_int_equal(blockdb_verify_chunk(&entry, &chunk, NULL), BLOCKDB_EINVAL);
    buf_deinit(&bytes);
}

static void map_of_a_header(void **state)
{
    struct map_proof proof;
    uint8_t bytes[MAP_PROOF_LEN_MAX];
    struct blockdb_header header;
    struct blockdb_map_result result;
    struct blockdb_map_claim claim = {.header = &header, .key = {(const uint8_t *)"alpha", 5}};
    uint8_t chain[SHA256_LEN] = {0};
    size_t len;

    assert_int_equal(decode_header(10, &header), 0);
    sample_map_proof(&sample, 10, "alpha", &proof);
    map_proof_encode(&proof, bytes);
    len = map_proof_len(&proof);
    assert_int_equal(blockdb_verify_map(&claim, bytes, len, &result, NULL), 0);
    assert_true(result.is_present);
    assert_int_equal(result.seq, 3);
    assert_int_equal(result.version_count, 2);
    blockdb_history_link(chain, 0, sample.entries[0].hash.bytes);
    blockdb_history_link(chain, 3, sample.entries[3].hash.bytes);
    assert_memory_equal(chain, result.chain, sizeof chain);
    assert_int_equal(blockdb_verify_map(&claim, bytes, len - 1, &result, NULL), BLOCKDB_ECORRUPT);
    claim.collection = 1;
    if (blockdb_verify_map(&claim, bytes, len, &result, NULL) == 0) {
        assert_false(result.is_present);
    }
    claim.collection = 0;
    assert_int_equal(decode_header(7, &header), 0);
    assert_int_equal(blockdb_verify_map(&claim, bytes, len, &result, NULL), BLOCKDB_ETAMPERED);
    assert_int_equal(decode_header(4, &header), 0);
    assert_int_equal(blockdb_verify_map(&claim, bytes, len, &result, NULL), BLOCKDB_EINVAL);
}

static void bundles(void **state)
{
    static const uint8_t bytes[] = {0, 3, 'o', 'n', 'e', 0, 0, 0, 3, 't', 'w', 'o', 0, 9, 'x'};
    struct blockdb_bytes bundle = {bytes, sizeof bytes};
    struct blockdb_bytes leaf;

    assert_int_equal(blockdb_bundle_next(&bundle, &leaf), 0);
    assert_memory_equal(leaf.data, "one", 3);
    assert_int_equal(blockdb_bundle_next(&bundle, &leaf), 0);
    assert_int_equal(leaf.len, 0);
    assert_int_equal(blockdb_bundle_next(&bundle, &leaf), 0);
    assert_memory_equal(leaf.data, "two", 3);
    assert_int_equal(blockdb_bundle_next(&bundle, &leaf), BLOCKDB_ECORRUPT);
    bundle.len = 0;
    assert_int_equal(blockdb_bundle_next(&bundle, &leaf), BLOCKDB_ENOTFOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(notes),           cmocka_unit_test(sumdb),
        cmocka_unit_test(tessera),         cmocka_unit_test(consistency),
        cmocka_unit_test(large_tree),      cmocka_unit_test(cosigned),
        cmocka_unit_test(plain_proof),     cmocka_unit_test(structs_of_other_versions),
        cmocka_unit_test(headers),         cmocka_unit_test(entries),
        cmocka_unit_test(map_of_a_header), cmocka_unit_test(bundles),
        cmocka_unit_test(chunks),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
