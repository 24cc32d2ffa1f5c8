/* SPDX-License-Identifier: Apache-2.0 */
#include "samples.h"

#include "golden.h"

#include <stdlib.h>

#define PATTERN_LEN (2u << 20)

static uint8_t pattern[PATTERN_LEN];
static uint8_t salt[SALT_LEN];
static uint8_t client[BLOCKDB_CLIENT_ID_LEN];

static struct sample samples[] = {
    {"put", {.kind = BLOCKDB_KIND_PUT}},
    {"put_empty", {.kind = BLOCKDB_KIND_PUT}},
    {"put_full",
     {.kind = BLOCKDB_KIND_PUT,
      .batch_position = 2,
      .batch_count = 7,
      .collection = 0x01020304,
      .client_id = client,
      .request = 0x1122334455667788}},
    {"put_long",
     {.kind = BLOCKDB_KIND_PUT,
      .batch_position = UINT32_MAX - 1,
      .batch_count = UINT32_MAX,
      .collection = UINT32_MAX,
      .time_ms = UINT64_MAX,
      .client_id = client,
      .request = 1}},
    {"delete", {.kind = BLOCKDB_KIND_DELETE}},
    {"delete_full",
     {.kind = BLOCKDB_KIND_DELETE,
      .batch_position = 1,
      .batch_count = 2,
      .collection = 9,
      .client_id = client}},
    {"redact", {.kind = BLOCKDB_KIND_REDACT}},
    {"epoch", {.kind = BLOCKDB_KIND_EPOCH}},
    {"config", {.kind = BLOCKDB_KIND_CONFIG}},
};

#define SAMPLES (sizeof samples / sizeof *samples)

static struct record *find(const char *name)
{
    for (size_t i = 0; i < SAMPLES; i++) {
        if (strcmp(samples[i].name, name) == 0) {
            return &samples[i].record;
        }
    }
    abort();
}

static void set(const char *name, struct slice key, struct slice value, struct slice actor)
{
    struct record *r = find(name);

    r->key = key;
    r->value = value;
    r->value_len = (uint32_t)value.len;
    r->actor = actor;
}

void samples_init(void)
{
    struct slice none = {0};

    for (size_t i = 0; i < PATTERN_LEN; i++) {
        pattern[i] = (uint8_t)(i % 251);
    }
    for (unsigned i = 0; i < 16; i++) {
        salt[i] = (uint8_t)(160 + i);
        client[i] = (uint8_t)(0x40 + i);
    }
    set("put", slice_of_text("key"), slice_of_text("value"), none);
    set("put_empty", slice_of("", 1), none, none);
    set("put_full", slice_of_text("account/42"), slice_of(pattern, 100),
        slice_of_text("alice@example.org"));
    set("put_long", slice_of(pattern, 4096), slice_of(pattern, 300), slice_of(pattern, 255));
    set("delete", slice_of_text("key"), none, none);
    set("delete_full", slice_of_text("account/42"), none, slice_of_text("bob"));
    set("redact", none, golden("redact.payload"), slice_of_text("officer"));
    set("epoch", none, golden("epoch.payload"), none);
    set("config", none, golden("config.payload"), none);
    for (size_t i = 0; i < SAMPLES; i++) {
        struct record *r = &samples[i].record;

        r->batch_count = r->batch_count ? r->batch_count : 1;
        r->time_ms = r->time_ms ? r->time_ms : 1700000000123;
        r->salt = r->kind == BLOCKDB_KIND_PUT ? salt : NULL;
    }
}

size_t sample_count(void)
{
    return SAMPLES;
}

const struct sample *sample_at(size_t i)
{
    return &samples[i];
}

const struct record *sample(const char *name)
{
    return find(name);
}

const uint8_t *sample_pattern(void)
{
    return pattern;
}

const uint8_t *sample_salt(void)
{
    return salt;
}
