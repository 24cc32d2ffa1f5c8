/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/request_table.h"

#include "base/assert.h"
#include "base/checksum.h"
#include "base/mem.h"

#define BUCKET_COUNT 16384 /* a power of two above REQUEST_CLIENTS_MAX */
#define NONE UINT32_MAX
#define CLIENT_ENCODED_LEN (BLOCKDB_CLIENT_ID_LEN + 4 * 8)

struct client {
    uint8_t id[BLOCKDB_CLIENT_ID_LEN];
    struct request_answer answer;
    uint32_t next_in_bucket;
    uint32_t older; /* neighbours in the order of updates */
    uint32_t newer;
};

struct request_table {
    uint32_t count;
    uint32_t oldest;
    uint32_t newest;
    uint32_t buckets[BUCKET_COUNT];
    struct client clients[REQUEST_CLIENTS_MAX];
};

_Static_assert(BUCKET_COUNT > REQUEST_CLIENTS_MAX, "short chains");

struct request_table *request_table_new(void)
{
    struct request_table *table = mem_alloc(sizeof(*table));
    size_t i;

    if (table == NULL) {
        return NULL;
    }
    /* The clients stay untouched, and so cost no memory, until they are used. */
    table->count = 0;
    table->oldest = NONE;
    table->newest = NONE;
    for (i = 0; i < BUCKET_COUNT; i++) {
        table->buckets[i] = NONE;
    }
    return table;
}

void request_table_free(struct request_table *table)
{
    mem_free(table);
}

static uint32_t *bucket_of(struct request_table *table, const uint8_t *id)
{
    return &table->buckets[checksum(id, BLOCKDB_CLIENT_ID_LEN, 0) & (BUCKET_COUNT - 1)];
}

static uint32_t find(const struct request_table *table, const uint8_t *id)
{
    uint32_t at = table->buckets[checksum(id, BLOCKDB_CLIENT_ID_LEN, 0) & (BUCKET_COUNT - 1)];

    while (at != NONE && memcmp(table->clients[at].id, id, BLOCKDB_CLIENT_ID_LEN) != 0) {
        at = table->clients[at].next_in_bucket;
    }
    return at;
}

static void order_remove(struct request_table *table, uint32_t at)
{
    struct client *client = &table->clients[at];

    if (client->older != NONE) {
        table->clients[client->older].newer = client->newer;
    } else {
        table->oldest = client->newer;
    }
    if (client->newer != NONE) {
        table->clients[client->newer].older = client->older;
    } else {
        table->newest = client->older;
    }
}

static void order_append(struct request_table *table, uint32_t at)
{
    struct client *client = &table->clients[at];

    client->older = table->newest;
    client->newer = NONE;
    if (table->newest != NONE) {
        table->clients[table->newest].newer = at;
    } else {
        table->oldest = at;
    }
    table->newest = at;
}

/* Takes the client that was updated longest ago out of the table and returns its place. */
static uint32_t evict_oldest(struct request_table *table)
{
    uint32_t at = table->oldest;
    uint32_t *link = bucket_of(table, table->clients[at].id);

    while (*link != at) {
        ASSERT(*link != NONE);
        link = &table->clients[*link].next_in_bucket;
    }
    *link = table->clients[at].next_in_bucket;
    order_remove(table, at);
    return at;
}

const struct request_answer *request_table_find(const struct request_table *table,
                                                const uint8_t id[BLOCKDB_CLIENT_ID_LEN])
{
    uint32_t at = find(table, id);

    return at == NONE ? NULL : &table->clients[at].answer;
}

void request_table_record(struct request_table *table, const uint8_t id[BLOCKDB_CLIENT_ID_LEN],
                          const struct request_answer *answer)
{
    uint32_t at = find(table, id);
    uint32_t *bucket;

    if (at != NONE) {
        if (answer->request <= table->clients[at].answer.request) {
            return;
        }
        order_remove(table, at);
    } else {
        at = table->count < REQUEST_CLIENTS_MAX ? table->count++ : evict_oldest(table);
        bucket = bucket_of(table, id);
        memcpy(table->clients[at].id, id, BLOCKDB_CLIENT_ID_LEN);
        table->clients[at].next_in_bucket = *bucket;
        *bucket = at;
    }
    table->clients[at].answer = *answer;
    order_append(table, at);
}

size_t request_table_count(const struct request_table *table)
{
    return table->count;
}

static void client_encode(const struct client *client, uint8_t *out)
{
    memcpy(out, client->id, BLOCKDB_CLIENT_ID_LEN);
    out += BLOCKDB_CLIENT_ID_LEN;
    put_le64(out, client->answer.request);
    put_le64(out + 8, client->answer.first_seq);
    put_le64(out + 16, client->answer.count);
    put_le64(out + 24, client->answer.time_ms);
}

int request_table_encode(const struct request_table *table, struct buf *out)
{
    uint32_t at;

    if (buf_reserve(out, 4 + (size_t)table->count * CLIENT_ENCODED_LEN) < 0) {
        return BLOCKDB_ENOMEM;
    }
    put_le32(out->data + out->len, table->count);
    out->len += 4;
    for (at = table->oldest; at != NONE; at = table->clients[at].newer) {
        client_encode(&table->clients[at], out->data + out->len);
        out->len += CLIENT_ENCODED_LEN;
    }
    return BLOCKDB_OK;
}

int request_table_decode(struct request_table *table, struct slice bytes, struct error *err)
{
    struct reader r = reader_of(bytes);
    uint32_t count = reader_le32(&r);
    uint32_t i;

    if (!reader_ok(&r) || count > REQUEST_CLIENTS_MAX ||
        reader_left(&r) != (size_t)count * CLIENT_ENCODED_LEN) {
        return error_set(err, BLOCKDB_ECORRUPT,
                         "request table: %zu bytes do not hold the clients they announce",
                         bytes.len);
    }
    for (i = 0; i < count; i++) {
        uint8_t id[BLOCKDB_CLIENT_ID_LEN];
        struct request_answer answer;

        reader_copy(&r, id, sizeof(id));
        answer.request = reader_le64(&r);
        answer.first_seq = reader_le64(&r);
        answer.count = reader_le64(&r);
        answer.time_ms = reader_le64(&r);
        request_table_record(table, id, &answer);
    }
    return BLOCKDB_OK;
}
