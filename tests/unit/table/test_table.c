/* SPDX-License-Identifier: Apache-2.0 */
/* Tables against a model: what goes in comes out, by key, by cursor, by version, whatever the
 * shape. */
#include "base/mem.h"
#include "os/os_fault.h"
#include "table_test.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

/* after the four that it needs */
#include <cmocka.h>

static void check_walks(struct table *table, const struct samples *s,
                        const struct table_cursor_options *options)
{
    AUTO(cursor_free_ptr) struct cursor *c = NULL;
    struct error err = {0};
    size_t i;

    assert_int_equal(table_cursor_new(table, options, &c, &err), 0);
    assert_false(cursor_valid(c));
    assert_int_equal(cursor_seek_first(c, &err), 0);
    for (i = 0; i < s->count; i++) {
        assert_true(cursor_valid(c));
        check_item(cursor_item(c), &s->at[i].item);
        assert_int_equal(cursor_next(c, &err), 0);
    }
    assert_false(cursor_valid(c));
    assert_int_equal(cursor_seek_last(c, &err), 0);
    for (i = s->count; i-- > 0;) {
        assert_true(cursor_valid(c));
        check_item(cursor_item(c), &s->at[i].item);
        assert_int_equal(cursor_prev(c, &err), 0);
    }
    assert_false(cursor_valid(c));
}

/* Compares where the cursor stands with the model; rank == count means on none. */
static void check_stands(struct cursor *c, const struct samples *s, size_t rank)
{
    assert_int_equal(cursor_valid(c), rank < s->count);
    if (rank < s->count) {
        assert_true(slice_equal(cursor_item(c)->key, s->at[rank].item.key));
    }
}

static void check_seeks(struct table *table, const struct samples *s, struct rng *r)
{
    AUTO(cursor_free_ptr) struct cursor *c = NULL;
    struct error err = {0};
    size_t n;

    assert_int_equal(table_cursor_new(table, NULL, &c, &err), 0);
    assert_int_equal(cursor_seek(c, (struct slice){0}, &err), 0);
    check_stands(c, s, 0);
    assert_int_equal(cursor_seek_before(c, (struct slice){0}, &err), 0);
    check_stands(c, s, s->count);
    for (n = 0; n < 2 * s->count; n++) {
        const struct slice near = s->at[rng_below(r, s->count)].item.key;
        uint8_t key[4097];
        size_t len = near.len;
        size_t rank;
        unsigned steps = (unsigned)rng_below(r, 4);

        memcpy(key, near.data, len);
        if (rng_below(r, 3) > 0) {
            key[rng_below(r, len)] = (uint8_t)rng_next(r);
        } else if (rng_below(r, 2) == 0) {
            len -= rng_below(r, len);
        }
        rank = samples_rank(s, slice_of(key, len));
        if (rng_below(r, 2) == 0) {
            assert_int_equal(cursor_seek(c, slice_of(key, len), &err), 0);
        } else {
            assert_int_equal(cursor_seek_before(c, slice_of(key, len), &err), 0);
            rank = rank > 0 ? rank - 1 : s->count;
        }
        check_stands(c, s, rank);
        while (steps-- > 0 && cursor_valid(c)) {
            bool forward = rng_below(r, 2) == 0;

            assert_int_equal(forward ? cursor_next(c, &err) : cursor_prev(c, &err), 0);
            rank = forward ? rank + 1 : rank > 0 ? rank - 1 : s->count;
            check_stands(c, s, rank);
        }
    }
}

static void check_versions(struct table *table, const struct samples *s, struct rng *r)
{
    size_t i;

    for (i = 0; i < s->count; i += 1 + rng_below(r, 5)) {
        AUTO(version_cursor_deinit) struct version_cursor c = {0};
        const struct sample *at = &s->at[i];
        size_t left = at->item.older.count;
        size_t from = left > 0 ? rng_below(r, left) : 0;
        struct error err = {0};
        uint64_t seq;

        assert_int_equal(table_versions(table, at->item.key, VERSIONS_ALL, &c, &err), 0);
        assert_int_equal(version_cursor_next(&c, &seq, &err), 0);
        assert_int_equal(seq, at->item.seq);
        if (left == 0) {
            assert_int_equal(version_cursor_next(&c, &seq, &err), BLOCKDB_ENOTFOUND);
            continue;
        }
        assert_int_equal(version_cursor_seek(&c, at->older[from] + 1, &err), 0);
        for (; from < left; from++) {
            assert_int_equal(version_cursor_next(&c, &seq, &err), 0);
            assert_int_equal(seq, at->older[from]);
        }
        assert_int_equal(version_cursor_next(&c, &seq, &err), BLOCKDB_ENOTFOUND);
    }
}

struct visited {
    const struct samples *s;
    size_t count;
};

static int visit_item(void *arg, const struct item *item, struct error *err)
{
    struct visited *v = arg;

    (void)err;
    check_item(item, &v->s->at[v->count++].item);
    return 0;
}

static int count_item(void *arg, const struct item *item, struct error *err)
{
    size_t *count = arg;

    (void)item;
    (void)err;
    (*count)++;
    return 0;
}

/* Its parts in the reverse order see the same items and come to the same end. */
static void check_parts(struct table *table, const struct samples *s)
{
    struct table_verification *v = NULL;
    uint32_t part = table_verification_parts(table);
    size_t visited = 0;
    struct error err = {0};

    assert_int_equal(table_verification_new(table, &v, &err), 0);
    while (part-- > 0) {
        assert_int_equal(table_verification_part(v, part, count_item, &visited, &err), 0);
    }
    assert_int_equal(visited, s->count);
    assert_int_equal(table_verification_end(v, &err), 0);
    table_verification_free(v);

    /* A part is missing: the end does not come to what the file says. */
    assert_int_equal(table_verification_new(table, &v, &err), 0);
    for (part = 1; part < table_verification_parts(table); part++) {
        assert_int_equal(table_verification_part(v, part, NULL, NULL, &err), 0);
    }
    assert_int_equal(table_verification_end(v, &err), BLOCKDB_ECORRUPT);
    table_verification_free(v);
    table_verification_free(NULL);
}

static void check_all(struct env *env, const struct samples *s, struct rng *r)
{
    struct table_cursor_options bypass = {.bypass_cache = true, .readahead_bytes = 65536};
    AUTO(table_unref_ptr) struct table *table = NULL;
    struct visited visited = {.s = s};
    struct error err = {0};
    struct table_info info;
    int rc;

    rc = env_build(env, s, &err);
    if (rc < 0) {
        fail_msg("build: %s", err.message);
    }
    rc = env_open(env, &table, &err);
    if (rc < 0) {
        fail_msg("open: %s", err.message);
    }
    check_gets(env, table, s, r);
    check_walks(table, s, NULL);
    check_walks(table, s, &bypass);
    check_seeks(table, s, r);
    check_versions(table, s, r);
    rc = table_verify(table, visit_item, &visited, &err);
    if (rc < 0) {
        fail_msg("verify: %s", err.message);
    }
    assert_int_equal(visited.count, s->count);
    check_parts(table, s);
    table_inspect(table, &info);
    assert_int_equal(info.codec, env->build.codec);
    assert_true(info.data_pages > 0 && info.index_partitions > 0);
    assert_string_equal(table_path(table), env->path);
    cache_check(env->block_cache);
    cache_check(env->index_cache);
}

struct shape {
    struct sample_options samples;
    size_t page_bytes;
    size_t index_bytes;
    unsigned bits;
    bool direct;
};

static const struct shape shapes[] = {
    {{.count = 1, .value_len_max = 10}, 4096, 4096, 10, false},
    {{.count = 1500, .value_len_max = 100}, 1024, 512, 10, false},
    {{.count = 1500, .value_len_max = 30, .one_prefix = true}, 4096, 4096, 10, true},
    {{.count = 300, .key_len_max = 4096, .value_len_max = 5000}, 4096, 1024, 0, false},
    {{.count = 400, .key_len_max = 2, .value_len_max = 0}, 256, 128, 20, false},
    {{.count = 300, .value_len_max = 50, .long_list = 300}, 1024, 512, 10, false},
    {{.count = 100, .value_len_max = 50, .long_list = 20000}, 1024, 512, 10, true},
    {{.count = 700, .value_len_max = 0, .long_list = 200}, 100000, 512, 10, false},
    {{.count = 40, .value_len_max = 200000}, 32768, 4096, 1, false},
};

static void tables_match_the_model(void **state)
{
    struct rng r = rng_start();
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        struct samples s = samples_new(&r, &shapes[i].samples);
        unsigned codec;

        for (codec = 0; codec < CODEC_COUNT; codec++) {
            struct env env;

            env_init(&env, codec == 0 ? 0 : codec == 1 ? 100000 : 64 << 20);
            env.build.codec = (enum codec)codec;
            env.build.page_bytes = shapes[i].page_bytes;
            env.build.index_bytes = shapes[i].index_bytes;
            env.build.filter_bits_per_key = shapes[i].bits;
            env.build.writer.direct = shapes[i].direct;
            env.open.direct_io = shapes[i].direct;
            check_all(&env, &s, &r);
            env_deinit(&env);
        }
        samples_free(&s);
    }
}

static void a_long_list_is_searched_in_few_pages(void **state)
{
    enum { VERSIONS = 300000 };
    uint64_t *older = mem_alloc(VERSIONS * sizeof(*older));
    struct sample sample = {.older = older};
    struct samples s = {.at = &sample, .count = 1};
    struct table *table = NULL;
    struct error err = {0};
    struct table_info info;
    struct env env;
    size_t i;

    (void)state;
    for (i = 0; i < VERSIONS; i++) {
        older[i] = 3 * (uint64_t)(VERSIONS - i);
    }
    sample.item = (struct item){.key = slice_of_text("hot"),
                                .seq = 3 * VERSIONS + 7,
                                .kind = BLOCKDB_KIND_PUT,
                                .value_len = 1 << 20,
                                .older = version_list_of_array(older, VERSIONS)};
    env_init(&env, 16 << 20);
    assert_int_equal(env_build(&env, &s, &err), 0);
    assert_int_equal(env_open(&env, &table, &err), 0);
    table_inspect(table, &info);
    assert_true(info.version_pages > 50);
    assert_true(info.data_bytes < 200); /* the page of the key itself stays small */
    for (i = 1; i < VERSIONS; i += 7919) {
        struct cache_stats before;
        struct cache_stats after;
        struct table_hit hit = {0};
        struct slice key = sample.item.key;

        env_renew_caches(&env, 0);
        table_unref(table);
        assert_int_equal(env_open(&env, &table, &err), 0);
        cache_stats_get(env.block_cache, &before);
        epoch_enter(env.epoch);
        assert_int_equal(table_get(table, key, table_key_hash(key), older[i] + 1, &hit, &err), 0);
        epoch_leave(env.epoch);
        cache_stats_get(env.block_cache, &after);
        assert_true(hit.found && !hit.newest);
        assert_int_equal(hit.seq, older[i]);
        assert_true(after.misses - before.misses <= 4); /* data, directory, one or two pages */
    }
    table_unref(table);
    env_deinit(&env);
    mem_free(older);
}

static void the_builder_refuses_what_it_cannot_store(void **state)
{
    uint8_t long_key[4097] = {0};
    struct item good = {.key = slice_of_text("m"), .seq = 5, .kind = BLOCKDB_KIND_PUT};
    struct item bad[8];
    uint64_t rising[] = {3, 4};
    struct env env;
    size_t i;

    (void)state;
    for (i = 0; i < 8; i++) {
        bad[i] = good;
    }
    bad[0].key = slice_of_text("l"); /* below the one before */
    bad[1].key = slice_of("", 0);
    bad[2].key = slice_of(long_key, sizeof(long_key));
    bad[3].kind = 3;
    bad[4].key = slice_of_text("n");
    bad[4].value_len = BLOCKDB_VALUE_MAX + 1;
    bad[5].key = slice_of_text("n");
    bad[5].older = version_list_of_array(rising, 2);
    bad[6].key = slice_of_text("n");
    bad[6].seq = BLOCKDB_SEQ_NONE;
    bad[7] = good; /* the same again */
    env_init(&env, 0);
    for (i = 0; i < 8; i++) {
        struct table_facts facts = {0};
        struct table_builder *b;
        struct error err = {0};
        int rc;

        env.build.keys_max = 2;
        assert_int_equal(table_builder_new(&env.build, &b, &err), 0);
        assert_int_equal(table_builder_add(b, &good, &err), 0);
        rc = table_builder_add(b, &bad[i], &err);
        assert_int_equal(rc, i == 5 ? BLOCKDB_ECORRUPT : BLOCKDB_EINVAL);
        good.key = slice_of_text("z");
        assert_int_equal(table_builder_add(b, &good, &err), rc); /* it stays failed */
        good.key = slice_of_text("m");
        if (i % 2 == 0) {
            assert_int_equal(table_builder_finish(b, &facts, &err), rc);
            assert_int_equal(os_unlink(os_real(), env.path, &err), 0);
        } else {
            table_builder_abandon(b);
        }
    }
    env_deinit(&env);
}

static void an_empty_or_unfinished_file_is_no_table(void **state)
{
    struct item item = {.key = slice_of_text("m"), .seq = 5, .kind = BLOCKDB_KIND_PUT};
    struct table_facts facts = {0};
    struct table *table = NULL;
    struct table_builder *b;
    struct error err = {0};
    struct os_file *file;
    struct env env;

    (void)state;
    env_init(&env, 0);
    assert_int_equal(table_builder_new(&env.build, &b, &err), 0);
    assert_int_equal(table_builder_new(&env.build, &b, &err), BLOCKDB_EEXIST);
    assert_int_equal(table_builder_finish(b, &facts, &err), BLOCKDB_EINVAL);
    assert_int_equal(env_open(&env, &table, &err), BLOCKDB_ECORRUPT);
    assert_int_equal(os_unlink(os_real(), env.path, &err), 0);
    assert_int_equal(env_open(&env, &table, &err), BLOCKDB_ENOTFOUND);
    assert_int_equal(table_builder_new(&env.build, &b, &err), 0);
    assert_int_equal(table_builder_add(b, &item, &err), 0);
    table_builder_abandon(b); /* the file goes */
    assert_int_equal(env_open(&env, &table, &err), BLOCKDB_ENOTFOUND);
    assert_int_equal(os_open(os_real(), env.path, OS_WRITE | OS_CREATE, &file, &err), 0);
    file_close(file);
    assert_int_equal(env_open(&env, &table, &err), BLOCKDB_ECORRUPT);
    env.build.filter_bits_per_key = 33;
    assert_int_equal(table_builder_new(&env.build, &b, &err), BLOCKDB_EINVAL);
    env_deinit(&env);
}

static void a_table_knows_where_it_belongs(void **state)
{
    struct rng r = {.state = 1};
    struct samples s = samples_new(&r, &(struct sample_options){.count = 50, .value_len_max = 9});
    struct table *table = NULL;
    struct error err = {0};
    struct env env;
    char name[TABLE_NAME_MAX];

    (void)state;
    table_name(ENV_FILE_NUMBER, name);
    assert_string_equal(name, "000017.sst");
    env_init(&env, 0);
    assert_int_equal(env_build(&env, &s, &err), 0);
    assert_int_equal(table_open(&env.open, env.path, 18, &table, &err), BLOCKDB_EFOREIGN);
    env.open.ledger_id[3] ^= 1;
    assert_int_equal(env_open(&env, &table, &err), BLOCKDB_EFOREIGN);
    assert_non_null(strstr(err.message, env.path));
    env_deinit(&env);
    samples_free(&s);
}

static void the_filter_spares_pages(void **state)
{
    struct rng r = rng_start();
    struct sample_options options = {.count = 5000, .value_len_max = 9};
    struct samples s = samples_new(&r, &options);
    struct table_counters_values counts;
    struct table *table = NULL;
    struct error err = {0};
    struct env env;
    uint64_t i;

    (void)state;
    env_init(&env, 16 << 20);
    assert_int_equal(env_build(&env, &s, &err), 0);
    assert_int_equal(env_open(&env, &table, &err), 0);
    epoch_enter(env.epoch);
    for (i = 0; i < 100000; i++) {
        uint64_t number[4] = {i, i, i, i};
        struct slice key = slice_of(number, sizeof(number));
        struct table_hit hit = {.found = true};

        assert_int_equal(table_get(table, key, table_key_hash(key), BLOCKDB_SEQ_NONE, &hit, &err),
                         0);
        assert_false(hit.found);
    }
    epoch_leave(env.epoch);
    table_counters_get(env.counters, &counts);
    assert_int_equal(counts.filter_checks, 100000);
    assert_int_equal(counts.filter_checks - counts.filter_negatives, counts.filter_false_positives);
    print_message("false positives: %.2f %%\n", (double)counts.filter_false_positives / 1000.0);
    assert_true(counts.filter_false_positives < 3000);
    table_unref(table);
    env_deinit(&env);
    samples_free(&s);
}

/* Walks the whole table and tells how many reads of the disk that took. */
static uint64_t reads_of_walk(struct table *table, struct os_fault *counter,
                              const struct table_cursor_options *options, bool forward)
{
    AUTO(cursor_free_ptr) struct cursor *c = NULL;
    struct error err = {0};
    uint64_t count = 0;

    os_fault_arm(counter, &(struct os_fault_plan){.classes = OS_FAULT_READ});
    assert_int_equal(table_cursor_new(table, options, &c, &err), 0);
    assert_int_equal(forward ? cursor_seek_first(c, &err) : cursor_seek_last(c, &err), 0);
    for (; cursor_valid(c); count++) {
        assert_int_equal(forward ? cursor_next(c, &err) : cursor_prev(c, &err), 0);
    }
    assert_int_equal(count, table_facts(table)->key_count);
    return os_fault_seen(counter);
}

static void walks_read_ahead(void **state)
{
    struct table_cursor_options ahead = {.bypass_cache = true, .readahead_bytes = 64 * 1024};
    struct sample_options options = {.count = 6000, .value_len_max = 100};
    struct os_fault *counter = os_fault_new(os_real());
    struct rng r = rng_start();
    struct samples s = samples_new(&r, &options);
    struct table *table = NULL;
    struct table_info info;
    struct cache_stats stats;
    struct error err = {0};
    uint64_t windows;
    struct env env;

    (void)state;
    env_init(&env, 16 << 20);
    env.build.index_bytes = 4096;
    assert_int_equal(env_build(&env, &s, &err), 0);
    env.open.os = os_fault_os(counter);
    assert_int_equal(env_open(&env, &table, &err), 0);
    table_inspect(table, &info);
    windows = info.data_bytes / ahead.readahead_bytes + 1;
    assert_true(windows > 4 && info.data_pages > 20 * windows);
    assert_in_range(reads_of_walk(table, counter, &ahead, true), windows,
                    2 * windows + info.index_partitions);
    assert_in_range(reads_of_walk(table, counter, &ahead, false), windows,
                    2 * windows + info.index_partitions);
    cache_stats_get(env.block_cache, &stats);
    assert_int_equal(stats.page_count, 0); /* nothing stayed */
    ahead.bypass_cache = false;
    assert_in_range(reads_of_walk(table, counter, &ahead, true), windows,
                    2 * windows + info.index_partitions);
    assert_int_equal(reads_of_walk(table, counter, NULL, true), 0); /* now all is cached */
    table_unref(table);
    env_deinit(&env);
    os_fault_free(counter);
    samples_free(&s);
}

static void ranges_are_measured_by_the_index(void **state)
{
    struct rng r = rng_start();
    struct samples s = samples_new(&r,
                                   &(struct sample_options){.count = 3000, .value_len_max = 50});
    struct table *table = NULL;
    struct error err = {0};
    uint64_t whole;
    uint64_t half;
    uint64_t none;
    struct env env;

    (void)state;
    env_init(&env, 0);
    assert_int_equal(env_build(&env, &s, &err), 0);
    assert_int_equal(env_open(&env, &table, &err), 0);
    assert_int_equal(table_range_bytes(table, s.at[0].item.key, (struct slice){0}, &whole, &err),
                     0);
    assert_int_equal(
        table_range_bytes(table, s.at[0].item.key, s.at[s.count / 2].item.key, &half, &err), 0);
    assert_int_equal(table_range_bytes(table, slice_of("\xff\xff\xff\xff\xff\xff\xff\xff\xff", 9),
                                       (struct slice){0}, &none, &err),
                     0);
    assert_true(whole > half && half > whole / 4 && half < whole * 3 / 4);
    assert_true(whole < table_facts(table)->file_bytes);
    assert_true(none <= whole / 10);
    table_unref(table);
    env_deinit(&env);
    samples_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_match_the_model),
        cmocka_unit_test(a_long_list_is_searched_in_few_pages),
        cmocka_unit_test(the_builder_refuses_what_it_cannot_store),
        cmocka_unit_test(an_empty_or_unfinished_file_is_no_table),
        cmocka_unit_test(a_table_knows_where_it_belongs),
        cmocka_unit_test(the_filter_spares_pages),
        cmocka_unit_test(walks_read_ahead),
        cmocka_unit_test(ranges_are_measured_by_the_index),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
