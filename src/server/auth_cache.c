/* SPDX-License-Identifier: Apache-2.0 */
#include "server/auth_cache.h"

#include "base/lock.h"
#include "base/mem.h"
#include "crypto/hmac.h"
#include "crypto/secret.h"
#include "os/os.h"

#define WAYS 4
#define SET_COUNT (AUTH_CACHE_ENTRIES / WAYS)
#define KEY_LEN 32

struct entry {
    struct hash tag;
    uint64_t stamp;
    uint64_t until_ms; /* 0: unused */
};

struct auth_cache {
    struct hmac_key key; /* constant */
    struct mutex mu;
    struct entry entries[SET_COUNT][WAYS]; /* guarded by mu */
};

int auth_cache_new(struct os *os, struct auth_cache **out, struct error *err)
{
    struct auth_cache *cache = mem_calloc(1, sizeof *cache);
    uint8_t key[KEY_LEN];
    int rc;

    if (cache == NULL) {
        return error_set_no_memory(err);
    }
    rc = os_random(os, key, sizeof key, err);
    if (rc < 0) {
        mem_free(cache);
        return rc;
    }
    hmac_key_init(&cache->key, key, sizeof key);
    secret_wipe(key, sizeof key);
    mutex_init(&cache->mu, LOCK_RANK_AUTH);
    *out = cache;
    return BLOCKDB_OK;
}

void auth_cache_free(struct auth_cache *cache)
{
    if (cache == NULL) {
        return;
    }
    mutex_deinit(&cache->mu);
    secret_wipe(cache, sizeof *cache);
    mem_free(cache);
}

/* The password is hashed alone first, so that no buffer has to hold both, and then together with
 * the hash of the name; all under the key. */
void auth_cache_tag(const struct auth_cache *cache, struct slice name, struct slice password,
                    struct hash *out)
{
    struct hash parts[2];

    hmac_sha256(&cache->key, name.data, name.len, &parts[0]);
    hmac_sha256(&cache->key, password.data, password.len, &parts[1]);
    hmac_sha256(&cache->key, parts, sizeof parts, out);
    secret_wipe(parts, sizeof parts);
}

/* Nobody without the key can choose a tag, so where it stands tells nothing. */
static struct entry *set_of(struct auth_cache *cache, const struct hash *tag)
{
    return cache->entries[get_le64(tag->bytes) % SET_COUNT];
}

bool auth_cache_has(struct auth_cache *cache, const struct hash *tag, uint64_t stamp,
                    uint64_t now_ms)
{
    struct entry *set = set_of(cache, tag);
    bool found = false;

    mutex_lock(&cache->mu);
    for (unsigned i = 0; i < WAYS; i++) {
        bool same = secret_equal(&set[i].tag, tag, sizeof *tag);

        found = found || (same && set[i].stamp == stamp && now_ms < set[i].until_ms);
    }
    mutex_unlock(&cache->mu);
    return found;
}

void auth_cache_put(struct auth_cache *cache, const struct hash *tag, uint64_t stamp,
                    uint64_t until_ms)
{
    struct entry *set = set_of(cache, tag);
    struct entry *place = &set[0];

    mutex_lock(&cache->mu);
    for (unsigned i = 0; i < WAYS; i++) {
        if (secret_equal(&set[i].tag, tag, sizeof *tag)) {
            place = &set[i];
            break;
        }
        if (set[i].until_ms < place->until_ms) {
            place = &set[i];
        }
    }
    *place = (struct entry){.tag = *tag, .stamp = stamp, .until_ms = until_ms};
    mutex_unlock(&cache->mu);
}

void auth_cache_clear(struct auth_cache *cache)
{
    mutex_lock(&cache->mu);
    secret_wipe(cache->entries, sizeof cache->entries);
    mutex_unlock(&cache->mu);
}
