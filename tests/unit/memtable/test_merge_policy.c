/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The policy against a model of a database: tables that know, for each of a few keys, which seqs
 * they hold. Jobs run side by side and end in any order; after each the stack must be in order.
 */
#include "base/mem.h"
#include "os/os.h"
#include "store/merge_policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* after those that it needs */
#include <cmocka.h>

#define KEYS 48
#define TABLES_MAX 4000
#define JOBS_MAX 4
#define UNIT_BYTES ((uint64_t)4 << 20)

/* Seqs of one key in one table: lowest to highest; none when count is 0. */
struct seqs {
    uint64_t low;
    uint64_t high;
    uint64_t count;
};

struct sim_table {
    struct merge_table table;
    uint8_t first_key[1];
    uint8_t last_key[1];
    struct seqs keys[KEYS];
};

struct sim {
    struct sim_table *tables[TABLES_MAX]; /* in the order of a table set */
    size_t count;
    uint64_t next_number;
    uint64_t next_seq;
    uint64_t rewritten;
    uint64_t flushed;
    uint64_t random;
    uint64_t unit; /* bytes of a version */
    struct merge_job jobs[JOBS_MAX];
    size_t job_count;
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

/* Fills in the meta from the keys. */
static void describe(struct sim *sim, struct sim_table *t, uint32_t level)
{
    struct table_meta *meta = &t->table.meta;
    int key;

    *meta = (struct table_meta){
        .number = ++sim->next_number, .level = level, .first_seq = UINT64_MAX};
    for (key = KEYS - 1; key >= 0; key--) {
        if (t->keys[key].count > 0) {
            t->first_key[0] = (uint8_t)key;
            meta->first_seq = t->keys[key].low < meta->first_seq ? t->keys[key].low
                                                                 : meta->first_seq;
            meta->last_seq = t->keys[key].high > meta->last_seq ? t->keys[key].high
                                                                : meta->last_seq;
            meta->version_count += t->keys[key].count;
            meta->key_count++;
        }
    }
    for (key = 0; key < KEYS; key++) {
        if (t->keys[key].count > 0) {
            t->last_key[0] = (uint8_t)key;
        }
    }
    meta->bytes = meta->version_count * sim->unit;
    meta->first_key = slice_of(t->first_key, 1);
    meta->last_key = slice_of(t->last_key, 1);
}

static int sim_order(const void *a, const void *b)
{
    const struct table_meta *x = &(*(struct sim_table *const *)a)->table.meta;
    const struct table_meta *y = &(*(struct sim_table *const *)b)->table.meta;

    if (x->level != y->level) {
        return x->level < y->level ? -1 : 1;
    }
    if (x->level == 0) {
        return (x->last_seq < y->last_seq) - (x->last_seq > y->last_seq);
    }
    return slice_compare(x->first_key, y->first_key);
}

static void sort_tables(struct sim *sim)
{
    qsort(sim->tables, sim->count, sizeof(sim->tables[0]), sim_order);
}

static struct sim_table *find(struct sim *sim, uint64_t number)
{
    size_t i;

    for (i = 0; i < sim->count; i++) {
        if (sim->tables[i]->table.meta.number == number) {
            return sim->tables[i];
        }
    }
    fail_msg("no table %llu", (unsigned long long)number);
    return NULL;
}

/* LEVEL-1 to LEVEL-3. */
static void check_order(const struct sim *sim)
{
    uint64_t below[KEYS];
    size_t i;
    int key;

    for (key = 0; key < KEYS; key++) {
        below[key] = UINT64_MAX;
    }
    for (i = 0; i < sim->count; i++) {
        const struct sim_table *t = sim->tables[i];

        for (key = 0; key < KEYS; key++) {
            if (t->keys[key].count > 0) {
                assert_true(t->keys[key].high < below[key]);
                below[key] = t->keys[key].low;
            }
        }
        if (i > 0 && t->table.meta.level == sim->tables[i - 1]->table.meta.level) {
            const struct table_meta *before = &sim->tables[i - 1]->table.meta;

            if (t->table.meta.level == 0) {
                assert_true(before->first_seq > t->table.meta.last_seq);
            } else {
                assert_true(slice_compare(before->last_key, t->table.meta.first_key) < 0);
            }
        }
    }
}

enum order_of_keys { RANDOM_KEYS, ASCENDING_KEYS, NARROW_KEYS };

static void flush(struct sim *sim, enum order_of_keys order)
{
    struct sim_table *t = calloc(1, sizeof(*t));
    int versions = 1 + (int)(random_next(&sim->random) % 20);
    int start = (int)(random_next(&sim->random) % KEYS);
    int i;

    for (i = 0; i < versions; i++) {
        int key = (int)(random_next(&sim->random) % KEYS);
        struct seqs *s;

        if (order == ASCENDING_KEYS) {
            key = (int)(sim->flushed % KEYS);
        } else if (order == NARROW_KEYS) {
            key = (start + key % 4) % KEYS;
        }
        s = &t->keys[key];
        s->low = s->count == 0 ? sim->next_seq : s->low;
        s->high = sim->next_seq++;
        s->count++;
    }
    describe(sim, t, 0);
    assert_true(sim->count < TABLES_MAX);
    sim->tables[sim->count++] = t;
    sim->flushed++;
    sort_tables(sim);
}

static void snapshot(const struct sim *sim, struct merge_table *out)
{
    size_t i;

    for (i = 0; i < sim->count; i++) {
        out[i] = sim->tables[i]->table;
    }
}

/* Picks a job and marks its tables; false when there is none. */
static bool start_job(struct sim *sim, const struct merge_policy *policy, bool full, int *out_rc)
{
    static struct merge_table tables[TABLES_MAX];
    struct merge_job *job = &sim->jobs[sim->job_count];
    double pressure;
    size_t i;

    snapshot(sim, tables);
    pressure = merge_policy_pressure(policy, tables, sim->count);
    assert_true(pressure >= 0 && pressure <= 1);
    (void)merge_policy_debt_bytes(policy, tables, sim->count);
    *out_rc = full ? merge_policy_pick_full(policy, tables, sim->count, job)
                   : merge_policy_pick(policy, tables, sim->count, job);
    if (*out_rc != BLOCKDB_OK) {
        assert_true(*out_rc == BLOCKDB_ENOTFOUND || (full && *out_rc == BLOCKDB_EBUSY));
        return false;
    }
    assert_true(job->number_count > 0 && job->run_count > 0);
    assert_true(job->move || job->number_count > 1);
    for (i = 0; i < job->number_count; i++) {
        struct sim_table *t = find(sim, job->numbers[i]);

        assert_false(t->table.busy); /* POLICY-2 */
        t->table.busy = true;
    }
    sim->job_count++;
    return true;
}

static void remove_table(struct sim *sim, struct sim_table *t)
{
    size_t i;

    for (i = 0; sim->tables[i] != t; i++) {
    }
    sim->tables[i] = sim->tables[--sim->count];
    free(t);
}

/* Adds the outputs of a job that holds the seqs in all, split as it asks. */
static void add_outputs(struct sim *sim, const struct seqs *all, const struct merge_job *job)
{
    struct sim_table *t = calloc(1, sizeof(*t));
    uint64_t bytes = 0;
    int key;

    for (key = 0; key < KEYS; key++) {
        t->keys[key] = all[key];
        bytes += all[key].count * sim->unit;
        if (bytes >= job->table_bytes_max) {
            describe(sim, t, job->target_level);
            sim->tables[sim->count++] = t;
            t = calloc(1, sizeof(*t));
            bytes = 0;
        }
    }
    if (bytes > 0) {
        describe(sim, t, job->target_level);
        sim->tables[sim->count++] = t;
    } else {
        free(t);
    }
}

static void end_job(struct sim *sim, size_t which)
{
    struct merge_job job = sim->jobs[which];
    struct seqs all[KEYS] = {{0}};
    size_t i;
    int key;

    sim->jobs[which] = sim->jobs[--sim->job_count];
    for (i = 0; i < job.number_count; i++) { /* newest first */
        struct sim_table *t = find(sim, job.numbers[i]);

        if (job.move) {
            t->table.meta.level = job.target_level;
            t->table.busy = false;
            continue;
        }
        for (key = 0; key < KEYS; key++) {
            const struct seqs *s = &t->keys[key];

            if (s->count > 0) {
                assert_true(all[key].count == 0 || s->high < all[key].low);
                all[key].high = all[key].count == 0 ? s->high : all[key].high;
                all[key].low = s->low;
                all[key].count += s->count;
            }
        }
        sim->rewritten += t->table.meta.bytes;
        remove_table(sim, t);
    }
    if (!job.move) {
        add_outputs(sim, all, &job);
    }
    merge_job_deinit(&job);
    sort_tables(sim);
    check_order(sim);
}

static size_t count_runs(const struct sim *sim)
{
    size_t runs = 0;
    size_t i;

    for (i = 0; i < sim->count; i++) {
        uint32_t level = sim->tables[i]->table.meta.level;

        runs += level == 0 || i == 0 || level != sim->tables[i - 1]->table.meta.level;
    }
    return runs;
}

/* POLICY-3. */
static void drain(struct sim *sim, const struct merge_policy *policy)
{
    int steps = 0;
    int rc;

    for (;;) {
        while (sim->job_count < JOBS_MAX && start_job(sim, policy, false, &rc)) {
        }
        if (sim->job_count == 0) {
            return;
        }
        end_job(sim, random_next(&sim->random) % sim->job_count);
        assert_true(++steps < 5000);
    }
}

static void free_sim(struct sim *sim)
{
    while (sim->count > 0) {
        free(sim->tables[--sim->count]);
    }
}

static void run_random(uint64_t *random)
{
    struct sim sim = {.random = random_next(random)};
    struct merge_policy policy = {.strategy = (enum merge_strategy)(random_next(random) % 2),
                                  .threshold = 2 + (uint32_t)(random_next(random) % 6),
                                  .table_bytes = 16 * UNIT_BYTES,
                                  .level_1_bytes = 64 * UNIT_BYTES,
                                  .ratio = 2 + (uint32_t)(random_next(random) % 4)};
    enum order_of_keys order = (enum order_of_keys)(random_next(random) % 3);
    int steps = 300 + (int)(random_next(random) % 300);
    int rc;

    sim.unit = UNIT_BYTES >> random_next(random) % 12;
    for (; steps > 0; steps--) {
        uint64_t what = random_next(&sim.random) % 100;

        if (what < 45) {
            flush(&sim, order);
        } else if (what < 70 && sim.job_count < JOBS_MAX) {
            (void)start_job(&sim, &policy, what == 69, &rc);
        } else if (what < 99 && sim.job_count > 0) {
            end_job(&sim, random_next(&sim.random) % sim.job_count);
        } else if (what == 99) { /* a restart with the other strategy */
            while (sim.job_count > 0) {
                end_job(&sim, 0);
            }
            policy.strategy = policy.strategy == MERGE_LEVELED ? MERGE_SIZE_TIERED : MERGE_LEVELED;
        }
    }
    drain(&sim, &policy);
    assert_true(count_runs(&sim) <= 5 * policy.threshold + TABLE_LEVELS);
    while (start_job(&sim, &policy, true, &rc)) {
        end_job(&sim, 0);
    }
    assert_int_equal(rc, BLOCKDB_ENOTFOUND);
    assert_int_equal(count_runs(&sim), sim.count > 0);
    free_sim(&sim);
}

static void test_random_histories(void **state)
{
    uint64_t random = seed_of_test();
    int round;

    (void)state;
    for (round = 0; round < 150; round++) {
        run_random(&random);
    }
}

static uint64_t write_amplification(enum merge_strategy strategy, enum order_of_keys order,
                                    int flushes)
{
    struct sim sim = {.random = 7777777, .unit = UNIT_BYTES};
    struct merge_policy policy = {
        .strategy = strategy, .table_bytes = 16 * UNIT_BYTES, .level_1_bytes = 64 * UNIT_BYTES};
    uint64_t amplification;

    for (; flushes > 0; flushes--) {
        flush(&sim, order);
        drain(&sim, &policy);
    }
    amplification = 100 * sim.rewritten / (sim.next_seq * sim.unit);
    print_message("strategy %d, order %d: %llu %% rewritten, %zu runs, %zu tables\n", strategy,
                  order, (unsigned long long)amplification, count_runs(&sim), sim.count);
    free_sim(&sim);
    return amplification;
}

static void test_little_is_rewritten(void **state)
{
    (void)state;
    assert_true(write_amplification(MERGE_SIZE_TIERED, RANDOM_KEYS, 1000) < 700);
    assert_true(write_amplification(MERGE_LEVELED, RANDOM_KEYS, 1000) < 3000);
    /* POLICY-4: each key comes in one flush only. */
    assert_int_equal(write_amplification(MERGE_SIZE_TIERED, ASCENDING_KEYS, KEYS), 0);
    assert_int_equal(write_amplification(MERGE_LEVELED, ASCENDING_KEYS, KEYS), 0);
}

static void test_nothing_to_do(void **state)
{
    struct merge_policy policy = {.strategy = MERGE_SIZE_TIERED};
    struct sim sim = {.random = 99, .unit = 1000};
    int rc;

    (void)state;
    assert_false(start_job(&sim, &policy, false, &rc));
    assert_false(start_job(&sim, &policy, true, &rc));
    flush(&sim, RANDOM_KEYS);
    assert_false(start_job(&sim, &policy, true, &rc));
    assert_int_equal(rc, BLOCKDB_ENOTFOUND);
    assert_false(start_job(&sim, &policy, false, &rc));
    flush(&sim, RANDOM_KEYS);
    assert_true(start_job(&sim, &policy, true, &rc));
    flush(&sim, RANDOM_KEYS);
    assert_false(start_job(&sim, &policy, true, &rc));
    assert_int_equal(rc, BLOCKDB_EBUSY);
    end_job(&sim, 0);
    free_sim(&sim);
}

static void test_pressure_rises(void **state)
{
    static struct merge_table tables[TABLES_MAX];
    struct merge_policy policies[2] = {{.strategy = MERGE_SIZE_TIERED},
                                       {.strategy = MERGE_LEVELED}};
    struct sim sim = {.random = 99, .unit = 1000};
    double before[2] = {0};
    int i;
    int p;

    (void)state;
    for (i = 0; i < 60; i++) {
        flush(&sim, RANDOM_KEYS);
        snapshot(&sim, tables);
        for (p = 0; p < 2; p++) {
            double pressure = merge_policy_pressure(&policies[p], tables, sim.count);

            assert_true(pressure >= before[p] && pressure - before[p] < 0.1); /* no jumps */
            assert_true(i >= 4 || pressure <= 0);
            before[p] = pressure;
        }
    }
    assert_true(before[0] >= 1 && before[1] >= 1);
    free_sim(&sim);
}

static bool fail_at(void *context)
{
    long *left = context;

    return *left >= 0 && (*left)-- == 0;
}

static void test_failing_allocations(void **state)
{
    static struct merge_table tables[TABLES_MAX];
    struct sim sim = {.random = 99, .unit = UNIT_BYTES};
    int i;
    int which;

    (void)state;
    for (i = 0; i < 8; i++) {
        flush(&sim, RANDOM_KEYS);
    }
    snapshot(&sim, tables);
    for (which = 0; which < 4; which++) {
        struct merge_policy policy = {.strategy = (enum merge_strategy)(which % 2)};
        int rc = BLOCKDB_ENOMEM;
        long n;

        for (n = 0; rc == BLOCKDB_ENOMEM; n++) {
            struct merge_job job = {0};
            long left = n;

            mem_set_fail_hook(fail_at, &left);
            rc = which < 2 ? merge_policy_pick(&policy, tables, sim.count, &job)
                           : merge_policy_pick_full(&policy, tables, sim.count, &job);
            mem_set_fail_hook(NULL, NULL);
            merge_job_deinit(&job);
        }
        assert_int_equal(rc, BLOCKDB_OK);
        assert_true(n > 2);
    }
    free_sim(&sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_histories),    cmocka_unit_test(test_little_is_rewritten),
        cmocka_unit_test(test_nothing_to_do),       cmocka_unit_test(test_pressure_rises),
        cmocka_unit_test(test_failing_allocations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
