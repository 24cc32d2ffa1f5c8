/* SPDX-License-Identifier: Apache-2.0 */
/*
 * BlockDB under test, through its public interface only.
 */
#include "base/mem.h"
#include "bin/bench/bench_engine.h"
#include "bin/bench/bench_key.h"
#include "ledger/proof.h"
#include "os/os.h"

#include <blockdb/evidence.h>
#include <blockdb/verify.h>
#include <inttypes.h>
#include <stdio.h>

#define SEAL_POLL_NS 10000000

/* An open database. */
struct opened {
    struct blockdb *db;
    char verifier[VERIFIER_KEY_TEXT_MAX + 1]; /* empty: nothing is signed */
};

struct session {
    struct blockdb *db;
    const char *verifier;
    struct blockdb_batch *batch;
    struct blockdb_value value;
    struct buf scratch;
    struct blockdb_checkpoint head; /* verified; borrows head_file */
    struct buf head_file;           /* empty: none was verified yet */
    uint64_t read_seq;              /* of the last get_to_change */
};

static void options_free_ptr(struct blockdb_options **options)
{
    blockdb_options_free(*options);
}

static int set_size(struct blockdb_options *options, const char *name, uint64_t value,
                    struct error *err)
{
    char text[24];

    (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
    return blockdb_options_set(options, name, text, err);
}

/* The key behind the table that it may stand in: "origin" of "ledger.origin". No two tables of the
 * engine have a key of one name. */
static const char *key_of_name(const char *name)
{
    static const char *const tables[] = {"database.", "ledger."};
    size_t i;

    for (i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        if (strncmp(name, tables[i], strlen(tables[i])) == 0) {
            return name + strlen(tables[i]);
        }
    }
    return name;
}

/* "name=value" as given with --set. */
static int set_pair(struct blockdb_options *options, const char *pair, struct error *err)
{
    const char *equals = strchr(pair, '=');
    char name[64];

    if (equals == NULL || (size_t)(equals - pair) >= sizeof(name)) {
        return error_set(err, BLOCKDB_EINVAL, "--set '%s': give NAME=VALUE", pair);
    }
    memcpy(name, pair, (size_t)(equals - pair));
    name[equals - pair] = '\0';
    return blockdb_options_set(options, key_of_name(name), equals + 1, err);
}

static int apply(struct blockdb_options *options, const struct bench_setup *setup,
                 struct error *err)
{
    unsigned i;
    int rc = set_size(options, "block_cache_size", setup->cache_bytes, err);

    if (rc == 0) {
        rc = set_size(options, "memtable_size_limit", setup->write_buffer_bytes, err);
    }
    if (rc == 0) {
        rc = blockdb_options_set(options, "compression_type", setup->compression, err);
    }
    if (rc == 0) {
        rc = blockdb_options_set(options, "enable_bloom_filters",
                                 setup->bloom_bits > 0 ? "true" : "false", err);
    }
    if (rc == 0 && setup->bloom_bits > 0) {
        rc = set_size(options, "bloom_filter_bits_per_key", setup->bloom_bits, err);
    }
    if (rc == 0 && setup->signing_key_file != NULL) {
        rc = blockdb_options_set(options, "signing_key_file", setup->signing_key_file, err);
    }
    if (rc == 0 && setup->signing_key_file != NULL) {
        rc = blockdb_options_set(options, "origin", BENCH_ORIGIN, err);
    }
    for (i = 0; rc == 0 && i < setup->set_count; i++) {
        rc = set_pair(options, setup->set[i], err);
    }
    return rc;
}

static int engine_open(const struct bench_setup *setup, void **out_db, struct error *err)
{
    AUTO(options_free_ptr) struct blockdb_options *options = blockdb_options_new();
    struct opened *opened = mem_calloc(1, sizeof(*opened));
    int rc;

    if (options == NULL || opened == NULL) {
        mem_free(opened);
        return error_set_no_memory(err);
    }
    rc = apply(options, setup, err);
    if (rc == 0) {
        rc = blockdb_open(setup->dir, options, BLOCKDB_OPEN_CREATE, &opened->db, err);
    }
    if (rc < 0) {
        mem_free(opened);
        return rc;
    }
    if (setup->signing_key_text != NULL) {
        (void)snprintf(opened->verifier, sizeof(opened->verifier), "%s", setup->signing_key_text);
    }
    *out_db = opened;
    return BLOCKDB_OK;
}

static int engine_close(void *db, struct error *err)
{
    struct opened *opened = db;
    int rc = blockdb_close(opened->db, err);

    mem_free(opened);
    return rc;
}

static int session_new(void *db, void **out_session, struct error *err)
{
    const struct opened *opened = db;
    struct session *s = mem_calloc(1, sizeof(*s));

    if (s == NULL) {
        return error_set_no_memory(err);
    }
    s->db = opened->db;
    s->verifier = opened->verifier;
    s->batch = blockdb_batch_new(s->db);
    if (s->batch == NULL) {
        mem_free(s);
        return error_set_no_memory(err);
    }
    *out_session = s;
    return BLOCKDB_OK;
}

static void session_free(void *session)
{
    struct session *s = session;

    blockdb_batch_free(s->batch);
    blockdb_value_deinit(&s->value);
    buf_deinit(&s->scratch);
    buf_deinit(&s->head_file);
    mem_free(s);
}

static int put(void *session, const struct bench_pair *pair, enum blockdb_durability durability,
               struct error *err)
{
    struct session *s = session;
    struct blockdb_write_options options = BLOCKDB_WRITE_OPTIONS_INIT;

    options.durability = durability;
    return blockdb_put(s->db, pair->key.data, pair->key.len, pair->value.data, pair->value.len,
                       &options, NULL, err);
}

static int put_many(void *session, const struct bench_pair *pairs, size_t count,
                    enum blockdb_durability durability, struct error *err)
{
    struct session *s = session;
    struct blockdb_write_options options = BLOCKDB_WRITE_OPTIONS_INIT;
    size_t i;

    options.durability = durability;
    blockdb_batch_reset(s->batch);
    for (i = 0; i < count; i++) {
        int rc = blockdb_batch_put(s->batch, pairs[i].key.data, pairs[i].key.len,
                                   pairs[i].value.data, pairs[i].value.len, err);

        if (rc < 0) {
            return rc;
        }
    }
    return blockdb_write(s->db, s->batch, &options, NULL, err);
}

static int submit(void *session, const struct bench_pair *pair, const struct bench_answer *answer,
                  struct error *err)
{
    struct session *s = session;
    struct blockdb_write_options options = BLOCKDB_WRITE_OPTIONS_INIT;
    struct blockdb_batch *batch = blockdb_batch_new(s->db);
    int rc;

    if (batch == NULL) {
        return error_set_no_memory(err);
    }
    rc = blockdb_batch_put(batch, pair->key.data, pair->key.len, pair->value.data, pair->value.len,
                           err);
    if (rc < 0) {
        blockdb_batch_free(batch);
        return rc;
    }
    options.durability = answer->durability;
    return blockdb_submit(s->db, batch, &options, answer->cb, answer->arg, err);
}

static int get_at(struct session *s, struct slice key, uint64_t seq, struct slice *out_value,
                  struct error *err)
{
    struct blockdb_read_options options = BLOCKDB_READ_OPTIONS_INIT;
    int rc;

    options.at_seq = seq;
    rc = blockdb_get(s->db, key.data, key.len, &options, &s->value, err);
    if (rc == 0) {
        *out_value = slice_of(s->value.data, s->value.len);
    }
    return rc;
}

static int get(void *session, struct slice key, struct slice *out_value, struct error *err)
{
    return get_at(session, key, BLOCKDB_SEQ_NONE, out_value, err);
}

static int get_to_change(void *session, struct slice key, struct slice *out_value,
                         struct error *err)
{
    struct session *s = session;
    int rc = get(session, key, out_value, err);

    if (rc == 0) {
        s->read_seq = s->value.version.seq;
    }
    return rc;
}

static int put_changed(void *session, const struct bench_pair *pair,
                       enum blockdb_durability durability, struct error *err)
{
    struct session *s = session;
    struct blockdb_write_options options = BLOCKDB_WRITE_OPTIONS_INIT;
    int rc;

    options.durability = durability;
    blockdb_batch_reset(s->batch);
    rc = blockdb_batch_require_seq(s->batch, pair->key.data, pair->key.len, s->read_seq, err);
    if (rc == 0) {
        rc = blockdb_batch_put(s->batch, pair->key.data, pair->key.len, pair->value.data,
                               pair->value.len, err);
    }
    return rc == 0 ? blockdb_write(s->db, s->batch, &options, NULL, err) : rc;
}

static int get_as_of(void *session, struct slice key, uint64_t seq, struct slice *out_value,
                     struct error *err)
{
    return get_at(session, key, seq, out_value, err);
}

static int scan(void *session, struct slice start, size_t count, bench_visit_fn visit, void *arg,
                struct error *err)
{
    struct session *s = session;
    struct blockdb_scan_options options = BLOCKDB_SCAN_OPTIONS_INIT;
    struct blockdb_iter *iter;
    int rc;

    options.start = start.data;
    options.start_len = start.len;
    rc = blockdb_iter_new(s->db, &options, &iter, err);
    if (rc < 0) {
        return rc;
    }
    while (count-- > 0 && (rc = blockdb_iter_next(iter, err)) == 0) {
        struct slice key = {0};
        struct slice value = {0};

        key.data = blockdb_iter_key(iter, &key.len);
        value.data = blockdb_iter_value(iter, &value.len);
        rc = visit(arg, key, value);
        if (rc < 0) {
            break;
        }
    }
    blockdb_iter_free(iter);
    return rc == BLOCKDB_ENOTFOUND ? BLOCKDB_OK : rc;
}

static int seq_count(void *session, uint64_t *out_count, struct error *err)
{
    struct session *s = session;
    struct blockdb_view *view;
    int rc = blockdb_view_new(s->db, &view, err);

    if (rc == 0) {
        *out_count = blockdb_view_seq_count(view);
        blockdb_view_free(view);
    }
    return rc;
}

static int history(void *session, struct slice key, bench_visit_fn visit, void *arg,
                   struct error *err)
{
    struct session *s = session;
    struct blockdb_history *versions;
    int rc = blockdb_history_new(s->db, key.data, key.len, NULL, &versions, err);

    if (rc < 0) {
        return rc;
    }
    while ((rc = blockdb_history_next(versions, err)) == 0) {
        struct slice value = {0};

        value.data = blockdb_history_value(versions, &value.len);
        rc = visit(arg, key, value);
        if (rc < 0) {
            break;
        }
    }
    blockdb_history_free(versions);
    return rc == BLOCKDB_ENOTFOUND ? BLOCKDB_OK : rc;
}

static int verify(void *db, unsigned threads, uint64_t *out_entries, struct error *err)
{
    struct blockdb_verify_options options = BLOCKDB_VERIFY_OPTIONS_INIT;
    struct blockdb_verify_report report;
    const struct opened *opened = db;
    int rc;

    options.threads = threads;
    rc = blockdb_verify(opened->db, &options, &report, err);
    if (rc == 0) {
        *out_entries = report.entries;
    }
    return rc;
}

static int stats(void *db, struct blockdb_stats *out_stats, struct error *err)
{
    const struct opened *opened = db;

    return blockdb_stats_get(opened->db, out_stats, err);
}

/* ---- Proofs -------------------------------------------------------------------------------- */

static int sealed_count(void *session, uint64_t *out_count, struct error *err)
{
    struct session *s = session;
    struct blockdb_stats now = BLOCKDB_STATS_INIT;
    int rc = blockdb_stats_get(s->db, &now, err);

    /* The last block ends by time. */
    while (rc == 0 && now.sealed_seq < now.acked_seq) {
        os_sleep_ns(os_real(), SEAL_POLL_NS);
        rc = blockdb_stats_get(s->db, &now, err);
    }
    if (rc == 0) {
        *out_count = now.sealed_seq;
    }
    return rc;
}

/* Verifies a proof that leads to the tree of all sealed entries. */
static int check_proof(struct session *s, uint64_t seq, const struct blockdb_proof *proof,
                       struct error *err)
{
    uint8_t tile[BLOCKDB_TILE_LEN];
    unsigned at = (unsigned)(seq % BLOCKDB_TILE_WIDTH);
    struct blockdb_head head;
    struct inclusion claim;
    struct hash leaf;
    struct hash root;
    int rc = blockdb_tile_read(s->db, 0, seq / BLOCKDB_TILE_WIDTH, at + 1, tile, err);

    if (rc == 0) {
        rc = blockdb_head_get(s->db, &head, err);
    }
    if (rc < 0) {
        return rc;
    }
    memcpy(leaf.bytes, tile + at * BLOCKDB_HASH_LEN, sizeof(leaf.bytes));
    memcpy(root.bytes, head.root, sizeof(root.bytes));
    claim = (struct inclusion){.index = seq, .size = head.size, .leaf = &leaf, .root = &root};
    if (inclusion_verify(&claim, (const struct hash *)(const void *)proof->hashes, proof->count) <
        0) {
        return error_set(err, BLOCKDB_ECORRUPT, "the proof of entry %" PRIu64 " is wrong", seq);
    }
    return BLOCKDB_OK;
}

static int prove(void *session, uint64_t seq, uint64_t size, bool is_checked, struct error *err)
{
    struct session *s = session;
    struct blockdb_proof proof;
    int rc = blockdb_prove_inclusion(s->db, seq, size, &proof, err);

    return rc == 0 && is_checked ? check_proof(s, seq, &proof, err) : rc;
}

static int prove_file(void *session, uint64_t seq, struct slice *out_file, struct error *err)
{
    struct session *s = session;
    int rc = blockdb_prove_entry(s->db, seq, NULL, &s->value, err);

    if (rc == 0) {
        *out_file = slice_of(s->value.data, s->value.len);
    }
    return rc;
}

static int verify_proof(struct session *s, struct slice file,
                        const struct blockdb_checkpoint *known, struct blockdb_checkpoint *out_head,
                        struct error *err)
{
    struct blockdb_trust trust = BLOCKDB_TRUST_INIT;
    struct blockdb_expectations expect = BLOCKDB_EXPECTATIONS_INIT;
    struct blockdb_proof_report report = BLOCKDB_PROOF_REPORT_INIT;
    struct blockdb_proof_file proof = {.text = file.data, .len = file.len};
    int rc;

    buf_reset(&s->scratch);
    if (buf_reserve(&s->scratch, BLOCKDB_PROOF_SCRATCH_LEN(file.len)) < 0) {
        return error_set_no_memory(err);
    }
    proof.scratch = s->scratch.data;
    proof.scratch_len = BLOCKDB_PROOF_SCRATCH_LEN(file.len);
    trust.keys = &s->verifier;
    trust.key_count = 1;
    expect.known_head = known;
    rc = blockdb_verify_proof_file(&proof, &trust, &expect, &report, err);
    if (rc == 0) {
        *out_head = report.head;
    }
    return rc;
}

static int verify_file(void *session, struct slice file, struct error *err)
{
    struct session *s = session;
    struct blockdb_checkpoint head;

    if (s->head_file.len > 0) {
        return verify_proof(s, file, &s->head, &head, err);
    }
    if (buf_append_slice(&s->head_file, file) < 0) {
        return error_set_no_memory(err);
    }
    return verify_proof(s, buf_slice(&s->head_file), NULL, &s->head, err);
}

const struct bench_engine bench_engine_blockdb = {
    .name = "blockdb",
    .title = "BlockDB",
    .open = engine_open,
    .close = engine_close,
    .session_new = session_new,
    .session_free = session_free,
    .put = put,
    .put_many = put_many,
    .submit = submit,
    .get = get,
    .get_to_change = get_to_change,
    .put_changed = put_changed,
    .scan = scan,
    .seq_count = seq_count,
    .get_as_of = get_as_of,
    .history = history,
    .verify = verify,
    .stats = stats,
    .sealed_count = sealed_count,
    .prove = prove,
    .prove_file = prove_file,
    .verify_file = verify_file,
};
