/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies of the HTTP API. The first byte chooses put, batch or redaction. What is read must lie in
 * the body or the arena; reading twice gives the same.
 */
#include "base/assert.h"
#include "server/routes/redact_body.h"
#include "server/routes/write_body.h"

#include <blockdb/blockdb.h>

struct sum {
    uint64_t bytes;
    uint64_t count;
};

/* Reads all of text, so that a sanitizer sees where it lies. */
static void add_text(struct sum *sum, struct slice text)
{
    size_t i;

    for (i = 0; i < text.len; i++) {
        sum->bytes = sum->bytes * 31 + text.data[i];
    }
    sum->count += text.len;
}

static int take(void *arg, const struct write_operation *op, struct error *err)
{
    (void)err;
    add_text(arg, op->key);
    add_text(arg, op->value);
    return BLOCKDB_OK;
}

static int read_body(uint8_t which, struct slice body, struct arena *arena, struct sum *sum)
{
    enum blockdb_durability durability = BLOCKDB_DURABILITY_DEFAULT;
    struct write_operation op = {0};
    struct redact_body redact = {0};
    struct json_request q;
    struct error err = {0};
    int rc;

    json_request_init(&q, body, arena, &err);
    switch (which % 3) {
    case 0:
        rc = write_body_put(&q, &op, &durability);
        break;
    case 1:
        rc = write_body_batch(&q, take, sum, &durability);
        break;
    default:
        rc = redact_body_read(&q, &redact);
        break;
    }
    ASSERT(rc == BLOCKDB_OK || err.message[0] != '\0');
    if (rc == BLOCKDB_OK) {
        add_text(sum, op.key);
        add_text(sum, op.value);
        add_text(sum, redact.key);
    }
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sum first = {0};
    struct sum second = {0};
    struct arena arena;
    int rc;

    if (size == 0) {
        return 0;
    }
    arena_init(&arena, NULL);
    rc = read_body(data[0], slice_of(data + 1, size - 1), &arena, &first);
    ASSERT(read_body(data[0], slice_of(data + 1, size - 1), &arena, &second) == rc);
    ASSERT(first.bytes == second.bytes && first.count == second.count);
    arena_deinit(&arena);
    return 0;
}
