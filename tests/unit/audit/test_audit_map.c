/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The map that an audit replays, against the definition: sorted leaves, hashed from nothing.
 */
#include "audit/audit_map.h"

#include "base/mem.h"
#include "common/test_env.h"
#include "ledger/map_hash.h"
#include "ledger/merkle.h"

#include <blockdb/blockdb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define KEYS 700

static uint64_t dice(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

static void hash_number(uint64_t number, struct hash *out)
{
    sha256_once(&number, sizeof(number), out);
}

/* What the map must be: a leaf for each key that was ever written. */
struct model {
    struct map_leaf leaves[KEYS];
};

static void model_apply(struct model *m, unsigned key, const struct map_change *change)
{
    struct map_leaf *leaf = &m->leaves[key];

    if (change->kind == BLOCKDB_KIND_REDACT) {
        if (leaf->versions > 0 && leaf->seq == change->target) {
            leaf->flags |= MAP_LEAF_REDACTED;
        }
        return;
    }
    leaf->place = change->key;
    leaf->seq = change->seq;
    leaf->entry = change->leaf;
    leaf->versions++;
    map_chain(&leaf->chain, change->seq, &change->leaf, &leaf->chain);
    leaf->flags = change->kind == BLOCKDB_KIND_DELETE ? MAP_LEAF_DELETED : 0;
}

static int by_place(const void *a, const void *b)
{
    return memcmp(a, b, SHA256_LEN);
}

static void model_root(const struct model *m, struct hash *out)
{
    struct map_item items[KEYS];
    size_t n = 0;

    for (unsigned i = 0; i < KEYS; i++) {
        if (m->leaves[i].versions > 0) {
            items[n].place = m->leaves[i].place;
            map_leaf_hash(&m->leaves[i], &items[n++].hash);
        }
    }
    qsort(items, n, sizeof(items[0]), by_place);
    map_root(items, n, out);
}

/* A change of a random key; a redaction names the newest version or an older seq. */
static struct map_change make_change(const struct model *m, unsigned key, uint64_t seq,
                                     uint64_t *random)
{
    struct map_change change = {.seq = seq, .kind = BLOCKDB_KIND_PUT};

    hash_number(key % KEYS, &change.key);
    hash_number(seq + 1000000, &change.leaf);
    switch (dice(random) % 6) {
    case 0:
        change.kind = BLOCKDB_KIND_DELETE;
        break;
    case 1:
        /* Only puts are redacted. */
        if (m->leaves[key].versions > 0 && (m->leaves[key].flags & MAP_LEAF_DELETED) == 0) {
            change.kind = BLOCKDB_KIND_REDACT;
            change.target = m->leaves[key].seq - dice(random) % 2;
            change.leaf = m->leaves[key].entry;
        }
        break;
    }
    return change;
}

static void test_against_definition(void **state)
{
    uint64_t random = test_seed();
    unsigned rounds = test_rounds(40, 1000);
    struct model *model = mem_calloc(1, sizeof(*model));
    struct audit_map *map = NULL;
    uint64_t seq = 10;

    (void)state;
    assert_int_equal(audit_map_new(&map), 0);
    for (unsigned round = 0; round < rounds; round++) {
        unsigned n = (unsigned)(dice(&random) % (round % 3 == 0 ? 3 : 60));
        struct hash made;
        struct hash wanted;

        for (unsigned i = 0; i < n; i++) {
            unsigned key = (unsigned)(dice(&random) % KEYS);
            struct map_change change = make_change(model, key, ++seq, &random);

            model_apply(model, key, &change);
            assert_int_equal(audit_map_apply(map, &change, 1), 0);
        }
        assert_int_equal(audit_map_root(map, &made), 0);
        model_root(model, &wanted);
        assert_true(hash_equal(&made, &wanted));
    }
    audit_map_free(map);
    mem_free(model);
}

/* Keys that are unknown, and places that differ in their last bit only. */
static void test_edges(void **state)
{
    struct audit_map *map = NULL;
    struct map_change a = {.kind = BLOCKDB_KIND_PUT, .seq = 1};
    struct map_change b = {.kind = BLOCKDB_KIND_PUT, .seq = 2};
    struct map_change redact = {.kind = BLOCKDB_KIND_REDACT, .seq = 3, .target = 1};
    struct map_item items[2];
    struct map_leaf leaf = {.seq = 1, .versions = 1};
    struct hash made;
    struct hash wanted;

    (void)state;
    assert_int_equal(audit_map_new(&map), 0);
    assert_int_equal(audit_map_root(map, &made), 0);
    map_empty_root(&wanted);
    assert_true(hash_equal(&made, &wanted));
    redact.key.bytes[0] = 0xff;
    assert_int_equal(audit_map_apply(map, &redact, 1), 0); /* of a key that is not there */

    b.key.bytes[31] = 1;
    assert_int_equal(audit_map_apply(map, &a, 1), 0);
    assert_int_equal(audit_map_apply(map, &redact, 1), 0);
    assert_int_equal(audit_map_apply(map, &b, 1), 0);
    assert_int_equal(audit_map_key_count(map), 2);
    map_chain(&leaf.chain, 1, &leaf.entry, &leaf.chain);
    items[0].place = leaf.place;
    map_leaf_hash(&leaf, &items[0].hash);
    leaf = (struct map_leaf){.place = b.key, .seq = 2, .versions = 1};
    map_chain(&leaf.chain, 2, &leaf.entry, &leaf.chain);
    items[1].place = leaf.place;
    map_leaf_hash(&leaf, &items[1].hash);
    map_root(items, 2, &wanted);
    assert_int_equal(audit_map_root(map, &made), 0);
    assert_true(hash_equal(&made, &wanted));
    audit_map_free(map);
}

static bool fail_nth(void *context)
{
    unsigned *left = context;

    return *left > 0 && --*left == 0;
}

static void test_allocation_failures(void **state)
{
    (void)state;
    for (unsigned n = 1;; n++) {
        struct audit_map *map = NULL;
        struct hash root;
        unsigned left = n;
        int rc;

        mem_set_fail_hook(fail_nth, &left);
        rc = audit_map_new(&map);
        for (unsigned i = 0; rc == 0 && i < 300; i++) {
            struct map_change change = {.kind = BLOCKDB_KIND_PUT, .seq = i};

            hash_number(i, &change.key);
            rc = audit_map_apply(map, &change, 1);
        }
        if (rc == 0) {
            rc = audit_map_root(map, &root);
        }
        mem_set_fail_hook(NULL, NULL);
        audit_map_free(map);
        if (left > 0) {
            assert_int_equal(rc, 0);
            break;
        }
        assert_int_equal(rc, BLOCKDB_ENOMEM);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_definition),
        cmocka_unit_test(test_edges),
        cmocka_unit_test(test_allocation_failures),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
