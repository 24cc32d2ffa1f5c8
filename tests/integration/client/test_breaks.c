/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libblockdb-client and a real server, with a proxy between them that breaks connections: what is
 * written arrives once, whatever is lost on the way (CLIENT-1), and nothing waits longer than it
 * may.
 *
 * client_breaks SERVER CLI
 */
#include "breaking_proxy.h"
#include "real_server.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CONFIG "[server]\nresp_port = 0\ndrain_time = 0\nbackup_dir = \"%s\"\n"
#define THREADS 8
#define SHORT_MS 200

static const char *program;

struct suite {
    struct real_server server;
    struct proxy proxy;
    struct blockdb_client *direct; /* without the proxy */
    unsigned keys;                 /* made so far */
};

static void config_make(const struct real_server *s, char out[REAL_TEXT_BYTES])
{
    (void)snprintf(out, REAL_TEXT_BYTES, CONFIG, s->folder);
}

static int suite_start(void **state)
{
    struct suite *s = calloc(1, sizeof(*s));
    struct blockdb_client_options o;
    char config[REAL_TEXT_BYTES];

    assert_non_null(s);
    real_server_init(&s->server, program);
    config_make(&s->server, config);
    real_server_start(&s->server, "http", config);
    proxy_start(&s->proxy, s->server.port);
    o = real_options(s->server.url);
    s->direct = real_client(&o);
    *state = s;
    return 0;
}

static int suite_end(void **state)
{
    struct suite *s = *state;

    blockdb_client_free(s->direct);
    proxy_stop(&s->proxy);
    real_server_deinit(&s->server);
    free(s);
    return 0;
}

static struct blockdb_client_figures figures(struct blockdb_client *client)
{
    struct blockdb_client_figures f = {.size = sizeof(f)};

    blockdb_client_figures_get(client, &f);
    return f;
}

static const char *new_key(struct suite *s, char out[32])
{
    (void)snprintf(out, 32, "key-%u", s->keys++);
    return out;
}

/* ---- One write, broken once ------------------------------------------------------------------ */

/* Every kind of write, each of which must be there once after it was broken. */
static void write_all_kinds(struct suite *s, struct blockdb_client *client, enum proxy_act act,
                            int times)
{
    struct blockdb_client_pair pairs[2];
    struct blockdb_write_result result;
    struct blockdb_error err;
    char keys[3][32];
    size_t i;

    for (i = 0; i < 3; i++) {
        (void)new_key(s, keys[i]);
    }
    proxy_break(&s->proxy, act, times);
    EXPECT(0, blockdb_client_put(client, keys[0], strlen(keys[0]), "1", 1, NULL, &result, &err),
           &err);
    assert_int_equal(real_versions(s->direct, keys[0]), 1);
    proxy_break(&s->proxy, act, times);
    EXPECT(
        0,
        blockdb_client_put_if_absent(client, keys[1], strlen(keys[1]), "1", 1, NULL, &result, &err),
        &err);
    proxy_break(&s->proxy, act, times);
    EXPECT(0, blockdb_client_delete(client, keys[0], strlen(keys[0]), NULL, &result, &err), &err);
    assert_int_equal(real_versions(s->direct, keys[0]), 2);
    pairs[0] = (struct blockdb_client_pair){keys[1], strlen(keys[1]), "2", 1};
    pairs[1] = (struct blockdb_client_pair){keys[2], strlen(keys[2]), "2", 1};
    proxy_break(&s->proxy, act, times);
    EXPECT(0, blockdb_client_batch_put(client, pairs, 2, NULL, &result, &err), &err);
    assert_int_equal(result.count, 2);
    assert_int_equal(real_versions(s->direct, keys[1]), 2);
    assert_int_equal(real_versions(s->direct, keys[2]), 1);
    proxy_break(&s->proxy, PROXY_PASS, 0);
}

static void test_writes_arrive_once(void **state)
{
    static const enum proxy_act acts[] = {
        PROXY_CUT_BEFORE, PROXY_CUT_AFTER, PROXY_CUT_HALF, PROXY_RESET_AFTER,
        PROXY_SAY_503,    PROXY_SAY_502,   PROXY_DRIP,
    };
    struct suite *s = *state;
    struct blockdb_client_options o = real_options(s->proxy.url);
    size_t i;

    for (i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
        struct blockdb_client *client = real_client(&o);

        write_all_kinds(s, client, acts[i], 1);
        write_all_kinds(s, client, acts[i], 3);
        if (acts[i] == PROXY_DRIP) {
            assert_int_equal(figures(client).retries, 0);
        } else {
            assert_true(figures(client).retries >= 4);
        }
        blockdb_client_free(client);
    }
}

/* A server that carries the write out, and whose answer does not come in time. */
static void test_stalls(void **state)
{
    struct suite *s = *state;
    struct blockdb_client_options o = real_options(s->proxy.url);
    struct blockdb_client *client;
    struct blockdb_error err;
    char key[32];

    o.request_timeout_ms = SHORT_MS;
    client = real_client(&o);
    write_all_kinds(s, client, PROXY_STALL, 1);
    /* It never gets better: the call ends, and the write is there once all the same. */
    proxy_break(&s->proxy, PROXY_STALL, -1);
    (void)new_key(s, key);
    EXPECT(BLOCKDB_ETIMEDOUT,
           blockdb_client_put(client, key, strlen(key), "1", 1, NULL, NULL, &err), &err);
    assert_non_null(strstr(err.message, s->proxy.url));
    proxy_break(&s->proxy, PROXY_PASS, 0);
    assert_int_equal(real_versions(s->direct, key), 1);
    /* The next write of the same connection is another one. */
    EXPECT(0, blockdb_client_put(client, key, strlen(key), "2", 1, NULL, NULL, &err), &err);
    assert_int_equal(real_versions(s->direct, key), 2);
    blockdb_client_free(client);
}

/* What may not be repeated is not, when it may have arrived. */
static void test_unrepeatable(void **state)
{
    static const enum proxy_act uncertain[] = {PROXY_CUT_AFTER, PROXY_CUT_HALF, PROXY_SAY_502};
    struct suite *s = *state;
    struct blockdb_client_options o = real_options(s->proxy.url);
    struct blockdb_client *client = real_client(&o);
    struct blockdb_error err;
    char name[32];
    unsigned before;
    size_t i;

    for (i = 0; i < sizeof(uncertain) / sizeof(uncertain[0]); i++) {
        (void)snprintf(name, sizeof(name), "backup-%zu", i);
        before = atomic_load(&s->proxy.requests);
        proxy_break(&s->proxy, uncertain[i], 1);
        assert_true(blockdb_client_backup(client, name, NULL, NULL, &err) < 0);
        assert_int_equal(atomic_load(&s->proxy.requests), before + 1);
        /* It was begun; another may not begin before it has ended. */
        while (blockdb_client_backup(client, name, NULL, NULL, &err) == BLOCKDB_EBUSY) {
        }
        assert_int_equal(err.code, BLOCKDB_EEXIST);
    }
    /* What was refused has not arrived. */
    proxy_break(&s->proxy, PROXY_SAY_503, 1);
    EXPECT(0, blockdb_client_backup(client, "backup", NULL, NULL, &err), &err);
    blockdb_client_free(client);
}

/* A job whose start is answered into the void is found again; its polling survives breaks. */
static void test_jobs(void **state)
{
    static const enum proxy_act acts[] = {PROXY_CUT_AFTER, PROXY_CUT_HALF, PROXY_SAY_503,
                                          PROXY_RESET_AFTER};
    struct suite *s = *state;
    struct blockdb_client_options o = real_options(s->proxy.url);
    struct blockdb_client *client = real_client(&o);
    struct blockdb_verify_report report;
    struct blockdb_error err;
    size_t i;

    for (i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
        memset(&report, 0, sizeof(report));
        proxy_break(&s->proxy, acts[i], 2);
        EXPECT(0, blockdb_client_verify(client, NULL, &report, &err), &err);
        assert_true(report.entries > 0);
    }
    proxy_break(&s->proxy, PROXY_PASS, 0);
    blockdb_client_free(client);
}

/* The same for jobs that are left and found again, and for a server that forgot them. */
static void test_jobs_by_number(void **state)
{
    static const enum proxy_act acts[] = {PROXY_CUT_AFTER, PROXY_CUT_HALF, PROXY_SAY_503,
                                          PROXY_RESET_AFTER};
    struct suite *s = *state;
    struct blockdb_client_options o = real_options(s->proxy.url);
    struct blockdb_client *client;
    struct blockdb_client_job job = BLOCKDB_CLIENT_JOB_INIT;
    struct blockdb_client_job other = BLOCKDB_CLIENT_JOB_INIT;
    struct blockdb_error err;
    char config[REAL_TEXT_BYTES];
    size_t i;

    o.retry_attempts = 1; /* fewer than breaks: it is asked again all the same */
    client = real_client(&o);
    for (i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
        EXPECT(0, blockdb_client_compact_start(client, &job, &err), &err);
        assert_true(job.id[0] != '\0' && job.started_ms != 0);
        proxy_break(&s->proxy, acts[i], 7);
        EXPECT(0, blockdb_client_job_await(client, &job, NULL, NULL, NULL, &err), &err);
    }
    EXPECT(0, blockdb_client_job_cancel(client, &job, &err), &err);

    /* A server that was started anew counts from 1 again; another job 1 is not ours (RJOB-2). */
    config_make(&s->server, config);
    real_server_stop(&s->server, SIGTERM);
    real_server_start(&s->server, "http", config);
    EXPECT(BLOCKDB_ECLOSED, blockdb_client_job_await(client, &job, NULL, NULL, NULL, &err), &err);
    (void)snprintf(job.id, sizeof(job.id), "1");
    EXPECT(0, blockdb_client_compact_start(client, &other, &err), &err);
    EXPECT(BLOCKDB_ECLOSED, blockdb_client_job_await(client, &job, NULL, NULL, NULL, &err), &err);
    EXPECT(0, blockdb_client_job_await(client, &other, NULL, NULL, NULL, &err), &err);
    job = (struct blockdb_client_job)BLOCKDB_CLIENT_JOB_INIT;
    EXPECT(BLOCKDB_EINVAL, blockdb_client_job_await(client, &job, NULL, NULL, NULL, &err), &err);
    blockdb_client_free(client);
}

/* compact and redact have a limit of their own, and are not cut off by that of requests. */
static void test_long_requests(void **state)
{
    struct suite *s = *state;
    struct blockdb_client_options o = real_options(s->proxy.url);
    struct blockdb_client *client;
    struct blockdb_error err;

    o.request_timeout_ms = 10000;
    o.long_timeout_ms = SHORT_MS;
    client = real_client(&o);
    EXPECT(0, blockdb_client_compact(client, true, &err), &err);
    EXPECT(0, blockdb_client_flush(client, &err), &err);
    proxy_break(&s->proxy, PROXY_STALL, -1);
    EXPECT(BLOCKDB_ETIMEDOUT, blockdb_client_compact(client, true, &err), &err);
    proxy_break(&s->proxy, PROXY_PASS, 0);
    assert_int_equal(figures(client).retries, 0);
    blockdb_client_free(client);

    o.request_timeout_ms = SHORT_MS / 4;
    o.long_timeout_ms = 10000;
    client = real_client(&o);
    EXPECT(0, blockdb_client_compact(client, true, &err), &err);
    o.long_timeout_ms = 0;
    blockdb_client_free(client);
    assert_int_equal(blockdb_client_new(&o, &client, &err), BLOCKDB_EINVAL);
}

/* ---- Leaders --------------------------------------------------------------------------------- */

static void test_leader_is_followed(void **state)
{
    static const enum proxy_act acts[] = {PROXY_SAY_LEADER, PROXY_SAY_MOVED};
    struct suite *s = *state;
    struct blockdb_client_options o = real_options(s->proxy.url);
    struct blockdb_error err;
    size_t i;

    for (i = 0; i < 2; i++) {
        struct blockdb_client *client = real_client(&o);
        unsigned before = atomic_load(&s->proxy.requests);
        char key[32];

        (void)new_key(s, key);
        proxy_break(&s->proxy, acts[i], -1);
        EXPECT(0, blockdb_client_put(client, key, strlen(key), "1", 1, NULL, NULL, &err), &err);
        EXPECT(0, blockdb_client_put(client, key, strlen(key), "2", 1, NULL, NULL, &err), &err);
        /* The second went to the leader at once. */
        assert_int_equal(figures(client).redirects, 1);
        assert_int_equal(atomic_load(&s->proxy.requests), before + 1);
        assert_int_equal(real_versions(s->direct, key), 2);
        proxy_break(&s->proxy, PROXY_PASS, 0);
        blockdb_client_free(client);
    }
}

/* ---- The pool -------------------------------------------------------------------------------- */

struct worker {
    struct suite *suite;
    struct blockdb_client *client;
    pthread_t thread;
    unsigned index;
    int rc;
};

static void *work(void *arg)
{
    struct worker *w = arg;
    struct blockdb_error err;
    char key[32];
    unsigned i;

    for (i = 0; i < 20 && w->rc == 0; i++) {
        (void)snprintf(key, sizeof(key), "worker-%u-%u", w->index, i);
        w->rc = blockdb_client_put(w->client, key, strlen(key), "1", 1, NULL, NULL, &err);
    }
    return NULL;
}

static void run_workers(struct suite *s, struct blockdb_client *client, struct worker *workers)
{
    unsigned i;

    for (i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.suite = s, .client = client, .index = i};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (i = 0; i < THREADS; i++) {
        (void)pthread_join(workers[i].thread, NULL);
    }
}

static void test_pool(void **state)
{
    struct suite *s = *state;
    struct blockdb_client_options o = real_options(s->proxy.url);
    struct worker workers[THREADS];
    struct blockdb_client *client;
    unsigned before = atomic_load(&s->proxy.connected);
    unsigned i;

    o.max_connections = 2;
    client = real_client(&o);
    run_workers(s, client, workers);
    for (i = 0; i < THREADS; i++) {
        assert_int_equal(workers[i].rc, 0);
    }
    assert_true(atomic_load(&s->proxy.connected) - before <= 2);
    assert_true(figures(client).connections <= 2);
    assert_int_equal(figures(client).in_use, 0);
    blockdb_client_free(client);

    /* Where all connections are stuck, those who wait for one are told. */
    o.max_connections = 1;
    o.request_timeout_ms = SHORT_MS;
    o.retry_attempts = 0;
    client = real_client(&o);
    proxy_break(&s->proxy, PROXY_STALL, -1);
    run_workers(s, client, workers);
    proxy_break(&s->proxy, PROXY_PASS, 0);
    for (i = 0; i < THREADS; i++) {
        assert_int_equal(workers[i].rc, BLOCKDB_ETIMEDOUT);
    }
    assert_int_equal(figures(client).in_use, 0);
    blockdb_client_free(client);
}

/* Many writers, and a server that is killed and started again under them. */
static void test_restarts(void **state)
{
    struct suite *s = *state;
    struct blockdb_client_options o = real_options(s->server.url);
    struct worker workers[THREADS];
    struct blockdb_client *client;
    char config[REAL_TEXT_BYTES];
    char key[32];
    unsigned round;
    unsigned i;

    o.retry_attempts = 100;
    client = real_client(&o);
    config_make(&s->server, config);
    for (i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.suite = s, .client = client, .index = 100 + i};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (round = 0; round < 2; round++) {
        while (figures(client).requests < 40 * (round + 1)) {
        }
        real_server_stop(&s->server, round == 0 ? SIGKILL : SIGTERM);
        real_server_start(&s->server, "http", config);
    }
    for (i = 0; i < THREADS; i++) {
        (void)pthread_join(workers[i].thread, NULL);
        assert_int_equal(workers[i].rc, 0);
    }
    for (i = 0; i < THREADS * 20; i++) {
        (void)snprintf(key, sizeof(key), "worker-%u-%u", 100 + i / 20, i % 20);
        assert_int_equal(real_versions(s->direct, key), 1);
    }
    blockdb_client_free(client);
}

/* ---- Asynchronous use ------------------------------------------------------------------------ */

static void test_queue_order(void **state)
{
    struct suite *s = *state;
    struct blockdb_client_queue_options q = BLOCKDB_CLIENT_QUEUE_OPTIONS_INIT;
    struct blockdb_client_options o = real_options(s->proxy.url);
    struct blockdb_client_completion done = {.tag = 0};
    struct blockdb_client *client = real_client(&o);
    struct blockdb_client_queue *queue = NULL;
    struct blockdb_error err;
    uint64_t tag;

    q.threads = 1; /* then the order is that of submission */
    q.operations_max = 50;
    EXPECT(0, blockdb_client_queue_new(client, &q, &queue, &err), &err);
    proxy_break(&s->proxy, PROXY_CUT_AFTER, 2);
    for (tag = 0; tag < 50; tag++) {
        EXPECT(0,
               blockdb_client_queue_put(queue, tag, "queued", 6, &tag, sizeof(tag),
                                        BLOCKDB_DURABILITY_DEFAULT, &err),
               &err);
    }
    EXPECT(BLOCKDB_EBUSY, blockdb_client_queue_get(queue, 50, "queued", 6, BLOCKDB_SEQ_NONE, &err),
           &err);
    for (tag = 0; tag < 50; tag++) {
        EXPECT(0, blockdb_client_queue_next(queue, 60000, &done), &done.error);
        assert_int_equal(done.tag, tag);
        EXPECT(0, done.status, &done.error);
    }
    assert_int_equal(blockdb_client_queue_next(queue, 0, &done), BLOCKDB_ENOTFOUND);
    assert_int_equal(real_versions(s->direct, "queued"), 50);
    blockdb_client_queue_free(queue);
    blockdb_client_free(client);
}

/* A queue that is freed with operations under way, waiting, and done and not taken. */
static void test_queue_is_freed_early(void **state)
{
    struct suite *s = *state;
    struct blockdb_client_queue_options q = BLOCKDB_CLIENT_QUEUE_OPTIONS_INIT;
    struct blockdb_client_options o = real_options(s->proxy.url);
    struct blockdb_client *client;
    struct blockdb_client_queue *queue = NULL;
    struct blockdb_error err;
    unsigned round;
    uint64_t tag;

    o.request_timeout_ms = SHORT_MS;
    o.retry_attempts = 1;
    q.threads = 4;
    client = real_client(&o);
    for (round = 0; round < 3; round++) {
        unsigned before = atomic_load(&s->proxy.requests);

        proxy_break(&s->proxy, round == 1 ? PROXY_STALL : PROXY_PASS, -1);
        EXPECT(0, blockdb_client_queue_new(client, &q, &queue, &err), &err);
        for (tag = 0; tag < 40; tag++) {
            EXPECT(0,
                   blockdb_client_queue_put(queue, tag, "early", 5, &tag, sizeof(tag),
                                            BLOCKDB_DURABILITY_DEFAULT, &err),
                   &err);
        }
        while (round > 0 && atomic_load(&s->proxy.requests) == before) {
        }
        blockdb_client_queue_free(queue);
        assert_int_equal(figures(client).in_use, 0);
    }
    proxy_break(&s->proxy, PROXY_PASS, 0);
    blockdb_client_free(client);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_writes_arrive_once), cmocka_unit_test(test_stalls),
        cmocka_unit_test(test_unrepeatable),       cmocka_unit_test(test_jobs),
        cmocka_unit_test(test_jobs_by_number),     cmocka_unit_test(test_long_requests),
        cmocka_unit_test(test_leader_is_followed), cmocka_unit_test(test_pool),
        cmocka_unit_test(test_queue_order),        cmocka_unit_test(test_queue_is_freed_early),
        cmocka_unit_test(test_restarts),
    };

    if (argc != 3) {
        return 2;
    }
    program = real_program(argv[1]);
    return cmocka_run_group_tests_name("client_breaks", tests, suite_start, suite_end);
}
