/* SPDX-License-Identifier: Apache-2.0 */
#include "bin/bench/bench_key.h"

#include "base/mem.h"
#include "crypto/secret.h"
#include "ledger/signing_key.h"
#include "os/os.h"

#define FILE_NAME "bench.key"

/* Writes the key's file and fills in its public half. */
static int key_save(struct bench_key *key, struct os *os, const struct signing_key *signing,
                    struct error *err)
{
    AUTO(buf_deinit) struct buf text = {0};
    struct verifier_key verifier = signing_key_verifier(signing);
    char secret[SIGNING_KEY_TEXT_MAX + 1];
    size_t len = signing_key_format(signing, secret);
    int rc;

    if (verifier_key_append(&text, &verifier) < 0 || buf_append_u8(&text, 0) < 0) {
        secret_wipe(secret, sizeof(secret));
        return error_set_no_memory(err);
    }
    memcpy(key->verifier, text.data, text.len);
    secret[len++] = '\n';
    rc = os_replace_file(os, key->path, slice_of(secret, len), err);
    secret_wipe(secret, sizeof(secret));
    return rc;
}

static int key_make(struct bench_key *key, struct os *os, struct error *err)
{
    struct signing_key signing = {0};
    uint8_t seed[ED25519_SEED_LEN];
    int rc = os_random(os, seed, sizeof(seed), err);

    if (rc == BLOCKDB_OK) {
        rc = signing_key_init(&signing, slice_of_text(BENCH_ORIGIN), KEY_TYPE_ED25519, seed, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = key_save(key, os, &signing, err);
    }
    signing_key_deinit(&signing);
    secret_wipe(seed, sizeof(seed));
    return rc;
}

int bench_key_new(struct os *os, const char *dir, struct bench_key **out, struct error *err)
{
    struct bench_key *key = mem_calloc(1, sizeof(*key));
    int rc;

    if (key == NULL) {
        return error_set_no_memory(err);
    }
    key->path = path_join(dir, FILE_NAME);
    rc = key->path != NULL ? key_make(key, os, err) : error_set_no_memory(err);
    if (rc < 0) {
        bench_key_free(key);
        return rc;
    }
    *out = key;
    return BLOCKDB_OK;
}

void bench_key_free(struct bench_key *key)
{
    if (key != NULL) {
        mem_free(key->path);
        mem_free(key);
    }
}
