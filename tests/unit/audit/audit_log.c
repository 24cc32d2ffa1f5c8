/* SPDX-License-Identifier: Apache-2.0 */
#include "audit_log.h"

#include "base/mem.h"
#include "ledger/bundle.h"
#include "ledger/checkpoint.h"
#include "ledger/config_entry.h"
#include "ledger/epoch_entry.h"
#include "ledger/frontier.h"
#include "ledger/merkle.h"
#include "ledger/note.h"
#include "ledger/redaction.h"
#include "ledger/tile.h"
#include "os/os.h"

#include <stdio.h>
#include <stdlib.h>

static void must(int rc, const char *what)
{
    if (rc < 0) {
        (void)fprintf(stderr, "audit_log: %s: %s\n", what, blockdb_status_name(rc));
        abort();
    }
}

/* ---- Logs ---------------------------------------------------------------------------------- */

void test_log_init(struct test_log *log)
{
    *log = (struct test_log){.time_ms = 1700000000000};
}

void test_log_deinit(struct test_log *log)
{
    for (size_t i = 0; i < log->count; i++) {
        buf_deinit(&log->leaves[i]);
    }
    mem_free(log->leaves);
    mem_free(log->hashes);
}

/* The leaf may borrow from the entry that it replaces. */
static void set_leaf(struct test_log *log, size_t seq, const struct leaf *leaf)
{
    struct buf bytes = {0};

    must(buf_append_zeros(&bytes, leaf_len(leaf)), "append");
    leaf_encode(leaf, bytes.data);
    merkle_leaf(buf_slice(&bytes), &log->hashes[seq]);
    buf_deinit(&log->leaves[seq]);
    log->leaves[seq] = bytes;
}

void test_log_append(struct test_log *log, const struct leaf *leaf)
{
    if (log->count == log->cap) {
        log->cap = log->cap == 0 ? 1024 : 2 * log->cap;
        log->leaves = mem_realloc(log->leaves, log->cap * sizeof(*log->leaves));
        log->hashes = mem_realloc(log->hashes, log->cap * sizeof(*log->hashes));
        must(log->leaves != NULL && log->hashes != NULL ? 0 : -1, "grow");
    }
    log->leaves[log->count] = (struct buf){0};
    set_leaf(log, log->count, leaf);
    frontier_append(&log->tree, &log->hashes[log->count]);
    log->count++;
}

void test_log_rehash(struct test_log *log, uint64_t seq)
{
    merkle_leaf(buf_slice(&log->leaves[seq]), &log->hashes[seq]);
    frontier_init(&log->tree);
    frontier_append_many(&log->tree, log->hashes, log->count, NULL);
}

void test_log_put(struct test_log *log, unsigned number, unsigned position, unsigned count)
{
    char key[32];
    struct hash commitment;
    struct leaf leaf = {.kind = BLOCKDB_KIND_PUT,
                        .batch_position = position,
                        .batch_count = count,
                        .time_ms = log->time_ms,
                        .value_len = 100,
                        .commitment = &commitment};

    (void)snprintf(key, sizeof(key), "key-%u", number);
    leaf.key = slice_of_text(key);
    sha256_once(&log->count, sizeof(log->count), &commitment);
    test_log_append(log, &leaf);
}

void test_log_delete(struct test_log *log, unsigned number)
{
    char key[32];
    struct leaf leaf = {.kind = BLOCKDB_KIND_DELETE, .batch_count = 1, .time_ms = log->time_ms};

    (void)snprintf(key, sizeof(key), "key-%u", number);
    leaf.key = slice_of_text(key);
    test_log_append(log, &leaf);
}

static void append_system(struct test_log *log, uint8_t kind, struct slice payload)
{
    struct leaf leaf = {.kind = kind,
                        .batch_count = 1,
                        .time_ms = log->time_ms,
                        .value_len = payload.len,
                        .payload = payload};

    test_log_append(log, &leaf);
}

void test_log_redact(struct test_log *log, uint64_t target)
{
    uint8_t payload[REDACTION_LEN_MAX];
    struct redaction redaction = {.scope = REDACTION_VALUE,
                                  .target_seq = target,
                                  .target_leaf = log->hashes[target],
                                  .reason = slice_of_text("asked")};

    redaction_encode(&redaction, payload);
    append_system(log, BLOCKDB_KIND_REDACT, slice_of(payload, redaction_len(&redaction)));
}

void test_log_epoch(struct test_log *log, uint64_t epoch)
{
    uint8_t payload[EPOCH_ENTRY_LEN_MAX];
    struct epoch_entry entry = {.cause = EPOCH_RESTORE, .epoch = epoch, .tree_size = log->count};

    test_log_root(log, log->count, &entry.tree_root);
    epoch_entry_encode(&entry, payload);
    append_system(log, BLOCKDB_KIND_EPOCH, slice_of(payload, epoch_entry_len(&entry)));
}

void test_log_config(struct test_log *log, const char *name)
{
    struct config_item item = {.name = slice_of_text(name), .value = slice_of_text("value")};
    struct buf payload = {0};

    must(config_entry_append(&payload, &item, 1), "config");
    append_system(log, BLOCKDB_KIND_CONFIG, buf_slice(&payload));
    buf_deinit(&payload);
}

void test_log_root(const struct test_log *log, size_t size, struct hash *out)
{
    if (size == log->tree.size) {
        frontier_root(&log->tree, out);
        return;
    }
    merkle_root(log->hashes, size, out);
}

/* ---- The map ------------------------------------------------------------------------------- */

static int compare_items(const void *a, const void *b)
{
    return memcmp(a, b, SHA256_LEN);
}

/* The leaf of a place, made when there is none. */
static struct map_leaf *find_place(struct map_leaf *leaves, size_t *count, const struct hash *place)
{
    for (size_t i = 0; i < *count; i++) {
        if (hash_equal(&leaves[i].place, place)) {
            return &leaves[i];
        }
    }
    leaves[*count] = (struct map_leaf){.place = *place};
    return &leaves[(*count)++];
}

static void apply_redaction(const struct test_log *log, struct slice payload,
                            struct map_leaf *leaves, size_t count)
{
    struct redaction redaction;

    (void)log;
    must(redaction_decode(payload, &redaction), "redaction");
    for (size_t i = 0; i < count; i++) {
        if (leaves[i].seq == redaction.target_seq) {
            leaves[i].flags |= MAP_LEAF_REDACTED;
        }
    }
}

/* The root of the map of the first size entries, from nothing, by the definition. */
static void root_of_map(const struct test_log *log, size_t size, struct hash *out)
{
    struct map_leaf *leaves = mem_calloc(size + 1, sizeof(*leaves));
    struct map_item *items = mem_calloc(size + 1, sizeof(*items));
    size_t count = 0;

    must(leaves != NULL && items != NULL ? 0 : -1, "map");
    for (size_t seq = 0; seq < size; seq++) {
        struct leaf leaf;
        struct map_leaf *of_key;
        struct hash place;

        must(leaf_decode(buf_slice(&log->leaves[seq]), &leaf), "decode");
        if (leaf.kind == BLOCKDB_KIND_REDACT) {
            apply_redaction(log, leaf.payload, leaves, count);
        }
        if (leaf.kind != BLOCKDB_KIND_PUT && leaf.kind != BLOCKDB_KIND_DELETE) {
            continue;
        }
        map_place(leaf.collection, leaf.key, &place);
        of_key = find_place(leaves, &count, &place);
        map_chain(&of_key->chain, seq, &log->hashes[seq], &of_key->chain);
        of_key->seq = seq;
        of_key->entry = log->hashes[seq];
        of_key->versions++;
        of_key->flags = leaf.kind == BLOCKDB_KIND_DELETE ? MAP_LEAF_DELETED : 0;
    }
    for (size_t i = 0; i < count; i++) {
        items[i].place = leaves[i].place;
        map_leaf_hash(&leaves[i], &items[i].hash);
    }
    qsort(items, count, sizeof(*items), compare_items);
    map_root(items, count, out);
    mem_free(leaves);
    mem_free(items);
}

/* ---- Blocks -------------------------------------------------------------------------------- */

static void header_leaf(const struct block_header *header, uint8_t payload[BLOCK_HEADER_LEN],
                        struct leaf *out)
{
    block_header_encode(header, payload);
    *out = (struct leaf){.kind = BLOCKDB_KIND_BLOCK_HEADER,
                         .batch_count = 1,
                         .time_ms = header->time_ms,
                         .value_len = BLOCK_HEADER_LEN,
                         .payload = slice_of(payload, BLOCK_HEADER_LEN)};
}

static void make_header(struct test_log *log, uint64_t first, uint64_t seq,
                        struct block_header *out)
{
    out->height = log->height;
    out->previous = log->previous;
    out->first_seq = first;
    out->count = seq - first;
    out->tree_size = seq;
    merkle_root(log->hashes + first, seq - first, &out->block_root);
    test_log_root(log, seq, &out->tree_root);
    out->map_size = log->map_size;
    out->map_root = log->map_root;
    if (log->with_map && first > 0) {
        out->map_size = first - 1; /* up to the header before */
        root_of_map(log, first - 1, &out->map_root);
    }
}

void test_log_seal(struct test_log *log)
{
    test_log_seal_as(log, NULL);
}

void test_log_seal_as(struct test_log *log, test_header_fn change)
{
    uint8_t payload[BLOCK_HEADER_LEN];
    struct block_header header = {.time_ms = log->time_ms};
    struct leaf leaf;

    make_header(log, log->block_first, log->count, &header);
    if (change != NULL) {
        change(&header);
    }
    log->map_size = header.map_size;
    log->map_root = header.map_root;
    header_leaf(&header, payload, &leaf);
    test_log_append(log, &leaf);
    log->previous = log->hashes[log->count - 1];
    log->block_first = log->count;
    log->height++;
}

void test_log_fill(struct test_log *log, unsigned blocks, uint64_t seed)
{
    uint64_t x = seed * 2 + 1;

    for (unsigned b = 0; b < blocks; b++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        for (unsigned i = 0; i < (x >> 33) % 12; i++) {
            unsigned batch = 1 + (unsigned)((x >> (i + 12)) % 4);

            log->time_ms += (x >> (20 + i)) % 3;
            for (unsigned p = 0; p < batch; p++) {
                test_log_put(log, (unsigned)((x >> (i + p)) % 97), p, batch);
            }
            if ((x >> (i + 8)) % 5 == 0) {
                test_log_delete(log, (unsigned)((x >> i) % 97));
            }
        }
        test_log_seal(log);
    }
}

/* Makes an epoch entry fit the log before it. */
static void renew_epoch(struct test_log *log, uint64_t seq, const struct leaf *old)
{
    uint8_t payload[EPOCH_ENTRY_LEN_MAX];
    struct leaf leaf = *old;
    struct epoch_entry entry;

    must(epoch_entry_decode(old->payload, &entry), "epoch");
    frontier_root(&log->tree, &entry.tree_root);
    epoch_entry_encode(&entry, payload);
    leaf.payload = slice_of(payload, epoch_entry_len(&entry));
    set_leaf(log, seq, &leaf);
}

void test_log_forge(struct test_log *log, uint64_t seq, const struct leaf *leaf)
{
    uint64_t first = 0;

    set_leaf(log, seq, leaf);
    frontier_init(&log->tree);
    log->height = 0;
    log->map_size = 0;
    log->map_root = (struct hash){{0}};
    log->previous = (struct hash){{0}};
    for (uint64_t at = 0; at < log->count; at++) {
        uint8_t payload[BLOCK_HEADER_LEN];
        struct block_header header = {0};
        struct leaf old;

        must(leaf_decode(buf_slice(&log->leaves[at]), &old), "decode");
        if (old.kind == BLOCKDB_KIND_EPOCH && at > seq) {
            renew_epoch(log, at, &old);
        }
        if (old.kind != BLOCKDB_KIND_BLOCK_HEADER) {
            frontier_append(&log->tree, &log->hashes[at]);
            continue;
        }
        if (at > seq) {
            struct leaf made;

            header.time_ms = old.time_ms;
            make_header(log, first, at, &header);
            header_leaf(&header, payload, &made);
            set_leaf(log, at, &made);
        } else {
            must(block_header_decode(old.payload, &header), "header");
        }
        log->map_size = header.map_size;
        log->map_root = header.map_root;
        frontier_append(&log->tree, &log->hashes[at]);
        log->previous = log->hashes[at];
        log->height++;
        first = at + 1;
    }
    log->block_first = first;
}

/* ---- Keys ---------------------------------------------------------------------------------- */

void test_key_init(struct signing_key *out, uint8_t seed)
{
    uint8_t bytes[ED25519_SEED_LEN];
    struct error err = {0};

    memset(bytes, seed, sizeof(bytes));
    must(signing_key_init(out, slice_of_text(TEST_ORIGIN), KEY_TYPE_ED25519, bytes, &err), "key");
}

void test_key_text(const struct signing_key *key, char out[400])
{
    struct verifier_key verifier = signing_key_verifier(key);
    struct buf text = {0};

    must(verifier_key_append(&text, &verifier), "vkey");
    must(text.len < 400 ? 0 : -1, "vkey");
    memcpy(out, text.data, text.len);
    out[text.len] = '\0';
    buf_deinit(&text);
}

/* ---- Files --------------------------------------------------------------------------------- */

/* As os_make_dirs(), without a sync for each: these files need not survive anything. */
static void make_dirs(char *path)
{
    struct error ignored;

    for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        IGNORE_RESULT(os_mkdir(os_real(), path, &ignored)); /* mostly it exists */
        *slash = '/';
    }
    IGNORE_RESULT(os_mkdir(os_real(), path, &ignored));
}

static void write_file(const char *dir, const char *name, struct slice bytes)
{
    char *path = path_join(dir, name);
    char *parent = path_dir(path);
    struct os_file *file = NULL;
    struct error err = {0};

    make_dirs(parent);
    must(os_open(os_real(), path, OS_WRITE | OS_CREATE | OS_TRUNCATE, &file, &err), "open");
    must(file_pwrite(file, bytes.data, bytes.len, 0, &err), "write");
    file_close(file);
    mem_free(parent);
    mem_free(path);
}

void test_log_sign(const struct test_log *log, size_t size, const char *dir,
                   const struct signing_key *key)
{
    struct checkpoint checkpoint = {.origin = slice_of_text(TEST_ORIGIN), .size = size};
    struct buf note = {0};
    struct error err = {0};
    size_t len;

    test_log_root(log, size, &checkpoint.root);
    must(checkpoint_append(&note, &checkpoint), "checkpoint");
    len = note.len;
    must(buf_append_u8(&note, '\n'), "note");
    must(note_sign(&note, key, slice_of(note.data, len), &err), "sign");
    write_file(dir, "checkpoint", buf_slice(&note));
    buf_deinit(&note);
}

static void write_tile(const struct test_log *log, const struct tile *tile,
                       const struct hash *hashes, const char *dir)
{
    char path[TILE_PATH_MAX];
    struct buf bytes = {0};

    (void)tile_path(tile, path);
    if (tile->level != TILE_LEVEL_ENTRIES) {
        write_file(dir, path, slice_of(hashes, tile->width * sizeof(*hashes)));
        return;
    }
    for (unsigned i = 0; i < tile->width; i++) {
        const struct buf *leaf = &log->leaves[tile->index * TILE_WIDTH + i];

        must(buf_append_be16(&bytes, (uint16_t)leaf->len), "bundle");
        must(buf_append_slice(&bytes, buf_slice(leaf)), "bundle");
    }
    write_file(dir, path, buf_slice(&bytes));
    buf_deinit(&bytes);
}

void test_log_export(const struct test_log *log, size_t size, const char *dir,
                     const struct signing_key *key)
{
    struct hash *row = mem_alloc((size + 1) * sizeof(*row));

    must(row != NULL ? 0 : -1, "export");
    if (size > 0) {
        memcpy(row, log->hashes, size * sizeof(*row));
    }
    for (unsigned level = 0; tile_hash_count(level, size) > 0; level++) {
        uint64_t count = tile_hash_count(level, size);

        for (uint64_t index = 0; index * TILE_WIDTH < count; index++) {
            struct tile tile = {level, tile_width_at(level, index, size), index};

            write_tile(log, &tile, row + index * TILE_WIDTH, dir);
            if (level == 0) {
                tile.level = TILE_LEVEL_ENTRIES;
                write_tile(log, &tile, NULL, dir);
            }
        }
        for (uint64_t i = 0; i < count / TILE_WIDTH; i++) {
            struct hash root;

            tile_root(row + i * TILE_WIDTH, &root);
            row[i] = root;
        }
    }
    mem_free(row);
    if (key != NULL) {
        test_log_sign(log, size, dir, key);
    }
}

void test_make_dir(char out[64])
{
    (void)snprintf(out, 64, "/tmp/blockdb-audit-XXXXXX");
    must(mkdtemp(out) != NULL ? 0 : -1, "mkdtemp");
}

struct removal {
    const char *dir;
};

static int remove_one(void *context, const char *name, bool is_dir)
{
    struct removal *removal = context;
    char *path = path_join(removal->dir, name);
    struct error err;

    if (is_dir) {
        test_remove_dir(path);
    } else {
        IGNORE_RESULT(os_unlink(os_real(), path, &err)); /* what is left over disturbs nobody */
    }
    mem_free(path);
    return 0;
}

void test_remove_dir(const char *dir)
{
    struct removal removal = {dir};
    struct error err;

    IGNORE_RESULT(os_list(os_real(), dir, remove_one, &removal, &err)); /* as above */
    IGNORE_RESULT(os_rmdir(os_real(), dir, &err));
}
