/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything at the same time: writers of each kind, readers of each kind, and all administration,
 * on the file system in memory and on the real one.
 *
 * Checked throughout: a batch is seen whole or not at all; what was acknowledged is seen by every
 * later read of any thread; versions of a key descend without gaps; a conditional write never
 * loses an update; a callback comes exactly once. Checked afterwards: each seq belongs to exactly
 * one acknowledged batch or is a system entry, and every backup opens and verifies.
 */
#include "common/test_env.h"
#include "engine/copy.h"
#include "engine_fixture.h"
#include "os/os_crash.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define GROUP_WRITERS 2
#define GROUP_KEYS 5
#define CAS_WRITERS 2
#define THREADS_MAX 20
#define SEQS_MAX (1u << 22)
#define PAD_MAX 3000

struct torture {
    struct os *os;
    struct blockdb *db;
    const char *backup_base; /* backups go to "<base>-<number>" */
    unsigned rounds;         /* of each writer */
    unsigned started;        /* threads */
    atomic_uint writers_left;
    atomic_uint backups;
    _Atomic uint64_t acked_groups[GROUP_WRITERS]; /* newest number that was acknowledged */
    _Atomic uint64_t acked_counter;
    atomic_uint cas_wins;
    atomic_uint callbacks;
    _Atomic uint8_t *owned; /* per seq: how many batches were told that it is theirs */
};

struct job {
    struct torture *t;
    unsigned index;
    uint64_t rng;
    pthread_t thread;
};

static uint64_t seed;

static uint32_t draw(struct job *job, uint32_t below)
{
    job->rng ^= job->rng << 13;
    job->rng ^= job->rng >> 7;
    job->rng ^= job->rng << 17;
    return (uint32_t)((job->rng >> 11) % below);
}

static bool writers_run(struct torture *t)
{
    return atomic_load(&t->writers_left) > 0;
}

static void own(struct torture *t, const struct blockdb_write_result *result)
{
    uint64_t i;

    for (i = 0; i < result->count; i++) {
        if (result->first_seq + i >= SEQS_MAX) {
            fixture_fail("the test writes more than it planned for");
        }
        (void)atomic_fetch_add(&t->owned[result->first_seq + i], 1);
    }
}

/* A value: its number, and padding that follows from it. */
static size_t value_make(uint64_t number, size_t pad, uint8_t *out)
{
    memcpy(out, &number, sizeof(number));
    memset(out + sizeof(number), (int)(number & 0xff), pad);
    return sizeof(number) + pad;
}

static uint64_t value_number(const uint8_t *data, size_t len)
{
    uint64_t number;
    size_t i;

    if (len < sizeof(number)) {
        fixture_fail("a value of %zu bytes that nobody wrote", len);
    }
    memcpy(&number, data, sizeof(number));
    for (i = sizeof(number); i < len; i++) {
        if (data[i] != (uint8_t)(number & 0xff)) {
            fixture_fail("the value of number %llu is torn", (unsigned long long)number);
        }
    }
    return number;
}

static size_t group_key(unsigned writer, unsigned k, char *out)
{
    return (size_t)snprintf(out, 32, "group%u:%u", writer, k);
}

static void random_durability(struct job *job, struct blockdb_write_options *options)
{
    options->durability = (enum blockdb_durability)draw(job, BLOCKDB_DURABILITY_ALWAYS + 1);
}

/* ---- Writers ------------------------------------------------------------------------------- */

static void fill_group(struct job *job, struct blockdb_batch *batch, uint64_t number)
{
    uint8_t value[sizeof(number) + PAD_MAX];
    size_t len = value_make(number, draw(job, 8) == 0 ? draw(job, PAD_MAX) : draw(job, 100), value);
    struct error err;
    unsigned k;

    for (k = 0; k < GROUP_KEYS; k++) {
        char key[32];
        size_t key_len = group_key(job->index, k, key);

        fixture_must(blockdb_batch_put(batch, key, key_len, value, len, &err), &err);
    }
}

/* Batches that give all keys of a group the same value. */
static void *write_groups(void *arg)
{
    struct job *job = arg;
    struct torture *t = job->t;
    struct blockdb_batch *batch = blockdb_batch_new(t->db);
    struct blockdb_write_options options = BLOCKDB_WRITE_OPTIONS_INIT;
    struct blockdb_write_result result;
    struct error err;
    uint64_t n;

    for (n = 1; n <= t->rounds; n++) {
        blockdb_batch_reset(batch);
        fill_group(job, batch, n);
        random_durability(job, &options);
        fixture_must(blockdb_write(t->db, batch, &options, &result, &err), &err);
        own(t, &result);
        atomic_store_explicit(&t->acked_groups[job->index], n, memory_order_release);
    }
    blockdb_batch_free(batch);
    (void)atomic_fetch_sub(&t->writers_left, 1);
    return NULL;
}

/* Puts of one key by a client that repeats some of its requests. */
static void *write_counter(void *arg)
{
    static const uint8_t client[BLOCKDB_CLIENT_ID_LEN] = "the only client";
    struct job *job = arg;
    struct torture *t = job->t;
    struct blockdb_write_options options = BLOCKDB_WRITE_OPTIONS_INIT;
    struct blockdb_write_result result;
    struct blockdb_write_result again;
    struct error err;
    uint8_t value[64];
    uint64_t n;

    options.client_id = client;
    for (n = 1; n <= t->rounds; n++) {
        size_t len = value_make(n, n % 40, value);

        options.request = n * 3;
        random_durability(job, &options);
        fixture_must(blockdb_put(t->db, "counter", 7, value, len, &options, &result, &err), &err);
        own(t, &result);
        atomic_store_explicit(&t->acked_counter, n, memory_order_release);
        if (draw(job, 3) == 0) {
            fixture_must(blockdb_put(t->db, "counter", 7, value, len, &options, &again, &err),
                         &err);
            if (!again.repeated || again.first_seq != result.first_seq) {
                fixture_fail("a repeat was appended");
            }
        }
    }
    (void)atomic_fetch_sub(&t->writers_left, 1);
    return NULL;
}

/* Reads the shared number; *out_seq is BLOCKDB_SEQ_NONE when there is none yet. */
static uint64_t read_shared(struct torture *t, uint64_t *out_seq)
{
    struct blockdb_value value = {0};
    struct error err;
    uint64_t number = 0;
    int rc = blockdb_get(t->db, "cas", 3, NULL, &value, &err);

    *out_seq = BLOCKDB_SEQ_NONE;
    if (rc == BLOCKDB_OK) {
        number = value_number(value.data, value.len);
        *out_seq = value.version.seq;
    } else if (rc != BLOCKDB_ENOTFOUND) {
        fixture_must(rc, &err);
    }
    blockdb_value_deinit(&value);
    return number;
}

/* Adds one to a shared number, on condition that nobody else did meanwhile. */
static void *write_conditional(void *arg)
{
    struct job *job = arg;
    struct torture *t = job->t;
    struct blockdb_batch *batch = blockdb_batch_new(t->db);
    struct blockdb_write_result result;
    struct error err;
    unsigned i;

    for (i = 0; i < t->rounds; i++) {
        uint8_t value[16];
        uint64_t seq;
        uint64_t number = read_shared(t, &seq);
        size_t len = value_make(number + 1, 0, value);
        int rc;

        blockdb_batch_reset(batch);
        rc = seq == BLOCKDB_SEQ_NONE ? blockdb_batch_require_absent(batch, "cas", 3, &err)
                                     : blockdb_batch_require_seq(batch, "cas", 3, seq, &err);
        fixture_must(rc, &err);
        fixture_must(blockdb_batch_put(batch, "cas", 3, value, len, &err), &err);
        rc = blockdb_write(t->db, batch, NULL, &result, &err);
        if (rc == BLOCKDB_OK) {
            own(t, &result);
            (void)atomic_fetch_add(&t->cas_wins, 1);
        } else if (rc != BLOCKDB_ECONFLICT) {
            fixture_must(rc, &err);
        }
    }
    blockdb_batch_free(batch);
    (void)atomic_fetch_sub(&t->writers_left, 1);
    return NULL;
}

/* What one submission is told. */
struct submission {
    struct torture *t;
    atomic_uint calls;
    uint64_t first_seq;
};

static void submitted(void *arg, int status, const struct blockdb_write_result *result,
                      const struct blockdb_error *err)
{
    struct submission *s = arg;

    fixture_must(status, err);
    own(s->t, result);
    s->first_seq = result->first_seq;
    (void)atomic_fetch_add(&s->t->callbacks, 1);
    (void)atomic_fetch_add_explicit(&s->calls, 1, memory_order_release);
}

/* Each was called back once, and in the order of submission. */
static void check_submissions(struct submission *submissions, unsigned count)
{
    uint64_t last = 0;
    unsigned i;

    for (i = 0; i < count; i++) {
        while (atomic_load_explicit(&submissions[i].calls, memory_order_acquire) == 0) {
            (void)sched_yield();
        }
        if (i > 0 && submissions[i].first_seq <= last) {
            fixture_fail("submission %u came before the one before it", i);
        }
        last = submissions[i].first_seq;
    }
}

static void *write_submitting(void *arg)
{
    struct job *job = arg;
    struct torture *t = job->t;
    struct submission *submissions = calloc(t->rounds, sizeof(*submissions));
    struct blockdb_write_options options = BLOCKDB_WRITE_OPTIONS_INIT;
    struct error err;
    unsigned i;

    for (i = 0; i < t->rounds; i++) {
        struct blockdb_batch *batch = blockdb_batch_new(t->db);
        char key[32];
        int len = snprintf(key, sizeof(key), "submit%05u", draw(job, 2000));

        submissions[i].t = t;
        fixture_must(blockdb_batch_put(batch, key, (size_t)len, "s", 1, &err), &err);
        fixture_must(blockdb_batch_delete(batch, "submit", 6, &err), &err);
        random_durability(job, &options);
        fixture_must(blockdb_submit(t->db, batch, &options, submitted, &submissions[i], &err),
                     &err);
    }
    check_submissions(submissions, t->rounds);
    free(submissions);
    (void)atomic_fetch_sub(&t->writers_left, 1);
    return NULL;
}

/* ---- Readers ------------------------------------------------------------------------------- */

/* All keys of a group, read one by one in a view, have one value, not older than was acknowledged
 * before the view was made. */
static void read_group(struct job *job, unsigned writer)
{
    struct torture *t = job->t;
    uint64_t at_least = atomic_load_explicit(&t->acked_groups[writer], memory_order_acquire);
    struct blockdb_read_options options = BLOCKDB_READ_OPTIONS_INIT;
    struct blockdb_view *view = NULL;
    struct blockdb_value value = {0};
    uint64_t first = 0;
    struct error err;
    unsigned k;

    fixture_must(blockdb_view_new(t->db, &view, &err), &err);
    options.view = view;
    for (k = 0; k < GROUP_KEYS; k++) {
        char key[32];
        size_t len = group_key(writer, k, key);
        int rc = blockdb_get(t->db, key, len, &options, &value, &err);
        uint64_t number = rc == BLOCKDB_OK ? value_number(value.data, value.len) : 0;

        if (rc != BLOCKDB_ENOTFOUND) {
            fixture_must(rc, &err);
        }
        first = k == 0 ? number : first;
        if (number != first || number < at_least) {
            fixture_fail("key %u of a batch shows %llu, the first %llu, acknowledged was %llu", k,
                         (unsigned long long)number, (unsigned long long)first,
                         (unsigned long long)at_least);
        }
    }
    blockdb_value_deinit(&value);
    blockdb_view_free(view);
}

/* The same through one scan, in either direction. */
static void scan_group(struct job *job, unsigned writer)
{
    struct torture *t = job->t;
    uint64_t at_least = atomic_load_explicit(&t->acked_groups[writer], memory_order_acquire);
    struct blockdb_scan_options options = BLOCKDB_SCAN_OPTIONS_INIT;
    struct blockdb_iter *iter = NULL;
    uint64_t first = 0;
    unsigned count = 0;
    struct error err;
    char prefix[32];
    int rc;

    options.prefix_len = (size_t)snprintf(prefix, sizeof(prefix), "group%u:", writer);
    options.prefix = prefix;
    options.reverse = draw(job, 2) == 0;
    fixture_must(blockdb_iter_new(t->db, &options, &iter, &err), &err);
    while ((rc = blockdb_iter_next(iter, &err)) == BLOCKDB_OK) {
        size_t len;
        const void *data = blockdb_iter_value(iter, &len);
        uint64_t number = value_number(data, len);

        first = count++ == 0 ? number : first;
        if (number != first || number < at_least) {
            fixture_fail("a scan saw half a batch");
        }
    }
    if (rc != BLOCKDB_ENOTFOUND) {
        fixture_must(rc, &err);
    }
    if ((count != 0 || at_least > 0) && count != GROUP_KEYS) {
        fixture_fail("a scan saw %u keys of %d", count, GROUP_KEYS);
    }
    blockdb_iter_free(iter);
}

/* As of any seq, also inside a batch: earlier keys of the batch are at most one ahead. */
static void read_as_of(struct job *job, unsigned writer)
{
    struct torture *t = job->t;
    struct blockdb_stats stats = fixture_stats(t->db);
    struct blockdb_read_options options = BLOCKDB_READ_OPTIONS_INIT;
    struct blockdb_value value = {0};
    uint64_t before = UINT64_MAX;
    struct error err;
    unsigned k;

    if (stats.acked_seq == 0) {
        return;
    }
    options.at_seq = draw(job, (uint32_t)stats.acked_seq);
    for (k = 0; k < GROUP_KEYS; k++) {
        char key[32];
        size_t len = group_key(writer, k, key);
        int rc = blockdb_get(t->db, key, len, &options, &value, &err);
        uint64_t number = rc == BLOCKDB_OK ? value_number(value.data, value.len) : 0;

        if (rc != BLOCKDB_ENOTFOUND) {
            fixture_must(rc, &err);
        }
        if (rc == BLOCKDB_OK && value.version.seq > options.at_seq) {
            fixture_fail("a read as of a seq came from later");
        }
        if (k > 0 && (number > before || before - number > 1)) {
            fixture_fail("key %u shows %llu behind %llu", k, (unsigned long long)number,
                         (unsigned long long)before);
        }
        before = number;
    }
    blockdb_value_deinit(&value);
}

/* A history descends one by one to the first number. */
static void read_history(struct job *job, const char *key)
{
    struct torture *t = job->t;
    uint64_t at_least = atomic_load_explicit(&t->acked_counter, memory_order_acquire);
    struct blockdb_history *history = NULL;
    uint64_t expected = 0;
    uint64_t last_seq = UINT64_MAX;
    unsigned seen = 0;
    struct error err;
    int rc;

    fixture_must(blockdb_history_new(t->db, key, strlen(key), NULL, &history, &err), &err);
    while (seen < 200 && (rc = blockdb_history_next(history, &err)) == BLOCKDB_OK) {
        size_t len;
        const void *data = blockdb_history_value(history, &len);
        uint64_t number = value_number(data, len);

        if (seen++ == 0) {
            expected = number;
            if (number < at_least) {
                fixture_fail("a history lacks what was acknowledged");
            }
        }
        if (number != expected || blockdb_history_version(history).seq >= last_seq) {
            fixture_fail("a history shows %llu where %llu is due", (unsigned long long)number,
                         (unsigned long long)expected);
        }
        expected--;
        last_seq = blockdb_history_version(history).seq;
    }
    if (seen < 200 && (rc != BLOCKDB_ENOTFOUND || expected != 0)) {
        fixture_fail("a history ends at %llu", (unsigned long long)expected);
    }
    blockdb_history_free(history);
}

static void read_entry(struct job *job)
{
    struct torture *t = job->t;
    uint64_t count = fixture_stats(t->db).acked_seq;
    struct blockdb_value key = {0};
    struct blockdb_value value = {0};
    struct error err;

    if (count > 0) {
        uint64_t seq = draw(job, 2) == 0 ? count - 1 : draw(job, (uint32_t)count);

        fixture_must(blockdb_get_entry(t->db, seq, &key, &value, &err), &err);
        if (key.version.seq != seq) {
            fixture_fail("an entry has another seq than asked for");
        }
    }
    blockdb_value_deinit(&key);
    blockdb_value_deinit(&value);
}

static void *read_all_kinds(void *arg)
{
    struct job *job = arg;

    while (writers_run(job->t)) {
        unsigned writer = draw(job, GROUP_WRITERS);

        switch (draw(job, 5)) {
        case 0:
            read_group(job, writer);
            break;
        case 1:
            scan_group(job, writer);
            break;
        case 2:
            read_as_of(job, writer);
            break;
        case 3:
            read_history(job, "counter");
            break;
        default:
            read_entry(job);
            break;
        }
    }
    return NULL;
}

/* ---- Administration ------------------------------------------------------------------------ */

static void backup(struct torture *t)
{
    struct copy_options options = {0};
    struct error err;
    char dir[96];

    (void)snprintf(dir, sizeof(dir), "%s-%u", t->backup_base, atomic_fetch_add(&t->backups, 1));
    options.dir = dir;
    fixture_must(copy_database(t->db, &options, &err), &err);
}

static void *administrate(void *arg)
{
    struct job *job = arg;
    struct torture *t = job->t;
    struct error err;

    while (writers_run(t)) {
        struct blockdb_stats stats = fixture_stats(t->db);

        if (stats.flushed_seq > stats.acked_seq || stats.sealed_seq > stats.acked_seq) {
            fixture_fail("positions are out of order");
        }
        switch (draw(job, 6)) {
        case 0:
            fixture_must(blockdb_flush(t->db, &err), &err);
            break;
        case 1:
            fixture_must(blockdb_compact(t->db, draw(job, 2) == 0, NULL, NULL, &err), &err);
            break;
        case 2:
            (void)fixture_verify(t->db);
            break;
        case 3:
            fixture_must(blockdb_sync(t->db, &err), &err);
            break;
        case 4:
            if (atomic_load(&t->backups) < 10) {
                backup(t);
            }
            break;
        default:
            os_sleep_ns(t->os, 1000000);
            break;
        }
    }
    return NULL;
}

/* ---- The whole ----------------------------------------------------------------------------- */

/* Each seq has one owner, or is an entry of the system. */
static void check_seqs(struct torture *t)
{
    uint64_t count = fixture_stats(t->db).acked_seq;
    struct blockdb_value key = {0};
    struct error err;
    uint64_t seq;

    for (seq = 0; seq < count; seq++) {
        unsigned owners = atomic_load(&t->owned[seq]);
        bool is_user;

        fixture_must(blockdb_get_entry(t->db, seq, &key, NULL, &err), &err);
        is_user = key.version.kind == BLOCKDB_KIND_PUT || key.version.kind == BLOCKDB_KIND_DELETE;
        if (owners != (is_user ? 1 : 0)) {
            fixture_fail("entry %llu has %u owners", (unsigned long long)seq, owners);
        }
    }
    blockdb_value_deinit(&key);
}

static void check_backups(struct torture *t)
{
    unsigned i;

    for (i = 0; i < atomic_load(&t->backups); i++) {
        struct blockdb *db;
        char dir[96];

        (void)snprintf(dir, sizeof(dir), "%s-%u", t->backup_base, i);
        db = fixture_open(t->os, dir, NULL, 0);
        (void)fixture_verify(db);
        fixture_put(db, "new", "in the copy", 11);
        fixture_close(db);
    }
}

static void start(struct job *job, struct torture *t, unsigned index, void *(*fn)(void *))
{
    *job = (struct job){.t = t, .index = index, .rng = (seed + ++t->started * 1000003) | 1};
    if (pthread_create(&job->thread, NULL, fn, job) != 0) {
        fixture_fail("cannot start a thread");
    }
}

static void run_threads(struct torture *t)
{
    struct job jobs[THREADS_MAX];
    unsigned count = 0;
    unsigned i;

    atomic_store(&t->writers_left, GROUP_WRITERS + CAS_WRITERS + 2);
    for (i = 0; i < GROUP_WRITERS; i++) {
        start(&jobs[count++], t, i, write_groups);
    }
    for (i = 0; i < CAS_WRITERS; i++) {
        start(&jobs[count++], t, i, write_conditional);
    }
    start(&jobs[count++], t, 0, write_counter);
    start(&jobs[count++], t, 0, write_submitting);
    start(&jobs[count++], t, 0, read_all_kinds);
    start(&jobs[count++], t, 1, read_all_kinds);
    start(&jobs[count++], t, 0, administrate);
    start(&jobs[count++], t, 1, administrate);
    for (i = 0; i < count; i++) {
        (void)pthread_join(jobs[i].thread, NULL); /* it was started */
    }
}

static void torture(struct os *os, const char *dir, const char *strategy, unsigned rounds)
{
    const struct fixture_option options[] = {
        {"compaction_strategy", strategy}, {"ledger_segment_size", "128KiB"},
        {"memtable_size_limit", "128KiB"}, {"block_interval", "50ms"},
        {"inline_value_limit", "64"},      {NULL, NULL}};
    struct torture t = {.os = os, .backup_base = dir, .rounds = rounds};
    uint64_t seq;

    t.owned = calloc(SEQS_MAX, sizeof(*t.owned));
    t.db = fixture_open(os, dir, options, BLOCKDB_OPEN_CREATE);
    run_threads(&t);
    assert_int_equal(atomic_load(&t.callbacks), rounds);
    assert_int_equal(read_shared(&t, &seq), atomic_load(&t.cas_wins));
    assert_true(atomic_load(&t.cas_wins) > 0);
    check_seqs(&t);
    (void)fixture_verify(t.db);
    fixture_close(t.db);
    check_backups(&t);
    t.db = fixture_open(os, dir, options, 0);
    assert_int_equal(read_shared(&t, &seq), atomic_load(&t.cas_wins));
    check_seqs(&t);
    (void)fixture_verify(t.db); /* nothing that a copy did reached the source */
    fixture_close(t.db);
    free(t.owned);
}

static void test_in_memory(void **state)
{
    struct os_crash *disk = os_crash_new(seed);

    (void)state;
    torture(os_crash_os(disk), "/db", "size_tiered", test_rounds(300, 20000));
    os_crash_free(disk);
}

static void test_on_disk(void **state)
{
    char base[64];
    char dir[80];

    (void)state;
    fixture_make_dir(base);
    (void)snprintf(dir, sizeof(dir), "%s/db", base);
    torture(os_real(), dir, "leveled", test_rounds(200, 20000));
    fixture_remove_dir(base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_memory),
        cmocka_unit_test(test_on_disk),
    };

    seed = test_seed();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
