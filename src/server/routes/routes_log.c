/* SPDX-License-Identifier: Apache-2.0 */
/* The log as others follow it: heads, tiles and entry bundles of C2SP tlog-tiles, blocks. */
#include "base/checksum.h"
#include "base/mem.h"
#include "base/text.h"
#include "server/cosigner.h"
#include "server/routes/json_reply.h"
#include "server/routes/routes_priv.h"
#include "server/server.h"

#include <blockdb/evidence.h>
#include <inttypes.h>
#include <stdio.h>

#define TILE_LEVELS 8     /* of 256 hashes each: more than 2^64 entries have none above */
#define TILE_GROUPS_MAX 7 /* of three digits: 2^64 / 256 has 17 */
#define ETAG_BYTES 24
#define BLOCKS_PER_PAGE 100
#define BLOCKS_PER_PAGE_MAX 1000

static void value_free(struct blockdb_value *value)
{
    blockdb_value_deinit(value);
}

/* ---- Heads --------------------------------------------------------------------------------- */

static int head_run(struct exchange *x, struct blockdb *db, struct error *err)
{
    struct blockdb_head head;
    struct json_writer w;
    int rc = blockdb_head_get(db, &head, err);

    if (rc < 0) {
        return rc;
    }
    reply_begin(x, &w);
    json_writer_member_u64(&w, "size", head.size);
    json_writer_member_u64(&w, "block_count", head.block_count);
    reply_hash_member(&w, "root", head.root);
    return reply_finish(&w, err);
}

void route_head(struct exchange *x)
{
    exchange_run(x, POOL_READ, head_run);
}

static int reply_note(struct exchange *x, const struct blockdb_value *note, struct error *err)
{
    exchange_prepare(x, 200, HTTP_TYPE_TEXT);
    exchange_set_header(x, "Cache-Control", "no-cache");
    return buf_append(exchange_out(x), note->data, note->len) < 0 ? error_set_no_memory(err)
                                                                  : BLOCKDB_OK;
}

/* The newest head that the witness policy of the server is content with. */
static int cosigned_note(struct exchange *x, struct cosigner *cosigner, struct error *err)
{
    int rc;

    if (cosigner == NULL) {
        return error_set(err, BLOCKDB_EUNSUPPORTED,
                         "no witnesses cosign the heads of this server: [ledger] "
                         "witness_policy_file is not set");
    }
    exchange_prepare(x, 200, HTTP_TYPE_TEXT);
    exchange_set_header(x, "Cache-Control", "no-cache");
    rc = cosigner_note(cosigner, exchange_out(x));
    if (rc == BLOCKDB_ENOTFOUND) {
        return error_set(err, BLOCKDB_EBUSY,
                         "no head has the cosignatures that the witness policy asks for yet; "
                         "?cosigned=0 gives the newest head as it is signed");
    }
    return rc < 0 ? error_set_no_memory(err) : BLOCKDB_OK;
}

static int checkpoint_run(struct exchange *x, struct blockdb *db, struct error *err)
{
    AUTO(value_free) struct blockdb_value note = {0};
    struct server *server = exchange_server(x);
    struct cosigner *cosigner = server != NULL ? server_cosigner(server) : NULL;
    bool is_cosigned = cosigner != NULL;
    int rc = exchange_query_bool(x, "cosigned", &is_cosigned, err);

    if (rc == BLOCKDB_OK && is_cosigned) {
        return cosigned_note(x, cosigner, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = blockdb_checkpoint_get(db, &note, err);
    }
    return rc < 0 ? rc : reply_note(x, &note, err);
}

void route_checkpoint(struct exchange *x)
{
    static const char *const names[] = {"cosigned", NULL};
    struct error err;
    int rc = exchange_query_check(x, names, &err);

    if (rc < 0) {
        exchange_error(x, rc, &err);
        return;
    }
    exchange_run(x, POOL_READ, checkpoint_run);
}

static int checkpoint_sign_run(struct exchange *x, struct blockdb *db, struct error *err)
{
    AUTO(value_free) struct blockdb_value note = {0};
    int rc = blockdb_checkpoint_sign(db, &note, err);

    return rc < 0 ? rc : reply_note(x, &note, err);
}

void route_checkpoint_sign(struct exchange *x)
{
    exchange_run(x, POOL_LONG, checkpoint_sign_run);
}

/* ---- Tiles --------------------------------------------------------------------------------- */

/* Which tile a path names. */
struct tile_name {
    bool is_entries;
    unsigned level;
    uint64_t index;
    unsigned width; /* BLOCKDB_TILE_WIDTH: full */
};

/* Takes the text before the next '/' (or all of it) off the front of path. */
static struct slice take_segment(struct slice *path)
{
    const uint8_t *slash = path->len > 0 ? memchr(path->data, '/', path->len) : NULL;
    size_t len = slash != NULL ? (size_t)(slash - path->data) : path->len;
    struct slice segment = slice_of(path->data, len);

    *path = slice_of(path->data + len + (slash != NULL), path->len - len - (slash != NULL));
    return segment;
}

/* Three digits; false when it has anything else. */
static bool parse_group(struct slice digits, uint64_t *index)
{
    size_t i;

    if (digits.len != 3) {
        return false;
    }
    for (i = 0; i < 3; i++) {
        if (digits.data[i] < '0' || digits.data[i] > '9') {
            return false;
        }
        if (__builtin_mul_overflow(*index, 10, index) ||
            __builtin_add_overflow(*index, (uint64_t)(digits.data[i] - '0'), index)) {
            return false;
        }
    }
    return true;
}

/* "x001/x234/067", and what may follow: ".p/W" of a partial tile. */
static bool parse_index(struct slice path, struct tile_name *out)
{
    size_t groups = 0;
    struct slice segment = take_segment(&path);
    uint64_t width;

    while (segment.len == 4 && segment.data[0] == 'x' && groups < TILE_GROUPS_MAX) {
        if (!parse_group(slice_of(segment.data + 1, 3), &out->index) ||
            (groups == 0 && out->index == 0)) {
            return false; /* a number that is longer than needed has another name */
        }
        segment = take_segment(&path);
        groups++;
    }
    out->width = BLOCKDB_TILE_WIDTH;
    if (segment.len == 5 && memcmp(segment.data + 3, ".p", 2) == 0) {
        struct slice text = take_segment(&path);

        if (text_parse_decimal(text, &width) < 0 || width == 0 || width >= BLOCKDB_TILE_WIDTH) {
            return false;
        }
        out->width = (unsigned)width;
        segment.len = 3;
    }
    return path.len == 0 && parse_group(segment, &out->index);
}

static bool parse_tile(struct slice path, struct tile_name *out)
{
    bool has_end = path.len > 0 && path.data[path.len - 1] != '/';
    struct slice segment = take_segment(&path);
    uint64_t level = 0;

    *out = (struct tile_name){0};
    out->is_entries = slice_equal(segment, slice_of_text("entries"));
    if (!out->is_entries && (text_parse_decimal(segment, &level) < 0 || level >= TILE_LEVELS)) {
        return false;
    }
    out->level = (unsigned)level;
    return has_end && parse_index(path, out);
}

/* A full tile never changes, so its bytes name it. */
static int set_tile_headers(struct exchange *x, const struct tile_name *tile, struct error *err)
{
    struct buf *out = exchange_out(x);
    char *tag;

    if (tile->width < BLOCKDB_TILE_WIDTH) {
        exchange_set_header(x, "Cache-Control", "no-cache");
        return BLOCKDB_OK;
    }
    tag = arena_alloc(exchange_arena(x), ETAG_BYTES);
    if (tag == NULL) {
        return error_set_no_memory(err);
    }
    (void)snprintf(tag, ETAG_BYTES, "\"%016" PRIx64 "\"", checksum(out->data, out->len, 0));
    exchange_set_header(x, "ETag", tag);
    exchange_set_header(x, "Cache-Control", "public, max-age=31536000, immutable");
    if (http_list_has(exchange_header(x, "if-none-match"), tag)) {
        buf_reset(out);
        exchange_prepare(x, 304, HTTP_TYPE_BINARY);
    }
    return BLOCKDB_OK;
}

static int read_tile(struct blockdb *db, const struct tile_name *tile, struct buf *out,
                     struct error *err)
{
    AUTO(value_free) struct blockdb_value bundle = {0};
    size_t len = (size_t)tile->width * BLOCKDB_HASH_LEN;
    int rc;

    if (tile->is_entries) {
        rc = blockdb_bundle_read(db, tile->index, tile->width, &bundle, err);
        if (rc == BLOCKDB_OK && buf_append(out, bundle.data, bundle.len) < 0) {
            rc = error_set_no_memory(err);
        }
        return rc;
    }
    if (buf_reserve(out, len) < 0) {
        return error_set_no_memory(err);
    }
    rc = blockdb_tile_read(db, tile->level, tile->index, tile->width, out->data + out->len, err);
    out->len += rc == BLOCKDB_OK ? len : 0;
    return rc;
}

static int tile_run(struct exchange *x, struct blockdb *db, struct error *err)
{
    struct tile_name tile;
    int rc;

    if (!parse_tile(exchange_param(x, "path"), &tile)) {
        return error_set(err, BLOCKDB_ENOTFOUND,
                         "no tile has this path; C2SP tlog-tiles tells how they are named");
    }
    exchange_prepare(x, 200, HTTP_TYPE_BINARY);
    rc = read_tile(db, &tile, exchange_out(x), err);
    return rc < 0 ? rc : set_tile_headers(x, &tile, err);
}

void route_tile(struct exchange *x)
{
    exchange_run(x, POOL_READ, tile_run);
}

/* ---- Blocks -------------------------------------------------------------------------------- */

static void write_block(struct json_writer *w, const struct blockdb_block *block)
{
    json_writer_member_u64(w, "height", block->height);
    json_writer_member_u64(w, "first_seq", block->first_seq);
    json_writer_member_u64(w, "count", block->count);
    json_writer_member_u64(w, "header_seq", block->header_seq);
    json_writer_key(w, "time");
    json_writer_time(w, block->time_ms);
    json_writer_member_u64(w, "term", block->term);
    reply_hash_member(w, "hash", block->hash);
    reply_hash_member(w, "previous_hash", block->previous_hash);
    reply_hash_member(w, "block_root", block->block_root);
    reply_hash_member(w, "tree_root", block->tree_root);
}

static int block_run(struct exchange *x, struct blockdb *db, struct error *err)
{
    struct blockdb_block block;
    struct json_writer w;
    uint64_t height;
    int rc = param_u64(x, "height", &height, err);

    if (rc == BLOCKDB_OK) {
        rc = blockdb_block_get(db, height, &block, err);
    }
    if (rc < 0) {
        return rc;
    }
    reply_begin(x, &w);
    write_block(&w, &block);
    return reply_finish(&w, err);
}

void route_block(struct exchange *x)
{
    exchange_run(x, POOL_READ, block_run);
}

struct blocks_request {
    uint64_t from;
    uint64_t limit;
    bool reverse;
};

static int blocks_parse(const struct exchange *x, struct blocks_request *out, struct error *err)
{
    int rc = exchange_query_bool(x, "reverse", &out->reverse, err);

    if (rc == BLOCKDB_OK) {
        rc = query_bounded(x, "limit", 1, BLOCKS_PER_PAGE_MAX, &out->limit, err);
    }
    return rc < 0 ? rc : exchange_query_u64(x, "from", &out->from, err);
}

static int write_blocks(struct blockdb *db, const struct blocks_request *request,
                        uint64_t block_count, struct json_writer *w, struct error *err)
{
    uint64_t height = request->from;
    uint64_t left = request->reverse ? height + 1 : block_count - height;
    uint64_t count = left < request->limit ? left : request->limit;
    struct blockdb_block block;
    uint64_t i;

    json_writer_key(w, "blocks");
    json_writer_begin_array(w);
    for (i = 0; i < count; i++) {
        int rc = blockdb_block_get(db, request->reverse ? height - i : height + i, &block, err);

        if (rc < 0) {
            return rc;
        }
        json_writer_begin_object(w);
        write_block(w, &block);
        json_writer_end_object(w);
    }
    json_writer_end_array(w);
    if (count < left) {
        json_writer_member_u64(w, "next", request->reverse ? height - count : height + count);
    }
    return BLOCKDB_OK;
}

static int blocks_run(struct exchange *x, struct blockdb *db, struct error *err)
{
    struct blocks_request request = {.from = UINT64_MAX, .limit = BLOCKS_PER_PAGE};
    struct blockdb_head head;
    struct json_writer w;
    int rc = blocks_parse(x, &request, err);

    if (rc == BLOCKDB_OK) {
        rc = blockdb_head_get(db, &head, err);
    }
    if (rc < 0) {
        return rc;
    }
    reply_begin(x, &w);
    json_writer_member_u64(&w, "block_count", head.block_count);
    if (request.from == UINT64_MAX && !request.reverse) {
        request.from = 0;
    }
    if (request.reverse && request.from >= head.block_count) {
        request.from = head.block_count - 1; /* of none: the page stays empty */
    }
    if (!request.reverse && request.from > head.block_count) {
        request.from = head.block_count;
    }
    rc = write_blocks(db, &request, head.block_count, &w, err);
    return rc < 0 ? rc : reply_finish(&w, err);
}

void route_blocks(struct exchange *x)
{
    static const char *const names[] = {"from", "limit", "reverse", NULL};
    struct error err;
    int rc = exchange_query_check(x, names, &err);

    if (rc < 0) {
        exchange_error(x, rc, &err);
        return;
    }
    exchange_run(x, POOL_READ, blocks_run);
}
