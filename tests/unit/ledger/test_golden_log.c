/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tessera's test log made again: all its heads, tiles, bundles and proofs, and the proof file of
 * one entry from end to end.
 */
#include "base/base64.h"
#include "base/mem.h"
#include "base/text.h"
#include "c2sp.h"
#include "ledger/checkpoint.h"
#include "ledger/merkle.h"
#include "ledger/policy.h"
#include "ledger/tile.h"
#include "ledger/tlog_proof.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define LEAVES 15

static const char *const words[LEAVES] = {
    "one",  "two", "three",  "four",  "five",     "six",     "seven",  "eit",
    "nain", "ten", "ileven", "twelf", "threeten", "fourten", "fivten",
};

static const char *const roots[LEAVES + 1] = {
    LOG_ROOT_0,
    "0Nc2CrefWKseHj/mStd+LqC8B+NrX0btIiPt2SmN+ek=",
    "T1X2GdkhUjV3iyufF9b0kVsWFxIU0VI4EpNml2Teci4=",
    "Wqx3HImawpLnS/Gv4ubjAvi1WIOy0b8Ze0amvqbavKk=",
    "zY1lN35vrXYAPixXSd59LsU29xUJtuW4o2dNNg5Y2Co=",
    "gy5gl3aksFyiCO95a/1vLXz88A3dRq+0l9Sxte8ZqZQ=",
    "a6sWvsc2eEzmj72vah7mZ5dwFltivehh2b11qwlp5Jg=",
    "IrSXADBqJ7EQoUODSDKROySgNveeL6CFhik2w/+fS7U=",
    LOG_ROOT_8,
    "CvhHViE3S9E3htHLR+25mapWoGCJ3WckMq1UtC3VmEY=",
    "y8/gZsZCtitsMan09tY+k8I7Qpr7Y5fbO2tLi9GQnfU=",
    "Yok1cS5VdokGLBy73BC2I16b3atss6KBN9jnIi6Fz/A=",
    "uZo6M+IhVna+CLgWCrJs0xBPUHbozHkYTQASduHSLME=",
    "av0kLH0VkkVDrTuZzBGIx7d9z5G1l/GlKz/nAV/8woQ=",
    "SvCd38yNade7xEPY1a/aAc1M3A2AHYVF8lIiUnsH1ao=",
    LOG_ROOT_15,
};

static struct hash leaves[LEAVES];
static struct note note;

static struct hash hash_of_base64(const char *text)
{
    struct hash hash;

    assert_int_equal(base64_decode(slice_of_text(text), hash.bytes, sizeof hash.bytes), BLOCKDB_OK);
    return hash;
}

static int make_leaves(void **state)
{
    for (size_t i = 0; i < LEAVES; i++) {
        merkle_leaf(slice_of_text(words[i]), &leaves[i]);
    }
    return 0;
}

static int read_leaves(void *context, unsigned level, uint64_t index, size_t count,
                       struct hash *out, struct error *err)
{
    assert_int_equal(level, 0);
    assert_true(index + count <= LEAVES);
    memcpy(out, &leaves[index], count * sizeof *out);
    return BLOCKDB_OK;
}

static const struct hash_source source = {.read = read_leaves};

static void assert_proof(const struct proof *proof, const char *const *want, size_t count)
{
    assert_int_equal(proof->count, count);
    for (size_t i = 0; i < count; i++) {
        struct hash hash = hash_of_base64(want[i]);

        assert_memory_equal(&proof->hashes[i], &hash, sizeof hash);
    }
}

static void assert_sha256(struct slice bytes, const char *want)
{
    char hex[2 * SHA256_LEN + 1];
    struct hash hash;

    sha256_once(bytes.data, bytes.len, &hash);
    text_format_hex(hex, hash.bytes, sizeof hash.bytes);
    assert_string_equal(hex, want);
}

static void roots_of_all_sizes(void **state)
{
    struct hash want = hash_of_base64("2Q0P5jSR+TdkwdXWyx+GbBWX0KZbNZkWzCjyTPSozsw=");

    assert_memory_equal(&leaves[6], &want, sizeof want);
    for (size_t size = 0; size <= LEAVES; size++) {
        struct hash got;

        want = hash_of_base64(roots[size]);
        merkle_root(leaves, size, &got);
        assert_memory_equal(&got, &want, sizeof got);
        assert_int_equal(proof_root(&source, size, &got, NULL), BLOCKDB_OK);
        assert_memory_equal(&got, &want, sizeof got);
    }
}

static void tile_and_bundle(void **state)
{
    static const struct tile tile = {.level = 0, .width = LEAVES};
    static const struct tile bundle = {.level = TILE_LEVEL_ENTRIES, .width = LEAVES};
    AUTO(buf_deinit) struct buf bytes = {0};
    char path[TILE_PATH_MAX];

    (void)tile_path(&tile, path);
    assert_string_equal(path, "tile/0/000.p/15");
    assert_sha256(slice_of(leaves, sizeof leaves),
                  "93593af14d2cce39867d2e73fe4ca400a38581605c5c4501a03e752d9b51a130");
    for (size_t i = 0; i < LEAVES; i++) {
        assert_int_equal(buf_append_be16(&bytes, (uint16_t)strlen(words[i])), BLOCKDB_OK);
        assert_int_equal(buf_append_slice(&bytes, slice_of_text(words[i])), BLOCKDB_OK);
    }
    (void)tile_path(&bundle, path);
    assert_string_equal(path, "tile/entries/000.p/15");
    assert_int_equal(bytes.len, 99);
    assert_sha256(buf_slice(&bytes),
                  "9ac6a9fc9012f2b4d67ac26041933c119e1505defc5c808ed614c5778c9f1716");
}

static void published_proofs(void **state)
{
    static const char *const inclusion[] = {
        "ThcgoV2DYcK+VCxBUDWAlNxmLy2r7dq7dK7+OlgQKWs=",
        "ycRkkNklus5eMVRUvkD1pK321vMrA+jjOiZKU8aOcY4=",
        "zY1lN35vrXYAPixXSd59LsU29xUJtuW4o2dNNg5Y2Co=",
        "5jLpqTgjsBDSEX6SgZiRnbTMdTuRd8bQ5tSsAOxe0Ks=",
    };
    static const char *const consistency[] = {
        "ycRkkNklus5eMVRUvkD1pK321vMrA+jjOiZKU8aOcY4=",
        "nk9gCR+floFqznAPtqjjcnnV64dge2jQB95D5t164Hg=",
        "zY1lN35vrXYAPixXSd59LsU29xUJtuW4o2dNNg5Y2Co=",
        "5jLpqTgjsBDSEX6SgZiRnbTMdTuRd8bQ5tSsAOxe0Ks=",
    };
    struct hash root = hash_of_base64(LOG_ROOT_15);
    struct hash old_root = hash_of_base64(roots[6]);
    struct inclusion member = {.index = 6, .size = 15, .leaf = &leaves[6], .root = &root};
    struct consistency growth = {
        .old_size = 6, .new_size = 15, .old_root = &old_root, .new_root = &root};
    struct proof proof;

    assert_int_equal(proof_inclusion(&source, 6, 15, &proof, NULL), BLOCKDB_OK);
    assert_proof(&proof, inclusion, 4);
    assert_int_equal(inclusion_verify(&member, proof.hashes, proof.count), BLOCKDB_OK);
    assert_int_equal(proof_consistency(&source, 6, 15, &proof, NULL), BLOCKDB_OK);
    assert_proof(&proof, consistency, 4);
    assert_int_equal(consistency_verify(&growth, proof.hashes, proof.count), BLOCKDB_OK);
    assert_int_equal(proof_consistency(&source, 8, 15, &proof, NULL), BLOCKDB_OK);
    assert_proof(&proof, &consistency[3], 1);
}

/* Checks a proof file as one without a server does; only "seven" is known of the log. */
static int check_file(struct slice file)
{
    static struct policy policy;
    struct checkpoint checkpoint;
    struct policy_result result;
    struct tlog_proof proof;
    struct hash leaf;
    struct inclusion claim = {.leaf = &leaf, .root = &checkpoint.root};
    int rc;

    assert_int_equal(
        policy_parse(slice_of_text("log " LOG_VKEY "\nwitness w " WITNESS_VKEY "\nquorum w\n"),
                     &policy, NULL),
        BLOCKDB_OK);
    rc = tlog_proof_parse(file, &proof, NULL);
    rc = rc < 0 ? rc : checkpoint_parse_note(proof.note, &note, &checkpoint, NULL);
    rc = rc < 0 ? rc : policy_check(&policy, &note, &checkpoint, &result, NULL);
    if (rc < 0) {
        return rc;
    }
    merkle_leaf(slice_of_text("seven"), &leaf);
    claim.index = proof.index;
    claim.size = checkpoint.size;
    return inclusion_verify(&claim, proof.proof.hashes, proof.proof.count);
}

static void the_proof_file(void **state)
{
    static const char published[] = PROOF_FILE;
    AUTO(buf_deinit) struct buf file = {0};
    struct proof proof;

    assert_int_equal(proof_inclusion(&source, 6, 15, &proof, NULL), BLOCKDB_OK);
    assert_int_equal(
        tlog_proof_append(&file, slice_of(NULL, 0), 6, &proof, slice_of_text(COSIGNED_NOTE_15)),
        BLOCKDB_OK);
    assert_int_equal(file.len, 536);
    assert_sha256(buf_slice(&file),
                  "eceadb936918c4dacafcc130ba84a0e8d304ec3094ad8f5fabe94412388f398f");
    assert_true(slice_equal(buf_slice(&file), slice_of(published, sizeof published - 1)));
    assert_int_equal(check_file(buf_slice(&file)), BLOCKDB_OK);
}

static void every_changed_byte(void **state)
{
    char file[] = PROOF_FILE;

    for (size_t i = 0; i < sizeof file - 1; i++) {
        for (int bit = 0; bit < 8; bit++) {
            file[i] = (char)(file[i] ^ 1 << bit);
            if (check_file(slice_of(file, sizeof file - 1)) == BLOCKDB_OK) {
                fail_msg("bit %d of byte %zu can change", bit, i);
            }
            file[i] = (char)(file[i] ^ 1 << bit);
        }
    }
    for (size_t len = 0; len < sizeof file - 1; len++) {
        assert_int_not_equal(check_file(slice_of(file, len)), BLOCKDB_OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(roots_of_all_sizes), cmocka_unit_test(tile_and_bundle),
        cmocka_unit_test(published_proofs),   cmocka_unit_test(the_proof_file),
        cmocka_unit_test(every_changed_byte),
    };

    return cmocka_run_group_tests(tests, make_leaves, NULL);
}
