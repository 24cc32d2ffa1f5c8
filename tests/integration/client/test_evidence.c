/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libblockdb-client against a server that shows another history than it did: older, or another one
 * under the same key. A head that was pinned tells.
 *
 * client_evidence SERVER CLI
 */
#include "base/mem.h"
#include "breaking_proxy.h"
#include "real_server.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CONFIG                                                                                     \
    "[server]\nresp_port = 0\ndrain_time = 0\n[ledger]\norigin = \"example.org/log\"\n"            \
    "signing_key_file = \"%s/key\"\nproof_map = true\n"

static const char *program;
static const char *cli;

struct suite {
    struct real_server server;
    struct proxy proxy;
    char config[REAL_TEXT_BYTES];
    char vkey[REAL_TEXT_BYTES];
    const char *keys[1];
    struct blockdb_trust trust;
    struct blockdb_client *client;
};

static int suite_start(void **state)
{
    struct suite *s = calloc(1, sizeof(*s));
    struct blockdb_client_options o;
    char command[REAL_TEXT_BYTES];

    assert_non_null(s);
    real_server_init(&s->server, program);
    (void)snprintf(command, sizeof(command), "%s keygen --origin example.org/log --out key", cli);
    real_run(&s->server, command, s->vkey);
    (void)snprintf(s->config, sizeof(s->config), CONFIG, s->server.folder);
    real_server_start(&s->server, "http", s->config);
    proxy_start(&s->proxy, s->server.port);
    s->trust = (struct blockdb_trust)BLOCKDB_TRUST_INIT;
    s->keys[0] = s->vkey;
    s->trust.keys = s->keys;
    s->trust.key_count = 1;
    o = real_options(s->proxy.url);
    s->client = real_client(&o);
    *state = s;
    return 0;
}

static int suite_end(void **state)
{
    struct suite *s = *state;

    blockdb_client_free(s->client);
    proxy_stop(&s->proxy);
    real_server_deinit(&s->server);
    free(s);
    return 0;
}

static void put(struct suite *s, const char *value)
{
    struct blockdb_error err;

    EXPECT(0, blockdb_client_put(s->client, "k", 1, value, strlen(value), NULL, NULL, &err), &err);
}

/* Reads with proofs against *pin; what comes of it. */
static int get(struct suite *s, struct blockdb_client_pin *pin, struct blockdb_value *value,
               struct blockdb_error *err)
{
    struct blockdb_client_verified_options o = BLOCKDB_CLIENT_VERIFIED_OPTIONS_INIT;

    o.trust = &s->trust;
    o.pin = pin;
    o.newest = true;
    return blockdb_client_get_verified(s->client, "k", 1, &o, value, err);
}

static void expect_refused(struct suite *s, const struct blockdb_client_pin *pinned)
{
    struct blockdb_client_pin pin = *pinned;
    struct blockdb_value value = {0};
    struct blockdb_error err;

    EXPECT(BLOCKDB_ETAMPERED, get(s, &pin, &value, &err), &err);
    assert_true(err.message[0] != '\0');
    assert_int_equal(value.len, 0);
    EXPECT(BLOCKDB_ETAMPERED, blockdb_client_pin_advance(s->client, &s->trust, &pin, &err), &err);
    assert_memory_equal(&pin, pinned, sizeof(pin));
    blockdb_client_value_deinit(&value);
}

/* Puts another directory under the server. */
static void replace(struct suite *s, const char *commands)
{
    real_server_stop(&s->server, SIGTERM);
    real_run(&s->server, commands, NULL);
    real_server_start(&s->server, "http", s->config);
}

static void test_other_histories(void **state)
{
    struct suite *s = *state;
    struct blockdb_client_pin pin = {.tree_size = 0};
    struct blockdb_value value = {0};
    struct blockdb_error err;
    unsigned i;

    put(s, "first");
    EXPECT(0, get(s, &pin, &value, &err), &err);
    replace(s, "cp -a data old");
    put(s, "second");
    EXPECT(0, get(s, &pin, &value, &err), &err);
    assert_memory_equal(value.data, "second", 6);

    /* The directory of yesterday: shorter than what was seen. */
    replace(s, "mv data true && cp -a old data");
    expect_refused(s, &pin);
    /* Grown again, with other entries: longer, and it does not continue what was seen. */
    for (i = 0; i < 20; i++) {
        put(s, "forged");
    }
    expect_refused(s, &pin);
    /* Another log under the same key. */
    replace(s, "rm -rf data");
    for (i = 0; i < 40; i++) {
        put(s, "forged");
    }
    expect_refused(s, &pin);
    /* The true one is believed as before. */
    replace(s, "rm -rf data && mv true data");
    EXPECT(0, get(s, &pin, &value, &err), &err);
    assert_memory_equal(value.data, "second", 6);
    blockdb_client_value_deinit(&value);
}

/* Connections that break in the middle of a read with proofs cost nothing but time. */
static void test_breaks(void **state)
{
    static const enum proxy_act acts[] = {PROXY_CUT_BEFORE, PROXY_CUT_HALF, PROXY_SAY_503,
                                          PROXY_SAY_502, PROXY_DRIP};
    struct suite *s = *state;
    struct blockdb_client_pin pin = {.tree_size = 0};
    struct blockdb_value value = {0};
    struct blockdb_error err;
    size_t i;

    for (i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
        put(s, "again");
        proxy_break(&s->proxy, acts[i], 2);
        EXPECT(0, get(s, &pin, &value, &err), &err);
        proxy_break(&s->proxy, PROXY_PASS, 0);
    }
    blockdb_client_value_deinit(&value);
}

/* ---- Short memory ---------------------------------------------------------------------------- */

static bool is_turn(void *context)
{
    unsigned *left = context;

    return *left > 0 && --*left == 0;
}

/* Every n-th allocation of a read with proofs fails: it says so, the pin stays, the value is empty.
 */
static void test_short_memory(void **state)
{
    struct suite *s = *state;
    unsigned n = 0;
    unsigned left = 0;

    put(s, "proven");
    while (left == 0) {
        struct blockdb_client_pin pin = {.tree_size = 0};
        struct blockdb_value value = {0};
        struct blockdb_error err;
        int rc;

        left = ++n;
        mem_set_fail_hook(is_turn, &left);
        rc = get(s, &pin, &value, &err);
        mem_set_fail_hook(NULL, NULL);
        EXPECT(left == 0 && rc != 0 ? BLOCKDB_ENOMEM : 0, rc, &err);
        assert_true(rc == 0 || (value.len == 0 && pin.tree_size == 0));
        EXPECT(0, get(s, &pin, &value, &err), &err);
        blockdb_client_value_deinit(&value);
    }
    assert_true(n > 2); /* what the client keeps between calls is not allocated again */
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_other_histories),
        cmocka_unit_test(test_breaks),
        cmocka_unit_test(test_short_memory),
    };

    if (argc != 3) {
        return 2;
    }
    program = real_program(argv[1]);
    cli = real_program(argv[2]);
    return cmocka_run_group_tests_name("client_evidence", tests, suite_start, suite_end);
}
