/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every function of libblockdb-client with every n-th allocation, and every n-th call on its
 * socket, failing: it says so, or succeeds by trying again; nothing leaks; the client is good
 * afterwards; and a write is one write however often it was sent.
 */
#include "base/mem.h"
#include "client/client_priv.h"
#include "memory_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define HASH "0000000000000000000000000000000000000000000000000000000000000000"
#define TIME "\"time\":\"2026-01-01T00:00:00.000Z\""
#define ENTRY(key, value, seq)                                                                     \
    "{\"success\":true,\"key\":\"" key "\",\"encoding\":\"utf8\",\"value\":\"" value               \
    "\",\"type\":\"put\",\"seq\":" seq "," TIME "}"
#define WRITTEN "{\"success\":true,\"seq\":7,\"count\":1," TIME "}"
#define JOB(state, more) "{\"success\":true,\"job\":3,\"state\":\"" state "\"" more "}"
#define STARTED "{\"success\":true,\"job\":3,\"started\":\"2026-01-01T00:00:00.000Z\"}"
#define OUTCOME ",\"outcome\":{\"seq\":7,\"count\":2," TIME ",\"repeated\":true}"
#define REPORT ",\"report\":{\"entries\":5,\"root\":\"" HASH "\"}"
/* Of the one chunk, "hi". */
#define HI_HASH "j0NDRmSPa5bfid2pAcUXaxCm2Dlh3TwayItZstwyeqQ="

static const struct memory_answer answers[] = {
    {"POST /api/v1/put", "200 OK", WRITTEN},
    {"DELETE /api/v1/delete/", "200 OK", WRITTEN},
    {"POST /api/v1/batch", "200 OK", WRITTEN},
    {"GET /api/v1/get/gone", "404 None",
     "{\"success\":false,\"error\":\"NotFound\",\"message\":\"gone\",\"type\":\"delete\",\"seq\":"
     "4," TIME "}"},
    {"GET /api/v1/get/big%2F.chunks", "200 OK", ENTRY("big", "hi", "2")},
    {"GET /api/v1/get/big", "200 OK",
     ENTRY("big",
           "{\\\"blockdb_chunks\\\":1,\\\"size\\\":2,\\\"chunk_size\\\":2,\\\"id\\\":"
           "\\\"00000000000000000000000000000000\\\",\\\"hashes\\\":\\\"" HI_HASH "\\\"}",
           "3")},
    {"GET /api/v1/get/", "200 OK", ENTRY("k", "v", "1")},
    {"GET /api/v1/entry/", "200 OK", ENTRY("k", "v", "1")},
    {"GET /api/v1/seq", "200 OK", "{\"success\":true,\"seq\":9}"},
    {"GET /api/v1/scan", "200 OK",
     "{\"success\":true,\"at\":9,\"entries\":[" ENTRY("a", "1", "1") "," ENTRY("b", "2", "2") "]}"},
    {"GET /api/v1/history/", "200 OK",
     "{\"success\":true,\"key\":\"k\",\"versions\":[" ENTRY("k", "2", "2") "," ENTRY("k", "1",
                                                                                     "1") "]}"},
    {"GET /api/v1/head", "200 OK",
     "{\"success\":true,\"size\":9,\"block_count\":1,\"root\":\"" HASH "\"}"},
    {"GET /api/v1/blocks/", "200 OK", "{\"success\":true,\"height\":0,\"hash\":\"" HASH "\"}"},
    {"GET /checkpoint", "200 OK", "note"},
    {"POST /api/v1/checkpoint", "200 OK", "note"},
    {"GET /api/v1/proof/inclusion", "200 OK", "{\"success\":true,\"hashes\":[\"" HASH "\"]}"},
    {"GET /api/v1/proof/consistency", "200 OK", "{\"success\":true,\"hashes\":[\"" HASH "\"]}"},
    {"GET /api/v1/proof/", "200 OK", "{\"success\":true,\"proof\":\"text\"}"},
    {"GET /tile/entries/", "200 OK", "bundle"},
    {"GET /tile/0/", "200 OK", "0123456789abcdef0123456789abcdef"},
    {"POST /api/v1/redact?job=1", "202 Begun", STARTED},
    {"GET /api/v1/redact/3", "200 OK", JOB("done", OUTCOME)},
    {"POST /api/v1/redact", "200 OK", WRITTEN},
    {"POST /api/v1/verify", "202 Begun", "{\"success\":true,\"job\":3}"},
    {"GET /api/v1/verify/3", "200 OK", JOB("done", REPORT)},
    {"POST /api/v1/backup", "202 Begun", "{\"success\":true,\"job\":3}"},
    {"GET /api/v1/backup/3", "200 OK", JOB("done", "")},
    {"POST /api/v1/flush", "200 OK", "{\"success\":true}"},
    {"POST /api/v1/compact?job=1", "202 Begun", STARTED},
    {"GET /api/v1/compact/3", "200 OK", JOB("done", "")},
    {"POST /api/v1/compact", "200 OK", "{\"success\":true}"},
    {"GET /stats", "200 OK", "{\"success\":true}"},
    {"GET /api/v1/watch", "200 OK", "id: 1\ndata: " ENTRY("k", "v", "1") "\n\n"},
    {NULL, NULL, NULL},
};

/* ---- The functions --------------------------------------------------------------------------- */

static struct blockdb_client_options options_of(void)
{
    struct blockdb_client_options o = BLOCKDB_CLIENT_OPTIONS_INIT;

    o.urls = "http://127.0.0.1:1";
    o.user = "ann";
    o.password = "secret";
    o.retry_delay_ms = 0;
    return o;
}

static int run_put(struct blockdb_client *c, struct error *err)
{
    struct blockdb_write_result result = {.first_seq = 99};
    int rc = blockdb_client_put(c, "k", 1, "v", 1, NULL, &result, err);

    assert_int_equal(result.first_seq, rc == 0 ? 7 : 99);
    return rc;
}

static int run_put_if_absent(struct blockdb_client *c, struct error *err)
{
    return blockdb_client_put_if_absent(c, "k\xff", 2, "v\xff", 2, NULL, NULL, err);
}

static int run_delete(struct blockdb_client *c, struct error *err)
{
    struct blockdb_write_options o = BLOCKDB_WRITE_OPTIONS_INIT;

    o.durability = BLOCKDB_DURABILITY_ALWAYS;
    return blockdb_client_delete(c, "k", 1, &o, NULL, err);
}

static int run_batch_put(struct blockdb_client *c, struct error *err)
{
    static const struct blockdb_client_pair pairs[] = {{"a", 1, "1", 1}, {"b", 1, "2", 1}};

    return blockdb_client_batch_put(c, pairs, 2, NULL, NULL, err);
}

static int run_write(struct blockdb_client *c, struct error *err)
{
    struct blockdb_client_batch *batch = blockdb_client_batch_new();
    size_t count;
    int rc = batch != NULL ? 0 : BLOCKDB_ENOMEM;

    if (rc == 0) {
        rc = blockdb_client_batch_add_put(batch, "a", 1, "1", 1, err);
    }
    if (rc == 0) {
        count = blockdb_client_batch_count(batch);
        rc = blockdb_client_batch_add_delete(batch, "b", 1, err);
        /* A failed addition adds nothing. */
        assert_int_equal(blockdb_client_batch_count(batch), rc == 0 ? count + 1 : count);
    }
    if (rc == 0) {
        rc = blockdb_client_batch_require_absent(batch, "c", 1, err);
    }
    if (rc == 0) {
        rc = blockdb_client_batch_require_seq(batch, "d", 1, 5, err);
    }
    if (rc == 0) {
        rc = blockdb_client_write(c, batch, NULL, NULL, err);
        assert_int_equal(blockdb_client_batch_count(batch), 2);
    }
    blockdb_client_batch_free(batch);
    return rc;
}

static int run_get(struct blockdb_client *c, struct error *err)
{
    AUTO(blockdb_client_value_deinit) struct blockdb_value value = {0};
    int rc = blockdb_client_get(c, "k", 1, NULL, &value, err);

    assert_int_equal(value.len, rc == 0);
    if (rc == 0) {
        rc = blockdb_client_get_as_of(c, "k", 1, 5, &value, err);
        assert_int_equal(value.len, 1); /* what was there, or what came */
    }
    return rc;
}

static int run_get_deleted(struct blockdb_client *c, struct error *err)
{
    AUTO(blockdb_client_value_deinit) struct blockdb_value value = {0};
    int rc = blockdb_client_get(c, "gone", 4, NULL, &value, err);

    assert_true(rc < 0);
    return rc == BLOCKDB_ENOTFOUND ? 0 : rc;
}

static int run_get_entry(struct blockdb_client *c, struct error *err)
{
    AUTO(blockdb_client_value_deinit) struct blockdb_value key = {0};
    AUTO(blockdb_client_value_deinit) struct blockdb_value value = {0};
    uint64_t seq = 0;
    int rc = blockdb_client_get_entry(c, 1, &key, &value, err);

    return rc < 0 ? rc : blockdb_client_seq_at_time(c, 1, &seq, err);
}

static int run_scan(struct blockdb_client *c, struct error *err)
{
    struct blockdb_scan_options o = BLOCKDB_SCAN_OPTIONS_INIT;
    struct blockdb_client_iter *iter = NULL;
    unsigned count = 0;
    int rc;

    o.prefix = "p";
    o.prefix_len = 1;
    rc = blockdb_client_iter_new(c, &o, &iter, err);
    while (rc == 0 && (rc = blockdb_client_iter_next(iter, err)) == 0) {
        count++;
    }
    blockdb_client_iter_free(iter);
    return rc == BLOCKDB_ENOTFOUND && count == 2 ? 0 : rc;
}

static int run_history(struct blockdb_client *c, struct error *err)
{
    struct blockdb_client_history *history = NULL;
    unsigned count = 0;
    int rc = blockdb_client_history_new(c, "k", 1, NULL, &history, err);

    while (rc == 0 && (rc = blockdb_client_history_next(history, err)) == 0) {
        count++;
    }
    blockdb_client_history_free(history);
    return rc == BLOCKDB_ENOTFOUND && count == 2 ? 0 : rc;
}

static int run_watch(struct blockdb_client *c, struct error *err)
{
    struct blockdb_client_watch_options o = BLOCKDB_CLIENT_WATCH_OPTIONS_INIT;
    struct blockdb_client_watch *watch = NULL;
    struct blockdb_client_event event;
    int rc;

    o.prefix = "k";
    o.prefix_len = 1;
    rc = blockdb_client_watch_new(c, &o, &watch, err);
    if (rc == 0) {
        rc = blockdb_client_watch_next(watch, 20000, &event, err);
    }
    blockdb_client_watch_free(watch);
    return rc;
}

static int run_heads(struct blockdb_client *c, struct error *err)
{
    AUTO(blockdb_client_value_deinit) struct blockdb_value note = {0};
    struct blockdb_block block;
    struct blockdb_head head;
    int rc = blockdb_client_head_get(c, &head, err);

    if (rc == 0) {
        rc = blockdb_client_block_get(c, 0, &block, err);
    }
    if (rc == 0) {
        rc = blockdb_client_checkpoint_get(c, &note, err);
    }
    return rc < 0 ? rc : blockdb_client_checkpoint_sign(c, &note, err);
}

static int run_proofs(struct blockdb_client *c, struct error *err)
{
    AUTO(blockdb_client_value_deinit) struct blockdb_value file = {0};
    struct blockdb_proof proof;
    int rc = blockdb_client_prove_inclusion(c, 1, 9, &proof, err);

    if (rc == 0) {
        rc = blockdb_client_prove_consistency(c, 1, 9, &proof, err);
    }
    if (rc == 0) {
        rc = blockdb_client_prove_entry(c, 1, NULL, &file, err);
    }
    return rc < 0 ? rc : blockdb_client_prove_key(c, "k", 1, NULL, &file, err);
}

static int run_tiles(struct blockdb_client *c, struct error *err)
{
    AUTO(blockdb_client_value_deinit) struct blockdb_value bundle = {0};
    uint8_t tile[BLOCKDB_TILE_LEN];
    int rc = blockdb_client_tile_read(c, 0, 1234567, 1, tile, err);

    return rc < 0 ? rc : blockdb_client_bundle_read(c, 0, 256, &bundle, err);
}

static int give_four(void *arg, void *out, size_t cap, size_t *out_len)
{
    size_t *left = arg;

    *out_len = *left < cap ? *left : cap;
    memset(out, 'h', *out_len);
    *left -= *out_len;
    return 0;
}

static int run_put_large(struct blockdb_client *c, struct error *err)
{
    size_t left = 4;

    return blockdb_client_put_large(c, "big", 3, give_four, &left, 2, NULL, err);
}

static int take(void *arg, const void *data, size_t len)
{
    assert_memory_equal(data, "hi", len);
    *(size_t *)arg += len;
    return 0;
}

static int run_get_large(struct blockdb_client *c, struct error *err)
{
    uint64_t bytes = 0;
    size_t taken = 0;
    int rc = blockdb_client_get_large(c, "big", 3, take, &taken, &bytes, err);

    assert_true(rc != 0 || (bytes == 2 && taken == 2));
    return rc;
}

static int run_admin(struct blockdb_client *c, struct error *err)
{
    AUTO(blockdb_client_value_deinit) struct blockdb_value stats = {0};
    struct blockdb_redact_options o = BLOCKDB_REDACT_OPTIONS_INIT;
    int rc;

    o.reason = "why";
    rc = blockdb_client_redact(c, "k", 1, 1, &o, NULL, err);
    if (rc == 0) {
        rc = blockdb_client_flush(c, err);
    }
    if (rc == 0) {
        rc = blockdb_client_compact(c, true, err);
    }
    if (rc == 0) {
        rc = blockdb_client_compact_job(c, NULL, NULL, err);
    }
    return rc < 0 ? rc : blockdb_client_stats_get(c, &stats, err);
}

static int run_verify(struct blockdb_client *c, struct error *err)
{
    struct blockdb_verify_report report = {0};
    int rc = blockdb_client_verify(c, NULL, &report, err);

    assert_true(rc != 0 || report.entries == 5);
    return rc;
}

static int run_backup(struct blockdb_client *c, struct error *err)
{
    return blockdb_client_backup(c, "today", NULL, NULL, err);
}

static int run_compact_job(struct blockdb_client *c, struct error *err)
{
    struct blockdb_client_job job = BLOCKDB_CLIENT_JOB_INIT;
    int rc = blockdb_client_compact_start(c, &job, err);

    assert_string_equal(job.id, rc == 0 ? "3" : "");
    return rc < 0 ? rc : blockdb_client_job_await(c, &job, NULL, NULL, NULL, err);
}

static int run_redact_job(struct blockdb_client *c, struct error *err)
{
    static const struct blockdb_redact_target targets[] = {{"k", 1, 1}, {"l", 1, 2}};
    struct blockdb_client_job_outcome outcome = {.size = sizeof(outcome)};
    struct blockdb_client_job job = BLOCKDB_CLIENT_JOB_INIT;
    int rc = blockdb_client_redact_start(c, targets, 2, NULL, &job, err);

    if (rc == 0) {
        assert_string_equal(job.path, "/api/v1/redact/3");
        rc = blockdb_client_job_await(c, &job, NULL, NULL, &outcome, err);
    }
    assert_int_equal(outcome.written.first_seq, rc == 0 ? 7 : 0);
    assert_int_equal(outcome.written.repeated, rc == 0);
    return rc;
}

static int run_request(struct blockdb_client *c, struct error *err)
{
    AUTO(blockdb_client_answer_deinit) struct blockdb_client_answer answer = {0};
    struct blockdb_client_request request = BLOCKDB_CLIENT_REQUEST_INIT;

    request.target = "/stats";
    request.accept = "application/json";
    return blockdb_client_request(c, &request, &answer, err);
}

static int run_queue(struct blockdb_client *c, struct error *err)
{
    struct blockdb_client_queue_options o = BLOCKDB_CLIENT_QUEUE_OPTIONS_INIT;
    struct blockdb_client_completion done = {.tag = 0};
    struct blockdb_client_queue *queue = NULL;
    int rc;

    o.threads = 1;
    rc = blockdb_client_queue_new(c, &o, &queue, err);
    if (rc == 0) {
        rc = blockdb_client_queue_put(queue, 1, "k", 1, "v", 1, BLOCKDB_DURABILITY_DEFAULT, err);
    }
    if (rc == 0) {
        rc = blockdb_client_queue_next(queue, 60000, &done);
        assert_int_equal(rc, 0);
        *err = done.error;
        rc = done.status;
    }
    if (rc == 0) {
        rc = blockdb_client_queue_write(queue, 2, blockdb_client_batch_new(),
                                        BLOCKDB_DURABILITY_DEFAULT, err);
    }
    blockdb_client_queue_free(queue);
    return rc;
}

struct function {
    const char *name;
    int (*run)(struct blockdb_client *c, struct error *err);
    unsigned writes; /* that it makes, when all goes well */
    bool is_once;    /* it is not repeated when it may have arrived */
};

static const struct function functions[] = {
    {"put", run_put, 1, false},
    {"put_if_absent", run_put_if_absent, 1, false},
    {"delete", run_delete, 1, false},
    {"batch_put", run_batch_put, 1, false},
    {"write", run_write, 1, false},
    {"get", run_get, 0, false},
    {"get of a deleted key", run_get_deleted, 0, false},
    {"get_entry", run_get_entry, 0, false},
    {"scan", run_scan, 0, false},
    {"history", run_history, 0, false},
    {"watch", run_watch, 0, false},
    {"heads", run_heads, 0, false},
    {"proofs", run_proofs, 0, false},
    {"tiles", run_tiles, 0, false},
    {"put_large", run_put_large, 3, false},
    {"get_large", run_get_large, 0, false},
    {"admin", run_admin, 0, false},
    {"verify", run_verify, 0, false},
    {"backup", run_backup, 0, true},
    {"compact_start", run_compact_job, 0, false},
    {"redact_start", run_redact_job, 0, false},
    {"request", run_request, 0, false},
};
#define FUNCTIONS (sizeof(functions) / sizeof(functions[0]))

/* ---- A clock that does not wait ---------------------------------------------------------------
 */

/* The real system, but sleeping is moving the clock: polls of a job take their minute in no time.
 */
struct hasty_os {
    struct os base;
    struct os_ops ops;
    _Atomic uint64_t slept_ns;
};

static uint64_t hasty_monotonic(struct os *os)
{
    return os_monotonic_ns(os_real()) + atomic_load(&((struct hasty_os *)os)->slept_ns);
}

static void hasty_sleep(struct os *os, uint64_t ns)
{
    atomic_fetch_add(&((struct hasty_os *)os)->slept_ns, ns);
}

static void hasty_init(struct hasty_os *os)
{
    *os = (struct hasty_os){.ops = *os_real()->ops};
    os->ops.monotonic_ns = hasty_monotonic;
    os->ops.sleep_ns = hasty_sleep;
    os->base.ops = &os->ops;
}

/* ---- The loops ------------------------------------------------------------------------------- */

static struct blockdb_client *client_on(struct memory_server *s, struct hasty_os *os)
{
    struct blockdb_client_options o = options_of();
    struct blockdb_client *c = NULL;
    struct error err;

    assert_int_equal(blockdb_client_new(&o, &c, &err), 0);
    hasty_init(os);
    c->os = &os->base;
    c->net.os = &os->base;
    c->net.sockets = &s->base;
    return c;
}

/* Nothing is held, and the next call works. */
static void check_good(struct blockdb_client *c, const struct function *f, unsigned n)
{
    struct blockdb_client_figures figures = {.size = sizeof(figures)};
    struct error err = {0};
    int rc;

    blockdb_client_figures_get(c, &figures);
    assert_int_equal(figures.in_use, 0);
    rc = f->run(c, &err);
    if (rc != 0) {
        fail_msg("%s after failure %u: %d %s", f->name, n, rc, err.message);
    }
}

struct countdown {
    atomic_uint left;
};

static bool is_turn(void *context)
{
    struct countdown *c = context;
    unsigned left = atomic_load(&c->left);

    while (left > 0 && !atomic_compare_exchange_weak(&c->left, &left, left - 1)) {
    }
    return left == 1;
}

static void fail_allocations(const struct function *f)
{
    unsigned n = 0;
    bool was_reached = true;

    while (was_reached) {
        struct memory_server *s = memory_server_new(answers);
        struct hasty_os os;
        struct blockdb_client *c = client_on(s, &os);
        struct countdown countdown = {.left = ++n};
        struct error err = {0};
        int rc;

        mem_set_fail_hook(is_turn, &countdown);
        rc = f->run(c, &err);
        mem_set_fail_hook(NULL, NULL);
        was_reached = atomic_load(&countdown.left) == 0;
        if (rc != 0 && rc != BLOCKDB_ENOMEM) {
            fail_msg("%s, allocation %u: %d %s", f->name, n, rc, err.message);
        }
        assert_true(rc == 0 || was_reached);
        check_good(c, f, n);
        blockdb_client_free(c);
        assert_int_equal(memory_server_open_links(s), 0);
        memory_server_free(s);
    }
    assert_true(n > 3);
}

static void test_allocations(void **state)
{
    static const struct function queue = {"queue", run_queue, 1, false};
    size_t i;

    (void)state;
    for (i = 0; i < FUNCTIONS; i++) {
        fail_allocations(&functions[i]);
    }
    fail_allocations(&queue);
}

static void test_new(void **state)
{
    struct blockdb_client_options o = options_of();
    unsigned n = 0;
    int rc;

    (void)state;
    do {
        struct countdown countdown = {.left = ++n};
        struct blockdb_client *c = NULL;
        struct error err;

        mem_set_fail_hook(is_turn, &countdown);
        rc = blockdb_client_new(&o, &c, &err);
        mem_set_fail_hook(NULL, NULL);
        assert_true(rc == 0 ? c != NULL : c == NULL && rc == BLOCKDB_ENOMEM);
        blockdb_client_free(c);
    } while (rc < 0);
    assert_true(n > 4);
}

/* What the n-th call on the socket does, for each n, once or from then on. */
static void fail_calls(const struct function *f, enum memory_fault fault, int is_lasting)
{
    bool is_harmless = fault == MEMORY_INTERRUPT || fault == MEMORY_BLOCK || fault == MEMORY_SHORT;
    unsigned n = 0;
    bool was_reached = true;

    while (was_reached) {
        struct memory_server *s = memory_server_new(answers);
        struct hasty_os os;
        struct blockdb_client *c = client_on(s, &os);
        struct error err = {0};
        int rc;

        memory_server_plan(s, fault, ++n, is_lasting);
        rc = f->run(c, &err);
        was_reached = s->call_count >= n;
        if (is_lasting && !is_harmless && was_reached) {
            /* It may have been the last call of the last request. */
            assert_true(rc == BLOCKDB_EIO || rc == BLOCKDB_ETIMEDOUT || rc == 0);
            assert_true(rc == 0 || err.message[0] != '\0');
        } else if (rc != 0 && !(f->is_once && !is_harmless)) {
            fail_msg("%s, fault %d at call %u: %d %s", f->name, (int)fault, n, rc, err.message);
        }
        if (rc == 0) {
            assert_int_equal(s->write_count, f->writes);
        }
        memory_server_plan(s, MEMORY_GOOD, 0, 0);
        check_good(c, f, n);
        blockdb_client_free(c);
        assert_int_equal(memory_server_open_links(s), 0);
        memory_server_free(s);
    }
    assert_true(n > 3);
}

static void test_calls_once(void **state)
{
    static const enum memory_fault faults[] = {MEMORY_FAIL, MEMORY_END, MEMORY_INTERRUPT,
                                               MEMORY_BLOCK, MEMORY_SHORT};
    size_t i;
    size_t k;

    (void)state;
    for (i = 0; i < FUNCTIONS; i++) {
        for (k = 0; k < sizeof(faults) / sizeof(faults[0]); k++) {
            fail_calls(&functions[i], faults[k], 0);
        }
    }
}

static void test_calls_for_good(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < FUNCTIONS; i++) {
        if (functions[i].run != run_watch) { /* it tries for as long as it is told */
            fail_calls(&functions[i], MEMORY_FAIL, 1);
            fail_calls(&functions[i], MEMORY_END, 1);
        }
    }
}

/* One byte at a time, from the first to the last. */
static void test_single_bytes(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < FUNCTIONS; i++) {
        struct memory_server *s = memory_server_new(answers);
        struct hasty_os os;
        struct blockdb_client *c = client_on(s, &os);
        struct error err = {0};

        memory_server_plan(s, MEMORY_SHORT, 1, 1);
        assert_int_equal(functions[i].run(c, &err), 0);
        blockdb_client_free(c);
        memory_server_free(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new),          cmocka_unit_test(test_allocations),
        cmocka_unit_test(test_calls_once),   cmocka_unit_test(test_calls_for_good),
        cmocka_unit_test(test_single_bytes),
    };

    return cmocka_run_group_tests_name("client_faults", tests, NULL, NULL);
}
