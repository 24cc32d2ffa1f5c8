/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flush, merge, table sets and runs together: a small store on a disk in memory, against a model
 * that knows every version of every key.
 */
#include "base/mem.h"
#include "common/test_env.h"
#include "os/os_crash.h"
#include "os/os_fault.h"
#include "store/merge.h"
#include "store/merging_cursor.h"
#include "store/table_set.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* after those that it needs */
#include <cmocka.h>

#define DIR "/db"
#define KEYS 200
#define VERSIONS_MAX 600
#define INLINE_LIMIT 100
#define CACHE_BYTES ((size_t)1 << 20)

struct store {
    struct os_crash *disk;
    struct os *os; /* of disk, or what a test puts before it */
    struct epoch *epoch;
    struct cache *block_cache;
    struct cache *index_cache;
    struct table_set *set;
    uint64_t next_number;
    uint64_t next_seq;
    uint64_t random;
    struct memtable *mt;               /* of the last fill() */
    uint64_t seqs[KEYS][VERSIONS_MAX]; /* the model: of each key, ascending */
    size_t seq_count[KEYS];
};

static uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static uint64_t seed_of_test(void)
{
    const char *text = getenv("BLOCKDB_TEST_SEED");
    uint64_t seed = text != NULL ? strtoull(text, NULL, 10) : os_monotonic_ns(os_real());

    print_message("seed %llu\n", (unsigned long long)seed);
    return seed | 1;
}

static struct store *store_new(uint64_t seed)
{
    struct store *s = calloc(1, sizeof(*s));

    s->disk = os_crash_new(seed);
    s->os = os_crash_os(s->disk);
    s->epoch = epoch_new();
    s->block_cache = cache_new(
        &(struct cache_options){.epoch = s->epoch, .capacity_bytes = CACHE_BYTES});
    s->index_cache = cache_new(
        &(struct cache_options){.epoch = s->epoch, .capacity_bytes = CACHE_BYTES});
    s->set = table_set_new();
    s->random = seed;
    assert_non_null(s->set);
    assert_int_equal(os_make_dirs(s->os, DIR, NULL), BLOCKDB_OK);
    return s;
}

static void store_free(struct store *s)
{
    memtable_unref(s->mt);
    table_set_unref(s->set);
    epoch_collect(s->epoch);
    cache_free(s->block_cache);
    cache_free(s->index_cache);
    epoch_free(s->epoch);
    os_crash_free(s->disk);
    free(s);
}

/* ---- The model ------------------------------------------------------------------------------- */

static struct slice key_of(int key, uint8_t out[16])
{
    (void)snprintf((char *)out, 16, "key%04d", key);
    return slice_of(out, 7);
}

static int key_number(struct slice key)
{
    char text[8] = {0};

    assert_int_equal(key.len, 7);
    memcpy(text, key.data, 7);
    return (int)strtol(text + 3, NULL, 10);
}

static uint8_t kind_of(uint64_t seq)
{
    return seq % 7 == 0 ? BLOCKDB_KIND_DELETE : BLOCKDB_KIND_PUT;
}

static struct slice value_of(uint64_t seq)
{
    static uint8_t bytes[256][256];
    uint8_t *at = bytes[seq % 256];

    memset(at, (int)(seq % 256), 256);
    return slice_of(at, kind_of(seq) == BLOCKDB_KIND_DELETE ? 0 : seq % 150);
}

/* A new memtable with count versions of random keys; borrowed. */
static const struct memtable *fill(struct store *s, int count)
{
    uint64_t span = 1 + random_next(&s->random) % KEYS;
    uint64_t start = random_next(&s->random) % KEYS;

    memtable_unref(s->mt);
    s->mt = memtable_new(NULL);
    for (; count > 0; count--) {
        int key = (int)((start + random_next(&s->random) % span) % KEYS);
        uint64_t seq = s->next_seq++;
        uint8_t bytes[16];
        struct memtable_version version = {
            .seq = seq, .time_ms = 3 * seq, .kind = kind_of(seq), .value = value_of(seq)};

        if (s->seq_count[key] == VERSIONS_MAX) {
            continue;
        }
        assert_int_equal(memtable_add(s->mt, key_of(key, bytes), &version), BLOCKDB_OK);
        s->seqs[key][s->seq_count[key]++] = seq;
    }
    return s->mt;
}

static size_t visible(const struct store *s, int key, uint64_t limit)
{
    size_t count = s->seq_count[key];

    while (count > 0 && s->seqs[key][count - 1] > limit) {
        count--;
    }
    return count;
}

/* ---- Flush and merge ------------------------------------------------------------------------- */

static uint64_t take_number(void *arg)
{
    return ++((struct store *)arg)->next_number;
}

static struct merge_options merge_options_of(struct store *s)
{
    return (struct merge_options){
        .os = s->os,
        .dir = DIR,
        .take_number = take_number,
        .take_number_arg = s,
        .inline_value_limit = INLINE_LIMIT,
        .page_bytes = 512,
        .index_bytes = 512,
        .filter_bits_per_key = 10,
        .codec = CODEC_LZ4,
    };
}

static struct table *open_table(struct store *s, uint64_t number)
{
    struct table_options options = {.os = s->os,
                                    .epoch = s->epoch,
                                    .block_cache = s->block_cache,
                                    .index_cache = s->index_cache};
    char name[TABLE_NAME_MAX];
    char *path;
    struct table *table = NULL;
    struct error err = {0};

    table_name(number, name);
    path = path_join(DIR, name);
    if (table_open(&options, path, number, &table, &err) < 0) {
        fail_msg("%s", err.message);
    }
    mem_free(path);
    return table;
}

/* Replaces `remove` in the set by what a merge made. */
static void install(struct store *s, const uint64_t *remove, size_t remove_count,
                    const struct merge_result *result, uint32_t level)
{
    struct table_set_add add[64];
    struct table_set_edit edit = {.remove = remove,
                                  .remove_count = remove_count,
                                  .add = add,
                                  .add_count = result->table_count};
    struct table_set *next;
    size_t i;

    assert_true(result->table_count <= 64);
    for (i = 0; i < result->table_count; i++) {
        add[i] = (struct table_set_add){open_table(s, result->tables[i].file_number), level};
    }
    assert_int_equal(table_set_apply(s->set, &edit, &next), BLOCKDB_OK);
    for (i = 0; i < result->table_count; i++) {
        table_unref(add[i].table);
    }
    table_set_unref(s->set);
    s->set = next;
}

static void flush(struct store *s)
{
    struct merge_options options = merge_options_of(s);
    struct merge_result result = {0};

    assert_int_equal(merge_flush(&options, s->mt, &result, NULL), BLOCKDB_OK);
    install(s, NULL, 0, &result, 0);
    merge_result_deinit(&result);
}

static int pick(struct store *s, const struct merge_policy *policy, bool full,
                struct merge_job *out)
{
    struct merge_table *tables;
    size_t count;
    int rc;

    assert_int_equal(merge_tables_of_set(s->set, NULL, 0, &tables, &count), BLOCKDB_OK);
    rc = full ? merge_policy_pick_full(policy, tables, count, out)
              : merge_policy_pick(policy, tables, count, out);
    mem_free(tables);
    return rc;
}

/* Runs a job without installing it. */
static int run_job(struct store *s, const struct merge_job *job, struct merge_options *options,
                   struct merge_result *result, struct error *err)
{
    struct table *tables[256];
    struct merge_input inputs[64];
    size_t i;

    assert_true(job->number_count <= 256 && job->run_count <= 64);
    for (i = 0; i < job->number_count; i++) {
        tables[i] = table_set_find(s->set, job->numbers[i], NULL);
        assert_non_null(tables[i]);
    }
    for (i = 0; i < job->run_count; i++) {
        inputs[i] = (struct merge_input){tables + job->runs[i].first, job->runs[i].count};
    }
    options->table_bytes_max = job->table_bytes_max;
    return merge_tables(options, inputs, job->run_count, result, err);
}

static bool merge_once(struct store *s, const struct merge_policy *policy, bool full)
{
    struct merge_options options = merge_options_of(s);
    struct merge_job job = {0};
    struct merge_result result = {0};

    if (pick(s, policy, full, &job) != BLOCKDB_OK) {
        return false;
    }
    if (job.move) {
        size_t i;

        for (i = 0; i < job.number_count; i++) {
            struct table_set_add add = {table_set_find(s->set, job.numbers[i], NULL),
                                        job.target_level};
            struct table_set_edit edit = {&job.numbers[i], 1, &add, 1};
            struct table_set *next;

            assert_int_equal(table_set_apply(s->set, &edit, &next), BLOCKDB_OK);
            table_set_unref(s->set);
            s->set = next;
        }
    } else {
        assert_int_equal(run_job(s, &job, &options, &result, NULL), BLOCKDB_OK);
        install(s, job.numbers, job.number_count, &result, job.target_level);
    }
    merge_result_deinit(&result);
    merge_job_deinit(&job);
    return true;
}

/* ---- Checks ---------------------------------------------------------------------------------- */

static void check_get(struct store *s, int key, uint64_t at_seq)
{
    size_t count = visible(s, key, at_seq);
    struct table_hit hit;
    uint8_t bytes[16];

    epoch_enter(s->epoch);
    assert_int_equal(table_set_get(s->set, key_of(key, bytes), at_seq, &hit, NULL), BLOCKDB_OK);
    assert_int_equal(hit.found, count > 0);
    if (count > 0) {
        uint64_t seq = s->seqs[key][count - 1];

        assert_int_equal(hit.seq, seq);
        if (hit.newest) {
            assert_int_equal(hit.kind, kind_of(seq));
            assert_int_equal(hit.time_ms, 3 * seq);
            assert_int_equal(hit.value_len, value_of(seq).len);
            if (kind_of(seq) == BLOCKDB_KIND_PUT) {
                assert_int_equal(hit.value_inline, value_of(seq).len <= INLINE_LIMIT);
            }
            if (hit.value_inline) {
                assert_true(slice_equal(hit.value, value_of(seq)));
            }
        }
        assert_true(hit.newest || count < s->seq_count[key]);
    }
    epoch_leave(s->epoch);
}

static struct cursor *scan(struct store *s, uint64_t limit)
{
    struct cursor *sources[300];
    struct cursor *merged;
    size_t count = table_set_source_count(s->set);

    assert_true(count <= 300);
    assert_int_equal(table_set_cursors(s->set, NULL, sources, NULL), BLOCKDB_OK);
    assert_int_equal(merging_cursor_new(sources, count, limit, &merged), BLOCKDB_OK);
    return merged;
}

static void check_versions(struct store *s, const struct item *item, int key)
{
    struct version_cursor versions;
    size_t i = s->seq_count[key] - 1;
    uint64_t seq;

    assert_int_equal(item->older.count, i);
    assert_int_equal(version_cursor_init(&versions, &item->older, VERSIONS_ALL, NULL), BLOCKDB_OK);
    for (; i > 0; i--) {
        assert_int_equal(version_cursor_next(&versions, &seq, NULL), BLOCKDB_OK);
        assert_int_equal(seq, s->seqs[key][i - 1]);
    }
    assert_int_equal(version_cursor_next(&versions, &seq, NULL), BLOCKDB_ENOTFOUND);
    version_cursor_deinit(&versions);
}

static void check_scan(struct store *s, uint64_t limit, bool backward)
{
    struct cursor *c = scan(s, limit);
    int key = backward ? KEYS - 1 : 0;

    assert_int_equal(backward ? cursor_seek_last(c, NULL) : cursor_seek_first(c, NULL), BLOCKDB_OK);
    for (; key >= 0 && key < KEYS; key += backward ? -1 : 1) {
        size_t count = visible(s, key, limit);

        if (count == 0) {
            continue;
        }
        assert_true(cursor_valid(c));
        assert_int_equal(key_number(cursor_item(c)->key), key);
        assert_int_equal(cursor_item(c)->seq, s->seqs[key][count - 1]);
        if (limit == VERSIONS_ALL) {
            check_versions(s, cursor_item(c), key);
        }
        assert_int_equal(backward ? cursor_prev(c, NULL) : cursor_next(c, NULL), BLOCKDB_OK);
    }
    assert_false(cursor_valid(c));
    cursor_free(c);
}

static void check_seeks(struct store *s)
{
    struct cursor *c = scan(s, VERSIONS_ALL);
    int i;

    for (i = 0; i < 100; i++) {
        int key = (int)(random_next(&s->random) % KEYS);
        int next = key;
        int before = key - 1;
        uint8_t bytes[16];

        while (next < KEYS && s->seq_count[next] == 0) {
            next++;
        }
        while (before >= 0 && s->seq_count[before] == 0) {
            before--;
        }
        assert_int_equal(cursor_seek(c, key_of(key, bytes), NULL), BLOCKDB_OK);
        assert_int_equal(cursor_valid(c), next < KEYS);
        assert_true(next == KEYS || key_number(cursor_item(c)->key) == next);
        assert_int_equal(cursor_seek_before(c, key_of(key, bytes), NULL), BLOCKDB_OK);
        assert_int_equal(cursor_valid(c), before >= 0);
        assert_true(before < 0 || key_number(cursor_item(c)->key) == before);
    }
    cursor_free(c);
}

static void check_store(struct store *s)
{
    uint64_t middle = random_next(&s->random) % (s->next_seq + 1);
    int key;

    for (key = 0; key < KEYS; key++) {
        check_get(s, key, BLOCKDB_SEQ_NONE);
        check_get(s, key, middle);
        check_get(s, key, random_next(&s->random) % (s->next_seq + 1));
    }
    check_scan(s, VERSIONS_ALL, false);
    check_scan(s, VERSIONS_ALL, true);
    check_scan(s, middle, false);
    check_scan(s, middle, true);
    check_seeks(s);
}

/* Counts files of tables. */
static int count_tables(void *context, const char *path, uint64_t len_bytes)
{
    (void)len_bytes;
    *(size_t *)context += strstr(path, ".sst") != NULL;
    return BLOCKDB_OK;
}

static size_t tables_on_disk(struct store *s)
{
    size_t count = 0;

    assert_int_equal(os_crash_visit(s->disk, "/", count_tables, &count, NULL), BLOCKDB_OK);
    return count;
}

/* ---- Tests ----------------------------------------------------------------------------------- */

static void run_history(enum merge_strategy strategy, uint64_t seed)
{
    struct store *s = store_new(seed);
    struct merge_policy policy = {.strategy = strategy,
                                  .table_bytes = 3000,
                                  .level_1_bytes = 8000,
                                  .ratio = 3,
                                  .threshold = 3};
    int round;

    check_store(s); /* empty */
    for (round = 0; round < 24; round++) {
        fill(s, 1 + (int)(random_next(&s->random) % 150));
        flush(s);
        if (round == 12) { /* a restart with the other strategy */
            policy.strategy = strategy == MERGE_LEVELED ? MERGE_SIZE_TIERED : MERGE_LEVELED;
        }
        while (random_next(&s->random) % 4 != 0 && merge_once(s, &policy, false)) {
        }
        if (round % 4 == 0) {
            check_store(s);
        }
    }
    while (merge_once(s, &policy, false)) {
    }
    check_store(s);
    while (merge_once(s, &policy, true)) {
    }
    assert_int_equal(table_set_source_count(s->set), 1);
    assert_true(table_set_count(s->set) > 1);
    check_store(s);
    store_free(s);
}

static void test_histories(void **state)
{
    uint64_t seed = seed_of_test();
    int i;

    (void)state;
    for (i = 0; i < 6; i++) {
        run_history(MERGE_SIZE_TIERED, seed + 2 * (uint64_t)i);
        run_history(MERGE_LEVELED, seed + 2 * (uint64_t)i);
    }
}

static void test_empty_memtable_makes_no_table(void **state)
{
    struct store *s = store_new(1);
    struct merge_options options = merge_options_of(s);
    struct merge_result result = {0};

    (void)state;
    fill(s, 0);
    assert_int_equal(merge_flush(&options, s->mt, &result, NULL), BLOCKDB_OK);
    assert_int_equal(result.table_count, 0);
    assert_int_equal(tables_on_disk(s), 0);
    store_free(s);
}

static void test_durable_when_done(void **state)
{
    struct store *s = store_new(seed_of_test());
    struct merge_options options = merge_options_of(s);
    struct merge_result result = {0};

    (void)state;
    while (memtable_key_count(fill(s, 300)) < KEYS / 2) {
        memset(s->seq_count, 0, sizeof(s->seq_count));
    }
    options.codec = CODEC_NONE;
    options.table_bytes_max = 2000;
    assert_int_equal(merge_flush(&options, s->mt, &result, NULL), BLOCKDB_OK);
    assert_true(result.table_count > 2);
    os_crash_power_off(s->disk);
    assert_int_equal(os_crash_restart(s->disk, 5), BLOCKDB_OK);
    install(s, NULL, 0, &result, 3);
    check_store(s);
    merge_result_deinit(&result);
    store_free(s);
}

static void test_left_over_file_is_replaced(void **state)
{
    struct store *s = store_new(3);
    struct os_file *file = NULL;

    (void)state;
    assert_int_equal(os_open(s->os, DIR "/000001.sst", OS_WRITE | OS_CREATE, &file, NULL),
                     BLOCKDB_OK);
    file_close(file);
    fill(s, 10);
    flush(s);
    check_store(s);
    store_free(s);
}

/* A store with some tables in levels 0 and 1, and a job over all of them. */
static struct store *store_with_job(struct merge_job *job)
{
    struct store *s = store_new(11);
    struct merge_policy policy = {
        .strategy = MERGE_LEVELED, .table_bytes = 3000, .level_1_bytes = 100000, .threshold = 3};
    int i;

    for (i = 0; i < 3; i++) {
        fill(s, 80);
        flush(s);
    }
    assert_true(merge_once(s, &policy, false));
    for (i = 0; i < 2; i++) {
        fill(s, 80);
        flush(s);
    }
    assert_int_equal(pick(s, &policy, true, job), BLOCKDB_OK);
    assert_false(job->move);
    return s;
}

static void test_cancelled(void **state)
{
    struct merge_job job;
    struct store *s = store_with_job(&job);
    struct merge_options options = merge_options_of(s);
    struct merge_result result = {0};
    atomic_bool cancelled = true;
    atomic_ullong progress = 0;
    size_t before = tables_on_disk(s);

    (void)state;
    options.cancelled = &cancelled;
    options.progress_keys = &progress;
    assert_int_equal(run_job(s, &job, &options, &result, NULL), BLOCKDB_ECANCELED);
    assert_int_equal(tables_on_disk(s), before);
    atomic_store(&cancelled, false);
    atomic_store(&progress, 0);
    assert_int_equal(run_job(s, &job, &options, &result, NULL), BLOCKDB_OK);
    assert_true(atomic_load(&progress) > 100);
    merge_result_deinit(&result);
    merge_job_deinit(&job);
    store_free(s);
}

static void test_every_operation_fails_once(void **state)
{
    struct merge_job job;
    struct store *s = store_with_job(&job);
    struct os_fault *fault = os_fault_new(os_crash_os(s->disk));
    size_t before = tables_on_disk(s);
    bool fired = true;
    uint64_t nth;

    (void)state;
    for (nth = 1; fired; nth++) {
        struct os_fault_plan plan = {.classes = OS_FAULT_CHANGES, .nth = nth, .forever = false};
        struct merge_options options = merge_options_of(s);
        struct merge_result result = {0};
        struct error err = {0};
        int rc;

        options.os = os_fault_os(fault);
        os_fault_arm(fault, &plan);
        rc = run_job(s, &job, &options, &result, &err);
        fired = os_fault_fired(fault);
        assert_int_equal(rc, fired ? BLOCKDB_EIO : BLOCKDB_OK);
        if (fired) { /* MERGE-2 */
            assert_non_null(strstr(err.message, DIR));
            assert_int_equal(tables_on_disk(s), before);
        }
        merge_result_deinit(&result);
    }
    assert_true(nth > 8);
    check_store(s);
    os_fault_free(fault);
    merge_job_deinit(&job);
    store_free(s);
}

static void test_full_disk(void **state)
{
    struct merge_job job;
    struct store *s = store_with_job(&job);
    struct merge_options options = merge_options_of(s);
    struct merge_result result = {0};
    size_t before = tables_on_disk(s);
    uint64_t room;
    int rc = BLOCKDB_ENOSPC;

    (void)state;
    for (room = 0; rc == BLOCKDB_ENOSPC; room += test_rounds(1500, 100)) {
        os_crash_set_capacity(s->disk, os_crash_used_bytes(s->disk) + room);
        rc = run_job(s, &job, &options, &result, NULL);
        if (rc != BLOCKDB_OK) {
            assert_int_equal(tables_on_disk(s), before);
            check_scan(s, VERSIONS_ALL, false);
        }
    }
    assert_int_equal(rc, BLOCKDB_OK);
    assert_true(room > 1500);
    merge_result_deinit(&result);
    merge_job_deinit(&job);
    store_free(s);
}

static bool fail_at(void *context)
{
    long *left = context;

    return *left >= 0 && (*left)-- == 0;
}

static void test_failing_allocations(void **state)
{
    struct merge_job job;
    struct store *s = store_with_job(&job);
    size_t before = tables_on_disk(s);
    bool done = false;
    long n;

    (void)state;
    for (n = 0; !done; n++) {
        struct merge_options options = merge_options_of(s);
        struct merge_result result = {0};
        long left = n;
        int rc;

        mem_set_fail_hook(fail_at, &left);
        rc = run_job(s, &job, &options, &result, NULL);
        mem_set_fail_hook(NULL, NULL);
        done = left >= 0;
        /* Some allocations can be done without; a failed clean-up leaves a file that counts not. */
        assert_true(rc == BLOCKDB_OK || (rc == BLOCKDB_ENOMEM && !done));
        if (rc == BLOCKDB_ENOMEM) {
            assert_int_equal(tables_on_disk(s), before);
        }
        before = tables_on_disk(s);
        merge_result_deinit(&result);
    }
    assert_true(n > 20);
    check_store(s);
    merge_job_deinit(&job);
    store_free(s);
}

static void test_set_refuses_what_does_not_fit(void **state)
{
    struct merge_job job;
    struct store *s = store_with_job(&job);
    struct table_set *next = NULL;
    const uint64_t absent = 999;
    struct table *first = table_set_level(s->set, 0).tables[0];
    struct table *second = table_set_level(s->set, 0).tables[1];
    struct table_set_add add[2] = {{first, 0}, {second, 2}};
    uint64_t numbers[2] = {table_facts(first)->file_number, table_facts(second)->file_number};
    struct table_set_edit edit = {&absent, 1, NULL, 0};
    uint32_t level = 99;

    (void)state;
    assert_int_equal(table_set_apply(s->set, &edit, &next), BLOCKDB_EINVAL);
    edit = (struct table_set_edit){NULL, 0, add, 1}; /* is there already */
    assert_int_equal(table_set_apply(s->set, &edit, &next), BLOCKDB_EINVAL);
    add[0].level = TABLE_LEVELS;
    edit = (struct table_set_edit){numbers, 1, add, 1};
    assert_int_equal(table_set_apply(s->set, &edit, &next), BLOCKDB_EINVAL);
    add[0].level = 2;
    edit = (struct table_set_edit){numbers, 2, add, 2};
    if (table_meta_overlaps(
            &(struct table_meta){.first_key = buf_slice(&table_facts(first)->key_min),
                                 .last_key = buf_slice(&table_facts(first)->key_max)},
            buf_slice(&table_facts(second)->key_min), buf_slice(&table_facts(second)->key_max))) {
        assert_int_equal(table_set_apply(s->set, &edit, &next), BLOCKDB_EINVAL);
    }
    assert_ptr_equal(table_set_find(s->set, numbers[1], &level), second);
    assert_int_equal(level, 0);
    assert_null(table_set_find(s->set, absent, NULL));
    assert_true(table_set_bytes(s->set) > 0);
    assert_int_equal(table_set_overlaps(s->set, 1, slice_of_text("a"), slice_of_text("z")).count,
                     table_set_level(s->set, 1).count);
    assert_int_equal(table_set_overlaps(s->set, 1, slice_of_text("a"), slice_of_text("b")).count,
                     0);
    merge_job_deinit(&job);
    store_free(s);
}

static void test_io_budget(void **state)
{
    struct os_crash *disk = os_crash_new(1);
    struct os *os = os_crash_os(disk);
    struct io_budget *budget = io_budget_new(os, 0);
    uint64_t start = os_monotonic_ns(os);
    int i;

    (void)state;
    io_budget_take(NULL, 5);
    io_budget_take(budget, 1 << 30); /* unlimited */
    assert_true(os_monotonic_ns(os) - start < 1000000);
    io_budget_set_rate(budget, 1 << 20);
    assert_int_equal(io_budget_rate(budget), 1 << 20);
    start = os_monotonic_ns(os);
    for (i = 0; i < 10; i++) { /* 5 MiB, the last half of one not waited for */
        io_budget_throttle(budget, 1 << 19);
    }
    assert_in_range(os_monotonic_ns(os) - start, 4400000000u, 5000000000u);
    assert_int_equal(io_budget_taken_bytes(budget), (1 << 30) + 10 * (1 << 19));
    io_budget_free(budget);
    io_budget_free(NULL);
    os_crash_free(disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_histories),
        cmocka_unit_test(test_empty_memtable_makes_no_table),
        cmocka_unit_test(test_durable_when_done),
        cmocka_unit_test(test_left_over_file_is_replaced),
        cmocka_unit_test(test_cancelled),
        cmocka_unit_test(test_every_operation_fails_once),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_failing_allocations),
        cmocka_unit_test(test_set_refuses_what_does_not_fit),
        cmocka_unit_test(test_io_budget),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
