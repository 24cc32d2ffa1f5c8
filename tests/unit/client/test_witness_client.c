/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asking witnesses: real ones over the loopback, and servers that only pretend to be one.
 */
#include "base/mem.h"
#include "canned_server.h"
#include "client/witness_client.h"
#include "ledger/checkpoint.h"
#include "os/os_crash.h"
#include "server/witness_http.h"
#include "server/witness_store.h"
#include "witness_log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define WITNESSES 3

/* A witness of log one that listens on the loopback. */
struct running {
    struct os_crash *disk;
    struct signing_key cosigner;
    struct witness_store *store;
    struct witness *witness;
    struct witness_http *http;
    char url[80];
};

struct fixture {
    struct witness_log log;
    struct witness_log fork;  /* from entry 10 on */
    struct witness_log other; /* that no witness knows */
    struct running running[WITNESSES];
    struct policy policy;
    struct buf policy_text;
    struct http *http;
};

static void start(struct running *r, struct fixture *f, uint8_t number)
{
    struct verifier_key key = signing_key_verifier(&f->log.key);
    struct witness_options options = {
        .key = &r->cosigner, .keys = &key, .key_count = 1, .prefix = "/witness"};
    struct witness_http_options http = {.os = os_real(), .listen = "127.0.0.1:0"};
    char name[32];
    struct error err;

    (void)snprintf(name, sizeof(name), "witness.example/w%u", number);
    witness_log_cosigner(&r->cosigner, name, number);
    r->disk = os_crash_new(number);
    assert_int_equal(witness_store_open(os_crash_os(r->disk), "/w", &r->store, &err), 0);
    options.heads = witness_store_heads(r->store);
    assert_int_equal(witness_new(&options, &r->witness, &err), 0);
    http.witness = r->witness;
    if (witness_http_start(&http, &r->http, &err) < 0) {
        fail_msg("%s", err.message);
    }
    (void)snprintf(r->url, sizeof(r->url), "http://%s/witness/", witness_http_address(r->http));
}

static void stop(struct running *r)
{
    witness_http_stop(r->http);
    witness_free(r->witness);
    witness_store_close(r->store);
    signing_key_deinit(&r->cosigner);
    os_crash_free(r->disk);
}

static void add_to_policy(struct fixture *f, const struct signing_key *cosigner, const char *url)
{
    struct verifier_key key = signing_key_verifier(cosigner);

    assert_int_equal(buf_appendf(&f->policy_text, "witness w%zu ", f->policy_text.len), 0);
    assert_int_equal(verifier_key_append(&f->policy_text, &key), 0);
    assert_int_equal(buf_appendf(&f->policy_text, " %s\n", url), 0);
}

static void parse_policy(struct fixture *f)
{
    struct error err;

    assert_int_equal(buf_appendf(&f->policy_text, "quorum none\n"), 0);
    if (policy_parse(buf_slice(&f->policy_text), &f->policy, &err) < 0) {
        fail_msg("%s", err.message);
    }
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct error err;
    uint8_t i;

    assert_non_null(f);
    witness_log_init(&f->log, WITNESS_LOG_ORIGIN, WITNESS_LOG_MAX);
    witness_log_init(&f->fork, WITNESS_LOG_ORIGIN, 10);
    witness_log_init(&f->other, "log.example/other", WITNESS_LOG_MAX);
    for (i = 0; i < WITNESSES; i++) {
        start(&f->running[i], f, (uint8_t)(i + 1));
        add_to_policy(f, &f->running[i].cosigner, f->running[i].url);
    }
    parse_policy(f);
    assert_int_equal(http_open(NULL, &f->http, &err), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    size_t i;

    http_close(f->http);
    for (i = 0; i < WITNESSES; i++) {
        stop(&f->running[i]);
    }
    witness_log_deinit(&f->log);
    witness_log_deinit(&f->fork);
    witness_log_deinit(&f->other);
    buf_deinit(&f->policy_text);
    free(f);
    return 0;
}

/* Whether the lines complete the note to one that the witness has cosigned. */
static bool completes(const struct policy_witness *witness, const struct buf *note,
                      const struct buf *lines)
{
    AUTO(buf_deinit) struct buf whole = {0};
    struct checkpoint checkpoint;
    struct note parsed;
    struct error err;

    assert_int_equal(buf_append_slice(&whole, buf_slice(note)), 0);
    assert_int_equal(buf_append_slice(&whole, buf_slice(lines)), 0);
    assert_int_equal(checkpoint_parse_note(buf_slice(&whole), &parsed, &checkpoint, &err), 0);
    return note_verify(&parsed, &witness->key, &err) == BLOCKDB_OK;
}

static int submit(struct fixture *f, const struct witness_log *log, uint64_t size,
                  struct witness_outcome *outcome)
{
    AUTO(buf_deinit) struct buf note = {0};
    struct witness_submission submission = {.prove = witness_log_prove,
                                            .context = (void *)(uintptr_t)log};
    int rc;

    witness_log_note(log, size, &note);
    submission.note = buf_slice(&note);
    buf_reset(&outcome->lines);
    rc = witness_submit(f->http, &f->policy.witnesses[0], &submission, outcome);
    assert_int_equal(rc, outcome->status);
    if (rc == BLOCKDB_OK) {
        assert_int_equal(outcome->size, size);
        assert_true(completes(&f->policy.witnesses[0], &note, &outcome->lines));
    } else {
        assert_int_equal(outcome->lines.len, 0);
        assert_int_equal(outcome->error.code, rc);
        assert_non_null(strstr(outcome->error.message, "witness 'w0'"));
    }
    return rc;
}

/* ---- One real witness ---------------------------------------------------------------------- */

static void test_growth(void **state)
{
    struct fixture *f = *state;
    AUTO(witness_outcome_deinit) struct witness_outcome outcome = {0};

    assert_int_equal(submit(f, &f->log, 5, &outcome), 0);
    assert_int_equal(submit(f, &f->log, 9, &outcome), 0);
    assert_int_equal(submit(f, &f->log, 9, &outcome), 0);
    /* Whoever has forgotten the size, or remembers a wrong one, is told. */
    outcome.size = 0;
    assert_int_equal(submit(f, &f->log, 20, &outcome), 0);
    outcome.size = 7;
    assert_int_equal(submit(f, &f->log, 21, &outcome), 0);
    outcome.size = 1000;
    assert_int_equal(submit(f, &f->log, 22, &outcome), 0);
    outcome.size = 0;
    assert_int_equal(submit(f, &f->log, 22, &outcome), 0);
}

static void test_old_copy(void **state)
{
    struct fixture *f = *state;
    AUTO(witness_outcome_deinit) struct witness_outcome outcome = {0};

    assert_int_equal(submit(f, &f->log, 20, &outcome), 0);
    assert_int_equal(submit(f, &f->log, 15, &outcome), BLOCKDB_ETAMPERED);
    assert_int_equal(outcome.size, 20);
    assert_non_null(strstr(outcome.error.message, "older copy"));
    /* Grown again, with other entries, it is a fork. */
    assert_int_equal(submit(f, &f->fork, 30, &outcome), BLOCKDB_ETAMPERED);
    assert_int_equal(submit(f, &f->fork, 20, &outcome), BLOCKDB_ETAMPERED);
    outcome.size = 0;
    assert_int_equal(submit(f, &f->fork, 40, &outcome), BLOCKDB_ETAMPERED);
    assert_non_null(strstr(outcome.error.message, "forked"));
    assert_int_equal(submit(f, &f->log, 41, &outcome), 0);
}

static void test_not_known(void **state)
{
    struct fixture *f = *state;
    AUTO(witness_outcome_deinit) struct witness_outcome outcome = {0};

    assert_int_equal(submit(f, &f->other, 5, &outcome), BLOCKDB_EDENIED);
    assert_non_null(strstr(outcome.error.message, "404"));
}

static int prove_nothing(void *context, uint64_t old_size, uint64_t new_size, struct proof *out,
                         struct error *err)
{
    (void)context;
    (void)out;
    return error_set(err, BLOCKDB_ECORRUPT, "no proof from %d to %d", (int)old_size, (int)new_size);
}

static void test_proof_fails(void **state)
{
    struct fixture *f = *state;
    AUTO(witness_outcome_deinit) struct witness_outcome outcome = {0};
    AUTO(buf_deinit) struct buf note = {0};
    struct witness_submission submission = {.prove = prove_nothing};

    assert_int_equal(submit(f, &f->log, 5, &outcome), 0);
    submission.note = slice_of_text("no note");
    assert_int_equal(witness_submit(f->http, &f->policy.witnesses[0], &submission, &outcome),
                     BLOCKDB_ECORRUPT);
    witness_log_note(&f->log, 9, &note);
    submission.note = buf_slice(&note);
    assert_int_equal(witness_submit(f->http, &f->policy.witnesses[0], &submission, &outcome),
                     BLOCKDB_ECORRUPT);
    assert_non_null(strstr(outcome.error.message, "no proof from 5 to 9"));
}

/* ---- What only pretends -------------------------------------------------------------------- */

/* Submits a head of 9 entries to a server with these answers. */
static int submit_canned(struct fixture *f, const struct canned_answer *answers, size_t count,
                         struct witness_outcome *outcome)
{
    struct canned_server *server = canned_server_start(answers, count);
    struct policy_witness witness = f->policy.witnesses[0];
    AUTO(buf_deinit) struct buf note = {0};
    struct witness_submission submission = {.prove = witness_log_prove, .context = &f->log};
    int rc;

    witness.url = slice_of_text(server->url);
    witness_log_note(&f->log, 9, &note);
    submission.note = buf_slice(&note);
    *outcome = (struct witness_outcome){0};
    rc = witness_submit(f->http, &witness, &submission, outcome);
    assert_true(rc < 0);
    assert_int_equal(outcome->lines.len, 0);
    canned_server_free(server);
    return rc;
}

#define SIZE_ANSWER(text, len)                                                                     \
    "HTTP/1.1 409 Conflict\r\nContent-Type: text/x.tlog.size\r\nContent-Length: " len              \
    "\r\n\r\n" text

#define DASH "\xe2\x80\x94" /* shown as it is */

static void test_strange_answers(void **state)
{
    static const struct {
        const char *answer;
        int rc;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", BLOCKDB_ECORRUPT},
        {"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello\n", BLOCKDB_ECORRUPT},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", BLOCKDB_ECORRUPT},
        {"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
         BLOCKDB_EIO},
        {"HTTP/1.1 500 Oh\r\nContent-Length: 5\r\n\r\n\x1b[2J\n", BLOCKDB_EIO},
        {"HTTP/1.1 400 Bad\r\nContent-Length: 4\r\n\r\nbad\n", BLOCKDB_EIO},
        {"HTTP/1.1 403 No\r\nContent-Length: 3\r\n\r\nno\n", BLOCKDB_EDENIED},
        {"HTTP/1.1 403 No\r\nContent-Length: 7\r\n\r\n" DASH " no\n", BLOCKDB_EDENIED},
        {"HTTP/1.1 422 No\r\nContent-Length: 3\r\n\r\nno\n", BLOCKDB_ETAMPERED},
        {SIZE_ANSWER("x\n", "2"), BLOCKDB_EIO},
        {SIZE_ANSWER("", "0"), BLOCKDB_EIO},
        {SIZE_ANSWER("0\n", "2"), BLOCKDB_EIO}, /* refuses the size that it tells */
        {SIZE_ANSWER("10\n", "3"), BLOCKDB_ETAMPERED},
    };
    struct fixture *f = *state;
    size_t i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct canned_answer answers[] = {{.bytes = cases[i].answer}};
        AUTO(witness_outcome_deinit) struct witness_outcome outcome;
        int rc = submit_canned(f, answers, 1, &outcome);

        if (rc != cases[i].rc) {
            fail_msg("answer %zu: %d, %s", i, rc, outcome.error.message);
        }
        assert_null(strchr(outcome.error.message, '\x1b'));
        assert_true(strstr(cases[i].answer, DASH) == NULL ||
                    strstr(outcome.error.message, DASH " no") != NULL);
    }
}

static void test_size_never_settles(void **state)
{
    const struct canned_answer answers[] = {
        {.bytes = SIZE_ANSWER("1\n", "2")}, {.bytes = SIZE_ANSWER("2\n", "2")},
        {.bytes = SIZE_ANSWER("3\n", "2")}, {.bytes = SIZE_ANSWER("4\n", "2")},
        {.bytes = SIZE_ANSWER("5\n", "2")},
    };
    struct fixture *f = *state;
    AUTO(witness_outcome_deinit) struct witness_outcome outcome;

    assert_int_equal(submit_canned(f, answers, 5, &outcome), BLOCKDB_EIO);
    assert_non_null(strstr(outcome.error.message, "settles"));
}

/* Asks witness 0's server under the name of another key. */
static void test_wrong_key(void **state)
{
    struct fixture *f = *state;
    struct policy_witness witness = f->policy.witnesses[1];
    AUTO(witness_outcome_deinit) struct witness_outcome outcome = {0};
    AUTO(buf_deinit) struct buf note = {0};
    struct witness_submission submission = {.prove = witness_log_prove, .context = &f->log};

    witness.url = f->policy.witnesses[0].url;
    witness_log_note(&f->log, 9, &note);
    submission.note = buf_slice(&note);
    assert_int_equal(witness_submit(f->http, &witness, &submission, &outcome), BLOCKDB_ECORRUPT);
    assert_int_equal(outcome.lines.len, 0);
    /* The name and ID of a key, but not its signature. */
    witness.key.name = f->policy.witnesses[0].key.name;
    witness.key.id = f->policy.witnesses[0].key.id;
    assert_int_equal(witness_submit(f->http, &witness, &submission, &outcome), BLOCKDB_ECORRUPT);
    assert_non_null(strstr(outcome.error.message, "not valid"));
    assert_int_equal(outcome.lines.len, 0);
}

/* ---- Rounds -------------------------------------------------------------------------------- */

struct round_result {
    struct witness_outcome outcomes[POLICY_WITNESSES_MAX];
    uint64_t cosigned;
};

static void run_round(struct fixture *f, uint64_t size, uint32_t timeout_ms,
                      struct round_result *result)
{
    AUTO(buf_deinit) struct buf note = {0};
    struct witness_round round = {.os = os_real(),
                                  .policy = &f->policy,
                                  .submission = {.prove = witness_log_prove, .context = &f->log},
                                  .timeout_ms = timeout_ms};
    struct error err;
    size_t i;

    witness_log_note(&f->log, size, &note);
    round.submission.note = buf_slice(&note);
    assert_int_equal(witness_round_run(&round, result->outcomes, &result->cosigned, &err), 0);
    for (i = 0; i < f->policy.witness_count; i++) {
        if ((result->cosigned >> i & 1) != 0) {
            assert_true(completes(&f->policy.witnesses[i], &note, &result->outcomes[i].lines));
        }
    }
}

static void round_deinit(struct round_result *result)
{
    size_t i;

    for (i = 0; i < POLICY_WITNESSES_MAX; i++) {
        witness_outcome_deinit(&result->outcomes[i]);
    }
}

static void test_round(void **state)
{
    struct fixture *f = *state;
    struct round_result result = {0};

    run_round(f, 5, 0, &result);
    assert_int_equal(result.cosigned, 7);
    run_round(f, 9, 0, &result);
    assert_int_equal(result.cosigned, 7);
    round_deinit(&result);
}

/* One is down, one is silent, one has no URL, one is not to be asked: the others cosign. */
static void test_partial_round(void **state)
{
    struct fixture *f = *state;
    struct round_result result = {0};
    struct canned_server *silent = canned_server_start(NULL, 0);
    struct canned_server *down = canned_server_start(NULL, 0);
    struct signing_key keys[3];
    AUTO(buf_deinit) struct buf note = {0};
    uint8_t i;

    canned_server_stop(down);
    f->policy_text.len -= strlen("quorum none\n");
    for (i = 0; i < 3; i++) {
        witness_log_cosigner(&keys[i], "witness.example/other", (uint8_t)(20 + i));
    }
    add_to_policy(f, &keys[0], silent->url);
    add_to_policy(f, &keys[1], down->url);
    add_to_policy(f, &keys[2], "");
    parse_policy(f);
    run_round(f, 5, 3000, &result);
    assert_int_equal(result.cosigned, 7);
    assert_int_equal(result.outcomes[3].status, BLOCKDB_ETIMEDOUT);
    assert_int_equal(result.outcomes[4].status, BLOCKDB_EIO);
    assert_int_equal(result.outcomes[5].status, 0);
    assert_int_equal(result.outcomes[5].lines.len, 0);
    for (i = 0; i < 3; i++) {
        signing_key_deinit(&keys[i]);
    }
    round_deinit(&result);
    canned_server_free(silent);
    canned_server_free(down);
}

static void test_skip(void **state)
{
    struct fixture *f = *state;
    struct round_result result = {0};
    AUTO(buf_deinit) struct buf note = {0};
    struct witness_round round = {.os = os_real(),
                                  .policy = &f->policy,
                                  .submission = {.prove = witness_log_prove, .context = &f->log},
                                  .skip = 5};
    struct error err;

    witness_log_note(&f->log, 9, &note);
    round.submission.note = buf_slice(&note);
    assert_int_equal(witness_round_run(&round, result.outcomes, &result.cosigned, &err), 0);
    assert_int_equal(result.cosigned, 2);
    round_deinit(&result);
}

/* ---- The server's end ---------------------------------------------------------------------- */

/* Requests that the witness does not take, over the wire, on one connection. */
static void test_server(void **state)
{
    static char big[70000];
    struct fixture *f = *state;
    const struct http_request_body none = {.content_type = NULL};
    const struct http_request_body long_body = {.bytes = slice_of(big, sizeof(big))};
    AUTO(http_response_deinit) struct http_response response = {0};
    AUTO(buf_deinit) struct buf url = {0};
    struct error err;
    size_t i;

    assert_int_equal(http_url_join(&url, f->running[0].url, "add-checkpoint"), 0);
    for (i = 0; i < 2; i++) {
        assert_int_equal(http_post(f->http, (char *)url.data, &none, &response, &err), 0);
        assert_int_equal(response.status, 400);
        assert_int_equal(http_get(f->http, (char *)url.data, &response, &err), 0);
        assert_int_equal(response.status, 405);
        assert_int_equal(http_get(f->http, f->running[0].url, &response, &err), 0);
        assert_int_equal(response.status, 404);
    }
    /* The answer may come, or the connection may break, before all of the body is sent. */
    if (http_post(f->http, (char *)url.data, &long_body, &response, &err) == 0) {
        assert_int_equal(response.status, 413);
    }
    assert_int_equal(http_post(f->http, (char *)url.data, &none, &response, &err), 0);
    assert_int_equal(response.status, 400);
}

static void test_listen(void **state)
{
    static const char *const wrong[] = {
        "",       "127.0.0.1", "8080",         "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:123456",
        "::1:80", "[::1]",     "127.0.0.1:-1",
    };
    struct fixture *f = *state;
    struct witness_http_options options = {.witness = f->running[0].witness, .os = os_real()};
    struct witness_http *h = NULL;
    struct error err;
    size_t i;

    for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        options.listen = wrong[i];
        assert_int_equal(witness_http_start(&options, &h, &err), BLOCKDB_EINVAL);
    }
    options.listen = witness_http_address(f->running[0].http);
    assert_int_equal(witness_http_start(&options, &h, &err), BLOCKDB_EBUSY);
    assert_null(h);
    options.listen = ":0";
    assert_int_equal(witness_http_start(&options, &h, &err), 0);
    witness_http_stop(h);
    witness_http_stop(NULL);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_growth),      TEST(test_old_copy),        TEST(test_not_known),
        TEST(test_proof_fails), TEST(test_strange_answers), TEST(test_size_never_settles),
        TEST(test_wrong_key),   TEST(test_round),           TEST(test_partial_round),
        TEST(test_skip),        TEST(test_server),          TEST(test_listen),
    };

    (void)setenv("no_proxy", "*", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
