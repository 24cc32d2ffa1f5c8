/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/audit_map.h"

#include "audit/audit_grow.h"
#include "base/assert.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "ledger/map_hash.h"
#include "ledger/merkle.h"

#include <assert.h>
#include <blockdb/blockdb.h>

#define CHUNK_ITEMS 65536u
#define LEAF_BIT 0x80000000u /* in a reference: a leaf, else a node */
#define REFERENCE_NONE UINT32_MAX
/* What is hashed of each, docs/format/map.md. */
#define CHAIN_INPUT_LEN 80
#define LEAF_INPUT_LEN 114
#define NODE_INPUT_LEN 66
#define ITEMS_MAX (LEAF_BIT - 1)
#define NODES_AT_ONCE 256
#define WALKS_AT_ONCE 32
#define LEAVES_AT_ONCE 64

struct trie_leaf {
    struct hash key;
    struct hash chain; /* over all versions */
    struct hash hash;
    uint64_t seq; /* of the newest version */
    uint64_t version_count;
    uint32_t changed; /* its place in the list of changed leaves; REFERENCE_NONE: not there */
    uint8_t flags;
};

struct trie_node {
    struct hash hash;
    uint32_t children[2];
    uint8_t bit; /* the first at which keys below differ */
    bool is_marked;
};

static_assert(sizeof(struct trie_leaf) + sizeof(struct trie_node) <= AUDIT_MAP_BYTES_PER_KEY,
              "what the header promises");

/* Items of one size, in chunks. */
struct chunks {
    char **list;
    size_t list_count;
    size_t list_cap;
    uint32_t count; /* items in use */
};

/* A leaf whose hash is out of date. */
struct changed_leaf {
    uint32_t index;
    struct hash entry; /* leaf hash of its newest entry */
};

struct audit_map {
    uint32_t root; /* reference; REFERENCE_NONE: empty */
    struct chunks leaves;
    struct chunks nodes;
    struct changed_leaf *changed;
    size_t changed_count;
    size_t changed_cap;
    uint32_t *marked; /* nodes, level by level */
    size_t marked_cap;
    uint64_t bytes_hashed;
};

/* ---- Items --------------------------------------------------------------------------------- */

static void *chunks_at(const struct chunks *c, uint32_t index, size_t item_len)
{
    return c->list[index / CHUNK_ITEMS] + (size_t)(index % CHUNK_ITEMS) * item_len;
}

/* Adds an item of unknown content. */
static int chunks_add(struct chunks *c, size_t item_len, uint32_t *out_index)
{
    if (c->count >= ITEMS_MAX) {
        return BLOCKDB_ELIMIT;
    }
    if (c->count == c->list_count * CHUNK_ITEMS) {
        if (audit_grow(&c->list, &c->list_cap, c->list_count + 1, sizeof(*c->list)) < 0) {
            return BLOCKDB_ENOMEM;
        }
        c->list[c->list_count] = mem_alloc(CHUNK_ITEMS * item_len);
        if (c->list[c->list_count] == NULL) {
            return BLOCKDB_ENOMEM;
        }
        c->list_count++;
    }
    *out_index = c->count++;
    return BLOCKDB_OK;
}

static void chunks_deinit(struct chunks *c)
{
    for (size_t i = 0; i < c->list_count; i++) {
        mem_free(c->list[i]);
    }
    mem_free(c->list);
}

static struct trie_leaf *leaf_at(const struct audit_map *m, uint32_t reference)
{
    return chunks_at(&m->leaves, reference & ~LEAF_BIT, sizeof(struct trie_leaf));
}

static struct trie_node *node_at(const struct audit_map *m, uint32_t reference)
{
    return chunks_at(&m->nodes, reference, sizeof(struct trie_node));
}

int audit_map_new(struct audit_map **out)
{
    struct audit_map *m = mem_calloc(1, sizeof(*m));

    if (m == NULL) {
        return BLOCKDB_ENOMEM;
    }
    m->root = REFERENCE_NONE;
    *out = m;
    return BLOCKDB_OK;
}

void audit_map_free(struct audit_map *m)
{
    if (m != NULL) {
        chunks_deinit(&m->leaves);
        chunks_deinit(&m->nodes);
        mem_free(m->changed);
        mem_free(m->marked);
        mem_free(m);
    }
}

uint64_t audit_map_key_count(const struct audit_map *m)
{
    return m->leaves.count;
}

uint64_t audit_map_bytes_hashed(const struct audit_map *m)
{
    return m->bytes_hashed;
}

/* ---- Changes ------------------------------------------------------------------------------- */

static bool is_leaf(uint32_t reference)
{
    return (reference & LEAF_BIT) != 0;
}

static void prefetch(const struct audit_map *m, uint32_t reference)
{
    if (is_leaf(reference)) {
        const char *leaf = (const char *)leaf_at(m, reference);

        __builtin_prefetch(leaf);
        __builtin_prefetch(leaf + 64);
    } else {
        __builtin_prefetch(node_at(m, reference));
    }
}

/* The only leaf that may be the key's. The trie is not empty. */
static uint32_t find_leaf(const struct audit_map *m, const struct hash *key)
{
    uint32_t at = m->root;

    while (!is_leaf(at)) {
        const struct trie_node *node = node_at(m, at);

        at = node->children[map_bit(key, node->bit)];
    }
    return at;
}

/* Marks the nodes above a bit on the way to key; returns the reference in which what stands below
 * is kept. */
static uint32_t *mark_path(struct audit_map *m, const struct hash *key, unsigned end_bit)
{
    uint32_t *at = &m->root;

    while (!is_leaf(*at)) {
        struct trie_node *node = node_at(m, *at);

        if (node->bit >= end_bit) {
            break;
        }
        node->is_marked = true;
        at = &node->children[map_bit(key, node->bit)];
    }
    return at;
}

static int add_leaf(struct audit_map *m, const struct hash *key, uint32_t *out_reference)
{
    struct trie_leaf *leaf;
    uint32_t index;
    int rc = chunks_add(&m->leaves, sizeof(*leaf), &index);

    if (rc < 0) {
        return rc;
    }
    leaf = leaf_at(m, index);
    *leaf = (struct trie_leaf){.key = *key, .changed = REFERENCE_NONE};
    *out_reference = index | LEAF_BIT;
    return BLOCKDB_OK;
}

/* Puts a new leaf beside what shares its bits up to `bit`. */
static int insert_leaf(struct audit_map *m, uint32_t leaf, unsigned bit)
{
    const struct hash *key = &leaf_at(m, leaf)->key;
    unsigned side = map_bit(key, bit);
    struct trie_node *node;
    uint32_t *place;
    uint32_t index;
    int rc = chunks_add(&m->nodes, sizeof(*node), &index);

    if (rc < 0) {
        return rc;
    }
    place = mark_path(m, key, bit);
    node = node_at(m, index);
    node->bit = (uint8_t)bit;
    node->is_marked = true;
    node->children[side] = leaf;
    node->children[1 - side] = *place;
    *place = index;
    return BLOCKDB_OK;
}

/* The leaf of a key, made when there is none; the path to it is marked. */
static int touch_leaf(struct audit_map *m, const struct hash *key, uint32_t *out_reference)
{
    uint32_t found;
    unsigned bit;
    int rc;

    if (m->root == REFERENCE_NONE) {
        rc = add_leaf(m, key, out_reference);
        m->root = rc == BLOCKDB_OK ? *out_reference : REFERENCE_NONE;
        return rc;
    }
    found = find_leaf(m, key);
    if (hash_equal(&leaf_at(m, found)->key, key)) {
        (void)mark_path(m, key, 256);
        *out_reference = found;
        return BLOCKDB_OK;
    }
    bit = map_first_difference(&leaf_at(m, found)->key, key);
    rc = add_leaf(m, key, out_reference);
    return rc < 0 ? rc : insert_leaf(m, *out_reference, bit);
}

/* Puts a leaf into the list of those to hash, or renews its place there. */
static int note_changed(struct audit_map *m, uint32_t reference, const struct hash *entry)
{
    struct trie_leaf *leaf = leaf_at(m, reference);

    if (leaf->changed == REFERENCE_NONE) {
        if (audit_grow(&m->changed, &m->changed_cap, m->changed_count + 1, sizeof(*m->changed)) <
            0) {
            return BLOCKDB_ENOMEM;
        }
        leaf->changed = (uint32_t)m->changed_count++;
    }
    m->changed[leaf->changed] = (struct changed_leaf){.index = reference, .entry = *entry};
    return BLOCKDB_OK;
}

static int apply_version(struct audit_map *m, const struct map_change *change)
{
    struct trie_leaf *leaf;
    uint32_t reference;
    int rc = touch_leaf(m, &change->key, &reference);

    if (rc < 0) {
        return rc;
    }
    leaf = leaf_at(m, reference);
    m->bytes_hashed += CHAIN_INPUT_LEN;
    map_chain(&leaf->chain, change->seq, &change->leaf, &leaf->chain);
    leaf->seq = change->seq;
    leaf->version_count++;
    leaf->flags = change->kind == BLOCKDB_KIND_DELETE ? MAP_LEAF_DELETED : 0;
    return note_changed(m, reference, &change->leaf);
}

/* Only the redaction of a newest version shows in the map. */
static int apply_redaction(struct audit_map *m, const struct map_change *change)
{
    struct trie_leaf *leaf;
    uint32_t reference;

    if (m->root == REFERENCE_NONE) {
        return BLOCKDB_OK;
    }
    reference = find_leaf(m, &change->key);
    leaf = leaf_at(m, reference);
    if (!hash_equal(&leaf->key, &change->key) || leaf->seq != change->target) {
        return BLOCKDB_OK;
    }
    (void)mark_path(m, &change->key, 256);
    leaf->flags |= MAP_LEAF_REDACTED;
    return note_changed(m, reference, &change->leaf);
}

/* Walks to the leaves of some changes side by side, so that the processor waits for memory once a
 * level and not once a node. Only the caches learn from it. */
static void fetch_paths(const struct audit_map *m, const struct map_change *changes, size_t n)
{
    uint32_t at[WALKS_AT_ONCE];
    size_t walking = m->root == REFERENCE_NONE ? 0 : n;

    for (size_t i = 0; i < n; i++) {
        at[i] = m->root;
    }
    while (walking > 0) {
        walking = 0;
        for (size_t i = 0; i < n; i++) {
            const struct trie_node *node;

            if (is_leaf(at[i])) {
                continue;
            }
            node = node_at(m, at[i]);
            at[i] = node->children[map_bit(&changes[i].key, node->bit)];
            prefetch(m, at[i]);
            walking++;
        }
    }
}

int audit_map_apply(struct audit_map *m, const struct map_change *changes, size_t count)
{
    int rc = BLOCKDB_OK;

    for (size_t i = 0; rc == BLOCKDB_OK && i < count; i++) {
        if (i % WALKS_AT_ONCE == 0) {
            fetch_paths(m, changes + i, count - i < WALKS_AT_ONCE ? count - i : WALKS_AT_ONCE);
        }
        rc = changes[i].kind == BLOCKDB_KIND_REDACT ? apply_redaction(m, &changes[i])
                                                    : apply_version(m, &changes[i]);
    }
    return rc;
}

/* ---- The root ------------------------------------------------------------------------------ */

static const struct hash *hash_of(const struct audit_map *m, uint32_t reference)
{
    return is_leaf(reference) ? &leaf_at(m, reference)->hash : &node_at(m, reference)->hash;
}

/* What is hashed of a leaf; entry is the leaf hash of its newest entry. */
static struct map_leaf hashed_leaf(const struct trie_leaf *leaf, const struct hash *entry)
{
    return (struct map_leaf){
        .place = leaf->key,
        .seq = leaf->seq,
        .entry = *entry,
        .versions = leaf->version_count,
        .chain = leaf->chain,
        .flags = leaf->flags,
    };
}

static void hash_leaves(struct audit_map *m)
{
    struct map_leaf leaves[LEAVES_AT_ONCE];
    struct hash hashes[LEAVES_AT_ONCE];

    for (size_t begin = 0; begin < m->changed_count; begin += LEAVES_AT_ONCE) {
        size_t left = m->changed_count - begin;
        size_t n = left < LEAVES_AT_ONCE ? left : LEAVES_AT_ONCE;

        for (size_t i = 0; i < n; i++) {
            const struct changed_leaf *changed = &m->changed[begin + i];

            leaves[i] = hashed_leaf(leaf_at(m, changed->index), &changed->entry);
        }
        map_leaf_hash_many(leaves, n, hashes);
        for (size_t i = 0; i < n; i++) {
            struct trie_leaf *leaf = leaf_at(m, m->changed[begin + i].index);

            leaf->hash = hashes[i];
            leaf->changed = REFERENCE_NONE;
        }
    }
    m->bytes_hashed += m->changed_count * LEAF_INPUT_LEN;
    m->changed_count = 0;
}

/* Unmarks a node and appends its marked children to the list; returns the new end of that. */
static size_t list_children(struct audit_map *m, struct trie_node *node, size_t end)
{
    node->is_marked = false;
    for (unsigned side = 0; side < 2; side++) {
        uint32_t child = node->children[side];

        if (!is_leaf(child) && node_at(m, child)->is_marked) {
            m->marked[end++] = child;
        } else {
            prefetch(m, child); /* its hash is wanted soon */
        }
    }
    return end;
}

/* Lists the marked nodes, parents before children, and unmarks them. *out_levels[i] is where level
 * i begins in the list. */
static int list_marked(struct audit_map *m, size_t out_levels[258], unsigned *out_level_count)
{
    size_t begin = 0;
    size_t end = 0;
    unsigned level = 0;

    if (m->root != REFERENCE_NONE && !is_leaf(m->root) && node_at(m, m->root)->is_marked) {
        if (audit_grow(&m->marked, &m->marked_cap, 1, sizeof(*m->marked)) < 0) {
            return BLOCKDB_ENOMEM;
        }
        m->marked[end++] = m->root;
    }
    while (begin < end) {
        size_t level_end = end;

        ASSERT(level < 257);
        out_levels[level++] = begin;
        if (audit_grow(&m->marked, &m->marked_cap, end + 2 * (end - begin), sizeof(*m->marked)) <
            0) {
            return BLOCKDB_ENOMEM;
        }
        for (; begin < level_end; begin++) {
            end = list_children(m, node_at(m, m->marked[begin]), end);
        }
    }
    out_levels[level] = end;
    *out_level_count = level;
    return BLOCKDB_OK;
}

/* Hashes nodes of one level. */
static void hash_nodes(struct audit_map *m, const uint32_t *nodes, size_t count)
{
    struct map_node_job jobs[NODES_AT_ONCE];
    size_t n = 0;

    m->bytes_hashed += count * NODE_INPUT_LEN;
    for (size_t i = 0; i < count; i++) {
        struct trie_node *node = node_at(m, nodes[i]);

        jobs[n] = (struct map_node_job){
            .bit = node->bit,
            .left = hash_of(m, node->children[0]),
            .right = hash_of(m, node->children[1]),
            .out = &node->hash,
        };
        if (++n == NODES_AT_ONCE || i + 1 == count) {
            map_node_many(jobs, n);
            n = 0;
        }
    }
}

int audit_map_root(struct audit_map *m, struct hash *out)
{
    size_t levels[258];
    unsigned level_count;
    int rc;

    if (m->root == REFERENCE_NONE) {
        map_empty_root(out);
        return BLOCKDB_OK;
    }
    hash_leaves(m);
    rc = list_marked(m, levels, &level_count);
    if (rc < 0) {
        return rc;
    }
    while (level_count-- > 0) {
        hash_nodes(m, m->marked + levels[level_count],
                   levels[level_count + 1] - levels[level_count]);
    }
    *out = *hash_of(m, m->root);
    return BLOCKDB_OK;
}
