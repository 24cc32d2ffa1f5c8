/* SPDX-License-Identifier: Apache-2.0 */
/* The map's tree against a naive trie: a sorted array of leaves whose root is computed anew. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "common/test_env.h"
#include "engine/map_tree.h"
#include "ledger/merkle.h"
#include "os/os_crash.h"
#include "os/os_fault.h"
#include "store/map_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIR "/map"
#define LEAVES_MAX 6000
#define STATES 8

static uint64_t seed;

static uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 24;
}

/* ---- The naive trie -------------------------------------------------------------------------- */

struct model {
    size_t count;
    struct map_leaf leaves[LEAVES_MAX]; /* in the order of places */
};

static size_t model_find(const struct model *m, const struct hash *place)
{
    size_t low = 0;
    size_t high = m->count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (memcmp(m->leaves[middle].place.bytes, place->bytes, SHA256_LEN) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool model_has(const struct model *m, const struct hash *place, size_t *out)
{
    *out = model_find(m, place);
    return *out < m->count && hash_equal(&m->leaves[*out].place, place);
}

static void model_apply(struct model *m, const struct map_update *u)
{
    size_t at;
    bool found = model_has(m, &u->place, &at);
    struct map_leaf *leaf = &m->leaves[at];

    if (u->kind == MAP_UPDATE_REDACT) {
        if (found && leaf->seq == u->seq && !(leaf->flags & MAP_LEAF_DELETED)) {
            leaf->flags |= MAP_LEAF_REDACTED;
        }
        return;
    }
    if (!found) {
        assert_true(m->count < LEAVES_MAX);
        memmove(leaf + 1, leaf, (m->count - at) * sizeof(*leaf));
        m->count++;
        *leaf = (struct map_leaf){.place = u->place};
    }
    leaf->seq = u->seq;
    leaf->entry = u->entry;
    leaf->versions++;
    map_chain(&leaf->chain, u->seq, &u->entry, &leaf->chain);
    leaf->flags = u->kind == MAP_UPDATE_DELETE ? MAP_LEAF_DELETED : 0;
}

static void model_root(const struct model *m, struct hash *out)
{
    struct map_item *items = calloc(m->count + 1, sizeof(*items));

    assert_non_null(items);
    for (size_t i = 0; i < m->count; i++) {
        items[i].place = m->leaves[i].place;
        map_leaf_hash(&m->leaves[i], &items[i].hash);
    }
    map_root(items, m->count, out);
    free(items);
}

/* ---- Places and updates ---------------------------------------------------------------------- */

/* How places are made: as hashes are, or so that very many share very long prefixes. */
enum shape { UNIFORM, NARROW, SHAPES };

static struct hash place_of(enum shape shape, uint64_t number)
{
    uint8_t bytes[9];
    struct hash place;

    if (shape == UNIFORM) {
        bytes[0] = (uint8_t)seed;
        put_le64(bytes + 1, number);
        sha256_once(bytes, sizeof(bytes), &place);
        return place;
    }
    /* The number's bits lie far apart, and what is between them is the same for all. */
    memset(place.bytes, 0x5a, SHA256_LEN);
    for (unsigned i = 0; i < 13; i++) {
        if (number >> i & 1) {
            place.bytes[31 - 2 * i] ^= (uint8_t)(1u << (i % 8));
        }
    }
    return place;
}

struct history {
    enum shape shape;
    uint64_t random;
    uint64_t keys;
    uint64_t seq;
    struct hash entries[1 << 16]; /* by seq */
};

static void make_update(struct history *h, const struct model *m, struct map_update *out)
{
    uint64_t kind = next_random(&h->random) % 16;

    memset(out, 0, sizeof(*out));
    if (kind == 0 && m->count > 0) {
        const struct map_leaf *leaf = &m->leaves[next_random(&h->random) % m->count];

        out->kind = MAP_UPDATE_REDACT;
        out->place = leaf->place;
        out->seq = leaf->seq;
        out->entry = leaf->entry;
    } else {
        out->kind = kind == 1 ? MAP_UPDATE_DELETE : MAP_UPDATE_PUT;
        out->place = place_of(h->shape, next_random(&h->random) % h->keys);
        out->seq = h->seq;
        put_le64(out->entry.bytes, next_random(&h->random));
        out->entry.bytes[31] = (uint8_t)h->seq;
        h->entries[h->seq] = out->entry;
    }
    h->seq++;
    assert_true(h->seq < sizeof(h->entries) / sizeof(h->entries[0]));
}

static int anchor(void *context, uint64_t size, struct hash *out, struct error *err)
{
    (void)context;
    (void)err;
    memset(out, 0, sizeof(*out));
    put_le64(out->bytes, size);
    return BLOCKDB_OK;
}

static int apply(struct map_tree *tree, const struct map_update *updates, size_t n, uint64_t size,
                 struct error *err)
{
    struct map_tree_batch batch = {updates, n, size, size + 1};

    return map_tree_apply(tree, &batch, err);
}

/* ---- Checks ---------------------------------------------------------------------------------- */

struct world {
    struct os_crash *disk;
    struct map_tree_options options;
    struct map_tree *tree;
    struct model model;
    struct history history;
    struct map_update updates[2000];
};

static struct world *world_new(enum shape shape, uint64_t keys, uint32_t delta_max)
{
    static const uint8_t id[16] = {7};
    struct world *w = calloc(1, sizeof(*w));
    struct error err;

    assert_non_null(w);
    w->disk = os_crash_new(seed);
    assert_non_null(w->disk);
    w->options = (struct map_tree_options){.os = os_crash_os(w->disk),
                                           .dir = DIR,
                                           .ledger_id = id,
                                           .delta_max = delta_max,
                                           .anchor = anchor};
    w->history = (struct history){.shape = shape, .random = seed, .keys = keys};
    assert_int_equal(os_make_dirs(w->options.os, DIR, &err), BLOCKDB_OK);
    assert_int_equal(map_tree_open(&w->options, &w->tree, &err), BLOCKDB_OK);
    map_tree_keep_states(w->tree, true);
    return w;
}

static void world_free(struct world *w)
{
    map_tree_free(w->tree);
    os_crash_free(w->disk);
    free(w);
}

/* Applies up to n updates to tree and model. */
static void world_apply(struct world *w, size_t n)
{
    struct error err;

    for (size_t i = 0; i < n; i++) {
        make_update(&w->history, &w->model, &w->updates[i]);
        model_apply(&w->model, &w->updates[i]);
    }
    if (apply(w->tree, w->updates, n, w->history.seq, &err) < 0) {
        fail_msg("%s", err.message);
    }
}

static void check_root(struct world *w)
{
    struct hash expected;
    struct hash root;

    model_root(&w->model, &expected);
    map_tree_root(w->tree, &root);
    assert_memory_equal(&root, &expected, sizeof(root));
    assert_int_equal(map_tree_leaf_count(w->tree), w->model.count);
    assert_int_equal(map_tree_size(w->tree), w->history.seq);
}

/* A proof of the key in the state of root, against what the model said then. */
static void check_proof(struct world *w, const struct hash *root, const struct hash *place,
                        const struct map_leaf *expected)
{
    struct map_proof proof;
    struct map_proof again;
    enum map_answer answer;
    uint8_t bytes[MAP_PROOF_LEN_MAX];
    struct error err;

    if (map_tree_prove(w->tree, root, place, &proof, &err) < 0) {
        fail_msg("%s", err.message);
    }
    if (!proof.is_empty) {
        proof.leaf.entry = w->history.entries[proof.leaf.seq];
    }
    map_proof_encode(&proof, bytes);
    assert_int_equal(map_proof_decode(slice_of(bytes, map_proof_len(&proof)), &again), BLOCKDB_OK);
    assert_int_equal(map_proof_verify(&again, root, place, &answer), BLOCKDB_OK);
    assert_int_equal(answer, expected != NULL ? MAP_PRESENT : MAP_ABSENT);
    if (expected != NULL) {
        assert_int_equal(again.leaf.seq, expected->seq);
        assert_int_equal(again.leaf.versions, expected->versions);
        assert_int_equal(again.leaf.flags, expected->flags);
        assert_memory_equal(&again.leaf.chain, &expected->chain, SHA256_LEN);
    }
}

static void check_proofs(struct world *w, const struct model *model, const struct hash *root,
                         unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct hash place = place_of(w->history.shape,
                                     next_random(&w->history.random) % (2 * w->history.keys));
        size_t at;
        bool found = model_has(model, &place, &at);

        check_proof(w, root, &place, found ? &model->leaves[at] : NULL);
    }
}

/* ---- Tests ----------------------------------------------------------------------------------- */

static void run_history(enum shape shape, uint64_t keys, uint32_t delta_max)
{
    struct world *w = world_new(shape, keys, delta_max);
    struct model *old = calloc(1, sizeof(*old));
    struct hash old_root;
    struct hash root;
    struct error err;
    uint64_t random = seed + 1;

    assert_non_null(old);
    map_tree_root(w->tree, &root);
    check_proofs(w, &w->model, &root, 2);
    for (unsigned round = 0; round < 60; round++) {
        *old = w->model;
        map_tree_root(w->tree, &old_root);
        world_apply(w, next_random(&random) % (round % 8 == 0 ? 700 : 60));
        world_apply(w, next_random(&random) % 40);
        if (round % 4 == 0) {
            check_root(w);
        }
        map_tree_root(w->tree, &root);
        check_proofs(w, &w->model, &root, 4);
        if (map_tree_prove(w->tree, &old_root, &root, &(struct map_proof){0}, &err) == BLOCKDB_OK) {
            check_proofs(w, old, &old_root, 6);
        }
        if (round == 40) { /* what is saved is opened again */
            uint64_t size = map_tree_size(w->tree);

            assert_int_equal(
                map_tree_save(w->tree, size + 1, MAP_SAVE_ALL, &(atomic_bool){false}, &err),
                BLOCKDB_OK);
            map_tree_free(w->tree);
            assert_int_equal(map_tree_open(&w->options, &w->tree, &err), BLOCKDB_OK);
            assert_int_equal(map_tree_size(w->tree), size);
            assert_int_equal(map_tree_delta_count(w->tree), 0);
            map_tree_keep_states(w->tree, true);
        }
    }
    check_root(w);
    free(old);
    world_free(w);
}

static void test_model(void **state)
{
    (void)state;
    run_history(UNIFORM, 1, 50);
    run_history(UNIFORM, 30, 50);
    run_history(UNIFORM, 5000, 100);
    run_history(UNIFORM, 5000, 100000);
    run_history(NARROW, 3000, 200);
}

/* States before an update stay provable while they are few; proofs of one state do not pass for
 * another. */
static void test_stale(void **state)
{
    struct world *w = world_new(UNIFORM, 500, 64);
    struct hash roots[STATES];
    struct map_proof proof;
    enum map_answer answer;
    struct error err;

    (void)state;
    world_apply(w, 800);
    world_apply(w, 100);
    for (unsigned i = 0; i < STATES; i++) {
        map_tree_root(w->tree, &roots[i]);
        world_apply(w, 50);
    }
    for (unsigned i = 0; i < STATES; i++) {
        struct hash place = place_of(UNIFORM, i);

        assert_int_equal(map_tree_prove(w->tree, &roots[i], &place, &proof, &err), BLOCKDB_OK);
        proof.leaf.entry = w->history.entries[proof.leaf.seq];
        assert_int_equal(map_proof_verify(&proof, &roots[i], &place, &answer), BLOCKDB_OK);
        assert_int_equal(map_proof_verify(&proof, &roots[(i + 1) % STATES], &place, &answer),
                         BLOCKDB_ETAMPERED);
    }
    roots[0].bytes[0] ^= 1;
    assert_int_equal(map_tree_prove(w->tree, &roots[0], &roots[1], &proof, &err),
                     BLOCKDB_ENOTFOUND);
    world_free(w);
}

/* What is not durable in the ledger does not get into the file. */
static void test_durable(void **state)
{
    struct world *w = world_new(UNIFORM, 1000, 10000);
    struct error err;

    (void)state;
    world_apply(w, 300);
    assert_int_equal(map_tree_save(w->tree, 300, MAP_SAVE_ALL, &(atomic_bool){false}, &err),
                     BLOCKDB_OK);
    assert_int_equal(map_tree_file_bytes(w->tree), 0);
    assert_int_equal(map_tree_save(w->tree, 301, MAP_SAVE_ALL, &(atomic_bool){true}, &err),
                     BLOCKDB_OK);
    assert_int_equal(map_tree_file_bytes(w->tree), 0);
    assert_int_equal(map_tree_save(w->tree, 301, MAP_SAVE_ALL, &(atomic_bool){false}, &err),
                     BLOCKDB_OK);
    assert_true(map_tree_file_bytes(w->tree) > 0);
    check_root(w);
    world_free(w);
}

/* Every changed byte of the file is found: when it is opened, or when its bucket is read. */
static void test_damage(void **state)
{
    struct world *w = world_new(UNIFORM, 300, 10000);
    uint64_t random = seed;
    struct error err;
    uint64_t len;

    (void)state;
    world_apply(w, 400);
    assert_int_equal(map_tree_save(w->tree, 401, MAP_SAVE_ALL, &(atomic_bool){false}, &err),
                     BLOCKDB_OK);
    len = map_tree_file_bytes(w->tree);
    map_tree_free(w->tree);
    w->tree = NULL;
    for (unsigned i = 0; i < 400; i++) {
        uint64_t offset = i < 128 ? (i < 64 ? i : len - 128 + i) : next_random(&random) % len;
        struct map_tree *tree = NULL;
        int rc;

        assert_int_equal(os_crash_flip(w->disk, DIR "/" MAP_FILE_NAME, offset, 0x10, &err),
                         BLOCKDB_OK);
        rc = map_tree_open(&w->options, &tree, &err);
        if (rc == BLOCKDB_OK) {
            struct map_update update = {.seq = 400};

            /* Something in each bucket, so that all are read. */
            for (unsigned bucket = 0; rc == BLOCKDB_OK && bucket < 256; bucket++) {
                update.place.bytes[0] = (uint8_t)bucket;
                rc = apply(tree, &update, 1, 401, &err);
            }
            if (rc == BLOCKDB_OK) {
                rc = map_tree_save(tree, 402, MAP_SAVE_ALL, &(atomic_bool){false}, &err);
            }
        }
        assert_true(rc == BLOCKDB_ECORRUPT || rc == BLOCKDB_EVERSION || rc == BLOCKDB_EFOREIGN);
        map_tree_free(tree);
        assert_int_equal(os_crash_flip(w->disk, DIR "/" MAP_FILE_NAME, offset, 0x10, &err),
                         BLOCKDB_OK);
    }
    world_free(w);
}

/* ---- Failures -------------------------------------------------------------------------------- */

static uint64_t allocations_left;

static bool fail_nth(void *context)
{
    (void)context;
    return allocations_left > 0 && --allocations_left == 0;
}

static int run_once(const struct map_tree_options *options, const struct map_update *updates,
                    size_t n, struct hash *out_root)
{
    struct map_tree *tree = NULL;
    struct map_proof proof;
    struct error err;
    int rc = map_tree_open(options, &tree, &err);

    for (size_t i = 0; rc == BLOCKDB_OK && i < n; i += 50) {
        map_tree_keep_states(tree, true);
        rc = apply(tree, updates + i, 50, i + 50, &err);
    }
    if (rc == BLOCKDB_OK) {
        map_tree_root(tree, out_root);
        rc = map_tree_prove(tree, out_root, &updates[1].place, &proof, &err);
    }
    if (rc == BLOCKDB_OK) {
        rc = map_tree_save(tree, n + 1, MAP_SAVE_ALL, &(atomic_bool){false}, &err);
    }
    map_tree_free(tree);
    return rc;
}

static void test_failures(void **state)
{
    struct world *w = world_new(UNIFORM, 200, 40);
    struct os_fault *fault = os_fault_new(os_crash_os(w->disk));
    struct os_fault_plan plan = {.classes = OS_FAULT_ALL};
    bool fired = true;
    struct hash expected;
    struct hash root;
    struct error err;
    int rc = -1;

    (void)state;
    assert_non_null(fault);
    w->options.os = os_fault_os(fault);
    for (size_t i = 0; i < 200; i++) {
        make_update(&w->history, &w->model, &w->updates[i]);
        model_apply(&w->model, &w->updates[i]);
    }
    model_root(&w->model, &expected);
    for (uint64_t n = 1; rc < 0; n++) {
        assert_int_equal(map_file_remove(w->options.os, DIR, &err), BLOCKDB_OK);
        allocations_left = n;
        mem_set_fail_hook(fail_nth, NULL);
        rc = run_once(&w->options, w->updates, 200, &root);
        mem_set_fail_hook(NULL, NULL);
        assert_true(rc == BLOCKDB_OK ? allocations_left > 0 : rc == BLOCKDB_ENOMEM);
    }
    assert_memory_equal(&root, &expected, sizeof(root));
    for (plan.nth = 1; fired; plan.nth++) {
        assert_int_equal(map_file_remove(w->options.os, DIR, &err), BLOCKDB_OK);
        os_fault_arm(fault, &plan);
        rc = run_once(&w->options, w->updates, 200, &root);
        fired = os_fault_fired(fault);
        os_fault_arm(fault, NULL);
        assert_true(rc == BLOCKDB_OK || (fired && rc == BLOCKDB_EIO));
    }
    assert_memory_equal(&root, &expected, sizeof(root));
    os_fault_free(fault);
    world_free(w);
}

/* A power cut at each operation leaves a file of some size with the root of that size, or none. */
static void test_power_cuts(void **state)
{
    uint64_t cut_at;
    bool reached = true;

    (void)state;
    for (cut_at = 1; reached; cut_at++) {
        struct world *w = world_new(UNIFORM, 200, 60);
        struct hash roots[8];
        struct map_tree *tree = NULL;
        struct error err;
        struct hash root;
        uint64_t size;
        int rc = BLOCKDB_OK;

        map_tree_root(w->tree, &roots[0]);
        os_crash_arm(w->disk, cut_at);
        for (unsigned i = 0; rc == BLOCKDB_OK && i < 6; i++) {
            for (size_t k = 0; k < 100; k++) {
                make_update(&w->history, &w->model, &w->updates[k]);
                model_apply(&w->model, &w->updates[k]);
            }
            rc = apply(w->tree, w->updates, 100, w->history.seq, &err);
            model_root(&w->model, &roots[i + 1]);
        }
        reached = os_crash_is_off(w->disk);
        map_tree_free(w->tree);
        w->tree = NULL;
        assert_int_equal(os_crash_restart(w->disk, seed + cut_at), BLOCKDB_OK);
        rc = map_tree_open(&w->options, &tree, &err);
        if (rc < 0) { /* the directory itself was lost, or the file is not usable */
            fail_msg("%s", err.message);
        }
        size = map_tree_size(tree);
        assert_int_equal(size % 100, 0);
        map_tree_root(tree, &root);
        assert_memory_equal(&root, &roots[size / 100], sizeof(root));
        map_tree_anchor(tree, &root);
        assert_int_equal(get_le64(root.bytes), size);
        map_tree_free(tree);
        world_free(w);
    }
    assert_true(cut_at > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model),    cmocka_unit_test(test_stale),
        cmocka_unit_test(test_durable),  cmocka_unit_test(test_damage),
        cmocka_unit_test(test_failures), cmocka_unit_test(test_power_cuts),
    };

    seed = test_seed();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
