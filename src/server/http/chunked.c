/* SPDX-License-Identifier: Apache-2.0 */
#include "server/http/chunked.h"

#include "server/http/octet.h"

#define SIZE_DIGITS_MAX 16

/* Counts a byte that is no data. */
static int count_extra(struct chunked *c)
{
    c->extra++;
    return c->extra <= CHUNKED_EXTRA_MAX ? BLOCKDB_OK : BLOCKDB_ELIMIT;
}

static int expect(struct chunked *c, uint8_t byte, uint8_t wanted, enum chunked_state next)
{
    if (byte != wanted) {
        return BLOCKDB_EINVAL;
    }
    c->state = next;
    return BLOCKDB_OK;
}

static int size_byte(struct chunked *c, uint8_t byte)
{
    int value = octet_hex(byte);

    if (value >= 0) {
        c->left = c->left << 4 | (uint64_t)value;
        c->state = CHUNKED_SIZE;
        c->digit_count++;
        return c->digit_count <= SIZE_DIGITS_MAX ? BLOCKDB_OK : BLOCKDB_EINVAL;
    }
    if (c->state == CHUNKED_SIZE_START) {
        return BLOCKDB_EINVAL;
    }
    if (byte == ';') {
        c->state = CHUNKED_EXTENSION;
        return count_extra(c);
    }
    return expect(c, byte, '\r', CHUNKED_SIZE_LF);
}

/* A byte of what is ignored up to the CR of its line. */
static int ignored_byte(struct chunked *c, uint8_t byte, enum chunked_state next)
{
    if (byte == '\r') {
        c->state = next;
        return BLOCKDB_OK;
    }
    return octet_is(byte, OCTET_FIELD) ? count_extra(c) : BLOCKDB_EINVAL;
}

static int trailer_name_byte(struct chunked *c, uint8_t byte)
{
    if (byte == ':' && c->state == CHUNKED_TRAILER_NAME) {
        c->state = CHUNKED_TRAILER_VALUE;
        return count_extra(c);
    }
    if (byte == '\r' && c->state == CHUNKED_TRAILER_START) {
        c->state = CHUNKED_END_LF;
        return BLOCKDB_OK;
    }
    c->state = CHUNKED_TRAILER_NAME;
    return octet_is(byte, OCTET_TOKEN) ? count_extra(c) : BLOCKDB_EINVAL;
}

/* The size line is whole. */
static int size_done(struct chunked *c, uint8_t byte)
{
    c->digit_count = 0;
    return expect(c, byte, '\n', c->left > 0 ? CHUNKED_DATA : CHUNKED_TRAILER_START);
}

/* Any byte that is not data. */
static int framing_byte(struct chunked *c, uint8_t byte)
{
    switch (c->state) {
    case CHUNKED_SIZE_START:
    case CHUNKED_SIZE:
        return size_byte(c, byte);
    case CHUNKED_EXTENSION:
        return ignored_byte(c, byte, CHUNKED_SIZE_LF);
    case CHUNKED_SIZE_LF:
        return size_done(c, byte);
    case CHUNKED_DATA_CR:
        return expect(c, byte, '\r', CHUNKED_DATA_LF);
    case CHUNKED_DATA_LF:
        return expect(c, byte, '\n', CHUNKED_SIZE_START);
    case CHUNKED_TRAILER_START:
    case CHUNKED_TRAILER_NAME:
        return trailer_name_byte(c, byte);
    case CHUNKED_TRAILER_VALUE:
        return ignored_byte(c, byte, CHUNKED_TRAILER_LF);
    case CHUNKED_TRAILER_LF:
        return expect(c, byte, '\n', CHUNKED_TRAILER_START);
    case CHUNKED_END_LF:
        return expect(c, byte, '\n', CHUNKED_DONE);
    case CHUNKED_DATA:
    case CHUNKED_DONE:
        break;
    }
    return BLOCKDB_EINVAL;
}

/* Takes what there is of the data of a chunk. */
static int take_data(struct chunked *c, struct slice input, struct buf *body, size_t *taken)
{
    size_t len = input.len - *taken;
    int rc;

    len = len < c->left ? len : (size_t)c->left;
    rc = buf_append(body, input.data + *taken, len);
    if (rc < 0) {
        return rc;
    }
    *taken += len;
    c->left -= len;
    c->state = c->left == 0 ? CHUNKED_DATA_CR : CHUNKED_DATA;
    return BLOCKDB_OK;
}

int chunked_decode(struct chunked *c, struct slice input, size_t body_max, struct buf *body,
                   size_t *out_taken)
{
    size_t taken = 0;
    int rc = BLOCKDB_OK;

    while (rc == BLOCKDB_OK && taken < input.len && c->state != CHUNKED_DONE) {
        if (c->state == CHUNKED_DATA) {
            rc = take_data(c, input, body, &taken);
            continue;
        }
        rc = framing_byte(c, input.data[taken++]);
        if (rc == BLOCKDB_OK && c->state == CHUNKED_DATA && c->left > body_max - body->len) {
            rc = BLOCKDB_ELIMIT;
        }
    }
    *out_taken = taken;
    return rc;
}
