/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a server's event loop needs: reads and submits that never wait, and the commit callback.
 */
#include "base/mem.h"
#include "base/thread_index.h"
#include "common/test_env.h"
#include "engine/db.h"
#include "engine/open.h"
#include "engine_world.h"
#include "os/os_fault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define WAIT_NS 1000000
#define LARGE_BYTES (8u * 1024 * 1024)

/* ---- Reads that do not wait ------------------------------------------------------------------ */

static int get_cached(struct blockdb *db, const char *key, struct blockdb_value *value)
{
    struct blockdb_read_options options = BLOCKDB_READ_OPTIONS_INIT;
    struct error err;
    int rc;

    options.cached_only = true;
    rc = blockdb_get(db, key, strlen(key), &options, value, &err);
    assert_true(rc == BLOCKDB_OK || err.code == rc);
    assert_true(rc == BLOCKDB_OK || err.message[0] != '\0');
    return rc;
}

/* A world whose disk answers through os_fault. */
struct slow_world {
    struct os_crash *disk;
    struct os_fault *fault;
    struct blockdb *db;
};

static void slow_world_open(struct slow_world *w, const char *direct)
{
    const struct fixture_option options[] = {
        {"block_cache_size", "1MiB"}, {"inline_value_limit", "0"},     {"enable_direct_io", direct},
        {"wal_sync_mode", "none"},    {"memtable_size_limit", "1MiB"}, {NULL, NULL},
    };

    w->db = fixture_open(os_fault_os(w->fault), "/db", options, BLOCKDB_OPEN_CREATE);
}

static void slow_world_new(struct slow_world *w, const char *direct)
{
    w->disk = os_crash_new(world_seed);
    w->fault = os_fault_new(os_crash_os(w->disk));
    assert_non_null(w->fault);
    slow_world_open(w, direct);
}

static void slow_world_free(struct slow_world *w)
{
    os_fault_arm(w->fault, NULL);
    fixture_close(w->db);
    os_fault_free(w->fault);
    os_crash_free(w->disk);
}

/* Forgets all caches of the database. */
static void slow_world_reopen(struct slow_world *w)
{
    fixture_close(w->db);
    slow_world_open(w, "false");
}

/* From the nth read on, nothing is in the page cache. */
static void evict_from(struct slow_world *w, uint64_t nth)
{
    os_fault_arm(w->fault, &(struct os_fault_plan){
                               .classes = OS_FAULT_READ_CACHED, .nth = nth, .forever = true});
}

static void test_memory_answers(void **state)
{
    AUTO(blockdb_value_deinit) struct blockdb_value value = {0};
    struct slow_world w;

    (void)state;
    slow_world_new(&w, "false");
    evict_from(&w, 1);
    fixture_put(w.db, "a", "1", 1);
    assert_int_equal(get_cached(w.db, "a", &value), BLOCKDB_OK);
    assert_int_equal(value.len, 1);
    assert_int_equal(get_cached(w.db, "b", &value), BLOCKDB_ENOTFOUND);
    assert_int_equal(fixture_stats(w.db).gets_memtable, 1);
    assert_int_equal(fixture_stats(w.db).gets_would_block, 0);
    assert_int_equal(fixture_stats(w.db).gets, 2);
    slow_world_free(&w);
}

/* Each read that a get makes may be the one that would wait: then nothing is answered, and the next
 * get that may wait finds it. */
static void test_any_read_may_block(void **state)
{
    static const uint8_t data[3000] = {7};
    AUTO(blockdb_value_deinit) struct blockdb_value value = {0};
    struct slow_world w;
    uint64_t nth;

    (void)state;
    slow_world_new(&w, "false");
    fixture_put(w.db, "key", data, sizeof(data));
    world_flush(w.db);
    for (nth = 1;; nth++) {
        struct blockdb_stats stats;

        slow_world_reopen(&w);
        value.len = 17;
        value.version.seq = 12345;
        evict_from(&w, nth);
        if (get_cached(w.db, "key", &value) == BLOCKDB_OK) {
            break;
        }
        assert_int_equal(value.len, 17);
        assert_int_equal(value.version.seq, 12345);
        assert_int_equal(fixture_stats(w.db).gets_would_block, 1);
        assert_int_equal(fixture_stats(w.db).gets, 0);
        fixture_must(blockdb_get(w.db, "key", 3, NULL, &value, NULL), NULL);
        assert_int_equal(value.len, sizeof(data));
        stats = fixture_stats(w.db);
        assert_int_equal(stats.gets_disk, 1);
        os_fault_arm(w.fault, NULL);
    }
    assert_true(nth > 3); /* filter, index, data, record */
    assert_int_equal(value.len, sizeof(data));
    assert_int_equal(fixture_stats(w.db).gets_page_cache, 1);
    evict_from(&w, 1); /* all of it is in our caches now */
    assert_int_equal(get_cached(w.db, "key", &value), BLOCKDB_OK);
    assert_int_equal(fixture_stats(w.db).gets_cache, 1);
    assert_int_equal(fixture_stats(w.db).gets_found, 2);
    slow_world_free(&w);
}

/* Without a page cache only ours can answer. */
static void test_direct_files(void **state)
{
    AUTO(blockdb_value_deinit) struct blockdb_value value = {0};
    struct slow_world w;

    (void)state;
    slow_world_new(&w, "true");
    fixture_put(w.db, "key", "value", 5);
    world_flush(w.db);
    fixture_close(w.db);
    slow_world_open(&w, "true");
    assert_int_equal(get_cached(w.db, "key", &value), BLOCKDB_EWOULDBLOCK);
    fixture_must(blockdb_get(w.db, "key", 3, NULL, &value, NULL), NULL);
    assert_int_equal(get_cached(w.db, "key", &value), BLOCKDB_OK);
    slow_world_free(&w);
}

/* A program made with an older header passes a shorter struct, behind which anything may stand. */
static void test_shorter_structs(void **state)
{
    struct blockdb_read_options read = BLOCKDB_READ_OPTIONS_INIT;
    struct blockdb_write_options write = BLOCKDB_WRITE_OPTIONS_INIT;
    AUTO(blockdb_value_deinit) struct blockdb_value value = {0};
    struct slow_world w;

    (void)state;
    slow_world_new(&w, "false");
    fixture_put(w.db, "key", "value", 5);
    world_flush(w.db);
    slow_world_reopen(&w);
    evict_from(&w, 1);
    read.size = offsetof(struct blockdb_read_options, cached_only);
    read.cached_only = true;
    write.size = offsetof(struct blockdb_write_options, no_wait);
    write.no_wait = true;
    fixture_must(blockdb_get(w.db, "key", 3, &read, &value, NULL), NULL);
    fixture_must(blockdb_put(w.db, "key", 3, "v", 1, &write, NULL, NULL), NULL);
    slow_world_free(&w);
}

/* ---- Submits that do not wait ---------------------------------------------------------------- */

/* Holds the thread that calls back. */
struct gate {
    atomic_bool open;
    atomic_uint calls;
    atomic_int status;
};

static void pass_gate(void *arg, int status, const struct blockdb_write_result *result,
                      const struct blockdb_error *err)
{
    struct gate *gate = arg;

    (void)result;
    (void)err;
    if (status != BLOCKDB_OK) {
        atomic_store(&gate->status, status);
    }
    (void)atomic_fetch_add(&gate->calls, 1);
    while (!atomic_load(&gate->open)) {
        os_sleep_ns(os_real(), WAIT_NS);
    }
}

static struct blockdb_batch *large_batch(struct blockdb *db, const uint8_t *value)
{
    struct blockdb_batch *batch = blockdb_batch_new(db);

    assert_non_null(batch);
    fixture_must(blockdb_batch_put(batch, "large", 5, value, LARGE_BYTES, NULL), NULL);
    return batch;
}

static void wait_calls(struct gate *gate, unsigned count)
{
    while (atomic_load(&gate->calls) < count) {
        os_sleep_ns(os_real(), WAIT_NS);
    }
}

static void test_full_queue(void **state)
{
    static const uint8_t client[BLOCKDB_CLIENT_ID_LEN] = "a client";
    struct blockdb_write_options options = BLOCKDB_WRITE_OPTIONS_INIT;
    uint8_t *value = mem_calloc(1, LARGE_BYTES);
    struct gate gate = {0};
    struct blockdb_batch *batch;
    struct world w;
    struct error err;
    unsigned count = 0;
    int rc;

    (void)state;
    world_new(&w, "memtable_size_limit", "64MiB", NULL);
    options.no_wait = true;
    fixture_must(blockdb_submit(w.db, large_batch(w.db, value), &options, pass_gate, &gate, &err),
                 &err);
    count++;
    wait_calls(&gate, 1); /* the committer stands at the gate */
    options.client_id = client;
    for (;;) {
        options.request++;
        batch = large_batch(w.db, value);
        rc = blockdb_submit(w.db, batch, &options, pass_gate, &gate, &err);
        if (rc < 0) {
            break;
        }
        count++;
        assert_true(count < 20);
    }
    assert_int_equal(rc, BLOCKDB_EWOULDBLOCK);
    assert_non_null(strstr(err.message, "later"));
    assert_int_equal(blockdb_batch_count(batch), 1); /* it is still ours */
    assert_int_equal(blockdb_submit(w.db, batch, &options, pass_gate, &gate, &err),
                     BLOCKDB_EWOULDBLOCK);
    assert_int_equal(atomic_load(&gate.calls), 1);
    atomic_store(&gate.open, true);
    options.no_wait = false;
    fixture_must(blockdb_submit(w.db, batch, &options, pass_gate, &gate, &err), &err);
    wait_calls(&gate, count + 1);
    assert_int_equal(atomic_load(&gate.status), BLOCKDB_OK);
    assert_int_equal(fixture_stats(w.db).puts, count + 1);
    world_free(&w);
    mem_free(value);
}

/* Batches that come back are used again, and are empty; large ones and too many are not kept. */
static void test_batches_are_reused(void **state)
{
    static struct blockdb_batch *many[SUBMISSIONS_KEPT + 10];
    uint8_t *value = mem_calloc(1, LARGE_BYTES);
    struct blockdb_batch *first;
    struct world w;
    size_t i;

    (void)state;
    world_new(&w, "wal_sync_mode", "none", NULL);
    first = blockdb_batch_new(w.db);
    fixture_must(blockdb_batch_put(first, "a", 1, "1", 1, NULL), NULL);
    fixture_must(blockdb_batch_require_absent(first, "a", 1, NULL), NULL);
    blockdb_batch_free(first);
    assert_ptr_equal(blockdb_batch_new(w.db), first);
    assert_int_equal(blockdb_batch_count(first), 0);
    assert_int_equal(blockdb_batch_bytes(first), 0);
    fixture_must(blockdb_write(w.db, first, NULL, NULL, NULL), NULL);
    blockdb_batch_free(first);
    blockdb_batch_free(large_batch(w.db, value));
    assert_null(w.db->submissions.first);
    for (i = 0; i < SUBMISSIONS_KEPT + 10; i++) {
        many[i] = blockdb_batch_new(w.db);
        assert_non_null(many[i]);
    }
    for (i = 0; i < SUBMISSIONS_KEPT + 10; i++) {
        blockdb_batch_free(many[i]);
    }
    assert_int_equal(w.db->submissions.count, SUBMISSIONS_KEPT);
    world_free(&w);
    mem_free(value);
}

/* ---- Submits that commit in place ------------------------------------------------------------ */

/* What a submit came to. */
struct placed {
    atomic_bool is_done;
    unsigned thread; /* that called back */
    int status;
    uint64_t count;
};

static void note_placed(void *arg, int status, const struct blockdb_write_result *result,
                        const struct blockdb_error *err)
{
    struct placed *placed = arg;

    (void)err;
    placed->thread = thread_index();
    placed->status = status;
    placed->count = result->count;
    atomic_store(&placed->is_done, true);
}

/* Submits a batch of so many entries; whether it was committed in place. */
static bool submit_placed(struct blockdb *db, size_t count,
                          const struct blockdb_write_options *options, const char *absent)
{
    struct blockdb_batch *batch = blockdb_batch_new(db);
    struct placed placed = {0};
    struct error err;
    bool was_in_place;
    size_t i;

    for (i = 0; i < count; i++) {
        fixture_must(blockdb_batch_put(batch, &i, sizeof(i), "value", 5, NULL), NULL);
    }
    if (absent != NULL) {
        fixture_must(blockdb_batch_require_absent(batch, absent, strlen(absent), NULL), NULL);
    }
    fixture_must(blockdb_submit(db, batch, options, note_placed, &placed, &err), &err);
    was_in_place = atomic_load(&placed.is_done) && placed.thread == thread_index();
    while (!atomic_load(&placed.is_done)) {
        os_sleep_ns(os_real(), WAIT_NS);
    }
    assert_int_equal(placed.status, BLOCKDB_OK);
    assert_int_equal(placed.count, count);
    assert_true(was_in_place == (placed.thread == thread_index()));
    return was_in_place;
}

static void test_in_place(void **state)
{
    static const uint8_t client[BLOCKDB_CLIENT_ID_LEN] = "a client";
    struct blockdb_write_options options = BLOCKDB_WRITE_OPTIONS_INIT;
    struct blockdb_write_options other;
    struct world w;

    (void)state;
    world_new(&w, "wal_sync_mode", "none", NULL);
    options.in_place = true;
    assert_false(submit_placed(w.db, 1, &options, NULL)); /* it opens a segment of the WAL */
    assert_true(submit_placed(w.db, 1, &options, NULL));
    assert_true(submit_placed(w.db, 20, &options, NULL));
    assert_false(submit_placed(w.db, 1000, &options, NULL));
    assert_false(submit_placed(w.db, 1, &options, "absent"));
    assert_false(submit_placed(w.db, 1, NULL, NULL));
    other = options;
    other.durability = BLOCKDB_DURABILITY_INTERVAL;
    assert_true(submit_placed(w.db, 1, &other, NULL));
    other.durability = BLOCKDB_DURABILITY_GROUP;
    assert_false(submit_placed(w.db, 1, &other, NULL));
    other = options;
    other.client_id = client;
    other.request = 1;
    assert_false(submit_placed(w.db, 1, &other, NULL));
    assert_int_equal(fixture_stats(w.db).puts, 1027);
    assert_int_equal(blockdb_seq_count(w.db), 1027);
    world_free(&w);
}

/* What would freeze the memtable, or open a segment of the WAL, is left to the committer; the rest
 * is there after all, and in the right order. */
static void test_in_place_until_full(void **state)
{
    static uint8_t value[32 * 1024];
    struct blockdb_write_options options = BLOCKDB_WRITE_OPTIONS_INIT;
    AUTO(blockdb_value_deinit) struct blockdb_value newest = {0};
    struct world w;
    struct error err;
    unsigned in_place = 0;
    unsigned i;

    (void)state;
    world_new(&w, "memtable_size_limit", "1MiB", NULL);
    options.in_place = true;
    options.durability = BLOCKDB_DURABILITY_NONE;
    for (i = 0; i < 400; i++) {
        struct blockdb_batch *batch = blockdb_batch_new(w.db);
        struct placed placed = {0};

        memcpy(value, &i, sizeof(i));
        fixture_must(blockdb_batch_put(batch, "key", 3, value, sizeof(value), NULL), NULL);
        fixture_must(blockdb_submit(w.db, batch, &options, note_placed, &placed, &err), &err);
        in_place += atomic_load(&placed.is_done) && placed.thread == thread_index();
        while (!atomic_load(&placed.is_done)) {
            os_sleep_ns(os_real(), WAIT_NS);
        }
        assert_int_equal(placed.status, BLOCKDB_OK);
    }
    assert_true(in_place > 0);
    assert_true(in_place < 400);
    assert_true(fixture_stats(w.db).flushes > 0);
    fixture_must(blockdb_get(w.db, "key", 3, NULL, &newest, NULL), NULL);
    assert_memory_equal(newest.data, value, sizeof(value));
    world_free(&w);
}

#define PLACED_EACH 2000
#define SOME 300

static void submit_some(void *arg)
{
    struct blockdb *db = arg;
    unsigned i;

    for (i = 0; i < SOME; i++) {
        fixture_put(db, "key", &i, sizeof(i));
        if (i % 50 == 0) {
            fixture_must(blockdb_sync(db, NULL), NULL);
        }
    }
}

static void submit_in_place(void *arg)
{
    struct blockdb_write_options options = BLOCKDB_WRITE_OPTIONS_INIT;
    struct gate gate = {.open = true};
    struct blockdb *db = arg;
    unsigned i;

    options.in_place = true;
    options.durability = BLOCKDB_DURABILITY_INTERVAL;
    for (i = 0; i < PLACED_EACH; i++) {
        struct blockdb_batch *batch = blockdb_batch_new(db);

        fixture_must(blockdb_batch_put(batch, &i, sizeof(i), "value", 5, NULL), NULL);
        fixture_must(blockdb_submit(db, batch, &options, pass_gate, &gate, NULL), NULL);
    }
    wait_calls(&gate, PLACED_EACH);
    assert_int_equal(atomic_load(&gate.status), BLOCKDB_OK);
}

/* Submitters that lead, the committer, blocking writers that lead, and syncs. */
static void test_in_place_from_many_threads(void **state)
{
    struct os_thread *threads[4] = {NULL};
    struct world w;
    unsigned i;

    (void)state;
    world_new(&w, "blockchain_batch_size", "10", NULL);
    for (i = 0; i < 4; i++) {
        fixture_must(os_thread_start(os_real(), "writer", i < 2 ? submit_in_place : submit_some,
                                     w.db, &threads[i], NULL),
                     NULL);
    }
    for (i = 0; i < 4; i++) {
        os_thread_join(os_real(), threads[i]);
    }
    assert_int_equal(fixture_stats(w.db).puts, 2 * PLACED_EACH + 2 * SOME);
    world_free(&w);
}

/* ---- The commit callback --------------------------------------------------------------------- */

struct heard {
    atomic_uint calls;
    atomic_bool inside;
    _Atomic uint64_t seq_count;
    _Atomic uint64_t durable_count;
};

static void hear(void *arg, uint64_t seq_count, uint64_t durable_count)
{
    struct heard *heard = arg;

    assert_false(atomic_exchange(&heard->inside, true)); /* one thread at a time */
    assert_true(seq_count >= atomic_load(&heard->seq_count));
    assert_true(durable_count >= atomic_load(&heard->durable_count));
    atomic_store(&heard->seq_count, seq_count);
    atomic_store(&heard->durable_count, durable_count);
    (void)atomic_fetch_add(&heard->calls, 1);
    atomic_store(&heard->inside, false);
}

static void test_commit_cb(void **state)
{
    struct heard first = {0};
    struct heard second = {0};
    struct world w;
    unsigned calls;

    (void)state;
    world_new(&w, "wal_sync_mode", "none", NULL);
    blockdb_set_commit_cb(w.db, hear, &first);
    fixture_put(w.db, "a", "1", 1);
    assert_int_equal(atomic_load(&first.calls), 1);
    assert_int_equal(atomic_load(&first.seq_count), 1);
    assert_int_equal(atomic_load(&first.durable_count), 0);
    assert_int_equal(blockdb_seq_count(w.db), 1);
    assert_int_equal(blockdb_durable_count(w.db), 0);
    fixture_must(blockdb_sync(w.db, NULL), NULL);
    assert_int_equal(atomic_load(&first.durable_count), 1);
    assert_int_equal(blockdb_durable_count(w.db), 1);
    calls = atomic_load(&first.calls);
    blockdb_set_commit_cb(w.db, hear, &second);
    fixture_put(w.db, "b", "2", 1);
    assert_int_equal(atomic_load(&first.calls), calls);
    assert_int_equal(atomic_load(&second.seq_count), 2);
    blockdb_set_commit_cb(w.db, NULL, NULL);
    fixture_put(w.db, "c", "3", 1);
    assert_int_equal(atomic_load(&second.seq_count), 2);
    world_free(&w);
}

/* Writers, syncs, the sealer, and somebody who changes the listener all the time. */
static void test_commit_cb_from_many_threads(void **state)
{
    struct os_thread *threads[3] = {NULL};
    struct heard heard[2] = {0};
    struct world w;
    unsigned i;

    (void)state;
    world_new(&w, "blockchain_batch_size", "10", NULL);
    for (i = 0; i < 3; i++) {
        fixture_must(os_thread_start(os_real(), "writer", submit_some, w.db, &threads[i], NULL),
                     NULL);
    }
    for (i = 0; i < 200; i++) {
        unsigned before = atomic_load(&heard[0].calls);

        blockdb_set_commit_cb(w.db, hear, &heard[1]);
        assert_true(atomic_load(&heard[0].calls) >= before);
        assert_false(atomic_load(&heard[0].inside));
        blockdb_set_commit_cb(w.db, hear, &heard[0]);
        assert_false(atomic_load(&heard[1].inside));
    }
    for (i = 0; i < 3; i++) {
        os_thread_join(os_real(), threads[i]);
    }
    fixture_put(w.db, "last", "1", 1);
    fixture_must(blockdb_sync(w.db, NULL), NULL);
    blockdb_set_commit_cb(w.db, NULL, NULL);
    assert_int_equal(atomic_load(&heard[0].seq_count), blockdb_seq_count(w.db));
    assert_int_equal(atomic_load(&heard[0].durable_count), blockdb_durable_count(w.db));
    world_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory_answers),
        cmocka_unit_test(test_any_read_may_block),
        cmocka_unit_test(test_direct_files),
        cmocka_unit_test(test_shorter_structs),
        cmocka_unit_test(test_full_queue),
        cmocka_unit_test(test_batches_are_reused),
        cmocka_unit_test(test_in_place),
        cmocka_unit_test(test_in_place_until_full),
        cmocka_unit_test(test_in_place_from_many_threads),
        cmocka_unit_test(test_commit_cb),
        cmocka_unit_test(test_commit_cb_from_many_threads),
    };

    world_seed = test_seed();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
