/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/face.h"

#include <assert.h>

static_assert(BLOCKDB_HASH_LEN == SHA256_LEN, "public hashes are SHA-256");
static_assert(BLOCKDB_SALT_LEN == SALT_LEN, "public salts are those of records");

static size_t size_of_struct(const void *s)
{
    size_t size;

    memcpy(&size, s, sizeof size);
    return size;
}

static int bad_size(struct error *err)
{
    return error_set(err, BLOCKDB_EINVAL,
                     "a struct has no size: fill it with its INIT macro before use");
}

int face_copy_in(void *out, size_t len, const void *in, struct error *err)
{
    const uint8_t *bytes = in;
    size_t size = size_of_struct(in);
    size_t i;

    if (size < sizeof size) {
        return bad_size(err);
    }
    for (i = len; i < size; i++) {
        if (bytes[i] != 0) {
            return error_set(
                err, BLOCKDB_EINVAL,
                "the program asks for something that this version of libblockdb-verify "
                "does not know; install the version it was built with");
        }
    }
    memcpy(out, in, size < len ? size : len);
    return BLOCKDB_OK;
}

int face_copy_out(void *out, const void *in, size_t len, struct error *err)
{
    size_t size = size_of_struct(out);

    if (size < sizeof size) {
        return bad_size(err);
    }
    memcpy(out, in, size < len ? size : len);
    memcpy(out, &size, sizeof size);
    return BLOCKDB_OK;
}

struct blockdb_entry face_entry(const struct leaf *leaf)
{
    return (struct blockdb_entry){
        .kind = (enum blockdb_kind)leaf->kind,
        .collection = leaf->collection,
        .time_ms = leaf->time_ms,
        .batch_position = leaf->batch_position,
        .batch_count = leaf->batch_count,
        .actor = face_bytes(leaf->actor),
        .client_id = leaf->client_id,
        .request = leaf->request,
        .key = face_bytes(leaf->key),
        .value_len = leaf->value_len,
        .commitment = leaf->commitment != NULL ? leaf->commitment->bytes : NULL,
        .payload = face_bytes(leaf->payload),
    };
}

static void copy_hash(uint8_t *out, const struct hash *hash)
{
    memcpy(out, hash->bytes, SHA256_LEN);
}

struct blockdb_header face_header(const struct block_header *header, const struct hash *hash)
{
    struct blockdb_header out = {
        .height = header->height,
        .first_seq = header->first_seq,
        .count = header->count,
        .tree_size = header->tree_size,
        .map_size = header->map_size,
        .time_ms = header->time_ms,
        .term = header->term,
    };

    copy_hash(out.hash, hash);
    copy_hash(out.previous, &header->previous);
    copy_hash(out.block_root, &header->block_root);
    copy_hash(out.tree_root, &header->tree_root);
    copy_hash(out.map_root, &header->map_root);
    return out;
}

struct blockdb_redaction face_redaction(const struct redaction *redaction)
{
    struct blockdb_redaction out = {
        .seq = BLOCKDB_SEQ_NONE,
        .target_seq = redaction->target_seq,
        .reason_code = redaction->reason_code,
        .reason = face_bytes(redaction->reason),
        .authority = face_bytes(redaction->authority),
    };

    copy_hash(out.target_leaf_hash, &redaction->target_leaf);
    return out;
}

int face_decode_leaf(struct slice bytes, const char *what, struct leaf *out, struct error *err)
{
    int rc = leaf_decode(bytes, out);

    if (rc == BLOCKDB_EVERSION) {
        return error_set(err, rc, "%s: the entry was written by a newer version", what);
    }
    if (rc < 0) {
        return error_set(err, rc, "%s: the %zu bytes are no entry", what, bytes.len);
    }
    return BLOCKDB_OK;
}

int face_decode_header(struct slice bytes, const char *what, struct block_header *out,
                       struct error *err)
{
    struct block_header header;
    struct leaf leaf;
    int rc = face_decode_leaf(bytes, what, &leaf, err);

    if (rc < 0) {
        return rc;
    }
    if (leaf.kind != BLOCKDB_KIND_BLOCK_HEADER) {
        return error_set(err, BLOCKDB_ECORRUPT, "%s: the entry is no block header", what);
    }
    rc = block_header_decode(leaf.payload, &header);
    if (rc == BLOCKDB_EVERSION) {
        return error_set(err, rc, "%s: the block header was written by a newer version", what);
    }
    if (rc < 0 || header.time_ms != leaf.time_ms) {
        return error_set(err, BLOCKDB_ECORRUPT, "%s: the block header breaks the format", what);
    }
    *out = header;
    return BLOCKDB_OK;
}
