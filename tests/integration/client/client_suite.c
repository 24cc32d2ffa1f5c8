/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libblockdb-client against a real server: client_suite URL VKEY. The server signs heads with the
 * key of VKEY, keeps a map of newest versions, and is empty.
 */
#include <blockdb/client.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define KEYS 2500
#define LARGE_BYTES 300000
#define LARGE_CHUNK 65537

struct suite {
    struct blockdb_client *client;
    struct blockdb_trust trust;
    const char *keys[1];
    struct blockdb_error err;
};

#define GOOD(call)                                                                                 \
    do {                                                                                           \
        if ((call) != 0) {                                                                         \
            fail_msg("%s: %s", #call, s->err.message);                                             \
        }                                                                                          \
    } while (0)

static void put(struct suite *s, const char *key, const char *value,
                struct blockdb_write_result *out)
{
    GOOD(blockdb_client_put(s->client, key, strlen(key), value, strlen(value), NULL, out, &s->err));
}

static void test_bytes(void **state)
{
    struct suite *s = *state;
    struct blockdb_value value = {0};
    uint8_t bytes[256];
    unsigned i;

    for (i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)i;
    }
    GOOD(blockdb_client_put(s->client, bytes, sizeof(bytes), bytes, sizeof(bytes), NULL, NULL,
                            &s->err));
    GOOD(blockdb_client_get(s->client, bytes, sizeof(bytes), NULL, &value, &s->err));
    assert_int_equal(value.len, sizeof(bytes));
    assert_memory_equal(value.data, bytes, sizeof(bytes));
    GOOD(blockdb_client_put(s->client, "empty", 5, "", 0, NULL, NULL, &s->err));
    GOOD(blockdb_client_get(s->client, "empty", 5, NULL, &value, &s->err));
    assert_int_equal(value.len, 0);
    GOOD(blockdb_client_delete(s->client, "empty", 5, NULL, NULL, &s->err));
    assert_int_equal(blockdb_client_get(s->client, "empty", 5, NULL, &value, &s->err),
                     BLOCKDB_ENOTFOUND);
    assert_int_equal(value.version.kind, BLOCKDB_KIND_DELETE);
    assert_int_equal(blockdb_client_get(s->client, "never", 5, NULL, &value, &s->err),
                     BLOCKDB_ENOTFOUND);
    assert_int_equal(value.version.kind, 0);
    blockdb_client_value_deinit(&value);
}

static void test_conditions(void **state)
{
    struct suite *s = *state;
    struct blockdb_client_batch *batch = blockdb_client_batch_new();
    struct blockdb_write_result first;
    struct blockdb_write_result result;

    put(s, "cond", "1", &first);
    assert_int_equal(
        blockdb_client_put_if_absent(s->client, "cond", 4, "2", 1, NULL, NULL, &s->err),
        BLOCKDB_ECONFLICT);
    GOOD(blockdb_client_batch_require_seq(batch, "cond", 4, first.first_seq, &s->err));
    GOOD(blockdb_client_batch_add_put(batch, "cond", 4, "3", 1, &s->err));
    GOOD(blockdb_client_batch_add_delete(batch, "cond2", 5, &s->err));
    assert_int_equal(blockdb_client_batch_count(batch), 2);
    GOOD(blockdb_client_write(s->client, batch, NULL, &result, &s->err));
    assert_int_equal(result.count, 2);
    assert_int_equal(blockdb_client_write(s->client, batch, NULL, NULL, &s->err),
                     BLOCKDB_ECONFLICT);
    blockdb_client_batch_free(batch);
}

/* The same number again is answered again, a lower one refused. */
static void test_numbers(void **state)
{
    struct suite *s = *state;
    struct blockdb_write_options options = BLOCKDB_WRITE_OPTIONS_INIT;
    static const uint8_t id[BLOCKDB_CLIENT_ID_LEN] = "sixteen bytes!!";
    struct blockdb_write_result one;
    struct blockdb_write_result two;

    options.client_id = id;
    options.request = 8;
    GOOD(blockdb_client_put(s->client, "num", 3, "a", 1, &options, &one, &s->err));
    GOOD(blockdb_client_put(s->client, "num", 3, "a", 1, &options, &two, &s->err));
    assert_false(one.repeated);
    assert_true(two.repeated);
    assert_int_equal(one.first_seq, two.first_seq);
    options.request = 7;
    assert_int_equal(blockdb_client_put(s->client, "num", 3, "b", 1, &options, NULL, &s->err),
                     BLOCKDB_ESTALE);
}

static void test_scan(void **state)
{
    struct suite *s = *state;
    struct blockdb_scan_options options = BLOCKDB_SCAN_OPTIONS_INIT;
    struct blockdb_client_iter *iter = NULL;
    struct blockdb_client_batch *batch = blockdb_client_batch_new();
    char key[32];
    unsigned i;
    unsigned count = 0;
    size_t len;

    for (i = 0; i < KEYS; i++) {
        int n = snprintf(key, sizeof(key), "scan/%05u", i);

        GOOD(blockdb_client_batch_add_put(batch, key, (size_t)n, key, (size_t)n, &s->err));
    }
    GOOD(blockdb_client_write(s->client, batch, NULL, NULL, &s->err));
    options.prefix = "scan/";
    options.prefix_len = 5;
    GOOD(blockdb_client_iter_new(s->client, &options, &iter, &s->err));
    while (blockdb_client_iter_next(iter, &s->err) == 0) {
        (void)snprintf(key, sizeof(key), "scan/%05u", count);
        assert_memory_equal(blockdb_client_iter_key(iter, &len), key, 10);
        assert_int_equal(len, 10);
        assert_memory_equal(blockdb_client_iter_value(iter, &len), key, 10);
        if (count++ == 10) {
            put(s, "scan/99999", "later", NULL); /* not in the view of this scan */
        }
    }
    assert_int_equal(count, KEYS);
    blockdb_client_iter_free(iter);
    options.reverse = true;
    options.keys_only = true;
    GOOD(blockdb_client_iter_new(s->client, &options, &iter, &s->err));
    GOOD(blockdb_client_iter_next(iter, &s->err));
    assert_memory_equal(blockdb_client_iter_key(iter, &len), "scan/99999", 10);
    blockdb_client_iter_free(iter);
    blockdb_client_batch_free(batch);
}

static void test_history(void **state)
{
    struct suite *s = *state;
    struct blockdb_client_history *history = NULL;
    struct blockdb_read_options read = BLOCKDB_READ_OPTIONS_INIT;
    struct blockdb_value value = {0};
    struct blockdb_value key = {0};
    struct blockdb_write_result first;
    uint64_t seq = 0;
    unsigned count = 0;
    unsigned i;

    put(s, "hist", "0", &first);
    for (i = 1; i < 25; i++) {
        char text[8];

        (void)snprintf(text, sizeof(text), "%u", i);
        put(s, "hist", text, NULL);
    }
    GOOD(blockdb_client_history_new(s->client, "hist", 4, NULL, &history, &s->err));
    blockdb_client_history_set_page(history, 7);
    while (blockdb_client_history_next(history, &s->err) == 0) {
        char wanted[8];
        size_t len;
        const char *text = blockdb_client_history_value(history, &len); /* no zero behind it */

        assert_int_equal(len, snprintf(wanted, sizeof(wanted), "%u", 24 - count));
        assert_memory_equal(text, wanted, len);
        count++;
    }
    assert_int_equal(count, 25);
    blockdb_client_history_free(history);
    read.at_seq = first.first_seq;
    GOOD(blockdb_client_get(s->client, "hist", 4, &read, &value, &s->err));
    assert_memory_equal(value.data, "0", 1);
    GOOD(blockdb_client_get_as_of(s->client, "hist", 4, first.time_ms + 3600000, &value, &s->err));
    assert_memory_equal(value.data, "24", 2);
    GOOD(blockdb_client_get_entry(s->client, first.first_seq, &key, &value, &s->err));
    assert_memory_equal(key.data, "hist", 4);
    GOOD(blockdb_client_seq_at_time(s->client, first.time_ms + 3600000, &seq, &s->err));
    assert_true(seq > first.first_seq);
    assert_int_equal(blockdb_client_seq_at_time(s->client, 1000, &seq, &s->err), BLOCKDB_ENOTFOUND);
    blockdb_client_value_deinit(&value);
    blockdb_client_value_deinit(&key);
}

/* ---- Large values --------------------------------------------------------------------------- */

struct stream {
    uint8_t bytes[LARGE_BYTES];
    size_t at;
};

static int source(void *arg, void *out, size_t cap, size_t *out_len)
{
    struct stream *stream = arg;
    size_t left = LARGE_BYTES - stream->at;
    size_t len = left < cap ? left : cap;

    len = len > 1000 ? 1000 : len; /* in pieces */
    memcpy(out, stream->bytes + stream->at, len);
    stream->at += len;
    *out_len = len;
    return 0;
}

static int sink(void *arg, const void *data, size_t len)
{
    struct stream *stream = arg;

    assert_true(len <= LARGE_BYTES - stream->at);
    memcpy(stream->bytes + stream->at, data, len);
    stream->at += len;
    return 0;
}

static int no_sink(void *arg, const void *data, size_t len)
{
    (void)arg;
    (void)data;
    (void)len;
    return 0;
}

static void test_large(void **state)
{
    struct suite *s = *state;
    struct stream *in = calloc(1, sizeof(*in));
    struct stream *out = calloc(1, sizeof(*out));
    struct blockdb_scan_options options = BLOCKDB_SCAN_OPTIONS_INIT;
    struct blockdb_client_iter *iter = NULL;
    uint64_t bytes = 0;
    size_t key_len;
    size_t i;

    for (i = 0; i < LARGE_BYTES; i++) {
        in->bytes[i] = (uint8_t)(i * 7 + i / 251);
    }
    GOOD(blockdb_client_put_large(s->client, "large", 5, source, in, LARGE_CHUNK, NULL, &s->err));
    GOOD(blockdb_client_get_large(s->client, "large", 5, sink, out, &bytes, &s->err));
    assert_int_equal(bytes, LARGE_BYTES);
    assert_memory_equal(in->bytes, out->bytes, LARGE_BYTES);
    /* One chunk replaced: it is noticed before anybody has it. */
    options.prefix = "large/.chunks/";
    options.prefix_len = 14;
    GOOD(blockdb_client_iter_new(s->client, &options, &iter, &s->err));
    GOOD(blockdb_client_iter_next(iter, &s->err));
    {
        const void *key = blockdb_client_iter_key(iter, &key_len);

        GOOD(blockdb_client_put(s->client, key, key_len, "x", 1, NULL, NULL, &s->err));
    }
    blockdb_client_iter_free(iter);
    assert_int_equal(blockdb_client_get_large(s->client, "large", 5, no_sink, NULL, NULL, &s->err),
                     BLOCKDB_ETAMPERED);
    put(s, "small", "no manifest", NULL);
    assert_int_equal(blockdb_client_get_large(s->client, "small", 5, no_sink, NULL, NULL, &s->err),
                     BLOCKDB_EFOREIGN);
    free(in);
    free(out);
}

/* ---- Evidence ------------------------------------------------------------------------------- */

static void test_verified(void **state)
{
    struct suite *s = *state;
    struct blockdb_client_verified_options o = BLOCKDB_CLIENT_VERIFIED_OPTIONS_INIT;
    struct blockdb_client_pin pin = {.tree_size = 0};
    struct blockdb_client_pin other;
    struct blockdb_value value = {0};
    uint64_t before;

    o.trust = &s->trust;
    o.pin = &pin;
    put(s, "proven", "yes", NULL);
    GOOD(blockdb_client_get_verified(s->client, "proven", 6, &o, &value, &s->err));
    assert_int_equal(value.len, 3);
    assert_true(pin.tree_size > 0);
    before = pin.tree_size;
    put(s, "proven", "again", NULL);
    o.newest = true;
    GOOD(blockdb_client_get_verified(s->client, "proven", 6, &o, &value, &s->err));
    assert_memory_equal(value.data, "again", 5);
    assert_true(pin.tree_size > before);
    assert_int_equal(blockdb_client_get_verified(s->client, "nobody", 6, &o, &value, &s->err),
                     BLOCKDB_ENOTFOUND);
    GOOD(blockdb_client_pin_advance(s->client, &s->trust, &pin, &s->err));
    /* Another history than the one that was seen. */
    other = pin;
    other.root[3] ^= 1;
    o.pin = &other;
    assert_int_equal(blockdb_client_get_verified(s->client, "proven", 6, &o, &value, &s->err),
                     BLOCKDB_ETAMPERED);
    assert_int_equal(value.len, 0);
    other = pin;
    other.tree_size += 1000000;
    assert_int_equal(blockdb_client_pin_advance(s->client, &s->trust, &other, &s->err),
                     BLOCKDB_ETAMPERED);
    other = pin;
    other.tree_size--;
    assert_int_equal(blockdb_client_pin_advance(s->client, &s->trust, &other, &s->err),
                     BLOCKDB_ETAMPERED);
    blockdb_client_value_deinit(&value);
}

/* Somebody else's key proves nothing. */
static void test_other_key(void **state)
{
    struct suite *s = *state;
    struct blockdb_client_verified_options o = BLOCKDB_CLIENT_VERIFIED_OPTIONS_INIT;
    const char *keys[] = {"example.com/foo+530cd4a8+Acy/cKL9jBO5JMxwVGhBKwqqKtcdRYM1eTDVHTyZ0H6Y"};
    struct blockdb_trust trust = BLOCKDB_TRUST_INIT;
    struct blockdb_value value = {0};

    trust.keys = keys;
    trust.key_count = 1;
    o.trust = &trust;
    put(s, "proven", "yes", NULL);
    assert_true(blockdb_client_get_verified(s->client, "proven", 6, &o, &value, &s->err) < 0);
    assert_int_equal(value.len, 0);
    blockdb_client_value_deinit(&value);
}

static void test_tree(void **state)
{
    struct suite *s = *state;
    struct blockdb_inclusion claim = {.index = 0};
    struct blockdb_value note = {0};
    struct blockdb_value bundle = {0};
    struct blockdb_checkpoint head;
    struct blockdb_head plain;
    struct blockdb_block block;
    struct blockdb_proof proof;
    uint8_t tile[BLOCKDB_TILE_LEN];
    struct blockdb_bytes rest;
    struct blockdb_bytes leaf;
    uint8_t hash[BLOCKDB_HASH_LEN];

    GOOD(blockdb_client_checkpoint_sign(s->client, &note, &s->err));
    GOOD(blockdb_verify_checkpoint(note.data, note.len, &s->trust, &head, &s->err));
    GOOD(blockdb_client_prove_inclusion(s->client, 0, head.tree_size, &proof, &s->err));
    GOOD(blockdb_client_tile_read(s->client, 0, 0, 1, tile, &s->err));
    claim.tree_size = head.tree_size;
    claim.leaf_hash = tile;
    claim.root = head.root;
    assert_int_equal(blockdb_verify_inclusion(&claim, proof.hashes[0], proof.count), 0);
    GOOD(blockdb_client_bundle_read(s->client, 0, 1, &bundle, &s->err));
    rest = (struct blockdb_bytes){bundle.data, bundle.len};
    assert_int_equal(blockdb_bundle_next(&rest, &leaf), 0);
    blockdb_hash_leaf(leaf.data, leaf.len, hash);
    assert_memory_equal(hash, tile, sizeof(hash));
    GOOD(blockdb_client_head_get(s->client, &plain, &s->err));
    assert_true(plain.size >= head.tree_size && plain.block_count > 0);
    GOOD(blockdb_client_block_get(s->client, 0, &block, &s->err));
    assert_int_equal(block.first_seq, 0);
    assert_int_equal(blockdb_client_block_get(s->client, 1000000, &block, &s->err),
                     BLOCKDB_ENOTFOUND);
    blockdb_client_value_deinit(&note);
    blockdb_client_value_deinit(&bundle);
}

/* ---- The rest ------------------------------------------------------------------------------- */

static bool count_progress(void *arg, const char *unit, uint64_t done, uint64_t total)
{
    unsigned *count = arg;

    assert_string_equal(unit, *count == 0 ? "entries" : "keys"); /* before the server was asked */
    assert_true(done <= total);
    (*count)++;
    return true;
}

static void test_admin(void **state)
{
    struct suite *s = *state;
    struct blockdb_redact_options redact = BLOCKDB_REDACT_OPTIONS_INIT;
    struct blockdb_verify_report report = {0};
    struct blockdb_write_result result;
    struct blockdb_value value = {0};
    unsigned progressed = 0;

    put(s, "secret", "to be erased", &result);
    redact.reason = "test";
    GOOD(blockdb_client_redact(s->client, "secret", 6, result.first_seq, &redact, NULL, &s->err));
    assert_int_equal(blockdb_client_get(s->client, "secret", 6, NULL, &value, &s->err),
                     BLOCKDB_EREDACTED);
    GOOD(blockdb_client_flush(s->client, &s->err));
    GOOD(blockdb_client_compact(s->client, true, &s->err));
    put(s, "merged", "later", &result);
    GOOD(blockdb_client_flush(s->client, &s->err));
    GOOD(blockdb_client_compact_job(s->client, count_progress, &progressed, &s->err));
    assert_true(progressed > 0);
    GOOD(blockdb_client_verify(s->client, NULL, &report, &s->err));
    assert_true(report.entries > KEYS && report.redactions == 1);
    GOOD(blockdb_client_stats_get(s->client, &value, &s->err));
    assert_true(value.len > 100);
    blockdb_client_value_deinit(&value);
}

static void test_watch(void **state)
{
    struct suite *s = *state;
    struct blockdb_client_watch_options options = BLOCKDB_CLIENT_WATCH_OPTIONS_INIT;
    struct blockdb_client_watch *watch = NULL;
    struct blockdb_write_result result;
    struct blockdb_client_event event;

    put(s, "watched/1", "a", &result);
    put(s, "unseen", "b", NULL);
    put(s, "watched/2", "c", NULL);
    options.prefix = "watched/";
    options.prefix_len = 8;
    options.from_seq = result.first_seq;
    GOOD(blockdb_client_watch_new(s->client, &options, &watch, &s->err));
    GOOD(blockdb_client_watch_next(watch, 20000, &event, &s->err));
    assert_int_equal(event.version.seq, result.first_seq);
    GOOD(blockdb_client_watch_next(watch, 20000, &event, &s->err));
    assert_memory_equal(event.key, "watched/2", 9);
    put(s, "watched/3", "d", NULL);
    GOOD(blockdb_client_watch_next(watch, 20000, &event, &s->err));
    assert_memory_equal(event.value, "d", 1);
    blockdb_client_watch_free(watch);
}

static const char *url;
static const char *vkey;

static int suite_start(void **state)
{
    struct blockdb_client_options options = BLOCKDB_CLIENT_OPTIONS_INIT;
    struct suite *s = calloc(1, sizeof(*s));

    options.urls = url;
    s->trust = (struct blockdb_trust)BLOCKDB_TRUST_INIT;
    s->keys[0] = vkey;
    s->trust.keys = s->keys;
    s->trust.key_count = 1;
    *state = s;
    return blockdb_client_new(&options, &s->client, &s->err);
}

static int suite_end(void **state)
{
    struct suite *s = *state;

    blockdb_client_free(s->client);
    free(s);
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes),    cmocka_unit_test(test_conditions),
        cmocka_unit_test(test_numbers),  cmocka_unit_test(test_scan),
        cmocka_unit_test(test_history),  cmocka_unit_test(test_large),
        cmocka_unit_test(test_verified), cmocka_unit_test(test_other_key),
        cmocka_unit_test(test_tree),     cmocka_unit_test(test_admin),
        cmocka_unit_test(test_watch),
    };

    if (argc != 3) {
        return 2;
    }
    url = argv[1];
    vkey = argv[2];
    return cmocka_run_group_tests_name("client_suite", tests, suite_start, suite_end);
}
