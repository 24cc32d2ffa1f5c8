/* SPDX-License-Identifier: Apache-2.0 */
#include "map_check.h"

#include "engine_fixture.h"
#include "ledger/map_hash.h"
#include "ledger/merkle.h"
#include "ledger/redaction.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct naive {
    struct blockdb *db;
    size_t count;
    size_t cap;
    struct map_leaf *leaves; /* in the order of places */
};

static struct map_leaf *naive_at(struct naive *n, const struct hash *place, bool create)
{
    size_t low = 0;
    size_t high = n->count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (memcmp(n->leaves[middle].place.bytes, place->bytes, SHA256_LEN) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low < n->count && hash_equal(&n->leaves[low].place, place)) {
        return &n->leaves[low];
    }
    if (!create) {
        return NULL;
    }
    if (n->count == n->cap) {
        n->cap = n->cap * 2 + 64;
        n->leaves = realloc(n->leaves, n->cap * sizeof(*n->leaves));
        if (n->leaves == NULL) {
            fixture_fail("out of memory");
        }
    }
    memmove(&n->leaves[low + 1], &n->leaves[low], (n->count - low) * sizeof(*n->leaves));
    n->count++;
    n->leaves[low] = (struct map_leaf){.place = *place};
    return &n->leaves[low];
}

static void read_record(struct naive *n, uint64_t seq, struct segment_record *stored,
                        struct record *out)
{
    struct error err = {0};

    fixture_must(segments_read(n->db->segments, seq, stored, &err), &err);
    fixture_must(record_parse(stored->bytes, out), &err);
}

static void naive_redact(struct naive *n, const struct record *record)
{
    struct segment_record stored = {0};
    struct redaction redaction;
    struct record target;
    struct map_leaf *leaf;
    struct hash place;
    struct error err = {0};

    fixture_must(redaction_decode(record->value, &redaction), &err);
    read_record(n, redaction.target_seq, &stored, &target);
    map_place(target.collection, target.key, &place);
    leaf = naive_at(n, &place, false);
    if (leaf != NULL && leaf->seq == redaction.target_seq) {
        leaf->flags |= MAP_LEAF_REDACTED;
    }
    segment_record_release(&stored);
}

static void naive_apply(struct naive *n, uint64_t seq)
{
    struct segment_record stored = {0};
    struct record record;
    struct map_leaf *leaf;
    struct hash place;
    struct error err = {0};

    read_record(n, seq, &stored, &record);
    if (record.kind == BLOCKDB_KIND_REDACT) {
        naive_redact(n, &record);
    }
    if (!kind_is_system(record.kind)) {
        map_place(record.collection, record.key, &place);
        leaf = naive_at(n, &place, true);
        leaf->seq = seq;
        leaf->versions++;
        leaf->flags = record.kind == BLOCKDB_KIND_DELETE ? MAP_LEAF_DELETED : 0;
        fixture_must(tile_files_read(n->db->tiles, 0, seq, 1, leaf->entry.bytes, &err), &err);
        map_chain(&leaf->chain, seq, &leaf->entry, &leaf->chain);
    }
    segment_record_release(&stored);
}

static void naive_root(const struct naive *n, struct hash *out)
{
    struct map_item *items = calloc(n->count + 1, sizeof(*items));
    size_t i;

    if (items == NULL) {
        fixture_fail("out of memory");
    }
    for (i = 0; i < n->count; i++) {
        items[i].place = n->leaves[i].place;
        map_leaf_hash(&n->leaves[i], &items[i].hash);
    }
    map_root(items, n->count, out);
    free(items);
}

static bool read_header(struct naive *n, uint64_t seq, struct block_header *out)
{
    struct segment_record stored = {0};
    struct record record;
    bool is_header;
    struct error err = {0};

    read_record(n, seq, &stored, &record);
    is_header = record.kind == BLOCKDB_KIND_BLOCK_HEADER;
    if (is_header) {
        fixture_must(block_header_of_record(&record, out), &err);
    }
    segment_record_release(&stored);
    return is_header;
}

void map_check_headers(struct blockdb *db, struct block_header *out_last)
{
    struct naive n = {.db = db};
    struct block_header previous = {0};
    uint64_t applied = 0;
    uint64_t end = segments_end_seq(db->segments);
    uint64_t seq;

    for (seq = 0; seq < end; seq++) {
        struct block_header header;
        struct hash root;

        if (!read_header(&n, seq, &header)) {
            continue;
        }
        if (header.map_size < previous.map_size ||
            (header.map_size == previous.map_size &&
             !hash_equal(&header.map_root, &previous.map_root))) {
            fixture_fail("the map of block %" PRIu64 " goes back", header.height);
        }
        if (header.map_size > previous.map_size) {
            for (; applied < header.map_size; applied++) {
                naive_apply(&n, applied);
            }
            naive_root(&n, &root);
            if (!hash_equal(&root, &header.map_root)) {
                fixture_fail("block %" PRIu64 " says another root of the map of %" PRIu64
                             " entries",
                             header.height, header.map_size);
            }
        }
        previous = header;
    }
    free(n.leaves);
    *out_last = previous;
}
