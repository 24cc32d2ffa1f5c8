/* SPDX-License-Identifier: Apache-2.0 */
#include "table_test.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* after the four that it needs */
#include <cmocka.h>

/* ---- Randomness ---- */

struct rng rng_start(void)
{
    const char *given = getenv("TEST_SEED");
    struct rng r = {.state = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)time(NULL)};

    print_message("TEST_SEED=%llu\n", (unsigned long long)r.state);
    return r;
}

uint64_t rng_next(struct rng *r)
{
    uint64_t z = (r->state += 0x9E3779B97F4A7C15U);

    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
    return z ^ (z >> 31);
}

uint64_t rng_below(struct rng *r, uint64_t n)
{
    return rng_next(r) % n;
}

/* ---- Items ---- */

static void *must(void *p)
{
    assert_non_null(p);
    return p;
}

/* Few different bytes, zero among them, so that prefixes, neighbours and ties are frequent. */
static size_t random_key(struct rng *r, const struct sample_options *o, uint8_t *out)
{
    static const uint8_t alphabet[] = {0, 1, 'a', 'b', 0x7f, 0xfe, 0xff};
    size_t max = o->key_len_max > 0 ? o->key_len_max : 24;
    size_t len = 1 + rng_below(r, rng_below(r, 4) == 0 ? max : (max < 12 ? max : 12));
    size_t i = 0;

    if (o->one_prefix) {
        for (; i < 20 && i < len; i++) {
            out[i] = 'p';
        }
    }
    for (; i < len; i++) {
        out[i] = rng_below(r, 3) == 0 ? (uint8_t)rng_next(r)
                                      : alphabet[rng_below(r, sizeof(alphabet))];
    }
    return len;
}

static void random_older(struct rng *r, const struct sample_options *o, struct sample *s)
{
    size_t count = 0;
    uint64_t seq = s->item.seq;
    size_t i;

    switch (rng_below(r, 6)) {
    case 0:
        count = 1 + rng_below(r, 8);
        break;
    case 1:
        count = 1 + rng_below(r, 60);
        break;
    default:
        break;
    }
    if (o->long_list > 0 && rng_below(r, 20) == 0) {
        count = o->long_list / 2 + rng_below(r, o->long_list);
    }
    s->older = must(mem_alloc(count * sizeof(*s->older)));
    for (i = 0; i < count && seq > 0; i++) {
        uint64_t step = 1 + rng_below(r, rng_below(r, 10) == 0 ? 100000 : 4);

        if (step > seq) {
            break;
        }
        seq -= step;
        s->older[i] = seq;
    }
    s->item.older = version_list_of_array(s->older, i);
}

static void random_sample(struct rng *r, const struct sample_options *o, struct sample *s)
{
    uint8_t key[4096];
    size_t len = random_key(r, o, key);
    size_t i;

    *s = (struct sample){0};
    s->key = must(mem_alloc(len));
    memcpy(s->key, key, len);
    s->item.key = slice_of(s->key, len);
    s->item.seq = 1000000000 + rng_below(r, 1U << 30);
    s->item.time_ms = 1700000000000 + rng_below(r, 1U << 20);
    s->item.kind = rng_below(r, 8) == 0 ? BLOCKDB_KIND_DELETE : BLOCKDB_KIND_PUT;
    if (s->item.kind == BLOCKDB_KIND_PUT) {
        s->item.value_inline = rng_below(r, 4) != 0;
        s->item.value_len = (uint32_t)rng_below(r, o->value_len_max + 1);
    }
    if (s->item.value_inline) {
        s->value = must(mem_alloc(s->item.value_len));
        for (i = 0; i < s->item.value_len; i++) {
            s->value[i] = (uint8_t)('A' + rng_below(r, 4));
        }
        s->item.value = slice_of(s->value, s->item.value_len);
    }
    random_older(r, o, s);
}

static int compare_samples(const void *a, const void *b)
{
    return slice_compare(((const struct sample *)a)->item.key,
                         ((const struct sample *)b)->item.key);
}

static void sample_free(struct sample *s)
{
    mem_free(s->key);
    mem_free(s->value);
    mem_free(s->older);
}

struct samples samples_new(struct rng *r, const struct sample_options *options)
{
    struct samples s = {.at = must(mem_alloc(options->count * sizeof(*s.at)))};
    size_t i;

    for (i = 0; i < options->count; i++) {
        random_sample(r, options, &s.at[i]);
    }
    qsort(s.at, options->count, sizeof(*s.at), compare_samples);
    for (i = 0; i < options->count; i++) {
        if (s.count > 0 && slice_equal(s.at[i].item.key, s.at[s.count - 1].item.key)) {
            sample_free(&s.at[i]);
        } else {
            s.at[s.count++] = s.at[i];
        }
    }
    return s;
}

void samples_free(struct samples *s)
{
    size_t i;

    for (i = 0; i < s->count; i++) {
        sample_free(&s->at[i]);
    }
    mem_free(s->at);
    *s = (struct samples){0};
}

size_t samples_rank(const struct samples *s, struct slice key)
{
    size_t low = 0;
    size_t high = s->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (slice_compare(s->at[middle].item.key, key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* ---- Environment ---- */

void env_renew_caches(struct env *env, size_t cache_bytes)
{
    struct cache_options options = {.epoch = env->epoch, .capacity_bytes = cache_bytes};

    cache_free(env->block_cache);
    cache_free(env->index_cache);
    env->block_cache = must(cache_new(&options));
    env->index_cache = must(cache_new(&options));
    env->open.block_cache = env->block_cache;
    env->open.index_cache = env->index_cache;
}

void env_init(struct env *env, size_t cache_bytes)
{
    *env = (struct env){.dir = "/tmp/blockdb-table-XXXXXX"};
    must(mkdtemp(env->dir));
    (void)snprintf(env->path, sizeof(env->path), "%s/000017.sst", env->dir);
    env->epoch = must(epoch_new());
    env->counters = must(table_counters_new());
    env->open.os = os_real();
    env->open.epoch = env->epoch;
    env->open.counters = env->counters;
    memcpy(env->open.ledger_id, "sixteen bytes id", TABLE_LEDGER_ID_LEN);
    env->build.os = os_real();
    env->build.path = env->path;
    env->build.file_number = ENV_FILE_NUMBER;
    memcpy(env->build.ledger_id, env->open.ledger_id, TABLE_LEDGER_ID_LEN);
    env->build.page_bytes = 1024;
    env->build.index_bytes = 512;
    env->build.filter_bits_per_key = 10;
    env->build.writer.buffer_bytes = 8192;
    env_renew_caches(env, cache_bytes);
}

void env_deinit(struct env *env)
{
    epoch_free(env->epoch);
    cache_free(env->block_cache);
    cache_free(env->index_cache);
    table_counters_free(env->counters);
    (void)unlink(env->path);
    (void)rmdir(env->dir);
}

int env_build(struct env *env, const struct samples *s, struct error *err)
{
    struct table_facts facts = {0};
    struct table_builder *b;
    uint64_t estimate;
    size_t i;
    int rc;

    env->build.keys_max = s->count;
    rc = table_builder_new(&env->build, &b, err);
    if (rc < 0) {
        return rc;
    }
    for (i = 0; i < s->count; i++) {
        rc = table_builder_add(b, &s->at[i].item, err);
        if (rc < 0) {
            table_builder_abandon(b);
            return rc;
        }
    }
    assert_int_equal(table_builder_key_count(b), s->count);
    estimate = table_builder_bytes(b);
    rc = table_builder_finish(b, &facts, err);
    if (rc == BLOCKDB_OK) {
        assert_true(facts.file_bytes <= estimate + 16384); /* properties have two whole keys */
        assert_int_equal(facts.key_count, s->count);
        assert_true(slice_equal(buf_slice(&facts.key_min), s->at[0].item.key));
        assert_true(slice_equal(buf_slice(&facts.key_max), s->at[s->count - 1].item.key));
    }
    table_facts_deinit(&facts);
    return rc;
}

int env_open(struct env *env, struct table **out, struct error *err)
{
    return table_open(&env->open, env->path, ENV_FILE_NUMBER, out, err);
}

/* ---- Comparisons ---- */

static void check_older(const struct version_list *got, const struct version_list *want)
{
    AUTO(version_cursor_deinit) struct version_cursor a = {0};
    AUTO(version_cursor_deinit) struct version_cursor b = {0};
    struct error err = {0};
    uint64_t seq_a = 0;
    uint64_t seq_b = 0;

    assert_int_equal(got->count, want->count);
    assert_int_equal(version_cursor_init(&a, got, VERSIONS_ALL, &err), 0);
    assert_int_equal(version_cursor_init(&b, want, VERSIONS_ALL, &err), 0);
    for (;;) {
        int rc_a = version_cursor_next(&a, &seq_a, &err);
        int rc_b = version_cursor_next(&b, &seq_b, &err);

        assert_int_equal(rc_a, rc_b);
        if (rc_a == BLOCKDB_ENOTFOUND) {
            break;
        }
        assert_int_equal(rc_a, 0);
        assert_int_equal(seq_a, seq_b);
    }
}

void check_item(const struct item *got, const struct item *want)
{
    assert_true(slice_equal(got->key, want->key));
    assert_int_equal(got->seq, want->seq);
    assert_int_equal(got->time_ms, want->time_ms);
    assert_int_equal(got->kind, want->kind);
    assert_int_equal(got->value_len, want->value_len);
    assert_int_equal(got->value_inline, want->value_inline);
    if (want->value_inline) {
        assert_true(slice_equal(got->value, want->value));
    }
    check_older(&got->older, &want->older);
}

static void check_hit(const struct table_hit *hit, const struct item *want)
{
    assert_true(hit->found);
    assert_true(hit->newest);
    assert_int_equal(hit->seq, want->seq);
    assert_int_equal(hit->time_ms, want->time_ms);
    assert_int_equal(hit->kind, want->kind);
    assert_int_equal(hit->value_len, want->value_len);
    assert_int_equal(hit->value_inline, want->value_inline);
    if (want->value_inline) {
        assert_true(slice_equal(hit->value, want->value));
    }
}

/* What seq the model has at at_seq; false when none. */
static bool seq_at(const struct sample *s, uint64_t at_seq, uint64_t *out)
{
    size_t i;

    if (s->item.seq <= at_seq) {
        *out = s->item.seq;
        return true;
    }
    for (i = 0; i < s->item.older.count; i++) {
        if (s->older[i] <= at_seq) {
            *out = s->older[i];
            return true;
        }
    }
    return false;
}

static void check_as_of(struct table *table, const struct sample *s, uint64_t at_seq)
{
    struct table_hit hit = {0};
    struct error err = {0};
    uint64_t want = 0;
    bool found = seq_at(s, at_seq, &want);

    assert_int_equal(table_get(table, s->item.key, table_key_hash(s->item.key), at_seq, &hit, &err),
                     0);
    assert_int_equal(hit.found, found);
    if (found) {
        assert_int_equal(hit.seq, want);
        assert_int_equal(hit.newest, want == s->item.seq);
    }
}

static void check_absent(struct table *table, const struct samples *s, struct slice key)
{
    struct table_hit hit = {0};
    struct error err = {0};
    size_t rank = samples_rank(s, key);

    if (rank < s->count && slice_equal(s->at[rank].item.key, key)) {
        return;
    }
    assert_int_equal(table_get(table, key, table_key_hash(key), BLOCKDB_SEQ_NONE, &hit, &err), 0);
    assert_false(hit.found);
}

/* Keys near one that is there: longer, shorter, changed. */
static void check_neighbours(struct table *table, const struct samples *s, const struct sample *at,
                             struct rng *r)
{
    uint8_t key[4097];
    size_t len = at->item.key.len;
    size_t i = rng_below(r, len);

    memcpy(key, at->key, len);
    key[len] = (uint8_t)(rng_below(r, 2) * 0xff);
    if (len < 4096) {
        check_absent(table, s, slice_of(key, len + 1));
    }
    if (len > 1) {
        check_absent(table, s, slice_of(key, len - 1));
    }
    key[i] = (uint8_t)(key[i] + 1);
    check_absent(table, s, slice_of(key, len));
}

void check_gets(struct env *env, struct table *table, const struct samples *s, struct rng *r)
{
    size_t i;

    for (i = 0; i < s->count; i++) {
        const struct sample *at = &s->at[i];
        struct slice key = at->item.key;
        struct table_hit hit = {0};
        struct error err = {0};

        epoch_enter(env->epoch);
        assert_int_equal(table_get(table, key, table_key_hash(key), BLOCKDB_SEQ_NONE, &hit, &err),
                         0);
        check_hit(&hit, &at->item);
        check_as_of(table, at, at->item.seq);
        check_as_of(table, at, at->item.seq - 1);
        check_as_of(table, at, 0);
        if (at->item.older.count > 0) {
            uint64_t seq = at->older[rng_below(r, at->item.older.count)];

            check_as_of(table, at, seq);
            check_as_of(table, at, seq > 0 ? seq - 1 : 0);
            check_as_of(table, at, at->older[at->item.older.count - 1]);
        }
        check_neighbours(table, s, at, r);
        epoch_leave(env->epoch);
    }
}
