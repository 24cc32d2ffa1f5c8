/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/batch.h"

#include "base/assert.h"
#include "base/mem.h"
#include "base/with_evidence.h"
#include "engine/db.h"
#include "engine/group.h"
#include "ledger/commitment.h"
#include "ledger/record.h"

#include <inttypes.h>

#define ENTRY_CAP_MIN 4
/* Values hashed together. */
#define HASH_ENTRIES 64
/* Fewer values than are hashed side by side (crypto/sha256.h), and short ones. */
#define LIGHT_ENTRIES_MAX 8
#define LIGHT_BYTES_MAX 16384

void batch_init(struct blockdb_batch *batch, struct blockdb *db)
{
    *batch = (struct blockdb_batch){.db = db};
}

void batch_deinit(struct blockdb_batch *batch)
{
    buf_deinit(&batch->records);
    buf_deinit(&batch->condition_keys);
    mem_free(batch->entries);
    mem_free(batch->conditions);
}

void blockdb_batch_reset(struct blockdb_batch *batch)
{
    buf_reset(&batch->records);
    buf_reset(&batch->condition_keys);
    batch->count = 0;
    batch->hashed_count = 0;
    batch->put_count = 0;
    batch->user_bytes = 0;
    batch->key_bytes = 0;
    batch->condition_count = 0;
    batch->has_request = false;
}

size_t blockdb_batch_count(const struct blockdb_batch *batch)
{
    return batch->count;
}

size_t blockdb_batch_bytes(const struct blockdb_batch *batch)
{
    return batch->user_bytes;
}

static int check_key(size_t key_len, struct error *err)
{
    if (key_len == 0) {
        return error_set(err, BLOCKDB_EINVAL, "the key is empty; a key has 1 to %d bytes",
                         BLOCKDB_KEY_MAX);
    }
    if (key_len > BLOCKDB_KEY_MAX) {
        return error_set(err, BLOCKDB_ELIMIT,
                         "the key has %zu bytes, the limit is %d; use a shorter key", key_len,
                         BLOCKDB_KEY_MAX);
    }
    return BLOCKDB_OK;
}

static int check_limits(const struct blockdb_batch *batch, size_t key_len, size_t value_len,
                        struct error *err)
{
    int rc = check_key(key_len, err);

    if (rc < 0) {
        return rc;
    }
    if (value_len > BLOCKDB_VALUE_MAX) {
        return error_set(err, BLOCKDB_ELIMIT,
                         "the value has %zu bytes, the limit is %u; split it into chunks",
                         value_len, BLOCKDB_VALUE_MAX);
    }
    if (batch->count >= BLOCKDB_BATCH_ENTRIES_MAX) {
        return error_set(err, BLOCKDB_ELIMIT,
                         "the batch has %zu entries, which is the limit; write it and begin "
                         "another",
                         batch->count);
    }
    if (batch->user_bytes + key_len + value_len > BLOCKDB_BATCH_BYTES_MAX) {
        return error_set(err, BLOCKDB_ELIMIT,
                         "the batch would have %zu bytes, the limit is %u; write it and begin "
                         "another",
                         batch->user_bytes + key_len + value_len, BLOCKDB_BATCH_BYTES_MAX);
    }
    return BLOCKDB_OK;
}

static int reserve_entry(struct blockdb_batch *batch, size_t record_bytes)
{
    if (buf_reserve(&batch->records, GROUP_ITEM_HEADER_LEN + record_bytes) < 0) {
        return BLOCKDB_ENOMEM;
    }
    if (batch->count == batch->entry_cap) {
        size_t cap = batch->entry_cap < ENTRY_CAP_MIN ? ENTRY_CAP_MIN : batch->entry_cap * 2;
        struct batch_entry *entries = mem_realloc(batch->entries, cap * sizeof(*entries));

        if (entries == NULL) {
            return BLOCKDB_ENOMEM;
        }
        batch->entries = entries;
        batch->entry_cap = cap;
    }
    return BLOCKDB_OK;
}

/* Appends the record; the caller has checked the limits. */
static int add_record(struct blockdb_batch *batch, const struct record *record, struct error *err)
{
    size_t len = record_len(record);
    struct batch_entry *entry;
    uint8_t *place;

    if (reserve_entry(batch, len) < 0) {
        return error_set_no_memory(err);
    }
    place = batch->records.data + batch->records.len;
    put_le32(place, (uint32_t)len);
    record_encode(record, place + GROUP_ITEM_HEADER_LEN);
    entry = &batch->entries[batch->count++];
    entry->offset = (uint32_t)(batch->records.len + GROUP_ITEM_HEADER_LEN);
    entry->len = (uint32_t)len;
    batch->records.len += GROUP_ITEM_HEADER_LEN + len;
    batch->user_bytes += record->key.len + record->value.len;
    batch->key_bytes += record->key.len;
    return BLOCKDB_OK;
}

int blockdb_batch_delete(struct blockdb_batch *batch, const void *key, size_t key_len,
                         struct blockdb_error *err)
{
    struct record record = {
        .kind = BLOCKDB_KIND_DELETE,
        .batch_count = 1,
        .key = slice_of(key, key_len),
    };
    int rc = check_limits(batch, key_len, 0, err);

    if (rc < 0) {
        return rc;
    }
    return add_record(batch, &record, err);
}

int batch_add_system(struct blockdb_batch *batch, enum blockdb_kind kind, struct slice payload,
                     struct error *err)
{
    struct record record = {
        .kind = (uint8_t)kind,
        .batch_count = 1,
        .value_len = (uint32_t)payload.len,
        .value = payload,
    };

    return add_record(batch, &record, err);
}

static int add_condition(struct blockdb_batch *batch, const struct condition *condition,
                         struct slice key, struct error *err)
{
    int rc = check_key(key.len, err);

    if (rc < 0) {
        return rc;
    }
    if (batch->condition_count >= BLOCKDB_BATCH_ENTRIES_MAX) {
        return error_set(err, BLOCKDB_ELIMIT, "the batch has %zu conditions, which is the limit",
                         batch->condition_count);
    }
    if (batch->condition_count == batch->condition_cap) {
        size_t cap = batch->condition_cap < ENTRY_CAP_MIN ? ENTRY_CAP_MIN
                                                          : batch->condition_cap * 2;
        struct condition *grown = mem_realloc(batch->conditions, cap * sizeof(*grown));

        if (grown == NULL) {
            return error_set_no_memory(err);
        }
        batch->conditions = grown;
        batch->condition_cap = cap;
    }
    batch->conditions[batch->condition_count] = *condition;
    batch->conditions[batch->condition_count].key_offset = (uint32_t)batch->condition_keys.len;
    batch->conditions[batch->condition_count].key_len = (uint32_t)key.len;
    if (buf_append_slice(&batch->condition_keys, key) < 0) {
        return error_set_no_memory(err);
    }
    batch->condition_count++;
    return BLOCKDB_OK;
}

int blockdb_batch_require_absent(struct blockdb_batch *batch, const void *key, size_t key_len,
                                 struct blockdb_error *err)
{
    return add_condition(batch, &(struct condition){.kind = CONDITION_ABSENT},
                         slice_of(key, key_len), err);
}

int blockdb_batch_require_seq(struct blockdb_batch *batch, const void *key, size_t key_len,
                              uint64_t seq, struct blockdb_error *err)
{
    return add_condition(batch, &(struct condition){.kind = CONDITION_SEQ, .seq = seq},
                         slice_of(key, key_len), err);
}

/* Adds a put whose limits were checked, with a salt of its own. */
static int add_put(struct blockdb_batch *batch, struct slice key, struct slice value,
                   struct error *err)
{
    uint8_t salt[SALT_LEN] = {0};
    struct record record = {
        .kind = BLOCKDB_KIND_PUT,
        .batch_count = 1,
        .key = key,
        .value_len = (uint32_t)value.len,
        .value = value,
        .salt = salt,
    };
    int rc = WITH_EVIDENCE ? os_random(batch->db->os, salt, sizeof(salt), err) : BLOCKDB_OK;

    if (rc < 0) {
        return rc;
    }
    rc = add_record(batch, &record, err);
    if (rc < 0) {
        return rc;
    }
    batch->put_count++;
    return BLOCKDB_OK;
}

int blockdb_batch_put(struct blockdb_batch *batch, const void *key, size_t key_len,
                      const void *value, size_t value_len, struct blockdb_error *err)
{
    size_t conditions = batch->condition_count;
    int rc = check_limits(batch, key_len, value_len, err);

    if (rc == BLOCKDB_OK && batch->db->settings->write_once) {
        rc = blockdb_batch_require_absent(batch, key, key_len, err);
    }
    if (rc < 0) {
        return rc;
    }
    rc = add_put(batch, slice_of(key, key_len), slice_of(value, value_len), err);
    if (rc < 0) {
        batch->condition_count = conditions;
    }
    return rc;
}

/* Makes the commitments of entries [first, first + count), count at most HASH_ENTRIES. */
static void hash_entries(struct blockdb_batch *batch, size_t first, size_t count)
{
    struct commitment_job jobs[HASH_ENTRIES];
    size_t n = 0;
    size_t i;

    for (i = first; i < first + count; i++) {
        struct batch_entry *entry = &batch->entries[i];
        struct record record;
        int rc = record_parse(slice_of(batch->records.data + entry->offset, entry->len), &record);

        ASSERT(rc == BLOCKDB_OK); /* we encoded it */
        entry->commitment = (struct hash){0};
        if (record.salt != NULL) {
            jobs[n++] = (struct commitment_job){
                .salt = record.salt, .value = record.value, .out = &entry->commitment};
        }
    }
    commitment_compute_many(jobs, n);
}

bool batch_is_light(const struct blockdb_batch *batch)
{
    return batch->count <= LIGHT_ENTRIES_MAX && batch->records.len <= LIGHT_BYTES_MAX;
}

void batch_hash(struct blockdb_batch *batch)
{
    while (batch->hashed_count < batch->count) {
        size_t left = batch->count - batch->hashed_count;
        size_t count = left < HASH_ENTRIES ? left : HASH_ENTRIES;

        hash_entries(batch, batch->hashed_count, count);
        batch->hashed_count += count;
    }
}

int batch_set_request(struct blockdb_batch *batch, const uint8_t *client_id, uint64_t request,
                      struct error *err)
{
    AUTO(buf_deinit) struct buf grown = {0};
    struct record record;
    struct batch_entry *first = batch->entries;
    size_t old_end;
    size_t len;
    size_t i;
    int rc;

    if (batch->count == 0) {
        return BLOCKDB_OK;
    }
    rc = record_parse(slice_of(batch->records.data + first->offset, first->len), &record);
    if (rc < 0) {
        return error_set(err, rc, "cannot read back the first record of a batch");
    }
    record.client_id = client_id;
    record.request = client_id != NULL ? request : 0;
    len = record_len(&record);
    old_end = first->offset + first->len;
    if (buf_reserve(&grown, batch->records.len - first->len + len) < 0) {
        return error_set_no_memory(err);
    }
    put_le32(grown.data, (uint32_t)len);
    record_encode(&record, grown.data + GROUP_ITEM_HEADER_LEN);
    memcpy(grown.data + GROUP_ITEM_HEADER_LEN + len, batch->records.data + old_end,
           batch->records.len - old_end);
    grown.len = batch->records.len - first->len + len;
    for (i = 1; i < batch->count; i++) {
        batch->entries[i].offset += (uint32_t)len - first->len;
    }
    first->len = (uint32_t)len;
    buf_deinit(&batch->records);
    batch->records = grown;
    grown = (struct buf){0};
    batch->has_request = client_id != NULL;
    return BLOCKDB_OK;
}
