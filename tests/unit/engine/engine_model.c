/* SPDX-License-Identifier: Apache-2.0 */
#include "engine_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define VALUE_MAX 70000

void model_init(struct model *m, uint64_t seed)
{
    m->count = 0;
    m->rng = seed | 1;
}

uint32_t model_random(struct model *m, uint32_t below)
{
    m->rng ^= m->rng << 13;
    m->rng ^= m->rng >> 7;
    m->rng ^= m->rng << 17;
    return (uint32_t)((m->rng >> 11) % below);
}

size_t model_key(uint32_t key, char *out)
{
    /* A few keys with zero bytes, a very short one, and one of the greatest length elsewhere. */
    if (key == 0) {
        out[0] = '\0';
        return 1;
    }
    return (size_t)snprintf(out, 64, "key%c%05u", key % 7 == 0 ? '\0' : ':', key);
}

void model_value(const struct model_version *v, uint8_t *out)
{
    uint32_t i;

    for (i = 0; i < v->value_len; i++) {
        out[i] = (uint8_t)(v->value_seed + i / 3 * 7);
    }
}

const struct model_version *model_find(const struct model *m, uint32_t key, uint64_t at)
{
    uint32_t i = m->count;

    while (i > 0) {
        i--;
        if (m->versions[i].key == key && m->versions[i].seq <= at) {
            return &m->versions[i];
        }
    }
    return NULL;
}

static void set(struct blockdb_options *options, const char *name, const char *value)
{
    struct error err;

    if (blockdb_options_set(options, name, value, &err) < 0) {
        fail_msg("%s", err.message);
    }
}

struct blockdb_options *model_options(const char *strategy, const char *sync_mode)
{
    struct blockdb_options *options = blockdb_options_new();

    set(options, "memtable_size_limit", "1MiB");
    set(options, "wal_file_size", "17MiB");
    set(options, "wal_keep_size", "0");
    set(options, "ledger_segment_size", "1MiB");
    set(options, "blockchain_batch_size", "50");
    set(options, "block_cache_size", "1MiB");
    set(options, "index_cache_size", "1MiB");
    set(options, "compaction_threshold", "2");
    set(options, "max_compaction_threads", "2");
    set(options, "compaction_strategy", strategy);
    set(options, "wal_sync_mode", sync_mode);
    return options;
}

static uint32_t random_len(struct model *m)
{
    switch (model_random(m, 20)) {
    case 0:
        return 0;
    case 1:
        return model_random(m, VALUE_MAX);
    case 2:
    case 3:
        return model_random(m, 4000);
    default:
        return model_random(m, 200);
    }
}

static int add_random(struct model *m, struct blockdb_batch *batch, struct model_version *v,
                      struct error *err)
{
    static uint8_t value[VALUE_MAX];
    char key[64];
    size_t key_len;

    *v = (struct model_version){.key = model_random(m, MODEL_KEYS),
                                .is_put = model_random(m, 10) > 0,
                                .value_seed = model_random(m, 1 << 30)};
    key_len = model_key(v->key, key);
    if (!v->is_put) {
        return blockdb_batch_delete(batch, key, key_len, err);
    }
    v->value_len = random_len(m);
    model_value(v, value);
    return blockdb_batch_put(batch, key, key_len, value, v->value_len, err);
}

int model_write(struct model *m, struct blockdb *db, struct error *err)
{
    struct blockdb_batch *batch = blockdb_batch_new(db);
    struct blockdb_write_result result;
    struct model_version *added = m->pending;
    uint32_t count = 1 + (model_random(m, 4) == 0 ? model_random(m, MODEL_BATCH_MAX) : 0);
    uint32_t i;
    int rc = batch != NULL ? BLOCKDB_OK : error_set_no_memory(err);

    m->pending_count = 0;
    for (i = 0; rc == BLOCKDB_OK && i < count; i++) {
        rc = add_random(m, batch, &added[i], err);
        m->pending_count += rc == BLOCKDB_OK;
    }
    if (rc == BLOCKDB_OK) {
        rc = blockdb_write(db, batch, NULL, &result, err);
    }
    for (i = 0; rc == BLOCKDB_OK && i < count; i++) {
        assert_true(m->count < MODEL_VERSIONS_MAX);
        added[i].seq = result.first_seq + i;
        m->versions[m->count++] = added[i];
    }
    if (rc == BLOCKDB_OK) {
        m->pending_count = 0;
    }
    blockdb_batch_free(batch);
    return rc;
}

static void check_value(const struct model_version *v, const void *data, size_t len)
{
    static uint8_t expected[VALUE_MAX];

    assert_int_equal(len, v->value_len);
    model_value(v, expected);
    if (len > 0) {
        assert_memory_equal(data, expected, len);
    }
}

static void check_get(struct model *m, struct blockdb *db, uint32_t key, uint64_t at)
{
    const struct model_version *v = model_find(m, key, at);
    struct blockdb_read_options options = BLOCKDB_READ_OPTIONS_INIT;
    struct blockdb_value value = {0};
    struct error err;
    char text[64];
    size_t len = model_key(key, text);
    int rc;

    options.at_seq = at;
    rc = blockdb_get(db, text, len, &options, &value, &err);
    if (rc < 0 && rc != BLOCKDB_ENOTFOUND) {
        fail_msg("get: %s", err.message);
    }
    if (v == NULL || !v->is_put) {
        assert_int_equal(rc, BLOCKDB_ENOTFOUND);
        assert_true(v == NULL || value.version.seq == v->seq);
    } else {
        assert_int_equal(rc, BLOCKDB_OK);
        assert_int_equal(value.version.seq, v->seq);
        check_value(v, value.data, value.len);
    }
    blockdb_value_deinit(&value);
}

struct sorted_key {
    uint32_t key;
    char text[64];
    size_t len;
};

static int compare_keys(const void *a, const void *b)
{
    const struct sorted_key *x = a;
    const struct sorted_key *y = b;
    size_t len = x->len < y->len ? x->len : y->len;
    int order = memcmp(x->text, y->text, len);

    return order != 0 ? order : (x->len > y->len) - (x->len < y->len);
}

/* The live keys at a seq, in order. */
static uint32_t live_keys(struct model *m, uint64_t at, struct sorted_key *out)
{
    uint32_t count = 0;
    uint32_t key;

    for (key = 0; key < MODEL_KEYS; key++) {
        const struct model_version *v = model_find(m, key, at);

        if (v != NULL && v->is_put) {
            out[count].key = key;
            out[count].len = model_key(key, out[count].text);
            count++;
        }
    }
    qsort(out, count, sizeof(*out), compare_keys);
    return count;
}

static void check_scan(struct model *m, struct blockdb *db, uint64_t at, bool reverse)
{
    static struct sorted_key keys[MODEL_KEYS];
    uint32_t count = live_keys(m, at, keys);
    struct blockdb_scan_options options = BLOCKDB_SCAN_OPTIONS_INIT;
    struct blockdb_iter *iter;
    struct error err;
    uint32_t i;

    options.at_seq = at;
    options.reverse = reverse;
    assert_int_equal(blockdb_iter_new(db, &options, &iter, &err), BLOCKDB_OK);
    for (i = 0; i < count; i++) {
        const struct sorted_key *want = &keys[reverse ? count - 1 - i : i];
        const struct model_version *v = model_find(m, want->key, at);
        size_t len;
        int rc = blockdb_iter_next(iter, &err);

        if (rc < 0) {
            fail_msg("scan ends at %u of %u: %d %s", i, count, rc,
                     rc == BLOCKDB_ENOTFOUND ? "" : err.message);
        }
        assert_memory_equal(blockdb_iter_key(iter, &len), want->text, want->len);
        assert_int_equal(len, want->len);
        assert_int_equal(blockdb_iter_version(iter).seq, v->seq);
        check_value(v, blockdb_iter_value(iter, &len), v->value_len);
        (void)blockdb_iter_value(iter, &len);
        assert_int_equal(len, v->value_len);
    }
    assert_int_equal(blockdb_iter_next(iter, &err), BLOCKDB_ENOTFOUND);
    blockdb_iter_free(iter);
}

static void check_history(struct model *m, struct blockdb *db, uint32_t key)
{
    struct blockdb_history *history;
    struct error err;
    char text[64];
    size_t len = model_key(key, text);
    uint32_t i = m->count;
    int rc;

    assert_int_equal(blockdb_history_new(db, text, len, NULL, &history, &err), BLOCKDB_OK);
    while (i > 0) {
        const struct model_version *v = &m->versions[--i];

        if (v->key != key) {
            continue;
        }
        rc = blockdb_history_next(history, &err);
        if (rc < 0) {
            fail_msg("history of %u misses %llu", key, (unsigned long long)v->seq);
        }
        assert_int_equal(blockdb_history_version(history).seq, v->seq);
        assert_int_equal(blockdb_history_version(history).kind,
                         v->is_put ? BLOCKDB_KIND_PUT : BLOCKDB_KIND_DELETE);
        check_value(v, blockdb_history_value(history, &len), v->value_len);
    }
    rc = blockdb_history_next(history, &err);
    assert_int_equal(rc, BLOCKDB_ENOTFOUND);
    blockdb_history_free(history);
}

void model_check(struct model *m, struct blockdb *db)
{
    uint64_t last = m->count > 0 ? m->versions[m->count - 1].seq : 0;
    uint64_t some = model_random(m, (uint32_t)last + 1);
    uint32_t key;

    for (key = 0; key < MODEL_KEYS; key++) {
        check_get(m, db, key, BLOCKDB_SEQ_NONE);
        check_get(m, db, key, model_random(m, (uint32_t)last + 1));
    }
    check_scan(m, db, BLOCKDB_SEQ_NONE, false);
    check_scan(m, db, BLOCKDB_SEQ_NONE, true);
    if (m->count > 0) {
        check_scan(m, db, some, false);
        check_scan(m, db, some, true);
    }
    for (key = 0; key < 5; key++) {
        check_history(m, db, model_random(m, MODEL_KEYS));
    }
}

/* Entry seq must be the pending version v. */
static void check_pending(struct blockdb *db, uint64_t seq, const struct model_version *v)
{
    struct blockdb_value key = {0};
    struct blockdb_value value = {0};
    struct error err;
    char text[64];

    if (blockdb_get_entry(db, seq, &key, &value, &err) < 0) {
        fail_msg("pending entry: %s", err.message);
    }
    assert_int_equal(key.len, model_key(v->key, text));
    assert_memory_equal(key.data, text, key.len);
    assert_int_equal(key.version.kind, v->is_put ? BLOCKDB_KIND_PUT : BLOCKDB_KIND_DELETE);
    if (v->is_put) {
        check_value(v, value.data, value.len);
    }
    blockdb_value_deinit(&key);
    blockdb_value_deinit(&value);
}

static bool is_user_entry(struct blockdb *db, uint64_t seq)
{
    struct blockdb_value key = {0};
    struct error err;
    bool is_user;

    if (blockdb_get_entry(db, seq, &key, NULL, &err) < 0) {
        fail_msg("entry: %s", err.message);
    }
    is_user = key.version.kind == BLOCKDB_KIND_PUT || key.version.kind == BLOCKDB_KIND_DELETE;
    blockdb_value_deinit(&key);
    return is_user;
}

uint32_t model_reconcile(struct model *m, struct blockdb *db)
{
    struct blockdb_stats stats = BLOCKDB_STATS_INIT;
    uint64_t seq = m->count > 0 ? m->versions[m->count - 1].seq + 1 : 0;
    uint32_t found = 0;
    struct error err;

    assert_int_equal(blockdb_stats_get(db, &stats, &err), BLOCKDB_OK);
    assert_true(stats.acked_seq >= seq); /* nothing acknowledged is lost */
    for (; seq < stats.acked_seq; seq++) {
        if (!is_user_entry(db, seq)) {
            continue;
        }
        assert_true(found < m->pending_count); /* nothing else appears */
        check_pending(db, seq, &m->pending[found]);
        m->pending[found].seq = seq;
        m->versions[m->count++] = m->pending[found++];
    }
    assert_true(found == 0 || found == m->pending_count); /* whole or not at all */
    m->pending_count = 0;
    return found;
}
