/* SPDX-License-Identifier: Apache-2.0 */
#include "proof_sample.h"

#include "ledger/checkpoint.h"
#include "ledger/commitment.h"
#include "ledger/cosignature.h"
#include "ledger/frontier.h"
#include "ledger/merkle.h"
#include "ledger/redaction.h"
#include "ledger/tlog_proof.h"
#include "ledger/verifier_key.h"

#include <stdlib.h>

#define TIME_START 1700000000000
#define COSIGNED_AT 1700000099

/* The fixture itself must not fail. */
static void must(int rc)
{
    if (rc < 0) {
        abort();
    }
}

/* ---- Entries --------------------------------------------------------------------------------- */

static void set_leaf(struct sample *s, uint64_t seq, const struct leaf *leaf)
{
    struct sample_entry *entry = &s->entries[seq];

    must(buf_append_zeros(&entry->leaf, leaf_len(leaf)));
    leaf_encode(leaf, entry->leaf.data);
    merkle_leaf(buf_slice(&entry->leaf), &entry->hash);
}

static struct leaf leaf_of(enum blockdb_kind kind, uint64_t seq)
{
    return (struct leaf){.kind = (uint8_t)kind, .batch_count = 1, .time_ms = TIME_START + seq};
}

static void set_put(struct sample *s, uint64_t seq, const char *key, struct slice value)
{
    struct leaf leaf = leaf_of(BLOCKDB_KIND_PUT, seq);
    struct hash commitment;

    memset(s->entries[seq].salt, (int)(0x40 + seq), SALT_LEN);
    s->entries[seq].value = value;
    commitment_compute(s->entries[seq].salt, value, &commitment);
    leaf.actor = slice_of_text("tester");
    leaf.key = slice_of_text(key);
    leaf.value_len = value.len;
    leaf.commitment = &commitment;
    set_leaf(s, seq, &leaf);
}

static void set_delete(struct sample *s, uint64_t seq, const char *key)
{
    struct leaf leaf = leaf_of(BLOCKDB_KIND_DELETE, seq);

    leaf.key = slice_of_text(key);
    set_leaf(s, seq, &leaf);
}

static void set_redaction(struct sample *s, uint64_t seq, uint64_t target)
{
    struct redaction redaction = {
        .scope = REDACTION_VALUE,
        .reason_code = REDACTION_LEGAL_ORDER,
        .target_seq = target,
        .target_leaf = s->entries[target].hash,
        .reason = slice_of_text("asked to forget"),
        .authority = slice_of_text("case 17"),
    };
    uint8_t payload[REDACTION_LEN_MAX];
    struct leaf leaf = leaf_of(BLOCKDB_KIND_REDACT, seq);

    redaction_encode(&redaction, payload);
    leaf.payload = slice_of(payload, redaction_len(&redaction));
    leaf.value_len = leaf.payload.len;
    set_leaf(s, seq, &leaf);
}

static void tree_of(const struct sample *s, uint64_t from, uint64_t end, struct frontier *out)
{
    frontier_init(out);
    for (uint64_t i = from; i < end; i++) {
        frontier_append(out, &s->entries[i].hash);
    }
}

static void root_of(const struct sample *s, uint64_t from, uint64_t end, struct hash *out)
{
    struct frontier tree;

    tree_of(s, from, end, &tree);
    frontier_root(&tree, out);
}

void sample_root(const struct sample *s, uint64_t size, struct hash *out)
{
    root_of(s, 0, size, out);
}

/* ---- The map --------------------------------------------------------------------------------- */

struct map_state {
    size_t count;
    struct map_leaf leaves[SAMPLE_ENTRIES];
};

static struct map_leaf *map_find(struct map_state *map, const struct leaf *leaf)
{
    struct hash place;

    map_place(leaf->collection, leaf->key, &place);
    for (size_t i = 0; i < map->count; i++) {
        if (hash_equal(&map->leaves[i].place, &place)) {
            return &map->leaves[i];
        }
    }
    map->leaves[map->count] = (struct map_leaf){.place = place};
    return &map->leaves[map->count++];
}

static void map_apply(struct map_state *map, const struct sample_entry *entry, uint64_t seq)
{
    struct redaction redaction;
    struct leaf leaf;
    struct map_leaf *at;

    must(leaf_decode(buf_slice(&entry->leaf), &leaf));
    if (leaf.kind == BLOCKDB_KIND_REDACT) {
        must(redaction_decode(leaf.payload, &redaction));
        for (size_t i = 0; i < map->count; i++) {
            if (map->leaves[i].seq == redaction.target_seq) {
                map->leaves[i].flags = MAP_LEAF_REDACTED;
            }
        }
    }
    if (leaf.kind != BLOCKDB_KIND_PUT && leaf.kind != BLOCKDB_KIND_DELETE) {
        return;
    }
    at = map_find(map, &leaf);
    at->seq = seq;
    at->entry = entry->hash;
    at->versions++;
    at->flags = leaf.kind == BLOCKDB_KIND_DELETE ? MAP_LEAF_DELETED : 0;
    map_chain(&at->chain, seq, &entry->hash, &at->chain);
}

static int compare_places(const void *a, const void *b)
{
    return memcmp(a, b, SHA256_LEN); /* the place is the first field */
}

static void tell_lie(const struct sample *s, struct map_leaf *leaf)
{
    if (leaf->seq == 3 && s->lie == SAMPLE_OTHER_KEY) {
        leaf->seq = 1;
        leaf->entry = s->entries[1].hash;
    }
    if (leaf->seq == 3 && s->lie == SAMPLE_DELETED) {
        leaf->flags = MAP_LEAF_DELETED;
    }
}

static size_t map_items(const struct sample *s, uint64_t size, struct map_state *map,
                        struct map_item items[SAMPLE_ENTRIES])
{
    *map = (struct map_state){0};
    for (uint64_t seq = 0; seq < size; seq++) {
        map_apply(map, &s->entries[seq], seq);
    }
    for (size_t i = 0; i < map->count; i++) {
        tell_lie(s, &map->leaves[i]);
    }
    qsort(map->leaves, map->count, sizeof map->leaves[0], compare_places);
    for (size_t i = 0; i < map->count; i++) {
        items[i].place = map->leaves[i].place;
        map_leaf_hash(&map->leaves[i], &items[i].hash);
    }
    return map->count;
}

void sample_map_proof(const struct sample *s, uint64_t map_size, const char *key,
                      struct map_proof *out)
{
    struct map_item items[SAMPLE_ENTRIES];
    struct map_state map;
    struct hash place;
    size_t begin = 0;
    size_t end = map_items(s, map_size, &map, items);

    map_place(0, slice_of_text(key), &place);
    *out = (struct map_proof){.is_empty = end == 0};
    while (end - begin > 1) {
        unsigned bit = map_first_difference(&items[begin].place, &items[end - 1].place);
        struct map_step *step = &out->steps[out->count++];
        size_t split = begin;

        while (!map_bit(&items[split].place, bit)) {
            split++;
        }
        step->bit = (uint8_t)bit;
        if (map_bit(&place, bit)) {
            map_root(items + begin, split - begin, &step->sibling);
            begin = split;
        } else {
            map_root(items + split, end - split, &step->sibling);
            end = split;
        }
    }
    if (!out->is_empty) {
        out->leaf = map.leaves[begin];
    }
}

/* ---- The log --------------------------------------------------------------------------------- */

static void set_header(struct sample *s, uint64_t seq, uint64_t map_size)
{
    static const uint64_t seqs[] = {4, 7, 10, 13, 14};
    struct map_item items[SAMPLE_ENTRIES];
    struct map_state map;
    struct block_header h = {.tree_size = seq, .map_size = map_size, .time_ms = TIME_START + seq};
    uint8_t payload[BLOCK_HEADER_LEN];
    struct leaf leaf = leaf_of(BLOCKDB_KIND_BLOCK_HEADER, seq);

    while (seqs[h.height] != seq) {
        h.height++;
    }
    if (h.height > 0) {
        h.first_seq = seqs[h.height - 1] + 1;
        h.previous = s->entries[h.first_seq - 1].hash;
    }
    h.count = seq - h.first_seq;
    root_of(s, h.first_seq, seq, &h.block_root);
    root_of(s, 0, seq, &h.tree_root);
    if (map_size > 0) {
        map_root(items, map_items(s, map_size, &map, items), &h.map_root);
    }
    block_header_encode(&h, payload);
    leaf.payload = slice_of(payload, sizeof payload);
    leaf.value_len = sizeof payload;
    set_leaf(s, seq, &leaf);
}

static void make_key(struct signing_key *key, const char *name, enum key_type type, char *out_vkey)
{
    uint8_t seed[ED25519_SEED_LEN];
    struct verifier_key verifier;
    struct buf text = {0};

    memset(seed, (int)type + 0x20, sizeof seed);
    must(signing_key_init(key, slice_of_text(name), type, seed, NULL));
    verifier = signing_key_verifier(key);
    must(verifier_key_append(&text, &verifier));
    must(buf_append_u8(&text, 0));
    memcpy(out_vkey, text.data, text.len);
    buf_deinit(&text);
}

void sample_init(struct sample *s)
{
    sample_init_lying(s, SAMPLE_HONEST);
}

void sample_init_lying(struct sample *s, enum sample_lie lie)
{
    memset(s, 0, sizeof *s);
    s->lie = lie;
    for (size_t i = 0; i < SAMPLE_BIG_LEN; i++) {
        s->big[i] = (uint8_t)(i % 251);
    }
    make_key(&s->key, SAMPLE_ORIGIN, KEY_TYPE_ED25519, s->vkey);
    make_key(&s->witness, "witness.example/w", KEY_TYPE_COSIGNATURE, s->witness_vkey);
    set_put(s, 0, "alpha", slice_of_text("one"));
    set_put(s, 1, "beta", slice_of_text("two"));
    set_delete(s, 2, "beta");
    set_put(s, 3, "alpha", slice_of_text("three"));
    set_header(s, 4, 0);
    set_put(s, 5, "gamma", slice_of(s->big, SAMPLE_BIG_LEN));
    set_put(s, 6, "secret", slice_of_text("hidden"));
    set_header(s, 7, 5);
    set_redaction(s, 8, 6);
    set_put(s, 9, "delta", slice_of_text(""));
    set_header(s, 10, 10);
    set_put(s, 11, "epsilon", slice_of_text("late"));
    set_redaction(s, 12, 5);
    set_header(s, 13, 10);
    set_header(s, 14, 14);
}

void sample_deinit(struct sample *s)
{
    for (size_t i = 0; i < SAMPLE_ENTRIES; i++) {
        buf_deinit(&s->entries[i].leaf);
    }
    signing_key_deinit(&s->key);
    signing_key_deinit(&s->witness);
}

/* ---- Parts of files -------------------------------------------------------------------------- */

/* Complete subtrees over an array of hashes: what proof_inclusion() reads. */
static int read_hashes(void *context, unsigned level, uint64_t index, size_t count,
                       struct hash *out, struct error *err)
{
    const struct hash *hashes = context;

    if (level != 0) {
        abort(); /* all trees here are within one tile */
    }
    memcpy(out, hashes + index, count * sizeof *out);
    return BLOCKDB_OK;
}

static void path_in(struct hash *hashes, uint64_t index, uint64_t size, struct proof *out)
{
    struct hash_source source = {.read = read_hashes, .context = hashes};

    must(proof_inclusion(&source, index, size, out, NULL));
}

static void path_between(const struct sample *s, uint64_t seq, uint64_t from, uint64_t end,
                         struct proof *out)
{
    struct hash hashes[SAMPLE_ENTRIES];

    for (uint64_t i = from; i < end; i++) {
        hashes[i - from] = s->entries[i].hash;
    }
    path_in(hashes, seq - from, end - from, out);
}

void sample_path(const struct sample *s, uint64_t seq, uint64_t size, struct proof *out)
{
    path_between(s, seq, 0, size, out);
}

void sample_note(const struct sample *s, uint64_t size, bool cosigned, struct buf *out)
{
    struct checkpoint head = {.origin = slice_of_text(SAMPLE_ORIGIN), .size = size};
    struct buf text = {0};

    sample_root(s, size, &head.root);
    must(checkpoint_append(&text, &head));
    must(buf_append_slice(out, buf_slice(&text)));
    must(buf_append_u8(out, '\n'));
    must(note_sign(out, &s->key, buf_slice(&text), NULL));
    if (cosigned) {
        must(cosignature_sign(out, &s->witness, buf_slice(&text), COSIGNED_AT, NULL));
    }
    buf_deinit(&text);
}

static struct slice leaf_at(const struct sample *s, uint64_t seq)
{
    return buf_slice(&s->entries[seq].leaf);
}

static struct block_header header_at(const struct sample *s, uint64_t seq)
{
    struct block_header header;
    struct leaf leaf;

    must(leaf_decode(leaf_at(s, seq), &leaf));
    must(block_header_decode(leaf.payload, &header));
    return header;
}

static void write_range(const struct sample *s, const struct sample_file *file,
                        struct evidence_writer *w)
{
    const struct sample_entry *entry = &s->entries[file->seq];
    struct hash leaves[8];
    uint64_t count = commitment_chunk_count(entry->value.len);
    uint8_t salts[8][SALT_LEN];
    struct slice chunks[8];

    for (uint64_t i = 0; i < count; i++) {
        uint64_t at = i * COMMITMENT_CHUNK_LEN;
        uint64_t left = entry->value.len - at;

        chunks[i] = slice_of(entry->value.data + at,
                             left < COMMITMENT_CHUNK_LEN ? left : COMMITMENT_CHUNK_LEN);
        commitment_chunk_salt(entry->salt, i, salts[i]);
        commitment_chunk_hash(salts[i], chunks[i], &leaves[i]);
    }
    evidence_begin_range(w, entry->value.len, file->range_first, file->range_count);
    for (uint64_t i = file->range_first; i < file->range_first + file->range_count; i++) {
        struct proof path;

        path_in(leaves, i, count, &path);
        evidence_add_chunk(w, salts[i], chunks[i], hash_list_of_proof(&path));
    }
}

static void write_block(const struct sample *s, const struct sample_file *file,
                        struct evidence_writer *w)
{
    struct evidence_block block;
    struct block_header header;
    struct proof in_block;
    struct proof in_tree;
    uint64_t seq = file->seq;
    struct leaf leaf;

    do {
        must(leaf_decode(leaf_at(s, ++seq), &leaf));
    } while (leaf.kind != BLOCKDB_KIND_BLOCK_HEADER);
    header = header_at(s, seq);
    path_between(s, file->seq, header.first_seq, seq, &in_block);
    sample_path(s, seq, file->head_size, &in_tree);
    block = (struct evidence_block){leaf_at(s, seq), seq, hash_list_of_proof(&in_block),
                                    hash_list_of_proof(&in_tree)};
    evidence_write_block(w, &block);
}

static void write_history(const struct sample *s, uint64_t map_size, struct slice key,
                          struct evidence_writer *w)
{
    evidence_begin_history(w);
    for (uint64_t seq = 0; seq < map_size; seq++) {
        struct leaf leaf;

        must(leaf_decode(leaf_at(s, seq), &leaf));
        if (slice_equal(leaf.key, key)) {
            evidence_add_version(w, seq, leaf_at(s, seq));
        }
    }
}

static void write_key(const struct sample *s, const struct sample_file *file,
                      struct evidence_writer *w)
{
    uint64_t last = file->head_size - 1;
    struct block_header header = header_at(s, last);
    uint8_t map_bytes[MAP_PROOF_LEN_MAX];
    struct evidence_map map = {.header = leaf_at(s, last)};
    struct map_proof map_proof;
    struct proof in_tree;
    struct frontier covered;

    sample_map_proof(s, header.map_size, file->key, &map_proof);
    map_proof_encode(&map_proof, map_bytes);
    sample_path(s, last, file->head_size, &in_tree);
    map.in_tree = hash_list_of_proof(&in_tree);
    map.map_proof = slice_of(map_bytes, map_proof_len(&map_proof));
    evidence_write_key(w, 0, slice_of_text(file->key));
    evidence_write_map(w, &map);
    if (header.map_size < last) {
        tree_of(s, 0, header.map_size, &covered);
        evidence_begin_gap(w, &covered);
        for (uint64_t seq = header.map_size; seq <= last; seq++) {
            evidence_add_gap_leaf(w, leaf_at(s, seq));
        }
    }
    if (file->with_history) {
        write_history(s, header.map_size, slice_of_text(file->key), w);
    }
}

static void write_redaction(const struct sample *s, const struct sample_file *file,
                            struct evidence_writer *w)
{
    struct evidence_redaction redaction = {.seq = file->redaction,
                                           .leaf = leaf_at(s, file->redaction)};
    struct proof in_tree;

    sample_path(s, file->redaction, file->head_size, &in_tree);
    redaction.in_tree = hash_list_of_proof(&in_tree);
    evidence_write_redaction(w, &redaction);
}

void sample_evidence(const struct sample *s, const struct sample_file *file, struct buf *out)
{
    const struct sample_entry *entry = &s->entries[file->seq];
    struct evidence_writer w;

    evidence_writer_init(&w, out);
    evidence_write_entry(&w, buf_slice(&entry->leaf));
    if (file->with_value) {
        evidence_write_value(&w, entry->salt, entry->value);
    }
    if (file->range_count > 0) {
        write_range(s, file, &w);
    }
    if (file->with_block) {
        write_block(s, file, &w);
    }
    if (file->with_key) {
        write_key(s, file, &w);
    }
    if (file->redaction > 0) {
        write_redaction(s, file, &w);
    }
    must(evidence_writer_finish(&w));
}

void sample_wrap(const struct sample *s, const struct sample_file *file, struct slice evidence,
                 struct buf *out)
{
    struct buf note = {0};
    struct proof path;

    sample_path(s, file->seq, file->head_size, &path);
    sample_note(s, file->head_size, file->cosigned, &note);
    must(tlog_proof_append(out, evidence, file->seq, &path, buf_slice(&note)));
    buf_deinit(&note);
}

void sample_write(const struct sample *s, const struct sample_file *file, struct buf *out)
{
    struct buf evidence = {0};

    sample_evidence(s, file, &evidence);
    sample_wrap(s, file, buf_slice(&evidence), out);
    buf_deinit(&evidence);
}
