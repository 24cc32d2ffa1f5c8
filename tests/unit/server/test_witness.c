/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The decisions of a witness: every status, a published vector, malformed and forged requests.
 */
#include "base/base64.h"
#include "base/mem.h"
#include "base/text.h"
#include "ledger/checkpoint.h"
#include "ledger/cosignature.h"
#include "os/os_crash.h"
#include "os/os_fault.h"
#include "server/witness.h"
#include "server/witness_store.h"
#include "wire/add_checkpoint.h"
#include "witness_log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define TIME_S 1679315147
#define W1 "witness.example/w1"
#define TYPE_TEXT "text/plain; charset=utf-8"

/* Vectors V4 (a head of 15 entries) and V6 (its cosignature). */
#define V4_VKEY "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"
#define V4_TEXT "example.com/log/testdata\n15\nrKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs=\n"
#define V4_LINE                                                                                    \
    "\xe2\x80\x94 example.com/log/testdata "                                                       \
    "M9e0luh4jTG+UMBqOUo9/q+yAEvx1ilBEniMvjf1zfcBOhg+CKubMt53MvIt/uEWP6zdkdIQzd/fmwlM/dlPWF74ewI=" \
    "\n"
#define V6_VKEY "witness.example/w1+468d99bb+BHm1Vi6P5lT5QHixEuipi6eQH4U65pW+1+DjkQutBJZk"
#define V6_LINE                                                                                    \
    "\xe2\x80\x94 witness.example/w1 "                                                             \
    "Ro2ZuwAAAABkGFDL48CTYXUfX0O774EsfFe2YVrcoIWKrrsTwz2T86plsTT23BwZChvh/dydbWVMJ/"               \
    "EEZqpbukyDKri7QKut6v2aDA==\n"

struct fixture {
    struct os_crash *disk;
    struct os_fault *faults;
    struct signing_key cosigner;
    struct witness_log one;   /* known */
    struct witness_log fork;  /* the same log, other from entry 10 on */
    struct witness_log two;   /* known */
    struct witness_log other; /* not known */
    struct witness_store *store;
    struct witness *witness;
    struct witness_answer answer;
};

static void open_witness(struct fixture *f, const char *prefix)
{
    struct verifier_key keys[3] = {signing_key_verifier(&f->one.key),
                                   signing_key_verifier(&f->two.key)};
    struct witness_options options = {
        .key = &f->cosigner, .keys = keys, .key_count = 3, .prefix = prefix};
    struct error err;

    assert_int_equal(verifier_key_parse(slice_of_text(V4_VKEY), &keys[2], &err), 0);
    if (witness_store_open(os_fault_os(f->faults), "/w", &f->store, &err) < 0) {
        fail_msg("%s", err.message);
    }
    options.heads = witness_store_heads(f->store);
    assert_int_equal(witness_new(&options, &f->witness, &err), 0);
}

static void close_witness(struct fixture *f)
{
    witness_free(f->witness);
    witness_store_close(f->store);
    witness_answer_deinit(&f->answer);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    f->disk = os_crash_new(1);
    f->faults = os_fault_new(os_crash_os(f->disk));
    witness_log_cosigner(&f->cosigner, W1, 1);
    witness_log_init(&f->one, WITNESS_LOG_ORIGIN, WITNESS_LOG_MAX);
    witness_log_init(&f->fork, WITNESS_LOG_ORIGIN, 10);
    witness_log_init(&f->two, "log.example/two", WITNESS_LOG_MAX);
    witness_log_init(&f->other, "log.example/other", WITNESS_LOG_MAX);
    open_witness(f, NULL);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    close_witness(f);
    signing_key_deinit(&f->cosigner);
    witness_log_deinit(&f->one);
    witness_log_deinit(&f->fork);
    witness_log_deinit(&f->two);
    witness_log_deinit(&f->other);
    os_fault_free(f->faults);
    os_crash_free(f->disk);
    free(f);
    return 0;
}

/* ---- Asking -------------------------------------------------------------------------------- */

static unsigned ask(struct fixture *f, const char *method, const char *path, struct slice body,
                    struct error *err)
{
    struct witness_request request = {
        .method = method, .path = path, .body = body, .time_s = TIME_S};
    int rc;

    witness_answer_deinit(&f->answer);
    rc = witness_answer(f->witness, &request, &f->answer, err);
    assert_int_equal(rc < 0, f->answer.status == 500);
    assert_non_null(f->answer.content_type);
    assert_true(f->answer.body.len > 0);
    assert_int_equal(f->answer.body.data[f->answer.body.len - 1], '\n');
    return f->answer.status;
}

static unsigned post(struct fixture *f, const struct buf *body)
{
    return ask(f, "POST", "/add-checkpoint", buf_slice(body), NULL);
}

static unsigned submit(struct fixture *f, const struct witness_log *log, uint64_t old_size,
                       uint64_t new_size)
{
    AUTO(buf_deinit) struct buf body = {0};

    witness_log_request(log, old_size, new_size, &body);
    return post(f, &body);
}

static bool body_is(const struct fixture *f, const char *text)
{
    return slice_equal(f->answer.body, slice_of_text(text));
}

static bool body_has(const struct fixture *f, const char *text)
{
    return memmem(f->answer.body.data, f->answer.body.len, text, strlen(text)) != NULL;
}

/* The path at which the newest head of an origin is served. */
static void monitoring_path(char out[128], const char *prefix, const char *origin)
{
    struct hash log;
    char hex[65];

    witness_log_of(slice_of_text(origin), &log);
    text_format_hex(hex, log.bytes, SHA256_LEN);
    (void)snprintf(out, 128, "%s/%s/checkpoint", prefix, hex);
}

static unsigned monitor(struct fixture *f, const char *origin)
{
    char path[128];

    monitoring_path(path, "", origin);
    return ask(f, "GET", path, (struct slice){0}, NULL);
}

/* The size of the head that the store has; 0 for none. */
static uint64_t stored_size(struct fixture *f, const char *origin)
{
    struct checkpoint checkpoint;
    struct note note;
    struct error err;

    if (monitor(f, origin) == 404) {
        return 0;
    }
    assert_int_equal(checkpoint_parse_note(f->answer.body, &note, &checkpoint, &err), 0);
    return checkpoint.size;
}

/* ---- Cosigning ----------------------------------------------------------------------------- */

static void test_vector(void **state)
{
    static const char body[] = "old 0\n\n" V4_TEXT "\n" V4_LINE;
    struct fixture *f = *state;
    struct error err = {0};

    assert_int_equal(ask(f, "POST", "/add-checkpoint", slice_of_text(body), &err), 200);
    assert_true(body_is(f, V6_LINE));
    assert_string_equal(err.message, "");
    assert_int_equal(monitor(f, "example.com/log/testdata"), 200);
    assert_true(body_is(f, V4_TEXT "\n" V4_LINE V6_LINE));
    assert_string_equal(f->answer.content_type, TYPE_TEXT);
}

static void check_served(struct fixture *f, const struct witness_log *log, const char *origin,
                         uint64_t size)
{
    struct verifier_key cosigner = signing_key_verifier(&f->cosigner);
    struct verifier_key key = signing_key_verifier(&log->key);
    struct checkpoint checkpoint;
    struct note note;
    struct error err;
    uint64_t time_s;

    assert_int_equal(monitor(f, origin), 200);
    assert_int_equal(checkpoint_parse_note(f->answer.body, &note, &checkpoint, &err), 0);
    assert_int_equal(checkpoint.size, size);
    assert_memory_equal(&checkpoint.root, &log->roots[size], sizeof(checkpoint.root));
    assert_int_equal(note.count, 2);
    assert_int_equal(note_verify(&note, &key, &err), 0);
    assert_int_equal(cosignature_verify(&note, &cosigner, &time_s, &err), 0);
    assert_int_equal(time_s, TIME_S);
}

static void test_growth(void **state)
{
    static const uint64_t sizes[] = {1, 2, 5, 5, 64, 100, 128, 129, 200};
    struct fixture *f = *state;
    uint64_t size = 0;
    size_t i;

    assert_int_equal(monitor(f, WITNESS_LOG_ORIGIN), 404);
    for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        assert_int_equal(submit(f, &f->one, size, sizes[i]), 200);
        size = sizes[i];
        check_served(f, &f->one, WITNESS_LOG_ORIGIN, size);
    }
    /* Logs do not disturb each other. */
    assert_int_equal(submit(f, &f->two, 0, 7), 200);
    check_served(f, &f->two, "log.example/two", 7);
    check_served(f, &f->one, WITNESS_LOG_ORIGIN, 200);
    /* What was stored is there again. */
    close_witness(f);
    open_witness(f, NULL);
    check_served(f, &f->one, WITNESS_LOG_ORIGIN, 200);
    check_served(f, &f->two, "log.example/two", 7);
}

static void test_empty_log(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(submit(f, &f->one, 0, 0), 200);
    assert_int_equal(monitor(f, WITNESS_LOG_ORIGIN), 200);
    assert_int_equal(submit(f, &f->one, 0, 0), 200);
    assert_int_equal(submit(f, &f->one, 0, 3), 200);
    assert_int_equal(submit(f, &f->one, 0, 0), 409);
    assert_true(body_is(f, "3\n"));
}

/* ---- Refusals ------------------------------------------------------------------------------ */

static void test_conflict(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(submit(f, &f->one, 3, 5), 409);
    assert_true(body_is(f, "0\n"));
    assert_string_equal(f->answer.content_type, ADD_CHECKPOINT_SIZE_TYPE);
    assert_int_equal(submit(f, &f->one, 0, 20), 200);
    assert_int_equal(submit(f, &f->one, 0, 20), 409);
    assert_true(body_is(f, "20\n"));
    assert_int_equal(submit(f, &f->one, 0, 10), 409); /* an older copy of the log */
    assert_int_equal(submit(f, &f->one, 10, 30), 409);
    assert_int_equal(submit(f, &f->one, 30, 40), 409);
    assert_int_equal(stored_size(f, WITNESS_LOG_ORIGIN), 20);
}

static void test_old_above_new(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(submit(f, &f->one, 0, 20), 200);
    assert_int_equal(submit(f, &f->one, 20, 19), 400);
    assert_int_equal(submit(f, &f->one, UINT64_MAX, 19), 400);
    assert_int_equal(stored_size(f, WITNESS_LOG_ORIGIN), 20);
}

static void test_unknown_log(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(submit(f, &f->other, 0, 20), 404);
    assert_true(body_has(f, "log.example/other"));
    assert_int_equal(monitor(f, "log.example/other"), 404);
}

static void test_fork(void **state)
{
    struct fixture *f = *state;
    struct error err = {0};
    AUTO(buf_deinit) struct buf body = {0};

    assert_int_equal(submit(f, &f->one, 0, 20), 200);
    assert_int_equal(submit(f, &f->fork, 20, 30), 422); /* its proof is of its own tree */
    assert_int_equal(submit(f, &f->fork, 20, 20), 422);
    witness_log_request(&f->fork, 20, 20, &body);
    assert_int_equal(ask(f, "POST", "/add-checkpoint", buf_slice(&body), &err), 422);
    assert_int_equal(err.code, BLOCKDB_ETAMPERED);
    assert_non_null(strstr(err.message, "signed two heads of 20 entries"));
    assert_non_null(strstr(err.message, ", signed \xe2\x80\x94 " WITNESS_LOG_ORIGIN " "));
    assert_int_equal(stored_size(f, WITNESS_LOG_ORIGIN), 20);
    close_witness(f);
    open_witness(f, NULL);
    assert_int_equal(submit(f, &f->fork, 20, 30), 422);
}

/* Before the fork both are the same log; the witness stays with the one that came first. */
static void test_fork_after_prefix(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(submit(f, &f->one, 0, 8), 200);
    assert_int_equal(submit(f, &f->fork, 8, 30), 200);
    assert_int_equal(submit(f, &f->one, 8, 20), 409);
    assert_true(body_is(f, "30\n"));
    assert_int_equal(submit(f, &f->one, 30, 40), 422);
    assert_int_equal(submit(f, &f->fork, 30, 40), 200);
}

/* A request with the hashes of its proof, or their number, changed. */
static void test_proof(void **state)
{
    struct fixture *f = *state;
    AUTO(buf_deinit) struct buf good = {0};
    struct add_checkpoint request;
    struct error err;
    size_t i;

    assert_int_equal(submit(f, &f->one, 0, 21), 200);
    witness_log_request(&f->one, 21, 77, &good);
    assert_int_equal(add_checkpoint_decode(buf_slice(&good), &request, &err), 0);
    for (i = 0; i < request.proof_count + 2; i++) {
        struct add_checkpoint changed = request;
        AUTO(buf_deinit) struct buf body = {0};

        if (i < request.proof_count) {
            changed.proof[i].bytes[i] ^= 1;
        } else if (i == request.proof_count) {
            changed.proof_count--;
        } else {
            changed.proof[changed.proof_count++] = f->one.roots[3];
        }
        assert_int_equal(add_checkpoint_append(&body, &changed), 0);
        assert_int_equal(post(f, &body), 422);
    }
    assert_int_equal(stored_size(f, WITNESS_LOG_ORIGIN), 21);
    assert_int_equal(post(f, &good), 200);
}

/* Where no proof may be, one is refused. */
static void test_superfluous_proof(void **state)
{
    struct fixture *f = *state;
    AUTO(buf_deinit) struct buf note = {0};
    AUTO(buf_deinit) struct buf body = {0};
    struct add_checkpoint request = {.proof_count = 1};

    witness_log_note(&f->one, 8, &note);
    request.note = buf_slice(&note);
    assert_int_equal(add_checkpoint_append(&body, &request), 0);
    assert_int_equal(post(f, &body), 422);
    assert_int_equal(submit(f, &f->one, 0, 8), 200);
    request.old_size = 8;
    buf_reset(&body);
    assert_int_equal(add_checkpoint_append(&body, &request), 0);
    assert_int_equal(post(f, &body), 422);
}

static void append_text(struct buf *out, const char *origin, uint64_t size, const struct hash *root)
{
    struct checkpoint checkpoint = {.origin = slice_of_text(origin), .size = size, .root = *root};

    assert_int_equal(checkpoint_append(out, &checkpoint), 0);
}

static void test_empty_tree_with_root(void **state)
{
    struct fixture *f = *state;
    AUTO(buf_deinit) struct buf text = {0};
    AUTO(buf_deinit) struct buf body = {0};
    struct error err;

    append_text(&text, WITNESS_LOG_ORIGIN, 0, &f->one.roots[1]);
    assert_int_equal(buf_appendf(&body, "old 0\n\n"), 0);
    assert_int_equal(buf_append_slice(&body, buf_slice(&text)), 0);
    assert_int_equal(buf_append_u8(&body, '\n'), 0);
    assert_int_equal(note_sign(&body, &f->one.key, buf_slice(&text), &err), 0);
    assert_int_equal(post(f, &body), 422);
    assert_int_equal(monitor(f, WITNESS_LOG_ORIGIN), 404);
}

/* ---- Signatures ---------------------------------------------------------------------------- */

/* A request for 5 entries of log one with the signatures of these keys; those marked are spoiled.
 */
struct signer {
    const struct signing_key *key;
    bool spoiled;
};

static unsigned submit_signed(struct fixture *f, const struct signer *signers, size_t count)
{
    AUTO(buf_deinit) struct buf text = {0};
    AUTO(buf_deinit) struct buf body = {0};
    struct error err;
    size_t i;

    append_text(&text, WITNESS_LOG_ORIGIN, 5, &f->one.roots[5]);
    assert_int_equal(buf_appendf(&body, "old 0\n\n"), 0);
    assert_int_equal(buf_append_slice(&body, buf_slice(&text)), 0);
    assert_int_equal(buf_append_u8(&body, '\n'), 0);
    for (i = 0; i < count; i++) {
        struct slice what = buf_slice(&text);

        if (signers[i].spoiled) {
            what = slice_of_text("another text\n");
        }
        assert_int_equal(note_sign(&body, signers[i].key, what, &err), 0);
    }
    return post(f, &body);
}

static void test_signatures(void **state)
{
    struct fixture *f = *state;
    struct signing_key same_name = {0};
    uint8_t seed[ED25519_SEED_LEN] = {9};
    struct error err;

    assert_int_equal(signing_key_init(&same_name, slice_of_text(WITNESS_LOG_ORIGIN),
                                      KEY_TYPE_ED25519, seed, &err),
                     0);
    {
        const struct signer unknown[] = {{&same_name, false}, {&f->other.key, false}};
        const struct signer of_another_log[] = {{&f->two.key, false}};
        const struct signer spoiled[] = {{&f->one.key, true}};
        const struct signer both[] = {{&f->one.key, false}, {&f->one.key, true}};
        const struct signer with_unknown[] = {
            {&f->other.key, true}, {&same_name, true}, {&f->one.key, false}};

        assert_int_equal(submit_signed(f, unknown, 2), 403);
        assert_int_equal(submit_signed(f, of_another_log, 1), 403);
        assert_int_equal(submit_signed(f, spoiled, 1), 403);
        assert_int_equal(submit_signed(f, both, 2), 403);
        assert_int_equal(submit_signed(f, NULL, 0), 400); /* no note */
        assert_int_equal(monitor(f, WITNESS_LOG_ORIGIN), 404);
        assert_int_equal(submit_signed(f, with_unknown, 3), 200);
        check_served(f, &f->one, WITNESS_LOG_ORIGIN, 5); /* without the unknown ones */
    }
    signing_key_deinit(&same_name);
}

/* While a log changes its key, a witness trusts both; either signs. */
static void test_two_keys(void **state)
{
    struct fixture *f = *state;
    struct signing_key next = {0};
    uint8_t seed[ED25519_SEED_LEN] = {9};
    struct verifier_key keys[2];
    struct witness_options options = {.key = &f->cosigner, .keys = keys, .key_count = 2};
    struct error err;

    assert_int_equal(
        signing_key_init(&next, slice_of_text(WITNESS_LOG_ORIGIN), KEY_TYPE_ED25519, seed, &err),
        0);
    keys[0] = signing_key_verifier(&f->one.key);
    keys[1] = signing_key_verifier(&next);
    options.heads = witness_store_heads(f->store);
    witness_free(f->witness);
    assert_int_equal(witness_new(&options, &f->witness, &err), 0);
    {
        const struct signer before[] = {{&f->one.key, false}};
        const struct signer meanwhile[] = {{&next, false}, {&f->one.key, false}};
        const struct signer half[] = {{&next, true}, {&f->one.key, false}};

        assert_int_equal(submit_signed(f, before, 1), 200);
        assert_int_equal(submit_signed(f, meanwhile, 2), 409);
        assert_int_equal(submit_signed(f, half, 2), 403);
    }
    signing_key_deinit(&next);
}

/* ---- Malformed requests -------------------------------------------------------------------- */

static void test_malformed(void **state)
{
    static const char *const bodies[] = {
        "",
        "\n",
        "\n\n",
        "garbage",
        "old 0\n",
        "old 0\n\n",
        "old 0\n\nlog.example/one\n",
        "old 0\n\n" V4_TEXT,
        "old 0\n\n" V4_TEXT "\n",
        "old 0\n\n" V4_TEXT "\nno signature\n",
        "old 0\n\nexample.com/log/testdata\n015\n"
        "rKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs=\n\n" V4_LINE,
        "old 0\n\nexample.com/log/testdata\n15\nAAAA\n\n" V4_LINE,
        "old x\n\n" V4_TEXT "\n" V4_LINE,
        "old 0\nrKbD\n\n" V4_TEXT "\n" V4_LINE,
        "old 0\r\n\r\n" V4_TEXT "\n" V4_LINE,
    };
    struct fixture *f = *state;
    size_t i;

    for (i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        if (ask(f, "POST", "/add-checkpoint", slice_of_text(bodies[i]), NULL) != 400) {
            fail_msg("body %zu: status %u", i, f->answer.status);
        }
    }
    assert_int_equal(monitor(f, "example.com/log/testdata"), 404);
}

/* Cut at each place, and with each byte changed: nothing but the whole is cosigned. */
static void test_damaged(void **state)
{
    struct fixture *f = *state;
    AUTO(buf_deinit) struct buf body = {0};
    size_t i;

    witness_log_request(&f->one, 0, 5, &body);
    for (i = 0; i < body.len; i++) {
        unsigned status;

        status = ask(f, "POST", "/add-checkpoint", slice_of(body.data, i), NULL);
        assert_true(status == 400 || status == 403);
        body.data[i] ^= 1;
        status = post(f, &body);
        body.data[i] ^= 1;
        assert_true(status == 400 || status == 403 || status == 404 || status == 409);
    }
    assert_int_equal(monitor(f, WITNESS_LOG_ORIGIN), 404);
    assert_int_equal(post(f, &body), 200);
}

static void test_too_long(void **state)
{
    struct fixture *f = *state;
    AUTO(buf_deinit) struct buf body = {0};

    witness_log_request(&f->one, 0, 5, &body);
    assert_int_equal(buf_append_zeros(&body, ADD_CHECKPOINT_LEN_MAX), 0);
    assert_int_equal(post(f, &body), 400);
}

/* ---- Paths --------------------------------------------------------------------------------- */

static void test_paths(void **state)
{
    static const char *const nowhere[] = {
        "",
        "/",
        "/add-checkpoint/",
        "/add-checkpointx",
        "add-checkpoint",
        "/checkpoint",
        "//checkpoint",
        "/0000/checkpoint",
        "/w/add-checkpoin",
    };
    struct fixture *f = *state;
    struct slice none = {0};
    char path[128];
    size_t i;

    for (i = 0; i < sizeof(nowhere) / sizeof(nowhere[0]); i++) {
        assert_int_equal(ask(f, "POST", nowhere[i], none, NULL), 404);
        assert_int_equal(ask(f, "GET", nowhere[i], none, NULL), 404);
        assert_false(witness_wants_body(f->witness, "POST", nowhere[i]));
    }
    assert_int_equal(submit(f, &f->one, 0, 3), 200);
    monitoring_path(path, "", WITNESS_LOG_ORIGIN);
    assert_int_equal(ask(f, "GET", path, none, NULL), 200);
    assert_int_equal(ask(f, "HEAD", path, none, NULL), 200);
    assert_int_equal(ask(f, "POST", path, none, NULL), 405);
    assert_int_equal(ask(f, "DELETE", path, none, NULL), 405);
    assert_int_equal(ask(f, "GET", "/add-checkpoint", none, NULL), 405);
    assert_false(witness_wants_body(f->witness, "POST", path));
    assert_false(witness_wants_body(f->witness, "PUT", "/add-checkpoint"));
    assert_true(witness_wants_body(f->witness, "POST", "/add-checkpoint"));
    /* One log, one path: no capitals, no other length, no other characters. */
    for (i = 1; i < 65; i++) {
        if (path[i] >= 'a' && path[i] <= 'f') {
            path[i] = (char)(path[i] - 'a' + 'A');
            assert_int_equal(ask(f, "GET", path, none, NULL), 404);
            path[i] = 'g';
            assert_int_equal(ask(f, "GET", path, none, NULL), 404);
            break;
        }
    }
}

static void test_prefix(void **state)
{
    struct fixture *f = *state;
    struct slice none = {0};
    AUTO(buf_deinit) struct buf body = {0};
    char path[128];

    close_witness(f);
    open_witness(f, "/witness/1");
    witness_log_request(&f->one, 0, 5, &body);
    monitoring_path(path, "/witness/1", WITNESS_LOG_ORIGIN);
    assert_int_equal(ask(f, "POST", "/add-checkpoint", buf_slice(&body), NULL), 404);
    assert_int_equal(ask(f, "POST", "/witness/1add-checkpoint", buf_slice(&body), NULL), 404);
    assert_int_equal(ask(f, "POST", "/witness/1/add-checkpoint", buf_slice(&body), NULL), 200);
    assert_int_equal(ask(f, "GET", path, none, NULL), 200);
    assert_int_equal(monitor(f, WITNESS_LOG_ORIGIN), 404);
}

/* ---- Failures of the witness itself -------------------------------------------------------- */

static void test_options(void **state)
{
    struct fixture *f = *state;
    struct verifier_key keys[] = {signing_key_verifier(&f->one.key)};
    struct verifier_key wrong[] = {signing_key_verifier(&f->cosigner)};
    const struct witness_options good = {.key = &f->cosigner, .keys = keys, .key_count = 1};
    static const char *const prefixes[] = {"x", "/", "x/", "/x/"};
    struct witness_options o = good;
    struct witness *w = NULL;
    struct error err;
    char path[400];
    size_t i;

    o.key = &f->one.key;
    assert_int_equal(witness_new(&o, &w, &err), BLOCKDB_EINVAL);
    o = good;
    o.keys = wrong;
    assert_int_equal(witness_new(&o, &w, &err), BLOCKDB_EINVAL);
    o = good;
    o.key_count = 0;
    assert_int_equal(witness_new(&o, &w, &err), BLOCKDB_EINVAL);
    o.key_count = WITNESS_KEYS_MAX + 1;
    assert_int_equal(witness_new(&o, &w, &err), BLOCKDB_EINVAL);
    o = good;
    for (i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        o.prefix = prefixes[i];
        assert_int_equal(witness_new(&o, &w, &err), BLOCKDB_EINVAL);
    }
    memset(path, 'p', sizeof(path));
    path[0] = '/';
    path[WITNESS_PREFIX_LEN_MAX + 1] = '\0';
    o.prefix = path;
    assert_int_equal(witness_new(&o, &w, &err), BLOCKDB_EINVAL);
    assert_null(w);
    path[WITNESS_PREFIX_LEN_MAX] = '\0';
    assert_int_equal(witness_new(&o, &w, &err), 0);
    witness_free(w);
    witness_free(NULL);
}

static void test_store_fails(void **state)
{
    struct fixture *f = *state;
    AUTO(buf_deinit) struct buf body = {0};
    struct error err = {0};

    os_fault_arm(f->faults, &(struct os_fault_plan){.classes = OS_FAULT_RENAME, .nth = 1});
    witness_log_request(&f->one, 0, 5, &body);
    assert_int_equal(ask(f, "POST", "/add-checkpoint", buf_slice(&body), &err), 500);
    assert_int_equal(err.code, BLOCKDB_EIO);
    assert_false(body_has(f, "/w")); /* outsiders learn nothing about the disk */
    assert_false(body_has(f, W1));   /* and get no cosignature */
    assert_int_equal(post(f, &body), 500);
    assert_int_equal(submit(f, &f->two, 0, 5), 500);
    assert_int_equal(monitor(f, WITNESS_LOG_ORIGIN), 404);
    assert_true(witness_store_failed(f->store, &err));
    close_witness(f);
    open_witness(f, NULL);
    assert_int_equal(post(f, &body), 200);
}

static void test_no_clock(void **state)
{
    struct fixture *f = *state;
    AUTO(buf_deinit) struct buf body = {0};
    AUTO(witness_answer_deinit) struct witness_answer answer = {0};
    struct witness_request request = {.method = "POST", .path = "/add-checkpoint"};
    struct error err = {0};

    witness_log_request(&f->one, 0, 5, &body);
    request.body = buf_slice(&body);
    assert_true(witness_answer(f->witness, &request, &answer, &err) < 0);
    assert_int_equal(answer.status, 500);
    assert_int_equal(monitor(f, WITNESS_LOG_ORIGIN), 404);
}

static bool fail_nth(void *context)
{
    size_t *left = context;

    return *left > 0 && --*left == 0;
}

static unsigned post_without(struct fixture *f, const struct buf *body, size_t nth)
{
    size_t left = nth;
    unsigned status;

    mem_set_fail_hook(fail_nth, &left);
    status = post(f, body);
    mem_set_fail_hook(NULL, NULL);
    return left == 0 ? status : 0;
}

static void test_no_memory(void **state)
{
    struct fixture *f = *state;
    AUTO(buf_deinit) struct buf body = {0};
    AUTO(buf_deinit) struct buf conflict = {0};
    uint64_t size = 0;
    unsigned status;
    size_t n;

    witness_log_request(&f->one, 199, 200, &conflict);
    for (n = 1;; n++) {
        buf_reset(&body);
        witness_log_request(&f->one, size, size + 1, &body);
        status = post_without(f, &body, n);
        if (status == 0) {
            break;
        }
        assert_true(status == 500 || status == 200);
        close_witness(f); /* which a failure of the directory's sync makes necessary */
        open_witness(f, NULL);
        assert_true(status == 500 || stored_size(f, WITNESS_LOG_ORIGIN) == size + 1);
        size = stored_size(f, WITNESS_LOG_ORIGIN);
    }
    assert_true(n > 5);
    assert_int_equal(stored_size(f, WITNESS_LOG_ORIGIN), size + 1);
    for (n = 1; (status = post_without(f, &conflict, n)) != 0; n++) {
        assert_true(status == 500 || status == 409 || status == 400);
    }
    for (n = 1; (status = post_without(f, &(struct buf){0}, n)) != 0; n++) {
        assert_int_equal(status, 400);
    }
}

static void test_new_without_memory(void **state)
{
    struct fixture *f = *state;
    struct verifier_key keys[] = {signing_key_verifier(&f->one.key)};
    const struct witness_options options = {.key = &f->cosigner, .keys = keys, .key_count = 1};
    struct witness *w = NULL;
    size_t n;

    for (n = 1; w == NULL; n++) {
        size_t left = n;
        int rc;

        mem_set_fail_hook(fail_nth, &left);
        rc = witness_new(&options, &w, NULL);
        mem_set_fail_hook(NULL, NULL);
        assert_int_equal(rc, w != NULL ? 0 : BLOCKDB_ENOMEM);
    }
    assert_true(n > 3);
    witness_free(w);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_vector),
        TEST(test_growth),
        TEST(test_empty_log),
        TEST(test_conflict),
        TEST(test_old_above_new),
        TEST(test_unknown_log),
        TEST(test_fork),
        TEST(test_fork_after_prefix),
        TEST(test_proof),
        TEST(test_superfluous_proof),
        TEST(test_empty_tree_with_root),
        TEST(test_signatures),
        TEST(test_two_keys),
        TEST(test_malformed),
        TEST(test_damaged),
        TEST(test_too_long),
        TEST(test_paths),
        TEST(test_prefix),
        TEST(test_options),
        TEST(test_store_fails),
        TEST(test_no_clock),
        TEST(test_no_memory),
        TEST(test_new_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
