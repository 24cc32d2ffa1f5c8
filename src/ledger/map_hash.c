/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger/map_hash.h"

#include "base/assert.h"

#define TAG_LEN 8
#define PLACE_HEAD_LEN (TAG_LEN + 4)
#define CHAIN_LEN (TAG_LEN + SHA256_LEN + 8 + SHA256_LEN)
#define LEAF_LEN (1 + SHA256_LEN + 8 + SHA256_LEN + 8 + SHA256_LEN + 1)
#define NODE_LEN (2 + 2 * SHA256_LEN)
#define AT_ONCE 32

static const uint8_t place_tag[TAG_LEN] = {'b', 'd', 'b', ':', 'm', 'a', 'p', 'k'};
static const uint8_t chain_tag[TAG_LEN] = {'b', 'd', 'b', ':', 'h', 'i', 's', 't'};
static const uint8_t empty_tag[TAG_LEN] = {'b', 'd', 'b', ':', 'm', 'a', 'p', '0'};

static size_t at_most(size_t n)
{
    return n < AT_ONCE ? n : AT_ONCE;
}

void map_place_many(const struct map_place_job *jobs, size_t n)
{
    uint8_t heads[AT_ONCE][PLACE_HEAD_LEN];
    struct sha256_job hashes[AT_ONCE];

    for (size_t done = 0; done < n; done += AT_ONCE) {
        size_t count = at_most(n - done);

        for (size_t i = 0; i < count; i++) {
            const struct map_place_job *job = &jobs[done + i];

            memcpy(heads[i], place_tag, TAG_LEN);
            put_be32(heads[i] + TAG_LEN, job->collection);
            hashes[i] = (struct sha256_job){heads[i], PLACE_HEAD_LEN, job->key.data, job->key.len,
                                            job->out};
        }
        sha256_many(hashes, count);
    }
}

void map_place(uint32_t collection, struct slice key, struct hash *out)
{
    struct map_place_job job = {collection, key, out};

    map_place_many(&job, 1);
}

static void chain_input(const struct map_chain_job *job, uint8_t out[CHAIN_LEN])
{
    memcpy(out, chain_tag, TAG_LEN);
    memcpy(out + TAG_LEN, job->previous->bytes, SHA256_LEN);
    put_be64(out + TAG_LEN + SHA256_LEN, job->seq);
    memcpy(out + TAG_LEN + SHA256_LEN + 8, job->entry->bytes, SHA256_LEN);
}

void map_chain_many(const struct map_chain_job *jobs, size_t n)
{
    uint8_t inputs[AT_ONCE][CHAIN_LEN];
    struct sha256_job hashes[AT_ONCE];

    for (size_t done = 0; done < n; done += AT_ONCE) {
        size_t count = at_most(n - done);

        for (size_t i = 0; i < count; i++) {
            chain_input(&jobs[done + i], inputs[i]);
            hashes[i] = (struct sha256_job){
                .body = inputs[i], .body_len = CHAIN_LEN, .out = jobs[done + i].out};
        }
        sha256_many(hashes, count);
    }
}

void map_chain(const struct hash *previous, uint64_t seq, const struct hash *entry,
               struct hash *out)
{
    struct map_chain_job job = {previous, seq, entry, out};

    map_chain_many(&job, 1); /* the input was copied, so out may be previous */
}

static void leaf_input(const struct map_leaf *leaf, uint8_t out[LEAF_LEN])
{
    uint8_t *at = out;

    *at++ = 0x02;
    memcpy(at, leaf->place.bytes, SHA256_LEN);
    at += SHA256_LEN;
    put_be64(at, leaf->seq);
    at += 8;
    memcpy(at, leaf->entry.bytes, SHA256_LEN);
    at += SHA256_LEN;
    put_be64(at, leaf->versions);
    at += 8;
    memcpy(at, leaf->chain.bytes, SHA256_LEN);
    at += SHA256_LEN;
    *at = leaf->flags;
}

void map_leaf_hash_many(const struct map_leaf *leaves, size_t n, struct hash *out)
{
    uint8_t inputs[AT_ONCE][LEAF_LEN];
    struct sha256_job hashes[AT_ONCE];

    for (size_t done = 0; done < n; done += AT_ONCE) {
        size_t count = at_most(n - done);

        for (size_t i = 0; i < count; i++) {
            leaf_input(&leaves[done + i], inputs[i]);
            hashes[i] = (struct sha256_job){
                .body = inputs[i], .body_len = LEAF_LEN, .out = &out[done + i]};
        }
        sha256_many(hashes, count);
    }
}

void map_leaf_hash(const struct map_leaf *leaf, struct hash *out)
{
    map_leaf_hash_many(leaf, 1, out);
}

void map_node_many(const struct map_node_job *jobs, size_t n)
{
    uint8_t inputs[AT_ONCE][NODE_LEN];
    struct sha256_job hashes[AT_ONCE];

    for (size_t done = 0; done < n; done += AT_ONCE) {
        size_t count = at_most(n - done);

        for (size_t i = 0; i < count; i++) {
            const struct map_node_job *job = &jobs[done + i];

            inputs[i][0] = 0x03;
            inputs[i][1] = (uint8_t)job->bit;
            memcpy(inputs[i] + 2, job->left->bytes, SHA256_LEN);
            memcpy(inputs[i] + 2 + SHA256_LEN, job->right->bytes, SHA256_LEN);
            hashes[i] = (struct sha256_job){
                .body = inputs[i], .body_len = NODE_LEN, .out = job->out};
        }
        sha256_many(hashes, count);
    }
}

void map_node(unsigned bit, const struct hash *left, const struct hash *right, struct hash *out)
{
    struct map_node_job job = {bit, left, right, out};

    map_node_many(&job, 1); /* the input was copied, so out may be left or right */
}

void map_empty_root(struct hash *out)
{
    sha256_once(empty_tag, TAG_LEN, out);
}

unsigned map_first_difference(const struct hash *a, const struct hash *b)
{
    for (unsigned i = 0; i < SHA256_LEN; i += 8) {
        uint64_t difference = get_be64(a->bytes + i) ^ get_be64(b->bytes + i);

        if (difference != 0) {
            return 8 * i + (unsigned)__builtin_clzll(difference);
        }
    }
    return MAP_BITS;
}

/* A subtree that is complete but for what may still join it on the right: it becomes the left child
 * of a node at `bit`. */
struct open_node {
    unsigned bit;
    struct hash left;
};

void map_root(const struct map_item *items, size_t n, struct hash *out)
{
    struct open_node open[MAP_BITS]; /* their bits grow */
    size_t depth = 0;
    struct hash done;

    if (n == 0) {
        map_empty_root(out);
        return;
    }
    done = items[0].hash;
    for (size_t i = 1; i < n; i++) {
        unsigned bit = map_first_difference(&items[i - 1].place, &items[i].place);

        ASSERT(bit < MAP_BITS);
        while (depth > 0 && open[depth - 1].bit > bit) {
            depth--;
            map_node(open[depth].bit, &open[depth].left, &done, &done);
        }
        open[depth++] = (struct open_node){bit, done};
        done = items[i].hash;
    }
    while (depth > 0) {
        depth--;
        map_node(open[depth].bit, &open[depth].left, &done, &done);
    }
    *out = done;
}
