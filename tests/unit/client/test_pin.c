/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pins: which head is asked for, and that one which does not continue what was seen is refused.
 */
#include "base/mem.h"
#include "client/client_priv.h"
#include "ledger/verifier_key.h"
#include "memory_server.h"
#include "unit/server/witness_log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define SIZES 3

struct fixture {
    struct witness_log log;
    struct witness_log fork; /* from entry 10 on */
    char vkey[400];
    const char *keys[1];
    struct blockdb_trust trust;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct verifier_key key;
    AUTO(buf_deinit) struct buf text = {0};

    assert_non_null(f);
    witness_log_init(&f->log, WITNESS_LOG_ORIGIN, WITNESS_LOG_MAX);
    witness_log_init(&f->fork, WITNESS_LOG_ORIGIN, 10);
    key = signing_key_verifier(&f->log.key);
    assert_int_equal(verifier_key_append(&text, &key), 0);
    (void)snprintf(f->vkey, sizeof(f->vkey), "%.*s", (int)text.len, (const char *)text.data);
    f->trust = (struct blockdb_trust)BLOCKDB_TRUST_INIT;
    f->keys[0] = f->vkey;
    f->trust.keys = f->keys;
    f->trust.key_count = 1;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    witness_log_deinit(&f->log);
    witness_log_deinit(&f->fork);
    free(f);
    return 0;
}

static struct blockdb_client_pin pin_of(const struct witness_log *log, uint64_t size)
{
    struct blockdb_client_pin pin = {.tree_size = size};

    memcpy(pin.root, log->roots[size].bytes, sizeof(pin.root));
    return pin;
}

/* The answer with the proof between two sizes. */
static void proof_text(const struct witness_log *log, uint64_t old_size, uint64_t new_size,
                       struct buf *out)
{
    struct proof proof = {0};
    struct error err;
    size_t i;
    size_t k;

    assert_int_equal(witness_log_prove((void *)(uintptr_t)log, old_size, new_size, &proof, &err),
                     0);
    assert_int_equal(buf_appendf(out, "{\"success\":true,\"hashes\":["), 0);
    for (i = 0; i < proof.count; i++) {
        assert_int_equal(buf_appendf(out, i > 0 ? ",\"" : "\""), 0);
        for (k = 0; k < sizeof(proof.hashes[i].bytes); k++) {
            assert_int_equal(buf_appendf(out, "%02x", proof.hashes[i].bytes[k]), 0);
        }
        assert_int_equal(buf_append_u8(out, '"'), 0);
    }
    assert_int_equal(buf_appendf(out, "]}%c", '\0'), 0);
}

/* Advances a pin against a server whose newest head is of `signed_size`, and whose newest cosigned
 * one is of `cosigned_size`. */
static int advance(const struct fixture *f, const struct witness_log *log, const uint64_t sizes[2],
                   struct blockdb_client_pin *pin, struct error *err)
{
    AUTO(buf_deinit) struct buf first = {0};
    AUTO(buf_deinit) struct buf second = {0};
    AUTO(buf_deinit) struct buf proof = {0};
    struct memory_answer answers[4] = {{"GET /checkpoint?cosigned=0", "200 OK", NULL},
                                       {"GET /checkpoint", "200 OK", NULL},
                                       {"GET /api/v1/proof/consistency", "200 OK", "{}"},
                                       {NULL, NULL, NULL}};
    struct blockdb_client_options o = BLOCKDB_CLIENT_OPTIONS_INIT;
    struct memory_server *s;
    struct blockdb_client *c = NULL;
    int rc;

    witness_log_note(log, sizes[0], &first);
    witness_log_note(log, sizes[1], &second);
    assert_int_equal(buf_append_u8(&first, 0), 0);
    assert_int_equal(buf_append_u8(&second, 0), 0);
    answers[0].body = (const char *)first.data;
    answers[1].body = (const char *)second.data;
    if (pin->tree_size > 0 && pin->tree_size < sizes[0]) {
        proof_text(log, pin->tree_size, sizes[0], &proof);
        answers[2].body = (const char *)proof.data;
    }
    s = memory_server_new(answers);
    o.urls = "http://127.0.0.1:1";
    assert_int_equal(blockdb_client_new(&o, &c, err), 0);
    c->net.sockets = &s->base;
    rc = blockdb_client_pin_advance(c, &f->trust, pin, err);
    blockdb_client_free(c);
    memory_server_free(s);
    return rc;
}

static void test_advance(void **state)
{
    struct fixture *f = *state;
    struct blockdb_client_pin pin = {.tree_size = 0};
    struct blockdb_client_pin wanted;
    struct error err;

    assert_int_equal(advance(f, &f->log, (uint64_t[]){20, 20}, &pin, &err), 0);
    wanted = pin_of(&f->log, 20);
    assert_memory_equal(&pin, &wanted, sizeof(pin));
    assert_int_equal(advance(f, &f->log, (uint64_t[]){20, 20}, &pin, &err), 0);
    assert_int_equal(advance(f, &f->log, (uint64_t[]){33, 33}, &pin, &err), 0);
    wanted = pin_of(&f->log, 33);
    assert_memory_equal(&pin, &wanted, sizeof(pin));
}

/* The cosigned head lags behind the signed ones: nothing went back. */
static void test_cosigned_lags(void **state)
{
    struct fixture *f = *state;
    struct blockdb_client_pin pin = pin_of(&f->log, 30);
    struct error err;

    assert_int_equal(advance(f, &f->log, (uint64_t[]){30, 12}, &pin, &err), 0);
    assert_int_equal(advance(f, &f->log, (uint64_t[]){40, 12}, &pin, &err), 0);
    assert_int_equal(pin.tree_size, 40);
}

static void test_other_histories(void **state)
{
    struct fixture *f = *state;
    const struct blockdb_client_pin before = pin_of(&f->log, 30);
    struct blockdb_client_pin pin = before;
    static const uint64_t sizes[SIZES][2] = {{29, 29}, {30, 30}, {40, 40}};
    struct error err;
    size_t i;

    assert_int_equal(advance(f, &f->log, sizes[0], &pin, &err), BLOCKDB_ETAMPERED);
    for (i = 0; i < SIZES; i++) {
        assert_int_equal(advance(f, &f->fork, sizes[i], &pin, &err), BLOCKDB_ETAMPERED);
        assert_memory_equal(&pin, &before, sizeof(pin));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_advance, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cosigned_lags, setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_histories, setup, teardown),
    };

    return cmocka_run_group_tests_name("pin", tests, NULL, NULL);
}
