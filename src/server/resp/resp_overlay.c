/* SPDX-License-Identifier: Apache-2.0 */
#include "server/resp/resp_overlay.h"

#include "base/checksum.h"

#define BUCKETS_MIN 16
#define HASH_SEED 0x6f7665726c6179

static struct resp_overlay_entry *find(const struct resp_overlay *o, struct slice key,
                                       uint64_t hash)
{
    struct resp_overlay_entry *e = o->bucket_count > 0 ? o->buckets[hash & (o->bucket_count - 1)]
                                                       : NULL;

    while (e != NULL && (e->hash != hash || !slice_equal(e->key, key))) {
        e = e->next;
    }
    return e;
}

static void link_entry(struct resp_overlay *o, struct resp_overlay_entry *e)
{
    struct resp_overlay_entry **bucket = &o->buckets[e->hash & (o->bucket_count - 1)];

    e->next = *bucket;
    *bucket = e;
}

/* Twice the buckets. */
static int grow(struct resp_overlay *o, struct arena *arena)
{
    struct resp_overlay old = *o;
    size_t count = old.bucket_count > 0 ? 2 * old.bucket_count : BUCKETS_MIN;
    struct resp_overlay_entry **buckets = arena_alloc(arena,
                                                      count * sizeof(struct resp_overlay_entry *));

    if (buckets == NULL) {
        return BLOCKDB_ENOMEM;
    }
    memset(buckets, 0, count * sizeof(struct resp_overlay_entry *));
    o->buckets = buckets;
    o->bucket_count = count;
    for (size_t i = 0; i < old.bucket_count; i++) {
        struct resp_overlay_entry *next;

        for (struct resp_overlay_entry *e = old.buckets[i]; e != NULL; e = next) {
            next = e->next;
            link_entry(o, e);
        }
    }
    return BLOCKDB_OK;
}

int resp_overlay_set(struct resp_overlay *o, struct arena *arena, struct slice key,
                     struct slice value, bool is_deleted)
{
    uint64_t hash = checksum(key.data, key.len, HASH_SEED);
    struct resp_overlay_entry *e = find(o, key, hash);

    if (e == NULL) {
        if (o->count == o->bucket_count && grow(o, arena) < 0) {
            return BLOCKDB_ENOMEM;
        }
        e = arena_alloc(arena, sizeof(*e));
        if (e == NULL) {
            return BLOCKDB_ENOMEM;
        }
        *e = (struct resp_overlay_entry){.hash = hash, .key = key};
        link_entry(o, e);
        o->count++;
    }
    e->value = value;
    e->is_deleted = is_deleted;
    return BLOCKDB_OK;
}

const struct resp_overlay_entry *resp_overlay_find(const struct resp_overlay *o, struct slice key)
{
    return o->count > 0 ? find(o, key, checksum(key.data, key.len, HASH_SEED)) : NULL;
}
